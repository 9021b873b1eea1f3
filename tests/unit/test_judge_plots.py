"""What a plot shows is where and as large as the numbers say."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from idembed.judge.bootstrap import Interval
from idembed.judge.judgement import Contender, Metric, Score
from idembed.judge.plots import plot_changes, plot_intervals, plot_latencies, plot_scores, signed


def metric(name: str, low: float, mean: float, high: float, questions: int = 50) -> Metric:
    return Metric(name, 0.5, 0.5 + mean, Interval(mean, low, high, 0.95, questions))


def scores(*pairs: tuple[float, float]) -> list[Score]:
    return [Score(f"q{at}", old, new) for at, (old, new) in enumerate(pairs)]


def contender(p50_ms: float, p95_ms: float) -> Contender:
    return Contender("active", 1, "model", "0" * 64, p50_ms, p95_ms)


def found(svg: str, tag: str, kind: str) -> list[dict[str, str]]:
    """The attributes of all ``tag`` of a class."""
    return [part.attrib for part in ElementTree.fromstring(svg) if (part.tag, part.get("class")) == (tag, kind)]


def places(svg: str, tag: str, kind: str, *names: str) -> list[tuple[float, ...]]:
    return [tuple(float(part[name]) for name in names) for part in found(svg, tag, kind)]


def words(svg: str) -> list[str]:
    return [part.text or "" for part in ElementTree.fromstring(svg) if part.tag == "text"]


INTERVALS = plot_intervals([metric("nDCG@10", -0.02, 0.02, 0.08), metric("MRR@10", 0.0, 0.04, 0.1)], 0.01)


def test_dots_and_whiskers_stand_at_their_values() -> None:
    zero = places(INTERVALS, "line", "axis", "x1")[0][0]
    (first,), (second,) = places(INTERVALS, "circle", "dot", "cx")
    assert second - zero == pytest.approx(2 * (first - zero), abs=0.2)
    low, high = places(INTERVALS, "line", "whisker", "x1", "x2")[0]
    assert zero - low == pytest.approx(first - zero, abs=0.2)
    assert high - zero == pytest.approx(4 * (first - zero), abs=0.2)


def test_the_band_is_the_margin_below_zero() -> None:
    zero = places(INTERVALS, "line", "axis", "x1")[0][0]
    (first,), _ = places(INTERVALS, "circle", "dot", "cx")
    ((start, width),) = places(INTERVALS, "rect", "band", "x", "width")
    assert start + width == pytest.approx(zero, abs=0.2)
    assert width == pytest.approx((first - zero) / 2, abs=0.2)


def test_metrics_and_their_changes_are_named() -> None:
    assert {"nDCG@10", "+0.020", "MRR@10", "+0.040", "0", "−0.05", "+0.10"} <= set(words(INTERVALS))


def test_the_axis_of_intervals_reaches_from_end_to_end() -> None:
    low, high = places(INTERVALS, "line", "whisker", "x1", "x2")[0]
    edges = [x for (x,) in places(INTERVALS, "line", "grid", "x1")]
    assert min(edges) <= low < high <= max(edges)


def test_a_metric_without_an_interval_says_so() -> None:
    svg = plot_intervals([metric("nDCG@10", -math.inf, 0.5, math.inf, 1)], 0.01)
    assert "too few questions" in words(svg)
    assert found(svg, "circle", "dot") == []


def test_bars_count_the_questions_by_their_change() -> None:
    svg = plot_changes(scores((0, 0.05), (0, 0.1), (0, 0.11), (0, 1), (0.5, 0.2), (0.3, 0.3), (1, 1)))
    won = places(svg, "rect", "won", "x", "height")
    lost = places(svg, "rect", "lost", "x", "height")
    assert len(won) == 3
    assert len(lost) == 1
    assert won[0][1] == pytest.approx(2 * won[1][1])  # up to 0.1: two; up to 0.2, up to 1: one each
    assert lost[0][1] == won[1][1] == won[2][1]
    ((zero,),) = places(svg, "line", "axis", "x1")
    step = won[1][0] - won[0][0]
    assert won[0][0] == pytest.approx(zero + 1, abs=0.2)
    assert won[2][0] == pytest.approx(zero + 1 + 9 * step, abs=0.5)
    assert lost[0][0] == pytest.approx(zero + 1 - 3 * step, abs=0.5)


def test_a_change_at_the_edge_of_a_bar_is_below_it_whatever_its_last_bit() -> None:
    assert 1.0 - 0.7 > 0.3
    same = plot_changes(scores((0.7, 1.0), (0.0, 0.3), (0.0, 0.25)))
    assert len(found(same, "rect", "won")) == 1


def test_counts_on_the_axis_are_whole() -> None:
    assert words(plot_changes(scores((0, 1))))[:2] == ["0", "1"]
    assert words(plot_changes(scores(*[(0, 1)] * 7)))[:5] == ["0", "2", "4", "6", "8"]


def test_a_bubble_stands_at_its_scores_and_its_area_counts_the_questions() -> None:
    svg = plot_scores(scores(*[(0.0, 1.0)] * 9, (1.0, 0.0), *[(0.5, 0.5)] * 4))
    ((won_x, won_y, won_r),) = places(svg, "circle", "bubble won", "cx", "cy", "r")
    ((lost_x, lost_y, lost_r),) = places(svg, "circle", "bubble lost", "cx", "cy", "r")
    ((tied_x, tied_y, tied_r),) = places(svg, "circle", "bubble tied", "cx", "cy", "r")
    assert (won_r, tied_r, lost_r) == (15.0, 10.0, 5.0)
    assert won_x < tied_x < lost_x
    assert won_y < tied_y < lost_y  # y grows downwards
    assert (won_x + lost_x) / 2 == pytest.approx(tied_x, abs=0.1)


def test_thousands_of_questions_are_a_few_hundred_bubbles() -> None:
    svg = plot_scores(scores(*[(i % 101 / 100, i % 97 / 96) for i in range(9797)]))
    assert svg.count("<circle") <= 21 * 21


def test_bars_of_latency_are_as_long_as_they_say() -> None:
    svg = plot_latencies(contender(2.0, 4.0), contender(3.0, 1234.5))
    old, new = places(svg, "rect", "old", "width"), places(svg, "rect", "new", "width")
    assert old[1][0] == pytest.approx(2 * old[0][0], abs=0.1)
    assert new[1][0] > 300 * new[0][0]
    assert [word for word in words(svg) if "ms" in word] == ["2.0 ms", "3.0 ms", "4.0 ms", "1,234.5 ms"]


@pytest.mark.parametrize("p95", [0.0, math.nan])
def test_latencies_of_nothing_are_no_bars(p95: float) -> None:
    svg = plot_latencies(contender(p95, p95), contender(p95, p95))
    assert {width for (width,) in places(svg, "rect", "old", "width")} == {0.0}
    assert words(svg)[1] == ("0.0 ms" if p95 == 0.0 else "no question")


@pytest.mark.parametrize(
    "svg",
    [INTERVALS, plot_changes([]), plot_scores([]), plot_latencies(contender(1, 1), contender(1, 1))],
    ids=["intervals", "changes", "scores", "latencies"],
)
def test_every_plot_has_a_name_and_stays_in_its_frame(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    assert root.attrib["role"] == "img"
    assert len(root.attrib["aria-label"]) > 20
    for part in root:
        assert all(0 <= float(part.attrib[name]) <= width for name in ("x", "x1", "x2", "cx") if name in part.attrib)
        assert all(0 <= float(part.attrib[name]) <= height for name in ("y", "y1", "y2", "cy") if name in part.attrib)


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(0.0312, 3, "+0.031"), (-0.008, 3, "−0.008"), (-0.0001, 3, "0"), (0.0, 3, "0"), (-0.5, 1, "−0.5")],
)
def test_numbers_with_a_sign(value: float, digits: int, shown: str) -> None:
    assert signed(value, digits) == shown
