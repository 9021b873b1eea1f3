"""Filters as Milvus' expressions: the one place where a value becomes part of a string.

What a search is narrowed to is a superset of what satisfies: conditions that Milvus would read otherwise than
``filters.matches`` are left out, and looked at by whoever asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from idembed.filters import Condition, Scalar
from idembed.stores.collection.engine import Among
from idembed.stores.milvus.fields import number_of, state_in

__all__ = ["NOTHING", "all_of", "among", "condition", "is_in", "quoted", "superset"]

NOTHING: Final = "nothing"
"""Of ``among``: no record can be meant, so that Milvus is not asked."""
_ESCAPES: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_COMPARES: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PLAIN_KEY: Final = re.compile(r"[\w .:-]+")
"""Keys of the metadata that mean the same to every server: some take brackets, slashes, ~ and quotes apart."""
_MOST_VALUES: Final = 100
"""In one condition; more are left out."""
_EXACT: Final = 2**53
_LAST: Final = 2**63 - 1
_ROOM: Final = 1e-6
_LEAST: Final = 1e-300


def quoted(text: str) -> str:
    """``text`` as a literal that ends where ``text`` does, whatever is in it; it has no NUL."""
    return f'"{text.translate(_ESCAPES)}"'


def all_of(parts: Iterable[str]) -> str:
    """What holds if every part does; "" is no condition at all."""
    return " and ".join(f"({part})" for part in parts if part)


def is_in(field: str, values: Sequence[str] | Sequence[int]) -> str:
    """That ``field`` is one of ``values``."""
    written = (quoted(value) if isinstance(value, str) else str(value) for value in values)
    return f"{field} in [{', '.join(written)}]"


def among(wanted: Among) -> str:
    """The records that are meant, and perhaps others of equal halves of ``addresses``; ``NOTHING`` where there can be
    none."""
    parts = []
    for field, numbers in (("_order", wanted.orders), ("_place", wanted.places)):
        if numbers is not None:
            if not numbers:
                return NOTHING
            parts.append(f"{field} >= {numbers.start}")
            if numbers.stop <= _LAST:
                parts.append(f"{field} < {numbers.stop}")
    if wanted.exactly is not None:
        parts.append(is_in("_order", wanted.exactly))
    if wanted.addresses is not None:
        parts.append(is_in("_address", [number_of(address) for address in wanted.addresses]))
    if () in (wanted.exactly, wanted.addresses):
        return NOTHING
    if wanted.scope is not None:
        parts.append(f"scope == {quoted(wanted.scope)}")
    if wanted.live is not None:
        parts.append(is_in("_state", state_in(live=wanted.live)))
    return all_of(parts)


def superset(conditions: Sequence[Condition], scope: str | None) -> str:
    """Every record that satisfies the conditions and has the scope, and perhaps others."""
    parts = [condition(one) for one in conditions]
    if scope is not None:
        parts.append(f"scope == {quoted(scope)}")
    return all_of(parts)


def condition(one: Condition) -> str:
    """What holds wherever ``one`` does; "" where nothing is known that does."""
    if len(one.values) > _MOST_VALUES or any(isinstance(value, str) and "\0" in value for value in one.values):
        return ""
    if one.key in ("$id", "$scope"):
        return _string_field(one.key.removeprefix("$"), one)
    if one.key == "$tokens":
        return _tokens(one)
    if one.key == "$truncated":
        return _truncated(one)
    return _metadata(one) if _PLAIN_KEY.fullmatch(one.key) else ""


def _string_field(field: str, one: Condition) -> str:
    """Values of another kind equal no string: every string is other than them."""
    values = [value for value in one.values if isinstance(value, str)]
    if not values:
        return ""
    if one.operator == "in":
        return is_in(field, values)
    return f"{field} {'!=' if one.operator == 'ne' else _COMPARES[one.operator]} {quoted(values[0])}"


def _tokens(one: Condition) -> str:
    values = _numbers(one.values)
    if one.operator == "in":
        whole = [int(value) for value in values if value == int(value) and abs(value) <= _EXACT]
        return is_in("tokens", whole) if whole else ""
    if one.operator == "ne" or not values or abs(values[0]) > _EXACT:
        return ""
    return f"tokens {_COMPARES[one.operator]} {_whole(values[0], one.operator)}"


def _whole(value: float, operator: str) -> int:
    """The integer by which integers are parted as by ``value``."""
    return math.floor(value) if operator in ("gt", "lte") else math.ceil(value)


def _truncated(one: Condition) -> str:
    values = {value for value in one.values if isinstance(value, bool)}
    if len(values) != 1:
        return ""
    wanted = values.pop() != (one.operator == "ne")
    return is_in("_state", state_in(truncated=wanted))


def _metadata(one: Condition) -> str:
    """Servers differ on what a missing key or null is other than: neither is asked about."""
    if one.operator == "ne" or None in one.values:
        return ""
    path = f"metadata[{quoted(one.key)}]"
    parts = [_equal(path, v) if one.operator == "in" else _compared(path, one.operator, v) for v in one.values]
    return " or ".join(f"({part})" for part in parts) if all(parts) else ""


def _equal(path: str, value: Scalar) -> str:
    if isinstance(value, float):
        return all_of([_compared(path, "gte", value), _compared(path, "lte", value)])
    return f"{path} == {_written(value)}"


def _compared(path: str, operator: str, value: Scalar) -> str:
    """Numbers that are no small integers, with room for servers that read or compare them less than exactly."""
    for number in _numbers([value]):
        if isinstance(number, int) and abs(number) < _EXACT:
            break
        downwards = operator in ("gt", "gte")
        value = float(number) + abs(number) * (-_ROOM if downwards else _ROOM)
        operator = "gte" if downwards else "lte"
        if not _LEAST < abs(value) < math.inf:
            return ""
    return f"{path} {_COMPARES[operator]} {_written(value)}"


def _numbers(values: Iterable[Scalar]) -> list[int | float]:
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def _written(value: Scalar) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if isinstance(value, int) or "." in text or "e" in text else f"{text}.0"
