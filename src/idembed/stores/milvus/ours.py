"""What is of this index, and what has a name of it and is somebody else's."""

from __future__ import annotations

from contextlib import suppress

from idembed.errors import NotAnIndexError, StoreError
from idembed.shown import shorten
from idembed.stores.milvus.collections import Collections
from idembed.stores.milvus.link import GoneError
from idembed.stores.milvus.place import Place

__all__ = ["documents_are_there", "refuse_foreign_alias", "refuse_taken"]


def refuse_taken(collections: Collections, place: Place, *wanted: str) -> None:
    """Raise StoreError where a collection has one of the ``wanted`` names, or that of the alias, and where the alias is
    somebody else's."""
    names = collections.names()
    for name in (*wanted, place.name):
        if name in names:
            raise StoreError(
                f"{place.shown}: there is a collection {name} already, which is not of this index",
                hint="give the index another name",
            )
    refuse_foreign_alias(collections, place)


def refuse_foreign_alias(collections: Collections, place: Place) -> None:
    """Raise StoreError where the alias is there and stands for what is not of this index."""
    there = collections.pointed(place.name)
    if there is not None and place.number_of(there) is None:
        raise StoreError(
            f"{place.shown}: the alias {place.name} stands for {shorten(there, 200)}, which is not of this index",
            hint="give the index another name, or remove the alias",
        )


def documents_are_there(collections: Collections, place: Place) -> bool:
    """Whether the collection that documents are kept in is. Raises NotAnIndexError where it is somebody else's."""
    with suppress(GoneError):
        if not collections.holds_documents(place.documents):
            raise NotAnIndexError(
                f"{place.shown}: there is a collection {place.documents}, which is not of idembed",
                hint="give the index another name",
                url=place.shown,
            )
        return True
    return False
