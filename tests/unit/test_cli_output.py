"""What reaches a terminal is clean, and JSON reads back equal."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.cli.output import clean, console, to_json

ESC = "\x1b"


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("plain", "plain"),
        ("grün 日本 🙂", "grün 日本 🙂"),
        ("[bold]not markup[/bold] :smile:", "[bold]not markup[/bold] :smile:"),
        (f"{ESC}[31mred{ESC}[0m", "red"),
        (f"a{ESC}[2J{ESC}[1;1Hb", "ab"),
        ("\x9b31mred", "red"),
        (f"{ESC}]0;new title\x07text", "text"),
        (f"{ESC}]8;;https://evil.example{ESC}\\link{ESC}]8;;{ESC}\\", "link"),
        (f"{ESC}]0;never closed", ""),
        (f"{ESC}Pdevice{ESC}\\x", "x"),
        (f"{ESC}cx", "x"),
        (f"end{ESC}", "end"),
        ("back\x08space\x7f\x00", "backspace"),
        ("one\r\ntwo\tthree\n\n four ", "one two three four"),
        ("line\u2028and\u2029paragraph\x85next", "line and paragraph next"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\u2066isolated\u2069 \u061cmark\u200f", "isolated mark"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("👩\u200d💻 می\u200cخواهم", "👩\u200d💻 می\u200cخواهم"),
        ("lone \ud800", "lone \ufffd"),
        (f"{ESC}\u202e[31m", "[31m"),
    ],
)
def test_text_is_shown_without_anything_that_acts_on_a_terminal(dirty: str, shown: str) -> None:
    assert clean(dirty) == shown


@given(st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x9d[]m;\x07\\\u202e"))))
def test_nothing_acts_on_a_terminal_whatever_the_text(text: str) -> None:
    shown = clean(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    shown.encode("utf-8")
    assert clean(shown) == shown


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
