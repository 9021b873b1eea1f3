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

    The database keeps it right from then on. That takes a minute for 100,000 vectors; nobody writes meanwhile. A new
    generation has none until it is built: do that before the switch.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            bars.update("building the approximate index")
            was_there = opened.has_ann(generation)
            found = opened.build_ann(generation)
        out.result(
            {"index": shown_url(index), "generation": found.number, "model": found.model, "built": not was_there}
        )
        if out.talks:
            has = "had its approximate index already" if was_there else "has an approximate index"
            out.line(f"generation {found.number} ({found.model}) {has}: idembed search --approximate")
