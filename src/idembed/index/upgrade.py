"""Another model's generation built beside the one that is searched; or every vector of that one again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from idembed import models
from idembed.arguments import check_kind
from idembed.chunks import chunks
from idembed.errors import OptionError, ReadOnlyError, RefusedError
from idembed.index.addresses import Addresses
from idembed.index.ahead import ahead_of_build, vault_for_batches, warn_of_jobs
from idembed.index.build import BuildReport, fill
from idembed.index.catalog import Catalog
from idembed.index.ending import refuse_gone_model
from idembed.index.estimate import Estimate, estimate_build
from idembed.index.meter import Meter, Paying
from idembed.index.noise import ADOPTED
from idembed.index.owner import hold
from idembed.index.part import check_key, check_share, part_ids
from idembed.index.report import Tell, ignore
from idembed.index.root import has_same_root
from idembed.models.api.batches.registry import share_of
from idembed.models.base import Model, OnEmpty
from idembed.rows import check_ids
from idembed.space import Space
from idembed.stores.base import Generation, Store, lease_of

__all__ = ["Rebuild", "Upgrade"]

_IDS = 500


class Upgrade:
    """An upgrade to ``model``: looked at first (``estimate``), then carried out, or carried on (``run``)."""

    def __init__(self, catalog: Catalog, to: str | Model) -> None:
        """Raises OptionError when the index already is of that model's space, or has a complete generation of it on
        standby; one on standby that has fallen behind is completed."""
        check_kind("to", to, str | Model, "the name of a model, or a Model,")
        store, self._active = catalog.readable()
        self._catalog = catalog
        self.model = models.load(to) if isinstance(to, str) else to
        refuse_gone_model(self.model)
        if self._active.space.id == self.model.space.id:
            raise OptionError(
                f"{catalog.name} is of the space of {self.model.name} already",
                hint=f"to compute every vector again: idembed rebuild {catalog.typed}",
            )
        self.generation = _begun(store, self.model.space)
        """The one that is being built; None before ``run``."""
        if self.generation and self.generation.status == "standby" and self.generation.complete:
            raise OptionError(
                f"generation {self.generation.number} of {catalog.name} is of {self.model.name}, and on standby",
                hint=f"to search it: idembed switch {catalog.typed} {self.generation.number}",
            )
        self._known_key: str | None = None
        catalog.know(self.model)

    def estimate(
        self,
        until: float | None = None,
        by: str | None = None,
        first: Iterable[str] = (),
        *,
        batch_api: bool = False,
    ) -> Estimate:
        """What ``run`` with the same arguments will take. Raises LeaseHeldError while another process builds it."""
        part = self._part(until, by, first)
        _refuse_filled(self._catalog, self.generation)
        share = share_of(self.model) if batch_api else 1.0
        if part is None and self.generation is None:
            return estimate_build(self._catalog, self.model, share=share)
        return estimate_build(self._catalog, self.model, self._lacking(part), share=share)

    def run(
        self,
        *,
        until: float | None = None,
        by: str | None = None,
        first: Iterable[str] = (),
        on_empty: OnEmpty = "error",
        max_cost: float | None = None,
        throttle: float | None = None,
        batch_api: bool = False,
        tell: Tell = ignore,
    ) -> BuildReport:
        """Build the generation, or the share ``until`` of it, spread evenly over the scopes and over the values of the
        metadata key ``by``, and the rows ``first``. ``batch_api``: what the provider's batches can do is done by them
        first."""
        if on_empty not in ("error", "skip"):
            raise OptionError(f'on_empty={on_empty!r}: it is "error" or "skip"')
        meter = Meter(max_cost, throttle)
        named = check_ids(first, "first")
        part = self._part(until, by, named)
        meter.check(self.model)
        if batch_api:
            vault_for_batches(self._catalog, self.model)
        self.model.ready(Paying(meter))
        self.generation = self.generation or _begin(self._catalog, self._active, self.model)
        if not batch_api:
            warn_of_jobs(self._catalog, self.generation)
        with Addresses() if batch_api else contextlib.nullcontext() as ahead:
            if ahead is not None:
                ids = _Again(lambda: self._lacking(self._part(until, by, named)))
                ahead_of_build(self._catalog, self.generation, self.model, ids, ahead, meter, tell)
            return fill(
                self._catalog,
                self.generation,
                only=part,
                goal=None if part is None else sum(1 for _ in self._lacking(self._part(until, by, named))),
                on_empty=on_empty,
                meter=meter,
                ahead=ahead,
                tell=tell,
            )

    def _part(self, until: float | None, by: str | None, first: Iterable[str]) -> Iterable[str] | None:
        """The ids of the rows that are asked for, each once; None: all. Raises OptionError before the first."""
        check_share(until)
        check_kind("by", by, str | None, "a key of the metadata")
        ids = check_ids(first, "first")
        if until is None and by is not None:
            raise OptionError(f"by={by!r} is for a part of the rows", hint="say how many: until=0.05")
        if by is not None and by != self._known_key:
            check_key(self._catalog, by)
            self._known_key = by
        if until is None or until == 1:
            return None
        named = dict.fromkeys(ids)
        return chain(named, (row_id for row_id in part_ids(self._catalog, until, by) if row_id not in named))

    def _lacking(self, part: Iterable[str] | None) -> Iterator[str]:
        """Those of the part that are there, and have no vectors of the new model yet."""
        store, _ = self._catalog.readable()
        numbers = [self.generation.number] if self.generation else []
        if part is None:
            for number in numbers:
                yield from store.lacking(number)
            return
        for chunk in chunks(part, _IDS):
            states = store.states(chunk, numbers)
            there = (states[row_id] for row_id in chunk if row_id in states)
            yield from (state.id for state in there if state.text_hash and not (numbers and state.current))


class _Again:
    """What can be gone through several times."""

    def __init__(self, begin: Callable[[], Iterator[str]]) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[str]:
        return self._begin()


class Rebuild:
    """Every vector of the generation that is searched again: looked at first, then carried out, or carried on."""

    def __init__(self, catalog: Catalog) -> None:
        """Raises ModelError when the model is not there."""
        store, self._active = catalog.readable()
        self._catalog = catalog
        self.model = catalog.model_of(self._active)
        self.generation = _begun(store, self._active.space, "building")
        """The one that is being built; None before ``run``."""

    def estimate(self) -> Estimate:
        """What ``run`` will take. Raises LeaseHeldError while another process builds it."""
        _refuse_filled(self._catalog, self.generation)
        store, _ = self._catalog.readable()
        ids = store.lacking(self.generation.number) if self.generation else None
        return estimate_build(self._catalog, self.model, ids, anew=self._active.space.repeatable)

    def run(self, *, max_cost: float | None = None, throttle: float | None = None, tell: Tell = ignore) -> BuildReport:
        """From the stored texts, into a new generation of the same space, or what is left of it where that was begun
        before; the vectors of an API are those that are kept, and it is asked only for what is kept nowhere. Once it is
        complete, the roots are compared (``BuildReport.same_root``)."""
        meter = Meter(max_cost, throttle)
        self.generation = self.generation or _begin(self._catalog, self._active, self.model, "building")
        # What an API made once is what it made: asked again it says something else, and is paid again.
        anew = self._active.space.repeatable
        report = fill(self._catalog, self.generation, on_empty="skip", anew=anew, meter=meter, tell=tell)
        report.not_exact = self._not_exact()
        if report.complete:
            report.same_root = has_same_root(self._catalog, self.generation, self._active, tell)
        return report

    def _not_exact(self) -> str:
        store, _ = self._catalog.readable()
        if str(self._active.number) in store.read_meta()[1].get(ADOPTED, {}):
            return "the vectors that are searched were computed by another library, and adopted"
        if not self._active.space.repeatable:
            return f"{self._active.model} does not give the same vectors again"
        return ""


def _begun(store: Store, space: Space, *statuses: str) -> Generation | None:
    """A generation of the space that is not searched: one that is being built, else one that lacks rows, else any."""
    found = [
        g for g in store.generations() if g.space.id == space.id and g.status in (statuses or ("building", "standby"))
    ]
    return min(found, key=lambda g: (g.status != "building", g.complete, g.number), default=None)


def _refuse_filled(catalog: Catalog, generation: Generation | None) -> None:
    """Raise LeaseHeldError while another process fills it: an estimate takes long, and would be for nothing."""
    if generation is not None:
        store, _ = catalog.readable()
        with contextlib.suppress(ReadOnlyError), hold(store, catalog.wait, lease_of(generation.number)):
            pass


def _begin(catalog: Catalog, searched: Generation, model: Model, *statuses: str) -> Generation:
    """The generation to fill, made unless another process was quicker. Raises RefusedError when another one is searched
    by now than was ``searched`` when this was decided."""
    store, _ = catalog.readable()
    with hold(store, catalog.wait) as writing:
        _, active = catalog.readable()
        if active.number != searched.number:
            raise RefusedError(
                f"{catalog.name}: another process switched to generation {active.number} ({active.model}) meanwhile",
                hint="nothing was changed; look at it first: idembed status",
            )
        return _begun(store, model.space, *statuses) or store.create_generation(
            writing.lease(), model.space, model.name
        )
