"""A checkpoint's tensors as float32, named as BERT names them, and the hash of exactly those bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idembed.errors import ModelError, UnsupportedModelError
from idembed.models.architectures import Architecture, Layout
from idembed.models.tensors import opened_tensors, read_tensor
from idembed.native import EncoderConfig, tensor_shapes

__all__ = ["read_tensors", "weights_sha256"]

_POSITIONS = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"


def read_tensors(files: Sequence[Path], config: EncoderConfig, layout: Layout) -> Iterator[NDArray[np.float32]]:
    """The tensors that ``native.pack(config, …)`` takes, float32, in its order, one at a time: only the rows of
    positions that are used, and zeros for the token types that an architecture has not.

    float16 and bfloat16 widen exactly. Raises ModelError naming tensors that are missing, not known, or of
    another shape; UnsupportedModelError for another number format; IntegrityError for a damaged file.
    """
    return (tensor for _, tensor in _tensors(files, config, layout, list(tensor_shapes(config))))


def weights_sha256(files: Sequence[Path], config: EncoderConfig, layout: Layout) -> str:
    """SHA-256 over the tensors that are computed with, sorted by name: the name preceded by its length, the
    number of dimensions and each of them (8 little-endian bytes each), then the values as little-endian
    float32. How the file spells, orders, splits or stores them has no influence.

    Raises what ``read_tensors`` raises, and ModelError for weights that are not finite.
    """
    digest = hashlib.sha256()
    for name, tensor in _tensors(files, config, layout, sorted(tensor_shapes(config))):
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
    files: Sequence[Path], config: EncoderConfig, layout: Layout, order: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """One tensor at a time, so that hashing a large checkpoint takes the memory of its largest tensor."""
    shapes, architecture = tensor_shapes(config), layout.architecture
    with opened_tensors(files) as stored:
        found = {layout.plain_name(name): tensor for name, tensor in stored.items()}
        _check_names(found.keys(), [n for n in shapes if n != _TYPES or architecture.types], architecture)
        for name in order:
            if name == _TYPES and not architecture.types:
                yield name, np.zeros(shapes[name], np.float32)
                continue
            tensor = read_tensor(found[name])
            skipped = layout.skipped if name == _POSITIONS else 0
            whole = (shapes[name][0] + skipped, *shapes[name][1:])
            if tensor.shape != whole:
                raise ModelError(
                    f"tensor {name} is {list(tensor.shape)}, but config.json makes it {list(whole)}",
                    hint="config.json and the weights belong to different checkpoints",
                )
            yield name, tensor[skipped:]


def _check_names(found: Iterable[str], wanted: Iterable[str], architecture: Architecture) -> None:
    missing = sorted(set(wanted) - set(found))
    extra = sorted(name for name in set(found) - set(wanted) if not name.startswith(architecture.unused))
    if missing:
        raise ModelError(
            f"the checkpoint lacks {_some(missing)}",
            hint=f"it is incomplete or not a {architecture.name} encoder",
            missing=missing,
        )
    if extra:
        raise UnsupportedModelError(
            f"the checkpoint holds tensors that a {architecture.name} encoder does not use: {_some(extra)}",
            hint="supported: encoders whose config.json counts all their layers",
            extra=extra,
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
