"""``idembed status``: what an index is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idembed.cli import options
from idembed.cli.output import Output, number_of
from idembed.cli.progress import Bars

if TYPE_CHECKING:
    from idembed.index.status import GenerationStatus, Retires, Status

__all__ = ["status"]


def status(index: options.IndexArgument, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Show the generations of an index, and how far they are.

    In a pipe: number, status, model, first digits of the space, rows that have vectors, rows that lack them, verdict,
    whether the model's provider ends it (announced, due or gone, and the date), and ann where there is an approximate
    index, separated by tabs.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            bars.update("counting")
            found = opened.status()
        out.result(found.as_dict())
        if not as_json:
            _show(out, found)
        if found.unsettled:
            out.warn(f"{number_of(found.unsettled, 'row')} may not be as the source says: the next sync looks at that")
        if found.lost:
            out.warn(
                f"{number_of(found.lost, 'row')} removed by another program: the next sync brings back what is missing"
            )


def _show(out: Output, found: Status) -> None:
    if not out.styled:
        for one in found.generations:
            verdict = one.judged.verdict if one.judged else ""
            counts = (str(one.rows), str(one.lacking))
            retires = f"{one.retires.state} {one.retires.date}" if one.retires else ""
            out.line(str(one.number), one.status, one.model, one.space[:12], *counts, verdict, retires, "ann" * one.ann)
        return
    scopes = ", ".join(f"{name} {count:,}" for name, count in found.scopes.items())
    split = f"texts split at {found.splitter['size']:,} characters" if found.splitter else "texts not split"
    out.line(f"{number_of(found.rows, 'row')} ({scopes or 'no scopes'}), {split}, {found.size / 1e6:,.1f} MB")
    for one in found.generations:
        out.line(_described(one, found.rows))


def _described(one: GenerationStatus, rows: int) -> str:
    share = "complete" if not one.lacking else f"{one.rows:,} of {rows:,} rows ({100 * one.rows / max(1, rows):.1f} %)"
    if one.complete and one.lacking == 0 and one.status == "building":
        share = "complete, ready to be switched to"
    judged = f", judged {one.judged.verdict}" if one.judged else ""
    if one.judged and one.judged.of_a_part:
        judged += f" on {one.judged.of_a_part}"
    if one.judged and one.judged.measured:
        judged += f" ({one.judged.measured})"
    retires = _retires(one.retires) if one.retires else ""
    near = ", approximate index" if one.ann else ""
    return f"  {one.number}  {one.status:<8}  {one.model}  {one.dim} dimensions, {share}{near}{judged}{retires}"


def _retires(found: Retires) -> str:
    verb = {"announced": "ends", "due": "was to end", "gone": "ended"}[found.state]
    return f", its model {verb} on {found.date} (successor: {found.successor})"
