from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from idembed.errors import FilterError
from idembed.filters import Condition, matches, parse_where

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from filter_table import TABLE, VALUES


@pytest.mark.parametrize(("wanted", "names"), TABLE, ids=[repr(wanted)[:40] for wanted, _ in TABLE])
def test_the_table(wanted: Any, names: set[str]) -> None:
    conditions = parse_where({"k": wanted})
    assert {name for name, metadata in VALUES.items() if matches(conditions, metadata)} == names


def test_no_filter_is_satisfied_by_everything() -> None:
    assert parse_where(None) == parse_where({}) == ()
    assert matches((), {})


def test_every_condition_must_hold() -> None:
    conditions = parse_where({"a": 1, "b": {"gt": 1, "lt": 3}})
    assert conditions == (Condition("a", "in", (1,)), Condition("b", "gt", (1,)), Condition("b", "lt", (3,)))
    assert matches(conditions, {"a": 1, "b": 2})
    assert not matches(conditions, {"a": 1, "b": 3})


def test_a_tuple_or_a_set_is_a_list() -> None:
    assert parse_where({"a": (1, 2)}) == parse_where({"a": [1, 2]})
    assert parse_where({"a": {"in": {1}}}) == parse_where({"a": [1]})


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ([("a", 1)], "mapping"),
        ({1: 2}, "1"),
        ({"$nothing": 1}, r"there is no \$nothing"),
        ({"a": {}}, "'a' has no operator"),
        ({"a": {"like": "x"}}, "'a' uses 'like'"),
        ({"a": {"in": 1}}, "a list is needed"),
        ({"a": {"in": "abc"}}, "a list is needed"),
        ({"a": [[1]]}, "'a' is compared with"),
        ({"a": {"eq": {"b": 1}}}, "'a' is compared with"),
        ({"a": {"gt": True}}, "order"),
        ({"a": {"lt": None}}, "order"),
        ({"a": float("nan")}, "nan"),
        ({"a": 2**60}, "2\\^53"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": "x\0"}, "NUL"),
        ({"a": b"x"}, "bytes"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(where: Any, says: str) -> None:
    with pytest.raises(FilterError, match=says):
        parse_where(where)


@pytest.mark.parametrize("name", ["$id", "$scope", "$tokens", "$truncated"])
def test_names_of_ours_are_known(name: str) -> None:
    assert parse_where({name: "x"}) == (Condition(name, "in", ("x",)),)
