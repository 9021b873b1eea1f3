"""Tensors of safetensors files, as float32."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from idembed.errors import IntegrityError, UnsupportedModelError

__all__ = ["Stored", "opened_tensors", "read_tensor"]

_FORMATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Stored(NamedTuple):
    """A tensor in an open file, by the name that it has there."""

    path: Path
    file: Any
    name: str


@contextmanager
def opened_tensors(files: Sequence[Path]) -> Iterator[Mapping[str, Stored]]:
    """All tensors of the files by name, to be read within the block. Raises IntegrityError for a damaged file."""
    with ExitStack() as stack:
        found: dict[str, Stored] = {}
        for path in files:
            opened = stack.enter_context(_open(path))
            for name in opened.keys():  # noqa: SIM118 (not a dict)
                found[name] = Stored(path, opened, name)
        yield found


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open  # not where packed weights are kept

    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise IntegrityError(
            f"{path} is no safetensors file or is damaged: {error}", hint="fetch it again", file=str(path)
        ) from error


def read_tensor(stored: Stored) -> NDArray[np.float32]:
    """float16 and bfloat16 widen exactly. Raises UnsupportedModelError for another number format."""
    kind = str(stored.file.get_slice(stored.name).get_dtype())
    if kind not in _FORMATS:
        raise UnsupportedModelError(
            f"tensor {stored.name} is stored as {kind}", hint="supported: F32, F16, BF16", tensor=stored.name
        )
    numbers = _numbers(stored.path, stored.name, _FORMATS[kind])
    if kind == "BF16":  # the upper half of float32; numpy has no such type
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32, copy=False)


def _numbers(path: Path, name: str, kind: str) -> NDArray[Any]:
    """A tensor as it is stored, read rather than mapped: what is read stays in this process's memory no longer than
    the array."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
    start, end = entry["data_offsets"]
    size = (end - start) // np.dtype(kind).itemsize
    return np.fromfile(path, kind, size, offset=8 + length + start).reshape(entry["shape"])
