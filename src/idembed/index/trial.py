"""Two generations of an index asked the same questions."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from idembed.chunks import chunks
from idembed.errors import NoKnownWordError, OptionError, SourceError, StoreError
from idembed.filters import parse_where
from idembed.index.catalog import Catalog
from idembed.index.judged_rows import sample_rows
from idembed.index.report import Tell, ignore
from idembed.index.search import query_vectors
from idembed.index.verdicts import Judged, record
from idembed.judge import MARGIN, Judgement, Question, Run, check_margin, compare, known_item
from idembed.models.base import Model, TruncationWarning
from idembed.models.texts import warn_cut
from idembed.shown import number_of, shell_word
from idembed.stores.base import Generation, Match, Store

__all__ = ["questions_from_rows", "run_trial"]

_LOG = logging.getLogger(__name__)
_ROWS = 100
"""Rows that are ranked for a question; recall is taken at 10 and at 100."""
_PARTS = 400
"""Parts that are looked through for them where texts are split."""
_CHUNK = 500
_CANDIDATES = 20


class _Asked(NamedTuple):
    """The questions that rows of both generations answer, with those rows alone as their answers; what that left out:
    how many questions, and how many answers of those that stay."""

    questions: list[Question]
    questions_dropped: int
    answers_dropped: int


def run_trial(
    catalog: Catalog,
    questions: Sequence[Question],
    number: int | None = None,
    *,
    margin: float = MARGIN,
    weaker: bool = False,
    tell: Tell = ignore,
) -> Judgement:
    """Judge a generation (the one that is being built, or ``number``) against the one that is searched, and keep the
    verdict in the index.

    Only questions count that a row answers which both have; the judgement says how many were dropped. Where one of the
    two is not complete, only the rows that both have are searched. An index that cannot be written is judged all the
    same, with a warning in the log: ``switch`` will not know of it. Raises OptionError for a margin that is none, and
    when no row that both have answers a question; SourceError when no row of the index does.
    """
    check_margin(margin)
    store, active = catalog.readable()
    new, sample = _candidate(catalog, number), sample_rows(store)
    total, both = store.count(), _rows_in_both(store, active, new)
    asked = _answerable(store, (active, new), questions)
    if not asked.questions:
        raise _unanswerable(catalog, new, questions, both, total)
    whole, count = active.complete and new.complete, len(asked.questions)

    def ask(generation: Generation, other: Generation, before: int) -> Run:
        asker = _Asker(catalog, generation, None if whole else other, asked.questions)
        return asker.run(lambda done: tell("asking", before + done, 2 * count))

    judgement = compare(
        asked.questions,
        ask(active, new, 0),
        ask(new, active, count),
        margin=margin,
        weaker_evidence=weaker,
        rows_compared=both,
        rows_total=total,
        questions_dropped=asked.questions_dropped,
        answers_dropped=asked.answers_dropped,
    )
    judged = _judged(judgement, active, count, weaker)
    try:
        record(catalog, new, judged, sample)
    except StoreError as error:
        _LOG.warning("the verdict was not recorded, so that a switch does not know it: %s", error.message)
    return judgement


def _judged(judgement: Judgement, active: Generation, count: int, weaker: bool) -> Judged:
    """What is kept of a judgement."""
    change = judgement.metrics[0].difference
    low, mean, high = (value if math.isfinite(value) else None for value in (change.low, change.mean, change.high))
    return Judged(
        str(judgement.verdict),
        judgement.reason,
        active.space.id,
        count,
        weaker,
        datetime.now(UTC).isoformat(timespec="seconds"),
        judgement.rows_compared,
        judgement.rows_total,
        judgement.margin,
        low,
        mean,
        high,
    )


def questions_from_rows(catalog: Catalog, limit: int, number: int | None = None) -> list[Question]:
    """Questions made from rows that both generations have (see ``judge.known_item``: weaker evidence). Raises
    OptionError when there is no such row, SourceError when none is long enough."""
    store, active = catalog.readable()
    new = _candidate(catalog, number)
    whole = active.complete and new.complete
    looked_at = 0

    def rows() -> Iterator[tuple[str, str]]:
        nonlocal looked_at
        ids = store.sample(_CANDIDATES * limit) if whole else (row.id for row in store.scan(vectors=False))
        for chunk in chunks(ids, _CHUNK):
            current = _in_both(store, (active, new), chunk)
            stored = store.get([row_id for row_id in chunk if row_id in current])
            looked_at += len(stored)
            yield from ((row.id, row.text) for row in stored.values())

    found = known_item(rows(), limit)
    if found:
        return found
    if not looked_at:
        raise OptionError(
            f"{catalog.name}: there is no row that generations {active.number} and {new.number} both have",
            hint=f"build a part of it first: idembed upgrade {catalog.typed} --to {shell_word(new.model)} --until 5%",
        )
    raise SourceError(
        f"{catalog.name}: no question can be made of {number_of(looked_at, 'row')} with fewer than 6 words each",
        hint="a question is at most half of a text. Judge by questions that people asked: --queries and --qrels",
    )


def _candidate(catalog: Catalog, number: int | None) -> Generation:
    if number is None:
        return catalog.generation(None, "building")
    return catalog.generation(number, "building", "standby")


def _rows_in_both(store: Store, active: Generation, new: Generation) -> int:
    """How many rows lack vectors in neither."""
    gone = set() if active.complete else set(store.lacking(active.number))
    more = 0 if new.complete else sum(1 for row_id in store.lacking(new.number) if row_id not in gone)
    return store.count() - len(gone) - more


def _in_both(store: Store, pair: Sequence[Generation], ids: Sequence[str]) -> set[str]:
    """Those of the rows that are there, with what both generations have of them."""
    states = store.states(ids, [generation.number for generation in pair])
    return {row_id for row_id, state in states.items() if state.current}


def _answerable(store: Store, pair: Sequence[Generation], questions: Sequence[Question]) -> _Asked:
    kept: list[Question] = []
    dropped = answers_dropped = 0
    for chunk in chunks(questions, _CHUNK):
        here = _in_both(store, pair, sorted({row_id for question in chunk for row_id in question.relevant}))
        for question in chunk:
            answers = {row_id: gain for row_id, gain in question.relevant.items() if row_id in here}
            if answers:
                kept.append(Question(question.id, question.text, answers))
                answers_dropped += len(question.relevant) - len(answers)
            else:
                dropped += 1
    return _Asked(kept, dropped, answers_dropped)


def _unanswerable(
    catalog: Catalog, new: Generation, questions: Sequence[Question], both: int, total: int
) -> OptionError | SourceError:
    store, _ = catalog.readable()
    answers = sorted({row_id for question in questions for row_id in question.relevant})
    if any(store.states(chunk, ()) for chunk in chunks(answers, _CHUNK)):
        return OptionError(
            f"no question is answered by a row that generation {new.number} and the one that is searched both have",
            hint=f"both have {both:,} of {total:,} rows: build more of it, or those that the questions are about "
            "(--qrels of idembed upgrade)",
        )
    mine, theirs = store.sample(1), answers[:1]
    return SourceError(
        f"no question is answered by a row of {catalog.name}",
        hint="the qrels name rows by their ids"
        + (f": {theirs[0]!r} is one there, and {mine[0]!r} one in the index" if mine and theirs else ""),
    )


class _Asker:
    """Puts the questions to one generation; with ``within``, as if it held only the rows that this one has too."""

    def __init__(
        self, catalog: Catalog, generation: Generation, within: Generation | None, questions: Sequence[Question]
    ) -> None:
        self._store, _ = catalog.readable()
        self._generation = generation
        self._within = within.number if within else None
        self._questions = questions
        self._model = catalog.model_of(generation)
        self._wanted = _PARTS if catalog.splitter() else _ROWS
        self._hidden = self._without_vectors(within) if within else set()

    def run(self, tell: Callable[[int], None]) -> Run:
        """Ask all; ``tell`` gets the number of questions answered so far."""
        ranked: list[list[str]] = []
        seconds: list[float] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)  # of all questions at once, below
            self._ask(self._questions[0])  # which warms up, and is not counted
            for done, question in enumerate(self._questions, 1):
                found, took = self._ask(question)
                seconds.append(took)
                ranked.append(list(dict.fromkeys(match.id for match in found))[:_ROWS])
                tell(done)
        _warn_of_cuts(self._model, self._questions)
        generation = self._generation
        return Run(generation.status, generation.number, generation.model, generation.space.id, ranked, seconds)

    def _ask(self, question: Question) -> tuple[list[Match], float]:
        """What was found, best first, and how long that took."""
        number, generation = self._generation.number, self._generation
        began = time.perf_counter()
        try:
            vectors = query_vectors([question.text], generation.space, lambda: self._model)
        except NoKnownWordError:
            return [], time.perf_counter() - began
        found = self._store.search(number, vectors, self._wanted, within=self._within)[0]
        took = time.perf_counter() - began
        if hidden := sorted(self._hidden.intersection(question.relevant)):
            found += self._store.search(number, vectors, self._wanted, parse_where({"$id": hidden}))[0]
            found.sort(key=Match.rank)
        return found, took

    def _without_vectors(self, other: Generation) -> set[str]:
        """The answers that the other generation has dealt with and has no vector for. A search within its rows does not
        find them; asked for by id they are found, so that it loses what it cannot find. (Wrong rows of that kind stay
        hidden, which is to this one's advantage.)"""
        answers = sorted({row_id for question in self._questions for row_id in question.relevant})
        return {
            row.id
            for chunk in chunks(answers, _CHUNK)
            for row in self._store.get(chunk, other.number, vectors=False).values()
            if row.parts and all(part.empty for part in row.parts)
        }


def _warn_of_cuts(model: Model, questions: Sequence[Question]) -> None:
    receipts = model.receipts([question.text for question in questions], "query")
    if cut := sum(receipt.truncated for receipt in receipts):
        most = max(receipt.tokens for receipt in receipts)
        warn_cut(f"{cut} of {len(questions)} questions were cut to the {most} tokens that {model.name} reads")
