"""The generations that a write keeps right: the one that is searched, and those beside it."""

from __future__ import annotations

from dataclasses import dataclass

from idembed.index.catalog import Catalog
from idembed.index.embed import Embedder, Lookup, Work
from idembed.index.meter import Meter
from idembed.index.owner import Writing
from idembed.space import address
from idembed.stores.base import Generation, PartRecord, Store
from idembed.vault import Vault

__all__ = ["Target", "embedder_for", "targets_of"]


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

    def without_vectors(self, row: Work) -> list[PartRecord]:
        """Parts that say that the model has no vector for this row."""
        space_id = self.generation.space.id
        return [
            PartRecord(number, (start, end), address(space_id, "document", row.text[start:end]), None, 0, False)
            for number, (start, end) in enumerate(row.spans)
        ]


def targets_of(catalog: Catalog, store: Store, writing: Writing, in_flight: Vault | None = None) -> list[Target]:
    """The active generation, then all others that were not dropped."""
    found = sorted(store.generations(), key=lambda generation: generation.status != "active")
    return [
        Target(generation, embedder_for(catalog, store, writing, generation, in_flight=in_flight))
        for generation in found
    ]


def embedder_for(
    catalog: Catalog,
    store: Store,
    writing: Writing,
    generation: Generation,
    *,
    in_flight: Vault | None = None,
    meter: Meter | None = None,
    anew: bool = False,
) -> Embedder:
    """What makes the vectors of ``generation``, looking first in every generation of its space, among the vectors in
    flight, and in the vault; with ``anew``, nowhere."""
    space_id = generation.space.id
    vault, keep = catalog.vault(generation.space)
    lookups: list[Lookup] = []
    if not anew:
        for other in store.generations():
            if other.space.id == space_id:
                lookups.append(lambda places, number=other.number: store.vectors_at(number, places))  # type: ignore[misc]
        for beside in (in_flight, vault):
            if beside is not None:
                lookups.append(lambda places, beside=beside: beside.get(space_id, places))  # type: ignore[misc]
    return Embedder(
        generation,
        lambda: catalog.model_of(generation),
        lookups,
        keep_in=vault if keep else None,
        alive=writing.keep,
        meter=meter,
    )
