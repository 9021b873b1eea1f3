"""LanceDB in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

import lancedb
import pyarrow as pa

from databases.base import DIM, Batch, Database, Write

__all__ = ["Lance"]


class Lance(Database):
    """``merge_insert`` of a batch as an Arrow table, and a sync of the files that it left: LanceDB syncs none."""

    name = "lance"
    durable = "synced to the disk, by us: LanceDB does not do it"
    peers: ClassVar = {
        "langchain": "LanceDB of langchain-lancedb; it adds only, a row written twice is there twice; not synced",
        "llamaindex": "LanceDBVectorStore; it adds only, a row written twice is there twice; not synced",
    }

    def url(self, name: str) -> str:
        return f"lance://{self.folder / name}"

    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        return {"upsert": self._synced, "upsert, not synced": self._not_synced}

    @contextmanager
    def _synced(self, name: str) -> Iterator[Write]:
        with self._not_synced(name) as write_only:
            known: set[str] = set()

            def write(batch: Batch) -> None:
                write_only(batch)
                _sync(self.folder / name, known)

            yield write

    @contextmanager
    def _not_synced(self, name: str) -> Iterator[Write]:
        schema = pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("text", pa.string()),
                pa.field("metadata", pa.string()),
                pa.field("vector", pa.list_(pa.float32(), DIM)),
            ]
        )
        table = lancedb.connect(self.folder / name).create_table("rows", schema=schema)

        def write(batch: Batch) -> None:
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(batch.vectors.reshape(-1)), DIM)
            metadata = list(map(json.dumps, batch.metadata))
            rows = pa.table([batch.ids, batch.texts, metadata, vectors], schema=schema)
            table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)

        yield write


def _sync(folder: Path, known: set[str]) -> None:
    """Put every file that is new on the disk, and the folders they are in."""
    for place, _, names in os.walk(folder):
        fresh = [path for path in (os.path.join(place, name) for name in names) if path not in known]
        known.update(fresh)
        for path in [*fresh, place] if fresh else []:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
