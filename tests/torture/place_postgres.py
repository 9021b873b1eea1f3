"""Postgres: a schema of a server that other programs edit, and that can be killed."""

from __future__ import annotations

from typing import ClassVar

from edits_postgres import EDITS
from place import Place
from servers import PostgresServer

from databases import place_and_schema


class PostgresPlace(Place):
    """A schema of its own."""

    kind = "postgres"
    lives = 2
    steps = 14
    examples = 4
    trials = 3
    switches = 20
    is_bounded = True
    edits = EDITS
    modules = ("idembed.stores.postgres",)
    server = PostgresServer()
    patience: ClassVar[dict[str, float]] = {"idembed.stores.postgres_link._PATIENCE": 90.0}

    def edit(self, statements: str, values: dict[str, object]) -> None:
        self._execute(statements, values)

    def remove(self) -> None:
        _, schema = place_and_schema(str(self.url))
        self._execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE", {})

    def _execute(self, statements: str, values: dict[str, object]) -> None:
        import psycopg

        address, schema = place_and_schema(str(self.url))
        with psycopg.connect(address) as other:
            other.execute("SELECT set_config('search_path', %s, false)", (f"{schema}, public",))
            other.execute("SET client_min_messages = warning")
            for statement in statements.split(";"):
                other.execute(statement, values)
