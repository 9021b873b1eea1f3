"""A server that speaks Milvus' protocol, for tests: milvus-lite, started when a test first asks."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from itertools import count
from pathlib import Path

import pytest

_NUMBERS = count(1)


class MilvusServer:
    """A ``milvus-lite server`` on a port of its own, which may be killed and started again on the same data."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="idembed-milvus-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = Path(self._folder)
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder / "data")]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)], stdout=log, stderr=log
            )
        for _ in range(600):
            if self._process.poll() is not None:
                raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:])
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("milvus-lite server does not answer")

    def kill(self) -> None:
        """As by a power cut of the server alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """The name of a database that is new, and empty."""
        from pymilvus import MilvusClient

        name = f"test_{next(_NUMBERS)}"
        client = MilvusClient(f"http://127.0.0.1:{self.port}", timeout=60.0, dedicated=True)
        client.create_database(name)
        client.close()
        return name

    def url(self, name: str, database: str) -> str:
        return f"milvus://127.0.0.1:{self.port}/{name}?db={database}"


@cache
def milvus() -> MilvusServer:
    """A server that speaks Milvus' protocol, one a test process; skips where it is not installed."""
    try:
        import milvus_lite  # noqa: F401
        import pymilvus  # noqa: F401
    except ImportError:
        pytest.skip('needs Milvus: pip install "pymilvus[milvus_lite]"')
    server = MilvusServer()
    atexit.register(server.stop)
    return server


def new_milvus() -> str:
    """The URL of an index in a database of Milvus that is not there yet."""
    return milvus().url("pets", milvus().new_database())
