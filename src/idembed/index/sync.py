"""Plan, then apply: upserts first, deletions last, each batch durable before the next begins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Literal

from idembed.chunks import chunks
from idembed.errors import ModelError, NoKnownWordError, OptionError, SpaceMismatchError, TooLongError
from idembed.index.addresses import Addresses
from idembed.index.ahead import ahead_of_sync, warn_of_jobs
from idembed.index.carry import carried
from idembed.index.catalog import Catalog
from idembed.index.embed import spans
from idembed.index.forget import Forgetting, is_left
from idembed.index.meter import Meter, Paying
from idembed.index.outcome import Outcome
from idembed.index.owner import Writing, hold
from idembed.index.plan import Plan, plan_rows, plan_scope, tally
from idembed.index.report import Report, Tell, ignore
from idembed.index.spool import Spool
from idembed.index.targets import targets_of
from idembed.index.write import Writer
from idembed.models.base import OnEmpty, OnLong, Receipt
from idembed.rows import CheckedRow, check_id
from idembed.sources.base import Source
from idembed.stores.base import Generation, Store

__all__ = ["OnLongRow", "Sync"]

OnLongRow = Literal["cut", "error", "skip"]
_CHUNK = 500


class Sync:
    """One run: a spooled source, compared with what the store holds, and made true.

    ``whole``: the source is the whole truth for its scope, so what it lacks is deleted; else the given rows
    are added or changed and all others left alone. ``batch_api``: what a provider's batches can do is done by them
    first. ``guard`` may refuse a plan with an error.
    """

    def __init__(
        self,
        catalog: Catalog,
        spool: Spool,
        source: Source,
        scope: str,
        *,
        whole: bool = True,
        on_long: OnLongRow = "cut",
        on_empty: OnEmpty = "error",
        forget: bool = False,
        max_cost: float | None = None,
        throttle: float | None = None,
        batch_api: bool = False,
        guard: Callable[[Plan, int], None] = lambda plan, rows: None,
        tell: Tell = ignore,
    ) -> None:
        self._catalog = catalog
        self._spool = spool
        self._source = source
        if not isinstance(scope, str) or not scope:
            raise OptionError(f"scope={scope!r}: a scope is named by a string", hint='"default" if there is only one')
        if on_long not in ("cut", "error", "skip"):
            raise OptionError(f'on_long={on_long!r}: it is "cut", "error" or "skip"')
        if on_empty not in ("error", "skip"):
            raise OptionError(f'on_empty={on_empty!r}: it is "error" or "skip"')
        if forget and catalog.vault.folder() is None:
            raise OptionError(
                "nothing can be forgotten without the vault", hint="leave vault='none', --vault none, out"
            )
        self._scope = check_id(scope, "scope")
        self._whole = whole
        self._on_long = on_long
        self._on_empty = on_empty
        self._forget = forget
        self._left_out: list[tuple[str, str]] = []
        self._too_long: list[tuple[str, str]] = []
        self._meter = Meter(max_cost, throttle)
        self._batch_api = batch_api
        self._guard = guard
        self._tell = tell
        self._is_read = False

    def plan(self, progress: Callable[[int], None] | None = None) -> Plan:
        """The difference, as the store is now; nothing is written. The source is read the first time. Raises StoreError
        for a part of an index."""
        self._catalog.refuse_part()
        if not self._is_read:
            hint = self._source.size_hint
            self._spool.fill(self._source, self._catalog.limits(), lambda done: self._tell("reading", done, hint))
            self._is_read = True
        store = self._catalog.store
        generations = [g.number for g in store.generations() if g.complete or g.status == "active"] if store else []
        if not self._whole:
            return plan_rows(self._spool, store, self._scope, generations)
        return plan_scope(self._spool, store, self._scope, generations, progress)

    def run(self) -> Report:
        """Plan and apply. A plan with nothing to do writes nothing, and loads no model unless rows of the source
        are left out, which only the model can tell from new ones."""
        if self._batch_api:
            with Addresses() as ahead:
                report = self._run(ahead)
        else:
            report = self._run(None)
        report.skipped = (*self._left_out, *report.skipped)
        report.aside = (*self._too_long, *report.aside)
        return report

    def _run(self, ahead: Addresses | None) -> Report:
        before = self._catalog.store.writer() if self._catalog.store else (0, "")
        plan = self._accepted_plan(self._planned)
        if plan.is_empty:
            return self._nothing_to_do(plan)
        if self._catalog.store is None:
            self._meter.check(self._catalog.asked)
        if plan.added + plan.moved + plan.changed:
            self._go_ahead(ahead)
        store = self._catalog.make(self._source.split, Paying(self._meter))
        with hold(store, self._catalog.wait) as writing:
            self._catalog.check()  # somebody else may have made it
            if before != (writing.lease().fence - 1, ""):  # somebody wrote since, or was writing while we planned
                plan = self._accepted_plan(lambda done: writing.keep(), writing.keep)
                if plan.is_empty:
                    return self._nothing_to_do(plan)
            return self._apply(plan, store, writing, ahead)

    def _go_ahead(self, ahead: Addresses | None) -> None:
        """Batches, if they are wanted: without the lease, as they take hours."""
        if ahead is None:
            warn_of_jobs(self._catalog)
        else:
            ahead_of_sync(self._catalog, self._spool, self._source.split, ahead, self._meter, self._tell)

    def _nothing_to_do(self, plan: Plan) -> Report:
        report = Report(reused=plan.unchanged)
        if self._catalog.store is not None and is_left(self._catalog):
            report.forgotten = Forgetting(self._catalog, self._catalog.store).forget()
        return report

    def _accepted_plan(self, progress: Callable[[int], None], alive: Callable[[], None] = lambda: None) -> Plan:
        """The plan, once the guard, ``on_long`` and ``on_empty`` had nothing against it; ``alive`` is called now and
        then meanwhile."""
        plan = self.plan(progress)
        self._guard(plan, self._spool.rows)
        self._left_out, self._too_long = [], []
        if not plan.added + plan.moved + plan.changed:
            return plan
        if self._on_long != "cut":
            self._look_for_long(alive)
        if not self._catalog.reads_every_text():
            self._look_for_empty(alive)
        if aside := [row_id for row_id, _ in (*self._left_out, *self._too_long)]:
            self._spool.set_aside(aside)
            plan = tally(self._spool, plan.stored)
            self._guard(plan, self._spool.rows)
        return plan

    def _planned(self, done: int) -> None:
        self._tell("planning", done, self._spool.rows)

    def _apply(self, plan: Plan, store: Store, writing: Writing, ahead: Addresses | None) -> Report:
        catalog, spool = self._catalog, self._spool
        active = catalog.ready(store, writing)
        splitter = catalog.splitter()
        generations, beside = store.generations(), catalog.vault.of(active.space)[0]
        forgetting = Forgetting(catalog, store) if self._forget or is_left(catalog) else None
        with carried(spool, store, writing, generations, splitter, index=catalog.identity, beside=beside) as in_flight:
            on_long: OnLong = "cut" if self._on_long == "cut" else "refuse"
            targets = targets_of(catalog, store, writing, in_flight, meter=self._meter, on_long=on_long, ahead=ahead)
            for generation in generations:
                if generation.space.kind == "api":
                    self._check_price(generation)
            refuse_long = self._on_long == "error"
            writer = Writer(store, writing, targets, self._scope, splitter, refuse_long=refuse_long)
            report = writer.report
            total = plan.added + plan.moved + plan.changed + plan.updated
            if forgetting and self._forget:
                forgetting.note(spool.pending_ids(Outcome.TEXT), writing.keep)
            jobs = spool.pending(Outcome.TEXT, Outcome.ADDED, Outcome.METADATA)
            writer.write(
                jobs, lambda done: self._tell("embedding", done, total, writer.paid_tokens, self._meter.dollars)
            )
            if writer.refused:
                self._guard(replace(plan, deleted=plan.deleted + len(writer.refused)), spool.rows)
            for chunk in chunks(chain(spool.doomed(), writer.refused), _CHUNK):
                if forgetting and self._forget:
                    forgetting.note(chunk, writing.keep)
                report.deleted += store.delete(writing.lease(), chunk)
                self._tell("deleting", report.deleted, plan.deleted)
            for generation in store.generations():  # one that lacked vectors may have them all now
                if generation.status == "active" and not generation.complete:
                    store.complete(writing.lease(), generation.number)
        if forgetting:
            report.forgotten = forgetting.forget()
        report.reused += plan.unchanged
        report.moved = min(plan.moved, report.added, report.deleted)
        report.added, report.deleted = report.added - report.moved, report.deleted - report.moved
        report.dollars = self._meter.dollars
        report.behind = tuple((target.number, target.behind) for target in targets if target.behind)
        return report

    def _check_price(self, generation: Generation) -> None:
        """Raise OptionError where a limit of cost cannot be kept, before anything is paid."""
        with contextlib.suppress(ModelError, SpaceMismatchError):  # said when it is asked
            self._meter.check(self._catalog.model_of(generation))

    def _look_for_long(self, alive: Callable[[], None]) -> None:
        """Note the rows of which the model would cut a text; or raise TooLongError for the first, before anything is
        written."""
        for row, receipts in self._receipts(alive):
            cut = next((receipt for receipt in receipts if receipt.truncated), None)
            if cut is None:
                continue
            has = f"has {cut.tokens_in_text:,} tokens; {self._catalog.model().name} reads {cut.tokens:,}"
            if self._on_long == "error":
                raise TooLongError(
                    f"the text of row {row.id!r} {has}",
                    hint='nothing was written. Split the text (split=…), or allow on_long="cut" or "skip"',
                    id=row.id,
                )
            self._too_long.append((row.id, f"its text {has}"))

    def _look_for_empty(self, alive: Callable[[], None]) -> None:
        """Note the rows of whose parts none has a word that the model knows. Raises NoKnownWordError, before
        anything is written, for the first part without one unless ``on_empty`` is skip."""
        knows = f"no word that {self._catalog.model().name} knows"
        for row, receipts in self._receipts(alive):
            empty = [number for number, receipt in enumerate(receipts) if not receipt.tokens]
            if empty and self._on_empty == "error":
                which = "the text" if len(receipts) == 1 else f"part {empty[0]}"
                raise NoKnownWordError(
                    f"{which} of row {row.id!r} has {knows}",
                    hint='nothing was written. Leave it out, or let it be left out: on_empty="skip", --on-empty skip',
                    id=row.id,
                    part=empty[0],
                )
            if len(empty) == len(receipts):
                self._left_out.append((row.id, f"its text has {knows}"))

    def _receipts(self, alive: Callable[[], None]) -> Iterator[tuple[CheckedRow, list[Receipt]]]:
        """The rows that need vectors, each with the receipts of its parts."""
        catalog = self._catalog
        splitter = catalog.splitter(self._source.split)
        for chunk in chunks(self._spool.pending(Outcome.TEXT, Outcome.ADDED), _CHUNK):
            alive()
            parts = [[row.text[start:end] for start, end in spans(splitter, row.text)] for _, row in chunk]
            receipts = iter(catalog.model().receipts([text for texts in parts for text in texts]))
            for (_, row), texts in zip(chunk, parts, strict=True):
                yield row, list(islice(receipts, len(texts)))
