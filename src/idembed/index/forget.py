"""Vectors that leave the vault with the texts they were made from: vectors can betray their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from idembed.index.catalog import Catalog
from idembed.index.chunks import chunks
from idembed.index.embed import spans
from idembed.space import address
from idembed.stores.base import Store

__all__ = ["Forgetting"]

_CHUNK = 500


class Forgetting:
    """Notes the texts of rows that are about to change or go, and forgets those that no row has afterwards, in every
    space that the vault has (some 150 bytes a text meanwhile)."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._store = store
        self._splitter = catalog.splitter()
        _, active = catalog.readable()
        self._active = active
        vault, _ = catalog.vault(active.space)
        self._vault = vault
        self._spaces = [folder.name for folder in vault.spaces()] if vault else []
        self._noted: dict[bytes, list[bytes]] = {}
        """By the address in the active space: those in ``_spaces``."""

    def note(self, ids: Iterable[str], alive: Callable[[], None]) -> None:
        """Remember the texts of these rows, as they are stored now."""
        for chunk in chunks(ids, _CHUNK) if self._spaces else ():
            alive()
            for row in self._store.get(chunk).values():
                for start, end in spans(self._splitter, row.text):
                    text = row.text[start:end]
                    here = address(self._active.space.id, "document", text)
                    self._noted[here] = [address(space_id, "document", text) for space_id in self._spaces]

    def forget(self) -> int:
        """Remove what no row has any more; how many vectors that were."""
        gone: list[list[bytes]] = [[] for _ in self._spaces]
        for chunk in chunks(self._noted, _CHUNK):
            held = self._store.vectors_at(self._active.number, chunk)
            for place in chunk:
                if place not in held:
                    for addresses, other in zip(gone, self._noted[place], strict=True):
                        addresses.append(other)
        assert self._vault is not None or not self._spaces
        return sum(
            self._vault.forget(space_id, addresses).vectors
            for space_id, addresses in zip(self._spaces, gone, strict=True)
            if self._vault is not None and addresses
        )
