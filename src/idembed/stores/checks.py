"""What every store checks before it writes or searches: rows, vectors and queries, refused by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from idembed.canonical import check_text
from idembed.errors import OptionError, RowError, StoreError
from idembed.rows import MAX_ID_BYTES, ROW_HASH_BYTES, check_id
from idembed.space import ADDRESS_BYTES
from idembed.stores.records import PartRecord, RowRecord, Vector

__all__ = [
    "check_dim",
    "check_parts",
    "check_queries",
    "check_rows",
    "known_ids",
    "refuse_other_scope",
    "refuse_vanished",
]

_AT_ONCE: Final = 256
"""Rows whose texts are looked at as one."""
_HASH_BYTES: Final = 32
_FLOAT32: Final = np.dtype(np.float32)
"""Which a type is compared with four times as fast as with ``np.float32``."""


def check_rows(rows: Sequence[RowRecord], dims: Mapping[int, int]) -> list[RowRecord]:
    """The last row of each id. ``dims`` has every generation's dimension.

    Raises RowError, OptionError or StoreError, naming the row.
    """
    last = list({row.id: row for row in rows}.values())
    for begin in range(0, len(last), _AT_ONCE):
        some = last[begin : begin + _AT_ONCE]
        if not _are_sound(some):
            for row in some:
                _check_row(row)
    if unknown := {generation for row in last for generation in row.parts} - dims.keys():
        row = next(row for row in last if not unknown.isdisjoint(row.parts))
        generation = min(unknown.intersection(row.parts))
        raise StoreError(f"row {row.id!r} has vectors for generation {generation}, which does not exist")
    for generation, dim in dims.items():
        check_parts(((row.id, row.parts[generation]) for row in last if generation in row.parts), dim)
    return last


def _are_sound(rows: Sequence[RowRecord]) -> bool:
    """Whether ``_check_row`` surely finds nothing; all of them looked at in one go take a third of the time."""
    try:
        texts = [[row.id for row in rows], [row.text or "" for row in rows], [row.metadata for row in rows]]
        joined = "".join([*map("".join, texts), *{row.scope for row in rows}])
    except TypeError:
        return False
    lengths = set(map(len, texts[0]))
    return (
        not check_text(joined)
        and min(lengths) >= 1
        and max(lengths) <= MAX_ID_BYTES // 4  # no character has more bytes
        and {len(row.text_hash) for row in rows} == {len(row.metadata_hash) for row in rows} == {_HASH_BYTES}
        and {ROW_HASH_BYTES if row.row_hash is None else len(row.row_hash) for row in rows} == {ROW_HASH_BYTES}
    )


def _check_row(row: RowRecord) -> None:
    check_id(row.id, "a row to write")
    for text in (row.text or "", row.scope, row.metadata):
        if reason := check_text(text):
            raise RowError(f"row {row.id!r}: its text, scope or metadata {reason}", id=row.id)
    if len(row.text_hash) != _HASH_BYTES or len(row.metadata_hash) != _HASH_BYTES:
        raise OptionError(f"row {row.id!r}: a hash has {_HASH_BYTES} bytes", id=row.id)
    if row.row_hash is not None and len(row.row_hash) != ROW_HASH_BYTES:
        raise OptionError(f"row {row.id!r}: a row hash has {ROW_HASH_BYTES} bytes", id=row.id)


def check_dim(dim: int, most: int) -> None:
    """Raise OptionError unless a store that takes ``most`` dimensions takes vectors of ``dim``."""
    if not 1 <= dim <= most:
        raise OptionError(f"vectors have 1 to {most:,} dimensions here, not {dim}")


def refuse_other_scope(row_id: str, scope: str, wanted: str) -> None:
    """Raise RowError for a row that is to be written to the scope ``wanted`` and belongs to another ``scope``."""
    if scope != wanted:
        raise RowError(
            f"row {row_id!r} belongs to scope {scope!r}, not {wanted!r}; nothing was written",
            hint=f"an id names one row of the whole index: delete it from {scope!r}, or use another id",
            id=row_id,
        )


def refuse_vanished(rows: Sequence[RowRecord], kept: Collection[str]) -> None:
    """Raise StoreError for a row whose text is to be kept and that is not among the ids ``kept``."""
    for row in rows:
        if row.text is None and row.id not in kept:
            raise StoreError(
                f"row {row.id!r} vanished from the index, so its text cannot be kept; nothing was written",
                hint="another program deleted it meanwhile: run it again",
                id=row.id,
            )


def check_parts(rows: Iterable[tuple[str, Sequence[PartRecord]]], dim: int) -> None:
    """Raise OptionError, naming the row, unless its parts can be written for vectors of ``dim`` numbers."""
    owners: list[str] = []
    vectors = []
    for row_id, parts in rows:
        if len(parts) > 1 and len({part.part for part in parts}) != len(parts):
            raise OptionError(f"row {row_id!r} has the same part twice", id=row_id)
        for part in parts:
            vector = part.vector
            if len(part.address) != ADDRESS_BYTES or part.part < 0:
                raise OptionError(
                    f"row {row_id!r}: an address has {ADDRESS_BYTES} bytes, a part a number from 0", id=row_id
                )
            if vector is None:
                continue
            if vector.dtype != _FLOAT32 or vector.shape != (dim,):
                raise OptionError(
                    f"row {row_id!r}, part {part.part}: the vector is {vector.dtype} {list(vector.shape)}, "
                    f"not float32 [{dim}]",
                    id=row_id,
                )
            owners.append(row_id)
            vectors.append(vector)
    if vectors:
        finite = np.isfinite(np.concatenate(vectors).reshape(-1, dim)).all(axis=1)  # np.stack takes thrice the time
        if not finite.all():
            name = owners[int(np.flatnonzero(~finite)[0])]
            raise OptionError(f"row {name!r} has a vector with NaN or infinity in it; nothing was written", id=name)


def check_queries(queries: Vector, dim: int, k: int) -> None:
    """Raise OptionError unless ``k`` best may be asked for queries float32 [n, ``dim``], finite and not zero."""
    if not isinstance(k, int | np.integer) or k < 1:
        raise OptionError(f"k is the number of hits wanted, at least 1, not {k!r}")
    if queries.dtype != np.float32 or queries.ndim != 2 or queries.shape[1] != dim:
        raise OptionError(f"queries must be float32 [n, {dim}], not {queries.dtype} {list(queries.shape)}")
    if not np.isfinite(queries).all():
        raise OptionError("a query vector has NaN or infinity in it")
    if not queries.any(axis=1).all():
        raise OptionError("a query vector is all zeros, which is equally near to everything")


def known_ids(ids: Sequence[str]) -> list[str]:
    """Those that may be there at all: a database would cut one at its NUL, or refuse it."""
    return [row_id for row_id in ids if isinstance(row_id, str) and not check_text(row_id)]
