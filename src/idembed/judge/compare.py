"""Two generations of an index that answered the same questions, compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from idembed.errors import OptionError
from idembed.judge.bootstrap import paired_bootstrap
from idembed.judge.judgement import Change, Contender, Found, Judgement, Metric, Score
from idembed.judge.metrics import ndcg, overlap, recall, reciprocal_rank
from idembed.judge.questions import Question
from idembed.judge.verdict import MARGIN, decide

__all__ = ["Run", "compare"]

Ranking = Sequence[str]
_METRICS: dict[str, Callable[[Ranking, Mapping[str, float]], float]] = {
    "nDCG@10": partial(ndcg, k=10),  # the first one decides
    "recall@10": partial(recall, k=10),
    "recall@100": partial(recall, k=100),
    "MRR@10": partial(reciprocal_rank, k=10),
}
_MOST_CHANGED = 10
_TOP = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What one generation found: for each question the ids of rows, best first, each once, up to 100 (a row's best
    part counts), and the seconds that embedding it and searching took.

    Raises OptionError for two lists of different lengths, an id that is twice in a ranking, or seconds below 0.
    """

    label: str
    generation: int
    model: str
    space_id: str
    ranked: Sequence[Ranking]
    seconds: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.ranked) != len(self.seconds):
            raise OptionError(f"{self.label}: {len(self.ranked)} rankings, but {len(self.seconds)} latencies")
        for at, ids in enumerate(self.ranked):
            if len(set(ids)) != len(ids):
                raise OptionError(f"{self.label}: ranking {at} has a row twice", hint="rank each row by its best part")
        if not all(0.0 <= seconds < math.inf for seconds in self.seconds):
            raise OptionError(f"{self.label}: a latency is no number of seconds")


def compare(
    questions: Sequence[Question],
    old: Run,
    new: Run,
    *,
    margin: float = MARGIN,
    weaker_evidence: bool,
    rows_compared: int,
    rows_total: int,
    questions_dropped: int = 0,
    answers_dropped: int = 0,
) -> Judgement:
    """Judge ``new`` against ``old``, whose rankings and latencies are in the order of ``questions``.

    ``margin`` is the loss of nDCG@10 that is accepted (see ``decide``). ``weaker_evidence``: the questions were made by
    ``known_item``. ``rows_compared`` of ``rows_total`` rows were there to be found, the same ones in both runs;
    ``questions_dropped`` and ``answers_dropped``: what was left out because its rows were not.
    The same arguments give an equal Judgement. Raises OptionError for runs that have another number of questions.
    """
    _check(len(questions), (old, new), rows_compared, rows_total)
    found = {
        name: [[metric(ids, q.relevant) for ids, q in zip(run.ranked, questions, strict=True)] for run in (old, new)]
        for name, metric in _METRICS.items()
    }
    metrics = tuple(_metric(name, before, after) for name, (before, after) in found.items())
    verdict, reason = decide(metrics[0].difference, margin)
    before, after = found["nDCG@10"]
    scores = tuple(Score(q.id, before[at], after[at]) for at, q in enumerate(questions))
    won = sorted((at for at, score in enumerate(scores) if score.change > 0), key=lambda at: -scores[at].change)
    lost = sorted((at for at, score in enumerate(scores) if score.change < 0), key=lambda at: scores[at].change)
    winners, losers = (
        tuple(_change(questions[at], scores[at], old.ranked[at], new.ranked[at]) for at in most[:_MOST_CHANGED])
        for most in (won, lost)
    )
    return Judgement(
        verdict=verdict,
        reason=reason,
        margin=margin,
        old=_contender(old),
        new=_contender(new),
        metrics=metrics,
        overlap=_mean([overlap(a, b, 10) for a, b in zip(old.ranked, new.ranked, strict=True)]),
        won=len(won),
        lost=len(lost),
        tied=len(scores) - len(won) - len(lost),
        winners=winners,
        losers=losers,
        scores=scores,
        weaker_evidence=weaker_evidence,
        rows_compared=rows_compared,
        rows_total=rows_total,
        questions_dropped=questions_dropped,
        answers_dropped=answers_dropped,
    )


def _check(asked: int, runs: tuple[Run, Run], rows_compared: int, rows_total: int) -> None:
    for run in runs:
        if len(run.ranked) != asked:
            raise OptionError(f"{run.label}: {len(run.ranked)} rankings for {asked} questions")
    if not 0 <= rows_compared <= rows_total:
        raise OptionError(f"{rows_compared} of {rows_total} rows cannot have been compared")


def _metric(name: str, before: Sequence[float], after: Sequence[float]) -> Metric:
    difference = paired_bootstrap([b - a for a, b in zip(before, after, strict=True)])
    return Metric(name, _mean(before), _mean(after), difference)


def _change(question: Question, score: Score, old: Ranking, new: Ranking) -> Change:
    gains = question.relevant
    best = sorted(gains, key=lambda row: (-gains[row], row))
    old_top, new_top = (tuple(Found(row, gains.get(row, 0.0)) for row in ids[:_TOP]) for ids in (old, new))
    return Change(question.id, question.text, score.old, score.new, tuple(best[:_TOP]), old_top, new_top)


def _contender(run: Run) -> Contender:
    slowest = sorted(run.seconds)
    p50, p95 = (1000.0 * _percentile(slowest, share) for share in (0.50, 0.95))
    return Contender(run.label, run.generation, run.model, run.space_id, p50, p95)


def _percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed (nearest rank): one that was measured."""
    return ascending[math.ceil(share * len(ascending)) - 1] if ascending else math.nan


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
