"""What an index is now: its rows, scopes and generations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from idembed.index.catalog import Catalog
from idembed.index.ending import retirement_of, today
from idembed.index.verdicts import Judged, recorded
from idembed.models.api.retired import State
from idembed.stores.base import Generation

__all__ = ["GenerationStatus", "Retires", "Status", "status"]


@dataclass(frozen=True, slots=True)
class Retires:
    """That a model's provider ends it on ``date`` (ISO 8601), in what ``state`` that is, and what succeeds it."""

    date: str
    state: State
    successor: str


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """One generation: ``rows`` that have vectors in it, ``lacking`` those that have none; ``judged``: what was;
    ``retires``: whether its model's provider ends it; ``ann``: whether it can be searched approximately."""

    number: int
    model: str
    space: str
    dim: int
    status: str
    complete: bool
    rows: int
    lacking: int
    judged: Judged | None
    retires: Retires | None
    ann: bool


@dataclass(frozen=True, slots=True)
class Status:
    """What an index is now: ``unsettled`` rows were edited by another program, or are not yet what their source said,
    and ``lost`` ones removed by another program, as far as that was noticed; the next sync of their scopes mends both.
    ``size``: bytes on disk."""

    index: str
    rows: int
    scopes: dict[str, int]
    generations: list[GenerationStatus]
    splitter: dict[str, Any] | None
    unsettled: int
    lost: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def status(catalog: Catalog) -> Status:
    """The generations and what is in them. Incomplete ones are counted through."""
    store, active = catalog.readable()
    rows, meta = store.count(), store.read_meta()[1]
    found = []
    for generation in store.generations():
        lacking = 0 if generation.complete else sum(1 for _ in store.lacking(generation.number))
        found.append(
            GenerationStatus(
                generation.number,
                generation.model,
                generation.space.id,
                generation.space.dim,
                generation.status,
                generation.complete,
                rows - lacking,
                lacking,
                recorded(meta, generation, active),
                _retires(generation),
                store.has_ann(generation.number),
            )
        )
    splitter = catalog.splitter()
    return Status(
        catalog.name,
        rows,
        store.scopes(),
        found,
        splitter.recorded() if splitter else None,
        sum(1 for _ in store.unsettled()),
        len(store.lost()),
        store.size(),
    )


def _retires(generation: Generation) -> Retires | None:
    found = retirement_of(generation.space)
    return Retires(str(found.date), found.state(today()), found.successor) if found else None
