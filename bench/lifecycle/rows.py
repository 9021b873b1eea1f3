"""Rows and a dummy embedder, the same for every tool; they need nothing but the standard library and NumPy."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
"""``id``, ``text``, and ``metadata`` with the fields ``lang``, ``year`` and ``tag``."""
_DIGEST = 64
"""Bytes of BLAKE2b."""


def rows(count: int, changed: int = 0) -> list[Row]:
    """The list of `make_rows`."""
    return list(make_rows(count, changed))


def make_rows(count: int, changed: int = 0) -> Iterator[Row]:
    """Texts of 200 characters, no white space at the ends (some tools strip it), and three metadata fields; every
    ``changed``-th text is new."""
    for i in range(count):
        edit = " edited" if changed and i % changed == 0 else ""
        text = f"row {i}{edit}: " + f"the quick brown fox number {i * 7919 % 1000003} " * 8
        yield {
            "id": f"row-{i}",
            "text": f"{text[:199]}.",
            "metadata": {"lang": "en", "year": 2000 + i % 25, "tag": f"t{i % 97}"},
        }


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its users know it, by ``name``, and what it is: its ``weights``."""

    name: str = "small"
    weights: str = "1"
    dim: int = 384

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dim], exact: which text and which weights made a vector can be read off it (2 µs a text)."""
        key = self.weights.encode()
        digests = b"".join(hashlib.blake2b(text.encode(), key=key).digest() for text in texts)
        spread = np.tile(np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST), -(-self.dim // _DIGEST))
        return (spread[:, : self.dim].astype(np.float32) - 127.5) / 128


class ModelFailedError(Exception):
    """What a model raises that was told to fail."""


@dataclass(slots=True)
class Embedder:
    """A ``model`` at work. ``log`` gets a line of JSON for every text embedded, and survives a killed process.

    ``batch``: the most texts at a time (None: as many as the tool asks for); a batch takes ``seconds``. Batch number
    ``fail_in`` raises ModelFailedError, batch number ``die_in`` kills the process (0: none does).
    """

    model: Model = Model()
    log: Path | None = None
    batch: int | None = None
    seconds: float = 0.0
    fail_in: int = 0
    die_in: int = 0
    batches: int = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dim]."""
        size = self.batch or max(1, len(texts))
        batches = [self._embed(texts[start : start + size]) for start in range(0, len(texts), size)]
        return np.concatenate(batches) if batches else np.empty((0, self.model.dim), np.float32)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        self.batches += 1
        if self.batches == self.fail_in:
            raise ModelFailedError(f"batch {self.batches} failed")
        if self.seconds:
            time.sleep(self.seconds)
        if self.batches == self.die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps([self.model.weights, text]) + "\n" for text in texts))
        return self.model.vectors(texts)
