"""Makes tiny random BERT checkpoints on disk, in the layout of sentence-transformers."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from idembed.native import EncoderConfig, tensor_shapes

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("cat", "dog", "sat", "mat", "the", "##s", "query", "passage", ":", ".", "é", "日", "本")
LETTERS = (*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase), *string.digits)
VOCABULARY = (*SPECIAL, *WORDS, *LETTERS)
SHAPE = EncoderConfig(vocab=len(VOCABULARY), positions=24, types=2, hidden=32, layers=2, heads=2, intermediate=64)


def checkpoint(
    folder: Path,
    *,
    seed: int = 0,
    config: Mapping[str, Any] | None = None,
    pooling: Mapping[str, Any] | None = None,
    normalize: bool = True,
    sentence: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    modules: Sequence[Mapping[str, Any]] | None = None,
    vocabulary: Sequence[str] = VOCABULARY,
) -> Path:
    """A complete checkpoint in ``folder`` (made); each mapping adds to, or replaces, what a file says."""
    folder.mkdir(parents=True)
    write(folder / "config.json", CONFIG | dict(config or {}))
    write(folder / "sentence_bert_config.json", {"max_seq_length": 16} | dict(sentence or {}))
    write(folder / "config_sentence_transformers.json", dict(own or {}))
    write(folder / "1_Pooling" / "config.json", POOLING | dict(pooling or {}))
    write(folder / "modules.json", list(modules or MODULES[: 3 if normalize else 2]))
    save_weights(folder, tensors(seed))
    tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    return folder


CONFIG: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "vocab_size": SHAPE.vocab,
    "max_position_embeddings": SHAPE.positions,
    "type_vocab_size": SHAPE.types,
    "hidden_size": SHAPE.hidden,
    "num_hidden_layers": SHAPE.layers,
    "num_attention_heads": SHAPE.heads,
    "intermediate_size": SHAPE.intermediate,
    "layer_norm_eps": 1e-12,
}
POOLING: dict[str, Any] = {"word_embedding_dimension": SHAPE.hidden, "pooling_mode_mean_tokens": True}
MODULES: list[dict[str, Any]] = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    made = {}
    for name, shape in tensor_shapes(SHAPE).items():
        centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        made[name] = (centre + 0.3 * random.standard_normal(shape)).astype(np.float32)
    return made


def save_weights(folder: Path, made: Mapping[str, np.ndarray], file: str = "model.safetensors") -> None:
    save_file(dict(made), folder / file)


def save_bfloat16(folder: Path, halves: Mapping[str, np.ndarray]) -> None:
    """numpy has no bfloat16, so the file is written by hand: length, header, the upper halves of float32."""
    header: dict[str, Any] = {}
    end = 0
    for name, half in halves.items():
        header[name] = {"dtype": "BF16", "shape": half.shape, "data_offsets": [end, end := end + half.nbytes]}
    raw = json.dumps(header).encode()
    data = b"".join(half.tobytes() for half in halves.values())
    (folder / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + data)


def tokenizer(vocabulary: Sequence[str] = VOCABULARY) -> Tokenizer:
    """WordPiece, with a truncation and padding of its own that must have no influence."""
    made = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_truncation(6)
    made.enable_padding(length=6)
    return made


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON object on disk."""
    write(path, json.loads(path.read_text("utf-8")) | changes)
