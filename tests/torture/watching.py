"""Searching without end while others switch: which generation gave each answer, and when."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from answers import Answer, Ranking, answer_of
from world import Truth, model

from idembed.index import Index

K = 6
OPENED = 40
"""How many questions are asked until the index is opened anew."""


class Watched(NamedTuple):
    """An answer that was asked for and given at these moments (of ``time.monotonic``); ``name`` of the model whose
    generation gave it as a whole, "" when no generation would give it."""

    began: float
    ended: float
    name: str
    found: Sequence[Answer] = ()


class Question(NamedTuple):
    """A question, and what each generation answers, by the name of its model."""

    ask: Callable[[Index], list[Answer]]
    answers: dict[str, list[Answer]]


def questions(truth: Truth, names: Sequence[str]) -> list[Question]:
    """By text, which becomes another vector in each space; by one vector, for all; and by a row."""
    rankings = {name: Ranking(truth, name) for name in names}
    made = []
    for row_id, (text, _) in list(truth.contents.items())[:4]:
        vector = model(names[0]).vector(text)
        near = {name: list(ranking.answers(text)) for name, ranking in rankings.items()}
        others = {name: [answer for answer in found if answer.id != row_id][:K] for name, found in near.items()}
        one = {name: list(islice(ranking.nearest(vector), K)) for name, ranking in rankings.items()}
        made += [
            Question(lambda index, text=text: _answers(index, text=text), {n: found[:K] for n, found in near.items()}),
            Question(lambda index, vector=vector: _answers(index, vector=vector), one),
            Question(lambda index, row_id=row_id: _answers(index, id=row_id), others),
        ]
    return made


def watch(url: str, truth: Truth, names: Sequence[str], folder: Path) -> list[Watched]:
    """Ask until there is a file ``over`` in the folder, by an index that is opened anew at times; ``watchers`` tells
    those that have begun."""
    asked, seen = cycle(questions(truth, names)), list[Watched]()
    while not (folder / "over").exists():
        with Index(url, models=[model(name) for name in names], vault="none") as index:
            for question in islice(asked, OPENED):
                began = time.monotonic()
                found = question.ask(index)
                ended = time.monotonic()
                name = next((name for name, answers in question.answers.items() if answers == found), "")
                seen.append(Watched(began, ended, name, () if name else found))
        if len(seen) == OPENED:
            (folder / f"watcher {os.getpid()} {threading.get_ident()}").touch()
    return seen


def watchers(folder: Path) -> int:
    """How many have begun."""
    return len(list(folder.glob("watcher *")))


def _answers(index: Index, **question: object) -> list[Answer]:
    return [answer_of(hit) for hit in index.search(k=K, **question)]  # type: ignore[arg-type]
