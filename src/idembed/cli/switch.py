"""``idembed switch``, ``rollback``, ``drop``: which generation is searched."""

from __future__ import annotations

from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.confirm import confirm
from idembed.cli.output import Output, shown_url
from idembed.cli.progress import Bars

__all__ = ["drop", "rollback", "switch"]


def switch(
    index: options.IndexArgument,
    generation: Annotated[
        int | None, typer.Argument(metavar="[GENERATION]", help="Its number, if it is not the one being built.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also when it was judged NO-GO, or is not finished.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Search the new generation from now on.

    One step: no search sees half of it. The old one is kept right by every sync, so that `idembed rollback` is instant,
    until `idembed drop`.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Index(index) as opened:
            warnings = opened.switch(generation, force=force)
            active = next(g for g in opened.generations if g.status == "active")
        out.result({"index": shown_url(index), "active": active.number, "model": active.model})
        if out.talks:
            out.line(f"generation {active.number} ({active.model}) is searched from now on")
        for warning in warnings:
            out.warn(warning)


def rollback(
    index: options.IndexArgument,
    catch_up: Annotated[bool, typer.Option("--catch-up", help="If it has fallen behind, complete it first.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Search the generation again that was searched before."""
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            active = opened.rollback(catch_up=catch_up, progress=bars.follow)
        out.result({"index": shown_url(index), "active": active.number, "model": active.model})
        if out.talks:
            out.line(f"generation {active.number} ({active.model}) is searched again")


def drop(
    index: options.IndexArgument,
    generation: Annotated[int, typer.Argument(metavar="GENERATION", help="Its number (idembed status).")],
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Remove a generation's vectors for good."""
    name = shown_url(index)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Index(index) as opened:
            found = next((g for g in opened.generations if g.number == generation), None)
            if found is not None and found.status != "active":
                confirm(f"Remove generation {generation} ({found.model}, {found.status}) of {name} for good?", yes=yes)
            dropped = opened.drop(generation)
        out.result({"index": name, "dropped": dropped.number, "model": dropped.model})
        if out.talks:
            out.line(f"generation {dropped.number} ({dropped.model}) is gone")
