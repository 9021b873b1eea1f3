"""``KeyedVectors``: words and their vectors, with the methods and the numbers of gensim 4.

Cosines are exact float32 inner products of the native core, divided by cached norms: the same bits on every
machine, for one question or many. There is no second, normalised copy of the matrix, which may be gigabytes
or a read-only map of a file. Equal similarities come in the order of the vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idembed import native
from idembed.canonical import JSON
from idembed.errors import ModelError, OptionError, UnknownWordError
from idembed.models.words import evaluation, folder, formats
from idembed.models.words.cosines import best_of, cosine, divided, norms_of
from idembed.models.words.evaluation import Correlation, Section

__all__ = ["KeyedVectors"]

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Key: TypeAlias = "str | int | np.integer[Any]"
"""A word, or its position."""
Term: TypeAlias = "Key | NDArray[Any] | tuple[Key | NDArray[Any], float]"
"""A word or a vector, perhaps with a weight."""

_KEYS = (str, int, np.integer)


class KeyedVectors:
    """``vectors`` float32 [V, dim] of the distinct words ``index_to_key``; ``key_to_index`` is the way back.

    Whoever changes ``vectors`` in place calls ``forget_norms()``. A zero vector has cosine 0 with
    everything. May be read by several threads.
    """

    def __init__(
        self,
        words: Iterable[str],
        vectors: ArrayLike,
        counts: ArrayLike | None = None,
        *,
        card: Mapping[str, JSON] | None = None,
    ) -> None:
        """``vectors`` [V, dim] are not copied if they are float32 with contiguous rows; ``counts`` [V] says how
        often each word was seen; ``card`` how the vectors came to be, which ``save`` keeps.

        Raises OptionError naming the word that comes twice, shapes that do not fit, or the word whose vector
        is not finite.
        """
        with np.errstate(over="ignore"):
            matrix = np.asarray(vectors, np.float32)
        self._set(words, matrix, counts, card)
        for start in range(0, len(matrix), 65_536):
            finite = np.isfinite(matrix[start : start + 65_536]).all(axis=1)
            if not finite.all():
                word = self.index_to_key[start + int(np.argmin(finite))]
                raise OptionError(f"the vector of {word!r} holds NaN, infinity or a number beyond float32", word=word)

    def _set(
        self, words: Iterable[str], vectors: Floats, counts: ArrayLike | None, card: Mapping[str, JSON] | None
    ) -> None:
        """Everything but looking at the numbers, which a map of a large file would have to be read for."""
        names = list(words)
        if vectors.ndim != 2 or len(vectors) != len(names) or not vectors.shape[1]:
            raise OptionError(f"{len(names):,} words need vectors [{len(names)}, dim], not {list(vectors.shape)}")
        if vectors.strides[1] != 4 and vectors.shape[1] > 1:
            vectors = np.ascontiguousarray(vectors)  # of the core's matrices only rows may be apart
        self.key_to_index: dict[str, int] = {word: at for at, word in enumerate(names)}
        if len(self.key_to_index) < len(names):
            again = next(word for at, word in enumerate(names) if self.key_to_index[word] != at)
            raise OptionError(f"the word {again!r} comes twice", word=again)
        for at, word in enumerate(names):
            if not isinstance(word, str):
                raise OptionError(f"word {at} is {word!r}, not a string")
        self.index_to_key: list[str] = names
        self.vectors: Floats = vectors
        self.card: dict[str, JSON] = dict(card or {})
        self._counts = None if counts is None else _checked_counts(counts, len(names))
        self._norms: Floats | None = None

    # ---- words and vectors ------------------------------------------------------------------------------------

    @property
    def vector_size(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    @property
    def norms(self) -> Floats:
        """Euclidean lengths float32 [V], computed when first needed. Raises ModelError naming a word whose
        vector is not finite."""
        self.fill_norms()
        assert self._norms is not None
        return self._norms

    def fill_norms(self, force: bool = False) -> None:
        """Compute ``norms`` now; with ``force`` again, after ``vectors`` were changed."""
        if self._norms is None or force:
            norms = norms_of(self.vectors)
            if not np.isfinite(norms).all():
                word = self.index_to_key[int(np.argmin(np.isfinite(norms)))]
                raise ModelError(f"the vector of {word!r} is not finite, or longer than float32 can say", word=word)
            self._norms = norms

    def forget_norms(self) -> None:
        """``vectors`` were changed: compute ``norms`` again when they are next needed."""
        self._norms = None

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index_to_key)

    def __contains__(self, key: object) -> bool:
        return self.has_index_for(key)

    def __getitem__(self, key_or_keys: Key | Iterable[Key]) -> Floats:
        """The vector [dim] of a word, read-only and no copy; or a new array [n, dim] for several words."""
        if isinstance(key_or_keys, _KEYS):
            return self.get_vector(key_or_keys)
        rows: Floats = self.vectors[self._indices(key_or_keys)]
        return rows

    def __repr__(self) -> str:
        return f"KeyedVectors({len(self):,} words, dim={self.vector_size})"

    def has_index_for(self, key: object) -> bool:
        """Whether ``key`` is a known word, or a position."""
        return self._find(key) is not None

    def get_index(self, key: Key, default: int | None = None) -> int:
        """Where the word is. Raises UnknownWordError unless there is a ``default``."""
        found = self._find(key)
        if found is None:
            found = default
        if found is None:
            raise UnknownWordError(
                f"the word {key!r} is not among the {len(self):,} words",
                hint="words are as they were trained, often in lower case; `word in wv` asks first",
                word=key,
            )
        return found

    def _find(self, key: object) -> int | None:
        if isinstance(key, int | np.integer):
            return int(key) if 0 <= key < len(self) else None
        return self.key_to_index.get(key) if isinstance(key, str) else None

    def _indices(self, keys: Iterable[Key]) -> NDArray[np.int64]:
        return np.fromiter((self.get_index(key) for key in keys), np.int64)

    def get_vector(self, key: Key, norm: bool = False) -> Floats:
        """The vector [dim], read-only: a view, or with ``norm`` one of unit length."""
        row = self.vectors[self.get_index(key)]
        vector = native.normalize(row) if norm else row.view()
        vector.flags.writeable = False
        return vector

    def get_vecattr(self, key: Key, attr: str) -> int:
        """How often the word was seen; ``attr`` is ``"count"``. Raises OptionError when that is not known."""
        index = self.get_index(key)
        if attr != "count":
            raise OptionError(f"words have no attribute {attr!r}, only 'count'")
        if self._counts is None:
            raise OptionError("nobody knows the counts of these words", hint="fvocab= reads those of word2vec's files")
        return int(self._counts[index])

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each word was seen, [V], or None when nobody knows."""
        return self._counts

    def get_mean_vector(
        self,
        keys: Sequence[Key | NDArray[Any]] | NDArray[Any],
        weights: ArrayLike | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> Floats:
        """The weighted mean [dim] of the words' vectors, each of unit length unless ``pre_normalize=False``;
        vectors among ``keys`` are taken as they are. The sum is divided by the sum of the absolute weights.

        Unknown words are left out, or raise UnknownWordError; when none is left, it is zero.
        """
        if len(keys) == 0:
            raise OptionError("a mean needs at least one word or vector")
        weighing = np.ones(len(keys)) if weights is None else np.asarray(weights, np.float64)
        if weighing.shape != (len(keys),):
            raise OptionError(f"{len(keys)} words have weights of the shape {list(weighing.shape)}")
        total = np.zeros(self.vector_size)  # float64, term by term: the order of the words is that of the sum
        size = 0.0
        for key, weight in zip(keys, weighing.tolist(), strict=True):
            if isinstance(key, np.ndarray):
                total += weight * self._checked_vector(key).astype(np.float64)
            elif not ignore_missing or key in self:
                total += weight * self.get_vector(key, norm=pre_normalize).astype(np.float64)
            else:
                continue
            size += abs(weight)
        mean: Floats = (total / size if size else total).astype(np.float32)
        return native.normalize(mean) if post_normalize else mean

    def _checked_vector(self, vector: ArrayLike) -> Floats:
        with np.errstate(over="ignore"):
            checked: Floats = np.ascontiguousarray(vector, np.float32)
        if checked.shape != (self.vector_size,):
            raise OptionError(f"a vector has the shape {list(checked.shape)}, these words have [{self.vector_size}]")
        if not np.isfinite(checked).all():
            raise OptionError("a vector holds NaN or infinity")
        return checked

    # ---- similarity -------------------------------------------------------------------------------------------

    def similarity(self, w1: Key, w2: Key) -> float:
        """The cosine of two words."""
        return cosine(self.get_vector(w1), self.get_vector(w2))

    def distance(self, w1: Key, w2: Key) -> float:
        """One less the cosine."""
        return 1.0 - self.similarity(w1, w2)

    def distances(self, word_or_vector: Key | ArrayLike, other_words: Iterable[Key] = ()) -> Floats:
        """One less the cosine, float32 [n], with each of ``other_words``, or when there are none [V] with all."""
        if isinstance(word_or_vector, _KEYS):
            vector = self.get_vector(word_or_vector)
        else:
            vector = self._checked_vector(word_or_vector)
        others = self._indices(other_words or ())
        rows = self.vectors[others] if len(others) else self.vectors
        norms = norms_of(rows) if len(others) else self.norms
        cosines = divided(native.scores(rows, vector), norms * norms_of(vector[np.newaxis]))
        distances: Floats = np.float32(1.0) - cosines
        return distances

    def n_similarity(self, ws1: Sequence[Key], ws2: Sequence[Key]) -> float:
        """The cosine of two lists' means; unknown words are left out. Raises OptionError for an empty list."""
        first = self.get_mean_vector(ws1, pre_normalize=False)
        return cosine(first, self.get_mean_vector(ws2, pre_normalize=False))

    def most_similar(
        self,
        positive: Key | NDArray[Any] | Sequence[Term] | None = None,
        negative: Key | NDArray[Any] | Sequence[Term] | None = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
    ) -> Any:
        """The words nearest to the mean of ``positive`` less ``negative``: a list of (word, cosine), best
        first, without the words asked about. With ``topn=None`` the cosines with all words, float32.

        A word or vector may have a weight: ``("king", 0.5)``; in ``negative`` it counts as it is given.
        Looked at are the first ``restrict_vocab`` words, or those from ``clip_start`` to ``clip_end``.
        Raises UnknownWordError, and OptionError when there is nothing to look for.
        """
        if isinstance(topn, Integral) and topn < 1:
            return []
        terms = [(term, 1.0) for term in _listed(positive)] + [(term, -1.0) for term in _listed(negative)]
        weighted = [_weighted(term, sign) for term, sign in terms]
        keys = [key for key, _ in weighted]
        mean = self.get_mean_vector(keys, [weight for _, weight in weighted], post_normalize=True, ignore_missing=False)
        start, end = self._range(clip_start, clip_end, restrict_vocab)
        cosines = divided(native.scores(self.vectors[start:end], mean), self.norms[start:end])
        if topn is None:
            return cosines
        asked = {self.get_index(key) for key in keys if not isinstance(key, np.ndarray)}
        best = [(start + at, at) for at in best_of(cosines, topn + len(asked))]
        found = [(self.index_to_key[row], float(cosines[at])) for row, at in best if row not in asked]
        return found[:topn]

    def _range(self, start: int, end: int | None, first: int | None) -> tuple[int, int]:
        if first:
            start, end = 0, first
        for number in (start, end or 0):
            if number < 0:
                raise OptionError(f"restrict_vocab, clip_start and clip_end count words; {number} is below zero")
        return start, min(end or len(self), len(self))

    def similar_by_key(self, key: Key, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """``most_similar`` of one word."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    def similar_by_word(self, word: Key, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """``most_similar`` of one word."""
        return self.similar_by_key(word, topn, restrict_vocab)

    def similar_by_vector(self, vector: ArrayLike, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """``most_similar`` of one vector [dim]."""
        return self.most_similar([self._checked_vector(vector)], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """That of ``keys_list`` which is nearest to ``key1``, the first of equals."""
        if not keys_list:
            raise OptionError("there are no words to choose from")
        return max(keys_list, key=lambda key: self.similarity(key1, key))

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """The words nearer to ``key1`` than ``key2`` is, in the order of the vocabulary."""
        distances = self.distances(key1)
        own, other = self.get_index(key1), self.get_index(key2)
        return [self.index_to_key[at] for at in np.flatnonzero(distances < distances[other]).tolist() if at != own]

    def rank(self, key1: Key, key2: Key) -> int:
        """1 when no word is nearer to ``key1`` than ``key2``, 2 when one is, and so on."""
        return len(self.closer_than(key1, key2)) + 1

    def rank_by_centrality(self, words: Sequence[Key], use_norm: bool = True) -> list[tuple[float, Key]]:
        """(Cosine with the mean of all, word), the most central first. Unknown words are left out, with a
        warning in the log. ``use_norm=False`` takes vectors in their own lengths."""
        used = [word for word in words if word in self]
        if len(used) < len(words):
            log.warning(
                "these words have no vectors and are left out: %s", sorted({*map(str, words)} - {*map(str, used)})
            )
        if not used:
            raise OptionError("none of the words has a vector", hint="give words that are `in` the vectors")
        vectors = native.normalize(self[used]) if use_norm else self[used]
        nearness = native.scores(vectors, self.get_mean_vector(vectors, post_normalize=True), threads=1)
        return sorted(zip(nearness.tolist(), used, strict=True), reverse=True)

    def doesnt_match(self, words: Sequence[Key]) -> Key:
        """The word farthest from the mean of all."""
        return self.rank_by_centrality(words)[-1][1]

    # ---- evaluation -------------------------------------------------------------------------------------------

    def evaluate_word_pairs(
        self,
        pairs: str | Path,
        delimiter: str | None = "\t",
        encoding: str = "utf8",
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Correlation, Correlation, float]:
        """Pearson and Spearman correlation with people's scores, each (statistic, pvalue), and the percentage
        of pairs with an unknown word; see ``evaluation.word_pairs``."""
        return evaluation.word_pairs(
            self,
            Path(pairs),
            delimiter=delimiter,
            encoding=encoding,
            restrict_vocab=restrict_vocab,
            case_insensitive=case_insensitive,
            dummy4unknown=dummy4unknown,
        )

    def evaluate_word_analogies(
        self,
        analogies: str | Path,
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[float, list[Section]]:
        """The share of analogies solved and the answers by section; see ``evaluation.word_analogies``."""
        return evaluation.word_analogies(
            self,
            Path(analogies),
            restrict_vocab=restrict_vocab,
            case_insensitive=case_insensitive,
            dummy4unknown=dummy4unknown,
        )

    # ---- files ------------------------------------------------------------------------------------------------

    def save(self, fname: str | Path) -> None:
        """Write the folder ``fname`` (``pets.w2v``), whole or not at all; see ``folder.write``."""
        card: dict[str, JSON] = {**self.card, "kind": "vectors", "idembed": version("idembed")}
        folder.write(Path(fname), folder.Stored(self.index_to_key, self._counts, self.vectors, None, card))

    @classmethod
    def load(cls, fname: str | Path, mmap: bool | Literal["r"] | None = True) -> KeyedVectors:
        """The vectors of a folder, mapped from the file unless ``mmap`` is False; see ``folder.read``."""
        stored = folder.read(Path(fname), mmap=bool(mmap))
        made = cls.__new__(cls)
        made._set(stored.words, stored.vectors, stored.counts, stored.card)
        return made

    @classmethod
    def load_word2vec_format(
        cls,
        fname: str | Path,
        fvocab: str | Path | None = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        *,
        no_header: bool = False,
    ) -> KeyedVectors:
        """Vectors in word2vec's text or binary format, gzipped if the name ends in ``.gz``.

        ``fvocab`` is a file of words and counts (without it counts are not known), ``limit`` reads the first
        words only, ``unicode_errors="replace"`` or ``"ignore"`` takes words that were cut within a character.
        ``no_header`` is GloVe's text. Raises ModelError naming the line or record that cannot be read.
        """
        path = Path(fname)
        if binary and no_header:
            raise OptionError("the binary format cannot be read without its first line")
        if binary:
            words, vectors = formats.read_binary(path, encoding=encoding, unicode_errors=unicode_errors, limit=limit)
        else:
            words, vectors = formats.read_text(
                path, header=not no_header, encoding=encoding, unicode_errors=unicode_errors, limit=limit
            )
        counts = None
        if fvocab is not None:
            found = formats.read_counts(Path(fvocab), encoding=encoding, unicode_errors=unicode_errors)
            missing = next((word for word in words if word not in found), None)
            if missing is not None:
                raise ModelError(f"{fvocab} has no count of {missing!r}", hint="is it of these vectors?")
            counts = [found[word] for word in words]
        made = cls.__new__(cls)
        made._set(words, vectors, counts, None)
        return made

    @classmethod
    def load_glove_format(
        cls, fname: str | Path, encoding: str = "utf8", unicode_errors: str = "strict", limit: int | None = None
    ) -> KeyedVectors:
        """Vectors in GloVe's text format, whose words may hold spaces; as ``load_word2vec_format``."""
        return cls.load_word2vec_format(fname, None, False, encoding, unicode_errors, limit, no_header=True)

    def save_word2vec_format(
        self, fname: str | Path, fvocab: str | Path | None = None, binary: bool = False, *, write_header: bool = True
    ) -> None:
        """Write word2vec's text or binary format (gzipped if the name ends in ``.gz``), and with ``fvocab`` a
        file of words and counts. Words come by falling count where counts are known. Every float32 is read
        back as it was. Raises OptionError for a word that these formats cannot hold."""
        order = range(len(self))
        if self._counts is not None:
            order = np.argsort(-self._counts, kind="stable").tolist()
        if fvocab is not None:
            if self._counts is None:
                raise OptionError("there are no counts to write", hint="leave fvocab out")
            formats.write_counts(Path(fvocab), self.index_to_key, self._counts, order)
        formats.write_vectors(Path(fname), self.index_to_key, self.vectors, order, binary=binary, header=write_header)

    def save_glove_format(self, fname: str | Path) -> None:
        """Write GloVe's text format; as ``save_word2vec_format``."""
        self.save_word2vec_format(fname, write_header=False)


def _checked_counts(counts: ArrayLike, n: int) -> NDArray[np.int64]:
    checked = np.asarray(counts)
    if checked.shape != (n,) or (n and not np.issubdtype(checked.dtype, np.integer)):
        raise OptionError(f"{n:,} words need as many integer counts, not {checked.dtype} {list(checked.shape)}")
    if n and checked.min() < 0:
        raise OptionError("a count is below zero")
    return checked.astype(np.int64)


def _listed(terms: Any) -> list[Any]:
    """One word or vector is a list of one; a matrix is its rows."""
    if terms is None:
        return []
    if isinstance(terms, _KEYS) or (isinstance(terms, np.ndarray) and terms.ndim == 1):
        return [terms]
    return list(terms)


def _weighted(term: Any, sign: float) -> tuple[Any, float]:
    if isinstance(term, (*_KEYS, np.ndarray)):
        return term, sign
    if isinstance(term, tuple | list) and len(term) == 2 and isinstance(term[1], int | float | np.number):
        return term[0], float(term[1])
    raise OptionError(f"{term!r} is not a word, a vector, or one of them with a weight")
