"""Writing rows and texts to SQLite, and their vectors by sqlite_parts.py. The caller holds the transaction; ids come
checked and unique."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from idembed.stores.checks import refuse_other_scope, refuse_vanished
from idembed.stores.records import Filling, RowRecord
from idembed.stores.sqlite_parts import blob, leave_out, note_changes, replace_parts
from idembed.stores.sqlite_read import chunks, lacks
from idembed.stores.sqlite_triggers import without_triggers

__all__ = ["delete", "fill", "settle", "unsettle", "upsert"]


# Rows ---------------------------------------------------------------------------------------------


def upsert(connection: sqlite3.Connection, rows: Sequence[RowRecord], generations: Mapping[int, bool]) -> None:
    """Write what ``check_rows`` let pass. ``generations``: every one by number, and whether a row is not settled
    without its vectors."""
    kept = _kept(connection, rows)
    refuse_vanished(rows, kept)
    new = [row for row in rows if row.id not in kept]
    old = [row for row in rows if row.id in kept and row.text is not None]
    parts = sum(len(parts) for row in rows for parts in row.parts.values())
    with without_triggers(connection, generations, max(len(rows), parts)):
        _insert(connection, new, kept, generations)
        _update(connection, old, kept)
        for number in generations:
            _write_parts(connection, number, rows, old, kept)
        note_changes(connection, [kept[row.id] for row in rows if row.text is not None])
        _update_metadata(connection, [row for row in rows if row.text is None], kept, generations)
    _found_again(connection, [row.id for row in rows])


def _write_parts(
    connection: sqlite3.Connection,
    number: int,
    rows: Sequence[RowRecord],
    old: Sequence[RowRecord],
    kept: Mapping[str, int],
) -> None:
    """Those of generation ``number``; ``old``: the rows that may have some."""
    written = [row for row in rows if row.text is not None and number in row.parts]
    replace_parts(
        connection,
        number,
        [(kept[row.id], row.text_hash, row.parts[number]) for row in written],
        [kept[row.id] for row in old if number in row.parts],
    )
    left_out = [kept[row.id] for row in rows if row.text is not None and number not in row.parts]
    if left_out:
        leave_out(connection, number, left_out)


def _kept(connection: sqlite3.Connection, rows: Sequence[RowRecord]) -> dict[str, int]:
    """The keys of rows that are there. Raises RowError for one that another scope holds."""
    scopes = {row.id: row.scope for row in rows}
    found: dict[str, int] = {}
    for marks, piece in chunks(list(scopes)):
        sql = f"SELECT id, key, scope FROM rows WHERE id IN ({marks})"
        for row_id, key, scope in connection.execute(sql, tuple(piece)):
            refuse_other_scope(row_id, scope, scopes[row_id])
            found[row_id] = key
    return found


def _insert(
    connection: sqlite3.Connection, rows: Sequence[RowRecord], kept: dict[str, int], generations: Iterable[int]
) -> None:
    """New rows, whose keys are added to ``kept``; no key of an orphan is used again."""
    tables = ["rows", "texts", *(f"parts_{int(n)}" for n in generations)]
    greatest = ", ".join(f"(SELECT coalesce(max(key), 0) FROM {table})" for table in tables)
    first = 1 + connection.execute(f"SELECT max({greatest})").fetchone()[0]
    kept |= {row.id: key for key, row in enumerate(rows, first)}
    connection.executemany(
        "INSERT INTO texts (key, text) VALUES (?, ?)",
        ((key, row.text) for key, row in enumerate(rows, first)),
    )
    connection.executemany(
        "INSERT INTO rows (key, id, scope, row_hash, text_hash, metadata, metadata_hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (key, row.id, row.scope, *_hashes(row), row.metadata, blob(row.metadata_hash))
            for key, row in enumerate(rows, first)
        ),
    )


def _hashes(row: RowRecord) -> tuple[bytearray | None, bytearray]:
    return None if row.row_hash is None else blob(row.row_hash), blob(row.text_hash)


def _update(connection: sqlite3.Connection, rows: Sequence[RowRecord], kept: Mapping[str, int]) -> None:
    connection.executemany(
        "INSERT INTO texts (key, text) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET text = excluded.text WHERE text IS NOT excluded.text",
        ((kept[row.id], row.text) for row in rows),
    )
    connection.executemany(
        "UPDATE rows SET row_hash = ?, text_hash = ?, metadata = ?, metadata_hash = ? WHERE key = ?",
        ((*_hashes(row), row.metadata, blob(row.metadata_hash), kept[row.id]) for row in rows),
    )


def _update_metadata(
    connection: sqlite3.Connection,
    rows: Sequence[RowRecord],
    kept: Mapping[str, int],
    generations: Mapping[int, bool],
) -> None:
    """A row stays settled by this only if another program has not touched it since the plan."""
    settled = f"row_hash IS NOT NULL AND text_hash IS ? AND {_has_vectors(generations)}"
    connection.executemany(
        f"UPDATE rows SET metadata = ?, metadata_hash = ?, row_hash = CASE WHEN {settled} THEN ? END WHERE key = ?",
        ((row.metadata, row.metadata_hash, row.text_hash, row.row_hash, kept[row.id]) for row in rows),
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


def fill(connection: sqlite3.Connection, generation: int, rows: Sequence[Filling], generations: Collection[int]) -> int:
    """Replace the parts of rows whose text is still the one they were made from; how many these are. ``generations``:
    all there are."""
    given = {row.id: row for row in rows}
    matching = []
    for marks, piece in chunks(list(given)):
        sql = f"SELECT id, key, text_hash FROM rows WHERE id IN ({marks})"
        for row_id, key, text_hash in connection.execute(sql, tuple(piece)):
            if text_hash == given[row_id].text_hash:
                matching.append((key, text_hash, given[row_id].parts))
    keys = [key for key, _, _ in matching]
    with without_triggers(connection, generations, sum(len(parts) for _, _, parts in matching)):
        replace_parts(connection, generation, matching, keys)
        note_changes(connection, keys)
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
