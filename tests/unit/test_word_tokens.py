"""How a text becomes words: gensim's rule, with Unicode tables that no Python moves."""

from __future__ import annotations

import hashlib
import re
import runpy
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idembed.errors import ModelError, OptionError
from idembed.models.words import unicode_tables
from idembed.models.words.tokens import WordTokenizer

ORACLE = Path(__file__).parents[1] / "oracle" / "derive_unicode_tables.py"
ASSIGNED = [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)]
"""Code points, less surrogates and the planes of ideographs and of private use, which are all alike."""
same_unicode = pytest.mark.skipif(
    unicodedata.unidata_version != unicode_tables.UNICODE, reason="this Python has other Unicode tables than ours"
)

simple = WordTokenizer()
letters = WordTokenizer(min_len=1, max_len=99)
bare = WordTokenizer(deacc=True, min_len=1, max_len=99)
whitespace = WordTokenizer("whitespace")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat sat on the mat!", ["the", "cat", "sat", "on", "the", "mat"]),
        ("a I ab", ["ab"]),
        ("fifteen_letters sixteen__letters", ["fifteen_letters"]),
        ("2nd abc123def x86", ["nd", "abc", "def"]),
        ("_private __init__ snake_case _", ["snake_case"]),
        ("Grüße, Ærø; naïve — CAFÉ", ["grüße", "ærø", "naïve", "café"]),
        ("日本語 Привет 한국어 नमस्ते", ["日本語", "привет", "한국어", "नमस"]),  # a virama, a mark, ends नमस
        ("don't e-mail", ["don", "mail"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_are_those_of_simple_preprocess(text: str, words: list[str]) -> None:
    assert simple(text) == words


def test_digits_of_every_script_part_words_and_other_numerals_do_not() -> None:
    assert letters("ab٣cd५ef𝟘gh") == ["ab", "cd", "ef", "gh"]
    assert letters("x² ⅷ½ 十二") == ["x²", "ⅷ½", "十二"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ΑΣ", ["ας"]),
        ("ΑΣ.", ["ας"]),
        ("ΟΔΟΣ ΟΔΟΣΑ ΣΑΣ", ["οδος", "οδοσα", "σας"]),
        ("Σ ΣΣ", ["σ", "σς"]),
        ("ΑΣ.Α", ["ασ", "α"]),  # a full stop is case-ignorable: a letter follows
        ("Α'Σ", ["α", "ς"]),
        ("1Σ", ["σ"]),
        ("ας", ["ας"]),
    ],
)
def test_a_sigma_that_ends_a_word_is_a_final_one(text: str, words: list[str]) -> None:
    assert letters(text) == words


def test_a_dotted_capital_i_becomes_two_characters() -> None:
    assert letters("İstanbul") == ["i", "stanbul"]  # the dot is a mark, which no word holds
    assert bare("İstanbul") == ["istanbul"]
    assert letters("İΣ") == ["i", "ς"]


def test_accents_are_kept_unless_they_are_to_be_removed() -> None:
    assert letters("été e\u0301te\u0301") == ["été", "e", "te"]
    assert bare("été e\u0301te\u0301 Ångström ǖ ﬁ ß") == ["ete", "ete", "angstrom", "u", "ﬁ", "ß"]
    assert bare("й ё Ω אֿ ば") == ["и", "е", "ω", "א", "は"]


def test_without_accents_what_is_left_is_composed() -> None:
    assert bare("\u1112\u1161\u11ab\u1100\u1173\u11af") == ["한글"]
    assert bare("가\u11a8 각\u11a8 \u1100가") == ["각", "각\u11a8", "\u1100가"]
    assert bare("\u1b05\u0300\u1b35 \u1b35 \u0b92\u0bd7") == ["\u1b06", "\u0b94"]


def test_a_letter_that_came_after_our_tables_is_none() -> None:
    assert unicode_tables.UNICODE == "14.0.0"
    assert letters("ab\U0001e4d0cd") == ["ab", "cd"]  # Nag Mundari, Unicode 15
    assert letters("ab\U0001df25cd") == ["ab", "cd"]  # Latin, Unicode 15


def test_no_python_moves_a_word() -> None:
    """Every character within a word and around a sigma: the hash is the same under every Python."""
    text = " ".join(f"A{char}b A{char}Σ AΣ{char}B" for char in map(chr, ASSIGNED))
    found = [hashlib.sha256("\n".join(words(text)).encode()).hexdigest() for words in (letters, bare, whitespace)]
    assert found == [
        "231cddd64f70e37e405e2d45c912467a82630dda4232e1f7ac11d77b54416507",
        "e7f1495b25e833a08326d4848c395d636980fa19c465e38657fb295561183e89",
        "6729f84cbfd569631ca5a46898e15628c14ce3fd0d5a0d24b86a8178a760a52a",
    ]


# ---- as the running Python does it, where it has the same tables -------------------------------------------


def reference(text: str, *, deacc: bool = False) -> list[str]:
    """gensim's way."""
    text = text.lower()
    if deacc:
        apart = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(char for char in apart if unicodedata.category(char) != "Mn"))
    return [word for word in re.findall(r"[^\W\d]+", text) if len(word) <= 99 and word[0] != "_"]


@same_unicode
def test_every_character_is_taken_as_python_does() -> None:
    text = " ".join(f"a{char}b" for char in map(chr, range(sys.maxunicode + 1)))
    assert letters(text) == reference(text)
    assert bare(text) == reference(text, deacc=True)
    assert whitespace(text) == text.split()


RARE = "ΑΣς.'’İIıiǅ_0१९éÉ\u0301\u0307\u0345\u00ad:·가각긱ᇂ\u0b92\u0bd7\u1b05\u1b35\u1b43\u1b3e\u212b豈\ufb1d𝐀𐐀ß "


@same_unicode
@given(st.text(st.one_of(st.sampled_from(RARE), st.characters()), max_size=30))
def test_every_text_is_taken_as_python_does(text: str) -> None:
    assert letters(text) == reference(text)
    assert bare(text) == reference(text, deacc=True)
    assert whitespace(text) == text.split()


@same_unicode
def test_the_tables_are_those_that_are_derived() -> None:
    derived = runpy.run_path(str(ORACLE))["document"]()
    assert Path(unicode_tables.__file__).read_text("utf-8") == derived


def test_ascii_needs_no_tables() -> None:
    code = (
        "from idembed.models.words import tokens\n"
        "tokens.WordTokenizer(deacc=True)('The cat'), tokens.WordTokenizer('whitespace')('The cat')\n"
        "assert not any(f.cache_info().currsize for f in (tokens._table, tokens._members, tokens._between_spaces))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- white space, and what is recorded ---------------------------------------------------------------------


def test_words_between_white_space_stay_as_they_are() -> None:
    assert whitespace("The cat_7,\tÉté\u00a0x\u2003y\x1fz\u200bw\n") == ["The", "cat_7,", "Été", "x", "y", "z\u200bw"]
    assert whitespace("The  cat\x1cA") == ["The", "cat", "A"]


@pytest.mark.parametrize("tokenizer", [simple, WordTokenizer(deacc=True, min_len=1, max_len=40), whitespace])
def test_what_is_recorded_makes_it_again(tokenizer: WordTokenizer) -> None:
    assert WordTokenizer.from_facts(tokenizer.facts()) == tokenizer


def test_what_is_recorded() -> None:
    assert simple.facts() == {
        "kind": "simple",
        "deacc": False,
        "min_len": 2,
        "max_len": 15,
        "unicode": "14.0.0",
        "version": 1,
    }
    assert whitespace.facts() == {"kind": "whitespace", "version": 1}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": 2}, "version=2"),
        ({"unicode": "15.1.0"}, "unicode='15.1.0'"),
        ({"kind": "sentencepiece"}, "kind='sentencepiece'"),
        ({"stem": True}, "stem=True"),
        ({"min_len": "2"}, "min_len='2'"),
        ({"min_len": 0}, "min_len=0"),
    ],
)
def test_a_tokenizer_that_is_not_known_here_is_refused_by_what_is_strange(change: dict, named: str) -> None:
    with pytest.raises(ModelError, match=re.escape(f"({named})")):
        WordTokenizer.from_facts({**simple.facts(), **change})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "simpel"}, "not 'simpel'"),
        ({"min_len": 3, "max_len": 2}, "words of 3 to 2 characters"),
        ({"min_len": 0}, "words of 0 to 15 characters"),
        ({"max_len": 2.5}, "whole numbers"),
        ({"deacc": 1}, "deacc=1"),
        ({"kind": "whitespace", "min_len": 3}, "for simple words"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        WordTokenizer(**options)
