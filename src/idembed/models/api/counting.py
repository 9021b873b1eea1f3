"""What a provider counted: tokens of texts, what they cost, and whether all of a text was read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from idembed.models.api.adapter import Answer
from idembed.models.api.packing import Pack
from idembed.models.api.spend import Purpose

__all__ = ["ALONE", "Spent", "Till", "counted_in", "is_cut_in_silence", "tokens_of"]

ALONE = 256
"""Texts of so many tokens go alone where a text may be cut in silence: then it is known how much of it was read."""
_SILENT = 0.6
"""Where so much less of a text was read than was guessed, it was cut in silence."""
_WINDOWS = (256, 384, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
_TOLD_EVERY = 2.0
_MOST_TOKENS = 1_000_000_000


@dataclass(slots=True)
class Spent:
    """What some requests took: ``guessed`` where the provider did not say how many tokens it counted."""

    requests: int = 0
    texts: int = 0
    tokens: int = 0
    dollars: float = 0.0
    guessed: bool = False


class Till:
    """Adds up what is spent, and tells it every two seconds: a killed process keeps little to itself. May be used by
    several threads."""

    def __init__(self, tell: Callable[[Spent, Purpose], None], purpose: Purpose) -> None:
        self._tell = tell
        self._purpose = purpose
        self._lock = threading.Lock()
        self._spent = Spent()
        self._told_at = time.monotonic()

    def note(self, texts: int, tokens: int, dollars: float, *, guessed: bool) -> float:
        """One request was answered, or may have been; its ``dollars``."""
        with self._lock:
            self._spent.requests += 1
            self._spent.texts += texts
            self._spent.tokens += tokens
            self._spent.dollars += dollars
            self._spent.guessed |= guessed
            due = time.monotonic() - self._told_at >= _TOLD_EVERY
        if due:
            self.tell()
        return dollars

    def tell(self) -> None:
        """What was spent since this was told last."""
        with self._lock:
            spent, self._spent = self._spent, Spent()
            self._told_at = time.monotonic()
        if spent.requests:
            self._tell(spent, self._purpose)


def counted_in(answer: Answer) -> int | None:
    """How many tokens the provider says it counted, if it says so."""
    if isinstance(answer.text_tokens, list) and all(map(_is_count, answer.text_tokens)):
        return sum(answer.text_tokens)
    return answer.tokens if answer.tokens and _is_count(answer.tokens) else None


def _is_count(told: object) -> bool:
    """Whether it is a number of tokens, and not just any number."""
    return type(told) is int and 0 <= told <= _MOST_TOKENS


def tokens_of(pack: Pack, answer: Answer, counted: int | None) -> list[int]:
    """Tokens by text: as the provider says, else what it counted in all, shared out by the guess."""
    if counted is not None and answer.text_tokens is not None and len(answer.text_tokens) == len(pack.items):
        return list(answer.text_tokens)
    guesses = [item.tokens for item in pack.items]
    if counted is None:
        return guesses
    shares, before, total = [], 0, max(1, sum(guesses))
    for guessed in accumulate(guesses):
        upto = counted * guessed // total
        shares.append(upto - before)
        before = upto
    return shares


def is_cut_in_silence(counted: int, guess: int, most_read: int) -> bool:
    """Whether a text that is guessed to have ``guess`` tokens, of which ``counted`` were read, has more than these.
    ``most_read``: the most that were ever read of a text, which is no more than the model's window."""
    if guess < ALONE:
        return False
    at_the_window = counted in _WINDOWS and guess > 0.9 * counted and most_read <= counted
    return counted < _SILENT * guess or at_the_window
