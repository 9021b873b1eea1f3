"""An index: a store with its generations, opened by one URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from idembed.chunks import chunks
from idembed.index.catalog import Catalog
from idembed.index.estimate import estimate_plan
from idembed.index.lifecycle import Lifecycle
from idembed.index.moved import record_moved
from idembed.index.owner import hold
from idembed.index.plan import Plan, refuse_mass_deletion
from idembed.index.reading import Reading, ids_in
from idembed.index.report import Progress, Report, teller
from idembed.index.spool import Spool
from idembed.index.sync import OnLongRow, Sync
from idembed.models.base import Model, OnEmpty
from idembed.models.texts import warn_cut
from idembed.sources import open_source
from idembed.space import Space
from idembed.split import Splitter
from idembed.vault import Vault

__all__ = ["Index"]

_CHUNK = 500


class Index(Reading, Lifecycle):
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
        store, wanted = self._catalog.store, ids_in(ids)
        if store is None or not wanted:
            return 0
        with hold(store, self._catalog.wait) as writing:
            return sum(store.delete(writing.lease(), chunk) for chunk in chunks(wanted, _CHUNK))
