"""Which points are meant: ``Among`` exactly, ``where`` as far as Qdrant can say it.

Of a condition Qdrant may find more than satisfies it, never less. ``ne`` is left out (Qdrant would also leave out a
list with such an item), order among strings (it has none), and a key with a quote or a backslash, which no path of
Qdrant can name. Nothing is spliced into anything but such a path, whose quotes end where the key ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from idembed.filters import Condition, Scalar
from idembed.stores.collection.engine import Among, Record
from idembed.stores.qdrant.fields import SAMPLED, number_of
from idembed.stores.qdrant.points import Between, IsNull, NoneOf, OneOf, OneTest, Test

__all__ = ["LIVE", "is_among", "is_asked_exactly", "piecewise", "tests_of_among", "tests_of_scope", "tests_of_where"]

LIVE: Final[Test] = (NoneOf("_hidden", (1,)),)
_HIDDEN: Final[Test] = (OneOf("_hidden", (1,)),)
_GREATEST: Final = 2**63
_ORDERS_AT_ONCE: Final = 64
_SLACK: Final = 1e-12
"""Of a float's size: more than it can lose on its way through JSON."""
_LARGE: Final = 1.7e308
_TRUNCATED: Final = "truncated"
_OURS: Final = {"$id": "id", "$scope": "scope", "$tokens": "tokens", "$truncated": _TRUNCATED}


def piecewise(among: Among) -> Iterator[Among]:
    """The same with few exact orders at a time, of which each is a range: of a thousand at once, Qdrant would compare
    whatever it finds with all of them."""
    if among.exactly is None or len(among.exactly) <= _ORDERS_AT_ONCE:
        yield among
        return
    orders = tuple(dict.fromkeys(among.exactly))
    for begin in range(0, len(orders), _ORDERS_AT_ONCE):
        yield replace(among, exactly=orders[begin : begin + _ORDERS_AT_ONCE])


def tests_of_among(among: Among) -> list[Test] | None:
    """What a point passes that is meant; None where none can be. ``is_asked_exactly`` says whether none other does."""
    if _can_be_none(among):
        return None
    tests: list[Test] = [] if among.scope is None else tests_of_scope(among.scope)
    if among.orders is not None:
        tests.append((_between("_order", among.orders),))
    if among.places is not None and _has_index(among.places):
        tests.append((_between("_place", among.places),))
    if among.exactly is not None:
        tests.append(tuple(_between("_order", range(number, number + 1)) for number in among.exactly))
    if among.addresses is not None:
        tests.append((OneOf("_address", tuple({number_of(address) for address in among.addresses})),))
    if among.live is not None:
        tests.append(LIVE if among.live else _HIDDEN)
    return tests


def _can_be_none(among: Among) -> bool:
    ranges = (numbers for numbers in (among.orders, among.places) if numbers is not None)
    return among.exactly == () or among.addresses == () or not all(ranges)


def _has_index(places: range) -> bool:
    return SAMPLED.start <= places.start and places.stop <= SAMPLED.stop


def tests_of_scope(scope: str) -> list[Test]:
    return [(OneOf("scope", (scope,)),)]


def is_asked_exactly(among: Among) -> bool:
    """Whether the tests say all of it: bounds are numbers that floats have, and no address is asked by its half."""
    if among.exactly is not None or among.addresses is not None:
        return False
    return (among.orders is None or _are_floats(among.orders)) and (
        among.places is None or (_has_index(among.places) and _are_floats(among.places))
    )


def _are_floats(numbers: range) -> bool:
    return all(int(float(bound)) == bound or bound >= _GREATEST for bound in (numbers.start, numbers.stop))


def is_among(record: Record, among: Among) -> bool:
    """What ``tests_of_among`` may have let through is looked at again."""
    return (
        (among.orders is None or record.order in among.orders)
        and (among.places is None or record.place in among.places)
        and (among.exactly is None or record.order in among.exactly)
        and (among.addresses is None or record.address in among.addresses)
    )


def _between(path: str, numbers: range) -> Between:
    """``numbers`` and, where a bound is not a float, some around them."""
    low, high = float(numbers.start), float(numbers.stop)
    if low > numbers.start:
        low = math.nextafter(low, -math.inf)
    if numbers.stop >= _GREATEST:
        return Between(path, gte=low)
    return Between(path, gte=low, lt=high if high >= numbers.stop else math.nextafter(high, math.inf))


def tests_of_where(where: Sequence[Condition]) -> list[Test] | None:
    """What every point passes that satisfies all conditions; None where none can."""
    tests = []
    for condition in where:
        path = _path(condition.key)
        if condition.operator == "in" and not condition.values:
            return None
        if path is not None and (test := _test(path, condition)):
            tests.append(test)
    return tests


def _path(key: str) -> str | None:
    if key in _OURS:
        return _OURS[key]
    return None if '"' in key or "\\" in key else f'metadata."{key}"'


def _test(path: str, condition: Condition) -> Test:
    """No test where Qdrant cannot say it."""
    if path == _TRUNCATED and False in condition.values:
        return ()  # who was not has no such field
    if condition.operator == "in":
        return tuple(_one_of(path, condition.values))
    wanted = condition.values[0]
    if condition.operator == "ne" or isinstance(wanted, str) or wanted is None:
        return ()
    low, high = _around(wanted)
    if condition.operator in ("gt", "gte"):
        return () if low is None else (Between(path, gte=low),)
    return () if high is None else (Between(path, lte=high),)


def _one_of(path: str, values: Sequence[Scalar]) -> Iterator[OneTest]:
    strings = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    numbers = tuple(dict.fromkeys(value for value in values if type(value) is int))
    if strings:
        yield OneOf(path, strings)
    if numbers:
        yield OneOf(path, numbers)
    for value in values:
        if value is None:
            yield IsNull(path)
        elif isinstance(value, bool):
            yield OneOf(path, (value,))
        elif isinstance(value, float):
            low, high = _around(value)
            yield Between(path, gte=low, lte=high)


def _around(value: float) -> tuple[float | None, float | None]:
    """Bounds with ``value`` within; none where it would be among the greatest floats, which JSON may make infinite."""
    slack = abs(value) * _SLACK + 1e-300
    low, high = value - slack, value + slack
    return None if low < -_LARGE else min(low, _LARGE), None if high > _LARGE else max(high, -_LARGE)
