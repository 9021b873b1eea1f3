"""Where an index comes from, as it says itself: an id of its own, whose copy it is, and what it still is being made of.

An index that is copied or taken over has no generation that is searched before it is whole, so that nobody mistakes a
part for the whole; what it is meanwhile, its settings say.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from idembed.errors import ReadOnlyError, StoreError
from idembed.shown import shell_word
from idembed.stores.base import Store

__all__ = ["ADOPTING", "COPY_OF", "INDEX_ID", "carry", "change_meta", "id_of", "new_id", "refuse_unfinished"]

INDEX_ID = "index_id"
"""The setting that tells this index from all others, wherever it is moved to. A file that ``cp`` made has its
original's."""
COPY_OF = "copy_of"
"""The setting of a copy: ``{index, generations}``, the id of the index it is of, and by the number of each generation
there the number of the one here."""
ADOPTING = "adopting"
"""The setting that says, while vectors are taken over, from where: ``{source, scope, space}``."""


def new_id() -> str:
    """An id that no other index has: 128 random bits as hex."""
    return secrets.token_hex(16)


def id_of(store: Store) -> str:
    """The id of the index, which it is given now if it has none. One that cannot be written and has none has another
    each time: copies of it cannot be told from those of others, so they are not brought up to date."""
    drawn = new_id()
    try:
        return str(change_meta(store, lambda meta: meta.setdefault(INDEX_ID, drawn))[INDEX_ID])
    except ReadOnlyError:
        return drawn


def change_meta(store: Store, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Change the settings in one step, whoever else changes them meanwhile; the settings after that. Nothing is written
    where nothing changes."""
    while True:
        version, before = store.read_meta()
        after = dict(before)
        change(after)
        if after == before or store.swap_meta(version, after):
            return after


def carry(here: Mapping[str, Any], there: dict[str, Any], numbers: Mapping[int, int], settings: Iterable[str]) -> None:
    """Let the settings of a copy, ``there``, say of its generations what those of the original say of theirs, in
    ``settings`` that are by generation; ``numbers``: of the generations there by those of the ones here."""
    for name in settings:
        recorded = here.get(name, {})
        mine = {str(copied): recorded[str(number)] for number, copied in numbers.items() if str(number) in recorded}
        others = {key: value for key, value in there.get(name, {}).items() if int(key) not in numbers.values()}
        if mine or name in there:
            there[name] = others | mine


def refuse_unfinished(meta: Mapping[str, Any], name: str) -> None:
    """Raise StoreError if the index ``name``, none of whose generations is searched, is being made of another."""
    if adopting := meta.get(ADOPTING):
        raise StoreError(
            f"{name} holds only a part of {adopting['source']}: taking that over did not come to its end",
            hint="do it again, and it goes on where it was: idembed adopt; or remove the file",
        )
    if COPY_OF in meta:
        raise StoreError(
            f"{name} holds only a part of a copy, which did not come to its end",
            hint=f"copy again, and it goes on where it was: idembed copy INDEX --to {shell_word(name)}; or "
            "remove the file",
        )
