"""What may be concluded from an interval, and what is said about it."""

from __future__ import annotations

import math

import pytest

from idembed.errors import OptionError
from idembed.judge.bootstrap import Interval
from idembed.judge.verdict import MIN_QUESTIONS, Verdict, decide


def interval(low: float, mean: float, high: float, questions: int = 100) -> Interval:
    return Interval(mean, low, high, 0.95, questions)


@pytest.mark.parametrize(
    ("low", "mean", "high", "verdict"),
    [
        (0.01, 0.02, 0.03, Verdict.GO),
        (-0.01, 0.0, 0.01, Verdict.GO),  # at the margin
        (-0.009, -0.005, -0.001, Verdict.GO),  # lower, and within the margin
        (-0.0101, 0.02, 0.05, Verdict.INCONCLUSIVE),
        (-0.05, -0.02, 0.0, Verdict.INCONCLUSIVE),  # 0 is not below 0
        (-0.05, -0.02, -0.0001, Verdict.NO_GO),
        (-0.30, -0.20, -0.10, Verdict.NO_GO),
    ],
)
def test_the_rule(low: float, mean: float, high: float, verdict: Verdict) -> None:
    assert decide(interval(low, mean, high), 0.01)[0] is verdict


def test_the_margin_is_a_hundredth_unless_given() -> None:
    assert decide(interval(-0.01, 0.0, 0.01))[0] is Verdict.GO
    assert decide(interval(-0.011, 0.0, 0.01))[0] is Verdict.INCONCLUSIVE
    assert decide(interval(-0.011, 0.0, 0.01), 0.02)[0] is Verdict.GO


def test_without_a_margin_the_interval_may_not_reach_below_zero() -> None:
    assert decide(interval(0.0, 0.1, 0.2), 0.0)[0] is Verdict.GO
    assert decide(interval(-0.001, 0.1, 0.2), 0.0)[0] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            interval(0.012, 0.031, 0.05, 300),
            "nDCG@10 is higher: +0.031 on average over 300 questions, 95% interval +0.012 to +0.050.",
        ),
        (
            interval(-0.004, 0.003, 0.01, 1200),
            "nDCG@10 is not lower by more than the margin of 0.01: +0.003 on average over 1,200 questions, "
            "95% interval -0.004 to +0.010.",
        ),
        (
            interval(-0.008, -0.005, -0.002),
            "nDCG@10 is lower, but not lower by more than the margin of 0.01: -0.005 on average over 100 questions, "
            "95% interval -0.008 to -0.002.",
        ),
        (
            interval(-0.05, -0.03, -0.01),
            "nDCG@10 is lower: -0.030 on average over 100 questions, 95% interval -0.050 to -0.010.",
        ),
        (
            interval(-0.05, 0.01, 0.07),
            "nDCG@10 may be higher or lower: +0.010 on average over 100 questions, 95% interval -0.050 to +0.070. "
            "If the difference stays so, about 900 questions would decide.",
        ),
    ],
)
def test_the_reason_has_the_numbers(found: Interval, reason: str) -> None:
    assert decide(found, 0.01)[1] == reason


@pytest.mark.parametrize(
    ("found", "margin", "advice"),
    [
        (interval(-0.05, 0.01, 0.07), 0.01, "about 900 questions"),  # the lower arm, 0.06, must shrink to 0.02
        (interval(-0.08, -0.04, 0.0), 0.01, "about 100 questions"),  # the upper arm, 0.04, just
        (interval(-0.09, -0.03, 0.03), 0.01, "about 400 questions"),  # the upper arm, 0.06, to 0.03
        (interval(-0.031, -0.005, 0.021), 0.01, "about 2,800 questions"),  # either arm, 0.026, to 0.005
        (interval(-0.0204, 0.0, 0.02), 0.01, "about 420 questions"),  # 416.2, rounded up
        (interval(-0.03, 0.0001, 0.03), 0.0, "more than a million questions"),
        (interval(-0.03, 0.0, 0.03), 0.0, "no number of questions"),
    ],
)
def test_an_open_verdict_says_how_many_questions_would_close_it(found: Interval, margin: float, advice: str) -> None:
    verdict, reason = decide(found, margin)
    assert verdict is Verdict.INCONCLUSIVE
    assert advice in reason


def test_few_questions_decide_nothing_whatever_their_interval() -> None:
    few = interval(0.5, 0.5, 0.5, MIN_QUESTIONS - 1)
    assert decide(few) == (
        Verdict.INCONCLUSIVE,
        "nDCG@10 changes by +0.500 on average over 19 questions; fewer than 20 decide nothing.",
    )
    assert decide(interval(0.5, 0.5, 0.5, MIN_QUESTIONS))[0] is Verdict.GO


def test_one_question_and_none_decide_nothing() -> None:
    one = decide(interval(-math.inf, 0.5, math.inf, 1))
    assert one == (
        Verdict.INCONCLUSIVE,
        "nDCG@10 changes by +0.500 on average over 1 question; fewer than 20 decide nothing.",
    )
    none = decide(interval(-math.inf, math.nan, math.inf, 0))
    assert none == (Verdict.INCONCLUSIVE, "There is no question to decide by; at least 20 are needed.")


@pytest.mark.parametrize("margin", [-0.01, 1.0, math.nan, math.inf])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(OptionError, match="margin"):
        decide(interval(0.0, 0.1, 0.2), margin)


def test_verdicts_are_written_as_people_say_them() -> None:
    assert [str(verdict) for verdict in Verdict] == ["GO", "NO-GO", "INCONCLUSIVE"]
