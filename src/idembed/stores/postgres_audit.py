"""What is wrong in a Postgres schema as such: tables that are gone, and records that belong to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from idembed.errors import DamagedError
from idembed.stores.postgres_read import fetch
from idembed.stores.postgres_schema import Db
from idembed.stores.records import RESTORE, Orphans

__all__ = ["check_tables", "orphans", "size", "sweep"]

_EXAMPLES: Final = 5
_NO_ROW: Final = "NOT EXISTS (SELECT 1 FROM rows AS r WHERE r.key = o.key)"


class _Kind(NamedTuple):
    """A kind of orphan: the table it is in, and what names one, ``o``."""

    name: str
    table: str
    label: str


def check_tables(connection: Db, schema: str, url: str) -> None:
    """Raise DamagedError where a table is gone, without which a sync might find nothing to do."""
    there = {
        name for (name,) in fetch(connection, "SELECT tablename::text FROM pg_tables WHERE schemaname = %s", (schema,))
    }
    wanted = {"rows", "texts", "lost", "leases", "generations"}
    if "generations" in there:
        numbers = fetch(connection, "SELECT number FROM generations WHERE status <> 'dropped'")
        wanted |= {f"vectors_{n}" for (n,) in numbers}
    if gone := sorted(wanted - there):
        raise DamagedError(f"{url}: the table {gone[0]} is gone", hint=RESTORE, url=url)


def size(connection: Db, schema: str) -> int:
    """Bytes of all tables with their indexes."""
    ((found,),) = fetch(
        connection,
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
        (schema,),
    )
    return int(found)


def orphans(connection: Db, generations: Sequence[int]) -> list[Orphans]:
    """The kinds of which there are some."""
    found = []
    for kind in _kinds(generations):
        among = f"FROM {kind.table} AS o WHERE {_NO_ROW}"
        ((count,),) = fetch(connection, f"SELECT count(*) {among}")
        if count:
            examples = fetch(connection, f"SELECT {kind.label} {among} LIMIT {_EXAMPLES}")
            found.append(Orphans(kind.name, count, tuple(label for (label,) in examples)))
    return found


def sweep(connection: Db, generations: Sequence[int]) -> int:
    """Remove them; how many."""
    removed: list[Any] = [
        connection.execute(f"DELETE FROM {kind.table} AS o WHERE {_NO_ROW}").rowcount for kind in _kinds(generations)
    ]
    return sum(removed)


def _kinds(generations: Sequence[int]) -> list[_Kind]:
    return [
        _Kind("texts without a row", "texts", "o.key::text"),
        *(
            _Kind(f"parts without a row in generation {n}", f"vectors_{int(n)}", "o.key || '/' || o.part")
            for n in generations
        ),
    ]
