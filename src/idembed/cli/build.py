"""What upgrade and rebuild ask before they begin, and say when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idembed.cli.confirm import confirm
from idembed.cli.output import Output, cut, number_of
from idembed.cli.sync import SET_ASIDE
from idembed.errors import RefusedError
from idembed.shown import dollars_of, shell_word

if TYPE_CHECKING:
    from idembed.index.build import BuildReport
    from idembed.index.estimate import Estimate

__all__ = ["agree", "build_done"]

_SHOWN = 5


def agree(out: Output, estimate: Estimate, question: str, *, max_cost: float | None, yes: bool) -> None:
    """Ask the question, with what it will take in it; with ``yes``, or nothing to embed, only say that. Raises
    RefusedError without a yes, and when it will cost more than allowed."""
    if max_cost is not None and estimate.dollars is not None and estimate.dollars > max_cost:
        cost = dollars_of(estimate.dollars)
        about = "" if cost.startswith("less") else "about "
        raise RefusedError(
            f"this will cost {about}{cost}, and --max-cost is {dollars_of(max_cost)}",
            hint="nothing was changed; --until builds a part",
        )
    if estimate.texts and not yes:
        confirm(f"{estimate}. {question}", yes=False)
    elif out.talks:
        out.line(str(estimate))


def build_done(out: Output, index: str, report: BuildReport, next_step: str, *, proof: str = "") -> None:
    """Write the report, what it proves, and what to do next. The exit code is 8 when rows have no vector in the new
    generation, unless it is settled."""
    out.code = out.code or (SET_ASIDE if report.skipped or report.aside else 0)
    out.result({"index": index, **report.as_dict()})
    if out.talks:
        out.line(str(report))
        if proof:
            out.line(proof)
    if report.truncated:
        out.warn(cut(report.truncated))
    for rows, what in (
        (report.skipped, "without a vector"),
        (report.partly, "with vectors for some parts only"),
        (report.aside, "left to go, and not embedded"),
    ):
        if rows:
            named = [f"  {name}: {reason}" for name, reason in rows[:_SHOWN]]
            out.warn(f"generation {report.generation} has {number_of(len(rows), 'row')} {what}", named)
    if report.aside:
        out.warn(f"find all that is damaged: idembed verify {shell_word(index)} --repair; then sync the sources")
    if out.talks and next_step:
        out.line(f"next: {next_step}")
