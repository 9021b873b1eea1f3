"""Profiles i16-1 and i8-1: sums of whole numbers, the same on every instruction set, and no sum overflows."""

import ctypes
from functools import cache, partial

import core
import numpy as np
import pytest

from idembed import errors, native
from idembed.native.library import Status, library
from idembed.native.shape import c_config
from oracle import canonical, whole

PROFILES = ("i16-1", "i8-1")
pytestmark = pytest.mark.parametrize("profile", PROFILES)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def oracle(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, profile: str) -> list[list[int]]:
    return core.bits(whole.linear(x.tolist(), weight.tolist(), bias.tolist(), profile)).tolist()


# ---- linear layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "inner", "out"), [(1, 16, 16), (3, 48, 32), (7, 80, 48), (2, 384, 16), (2, 784, 16)])
def test_linear_equals_the_oracle(rows: int, inner: int, out: int, isa: str, profile: str) -> None:
    x, weight, bias = normal(rows, inner), normal(out, inner, seed=1), normal(out, seed=2)
    assert core.bits(core.int_linear(x, weight, bias, isa, profile)).tolist() == oracle(x, weight, bias, profile)


@pytest.mark.parametrize("out", [16, 32, 48, 64, 80, 112, 128])
def test_linear_is_the_same_for_every_tile(out: int, fast_isa: str, profile: str) -> None:
    for rows in range(1, 20):
        x, weight, bias = normal(rows, 400), normal(out, 400, seed=1), normal(out, seed=2)
        expected = core.int_linear(x, weight, bias, "scalar", profile)
        assert core.int_linear(x, weight, bias, fast_isa, profile).tobytes() == expected.tobytes()


def test_rows_and_columns_of_zeros_denormals_and_one_sign_equal_the_oracle(isa: str, profile: str) -> None:
    x, weight, bias = normal(8, 32), normal(16, 32, seed=1), normal(16, seed=2)
    x[0], x[1], x[2], x[3] = 0, -0.0, 1e-40, 5
    x[4], x[5] = np.abs(x[4]), -np.abs(x[5])
    x[6, 1:] *= 1e-20
    x[7] *= 1e30
    weight[0], weight[1], weight[2], weight[3] = 0, 1e-40, 7, -7
    assert core.bits(core.int_linear(x, weight, bias, isa, profile)).tolist() == oracle(x, weight, bias, profile)


def test_ties_go_to_the_even_number(isa: str, profile: str) -> None:
    most = 8191 if profile == "i16-1" else 255
    x = np.zeros((1, 16), np.float32)
    x[0, :6] = [most, 0.5, 1.5, 2.5, 3.5, 4.5]
    weight, bias = np.eye(16, dtype=np.float32), np.zeros(16, np.float32)
    assert np.rint(core.int_linear(x, weight, bias, isa, profile))[0, :6].tolist() == [most, 0, 2, 2, 4, 4]


@pytest.mark.parametrize("features", [16, 384, 400])
def test_the_largest_sums_do_not_overflow(features: int, isa: str, profile: str) -> None:
    """All weights and activations at their bounds and of one sign: what an int32 must hold at most."""
    x = np.ones((2, features), np.float32)
    x[1] = -1
    weight = np.ones((16, features), np.float32)
    weight[1] = -1
    weight[2, 1:] = 0.3  # as many as the bound on the sum of a column lets through
    bias = np.zeros(16, np.float32)
    got = core.int_linear(x, weight, bias, isa, profile)
    assert core.bits(got).tolist() == oracle(x, weight, bias, profile)
    assert np.abs(got[:, :2] / [[features, -features], [-features, features]] - 1).max() < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_no_column_of_weights_can_overflow(seed: int, profile: str) -> None:
    random = np.random.default_rng(seed)
    for shape in (0.01, 0.3, 1, 4):
        weights = (random.choice([-1, 1], 384) * random.random(384) ** shape).astype(np.float32)
        column = whole.column(weights.tolist(), profile)
        assert sum(map(abs, column.whole)) * (8191 if profile == "i16-1" else 255) < 2**31
        assert max(map(abs, column.whole)) <= (32767 if profile == "i16-1" else 127)


# ---- whole encoders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "changes"),
    [
        (1, {}),
        (5, {"pooling": "cls", "normalize": False}),
        (3, {"hidden": 48, "heads": 3, "intermediate": 80, "layers": 1, "layer_norm_eps": 1e-5}),
        (2, {"hidden": 16, "heads": 1, "intermediate": 784, "layers": 1}),
        (2, {"hidden": 400, "heads": 1, "intermediate": 16, "layers": 1}),
        (9, {"hidden": 64, "heads": 1, "layers": 1}),
        (17, {"relative": True, "layers": 1}),
        (33, {"hidden": 48, "heads": 1, "layers": 1}),
        (131, {"hidden": 16, "heads": 1, "intermediate": 16, "layers": 1, "positions": 140}),
    ],
)
def test_forward_equals_the_oracle_bit_for_bit(length: int, changes: dict, isa: str, profile: str) -> None:
    config = core.config(**changes, profile=profile)
    encoder = native.Encoder(config, core.tensors(config, seed=1), isa=isa)
    got = core.forward(encoder, core.texts([length]))[0]
    assert core.bits(got).tolist() == core.bits(core.canonical_forward(config, 1, length)).tolist()


@cache
def first_token(config: native.EncoderConfig, length: int) -> np.ndarray:
    """The oracle's vector of a text of which one layer and pooling `cls` leave the first token."""

    def attention(query: list, key: list, value: list, biases: list | None) -> list:
        nothing = [[0.0] * len(query[0])] * (length - 1)
        return whole.attention(query[:1], key, value, biases, config.profile) + nothing

    checkpoint = canonical.Checkpoint(config.heads, 1, "cls", True, config.layer_norm_eps, core.tensors(config, 1))
    linear = partial(whole.linear, profile=config.profile)
    tokens = core.texts([length])[0].tolist()
    return np.array(canonical.forward(checkpoint, tokens, linear, attention, whole.gelu), np.float32)


def test_keys_beyond_those_summed_at_a_time_equal_the_oracle(isa: str, profile: str) -> None:
    """One more than as many, and a few of a next group of 16: 128 in `i16-1`, 512 in `i8-1`."""
    length = 133 if profile == "i16-1" else 517
    shape = {"hidden": 16, "heads": 1, "intermediate": 16, "layers": 1, "pooling": "cls"}
    config = core.config(**shape, positions=length, profile=profile)
    encoder = native.Encoder(config, core.tensors(config, seed=1), isa=isa)
    got = core.forward(encoder, core.texts([length]))[0]
    assert core.bits(got).tolist() == core.bits(first_token(config, length)).tolist()


def test_forward_is_close_to_f32(profile: str) -> None:
    shape = {"hidden": 192, "heads": 3, "intermediate": 768}
    batch = core.random_texts(40)
    exact = core.forward(core.encoder(**shape), batch)
    got = core.forward(core.encoder(**shape, profile=profile), batch)
    cosines = (exact * got).sum(axis=1)
    assert cosines.min() > (0.99999 if profile == "i16-1" else 0.99)
    assert cosines.max() < 1 - 1e-8  # it is another arithmetic


@pytest.mark.parametrize(
    ("n", "shape"),
    [
        (300, {}),
        (30, {"hidden": 96, "heads": 3, "intermediate": 272}),
        (10, {"hidden": 400, "intermediate": 784, "heads": 1}),
        (60, {"hidden": 96, "heads": 2, "relative": True, "positions": 100}),
        (60, {"hidden": 128, "heads": 1, "relative": True, "positions": 100}),
    ],
)
def test_instruction_sets_agree_on_many_texts(n: int, shape: dict, fast_isa: str, profile: str) -> None:
    batch = core.random_texts(n, longest=shape.get("positions", core.POSITIONS))
    slow = core.forward(core.encoder("scalar", **shape, profile=profile), batch, threads=2)
    fast = core.forward(core.encoder(fast_isa, **shape, profile=profile), batch, threads=2)
    assert slow.tobytes() == fast.tobytes()


def test_batches_order_and_threads_change_nothing(fast_isa: str, profile: str) -> None:
    encoder = core.encoder(fast_isa, hidden=96, heads=6, intermediate=784, profile=profile)
    batch = core.random_texts(60)
    alone = np.concatenate([core.forward(encoder, [text]) for text in batch])
    random = np.random.default_rng(1)
    for threads, size in ((1, 60), (2, 60), (3, 7), (5, 1), (8, 2)):
        order = random.permutation(len(batch))
        for start in range(0, len(batch), size):
            chosen = order[start : start + size]
            got = core.forward(encoder, [batch[i] for i in chosen], threads)
            assert got.tobytes() == alone[chosen].tobytes()


# ---- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3e38, -3e38])
@pytest.mark.parametrize("tensor", [-2, -4, -6, -8])  # layer norm, down, up, another layer norm
def test_a_vector_that_overflows_anywhere_is_an_error(value: float, tensor: int, isa: str, profile: str) -> None:
    config = core.config(normalize=False, profile=profile)
    weights = core.tensors(config)
    weights[tensor][:] = value
    with pytest.raises(errors.ModelError, match="overflow"):
        core.forward(native.Encoder(config, weights, isa=isa), core.texts([9]))


def test_a_weight_that_is_not_finite_is_refused(profile: str) -> None:
    config = core.config(profile=profile)
    weights = core.tensors(config)
    weights[5].flat[-1] = np.nan
    with pytest.raises(errors.ModelError, match="query"):
        native.Encoder(config, weights)


@pytest.mark.parametrize("changes", [{"positions": 2**18 + 1}, {"hidden": 2**16 + 16, "heads": 1}])
def test_a_shape_whose_sums_could_overflow_is_refused(changes: dict, profile: str) -> None:
    core.config(**changes)
    with pytest.raises(errors.UnsupportedModelError, match=f"could overflow in profile {profile}"):
        core.config(**changes, profile=profile)


def test_the_largest_shape_is_not_refused(profile: str) -> None:
    native.block_kind(core.config(positions=2**18, profile=profile))
    native.block_kind(core.config(hidden=2**16, heads=1, profile=profile))


@pytest.mark.parametrize("changes", [{"positions": 2**18 + 1}, {"hidden": 2**16 + 16, "heads": 1}])
def test_the_library_itself_refuses_a_shape_whose_sums_could_overflow(changes: dict, profile: str) -> None:
    asked = c_config(core.config(**changes))
    asked.profile = core.PROFILES[profile]
    answers = [ctypes.byref(ctypes.c_int64()) for _ in range(3)]
    assert library().idembed_block_kind(ctypes.byref(asked), None, *answers) == Status.SHAPE


def test_an_unknown_profile_is_refused(profile: str) -> None:
    with pytest.raises(errors.ModelError, match=r"unknown profile 'i4-1'"):
        core.config(profile="i4-1")
