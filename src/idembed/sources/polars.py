"""polars DataFrames and LazyFrames; works without pyarrow. A LazyFrame is collected batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from idembed.sources.base import Fields
from idembed.sources.table import BATCH, TableSource, iso_stamp, zone_of

__all__ = ["PolarsSource"]


class PolarsSource(TableSource):
    """Rows of a DataFrame or of what a LazyFrame gives."""

    def __init__(self, frame: Any, fields: Fields) -> None:
        self._lazy = hasattr(frame, "collect_schema") and not hasattr(frame, "height")
        schema = frame.collect_schema()
        super().__init__("the LazyFrame" if self._lazy else "the DataFrame", fields, schema.names())
        self._frame = frame
        self.size_hint = None if self._lazy else frame.height

    def _batches(self) -> Iterator[list[list[Any]]]:
        for frame in self._frames():
            for start in range(0, frame.height, BATCH):
                yield [_values(column) for column in frame.slice(start, BATCH).get_columns()]

    def _frames(self) -> Iterator[Any]:
        if not self._lazy:
            yield self._frame
        elif hasattr(self._frame, "collect_batches"):
            yield from self._frame.collect_batches(maintain_order=True)
        else:
            yield self._frame.collect()


def _values(column: Any) -> list[Any]:
    if getattr(column.dtype, "time_unit", "") != "ns" or not hasattr(column.dtype, "time_zone"):
        return list(column.to_list())
    zone = zone_of(column.dtype.time_zone)  # to_list drops nanoseconds
    return [None if value is None else iso_stamp(value, zone) for value in column.to_physical().to_list()]
