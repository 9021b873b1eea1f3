"""``idembed verify``: is an index what it says it is?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output, number_of, shown_url, typed_url
from idembed.cli.progress import Bars
from idembed.errors import OptionError

if TYPE_CHECKING:
    from idembed.index.verify import Verification

__all__ = ["DEFECTS", "verify"]

DEFECTS = 9
"""The exit code when something is wrong."""
_NAMED = 5


def verify(
    index: options.IndexArgument,
    lock: Annotated[Path | None, typer.Option("--lock", metavar="FILE", help="Compare with what was locked.")] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", metavar="N", min=0, help="Compute the vectors of N rows again (else of 100, if it can)."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Compute every vector again.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend vectors from the vault, then from the model; remove what is orphaned."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME|FOLDER", help="Where the index's model is, if it was moved."),
    ] = None,
    max_cost: options.MaxCost = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Read an index as it is and compare it with itself, its model, and a lock.

    Every text, metadata and vector is hashed again. Exit code 9 when something is wrong, and when --all or --sample
    was given and what is searched could not be proved: its model is not there, or --max-cost was reached.
    """
    if everything and sample is not None:
        raise OptionError("--all and --sample exclude each other", hint="--all computes every vector again")
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index
        from idembed.index.examine import Kind

        with Bars(quiet=quiet) as bars, Index(index, model=model) as opened:
            found = opened.verify(
                lock=lock,
                sample=sample,
                everything=everything,
                repair=repair,
                max_cost=max_cost,
                progress=bars.follow,
            )
        out.code = 0 if found.ok else DEFECTS
        out.result({"index": shown_url(index), **found.as_dict()})
        if not as_json:
            _show(out, found)
        if str(Kind.DAMAGE) in found.counts:
            whole = f"idembed copy {typed_url(index)} --to NEW"
            out.warn(f"of what can be read, a copy makes a whole index: {whole}; or use a backup")
        if found.lacking:
            unfound = number_of(found.lacking, "row")
            back = f"idembed rollback {typed_url(index)}"
            out.warn(f"search does not find {unfound} without vectors: sync their sources, or {back}")
        for generation, rows in found.behind.items():
            out.warn(f"generation {generation} has no vectors yet for {number_of(rows, 'row')}")
        if found.unsettled:
            out.warn(f"{number_of(found.unsettled, 'row')} will be looked at by the next sync")


def _show(out: Output, found: Verification) -> None:
    compared = sum(found.compared.values())
    parts = f"{number_of(found.rows, 'row')}, {number_of(compared, 'vector')} computed again"
    root = f", root {found.root.root}" if found.root else ""
    out.line(f"{'ok' if found.ok else 'NOT ok'}: {parts}{root}")
    if found.mended:
        out.line(f"mended {found.mended:,}")
    if found.recall is not None:
        out.line(f"approximate search finds {100 * found.recall:.1f} % of the ten nearest")
    for kind, count in found.counts.items():
        out.line(f"{count:,} × {kind}")
        named = [str(defect) for defect in found.defects if defect.kind == kind]
        named += [f"{kind}: {', '.join(o.examples)}" for o in found.orphans if o.kind == kind]
        for defect in named[:_NAMED]:
            out.line(f"- {defect}")
    for difference in found.differences or ():
        out.line(f"lock: {difference}")
    if found.differences == []:
        out.line("rows and vectors are as locked")
    for generation, reason in found.not_compared.items():  # --quiet does not hide what "ok" does not rest on
        share = "only partly" if found.compared.get(generation) else "not"
        out.line(f"generation {generation} was {share} compared with its model: {reason}")
