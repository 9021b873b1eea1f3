"""Triggers of the SQLite store, by which it notices what other programs write.

They act whatever settings the other program has (foreign keys do not), clear the hash of what was edited, vectors
included, and the row's hash with it, note the ids of rows that were removed, and remove what hangs on them; hashes that
another program writes are cleared as well. Our own transactions set ``ours.writing`` while they last, which no other
connection ever sees, so that none of this happens to them: they say themselves what a row's hashes are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["create_generation_triggers", "create_triggers", "without_triggers"]

_FOREIGN: Final = "(SELECT writing FROM ours) = 0"
"""True in a trigger that another program's statement fired."""

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


_MANY: Final = 100
"""Rows, or parts. To drop and make all triggers takes a millisecond, to ask them 10 to 20 µs for each of these."""


def create_triggers(connection: sqlite3.Connection, generations: Iterable[int]) -> None:
    """All triggers, those of ``generations`` among them."""
    for statement in _TRIGGERS:
        connection.execute(statement)
    for number in generations:
        create_generation_triggers(connection, number)


def create_generation_triggers(connection: sqlite3.Connection, number: int) -> None:
    """Those of generation ``number``, whose tables are there."""
    for statement in _GENERATION_TRIGGERS:
        connection.execute(_of(statement, number))


@contextmanager
def without_triggers(connection: sqlite3.Connection, generations: Collection[int], size: int) -> Iterator[None]:
    """No trigger of ours acts on what is written inside, if its ``size`` (rows, or parts if they are more) is large;
    whoever writes does what they would. ``generations``: all there are.

    The caller's transaction holds the lock for writing, nobody else sees it half done, and when it is rolled back the
    triggers are as they were: another program never meets a file without them. Whoever has the file open reads its
    schema again, in half a millisecond.
    """
    if size < _MANY:
        yield
        return
    ours = [*_TRIGGERS, *(_of(statement, n) for n in generations for statement in _GENERATION_TRIGGERS)]
    for statement in ours:
        connection.execute(f"DROP TRIGGER IF EXISTS {statement.split(maxsplit=3)[2]}")
    yield
    for statement in ours:
        connection.execute(statement)


def _of(statement: str, number: int) -> str:
    return statement.format(n=int(number), foreign=_FOREIGN)
