"""A checkpoint's tensors as float32, named as BERT names them, and the hash of exactly those bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idembed.errors import IntegrityError, ModelError, UnsupportedModelError
from idembed.native import EncoderConfig, tensor_shapes

__all__ = ["read_tensors", "weights_sha256"]

_UNUSED = ("pooler.", "cls.", "embeddings.position_ids")  # heads that no sentence vector depends on
_FORMATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def read_tensors(files: Sequence[Path], config: EncoderConfig) -> Iterator[NDArray[np.float32]]:
    """The tensors that ``native.pack(config, …)`` takes, float32, in its order, one at a time.

    float16 and bfloat16 widen exactly. Raises ModelError naming tensors that are missing, not known, or of
    another shape; UnsupportedModelError for another number format; IntegrityError for a damaged file.
    """
    return (tensor for _, tensor in _tensors(files, config, list(tensor_shapes(config))))


def weights_sha256(files: Sequence[Path], config: EncoderConfig) -> str:
    """SHA-256 over the tensors that are computed with, sorted by name: the name preceded by its length, the
    number of dimensions and each of them (8 little-endian bytes each), then the values as little-endian
    float32. How the file spells, orders, splits or stores them has no influence.

    Raises what ``read_tensors`` raises, and ModelError for weights that are not finite.
    """
    digest = hashlib.sha256()
    for name, tensor in _tensors(files, config, sorted(tensor_shapes(config))):
        if not np.isfinite(tensor).all():
            raise ModelError(
                f"tensor {name} holds infinite or NaN weights",
                hint="the checkpoint is damaged; fetch it again",
            )
        raw = name.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
        for number in (tensor.ndim, *tensor.shape):
            digest.update(number.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").data)
    return digest.hexdigest()


def _tensors(
    files: Sequence[Path], config: EncoderConfig, order: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """One tensor at a time, so that hashing a large checkpoint takes the memory of its largest tensor."""
    shapes = tensor_shapes(config)
    with ExitStack() as stack:
        found: dict[str, tuple[Path, Any, str]] = {}
        for path in files:
            opened = stack.enter_context(_open(path))
            for stored in opened.keys():  # noqa: SIM118 (not a dict)
                found[_plain_name(stored)] = (path, opened, stored)
        _check_names(found.keys(), shapes.keys())
        for name in order:
            tensor = _tensor(*found[name])
            if tensor.shape != shapes[name]:
                raise ModelError(
                    f"tensor {name} is {list(tensor.shape)}, but config.json makes it {list(shapes[name])}",
                    hint="config.json and the weights belong to different checkpoints",
                )
            yield name, tensor


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open  # not where packed weights are kept

    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise IntegrityError(
            f"{path} is no safetensors file or is damaged: {error}", hint="fetch it again", file=str(path)
        ) from error


def _plain_name(stored: str) -> str:
    name = stored.removeprefix("bert.")
    for old, new in _OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _check_names(found: Iterable[str], wanted: Iterable[str]) -> None:
    missing = sorted(set(wanted) - set(found))
    extra = sorted(name for name in set(found) - set(wanted) if not name.startswith(_UNUSED))
    if missing:
        raise ModelError(
            f"the checkpoint lacks {_some(missing)}",
            hint="it is incomplete or not a BERT encoder",
            missing=missing,
        )
    if extra:
        raise UnsupportedModelError(
            f"the checkpoint holds tensors that a BERT encoder does not use: {_some(extra)}",
            hint="supported: BERT encoders whose config.json counts all their layers",
            extra=extra,
        )


def _tensor(path: Path, opened: Any, stored: str) -> NDArray[np.float32]:
    view = opened.get_slice(stored)
    kind = str(view.get_dtype())
    if kind not in _FORMATS:
        raise UnsupportedModelError(
            f"tensor {stored} is stored as {kind}", hint="supported: F32, F16, BF16", tensor=stored
        )
    numbers = _numbers(path, stored, _FORMATS[kind])
    if kind == "BF16":  # the upper half of float32; numpy has no such type
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32, copy=False)


def _numbers(path: Path, stored: str, kind: str) -> NDArray[Any]:
    """A tensor as it is stored, read rather than mapped: what is read stays in this process's memory no longer than
    the array."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[stored]
    start, end = entry["data_offsets"]
    size = (end - start) // np.dtype(kind).itemsize
    return np.fromfile(path, kind, size, offset=8 + length + start).reshape(entry["shape"])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
