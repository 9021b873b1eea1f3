"""Whose are vectors that exist already? A sample of them is compared with what a model says."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from idembed.chunks import chunks
from idembed.errors import OptionError, RowError, SpaceMismatchError
from idembed.index.distinct import Ids, digest_of
from idembed.models.base import Model
from idembed.models.profiles import DEFAULT, chosen, named
from idembed.models.texts import raise_refused
from idembed.rows import CheckedRow
from idembed.shown import shell_word
from idembed.sources.vectors import RowsWithVectors

__all__ = ["Likeness", "Vector", "as_stored", "checked_likeness", "sample_of"]

_SAME = 0.9999
"""Vectors of one model have at least this cosine, whoever computed them: in float32, other libraries are apart by some
1e-7 of a number, which is 1e-14 of the cosine; rounded to half precision, by 4e-8 of it (both measured). Those of other
models are apart by far more. It tells only whose they are; what is recorded is what was measured."""
_ROWS = 500

Vector = NDArray[np.float32]


class Likeness(NamedTuple):
    """Of the vectors that were compared, ``equal`` are the model's own to the bit; the ``cosines`` of all."""

    equal: int
    cosines: list[float]

    @property
    def is_equal(self) -> bool:
        """Whether all are the model's own to the bit."""
        return self.equal == len(self.cosines)

    @property
    def lowest(self) -> float:
        """The lowest cosine."""
        return min(self.cosines)


def sample_of(source: RowsWithVectors, dim: int, count: int, ids: Ids) -> list[tuple[CheckedRow, Vector]]:
    """A fair draw of rows: those whose ids have the smallest hashes. Every row is read, and so checked, its id noted in
    ``ids``, and no id may occur twice."""

    def keyed() -> Iterator[tuple[bytes, CheckedRow, Vector]]:
        for chunk in chunks(source.read(dim), _ROWS):
            if (again := ids.add([row.id for row, _ in chunk])) is not None:
                raise RowError(f"{source.name}: the id {again!r} occurs more than once", id=again)
            yield from ((digest_of(row.id), row, vector) for row, vector in chunk)

    found = heapq.nsmallest(count, keyed(), key=lambda item: item[0])
    if not found:
        raise OptionError(f"{source.name} has no rows", hint="there is nothing to take over")
    return [(row, vector) for _, row, vector in found]


def checked_likeness(name: str, model: Model, rows: Sequence[tuple[CheckedRow, Vector]]) -> Likeness:
    """How like the model's own vectors those of ``rows`` are. Raises SpaceMismatchError unless the model made them;
    ``name`` is that of their source."""
    found = _compare(model, rows)
    if found.lowest < _SAME:
        raise _not_theirs(name, model, found)
    if not found.is_equal:
        _refuse_another_profile(name, model, rows, found)
    return found


def _compare(model: Model, rows: Sequence[tuple[CheckedRow, Vector]]) -> Likeness:
    """Of vectors as they will be stored."""
    equal, cosines = 0, []
    made = model.embed([row.text for row, _ in rows])
    raise_refused(made, [row.id for row, _ in rows])
    for (_, vector), own in zip(rows, made.vectors, strict=True):
        mine = as_stored(vector, model)
        equal += mine.tobytes() == own.tobytes()
        cosines.append(_likeness(mine.astype(np.float64), own.astype(np.float64)))
    return Likeness(equal, cosines)


def _likeness(there: NDArray[np.float64], here: NDArray[np.float64]) -> float:
    """The cosine of vectors of equal length, and less than that for others: by their lengths, too, the vectors of a
    ``dot`` space are told apart."""
    squares = float(there @ there + here @ here)
    return 2 * float(there @ here) / squares if squares else 0.0


def _not_theirs(name: str, model: Model, found: Likeness) -> SpaceMismatchError:
    return SpaceMismatchError(
        f"the vectors of {name} are not those of {model.name}: of {len(found.cosines):,} compared, the lowest cosine "
        f"is {found.lowest:.4f}, the mean {float(np.mean(found.cosines)):.4f}",
        hint="nothing was written. Name the model that made them, with its prompts, maximum length and profile; or "
        "sync the texts: idembed sync SOURCE INDEX",
        lowest=found.lowest,
    )


def _refuse_another_profile(
    name: str, model: Model, rows: Sequence[tuple[CheckedRow, Vector]], found: Likeness
) -> None:
    """Raise SpaceMismatchError where vectors that are near the model's are of another profile of it. Those of f32 and
    of i16 are as near to each other as those of two libraries; but no other library computes a profile of integers."""
    from idembed.models.checkpoint import Checkpoint

    if not isinstance(model, Checkpoint):
        return
    if model.profile != DEFAULT:
        raise SpaceMismatchError(
            f"the vectors of {name} are not those of {model.name} to the bit",
            hint="nothing was written. Only idembed computes this profile: adopt without a profile, then idembed "
            "upgrade",
            lowest=found.lowest,
        )
    other = Checkpoint(model.files, named(chosen(model.name, None)[0], "i16-1"), profile="i16-1")
    other.settings = model.settings
    if _compare(other, rows).is_equal:
        raise SpaceMismatchError(
            f"the vectors of {name} are not those of {model.name}, but those of {other.name} to the bit",
            hint=f"nothing was written. Adopt with that model: --model {shell_word(other.name)}",
            lowest=found.lowest,
        )


def as_stored(vector: Vector, model: Model) -> Vector:
    """As it is, unless its length is not 1 in a space of unit vectors."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if model.space.similarity == "dot" or not length or abs(length - 1) <= 1e-6:
        return vector
    return (vector.astype(np.float64) / length).astype(np.float32)
