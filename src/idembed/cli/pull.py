"""``idembed pull``: fetch a model's files now, for use without a network later."""

from __future__ import annotations

from typing import Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output
from idembed.cli.progress import Bars

__all__ = ["pull"]


def pull(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name such as all-MiniLM-L6-v2.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch a model's files.

    They are checked, and those already here are not fetched again.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.models import hub

        with Bars(quiet=quiet) as bars:
            bars.update(f"fetching {model}")
            folder = hub.pull(model)
        out.result({"model": model, "folder": str(folder)})
        if out.talks:
            out.line(f"{model} is in {folder}")
