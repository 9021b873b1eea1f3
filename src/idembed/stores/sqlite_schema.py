"""Tables, triggers and numbered migrations of the SQLite store.

``rows`` has one row a user's row, ``texts`` its text. Generation n has ``parts_<n>`` (what is known of each
vector) and ``vectors_<n>`` (the vectors, read in sequence), so that reading states touches no vector. A ``vid``
is never used twice, and ``changes`` names the rows whose vectors came, went or ceased to be current of late: who
holds the vectors in memory reads only what is new.

Other programs may edit the tables. Triggers, which act whatever settings the other program has (foreign keys do
not), clear the hash of what was edited, vectors included, and remove what hangs on a deleted row. Our own writes
set text and hash in one transaction, the text first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

__all__ = [
    "APPLICATION_ID",
    "VERSION",
    "create",
    "create_generation",
    "drop_generation",
    "migrate",
    "trim_changes",
]

APPLICATION_ID: Final = 0x69646D62  # "idmb"
CHANGES_KEPT: Final = 100_000

_TABLES: Final = (
    """CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        settings TEXT NOT NULL  -- JSON
    )""",
    "INSERT INTO meta VALUES (1, 0, '{}')",
    """CREATE TABLE leases (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        fence INTEGER NOT NULL,
        owner TEXT NOT NULL,    -- '' when nobody holds it
        taken REAL NOT NULL,    -- seconds since the epoch
        expires REAL NOT NULL
    )""",
    "INSERT INTO leases VALUES (1, 0, '', 0, 0)",
    """CREATE TABLE generations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        space TEXT NOT NULL,    -- canonical JSON
        model TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('building', 'active', 'standby', 'dropped'))
    )""",
    "CREATE UNIQUE INDEX generations_active ON generations (status) WHERE status = 'active'",
    """CREATE TABLE rows (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL DEFAULT '',
        bucket INTEGER,         -- NULL: written or renamed by another program
        text_hash BLOB,         -- SHA-256; NULL: text or id edited by another program
        metadata TEXT NOT NULL DEFAULT '{}',
        metadata_hash BLOB      -- SHA-256; NULL: metadata edited by another program
    )""",
    # Covers what a plan reads, in the order in which it reads.
    "CREATE INDEX rows_state ON rows (bucket, key, id, scope, text_hash, metadata_hash)",
    # The last CHANGES_KEPT keys, or some more, whose vectors or currency changed.
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, key INTEGER NOT NULL)",
    """CREATE TRIGGER rows_currency AFTER UPDATE OF key, text_hash ON rows
    WHEN NEW.text_hash IS NOT OLD.text_hash OR NEW.key <> OLD.key BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END""",
    # REPLACE removes a row without a word; this runs before it.
    """CREATE TRIGGER rows_replaced BEFORE INSERT ON rows BEGIN
        INSERT INTO changes (key) SELECT key FROM rows WHERE id = NEW.id;
    END""",
    "CREATE TABLE texts (key INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    """CREATE TRIGGER rows_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM texts WHERE key = OLD.key;
    END""",
    """CREATE TRIGGER rows_renamed AFTER UPDATE OF id ON rows WHEN NEW.id IS NOT OLD.id BEGIN
        UPDATE rows SET bucket = NULL, text_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER rows_metadata_edited AFTER UPDATE OF metadata ON rows
    WHEN NEW.metadata IS NOT OLD.metadata AND NEW.metadata_hash IS OLD.metadata_hash BEGIN
        UPDATE rows SET metadata_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER texts_edited AFTER UPDATE OF text ON texts WHEN NEW.text IS NOT OLD.text BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER texts_inserted AFTER INSERT ON texts BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
        UPDATE rows SET text_hash = NULL WHERE key = OLD.key;
    END""",
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
        vid INTEGER NOT NULL,
        PRIMARY KEY (key, part)
    ) WITHOUT ROWID""",
    "CREATE INDEX parts_{n}_address ON parts_{n} (address)",
    """CREATE TABLE vectors_{n} (
        vid INTEGER PRIMARY KEY AUTOINCREMENT,
        key INTEGER NOT NULL,      -- of the part that has it, for the triggers below
        part INTEGER NOT NULL,
        vector BLOB NOT NULL       -- little-endian float32; never changed by us
    )""",
    """CREATE TRIGGER parts_{n}_deleted AFTER DELETE ON parts_{n} BEGIN
        DELETE FROM vectors_{n} WHERE vid = OLD.vid;
        INSERT INTO changes (key) VALUES (OLD.key);
    END""",
    """CREATE TRIGGER parts_{n}_inserted AFTER INSERT ON parts_{n} BEGIN
        INSERT INTO changes (key) VALUES (NEW.key);
    END""",
    """CREATE TRIGGER parts_{n}_edited AFTER UPDATE ON parts_{n} BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END""",
    """CREATE TRIGGER vectors_{n}_edited AFTER UPDATE ON vectors_{n} BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END""",
    # INSERT OR REPLACE fires no DELETE trigger; our own inserts have a new vid, so that they find nothing.
    """CREATE TRIGGER vectors_{n}_replaced BEFORE INSERT ON vectors_{n}
    WHEN EXISTS (SELECT 1 FROM vectors_{n} WHERE vid = NEW.vid) BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x'' WHERE vid = NEW.vid AND (key, part) IN
            (SELECT key, part FROM vectors_{n} WHERE vid = NEW.vid);
    END""",
    """CREATE TRIGGER vectors_{n}_deleted AFTER DELETE ON vectors_{n} BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END""",
    """CREATE TRIGGER parts_{n}_row_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM parts_{n} WHERE key = OLD.key;
    END""",
)


def create(connection: sqlite3.Connection) -> None:
    """The schema of the newest version, within the caller's transaction on an empty file."""
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def create_generation(connection: sqlite3.Connection, number: int) -> None:
    """The tables of generation ``number``, within the caller's transaction."""
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


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file to VERSION, one step a transaction, so that a step is done or not done."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if found >= VERSION:
                connection.execute("COMMIT")
                return
            _MIGRATIONS[found](connection)
            connection.execute(f"PRAGMA user_version = {found + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _from_0(connection: sqlite3.Connection) -> None:
    """Nothing has version 0 but a file whose making was interrupted, which SQLite rolls back to nothing."""
    create(connection)


_MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {0: _from_0}
"""The step from each version to the next."""

VERSION: Final = max(_MIGRATIONS) + 1
