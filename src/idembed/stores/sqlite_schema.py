"""Tables and triggers of the SQLite store; older files are brought up to date by sqlite_migrate.py.

``rows`` has one row a user's row, ``texts`` its text. Generation n has ``parts_<n>`` (what is known of each
vector) and ``vectors_<n>`` (the vectors, read in sequence), so that reading states touches no vector. A ``vid``
is never used twice, and ``changes`` names the rows whose vectors came, went or ceased to be current of late: who
holds the vectors in memory reads only what is new.

Other programs may edit the tables. Triggers, which act whatever settings the other program has (foreign keys do
not), clear the hash of what was edited, vectors included, and the row's hash with it, note the ids of rows that were
removed, and remove what hangs on them; hashes that another program writes are cleared as well. Our own transactions set
``ours.writing`` while they last, which no other connection ever sees, so that none of this happens to them: they say
themselves what a row's hashes are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

__all__ = [
    "APPLICATION_ID",
    "VERSION",
    "create",
    "create_generation",
    "create_generation_tables",
    "create_tables",
    "create_triggers",
    "drop_generation",
    "trim_changes",
]

APPLICATION_ID: Final = 0x69646D62  # "idmb"
VERSION: Final = 2
CHANGES_KEPT: Final = 100_000

_FOREIGN: Final = "(SELECT writing FROM ours) = 0"
"""True in a trigger that another program's statement fired."""

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

_TRIGGERS: Final = (
    """CREATE TRIGGER rows_currency AFTER UPDATE OF key, text_hash ON rows
    WHEN NEW.text_hash IS NOT OLD.text_hash OR NEW.key <> OLD.key BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END""",
    # REPLACE removes a row without a word; this runs before it.
    f"""CREATE TRIGGER rows_replaced BEFORE INSERT ON rows WHEN {_FOREIGN} BEGIN
        INSERT INTO changes (key) SELECT key FROM rows WHERE id = NEW.id;
    END""",
    f"""CREATE TRIGGER rows_inserted AFTER INSERT ON rows WHEN {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL, text_hash = NULL, metadata_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER rows_hashed AFTER UPDATE OF row_hash, text_hash, metadata_hash ON rows WHEN {_FOREIGN} AND (
        (NEW.row_hash IS NOT NULL AND NEW.row_hash IS NOT OLD.row_hash)
        OR (NEW.text_hash IS NOT NULL AND NEW.text_hash IS NOT OLD.text_hash)
        OR (NEW.metadata_hash IS NOT NULL AND NEW.metadata_hash IS NOT OLD.metadata_hash)) BEGIN
        UPDATE rows SET row_hash = NULL, text_hash = NULL, metadata_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER rows_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM texts WHERE key = OLD.key;
    END""",
    f"""CREATE TRIGGER rows_lost AFTER DELETE ON rows WHEN {_FOREIGN} BEGIN
        INSERT OR REPLACE INTO lost VALUES (OLD.id, OLD.scope);
    END""",
    f"""CREATE TRIGGER rows_renamed AFTER UPDATE OF id ON rows WHEN NEW.id IS NOT OLD.id AND {_FOREIGN} BEGIN
        INSERT OR REPLACE INTO lost VALUES (OLD.id, OLD.scope);
        UPDATE rows SET row_hash = NULL, text_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER rows_moved AFTER UPDATE OF scope ON rows WHEN NEW.scope IS NOT OLD.scope AND {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER rows_metadata_edited AFTER UPDATE OF metadata ON rows
    WHEN NEW.metadata IS NOT OLD.metadata AND {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL, metadata_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER texts_edited AFTER UPDATE OF text ON texts
    WHEN NEW.text IS NOT OLD.text AND {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL, text_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER texts_inserted AFTER INSERT ON texts WHEN {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL, text_hash = NULL WHERE key = NEW.key;
    END""",
    f"""CREATE TRIGGER texts_deleted AFTER DELETE ON texts WHEN {_FOREIGN} BEGIN
        UPDATE rows SET row_hash = NULL, text_hash = NULL WHERE key = OLD.key;
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

_GENERATION_TRIGGERS: Final = (
    """CREATE TRIGGER parts_{n}_deleted AFTER DELETE ON parts_{n} BEGIN
        DELETE FROM vectors_{n} WHERE vid = OLD.vid AND key = OLD.key AND part = OLD.part;
        INSERT INTO changes (key) VALUES (OLD.key);
    END""",
    """CREATE TRIGGER parts_{n}_inserted AFTER INSERT ON parts_{n} BEGIN
        INSERT INTO changes (key) VALUES (NEW.key);
    END""",
    """CREATE TRIGGER parts_{n}_edited AFTER UPDATE ON parts_{n} BEGIN
        INSERT INTO changes (key) VALUES (OLD.key), (NEW.key);
    END""",
    """CREATE TRIGGER parts_{n}_removed AFTER DELETE ON parts_{n} WHEN {foreign} BEGIN
        UPDATE rows SET row_hash = NULL WHERE key = OLD.key;
    END""",
    """CREATE TRIGGER parts_{n}_added AFTER INSERT ON parts_{n} WHEN {foreign} BEGIN
        UPDATE parts_{n} SET text_hash = x'' WHERE key = NEW.key AND part = NEW.part AND text_hash <> x'';
        UPDATE rows SET row_hash = NULL WHERE key = NEW.key;
    END""",
    """CREATE TRIGGER parts_{n}_altered AFTER UPDATE ON parts_{n} WHEN {foreign} BEGIN
        UPDATE parts_{n} SET text_hash = x'' WHERE key = NEW.key AND part = NEW.part AND text_hash <> x'';
        UPDATE rows SET row_hash = NULL WHERE key IN (OLD.key, NEW.key);
        DELETE FROM vectors_{n} WHERE vid = OLD.vid AND key = OLD.key AND part = OLD.part
            AND (NEW.vid IS NOT OLD.vid OR NEW.key <> OLD.key OR NEW.part <> OLD.part);
    END""",
    """CREATE TRIGGER vectors_{n}_edited AFTER UPDATE ON vectors_{n} WHEN {foreign} BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END""",
    # INSERT OR REPLACE fires no DELETE trigger; our own inserts have a new vid, so that they find nothing.
    """CREATE TRIGGER vectors_{n}_replaced BEFORE INSERT ON vectors_{n}
    WHEN {foreign} AND EXISTS (SELECT 1 FROM vectors_{n} WHERE vid = NEW.vid) BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x'' WHERE vid = NEW.vid AND (key, part) IN
            (SELECT key, part FROM vectors_{n} WHERE vid = NEW.vid);
    END""",
    """CREATE TRIGGER vectors_{n}_deleted AFTER DELETE ON vectors_{n} WHEN {foreign} BEGIN
        UPDATE parts_{n} SET text_hash = x'', address = x''
        WHERE key = OLD.key AND part = OLD.part AND vid = OLD.vid;
    END""",
    """CREATE TRIGGER parts_{n}_row_deleted AFTER DELETE ON rows BEGIN
        DELETE FROM parts_{n} WHERE key = OLD.key;
    END""",
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
    _generation_triggers(connection, number)


def create_tables(connection: sqlite3.Connection) -> None:
    """All tables but those of generations."""
    for statement in _TABLES:
        connection.execute(statement)


def create_generation_tables(connection: sqlite3.Connection, number: int) -> None:
    """The tables of generation ``number`` alone."""
    for statement in _GENERATION:
        connection.execute(statement.format(n=int(number)))


def create_triggers(connection: sqlite3.Connection, generations: Iterable[int]) -> None:
    """All triggers, those of ``generations`` among them."""
    for statement in _TRIGGERS:
        connection.execute(statement)
    for number in generations:
        _generation_triggers(connection, number)


def _generation_triggers(connection: sqlite3.Connection, number: int) -> None:
    for statement in _GENERATION_TRIGGERS:
        connection.execute(statement.format(n=int(number), foreign=_FOREIGN))


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
