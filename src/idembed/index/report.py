"""What an operation did, in numbers that prove it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Phase", "Progress", "Report"]

Phase = Literal["reading", "planning", "embedding", "deleting"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is: ``done`` of ``total`` rows (None while unknown)."""

    phase: Phase
    done: int
    total: int | None


@dataclass(slots=True)
class Report:
    """Outcome of a sync or upsert.

    ``embedded`` counts the distinct texts that went through the model, ``reused`` the rows of the source that
    needed no model call; ``added``, ``changed`` (text), ``updated`` (metadata only) and ``deleted`` count
    rows; ``truncated`` the texts embedded now that were longer than the model reads; ``skipped`` what was
    left out, by the source or, for want of a known word, by ``on_empty="skip"``, each with the reason; ``tokens``
    those that the model read; ``seconds`` wall time, of which ``model_seconds`` in the model.
    """

    embedded: int = 0
    reused: int = 0
    added: int = 0
    changed: int = 0
    updated: int = 0
    deleted: int = 0
    truncated: int = 0
    tokens: int = 0
    skipped: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    model_seconds: float = 0.0

    def __str__(self) -> str:
        return f"embedded {self.embedded:,}, reused {self.reused:,}, updated {self.updated:,}, deleted {self.deleted:,}"

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)
