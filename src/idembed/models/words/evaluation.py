"""How well word vectors agree with people: scores of word pairs, and analogies.

Files, their quirks and all numbers are gensim's (``evaluate_word_pairs``, ``evaluate_word_analogies``), so that
results can be compared with what is printed elsewhere.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from idembed import native
from idembed.errors import ModelError, OptionError
from idembed.models.words.cosines import best_of, divided
from idembed.models.words.formats import open_read

if TYPE_CHECKING:
    from idembed.models.words.keyedvectors import KeyedVectors

__all__ = ["Correlation", "Section", "pearson", "spearman", "word_analogies", "word_pairs"]

log = logging.getLogger(__name__)

_BATCH_BYTES = 64 << 20  # of scores at a time
_CANDIDATES = 5  # looked at for each question, as gensim does

Question = tuple[str, str, str, str]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Correlation(NamedTuple):
    """A coefficient, and the two-sided probability of one as large by chance (NaN where it has none)."""

    statistic: float
    pvalue: float


class Section(TypedDict):
    """One part of an analogy file: the questions that were asked, by outcome. ``a`` is to ``b`` as ``c`` to the
    expected ``d``; upper case when case was ignored."""

    section: str
    correct: list[Question]
    incorrect: list[Question]


# ---- word pairs ---------------------------------------------------------------------------------------------


def word_pairs(
    wv: KeyedVectors,
    path: Path,
    *,
    delimiter: str | None = "\t",
    encoding: str = "utf8",
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
) -> tuple[Correlation, Correlation, float]:
    """Pearson and Spearman correlation of cosines with people's scores, and the percentage of pairs with an
    unknown word. A line is ``word, word, score``; ``#`` begins a comment; other lines are skipped.

    Raises OptionError when the file cannot be read or fewer than two pairs are left.
    """
    known = _known(wv, restrict_vocab, case_insensitive)
    gold: list[float] = []
    model: list[float] = []
    unknown = 0
    for number, line in _lines(path, encoding):
        if line.startswith("#"):
            continue
        fields = (line.upper() if case_insensitive else line).split(delimiter)
        try:
            a, b, score = fields[0], fields[1], float(fields[2])
        except (ValueError, IndexError):
            fields = []
        if len(fields) != 3:
            log.info("%s, line %d is not two words and a score: skipped", path, number)
        elif a in known and b in known:
            gold.append(score)
            model.append(wv.similarity(known[a], known[b]))
        else:
            unknown += 1
            if dummy4unknown:
                gold.append(score)
                model.append(0.0)
    if len(gold) < 2:
        raise OptionError(
            f"{path} has {len(gold)} scored pairs whose words are known; a correlation needs two",
            hint=f"the delimiter is {delimiter!r}; {unknown} pairs have a word that the vectors lack",
            file=str(path),
        )
    outside = 100.0 * unknown / (len(gold) if dummy4unknown else len(gold) + unknown)
    result = pearson(gold, model), spearman(gold, model), outside
    log.info("%s: Pearson %.4f, Spearman %.4f, %.1f%% of pairs unknown", path, result[0][0], result[1][0], outside)
    return result


def pearson(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Pearson's r of two lists of the same length, 2 or more. Sums are exact, so the order has no influence."""
    n = len(x)
    x, y = _centred(x), _centred(y)
    lengths = math.sqrt(math.fsum(a * a for a in x) * math.fsum(b * b for b in y))
    if lengths == 0.0:
        return Correlation(math.nan, math.nan)
    r = math.fsum(a * b for a, b in zip(x, y, strict=True)) / lengths
    r = max(-1.0, min(1.0, r))
    return Correlation(r, 1.0 if n == 2 else _chance(r, n - 2))


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rho: Pearson's r of the ranks, equals sharing the mean of theirs."""
    rho = pearson(_ranks(x), _ranks(y)).statistic
    return Correlation(rho, _chance(rho, len(x) - 2) if len(x) > 2 else math.nan)


def _centred(x: Sequence[float]) -> list[float]:
    if min(x) == max(x):
        return [0.0] * len(x)
    mean = math.fsum(x) / len(x)
    return [value - mean for value in x]


def _ranks(x: Sequence[float]) -> list[float]:
    _, at, counts = np.unique(np.asarray(x, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: list[float] = (last - (counts - 1) / 2)[at].tolist()
    return ranks


def _chance(r: float, freedom: int) -> float:
    """The two-sided p-value of a correlation ``r``: Student's t with ``freedom`` degrees, where
    t² = freedom · r² / (1 − r²), is beyond ±t with probability I(1 − r²; freedom/2, 1/2).

    The platform's ``math`` is good enough here: it is a probability to be printed, and no vector.
    """
    return math.nan if math.isnan(r) else _incomplete_beta((1.0 - r) * (1.0 + r), freedom / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(x; a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(1.0 - x, b, a)  # there the fraction converges fast
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    )
    return front / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + …)), from the left, by the modified Lentz method."""
    tiny = 1e-300
    value = numerator = 1.0
    denominator = 0.0
    for step in range(1, 10_000):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1.0 / ((1.0 + d * denominator) or tiny)
        numerator = (1.0 + d / numerator) or tiny
        change = numerator * denominator
        value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return value


# ---- analogies ----------------------------------------------------------------------------------------------


def word_analogies(
    wv: KeyedVectors,
    path: Path,
    *,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
) -> tuple[float, list[Section]]:
    """The share of questions answered right, and each section's answers, with ``Total accuracy`` as the last.

    A line is ``a b c d``: is d the word nearest to b − a + c? Lines ``: name`` begin sections. Questions with a
    word that is not among the first ``restrict_vocab`` are skipped, or with ``dummy4unknown`` counted as wrong.
    Raises OptionError when the file cannot be read, has no question, or one before its first section.
    """
    known = _known(wv, restrict_vocab, case_insensitive)
    sections: list[Section] = []
    asked: list[tuple[Section, Question]] = []
    for number, line in _lines(path, "utf8"):
        if line.startswith(": "):
            sections.append({"section": line.lstrip(": ").strip(), "correct": [], "incorrect": []})
            continue
        if not sections:
            raise OptionError(f"{path}, line {number}: a section (': name') must come first", file=str(path))
        words = (line.upper() if case_insensitive else line).split()
        if len(words) != 4:
            log.info("%s, line %d is not four words: skipped", path, number)
            continue
        asked.append((sections[-1], (words[0], words[1], words[2], words[3])))
    if not asked:
        raise OptionError(f"{path} holds no questions of four words", file=str(path))
    _answer(wv, asked, known, restrict_vocab, case_insensitive, dummy4unknown)
    total: Section = {
        "section": "Total accuracy",
        "correct": [question for section in sections for question in section["correct"]],
        "incorrect": [question for section in sections for question in section["incorrect"]],
    }
    sections.append(total)
    for section in sections:
        log.info("%s: %d of %d right", section["section"], len(section["correct"]), _count(section))
    return len(total["correct"]) / max(_count(total), 1), sections


def _count(section: Section) -> int:
    return len(section["correct"]) + len(section["incorrect"])


def _answer(
    wv: KeyedVectors,
    asked: list[tuple[Section, Question]],
    known: dict[str, int],
    restrict_vocab: int | None,
    case_insensitive: bool,
    dummy4unknown: bool,
) -> None:
    """Put every question among the correct or incorrect ones of its section."""
    answerable = [question for _, question in asked if all(word in known for word in question)]
    triples = np.array([[known[word] for word in question[:3]] for question in answerable], np.int64).reshape(-1, 3)
    answers = _nearest(wv, triples, restrict_vocab)
    for section, question in asked:
        if all(word in known for word in question):
            found = [wv.index_to_key[at] for at in next(answers)]
            names = [name.upper() for name in found] if case_insensitive else found
            right = _first_allowed(names, known, question) == question[3]
            section["correct" if right else "incorrect"].append(question)
        elif dummy4unknown:
            section["incorrect"].append(question)


def _first_allowed(names: list[str], known: dict[str, int], question: Question) -> str | None:
    """The best candidate that is not asked about under another spelling; as in gensim the last of them when
    none is allowed."""
    allowed = (name for name in names if name in known and name not in question[:3])
    return next(allowed, names[-1] if names else None)


def _nearest(wv: KeyedVectors, triples: Ints, restrict_vocab: int | None) -> Iterator[list[int]]:
    """For each (a, b, c) of words the words nearest to b + c − a, best first, without the three."""
    rows = wv.vectors[: restrict_vocab or None]
    norms = wv.norms[: restrict_vocab or None]
    signs = np.array([-1.0, 1.0, 1.0])
    step = max(_BATCH_BYTES // (4 * max(len(rows), 1)), 16)
    for start in range(0, len(triples), step):
        batch = triples[start : start + step]
        used, at = np.unique(batch, return_inverse=True)
        units = native.normalize(wv.vectors[used]).astype(np.float64)[at.reshape(batch.shape)]
        units *= signs[:, np.newaxis]
        mean = (units[:, 1] + units[:, 2] + units[:, 0]) / 3.0
        found = native.scores(rows, native.normalize(mean.astype(np.float32)))
        for scores, triple in zip(divided(found, norms), batch.tolist(), strict=True):
            yield [row for row in best_of(scores, _CANDIDATES + 3) if row not in triple][:_CANDIDATES]


# ---- files --------------------------------------------------------------------------------------------------


def _known(wv: KeyedVectors, restrict_vocab: int | None, case_insensitive: bool) -> dict[str, int]:
    """Where each of the first words is; of several that differ in case only, the first."""
    words = wv.index_to_key[: restrict_vocab or None]
    pairs = zip(reversed(words), range(len(words) - 1, -1, -1), strict=True)
    return {word.upper() if case_insensitive else word: at for word, at in pairs}


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    try:
        with open_read(path) as file:
            for number, line in enumerate(file, 1):
                yield number, line.decode(encoding)
    except (ModelError, LookupError, UnicodeDecodeError) as error:
        message = error.message if isinstance(error, ModelError) else f"{path} cannot be read: {error}"
        raise OptionError(message, file=str(path)) from error
