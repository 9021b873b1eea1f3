"""Two runs over the same questions: what is counted, who wins, and how it is told."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from idembed.errors import OptionError
from idembed.judge import Change, Found, Judgement, Question, Run, Score, Verdict, compare

QUESTIONS = [
    Question("q0", "what purrs?", {"cat": 1.0}),
    Question("q1", "what barks?", {"dog": 2.0, "wolf": 1.0}),
    Question("q2", "what swims?", {"fish": 1.0}),
    Question("q3", "what flies?", {"bird": 1.0}),
]
OLD = [["dog", "cat"], ["dog", "wolf"], ["fish"], ["cow", "pig", "hen", "bird"]]
NEW = [["cat", "dog"], ["wolf", "dog"], ["fish"], ["cow", "pig", "hen", "owl"]]


def run(ranked: Sequence[Sequence[str]], label: str = "active", seconds: Sequence[float] = ()) -> Run:
    return Run(
        label, 1 if label == "active" else 2, f"model of {label}", "0" * 64, ranked, seconds or [0.01] * len(ranked)
    )


def judged(
    old: Sequence[Sequence[str]] = OLD,
    new: Sequence[Sequence[str]] = NEW,
    questions: Sequence[Question] = QUESTIONS,
    **options: Any,
) -> Judgement:
    options = {"weaker_evidence": False, "rows_compared": 9, "rows_total": 9} | options
    return compare(questions, run(old), run(new, "building"), **options)


def many(count: int) -> Judgement:
    """``count`` questions of which every fourth is lost and the others are won."""
    questions = [Question(f"q{i}", f"question {i}", {"right": 1.0}) for i in range(count)]
    good, bad = ["right", "wrong"], ["wrong", "right"]
    old = [good if i % 4 == 0 else bad for i in range(count)]
    new = [bad if i % 4 == 0 else good for i in range(count)]
    return judged(old, new, questions)


def test_the_metrics_are_means_over_the_questions() -> None:
    found = {metric.name: (round(metric.old, 4), round(metric.new, 4)) for metric in judged().metrics}
    assert found == {
        "nDCG@10": (0.7654, 0.7149),  # (0.6309 + 1 + 1 + 0.4307) / 4, (1 + 0.8597 + 1 + 0) / 4
        "recall@10": (1.0, 0.75),
        "recall@100": (1.0, 0.75),
        "MRR@10": (0.6875, 0.75),
    }


def test_every_difference_has_its_own_interval() -> None:
    ndcg, _, _, mrr = judged().metrics
    assert ndcg.difference.mean == pytest.approx(ndcg.new - ndcg.old)
    assert mrr.difference.mean == pytest.approx(0.0625)
    assert mrr.difference.low < 0.0 < mrr.difference.high
    assert (ndcg.difference.level, ndcg.difference.questions) == (0.95, 4)


def test_recall_at_100_looks_further_than_at_10() -> None:
    ranked = [[f"row{i}" for i in range(50)]]
    _, at_10, at_100, _ = judged(ranked, ranked, [Question("q", "where?", {"row20": 1.0})]).metrics
    assert (at_10.new, at_100.new) == (0.0, 1.0)


def test_questions_are_won_lost_or_tied_by_ndcg() -> None:
    found = judged()
    assert (found.won, found.lost, found.tied) == (1, 2, 1)
    assert found.scores[0] == Score("q0", 0.6309297535714575, 1.0)
    assert [round(score.change, 4) for score in found.scores] == [0.3691, -0.1403, 0.0, -0.4307]


def test_winners_and_losers_come_by_size_with_what_each_found() -> None:
    found = judged()
    (winner,) = found.winners
    assert winner == Change(
        "q0",
        "what purrs?",
        0.6309297535714575,
        1.0,
        relevant=("cat",),
        old_top=(Found("dog", 0.0), Found("cat", 1.0)),
        new_top=(Found("cat", 1.0), Found("dog", 0.0)),
    )
    assert [change.id for change in found.losers] == ["q3", "q1"]
    assert found.losers[0].old_top == (Found("cow", 0.0), Found("pig", 0.0), Found("hen", 0.0))
    assert found.losers[1].relevant == ("dog", "wolf")


def test_ten_winners_and_losers_are_shown_equal_ones_in_the_order_asked() -> None:
    found = many(80)
    assert [change.id for change in found.winners] == ["q1", "q2", "q3", "q5", "q6", "q7", "q9", "q10", "q11", "q13"]
    assert [change.id for change in found.losers] == ["q0", "q4", "q8", "q12", "q16", "q20", "q24", "q28", "q32", "q36"]
    assert (found.won, found.lost) == (60, 20)


def test_overlap_is_the_mean_of_what_both_find_among_the_first_ten() -> None:
    assert judged().overlap == (1 + 1 + 1 + 0.75) / 4


def test_latency_is_a_median_and_a_95th_percentile_in_milliseconds() -> None:
    questions = [QUESTIONS[0]] * 20
    slow = run([["cat"]] * 20, "building", [0.001 * (i + 1) for i in range(20)][::-1])
    found = compare(questions, run([["cat"]] * 20), slow, weaker_evidence=False, rows_compared=1, rows_total=1)
    assert (found.old.p50_ms, found.old.p95_ms) == (10.0, 10.0)
    assert (found.new.p50_ms, found.new.p95_ms) == pytest.approx((10.0, 19.0))


def test_the_verdict_is_that_of_ndcg() -> None:
    assert many(400).verdict is Verdict.GO
    assert many(400).reason.startswith("nDCG@10 is higher: +0.185 on average over 400 questions")
    assert judged().verdict is Verdict.INCONCLUSIVE


def test_the_margin_is_passed_on() -> None:
    questions = [QUESTIONS[0]] * 100
    old, new = [["cat"]] * 100, [["dog", "cat"]] + [["cat"]] * 99
    assert judged(old, new, questions, margin=0.005).verdict is Verdict.INCONCLUSIVE
    assert judged(old, new, questions, margin=0.02).verdict is Verdict.GO


def test_without_questions_nothing_is_decided() -> None:
    found = judged([], [], [])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert math.isnan(found.metrics[0].old)
    assert math.isnan(found.overlap)
    assert (found.won, found.lost, found.tied, found.winners) == (0, 0, 0, ())


def test_what_weakens_the_evidence_is_said() -> None:
    assert judged().caveats == ()
    (made,) = judged(weaker_evidence=True).caveats
    assert made.startswith("The questions were made from the rows themselves")
    (few,) = judged(rows_compared=2500, rows_total=10_000).caveats
    assert few.startswith("Only 2,500 of 10,000 rows were compared.")
    dropped, unanswered = judged(questions_dropped=6, answers_dropped=1).caveats
    assert dropped.startswith("6 of 10 questions were left out")
    assert unanswered.startswith("1 of the answers to the questions that were asked")


def test_the_same_arguments_give_the_same_json() -> None:
    first, again = (json.dumps(many(50).as_dict(), allow_nan=False) for _ in range(2))
    assert first == again


def test_json_has_everything_by_name() -> None:
    found = judged(weaker_evidence=True, questions_dropped=3).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["verdict"] == "INCONCLUSIVE"
    assert found["old"] == {
        "label": "active",
        "generation": 1,
        "model": "model of active",
        "space_id": "0" * 64,
        "p50_ms": 10.0,
        "p95_ms": 10.0,
    }
    assert found["metrics"][3] == {
        "name": "MRR@10",
        "old": 0.6875,
        "new": 0.75,
        "difference": {"mean": 0.0625, "low": -0.1875, "high": 0.375, "level": 0.95, "questions": 4},
    }
    assert found["scores"][0] == {"id": "q0", "old": 0.63093, "new": 1.0}
    assert found["winners"][0]["new_top"] == [{"id": "cat", "gain": 1.0}, {"id": "dog", "gain": 0.0}]
    assert len(found["caveats"]) == 2
    assert (found["questions_dropped"], found["answers_dropped"]) == (3, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_json_has_null_where_there_is_no_number(count: int) -> None:
    found = judged(OLD[:count], NEW[:count], QUESTIONS[:count]).as_dict()
    json.dumps(found, allow_nan=False)
    assert found["metrics"][0]["difference"]["low"] is None
    assert (found["overlap"] is None) == (found["old"]["p95_ms"] is None) == (count == 0)


def test_the_text_for_a_terminal() -> None:
    assert str(judged(rows_compared=5)) == TEXT


TEXT = """\
INCONCLUSIVE. nDCG@10 changes by -0.050 on average over 4 questions; fewer than 20 decide nothing.

old  generation 1 (active): model of active
new  generation 2 (building): model of building

                   old       new    change   95% interval
nDCG@10          0.765     0.715    -0.050   -0.323 to +0.242
recall@10        1.000     0.750    -0.250   -0.750 to +0.000
recall@100       1.000     0.750    -0.250   -0.750 to +0.000
MRR@10           0.688     0.750    +0.062   -0.188 to +0.375
latency p50    10.0 ms   10.0 ms
latency p95    10.0 ms   10.0 ms

questions   1 won, 2 lost, 1 tied
first ten   94% of the rows are the same
won most    0.63 to 1.00   what purrs?
lost most   0.43 to 0.00   what flies?
            1.00 to 0.86   what barks?
note: Only 5 of 9 rows were compared. With fewer wrong rows to choose from, both generations score
      higher than they will in the whole index."""


def test_the_text_has_nothing_that_acts_on_a_terminal_and_no_long_line() -> None:
    evil = "\x1b[31m\u202e" + "x" * 300 + "\nnew line"
    questions = [Question("q", evil, {evil: 1.0})]
    runs = [Run(evil, 1, evil, evil, [[evil]], [0.1]), Run(evil, 2, evil, evil, [[]], [0.1])]
    text = str(compare(questions, *runs, weaker_evidence=True, rows_compared=1, rows_total=2))
    assert not set(text) & {"\x1b", "\u202e"}
    assert "…" in text
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 26


def test_runs_answer_the_same_questions() -> None:
    with pytest.raises(OptionError, match="building: 3 rankings for 4 questions"):
        judged(OLD, NEW[:3])
    with pytest.raises(OptionError, match="active: 5 rankings for 4 questions"):
        judged([*OLD, []], NEW)


@pytest.mark.parametrize(("compared", "total"), [(5, 4), (-1, 4)])
def test_no_more_rows_are_compared_than_there_are(compared: int, total: int) -> None:
    with pytest.raises(OptionError, match="rows cannot have been compared"):
        judged(rows_compared=compared, rows_total=total)


@pytest.mark.parametrize(
    ("ranked", "seconds", "says"),
    [
        ([["a"], ["b"]], [0.1], "active: 2 rankings, but 1 latencies"),
        ([["a"], ["b", "b"]], [0.1, 0.1], "active: ranking 1 has a row twice"),
        ([["a"]], [-0.1], "active: a latency"),
        ([["a"]], [math.nan], "active: a latency"),
    ],
)
def test_a_run_that_cannot_be_is_refused(ranked: list[list[str]], seconds: list[float], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        run(ranked, seconds=seconds)
