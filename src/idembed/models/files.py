"""What a checkpoint's folder must hold, and what it is known by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from idembed.errors import ModelError, UnsupportedModelError

__all__ = [
    "PATTERNS",
    "WEIGHT_PATTERNS",
    "ModelFiles",
    "dense_folders",
    "missing_files",
    "pooling_file",
    "read_json",
    "read_modules",
    "refuse_pickled",
    "transformer_folder",
    "weight_files",
]

PATTERNS = (
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "[0-9]_*/*.json",
)
"""The small files of a checkpoint; the rest of a repository (ONNX, TensorFlow) is not read."""
WEIGHT_PATTERNS = (
    "model.safetensors",
    "model-*-of-*.safetensors",
    "[0-9]_*/model.safetensors",
)
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.ckpt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A checkpoint's ``folder`` on this machine, its ``revision`` (a hub commit, ``sha256:…`` of pinned
    bytes, or empty for a folder of the user's own), and the ``source`` it was found in."""

    folder: Path
    revision: str
    source: Literal["folder", "hub cache", "own cache", "hub", "package"]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; empty when there is no such file. Raises ModelError when it is damaged."""
    value = _parse(path)
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object", hint="fetch the checkpoint again")
    return value


def read_modules(folder: Path) -> list[dict[str, Any]]:
    """The entries of ``modules.json``; empty when the folder has none (a plain transformer)."""
    path = folder / "modules.json"
    value = _parse(path) if path.exists() or path.is_symlink() else []  # a broken link is damage
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ModelError(f"{path} holds no list of modules", hint="fetch the checkpoint again")
    for item in value:
        inside = Path(str(item.get("path", "")))
        if inside.is_absolute() or ".." in inside.parts:
            raise ModelError(f"{path} names a folder outside of the checkpoint: {str(inside)!r}")
    return value


def transformer_folder(folder: Path) -> Path:
    """The folder of config, weights and tokenizer: the root, or ``0_Transformer`` in older checkpoints."""
    for module in read_modules(folder):
        if str(module.get("type", "")).endswith("Transformer"):
            return folder / str(module.get("path", ""))
    return folder


def pooling_file(folder: Path) -> Path | None:
    """The settings of the Pooling module that ``modules.json`` names; None when it names none."""
    for module in read_modules(folder):
        if str(module.get("type", "")).endswith("Pooling"):
            return folder / str(module.get("path", "1_Pooling")) / "config.json"
    return None


def dense_folders(folder: Path) -> list[Path]:
    """The folders of the Dense modules that ``modules.json`` names, in order."""
    return [
        folder / str(module.get("path", ""))
        for module in read_modules(folder)
        if str(module.get("type", "")).endswith("Dense")
    ]


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a complete transformer folder: one, or the shards of its index."""
    whole = folder / "model.safetensors"
    index = folder / "model.safetensors.index.json"
    if whole.exists() or not index.exists():
        return [whole]
    weights = read_json(index).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise ModelError(f"{index} holds no weight_map", hint="fetch the checkpoint again")
    shards = sorted({str(name) for name in weights.values()})
    if any(Path(name).name != name for name in shards):
        raise ModelError(f"{index} names a shard outside of the checkpoint")
    return [folder / name for name in shards]


def missing_files(folder: Path) -> list[str]:
    """Files that a checkpoint needs and ``folder`` lacks, by their path in it. A plain transformer needs no
    modules.json. Raises UnsupportedModelError when its weights are there as pickles only."""
    inner = transformer_folder(folder)
    needed = [inner / "config.json", inner / "tokenizer.json", *weight_files(inner)]
    if (pooling := pooling_file(folder)) is not None:
        needed.append(pooling)
    dense = dense_folders(folder)
    needed += [layer / name for layer in dense for name in ("config.json", "model.safetensors")]
    missing = [path.relative_to(folder).as_posix() for path in needed if not path.is_file()]
    for place in (inner, *dense):
        pickled = [name for name in _PICKLED if (place / name).exists()]
        if pickled and (place / "model.safetensors").relative_to(folder).as_posix() in missing:
            refuse_pickled((place / pickled[0]).relative_to(folder).as_posix(), str(folder))
    return missing


def refuse_pickled(file: str, where: str) -> None:
    """Raise for weights that only a pickle holds: reading one runs whatever code it contains."""
    raise UnsupportedModelError(
        f"{where} holds its weights only as a pickle ({file}), which can run any code when it is read",
        hint="convert it once where you trust it: SentenceTransformer(…).save_pretrained(FOLDER, "
        "safe_serialization=True), then load FOLDER",
        file=file,
    )


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}", hint="fetch the checkpoint again") from error
