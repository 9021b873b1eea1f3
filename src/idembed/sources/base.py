"""What every source of rows promises."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from idembed.errors import OptionError, RowError, SourceError
from idembed.rows import CheckedRow, check_row

__all__ = ["Fields", "Record", "Source"]

Record: TypeAlias = tuple[int, object, object, object]
"""(position, id, text, metadata) as they were found, not yet checked."""


class Fields(NamedTuple):
    """Under which names a source keeps the id and the text of a row."""

    id: str = "id"
    text: str = "text"

    @classmethod
    def of(cls, id_field: str | None, text_field: str | None) -> Fields:
        """The names asked for; OptionError if one is empty or both are the same."""
        fields = cls("id" if id_field is None else id_field, "text" if text_field is None else text_field)
        for option, name in (("id_field", fields.id), ("text_field", fields.text)):
            if not isinstance(name, str) or not name:
                raise OptionError(f"{option} is the name of a field, not {name!r}")
        if fields.id == fields.text:
            raise OptionError(f"id_field and text_field are both {fields.id!r}", hint="name two different fields")
        return fields


class Source(ABC):
    """Rows, one after the other in bounded memory, each checked and hashed.

    ``name`` is for messages. ``split`` is the size of part that suits this kind of source when nobody asked
    for one (None: do not split). ``size_hint`` is the number of rows if it is known before reading.
    ``skipped`` lists (name, reason) of what ``rows()`` left out. ``one_shot``: it can be read only once.
    """

    name: str
    split: int | None = None
    size_hint: int | None = None
    one_shot: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped: list[tuple[str, str]] = []
        self._spent = False

    def rows(self) -> Iterator[tuple[int, CheckedRow]]:
        """(position, row) for every row; positions are unique and grow, and ``where`` puts one into words.

        Raises RowError or SourceError at the first row that cannot be taken, naming it. An id that occurs
        twice is for the caller to find.
        """
        if self.one_shot and self._spent:
            raise SourceError(f"{self.name} can be read only once, and was", hint="give a fresh source")
        self._spent = True
        for position, row_id, text, metadata in self._records():
            if type(row_id) is not str:
                row_id = self._as_id(position, row_id)
            try:
                row = check_row(row_id, text, metadata, "")
            except RowError:  # the place costs 0.3 µs to put into words: only when it is needed
                check_row(row_id, text, metadata, self.where(position))
                raise
            yield position, row

    @abstractmethod
    def where(self, position: int) -> str:
        """The place of a row, such as ``cats.jsonl, line 7``."""

    @abstractmethod
    def _records(self) -> Iterator[Record]:
        """What is there, unchecked; raises SourceError or RowError for what is not a row at all."""

    def _as_id(self, position: int, value: object) -> object:
        """An integer as its decimal digits, so that 1 and "1" are one id; check_row judges None and bool."""
        if isinstance(value, str | bool | None):
            return value
        try:
            number = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            hint = "an id is a string or an integer"
            if isinstance(value, float):
                hint += "; a table turns integers into floats where one is missing"
            kind = type(value).__name__
            raise RowError(f"{self.where(position)}: the id is of type {kind}", hint=hint) from None
        if number.bit_length() > 256:
            raise RowError(f"{self.where(position)}: the id is an integer of more than 256 bits")
        return str(number)
