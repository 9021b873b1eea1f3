"""``idembed rebuild``: every vector again from the stored texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.build import agree, build_done
from idembed.cli.output import Output, shown_url
from idembed.cli.progress import Bars
from idembed.cli.verify import DEFECTS
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.index.build import BuildReport

__all__ = ["rebuild"]


def rebuild(
    index: options.IndexArgument,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME|FOLDER", help="Where the index's model is, if it was moved."),
    ] = None,
    throttle: options.Throttle = None,
    max_cost: options.MaxCost = None,
    yes: options.Yes = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compute every vector again, into a new generation.

    For a local model its root is the same as before: that is the proof that the index can be rebuilt. Exit code 9 when
    it is another one, unless the vectors were adopted or the model is an API, and when some rows could not be computed.
    Search stays on the old generation; `idembed switch` takes the new one, `idembed drop` removes it.
    """
    name = shown_url(index)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Index(index, model=model) as opened:
            with Bars(quiet=quiet) as bars:
                bars.update("loading the model")
                estimate = opened.estimate_rebuild()
            question = f"Compute every vector of {name} again, beside those that are searched?"
            agree(out, estimate, question, max_cost=max_cost, yes=yes)
            with Bars(quiet=quiet) as bars:
                report = opened.rebuild(throttle=throttle, max_cost=max_cost, progress=bars.follow)
        out.code = 0 if report.proved else DEFECTS
        build_done(out, name, report, _next(name, report), proof=_proof(report))


def _proof(report: BuildReport) -> str:
    if report.same_root:
        return "the same root"
    if not report.complete:
        return "nothing is proved before the rest is computed"
    if report.not_exact:
        return f"another root, as it may be: {report.not_exact}"
    return "ANOTHER ROOT: these are not the vectors that are searched (idembed verify --all names those that differ)"


def _next(index: str, report: BuildReport) -> str:
    index = shell_word(index)
    drop = f"idembed drop {index} {report.generation}"
    if report.same_root is None:
        return f"idembed rebuild {index}"
    return f"idembed switch {index} {report.generation}, or {drop}" if report.proved else drop
