"""Writing parts and their vectors to SQLite. The caller holds the transaction, and notes whose vectors changed.

All is done here that triggers do for other programs' statements: they may be there or not (``without_triggers``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from idembed.space import checksum
from idembed.stores.part_checksums import checksums, hashed
from idembed.stores.records import PartRecord
from idembed.stores.sqlite_read import chunks, lacks
from idembed.stores.sqlite_vectors import sums_of

__all__ = ["Parts", "blob", "leave_out", "note_changes", "replace_parts"]

Parts = tuple[int, bytes, Sequence[PartRecord]]
"""Those of a row: its key, the hash of its text, and its parts."""
_Part = tuple[int, bytes, PartRecord]
_Place = tuple[int, int, int | None]
"""Key and part, and the vid that it has."""
_SOUND: Final = "typeof(part) = 'integer' AND typeof(vid) IN ('integer', 'null')"

blob = bytearray
"""Binds the same bytes; for each ``bytes`` sqlite3 looks for an adapter, which takes 0.4 µs, to copy them 0.1."""


def replace_parts(connection: sqlite3.Connection, generation: int, rows: Sequence[Parts], old: Sequence[int]) -> None:
    """Write the parts of ``rows`` in place of those that the keys ``old`` have; other rows have none."""
    there = _there(connection, generation, old)
    _remove_vectors(connection, generation, there)
    given = [(key, text_hash, part) for key, text_hash, parts in rows for part in parts]
    if there:
        kept = {(key, int(part.part)) for key, _, part in given}
        _remove_parts(connection, generation, [place for place in there if place[:2] not in kept])
    having = [part for part in given if part[2].vector is not None]
    if having:
        _write_with_vectors(connection, generation, having)
    empty = [part for part in given if part[2].vector is None]
    if empty:
        sums = [checksum(part.address, b"", int(part.tokens), bool(part.truncated)) for _, _, part in empty]
        _write(connection, generation, empty, sums, [None] * len(empty))


def leave_out(connection: sqlite3.Connection, generation: int, keys: Sequence[int]) -> None:
    """No vectors of an old text stay behind; a row that lacks vectors now makes the generation incomplete."""
    n = int(generation)
    old = _there(connection, n, keys, "text_hash IS NOT (SELECT r.text_hash FROM rows AS r WHERE r.key = p.key)")
    _remove_vectors(connection, n, old)
    _remove_parts(connection, n, old)
    for marks, piece in chunks(keys):
        sql = f"SELECT EXISTS (SELECT 1 FROM rows AS r WHERE r.key IN ({marks}) AND {lacks('r', n)})"
        if connection.execute(sql, tuple(piece)).fetchone()[0]:
            connection.execute("UPDATE generations SET complete = 0 WHERE number = ?", (n,))
            return


def note_changes(connection: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Let whoever holds vectors in memory look again at these rows, each named once."""
    if keys and max(keys) - min(keys) == len(keys) - 1:  # as most are, and then SQLite needs not be told each
        sql = "INSERT INTO changes (key) SELECT key FROM rows WHERE key BETWEEN ? AND ?"
        connection.execute(sql, (min(keys), max(keys)))
    else:
        connection.executemany("INSERT INTO changes (key) VALUES (?)", ((key,) for key in keys))


def _there(
    connection: sqlite3.Connection, generation: int, keys: Sequence[int], condition: str = "TRUE"
) -> list[_Place]:
    """The parts ``p`` of these rows of which ``condition`` is true, without those that have a number which is none, as
    another program or damage may have left it: they are removed."""
    n = int(generation)
    found: list[_Place] = []
    for marks, piece in chunks(keys):
        sql = (
            f"SELECT key, CASE WHEN {_SOUND} THEN part END, CASE WHEN {_SOUND} THEN vid END FROM parts_{n} AS p "
            f"WHERE key IN ({marks}) AND {condition}"
        )
        places = connection.execute(sql, tuple(piece)).fetchall()
        if any(part is None for _, part, _ in places):
            strange = f"FROM parts_{n} WHERE key IN ({marks}) AND NOT ({_SOUND})"
            vectors = f"DELETE FROM vectors_{n} WHERE (vid, key, part) IN (SELECT vid, key, part {strange})"
            connection.execute(vectors, tuple(piece))
            connection.execute(f"DELETE {strange}", tuple(piece))
            places = [place for place in places if place[1] is not None]
        found += places
    return found


def _remove_vectors(connection: sqlite3.Connection, generation: int, places: Iterable[_Place]) -> None:
    """Those that these parts have: not what is another part's, whatever another program wrote into one."""
    sql = f"DELETE FROM vectors_{int(generation)} WHERE key = ? AND part = ? AND vid = ?"
    connection.executemany(sql, places)


def _remove_parts(connection: sqlite3.Connection, generation: int, places: Iterable[_Place]) -> None:
    sql = f"DELETE FROM parts_{int(generation)} WHERE key = ? AND part = ?"
    connection.executemany(sql, (place[:2] for place in places))


def _write_with_vectors(connection: sqlite3.Connection, generation: int, given: Sequence[_Part]) -> None:
    n = int(generation)
    there = [part.vector for _, _, part in given if part.vector is not None]
    vectors = np.concatenate(there).reshape(len(given), -1).astype("<f4", copy=False)
    raw, size = blob(vectors.data.cast("B")), 4 * vectors.shape[1]
    seen = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (f"vectors_{n}",)).fetchone()
    first = 1 + (seen[0] if seen else 0)
    connection.executemany(
        f"INSERT INTO vectors_{n} (vid, key, part, vector, sum) VALUES (?, ?, ?, ?, ?)",
        (
            (first + at, key, int(part.part), raw[at * size : (at + 1) * size], blob(total))
            for at, ((key, _, part), total) in enumerate(zip(given, sums_of(vectors), strict=True))
        ),
    )
    known = hashed([part for _, _, part in given], vectors)
    _write(connection, n, given, checksums(known), range(first, first + len(given)))


def _write(
    connection: sqlite3.Connection,
    generation: int,
    given: Sequence[_Part],
    sums: Sequence[bytes],
    vids: Sequence[int | None],
) -> None:
    """The parts, new or in place of those of the same number."""
    connection.executemany(
        f'INSERT INTO parts_{int(generation)} (key, part, "start", "end", text_hash, address, tokens, truncated, '
        "checksum, vid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, part) DO UPDATE SET "
        '"start" = excluded."start", "end" = excluded."end", text_hash = excluded.text_hash, '
        "address = excluded.address, tokens = excluded.tokens, truncated = excluded.truncated, "
        "checksum = excluded.checksum, vid = excluded.vid",
        (
            (
                key,
                int(part.part),
                int(part.span[0]),
                int(part.span[1]),
                blob(text_hash),
                blob(part.address),
                int(part.tokens),
                int(part.truncated),
                blob(total),
                vid,
            )
            for (key, text_hash, part), total, vid in zip(given, sums, vids, strict=True)
        ),
    )
