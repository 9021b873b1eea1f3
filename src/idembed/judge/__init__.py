"""Is a new generation better than the old? Questions, metrics, an interval, a verdict, and a report.

It is given what was found and knows nothing of stores, models or indexes.
"""

from idembed.judge.bootstrap import Interval, paired_bootstrap
from idembed.judge.compare import Run, compare
from idembed.judge.judgement import Change, Contender, Found, Judgement, Metric, Score
from idembed.judge.knownitem import known_item
from idembed.judge.questions import BeirQuestions, Question, read_beir, read_qrels
from idembed.judge.report import html_report
from idembed.judge.verdict import MARGIN, MIN_QUESTIONS, Verdict, check_margin, decide

__all__ = [
    "MARGIN",
    "MIN_QUESTIONS",
    "BeirQuestions",
    "Change",
    "Contender",
    "Found",
    "Interval",
    "Judgement",
    "Metric",
    "Question",
    "Run",
    "Score",
    "Verdict",
    "check_margin",
    "compare",
    "decide",
    "html_report",
    "known_item",
    "paired_bootstrap",
    "read_beir",
    "read_qrels",
]
