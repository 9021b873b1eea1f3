"""``idembed plan``: what a sync would do, and what it would take."""

from __future__ import annotations

from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, shown_url
from idembed.cli.progress import Bars

__all__ = ["plan"]


def plan(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As for sync.")],
    index: options.IndexArgument,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="The model of a new index.")
    ] = None,
    scope: Annotated[str, typer.Option(help="The part of the index that this source is about.")] = "default",
    split: Annotated[int | None, typer.Option(min=0, help="New index: longest part of a text.")] = None,
    id_field: Annotated[str | None, typer.Option(metavar="NAME", help="The field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(metavar="NAME", help="The field of the text.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate/--no-estimate", help="Say what embedding will take; loads the model.")
    ] = True,
    batch_api: Annotated[
        bool, typer.Option("--batch-api", help="Say what it costs by the provider's batches.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what a sync would do.

    Nothing is written. If texts would be embedded, a few of them are, to say how long all of them will take.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index, model=model, split=split) as opened:
            found = opened.plan(
                source,
                scope=scope,
                id_field=id_field,
                text_field=text_field,
                estimate=estimate,
                batch_api=batch_api,
                progress=bars.follow,
            )
        out.result({"index": shown_url(index), "scope": scope, **found.as_dict()})
        if as_json:
            return
        out.line(str(found))
        for needed in found.estimates:
            out.line(str(needed))
