"""Generations in a Postgres schema: made, made active, completed, dropped. The caller holds the transaction."""

from __future__ import annotations

from typing import Any, cast

from idembed.space import Space
from idembed.stores import postgres_schema
from idembed.stores.generation_rules import needed_of, one_of, refuse_active, refuse_incomplete, space_of
from idembed.stores.postgres_read import lacks
from idembed.stores.postgres_schema import Db
from idembed.stores.records import Generation, Status

__all__ = ["activate", "complete", "create", "drop", "existing", "name_model", "needed", "read"]


def read(connection: Db) -> list[Generation]:
    """Every generation that was not dropped, by number. Raises DamagedError for a space that is none."""
    return [
        Generation(number, space_of(number, space), model, cast(Status, status), complete, activated)
        for number, space, model, status, complete, activated in connection.execute(
            "SELECT number, space, model, status, complete, activated FROM generations "
            "WHERE status <> 'dropped' ORDER BY number"
        )
    ]


def needed(connection: Db) -> dict[int, bool]:
    """Every generation by number, and whether a row needs vectors in it to be settled."""
    return needed_of(read(connection))


def existing(connection: Db, url: str, number: int) -> Generation:
    """Generation ``number``, or a StoreError that lists those there are."""
    return one_of(read(connection), number, url, url=url)


def create(connection: Db, schema: str, space: Space, model: str) -> int:
    """A new, empty generation; its number, which none that was dropped had."""
    found: Any = connection.execute(
        "INSERT INTO generations (number, space, model, status, complete) "
        "SELECT coalesce(max(number), 0) + 1, %s, %s, 'building', NOT EXISTS (SELECT 1 FROM rows) FROM generations "
        "RETURNING number",
        (space.canonical, model),
    ).fetchone()
    postgres_schema.create_generation(connection, schema, found[0], space.dim)
    return int(found[0])


def complete(connection: Db, generation: Generation) -> int:
    """The number of rows that lack vectors; with none, the generation is complete from now on. Where it is known to be
    complete, only unsettled rows can lack vectors, and only they are looked at."""
    among = "r.row_hash IS NULL AND" if generation.complete else ""
    number = generation.number
    found: Any = connection.execute(f"SELECT count(*) FROM rows AS r WHERE {among} {lacks('r', number)}").fetchone()
    missing = int(found[0])
    connection.execute("UPDATE generations SET complete = %s WHERE number = %s", (missing == 0, number))
    return missing


def activate(connection: Db, schema: str, url: str, generation: Generation, incomplete: bool) -> None:
    """In this order: an index lets only one be active. The view follows in the same transaction."""
    number = generation.number
    missing = complete(connection, generation)
    if missing and not incomplete:
        refuse_incomplete(url, generation, missing)
    if missing:
        connection.execute(f"UPDATE rows AS r SET row_hash = NULL WHERE {lacks('r', number)}")
    connection.execute("UPDATE generations SET status = 'standby' WHERE status = 'active' AND number <> %s", (number,))
    connection.execute(
        "UPDATE generations SET status = 'active', activated = (SELECT 1 + max(activated) FROM generations) "
        "WHERE number = %s AND status <> 'active'",
        (number,),
    )
    postgres_schema.show(connection, schema, number)


def name_model(connection: Db, generation: Generation, model: str) -> None:
    """Record another name of its model."""
    connection.execute("UPDATE generations SET model = %s WHERE number = %s", (model, generation.number))


def drop(connection: Db, schema: str, url: str, generation: Generation) -> None:
    """Remove its vectors and all that is known of them. Raises StoreError for the active one."""
    refuse_active(url, generation)
    postgres_schema.drop_generation(connection, schema, generation.number)
    connection.execute("UPDATE generations SET status = 'dropped' WHERE number = %s", (generation.number,))
