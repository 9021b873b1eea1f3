"""What an index is asked: searched, counted, and its rows read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from idembed.arguments import check_whole
from idembed.chunks import chunks
from idembed.errors import OptionError
from idembed.filters import parse_where
from idembed.index.blend import blended
from idembed.index.catalog import Catalog
from idembed.index.export import export_rows
from idembed.index.owner import hold
from idembed.index.search import find_hits, find_neighbours, query_vectors
from idembed.models.base import Vectors
from idembed.rows import Hit, Row, check_ids
from idembed.stores.base import Generation

__all__ = ["Reading", "ids_in"]

_CHUNK = 500


class Reading:
    """The part of an Index that answers, and is made to answer faster."""

    _catalog: Catalog

    def search(
        self,
        text: str | None = None,
        *,
        vector: ArrayLike | None = None,
        id: str | None = None,  # noqa: A002  the field's word
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        min_score: float | None = None,
        scope: str | None = None,
        blend: bool = False,
        approximate: bool = False,
    ) -> list[Hit]:
        """The ``k`` parts nearest to a text, a ``vector`` (float32 [dim]), or the row ``id`` (itself left
        out), best first, equal scores by id. ``where`` filters by metadata (see idembed.filters) and
        by ``$truncated``, ``$tokens``, ``$scope``, ``$id``. ``blend``, for a text: as ``search_many``. It is exact
        unless ``approximate``: then some of the best may be missing, where ``build_ann`` made an index for it.
        """
        if sum(given is not None for given in (text, vector, id)) != 1:
            raise OptionError("search takes exactly one of a text, vector=… and id=…")
        if text is not None:
            return self.search_many(
                [text], k=k, where=where, min_score=min_score, scope=scope, blend=blend, approximate=approximate
            )[0]
        if blend:
            raise OptionError("blend is for a text: a vector and a row are of one space")
        if vector is not None:
            query = _as_vector(vector)
            if query.ndim != 1:
                raise OptionError(f"vector has {query.ndim} dimensions, one is needed; search_many takes many")
            return self.search_many(
                query[None, :], k=k, where=where, min_score=min_score, scope=scope, approximate=approximate
            )[0]
        store, active = self._catalog.readable()
        matches = find_neighbours(store, active, str(id), _checked_k(k), parse_where(where), scope, approximate)
        return find_hits(store, active, [matches], _checked_floor(min_score))[0]

    def search_many(
        self,
        queries: Sequence[str] | Vectors,
        *,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        min_score: float | None = None,
        scope: str | None = None,
        blend: bool = False,
        approximate: bool = False,
    ) -> list[list[Hit]]:
        """``search`` for several texts, or for each row of a float32 [n, dim] matrix, in one pass.

        ``blend``, for texts, during an upgrade: the generation that is being built is searched too, as far as it is,
        and both lists are merged by reciprocal rank; scores are then those of the merging."""
        conditions = parse_where(where)
        store, active = self._catalog.readable()
        if blend:
            if isinstance(queries, np.ndarray) or min_score is not None or approximate:
                raise OptionError("blend is for texts, is exact, and has no min_score: its scores are made of ranks")
            return blended(self._catalog, queries, _checked_k(k), conditions, scope)
        vectors = query_vectors(queries, active.space, lambda: self._catalog.model_of(active))
        found = store.search(active.number, vectors, _checked_k(k), conditions, scope=scope, approximate=approximate)
        return find_hits(store, active, found, _checked_floor(min_score))

    def build_ann(self, generation: int | None = None) -> Generation:
        """Make an index for ``search(approximate=True)`` over the vectors that are searched, or those of a
        ``generation``; nothing where there is one that is up to date. That takes minutes for a million vectors, in
        which nobody writes. What is written later is found too; in a file, where it is searched exactly beside that
        index (which is another file, ``pets.db.ann-1``), call this again when much has changed. Gives the
        generation. Raises StoreError where there can be none."""
        store, active = self._catalog.readable()
        chosen = active if generation is None else self._catalog.generation(generation)
        with hold(store, self._catalog.wait) as writing:
            store.build_ann(writing.lease(), chosen.number)
        return chosen

    def has_ann(self, generation: int | None = None) -> bool:
        """Whether ``build_ann`` was called for the vectors that are searched, or those of a ``generation``."""
        store, active = self._catalog.readable()
        return store.has_ann((active if generation is None else self._catalog.generation(generation)).number)

    def count(self, scope: str | None = None) -> int:
        """The number of rows, or of those in one scope."""
        return self._catalog.store.count(scope) if self._catalog.store else 0

    def __len__(self) -> int:
        return self.count()

    @overload
    def get(self, ids: str | int) -> Row | None: ...  # type: ignore[overload-overlap]

    @overload
    def get(self, ids: Iterable[str | int]) -> dict[str, Row]: ...

    def get(self, ids: str | int | Iterable[str | int]) -> Row | dict[str, Row] | None:
        """The row with this id or None; for several ids, the rows that exist."""
        store, wanted = self._catalog.store, ids_in(ids)
        found: dict[str, Row] = {}
        for chunk in chunks(wanted, _CHUNK) if store else ():
            for row_id, row in store.get(chunk).items() if store else ():
                found[row_id] = Row(row.id, row.text, row.metadata)
        return found.get(wanted[0]) if isinstance(ids, str | int) else found

    def scan(self, *, scope: str | None = None, after: str | None = None) -> Iterator[Row]:
        """Every row in order of id, in bounded memory."""
        if self._catalog.store is not None:
            for row in self._catalog.store.scan(scope=scope, after=after):
                yield Row(row.id, row.text, row.metadata)

    def export(self, path: str | Path, *, scope: str | None = None) -> int:
        """Write every part with its text, metadata and vector to ``.jsonl``, ``.csv`` or ``.parquet``; the
        number of parts. The file appears whole or not at all."""
        store, active = self._catalog.readable()
        return export_rows(store.scan(active.number, scope=scope), Path(path), active.space)


def ids_in(ids: str | int | Iterable[str | int]) -> list[str]:
    """An id, or several, as strings. Raises OptionError for what is neither, RowError for what can be no id."""
    if not isinstance(ids, str | int | Iterable):
        raise OptionError(f"ids={ids!r}: an id or a list of ids is needed")
    return check_ids([ids] if isinstance(ids, str | int) else ids)


def _as_vector(vector: ArrayLike) -> Vectors:
    try:
        if np.iscomplexobj(vector):
            raise TypeError("it has complex numbers")
        return np.asarray(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise OptionError(f"vector is not an array of numbers: {error}") from None


def _checked_floor(min_score: float | None) -> float | None:
    if min_score is None or (isinstance(min_score, int | float | np.floating) and min_score == min_score):
        return min_score
    raise OptionError(f"min_score={min_score!r}: a number is needed")


def _checked_k(k: int) -> int:
    check_whole("k", k)
    if k < 1:
        raise OptionError(f"k={k}: at least one result must be asked for")
    return k
