"""Texts of more tokens than a checkpoint reads: receipts tell of them, and they are refused or warned about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idembed.errors import TooLongError
from idembed.models.base import Receipt
from idembed.models.texts import warn_cut

__all__ = ["receipts_of", "refuse_long", "warn_of_cut"]


def receipts_of(ids: Sequence[Sequence[int]], whole: Sequence[int], prompt: str) -> list[Receipt]:
    """Of texts of which the tokens ``ids`` were read, and that have ``whole`` so many, ``prompt`` included."""
    return [
        Receipt(len(read), True, n, prompt) if n > len(read) else Receipt(n, prompt=prompt)
        for read, n in zip(ids, whole, strict=True)
    ]


def refuse_long(lengths: Iterable[int], name: str, limit: int) -> None:
    """Raise TooLongError for the first of the texts, of so many tokens each, that has more than the ``limit`` of the
    model ``name``."""
    for position, tokens in enumerate(lengths):
        if tokens > limit:
            raise TooLongError(
                f"text {position} has {tokens} tokens; {name} reads {limit}",
                hint='split it, or let it be cut with on_long="cut"',
                position=position,
                tokens=tokens,
                max_length=limit,
            )


def warn_of_cut(which: str, name: str, limit: int, first: int, tokens: int) -> None:
    """A TruncationWarning: ``which`` texts were cut to the ``limit`` of the model ``name``, the ``first`` of them, by
    its position, having so many ``tokens``."""
    warn_cut(f"{which} cut to the {limit} tokens that {name} reads; the first is text {first}, which has {tokens}")
