from __future__ import annotations

import enum
import hashlib
from types import MappingProxyType
from typing import Any

import pytest

from idembed.errors import RowError
from idembed.rows import BUCKETS, Hit, Row, bucket_of, check_id, check_row, row_hash, text_hash


class Name(str, enum.Enum):  # noqa: UP042 (str() of it is its name: what must not be stored)
    ONE = "one"


def test_a_checked_row_has_canonical_metadata_and_hashes_of_both() -> None:
    row = check_row("a", "Text ", {"b": 1.0, "a": "é"}, "here")
    assert (row.id, row.text, row.metadata) == ("a", "Text ", '{"a":"é","b":1}')
    assert row.text_hash == hashlib.sha256(b"Text ").digest()
    assert row.metadata_hash == hashlib.sha256('{"a":"é","b":1}'.encode()).digest()


def test_equal_metadata_have_equal_hashes_however_they_are_written() -> None:
    one = check_row("a", "t", {"x": 1, "y": [0.0, True]}, "here")
    two = check_row("b", "t", MappingProxyType({"y": (-0.0, True), "x": 1.0}), "there")
    assert one.metadata_hash == two.metadata_hash
    assert check_row("c", "t", {}, "").metadata_hash == hashlib.sha256(b"{}").digest()


def test_texts_are_not_normalised() -> None:
    assert text_hash("é") != text_hash("e\u0301")
    assert check_row("a", " x\r\n", {}, "").text == " x\r\n"


def test_ids_may_have_1_to_512_bytes() -> None:
    assert check_id("x", "here") == "x"
    assert check_id("é" * 256, "here") == "é" * 256
    assert type(check_id(Name.ONE, "here")) is str


@pytest.mark.parametrize(
    ("row_id", "says"),
    [
        (None, "line 7 has no id"),
        (7, "line 7: the id 7 is not a string but int"),
        ("", "1 to 512 bytes of UTF-8, this one 0"),
        ("é" * 257, "this one 514"),
        ("a\0b", "NUL"),
        ("\ud800", r"'\\ud800' contains a lone surrogate"),
    ],
)
def test_a_bad_id_is_refused_with_its_place(row_id: Any, says: str) -> None:
    with pytest.raises(RowError, match=says):
        check_row(row_id, "text", {}, "line 7")


@pytest.mark.parametrize(
    ("text", "metadata", "says"),
    [
        (None, {}, "row 'a' has no text"),
        (5, {}, "text of row 'a' is int"),
        ("", {}, "text of row 'a' is empty"),
        (" \n\u3000", {}, "has nothing but white space"),
        ("x\0", {}, "NUL"),
        ("\ud800", {}, "surrogate"),
        ("x", None, "metadata of row 'a' is NoneType"),
        ("x", [1], "is list"),
        ("x", {"$id": 1}, r"metadata named \$id"),
        ("x", {"n": {"deep": [float("nan")]}}, r"n\.deep\[0\]"),
    ],
)
def test_a_bad_row_is_refused_by_name(text: Any, metadata: Any, says: str) -> None:
    with pytest.raises(RowError, match=says):
        check_row("a", text, metadata, "line 7")


def test_errors_do_not_repeat_texts() -> None:
    with pytest.raises(RowError) as caught:
        check_row("a", "confidential\0", {}, "line 7")
    assert "confidential" not in str(caught.value)


def test_a_row_hash_is_over_id_text_and_canonical_metadata_with_lengths_first() -> None:
    row = check_row("é", "ab", {"k": 1.0}, "here")
    assert row.row_hash == hashlib.sha256('1,2,éab{"k":1}'.encode()).digest()[:16]
    assert row.row_hash == row_hash("é", "ab", '{"k":1}') == check_row("é", "ab", {"k": 1}, "there").row_hash


@pytest.mark.parametrize("other", [("a", "bc", {}), ("ab", "c", {"k": 1}), ("ab", "c ", {}), ("AB", "c", {})])
def test_another_row_has_another_hash(other: tuple[str, str, dict[str, Any]]) -> None:
    assert check_row(*other, "").row_hash != check_row("ab", "c", {}, "").row_hash


def test_plain_rows_and_others_take_different_ways_to_the_same_row() -> None:
    plain = check_row("one", "Text", {"b": 1, "a": [None]}, "")
    assert check_row(Name.ONE, "Text", MappingProxyType({"a": (None,), "b": 1}), "") == plain
    assert check_row("é" * 200, "t", {}, "").id == "é" * 200  # longer than the quick way takes


def test_buckets_are_the_first_12_bits_of_the_row_hash() -> None:
    assert BUCKETS == 4096
    assert [bucket_of(bytes.fromhex(start) + bytes(14)) for start in ("0000", "000f", "0010", "abcd", "ffff")] == [
        0, 0, 1, 0xABC, 4095,
    ]  # fmt: skip


def test_rows_and_hits_have_defaults() -> None:
    assert Row("a", "t").metadata == {}
    hit = Hit("a", 0.5, "t", {})
    assert (hit.part, hit.span, hit.truncated) == (0, (0, 0), False)
