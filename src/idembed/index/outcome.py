"""What is to be done with a row of a source."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["Noted", "Outcome"]


class Outcome(IntEnum):
    """What a row of the source means for the index.

    * ADDED: the id is not there.
    * TEXT: another text than the stored one, or its vectors are missing or were made from another text.
    * METADATA: the text and its vectors are right, the metadata is not.
    * UNCHANGED: nothing to do, as for a row without an outcome.
    * ASIDE: the model has no vector for it, so the index has no such row.

    A stored id that the source lacks is deleted; it has no row here.
    """

    ASIDE = -1
    UNCHANGED = 0
    METADATA = 1
    TEXT = 2
    ADDED = 3


class Noted(NamedTuple):
    """The outcome on a row, with what is needed of it later; ``size``: UTF-8 bytes of the text."""

    ordinal: int
    outcome: Outcome
    id: str
    text_hash: bytes
    size: int
