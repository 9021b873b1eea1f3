"""Go or no-go: what the interval of a difference allows to be said."""

from __future__ import annotations

import math
from enum import StrEnum

from idembed.arguments import check_number
from idembed.errors import OptionError
from idembed.judge.bootstrap import Interval

__all__ = ["MARGIN", "MIN_QUESTIONS", "Verdict", "check_margin", "decide"]

MARGIN = 0.01
"""The loss of nDCG@10 that is accepted unless another one is named."""
MIN_QUESTIONS = 20
"""Fewer decide nothing. On SciFact (docs/adr/0009) a model whose nDCG@10 is lower by 0.09 would get a GO in 17 % of
draws of 5 questions, 3 % of 10, and 0.3 % of 20."""


class Verdict(StrEnum):
    """What to do with a new generation."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


def check_margin(margin: float) -> None:
    """Raise OptionError for what is no margin, before anything is asked."""
    check_number("margin", margin)
    if not 0.0 <= margin < 1.0:
        raise OptionError(f"the margin is a difference of nDCG@10, from 0 to below 1, not {margin!r}")


def decide(interval: Interval, margin: float = MARGIN) -> tuple[Verdict, str]:
    """The verdict on an ``interval`` of nDCG@10, new minus old, and the reason in plain words.

    GO when all of the interval lies at or above −margin: the new model is not worse by more than that. NO-GO
    when all of it lies below 0. Else INCONCLUSIVE, as with fewer than MIN_QUESTIONS; the reason then says how many
    questions would be needed if the difference stayed what it is. Raises OptionError for a margin that is none.
    """
    check_margin(margin)
    n = interval.questions
    if n == 0:
        return Verdict.INCONCLUSIVE, f"There is no question to decide by; at least {MIN_QUESTIONS} are needed."
    found = f"{interval.mean:+.3f} on average over {n:,} question{'' if n == 1 else 's'}"
    if n < MIN_QUESTIONS:
        return Verdict.INCONCLUSIVE, f"nDCG@10 changes by {found}; fewer than {MIN_QUESTIONS} decide nothing."
    span = f"{interval.percent} interval {interval.low:+.3f} to {interval.high:+.3f}"
    if interval.low >= -margin:
        return Verdict.GO, f"nDCG@10 is {_kept(interval, margin)}: {found}, {span}."
    if interval.high < 0.0:
        return Verdict.NO_GO, f"nDCG@10 is lower: {found}, {span}."
    return Verdict.INCONCLUSIVE, f"nDCG@10 may be higher or lower: {found}, {span}. {_advice(interval, margin)}"


def _kept(interval: Interval, margin: float) -> str:
    if interval.low > 0.0:
        return "higher"
    within = f"not lower by more than the margin of {margin:g}"
    return f"lower, but {within}" if interval.high < 0.0 else within


def _advice(interval: Interval, margin: float) -> str:
    needed = _questions_needed(interval, margin)
    if math.isinf(needed):
        return "Without a margin, no number of questions tells a difference of 0 from one below it."
    if needed > 1_000_000:
        return "If the difference stays so, more than a million questions would be needed."
    step = 10.0 ** (math.floor(math.log10(needed)) - 1)  # two digits are all that is known
    return f"If the difference stays so, about {math.ceil(needed / step) * step:,.0f} questions would decide."


def _questions_needed(interval: Interval, margin: float) -> float:
    """How many questions would make an undecided interval narrow enough, if the mean stayed where it is.

    Both arms of an interval shrink with the root of the number of questions. For a GO the lower arm must end at or
    above −margin, for a NO-GO the upper one below 0, whichever comes first.
    """
    mean = interval.mean
    too_wide = [math.inf]
    if mean > -margin:
        too_wide.append((mean - interval.low) / (mean + margin))
    if mean < 0.0:
        too_wide.append((interval.high - mean) / -mean)
    return interval.questions * min(too_wide) ** 2
