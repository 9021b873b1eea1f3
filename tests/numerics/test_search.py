"""Exact scores and the k best of them, ties included."""

import core
import numpy as np
import pytest

from idembed import native


def matrix(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


# ---- scores -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 100, 20_003])
def test_scores_do_not_depend_on_anything_but_their_row(rows: int, fast_isa: str) -> None:
    m, q = matrix(rows, 100), matrix(1, 100, seed=1)[0]
    expected = native.scores(m, q, threads=1, isa="scalar")
    wide = np.full((rows, 128), np.nan, np.float32)
    wide[:, 3:103] = m
    for threads in (1, 2, 5):
        assert native.scores(m, q, threads=threads, isa=fast_isa).tobytes() == expected.tobytes()
        assert native.scores(wide[:, 3:103], q, threads=threads, isa=fast_isa).tobytes() == expected.tobytes()
    assert native.scores(m[::-1], q, isa=fast_isa).tobytes() == expected[::-1].tobytes()


def test_many_queries_are_each_alone(fast_isa: str) -> None:
    m, queries = matrix(1001, 50), matrix(11, 50, seed=1)
    got = native.scores(m, queries, threads=2, isa=fast_isa)
    assert got.shape == (11, 1001)
    for query, row in zip(queries, got, strict=True):
        assert row.tobytes() == native.scores(m, query, isa="scalar").tobytes()


def test_masked_rows_are_not_read_and_score_minus_infinity() -> None:
    m, q = matrix(50, 20), matrix(1, 20, seed=1)[0]
    mask = np.random.default_rng(2).random(50) < 0.5
    expected = np.where(mask, native.scores(m, q), -np.inf)
    m[~mask] = np.nan
    assert native.scores(m, q, mask=mask, threads=2).tolist() == expected.tolist()
    both = native.scores(m, np.stack([q, q]), mask=mask.astype(np.uint8))
    assert both.tolist() == [expected.tolist()] * 2


def test_scores_of_an_empty_matrix() -> None:
    assert native.scores(np.empty((0, 8), np.float32), np.ones(8, np.float32)).shape == (0,)


def test_scores_refuse_what_does_not_fit() -> None:
    m = matrix(4, 8)
    with pytest.raises(ValueError, match="query"):
        native.scores(m, np.ones(7, np.float32))
    with pytest.raises(ValueError, match="matrix"):
        native.scores(m.astype(np.float64), np.ones(8, np.float32))
    with pytest.raises(ValueError, match="contiguous"):
        native.scores(m.T, np.ones(4, np.float32))
    with pytest.raises(ValueError, match="mask"):
        native.scores(m, np.ones(8, np.float32), mask=np.ones(3, bool))


# ---- top k ------------------------------------------------------------------------------------------------


def check(scores: np.ndarray, k: int) -> None:
    valid = [(float(s), i) for i, s in enumerate(scores) if s > -np.inf]
    ranked = sorted(valid, key=lambda pair: (-pair[0], pair[1]))
    found = native.top_k(scores, k)
    if not ranked:
        assert (len(found.above), len(found.tied), found.threshold) == (0, 0, -np.inf)
        return
    threshold = ranked[:k][-1][0]
    assert found.threshold == threshold
    assert found.above.tolist() == [i for s, i in ranked if s > threshold]
    assert found.tied.tolist() == [i for s, i in ranked if s == threshold]
    assert len(found.above) < k


@pytest.mark.parametrize("k", [1, 2, 10, 999, 1000, 1001, 10**9])
@pytest.mark.parametrize("values", [2, 7, 100, 10**9])
def test_top_k_equals_a_sort(k: int, values: int) -> None:
    check(np.random.default_rng(values).integers(0, values, 1000).astype(np.float32), k)


def test_top_k_never_returns_nan_or_minus_infinity() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        scores = random.choice([np.nan, -np.inf, np.inf, -1, 0, -0.0, 1, 2], random.integers(0, 30))
        check(scores.astype(np.float32), int(random.integers(1, 12)))


def test_top_k_lists_a_hundred_thousand_ties() -> None:
    scores = np.zeros(100_000, np.float32)
    scores[777] = 1
    found = native.top_k(scores, 10)
    assert found.above.tolist() == [777]
    assert found.tied.tolist() == [i for i in range(100_000) if i != 777]


def test_top_k_of_ascending_scores() -> None:
    scores = np.arange(100_000, dtype=np.float32)
    found = native.top_k(scores, 1000)
    assert found.above.tolist() == list(range(99_999, 99_000, -1))
    assert found.tied.tolist() == [99_000]


def test_top_k_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="k must"):
        native.top_k(np.zeros(3, np.float32), 0)
    with pytest.raises(ValueError, match="float32"):
        native.top_k(np.zeros(3), 1)


def test_a_vector_is_its_own_nearest_neighbour() -> None:
    m = native.normalize(matrix(5000, 64))
    for i in (0, 77, 4999):
        assert native.top_k(native.scores(m, m[i]), 1).tied.tolist() == [i]
    assert core.bits(native.scores(m[:5], m[0]))[0] == core.bits(native.scores(m[0:1], m[0]))[0]
