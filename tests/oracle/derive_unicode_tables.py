"""Write ``src/idembed/models/words/unicode_tables.py`` anew: ``python derive_unicode_tables.py > unicode_tables.py``.

Everything is asked of the running Python (``unicodedata`` and the methods of ``str``), so the result is that of its
Unicode version. A test compares it byte by byte with the file in the package, on a Python of that version.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from itertools import groupby

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1)]
SIGMA = "Σ"

DOCUMENT = '''\
"""Unicode {version} as the words of a text need it. Made by ``tests/oracle/derive_unicode_tables.py``; never edited.

A set of characters is written as the lengths of runs from U+0000 on, in turn outside and inside of the set; the rest
is outside. A mapping is written in order of the characters it has, each as ``step,shift``: so far from the character
before, and its image so far from the image before (both from U+0000 at first); ``*n`` repeats a step and shift n times.
"""

from __future__ import annotations

__all__ = [
    "CASED",
    "COMPOSED",
    "DOTTED_I",
    "IGNORABLE",
    "LOWER",
    "MARKS",
    "UNACCENTED",
    "UNICODE",
    "WHITE_SPACE",
    "WORDS",
]

UNICODE = "{version}"
'''


def word(char: str) -> bool:
    """Matches ``\\w`` and not ``\\d``."""
    return (char.isalnum() or char == "_") and not char.isdecimal()


def cased(char: str) -> bool:
    """Makes a following sigma a final one: Cased and not Case_Ignorable."""
    return (char + SIGMA).lower().endswith("ς")


def ignorable(char: str) -> bool:
    """Case_Ignorable: what may stand between a cased character and the sigma."""
    return not cased(char) and ("A" + char + SIGMA).lower().endswith("ς")


def mark(char: str) -> bool:
    return unicodedata.category(char) == "Mn"


def unaccented(text: str) -> str:
    """Canonically decomposed, without nonspacing marks, composed again."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(char for char in apart if not mark(char)))


def lower_mapping() -> dict[str, str]:
    mapping = {char: char.lower() for char in CHARACTERS if char.lower() != char}
    assert mapping.pop("İ") == "i\u0307"  # the only one that becomes two characters
    assert all(len(image) == 1 for image in mapping.values())
    return mapping


def unaccented_mapping() -> dict[str, str]:
    mapping = {char: unaccented(char) for char in CHARACTERS if not mark(char) and unaccented(char) != char}
    for char in [char for char, image in mapping.items() if len(image) != 1]:
        assert not any(map(word, char + mapping.pop(char)))  # musical notes and the like: never part of a word
    return mapping


def composed_pairs() -> dict[str, str]:
    """Pairs of characters, no marks, that compose to a character of a word; Hangul is done by arithmetic."""
    pairs = {}
    for char in CHARACTERS:
        parts = unicodedata.decomposition(char)
        if not parts or parts.startswith("<") or unicodedata.normalize("NFC", char) != char:
            continue
        pair = "".join(chr(int(code, 16)) for code in parts.split())
        if len(pair) == 2 and not any(map(mark, pair)) and word(char):
            pairs[pair] = char
    for first, second in pairs:  # so they compose exactly where they are neighbours, and no chains are made
        assert word(first)
        assert not unicodedata.combining(second)
        assert not any(unicodedata.decomposition(char) for char in (first, second))
    return pairs


def encode_set(member: Callable[[str], bool]) -> str:
    runs = [(inside, sum(1 for _ in run)) for inside, run in groupby(CHARACTERS, member)]
    lengths = [str(length) for _, length in (runs if runs[-1][0] else runs[:-1])]
    return " ".join(lengths if not runs[0][0] else ["0", *lengths])


def encode_mapping(mapping: dict[str, str]) -> str:
    steps, before, image_before = [], 0, 0
    for char, image in sorted(mapping.items()):
        steps.append((ord(char) - before, ord(image) - image_before))
        before, image_before = ord(char), ord(image)
    written = []
    for (step, shift), run in groupby(steps):
        times = sum(1 for _ in run)
        written.append(f"{step},{shift}" + (f"*{times}" if times > 1 else ""))
    return " ".join(written)


def literal(name: str, document: str, value: str) -> Iterable[str]:
    yield f'{name} = """\n{textwrap.fill(value, 119, break_long_words=False, break_on_hyphens=False)}\n"""'
    yield f'"""{document}"""\n'


def document() -> str:
    parts = [DOCUMENT.format(version=unicodedata.unidata_version)]
    parts += ['DOTTED_I = "\\u0130"', '"""The only character whose lower case is two: i and U+0307."""\n']
    pairs = "".join(f"    {pair!a}: {char!a},\n" for pair, char in composed_pairs().items())
    parts += [f"COMPOSED = {{\n{pairs}}}".replace("'", '"')]
    parts += ['"""Pairs that compose without any mark; those of Hangul are arithmetic."""\n']
    words = "Letters, numbers that are no decimal digits, and the underscore: what words are made of."
    parts += literal("WORDS", words, encode_set(word))
    parts += literal("WHITE_SPACE", "What ``str.split()`` splits at.", encode_set(str.isspace))
    parts += literal("CASED", "Cased and not Case_Ignorable: what makes the next sigma a final one.", encode_set(cased))
    parts += literal("IGNORABLE", "Case_Ignorable: what may stand between it and the sigma.", encode_set(ignorable))
    parts += literal("MARKS", "Nonspacing marks (Mn).", encode_set(mark))
    parts += literal("LOWER", "Lower case, but for U+0130 and the final sigma.", encode_mapping(lower_mapping()))
    accents = "Without nonspacing marks: decomposed (NFD), these left out, and composed (NFC)."
    parts += literal("UNACCENTED", accents, encode_mapping(unaccented_mapping()))
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
