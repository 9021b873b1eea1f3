"""What an operation did, in numbers that prove it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Phase", "Progress", "Report"]

Phase = Literal["reading", "planning", "embedding", "deleting", "checking", "copying"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is: ``done`` of ``total`` rows (None while unknown)."""

    phase: Phase
    done: int
    total: int | None


@dataclass(slots=True)
class Report:
    """Outcome of a sync or upsert.

    ``embedded`` counts the distinct texts that went through a model, for every generation that is kept right;
    ``reused`` the rows of the source that needed no model call; ``added``, ``changed`` (text), ``updated`` (metadata
    only), ``moved`` (to another id) and ``deleted`` count rows; ``truncated`` the texts embedded now that were longer
    than the model reads; ``skipped`` what was left out as asked, by the source or, for want of a known word, by
    ``on_empty="skip"``, and ``aside`` the rows that could not be taken (refused by the model, or too long for
    ``on_long="skip"``), each with the reason; ``behind`` the generations that could not be kept right, by number, and
    why; ``tokens`` those that the model read; ``seconds`` wall time, of which ``model_seconds`` in the model;
    ``forgotten`` the vectors that were removed from the vault.
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
