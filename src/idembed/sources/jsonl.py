"""JSON lines: one object a line, UTF-8; ``.jsonl``, ``.ndjson``, and both with ``.gz``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from idembed.errors import SourceError
from idembed.sources.base import Fields, Record
from idembed.sources.files import File
from idembed.sources.objects import ObjectSource

__all__ = ["JSON_SPACE", "JsonlSource", "parse", "why_not"]

JSON_SPACE = " \t\r\n"
_KINDS = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}


class JsonlSource(ObjectSource):
    """Blank lines are skipped, a byte order mark and CR LF are fine; a key occurs once in an object."""

    def __init__(self, file: File, fields: Fields) -> None:
        super().__init__(file.name, fields)
        self._file = file
        self.one_shot = file.path is None

    def where(self, position: int) -> str:
        """``cats.jsonl, line 7``."""
        return f"{self.name}, line {position}"

    def _records(self) -> Iterator[Record]:
        lines = self._file.lines()
        for position, line in enumerate(lines, 1):
            text = line.strip(JSON_SPACE)
            if not text:
                continue
            try:
                item, end = parse(text, 0)
            except (ValueError, RecursionError) as error:
                raise self._broken(position, line, error, lines) from None
            if end != len(text):
                end = len(text) - len(text[end:].lstrip(JSON_SPACE))
                raise self._broken(position, line, json.JSONDecodeError("Extra data", text, end), lines)
            if type(item) is not dict:
                raise self._not_an_object(position, item)
            yield self._object(position, item)

    def _broken(self, position: int, line: str, error: Exception, rest: Iterator[str]) -> SourceError:
        column, reason = why_not(line.strip(JSON_SPACE), error)
        place = self.where(position)
        if column:
            column += len(line) - len(line.lstrip(JSON_SPACE))
            place += f", column {column}"
        hint = "each line is one whole JSON object"
        if isinstance(error, json.JSONDecodeError) and not any(text.strip(JSON_SPACE) for text in rest):
            hint = "this is the last line: the file seems cut off"
        return SourceError(f"{place}: {reason}", hint=hint, file=self.name, line=position, column=column)

    def _not_an_object(self, position: int, item: object) -> SourceError:
        kind = _KINDS.get(type(item), "null")
        hint = "each line is one JSON object with an id and a text"
        if position == 1 and type(item) is list:
            hint = "a file that is one JSON list is named .json"
        return SourceError(f"{self.where(position)} is {kind}, not an object", hint=hint, line=position)


class _RefusedError(ValueError):
    """Well-formed JSON that is not taken."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"the key {again!r} occurs twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise _RefusedError(name)


parse = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).raw_decode
"""(value, where it ends) of the JSON at a place in a string, strictly; for its errors, see why_not."""


def why_not(text: str, error: Exception) -> tuple[int, str]:
    """The column (from 1; 0 when there is none) and the reason why ``parse`` failed on ``text``."""
    if isinstance(error, RecursionError):
        return 0, "is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return error.pos + 1, f"is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    if not isinstance(error, _RefusedError):
        return 0, "has a number with thousands of digits"
    name = str(error)
    if name not in ("NaN", "Infinity", "-Infinity"):
        return 0, name
    value, _ = json.JSONDecoder(parse_constant=_Constant).raw_decode(text)
    path = _find_constant(value, "")
    return 0, f"{path or 'the value'} is {name}, which JSON does not have; use null or leave it out"


class _Constant(str):
    """Marks a constant, to find its path."""

    __slots__ = ()


def _find_constant(value: Any, path: str) -> str:
    if isinstance(value, _Constant):
        return path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        step = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}" if path else str(key)
        found = _find_constant(item, step)
        if found:
            return found
    return ""
