"""Is an answer what was asked for?"""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from idembed.models.api.adapter import Answer
from idembed.models.api.checks import BadReplyError, check

NAN = float("nan")


def test_vectors_get_unit_length_in_the_order_of_the_texts() -> None:
    checked = check(Answer([[0.0, 2.0], [3.0, 4.0]], indices=[1, 0]), 2, 2)
    assert checked.vectors.tolist() == [[np.float32(0.6), np.float32(0.8)], [0.0, 1.0]]
    assert checked.vectors.dtype == np.float32
    assert checked.bad == {}


def test_base64_is_little_endian_float32() -> None:
    raw = base64.b64encode(np.array([0.6, 0.8], "<f4").tobytes()).decode()
    checked = check(Answer([raw]), 1, 2)
    assert checked.vectors.tolist() == [[np.float32(0.6), np.float32(0.8)]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer([[1.0, 0.0]]), "1 vectors came back for 2 texts"),
        (Answer([[1.0, 0.0]] * 3), "3 vectors came back for 2 texts"),
        (Answer([[1.0, 0.0]] * 2, indices=[0, 0]), "indices are not those of the 2 texts"),
        (Answer([[1.0, 0.0]] * 2, indices=[1, 2]), "indices are not those of the 2 texts"),
        (Answer([[1.0, 0.0]] * 2, indices=["0", "1"]), "indices are not those of the 2 texts"),
        (Answer([[1.0, 0.0]] * 2, indices=[False, True]), "indices are not those of the 2 texts"),
        (Answer([[1.0]] * 2), "vectors of 1 numbers came back, this space has 2"),
        (Answer([None, None]), "no vector in the answer"),
        (Answer([[], []]), "vectors of 0 numbers came back, this space has 2"),
    ],
)
def test_answers_that_cannot_be_used_at_all(answer: Answer, reason: str) -> None:
    with pytest.raises(BadReplyError, match=reason):
        check(answer, 2, 2)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([NAN, 1.0], "a vector with NaN or infinity came back for it"),
        ([math.inf, 1.0], "a vector with NaN or infinity came back for it"),
        ([1e39, 1.0], "a vector with NaN or infinity came back for it"),
        ([10**400, 1.0], "what came back for it is not a vector"),
        ([0.0, 0.0], "a vector of zeros came back for it"),
        (None, "no vector came back for it"),
        ([1.0, 2.0, 3.0], "a vector of 3 numbers came back for it, this space has 2"),
        ("!!", "what came back for it is not a vector"),
        ([1.0, None], "what came back for it is not a vector"),
        (["1", "2"], "what came back for it is not a vector"),
        ([True, False], "what came back for it is not a vector"),
        ([10**400, 1], "what came back for it is not a vector"),
        ([[1.0], [2.0]], "what came back for it is not a vector"),
        ({"a": 1}, "what came back for it is not a vector"),
    ],
)
def test_one_vector_that_cannot_be_used_spoils_no_other(bad: object, reason: str) -> None:
    checked = check(Answer([[3.0, 4.0], bad]), 2, 2)
    assert checked.bad == {1: reason}
    assert checked.vectors[0].tolist() == [np.float32(0.6), np.float32(0.8)]


def test_very_long_and_very_short_vectors_are_of_unit_length() -> None:
    checked = check(Answer([[3e38, 0.0], [2e38, 2e38], [0.0, 1e-45]]), 3, 2)
    assert not checked.bad
    assert np.allclose(checked.vectors, [[1.0, 0.0], [0.5**0.5, 0.5**0.5], [0.0, 1.0]])


def test_where_the_width_is_not_known_all_must_agree() -> None:
    assert check(Answer([[1.0, 0.0, 0.0]] * 2), 2, None).vectors.shape == (2, 3)
    with pytest.raises(BadReplyError, match=r"vectors of \[1, 2\] numbers"):
        check(Answer([[1.0], [1.0, 0.0]]), 2, None)


def test_what_the_provider_says_it_cut() -> None:
    checked = check(Answer([[1.0, 0.0]] * 3, indices=[2, 0, 1], truncated=[True, False, False]), 3, 2)
    assert checked.truncated == {2}
