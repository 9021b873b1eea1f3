"""The machinery of one checkpoint: its tokenizer and weights, loaded when they are first needed."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from idembed import native
from idembed.canonical import JSON
from idembed.errors import ModelError, OptionError
from idembed.models import packed
from idembed.models.base import Vectors
from idembed.models.beside import Beside
from idembed.models.dense import dense_sha256, open_dense
from idembed.models.files import dense_folders, transformer_folder, weight_files
from idembed.models.fingerprint import identity, remembered, settled
from idembed.models.settings import Settings
from idembed.models.texts import chunked
from idembed.models.threads import worthwhile
from idembed.models.tokenised import Batch, Batches
from idembed.models.tokenizer import TextTokenizer
from idembed.models.weights import read_tensors, weights_sha256

__all__ = ["Engine"]

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _renew_locks() -> None:
    """In a forked child: nobody is left to release what another thread held when the process was copied."""
    for engine in _engines:
        engine._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


class Engine:
    """Texts to token ids to vectors, for one folder and one shape; may be used by several threads."""

    def __init__(
        self, folder: Path, settings: Settings, profile: native.Profile, threads: int | None, isa: str | None
    ) -> None:
        if threads is not None and threads < 1:
            raise OptionError(f"threads must be at least 1, not {threads}")
        inner = transformer_folder(folder)
        self.threads = threads or native.default_threads()
        self._exactly = threads is not None
        self.isa = isa
        self._folder = folder
        self._shape = settings.encoder
        self._packed_shape = replace(settings.encoder, profile=profile)
        self._layout = settings.layout
        self._layers = settings.dense
        self._unit = settings.normalize
        self._lowercase = settings.lowercase
        self._weights = weight_files(inner)
        self._dense = [layer / "model.safetensors" for layer in dense_folders(folder)]
        self._rules = inner / "tokenizer.json"
        self._identity = identity(self._files)
        self._loaded_tokenizer: TextTokenizer | None = None
        self._loaded_encoder: native.Encoder | None = None
        self._loaded_dense: list[native.Dense] | None = None
        self._keeps_packed = True
        self._own_lock()

    @property
    def _files(self) -> list[Path]:
        return [*self._weights, *self._dense, self._rules]

    def _own_lock(self) -> None:
        self._lock = threading.Lock()
        _engines.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to load it again: no weights."""
        loaded = ("_lock", "_loaded_tokenizer", "_loaded_encoder", "_loaded_dense")
        return self.__dict__ | dict.fromkeys(loaded)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._own_lock()

    def on(self, threads: int | None, isa: str | None) -> Engine:
        """The same on so many threads, sharing what is loaded, or with the kernels of ``isa``, whose weights are packed
        again, and not kept in a file; None: as they are."""
        other = Engine.__new__(Engine)  # copy.copy would leave out what is loaded, as __getstate__ does
        other.__dict__.update(self.__dict__)
        other._own_lock()
        other.threads = threads or self.threads
        other._exactly = self._exactly or threads is not None
        if isa is not None:
            other.isa, other._loaded_encoder, other._loaded_dense, other._keeps_packed = isa, None, None, False
        return other

    # ---- what it is ---------------------------------------------------------------------------------------

    def weights_hash(self) -> str:
        """SHA-256 of the weights before a profile packs them; reads them once a machine."""
        depends: list[JSON] = [str(self._shape), self._layout.architecture.name, self._layout.skipped]
        value = remembered(
            "weights", self._weights, depends, lambda: weights_sha256(self._weights, self._shape, self._layout)
        )
        self._check_unchanged()
        return value

    def dense_facts(self) -> list[dict[str, JSON]]:
        """What a space says of each Dense module."""
        facts: list[dict[str, JSON]] = [
            {
                "activation": layer.activation,
                "in": layer.into,
                "out": layer.out,
                "weights": dense_sha256(file, layer),
            }
            for file, layer in zip(self._dense, self._layers, strict=True)
        ]
        self._check_unchanged()
        return facts

    def tokenizer_hash(self) -> str:
        """SHA-256 of how the tokenizer behaves, with the installed version of the library."""
        depends: list[JSON] = [tokenizers.__version__, self._lowercase]
        value = remembered("tokenizer", [self._rules], depends, lambda: self._tokenizer().behaviour())
        self._check_unchanged()
        return value

    def _check_unchanged(self) -> None:
        if identity(self._files) != self._identity:
            raise ModelError(
                f"the checkpoint in {self._folder} changed after it was opened", hint="load the model again"
            )

    # ---- what it does -------------------------------------------------------------------------------------

    def batches(self, texts: Iterable[str], prompt: str, limit: int) -> Iterator[Batch]:
        """Tokenised texts, each with ``prompt`` before it and cut to ``limit`` tokens. Raises RowError naming a text
        that cannot be encoded."""
        batches = Batches(self.threads)
        for chunk in chunked(texts):
            yield from batches.add(self._tokenised(chunk, prompt, limit))
        yield from batches.rest()

    def embedded(self, texts: Iterable[str], prompt: str, limit: int) -> Iterator[tuple[Batch, Vectors]]:
        """The same with their vectors, float32 [n, hidden].

        While a batch is computed, a thread tokenises the next chunk of texts, which is taken from ``texts`` by the
        caller's thread and before the batch is given. No thread is there while a batch is the caller's. An error of
        ``texts`` is raised when all before it were given.
        """
        batches, chunks = Batches(self.threads), chunked(texts)
        chunk, failure = _next(chunks)
        if chunk:
            self._encoder()  # before the tokenizer, which is read while the weights are checked
        tokens = self._tokenised(chunk, prompt, limit)
        while tokens.ids:
            ready = batches.add(tokens)
            chunk, failure = _next(chunks)
            ahead: Beside[Batch] | None = None
            for batch in chain(ready, () if chunk else batches.rest()):
                if ahead is None and chunk:
                    with Beside(partial(self._tokenised, chunk, prompt, limit)) as ahead:
                        vectors = self.forward(batch.ids)
                else:
                    vectors = self.forward(batch.ids)
                yield batch, vectors
            tokens = ahead.result() if ahead else self._tokenised(chunk, prompt, limit)
        if failure is not None:
            raise failure

    def _tokenised(self, texts: list[str], prompt: str, limit: int) -> Batch:
        if not texts:
            return Batch([], [])
        tokenizer = self._tokenizer()
        ids = tokenizer.encode([prompt + text for text in texts] if prompt else texts)
        whole = list(map(len, ids))
        return Batch(ids if max(whole) <= limit else [tokenizer.cut(i, limit) for i in ids], whole)

    def forward(self, ids: list[list[int]]) -> Vectors:
        """Vectors float32 [n, dim] of ``n`` texts; on fewer threads than all where they have little to do."""
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)), out=offsets[1:])
        tokens = np.fromiter(chain.from_iterable(ids), np.int32, int(offsets[-1]))
        threads = self.threads if self._exactly else worthwhile(self._packed_shape, len(tokens), self.threads)
        vectors = self._encoder().forward(tokens, offsets, threads)
        for layer in self._dense_layers():
            vectors = layer(vectors)
        return self.normalize(vectors) if self._layers and self._unit else vectors

    def normalize(self, vectors: Vectors) -> Vectors:
        """The vectors divided by their lengths."""
        return native.normalize(vectors, isa=self.isa)

    def _tokenizer(self) -> TextTokenizer:
        with self._lock:
            return self._open_tokenizer()

    def _open_tokenizer(self) -> TextTokenizer:
        """With the lock held."""
        if self._loaded_tokenizer is None:
            self._check_unchanged()
            self._loaded_tokenizer = TextTokenizer(self._rules, lowercase=self._lowercase)
        return self._loaded_tokenizer

    def _encoder(self) -> native.Encoder:
        with self._lock:
            if self._loaded_encoder is None:
                self._check_unchanged()
                self._loaded_encoder = self._open_encoder()
            return self._loaded_encoder

    def _open_encoder(self) -> native.Encoder:
        if packed.worth_keeping(self._packed_shape, isa=self.isa):
            return packed.opened(
                self._packed_shape,
                self.weights_hash(),
                self._pack,
                isa=self.isa,
                keep=self._keeps_packed and settled(self._identity),
                meanwhile=self._open_tokenizer,
            )
        return native.Encoder.of_block(self._packed_shape, self._pack(), isa=self.isa)

    def _pack(self) -> NDArray[np.uint8]:
        tensors = read_tensors(self._weights, self._shape, self._layout)
        block = native.pack(self._packed_shape, tensors, isa=self.isa)
        self._check_unchanged()
        return block

    def _dense_layers(self) -> list[native.Dense]:
        if not self._layers:
            return []
        with self._lock:
            if self._loaded_dense is None:
                self._check_unchanged()
                layers = zip(self._dense, self._layers, strict=True)
                self._loaded_dense = [open_dense(file, shape, isa=self.isa) for file, shape in layers]
                self._check_unchanged()
            return self._loaded_dense


def _next(chunks: Iterator[list[str]]) -> tuple[list[str], Exception | None]:
    """The next chunk, empty at the end, and what went wrong instead of it."""
    try:
        return next(chunks, []), None
    except Exception as error:
        return [], error
