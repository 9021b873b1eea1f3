"""Milvus by ``milvus-lite server``, which speaks its protocol."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, ClassVar

from pymilvus import DataType, MilvusClient

from databases.base import DIM, Batch, Database, Write

__all__ = ["Milvus"]

_START_SECONDS = 60.0


class Milvus(Database):
    """``MilvusClient.upsert`` of a batch, into a collection that is loaded, with an exact index as ours has."""

    name = "milvus"
    durable = "handed to the operating system by the server; milvus-lite does not sync it"
    peers: ClassVar = {
        "langchain": "Milvus of langchain-milvus, its upsert()",
        "llamaindex": "MilvusVectorStore, upsert_mode=True",
    }

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.folder / "data")]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise SystemExit(f"milvus-lite server does not start: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()

    def url(self, name: str) -> str:
        return f"milvus://127.0.0.1:{self._port}/{name}"

    def place(self, name: str) -> dict[str, Any]:
        return {"name": name, "url": f"http://127.0.0.1:{self._port}"}

    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        return {"upsert": self._upsert}

    @contextmanager
    def _upsert(self, name: str) -> Iterator[Write]:
        with closing(MilvusClient(f"http://127.0.0.1:{self._port}")) as client:
            schema = MilvusClient.create_schema(auto_id=False)
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=512)
            schema.add_field("text", DataType.VARCHAR, max_length=65_535)
            schema.add_field("metadata", DataType.JSON)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
            index = MilvusClient.prepare_index_params("vector", index_type="FLAT", metric_type="IP")
            client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
            client.load_collection(name)

            def write(batch: Batch) -> None:
                rows = zip(*batch, strict=True)
                names = ("id", "text", "metadata", "vector")
                client.upsert(name, [dict(zip(names, row, strict=True)) for row in rows])

            yield write
            client.drop_collection(name)
