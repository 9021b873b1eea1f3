"""What an operation did, in numbers that prove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from idembed.shown import number_of

__all__ = ["Phase", "Progress", "Report", "Tell", "ignore", "rows_lack", "teller"]

Phase = Literal["reading", "planning", "embedding", "deleting", "checking", "comparing", "copying", "asking"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is: ``done`` of ``total`` rows (None while unknown)."""

    phase: Phase
    done: int
    total: int | None


Tell = Callable[[Phase, int, int | None], None]


def ignore(phase: Phase, done: int, total: int | None) -> None:
    """Progress that nobody watches."""


def teller(progress: Callable[[Progress], None] | None) -> Tell:
    """``progress`` as the functions here call it."""
    if progress is None:
        return ignore
    return lambda phase, done, total: progress(Progress(phase, done, total))


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
        return (
            f"embedded {self.embedded:,}, reused {self.reused:,}, updated {self.updated:,}, {moved}"
            f"deleted {self.deleted:,}"
        )

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)
