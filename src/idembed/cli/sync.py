"""``idembed sync``: make an index equal to a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, cut, cuts_noted
from idembed.cli.progress import Bars

if TYPE_CHECKING:
    from idembed.index import Report

__all__ = ["sync", "warn_of"]

_SKIPPED_SHOWN = 5


def sync(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="JSONL, CSV, Parquet, or a folder of text files.")],
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
    on_long: options.OnLong = "cut",
    on_empty: options.OnEmpty = "error",
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Accept a source without rows.")] = False,
    allow_mass_deletion: Annotated[
        bool, typer.Option("--allow-mass-deletion", help="Accept deleting more than half of the scope.")
    ] = False,
    vault: Annotated[
        str | None,
        typer.Option(metavar="none|all|FOLDER", help="Which vectors to keep beside the index (docs/cli.md)."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make an index equal to a source.

    What is new is embedded, what is right is kept, what is gone is deleted. Stopped at any moment, the next
    sync continues. When nothing changed, no model is loaded.
    """
    long, empty = options.on_long(on_long), options.on_empty(on_empty)
    out = Output(as_json=as_json, quiet=quiet)

    from idembed.index import Index

    with (
        cuts_noted(),  # the report counts them
        Bars(quiet=quiet) as bars,
        Index(index, model=model, split=split, vault=vault) as opened,
    ):
        report = opened.sync(
            source,
            scope=scope,
            on_long=long,
            on_empty=empty,
            allow_empty=allow_empty,
            allow_mass_deletion=allow_mass_deletion,
            id_field=id_field,
            text_field=text_field,
            progress=lambda p: bars.update(p.phase, p.done, p.total),
        )
    out.result({"index": index, "scope": scope, **report.as_dict()})
    if out.talks:
        print(report)
    warn_of(out, report)


def warn_of(out: Output, report: Report) -> None:
    """Say what was cut and what was left out."""
    if report.truncated:
        out.warn(f"{cut(report.truncated)}; search finds them with --where '$truncated=true'")
    if report.skipped:
        out.warn(f"{len(report.skipped):,} left out:")
        for name, reason in report.skipped[:_SKIPPED_SHOWN]:
            out.warn(f"  {name}: {reason}")
