"""Conditions as expressions of LanceDB: typed ones, so that nothing from outside is ever a piece of SQL.

Metadata is a column of canonical JSON, in which a key and its value are written in one way only, such as
``"year":2020``, so that this string is looked for. A nested object may have it as well: more is found than is meant,
never less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

from lancedb.expr import Expr, col, func, lit

from idembed.canonical import canonical_json
from idembed.filters import Condition, Scalar
from idembed.stores.collection.engine import Among
from idembed.stores.lance.fields import COLUMNS

__all__ = ["among_expr", "any_of", "is_nothing", "near_expr"]

_LARGEST: Final = 2**63 - 1
_MANY: Final = 32
"""Alternatives and conditions beyond which a filter costs more than it saves; LanceDB also nests them."""
_KNOWN: Final = {"$id": "id", "$scope": "scope", "$tokens": "tokens", "$truncated": "truncated"}


def any_of(column: str, values: Iterable[Any]) -> Expr:
    """That the column has one of these values."""
    return col(column).isin([lit(value) for value in values])


def is_nothing(among: Among) -> bool:
    """Whether no record can be meant."""
    return among.exactly == () or among.addresses == () or any(one is not None and not one for one in _ranges(among))


def among_expr(among: Among) -> Expr | None:
    """Which records are meant; None for all."""
    found: list[Expr] = []
    if among.scope is not None:
        found.append(col("scope") == lit(among.scope))
    for field, within in zip(("order", "place"), _ranges(among), strict=True):
        if within is not None:
            found += _within(COLUMNS[field], within)
    if among.exactly is not None:
        found.append(any_of("_order", [number for number in among.exactly if abs(number) <= _LARGEST]))
    if among.addresses is not None:
        found.append(any_of("_address", among.addresses))
    if among.live is not None:
        found.append(_is("_live", among.live))
    return _all(found)


def near_expr(where: Sequence[Condition], scope: str | None) -> Expr:
    """Live records of a scope that may satisfy the conditions."""
    found = [_is("_live", True)]
    if scope is not None:
        found.append(col("scope") == lit(scope))
    found += [expr for condition in where[:_MANY] if (expr := _condition(condition)) is not None]
    return reduce(lambda one, other: one & other, found)


def _ranges(among: Among) -> tuple[range | None, range | None]:
    return among.orders, among.places


def _within(column: str, within: range) -> list[Expr]:
    found = [col(column) >= lit(within.start)]
    if within.stop <= _LARGEST:
        found.append(col(column) < lit(within.stop))
    return found


def _is(column: str, value: bool) -> Expr:
    return col(column) == lit(value)


def _all(found: Sequence[Expr]) -> Expr | None:
    return reduce(lambda one, other: one & other, found) if found else None


def _either(found: Sequence[Expr]) -> Expr:
    return reduce(lambda one, other: one | other, found)


def _condition(condition: Condition) -> Expr | None:
    """What holds wherever the condition does, None where nothing can be said."""
    if condition.key in _KNOWN:
        return _of_column(_KNOWN[condition.key], condition)
    return _of_metadata(condition)


def _of_column(column: str, condition: Condition) -> Expr | None:
    kind = {"tokens": int, "truncated": bool}.get(column, str)
    if any(type(value) is not kind for value in condition.values) or not condition.values:
        return None
    if kind is int and any(abs(value) > _LARGEST for value in condition.values):  # type: ignore[arg-type]
        return None
    if condition.operator == "in":
        return any_of(column, condition.values)
    if kind is bool:
        return None
    value = lit(condition.values[0])  # type: ignore[arg-type]
    compared = col(column)
    return {
        "ne": compared != value,
        "gt": compared > value,
        "gte": compared >= value,
        "lt": compared < value,
        "lte": compared <= value,
    }[condition.operator]


def _of_metadata(condition: Condition) -> Expr | None:
    key = canonical_json(condition.key) + ":"
    if condition.operator == "in":
        pieces = [piece for value in condition.values for piece in _pieces(value)]
        if 0 < len(pieces) <= _MANY:
            return _either([_holds(key + piece) for piece in pieces])
    elif condition.operator != "ne" and isinstance(condition.values[0], str):
        return _holds(key + '"')
    return _holds(key)


def _pieces(value: Scalar) -> tuple[str, ...]:
    """What follows the key where it has this value; after a number there is a comma or the end, else 1 would be in
    12."""
    text = canonical_json(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (text + ",", text + "}") if is_number else (text,)


def _holds(piece: str) -> Expr:
    return func("contains", col("metadata"), lit(piece))
