"""What the command line writes: clean text for people, one JSON document for programs.

Results go to standard output; progress, warnings and errors to standard error. Nothing that comes from data
(ids, texts, names) is written to a terminal before ``clean``, and rich never reads markup from it.
"""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Output",
    "clean",
    "console",
    "cut",
    "cuts_noted",
    "escape_unsafe",
    "number_of",
    "prepare_streams",
    "print_error",
    "short_revisions",
    "to_json",
]

_CONTROL = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"  # invisible letters and marks
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators, bidi
    r"\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC (titles, links), DCS, …
    r"|\x1b[ -/]*[0-~]",  # the short ones
    re.DOTALL,
)
_REVISION = re.compile(r"@([0-9a-f]{12})[0-9a-f]{28}(?![0-9a-f])")
_SPACE = re.compile(r"[\s\u2028\u2029]+")
_UNSEEN = re.compile(f"[{_CONTROL}]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile(f"[\\ud800-\\udfff{_CONTROL}]")


def clean(text: str) -> str:
    """``text`` as one line that is safe to print on a terminal.

    Escape sequences, control and invisible characters and bidi overrides are removed, white space becomes
    one space, and a lone surrogate becomes U+FFFD. Joiners stay: many scripts and emoji need them.
    """
    visible = _UNSEEN.sub("", _SPACE.sub(" ", _ESCAPE.sub("", text)))
    return _SURROGATE.sub("\ufffd", _SPACE.sub(" ", visible).strip())


def to_json(value: object) -> str:
    """``value`` as one line of JSON; characters that could act on a terminal are escaped."""
    return escape_unsafe(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))


def escape_unsafe(document: str) -> str:
    """The same JSON with characters that could act on a terminal, and lone surrogates, written as \\uXXXX."""
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], document)


def short_revisions(text: str) -> str:
    """``org/name@`` and twelve digits of the commit instead of forty: a cached model loads by either name."""
    return _REVISION.sub(r"@\1", text)


def prepare_streams() -> None:
    """UTF-8 in pipes and files whatever the locale; no character makes writing to a terminal fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def console(*, stderr: bool = False) -> Console:
    """A rich console that prints texts as they are: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_error(
    message: str,
    *,
    hint: str = "",
    kind: str = "Interrupted",
    facts: Mapping[str, object] | None = None,
    code: int = 1,
    as_json: bool = False,
) -> None:
    """Write an error to standard error: a line or two for people, or one JSON object."""
    if as_json:
        error = {
            "type": kind,
            "message": message,
            "hint": hint,
            "facts": dict(facts or {}),
            "exit_code": code,
        }
        print(to_json({"error": error}), file=sys.stderr)
        return
    from rich.text import Text

    screen = console(stderr=True)
    screen.print(Text.assemble(("error: ", "bold red"), clean(short_revisions(message))))
    if hint:
        screen.print(Text.assemble(("  hint: ", "cyan"), clean(hint)))


def cut(count: int) -> str:
    """How a warning says that ``count`` texts were cut."""
    if count == 1:
        return "1 text was longer than the model reads and was cut"
    return f"{count:,} texts were longer than the model reads and were cut"


@contextmanager
def cuts_noted() -> Iterator[list[str]]:
    """The messages of the TruncationWarnings of the block, which are not shown as Python does: the command
    says in its own words, or with these, what was cut. Other warnings are left alone."""
    from idembed.models.base import TruncationWarning

    messages: list[str] = []
    with warnings.catch_warnings():
        others = warnings.showwarning

        def note(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
            if issubclass(category, TruncationWarning):
                messages.append(str(message))
            else:
                others(message, category, *rest, **options)

        warnings.simplefilter("always", TruncationWarning)
        warnings.showwarning = note
        yield messages


def number_of(count: int, thing: str) -> str:
    """``1 vector``, ``1,200 vectors``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


class Output:
    """Where one command writes, as its options ``--json`` and ``--quiet`` say."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    @property
    def talks(self) -> bool:
        """Whether a person reads the results."""
        return not (self.as_json or self.quiet)

    @property
    def styled(self) -> bool:
        """Whether results are laid out for a terminal; else they are lines of fields separated by tabs."""
        return sys.stdout.isatty()

    def result(self, value: Any) -> None:
        """Write the one JSON document; nothing unless ``--json``."""
        if self.as_json:
            print(to_json(value))

    def line(self, *fields: str) -> None:
        """Write a plain line of cleaned fields, separated by tabs."""
        print("\t".join(clean(field) for field in fields))

    def warn(self, message: str) -> None:
        """Write a warning to standard error; ``--json`` has it in the document instead."""
        if self.talks:
            from rich.text import Text

            text = Text.assemble(("warning: ", "bold yellow"), clean(short_revisions(message)))
            console(stderr=True).print(text)
