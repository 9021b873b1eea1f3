"""What an index knows about itself: its store, the generations in it, how texts are split, and the models that
made its vectors. Nothing is created and no model is loaded until that is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from idembed import stores
from idembed.errors import DamagedError, IndexNotFoundError, OptionError, StoreError
from idembed.index.at_hand import ModelsAtHand, mismatch
from idembed.index.ending import refuse_gone_generation, refuse_gone_model, warn_of_end
from idembed.index.limits import Limits
from idembed.index.origin import INDEX_ID, change_meta, new_id, refuse_unfinished
from idembed.index.owner import Writing
from idembed.index.vault_choice import VaultChoice
from idembed.index.witnesses import witnesses
from idembed.models.api.recognised import Recognised
from idembed.models.base import Journal, Model
from idembed.shown import shell_word
from idembed.split import Splitter
from idembed.stores.base import Generation, Status, Store
from idembed.stores.records import RESTORE
from idembed.vault import Vault

__all__ = ["Catalog"]


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
        self._models = ModelsAtHand(model, models)
        self._split = split
        self.vault = VaultChoice(vault)
        self._is_checked = False
        """Whether what was asked for is known to be what the index records."""
        self._introduced: set[int] = set()
        """Generations whose models were shown what they made."""
        try:
            self._opened = stores.open_store(url, create=False)
        except IndexNotFoundError:
            return
        try:
            self.check()
            if (active := self.active()) is not None:
                warn_of_end(self.name, active)
        except BaseException:
            self._opened.close()
            raise

    def close(self) -> None:
        """Release the store and the model; nothing else may follow."""
        self._closed = True
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self._models.forget()

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
    def typed(self) -> str:
        """The same as it is typed in a command."""
        return shell_word(self.name)

    @property
    def identity(self) -> str:
        """What tells this index from others on this machine."""
        return self.name if "://" in str(self.url) else os.path.abspath(self.url)

    def active(self) -> Generation | None:
        """The generation that is searched; None while nothing was ever written."""
        return next((g for g in self._generations() if g.status == "active"), None)

    def _generations(self) -> Sequence[Generation]:
        return self.store.generations() if self.store else ()

    def readable(self) -> tuple[Store, Generation]:
        """The store and its active generation. Raises StoreError where there is nothing to read."""
        active = self.active()
        if self.store is None:
            hint = "make one: idembed sync SOURCE INDEX"
            raise IndexNotFoundError(f"there is no index at {self.name}", hint=hint)
        if active is None:
            self.refuse_part()
            raise StoreError(f"{self.name} holds no vectors yet", hint="sync a source into it first")
        return self.store, active

    def refuse_part(self) -> None:
        """Raise StoreError for a part of something that is taken over or copied, DamagedError where there are rows and
        no generation is searched."""
        if self.store is None or self.active() is not None:
            return
        refuse_unfinished(self.store.read_meta()[1], self.name)
        if self.store.count():
            raise DamagedError(
                f"{self.name} has rows, and no generation that is searched",
                hint=RESTORE,
            )

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

    @property
    def asked(self) -> Model:
        """The model that was asked for, else the one of a new index by default; its space unchecked."""
        return self._models.asked

    def model(self) -> Model:
        """The model of the generation that is searched; before there is one, that of the first.

        The model that was asked for is checked when the index is opened. Should somebody switch to another generation
        later, that one's recorded model is used. Raises SpaceMismatchError when a model is not of the space that the
        generation was built in, ModelNotFoundError when it is not there, RetiredModelError when its provider ended it.
        """
        active = self.active()
        if active is not None:
            return self.model_of(active)
        refuse_gone_model(self.asked)
        return self.asked

    def model_of(self, generation: Generation) -> Model:
        """The model of any generation: one that was given, or the recorded one. Raises as ``model``."""
        refuse_gone_generation(self.name, generation)
        model = self._models.of(generation, self.name)
        if model.space.id != generation.space.id:
            raise mismatch(self.name, self._generations(), generation, model)
        if isinstance(model, Recognised) and self.store is not None and generation.number not in self._introduced:
            self._introduced.add(generation.number)
            index = self.store.read_meta()[1].get(INDEX_ID, self.identity)
            model.meet(f"{index}/{generation.number}", partial(witnesses, self.store, generation))
        return model

    def at_hand(self, generation: Generation) -> Model | None:
        """The model of a generation if it was given, or loaded since; the recorded one is not loaded."""
        return self._models.known(generation)

    def batch_size_of(self, generation: Generation) -> int:
        """How many texts its model is best given at once; no model is loaded to know it."""
        return self._models.batch_size_of(generation)

    def know(self, model: Model) -> None:
        """Use this model for the generations of its space."""
        self._models.know(model)

    def check(self) -> None:
        """Raise SpaceMismatchError when the model that was asked for is not that of the active generation, OptionError
        when the index splits texts in another way: once, as soon as there is one."""
        active = self.active()
        if self.store is None or self._is_checked:
            return
        self._check_split(self.store)
        if self._models.given is not None and active is not None and self.asked.space.id != active.space.id:
            raise mismatch(self.name, self._generations(), active, self.asked)
        self._is_checked = active is not None

    def reads_every_text(self) -> bool:
        """Whether every text has a vector (``Model.reads_every_text``); to know it of checkpoints and APIs, none is
        loaded."""
        active = self.active()
        return (active is not None and active.space.kind in ("checkpoint", "api")) or self.model().reads_every_text

    # Making and settings ---------------------------------------------------------------------------

    def make(self, split: int | None, journal: Journal | None = None) -> Store:
        """The store, made and given its settings if this is the first write.

        A model that cannot be had leaves no empty index behind, nor does a vault that its vectors could not be kept in.
        ``journal`` pays what it costs to find out.
        """
        store = self.store
        if store is None:
            self.asked.ready(journal)
            vault, keep = self.vault.of(self.asked.space)
            if vault and keep:
                vault.make(self.asked.space.id)
            store = self._opened = stores.open_store(self.url)
        version, meta = store.read_meta()
        if "splitter" not in meta:
            splitter = self._new_splitter(split)
            recorded = splitter.recorded() if splitter else None
            if not store.swap_meta(version, {INDEX_ID: new_id(), **meta, "splitter": recorded}):
                return self.make(split, journal)
        return store

    def ready(self, store: Store, writing: Writing) -> Generation:
        """The generation to write into; the first one is made, and active at once. Raises as ``refuse_part``."""
        self.refuse_part()
        if (active := self.active()) is not None:
            return active
        self._is_checked = True
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
        recorded = Splitter.from_recorded(meta["splitter"]).size if meta["splitter"] else 0
        if recorded != self._split:
            was = f"splits texts at {recorded} characters" if recorded else "does not split texts"
            raise OptionError(
                f"{self.name} {was}, but split={self._split} was asked",
                hint="how an index splits is settled when it is made: leave split out, or build a new index",
            )

    def limits(self) -> Limits:
        """What the store declares to hold."""
        return Limits(stores.capabilities_of(self.url))

    def change_meta(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the settings in one step, whoever else changes them meanwhile."""
        change_meta(self.readable()[0], change)
