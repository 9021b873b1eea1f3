"""Every architecture gives what the reference libraries give (tests/reference), and the oracle's bits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import tiny
from idembed import native
from idembed.errors import ModelError, ModelNotFoundError, UnsupportedModelError
from idembed.models import load
from idembed.models.checkpoint import Checkpoint
from idembed.models.dense import _read
from idembed.models.tensors import opened_tensors, read_tensor
from idembed.models.weights import read_tensors
from oracle import canonical

pytestmark = [
    pytest.mark.usefixtures("own_machine"),
    pytest.mark.filterwarnings("ignore::idembed.models.TruncationWarning"),
]

REFERENCE = Path(__file__).parents[1] / "reference"
NAMES = ("bert", "roberta", "xlm-roberta", "distilbert", "mpnet")


def expected(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((REFERENCE / "expected" / f"{name}.json").read_text("utf-8"))
    return made


def cases() -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name} {case['pooling']} {case['prompt_name']}".strip())
        for name in NAMES
        for case in expected(name)["cases"]
    ]


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """A checkpoint of the reference that may be changed."""
    return lambda name: shutil.copytree(REFERENCE / "checkpoints" / name, tmp_path / name)


def opened(name: str, **options: Any) -> Checkpoint:
    model = load(REFERENCE / "checkpoints" / name, **options)
    assert isinstance(model, Checkpoint)
    return model


def change_tensors(file: Path, change: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]]) -> None:
    """Whatever they were stored as, they are float32 then: widened exactly, so that this alone changes no space."""
    with opened_tensors([file]) as found:
        tensors = {name: read_tensor(stored).copy() for name, stored in found.items()}
    save_file(dict(change(tensors)), file)


# ---- the same as the reference, and the oracle --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "case"), cases())
def test_tokens_and_vectors_are_those_of_the_reference(
    name: str, case: dict[str, Any], copied: Callable[[str], Path]
) -> None:
    folder, texts = copied(name), expected(name)["texts"]
    tiny.edit(folder / "1_Pooling" / "config.json", pooling_mode=case["pooling"])
    model = load(folder)
    prompt = model.settings.prompt_called(case["prompt_name"] or None)
    batches = model._engine.batches(texts, prompt, model.max_seq_length)
    assert [ids for batch in batches for ids in batch.ids] == case["ids"]
    got = model.encode(texts, prompt=prompt)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.array(case["vectors"], np.float32), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_those_of_the_oracle_bit_for_bit(name: str) -> None:
    model, texts = opened(name), ["", "cat é"]
    shape, layout = model.settings.encoder, model.settings.layout
    weights = canonical.Checkpoint(
        *(shape.heads, shape.layers, shape.pooling, shape.normalize, shape.layer_norm_eps),
        list(read_tensors(model._engine._weights, shape, layout)),
        shape.relative,
    )
    for ids, vector in zip(next(model._engine.batches(texts, "", 40)).ids, model.encode(texts), strict=True):
        truth = canonical.forward(weights, ids)
        for file, layer in zip(model._engine._dense, model.settings.dense, strict=True):
            weight, bias = _read(file, layer)
            truth = canonical.dense(truth, weight.tolist(), None if bias is None else bias.tolist(), layer.activation)
        if model.settings.normalize and model.settings.dense:
            truth = canonical.normalize(truth)
        assert vector.tobytes() == np.array(truth, np.float32).tobytes()


@pytest.mark.parametrize("profile", ["f32", "i16", "i8"])
@pytest.mark.parametrize("name", NAMES)
def test_no_vector_depends_on_neighbours_threads_or_instructions(name: str, profile: str) -> None:
    texts = expected(name)["texts"]
    alone = np.concatenate([opened(name, threads=1, profile=profile).embed([text]).vectors for text in texts])
    for isa in native.available_isas():
        for threads in (1, 3):
            model = opened(name, threads=threads, isa=isa, profile=profile)
            assert model.embed(texts).vectors.tobytes() == alone.tobytes()
            assert model.embed(texts[::-1]).vectors[::-1].tobytes() == alone.tobytes()


def test_the_tokenizers_are_of_all_three_kinds() -> None:
    kinds = {
        json.loads((REFERENCE / "checkpoints" / name / "tokenizer.json").read_text("utf-8"))["model"]["type"]
        for name in NAMES
    }
    assert kinds == {"WordPiece", "BPE", "Unigram"}


# ---- what files say -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "longest"), [("bert", 40), ("roberta", 40), ("xlm-roberta", 48), ("distilbert", 40), ("mpnet", 128)]
)
def test_positions_begin_behind_the_padding_tokens(name: str, longest: int, copied: Callable[[str], Path]) -> None:
    folder = copied(name)
    (folder / "tokenizer_config.json").unlink()
    assert load(folder).max_seq_length == longest  # of 42, 50 and 130 rows two are not for text, as 512 of 514 are


def test_rows_of_positions_that_are_not_used_are_no_part_of_the_space(copied: Callable[[str], Path]) -> None:
    folder, before = copied("mpnet"), opened("mpnet")
    name = "mpnet.embeddings.position_embeddings.weight"

    def change(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors[name][:2] = 7
        return tensors

    change_tensors(folder / "model.safetensors", change)
    assert load(folder).space == before.space
    assert load(folder).encode("a cat").tobytes() == before.encode("a cat").tobytes()


@pytest.mark.parametrize(
    ("name", "prefix", "pooler"),
    [
        ("bert", "bert.", True),
        ("roberta", "roberta.", True),
        ("xlm-roberta", "roberta.", True),
        ("distilbert", "distilbert.", False),
        ("mpnet", "mpnet.", True),
    ],
)
def test_prefixes_heads_and_poolers_change_nothing(
    name: str, prefix: str, pooler: bool, copied: Callable[[str], Path]
) -> None:
    head = {"bert": "cls.predictions.bias", "distilbert": "vocab_transform.weight"}.get(name, "lm_head.bias")
    folder, before = copied(name), opened(name)
    change_tensors(
        folder / "model.safetensors",
        lambda tensors: {n.removeprefix(prefix): t for n, t in tensors.items() if ".pooler." not in f".{n}"},
    )
    assert load(folder).space == before.space
    change_tensors(
        folder / "model.safetensors",
        lambda tensors: (
            {prefix + n: t for n, t in tensors.items()}
            | {head: np.ones(3, np.float32)}
            | ({f"{prefix}pooler.dense.bias": np.ones(32, np.float32)} if pooler else {})
        ),
    )
    assert load(folder).space == before.space
    assert load(folder).encode("a cat").tobytes() == before.encode("a cat").tobytes()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("distilbert", {"activation": "relu"}, "activation 'relu' is not computed"),
        ("mpnet", {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets 64 is not computed"),
        ("roberta", {"architectures": ["RobertaForSequenceClassification"]}, "cross-encoder or classifier"),
        ("xlm-roberta", {"model_type": "xlm"}, "the architecture 'xlm' .XLMRobertaModel."),
        ("xlm-roberta", {"position_embedding_type": "rotary"}, "position_embedding_type 'rotary'"),
    ],
)
def test_variants_that_are_not_computed_are_refused(
    name: str, changes: dict[str, Any], message: str, copied: Callable[[str], Path]
) -> None:
    folder = copied(name)
    tiny.edit(folder / "config.json", **changes)
    with pytest.raises(UnsupportedModelError, match=message):
        load(folder)


@pytest.mark.parametrize(("name", "other"), [("bert", "roberta"), ("mpnet", "bert"), ("distilbert", "mpnet")])
def test_weights_of_another_architecture_are_refused(name: str, other: str, copied: Callable[[str], Path]) -> None:
    folder = copied(name)
    shutil.copy(REFERENCE / "checkpoints" / other / "model.safetensors", folder)
    with pytest.raises((ModelError, UnsupportedModelError)):
        _ = load(folder).space


@pytest.mark.parametrize("value", [-1, 42, 1.5, "1"])
def test_a_padding_token_that_leaves_no_positions_is_refused(value: Any, copied: Callable[[str], Path]) -> None:
    folder = copied("roberta")
    tiny.edit(folder / "config.json", pad_token_id=value)
    with pytest.raises(ModelError, match=r"pad_token_id|max_position_embeddings"):
        load(folder)


# ---- the space ----------------------------------------------------------------------------------------------------


def test_roberta_is_bert_with_other_files_so_its_space_says_the_same() -> None:
    facts = opened("xlm-roberta").space.facts
    assert facts["architecture"] == {
        "family": "bert",
        "activation": "gelu",
        "heads": 2,
        "hidden": 32,
        "intermediate": 64,
        "layer_norm_eps": 1e-5,
        "layers": 2,
        "positions": 48,
        "types": 1,
        "vocab": 120,
    }
    assert facts["prompts"] == {"document": "passage: ", "query": "query: "}
    assert "dense" not in facts


def test_relative_positions_and_dense_layers_are_part_of_the_space() -> None:
    assert opened("mpnet").space.facts["architecture"]["relative_positions"] == 32
    dense = opened("distilbert").space.facts["dense"]
    assert [(layer["activation"], layer["in"], layer["out"]) for layer in dense] == [
        ("identity", 32, 40),
        ("tanh", 40, 24),
    ]
    assert opened("distilbert").space.dim == 24


def test_a_relative_bias_that_changes_changes_the_space(copied: Callable[[str], Path]) -> None:
    folder = copied("mpnet")

    def change(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors["mpnet.encoder.relative_attention_bias.weight"][31, 1] += 1
        return tensors

    change_tensors(folder / "model.safetensors", change)
    assert load(folder).space != opened("mpnet").space


# ---- Dense --------------------------------------------------------------------------------------------------------


def test_the_dimension_is_that_of_the_last_layer() -> None:
    model = opened("distilbert")
    assert model.get_embedding_dimension() == 24
    assert model.encode(["a cat", "b"]).shape == (2, 24)
    assert model.encode("a cat", truncate_dim=30).shape == (24,)
    assert model.encode("a cat", truncate_dim=5).tobytes() == model.encode("a cat")[:5].tobytes()
    streamed = list(model.encode_iter(["a cat", "b"]))
    assert np.array(streamed).tobytes() == model.encode(["a cat", "b"]).tobytes()


def test_the_vectors_of_a_cosine_space_are_of_unit_length_behind_a_layer(copied: Callable[[str], Path]) -> None:
    model = opened("distilbert")
    np.testing.assert_allclose(np.linalg.norm(model.embed(["a cat", "b"]).vectors, axis=1), 1, atol=1e-6)
    assert abs(np.linalg.norm(model.encode("a cat")) - 1) > 0.1
    folder = copied("distilbert")
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    tiny.write(folder / "modules.json", [*modules, tiny.MODULES[2] | {"path": "4_Normalize"}])
    assert load(folder).space == model.space
    assert load(folder).encode(["a cat"]).tobytes() == model.embed(["a cat"]).vectors.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"activation_function": "torch.nn.modules.activation.ReLU"},
            "the activation 'torch.nn.modules.activation.ReLU'",
        ),
        ({"activation_function": "builtins.exit"}, "the activation 'builtins.exit'"),
        ({"use_residual": True}, "use_residual"),
        ({"module_input_name": "token_embeddings"}, "module_input_name 'token_embeddings'"),
        ({"module_output_name": "other"}, "module_output_name 'other'"),
    ],
)
def test_another_dense_module_is_refused_by_name(
    changes: dict[str, Any], message: str, copied: Callable[[str], Path]
) -> None:
    folder = copied("bert")
    tiny.edit(folder / "2_Dense" / "config.json", **changes)
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        load(folder)
    assert "http://localhost:8080/v1#MODEL" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_features": 16}, "2_Dense takes 16 numbers, but is given 32"),
        ({"in_features": None}, "names no in_features"),
        ({"out_features": True}, "names no in_features"),
        ({"bias": "yes"}, "names no in_features"),
        ({"out_features": 47}, r"linear.weight of 2_Dense is \[48, 32\], but config.json makes it \[47, 32\]"),
        ({"bias": False}, r"holds the tensors \['linear.bias', 'linear.weight'\], not linear.weight"),
    ],
)
def test_damaged_settings_of_a_dense_module_are_named(
    changes: dict[str, Any], message: str, copied: Callable[[str], Path]
) -> None:
    folder = copied("bert")
    tiny.edit(folder / "2_Dense" / "config.json", **changes)
    with pytest.raises((ModelError, UnsupportedModelError), match=message):
        _ = load(folder).space


def test_weights_of_a_dense_module_must_be_there(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match=r"only as a pickle \(2_Dense/pytorch_model.bin\)"):
        load(folder)
    (folder / "2_Dense" / "pytorch_model.bin").unlink()
    with pytest.raises(ModelNotFoundError, match=r"it lacks 2_Dense/model.safetensors"):
        load(folder)


def test_weights_of_a_dense_module_that_are_not_finite_are_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")

    def change(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors["linear.weight"][1, 1] = np.nan
        return tensors

    change_tensors(folder / "2_Dense" / "model.safetensors", change)
    for act in (lambda model: model.space, lambda model: model.encode("a cat")):
        with pytest.raises(ModelError, match="2_Dense holds infinite or NaN weights"):
            act(load(folder))


def test_a_dense_module_whose_weights_change_after_opening_is_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("bert")
    model = load(folder)
    change_tensors(folder / "2_Dense" / "model.safetensors", lambda tensors: {n: t + 1 for n, t in tensors.items()})
    assert load(folder).space != opened("bert").space
    with pytest.raises(ModelError, match="changed after it was opened"):
        model.encode("a cat")
