"""LangChain: `index()` into a persistent Chroma, its records in SQLite.

``cleanup="full"``, as a whole list of rows is synced; the source id is the row's id; keys by BLAKE2b rather than the
default SHA-1, of which it warns; batches of 100, its default. No CacheBackedEmbeddings, which is another thing to set
up: it would find the vectors of moved texts again, under the model's name.
"""

from __future__ import annotations

from collections.abc import Sequence

import chromadb
from chromadb.config import Settings
from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import index

from lifecycle.peer import Entry, Peer, float32
from lifecycle.rows import Embedder, Row

COLLECTION = "rows"


class Dummy(Embeddings):
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class LangChain(Peer):
    target = "chroma"
    can_force = True

    def prepare(self, rows: Sequence[Row]) -> list[Document]:
        return [Document(row["text"], metadata={**row["metadata"], "source": row["id"]}) for row in rows]

    def sync(self, rows: list[Document], force: bool) -> object:
        records = SQLRecordManager(COLLECTION, db_url=f"sqlite:///{self.folder}/records.db")
        records.create_schema()
        return index(
            rows,
            records,
            Chroma(COLLECTION, Dummy(self.embedder), client=self._client()),
            batch_size=self.embedder.batch or 100,
            cleanup="full",
            source_id_key="source",
            key_encoder="blake2b",
            force_update=force,
        )

    def dump(self) -> list[Entry]:
        held = self._client().get_collection(COLLECTION).get(include=["embeddings", "documents", "metadatas"])
        made = []
        for text, metadata, vector in zip(held["documents"], held["metadatas"], held["embeddings"], strict=True):
            row_id = metadata.pop("source")
            made.append(Entry(row_id, text, metadata, float32(vector)))
        return made

    def wipe(self) -> None:
        collection = self._client().get_collection(COLLECTION)
        collection.delete(ids=collection.get(include=[])["ids"])

    def _client(self) -> chromadb.ClientAPI:
        return chromadb.PersistentClient(self.folder / self.target, Settings(anonymized_telemetry=False))
