"""The interval of a mean difference: what it covers, and that it does not move."""

from __future__ import annotations

import math
import random
import tracemalloc

import numpy as np
import pytest

from idembed.judge.bootstrap import Interval, paired_bootstrap

DIFFERENCES = [0.5, -0.25, 0.0, 0.0, 0.125, 1.0, -0.5, 0.25, 0.0, 0.375]


def test_the_interval_of_ten_numbers_never_moves() -> None:
    assert paired_bootstrap(DIFFERENCES) == Interval(0.15, -0.0875, 0.4, 0.95, 10)


def test_the_order_of_the_questions_has_no_influence() -> None:
    shuffled = random.Random(3).sample(DIFFERENCES, len(DIFFERENCES))
    assert shuffled != DIFFERENCES
    assert paired_bootstrap(shuffled) == paired_bootstrap(DIFFERENCES)


def test_another_seed_draws_other_questions() -> None:
    assert paired_bootstrap(DIFFERENCES, seed=1) != paired_bootstrap(DIFFERENCES)


def test_many_numbers_have_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(5).normal(0.02, 0.3, 2000)
    found = paired_bootstrap(values.tolist())
    error = values.std() / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.05 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.05 * error)


def test_a_higher_level_is_a_wider_interval() -> None:
    narrow, wide = paired_bootstrap(DIFFERENCES, level=0.8), paired_bootstrap(DIFFERENCES, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high
    assert (narrow.percent, wide.percent) == ("80%", "99%")


def test_the_interval_has_the_true_mean_in_it_nineteen_times_of_twenty() -> None:
    draws = np.random.default_rng(11)
    inside = 0
    for _ in range(400):
        found = paired_bootstrap(draws.choice([-0.5, 0.0, 0.0, 0.0, 0.5, 1.0], 60).tolist(), resamples=1000)
        inside += found.low <= 1 / 6 <= found.high
    assert 366 <= inside <= 393  # 380 ± 3 standard errors


def test_equal_differences_have_an_interval_without_width() -> None:
    assert sum([-0.01] * 29) / 29 != -0.01  # a last bit that could cross a margin
    assert paired_bootstrap([-0.01] * 29) == Interval(-0.01, -0.01, -0.01, 0.95, 29)


def test_one_question_says_nothing_about_others() -> None:
    found = paired_bootstrap([0.25])
    assert found == Interval(0.25, -math.inf, math.inf, 0.95, 1)
    assert not found.is_bounded


def test_without_questions_there_is_no_mean() -> None:
    found = paired_bootstrap([])
    assert math.isnan(found.mean)
    assert (found.low, found.high, found.questions, found.is_bounded) == (-math.inf, math.inf, 0, False)


def test_memory_does_not_grow_with_the_number_of_questions() -> None:
    tracemalloc.start()
    paired_bootstrap([0.0, 1.0] * 25_000, resamples=100)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
