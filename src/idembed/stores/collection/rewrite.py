"""Saying something else of rows whose vectors stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from idembed.stores.collection.engine import Engine, Record
from idembed.stores.collection.forms import Content, rewritten
from idembed.stores.collection.read import rows_of

__all__ = ["put", "rewrite"]


def rewrite(engine: Engine, numbers: Sequence[int], contents: Mapping[str, Content]) -> None:
    """In each of the generations, in this order, all records of the rows that are there."""
    if contents:
        for number in numbers:
            found = rows_of(engine, number, list(contents))
            put(engine, number, (rewritten(parts, contents[name]) for name, parts in found.items()))


def put(engine: Engine, number: int, rows: Iterable[Sequence[Record]]) -> None:
    """Write the records of rows, if there are any."""
    if everything := [record for row in rows for record in row]:
        engine.put(number, everything)
