"""What programs read is JSON that reads back equal; what people read is printed as it is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.cli.output import console, to_json


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_json_reads_back_equal_and_is_one_safe_line(value: object) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e" for c in text)


def test_json_keeps_a_lone_surrogate_and_letters_readable() -> None:
    assert to_json(["grün", "\ud800", "\u202e", "\x9b"]) == '["grün", "\\ud800", "\\u202e", "\\u009b"]'


def test_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        to_json({"score": float("nan")})


def test_rich_reads_no_markup_or_emoji_codes_from_data(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("[bold]x[/bold] [/oops] :warning: 12")
    assert capsys.readouterr().out == "[bold]x[/bold] [/oops] :warning: 12\n"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_of_a_float32_reads_back_as_the_same_bits(value: float) -> None:
    number = np.float32(value)
    again = np.float32(json.loads(str(number)))
    assert again.tobytes() == number.tobytes()
