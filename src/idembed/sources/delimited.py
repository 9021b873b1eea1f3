"""CSV and TSV with a header line, as spreadsheets write them (RFC 4180), also with ``.gz``.

Every value is a string, exactly as it stands in its cell: no types are guessed, an empty cell is an empty
string. A line break within quotes is part of the value.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from idembed.errors import SourceError
from idembed.sources.base import Fields, Record, Source
from idembed.sources.files import File
from idembed.sources.table import place_of

__all__ = ["DelimitedSource"]

_MAX_CELL = 1 << 28
"""characters; the csv module's own limit is 131,072, and a quote that is never closed must end somewhere"""


class DelimitedSource(Source):
    """Rows of a file whose first line names the columns; columns that are not id or text are metadata."""

    def __init__(self, file: File, fields: Fields, delimiter: str) -> None:
        super().__init__(file.name)
        self._file = file
        self._fields = fields
        self._delimiter = delimiter

    def where(self, position: int) -> str:
        """``cats.csv, line 7``: the line on which the row starts."""
        return f"{self.name}, line {position}"

    def _records(self) -> Iterator[Record]:
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))
        reader = csv.reader(self._file.lines(), delimiter=self._delimiter, strict=True)
        line = 1
        try:
            names = self._header(reader)
            width = len(names)
            id_at, text_at = (place_of(names, field, self.name, self._fields) for field in self._fields)
            first, second = sorted((id_at, text_at), reverse=True)
            for at in (first, second):
                del names[at]
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) != width:
                    if cells:
                        raise self._ragged(line, len(cells), width)
                else:
                    row_id, text = cells[id_at], cells[text_at]
                    del cells[first], cells[second]
                    yield line, row_id, text, dict(zip(names, cells, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise self._broken(line, reader.line_num, str(error)) from None

    def _header(self, reader: Iterator[list[str]]) -> list[str]:
        names = next((cells for cells in reader if cells), [])
        if not names:
            hint = "the first line names the columns"
            raise SourceError(f"{self.name} is empty: it has no header", hint=hint, file=self.name)
        if "" in names:
            raise SourceError(
                f"{self.name}: column {names.index('') + 1} of the header has no name",
                hint="name it; pandas writes such a column unless told to_csv(index=False)",
                file=self.name,
            )
        again = [name for name, times in Counter(names).items() if times > 1]
        if again:
            raise SourceError(
                f"{self.name}: the header names {again[0]!r} twice", hint="rename one of them", file=self.name
            )
        other = ";" if ";" in names[0] else "\t"
        if len(names) == 1 and other in names[0]:
            raise SourceError(
                f"{self.name} has one column, {names[0]!r}; its cells seem to be separated by {other!r}",
                hint="save it with commas, or with tabs as .tsv",
                file=self.name,
            )
        return names

    def _ragged(self, line: int, cells: int, width: int) -> SourceError:
        message = f"{self.where(line)}: expected {width} cells as in the header, found {cells}"
        hint = "a cell that holds a separator, a quote or a line break is written in quotes"
        return SourceError(message, hint=hint, file=self.name, line=line)

    def _broken(self, start: int, line: int, reason: str) -> SourceError:
        if "unexpected end of data" in reason or "field limit" in reason:
            reason = "a quote that is opened in this row is never closed"
        elif "new-line character" in reason:
            reason, start = "a carriage return stands outside quotes", line
        hint = 'a quote within a cell is doubled ("") and the cell is in quotes'
        return SourceError(f"{self.where(start)}: {reason}", hint=hint, file=self.name, line=start)
