"""Answers are compared with a search through all rows of the truth, in exact arithmetic."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from world import DIMS, SPLIT, SlowModel, Spot, Truth, model
from wrong import refuse

from idembed.index import Index
from idembed.rows import Hit

K = 10


def opened(url: str | Path, truth: Truth, log: Path | None = None, brake: Any = None, **options: Any) -> Index:
    """The index as a program opens it that knows all models. With a ``log`` these are slow."""
    active = truth.active.model if truth.active else "old"
    models = {
        name: SlowModel(name, dim, log, brake or (lambda: None)) if log else model(name) for name, dim in DIMS.items()
    }
    options.setdefault("vault", "none")
    return Index(url, models.pop(active), models=list(models.values()), split=truth.split, **options)


class Answer(NamedTuple):
    """A hit."""

    id: str
    part: int
    score: float
    text: str
    span: tuple[int, int]
    metadata: dict[str, Any]


class Ranking:
    """Every part of the truth, to be ranked by how near it is to a question; but for those that are ``hidden``."""

    def __init__(self, truth: Truth, name: str, hidden: Collection[Spot] = ()) -> None:
        self._truth = truth
        self._model = model(name)
        parts = {place: part for place, part in truth.parts(name).items() if place not in hidden}
        self._places = [(*place, part.start, part.end) for place, part in parts.items()]
        raw = b"".join(part.vector or b"" for part in parts.values())
        self._vectors = np.frombuffer(raw, "<f4").astype(np.float64).reshape(len(parts), DIMS[name])

    def answers(self, question: str) -> Iterator[Answer]:
        """Best first, equal ones by id, then part."""
        return self.nearest(self._model.vector(question))

    def nearest(self, vector: Any) -> Iterator[Answer]:
        """The same for float32 [dim], of whatever model."""
        scores = self._vectors @ vector.astype(np.float64)
        for at in np.argsort(-scores, kind="stable"):
            row_id, part, start, end = self._places[at]
            text, metadata = self._truth.contents[row_id]
            yield Answer(row_id, part, float(scores[at]), text[start:end], (start, end), metadata)


def questions(truth: Truth, count: int = 8) -> list[str]:
    """Texts of some parts, and one that nobody has."""
    texts = sorted({text[:SPLIT].split("\n\n")[0] for text, _ in truth.contents.values()})
    return [*random.Random(len(texts)).sample(texts, min(count, len(texts))), "a question"]


def answers_of(index: Index, asked: Sequence[str], k: int = K) -> list[list[Answer]]:
    return [[answer_of(hit) for hit in hits] for hits in index.search_many(asked, k=k)]


def answer_of(hit: Hit) -> Answer:
    return Answer(hit.id, hit.part, hit.score, hit.text, hit.span, hit.metadata)


def check_answers(index: Index, truth: Truth, hidden: Collection[Spot] = (), *, asked: Sequence[str] = ()) -> None:
    """The index answers as the truth does, without the parts that are ``hidden``; one question is answered with all
    there is."""
    assert truth.active is not None
    ranking = Ranking(truth, truth.active.model, hidden)
    for some, k in ((asked or questions(truth), K), (asked or ["a question"], len(truth.rows) * 5 + 1)):
        for question, found in zip(some, answers_of(index, some, k), strict=True):
            expected = list(ranking.answers(question))[:k]
            wrong = [pair for pair in zip_longest(found, expected) if pair[0] != pair[1]]
            refuse(f"{question!r} found {wrong[:2]}", wrong_answers=len(wrong))


def check_answers_of_damaged(
    index: Index, truth: Truth, damaged: Collection[Spot] | None, *, asked: Sequence[str] = ()
) -> None:
    """Whatever is found is right; and nothing is missing but what is ``damaged`` (None: anything may be)."""
    assert truth.active is not None
    ranking = Ranking(truth, truth.active.model)
    asked = asked or questions(truth)
    for question, found in zip(asked, answers_of(index, asked), strict=True):
        expected = list(ranking.answers(question))
        rest = iter(expected)
        wrong = [answer for answer in found if answer not in rest]
        refuse(f"{question!r} found {wrong[:2]} in a damaged file", wrong_answers=len(wrong))
        if damaged is not None:
            whole = [answer for answer in expected if (answer.id, answer.part) not in damaged]
            wanted = whole[: max(0, K - len(damaged))]
            missing = [answer for answer in wanted if answer not in found]
            refuse(f"{question!r} missed {missing[:2]} in a file with damage elsewhere", wrong_answers=len(missing))


def check_answers_half_way(index: Index, name: str, before: Truth, after: Truth) -> None:
    """While a writer is half-way from ``before`` to ``after``, whatever is found is right by one of them, in the right
    order; and nothing is missing that is the same in both. ``name`` is the model of what is searched."""
    rankings = [Ranking(truth, name) for truth in (before, after)]
    asked = questions(after)
    for question, found in zip(asked, answers_of(index, asked), strict=True):
        old, new = (list(ranking.answers(question)) for ranking in rankings)
        wrong = [answer for answer in found if answer not in old and answer not in new]
        refuse(f"{question!r} found {wrong[:2]} half-way", wrong_answers=len(wrong))
        assert found == sorted(found, key=lambda answer: (-answer.score, answer.id, answer.part))
        both = [answer for answer in old if answer in new]
        wanted = both[: max(0, K - (len(old) + len(new) - 2 * len(both)))]
        missing = [answer for answer in wanted if answer not in found]
        refuse(f"{question!r} missed {missing[:2]} half-way", wrong_answers=len(missing))
