"""Questions with known answers: what one model is judged to be better at than another."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from idembed.arguments import check_kind, is_number
from idembed.canonical import check_text
from idembed.errors import OptionError, SourceError

__all__ = ["BeirQuestions", "Question", "read_beir", "read_qrels"]

_HEADER = ["query-id", "corpus-id", "score"]
_LAYOUTS = "a line is question, row and score between tabs (BEIR), or question, 0, row and score (TREC)"


@dataclass(frozen=True, slots=True)
class Question:
    """``text`` is what is searched for; ``relevant`` has the gain of every row id that answers it, all above 0.

    Raises OptionError for a text without words, no relevant row, or a gain that is no positive number.
    """

    id: str
    text: str
    relevant: Mapping[str, float]

    def __post_init__(self) -> None:
        check_kind("id", self.id, str, "a string")
        check_kind("text", self.text, str, "a string")
        check_kind("relevant", self.relevant, Mapping, "the gain of every row by its id")
        if not self.text.strip():
            raise OptionError(f"question {self.id!r} has no text", question=self.id)
        if not self.relevant:
            raise OptionError(f"question {self.id!r} has no relevant row", question=self.id)
        for row, gain in self.relevant.items():
            if not (is_number(gain) and 0.0 < gain < math.inf):
                raise OptionError(f"question {self.id!r}: the gain of row {row!r} is {gain!r}", question=self.id)


class BeirQuestions(NamedTuple):
    """The ``questions`` that can be asked, and the ids that the qrels judge and the queries file lacks."""

    questions: list[Question]
    missing: tuple[str, ...]


def read_beir(queries: Path, qrels: Path) -> BeirQuestions:
    """The questions of ``queries`` that have a relevant row in ``qrels`` (a score above 0), in their order there.

    Both as BEIR has them: a line of ``queries`` is ``{"_id": …, "text": …}`` (or ``"id"``), one of ``qrels`` is
    question, row and score between tabs, with or without a header; the four columns of TREC are read too.

    Raises SourceError naming file and line for what is not that, for an id that has two texts or a row that has
    two scores for a question, and when no question is left.
    """
    judged = read_qrels(qrels)
    if judged and not any(score > 0 for scores in judged.values() for score in scores.values()):
        raise SourceError(f"{qrels} has no score above 0, so that nothing answers a question", file=str(qrels))
    texts = _read_queries(queries)
    questions = []
    for name, text in texts.items():
        relevant = {row: score for row, score in judged.get(name, {}).items() if score > 0}
        if relevant:
            questions.append(Question(name, text, relevant))
    if not questions:
        raise SourceError(
            f"no question of {queries} has a relevant row in {qrels}",
            hint=f"ids are compared as they are: the first is {_first(texts)} there and {_first(judged)} here",
            file=str(queries),
        )
    return BeirQuestions(questions, tuple(name for name in judged if name not in texts))


def _read_queries(path: Path) -> dict[str, str]:
    """The text of every question by id, in the file's order."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in _lines(path):
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            raise _broken(path, number, f"is not valid JSON: {reason}") from None
        if not isinstance(item, dict):
            raise _broken(path, number, "is not an object", hint='a line is {"_id": "q1", "text": "…"}')
        name = _id_of(path, number, item)
        text = item.get("text")
        if not isinstance(text, str) or not text.strip() or check_text(text):
            raise _broken(path, number, f"has no text that could be searched for (question {name!r})")
        before, at = found.setdefault(name, (text, number))
        if before != text:
            raise _broken(path, number, f"has another text for question {name!r} than line {at}")
    return {name: text for name, (text, _) in found.items()}


def _id_of(path: Path, number: int, item: dict[str, object]) -> str:
    value = item.get("_id", item.get("id"))
    if type(value) is int:  # qrels know no types: 7 and "7" are written alike there
        return str(value)
    if not isinstance(value, str) or not value or check_text(value):
        raise _broken(path, number, 'has no id: "_id" is a string')
    return value


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Every score by question and row, in the file's order."""
    found: dict[str, dict[str, float]] = {}
    columns = 0
    for number, line in _lines(path):
        fields = line.split("\t")
        if not columns:
            columns = 3 if len(fields) == 3 or ("\t" in line and len(line.split()) != 4) else 4
            if [field.strip().lower() for field in fields] == _HEADER:
                continue
        if columns == 4:
            fields = line.split()
        if len(fields) != columns:
            raise _broken(path, number, f"should have {columns} columns, and has {len(fields)}", hint=_LAYOUTS)
        name, row, score = fields[0], fields[-2], _number(path, number, fields[-1])
        if not name or not row:
            raise _broken(path, number, f"has no id of a {'row' if name else 'question'}", hint=_LAYOUTS)
        if found.setdefault(name, {}).setdefault(row, score) != score:
            raise _broken(path, number, f"has another score for question {name!r} and row {row!r} than before")
    return found


def _number(path: Path, number: int, field: str) -> float:
    try:
        score = float(field)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise _broken(path, number, f"has the score {field!r}, which is no number", hint=_LAYOUTS)
    return score


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1 and without their ends."""
    number = 0
    try:
        with path.open("rb") as file:
            for raw in file:
                number += 1
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if line.strip():
                    yield number, line
    except UnicodeDecodeError:
        raise _broken(path, number, "is not UTF-8") from None
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="questions are lines of JSON, and qrels lines of columns, each in a file as BEIR has them",
            file=str(path),
        ) from None


def _broken(path: Path, number: int, what: str, hint: str = "") -> SourceError:
    return SourceError(f"{path}, line {number} {what}", hint=hint, file=str(path), line=number)


def _first(ids: Mapping[str, object]) -> str:
    return repr(next(iter(ids))) if ids else "missing"
