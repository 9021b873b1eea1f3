"""What is of this index, and what has a name of it and is somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from idembed.errors import StoreError
from idembed.stores.collection.engine import KEYS, NOT_HEAD
from idembed.stores.qdrant.fields import payload_fields, point_id, record_of
from idembed.stores.qdrant.points import Between, Database, NeedsIndexError, Test

__all__ = ["is_ours", "refuse_taken"]

_OURS: Final[Test] = (Between("_order", gte=NOT_HEAD),)
"""Which every point of ours passes."""
_SAMPLE: Final = 20


def is_ours(database: Database, name: str) -> bool:
    """Whether some points of the collection have the ids that we make of their keys; with none, whether it has our
    shape. The first points may be of another program that put some among ours. Raises NotThereError."""
    if not database.has_our_shape(name):
        return False
    for tests in ([], [_OURS]):
        try:
            points, _ = database.scroll(name, tests, None, _SAMPLE, payload_fields(KEYS), vectors=False)
        except NeedsIndexError:  # of a field that has one in each of ours
            return False
        if any((record := record_of(point, KEYS)) and point.id == point_id(record.key) for point in points):
            return True
        if not points:
            return not tests
    return False


def refuse_taken(database: Database, alias: str, number_of: Callable[[str], int | None]) -> None:
    """Raise StoreError where the alias of an index is somebody else's, or the name of a collection. ``number_of``: of a
    collection of the index, None of another."""
    if not database.is_server:
        return
    there = database.alias(alias)
    if there is not None and number_of(there) is None:
        raise StoreError(
            f"{database.shown}: the alias {alias} stands for {there}, which is not of this index",
            hint="give the index another name, or remove the alias",
        )
    if there is None and alias in database.collections():
        raise StoreError(
            f"{database.shown}: there is a collection {alias}, so that there can be no alias of that name",
            hint="give the index another name",
        )
