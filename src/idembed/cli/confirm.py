"""Asking before what cannot be taken back, or costs."""

from __future__ import annotations

import sys

from idembed.cli.output import clean, short_revisions
from idembed.errors import RefusedError

__all__ = ["DeclinedError", "confirm"]


class DeclinedError(RefusedError):
    """Somebody was asked, and said no."""


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal unless ``yes``; the question may hold what comes from data. Raises DeclinedError without a
    yes, RefusedError where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError(f"{question} Nobody can be asked here", hint="nothing was changed; --yes says yes")
    if not _agrees(clean(short_revisions(question))):
        raise DeclinedError("nothing was changed")


def _agrees(question: str) -> bool:
    """The answer; the end of the input is a no. (typer's own prompt writes a space to standard output, which is for the
    results.)"""
    while True:
        print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
        answer = line.strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("", "n", "no"):
            return False
