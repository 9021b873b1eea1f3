"""How a long text becomes parts: our own splitter, frozen, so that a recorded split never moves.

An index records the splitter it was built with. Where the cuts fall must therefore depend on the text
alone: not on a library's version and not on the Unicode tables of the running Python, which change with
every release (``str.isspace``, ``\\s`` and ``unicodedata`` all follow them). Every character set that
decides here is spelled out, and a test keeps the spans of version 1. Another behaviour is another version.

All of it takes time linear in the text, whatever the text (1 MB in about 0.1 s).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from idembed.errors import DamagedError, NewerSchemaError, OptionError

__all__ = ["Heading", "Splitter", "headings"]

_SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space, as of Unicode 16 and unchanged since 6.3."""
_BREAKS = "".join(char for char in _SPACES if char not in "\xa0\u2007\u202f")
"""Those at which a line may break; the others are there to forbid it."""
_SKIP = re.compile(f"[{_SPACES}]*+")
_BLANK_LINE = re.compile(r"\n[ \t\r]*+\n")
_SENTENCE_END = re.compile(
    r"(?<=[.!?…‽।॥؟۔։።፧])[\"'’”»›)\]}]*+(?=[" + _BREAKS + r"])"  # these need white space after them
    r"|(?<=[。！？｡])[」』）】》〉〕”’»)]*+(?![。！？｡」』）】》〉〕”’»)])"  # these do not
)
_LANDMARK = re.compile(
    r"^ {0,3}(?:(?P<atx>#{1,6})(?=[ \t\r\n]|\Z)[^\n]*+|(?P<fence>`{3,}+(?=[^`\n]*+(?:\n|\Z))|~{3,}+)[^\n]*+"
    r"|(?P<rule>={3,}+|-{3,}+|\^{3,}+)[ \t\r]*+$)",
    re.MULTILINE,
)
_ZWJ = "\u200d"
_MAX_TITLE = 200


class Heading(NamedTuple):
    """A heading is ``text[start:stop]`` with its markup; ``title`` is what it says."""

    start: int
    stop: int
    title: str


@dataclass(frozen=True, slots=True)
class Splitter:
    """Cuts texts of more than ``size`` characters (code points) into parts of at most ``size``."""

    name: str = "passages"
    version: int = 1
    size: int = 1000

    def __post_init__(self) -> None:
        if (self.name, self.version) != ("passages", 1):
            raise NewerSchemaError(
                f"texts are split by {self.name!r} version {self.version!r}, not known here",
                hint="install a newer idembed",
            )
        if type(self.size) is not int or self.size < 1:
            raise OptionError(f"a part's size is a positive number of characters, not {self.size!r}")

    def parts(self, text: str) -> list[tuple[int, int]]:
        """The parts of ``text`` as [start, end) in characters, in order and without overlap.

        Between them, before the first and after the last there is nothing but white space; no part is
        empty. A text of at most ``size`` characters is one part, all of it. The cut is made at the last
        of the best kind of place there is: before a heading, at a blank line, the end of a line, the end
        of a sentence, white space, anywhere. Below headings a place counts from a quarter of ``size``
        on, so that a short line before a long one is not a part of its own. A heading is not left alone.
        """
        if len(text) <= self.size:
            return [(0, len(text))] if text else []
        outline = headings(text)
        doors = _doors(text, outline)
        starts = {heading.start: heading.stop for heading in outline}
        stop = len(text.rstrip(_SPACES))
        start = _skip(text, 0)
        spans = []
        while stop - start > self.size:
            limit = start + self.size
            door = bisect_right(doors, limit) - 1
            if door >= 0 and doors[door] > start:
                cut = doors[door]
            else:
                cut = _cut(text, start, limit, _below_headings(text, start, limit, starts))
            spans.append((start, start + len(text[start:cut].rstrip(_SPACES))))
            start = _skip(text, cut)
        if start < stop:
            spans.append((start, stop))
        return spans

    def recorded(self) -> dict[str, Any]:
        """What an index writes down, for ``from_recorded``."""
        return {"name": self.name, "version": self.version, "size": self.size}

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, Any]) -> Splitter:
        """The splitter that ``recorded()`` described. Raises NewerSchemaError if it is not known here, DamagedError for
        what describes none."""
        if not isinstance(recorded, Mapping):
            raise DamagedError(
                f"how texts are split cannot be read: {recorded!r}", hint="restore the index from a backup"
            )
        if set(recorded) != {"name", "version", "size"}:
            names = ", ".join(sorted(map(str, recorded)))
            raise NewerSchemaError(
                f"texts are split with the settings {names}; this idembed knows name, size, version",
                hint="install a newer idembed",
            )
        return cls(**recorded)


def headings(text: str) -> list[Heading]:
    """The headings of a Markdown or reStructuredText document, in order.

    Lines that start with one to six ``#``, and single lines underlined by three or more of ``=``, ``-``,
    ``~`` or ``^`` with nothing above them but a blank line (or an overline). Nothing within a fenced
    block of code is one; a fence that is never closed goes on to the end, and one of ``~`` starts after
    a blank line only, for else it underlines.
    """
    found: list[Heading] = []
    fence = ""
    for match in _LANDMARK.finditer(text):
        mark = match["fence"]
        if fence:
            if mark and mark.startswith(fence) and not match[0].strip(f"{fence[0]} \t\r"):
                fence = ""
        elif match["atx"]:
            title = match[0].strip(" \t\r").lstrip("#").strip(" \t")
            bare = title.rstrip("#")
            found.append(
                Heading(match.start("atx"), match.end(), title if bare[-1:].strip(" \t") else bare.strip(" \t"))
            )
        elif match["rule"] or (mark[0] == "~" and not match[0].strip("~ \t\r")):
            heading = _underlined(text, match.start(), match.end(), (match["rule"] or mark)[0])
            if heading:
                found.append(heading)
            elif mark and not _line_before(text, match.start())[1]:
                fence = mark
        elif mark[0] == "`" or not _line_before(text, match.start())[1]:
            fence = mark
    return found


def _line_before(text: str, position: int) -> tuple[int, str]:
    """Where the line before the one that starts at ``position`` starts, and that line stripped."""
    if position == 0:
        return 0, ""
    start = text.rfind("\n", 0, position - 1) + 1
    return start, text[start:position].strip(" \t\r\n")


def _underlined(text: str, rule: int, stop: int, char: str) -> Heading | None:
    start, title = _line_before(text, rule)
    if not 0 < len(title) <= _MAX_TITLE or not title.strip("=-~^"):
        return None
    above_start, above = _line_before(text, start)
    if not above:
        return Heading(_skip(text, start), stop, title)
    if char == "-" or above.strip(char):  # a line of YAML between two rules is front matter
        return None
    return Heading(_skip(text, above_start), stop, title)


def _doors(text: str, outline: list[Heading]) -> list[int]:
    """Starts of headings before which a cut is welcome: not between a heading and its first subheading."""
    doors = []
    end = 0
    for heading in outline:
        if _skip(text, end) < heading.start:
            doors.append(heading.start)
        end = heading.stop
    return doors


def _below_headings(text: str, start: int, limit: int, starts: Mapping[int, int]) -> int:
    """The first place where a part may end: a quarter of it on, and not right after its own headings."""
    floor = start + max(1, (limit - start) // 4)
    body = start
    while body < limit and body in starts:
        body = _skip(text, starts[body])
    return max(floor, body + 1) if body < limit else floor


def _cut(text: str, start: int, limit: int, floor: int) -> int:
    """The best place in [floor, limit] to end the part that starts at ``start``."""
    line = newline = text.rfind("\n", floor, limit + 1)
    while newline >= 0:
        if _BLANK_LINE.match(text, newline):
            return newline
        newline = text.rfind("\n", floor, newline)
    if line >= 0:
        return line
    sentence = -1
    for match in _SENTENCE_END.finditer(text, floor, min(limit + 1, len(text))):
        if match.end() <= limit:
            sentence = match.end()
    if sentence >= 0:
        return sentence
    space = max(text.rfind(char, floor, limit + 1) for char in _BREAKS)
    if space >= 0:
        return space
    cut = limit
    while cut > floor and _holds_together(text, start, cut):
        cut -= 1
    return cut if cut > floor or not _holds_together(text, start, cut) else limit


def _holds_together(text: str, start: int, cut: int) -> bool:
    """Whether the characters around ``cut`` are one on the screen: a letter and its accents, an emoji."""
    before, after = text[cut - 1], text[cut]
    if after < "\u0300":
        return before == _ZWJ or (before == "\r" and after == "\n")
    if before == _ZWJ or ord(after) in _MARKS:
        return True
    if not (_is_flag_half(before) and _is_flag_half(after)):
        return False
    half = cut
    while half > start and _is_flag_half(text[half - 1]):
        half -= 1
    return (cut - half) % 2 == 1


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _skip(text: str, position: int) -> int:
    """The first place from ``position`` on that is not white space."""
    match = _SKIP.match(text, position)
    return match.end() if match else position


def _marks() -> frozenset[int]:
    """Characters that are drawn on or with the one before them; near enough, and never changing."""
    found: set[int] = set()
    for first, last in (
        (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2),
        (0x05C4, 0x05C5), (0x05C7, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670),
        (0x06D6, 0x06DC), (0x06DF, 0x06E4), (0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x0711, 0x0711),
        (0x0730, 0x074A), (0x07A6, 0x07B0), (0x0E31, 0x0E31), (0x0E33, 0x0E3A), (0x0E47, 0x0E4E),
        (0x0EB1, 0x0EB1), (0x0EB3, 0x0EBC), (0x0EC8, 0x0ECE), (0x0F71, 0x0F87), (0x102B, 0x103E),
        (0x1160, 0x11FF), (0x135D, 0x135F), (0x17B4, 0x17D3), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF),
        (0x200C, 0x200D), (0x20D0, 0x20FF), (0x302A, 0x302F), (0x3099, 0x309A), (0xD7B0, 0xD7FF),
        (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xFF9E, 0xFF9F), (0x1F3FB, 0x1F3FF), (0xE0020, 0xE007F),
        (0xE0100, 0xE01EF),
    ):  # fmt: skip
        found.update(range(first, last + 1))
    for block in range(0x0900, 0x0D80, 0x80):  # ten scripts of India, laid out alike
        for first, last in ((0x00, 0x03), (0x3C, 0x3C), (0x3E, 0x4D), (0x51, 0x57), (0x62, 0x63)):
            found.update(range(block + first, block + last + 1))
    return frozenset(found)


_MARKS = _marks()
