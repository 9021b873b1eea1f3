"""Which words of a corpus get a vector, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from idembed.errors import CorpusError, OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Chosen", "Vocabulary", "VocabularyRules", "choose", "ids_of"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words and how often each occurs (`counts` int64 [V]); a word's id is its place."""

    words: list[str]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, slots=True)
class VocabularyRules:
    """Which words are kept. OptionError for a value that makes no sense.

    * `min_count`: words that occur less often are left out.
    * `max_final_vocab`: at most so many words, by a higher least count: words of equal count stay or go
      together.
    * `max_vocab_size`: about how many words are held while counting: whenever there are more at the end of a
      sentence, those counted less than r times are forgotten, and r, 1 at first, rises by one (as in gensim).
      The sentences are then read twice.
    * `sorted_vocab`: by falling count, words of equal count by first occurrence; else all by first occurrence.
    """

    min_count: int = 5
    max_vocab_size: int | None = None
    max_final_vocab: int | None = None
    sorted_vocab: bool = True

    def __post_init__(self) -> None:
        for name, least in (("min_count", 0), ("max_vocab_size", 1), ("max_final_vocab", 1)):
            value = getattr(self, name)
            if value is None and name != "min_count":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}", option=name)

    def least_count(self, counts: NDArray[np.int64]) -> int:
        """The count below which a word is left out of a corpus with these counts."""
        most = self.max_final_vocab
        if most is None or most >= len(counts):
            return self.min_count
        first_left_out = int(np.partition(counts, len(counts) - 1 - most)[len(counts) - 1 - most])
        return max(self.min_count, first_left_out + 1)


class Chosen(NamedTuple):
    """`ids` int32 [n + 1]: the id in `vocabulary` of each of n distinct words, -1 for one that is left out; the
    last is -1 and stands for whatever is not among them."""

    vocabulary: Vocabulary
    ids: NDArray[np.int32]


def choose(
    word: Callable[[int], str],
    counts: NDArray[np.int64],
    rules: VocabularyRules,
    base: Vocabulary | None = None,
) -> Chosen:
    """The vocabulary of a corpus whose distinct words, by first occurrence, are ``word(0), word(1), …``.

    With `base` it goes on from there: the words of `base` keep their ids whatever they count here, what they
    count is added, and new words that `rules` keep come after them. Raises CorpusError if no word is left.
    """
    known = np.full(len(counts), -1, np.int32) if base is None else _known(word, len(counts), base)
    least = rules.least_count(counts)
    new = np.flatnonzero((counts >= least) & (known < 0))
    if rules.sorted_vocab:
        new = new[np.argsort(-counts[new], kind="stable")]
    if len(new) == 0 and not (known >= 0).any():
        raise _emptied(counts, least, rules)
    old_words, old_counts = ([], np.empty(0, np.int64)) if base is None else (base.words, base.counts.copy())
    np.add.at(old_counts, known[known >= 0], counts[known >= 0])
    ids = np.append(known, np.int32(-1))
    ids[new] = np.arange(len(old_words), len(old_words) + len(new), dtype=np.int32)
    words = [*old_words, *(word(i) for i in new.tolist())]
    return Chosen(Vocabulary(words, np.concatenate([old_counts, counts[new]])), ids)


def ids_of(vocabulary: Vocabulary) -> NDArray[np.int32]:
    """`Chosen.ids` of a corpus whose distinct words are those of `vocabulary`."""
    return np.append(np.arange(len(vocabulary), dtype=np.int32), np.int32(-1))


def _known(word: Callable[[int], str], n: int, base: Vocabulary) -> NDArray[np.int32]:
    id_of = {known: i for i, known in enumerate(base.words)}
    return np.fromiter((id_of.get(word(i), -1) for i in range(n)), np.int32, n)


def _emptied(counts: NDArray[np.int64], least: int, rules: VocabularyRules) -> CorpusError:
    most = int(counts.max(initial=0))
    facts = {"distinct": len(counts), "largest_count": most, "min_count": rules.min_count}
    distinct = f"{len(counts)} distinct word" + "s" * (len(counts) != 1)
    if least > rules.min_count:
        return CorpusError(
            f"no word is left: max_final_vocab={rules.max_final_vocab} leaves out all {distinct},"
            f" because more than that many occur equally often ({most} times)",
            hint="raise max_final_vocab",
            **facts,
        )
    return CorpusError(
        f"no word is left: min_count is {rules.min_count}, and the most frequent of {distinct} occurs"
        f" {most} time" + "s" * (most != 1),
        hint=f"lower min_count to {most} or less, or give more text" if most else "give more text",
        **facts,
    )
