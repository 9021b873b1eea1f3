"""To one model of one provider: who asks, how fast, within which limits, and what it costs."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from idembed.errors import ApiError
from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Settings
from idembed.models.api.call import Call
from idembed.models.api.counting import Spent, is_cut_in_silence
from idembed.models.api.http import Http, http_of
from idembed.models.api.keys import Credential
from idembed.models.api.pacing import Pacer, pacer_of
from idembed.models.api.packing import Pack
from idembed.models.api.spend import Purpose
from idembed.models.api.tokens import TokenGuess
from idembed.models.base import Embedded, Journal, OnLong
from idembed.shown import clean
from idembed.space import Side

__all__ = ["Spent", "Transport"]

_BY_TOKENS = 0.7
"""A request that was too much had too many tokens if it was near their limit, else too many texts."""
_EXPECTED = 1.02
"""By how much more than the guess a request is expected to take of the rate; more would leave some of it unused."""


class Transport:
    """To one model of one provider, with one key. May be used by several threads."""

    def __init__(
        self,
        adapter: Adapter,
        settings: Settings,
        credential: Callable[[], Credential],
        *,
        price: float | None = None,
        guess: TokenGuess | None = None,
        http: Http | None = None,
    ) -> None:
        """``credential`` is called when something is first sent. ``price``: dollars for a million tokens (None: not
        known)."""
        self.adapter = adapter
        self.settings = settings
        self._credential = credential
        self.known_price = price
        self.price = price or 0.0
        self.guess = guess or TokenGuess()
        self.http = http or http_of(settings.endpoint, adapter.title, own=not adapter.needs_key)
        self.limits: Limits = adapter.limits(settings)
        self.has_succeeded = False
        self.most_read = 0
        """The most tokens that were ever read of a text."""
        self.window: int | None = None
        """About the most tokens that the model reads, as was learned from texts that were cut; None: not yet, or it is
        no secret."""
        self.on_spent: Callable[[Spent, Purpose], None] = lambda spent, purpose: None
        """Told what a call took, and for what."""
        self.ending = ""
        """What is known of the model's end, for when it is not there any more."""
        self._lock = threading.Lock()

    @cached_property
    def credential(self) -> Credential:
        """Who asks. Raises ApiError where that is not known."""
        return self._credential()

    @cached_property
    def pacer(self) -> Pacer:
        """The one of this endpoint, key and model."""
        settings = self.settings
        return pacer_of(settings.endpoint, self.credential.hash, settings.model, self.adapter.limits(settings))

    def embed(
        self,
        texts: Sequence[str],
        side: Side,
        journal: Journal,
        *,
        dim: int | None,
        on_long: OnLong = "cut",
        purpose: Purpose | None = None,
        patience: float = 600.0,
    ) -> Embedded:
        """Vectors float32 [n, dim] of unit length. ``dim`` None: as the provider says. ``patience``: seconds without
        any success before it is given up. Raises ApiError, ModelError where the credentials of a machine are missing,
        and what ``journal`` raises; what was made before was given to ``journal.made``."""
        _ = self.credential  # a key that is not there is not looked for by every thread
        call = Call(self, texts, side, journal, dim, on_long, patience, purpose or side)
        try:
            return call.run()
        finally:
            call.till.tell()

    def fits(self, pack: Pack) -> bool:
        """Whether a pack is within what was learned about the provider's limits and rates since it was packed."""
        most = self.pacer.capacity("tokens")
        return len(pack.items) <= self.limits.inputs and (most is None or pack.tokens <= most)

    def expected(self, pack: Pack, ratio: float) -> tuple[int, int]:
        """So many tokens to expect of the rate, and the most that may have to be paid. ``ratio``: that of the guess
        when the texts were looked at; what was learned since then counts."""
        guess, window = self.guess, self.limits.text_tokens
        likely = pack.tokens * guess.ratio / ratio
        most = sum(min(item.tokens * guess.ratio / ratio * guess.high, window or math.inf) for item in pack.items)
        expected = likely * _EXPECTED if guess.is_learned else likely * guess.high
        return math.ceil(min(most, expected)), math.ceil(most)

    def too_much(self, pack: Pack) -> None:
        """This was too much for a request."""
        with self._lock:
            most = self.limits.tokens
            if most is not None and pack.tokens * self.guess.high >= _BY_TOKENS * most:
                self.guess.was_too_low(pack.tokens, most)
            else:
                fewer = max(1, len(pack.items) // 2)
                self.limits = replace(self.limits, inputs=min(self.limits.inputs, fewer))

    def cut_in_silence(self, pack: Pack, answer: Answer, counted: int | None) -> set[int]:
        """The one text of a request, if it has more tokens than the provider ``counted``, where it does not tell."""
        if self.adapter.tells_truncation or counted is None or len(pack.items) != 1 or answer.truncated:
            return set()
        with self._lock:
            most_read, self.most_read = self.most_read, max(self.most_read, counted)
        is_cut = self.guess.is_learned and is_cut_in_silence(counted, pack.items[0].tokens, most_read)
        return {0} if is_cut else set()

    def was_cut(self, tokens: int) -> None:
        """A text that was too long was taken when so many tokens were left of it."""
        with self._lock:
            self.window = max(self.window or 0, tokens)

    def advice(self, fault: Fault, status: int) -> str:
        """What to do about an error that ends it: a key is named by where it came from, and a model that is not there
        by what is known of its end."""
        if status == 401 or fault.hint.startswith("the key "):
            return "; ".join(filter(None, (fault.hint, self.credential.advice)))
        about_model = status in (404, 410) or (status == 400 and "model" in fault.hint)
        return self.ending if about_model and self.ending else fault.hint

    def error(self, reason: str, hint: str = "", **facts: object) -> ApiError:
        """An error of this provider, without its key."""
        said = clean(self.credential.without(reason))
        adapter, model = self.adapter, self.settings.model
        return ApiError(f"{adapter.title}, {model}: {said}", hint=hint, provider=adapter.provider, model=model, **facts)
