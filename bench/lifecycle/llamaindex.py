"""LlamaIndex: an IngestionPipeline of SentenceSplitter and embedder into its built-in vector store.

Strategy UPSERTS_AND_DELETE, so that deleted rows go; the cache is on and the embedder's batch 10, its defaults.
Metadata is left out of what is embedded (by default it is put before the text), so that an edit of it need not change
the vector. Everything is JSON: the vector store is saved before the pipeline, as the other order loses rows for good
when the process is killed in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from lifecycle.peer import Entry, Peer, float32
from lifecycle.rows import Embedder, Row

OF_THE_STORE = {"doc_id", "document_id", "ref_doc_id", "_node_type"}
"""What the vector store adds to the metadata."""


class Dummy(BaseEmbedding):
    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(model_name=embedder.model.name, embed_batch_size=embedder.batch or 10)
        self._embedder = embedder

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed(texts).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class LlamaIndex(Peer):
    target = "vectors.json"

    def prepare(self, rows: Sequence[Row]) -> list[Document]:
        return [
            Document(
                id_=row["id"],
                text=row["text"],
                metadata=row["metadata"],
                excluded_embed_metadata_keys=list(row["metadata"]),
            )
            for row in rows
        ]

    def sync(self, rows: list[Document], force: bool) -> object:
        vectors, bookkeeping = self.folder / self.target, self.folder / "pipeline"
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(), Dummy(self.embedder)],
            vector_store=self._vectors(),
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        )
        if bookkeeping.exists():
            pipeline.load(str(bookkeeping))
        nodes = pipeline.run(documents=rows)
        pipeline.vector_store.persist(str(vectors))
        pipeline.persist(str(bookkeeping))
        return f"{len(nodes)} nodes run"

    def dump(self) -> list[Entry]:
        held = self._vectors().data
        return [
            Entry(row_id, None, own(held.metadata_dict[node]), float32(held.embedding_dict[node]))
            for node, row_id in held.text_id_to_ref_doc_id.items()
        ]

    def wipe(self) -> None:
        SimpleVectorStore().persist(str(self.folder / self.target))

    def _vectors(self) -> SimpleVectorStore:
        path = self.folder / self.target
        return SimpleVectorStore.from_persist_path(str(path)) if path.exists() else SimpleVectorStore()


def own(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata that the row brought."""
    return {name: value for name, value in metadata.items() if name not in OF_THE_STORE}
