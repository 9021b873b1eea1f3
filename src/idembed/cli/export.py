"""``idembed export``: everything an index holds, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, number_of, shown_url
from idembed.cli.progress import Bars

__all__ = ["export"]


def export(
    index: options.IndexArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A name ending in .parquet, .jsonl or .csv.")],
    scope: Annotated[str | None, typer.Option(help="Only rows of this scope.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write an index to a file.

    It holds ids, texts, metadata and vectors, and appears whole or not at all.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            bars.update("writing")
            parts = opened.export(file, scope=scope)
        out.result({"index": shown_url(index), "output": str(file), "parts": parts})
        if out.talks:
            out.line(f"wrote {number_of(parts, 'vector')} to {file}")
