"""``idembed sync``: make an index equal to a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, cut, shown_url
from idembed.cli.progress import Bars

if TYPE_CHECKING:
    from idembed.index import Report

__all__ = ["SET_ASIDE", "sync", "warn_of"]

SET_ASIDE = 8
"""The exit code when everything was done but for rows that could not be taken."""
_SKIPPED_SHOWN = 5


def sync(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="JSONL, CSV, Parquet, a folder of text files, or postgresql://…?query=SELECT."
        ),
    ],
    index: options.IndexArgument,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FOLDER",
            help=f"The embedding model of a new index (else {options.DEFAULT_MODEL}).",
        ),
    ] = None,
    scope: Annotated[
        str, typer.Option(help="The part of the index that this source is the whole truth for.")
    ] = "default",
    split: Annotated[
        int | None,
        typer.Option(min=0, help="New index: longest part of a text, in characters; 0: whole."),
    ] = None,
    id_field: Annotated[str | None, typer.Option(metavar="NAME", help="The field of the id.")] = None,
    text_field: Annotated[str | None, typer.Option(metavar="NAME", help="The field of the text.")] = None,
    on_long: options.OnLongRow = "cut",
    on_empty: options.OnEmpty = "error",
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove from the vault what was made of texts that go.")
    ] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept a source without rows.")] = False,
    allow_mass_deletion: Annotated[
        bool, typer.Option("--allow-mass-deletion", help="Accept deleting more than half of the scope.")
    ] = False,
    max_cost: options.MaxCost = None,
    throttle: options.Throttle = None,
    batch_api: options.BatchApi = False,
    vault: Annotated[
        str | None,
        typer.Option(metavar="none|all|FOLDER", help="Which vectors to keep beside the index (docs/cli.md)."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an index equal to a source.

    What is new is embedded, what is right is kept, what is gone is deleted. Stopped at any moment, the next
    sync continues. When nothing changed, no model is loaded. Every generation that was not dropped is kept right.

    Exit code 8 when all was done but for rows that were set aside: too long (--on-long skip), or refused by the model.
    Rows that --on-empty skip leaves out are named too, but are not a reason for it.
    """
    long, empty = options.on_long_row(on_long), options.on_empty(on_empty)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index, model=model, split=split, vault=vault) as opened:
            report = opened.sync(
                source,
                scope=scope,
                on_long=long,
                on_empty=empty,
                forget=forget,
                max_cost=max_cost,
                throttle=throttle,
                batch_api=batch_api,
                allow_empty=allow_empty,
                allow_mass_deletion=allow_mass_deletion,
                id_field=id_field,
                text_field=text_field,
                progress=bars.follow,
            )
        out.code = SET_ASIDE if report.aside else 0
        out.result({"index": shown_url(index), "scope": scope, **report.as_dict()})
        if out.talks:
            print(report)
        warn_of(out, report)


def warn_of(out: Output, report: Report) -> None:
    """Say what was cut, what was left out, and what could not be kept right."""
    if report.truncated:
        out.warn(f"{cut(report.truncated)}; search finds them with --where '$truncated=true'")
    for found, what in ((report.skipped, "left out"), (report.aside, "set aside")):
        if found:
            out.warn(f"{len(found):,} {what}", [f"  {name}: {reason}" for name, reason in found[:_SKIPPED_SHOWN]])
    for generation, reason in report.behind:
        out.warn(f"generation {generation} has fallen behind: {reason}")
