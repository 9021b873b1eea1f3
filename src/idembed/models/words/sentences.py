"""Sentences, lists of words, as a corpus of word ids.

They are read once, some 50 ns a word: words are joined to one text, whose UTF-8 the native core splits again
and looks up, which costs less than looking up each word in a dict, and leaves no word alive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from idembed.errors import CorpusError, OptionError
from idembed.models.words.corpus import MEMORY_LIMIT, SENTENCE_START, Corpus, Encoded, TokenStore
from idembed.models.words.vocabulary import Chosen, Vocabulary, VocabularyRules, choose, ids_of
from idembed.native.words import Keeper, WordTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Progress",
    "Sentence",
    "check_some_words",
    "choose_from",
    "count_pruned",
    "encode_sentences",
    "learn_sentences",
    "table_of",
]

Sentence = Sequence[str]
Progress = Callable[[int, int | None], None]
"""Called with what is done and what there is in all, if known: sentences, or bytes of a file."""

_GROUP: Final = 64  # sentences taken at a time, at most
_BATCH: Final = 40_000  # words joined at a time: more leave the cache, and the memory goal
_SEPARATORS: Final = "\n\0\x1f"
_NEVER: Final = 0xFF  # a byte that UTF-8 never has
_PLAIN: Final = frozenset([list, tuple])
_HINT: Final = 'sentences are lists of words, such as [["the", "cat"], ["a", "dog"]]'


def learn_sentences(
    sentences: Iterable[Sentence],
    rules: VocabularyRules,
    *,
    base: Vocabulary | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> Encoded:
    """The vocabulary of `sentences`, and their corpus. Any iterable, read once; with ``rules.max_vocab_size``
    twice, and OptionError for one that can be read only once.

    With `base` its words keep their ids, and new ones come after them (see `choose`). Raises CorpusError naming
    the sentence and the word that is not a string of Unicode, for no sentences, and for no words left.
    """
    if rules.max_vocab_size is not None:
        if iter(_iterable(sentences)) is sentences:
            raise OptionError(
                "max_vocab_size reads the sentences twice, and these can be read only once",
                hint="give a list, or an object whose __iter__ begins anew; or leave max_vocab_size out",
                option="max_vocab_size",
            )
        vocabulary = count_pruned(sentences, rules, base)
        corpus = encode_sentences(sentences, vocabulary, memory_limit=memory_limit, progress=progress)
        return Encoded(vocabulary, corpus)
    with TokenStore(memory_limit) as store:
        table = WordTable(threads=1)
        count, words = _read(sentences, table, store, progress, grow=True)
        vocabulary, ids = choose_from(table, rules, base)
        store.change(Keeper(ids).keep)
        return Encoded(vocabulary, Corpus(store.close(), count, words))


def encode_sentences(
    sentences: Iterable[Sentence],
    vocabulary: Vocabulary,
    *,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> Corpus:
    """`sentences` with the ids of `vocabulary`; words that it lacks are left out. Errors as `learn_sentences`."""
    with TokenStore(memory_limit) as store:
        count, words = _read(sentences, table_of(vocabulary, threads=1), store, progress, grow=False)
        store.change(Keeper(ids_of(vocabulary)).keep)
        return check_some_words(Corpus(store.close(), count, words))


def count_pruned(sentences: Iterable[Sentence], rules: VocabularyRules, base: Vocabulary | None) -> Vocabulary:
    """The vocabulary of `sentences` when ``rules.max_vocab_size`` bounds what is held while counting; empty when
    there is no word, of which encoding has more to say."""
    most = rules.max_vocab_size or 0
    counts: Counter[str] = Counter()
    least, position = 1, 0
    for batch in _batches(sentences, None):
        try:
            "".join(chain.from_iterable(batch)).encode()
        except (TypeError, UnicodeEncodeError) as error:
            raise _explained(batch, position, error) from None
        position += len(batch)
        for sentence in batch:
            counts.update(sentence)
            if len(counts) > most:
                counts = Counter({word: count for word, count in counts.items() if count >= least})
                least += 1
    words = [str.__str__(word) for word in counts]
    values = np.fromiter(counts.values(), np.int64, len(counts))
    return choose(words.__getitem__, values, rules, base).vocabulary if words else Vocabulary([], values)


def choose_from(table: WordTable, rules: VocabularyRules, base: Vocabulary | None) -> Chosen:
    """`choose` among the words of `table`, which is closed: its memory is free before training begins."""
    found = table.words()
    table.close()
    return choose(found.word, found.counts, rules, base)


def table_of(vocabulary: Vocabulary, **options: Any) -> WordTable:
    """A table that holds the words of `vocabulary` under their ids."""
    table = WordTable(**options)
    if len(vocabulary):
        _number(table, [vocabulary.words], np.empty(len(vocabulary), np.int32), grow=True)
    if len(table) != len(vocabulary):
        raise ValueError("a word occurs twice in the vocabulary")
    return table


def check_some_words(corpus: Corpus) -> Corpus:
    """The corpus; CorpusError if all its words were left out."""
    if len(corpus.tokens) == 0:
        raise CorpusError(
            f"none of the {corpus.words} words is in the vocabulary",
            hint="the vocabulary was made from other text, or from words in another form (lower case?)",
        )
    return corpus


def _read(
    sentences: Iterable[Sentence], table: WordTable, store: TokenStore, progress: Progress | None, *, grow: bool
) -> tuple[int, int]:
    """Appends all tokens to `store`: how many sentences and words there are."""
    position = words = 0
    for batch in _batches(sentences, progress):
        try:
            for part, goes_on in _parts(batch):
                tokens = _tokens(table, part, goes_on, grow=grow)
                store.append(tokens)
                words += len(tokens)
        except (TypeError, UnicodeEncodeError) as error:
            raise _explained(batch, position, error) from None
        position += len(batch)
    _check_some(position, words)
    return position, words


def _tokens(table: WordTable, batch: Sequence[Sentence], goes_on: bool, *, grow: bool) -> NDArray[np.int32]:
    """The tokens of some sentences, the first of which may go on with one that began before."""
    lengths = np.fromiter(map(len, batch), np.int64, len(batch))
    tokens = np.empty(int(lengths.sum()), np.int32)
    if len(tokens):
        _number(table, batch if lengths.all() else [sentence for sentence in batch if len(sentence)], tokens, grow=grow)
        starts = (np.cumsum(lengths) - lengths)[lengths > 0]
        tokens[starts[1:] if goes_on else starts] |= SENTENCE_START
    return tokens


def _number(table: WordTable, batch: Sequence[Sentence], tokens: NDArray[np.int32], *, grow: bool) -> None:
    """The words of sentences, none of which is empty, as numbers of `table`."""
    for separator in _SEPARATORS:
        join = separator.join
        text = join(map(join, batch)).encode()
        if table.read_list(text, ord(separator), tokens, grow=grow):
            return
    for i, word in enumerate(chain.from_iterable(batch)):  # words that hold each of the separators
        table.read_list(word.encode(), _NEVER, tokens[i : i + 1], grow=grow)


def _batches(sentences: Iterable[Sentence], progress: Progress | None) -> Iterator[list[Sentence]]:
    total = len(sentences) if isinstance(sentences, Sized) else None
    iterator = iter(_iterable(sentences))
    batch: list[Sentence] = []
    done = words = 0
    taken = 1
    while group := list(islice(iterator, taken)):
        if not _PLAIN.issuperset(map(type, group)):
            group = [_sentence(sentence, done + i) for i, sentence in enumerate(group)]
        size = sum(map(len, group))
        taken = max(1, min(_GROUP, _BATCH * len(group) // max(size, 1)))  # long sentences one by one
        if batch and (words + size > _BATCH or len(batch) >= _BATCH):
            yield batch
            batch, words = [], 0
            if progress is not None:
                progress(done, total)
        done += len(group)
        words += size
        batch += group
    if batch:
        yield batch
    if progress is not None:
        progress(done, total)


def _parts(batch: list[Sentence]) -> Iterator[tuple[list[Sentence], bool]]:
    """The batch, cut where sentences are long; with each part, whether it goes on with a sentence."""
    if sum(map(len, batch)) <= 2 * _BATCH:
        yield batch, False
        return
    for sentence in batch:
        for begin in range(0, len(sentence), _BATCH):
            yield [sentence[begin : begin + _BATCH]], begin > 0


def _iterable(sentences: Iterable[Sentence]) -> Iterable[Sentence]:
    if isinstance(sentences, str | bytes) or not isinstance(sentences, Iterable):
        kind = "a string" if isinstance(sentences, str) else f"of type {type(sentences).__name__}"
        raise CorpusError(f"the sentences are {kind}", hint=_HINT + "; a file's name goes to corpus_file")
    return sentences


def _sentence(sentence: object, position: int) -> Sentence:
    """A sentence that is not a list or tuple, as a list."""
    if isinstance(sentence, list | tuple):
        return sentence
    if isinstance(sentence, str):
        raise CorpusError(
            f"sentence {position} is a string; a sentence is a list of words",
            hint="split it: sentence.split()",
            sentence=position,
        )
    if isinstance(sentence, set | frozenset):
        raise CorpusError(
            f"sentence {position} is a set, which has no order; a sentence is a list of words",
            hint=_HINT,
            sentence=position,
        )
    if isinstance(sentence, bytes | bytearray) or not isinstance(sentence, Iterable):
        raise CorpusError(
            f"sentence {position} is of type {type(sentence).__name__}; a sentence is a list of words",
            hint=_HINT,
            sentence=position,
        )
    return list(sentence)


def _explained(batch: Sequence[Sentence], first: int, error: Exception) -> Exception:
    """What is wrong with a batch whose first sentence is number `first`; `error` if nothing is found."""
    for i, sentence in enumerate(batch, first):
        for j, word in enumerate(sentence):
            facts = {"sentence": i, "position": j}
            if not isinstance(word, str):
                kind = type(word).__name__
                return CorpusError(f"word {j} of sentence {i} is not a string but {kind}", hint=_HINT, **facts)
            try:
                word.encode()
            except UnicodeEncodeError as wrong:
                lone = f"U+{ord(word[wrong.start]):04X}"
                return CorpusError(
                    f"word {j} of sentence {i} holds a lone surrogate ({lone}), which is no character",
                    hint="decode the text anew, with the right encoding",
                    **facts,
                )
    return error


def _check_some(sentences: int, words: int) -> None:
    if sentences == 0:
        raise CorpusError("there is no sentence", hint="an iterator that was read before is empty")
    if words == 0:
        raise CorpusError(f"there is no word in any of {sentences} sentences", sentences=sentences)
