"""``idembed ann``: what lets a generation be searched approximately."""

from __future__ import annotations

from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, shown_url
from idembed.cli.progress import Bars

__all__ = ["ann"]


def ann(
    index: options.IndexArgument,
    generation: Annotated[
        int | None,
        typer.Option("--generation", "-g", metavar="NUMBER", help="Of another generation than the one searched."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an index for approximate search, which `idembed search --approximate` uses.

    That takes a minute for 100,000 vectors; nobody writes meanwhile. What is written later is found too; in a file such
    as demo.db, do it again when much has changed. A new generation has none until it is built: before the switch.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            bars.update("building the approximate index")
            was_there = opened.has_ann(generation)
            found = opened.build_ann(generation)
        out.result(
            {"index": shown_url(index), "generation": found.number, "model": found.model, "was_there": was_there}
        )
        if out.talks:
            out.line(
                f"generation {found.number} ({found.model}) has an approximate index: idembed search --approximate"
            )
