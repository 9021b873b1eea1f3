"""What every model promises: texts in, vectors of one space out, and a receipt for each text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from idembed.space import Side, Space

__all__ = [
    "API_BATCH_SIZE",
    "Embedded",
    "Journal",
    "Model",
    "OnEmpty",
    "OnLong",
    "Receipt",
    "RetirementWarning",
    "TruncationWarning",
    "Vectors",
    "never",
]

Vectors = NDArray[np.float32]
OnLong = Literal["cut", "error", "refuse"]
OnEmpty = Literal["error", "skip"]
API_BATCH_SIZE = 16_384
"""Texts that an API is given at once: enough for several requests side by side."""


class TruncationWarning(UserWarning):
    """Texts had more tokens than the model reads and were cut; only what it read is in their vectors."""


class RetirementWarning(UserWarning):
    """The provider of the model that an index was built with ends it, or ended it."""


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
    that are not embedded, each with its reason, ``too_long`` those of them that have more tokens than the model reads;
    what stands in their rows means nothing."""

    vectors: Vectors
    receipts: list[Receipt]
    refused: Mapping[int, str] = field(default_factory=dict)
    too_long: frozenset[int] = frozenset()


def never() -> bool:
    """Nothing stops it."""
    return False


class Journal:
    """What whoever asks for vectors decides, and gets to know, while they are made (``Model.embed_with``). This one
    allows everything. ``reserve`` and ``settle`` may be called by several threads at once, the others only by the one
    that asked."""

    def reserve(self, texts: int, dollars: float, stopped: Callable[[], bool] = never) -> None:
        """So many texts are about to go to a model, and may cost so much. Waits, though no longer than until
        ``stopped`` says so, or raises CostLimitError."""

    def settle(self, reserved: float, dollars: float) -> None:
        """They cost ``dollars``, of which ``reserved`` were reserved."""

    def made(self, positions: Sequence[int], made: Embedded) -> None:
        """Vectors of the texts at these positions, ``made.vectors[i]`` that of the text at ``positions[i]``."""

    def alive(self) -> None:
        """Called now and then while the model works."""


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
    dollars_per_million_tokens: float | None = 0.0
    """What embedding costs; nothing on this machine. None: it costs, and is not known how much."""
    least_cosine: float | None = None
    """The lowest cosine to put up with between two vectors of one text, where a model is not repeatable and that is
    known."""

    def ready(self, journal: Journal | None = None) -> None:  # noqa: B027  most models are
        """Raise ModelError where it cannot be used: without a key or a connection, or as it is not what it was. An API
        may be asked for a few words, which ``journal`` pays."""

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

        ``progress`` is called with the number of texts done since the last call. A text over the maximum length is cut;
        or among those ``refused`` (``on_long="refuse"``); or TooLongError names the first one (``"error"``).
        NoKnownWordError names the first one without a vector (see ``reads_every_text``). Nothing was computed then,
        except by an API, which alone can tell.
        """

    def embed_with(
        self, texts: Sequence[str], journal: Journal, side: Side = "document", *, on_long: OnLong = "cut"
    ) -> Embedded:
        """As ``embed``, asking the ``journal`` first and telling it what was made. Raises what ``journal`` raises."""
        price, dollars = self.dollars_per_million_tokens or 0.0, 0.0
        if price:
            dollars = sum(receipt.tokens for receipt in self.receipts(texts, side)) * price / 1e6
        journal.reserve(len(texts), dollars)
        made = self.embed(texts, side, on_long=on_long, progress=lambda done: journal.alive())
        read = sum(receipt.tokens for n, receipt in enumerate(made.receipts) if n not in made.refused)
        journal.settle(dollars, read * price / 1e6)
        journal.made(range(len(texts)), made)
        return made

    @abstractmethod
    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """The receipts that ``embed`` would give, without computing vectors."""
