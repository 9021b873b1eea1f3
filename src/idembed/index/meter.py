"""What embedding may cost, in money and in load on the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from idembed.arguments import is_number
from idembed.errors import CostLimitError, OptionError
from idembed.models.base import Model
from idembed.shown import number_of

__all__ = ["Meter"]


class Meter:
    """Stops before ``max_dollars`` would be passed, and holds ``texts_per_second`` on the average since the first text.

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
        self._began: float | None = None
        self._texts = 0
        self.dollars = 0.0

    def before(self, model: Model, texts: Sequence[str], alive: Callable[[], None] = lambda: None) -> None:
        """Wait as long as the rate demands, calling ``alive`` every second. Raises CostLimitError when these texts cost
        more than is left, before the model is asked."""
        if self._max is not None and model.dollars_per_million_tokens:
            tokens = sum(receipt.tokens for receipt in model.receipts(texts))
            if self.dollars + _price(model, tokens) > self._max:
                spent = f"${self.dollars:,.2f} went for {number_of(self._texts, 'text')}"
                raise CostLimitError(
                    f"the limit of ${self._max:,.2f} is reached: {spent}",
                    hint="what was embedded is kept: run it again with a higher limit (--max-cost), and it goes on",
                    spent=self.dollars,
                )
        if self._rate is not None:
            now = self._clock()
            self._began = now if self._began is None else self._began
            due = self._began + self._texts / self._rate
            while (wait := due - self._clock()) > 0:
                alive()
                self._sleep(min(wait, 1.0))
        self._texts += len(texts)

    def after(self, model: Model, tokens: int) -> None:
        """What was really read."""
        self.dollars += _price(model, tokens)


def _price(model: Model, tokens: int) -> float:
    return tokens * model.dollars_per_million_tokens / 1e6
