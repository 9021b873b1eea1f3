"""Same text, same vector: whatever stands beside it, whatever computes it."""

import threading

import core
import numpy as np
import pytest

from idembed import errors, native

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens")


@pytest.mark.parametrize(
    ("length", "changes"),
    [
        (1, {}),
        (5, {"pooling": "cls", "normalize": False}),
        (7, {"pooling": "max", "heads": 1, "layers": 1}),
        (5, {"pooling": "mean_sqrt_len_tokens", "layers": 1, "normalize": False}),
        (11, {"relative": True, "layers": 1}),
        (3, {"hidden": 48, "heads": 3, "intermediate": 80, "layers": 1, "layer_norm_eps": 1e-5}),
    ],
)
def test_forward_equals_the_oracle_bit_for_bit(length: int, changes: dict, isa: str) -> None:
    config = core.config(**changes)
    encoder = native.Encoder(config, core.tensors(config, seed=1), isa=isa)
    got = core.forward(encoder, core.texts([length]))[0]
    assert core.bits(got).tolist() == core.bits(core.canonical_forward(config, 1, length)).tolist()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("normalize", [False, True])
def test_forward_is_close_to_float64(pooling: str, normalize: bool, isa: str) -> None:
    config = core.config(pooling=pooling, normalize=normalize, hidden=64, heads=2, intermediate=256)
    weights = core.tensors(config)
    batch = core.texts([1, 2, 17, 40])
    got = core.forward(native.Encoder(config, weights, isa=isa), batch)
    expected = np.array([core.numpy_forward(config, weights, text) for text in batch])
    assert np.abs(got - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("n", "shape"),
    [
        (1000, {}),
        (60, {"hidden": 96, "heads": 3, "intermediate": 272}),
        (60, {"heads": 1}),
        (60, {"relative": True}),
    ],
)
def test_instruction_sets_agree_on_many_texts(n: int, shape: dict, fast_isa: str) -> None:
    batch = core.random_texts(n)
    slow = core.forward(core.encoder("scalar", **shape), batch, threads=2)
    fast = core.forward(core.encoder(fast_isa, **shape), batch, threads=2)
    assert slow.tobytes() == fast.tobytes()


def test_a_text_alone_equals_itself_in_any_batch_and_order(fast_isa: str) -> None:
    encoder = core.encoder(fast_isa)
    batch = core.random_texts(3000)
    alone = np.concatenate([core.forward(encoder, [text]) for text in batch])
    random = np.random.default_rng(1)
    for size in (2, 3, 7, 64, 3000):
        order = random.permutation(len(batch))
        for start in range(0, len(batch), size):
            chosen = order[start : start + size]
            got = core.forward(encoder, [batch[i] for i in chosen])
            assert got.tobytes() == alone[chosen].tobytes()


def test_distances_share_32_biases(fast_isa: str) -> None:
    """One layer whose values are the tokens' own, and scores of biases alone: a token's vector tells who is near."""
    config = core.config(relative=True, positions=200, layers=1, hidden=32, heads=2, pooling="cls", normalize=False)
    weights = dict(zip(native.tensor_shapes(config), core.tensors(config), strict=True))
    name = "encoder.layer.0.attention.self.query"
    weights[f"{name}.weight"][:] = 0
    weights[f"{name}.bias"][:] = 0
    values = list(weights.values())
    batch = core.texts([200])
    first = core.forward(native.Encoder(config, values, isa=fast_isa), batch)
    biases = weights["encoder.relative_attention_bias.weight"]
    for bucket, followed in [(0, True), (16, False), (17, True), (15, False), (31, True)]:
        before = biases[bucket].copy()
        biases[bucket] += 1
        moved = core.forward(native.Encoder(config, values, isa=fast_isa), batch)
        assert (moved.tobytes() != first.tobytes()) == followed  # nobody comes before the first token
        biases[bucket] = before


@pytest.mark.parametrize("threads", range(1, 9))
def test_threads_change_nothing(threads: int, fast_isa: str) -> None:
    encoder = core.encoder(fast_isa, hidden=96, heads=6, intermediate=272)
    for n in (1, 2, 3, 5, 40, 200):
        batch = core.random_texts(n, seed=n)
        assert core.forward(encoder, batch, threads).tobytes() == core.forward(encoder, batch, 1).tobytes()


def test_threads_share_a_lone_text_with_the_scalar_bits(fast_isa: str) -> None:
    for length in (1, 5, 40):
        batch = core.texts([length])
        expected = core.forward(core.encoder("scalar"), batch)
        for threads in (2, 3, 5):
            assert core.forward(core.encoder(fast_isa), batch, threads).tobytes() == expected.tobytes()


@pytest.mark.parametrize("relative", [False, True])
def test_a_long_text_beside_short_ones_in_a_shape_with_several_query_blocks(relative: bool, fast_isa: str) -> None:
    encoder = core.encoder(fast_isa, positions=300, hidden=64, heads=2, relative=relative)
    scalar = core.encoder("scalar", positions=300, hidden=64, heads=2, relative=relative)
    batch = core.texts([300, 1, 48, 49, 95, 96, 97, 12])
    expected = np.concatenate([core.forward(scalar, [text]) for text in batch])
    for threads in (1, 2, 4):
        assert core.forward(encoder, batch, threads).tobytes() == expected.tobytes()


def test_one_encoder_serves_many_threads() -> None:
    encoder = core.encoder()
    batch = core.random_texts(50)
    expected = core.forward(encoder, batch).tobytes()
    same = []

    def work() -> None:
        same.extend(core.forward(encoder, batch, 2).tobytes() == expected for _ in range(20))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert same == [True] * 80


def test_token_types_other_than_the_first_do_not_matter() -> None:
    config = core.config()
    weights = core.tensors(config)
    expected = core.forward(native.Encoder(config, weights), core.texts([9]))
    weights[2][1] += 1
    assert core.forward(native.Encoder(config, weights), core.texts([9])).tobytes() == expected.tobytes()


def test_the_weights_are_copied() -> None:
    config = core.config()
    weights = core.tensors(config)
    encoder = native.Encoder(config, weights)
    expected = core.forward(encoder, core.texts([9]))
    for tensor in weights:
        tensor[...] = 0
    assert core.forward(encoder, core.texts([9])).tobytes() == expected.tobytes()


# ---- what is refused --------------------------------------------------------------------------------------


def test_no_texts_give_no_vectors() -> None:
    assert core.forward(core.encoder(), []).shape == (0, 32)


@pytest.mark.parametrize("bad", [-1, 100, 2**31 - 1])
def test_a_token_outside_the_vocabulary_is_refused(bad: int) -> None:
    batch = core.texts([3, 4])
    batch[1][2] = bad
    with pytest.raises(errors.ModelError, match=f"token id {bad} of text 1"):
        core.forward(core.encoder(), batch)


@pytest.mark.parametrize("length", [0, core.POSITIONS + 1])
def test_a_text_of_no_or_too_many_tokens_is_refused(length: int) -> None:
    with pytest.raises(errors.ModelError, match=f"text 2 has {length} tokens"):
        core.forward(core.encoder(), core.texts([3, core.POSITIONS, length, 5]))


def test_offsets_must_fit_the_tokens() -> None:
    encoder, tokens = core.encoder(), np.zeros(4, np.int32)
    for offsets in ([0, 3], [1, 4], [0, 5], [0, 3, 2, 4], []):
        with pytest.raises(ValueError, match="offsets"):
            encoder.forward(tokens, np.array(offsets, np.int64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_refused_by_name(value: float) -> None:
    config = core.config()
    names = list(native.tensor_shapes(config))
    for i in (0, 4, 9, len(names) - 1):
        weights = core.tensors(config)
        weights[i].flat[-1] = value
        with pytest.raises(errors.ModelError, match=names[i]):
            native.Encoder(config, weights)


def test_a_vector_that_overflows_is_an_error() -> None:
    config = core.config(normalize=False)
    weights = core.tensors(config)
    weights[-2][:] = 3e38
    with pytest.raises(errors.ModelError, match="overflow"):
        core.forward(native.Encoder(config, weights), core.texts([9]))


def test_with_max_pooling_a_token_that_overflows_is_an_error_wherever_it_stands(fast_isa: str) -> None:
    config = core.config(layers=0, positions=3, pooling="max", normalize=False)
    weights = core.tensors(config)
    weights[1][:] = 0  # all positions alike
    weights[3][0] = 3e38  # the first feature of some tokens is infinite, that of others minus infinite
    encoder = native.Encoder(config, weights, isa=fast_isa)

    def fails(*tokens: int) -> bool:
        try:
            core.forward(encoder, [np.array(tokens, np.int32)])
        except errors.ModelError:
            return True
        return False

    bad = [token for token in range(100) if fails(token)]
    good = next(token for token in range(100) if token not in bad)
    assert 20 < len(bad) < 80
    for token in bad:
        assert fails(token, good, good)
        assert fails(good, token, good)


@pytest.mark.parametrize("changes", [{"hidden": 24}, {"heads": 4}, {"heads": 3}, {"intermediate": 40}])
def test_an_unsupported_shape_is_refused(changes: dict) -> None:
    with pytest.raises(errors.UnsupportedModelError, match="shape"):
        core.config(**changes)


def test_a_tensor_of_another_shape_or_type_is_refused() -> None:
    config = core.config()
    weights = core.tensors(config)
    with pytest.raises(errors.ModelError, match=r"word_embeddings.weight must be float32 \[100, 32\]"):
        native.Encoder(config, [weights[0].T, *weights[1:]])
    with pytest.raises(errors.ModelError, match="word_embeddings"):
        native.Encoder(config, [weights[0].astype(np.float64), *weights[1:]])
    with pytest.raises(errors.ModelError, match="37 tensors, not 36"):
        native.Encoder(config, weights[:-1])
    with pytest.raises(errors.ModelError, match="37 tensors, not 38"):
        native.Encoder(config, [*weights, weights[0]])


def test_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="threads"):
        core.forward(core.encoder(), core.texts([3]), threads=0)
