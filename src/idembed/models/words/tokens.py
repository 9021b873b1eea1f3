"""How a text becomes words, the same under every Python.

``str.lower``, ``\\w`` and ``unicodedata`` follow the Unicode tables of the running Python, which change with every
release: a letter that is new in one would make other words of a text, and so move its vector. Here every table is the
library's own (``unicode_tables``), of one Unicode version, which is recorded. What Unicode promises for ever about
ASCII is left to ``str``. Another behaviour is another version.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, Literal

from idembed.canonical import JSON
from idembed.errors import ModelError, OptionError
from idembed.models.words import unicode_tables as tables

__all__ = ["WordTokenizer"]

_VERSION = 1
_DROPPED = "\0"
_ASCII = "".join(char.lower() if char.isalpha() or char == "_" else " " for char in map(chr, range(128)))
_JAMO = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[\uac00-\ud7a3][\u11a8-\u11c2]")
"""Hangul that composes: leading, vowel and perhaps trailing; a syllable that perhaps has no trailing yet."""


@dataclass(frozen=True, slots=True)
class WordTokenizer:
    """How a text becomes words; part of the space.

    ``simple``: lower case, then runs of letters (with numerals that are no digits, and underscores) of ``min_len``
    to ``max_len`` characters that do not begin with an underscore; ``deacc`` removes accents before. The words are
    those of gensim's ``simple_preprocess`` under a Python of the recorded Unicode version.
    ``whitespace``: what stands between white space, as it is; for texts that other tools cut into words.
    """

    kind: Literal["simple", "whitespace"] = "simple"
    deacc: bool = False
    min_len: int = 2
    max_len: int = 15

    def __post_init__(self) -> None:
        if self.kind not in ("simple", "whitespace"):
            raise OptionError(f"words are made in the way simple or whitespace, not {self.kind!r}")
        if not isinstance(self.deacc, bool):
            raise OptionError(f"deacc={self.deacc!r}: it is True or False")
        if not all(type(length) is int for length in (self.min_len, self.max_len)):
            raise OptionError(f"min_len={self.min_len!r}, max_len={self.max_len!r}: whole numbers are needed")
        if not 1 <= self.min_len <= self.max_len:
            raise OptionError(
                f"words of {self.min_len} to {self.max_len} characters: there are none", hint="1 <= min_len <= max_len"
            )
        if self.kind == "whitespace" and (self.deacc, self.min_len, self.max_len) != (False, 2, 15):
            raise OptionError("deacc, min_len and max_len are for simple words", hint="whitespace keeps all as it is")

    def __call__(self, text: str) -> list[str]:
        """The words of ``text`` in order (ASCII: some 60 MB a second; other texts: some 20)."""
        if self.kind == "whitespace":
            return text.split() if text.isascii() else _between_spaces().findall(text)
        spaced = text.translate(_ASCII) if text.isascii() else _spaced(text, self.deacc)
        least, most = self.min_len, self.max_len
        return [word for word in spaced.split(" ") if least <= len(word) <= most and word[0] != "_"]

    def facts(self) -> dict[str, JSON]:
        """What a space records, for ``from_facts``."""
        if self.kind == "whitespace":
            return {"kind": "whitespace", "version": _VERSION}
        return {
            "kind": "simple",
            "deacc": self.deacc,
            "min_len": self.min_len,
            "max_len": self.max_len,
            "unicode": tables.UNICODE,
            "version": _VERSION,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> WordTokenizer:
        """The tokenizer that ``facts()`` described. Raises ModelError naming what is not known here."""
        given = dict(facts)
        try:
            made = cls(**{name: value for name, value in given.items() if name not in ("unicode", "version")})
        except (TypeError, OptionError):
            made = cls()  # its facts differ from those given
        known = made.facts()
        strange = [name for name in sorted({*given, *known}) if given.get(name) != known.get(name)]
        if strange:
            was = ", ".join(f"{name}={given.get(name)!r}" for name in strange)
            raise ModelError(
                f"words were made with a tokenizer that is not known here ({was})",
                hint="install a newer idembed",
                facts=given,
            )
        return made


def _spaced(text: str, deacc: bool) -> str:
    """Words as they are counted (lower case, perhaps without accents), with spaces for everything else."""
    if "Σ" in text:
        text = _with_final_sigmas(text)
    if tables.DOTTED_I in text:
        text = text.replace(tables.DOTTED_I, "i\u0307")
    text = text.translate(_table(deacc))
    return _composed(text) if deacc else text


def _composed(text: str) -> str:
    """What is side by side once marks are dropped, composed as NFC does."""
    text = text.replace(_DROPPED, "")
    for pair, char in tables.COMPOSED.items():
        if pair[1] in text:
            text = text.replace(pair, char)
    for second in {pair[1] for pair in tables.COMPOSED}:
        text = text.replace(second, " ")
    return _JAMO.sub(_syllable, text)


def _syllable(match: re.Match[str]) -> str:
    """The Hangul syllable of these two or three (The Unicode Standard, 3.12)."""
    codes = list(map(ord, match.group()))
    syllable = codes.pop(0)
    if syllable < 0xAC00:
        syllable = 0xAC00 + ((syllable - 0x1100) * 21 + codes.pop(0) - 0x1161) * 28
    elif (syllable - 0xAC00) % 28:
        return match.group()  # has a trailing consonant already
    return chr(syllable + codes[0] - 0x11A7 if codes else syllable)


def _with_final_sigmas(text: str) -> str:
    """``text`` with ς for each Σ that ends a word: after a cased character, not before one, case-ignorable ones
    between them passed over (The Unicode Standard, 3.13, Final_Sigma). Linear: no scan passes another Σ."""
    cased, ignorable = _members(tables.CASED), _members(tables.IGNORABLE)
    pieces, done = [], 0
    place = text.find("Σ")
    while place >= 0:
        before = place - 1
        while before >= 0 and text[before] in ignorable:
            before -= 1
        if before >= 0 and text[before] in cased:
            after = place + 1
            while after < len(text) and text[after] in ignorable:
                after += 1
            if after == len(text) or text[after] not in cased:
                pieces += [text[done:place], "ς"]
                done = place + 1
        place = text.find("Σ", place + 1)
    return "".join([*pieces, text[done:]])


# ---- the tables, read when the first text needs them ------------------------------------------------------


@cache
def _table(deacc: bool) -> str:
    """For ``str.translate``: at each code point its lower case (``deacc``: and without accents, a mark dropped, what
    composes kept) if words are made of that, else a space. 4 MB, made in 30 ms."""
    images = [" "] * (sys.maxunicode + 1)
    for start, end in _ranges(tables.WORDS):
        images[start:end] = map(chr, range(start, end))
    if deacc:
        for pair in tables.COMPOSED:
            images[ord(pair[1])] = pair[1]
        for start, end in _ranges(tables.MARKS):
            images[start:end] = [_DROPPED] * (end - start)
        for code, image in _mapping(tables.UNACCENTED):
            images[code] = images[image]
    for code, image in _mapping(tables.LOWER):
        images[code] = images[image]
    return "".join(images)


@cache
def _members(encoded: str) -> frozenset[str]:
    return frozenset(chr(code) for start, end in _ranges(encoded) for code in range(start, end))


@cache
def _between_spaces() -> re.Pattern[str]:
    return re.compile(f"[^{''.join(sorted(_members(tables.WHITE_SPACE)))}]+")


def _ranges(encoded: str) -> Iterator[tuple[int, int]]:
    """[start, end) of each run of a set."""
    edges = accumulate(map(int, encoded.split()))
    return (run for number, run in enumerate(pairwise(edges)) if number % 2 == 0)


def _mapping(encoded: str) -> Iterator[tuple[int, int]]:
    """(code point, its image) for each character of a mapping."""
    code = image = 0
    for item in encoded.split():
        moves, _, times = item.partition("*")
        step, shift = map(int, moves.split(","))
        for _ in range(int(times or 1)):
            code, image = code + step, image + shift
            yield code, image
