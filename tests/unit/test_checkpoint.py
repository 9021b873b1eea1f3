"""A checkpoint: what its files say, what its space is, what it does with texts."""

from __future__ import annotations

import os
import shutil
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed.errors import (
    IntegrityError,
    ModelError,
    OptionError,
    RowError,
    TooLongError,
    UnsupportedModelError,
)
from idembed.models import Receipt, TruncationWarning, engine, load, tokenised
from idembed.models.checkpoint import Checkpoint
from idembed.models.settings import read_settings
from oracle import bert_numpy

pytestmark = pytest.mark.usefixtures("own_machine")

TEXTS = ["the cat sat.", "dogs", "", "日本 é 42", "zzzz the the the the", "[SEP] cat", "🚀"]
LONG = "the cat sat the dog sat the mat sat the cat sat"  # 12 words, 14 tokens


def opened(folder: Path, **options: object) -> Checkpoint:
    return load(folder, **options)


def made(tmp_path: Path, **changes: object) -> Checkpoint:
    return opened(tiny.checkpoint(tmp_path / "made", **changes))


# ---- vectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_those_of_the_oracle(tmp_path: Path, pooling: str, normalize: bool) -> None:
    mode = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False}
    mode[
        {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}[pooling]
    ] = True
    model = made(tmp_path, pooling=mode, normalize=normalize)
    rules = tiny.tokenizer()
    rules.no_truncation()
    rules.no_padding()
    weights = list(tiny.tensors().values())
    truth = [
        bert_numpy.forward(
            weights,
            np.array(rules.encode(text).ids),
            layers=2,
            heads=2,
            pooling=pooling,
            normalize=normalize,
            eps=1e-12,
        )
        for text in TEXTS
    ]
    np.testing.assert_allclose(model.encode(TEXTS), truth, atol=3e-6)


def test_newer_pooling_files_name_the_mode(tmp_path: Path) -> None:
    newer = {"pooling_mode": "cls", "embedding_dimension": 32}
    model = made(tmp_path, pooling=newer)
    assert model.settings.encoder.pooling == "cls"


def test_without_modules_json_vectors_are_means_and_not_normalised(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a", normalize=False)
    plain = tiny.checkpoint(tmp_path / "b")
    (plain / "modules.json").unlink()
    shutil.rmtree(plain / "1_Pooling")
    assert opened(plain).encode(TEXTS).tobytes() == opened(folder).encode(TEXTS).tobytes()


def test_a_pooling_module_without_its_settings_is_refused(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a", pooling={"pooling_mode_cls_token": True})
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"1_Pooling/config\.json"):
        opened(folder)
    with pytest.raises(ModelError, match=r"1_Pooling/config\.json is missing"):
        read_settings(folder)


def test_an_empty_list_of_modules_is_no_plain_transformer(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    tiny.write(folder / "modules.json", [])
    with pytest.raises(UnsupportedModelError, match=r"the modules \[\]"):
        opened(folder)


def test_older_checkpoints_keep_the_transformer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    inner = folder / "0_Transformer"
    inner.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "sentence_bert_config.json"):
        (folder / name).rename(inner / name)
    tiny.write(folder / "modules.json", [tiny.MODULES[0] | {"path": "0_Transformer"}, *tiny.MODULES[1:]])
    same = tiny.checkpoint(tmp_path / "b")
    assert opened(folder).space == opened(same).space
    assert opened(folder).encode("cat").tobytes() == opened(same).encode("cat").tobytes()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_text_has_one_vector_whatever_stands_beside_it(tmp_path: Path, threads: int) -> None:
    model = opened(tiny.checkpoint(tmp_path / "a"), threads=threads)
    alone = {text: model.encode(text).tobytes() for text in TEXTS}
    together = model.encode(TEXTS * 3 + TEXTS[::-1], batch_size=3)
    assert [v.tobytes() for v in together] == [alone[t] for t in TEXTS * 3 + TEXTS[::-1]]


def test_float16_widens_exactly(tmp_path: Path) -> None:
    halves = {name: tensor.astype(np.float16) for name, tensor in tiny.tensors().items()}
    folder = tiny.checkpoint(tmp_path / "half")
    tiny.save_weights(folder, halves)
    whole = tiny.checkpoint(tmp_path / "whole")
    tiny.save_weights(whole, {name: tensor.astype(np.float32) for name, tensor in halves.items()})
    assert opened(folder).space == opened(whole).space
    assert opened(folder).encode(TEXTS).tobytes() == opened(whole).encode(TEXTS).tobytes()


def test_bfloat16_widens_exactly(tmp_path: Path) -> None:
    cut = {name: t.view(np.uint32) & np.uint32(0xFFFF0000) for name, t in tiny.tensors().items()}
    whole = tiny.checkpoint(tmp_path / "whole")
    tiny.save_weights(whole, {name: bits.view(np.float32) for name, bits in cut.items()})
    folder = tiny.checkpoint(tmp_path / "bf16")
    tiny.save_bfloat16(folder, {name: (bits >> np.uint32(16)).astype("<u2") for name, bits in cut.items()})
    assert opened(folder).space == opened(whole).space
    assert opened(folder).encode(TEXTS).tobytes() == opened(whole).encode(TEXTS).tobytes()


def test_names_may_have_the_bert_prefix_and_the_old_layer_norm_names(tmp_path: Path) -> None:
    renamed = {
        "bert." + n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
        for n, t in tiny.tensors().items()
    }
    unused = {"bert.pooler.dense.weight": np.ones((2, 2), np.float32), "cls.predictions.bias": np.ones(3, np.float32)}
    folder = tiny.checkpoint(tmp_path / "a")
    tiny.save_weights(folder, renamed | unused)
    assert opened(folder).space == opened(tiny.checkpoint(tmp_path / "b")).space


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    (folder / "model.safetensors").unlink()
    names = list(tiny.tensors())
    shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, inside in shards.items():
        tiny.save_weights(folder, {name: tiny.tensors()[name] for name in inside}, file)
    where = {name: file for file, inside in shards.items() for name in inside}
    tiny.write(folder / "model.safetensors.index.json", {"weight_map": where})
    assert opened(folder).space == opened(tiny.checkpoint(tmp_path / "b")).space


# ---- encode, as in sentence-transformers ----------------------------------------------------------------------


def test_a_string_gives_a_vector_and_a_list_a_matrix(tmp_path: Path) -> None:
    model = made(tmp_path)
    assert model.encode("cat").shape == (32,)
    assert model.encode(["cat"]).shape == (1, 32)
    assert model.encode([]).shape == (0, 32)
    assert model.encode(np.array(["cat", "dog"])).shape == (2, 32)
    assert model.encode(t for t in ("cat", "dog")).shape == (2, 32)
    assert model.encode(["cat"]).dtype == np.float32


def test_truncate_dim_cuts_and_only_normalize_embeddings_normalises(tmp_path: Path) -> None:
    model = made(tmp_path)
    whole = model.encode(TEXTS)
    cut = model.encode(TEXTS, truncate_dim=8)
    assert cut.tobytes() == whole[:, :8].tobytes()
    unit = model.encode(TEXTS, truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    assert model.encode(TEXTS, truncate_dim=99).tobytes() == whole.tobytes()
    assert model.encode(TEXTS, normalize_embeddings=True).tobytes() == whole.tobytes()


def test_prompts_are_text_before_the_text(tmp_path: Path) -> None:
    model = made(tmp_path, own={"prompts": {"query": "query: ", "passage": "passage: ", "none": None}})
    asked = model.encode("query: cat").tobytes()
    assert model.encode_query("cat").tobytes() == asked
    assert model.encode("cat", prompt_name="query").tobytes() == asked
    assert model.encode("cat", prompt="query: ").tobytes() == asked
    assert model.encode("cat", prompt_name="passage", prompt="query: ").tobytes() == asked
    assert model.encode_document("cat").tobytes() == model.encode("passage: cat").tobytes()
    assert model.encode_query("cat", prompt="").tobytes() == model.encode("cat").tobytes()
    assert model.encode("cat", prompt_name="none").tobytes() == model.encode("cat").tobytes()


def test_the_default_prompt_is_for_encode_alone(tmp_path: Path) -> None:
    model = made(tmp_path, own={"prompts": {"query": "query: ", "sts": "dog "}, "default_prompt_name": "sts"})
    assert model.encode("cat").tobytes() == model.encode("cat", prompt="dog ").tobytes()
    assert model.encode_document("cat").tobytes() == model.encode("cat", prompt="").tobytes()
    assert model.embed(["cat"]).vectors.tobytes() == model.encode("cat", prompt="").tobytes()


def test_an_unknown_prompt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no prompt called 'wuery'\n  it has: document, query"):
        made(tmp_path).encode("cat", prompt_name="wuery")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"convert_to_tensor": True}, "numpy arrays"),
        ({"convert_to_numpy": False}, "numpy arrays"),
        ({"output_value": "token_embeddings"}, "output_value"),
        ({"precision": "int8"}, "precision"),
        ({"batch_size": 0}, "batch_size"),
        ({"truncate_dim": 0}, "truncate_dim"),
    ],
)
def test_what_numpy_cannot_give_is_refused(tmp_path: Path, option: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        made(tmp_path).encode(["cat"], **option)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", 7], "text 1 is not a string but int"),
        ([None], "text 0 is not a string but NoneType"),
        ([b"a"], "text 0 is not a string but bytes"),
        (["a", "b", "c\ud800"], r"text 2 holds a lone surrogate \(U\+D800\) at character 1"),
    ],
)
def test_a_bad_text_is_named(tmp_path: Path, texts: list, message: str) -> None:
    model = made(tmp_path)
    for call in (model.encode, model.embed, model.receipts, lambda t: list(model.encode_iter(t))):
        with pytest.raises(RowError, match=message):
            call(texts)


def test_embed_takes_a_list_not_a_string(tmp_path: Path) -> None:
    model = made(tmp_path)
    for call in (model.embed, model.encode_iter):
        with pytest.raises(OptionError):
            call("cat")


def test_a_stream_gives_the_same_vectors_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenised, "_TOKENS_A_THREAD", 8)
    model = made(tmp_path)
    stream = model.encode_iter(text for text in TEXTS * 200)
    assert b"".join(v.tobytes() for v in stream) == model.encode(TEXTS * 200).tobytes()
    assert list(model.encode_iter([])) == []


def test_a_vector_that_is_kept_does_not_keep_its_batch(tmp_path: Path) -> None:
    kept = next(made(tmp_path).encode_iter(TEXTS))
    assert kept.base is None
    assert kept.shape == (32,)


def test_a_stream_does_not_read_its_source_to_the_end(tmp_path: Path) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield LONG

    model = opened(tiny.checkpoint(tmp_path / "a"), threads=1)
    stream = model.encode_iter(endless())
    for _ in range(1000):
        next(stream)
    assert taken < 3000


def test_similarity_is_the_checkpoints_own(tmp_path: Path) -> None:
    cosine = made(tmp_path, normalize=False)
    dot = opened(tiny.checkpoint(tmp_path / "dot", own={"similarity_fn_name": "dot"}, normalize=False))
    vectors = cosine.encode(["cat", "dog"])
    np.testing.assert_allclose(np.diag(cosine.similarity(vectors, vectors)), 1, atol=1e-6)
    np.testing.assert_allclose(dot.similarity(vectors, vectors), vectors @ vectors.T, rtol=1e-5)


# ---- long texts ---------------------------------------------------------------------------------------------------


def test_a_long_text_keeps_its_first_tokens_and_the_closing_one(tmp_path: Path) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 6})
    with pytest.warns(TruncationWarning):
        cut = model.encode(LONG)
    assert cut.tobytes() == model.encode("the cat sat the").tobytes()


def test_one_warning_a_call_says_how_many_and_which_first(tmp_path: Path) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 6})
    with pytest.warns(TruncationWarning) as caught:
        model.encode_query(["cat", LONG, "dog", LONG, LONG + " cat"])
    assert len(caught) == 1
    assert str(caught[0].message).startswith("3 of 5 texts were cut to the 6 tokens that ")
    assert str(caught[0].message).endswith("the first is text 1, which has 14")
    assert caught[0].filename == __file__


def test_a_stream_warns_once_at_the_first_long_text(tmp_path: Path) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 6})
    with pytest.warns(TruncationWarning, match="the first is text 1, which has 14") as caught:
        list(model.encode_iter(["cat", LONG, LONG]))
    assert len(caught) == 1


def test_receipts_say_what_was_read(tmp_path: Path) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 6}, own={"prompts": {"query": "query: "}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedded = model.embed(["", "cats", LONG], "query")
    assert embedded.receipts == [
        Receipt(4, prompt="query: "),
        Receipt(6, prompt="query: "),
        Receipt(6, True, 16, "query: "),
    ]
    assert model.receipts(["", "cats", LONG], "query") == embedded.receipts


def test_on_long_error_names_the_first_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 6})
    monkeypatch.setattr(engine.Engine, "forward", None)
    for call in (model.encode, model.embed):
        with pytest.raises(TooLongError, match=r"text 1 has 14 tokens; .* reads 6") as caught:
            call(["cat", LONG, LONG], on_long="error")
        assert caught.value.facts == {"position": 1, "tokens": 14, "max_length": 6}


def test_exactly_the_maximum_is_not_long(tmp_path: Path) -> None:
    model = made(tmp_path, sentence={"max_seq_length": 14})
    assert model.receipts([LONG]) == [Receipt(14)]


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "expected"),
    [
        ({"max_seq_length": 10}, {"model_max_length": 12}, 10),
        ({"max_seq_length": 999}, {}, 24),
        ({"max_seq_length": None}, {"model_max_length": 12}, 12),
        ({"max_seq_length": None}, {"model_max_length": 1e30}, 24),
        ({"max_seq_length": None}, {}, 24),
    ],
)
def test_the_maximum_length_is_in_this_order(tmp_path: Path, sentence: dict, tokenizer: dict, expected: int) -> None:
    folder = tiny.checkpoint(tmp_path / "a", sentence=sentence)
    tiny.write(folder / "tokenizer_config.json", tokenizer)
    assert opened(folder).max_seq_length == expected


def test_another_maximum_length_shares_the_weights_and_is_another_space(tmp_path: Path) -> None:
    model = made(tmp_path)
    shorter = model.with_max_length(6)
    assert (model.max_seq_length, shorter.max_seq_length) == (16, 6)
    assert model.space != shorter.space
    assert shorter._engine is model._engine
    with pytest.raises(OptionError, match="3 to 24 tokens"):
        model.with_max_length(25)


# ---- the space ----------------------------------------------------------------------------------------------------


def test_a_space_is_known_without_computing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(tmp_path)
    monkeypatch.setattr("idembed.native.Encoder", None)
    space = model.space
    assert (space.kind, space.dim, space.similarity) == ("checkpoint", 32, "cosine")
    assert space.facts["profile"] == "f32-1"
    assert space.facts["prompts"] == {"document": "", "query": ""}


def test_a_copy_elsewhere_is_the_same_space(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    there = shutil.copytree(folder, tmp_path / "b" / "c")
    os.utime(there / "model.safetensors", (1, 1))
    assert opened(there, threads=1, isa="scalar").space.id == opened(folder).space.id


def _flip_a_weight_bit(folder: Path) -> None:
    file = folder / "model.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1000] ^= 1
    file.write_bytes(raw)


def _swap_two_words(folder: Path) -> None:
    words = list(tiny.VOCABULARY)
    words[5], words[6] = words[6], words[5]
    tiny.tokenizer(words).save(str(folder / "tokenizer.json"))


def _keep_accents(folder: Path) -> None:
    rules = tiny.tokenizer()
    rules.normalizer = type(rules.normalizer)(strip_accents=False)
    rules.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    "change",
    [
        _flip_a_weight_bit,
        _swap_two_words,
        _keep_accents,
        lambda f: tiny.edit(f / "config_sentence_transformers.json", prompts={"query": "q: "}),
        lambda f: tiny.edit(f / "config_sentence_transformers.json", similarity_fn_name="dot"),
        lambda f: tiny.edit(f / "sentence_bert_config.json", max_seq_length=15),
        lambda f: tiny.edit(f / "1_Pooling/config.json", pooling_mode="cls"),
        lambda f: tiny.edit(f / "config.json", layer_norm_eps=1e-6),
        lambda f: tiny.edit(f / "config.json", num_attention_heads=1),
    ],
    ids=["bit", "vocabulary", "rules", "prompt", "similarity", "length", "pooling", "epsilon", "heads"],
)
def test_what_changes_a_vector_changes_the_space(tmp_path: Path, change) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    before = opened(folder).space
    change(folder)
    assert opened(folder).space.id != before.id


def test_what_changes_no_vector_is_no_part_of_it(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    before = opened(folder).space
    tiny.edit(folder / "config.json", transformers_version="9", hidden_dropout_prob=0.5)
    tiny.edit(folder / "config_sentence_transformers.json", prompts={"sts": "s: "}, default_prompt_name="sts")
    rules = tiny.tokenizer()
    rules.enable_truncation(3)
    rules.save(str(folder / "tokenizer.json"))
    assert opened(folder).space.id == before.id


def test_without_a_normalize_module_cosine_space_is_of_unit_length(tmp_path: Path) -> None:
    model = made(tmp_path, normalize=False)
    np.testing.assert_allclose(np.linalg.norm(model.embed(TEXTS).vectors, axis=1), 1, atol=1e-6)
    assert abs(np.linalg.norm(model.encode("cat")) - 1) > 0.1


def test_normalised_by_the_checkpoint_or_by_us_is_the_same_space_and_bits(tmp_path: Path) -> None:
    plain, module = made(tmp_path, normalize=False), opened(tiny.checkpoint(tmp_path / "b"))
    assert plain.space == module.space
    assert plain.embed(TEXTS).vectors.tobytes() == module.embed(TEXTS).vectors.tobytes()


def test_a_dot_space_keeps_the_length(tmp_path: Path) -> None:
    model = made(tmp_path, normalize=False, own={"similarity_fn_name": "dot"})
    assert model.space.similarity == "dot"
    assert model.embed(TEXTS).vectors.tobytes() == model.encode(TEXTS).tobytes()


def test_hashes_are_remembered_by_the_files_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    for name in ("model.safetensors", "tokenizer.json"):
        _let_settle(folder / name, monkeypatch)
    first = opened(folder).space.id
    monkeypatch.setattr(engine, "weights_sha256", None)
    monkeypatch.setattr(engine, "TextTokenizer", None)
    assert opened(folder).space.id == first


def _let_settle(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file had been written an hour ago: only then are its hashes remembered."""
    from idembed.models import fingerprint

    monkeypatch.setattr(fingerprint, "_SETTLED_NS", -(10**12))


def test_a_file_written_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    _ = opened(folder).space
    assert not (tmp_path / "cache" / "fingerprints.json").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', '{"' + "a" * 64 + '": "x"}'])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    _let_settle(folder, monkeypatch)
    first = opened(folder).space.id
    memory = tmp_path / "cache" / "fingerprints.json"
    assert memory.exists()
    memory.write_text(damage)
    assert opened(folder).space.id == first


def test_files_that_change_after_opening_are_refused(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    model = opened(folder)
    _flip_a_weight_bit(folder)
    with pytest.raises(ModelError, match="changed after it was opened"):
        _ = model.space
    with pytest.raises(ModelError, match="changed after it was opened"):
        model.encode("cat")


def test_threads_may_share_a_model(tmp_path: Path) -> None:
    model = made(tmp_path)
    seen: list[bytes] = []
    workers = [threading.Thread(target=lambda: seen.append(model.encode(TEXTS).tobytes())) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"config": {"model_type": "nomic_bert", "architectures": ["NomicBertModel"]}},
            "'nomic_bert' .NomicBertModel.",
        ),
        ({"config": {"model_type": "roberta", "architectures": ["BertModel"]}}, "the architecture .BertModel."),
        ({"config": {"architectures": ["BertForSequenceClassification"]}}, "cross-encoder or classifier"),
        ({"config": {"hidden_act": "gelu_new"}}, "hidden_act 'gelu_new'"),
        ({"config": {"position_embedding_type": "relative_key"}}, "position_embedding_type 'relative_key'"),
        ({"config": {"is_decoder": True}}, "is_decoder True"),
        ({"config": {"quantization_config": {"bits": 4}}}, "quantization_config"),
        ({"config": {"hidden_size": 40}}, "shape is not supported"),
        ({"pooling": {"pooling_mode_max_tokens": True}}, r"pooling max \+ mean"),
        ({"pooling": {"pooling_mode": "lasttoken"}}, "pooling lasttoken"),
        ({"pooling": {"include_prompt": False}}, "include_prompt"),
        ({"modules": [*tiny.MODULES[:2], {"path": "2_LSTM", "type": "x.LSTM"}]}, "module LSTM"),
        ({"modules": [*tiny.MODULES, tiny.MODULES[2]]}, "Pooling, Normalize, Normalize"),
        ({"modules": tiny.MODULES[1:]}, "modules Pooling, Normalize"),
        ({"own": {"similarity_fn_name": "euclidean"}}, "similarity 'euclidean'"),
        ({"own": {"truncate_dim": 8}}, "truncate_dim"),
        ({"sentence": {"query_length": 32}}, "query_length"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(tmp_path: Path, change: dict, message: str) -> None:
    pooling = change.get("pooling", {}) | ({"word_embedding_dimension": 40} if "hidden_size" in str(change) else {})
    with pytest.raises(UnsupportedModelError, match=message):
        made(tmp_path, **change | {"pooling": pooling})


def test_a_refusal_says_what_is_supported_and_the_way_round(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        made(tmp_path, pooling={"pooling_mode": "weightedmean"})
    assert caught.value.message == "the pooling weightedmean is not computed here"
    assert caught.value.hint == (
        "supported: mean, cls, max, mean_sqrt_len_tokens; any other model works through an OpenAI-compatible server "
        "that runs it: name it http://localhost:8080/v1#MODEL (docs/apis.md)"
    )


def test_an_architecture_that_is_not_computed_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        made(tmp_path, config={"model_type": "modernbert", "architectures": ["ModernBertModel"]})
    assert caught.value.message == "the architecture 'modernbert' (ModernBertModel) is not computed here"
    assert caught.value.hint.startswith(
        "supported: BERT, RoBERTa, XLM-RoBERTa, DistilBERT, MPNet; any other model works"
    )


def _with(tmp_path: Path, change) -> Checkpoint:
    folder = tiny.checkpoint(tmp_path / "a")
    tensors = tiny.tensors()
    change(tensors)
    tiny.save_weights(folder, tensors)
    return opened(folder)


WORD = "embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.pop(WORD), ModelError, f"lacks {WORD}"),
        (lambda t: t.update({"adapter.weight": t[WORD]}), UnsupportedModelError, "does not use: adapter.weight"),
        (lambda t: t.update({WORD: t[WORD][:, :16]}), ModelError, rf"{WORD} is \[80, 16\], but config.json"),
        (lambda t: t.update({WORD: t[WORD].astype(np.float64)}), UnsupportedModelError, "stored as F64"),
        (lambda t: t[WORD].__setitem__((3, 3), np.nan), ModelError, "infinite or NaN"),
        (lambda t: t[WORD].__setitem__((3, 3), -np.inf), ModelError, "infinite or NaN"),
    ],
    ids=["missing", "extra", "shape", "float64", "nan", "infinite"],
)
def test_wrong_tensors_are_named(tmp_path: Path, change, error: type, message: str) -> None:
    model = _with(tmp_path, change)
    with pytest.raises(error, match=message):
        _ = model.space
    with pytest.raises(error, match=message):
        model.encode("cat")


def test_a_cut_off_file_is_damaged(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match="no safetensors file or is damaged"):
        _ = opened(folder).space


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "modules.json"])
def test_a_damaged_settings_file_is_named(tmp_path: Path, name: str) -> None:
    folder = tiny.checkpoint(tmp_path / "a")
    (folder / name).write_text('{"broken')
    with pytest.raises(ModelError, match=name):
        opened(folder).encode("cat")


def test_a_module_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    modules = [tiny.MODULES[0] | {"path": "../elsewhere"}, *tiny.MODULES[1:]]
    with pytest.raises(ModelError, match="outside of the checkpoint"):
        made(tmp_path, modules=modules)
