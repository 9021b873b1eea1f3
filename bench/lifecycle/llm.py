"""simonw/llm: `Collection.embed_multi_with_metadata`, the function under `llm embed-multi`, which cannot pass metadata.

Texts are stored, which its deduplication does not need but a search answer does. The bookkeeping is the target itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

import llm
from llm.plugins import load_plugins, pm
from sqlite_utils import Database

from lifecycle.peer import Entry, Peer, float32
from lifecycle.rows import Embedder, Model, Row

load_plugins()  # its own, which takes a second, before the clock starts


class Dummy(llm.EmbeddingModel):
    def __init__(self, embedder: Embedder) -> None:
        self.model_id = embedder.model.name
        self._embedder = embedder

    def embed_batch(self, items: Iterable[str | bytes], *, key: str | None = None) -> Iterator[list[float]]:
        return iter(self._embedder.embed(list(items)).tolist())


class Plugin:
    """Makes models known by name: the one asked for, and the first one, which a collection may remember."""

    def __init__(self, embedder: Embedder) -> None:
        self._models = [Dummy(embedder)]
        if embedder.model.name != Model().name:
            self._models.append(Dummy(Embedder(Model(), embedder.log, embedder.batch)))

    @llm.hookimpl
    def register_embedding_models(self, register: Callable[[llm.EmbeddingModel], None]) -> None:
        for model in self._models:
            register(model)


class Llm(Peer):
    target = "embeddings.db"

    def sync(self, rows: Sequence[Row], force: bool) -> object:
        pm.register(Plugin(self.embedder))
        database = Database(self.folder / self.target)
        collection = llm.Collection("rows", database, model_id=self.embedder.model.name)
        entries = ((row["id"], row["text"], row["metadata"]) for row in rows)
        collection.embed_multi_with_metadata(entries, store=True, batch_size=self.embedder.batch or 100)
        held = collection.count()
        database.close()
        return f"{held} rows held"

    def dump(self) -> list[Entry]:
        return [
            Entry(row["id"], row["content"], json.loads(row["metadata"]), float32(llm.decode(row["embedding"])))
            for row in Database(self.folder / self.target)["embeddings"].rows
        ]

    def wipe(self) -> None:
        database = Database(self.folder / self.target)
        database["embeddings"].delete_where()
        database.close()
