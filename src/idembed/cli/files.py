"""Texts read line by line, and vectors written to files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from idembed.durable import durable, refuse_others
from idembed.errors import OptionError, SourceError

if TYPE_CHECKING:
    from idembed.models.base import Vectors

__all__ = [
    "ROWS",
    "VectorWriter",
    "check_folder",
    "check_target",
    "read_lines",
    "read_texts",
    "vector_writer",
    "write_json_line",
]

ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Endings of files that hold rows and not lines of text."""

_HEADER_BYTES = 128


def read_lines(path: str) -> Iterator[str]:
    """The lines of a UTF-8 file, or of standard input when ``path`` is ``-``, without their line ends.

    Only ``\\n`` and ``\\r\\n`` end a line, so that line i of the file is text i. Raises SourceError.
    """
    name = "standard input" if path == "-" else path
    try:
        with open(0, "rb", closefd=False) if path == "-" else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise SourceError(f"{name}, line {number} is not UTF-8", file=name, line=number) from None
                yield text.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}", file=name) from error


def read_texts(path: str) -> Iterator[str]:
    """The texts of rows, where the ending of ``path`` says that it holds rows (``.jsonl``, ``.csv``, ..), else the
    lines as ``read_lines`` gives them. Raises SourceError, RowError."""
    suffix = Path(path.removesuffix(".gz")).suffix.lower()
    if suffix not in ROWS:
        yield from read_lines(path)
        return
    from idembed.sources import open_source

    for _, row in open_source(path).rows():
        yield row.text


class VectorWriter(Protocol):
    """Takes vectors batch by batch."""

    def write(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Append ``vectors`` float32 [n, dim], row i for text i."""


@contextmanager
def vector_writer(path: Path, dim: int, facts: Mapping[str, str]) -> Iterator[VectorWriter]:
    """A writer for ``.npy``, ``.jsonl`` or ``.safetensors`` (then ``facts`` are its metadata).

    Memory does not grow with the number of vectors. The file appears under its name when the block ends
    normally; after an error there is none, and one that was there before is unharmed.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".jsonl", ".safetensors"):
        raise OptionError(
            f"{path}: {suffix or 'a name without an ending'} is not a kind of file to write vectors to",
            hint="use .npy, .jsonl or .safetensors",
        )
    with durable(path, "wb") as file:
        if suffix == ".jsonl":
            yield _Lines(file)
            return
        header = _npy_header if suffix == ".npy" else _safetensors_header(facts)
        rows = _Matrix(file, len(header(0, dim)))
        yield rows
        file.seek(0)
        file.write(header(rows.count, dim))


class _Lines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, texts: Sequence[str], vectors: Vectors) -> None:
        for text, vector in zip(texts, vectors, strict=True):
            self._file.write((_json_line(text, vector) + "\n").encode("utf-8"))


class _Matrix:
    """Rows behind a header of fixed size, which is written last, when their number is known."""

    def __init__(self, file: IO[bytes], header_bytes: int) -> None:
        self._file = file
        self.count = 0
        file.write(bytes(header_bytes))

    def write(self, texts: Sequence[str], vectors: Vectors) -> None:
        self._file.write(vectors.astype("<f4", copy=False).tobytes())
        self.count += len(vectors)


def _npy_header(rows: int, dim: int) -> bytes:
    """NumPy format version 1.0; the dictionary is padded so that any number of rows takes the same space."""
    fields = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}"
    size = _HEADER_BYTES - 10
    return b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + fields.ljust(size - 1).encode() + b"\n"


def _safetensors_header(facts: Mapping[str, str]) -> Callable[[int, int], bytes]:
    """One tensor, ``embeddings``; the JSON is padded with spaces, as the format allows."""
    room = 8 * (len(json.dumps(dict(facts))) // 8 + 32)

    def header(rows: int, dim: int) -> bytes:
        tensor = {"dtype": "F32", "shape": [rows, dim], "data_offsets": [0, 4 * rows * dim]}
        fields = json.dumps({"__metadata__": dict(facts), "embeddings": tensor})
        return room.to_bytes(8, "little") + fields.ljust(room).encode("ascii")

    return header


def check_target(path: Path) -> None:
    """OptionError now, and not when the work is done, where a file ``path`` could not be written."""
    refuse_others(path)
    check_folder(path)


def check_folder(path: Path) -> None:
    """OptionError where nothing could be made beside, or instead of, ``path``."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise OptionError(f"{path} cannot be written: there is no folder {folder}", hint="make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OptionError(f"{path} cannot be written: the folder {folder} does not allow it")


def write_json_line(text: str, vector: Vectors) -> None:
    """Print ``{"text": …, "vector": […]}`` to standard output."""
    from idembed.cli.output import escape_unsafe

    sys.stdout.write(escape_unsafe(_json_line(text, vector)) + "\n")


def _json_line(text: str, vector: Vectors) -> str:
    # str() of a numpy float32 is the shortest decimal that reads back as the same float32.
    return f'{{"text": {json.dumps(text, ensure_ascii=False)}, "vector": [{", ".join(map(str, vector))}]}}'
