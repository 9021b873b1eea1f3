"""Approximate search in Postgres: an HNSW index over the vectors of a generation, which the database keeps right.

pgvector puts vectors of up to 2,000 dimensions into such an index as they are, and up to 4,000 as halves, which finds
the same neighbours nearly always. It only chooses candidates: scores come from the exact vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from psycopg import sql

from idembed.errors import StoreError
from idembed.stores.postgres_read import fetch
from idembed.stores.postgres_schema import Db
from idembed.stores.records import Generation

__all__ = ["build", "in_use", "order"]

_MOST_WHOLE: Final = 2_000
_MOST_HALVES: Final = 4_000
_LEAST_CANDIDATES: Final = 100
_MOST_CANDIDATES: Final = 1_000
"""The greatest ``hnsw.ef_search``."""
_OLDEST: Final = (0, 8)
"""Of pgvector: what came before stops at the first candidates, however few of them a filter lets pass."""


def build(connection: Db, schema: str, url: str, generation: Generation) -> None:
    """Make the index if there is none, within the caller's transaction. Raises StoreError where there can be none."""
    number, dim = generation.number, generation.space.dim
    if dim > _MOST_HALVES:
        raise StoreError(
            f"{url}: vectors of {dim:,} dimensions have no approximate index; pgvector makes one of up to "
            f"{_MOST_HALVES:,}",
            hint="a model with fewer dimensions, or exact search, which needs none",
        )
    if dim > _MOST_WHOLE and generation.space.similarity != "cosine":
        raise StoreError(
            f"{url}: vectors of more than {_MOST_WHOLE:,} dimensions are indexed as halves, which hold numbers up to "
            "65,504 only, and those of this space may be longer",
            hint="exact search needs no such index",
        )
    ((version,),) = fetch(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise StoreError(
            f"{url}: pgvector is {version}, and 0.8 or newer is needed", hint="ALTER EXTENSION vector UPDATE"
        )
    kind = "vector_ip_ops" if dim <= _MOST_WHOLE else "halfvec_ip_ops"
    connection.execute(
        sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (({}) {})").format(
            sql.Identifier(_name(number)),
            sql.Identifier(schema, f"vectors_{int(number)}"),
            sql.SQL(_indexed("vector", dim)),
            sql.SQL(kind),
        )
    )


def order(connection: Db, generation: int, dim: int) -> str | None:
    """What vectors ``v`` are ordered by to be found by the index, with the query as its parameter; None where there is
    no index, or none that was built to its end."""
    found: Any = connection.execute(
        "SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass(%s)", (_name(generation),)
    ).fetchone()
    if found != (True,):
        return None
    return f"{_indexed('v.vector', dim)} <#> {_indexed('%s::vector', dim)}"


@contextmanager
def in_use(connection: Db, k: int) -> Iterator[None]:
    """Let queries go by the index inside, within the caller's transaction."""
    candidates = min(_MOST_CANDIDATES, max(_LEAST_CANDIDATES, 3 * k))
    connection.execute(
        f"SET LOCAL hnsw.ef_search = {candidates}; SET LOCAL hnsw.iterative_scan = 'relaxed_order'; "
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
    )
    yield
    connection.execute("SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_sort TO DEFAULT")


def _name(generation: int) -> str:
    return f"vectors_{int(generation)}_ann"


def _indexed(vector: str, dim: int) -> str:
    return vector if dim <= _MOST_WHOLE else f"{vector}::halfvec({int(dim)})"
