"""Texts from word vectors: the weighted mean of the words that the model knows, of unit length."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idembed import native
from idembed.canonical import canonical_json
from idembed.errors import ModelError, NoKnownWordError, OptionError
from idembed.models import similarity
from idembed.models.base import Embedded, Model, OnLong, Receipt, Vectors
from idembed.models.fingerprint import identity, remembered
from idembed.models.options import check_batch_size, check_encode_on_long, check_numpy_only, check_on_long, kept_dim
from idembed.models.texts import checked, chunked, counting
from idembed.models.words import folder
from idembed.models.words.keyedvectors import KeyedVectors
from idembed.models.words.sif import frequency_of, weighted_means, word_weights
from idembed.models.words.tokens import WordTokenizer
from idembed.space import Side, Space

__all__ = ["WordTexts"]

A = 1e-3
"""The ``a`` of a / (a + p(w)), as the paper has it."""
PROFILE = "f32-1"
_BLOCK_BYTES = 8 << 20


class _Read(NamedTuple):
    """What was read of consecutive texts: the ``ids`` of known words one text after another, and how many of each
    text's words were ``known`` and ``unknown`` (int64 [texts])."""

    ids: NDArray[np.int64]
    known: NDArray[np.int64]
    unknown: NDArray[np.int64]

    def receipts(self) -> list[Receipt]:
        return [Receipt(known, unknown=n) for known, n in zip(self.known.tolist(), self.unknown.tolist(), strict=True)]


class WordTexts(Model):
    """Texts as weighted means of word vectors (see ``sif``), divided by their lengths.

    The order of words is lost; documents and questions are treated alike. A text without any word that the model
    knows has no vector: NoKnownWordError. (Where the vectors of known words cancel one another to nothing, so does
    the text's: it is zero, and like nothing else.) May be used by several threads.
    """

    repeatable = True
    reads_every_text = False

    wv: KeyedVectors
    """The vectors of the words; whoever changes them makes a new model of them."""

    def __init__(self, wv: KeyedVectors, name: str, files: Sequence[Path] = (), *, isa: str | None = None) -> None:
        """How texts become words is said by the ``tokenizer`` of the card of ``wv``; simple words if it has none.
        ``files`` are those that it was read from, by which its hash is remembered; ``isa`` changes no bit. Raises
        ModelError for a tokenizer that is not known here, and where there are no words."""
        self.name = name
        self.wv = wv
        self.tokenizer = _tokenizer(wv.card.get("tokenizer"))
        self._isa = isa
        self._files = list(files)
        self.identity = identity(self._files)
        if not len(wv):
            raise ModelError(f"{name} has no words")

    @cached_property
    def space(self) -> Space:
        """What the vectors depend on. Files that this machine has not seen before are read and hashed."""
        facts: dict[str, Any] = {
            "a": A,
            "frequency": frequency_of(self.wv.counts),
            "pooling": "sif",
            "profile": PROFILE,
            "tokenizer": self.tokenizer.facts(),
            "weights": self._weights_hash(),
            "words": len(self.wv),
        }
        return Space("word2vec", self.wv.vector_size, "cosine", facts)

    def embed(
        self,
        texts: Sequence[str],
        side: Side = "document",
        *,
        on_long: OnLong = "cut",
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """Vectors of the space, float32 [n, dim]; no text is too long.

        The first time that this machine sees the files, they are read and compared with the hashes of their card
        (IntegrityError). Raises RowError naming the first text that is no string or holds a lone surrogate,
        NoKnownWordError naming the first without a known word.
        """
        check_on_long(on_long)
        chunks = self._read_all(texts)
        _ = self.space
        vectors = np.empty((sum(len(chunk.known) for chunk in chunks), self.wv.vector_size), np.float32)
        done = 0
        for chunk in chunks:
            vectors[done : done + len(chunk.known)] = self._means(chunk)
            done += len(chunk.known)
            if progress is not None:
                progress(len(chunk.known))
        return Embedded(vectors, [receipt for chunk in chunks for receipt in chunk.receipts()])

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        """Known and unknown words of each text; no vector is read. A text without known words is no error here."""
        return [receipt for chunk in chunked(checked(texts)) for receipt in self._read(chunk).receipts()]

    # ---- as in sentence-transformers --------------------------------------------------------------------------

    def encode(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str | None = "sentence_embedding",
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        on_long: OnLong = "cut",
    ) -> Vectors:
        """Vectors float32 [n, dim] in the order of ``sentences``, or [dim] for a single string; of unit length.

        ``truncate_dim`` keeps the first numbers; only ``normalize_embeddings`` makes the result unit length again.
        ``batch_size``, ``device`` and ``on_long`` (``"cut"`` or ``"error"``) are accepted and have no influence. Raises
        as ``embed``, before anything is computed, and OptionError for prompts, which word vectors have no use for.
        """
        check_numpy_only(output_value, precision, convert_to_numpy, convert_to_tensor)
        _refuse_prompt(prompt_name, prompt)
        check_batch_size(batch_size)
        check_encode_on_long(on_long)
        dim = kept_dim(truncate_dim, self.wv.vector_size)
        texts = checked([sentences] if isinstance(sentences, str) else sentences)
        with counting(len(texts), shown=bool(show_progress_bar)) as advance:
            vectors = self._shaped(self.embed(texts, progress=advance).vectors, dim, normalize_embeddings)
        first: Vectors = vectors[0] if isinstance(sentences, str) else vectors
        return first

    def encode_query(self, sentences: str | Iterable[str], *arguments: Any, **options: Any) -> Vectors:
        """``encode``: questions are treated as documents are."""
        return self.encode(sentences, *arguments, **options)

    def encode_document(self, sentences: str | Iterable[str], *arguments: Any, **options: Any) -> Vectors:
        """``encode``."""
        return self.encode(sentences, *arguments, **options)

    def encode_iter(
        self,
        sentences: Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Iterator[Vectors]:
        """One vector float32 [dim] for each text, in order, in memory that does not grow with their number.

        Reads ahead up to 256 texts. Raises as ``encode``, when it comes to the text in question.
        """
        _refuse_prompt(prompt_name, prompt)
        dim = kept_dim(truncate_dim, self.wv.vector_size)
        if isinstance(sentences, str):
            raise OptionError("encode_iter takes texts one after another, not one string", hint="use encode")
        return self._stream(sentences, dim, normalize_embeddings)

    def _stream(self, sentences: Iterable[str], dim: int, normalize: bool) -> Iterator[Vectors]:
        position = 0
        for texts in chunked(sentences):
            read = self._read(texts)
            self._refuse_empty(read, texts, position)
            position += len(texts)
            for vector in self._shaped(self._means(read), dim, normalize):
                yield vector.copy()  # one that is kept must not keep its whole chunk

    def similarity(self, a: ArrayLike, b: ArrayLike) -> Vectors:
        """Cosines float32 [n, m]."""
        return similarity.cos_sim(a, b)

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.wv.vector_size

    get_sentence_embedding_dimension = get_embedding_dimension

    def __repr__(self) -> str:
        return f"WordTexts({self.name!r}, words={len(self.wv):,}, dim={self.wv.vector_size}, profile={PROFILE!r})"

    # ---- inside -----------------------------------------------------------------------------------------------

    @cached_property
    def _weights(self) -> Vectors:
        return word_weights(self.wv.counts, len(self.wv), A)

    def _read(self, texts: Sequence[str]) -> _Read:
        """The texts as ids of known words: 1 to 2 million words a second."""
        row_of, tokenizer = self.wv.key_to_index.get, self.tokenizer
        known, unknown, ids = [], [], []
        for text in texts:
            words = tokenizer(text)
            rows = [row for row in map(row_of, words) if row is not None]
            ids.append(rows)
            known.append(len(rows))
            unknown.append(len(words) - len(rows))
        flat = np.fromiter(chain.from_iterable(ids), np.int64, sum(known))
        return _Read(flat, np.array(known, np.int64), np.array(unknown, np.int64))

    def _read_all(self, texts: Iterable[str]) -> list[_Read]:
        """Every text read before the first is computed, so that nothing is half done."""
        chunks: list[_Read] = []
        position = 0
        for part in chunked(checked(texts)):
            chunks.append(self._read(part))
            self._refuse_empty(chunks[-1], part, position)
            position += len(part)
        return chunks

    def _refuse_empty(self, read: _Read, texts: Sequence[str], position: int) -> None:
        if read.known.all():
            return
        at = int(np.argmin(read.known > 0))
        text = texts[at]
        raise NoKnownWordError(
            f"text {position + at} has no word that {self.name} knows: {text[:40] + '…' * (len(text) > 40)!r}",
            hint='leave it out, or use vectors of more words; sync leaves such rows out with on_empty="skip"',
            position=position + at,
            unknown=int(read.unknown[at]),
        )

    def _means(self, read: _Read) -> Vectors:
        means = weighted_means(self.wv.vectors, self._weights, read.ids, read.known)
        return native.normalize(means, isa=self._isa)

    def _shaped(self, vectors: Vectors, dim: int, normalize: bool) -> Vectors:
        if dim == vectors.shape[1]:
            return vectors  # of unit length already: dividing again would only move last bits
        shorter = np.ascontiguousarray(vectors[:, :dim])
        return native.normalize(shorter, isa=self._isa) if normalize else shorter

    def _weights_hash(self) -> str:
        """SHA-256 of vectors, words and weights; reads them once a machine."""
        if not self._files:
            return self._hash()
        value = remembered("words", self._files, ["sif", A, PROFILE], self._checked_hash)
        if identity(self._files) != self.identity:
            raise ModelError(f"{self.name} changed after it was opened", hint="load the model again")
        return value

    def _checked_hash(self) -> str:
        if self._files[0].name == folder.CARD:
            folder.verify(self._files[0].parent)
        return self._hash()

    def _hash(self) -> str:
        """Over the float32 of the vectors (row by row) and of the words' weights, little-endian, and the words as
        canonical JSON, each preceded by its length in bytes as 8 little-endian bytes. Raises ModelError for a
        number that is not finite."""
        vectors = self.wv.vectors
        digest = hashlib.sha256((4 * vectors.size).to_bytes(8, "little"))
        step = max(1, _BLOCK_BYTES // (4 * vectors.shape[1]))
        for start in range(0, len(vectors), step):
            block = vectors[start : start + step].astype("<f4", order="C")
            if not (finite := np.isfinite(block).all(axis=1)).all():
                word = self.wv.index_to_key[start + int(np.argmin(finite))]
                raise ModelError(f"{self.name}: the vector of {word!r} holds NaN or infinity", hint="make it anew")
            digest.update(block.data)
        for raw in (canonical_json(self.wv.index_to_key).encode(), self._weights.astype("<f4").tobytes()):
            digest.update(len(raw).to_bytes(8, "little"))
            digest.update(raw)
        return digest.hexdigest()


def _tokenizer(facts: object) -> WordTokenizer:
    if facts is None:
        return WordTokenizer()
    if not isinstance(facts, dict):
        raise ModelError(f"the card's tokenizer is {facts!r}, not an object")
    return WordTokenizer.from_facts(facts)


def _refuse_prompt(name: str | None, prompt: str | None) -> None:
    if name or prompt:
        raise OptionError("word vectors take no prompt", hint="leave it out: it would only add its words to each text")
