"""Filters mean the same in every store as in ``filters.matches`` (the table: filter_table.py)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from filter_table import KEYS, TABLE, VALUES
from kit import Index, row

from idembed.canonical import canonical_json
from idembed.filters import matches, parse_where


@pytest.fixture
def values(index: Index) -> Index:
    index.upsert(*(row(name, "t", [1, 0, 0, 0], metadata) for name, metadata in VALUES.items()))
    return index


def found(index: Index, where: dict[str, Any]) -> set[str]:
    return {name for name, _ in index.search([1, 0, 0, 0], 1000, where)}


def test_every_condition_of_the_table(values: Index) -> None:
    assert {str(wanted): found(values, {"k": wanted}) for wanted, _ in TABLE} == {
        str(wanted): names for wanted, names in TABLE
    }


def test_conditions_on_several_keys_must_all_hold(index: Index) -> None:
    for i in range(20):
        index.upsert(row(f"r{i}", "t", [1, 0, 0, 0], {"i": i, "even": i % 2 == 0, "name": f"n{i % 3}"}))
    assert found(index, {"i": {"gte": 4, "lt": 16}, "even": True, "name": ["n0", "n1"]}) == {
        "r4", "r6", "r10", "r12",
    }  # fmt: skip
    assert found(index, {"i": {"gt": 100}}) == set()
    assert found(index, {}) == {f"r{i}" for i in range(20)}


@pytest.mark.parametrize("key", KEYS)
def test_any_string_is_a_key(index: Index, key: str) -> None:
    index.upsert(
        row("has it", "t", metadata={key: "v", "other": 1}),
        row("not", "t", metadata={key + "x": "v"}),
        row("inside", "t", metadata={"x": {key: "v"}}),
    )
    where = {"eq": "v"} if key.startswith("$") else "v"
    if key.startswith("$"):
        return  # reserved for names of ours: filters refuse it
    assert found(index, {key: where}) == {"has it"}
    assert found(index, {key: {"ne": "w"}}) == {"has it"}


def test_names_of_ours(index: Index) -> None:
    index.upsert(
        row("a", "t", tokens=5, scope="s"),
        row("b", "t", tokens=50, truncated=True, scope="s"),
        row("é", "t", tokens=500, truncated=True, scope="😀"),
    )
    for where, names in [
        ({"$id": "a"}, {"a"}),
        ({"$id": ["a", "é", "x"]}, {"a", "é"}),
        ({"$id": {"ne": "a"}}, {"b", "é"}),
        ({"$id": {"gt": "a"}}, {"b", "é"}),
        ({"$id": 1}, set()),
        ({"$id": {"ne": 1}}, {"a", "b", "é"}),
        ({"$id": []}, set()),
        ({"$id": [f"x{i}" for i in range(3000)] + ["b"]}, {"b"}),
        ({"$scope": "s"}, {"a", "b"}),
        ({"$scope": {"gte": "t"}}, {"é"}),
        ({"$tokens": 5}, {"a"}),
        ({"$tokens": {"gte": 50}}, {"b", "é"}),
        ({"$tokens": {"gt": 4.5, "lt": 50.5}}, {"a", "b"}),
        ({"$tokens": "5"}, set()),
        ({"$tokens": [5, 500]}, {"a", "é"}),
        ({"$truncated": True}, {"b", "é"}),
        ({"$truncated": {"ne": True}}, {"a"}),
        ({"$truncated": 1}, set()),
        ({"$truncated": [True, False]}, {"a", "b", "é"}),
        ({"$truncated": True, "$scope": "s"}, {"b"}),
    ]:
        assert found(index, where) == names, where


def test_the_scope_argument_is_one_more_condition(index: Index) -> None:
    index.upsert(row("a", "t", metadata={"k": 1}), row("b", "t", metadata={"k": 1}, scope="other"))
    assert index.search([1, 0, 0, 0], scope="other") == [("b", 1.0)]
    assert index.search([1, 0, 0, 0], where={"k": 1}, scope="docs") == [("a", 1.0)]
    assert index.search([1, 0, 0, 0], where={"k": 2}, scope="docs") == []


def test_the_best_under_the_filter_are_found_however_many_others_score_higher(index: Index) -> None:
    index.upsert(*(row(f"r{i:03}", "t", [i, 0, 0, 0], {"i": i}) for i in range(200)))
    assert index.search([1, 0, 0, 0], 2, {"i": {"lt": 5}}) == [("r004", 4.0), ("r003", 3.0)]


def test_random_metadata_and_random_filters_agree_with_the_reference(index: Index) -> None:
    choose = random.Random(5)
    scalars = [None, True, False, 0, 1, -1, 0.5, 2.5, 1e-7, 123456789.125, "", "a", "b", "1", "é", "😀", [], {}, [1]]

    def metadata() -> dict[str, Any]:
        return {key: choose.choice(scalars) for key in ("a", "b", "c") if choose.random() < 0.7}

    def condition() -> Any:
        scalar = choose.choice(scalars[:-3])
        name = choose.choice(["eq", "ne", "in", "gt", "gte", "lt", "lte"])
        if name == "in":
            return {"in": choose.sample(scalars[:-3], choose.randrange(4))}
        if name[0] in "gl" and (scalar is None or isinstance(scalar, bool)):
            scalar = 1
        return {name: scalar}

    rows = {f"r{i}": metadata() for i in range(300)}
    index.upsert(*(row(name, "t", metadata=m) for name, m in rows.items()))
    for _ in range(150):
        where = {key: condition() for key in choose.sample(["a", "b", "c"], choose.randrange(1, 3))}
        expected = {name for name, m in rows.items() if matches(parse_where(where), m)}
        assert found(index, where) == expected, canonical_json(where)


def test_floats_are_compared_exactly(index: Index) -> None:
    rng = np.random.default_rng(3)
    numbers = [float(x) for x in rng.standard_normal(300) * 10.0 ** rng.integers(-12, 12, 300)]
    index.upsert(*(row(f"r{i}", "t", metadata={"x": x}) for i, x in enumerate(numbers)))
    for i in range(0, 300, 7):
        x = numbers[i]
        assert found(index, {"x": x}) == {f"r{i}"}
        assert found(index, {"x": float(np.nextafter(x, 1e30))}) == set()
        assert f"r{i}" not in found(index, {"x": {"gt": x}})
        assert f"r{i}" in found(index, {"x": {"gt": float(np.nextafter(x, -1e30))}})
