"""An index as files for the bulk import of a Milvus cluster, which takes what would be weeks of requests.

The cluster reads Parquet files from its own bucket. What is in them are the very columns that ``MilvusEngine.put``
writes, so that the imported index is the index. Three steps::

    source, target = MilvusEngine("milvus://laptop:19530/pets"), MilvusEngine("milvus://cluster:19530/pets")
    for number in prepare(source, target):
        write_files(source, number, Path(f"pets_g{number}"))

then upload the folders to the cluster's bucket and have each imported, all its files in one job or in several::

    curl -X POST http://cluster:19530/v2/vectordb/jobs/import/create -H "Authorization: Bearer $MILVUS_TOKEN" \\
      -H "Content-Type: application/json" \\
      -d '{"collectionName": "pets_g1", "files": [["pets_g1/000001.parquet"], ["pets_g1/000002.parquet"]]}'

and, when ``…/jobs/import/get_progress`` says that all are completed, ``finish(source, target)``. An import adds and
does not replace: a file that is imported twice is there twice, so begin again with ``prepare``, which makes empty
collections.

The source is any engine. Nobody may write it from the first step to the last. The files are tested by reading them
back into a server; the import itself has not been run on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from idembed.durable import durable
from idembed.errors import StoreError
from idembed.stores.collection.engine import ALL, EVERYTHING, Engine, Record
from idembed.stores.milvus.engine import MilvusEngine
from idembed.stores.milvus.fields import written

__all__ = ["finish", "prepare", "write_files"]

_FILE: Final = 256 * 2**20
"""Bytes of a file, about, before compression; Milvus takes up to 16 GB."""
_AT_ONCE: Final = 2000
"""Records that are written at once."""


def prepare(source: Engine, target: MilvusEngine) -> list[int]:
    """Make the collections of ``source``, empty, in ``target``; their numbers. Raises StoreError where ``target`` has
    an index, or a collection of ``source`` is empty."""
    if target.documents():
        raise StoreError(f"{target.url}: there is an index already", hint="name another, or drop it first")
    dims = {number: _dim(source, number) for number in sorted(source.collections())}
    for number, dim in dims.items():
        target.create(number, dim)
    return list(dims)


def write_files(source: Engine, number: int, folder: Path) -> list[Path]:
    """Write the records of a collection into files of ``folder``, 000001.parquet and so on; these."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = _pages(source, number)
    made: list[Path] = []
    while (page := next(pages, None)) is not None:
        made.append(folder / f"{len(made) + 1:06}.parquet")
        _write_file(made[-1], page, pages)
    return made


def finish(source: Engine, target: MilvusEngine) -> None:
    """Have what was imported be the index: its documents and pointer. Raises StoreError while records are missing, or
    there twice."""
    for number in source.collections():
        there, wanted = target.count(number, ALL), source.count(number, ALL)
        if there != wanted:
            raise StoreError(
                f"{target.url}: of {wanted:,} records of generation {number} {there:,} are there",
                hint="is the import completed, and was each file imported once?",
            )
    for name, body in source.documents().items():
        target.put_document(name, body)
    if (active := source.pointer()) is not None:
        target.point(active)


def _dim(source: Engine, number: int) -> int:
    for page in source.find(number, ALL, EVERYTHING):
        vector = page[0].vector
        assert vector is not None
        return len(vector)
    raise StoreError(f"{source.url}: generation {number} is empty", hint="drop it, or sync into the cluster itself")


def _pages(source: Engine, number: int) -> Iterator[list[Record]]:
    for page in source.find(number, ALL, EVERYTHING):
        for start in range(0, len(page), _AT_ONCE):
            yield page[start : start + _AT_ONCE]


def _write_file(path: Path, first: list[Record], pages: Iterator[list[Record]]) -> None:
    """One file, of the ``first`` of the pages and as many others as it takes."""
    parquet = _pyarrow().parquet
    page: list[Record] | None = first
    with ExitStack() as stack:
        file, writer, size = stack.enter_context(durable(path, "wb")), None, 0
        while page:
            table = _table(page)
            writer = writer or stack.enter_context(parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)
            size += table.nbytes
            page = next(pages, None) if size < _FILE else None


def _table(records: list[Record]) -> Any:
    pa = _pyarrow()
    columns = {}
    for name, values in written(records).items():
        if isinstance(values, np.ndarray):
            dim = values.shape[1]
            flat = pa.array(values.ravel(), pa.float32())
            columns[name] = pa.ListArray.from_arrays(np.arange(len(values) + 1, dtype=np.int32) * dim, flat)
        else:
            texts = [value.decode() for value in values] if isinstance(values[0], bytes) else values
            columns[name] = pa.array(texts)
    return pa.table(columns)


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(
            f"what writes Parquet is not installed ({error})", hint='pip install "idembed[files]"'
        ) from None
    return pyarrow
