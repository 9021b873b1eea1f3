"""``idembed copy``: the same index in another place. ``idembed adopt``: vectors that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, shown_url, typed_url
from idembed.cli.progress import Bars

__all__ = ["adopt", "copy"]


def copy(
    index: options.IndexArgument,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Where; a new place, or an earlier copy.")],
    every_generation: Annotated[
        bool,
        typer.Option(
            "--all-generations",
            help="All that are complete: also those on standby, and those that are built and not searched yet.",
        ),
    ] = False,
    allow_mass_deletion: Annotated[
        bool, typer.Option("--allow-mass-deletion", help="Accept deleting more than half of the rows there.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Copy an index: same rows, same vectors, same root.

    No model is asked. Copying again brings an earlier copy up to date; only what differs is copied, and what is
    searched there changes last. A first copy that was stopped is no index yet, and the next one goes on.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            report = opened.copy(
                to,
                every_generation=every_generation,
                allow_mass_deletion=allow_mass_deletion,
                progress=bars.follow,
            )
        here, there = shown_url(index), shown_url(to)
        out.result({"index": here, **report.as_dict(), "to": shown_url(report.to)})
        if out.talks:
            out.line(str(report))
        for number, reason in report.left_out:
            out.warn(f"generation {number} was left out, as it is not complete: {reason}")
        for number in report.stale:
            out.warn(
                f"generation {number} of {there} is not in {here} any more, and not kept right: "
                f"idembed drop {typed_url(to)} {number}"
            )


def adopt(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="A SQLite file (sqlite:///old.db?table=NAME), .jsonl or .parquet.")
    ],
    index: options.IndexArgument,
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="The model that made them.")],
    id_field: Annotated[str | None, typer.Option(metavar="NAME", help="The column of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(metavar="NAME", help="The column of the text.")] = None,
    vector_field: Annotated[str | None, typer.Option(metavar="NAME", help="The column of the vector.")] = None,
    metadata_field: Annotated[str | None, typer.Option(metavar="NAME", help="A column of JSON objects.")] = None,
    table: Annotated[str | None, typer.Option(help="The table, if several have vectors.")] = None,
    scope: Annotated[str, typer.Option(help="The scope that the rows are in.")] = "default",
    sample: Annotated[int, typer.Option(min=1, help="How many are compared with the model.")] = 200,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an index of vectors that exist already.

    A sample of them is compared with what the model says: vectors of another model are refused.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars:
            report = Index.adopt(
                url,
                model=model,
                to=Path(index) if "://" not in index else index,
                id=id_field,
                text=text_field,
                vector=vector_field,
                metadata=metadata_field,
                table=table,
                scope=scope,
                sample=sample,
                progress=bars.follow,
            )
        out.result(report.as_dict())
        if out.talks:
            out.line(str(report))
