"""CocoIndex into a table of SQLite, its own state in LMDB.

A memoised component a row and a memoised ``embed`` over a batching function on the GPU runner: the shape of its own
embedder for sentence-transformers, whose largest batch (64) and memo key (the model's name) are taken too. The
embedder's context key detects changes, which is not its default: without, another model goes unnoticed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cocoindex as coco
import numpy as np
from cocoindex.connectors import sqlite
from cocoindex.resources.schema import VectorSchema
from numpy.typing import NDArray

from lifecycle.peer import Entry, Peer
from lifecycle.rows import Embedder, Row

TABLE = "rows"


class Dummy:
    def __init__(self, embedder: Embedder) -> None:
        self._model = embedder.model

        @coco.fn.as_async(batching=True, runner=coco.GPU, max_batch_size=embedder.batch or 64)
        def embed_batch(texts: list[str]) -> list[NDArray[np.float32]]:
            return list(embedder.embed(texts))

        self._embed_batch = embed_batch

    @coco.fn(memo=True, version=1, logic_tracking="self")
    async def embed(self, text: str) -> NDArray[np.float32]:
        return await self._embed_batch(text)

    async def __coco_vector_schema__(self) -> VectorSchema:
        return VectorSchema(np.dtype(np.float32), self._model.dim)

    def __coco_memo_key__(self) -> object:
        return self._model.name


DATABASE = coco.ContextKey[sqlite.ManagedConnection]("database")
EMBEDDER = coco.ContextKey[Dummy]("embedder", detect_change=True)


@dataclass
class Stored:
    """A row of the table."""

    id: str
    text: str
    lang: str
    year: int
    tag: str
    vector: Annotated[NDArray[np.float32], EMBEDDER]


@coco.fn(memo=True)
async def store(row: Row, table: sqlite.TableTarget[Stored]) -> None:
    vector = await coco.use_context(EMBEDDER).embed(row["text"])
    table.declare_row(row=Stored(row["id"], row["text"], **row["metadata"], vector=vector))


@coco.fn
async def store_all(rows: Sequence[Row]) -> None:
    schema = await sqlite.TableSchema.from_class(Stored, ["id"])
    table = await sqlite.mount_table_target(DATABASE, TABLE, schema)
    await coco.mount_each(store, [(row["id"], row) for row in rows], table)


class CocoIndex(Peer):
    target = "rows.db"
    can_force = True

    def sync(self, rows: Sequence[Row], force: bool) -> object:
        return asyncio.run(self._sync(rows, force))

    async def _sync(self, rows: Sequence[Row], force: bool) -> object:
        # A vector column asks for sqlite-vec, though an ordinary table does not use it; some builds of Python cannot
        # load SQLite extensions. So the connector is told that it is there.
        database = sqlite.connect(self.folder / self.target, load_vec=False)
        database._loaded_extensions.add("sqlite-vec")
        context = coco.ContextProvider()
        context.provide(DATABASE, database)
        context.provide(EMBEDDER, Dummy(self.embedder))
        environment = coco.Environment(coco.Settings(self.folder / "state"), context_provider=context)
        app = coco.App(coco.AppConfig("rows", environment), store_all, rows)
        update = app.update(full_reprocess=force)
        await update
        environment.close()
        database.close()
        return update.stats().total

    def dump(self) -> list[Entry]:
        with sqlite3.connect(self.folder / self.target) as sql:
            found = sql.execute(f"SELECT id, text, lang, year, tag, vector FROM {TABLE}")
            return [
                Entry(row_id, text, {"lang": lang, "year": year, "tag": tag}, vector or b"")
                for row_id, text, lang, year, tag, vector in found
            ]

    def wipe(self) -> None:
        with sqlite3.connect(self.folder / self.target) as sql:
            sql.execute(f"DELETE FROM {TABLE}")
