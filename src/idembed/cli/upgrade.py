"""``idembed upgrade``: another model's generation, built beside the one that is searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.build import agree, build_done
from idembed.cli.output import Output, shown_url, typed_url
from idembed.cli.progress import Bars
from idembed.errors import OptionError
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.index.build import BuildReport

__all__ = ["upgrade"]


def upgrade(
    index: options.IndexArgument,
    to: Annotated[str, typer.Option("--to", metavar="NAME|FOLDER", help="The new model.")],
    until: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Build only a part, such as 5%, the same of every scope, to judge it."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="KEY", help="With --until: the same of every value of this metadata key.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --until: the rows that these qrels are about, too.")
    ] = None,
    on_empty: options.OnEmpty = "error",
    throttle: options.Throttle = None,
    max_cost: options.MaxCost = None,
    batch_api: options.BatchApi = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Build the vectors of another model from the stored texts.

    Search stays on the old ones until `idembed switch`; a sync may run meanwhile. Stopped at any moment, the same
    command goes on. Exit code 8 when rows have no vector of that model: left out by --on-empty skip, refused
    by it, or not embedded as their stored texts are damaged.
    """
    part, empty = options.share(until), options.on_empty(on_empty)
    if part is None and (by is not None or qrels is not None):
        raise OptionError("--by and --qrels are for a part of the rows", hint="say how many: --until 5%")
    name = shown_url(index)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed import models
        from idembed.index import Index
        from idembed.judge import read_qrels

        first = sorted({row for gains in read_qrels(qrels).values() for row in gains}) if qrels else []
        with Index(index) as opened:
            with Bars(quiet=quiet) as bars:
                bars.update(f"loading {to}")
                model = models.load(to)
                bars.update("estimating")
                estimate = opened.estimate_upgrade(model, until=part, by=by, first=first, batch_api=batch_api)
            agree(out, estimate, f"Build them in {name}?", max_cost=max_cost, yes=yes)
            with Bars(quiet=quiet) as bars:
                report = opened.upgrade(
                    model,
                    until=part,
                    by=by,
                    first=first,
                    on_empty=empty,
                    throttle=throttle,
                    max_cost=max_cost,
                    batch_api=batch_api,
                    progress=bars.follow,
                )
            several = sum(generation.status == "building" for generation in opened.generations) > 1
        judge = f"idembed judge {typed_url(index)}{f' --generation {report.generation}' if several else ''}"
        build_done(out, name, report, _next(typed_url(index), to, judge, report, part=part is not None))


def _next(index: str, to: str, judge: str, report: BuildReport, *, part: bool) -> str:
    judge += " --queries Q.jsonl --qrels R.tsv (or --auto)"
    again = f"idembed upgrade {index} --to {shell_word(to)}"
    if report.complete:
        return f"{judge}, idembed switch {index} {report.generation}"
    return f"{judge}, {again}" if part else again
