"""How many tokens a text has, before the provider counts them.

Tokenizers are not at hand for most providers, so tokens are guessed from bytes of UTF-8, and the guess is corrected by
what the provider reports. With tiktoken, and its encoding on this machine, OpenAI's tokens are counted.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["TokenGuess", "tiktoken_counter"]

_ASCII = 1 / 4
"""Tokens a byte of English; code and digits have up to twice as many, which the margin covers."""
_OTHER = 1 / 2.2
"""Tokens a byte of other scripts: 0.3 to 0.6."""
_MARGIN = 1.6
"""What a guess may be too low by before anything was reported."""
_LEARNED_MARGIN = 1.08
_FORGET = 0.97
_ENCODING = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"


class TokenGuess:
    """Guesses that get better with every ``learn``. May be used by several threads."""

    def __init__(self, count: Callable[[str], int] | None = None) -> None:
        """``count`` counts exactly, if that is possible."""
        self._count = count
        self._lock = threading.Lock()
        self._ratio = 1.0
        self._highest = _MARGIN
        self._learned = 0
        self._has_begun = False

    @property
    def is_exact(self) -> bool:
        """Whether tokens are counted, not guessed."""
        return self._count is not None

    @property
    def high(self) -> float:
        """By how much more than the guess a request may have."""
        return 1.0 if self._count else self._highest / self._ratio

    @property
    def ratio(self) -> float:
        """Tokens for each that the bytes alone make."""
        return self._ratio

    def begin(self, ratio: float) -> None:
        """Begin with what was learned before, unless something was learned since."""
        with self._lock:
            if not self._learned and not self._has_begun:
                self._ratio, self._highest, self._has_begun = ratio, _MARGIN * ratio, True

    def of(self, text: str) -> int:
        """The likeliest number, at least 1."""
        if self._count:
            return max(1, self._count(text))
        return max(1, round(_raw(text) * self._ratio))

    def learn(self, texts: Sequence[str], tokens: int) -> None:
        """The provider counted so many ``tokens`` in these texts, none of which was cut."""
        raw = sum(map(_raw, texts))
        if self._count or raw < 8 or tokens <= 0:
            return
        with self._lock:
            ratio = tokens / raw
            share = max(0.1, 1 / (self._learned + 1))
            self._ratio += share * (ratio - self._ratio)
            if self._learned == 0:
                self._highest = ratio * 1.25
            self._learned += 1
            self._highest = max(ratio * _LEARNED_MARGIN, self._ratio + (self._highest - self._ratio) * _FORGET)

    def was_too_low(self, guessed: int, limit: int) -> None:
        """A request for which so many tokens were ``guessed`` had more than the ``limit``."""
        with self._lock:
            if guessed * self._highest < limit * self._ratio * 1.01:  # else it was known
                self._highest = self._ratio * 1.05 * limit / max(1, guessed)

    @property
    def is_learned(self) -> bool:
        """Whether enough was reported to tell that a number is far too low."""
        return self._count is not None or self._has_begun or self._learned >= 3


def _raw(text: str) -> float:
    if text.isascii():
        return 1 + len(text) * _ASCII
    size = len(text.encode("utf-8", "surrogatepass"))
    other = sum(not char.isascii() for char in text)
    ascii_bytes = len(text) - other
    return 1 + ascii_bytes * _ASCII + (size - ascii_bytes) * _OTHER


def tiktoken_counter() -> Callable[[str], int] | None:
    """What counts the tokens of OpenAI's embedding models; None unless tiktoken is installed and its encoding is on
    this machine, for it would be fetched otherwise."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    place = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    if not (place / hashlib.sha1(_ENCODING.encode(), usedforsecurity=False).hexdigest()).is_file():
        return None
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("cl100k_base")
    except Exception:  # whatever is wrong with it, a guess does
        return None
    return lambda text: len(encoding.encode_ordinary(text))
