"""Vectors that leave the vault with the texts they were made from: vectors can betray their texts.

What is to be forgotten is written down, in a file beside the vault's vectors, before the rows go: after that, nobody
could say any more what they were made of. A sync that was killed leaves the file, and the next one ends its work.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from idembed.chunks import chunks
from idembed.durable import FULL
from idembed.errors import DiskFullError, IdembedError, VaultError
from idembed.index.catalog import Catalog
from idembed.index.embed import spans
from idembed.space import ADDRESS_BYTES, address
from idembed.stores.base import Store

__all__ = ["Forgetting", "is_left"]

_CHUNK = 500

Addresses = Mapping[str, bytes]
"""Those of one text by the ids of spaces."""


class Forgetting:
    """Notes the texts of rows that are about to change or go, and forgets those that no row has afterwards, in every
    space that the vault has (some 200 bytes a text meanwhile). Raises VaultError, or DiskFullError,
    when they cannot be noted."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._store = store
        self._splitter = catalog.splitter()
        self._vault = catalog.vault.of(catalog.readable()[1].space)[0]
        kept = [folder.name for folder in self._vault.spaces()] if self._vault else []
        self._spaces = sorted({*kept, *(g.space.id for g in store.generations())}) if kept else []
        file = _file(catalog)
        self._file = _Noted(file) if file else None
        self._texts: dict[bytes, Addresses] = {}
        """By one of the addresses."""
        for addresses in self._file.read() if self._file else ():
            self._add(addresses)

    def note(self, ids: Iterable[str], alive: Callable[[], None]) -> None:
        """Remember the texts of these rows, as they are stored now; durable on return."""
        if not self._spaces or self._file is None:
            return
        for chunk in chunks(ids, _CHUNK):
            alive()
            texts = {
                row.text[start:end]
                for row in self._store.get(chunk).values()
                for start, end in spans(self._splitter, row.text)
            }
            new = [{space_id: address(space_id, "document", text) for space_id in self._spaces} for text in texts]
            self._file.append(new)
            for addresses in new:
                self._add(addresses)

    def forget(self) -> int:
        """Remove what no row has any more; how many vectors that were."""
        gone: dict[str, list[bytes]] = {}
        for chunk in chunks(self._texts.values(), _CHUNK):
            held = self._held(chunk)
            for addresses in chunk:
                if held.isdisjoint(addresses.values()):
                    for space_id, place in addresses.items():
                        gone.setdefault(space_id, []).append(place)
        count = 0
        if self._vault is not None:
            count = sum(self._vault.forget(space_id, places).vectors for space_id, places in gone.items())
        if self._file is not None:
            self._file.remove()
        return count

    def _add(self, addresses: Addresses) -> None:
        self._texts[min(addresses.values())] = addresses

    def _held(self, texts: Iterable[Addresses]) -> set[bytes]:
        """The addresses that a row has, in any generation."""
        held: set[bytes] = set()
        for generation in self._store.generations():
            places = [addresses[generation.space.id] for addresses in texts if generation.space.id in addresses]
            held.update(self._store.vectors_at(generation.number, places))
        return held


class _Noted:
    """The file: for each text a line of its addresses, each after the id of its space."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, texts: Iterable[Addresses]) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                for addresses in texts:
                    file.write(" ".join(f"{space_id} {place.hex()}" for space_id, place in addresses.items()) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            kind: type[IdembedError] = DiskFullError if error.errno in FULL else VaultError
            raise kind(
                f"what is to be forgotten cannot be noted in {self._path}: {error.strerror}",
                hint="see to the vault's folder, or sync without forget",
                path=str(self._path),
            ) from error

    def read(self) -> Iterator[Addresses]:
        """A line that a kill cut off is left out: its rows are still there."""
        with contextlib.suppress(FileNotFoundError):
            for line in self._path.read_text("ascii", errors="replace").splitlines():
                words = line.split()
                with contextlib.suppress(ValueError):
                    addresses = {s: bytes.fromhex(p) for s, p in zip(words[::2], words[1::2], strict=True)}
                    if addresses and all(len(place) == ADDRESS_BYTES for place in addresses.values()):
                        yield addresses

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def is_left(catalog: Catalog) -> bool:
    """Whether an earlier sync was to forget something and did not end."""
    file = _file(catalog)
    return file is not None and file.exists()


def _file(catalog: Catalog) -> Path | None:
    """Where it is noted what is to be forgotten of this index; None where there is no vault."""
    folder = catalog.vault.folder()
    return folder / "forget" / hashlib.sha256(catalog.identity.encode()).hexdigest()[:32] if folder else None
