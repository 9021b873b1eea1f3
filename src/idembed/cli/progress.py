"""Progress bars on standard error: on a terminal only, and only for what takes longer than a second."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from idembed.shown import dollars_of, number_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from idembed.index import Progress as IndexProgress

__all__ = ["Bars"]


_UNITS = {"waiting": "batch jobs"}


class _State(NamedTuple):
    phase: str
    done: int
    total: int | None
    unit: str
    speed: bool
    paid: str


class Bars:
    """The phase that is under way, as a bar that is gone at the end.

    ``with Bars() as bars: bars.update("embedding", done, total)``. ``patience``: seconds without a bar.
    """

    def __init__(self, *, quiet: bool = False, patience: float = 1.0) -> None:
        self._wanted = not quiet and sys.stderr.isatty()
        self._timer = threading.Timer(patience, self._begin)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._last: _State | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._phase = ""

    def update(
        self,
        phase: str,
        done: int = 0,
        total: int | None = None,
        unit: str = "",
        *,
        speed: bool = False,
        paid: str = "",
    ) -> None:
        """Say how far ``phase`` is. ``total`` None shows a bar that only moves; ``unit`` empty: of rows, or whatever is
        counted in that phase; ``speed`` adds units per second, ``paid`` what was paid until now."""
        unit = unit or _UNITS.get(phase, "rows")
        with self._lock:
            self._last = _State(phase, done, total, unit, speed, paid)
            self._show()

    def follow(self, progress: IndexProgress) -> None:
        """Say how far an index is; of an API also how many tokens it read, and for how much."""
        paid = number_of(progress.tokens, "token") if progress.tokens else ""
        if progress.dollars:
            paid += f"{', ' if paid else ''}{dollars_of(progress.dollars)}"
        self.update(progress.phase, progress.done, progress.total, paid=paid)

    def __enter__(self) -> Self:
        if self._wanted:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._wanted = False
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def _begin(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        from idembed.cli.output import console

        with self._lock:
            if not self._wanted:
                return
            self._progress = Progress(
                TextColumn("{task.description}", markup=False, style="bold"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[count]}", markup=False),
                TimeRemainingColumn(compact=True),
                console=console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._show()

    def _show(self) -> None:
        if self._progress is None or self._last is None:
            return
        phase, done, total, unit, speed, paid = self._last
        if self._task is None or phase != self._phase:  # a new bar: what remains is estimated afresh
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(phase, total=total, count="")
            self._phase = phase
        count = f"{done:,} of {total:,} {unit}" if total is not None else f"{done:,} {unit}" if done else ""
        if speed and (per_second := self._progress.tasks[-1].speed):
            count += f", {per_second:,.0f} {unit}/s"
        if paid:
            count += f"{', ' if count else ''}{paid}"
        self._progress.update(self._task, completed=done, total=total, count=count)
