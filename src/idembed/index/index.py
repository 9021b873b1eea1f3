"""An index: a store with its generations, opened by one URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from idembed.arguments import check_whole
from idembed.errors import OptionError
from idembed.filters import parse_where
from idembed.index.blend import blended
from idembed.index.catalog import Catalog
from idembed.index.chunks import chunks
from idembed.index.estimate import estimate_plan
from idembed.index.export import export_rows
from idembed.index.lifecycle import Lifecycle
from idembed.index.moved import record_moved
from idembed.index.owner import hold
from idembed.index.plan import Plan, refuse_mass_deletion
from idembed.index.report import Progress, Report, teller
from idembed.index.search import find_hits, find_neighbours, query_vectors
from idembed.index.spool import Spool
from idembed.index.sync import OnLongRow, Sync
from idembed.models.base import Model, OnEmpty, Vectors
from idembed.models.texts import warn_cut
from idembed.rows import Hit, Row, check_ids
from idembed.sources import open_source
from idembed.space import Space
from idembed.split import Splitter
from idembed.stores.base import Generation
from idembed.vault import Vault

__all__ = ["Index"]

_CHUNK = 500


class Index(Lifecycle):
    """Rows, their vectors, and search over them. Use as a context manager, in one thread.

    ``url``: a SQLite file (``pets.db``) or a schema of a Postgres database (``postgresql://host/db?schema=pets``); it
    is made at the first write. ``model``: a name, a folder or a
    Model; without it the model that the index records is loaded when it is first needed, and
    all-MiniLM-L6-v2 for a new index. ``split``: for a new index, the largest part of a text in characters
    (0: never split; None: as the first source suggests). ``vault``: ``None`` keeps what cannot be computed
    again, ``"all"`` keeps every vector, ``"none"`` nothing; a path names the folder and keeps every vector.
    ``wait``: seconds to wait for another writer. ``models``: those of generations that are not searched, where they
    cannot be loaded by the names that are recorded.

    Raises SpaceMismatchError when ``model`` is of another space than the index was built in, NotAnIndexError
    for a file that is something else. A RetirementWarning says that the provider of the model ends it; once that is
    done, what would have to be embedded (questions, new texts) raises RetiredModelError, and all else goes on.
    """

    def __init__(
        self,
        url: str | Path,
        model: str | Model | None = None,
        *,
        split: int | None = None,
        vault: str | Path | Vault | None = None,
        wait: float = 10.0,
        models: Sequence[str | Model] = (),
    ) -> None:
        self._catalog = Catalog(url, model, split, vault, wait, models)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the database and the model."""
        self._catalog.close()

    # What it is ------------------------------------------------------------------------------------

    @property
    def space(self) -> Space | None:
        """The space of the vectors that are searched; None while nothing was written."""
        active = self._catalog.active()
        return active.space if active else None

    @property
    def model(self) -> Model:
        """The model, loaded when first asked for. Raises SpaceMismatchError when it is no longer the one
        the index was built with."""
        return self._catalog.model()

    @property
    def splitter(self) -> Splitter | None:
        """How long texts are split, as recorded; None when they are not."""
        return self._catalog.splitter()

    # Writing ---------------------------------------------------------------------------------------

    def plan(
        self,
        source: object,
        *,
        scope: str = "default",
        id_field: str | None = None,
        text_field: str | None = None,
        estimate: bool = True,
        batch_api: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Plan:
        """The exact difference between ``source`` and its scope; nothing is written. With ``estimate``, if there are
        texts to embed: what that takes, for which the model is loaded and a sample of the texts embedded, for a second;
        an API is only asked for its price (``batch_api``: that of its batches). (A row that ``on_empty="skip"`` leaves
        out counts as added, or as changed if it was there.)"""
        opened = open_source(source, id_field=id_field, text_field=text_field)
        tell = teller(progress)
        with Spool() as spool:
            plan = Sync(self._catalog, spool, opened, scope, tell=tell).plan()
            if not estimate or not (plan.added or plan.moved or plan.changed):
                return plan
            estimates = estimate_plan(self._catalog, spool, opened.split, batch_api=batch_api)
            return replace(plan, estimates=tuple(estimates))

    def sync(
        self,
        source: object,
        *,
        scope: str = "default",
        on_long: OnLongRow = "cut",
        on_empty: OnEmpty = "error",
        allow_empty: bool = False,
        allow_mass_deletion: bool = False,
        forget: bool = False,
        max_cost: float | None = None,
        throttle: float | None = None,
        batch_api: bool = False,
        id_field: str | None = None,
        text_field: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Make the scope equal to ``source``: embed what is new, keep what is right, delete what is gone.

        ``source``: a path (JSONL, CSV, Parquet, a folder of text files), a query of a Postgres database
        (``postgresql://host/db?query=select …``), a table (pandas, polars, Arrow), or an iterable of dicts or Rows. It
        is read to its end and planned before the first write; deletions
        come last. Killed anywhere, the next sync continues. ``on_long="error"`` refuses texts that are
        longer than the model reads, before anything is written; ``"skip"`` sets their rows aside, as those are whose
        texts the model refuses: the rest goes on, ``report.aside`` has the reasons, and a row that was there before is
        deleted. ``on_empty="skip"`` leaves out, and reports as ``skipped``, what has no word that word vectors know:
        rows (likewise), and of split rows the parts; ``"error"`` refuses them before anything is written. ``forget``
        removes from the vault what was made of the texts that go. ``max_cost``: dollars that must not be passed; when
        they would be, CostLimitError is raised, what was embedded is kept, and the next sync goes on. ``throttle``:
        texts a second. An API alone knows how long a text is for it: ``"error"`` then stops at the first that is too
        long, and what was embedded before is kept.

        ``batch_api``: texts go to the provider's batch endpoint first, which takes hours and costs half (OpenAI, Azure,
        the Gemini API) or two thirds (Voyage). It is waited for. Stopped, or killed, the next sync goes on with the
        jobs that are on record and submits nothing twice. What fails in a job is asked for in the ordinary way.
        OptionError where there are no batches, or no vault.

        Raises MassDeletionError for an empty source and for one that would delete more than half of the
        scope, unless allowed; NoKnownWordError naming the row.
        """
        started = time.monotonic()
        opened = open_source(source, id_field=id_field, text_field=text_field)

        def guard(plan: Plan, rows: int) -> None:
            allowed = allow_mass_deletion or (allow_empty and rows == 0)
            refuse_mass_deletion(plan, rows, scope, allow_empty, allowed)

        with Spool() as spool:
            run = Sync(
                self._catalog,
                spool,
                opened,
                scope,
                on_long=on_long,
                on_empty=on_empty,
                forget=forget,
                max_cost=max_cost,
                throttle=throttle,
                batch_api=batch_api,
                guard=guard,
                tell=teller(progress),
            )
            report = run.run()
        report.skipped = (*opened.skipped, *report.skipped)
        return self._finished(report, started)

    def upsert(
        self,
        rows: Iterable[object],
        *,
        scope: str = "default",
        on_long: OnLongRow = "cut",
        on_empty: OnEmpty = "error",
        max_cost: float | None = None,
        throttle: float | None = None,
    ) -> Report:
        """Add or change the given rows (as in ``sync``) and leave every other alone."""
        started = time.monotonic()
        opened = open_source(rows)
        with Spool() as spool:
            run = Sync(
                self._catalog,
                spool,
                opened,
                scope,
                whole=False,
                on_long=on_long,
                on_empty=on_empty,
                max_cost=max_cost,
                throttle=throttle,
            )
            report = run.run()
        return self._finished(report, started)

    def _finished(self, report: Report, started: float) -> Report:
        record_moved(self._catalog)
        report.seconds = time.monotonic() - started
        active = self._catalog.active()
        if report.truncated and active:
            warn_cut(
                f"{report.truncated} texts were longer than {active.model} reads and were cut; "
                "where={'$truncated': True} finds them"
            )
        return report

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Remove rows by id, in every generation; the number that existed."""
        store, wanted = self._catalog.store, _checked_ids(ids)
        if store is None or not wanted:
            return 0
        with hold(store, self._catalog.wait) as writing:
            return sum(store.delete(writing.lease(), chunk) for chunk in chunks(wanted, _CHUNK))

    # Reading ---------------------------------------------------------------------------------------

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
        store, wanted = self._catalog.store, _checked_ids(ids)
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


def _checked_ids(ids: str | int | Iterable[str | int]) -> list[str]:
    if not isinstance(ids, str | int | Iterable):
        raise OptionError(f"ids={ids!r}: an id or a list of ids is needed")
    return check_ids([ids] if isinstance(ids, str | int) else ids)
