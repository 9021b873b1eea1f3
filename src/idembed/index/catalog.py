"""What an index knows about itself: its store, the generation that is searched, how texts are split, and the
model that made its vectors. Nothing is created and no model is loaded until that is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from idembed import models, stores
from idembed.errors import (
    IndexNotFoundError,
    ModelNotFoundError,
    OptionError,
    SpaceMismatchError,
    StoreError,
    VaultError,
)
from idembed.index.owner import Writing
from idembed.models.base import Model
from idembed.rows import CheckedRow
from idembed.split import Splitter
from idembed.stores.base import Generation, Store
from idembed.vault import Vault

__all__ = ["DEFAULT_MODEL", "Catalog"]

_LOG = logging.getLogger(__name__)

DEFAULT_MODEL = "all-MiniLM-L6-v2"


class Catalog:
    """One index, opened (``store``) or not yet made (``store`` None)."""

    def __init__(
        self,
        url: str | Path,
        model: str | Model | None,
        split: int | None,
        vault: str | Path | Vault | None,
        wait: float,
    ) -> None:
        self.url = url
        self.wait = wait
        self._opened: Store | None = None
        self._closed = False
        self._asked = model
        self._split = split
        self._vault_choice = vault
        try:
            self._opened = stores.open_store(url, create=False)
        except IndexNotFoundError:
            return
        try:
            self._check_split(self._opened)
            if model is not None and self.active() is not None:
                self.model()
        except BaseException:
            self._opened.close()
            raise

    def close(self) -> None:
        """Release the store and the model; nothing else may follow."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self.__dict__.pop("loaded", None)

    @property
    def store(self) -> Store | None:
        """The open store; None while there is no index. Raises StoreError after ``close``."""
        if self._closed:
            raise StoreError(f"{self.name} was closed", hint="open it again: Index(url)")
        return self._opened

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        return stores.without_password(str(self.url))

    @property
    def identity(self) -> str:
        """What tells this index from others on this machine."""
        return self.name if "://" in str(self.url) else os.path.abspath(self.url)

    def active(self) -> Generation | None:
        """The generation that is searched; None while nothing was ever written."""
        if self.store is None:
            return None
        return next((g for g in self.store.generations() if g.status == "active"), None)

    def readable(self) -> tuple[Store, Generation]:
        """The store and its active generation. Raises StoreError where there is nothing to read."""
        active = self.active()
        if self.store is None:
            hint = "make one: idembed sync SOURCE INDEX"
            raise IndexNotFoundError(f"there is no index at {self.name}", hint=hint)
        if active is None:
            raise StoreError(f"{self.name} holds no vectors yet", hint="sync a source into it first")
        return self.store, active

    # The model -------------------------------------------------------------------------------------

    @cached_property
    def loaded(self) -> Model:
        """The model that was asked for, else the recorded one, else the default; its space unchecked."""
        asked = self._asked
        if asked is None:
            active = self.active()
            asked = active.model if active else DEFAULT_MODEL
        if not isinstance(asked, str):
            return asked
        try:
            return models.load(asked)
        except ModelNotFoundError as error:
            if self._asked is not None or self.active() is None:
                raise
            raise ModelNotFoundError(
                f"{self.name} was built with {asked}, which is not there any more: {error.message}",
                hint="bring it back, or say where it is now: Index(…, model=…), idembed search --model …",
                model=asked,
            ) from error

    def model(self) -> Model:
        """The model. Raises SpaceMismatchError when it is not of the space the index was built in."""
        active, model = self.active(), self.loaded
        if active is None or model.space.id == active.space.id:
            return model
        facts = [str(difference) for difference in active.space.differences(model.space)]
        if active.model == model.name:
            hint = "what lies there was changed since: bring back what the index was built with, or build a new index"
        else:
            hint = (
                "Open the index without naming a model to use the one it records, or build a new index with the other"
            )
        raise SpaceMismatchError(
            f"{self.name} was built with {active.model}; the vectors of {model.name} as it is now are of "
            f"another space (here: the index, there: the model). {'; '.join(facts)}",
            hint=f"vectors of two spaces cannot be compared. {hint}",
            differences=facts,
        )

    def reads_every_text(self) -> bool:
        """Whether every text has a vector (``Model.reads_every_text``); to know it of checkpoints, none is loaded."""
        active = self.active()
        return (active is not None and active.space.kind == "checkpoint") or self.loaded.reads_every_text

    # Making and settings ---------------------------------------------------------------------------

    def make(self, split: int | None) -> Store:
        """The store, made and given its settings if this is the first write.

        A model that cannot be had leaves no empty index behind.
        """
        store = self.store
        if store is None:
            _ = self.loaded.space
            store = self._opened = stores.open_store(self.url)
        version, meta = store.read_meta()
        if "splitter" not in meta:
            splitter = self._new_splitter(split)
            recorded = splitter.recorded() if splitter else None
            if not store.swap_meta(version, {**meta, "splitter": recorded}):
                return self.make(split)
        return store

    def ready(self, store: Store, writing: Writing) -> Generation:
        """The generation to write into; the first one is made, and active at once."""
        if (active := self.active()) is not None:
            return active
        return store.create_generation(writing.lease(), self.loaded.space, self.loaded.name, activate=True)

    def splitter(self, split: int | None = None) -> Splitter | None:
        """How texts are split, as recorded; None when they are not. For an index that is not yet made: as it
        was opened with, else as the source suggests (``split``)."""
        meta = self.store.read_meta()[1] if self.store else {}
        if "splitter" not in meta:
            return self._new_splitter(split)
        return Splitter.from_recorded(meta["splitter"]) if meta["splitter"] else None

    def _new_splitter(self, split: int | None) -> Splitter | None:
        size = self._split if self._split is not None else split
        return Splitter(size=size) if size else None

    def _check_split(self, store: Store) -> None:
        meta = store.read_meta()[1]
        if self._split is None or "splitter" not in meta:
            return
        recorded = meta["splitter"]["size"] if meta["splitter"] else 0
        if recorded != self._split:
            was = f"splits texts at {recorded} characters" if recorded else "does not split texts"
            raise OptionError(
                f"{self.name} {was}, but split={self._split} was asked",
                hint="how an index splits is settled when it is made: leave split out, or build a new index",
            )

    def limits(self) -> Callable[[CheckedRow], str]:
        """What of a row is larger than the store declares to hold, as words for an error; empty if nothing."""
        if self.store is None:
            return lambda row: ""
        limits = self.store.capabilities
        smallest = min(limits.max_text, limits.max_metadata)

        def excess(row: CheckedRow) -> str:
            if 4 * (len(row.text) + len(row.metadata)) <= smallest and 4 * len(row.id) <= limits.max_key:
                return ""  # a character has at most 4 bytes
            for what, value, most in (
                ("id", row.id, limits.max_key),
                ("text", row.text, limits.max_text),
                ("metadata", row.metadata, limits.max_metadata),
            ):
                if (size := len(value.encode("utf-8"))) > most:
                    return f"the {what} of row {row.id!r} has {size:,} bytes, the store holds {most:,}"
            return ""

        return excess

    def vault(self, space_id: str) -> tuple[Vault | None, bool]:
        """The vault to look into (None: none at all), and whether everything the model makes is kept there.

        One that nothing is kept in and that cannot be read is left out with a warning: a local model does not
        need it.
        """
        choice = self._vault_choice
        if choice == "none":
            return None, False
        if choice is not None and choice != "all":
            return (choice if isinstance(choice, Vault) else Vault(choice)), True
        vault, keep = Vault(), choice == "all" or not self.loaded.repeatable
        try:
            vault.segments(vault.folder_of(space_id))
        except VaultError as error:
            if keep:
                raise
            _LOG.warning("%s; going on without it", error.message)
            return None, False
        return vault, keep
