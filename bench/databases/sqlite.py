"""SQLite, by the standard library."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager

from databases.base import Batch, Database, Write

__all__ = ["SQLite"]


class SQLite(Database):
    """``executemany`` of one upsert, a transaction a batch, with the settings that ours has: large pages, WAL."""

    name = "sqlite"
    durable = "synced to the disk (synchronous=FULL)"

    def url(self, name: str) -> str:
        return str(self.folder / f"{name}.db")

    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        return {"upsert": self._upsert}

    @contextmanager
    def _upsert(self, name: str) -> Iterator[Write]:
        with closing(sqlite3.connect(self.folder / f"{name}.db", isolation_level=None)) as connection:
            for setting in (
                "page_size = 16384",
                "journal_mode = WAL",
                "synchronous = FULL",
                "wal_autocheckpoint = 2000",
            ):
                connection.execute(f"PRAGMA {setting}").fetchall()
            connection.execute(
                "CREATE TABLE rows (id TEXT PRIMARY KEY, text TEXT NOT NULL, metadata TEXT NOT NULL, vector BLOB)"
            )

            def write(batch: Batch) -> None:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO rows VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                    "SET text = excluded.text, metadata = excluded.metadata, vector = excluded.vector",
                    zip(
                        batch.ids,
                        batch.texts,
                        map(json.dumps, batch.metadata),
                        [vector.tobytes() for vector in batch.vectors],
                        strict=True,
                    ),
                )
                connection.execute("COMMIT")

            yield write
