"""Writing rows, texts and vectors to SQLite. The caller holds the transaction; ids come checked and unique."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from idembed.space import checksum
from idembed.stores.checks import refuse_other_scope, refuse_vanished
from idembed.stores.records import Filling, PartRecord, RowRecord
from idembed.stores.sqlite_read import chunks, lacks
from idembed.stores.sqlite_vectors import sums_of

__all__ = ["delete", "fill", "settle", "unsettle", "upsert"]


class _Kept(NamedTuple):
    """A row that is there already."""

    key: int
    text_hash: bytes | None


# Rows ---------------------------------------------------------------------------------------------


def upsert(connection: sqlite3.Connection, rows: Sequence[RowRecord], generations: Mapping[int, bool]) -> None:
    """Write what ``check_rows`` let pass. ``generations``: every one by number, and whether a row is not settled
    without its vectors."""
    kept = _kept(connection, rows)
    refuse_vanished(rows, kept)
    new = [row for row in rows if row.id not in kept]
    old = [row for row in rows if row.id in kept and row.text is not None]
    _insert(connection, new, kept, generations)
    _update(connection, old, kept)
    for number in generations:
        written = [row for row in rows if row.text is not None and number in row.parts]
        _remove_parts(connection, number, [kept[row.id].key for row in old if number in row.parts])
        _insert_parts(connection, number, [(kept[row.id].key, row.text_hash, row.parts[number]) for row in written])
        left_out = [kept[row.id].key for row in rows if row.text is not None and number not in row.parts]
        if left_out:
            _leave_out(connection, number, left_out)
    _update_metadata(connection, [row for row in rows if row.text is None], kept, generations)
    _found_again(connection, [row.id for row in rows])


def _kept(connection: sqlite3.Connection, rows: Sequence[RowRecord]) -> dict[str, _Kept]:
    """The rows that are there. Raises RowError for one that another scope holds."""
    scopes = {row.id: row.scope for row in rows}
    found: dict[str, _Kept] = {}
    for marks, piece in chunks(list(scopes)):
        sql = f"SELECT id, key, scope, text_hash FROM rows WHERE id IN ({marks})"
        for row_id, key, scope, text_hash in connection.execute(sql, tuple(piece)):
            refuse_other_scope(row_id, scope, scopes[row_id])
            found[row_id] = _Kept(key, text_hash)
    return found


def _insert(
    connection: sqlite3.Connection, rows: Sequence[RowRecord], kept: dict[str, _Kept], generations: Iterable[int]
) -> None:
    """New rows, whose keys are added to ``kept``; no key of an orphan is used again."""
    tables = ["rows", "texts", *(f"parts_{int(n)}" for n in generations)]
    greatest = ", ".join(f"(SELECT coalesce(max(key), 0) FROM {table})" for table in tables)
    first = 1 + connection.execute(f"SELECT max({greatest})").fetchone()[0]
    kept |= {row.id: _Kept(key, None) for key, row in enumerate(rows, first)}
    connection.executemany(
        "INSERT INTO texts (key, text) VALUES (?, ?)",
        ((key, row.text) for key, row in enumerate(rows, first)),
    )
    connection.executemany(
        "INSERT INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (key, row.id, row.scope, row.row_hash, row.text_hash, row.metadata, row.metadata_hash)
            for key, row in enumerate(rows, first)
        ),
    )


def _update(connection: sqlite3.Connection, rows: Sequence[RowRecord], kept: Mapping[str, _Kept]) -> None:
    connection.executemany(
        "INSERT INTO texts (key, text) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET text = excluded.text WHERE text IS NOT excluded.text",
        ((kept[row.id].key, row.text) for row in rows),
    )
    connection.executemany(
        "UPDATE rows SET row_hash = ?, text_hash = ?, metadata = ?, metadata_hash = ? WHERE key = ?",
        ((row.row_hash, row.text_hash, row.metadata, row.metadata_hash, kept[row.id].key) for row in rows),
    )


def _update_metadata(
    connection: sqlite3.Connection,
    rows: Sequence[RowRecord],
    kept: Mapping[str, _Kept],
    generations: Mapping[int, bool],
) -> None:
    """A row stays settled by this only if another program has not touched it since the plan."""
    settled = f"row_hash IS NOT NULL AND text_hash IS ? AND {_has_vectors(generations)}"
    connection.executemany(
        f"UPDATE rows SET metadata = ?, metadata_hash = ?, row_hash = CASE WHEN {settled} THEN ? END WHERE key = ?",
        ((row.metadata, row.metadata_hash, row.text_hash, row.row_hash, kept[row.id].key) for row in rows),
    )


def settle(connection: sqlite3.Connection, rows: Sequence[RowRecord], generations: Mapping[int, bool]) -> int:
    """Give rows their hash that have these hashes of text and metadata, and vectors; how many these are."""
    return connection.executemany(
        "UPDATE rows SET row_hash = ? WHERE id = ? AND scope = ? AND text_hash IS ? AND metadata_hash IS ? "
        f"AND {_has_vectors(generations)}",
        ((row.row_hash, row.id, row.scope, row.text_hash, row.metadata_hash) for row in rows),
    ).rowcount


def _has_vectors(generations: Mapping[int, bool]) -> str:
    """SQL that is true for a row of ``rows`` that has its vectors wherever it needs them to be settled."""
    return " AND ".join(["1", *(f"NOT {lacks('rows', n)}" for n, needed in generations.items() if needed)])


def _found_again(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    if connection.execute("SELECT EXISTS (SELECT 1 FROM lost)").fetchone()[0]:
        connection.executemany("DELETE FROM lost WHERE id = ?", ((row_id,) for row_id in ids))


# Vectors ------------------------------------------------------------------------------------------


def _remove_parts(connection: sqlite3.Connection, generation: int, keys: Sequence[int]) -> None:
    connection.executemany(f"DELETE FROM parts_{int(generation)} WHERE key = ?", ((key,) for key in keys))


def _insert_parts(
    connection: sqlite3.Connection, generation: int, rows: Sequence[tuple[int, bytes, Sequence[PartRecord]]]
) -> None:
    """``rows``: key, text hash and parts of each, of which none is there."""
    n = int(generation)
    given = [(key, part) for key, _, parts in rows for part in parts if part.vector is not None]
    vectors = [part.vector for _, part in given if part.vector is not None]
    matrix = np.stack(vectors).astype("<f4", copy=False) if vectors else np.empty((0, 0), "<f4")
    raw, sums = [vector.tobytes() for vector in matrix], sums_of(matrix)
    seen = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (f"vectors_{n}",)).fetchone()
    first = 1 + (seen[0] if seen else 0)
    connection.executemany(
        f"INSERT INTO vectors_{n} (vid, key, part, vector, sum) VALUES (?, ?, ?, ?, ?)",
        (
            (vid, key, int(part.part), vector, total)
            for vid, ((key, part), vector, total) in enumerate(zip(given, raw, sums, strict=True), first)
        ),
    )
    written = iter(enumerate(raw, first))
    connection.executemany(
        f'INSERT INTO parts_{n} (key, part, "start", "end", text_hash, address, tokens, truncated, checksum, vid) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (key, int(part.part), int(part.span[0]), int(part.span[1]), text_hash, *_known(part, written))
            for key, text_hash, parts in rows
            for part in parts
        ),
    )


def _known(part: PartRecord, written: Iterator[tuple[int, bytes]]) -> tuple[bytes, int, bool, bytes, int | None]:
    """Address, tokens, truncated, checksum, vid; vid and vector are the next that were ``written`` if it has one."""
    vid, raw = next(written) if part.vector is not None else (None, b"")
    tokens, truncated = int(part.tokens), bool(part.truncated)
    return part.address, tokens, truncated, checksum(part.address, raw, tokens, truncated), vid


def _leave_out(connection: sqlite3.Connection, generation: int, keys: Sequence[int]) -> None:
    """No vectors of an old text stay behind; a row that lacks vectors now makes the generation incomplete."""
    n = int(generation)
    connection.executemany(
        f"DELETE FROM parts_{n} WHERE key = ?1 "
        "AND text_hash IS NOT (SELECT r.text_hash FROM rows AS r WHERE r.key = ?1)",
        ((key,) for key in keys),
    )
    for marks, piece in chunks(keys):
        sql = f"SELECT EXISTS (SELECT 1 FROM rows AS r WHERE r.key IN ({marks}) AND {lacks('r', n)})"
        if connection.execute(sql, tuple(piece)).fetchone()[0]:
            connection.execute("UPDATE generations SET complete = 0 WHERE number = ?", (n,))
            return


def fill(connection: sqlite3.Connection, generation: int, rows: Sequence[Filling]) -> int:
    """Replace the parts of rows whose text is still the one they were made from; how many these are."""
    given = {row.id: row for row in rows}
    matching = []
    for marks, piece in chunks(list(given)):
        sql = f"SELECT id, key, text_hash FROM rows WHERE id IN ({marks})"
        for row_id, key, text_hash in connection.execute(sql, tuple(piece)):
            if text_hash == given[row_id].text_hash:
                matching.append((key, text_hash, given[row_id].parts))
    _remove_parts(connection, generation, [key for key, _, _ in matching])
    _insert_parts(connection, generation, matching)
    return len(matching)


# Taking away --------------------------------------------------------------------------------------


def delete(connection: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Remove the rows; triggers remove what hangs on them. The number that existed."""
    _found_again(connection, ids)
    return sum(
        connection.execute(f"DELETE FROM rows WHERE id IN ({marks})", tuple(piece)).rowcount
        for marks, piece in chunks(ids)
    )


def unsettle(connection: sqlite3.Connection, ids: Sequence[str], texts: bool) -> None:
    """Take the hash of the row, and of its text if ``texts``."""
    what = "row_hash = NULL, text_hash = NULL" if texts else "row_hash = NULL"
    for marks, piece in chunks(ids):
        connection.execute(f"UPDATE rows SET {what} WHERE id IN ({marks})", tuple(piece))
