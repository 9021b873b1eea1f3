"""Older files brought up to date, in numbered steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import numpy as np

from idembed.rows import row_hash
from idembed.space import checksum
from idembed.stores import sqlite_schema as schema
from idembed.stores.sqlite_read import lacks
from idembed.stores.sqlite_triggers import create_triggers
from idembed.stores.sqlite_vectors import sums_of

__all__ = ["migrate"]


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file to the newest version, one step a transaction, so that a step is done or not done."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found >= schema.VERSION:
                connection.execute("COMMIT")
                return
            _STEPS[found](connection)
            connection.execute(f"PRAGMA user_version = {found + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _from_1(connection: sqlite3.Connection) -> None:
    """Version 2 has row hashes in place of buckets, checksums of vectors, a lease for each kind of writing, and tells
    its own transactions from others'. Texts stay where they are, vectors are copied."""
    connection.create_function("idembed_row_hash", 3, row_hash, deterministic=True)
    connection.create_function("idembed_checksum", 4, checksum, deterministic=True)
    connection.create_function("idembed_sum", 1, _sum_of, deterministic=True)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    generations = [n for (n,) in connection.execute("SELECT number FROM generations WHERE status <> 'dropped'")]
    for index in ("rows_state", "generations_active"):
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    for table in ("meta", "leases", "generations", "rows", "changes", "texts"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    schema.create_tables(connection)
    _keep(connection, "texts")
    connection.execute("UPDATE meta SET (version, settings) = (SELECT version, settings FROM old_meta)")
    connection.execute("INSERT INTO leases SELECT 'rows', fence, owner, taken, expires FROM old_leases")
    connection.execute(
        "INSERT INTO generations SELECT number, space, model, status, 0, status = 'active' FROM old_generations"
    )
    for number in generations:
        _parts_from_1(connection, number)
    connection.execute(
        "INSERT INTO rows SELECT r.key, r.id, r.scope, CASE WHEN r.text_hash IS NOT NULL AND r.bucket IS NOT NULL "
        "AND r.metadata_hash IS NOT NULL THEN idembed_row_hash(r.id, t.text, r.metadata) END, "
        "r.text_hash, r.metadata, r.metadata_hash FROM old_rows AS r LEFT JOIN texts AS t USING (key)"
    )
    for number in generations:
        lacking = f"EXISTS (SELECT 1 FROM rows AS r WHERE {lacks('r', number)})"
        connection.execute(f"UPDATE generations SET complete = NOT {lacking} WHERE number = ?", (number,))
        connection.execute(
            f"UPDATE rows SET row_hash = NULL WHERE {lacks('rows', number)} "
            "AND EXISTS (SELECT 1 FROM generations WHERE number = ? AND status = 'active')",
            (number,),
        )
    for table in ("meta", "leases", "generations", "rows", "changes"):
        connection.execute(f"DROP TABLE old_{table}")
    create_triggers(connection, generations)


def _parts_from_1(connection: sqlite3.Connection, number: int) -> None:
    n = int(number)
    connection.execute(f"DROP INDEX parts_{n}_address")
    for table in (f"parts_{n}", f"vectors_{n}"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    schema.create_generation_tables(connection, n)
    connection.execute(
        f"INSERT INTO vectors_{n} SELECT vid, key, part, vector, idembed_sum(vector) FROM old_vectors_{n} ORDER BY vid"
    )
    connection.execute(
        f'INSERT INTO parts_{n} SELECT p.key, p.part, p."start", p."end", p.text_hash, p.address, p.tokens, '
        "p.truncated, idembed_checksum(p.address, coalesce(v.vector, x''), p.tokens, p.truncated), p.vid "
        f"FROM old_parts_{n} AS p LEFT JOIN vectors_{n} AS v USING (vid)"
    )
    for table in (f"parts_{n}", f"vectors_{n}"):
        connection.execute(f"DROP TABLE old_{table}")


def _sum_of(vector: bytes) -> bytes:
    return sums_of(np.frombuffer(vector[: len(vector) // 4 * 4], "<f4")[None, :])[0]


def _keep(connection: sqlite3.Connection, table: str) -> None:
    """The old table is as the new one: no row of it is copied."""
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE old_{table} RENAME TO {table}")


_STEPS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1}
"""The step from each version to the next. (No file has version 0: SQLite undoes a creation that was interrupted.)"""
