"""LangChain's and LlamaIndex's classes for a database, in their own environment: a line of JSON in, one out.

``stores_peers.py langchain postgres``. The vectors are ready; rows go in by the way that replaces a row where the class
has one, as many at a time as ours. Not timed are opening, a first row, by which tables are made, and making
nodes of LlamaIndex.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lifecycle.rows import Row

Write = Callable[[Any], object]
"""Writes what was prepared."""


class Batch(NamedTuple):
    rows: Sequence[Row]
    vectors: list[list[float]]

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]

    @property
    def uuids(self) -> list[str]:
        """What Qdrant takes for ids."""
        return [str(uuid.uuid5(uuid.NAMESPACE_OID, row["id"])) for row in self.rows]

    @property
    def texts(self) -> list[str]:
        return [row["text"] for row in self.rows]

    @property
    def metadata(self) -> list[dict[str, Any]]:
        return [row["metadata"] for row in self.rows]


# LangChain ----------------------------------------------------------------------------------------


def ready(dim: int) -> Any:
    """An embedder that gives the vectors it was told last; zeros before, by which a class finds out the dimension."""
    from langchain_core.embeddings import Embeddings

    class Ready(Embeddings):
        vectors: Sequence[list[float]] = ([0.0] * dim,)

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return list(self.vectors)

        def embed_query(self, text: str) -> list[float]:
            return self.vectors[0]

    return Ready()


def telling(embedder: Any, write: Write) -> Write:
    """``write``, once the embedder knows the vectors of the batch."""

    def told(batch: Batch) -> None:
        embedder.vectors = batch.vectors
        write(batch)

    return told


def langchain_postgres(place: dict[str, Any], dim: int) -> Write:
    from langchain_postgres import PGEngine, PGVectorStore
    from langchain_postgres.v2.engine import Column

    engine = PGEngine.from_connection_string(as_sqlalchemy(place["url"], "postgresql+asyncpg"))
    engine.init_vectorstore_table(place["name"], dim, id_column=Column("langchain_id", "TEXT", nullable=False))
    store = PGVectorStore.create_sync(engine, ready(dim), place["name"])
    return lambda batch: store.add_embeddings(batch.texts, batch.vectors, batch.metadata, batch.ids)


def langchain_qdrant(place: dict[str, Any], dim: int) -> Write:
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    params = models.VectorParams(size=dim, distance=models.Distance.DOT)
    client.create_collection(place["name"], vectors_config=params)
    embedder = ready(dim)
    store = QdrantVectorStore(client, place["name"], embedder, distance=models.Distance.DOT, validate_embeddings=False)
    return telling(
        embedder, lambda batch: store.add_texts(batch.texts, batch.metadata, batch.uuids, batch_size=len(batch.rows))
    )


def langchain_milvus(place: dict[str, Any], dim: int) -> Write:
    from langchain_core.documents import Document
    from langchain_milvus import Milvus

    embedder = ready(dim)
    store = Milvus(
        embedder,
        collection_name=place["name"],
        connection_args={"uri": place["url"]},
        index_params={"index_type": "FLAT", "metric_type": "IP", "params": {}},
        metadata_field="metadata",
    )
    made = False

    def write(batch: Batch) -> None:
        nonlocal made
        if not made:  # upsert() makes no collection
            store.add_embeddings(batch.texts, batch.vectors, batch.metadata, ids=batch.ids)
            made = True
            return
        documents = [Document(text, metadata=data) for text, data in zip(batch.texts, batch.metadata, strict=True)]
        store.upsert(batch.ids, documents, batch_size=len(documents))

    return telling(embedder, write)


def langchain_lance(place: dict[str, Any], dim: int) -> Write:
    from langchain_lancedb import LanceDB

    embedder = ready(dim)
    store = LanceDB(embedder, uri=f"{place['folder']}/{place['name']}")
    return telling(embedder, lambda batch: store.add_texts(batch.texts, batch.metadata, batch.ids))


# LlamaIndex ---------------------------------------------------------------------------------------


def nodes(batch: Batch, ids: Sequence[str]) -> list[Any]:
    from llama_index.core.schema import TextNode

    fields = zip(ids, batch.rows, batch.vectors, strict=True)
    return [TextNode(id_=i, text=row["text"], metadata=row["metadata"], embedding=v) for i, row, v in fields]


def llamaindex_postgres(place: dict[str, Any], dim: int) -> Write:
    from llama_index.vector_stores.postgres import PGVectorStore

    store = PGVectorStore.from_params(
        connection_string=as_sqlalchemy(place["url"], "postgresql+psycopg2"),
        async_connection_string=as_sqlalchemy(place["url"], "postgresql+asyncpg"),
        table_name=place["name"],
        embed_dim=dim,
        use_jsonb=True,
    )
    return store.add


def llamaindex_qdrant(place: dict[str, Any], dim: int) -> Write:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    params = models.VectorParams(size=dim, distance=models.Distance.DOT)
    store = QdrantVectorStore(place["name"], client=client, batch_size=1000, dense_config=params)
    return store.add


def llamaindex_milvus(place: dict[str, Any], dim: int) -> Write:
    from llama_index.vector_stores.milvus import MilvusVectorStore

    store = MilvusVectorStore(
        uri=place["url"],
        collection_name=place["name"],
        dim=dim,
        similarity_metric="IP",
        index_config={"index_type": "FLAT"},
        upsert_mode=True,
        batch_size=1000,
        use_async_client=False,
    )
    return store.add


def llamaindex_lance(place: dict[str, Any], dim: int) -> Write:
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return LanceDBVectorStore(uri=f"{place['folder']}/{place['name']}", table_name="rows").add


# Running ------------------------------------------------------------------------------------------


def as_sqlalchemy(url: str, driver: str) -> str:
    """A socket's folder stands in ``?host=``, as libpq and asyncpg both take it."""
    return url.replace("postgresql", driver, 1)


def perform(framework: str, database: str, job: dict[str, Any]) -> dict[str, Any]:
    """Write the rows of a file, whose vectors are in another, in batches."""
    rows, vectors = json.loads(Path(job["rows"]).read_bytes()), np.load(job["vectors"])
    batches = [
        Batch(rows[begin : begin + job["batch"]], vectors[begin : begin + job["batch"]].tolist())
        for begin in range(0, len(rows), job["batch"])
    ]
    one = Batch([{**rows[0], "id": "first"}], vectors[:1].tolist())
    prepared: list[Any] = [one, *batches]
    if framework == "llamaindex":
        prepared = [nodes(batch, batch.uuids if database == "qdrant" else batch.ids) for batch in prepared]
    write = globals()[f"{framework}_{database}"](job["place"], vectors.shape[1])
    write(prepared[0])
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for batch in prepared[1:]:
        write(batch)
    return {"seconds": time.perf_counter() - began}


def main() -> None:
    framework, database = sys.argv[1:3]
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a package prints is not an answer
        for line in sys.stdin:
            try:
                answer = perform(framework, database, json.loads(line))
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
