"""``idembed demo``: the standard library of this Python, searched by meaning."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idembed.cli import options
from idembed.cli.demo_rows import read_library
from idembed.cli.output import Output, clean, console
from idembed.cli.progress import Bars
from idembed.cli.search import as_document, print_hits
from idembed.cli.sync import warn_of

if TYPE_CHECKING:
    from idembed.index import Report

__all__ = ["QUESTIONS", "demo"]

QUESTIONS = ("join two file paths", "wait for the first of several tasks", "compress a file")


def demo(
    db: Annotated[Path, typer.Option(metavar="FILE", help="Where the index goes.")] = Path("demo.db"),
    model: options.Model = options.DEFAULT_MODEL,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Search Python's standard library by meaning.

    Reads the documentation of its modules, classes and functions, embeds it, and asks three questions. Run it
    twice: the second time nothing goes through the model.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        _heading(out, f"Python {platform.python_version()}'s standard library, searched by meaning")

        from idembed import models
        from idembed.index import Index

        started = time.monotonic()
        with Bars(quiet=quiet) as bars:
            rows = read_library(lambda done, total: bars.update("reading", done, total, "modules"))
        _say(out, f"read {len(rows):,} docstrings in {time.monotonic() - started:.1f} s")
        with Bars(quiet=quiet) as bars:
            bars.update(f"loading {model}, which is fetched the first time")
            loaded = models.load(model)
        with Index(db, model=loaded) as index:
            with Bars(quiet=quiet) as bars:
                report = index.sync(rows, progress=bars.follow)
            if out.talks:
                _say(out, f"{report}{_speed(report)}")
            warn_of(out, report)
            answers: list[dict[str, Any]] = []
            for question in QUESTIONS:
                hits = index.search(question, k=5)
                answers.append({"question": question, "hits": [as_document(hit) for hit in hits]})
                if out.talks:
                    _heading(out, f"? {question}")
                    print_hits(out, hits)
        out.result({"db": str(db), "rows": len(rows), "report": report.as_dict(), "answers": answers})
        if out.talks:
            _next(out, db)


def _heading(out: Output, text: str) -> None:
    if out.talks:
        console().print(f"\n{text}" if text.startswith("?") else text, style="bold")


def _say(out: Output, text: str) -> None:
    if out.talks:
        console().print(text)


def _speed(report: Report) -> str:
    if not report.embedded:
        return ": nothing had changed, so no text went through the model"
    seconds = max(report.model_seconds, 1e-3)
    return (
        f" in {report.seconds:.1f} s ({report.embedded / seconds:,.0f} texts/s, "
        f"{report.tokens / seconds:,.0f} tokens/s in the model)"
    )


def _next(out: Output, db: Path) -> None:
    program, name = _program(), clean(str(db))
    commands = (
        (f'{program} search {name} "pick something at random"', "ask something else"),
        (f'{program} search {name} "parse a date" --where kind=function', "only functions"),
        (f"{program} sync FOLDER notes.db", "your own texts: a folder, JSONL, CSV or Parquet"),
        (f'{program} search notes.db "…"', "and search them"),
    )
    _heading(out, "\nTry next")
    width = max(len(command) for command, _ in commands)
    for command, why in commands:
        _say(out, f"  {command:<{width}}   # {why}")


def _program() -> str:
    """What to type to run this program again: its name where the shell finds it by that, else where it is."""
    own, found = Path(sys.argv[0]).absolute(), shutil.which("idembed")
    if own.stem != "idembed" or not own.is_file():  # python -m idembed
        own = Path(sys.executable).absolute().with_name("idembed")
    if not own.is_file():
        return f"{shlex.quote(sys.executable)} -m idembed"
    if found is not None and os.path.samefile(found, own):
        return "idembed"
    here = Path.cwd()
    if own.parent == here:
        return f"./{own.name}"
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))
