"""What was found when two generations answered the same questions, for people and for programs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from idembed.judge.bootstrap import Interval
from idembed.judge.verdict import Verdict
from idembed.shown import short_revisions, shorten

__all__ = ["Change", "Contender", "Found", "Judgement", "Metric", "Score"]

_WIDTH = 100
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the two generations, and the latency of a question there: median and 95th percentile in ms, NaN when
    no question was asked."""

    label: str
    generation: int
    model: str
    space_id: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Metric:
    """The means of one metric over all questions (NaN without any), and the interval of new minus old."""

    name: str
    old: float
    new: float
    difference: Interval


@dataclass(frozen=True, slots=True)
class Score:
    """nDCG@10 of one question."""

    id: str
    old: float
    new: float

    @property
    def change(self) -> float:
        """New minus old."""
        return self.new - self.old


@dataclass(frozen=True, slots=True)
class Found:
    """A row that was found, and its gain: 0 when it does not answer the question."""

    id: str
    gain: float


@dataclass(frozen=True, slots=True)
class Change:
    """A question that one generation answers better: both nDCG@10, and the first three rows that each finds.
    ``relevant``: three ids at most, highest gain first."""

    id: str
    text: str
    old: float
    new: float
    relevant: tuple[str, ...]
    old_top: tuple[Found, ...]
    new_top: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on ``new``, and what it rests on.

    ``metrics`` are nDCG@10, which alone decides, recall@10, recall@100 and MRR@10. ``overlap`` is the mean share of
    the first ten rows that both find. ``scores`` has every question, in the order asked; ``won`` of them have
    a higher nDCG@10 than before, ``lost`` a lower one. ``winners`` and ``losers`` are the ten that change most.
    ``weaker_evidence``: the questions were made from the rows themselves. ``questions_dropped`` were not asked, as none
    of their answers is among the ``rows_compared``; ``answers_dropped`` of the others were not either, and are not
    counted as missing.
    """

    verdict: Verdict
    reason: str
    margin: float
    old: Contender
    new: Contender
    metrics: tuple[Metric, ...]
    overlap: float
    won: int
    lost: int
    tied: int
    winners: tuple[Change, ...]
    losers: tuple[Change, ...]
    scores: tuple[Score, ...]
    weaker_evidence: bool
    rows_compared: int
    rows_total: int
    questions_dropped: int = 0
    answers_dropped: int = 0

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader should know before acting on the verdict, in sentences."""
        found = []
        if self.weaker_evidence:
            found.append(
                "The questions were made from the rows themselves and use their words: weaker evidence than questions "
                "that people asked, and too weak to choose between averaged word vectors and a transformer."
            )
        if self.rows_compared < self.rows_total:
            found.append(
                f"Only {self.rows_compared:,} of {self.rows_total:,} rows were compared. With fewer wrong rows to "
                "choose from, both generations score higher than they will in the whole index."
            )
        if self.questions_dropped:
            asked = len(self.scores) + self.questions_dropped
            found.append(
                f"{self.questions_dropped:,} of {asked:,} questions were left out: no row that both generations have "
                "answers them."
            )
        if self.answers_dropped:
            found.append(
                f"{self.answers_dropped:,} of the answers to the questions that were asked are not among the rows that "
                "both generations have, and do not count."
            )
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON: numbers rounded to six decimals, None where there is no number."""
        found: dict[str, Any] = _jsonable({**asdict(self), "caveats": self.caveats})
        return found

    def __str__(self) -> str:
        """For a terminal: some 25 lines of at most 100 characters, safe to print whatever ids and texts are."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from textwrap.wrap(f"{self.verdict}. {self.reason}", _WIDTH)
        yield ""
        yield _named("old", self.old)
        yield _named("new", self.new)
        yield ""
        yield f"{'':<12}{'old':>10}{'new':>10}{'change':>10}   {self.metrics[0].difference.percent} interval"
        yield from map(_metric_line, self.metrics)
        yield f"{'latency p50':<12}{_number(self.old.p50_ms, '.1f', ' ms')}{_number(self.new.p50_ms, '.1f', ' ms')}"
        yield f"{'latency p95':<12}{_number(self.old.p95_ms, '.1f', ' ms')}{_number(self.new.p95_ms, '.1f', ' ms')}"
        yield ""
        yield f"{'questions':<12}{self.won:,} won, {self.lost:,} lost, {self.tied:,} tied"
        if self.scores:
            yield f"{'first ten':<12}{self.overlap:.0%} of the rows are the same"
        yield from _example_lines("won most", self.winners)
        yield from _example_lines("lost most", self.losers)
        for caveat in self.caveats:
            yield from textwrap.wrap(f"note: {caveat}", _WIDTH, subsequent_indent="      ")


def _metric_line(metric: Metric) -> str:
    change, interval = metric.difference, "too few questions"
    if change.is_bounded:
        interval = f"{change.low:+.3f} to {change.high:+.3f}"
    means = _number(metric.old, ".3f") + _number(metric.new, ".3f") + _number(change.mean, "+.3f")
    return f"{metric.name:<12}{means}   {interval}"


def _example_lines(title: str, changes: Sequence[Change]) -> Iterator[str]:
    for change in changes[:_EXAMPLES]:
        yield f"{title:<12}{change.old:.2f} to {change.new:.2f}   {shorten(change.text, _WIDTH - 27)}"
        title = ""


def _named(which: str, contender: Contender) -> str:
    line = f"{which}  generation {contender.generation} ({shorten(contender.label, 24)}): "
    return line + shorten(short_revisions(contender.model), _WIDTH - len(line))


def _number(value: float, form: str, unit: str = "") -> str:
    """In ten columns, to the right."""
    return f"{format(value, form) + unit if math.isfinite(value) else '-':>10}"


def _jsonable(value: Any) -> Any:
    """``value`` of dataclasses.asdict with lists for tuples, and numbers that JSON has."""
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return str(value) if isinstance(value, str) else value
