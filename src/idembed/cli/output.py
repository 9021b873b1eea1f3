"""What the command line writes: clean text for people, one JSON document for programs.

Results go to standard output; progress, warnings and errors to standard error. Nothing that comes from data
(ids, texts, names) is written to a terminal before ``clean``, and rich never reads markup from it.

Warnings have one way out, whoever gives them: ``Output.warn``, a log record of the library, a warning of Python.
``--quiet`` drops them, ``--json`` has them in the document, else they are lines on standard error.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

import typer

from idembed.shown import clean, escape_unsafe, number_of, shell_word, short_revisions

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

__all__ = [
    "Output",
    "abandon_output",
    "clean",
    "console",
    "cut",
    "escape_unsafe",
    "number_of",
    "prepare_streams",
    "print_error",
    "short_revisions",
    "shown_url",
    "to_json",
]


def to_json(value: object) -> str:
    """``value`` as one line of JSON; characters that could act on a terminal are escaped."""
    return escape_unsafe(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))


def prepare_streams() -> None:
    """UTF-8 in pipes and files whatever the locale; no character makes writing to a terminal fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def console(*, stderr: bool = False) -> Console:
    """A rich console that prints texts as they are: no markup, no emoji codes, no highlighting. A pipe whose reader is
    gone is a BrokenPipeError there too, and not the end of the process."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Plain(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


def abandon_output() -> None:
    """The reader of standard output has gone, as in ``idembed search … | head``: what is still to come is let go, and
    Python's last flush does not fail."""
    _abandon(sys.stdout)


def _abandon(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _said_if_heard() -> Iterator[None]:
    """Around what is written to standard error: a reader who is gone changes neither the results nor the exit code."""
    try:
        yield
    except BrokenPipeError:
        _abandon(sys.stderr)


def shown_url(url: str) -> str:
    """The URL of an index as it may be shown, in a document too: without a password."""
    from idembed.stores import without_password

    return without_password(url)


def typed_url(url: str) -> str:
    """The same as it is typed in a command."""
    return shell_word(shown_url(url))


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
    with _said_if_heard():
        if as_json:
            error = {
                "type": kind,
                "message": message,
                "hint": hint,
                "facts": dict(facts or {}),
                "exit_code": code,
            }
            print(to_json({"error": error}), file=sys.stderr, flush=True)
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


class Output:
    """Where one command writes, as its options ``--json`` and ``--quiet`` say. A context manager around the command:
    when the block ends, however it does, the document is written, with the list ``warnings`` of what was warned of;
    then the command exits with ``code``.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.code = 0
        """The exit code of the command if no error ends it. To be set before anything is printed: a reader that closes
        the pipe does not change it."""
        self.warnings: list[str] = []
        self.cuts: list[str] = []
        """Messages of TruncationWarnings. They are not shown by themselves: most commands count what was cut."""
        self._document: Mapping[str, Any] | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(_logged(self.warn))
        self._stack.enter_context(_warned(self.warn, self.cuts.append))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        gone = isinstance(error, BrokenPipeError)
        if not gone:
            try:
                self._end()
            except BrokenPipeError:
                gone = True
        if gone:
            abandon_output()
        if (gone or self.code) and (error is None or isinstance(error, BrokenPipeError)):
            raise typer.Exit(self.code) from None

    def _end(self) -> None:
        if self._document is not None and self.as_json:
            print(to_json({**self._document, "warnings": self.warnings}))
        sys.stdout.flush()

    @property
    def talks(self) -> bool:
        """Whether a person reads the results."""
        return not (self.as_json or self.quiet)

    @property
    def styled(self) -> bool:
        """Whether results are laid out for a terminal; else they are lines of fields separated by tabs."""
        return sys.stdout.isatty()

    def result(self, document: Mapping[str, Any]) -> None:
        """What ``--json`` writes, at the end; nothing otherwise."""
        self._document = document

    def line(self, *fields: str) -> None:
        """Write a plain line of cleaned fields, separated by tabs."""
        print("\t".join(clean(field) for field in fields))

    def warn(self, message: str, details: Sequence[str] = ()) -> None:
        """Write a warning to standard error, with ``details`` in lines of their own; ``--json`` has the message in the
        document instead (and the details, where they are the command's result, elsewhere in it)."""
        self.warnings.append(message)
        if self.talks:
            from rich.text import Text

            with _said_if_heard():
                for text in (f"{message}:" if details else message, *details):
                    line = Text.assemble(("warning: ", "bold yellow"), clean(short_revisions(text)))
                    console(stderr=True).print(line)


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextlib.contextmanager
def _logged(tell: Callable[[str], None]) -> Iterator[None]:
    """What the library logs as a warning (a damaged file in the vault, say) goes to ``tell``."""
    logger, handler = logging.getLogger("idembed"), _Handler(tell)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _warned(tell: Callable[[str], None], tell_cut: Callable[[str], None]) -> Iterator[None]:
    """What Python warns of goes to ``tell``, texts that were cut to ``tell_cut``."""
    from idembed.models.base import RetirementWarning, TruncationWarning

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        (tell_cut if issubclass(category, TruncationWarning) else tell)(str(message))

    with warnings.catch_warnings():
        for category in (RetirementWarning, TruncationWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield
