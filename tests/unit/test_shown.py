"""What comes from data is shown without anything that acts on a terminal or hides what is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.shown import clean, short_revisions, shorten, without_password

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


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("cut at a space", 8, "cut at…"),
        ("  white\n space  ", 11, "white space"),
        ("\u202e\u202e\u202eabc", 3, "abc"),
    ],
)
def test_a_long_text_is_cut_once_it_is_clean(text: str, limit: int, shown: str) -> None:
    assert shorten(text, limit) == shown


def test_a_commit_is_shown_by_its_first_twelve_digits() -> None:
    assert short_revisions(f"org/name@{'0123456789' * 4}") == "org/name@012345678901"
    assert short_revisions("user@example") == "user@example"


@pytest.mark.parametrize("password", ["ge/heim", "ge?heim", "ge#heim", "ge@heim"])
def test_a_password_of_postgres_that_should_be_written_otherwise_is_not_shown(password: str) -> None:
    assert without_password(f"postgresql://me:{password}@host/db?schema=a") == "postgresql://me:***@host/db?schema=a"


def test_an_at_in_a_query_ends_no_password() -> None:
    url = "postgresql://host:5432/db?query=select id, text from pages where tags @> '{a}'"
    assert without_password(url) == url
