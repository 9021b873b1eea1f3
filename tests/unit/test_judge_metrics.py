"""The metrics, by worked examples and by a slow reading of their definitions."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from idembed.judge.metrics import ndcg, overlap, recall, reciprocal_rank


def test_ndcg_of_a_known_example() -> None:
    """Gains 3, 2, 3, 0, 1, 2 in the order found, with a 3 and a 2 that were not: DCG 6.861 of 8.740."""
    relevant = {"a": 3, "b": 2, "c": 3, "e": 1, "f": 2, "g": 3, "h": 2}
    assert ndcg(["a", "b", "c", "d", "e", "f"], relevant, 6) == pytest.approx(6.861127 / 8.740262, abs=1e-6)


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        (["r", "x", "y"], 1.0),
        (["x", "r", "y"], 0.6309297535714575),  # 1 / log2(3)
        (["x", "y", "r"], 0.5),  # 1 / log2(4)
        (["x", "y", "z", "r"], 0.0),  # fourth, and k is 3
        (["x"], 0.0),
        ([], 0.0),
    ],
)
def test_ndcg_of_one_relevant_row_is_its_discount(ranked: list[str], expected: float) -> None:
    assert ndcg(ranked, {"r": 1}, 3) == expected


def test_the_gain_of_ndcg_is_linear() -> None:
    assert ndcg(["b", "a"], {"a": 2, "b": 1}, 2) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_ndcg_is_one_when_the_first_k_could_not_be_better() -> None:
    assert ndcg(["b", "a"], {"a": 1, "b": 1, "c": 1}, 2) == 1.0


def test_ndcg_agrees_with_its_definition_on_random_rankings() -> None:
    choose = random.Random(7)
    rows = [f"r{i}" for i in range(30)]
    for _ in range(500):
        relevant = {row: choose.choice([1, 1, 2, 3, 0.5]) for row in choose.sample(rows, choose.randint(1, 15))}
        ranked = choose.sample(rows, choose.randint(0, 30))
        k = choose.randint(1, 12)
        assert ndcg(ranked, relevant, k) == pytest.approx(slow_ndcg(ranked, relevant, k), abs=1e-12)


def slow_ndcg(ranked: Sequence[str], relevant: Mapping[str, float], k: int) -> float:
    found = 0.0
    for place in range(min(k, len(ranked))):
        if ranked[place] in relevant:
            found += relevant[ranked[place]] / (math.log(place + 2) / math.log(2))
    best = 0.0
    left = list(relevant.values())
    for place in range(min(k, len(left))):
        best += max(left) / (math.log(place + 2) / math.log(2))
        left.remove(max(left))
    return found / best


def test_recall_is_the_share_of_the_relevant_rows_that_were_found() -> None:
    relevant = {"a": 1, "b": 3, "c": 1, "d": 1}
    assert recall(["a", "x", "b", "c"], relevant, 3) == 0.5
    assert recall(["a", "b", "c", "d"], relevant, 2) == 0.5
    assert recall(["x"], relevant, 10) == 0.0


def test_reciprocal_rank_looks_at_the_first_relevant_row() -> None:
    relevant = {"a": 1, "b": 1}
    assert reciprocal_rank(["x", "y", "a", "b"], relevant, 10) == 1 / 3
    assert reciprocal_rank(["b", "a"], relevant, 10) == 1.0
    assert reciprocal_rank(["x", "y", "a"], relevant, 2) == 0.0
    assert reciprocal_rank([], relevant, 10) == 0.0


def test_overlap_is_the_share_of_rows_that_both_find_in_any_order() -> None:
    assert overlap(["a", "b", "c", "d"], ["d", "c", "x", "y"], 4) == 0.5
    assert overlap(["a", "b", "c"], ["b", "a", "c"], 2) == 1.0
    assert overlap(["a", "b"], ["c"], 10) == 0.0


def test_overlap_of_short_rankings_is_of_the_longer_one() -> None:
    assert overlap(["a", "b"], ["a"], 10) == 0.5
    assert overlap([], [], 10) == 1.0


def test_without_a_relevant_row_there_is_nothing_to_find() -> None:
    assert ndcg(["a"], {}, 10) == recall(["a"], {}, 10) == reciprocal_rank(["a"], {}, 10) == 0.0
