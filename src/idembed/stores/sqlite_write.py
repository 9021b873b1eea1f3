"""Writing rows, texts and vectors to SQLite. The caller holds the transaction; ids come checked and unique."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from idembed.canonical import check_text
from idembed.errors import OptionError, RowError, StoreError
from idembed.rows import bucket_of, check_id
from idembed.space import ADDRESS_BYTES
from idembed.stores.base import PartRecord, RowRecord, Vector

__all__ = ["check_rows", "chunks", "delete", "upsert"]

_HASH_BYTES: Final = 32
_T = TypeVar("_T")


def chunks(values: Sequence[_T], size: int = 500) -> Iterator[tuple[str, Sequence[_T]]]:
    """Pieces of ``values`` with as many placeholders for an ``IN``."""
    for begin in range(0, len(values), size):
        piece = values[begin : begin + size]
        yield ", ".join("?" * len(piece)), piece


def check_rows(rows: Sequence[RowRecord], dims: Mapping[int, int]) -> tuple[list[RowRecord], dict[int, Vector]]:
    """The last row of each id in order of bucket, and for each generation the vectors of all their parts (little-endian
    float32 [n, dim]) in that order. ``dims`` has every generation's dimension.

    Raises RowError, OptionError or StoreError, naming the row, before anything is written.
    """
    last = {row.id: row for row in rows}
    unique = sorted(last.values(), key=lambda row: bucket_of(check_id(row.id, "a row to write")))
    vectors: dict[int, list[Vector]] = {}
    for row in unique:
        _check_row(row)
        for generation, parts in row.parts.items():
            if generation not in dims:
                raise StoreError(f"row {row.id!r} has vectors for generation {generation}, which does not exist")
            dim = dims[generation]
            if len({part.part for part in parts}) != len(parts):
                raise OptionError(f"row {row.id!r} has the same part twice", id=row.id)
            for part in parts:
                _check_part(row.id, part, dim)
            vectors.setdefault(generation, []).extend(part.vector for part in parts)
    return unique, {generation: _stack(found, unique, generation) for generation, found in vectors.items()}


def _check_row(row: RowRecord) -> None:
    for text in (row.text or "", row.scope, row.metadata):
        if reason := check_text(text):
            raise RowError(f"row {row.id!r}: its text, scope or metadata {reason}", id=row.id)
    if len(row.text_hash) != _HASH_BYTES or len(row.metadata_hash) != _HASH_BYTES:
        raise OptionError(f"row {row.id!r}: a hash has {_HASH_BYTES} bytes", id=row.id)


def _check_part(row_id: str, part: PartRecord, dim: int) -> None:
    vector = part.vector
    if vector.dtype != np.float32 or vector.shape != (dim,):
        raise OptionError(
            f"row {row_id!r}, part {part.part}: the vector is {vector.dtype} {list(vector.shape)}, not float32 [{dim}]",
            id=row_id,
        )
    if len(part.address) != ADDRESS_BYTES or part.part < 0:
        raise OptionError(f"row {row_id!r}: an address has {ADDRESS_BYTES} bytes, a part a number from 0", id=row_id)


def _stack(found: list[Vector], rows: Sequence[RowRecord], generation: int) -> Vector:
    if not found:
        return np.empty((0, 0), "<f4")
    stacked: Vector = np.stack(found).astype("<f4", copy=False)
    finite = np.isfinite(stacked).all(axis=1)
    if not finite.all():
        owners = [row.id for row in rows for _ in row.parts.get(generation, ())]
        name = owners[int(np.flatnonzero(~finite)[0])]
        raise OptionError(f"row {name!r} has a vector with NaN or infinity in it; nothing was written", id=name)
    return stacked


def upsert(connection: sqlite3.Connection, rows: Sequence[RowRecord], vectors: Mapping[int, Vector]) -> None:
    """Write what ``check_rows`` gave. Text goes before its hash: the triggers clear the hash of an edited text."""
    keys = _keys(connection, rows)
    new = [row for row in rows if row.id not in keys]
    old = [row for row in rows if row.id in keys]
    for row in new:
        if row.text is None:
            raise StoreError(
                f"row {row.id!r} vanished from the index, so its text cannot be kept; nothing was written",
                hint="another program deleted it meanwhile: run it again",
                id=row.id,
            )
    first = 1 + connection.execute("SELECT coalesce(max(key), 0) FROM rows").fetchone()[0]
    keys |= {row.id: key for key, row in enumerate(new, first)}
    connection.executemany(
        "INSERT INTO texts (key, text) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET text = excluded.text WHERE text IS NOT excluded.text",
        ((keys[row.id], row.text) for row in rows if row.text is not None),
    )
    connection.executemany(
        "INSERT INTO rows (key, id, scope, bucket, text_hash, metadata, metadata_hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (
                keys[row.id],
                row.id,
                row.scope,
                bucket_of(row.id),
                row.text_hash,
                row.metadata,
                row.metadata_hash,
            )
            for row in new
        ),
    )
    connection.executemany(
        "UPDATE rows SET bucket = ?, metadata = ?, metadata_hash = ?, text_hash = coalesce(?, text_hash) WHERE key = ?",
        (
            (
                *(bucket_of(row.id), row.metadata, row.metadata_hash),
                *(None if row.text is None else row.text_hash, keys[row.id]),
            )
            for row in old
        ),
    )
    for generation, matrix in vectors.items():
        _replace_parts(connection, generation, rows, keys, matrix)


def _replace_parts(
    connection: sqlite3.Connection,
    generation: int,
    rows: Sequence[RowRecord],
    keys: Mapping[str, int],
    matrix: Vector,
) -> None:
    table = int(generation)
    connection.executemany(
        f"DELETE FROM parts_{table} WHERE key = ?",
        ((keys[row.id],) for row in rows if generation in row.parts),
    )
    seen = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (f"vectors_{table}",)).fetchone()
    first = 1 + (seen[0] if seen else 0)
    parts = [(row, part) for row in rows for part in row.parts.get(generation, ())]
    connection.executemany(
        f"INSERT INTO vectors_{table} (vid, key, part, vector) VALUES (?, ?, ?, ?)",
        (
            (vid, keys[row.id], int(part.part), vector)
            for vid, ((row, part), vector) in enumerate(zip(parts, matrix, strict=True), first)
        ),
    )
    connection.executemany(
        f'INSERT INTO parts_{table} (key, part, "start", "end", text_hash, address, tokens, truncated, vid) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                *(keys[row.id], int(part.part), int(part.span[0]), int(part.span[1]), row.text_hash),
                *(part.address, int(part.tokens), bool(part.truncated), vid),
            )
            for vid, (row, part) in enumerate(parts, first)
        ),
    )


def delete(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Remove the rows; triggers remove what hangs on them. The number that existed."""
    return sum(
        connection.execute(f"DELETE FROM rows WHERE id IN ({marks})", tuple(piece)).rowcount
        for marks, piece in chunks(list(ids))
    )


def _keys(connection: sqlite3.Connection, rows: Sequence[RowRecord]) -> dict[str, int]:
    """The key of each row that is there. Raises RowError for one that another scope holds."""
    scopes = {row.id: row.scope for row in rows}
    found: dict[str, int] = {}
    for marks, piece in chunks(list(scopes)):
        sql = f"SELECT id, key, scope FROM rows WHERE id IN ({marks})"
        for row_id, key, scope in connection.execute(sql, tuple(piece)):
            if scope != scopes[row_id]:
                raise RowError(
                    f"row {row_id!r} belongs to scope {scope!r}, not {scopes[row_id]!r}; nothing was written",
                    hint=f"an id names one row of the whole index: delete it from {scope!r}, or use another id",
                    id=row_id,
                )
            found[row_id] = key
    return found
