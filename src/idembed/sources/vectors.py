"""Rows that come with vectors: a table of a SQLite file (such as those of ``llm embed-multi``), JSON lines, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from idembed.errors import OptionError, SourceError
from idembed.rows import CheckedRow, check_row
from idembed.sources.vector_files import Records, open_records, parsed

__all__ = ["RowsWithVectors", "VectorFields", "open_vectors"]

_POSSIBLE = "a SQLite database, .jsonl or .parquet with vectors in it"
_USUAL = {
    "id": ("id", "key", "doc_id", "uid"),
    "text": ("text", "content", "document", "body"),
    "vector": ("vector", "embedding", "emb"),
    "metadata": ("metadata",),
}
_ITEM_SIZES = {2: "<f2", 4: "<f4", 8: "<f8"}


@dataclass(frozen=True, slots=True)
class VectorFields:
    """The names of the columns; None: one of the usual ones. ``metadata``: a column of JSON objects."""

    id: str | None = None
    text: str | None = None
    vector: str | None = None
    metadata: str | None = None
    table: str | None = None


class RowsWithVectors:
    """(row, vector) pairs of one place, which can be read again and again; ``name`` is for messages.

    ``names``: what each field may be called, the best name first; a record's field is the first that it has, for one
    line of JSON tells nothing of the next. ``has_metadata``: some record must have a field of metadata.
    """

    def __init__(self, records: Records, names: Mapping[str, Sequence[str]], *, has_metadata: bool) -> None:
        self.name = records.name
        self._records = records
        self._names = names
        self._has_metadata = has_metadata

    def read(self, dim: int) -> Iterator[tuple[CheckedRow, NDArray[np.float32]]]:
        """Every row with its vector, float32 [dim], as it is there. Raises RowError for what is no row, SourceError for
        what is no vector of ``dim`` numbers, naming the row; at the end, OptionError for a name of metadata that was
        given and is nowhere."""
        metadata_seen = not self._has_metadata
        for position, record in self._records.read():
            where = f"{self.name}, {self._records.unit} {position}"
            if record.get("part") not in (None, 0):
                raise SourceError(
                    f"{where} is a part of a split text",
                    hint="whole texts can be taken over; sync the source of this one",
                )
            row_id, text, vector, metadata = (
                self._field(record, what) for what in ("id", "text", "vector", "metadata")
            )
            metadata_seen = metadata_seen or metadata is not None
            row_id = str(row_id) if isinstance(row_id, int) and not isinstance(row_id, bool) else row_id
            if isinstance(metadata, str | bytes):
                metadata = _metadata(metadata, where)
            row = check_row(row_id, text, {} if metadata is None else metadata, where)
            yield row, _vector(vector, dim, f"{where}: row {row.id!r}")
        if not metadata_seen:
            name = self._names["metadata"][0]
            raise OptionError(
                f"{self.name} has no {name} for the metadata anywhere", hint="name it: metadata=…, --metadata-field"
            )

    def _field(self, record: Mapping[str, Any], what: str) -> Any:
        return next((record[name] for name in self._names[what] if name in record), None)


def open_vectors(url: str | Path, fields: VectorFields) -> RowsWithVectors:
    """What is at ``url``: ``old.db``, ``sqlite:///old.db?table=embeddings``, ``x.jsonl``, ``x.parquet``.

    Raises SourceError when it is not there or not of a known kind, OptionError for a column that is not there.
    """
    path, query = _path_of(str(url))
    if path.is_dir():
        raise SourceError(f"{path} is a folder", hint=f"name one file: {_POSSIBLE}")
    if not path.is_file():
        raise SourceError(f"there is no file {path}", hint=_POSSIBLE)
    given: dict[str, str | None] = {name: value or query.get(name) for name, value in asdict(fields).items()}
    records = open_records(path, given["table"], _USUAL["vector"])
    names = {what: (wanted,) if (wanted := given[what]) else usual for what, usual in _USUAL.items()}
    if records.columns is not None:
        names = {what: _chosen(records.name, what, names[what], given[what], records.columns) for what in _USUAL}
    elif first := next(records.read(), None):
        for what in ("id", "text", "vector"):
            _chosen(records.name, what, names[what], given[what], list(first[1]))
    return RowsWithVectors(records, names, has_metadata=records.columns is None and given["metadata"] is not None)


def _path_of(url: str) -> tuple[Path, dict[str, str]]:
    if not url.startswith("sqlite:"):
        scheme, colon, _ = url.partition("://")
        if colon:  # not shown as it is: it may have a password
            raise SourceError(f"vectors are not yet taken from a {scheme}:// address", hint=_POSSIBLE)
        return Path(url), {}
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Path(parts.path.removeprefix("/") if not parts.path.startswith("//") else parts.path[1:]), query


def _chosen(
    name: str, what: str, possible: tuple[str, ...], given: str | None, columns: Sequence[str]
) -> tuple[str, ...]:
    """The best name that is there, alone; none for metadata that nobody asked for."""
    found = next((column for column in possible if column in columns), None)
    if found is not None:
        return (found,)
    if what == "metadata" and given is None:
        return ()
    raise OptionError(
        f"{name} has no column {' or '.join(possible)} for the {what}, only {', '.join(columns) or 'none'}",
        hint=f"name it: {what}=…, --{what}-field",
    )


def _metadata(raw: str | bytes, where: str) -> Any:
    """What a column of JSON says; whether it is an object is for check_row to see."""
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeDecodeError:
        raise SourceError(f"{where}: its metadata is not UTF-8") from None
    return parsed(text, f"{where}: its metadata")


def _vector(value: object, dim: int, where: str) -> NDArray[np.float32]:
    """Numbers in a list, as text of JSON, or packed as little-endian floats of 2, 4 or 8 bytes."""
    if value is None:
        raise SourceError(f"{where} has no vector")
    try:
        if isinstance(value, bytes):
            size, rest = divmod(len(value), dim)
            if rest or size not in _ITEM_SIZES:
                raise ValueError(f"{len(value):,} bytes are no {dim:,} numbers")
            numbers = np.frombuffer(value, _ITEM_SIZES[size])
        else:
            numbers = np.asarray(json.loads(value) if isinstance(value, str) else value, np.float64)
        with np.errstate(over="ignore"):
            vector = numbers.astype(np.float32)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise SourceError(f"{where} has no vector of {dim:,} numbers: {error}") from None
    if vector.shape != (dim,):
        raise SourceError(f"{where} has a vector of shape {list(vector.shape)}; the model's have {dim:,} numbers")
    if not np.isfinite(vector).all():
        raise SourceError(f"{where} has NaN or infinity in its vector, or a number too large for float32")
    return vector
