"""What an operation did, in numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from idembed.shown import dollars_of, number_of

__all__ = ["Phase", "Progress", "Report", "Tell", "ignore", "rows_lack", "teller"]

Phase = Literal["reading", "planning", "embedding", "deleting", "checking", "comparing", "copying", "asking", "waiting"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is: ``done`` of ``total`` rows (None while unknown), of batch jobs while ``waiting`` for them.
    Where an API embeds them, it read so many ``tokens`` until now, for so many ``dollars``."""

    phase: Phase
    done: int
    total: int | None
    tokens: int = 0
    dollars: float = 0.0


class Tell(Protocol):
    """Who is told of progress."""

    def __call__(self, phase: Phase, done: int, total: int | None, tokens: int = 0, dollars: float = 0.0, /) -> None:
        """As the fields of ``Progress``."""


def ignore(phase: Phase, done: int, total: int | None, tokens: int = 0, dollars: float = 0.0, /) -> None:
    """Progress that nobody watches."""


def teller(progress: Callable[[Progress], None] | None) -> Tell:
    """``progress`` as the functions here call it."""
    if progress is None:
        return ignore
    return lambda *fields: progress(Progress(*fields))


def rows_lack(count: int) -> str:
    """``1 row has no vectors``, ``20 rows have no vectors``."""
    return f"{number_of(count, 'row')} {'has' if count == 1 else 'have'} no vectors"


@dataclass(slots=True)
class Report:
    """Outcome of a sync or upsert.

    ``embedded`` counts the distinct texts that went through a model, for every generation that is kept right;
    ``reused`` the rows of the source that needed no model call; ``added``, ``changed`` (text), ``updated`` (metadata
    only), ``moved`` (to another id) and ``deleted`` count rows; ``truncated`` the texts embedded now that were longer
    than the model reads; ``skipped`` what was left out as asked, by the source or, for want of a known word, by
    ``on_empty="skip"``, and ``aside`` the rows that could not be taken (refused by the model, or too long for
    ``on_long="skip"``), each with the reason; ``behind`` the generations that could not be kept right, by number, and
    why; ``tokens`` those that the model read, which cost ``dollars``; ``seconds`` wall time, of which ``model_seconds``
    in the model; ``forgotten`` the vectors that were removed from the vault.
    """

    embedded: int = 0
    reused: int = 0
    added: int = 0
    changed: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    truncated: int = 0
    tokens: int = 0
    dollars: float = 0.0
    skipped: tuple[tuple[str, str], ...] = ()
    aside: tuple[tuple[str, str], ...] = ()
    behind: tuple[tuple[int, str], ...] = ()
    forgotten: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0

    def __str__(self) -> str:
        moved = f"moved {self.moved:,}, " if self.moved else ""
        cost = f"; {dollars_of(self.dollars)}" if self.dollars else ""
        return (
            f"embedded {self.embedded:,}, reused {self.reused:,}, updated {self.updated:,}, {moved}"
            f"deleted {self.deleted:,}{cost}"
        )

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)
