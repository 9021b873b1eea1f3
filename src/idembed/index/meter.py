"""What embedding may cost, in money and in load on the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from idembed.arguments import is_number
from idembed.errors import CostLimitError, OptionError
from idembed.models.base import Journal, Model, never
from idembed.shown import dollars_of, number_of

__all__ = ["Meter", "Paying"]

_STEP = 0.25
_NOTHING = 1e-12
"""Dollars: what is left of sums of floating-point numbers that are nothing."""


class Meter:
    """Stops before ``max_dollars`` would be passed, and holds ``texts_per_second`` on the average since the first text.
    May be used by several threads.

    ``clock`` and ``sleep`` are those of the time module.
    """

    def __init__(
        self,
        max_dollars: float | None = None,
        texts_per_second: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if max_dollars is not None and not (is_number(max_dollars) and max_dollars >= 0):
            raise OptionError(f"max_cost={max_dollars!r}: it is a number of dollars, 0 or more")
        if texts_per_second is not None and not (is_number(texts_per_second) and texts_per_second > 0):
            raise OptionError(f"throttle={texts_per_second!r}: it is a number of texts a second, more than 0")
        self._max = max_dollars
        self._rate = texts_per_second
        self._clock = clock
        self._sleep = sleep
        self._changed = threading.Condition()
        self._began: float | None = None
        self._texts = 0
        self._paced = 0
        self._reserved = 0.0
        self._promised = 0.0
        self.dollars = 0.0
        """What was spent."""

    def check(self, model: Model) -> None:
        """Raise OptionError when the limit cannot be kept, as it is not known what the model costs."""
        if self._max is not None and model.dollars_per_million_tokens is None:
            raise OptionError(
                f"max_cost cannot be kept: what {model.name} costs is not known",
                hint="say it in the model's name, in dollars for a million tokens: ?price=0.02",
            )

    def reserve(
        self,
        texts: int,
        dollars: float,
        alive: Callable[[], None] | None = None,
        *,
        stopped: Callable[[], bool] = never,
    ) -> None:
        """Set ``dollars`` aside for so many texts, and wait as long as the rate demands, calling ``alive`` every
        second, unless ``stopped``. Where what others set aside is in the way, it is waited for: they may cost less.
        Raises CostLimitError when it is more than is left, before a model is asked."""
        with self._changed:
            while self._is_over(dollars) and self._reserved > _NOTHING and not stopped():
                self._changed.wait(_STEP)
            if self._is_over(dollars):
                raise self._over()
            self._reserved += dollars
            self._began = self._clock() if self._began is None else self._began
            due = self._began + self._paced / self._rate if self._rate is not None else None
            self._paced += texts
            self._texts += texts
        while due is not None and (wait := due - self._clock()) > 0 and not stopped():
            if alive is not None:
                alive()
            self._sleep(min(wait, 1.0))

    def _is_over(self, dollars: float) -> bool:
        if self._max is None or not dollars:
            return False
        return self.dollars + self._promised + self._reserved + dollars > self._max

    def _over(self) -> CostLimitError:
        assert self._max is not None
        under_way = f", {dollars_of(self._promised)} is under way" if self._promised >= 0.005 else ""
        spent = f"{dollars_of(self.dollars)} went for {number_of(self._texts, 'text')}{under_way}"
        return CostLimitError(
            f"the limit of {dollars_of(self._max)} is reached: {spent}",
            hint="what was embedded is kept: run it again with a higher limit (--max-cost), and it goes on",
            spent=self.dollars,
        )

    def promise(self, texts: int, dollars: float) -> None:
        """Set ``dollars`` aside for long (``fulfil``); the rate is nothing to these texts. Raises CostLimitError."""
        with self._changed:
            if self._is_over(dollars):
                raise self._over()
        self.promised(texts, dollars)

    def promised(self, texts: int, dollars: float) -> None:
        """An earlier run set so much aside, and asked already: it will be spent, whatever the limit is."""
        with self._changed:
            self._texts += texts
            self._promised += dollars

    def fulfil(self, promised: float, dollars: float) -> None:
        """What was promised was spent, or was not."""
        with self._changed:
            self._promised -= promised
            self.dollars += dollars

    def settle(self, reserved: float, dollars: float) -> None:
        """What was set aside for a request is free again, and what it cost is spent."""
        with self._changed:
            self._reserved -= reserved
            self.dollars += dollars
            self._changed.notify_all()


class Paying(Journal):
    """A model is asked for what the meter allows, and for nothing else."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        self._meter.reserve(texts, dollars, stopped=stopped)

    def settle(self, reserved: float, dollars: float) -> None:
        self._meter.settle(reserved, dollars)
