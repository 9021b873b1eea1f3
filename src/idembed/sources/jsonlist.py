"""A ``.json`` file that is one list of objects; its text is held in memory (JSON lines are not)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from idembed.errors import SourceError
from idembed.sources.base import Fields, Record
from idembed.sources.files import File, decode
from idembed.sources.jsonl import JSON_SPACE, parse, why_not
from idembed.sources.objects import ObjectSource

__all__ = ["JsonListSource"]


class JsonListSource(ObjectSource):
    """Items are parsed one by one, so that an error names the item and its line."""

    def __init__(self, file: File, fields: Fields) -> None:
        super().__init__(file.name, fields)
        self._file = file

    def where(self, position: int) -> str:
        """``cats.json, item 7``, counted from 1."""
        return f"{self.name}, item {position}"

    def _records(self) -> Iterator[Record]:
        with self._file.opened() as stream:
            text = decode(stream.read(), self._file)
        place = _skip(text, 0)
        if text[place : place + 1] != "[":
            raise self._not_a_list(text, place)
        position = 0
        place = _skip(text, place + 1)
        while text[place : place + 1] != "]":
            if position:
                place = self._past_comma(text, place)
            position += 1
            try:
                item, end = parse(text, place)
            except (ValueError, RecursionError) as error:
                raise self._broken(position, text, place, error) from None
            if type(item) is not dict:
                raise SourceError(f"{self.where(position)} is not an object", hint="a row is an object", line=position)
            yield self._object(position, item)
            place = _skip(text, end)
        after = _skip(text, place + 1)
        if after < len(text):
            raise self._invalid(text, after, "extra data after the list")

    def _past_comma(self, text: str, place: int) -> int:
        if text[place : place + 1] != ",":
            raise self._invalid(text, place, "expecting ',' or ']'")
        return _skip(text, place + 1)

    def _broken(self, position: int, text: str, place: int, error: Exception) -> SourceError:
        if isinstance(error, json.JSONDecodeError):
            return self._invalid(text, error.pos, f"{error.msg[:1].lower()}{error.msg[1:]}")
        _, reason = why_not(text[place:], error)
        return SourceError(f"{self.where(position)}: {reason}", file=self.name)

    def _invalid(self, text: str, place: int, reason: str) -> SourceError:
        line = text.count("\n", 0, place) + 1
        column = place - text.rfind("\n", 0, place)
        hint = "" if text[place:].strip(JSON_SPACE) else "the file ends there: it seems cut off"
        message = f"{self.name}, line {line}, column {column}: is not valid JSON: {reason}"
        return SourceError(message, hint=hint, file=self.name, line=line, column=column)

    def _not_a_list(self, text: str, place: int) -> SourceError:
        if place == len(text):
            return SourceError(f"{self.name} is empty", hint="a .json file is a list of objects", file=self.name)
        hint = "a file with one object a line is named .jsonl"
        return SourceError(f"{self.name} is not a list of objects", hint=hint, file=self.name)


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in JSON_SPACE:
        place += 1
    return place
