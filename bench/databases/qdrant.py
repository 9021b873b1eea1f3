"""Qdrant by its embedded engine (qdrant-edge-py): there is no wheel of the server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

import qdrant_edge as edge

from databases.base import DIM, Batch, Database, Write

__all__ = ["Qdrant"]

_LOCAL = (
    "over qdrant-client's local mode in memory, which is another engine, in Python, and keeps nothing; on disk it "
    "takes many times as long"
)


class Qdrant(Database):
    """One ``upsert_points`` and one ``flush`` a batch; not indexed for approximate search meanwhile, as ours."""

    name = "qdrant"
    durable = "flushed to the disk"
    peers: ClassVar = {
        "langchain": f"QdrantVectorStore {_LOCAL}",
        "llamaindex": f"QdrantVectorStore {_LOCAL}",
    }

    def url(self, name: str) -> str:
        return f"qdrant://{self.folder / name}"

    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        return {"upsert": self._upsert}

    @contextmanager
    def _upsert(self, name: str) -> Iterator[Write]:
        path = self.folder / name
        path.mkdir()
        vectors = edge.EdgeVectorParams(size=DIM, distance=edge.Distance.Dot)
        settings = edge.EdgeOptimizersConfig(indexing_threshold=0)
        shard = edge.EdgeShard.create(
            str(path), edge.EdgeConfig(vectors=vectors, on_disk_payload=True, optimizers=settings)
        )

        def write(batch: Batch) -> None:
            points = [
                edge.Point(
                    str(uuid.uuid5(uuid.NAMESPACE_OID, id_)), vector.tolist(), {**metadata, "id": id_, "text": text}
                )
                for id_, text, metadata, vector in zip(*batch, strict=True)
            ]
            shard.update(edge.UpdateOperation.upsert_points(points))
            shard.flush()

        try:
            yield write
        finally:
            shard.close()
