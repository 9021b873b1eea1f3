"""Is one stored row, with its vectors, what it should be? Everything is hashed again as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from idembed.index.embed import Span, spans
from idembed.rows import row_hash, text_hash
from idembed.space import Space, address
from idembed.split import Splitter
from idembed.stores.base import Generation, StoredPart, StoredRow

__all__ = ["Defect", "Kind", "examine_parts", "examine_row", "may_lack", "suspicious"]

_UNIT = 1e-3
"""How far from 1 the length of a vector of a cosine space may be; rounding to float32 makes some 1e-7."""


class Kind(StrEnum):
    """What may be wrong."""

    TEXT = "altered text"
    METADATA = "altered metadata"
    ROW = "altered row"
    EXTRA_ROW = "extra row"
    LOST_ROW = "missing row"
    MISSING = "missing vector"
    STALE = "vector of another text"
    EXTRA = "extra vector"
    SPACE = "wrong space"
    WIDTH = "wrong width"
    NUMBERS = "NaN or infinity"
    ZERO = "zero vector"
    LENGTH = "not of unit length"
    ALTERED = "altered vector"
    MODEL = "not what the model says"
    DAMAGE = "damaged database"

    @property
    def of_vector(self) -> bool:
        """Whether the model, or the vault, can mend it."""
        return self in _OF_VECTORS


_OF_VECTORS = frozenset(
    {
        Kind.MISSING,
        Kind.STALE,
        Kind.EXTRA,
        Kind.SPACE,
        Kind.WIDTH,
        Kind.NUMBERS,
        Kind.ZERO,
        Kind.LENGTH,
        Kind.ALTERED,
        Kind.MODEL,
    }
)


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that is not as it should be: of the row ``id`` or, in ``generation``, of its vector ``part``."""

    kind: Kind
    id: str
    generation: int | None = None
    part: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        part = "" if self.part is None else f", part {self.part}"
        where = "" if self.generation is None else f" (generation {self.generation}{part})"
        return f"{self.kind}: {self.id}{where}{': ' if self.detail else ''}{self.detail}"


def examine_row(row: StoredRow) -> Iterator[Defect]:
    """What is wrong with the text, the metadata, or the row as a whole; nothing for one that is merely not settled."""
    if not (row.text_hash or row.metadata_hash or row.row_hash):
        yield Defect(Kind.EXTRA_ROW, row.id, detail="no sync wrote it")
        return
    right = True
    if row.text_hash != text_hash(row.text):
        right = False
        yield Defect(Kind.TEXT, row.id, detail="" if row.text_hash else "another program edited it")
    if row.metadata_hash != text_hash(row.metadata_json):
        right = False
        yield Defect(Kind.METADATA, row.id, detail="" if row.metadata_hash else "another program edited it")
    if right and row.row_hash and row.row_hash != row_hash(row.id, row.text, row.metadata_json):
        yield Defect(Kind.ROW, row.id, detail="its id is not the one it was written under")


def examine_parts(row: StoredRow, generation: Generation, splitter: Splitter | None) -> Iterator[Defect]:
    """What is wrong with the vectors of a row whose text is right; nothing where it has none and ``may_lack`` them."""
    expected = spans(splitter, row.text)
    if not row.parts and may_lack(row, generation):
        return
    found = {part.part: part for part in row.parts}
    for number, span in enumerate(expected):
        part = found.pop(number, None)
        if part is None:
            yield Defect(Kind.MISSING, row.id, generation.number, number)
        elif defect := _examine(row, part, span, generation.space):
            kind, detail = defect
            yield Defect(kind, row.id, generation.number, number, detail)
    for number in sorted(found):
        yield Defect(Kind.EXTRA, row.id, generation.number, number, f"the text has {len(expected):,} parts")


def may_lack(row: StoredRow, generation: Generation) -> bool:
    """Whether the row may have no vectors yet: they are being built, or the next sync gives them."""
    return not generation.complete and (generation.status != "active" or not row.row_hash)


def _examine(row: StoredRow, part: StoredPart, span: Span, space: Space) -> tuple[Kind, str] | None:
    """The first thing that is wrong, the plainest first."""
    vector = part.vector
    if vector is None and not part.empty:
        return Kind.MISSING, "its place is empty"
    if vector is not None:
        if len(vector) != space.dim:
            return Kind.WIDTH, f"{len(vector):,} numbers instead of {space.dim:,}"
        if not np.isfinite(vector).all():
            return Kind.NUMBERS, ""
    if vector is not None and not vector.any() and not part.is_whole:
        return Kind.ZERO, ""
    if part.text_hash and part.text_hash != row.text_hash:
        return Kind.STALE, ""
    if part.span != span:
        return Kind.STALE, f"it is of characters {part.span[0]} to {part.span[1]}, not {span[0]} to {span[1]}"
    if part.address and part.address != address(space.id, "document", row.text[span[0] : span[1]]):
        return Kind.SPACE, "its address is of another space or text"
    if not part.text_hash:
        return Kind.ALTERED, "another program edited it"
    if not part.is_whole:
        return Kind.ALTERED, ""
    if vector is not None and vector.any() and space.similarity == "cosine":
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if abs(length - 1) > _UNIT:
            return Kind.LENGTH, f"its length is {length:.4g}"
    return None


def suspicious(part: StoredPart) -> bool:
    """Whether a vector is rare enough to be compared with the model in any case: all zeros, as written."""
    return part.vector is not None and not part.vector.any()
