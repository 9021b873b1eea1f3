"""What ``milvus-lite server`` does slowly, asked for otherwise: it makes whole records, vector and all, of whatever a
condition holds for, though they are only counted."""

from __future__ import annotations

from typing import Final

from idembed.stores.collection.engine import Among
from idembed.stores.milvus.collections import Collections
from idembed.stores.milvus.expressions import among as expression
from idembed.stores.milvus.fields import KEY
from idembed.stores.milvus.pages import pages_of

__all__ = ["count"]

_SIZE: Final = 100
"""Bytes of a key in an answer, about."""


def count(collections: Collections, name: str, among: Among) -> int:
    """How many there are, in bounded memory; where most are meant, by those that are not."""
    condition = expression(among)
    if not condition:
        return collections.count(name, "")
    if among.orders is not None and among.orders.start <= 0 and among.orders.stop == 2**63:
        return collections.count(name, "") - _counted(collections, name, f"not ({condition})")
    return _counted(collections, name, condition)


def _counted(collections: Collections, name: str, condition: str) -> int:
    return sum(page.count for page in pages_of(collections, name, condition, [KEY], _SIZE))
