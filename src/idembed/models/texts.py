"""Texts on their way in: checked, taken in chunks of bounded size, counted, and warned about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from idembed.arguments import check_kind
from idembed.errors import OptionError, RowError, TooLongError
from idembed.models.base import Embedded, TruncationWarning
from idembed.models.caller import warn_caller

__all__ = ["check_iterable", "checked", "chunked", "counting", "listed", "raise_refused", "warn_cut"]

_TEXTS = 256
_CHARACTERS = 200_000


def check_iterable(name: str, texts: object) -> None:
    """Raise OptionError unless ``texts``, the argument called ``name``, can be gone through."""
    if not hasattr(texts, "__getitem__"):  # such a sequence is iterable without being an Iterable
        check_kind(name, texts, Iterable, "a list of texts")


def listed(name: str, texts: Iterable[str]) -> list[str]:
    """``checked``; OptionError names the argument that is no list."""
    check_iterable(name, texts)
    return checked(texts)


def checked(texts: Iterable[Any]) -> list[str]:
    """``texts`` as a list. Raises RowError naming the position of the first that is no string, or that holds
    a lone surrogate, which no encoding of Unicode can write (about 0.1 µs a text)."""
    if isinstance(texts, str | bytes):
        raise OptionError("expected a list of texts, not a single one", hint="put it in a list")
    items = list(texts)
    for position, text in enumerate(items):
        if not isinstance(text, str) or not text.isascii():
            _check(text, position)
    return items


def chunked(texts: Iterable[Any]) -> Iterator[list[str]]:
    """``texts`` in lists of at most 256, fewer when they pass 200,000 characters; checked as above. What comes before a
    bad text, or an error of the source, is given first."""
    chunk: list[str] = []
    characters = 0
    try:
        for position, text in enumerate(texts):
            if not isinstance(text, str) or not text.isascii():
                _check(text, position)
            chunk.append(text)
            characters += len(text)
            if len(chunk) == _TEXTS or characters >= _CHARACTERS:
                yield chunk
                chunk, characters = [], 0
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _check(text: object, position: int) -> None:
    if not isinstance(text, str):
        raise RowError(
            f"text {position} is not a string but {type(text).__name__}",
            hint="give strings",
            position=position,
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise RowError(
            f"text {position} holds a lone surrogate (U+{code:04X}) at character {error.start}",
            hint="decode its source with errors='replace', or repair it",
            position=position,
        ) from None


def raise_refused(made: Embedded, ids: Sequence[str] = ()) -> None:
    """Raise for the first of the texts that an API would not embed, TooLongError if it is for its length; named by its
    position, or by the id of its row."""
    for position, reason in sorted(made.refused.items())[:1]:
        long = position in made.too_long
        which = f"the text of row {ids[position]!r}" if ids else f"text {position}"
        raise (TooLongError if long else RowError)(
            f"{which} is {'too long' if long else 'refused'}: {reason}",
            hint="leave it out, or change it; the others are not affected",
            **{"id": ids[position]} if ids else {"position": position},
        )


@contextmanager
def counting(total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """What to call with the number of texts done; shows a bar on standard error when it was asked for."""
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("texts", total=total)
        yield lambda done: bar.advance(task, done)


def warn_cut(message: str) -> None:
    """A TruncationWarning that points at the caller's line, not at one of ours."""
    warn_caller(message, TruncationWarning)
