"""``where={"module": "os", "year": {"gte": 2020}, "kind": ["function", "class"]}`` as checked conditions.

Every condition must hold. A missing key satisfies nothing, ``ne`` included. Types never mix: ``true`` is not
1, "1" is not 1; 1 and 1.0 are the same number. Order comparisons take numbers or strings (by code point).
``None`` matches a key that is present with null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from idembed.canonical import NotCanonicalError, canonical_json
from idembed.errors import FilterError
from idembed.rows import RESERVED

__all__ = ["Condition", "Operator", "Scalar", "matches", "parse_where", "within_scope"]

Scalar = None | bool | int | float | str
Operator = Literal["in", "ne", "gt", "gte", "lt", "lte"]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_OPERATORS = ("eq", "ne", "in", *_ORDER)


@dataclass(frozen=True, slots=True)
class Condition:
    """``key`` of the metadata, or one of rows.RESERVED, compared with ``values`` (several only for ``in``)."""

    key: str
    operator: Operator
    values: tuple[Scalar, ...]

    def holds(self, value: object) -> bool:
        """Whether a present ``value`` satisfies this: the meaning that every store must give it."""
        if self.operator == "in":
            return any(_same(value, wanted) for wanted in self.values)
        if self.operator == "ne":
            return not _same(value, self.values[0])
        wanted = self.values[0]
        return _kind(value) == _kind(wanted) and _ORDER[self.operator](value, wanted)


def parse_where(where: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """The conditions of ``where``. Raises FilterError naming the key and the operators there are."""
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise FilterError(f"where must be a mapping such as {{'year': {{'gte': 2020}}}}, not {where!r}")
    conditions: list[Condition] = []
    for key, wanted in where.items():
        if not isinstance(key, str):
            raise FilterError(f"where: the key {key!r} is not a string")
        if key.startswith("$") and key not in RESERVED:
            known = ", ".join(sorted(RESERVED))
            raise FilterError(f"where: there is no {key}", hint=f"names that begin with $ are {known}")
        if isinstance(wanted, Mapping):
            if not wanted:
                raise FilterError(f"where: {key!r} has no operator", hint=f"operators: {', '.join(_OPERATORS)}")
            conditions.extend(_condition(key, name, value) for name, value in wanted.items())
        else:
            conditions.append(_condition(key, "in" if isinstance(wanted, list | tuple | set) else "eq", wanted))
    return tuple(conditions)


def matches(conditions: tuple[Condition, ...], metadata: Mapping[str, Any]) -> bool:
    """Whether ``metadata`` satisfies every condition: the reference for every store's own filter."""
    return all(c.key in metadata and c.holds(metadata[c.key]) for c in conditions)


def within_scope(where: Sequence[Condition], scope: str | None) -> list[Condition]:
    """These conditions, and that a row is of the scope, if one is named."""
    return [*where] if scope is None else [*where, Condition("$scope", "in", (scope,))]


def _condition(key: str, name: str, value: Any) -> Condition:
    if name not in _OPERATORS:
        raise FilterError(f"where: {key!r} uses {name!r}", hint=f"operators: {', '.join(_OPERATORS)}")
    if name == "in":
        if not isinstance(value, list | tuple | set):
            raise FilterError(f"where: {key!r} in {value!r}: a list is needed")
        return Condition(key, "in", tuple(_scalar(key, item) for item in value))
    scalar = _scalar(key, value)
    if name in _ORDER and _kind(scalar) not in ("number", "string"):
        raise FilterError(f"where: {key!r} {name} {value!r}: only numbers and strings have an order")
    return Condition(key, "in" if name == "eq" else name, (scalar,))  # type: ignore[arg-type]


def _scalar(key: str, value: Any) -> Scalar:
    if isinstance(value, Mapping | list | tuple | set):
        hint = "compare with a string, a number, a boolean or null"
        raise FilterError(f"where: {key!r} is compared with {value!r}", hint=hint)
    try:
        text = canonical_json(value)
    except NotCanonicalError as error:
        raise FilterError(f"where: {key!r} cannot be compared: {error}") from None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    return float(text) if any(c in text for c in ".eE") else int(text)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "structure"


def _same(value: object, wanted: Scalar) -> bool:
    return _kind(value) == _kind(wanted) and value == wanted
