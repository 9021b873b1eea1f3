"""A model whose vectors are a function of (its name, the text): which text made a vector can be read off it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from idembed.errors import NoKnownWordError
from idembed.models.base import Embedded, Model, OnLong, Receipt, Vectors
from idembed.space import Side, Space, address

MAX_TOKENS = 50


def rows(*pairs: str, **metadata: object) -> list[dict[str, object]]:
    """``"a:text of a"`` as rows."""
    return [{"id": p.split(":", 1)[0], "text": p.split(":", 1)[1], "metadata": dict(metadata)} for p in pairs]


def one_row_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is written in a transaction of its own."""
    monkeypatch.setattr("idembed.index.write._ROWS", 1)
    monkeypatch.setattr("idembed.index.pace._ROWS", 1)


class FakeModel(Model):
    """Unit vectors from BLAKE2b of (name, text); a token is a word; ``asked`` logs every embedded text.

    ``log`` is a file that survives a killed process: the address of every text asked for, one a line.
    """

    repeatable = True

    def __init__(self, name: str = "fake", dim: int = 16, log: Path | None = None) -> None:
        self.name = name
        self.dim = dim
        self.log = log
        self.asked: list[str] = []

    @property
    def space(self) -> Space:
        return Space("fake", self.dim, "cosine", {"weights": self.name})

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        counts = [len(text.split()) for text in texts]
        return [Receipt(min(n, MAX_TOKENS), n > MAX_TOKENS, n) for n in counts]

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        if side == "document":
            self.asked.extend(texts)
            if self.log is not None:
                with self.log.open("a", encoding="utf-8") as file:
                    file.writelines(address(self.space.id, side, text).hex() + "\n" for text in texts)
        return Embedded(np.stack([self.vector(text) for text in texts]), self.receipts(texts, side))

    def vector(self, text: str) -> Vectors:
        """The float32 [dim] vector of ``text``: signs of a hash, all of one size, exact in float32."""
        bits = hashlib.shake_256(f"{self.name}\0{text}".encode()).digest(self.dim)
        signs = np.where(np.frombuffer(bits, np.uint8) & 1, 1.0, -1.0).astype(np.float32)
        return signs * np.float32(1 / np.sqrt(self.dim))


class FakeWords(FakeModel):
    """As word vectors do, it knows only some words: those without an x. ``asked_for_receipts`` counts."""

    reads_every_text = False

    def __init__(self, name: str = "fake words") -> None:
        super().__init__(name)
        self.asked_for_receipts = 0

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        self.asked_for_receipts += 1
        known = [sum("x" not in word for word in text.split()) for text in texts]
        return [Receipt(n, unknown=len(text.split()) - n) for n, text in zip(known, texts, strict=True)]

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        for position, receipt in enumerate(self.receipts(texts, side)):
            if not receipt.tokens:
                raise NoKnownWordError(f"text {position} has no word that {self.name} knows", position=position)
        return super().embed(texts, side, on_long=on_long, progress=progress)


class FakeApi(FakeModel):
    """As of an API: ``provider:model``, perhaps asked at an ``endpoint`` of somebody else's."""

    repeatable = False

    def __init__(self, name: str, endpoint: str | None = None) -> None:
        super().__init__(name)
        self.endpoint = endpoint

    @property
    def space(self) -> Space:
        provider, model = self.name.split(":", 1)
        facts = {"provider": provider, "model": model} | ({"endpoint": self.endpoint} if self.endpoint else {})
        return Space("api", self.dim, "cosine", facts)
