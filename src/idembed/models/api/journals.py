"""Who is told what while texts are embedded, between those who asked and the transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from idembed.models.base import Embedded, Journal, never

__all__ = ["Paid", "Passing", "Told"]


class Passing(Journal):
    """Passes everything on."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal or Journal()

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        self._journal.reserve(texts, dollars, stopped)

    def settle(self, reserved: float, dollars: float) -> None:
        self._journal.settle(reserved, dollars)

    def alive(self) -> None:
        self._journal.alive()

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        self._journal.made(positions, made)


class Paid(Passing):
    """What a probe costs is paid as everything else; what it gives is nobody's business."""

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        self._journal.reserve(0, dollars, stopped)

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        pass


class Told(Journal):
    """Tells how many texts are done."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        self._progress(len(positions))
