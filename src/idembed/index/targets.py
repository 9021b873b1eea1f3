"""The generations that a write keeps right: the one that is searched, and those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from idembed.index.addresses import Addresses
from idembed.index.catalog import Catalog
from idembed.index.embed import Embedder, Lookup, Work
from idembed.index.meter import Meter
from idembed.index.owner import Writing
from idembed.index.recent import Recent
from idembed.models.base import OnLong
from idembed.space import Space, address
from idembed.stores.base import Generation, PartRecord, Store
from idembed.vault import Vault

__all__ = ["LONG", "LookInto", "Target", "embedder_for", "lookups_for", "targets_of", "without_vectors"]


LONG = 2000
"""A text of so many characters counts as another one where rows are taken together for a model."""
_UNKEPT = 1024
"""Without a vault that keeps them as they come, no more texts are at stake when a process is killed."""
LookInto = Literal["everything", "vault", "nothing"]


@dataclass(slots=True)
class Target:
    """A generation and what makes its vectors; ``behind``: why it cannot be kept right by this run, if so."""

    generation: Generation
    embedder: Embedder
    behind: str = ""

    @property
    def number(self) -> int:
        """The generation's."""
        return self.generation.number


def without_vectors(generation: Generation, row: Work) -> list[PartRecord]:
    """Parts that say that the generation's model has no vector for this row."""
    space_id = generation.space.id
    return [
        PartRecord(number, (start, end), address(space_id, "document", row.text[start:end]), None, 0, False)
        for number, (start, end) in enumerate(row.spans)
    ]


def targets_of(
    catalog: Catalog,
    store: Store,
    writing: Writing,
    in_flight: Vault | None = None,
    *,
    meter: Meter | None = None,
    on_long: OnLong = "cut",
    ahead: Addresses | None = None,
) -> list[Target]:
    """The active generation, then all others that were not dropped; all paid by one ``meter``. ``ahead``: as in
    Embedder."""
    found = sorted(store.generations(), key=lambda generation: generation.status != "active")
    recent = Recent()
    meter = meter or Meter()

    def embedder(generation: Generation) -> Embedder:
        return embedder_for(
            catalog,
            store,
            writing,
            generation,
            in_flight=in_flight,
            meter=meter,
            recent=recent,
            on_long=on_long,
            ahead=ahead,
        )

    return [Target(generation, embedder(generation)) for generation in found]


def embedder_for(
    catalog: Catalog,
    store: Store,
    writing: Writing,
    generation: Generation,
    *,
    in_flight: Vault | None = None,
    meter: Meter | None = None,
    recent: Recent | None = None,
    look_into: LookInto = "everything",
    on_long: OnLong = "cut",
    ahead: Addresses | None = None,
) -> Embedder:
    """What makes the vectors of ``generation``, looking first in every generation of its space, among the vectors in
    flight, and in the vault; or only in the vault; or nowhere."""
    vault, keep = catalog.vault.of(generation.space)
    batch = catalog.batch_size_of(generation)
    places = [place for place in (in_flight, vault) if place] if look_into != "nothing" else []
    return Embedder(
        generation,
        lambda: catalog.model_of(generation),
        lookups_for(store if look_into == "everything" else None, generation.space, places),
        keep_in=vault if keep else None,
        alive=writing.keep,
        meter=meter,
        batch_size=batch if keep else min(batch, _UNKEPT),
        recent=recent,
        on_long=on_long,
        ahead=ahead,
    )


def lookups_for(store: Store | None, space: Space, vaults: Sequence[Vault]) -> list[Lookup]:
    """Where vectors of a space may be: every generation that has it, then the vaults."""
    generations = [g.number for g in store.generations() if g.space.id == space.id] if store else []
    lookups: list[Lookup] = [partial(store.vectors_at, number) for number in generations if store]
    return lookups + [partial(vault.get, space.id) for vault in vaults]
