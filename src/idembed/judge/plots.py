"""The plots of a report, each one SVG element; colours come from the page's style sheet.

What a plot shows in colour it shows by place or in words as well, and each has a name for those who hear it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import Literal

from idembed.judge.judgement import Contender, Metric, Score

__all__ = ["plot_changes", "plot_intervals", "plot_latencies", "plot_scores", "signed"]

Scale = Callable[[float], float]
Anchor = Literal["start", "middle", "end"]

_WIDTH = 880
_SQUARE = 400
_BINS = 10  # on either side of no change
_GRID = 20  # bubbles stand at multiples of 1/20


def plot_intervals(metrics: Sequence[Metric], margin: float) -> str:
    """The mean change of each metric as a dot, its interval as a line; a band is the loss that is accepted."""
    left, right, top, row = 110, _WIDTH - 70, 8, 40
    foot = top + row * len(metrics)
    known = [metric.difference for metric in metrics if metric.difference.is_bounded]
    least, most = min([-0.02, -margin, *(i.low for i in known)]), max([0.02, *(i.high for i in known)])
    ticks = _ticks(least, most)
    x = _scale(ticks[0], ticks[-1], left, right)
    parts = [_rect(x(-margin), top, x(0.0) - x(-margin), foot - top, "band")]
    for tick in ticks:
        parts.append(_line(x(tick), top, x(tick), foot, "axis" if tick == 0.0 else "grid"))
        parts.append(_text(x(tick), foot + 20, signed(tick, 2)))
    for at, metric in enumerate(metrics):
        y, interval = top + row * (at + 0.5), metric.difference
        parts.append(_text(left - 14, y + 5, metric.name, "end", "strong" if at == 0 else "name"))
        if not interval.is_bounded:
            parts.append(_text(x(0.0) + 10, y + 5, "too few questions", "start"))
            continue
        low, high = x(interval.low), x(interval.high)
        parts.append(_line(low, y, high, y, "whisker"))
        parts += [_line(end, y - 6, end, y + 6, "whisker") for end in (low, high)]
        parts.append(_circle(x(interval.mean), y, 5.5, "dot"))
        parts.append(_text(right + 12, y + 5, signed(interval.mean), "start", "strong" if at == 0 else "name"))
    return _svg("Change of each metric, new minus old, with its interval", _WIDTH, foot + 28, parts)


def plot_changes(scores: Sequence[Score]) -> str:
    """How many questions change by how much. Those that do not change are left out: often they are most."""
    left, right, top, foot = 44, _SQUARE - 24, 34, _SQUARE - 52
    bins = Counter(_bin(score.change) for score in scores if score.change)
    ticks = [tick for tick in _ticks(0, max(bins.values(), default=4)) if tick == int(tick)]
    x, y = _scale(-1.0, 1.0, left, right), _scale(0.0, ticks[-1], foot, top)
    parts = []
    for tick in ticks:
        parts.append(_line(left, y(tick), right, y(tick), "grid"))
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:,.0f}", "end"))
    for at, count in sorted(bins.items()):
        start = (at - 1 if at > 0 else at) / _BINS
        width = x(1 / _BINS) - x(0.0) - 2
        parts.append(_rect(x(start) + 1, y(count), width, foot - y(count), "won" if at > 0 else "lost"))
    parts += [_text(x(tick), foot + 20, signed(tick, 1)) for tick in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    parts.append(_line(x(0.0), top, x(0.0), foot, "axis"))
    parts.append(_text(x(0.0) - 10, top - 14, "◀ old is better", "end", "name"))
    parts.append(_text(x(0.0) + 10, top - 14, "new is better ▶", "start", "name"))
    parts.append(_text(x(0.0), _SQUARE - 10, "change of nDCG@10"))
    return _svg("Questions by their change of nDCG@10", _SQUARE, _SQUARE, parts)


def plot_scores(scores: Sequence[Score]) -> str:
    """nDCG@10 of every question, old to the right and new upwards, to the next 0.05: at most 441 bubbles, however many
    questions there are. A bubble's area is the number of questions."""
    left, right, top, foot = 44, _SQUARE - 24, 34, _SQUARE - 52
    x, y = _scale(-0.05, 1.05, left, right), _scale(-0.05, 1.05, foot, top)  # bubbles do not stand on the edge
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [_line(x(tick), top, x(tick), foot, "grid"), _line(left, y(tick), right, y(tick), "grid")]
        parts += [_text(x(tick), foot + 20, f"{tick:g}"), _text(left - 8, y(tick) + 4, f"{tick:g}", "end")]
    parts.append(_line(x(-0.05), y(-0.05), x(1.05), y(1.05), "axis"))
    bubbles = Counter((round(score.old * _GRID), round(score.new * _GRID)) for score in scores)
    unit = 15.0 / math.sqrt(max(bubbles.values(), default=1))
    for (old, new), count in sorted(bubbles.items(), key=lambda item: (-item[1], item[0])):
        kind = "tied" if old == new else "won" if new > old else "lost"
        parts.append(_circle(x(old / _GRID), y(new / _GRID), max(unit * math.sqrt(count), 2.5), f"bubble {kind}"))
    parts.append(_text(x(0.07), y(0.92), "new is better", "start", "name"))
    parts.append(_text(x(0.93), y(0.06), "old is better", "end", "name"))
    parts.append(_text(left, top - 14, "new nDCG@10", "start"))
    parts.append(_text((left + right) / 2, _SQUARE - 10, "old nDCG@10"))
    return _svg("nDCG@10 of every question, old and new", _SQUARE, _SQUARE, parts)


def plot_latencies(old: Contender, new: Contender) -> str:
    """Milliseconds for a question, median and 95th percentile, as bars from 0."""
    bars = [
        ("median, old", old.p50_ms, "old"),
        ("median, new", new.p50_ms, "new"),
        ("95th percentile, old", old.p95_ms, "old"),
        ("95th percentile, new", new.p95_ms, "new"),
    ]
    left, right = 160, _WIDTH - 100
    longest = max((value for _, value, _ in bars if math.isfinite(value)), default=0.0)
    x = _scale(0.0, longest or 1.0, left, right)
    parts = []
    for at, (name, value, kind) in enumerate(bars):
        y = 6 + 30 * at + 12 * (at // 2)
        parts.append(_text(left - 14, y + 16, name, "end", "name"))
        known = math.isfinite(value)
        parts.append(_rect(left, y, x(value if known else 0.0) - left, 22, kind))
        end = x(value if known else 0.0) + 10
        parts.append(_text(end, y + 16, f"{value:,.1f} ms" if known else "no question", "start", "name"))
    return _svg("Latency of a question in milliseconds", _WIDTH, 140, parts)


def signed(value: float, digits: int = 3) -> str:
    """``+0.031``, ``−0.008``, with the sign that typography has; ``0`` for what rounds to nothing."""
    shown = f"{value:+.{digits}f}"
    return "0" if not float(shown) else shown.replace("-", "−")


def _bin(change: float) -> int:
    """1 for changes above 0 up to 0.1, 10 for those up to 1; the same below 0."""
    size = max(math.ceil(abs(change) * _BINS - 1e-9), 1)
    return size if change > 0 else -size


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, evenly spaced, that begin at or below ``low`` and end at or above ``high``: some 4 to 9."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(at * step, 10) for at in range(first, last + 1)]


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (stop - start)


# ---- elements: every number has one decimal, every word is escaped -------------------------------------------


def _svg(name: str, width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px" role="img" '
        f'aria-label="{escape(name)}">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{kind}"/>'


def _circle(x: float, y: float, radius: float, kind: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{kind}"/>'


def _text(x: float, y: float, words: str, anchor: Anchor = "middle", kind: str = "label") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'
