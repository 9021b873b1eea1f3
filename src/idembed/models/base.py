"""What every model promises: texts in, vectors of one space out, and a receipt for each text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from idembed.space import Side, Space

__all__ = ["Embedded", "Model", "OnEmpty", "OnLong", "Receipt", "TruncationWarning", "Vectors"]

Vectors = NDArray[np.float32]
OnLong = Literal["cut", "error"]
OnEmpty = Literal["error", "skip"]


class TruncationWarning(UserWarning):
    """Texts had more tokens than the model reads and were cut; only what it read is in their vectors."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What happened to one text: ``tokens`` the model read, ``truncated`` when the text had more (then
    ``tokens_in_text`` of them), and the ``prompt`` that was put before it. Word vectors read the words that they
    know and leave out the ``unknown`` ones; where ``tokens`` is 0 there is no vector."""

    tokens: int
    truncated: bool = False
    tokens_in_text: int = 0
    prompt: str = ""
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vectors`` float32 [n, dim], row i for text i, and as many ``receipts``. ``refused``: the positions of texts
    that an API would not embed, each with its reason; what stands in their rows means nothing."""

    vectors: Vectors
    receipts: list[Receipt]
    refused: Mapping[int, str] = field(default_factory=dict)


class Model(ABC):
    """Turns texts into vectors of ``space``. Same text, same side: same bytes, whatever stands beside it."""

    name: str
    """How a person calls it, such as ``all-MiniLM-L6-v2``; recorded to load it again, no part of the space."""
    repeatable: bool
    """True when embedding a text again gives the same bytes (local models); False for APIs."""
    reads_every_text: bool = True
    """False when a text may have no vector, which its receipt tells: word vectors know only their own words."""
    batch_size: int = 256
    """Texts that it is best given at once. Between two calls what was made is written, so that a killed process loses
    the work of one call."""
    dollars_per_million_tokens: float = 0.0
    """What embedding costs; nothing on this machine."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """The space. Does not load weights."""

    @abstractmethod
    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """Vectors of the space for ``texts`` and their receipts.

        ``progress`` is called with the number of texts done since the last call. Raises TooLongError naming
        the first text over the maximum length when ``on_long="error"``, NoKnownWordError the first one without a
        vector (see ``reads_every_text``); nothing was computed then.
        """

    @abstractmethod
    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """The receipts that ``embed`` would give, without computing vectors."""
