"""Arrow tables, streams, anything that exports an Arrow stream, and Parquet files; all need pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from idembed.errors import SourceError
from idembed.sources.base import Fields
from idembed.sources.table import BATCH, TableSource, iso_stamp, zone_of

__all__ = ["ArrowSource", "ParquetSource"]


class ArrowSource(TableSource):
    """Rows of a pyarrow Table or RecordBatch, or of a stream, which is read once."""

    def __init__(self, table: Any, fields: Fields) -> None:
        pyarrow = _pyarrow("Arrow data")
        self._table = table
        if not isinstance(table, pyarrow.Table | pyarrow.RecordBatch | pyarrow.RecordBatchReader):
            try:
                self._table = pyarrow.RecordBatchReader.from_stream(table)
            except (pyarrow.ArrowException, TypeError) as error:
                kind = type(table).__name__
                raise SourceError(f"{kind} is not a table: {error}", hint="give a table with columns") from None
        super().__init__(f"the {type(table).__name__}", fields, self._table.schema.names)
        self.one_shot = isinstance(self._table, pyarrow.RecordBatchReader)
        self.size_hint = None if self.one_shot else self._table.num_rows

    def _batches(self) -> Iterator[list[list[Any]]]:
        table = self._table
        batches = table if self.one_shot else table.to_batches() if hasattr(table, "to_batches") else [table]
        for batch in batches:
            yield from _small(batch, self.name)


class ParquetSource(TableSource):
    """Rows of a Parquet file, streamed."""

    def __init__(self, path: Path, name: str, fields: Fields) -> None:
        pyarrow = _pyarrow(name)
        from pyarrow import parquet

        self._path = path
        self._damage = (pyarrow.ArrowException, OSError)
        try:
            with parquet.ParquetFile(path) as file:
                columns, count = file.schema_arrow.names, file.metadata.num_rows
        except self._damage as error:
            raise _unreadable(name, error) from None
        super().__init__(name, fields, columns)
        self.size_hint = count

    def _batches(self) -> Iterator[list[list[Any]]]:
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=BATCH):
                    yield from _small(batch, self.name)
        except self._damage as error:
            raise _unreadable(self.name, error) from None


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise SourceError(f"{what}: reading it needs pyarrow", hint='pip install "idembed[files]"') from None
    return pyarrow


def _unreadable(name: str, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())
    return SourceError(f"{name} cannot be read as Parquet: {reason}", hint="it may be cut off: make or fetch it again")


def _small(batch: Any, table: str) -> Iterator[list[list[Any]]]:
    for start in range(0, batch.num_rows, BATCH):
        piece = batch.slice(start, BATCH)
        yield [_values(column, name, table) for column, name in zip(piece, piece.schema.names, strict=True)]


def _values(column: Any, name: str, table: str) -> list[Any]:
    try:
        if not str(column.type).startswith("timestamp[ns"):
            nested = {"maps_as_pydicts": "strict"} if column.type.num_fields else {}  # ten times slower
            return list(column.to_pylist(**nested))
        numbers = column.cast("int64").to_pylist()  # as values, nanoseconds need pandas
        zone = zone_of(column.type.tz)
        return [None if number is None else iso_stamp(number, zone) for number in numbers]
    except (ValueError, KeyError) as error:
        raise SourceError(f"{table}: column {name!r} ({column.type}) cannot be read: {error}") from None
