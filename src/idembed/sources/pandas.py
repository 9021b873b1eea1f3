"""pandas DataFrames; works without pyarrow. The index is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from idembed.sources.base import Fields
from idembed.sources.table import BATCH, TableSource

__all__ = ["PandasSource"]


class PandasSource(TableSource):
    """Rows of a DataFrame. Integers with missing values are floats there: 3.0 is written as 3."""

    def __init__(self, frame: Any, fields: Fields) -> None:
        columns = list(frame.columns)
        hint = "it is the name of the index: give frame.reset_index()"
        levels = list(frame.index.names)
        lost = any(field in levels and field not in columns for field in fields)
        super().__init__("the DataFrame", fields, columns, hint if lost else "")
        self._frame = frame
        self.size_hint = len(frame)

    def _batches(self) -> Iterator[list[list[Any]]]:
        columns = [self._frame.iloc[:, at] for at in range(len(self._names))]
        for start in range(0, len(self._frame), BATCH):
            yield [column.iloc[start : start + BATCH].tolist() for column in columns]
