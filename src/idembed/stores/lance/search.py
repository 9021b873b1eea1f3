"""The nearest by inner product, and the index for approximate search.

LanceDB's ``dot`` distance is 1 - q·v in float32, in which small products are lost. The order of q·v is that of
(s q)·v, so the question is asked with q times a power of two, after which the 1 does not matter; the scores are then
computed of the vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from lancedb.index import HnswSq

from idembed.filters import Condition
from idembed.stores.collection.engine import EVERYTHING, Found, Nearest
from idembed.stores.lance.fields import COLUMNS, records_of
from idembed.stores.lance.filters import near_expr
from idembed.stores.records import Vector

__all__ = ["build_ann", "has_ann", "near"]

_FIELDS: Final = EVERYTHING - {"text"}
_EXPONENT: Final = 40
"""Of the largest number of a question as it is asked: products are right to 2^-64 of it, and vectors may still have
numbers up to 2^80 before they overflow."""
_ROWS_APIECE: Final = 250_000
"""Records for which there is one graph; of 20 graphs, which LanceDB searches by itself, none is left out."""
_LINKS, _BUILD_WIDTH = 20, 150
_REFINED: Final = 3
"""Times as many as are wanted are compared by their exact vectors."""
_WIDTH: Final = 200


def near(
    table: Any, query: Vector, most: int, where: Sequence[Condition], scope: str | None, *, exact: bool
) -> Nearest:
    """As Engine.near."""
    raised = _raised(query)
    found = _ask(table, raised, most, where, scope, exact)
    if not np.isfinite(found.column("_distance").to_numpy()).all():
        found = _ask(table, query, most, where, scope, exact)
    records = records_of(found, _FIELDS)
    if not records:
        return Nearest([], found.num_rows < most)
    vectors = np.stack([record.vector for record in records if record.vector is not None])
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    ordered = [Found(records[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]
    return Nearest(ordered, found.num_rows < most)


def _raised(query: Vector) -> Vector:
    largest = float(np.abs(query).max(initial=0.0))
    return query if largest == 0.0 else np.ldexp(query, _EXPONENT - math.frexp(largest)[1]).astype(np.float32)


def _ask(table: Any, query: Vector, most: int, where: Sequence[Condition], scope: str | None, exact: bool) -> Any:
    columns = [COLUMNS[field] for field in sorted(_FIELDS)]
    asked = table.search(query, vector_column_name="vector").distance_type("dot").limit(most)
    asked = asked.where(near_expr(where, scope), prefilter=True).select([*columns, "_distance"])
    if exact:
        return asked.bypass_vector_index().to_arrow()
    return asked.ef(max(_WIDTH, 2 * _REFINED * most)).refine_factor(_REFINED).to_arrow()


def build_ann(table: Any) -> None:
    """One graph of neighbours for some 100,000 records, over numbers of one byte: the least that finds nine of ten best
    without refining, of what LanceDB offers."""
    if not has_ann(table):
        apiece = max(1, table.count_rows() // _ROWS_APIECE)
        graph = HnswSq(distance_type="dot", num_partitions=apiece, m=_LINKS, ef_construction=_BUILD_WIDTH)
        table.create_index("vector", config=graph)


def has_ann(table: Any) -> bool:
    """Whether there is an index of vectors."""
    return any(index.columns == ["vector"] for index in table.list_indices())
