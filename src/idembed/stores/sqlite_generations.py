"""Generations in a SQLite file: made, made active, completed, dropped. The caller holds the transaction."""

from __future__ import annotations

import sqlite3
from typing import cast

from idembed.space import Space
from idembed.stores import sqlite_schema
from idembed.stores.generation_rules import needed_of, one_of, refuse_active, refuse_incomplete, space_of
from idembed.stores.records import Generation, Status
from idembed.stores.sqlite_plan import Counted, count_lacking, lacking_since
from idembed.stores.sqlite_read import lacks

__all__ = ["activate", "complete", "count", "create", "drop", "existing", "name_model", "needed", "read"]


def read(connection: sqlite3.Connection) -> list[Generation]:
    """Every generation that was not dropped, by number. Raises DamagedError for a space that is none."""
    return [
        Generation(number, space_of(number, space), model, cast(Status, status), bool(complete), activated)
        for number, space, model, status, complete, activated in connection.execute(
            "SELECT number, space, model, status, complete, activated FROM generations "
            "WHERE status <> 'dropped' ORDER BY number"
        )
    ]


def needed(connection: sqlite3.Connection) -> dict[int, bool]:
    """Every generation by number, and whether a row needs vectors in it to be settled."""
    return needed_of(read(connection))


def existing(connection: sqlite3.Connection, path: str, number: int) -> Generation:
    """Generation ``number``, or a StoreError that lists those there are."""
    return one_of(read(connection), number, path, path=path)


def create(connection: sqlite3.Connection, space: Space, model: str) -> int:
    """A new, empty generation; its number."""
    empty = not connection.execute("SELECT EXISTS (SELECT 1 FROM rows)").fetchone()[0]
    cursor = connection.execute(
        "INSERT INTO generations (space, model, status, complete) VALUES (?, ?, 'building', ?)",
        (space.canonical, model, empty),
    )
    number = cast(int, cursor.lastrowid)
    sqlite_schema.create_generation(connection, number)
    return number


def count(connection: sqlite3.Connection, generation: Generation) -> Counted:
    """How many rows lack vectors in it. Takes seconds for millions of rows, so not in a transaction that writes."""
    return count_lacking(connection, generation.number, generation.complete)


def complete(connection: sqlite3.Connection, generation: Generation, counted: Counted) -> int:
    """The number of rows that lack vectors; with none, the generation is complete from now on. ``counted`` was made
    before the transaction began; what changed since is looked at."""
    missing = counted.rows
    if not missing and lacking_since(connection, generation.number, counted) is not False:
        missing = count_lacking(connection, generation.number, complete=False).rows
    connection.execute("UPDATE generations SET complete = ? WHERE number = ?", (missing == 0, generation.number))
    return missing


def activate(
    connection: sqlite3.Connection, path: str, generation: Generation, counted: Counted, incomplete: bool
) -> None:
    """In this order: an index lets only one be active."""
    number = generation.number
    missing = complete(connection, generation, counted)
    if missing and not incomplete:
        refuse_incomplete(path, generation, missing)
    if missing:
        connection.execute(f"UPDATE rows SET row_hash = NULL WHERE {lacks('rows', number)}")
    connection.execute("UPDATE generations SET status = 'standby' WHERE status = 'active' AND number <> ?", (number,))
    connection.execute(
        "UPDATE generations SET status = 'active', activated = (SELECT 1 + max(activated) FROM generations) "
        "WHERE number = ? AND status <> 'active'",
        (number,),
    )


def name_model(connection: sqlite3.Connection, generation: Generation, model: str) -> None:
    """Record another name of its model."""
    connection.execute("UPDATE generations SET model = ? WHERE number = ?", (model, generation.number))


def drop(connection: sqlite3.Connection, path: str, generation: Generation) -> None:
    """Remove its vectors and all that is known of them. Raises StoreError for the active one."""
    refuse_active(path, generation)
    sqlite_schema.drop_generation(connection, generation.number)
    connection.execute("UPDATE generations SET status = 'dropped' WHERE number = ?", (generation.number,))
