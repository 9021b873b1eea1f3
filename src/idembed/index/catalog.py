"""What an index knows about itself: its store, the generations in it, how texts are split, and the models that
made its vectors. Nothing is created and no model is loaded until that is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

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
from idembed.space import Space
from idembed.split import Splitter
from idembed.stores.base import Generation, Status, Store
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
        models: Sequence[str | Model] = (),
    ) -> None:
        self.url = url
        self.wait = wait
        self._opened: Store | None = None
        self._closed = False
        self._asked = model
        self._others = list(models)
        self._by_space: dict[str, Model] = {}
        self._split = split
        self._vault_choice = vault
        try:
            self._opened = stores.open_store(url, create=False)
        except IndexNotFoundError:
            return
        try:
            self._check_split(self._opened)
            self.check()
        except BaseException:
            self._opened.close()
            raise

    def close(self) -> None:
        """Release the store and the model; nothing else may follow."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._by_space.clear()
        self.__dict__.pop("asked", None)

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

    def generation(self, number: int | None, *statuses: Status) -> Generation:
        """Generation ``number``, which must have one of ``statuses`` if any are given; without a number, the only one
        that has. Raises OptionError that lists what there is."""
        store, _ = self.readable()
        found = [g for g in store.generations() if not statuses or g.status in statuses]
        chosen = [g for g in found if number in (None, g.number)]
        if len(chosen) == 1:
            return chosen[0]
        there = ", ".join(f"{g.number} ({g.status}, {g.model})" for g in store.generations())
        kind = " or ".join(statuses)
        if number is not None:
            what = f"there is no {kind} generation {number}".replace("  ", " ")
        else:
            what = f"no generation is {kind}" if not chosen else f"{len(chosen)} generations are {kind}: name one"
        raise OptionError(f"{self.name}: {what}", hint=f"generations: {there}")

    # Models ----------------------------------------------------------------------------------------

    @cached_property
    def asked(self) -> Model:
        """The model that was asked for, else the one of a new index by default; its space unchecked."""
        asked = DEFAULT_MODEL if self._asked is None else self._asked
        return models.load(asked) if isinstance(asked, str) else asked

    def model(self) -> Model:
        """The model of the generation that is searched; before there is one, that of the first.

        The model that was asked for is checked when the index is opened. Should somebody switch to another generation
        later, that one's recorded model is used. Raises SpaceMismatchError when a model is not of the space that the
        generation was built in, ModelNotFoundError when it is gone.
        """
        active = self.active()
        return self.asked if active is None else self.model_of(active)

    def model_of(self, generation: Generation) -> Model:
        """The model of any generation: one that was given, or the recorded one. Raises as ``model``."""
        space_id = generation.space.id
        while self._others:
            other = self._others.pop()
            self.know(models.load(other) if isinstance(other, str) else other)
        if self._asked is not None:
            self.know(self.asked)
        if space_id not in self._by_space:
            model = self._recorded(generation)
            if model.space.id != space_id:
                raise self._mismatch(generation, model)
            self.know(model)
        return self._by_space[space_id]

    def check(self) -> None:
        """Raise SpaceMismatchError when the model that was asked for is not that of the active generation."""
        active = self.active()
        if self._asked is not None and active is not None and self.asked.space.id != active.space.id:
            raise self._mismatch(active, self.asked)

    def know(self, model: Model) -> None:
        """Use this model for the generations of its space."""
        self._by_space[model.space.id] = model

    def _recorded(self, generation: Generation) -> Model:
        """The model of the name that is recorded, unchecked."""
        name = generation.model
        try:
            return models.load(name)
        except ModelNotFoundError as error:
            which = "" if generation.status == "active" else f"generation {generation.number} of "
            raise ModelNotFoundError(
                f"{which}{self.name} was built with {name}, which is not there any more: {error.message}",
                hint="bring it back, or say where it is now: Index(…, model=…), idembed search --model …",
                model=name,
            ) from error

    def _mismatch(self, generation: Generation, model: Model) -> SpaceMismatchError:
        facts = [str(difference) for difference in generation.space.differences(model.space)]
        index = self.name
        others = [g for g in self.store.generations() if g.space.id == model.space.id] if self.store else []
        if others:
            hint = f"generation {others[0].number} ({others[0].status}) has that space: idembed switch {index}"
        elif generation.model == model.name:
            hint = (
                "what lies there was changed since: bring back what the index was built with, or move the index to "
                f"what is there now: idembed upgrade {index} --to {model.name}"
            )
        else:
            hint = (
                "open the index without naming a model to use the one it records, or move it to the other: "
                f"idembed upgrade {index} --to {model.name}"
            )
        which = index if generation.status == "active" else f"generation {generation.number} of {index}"
        return SpaceMismatchError(
            f"{which} was built with {generation.model}; the vectors of {model.name} as it is now are of "
            f"another space (here: the index, there: the model). {'; '.join(facts)}",
            hint=f"vectors of two spaces cannot be compared: {hint}",
            differences=facts,
        )

    def reads_every_text(self) -> bool:
        """Whether every text has a vector (``Model.reads_every_text``); to know it of checkpoints, none is loaded."""
        active = self.active()
        return (active is not None and active.space.kind == "checkpoint") or self.model().reads_every_text

    # Making and settings ---------------------------------------------------------------------------

    def make(self, split: int | None) -> Store:
        """The store, made and given its settings if this is the first write.

        A model that cannot be had leaves no empty index behind.
        """
        store = self.store
        if store is None:
            _ = self.asked.space
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
        return store.create_generation(writing.lease(), self.asked.space, self.asked.name, activate=True)

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

    def vault(self, space: Space) -> tuple[Vault | None, bool]:
        """The vault to look into for vectors of a space (None: none at all), and whether everything its model makes is
        kept there.

        One that nothing is kept in and that cannot be read is left out with a warning: a local model does not
        need it.
        """
        choice = self._vault_choice
        if choice == "none":
            return None, False
        if choice is not None and choice != "all":
            return (choice if isinstance(choice, Vault) else Vault(choice)), True
        vault, keep = Vault(), choice == "all" or not space.repeatable
        try:
            vault.segments(vault.folder_of(space.id))
        except VaultError as error:
            if keep:
                raise
            _LOG.warning("%s; going on without it", error.message)
            return None, False
        return vault, keep

    def change_meta(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the settings in one step, whoever else changes them meanwhile."""
        store, _ = self.readable()
        while True:
            version, meta = store.read_meta()
            change(meta)
            if store.swap_meta(version, meta):
                return
