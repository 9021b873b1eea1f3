"""A model that costs (almost) nothing, and an index of its vectors."""

from __future__ import annotations

import compileall
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lifecycle.rows import Row

import idembed
import idembed.native.library
import idembed.sources.iterable
import idembed.stores.sqlite
from idembed import Index
from idembed.models.base import Embedded, Model, Receipt
from idembed.space import Space

DIM = 384
_NUMBERS = np.random.default_rng(1).standard_normal(1 << 20, dtype=np.float32)
_WINDOWS = np.lib.stride_tricks.sliding_window_view(_NUMBERS, DIM)


class FreeModel(Model):
    """Some of a million random numbers, chosen by the text's checksum and made of unit length: a microsecond a text."""

    name = "free"
    repeatable = True

    @property
    def space(self) -> Space:
        return Space("free", DIM, "cosine", {})

    def receipts(self, texts: Sequence[str], side: Any = "document") -> list[Receipt]:
        return [Receipt(1)] * len(texts)

    def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
        vectors = _WINDOWS[[zlib.crc32(text.encode()) % len(_WINDOWS) for text in texts]]
        return Embedded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), self.receipts(texts))


def index_at(path: Path, rows: Iterable[Row] = ()) -> Index:
    """The index at ``path``, open; with ``rows``, synced."""
    index = Index(path, FreeModel(), vault="none")
    if rows:
        index.sync(rows)
    return index


def compile_package() -> None:
    """As pip does when it installs: what is compiled at every start otherwise is not what is measured."""
    compileall.compile_dir(Path(idembed.__file__).parent, quiet=1)
