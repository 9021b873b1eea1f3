"""What a version of a table consists of, as its manifest says: read without LanceDB, which opens nothing of a table
whose newest version is broken, and does not say which file it is.

A manifest ends with where its message begins (8 bytes), its format (4 bytes) and ``LANC``; the message is preceded by
its length (4 bytes). It is one of protocol buffers, of which these fields are looked at: fragments (2), and of each
its number (1), its files (2, of which the path is 1) and its deletions (3: the kind is 1, the version read 2, the
number 3).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["files_of", "is_cut", "version_of"]

_MAGIC: Final = b"LANC"
"""How manifests and data files end."""
_TAIL: Final = 16
_LENGTH: Final = 4
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FORMS: Final = ("arrow", "bin")
"""Of deletions, by their kind."""
Field = tuple[int, int | bytes]


def version_of(manifest: Path) -> int:
    """The names of manifests count down from 2^64 - 1. Raises ValueError for another name."""
    return 2**64 - 1 - int(manifest.stem)


def files_of(manifest: Path) -> set[str]:
    """The files that make up the version, by their paths in the table's folder. Raises ValueError where the manifest is
    cut off or says nothing, and OSError where it cannot be read."""
    raw = manifest.read_bytes()
    begin = int.from_bytes(raw[-_TAIL:][:8], "little") + _LENGTH
    end = begin + int.from_bytes(raw[begin - _LENGTH : begin], "little")
    if not raw.endswith(_MAGIC) or len(raw) < _TAIL or not begin < end <= len(raw) - _TAIL:
        raise ValueError("the manifest is cut off")
    found: set[str] = set()
    for fragment in _messages(raw[begin:end], 2):
        found |= {f"data/{path.decode()}" for file in _messages(fragment, 2) for path in _messages(file, 1)}
        number = _number(fragment, 1)
        for deleted in _messages(fragment, 3):
            kind = _number(deleted, 1)
            if kind < len(_FORMS):
                name = f"{number}-{_number(deleted, 2)}-{_number(deleted, 3)}.{_FORMS[kind]}"
                found.add(f"_deletions/{name}")
    return found


def is_cut(path: Path) -> bool:
    """Whether a file is empty, or has not the end that LanceDB gave it; one that is not there is not. Raises OSError
    where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(_MAGIC), 0))
            end = file.read()
    except FileNotFoundError:
        return False
    return not end if path.parent.name == "_deletions" else end != _MAGIC


def _messages(message: bytes, field: int) -> Iterator[bytes]:
    return (value for number, value in _fields(message) if number == field and isinstance(value, bytes))


def _number(message: bytes, field: int) -> int:
    """0 where it is not said, as that is how 0 is written."""
    return next((value for number, value in _fields(message) if number == field and isinstance(value, int)), 0)


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"there is no field of kind {kind}")
        if at + length > len(message):
            raise ValueError("a field is cut off")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next begins."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number is cut off")
