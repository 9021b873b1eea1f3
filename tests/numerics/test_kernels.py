"""Matrix products, layer norm, softmax, inner products: every tile, every instruction set, the oracle."""

import math

import core
import numpy as np
import pytest

from idembed import errors, native
from oracle import canonical


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("rows", "inner", "out"), [(1, 1, 16), (3, 20, 32), (7, 33, 48)])
@pytest.mark.parametrize("gelu", [False, True])
def test_linear_equals_the_oracle(rows: int, inner: int, out: int, gelu: bool, isa: str) -> None:
    x, weight, bias = normal(rows, inner), normal(out, inner, seed=1), normal(out, seed=2)
    expected = canonical.linear(x.tolist(), weight.tolist(), bias.tolist())
    if gelu:
        expected = [[canonical.gelu(v) for v in row] for row in expected]
    assert core.bits(core.linear(x, weight, bias, isa, gelu=gelu)).tolist() == core.bits(expected).tolist()


@pytest.mark.parametrize("out", [16, 32, 48, 64, 80, 112, 128])
def test_linear_is_the_same_for_every_tile(out: int, fast_isa: str) -> None:
    for rows in range(1, 20):
        x, weight, bias = normal(rows, 37), normal(out, 37, seed=1), normal(out, seed=2)
        expected = core.linear(x, weight, bias, "scalar")
        assert core.bits(core.linear(x, weight, bias, fast_isa)).tobytes() == core.bits(expected).tobytes()


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 33, 40])
def test_softmax_equals_the_oracle(length: int, isa: str) -> None:
    x, scale = 9 * normal(3, length), 0.17677669
    numerators, inverse = core.softmax(x, scale, isa)
    for i, row in enumerate(x.tolist()):
        expected, one = canonical.softmax(row, canonical.f32(scale))
        assert core.bits(numerators[i]).tolist() == core.bits(expected).tolist()
        assert core.bits(inverse[i]) == core.bits(one)


@pytest.mark.parametrize("length", [1, 15, 17, 40])
def test_softmax_adds_the_bias_of_each_rows_distances(length: int, isa: str) -> None:
    x, bias, scale = 9 * normal(3, length), 3 * normal(2 + length, seed=1), 0.17677669
    numerators, inverse = core.softmax(x, scale, isa, bias)
    for i, row in enumerate(x.tolist()):
        own = bias[2 - i : 2 - i + length].tolist()
        expected, one = canonical.softmax(row, canonical.f32(scale), own)
        assert core.bits(numerators[i]).tolist() == core.bits(expected).tolist()
        assert core.bits(inverse[i]) == core.bits(one)


def test_softmax_sums_to_one_and_survives_large_scores(isa: str) -> None:
    x = np.array([[1e30, -1e30, 0], [-1e30, -1e30, -1e30], [-200, 0, 0]], np.float32)
    numerators, inverse = core.softmax(x, 1.0, isa)
    assert (numerators * inverse[:, None])[0].tolist() == [1, 0, 0]
    assert numerators[1].tolist() == [1, 1, 1]
    assert numerators[2].tolist() == [0, 1, 1]


@pytest.mark.parametrize("hidden", [16, 48, 384])
def test_layer_norm_equals_the_oracle(hidden: int, isa: str) -> None:
    x, change, gamma, beta = (normal(2, hidden, seed=s) for s in range(4))
    got = core.add_layer_norm(x, change, gamma[0].copy(), beta[0].copy(), 1e-12, isa)
    expected = canonical.add_layer_norm(x.tolist(), change.tolist(), gamma[0].tolist(), beta[0].tolist(), 1e-12)
    assert core.bits(got).tolist() == core.bits(expected).tolist()


def test_layer_norm_of_a_constant_row_is_beta(isa: str) -> None:
    x, zero, one, beta = (
        np.full((1, 32), 3, np.float32),
        np.zeros((1, 32), np.float32),
        normal(32),
        normal(32, seed=1),
    )
    assert core.add_layer_norm(x, zero, one, beta, 1e-12, isa)[0].tolist() == beta.tolist()


@pytest.mark.parametrize("activation", native.ACTIVATIONS)
@pytest.mark.parametrize(("into", "out", "biased"), [(32, 16, True), (33, 20, True), (16, 1, False), (5, 70, True)])
def test_a_dense_layer_equals_the_oracle(into: int, out: int, biased: bool, activation: str, isa: str) -> None:
    x, weight = normal(3, into), normal(out, into, seed=1)
    bias = normal(out, seed=2) if biased else None
    expected = [
        canonical.dense(row, weight.tolist(), bias.tolist() if bias is not None else None, activation)
        for row in x.tolist()
    ]
    got = native.Dense(weight, bias, activation, isa=isa)(x)
    assert core.bits(got).tolist() == core.bits(expected).tolist()


def test_a_vector_behind_a_dense_layer_does_not_depend_on_its_batch(isa: str) -> None:
    x, dense = normal(150, 48), native.Dense(normal(40, 48, seed=1), None, "tanh", isa=isa)
    alone = np.concatenate([dense(x[i : i + 1]) for i in range(len(x))])
    assert dense(x).tobytes() == alone.tobytes()
    assert dense(x[:0]).shape == (0, 40)


def test_a_dense_layer_refuses_what_is_not_finite() -> None:
    weight = normal(20, 8)
    with pytest.raises(errors.ModelError, match="overflowed"):
        native.Dense(np.full_like(weight, 3e38), None, "tanh")(np.full((1, 8), 9, np.float32))
    weight[3, 3] = math.nan
    with pytest.raises(errors.ModelError, match="infinite or NaN weights"):
        native.Dense(weight, None, "identity")


@pytest.mark.parametrize("dim", [1, 5, 16, 17, 31, 100, 384])
def test_scores_equal_the_oracle(dim: int, isa: str) -> None:
    matrix, query = normal(7, dim), normal(dim, seed=1)
    expected = [canonical.dot(row, query.tolist()) for row in matrix.tolist()]
    assert core.bits(native.scores(matrix, query, isa=isa)).tolist() == core.bits(expected).tolist()


@pytest.mark.parametrize("dim", [1, 3, 16, 30])
def test_normalize_equals_the_oracle(dim: int, isa: str) -> None:
    vectors = normal(5, dim)
    expected = [canonical.normalize(row) for row in vectors.tolist()]
    assert core.bits(native.normalize(vectors, isa=isa)).tolist() == core.bits(expected).tolist()
    assert vectors.tolist() == normal(5, dim).tolist()


def test_normalize_of_nothing_much() -> None:
    assert native.normalize(np.zeros((2, 5), np.float32)).tolist() == np.zeros((2, 5)).tolist()
    assert native.normalize(np.array([3, 4], np.float32)).tolist() == [np.float32(0.6), np.float32(0.8)]
    with pytest.raises(errors.IdembedError, match="finite"):
        native.normalize(np.array([[1, math.inf]], np.float32))
