from __future__ import annotations

import enum
import json
import math
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.canonical import NotCanonicalError, canonical_json, check_text


class Colour(str, enum.Enum):  # noqa: UP042 (str() of it is its name: what must not be stored)
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ({}, "{}"),
        ([], "[]"),
        (1.0, "1"),
        (-0.0, "0"),
        (-2.0, "-2"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e22, "1e+22"),
        (5e-324, "5e-324"),
        (2**53, "9007199254740992"),
        (-(2.0**53), "-9007199254740992"),
        ("é😀/", '"é😀/"'),
        ('"\\\n\x01\x7f\u2028', '"\\"\\\\\\n\\u0001\x7f\u2028"'),
        ("\\u0000", '"\\\\u0000"'),
        ((1, [2]), "[1,[2]]"),
        ({"b": 1, "a": {"d": None, "c": [True]}}, '{"a":{"c":[true],"d":null},"b":1}'),
        ({"\uffff": 1, "😀": 2, "z": 3}, '{"z":3,"\uffff":1,"😀":2}'),  # code points, not UTF-16
        (MappingProxyType({"k": 1}), '{"k":1}'),
        (Colour.RED, '"red"'),
        ({Colour.RED: 1}, '{"red":1}'),
        (np.float64(2.5), "2.5"),
    ],
)
def test_one_spelling(value: Any, text: str) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "value: nan"),
        ({"a": [1, {"b": math.inf}]}, r"a\[1\]\.b: inf"),
        ({"n": 2**53 + 1}, r"n: integer 9007199254740993 is outside"),
        ("a\0", "NUL"),
        (["x", "\ud800"], r"\[1\]: contains a lone surrogate \(U\+D800\)"),
        ({"\udfff": 1}, "key contains a lone surrogate"),
        ({"a\0": 1}, "key contains NUL"),
        ({1: 2}, "key 1 is not a string"),
        ({"a": {1, 2}}, "a: has type set"),
        (b"x", "bytes"),
        (np.float32(0.5), "float32"),
    ],
)
def test_what_has_no_spelling_is_refused_with_its_place(value: Any, says: str) -> None:
    with pytest.raises(NotCanonicalError, match=says):
        canonical_json(value)


def test_endless_nesting_is_refused() -> None:
    value: Any = []
    value.append(value)
    with pytest.raises(NotCanonicalError, match="64 levels"):
        canonical_json(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_reading_it_back_gives_an_equal_value_and_the_same_spelling(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert canonical_json(MappingProxyType({"k": value})) == canonical_json({"k": value})  # slow path, fast path


def test_texts_that_can_be_stored_have_no_reason_against_them() -> None:
    assert check_text("") == check_text("é😀\u2028\x01") == ""
    assert check_text("ab\0") == "contains NUL (U+0000)"
    assert check_text("ab\udc00") == "contains a lone surrogate (U+DC00) at character 2"
