"""Tables of the SQLite store; its triggers are in sqlite_triggers.py, older files are brought up to date by
sqlite_migrate.py.

``rows`` has one row a user's row, ``texts`` its text. Generation n has ``parts_<n>`` (what is known of each
vector) and ``vectors_<n>`` (the vectors, read in sequence), so that reading states touches no vector. A ``vid``
is never used twice, and ``changes`` names the rows whose vectors came, went or ceased to be current of late: who
holds the vectors in memory reads only what is new.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from idembed.stores.sqlite_triggers import create_generation_triggers, create_triggers

__all__ = [
    "APPLICATION_ID",
    "VERSION",
    "create",
    "create_generation",
    "create_generation_tables",
    "create_tables",
    "drop_generation",
    "trim_changes",
]

APPLICATION_ID: Final = 0x69646D62  # "idmb"
VERSION: Final = 2
CHANGES_KEPT: Final = 100_000

_TABLES: Final = (
    """CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        settings TEXT NOT NULL  -- JSON
    )""",
    "INSERT INTO meta VALUES (1, 0, '{}')",
    """CREATE TABLE ours (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        writing INTEGER NOT NULL  -- 1 within a transaction of ours, never outside
    )""",
    "INSERT INTO ours VALUES (1, 0)",
    """CREATE TABLE leases (
        name TEXT PRIMARY KEY,
        fence INTEGER NOT NULL,
        owner TEXT NOT NULL,    -- '' when nobody holds it
        taken REAL NOT NULL,    -- seconds since the epoch
        expires REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE generations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        space TEXT NOT NULL,    -- canonical JSON
        model TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('building', 'active', 'standby', 'dropped')),
        complete INTEGER NOT NULL DEFAULT 0,   -- as in records.Generation
        activated INTEGER NOT NULL DEFAULT 0   -- grows with every activation
    )""",
    "CREATE UNIQUE INDEX generations_active ON generations (status) WHERE status = 'active'",
    """CREATE TABLE rows (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL DEFAULT '',
        row_hash BLOB,          -- rows.row_hash; NULL: not settled
        text_hash BLOB,         -- SHA-256; NULL: text or id edited by another program
        metadata TEXT NOT NULL DEFAULT '{}',
        metadata_hash BLOB      -- SHA-256; NULL: metadata edited by another program
    )""",
    # What a plan reads, in the order in which it compares.
    "CREATE INDEX rows_settled ON rows (scope, row_hash)",
    "CREATE INDEX rows_unsettled ON rows (key) WHERE row_hash IS NULL",
    # The last CHANGES_KEPT keys, or some more, whose vectors or currency changed.
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, key INTEGER NOT NULL)",
    # Rows that another program removed or renamed.
    "CREATE TABLE lost (id TEXT PRIMARY KEY, scope TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE texts (key INTEGER PRIMARY KEY, text TEXT NOT NULL)",
)

_GENERATION: Final = (
    """CREATE TABLE parts_{n} (
        key INTEGER NOT NULL,
        part INTEGER NOT NULL,
        "start" INTEGER NOT NULL,  -- characters of the row's text
        "end" INTEGER NOT NULL,
        text_hash BLOB NOT NULL,   -- of the whole text this part was made from
        address BLOB NOT NULL,
        tokens INTEGER NOT NULL,
        truncated INTEGER NOT NULL,
        checksum BLOB NOT NULL,    -- space.checksum
        vid INTEGER,               -- NULL: the model has no vector for this text
        PRIMARY KEY (key, part)
    ) WITHOUT ROWID""",
    "CREATE INDEX parts_{n}_address ON parts_{n} (address)",
    """CREATE TABLE vectors_{n} (
        vid INTEGER PRIMARY KEY AUTOINCREMENT,
        key INTEGER NOT NULL,      -- of the part that has it, for the triggers below
        part INTEGER NOT NULL,
        vector BLOB NOT NULL,      -- little-endian float32; never changed by us
        sum BLOB                   -- sqlite_vectors.sum_of; looked at whenever vectors are read into memory
    )""",
)


def create(connection: sqlite3.Connection) -> None:
    """The schema of the newest version, within the caller's transaction on an empty file."""
    create_tables(connection)
    create_triggers(connection, ())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def create_generation(connection: sqlite3.Connection, number: int) -> None:
    """The tables of generation ``number`` and their triggers, within the caller's transaction."""
    create_generation_tables(connection, number)
    create_generation_triggers(connection, number)


def create_tables(connection: sqlite3.Connection) -> None:
    """All tables but those of generations."""
    for statement in _TABLES:
        connection.execute(statement)


def create_generation_tables(connection: sqlite3.Connection, number: int) -> None:
    """The tables of generation ``number`` alone."""
    for statement in _GENERATION:
        connection.execute(statement.format(n=int(number)))


def drop_generation(connection: sqlite3.Connection, number: int) -> None:
    """Remove the tables of generation ``number``, within the caller's transaction."""
    n = int(number)
    connection.execute(f"DROP TRIGGER IF EXISTS parts_{n}_row_deleted")
    connection.execute(f"DROP TABLE IF EXISTS parts_{n}")
    connection.execute(f"DROP TABLE IF EXISTS vectors_{n}")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (f"vectors_{n}",))


def trim_changes(connection: sqlite3.Connection) -> None:
    """Forget changes so old that reading everything again is as quick."""
    connection.execute("DELETE FROM changes WHERE number < (SELECT max(number) FROM changes) - ?", (CHANGES_KEPT,))
