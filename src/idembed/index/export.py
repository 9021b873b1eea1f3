"""An index as a file: one record a part, with id, text, metadata and vector."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from idembed.chunks import chunks
from idembed.durable import durable
from idembed.errors import DamagedError, OptionError
from idembed.space import Space
from idembed.stores.base import StoredRow

__all__ = ["export_rows"]

_FIELDS = ("id", "part", "start", "end", "text", "metadata", "vector")
_ROWS = 1000


def export_rows(rows: Iterable[StoredRow], path: Path, space: Space) -> int:
    """Write every current part of ``rows``; the format follows the suffix. The number of parts.

    The file appears under its name only when it is whole. Raises OptionError for another suffix, DamagedError for a
    row that is not as it was written, and DiskFullError.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise OptionError(f"cannot export to {path.name!r}", hint=f"known suffixes: {', '.join(_WRITERS)}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"the folder {path.parent} is not there", hint="make it first")
    return write(_records(rows), path, space)


def _records(rows: Iterable[StoredRow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for part in row.parts:
            if not row.has_current(part) or part.vector is None:
                continue
            if not (row.is_whole and part.is_whole):
                raise DamagedError(
                    f"row {row.id!r} is damaged; nothing was written", hint="mend it first: idembed verify --repair"
                )
            start, end = part.span
            yield dict(
                zip(
                    _FIELDS,
                    (row.id, part.part, start, end, row.text[start:end], row.metadata, part.vector),
                    strict=True,
                )
            )


def _jsonl(records: Iterator[dict[str, Any]], path: Path, space: Space) -> int:
    count = 0
    with durable(path, "w") as file:
        for record in records:
            count += 1
            record["vector"] = [float(str(x)) for x in record["vector"]]  # shortest text of a float32
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count


def _csv(records: Iterator[dict[str, Any]], path: Path, space: Space) -> int:
    count = 0
    with durable(path, "w") as file:
        writer = csv.DictWriter(file, _FIELDS)
        writer.writeheader()
        for record in records:
            count += 1
            record["metadata"] = json.dumps(record["metadata"], ensure_ascii=False)
            record["vector"] = " ".join(map(str, record["vector"]))
            writer.writerow(record)
    return count


def _parquet(records: Iterator[dict[str, Any]], path: Path, space: Space) -> int:
    try:
        pa = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise OptionError("writing Parquet needs pyarrow", hint='pip install "idembed[files]"') from None
    text, number = pa.string(), pa.int64()
    vector = pa.list_(pa.float32(), space.dim)
    kinds = (text, pa.int32(), number, number, text, text, vector)
    schema = pa.schema(list(zip(_FIELDS, kinds, strict=True)), metadata={"idembed.space": space.canonical})
    count = 0
    with durable(path, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
        for chunk in chunks(records, _ROWS):
            count += len(chunk)
            columns: dict[str, Any] = {name: [record[name] for record in chunk] for name in _FIELDS}
            columns["metadata"] = [json.dumps(m, ensure_ascii=False) for m in columns["metadata"]]
            flat = pa.array(np.concatenate(columns["vector"]))
            columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, space.dim)
            writer.write_table(pa.table(columns, schema=schema))
    return count


_WRITERS: dict[str, Callable[[Iterator[dict[str, Any]], Path, Space], int]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
