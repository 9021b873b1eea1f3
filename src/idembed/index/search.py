"""From a question to hits: query vectors of the index's space, the store's matches, the rows they name."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import numpy as np

from idembed.chunks import chunks
from idembed.errors import ModelError, NoKnownWordError, OptionError, RowError
from idembed.filters import Condition
from idembed.models.base import Model, Vectors
from idembed.models.texts import warn_cut
from idembed.rows import Hit
from idembed.space import Space
from idembed.stores.base import Generation, Match, Store, StoredRow

__all__ = ["find_hits", "find_neighbours", "query_vectors"]

_LOG = logging.getLogger(__name__)
_CHUNK = 500


def query_vectors(queries: Sequence[str] | Vectors, space: Space, model: Callable[[], Model]) -> Vectors:
    """float32 [n, dim] for texts (embedded on the query side) or for vectors, which are checked and, in a
    cosine space, brought to unit length. Raises OptionError naming the query, NoKnownWordError one without a
    word that the model knows."""
    if isinstance(queries, str):
        raise OptionError("search_many takes a list of texts, not one text", hint="search takes one")
    if not isinstance(queries, np.ndarray):
        texts = list(queries)
        for position, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise OptionError(f"query {position} is {text!r}; a text is needed")
        return _embedded(texts, model()) if texts else np.empty((0, space.dim), np.float32)
    if queries.ndim != 2 or queries.shape[1] != space.dim:
        width = queries.shape[1] if queries.ndim == 2 else f"shape {queries.shape}"
        raise OptionError(f"a query vector has {width} numbers, this index needs {space.dim}")
    vectors = np.ascontiguousarray(queries, dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise OptionError("a query vector contains NaN or infinity")
    if space.similarity == "dot" or not len(vectors):
        return vectors
    return np.stack([_unit(vector) for vector in vectors])


def find_hits(
    store: Store, generation: Generation, found: list[list[Match]], min_score: float | None
) -> list[list[Hit]]:
    """The matches in a generation at or above ``min_score`` with their rows, in the same order. A row whose text or
    metadata are not what was written, though no program edited them, is damaged: it is left out, and logged."""
    floor = -math.inf if min_score is None else min_score
    kept = [[match for match in matches if match.score >= floor] for matches in found]
    wanted = sorted({match.id for matches in kept for match in matches})
    rows: dict[str, StoredRow] = {}
    for chunk in chunks(wanted, _CHUNK):
        rows.update(store.get(chunk, generation.number, vectors=False))
    for row_id in [row_id for row_id, row in rows.items() if not row.is_whole]:
        _LOG.warning("row %r is damaged and left out: idembed verify says how", row_id)
        del rows[row_id]
    return [[hit for match in matches for hit in _hit(rows.get(match.id), match)] for matches in kept]


def find_neighbours(
    store: Store,
    active: Generation,
    row_id: str,
    k: int,
    conditions: Sequence[Condition],
    scope: str | None,
    approximate: bool = False,
) -> list[Match]:
    """The ``k`` parts of other rows nearest to any part of this row, best first, ties by id then part."""
    row = store.get([row_id], active.number).get(row_id)
    if row is None:
        raise RowError(f"there is no row {row_id!r}", hint="id= takes the id of a stored row", id=row_id)
    vectors = [p.vector for p in row.parts if p.vector is not None and row.has_current(p) and p.is_whole]
    if not vectors:
        raise RowError(f"row {row_id!r} has no vector", hint="sync its source, or: idembed verify --repair", id=row_id)
    best: dict[tuple[str, int], Match] = {}
    most = k + len(vectors)
    for matches in store.search(
        active.number, np.stack(vectors), most, conditions, scope=scope, approximate=approximate
    ):
        for match in matches:
            place = (match.id, match.part)
            if match.id != row_id and (place not in best or best[place].score < match.score):
                best[place] = match
    return sorted(best.values(), key=Match.rank)[:k]


def _hit(row: StoredRow | None, match: Match) -> list[Hit]:
    """One hit, or none when the row was deleted or rewritten since the search."""
    for part in row.parts if row else ():
        if row and part.part == match.part and part.address == match.address:
            start, end = part.span
            text = row.text[start:end]
            return [Hit(row.id, match.score, text, row.metadata, part.part, part.span, part.truncated)]
    return []


def _embedded(texts: list[str], model: Model) -> Vectors:
    for position, receipt in enumerate(() if model.reads_every_text else model.receipts(texts, "query")):
        if not receipt.tokens:
            raise NoKnownWordError(
                f"query {position} has no word that {model.name} knows: {texts[position]!r}",
                hint="ask with other words, or with a vector or an id",
                position=position,
            )
    made = model.embed(texts, "query")
    for position, reason in made.refused.items():
        raise ModelError(f"{model.name} refused query {position} ({texts[position]!r}): {reason}", hint="ask otherwise")
    if cut := sum(receipt.truncated for receipt in made.receipts):
        most = max(receipt.tokens for receipt in made.receipts)
        warn_cut(f"{cut} of {len(texts)} questions were cut to the {most} tokens that {model.name} reads")
    return made.vectors


def _unit(vector: Vectors) -> Vectors:
    exact = vector.astype(np.float64)
    length = math.sqrt(math.fsum(np.square(exact).tolist()))
    if length == 0.0:
        raise OptionError("a query vector is zero; it has no direction")
    return (exact / length).astype(np.float32)
