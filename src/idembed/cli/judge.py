"""``idembed judge``: is the new model better?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.files import check_target
from idembed.cli.output import Output, shown_url, typed_url
from idembed.cli.progress import Bars
from idembed.errors import OptionError

if TYPE_CHECKING:
    from idembed.judge import Judgement

__all__ = ["INCONCLUSIVE", "NO_GO", "judge"]

NO_GO = 10
INCONCLUSIVE = 11
_CODES = {"GO": 0, "NO-GO": NO_GO, "INCONCLUSIVE": INCONCLUSIVE}


def judge(
    index: options.IndexArgument,
    queries: Annotated[
        Path | None, typer.Option(metavar="FILE", help='Questions, JSON lines: {"_id": …, "text": …}.')
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Which rows answer them: question, row, score between tabs.")
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Questions made from the rows themselves, which is weaker evidence.")
    ] = False,
    questions: Annotated[int | None, typer.Option(min=1, help="With --auto: how many (500).")] = None,
    generation: Annotated[
        int | None, typer.Option(help="The generation to judge, if it is not the one that is being built.")
    ] = None,
    margin: Annotated[float, typer.Option(min=0.0, help="The loss of nDCG@10 that is accepted, below 1.")] = 0.01,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME|FOLDER", help="Where a model is that was moved; may be repeated."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report with plots.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask the old and the new generation the same questions.

    GO (exit code 0): the new one is not worse by more than the margin. NO-GO (10): it is worse. INCONCLUSIVE (11): the
    questions do not tell. Only answers count that are rows which both have. `idembed switch` looks at the verdict.
    """
    if auto == (queries is not None or qrels is not None):
        raise OptionError(
            "judge takes --queries and --qrels, or --auto",
            hint=f"idembed judge {typed_url(index)} --queries Q.jsonl --qrels R.tsv",
        )
    if (queries is None) != (qrels is None):
        raise OptionError("--queries and --qrels go together")
    if questions is not None and not auto:
        raise OptionError("--questions is for --auto", hint="all of the questions in the file are asked")
    name = shown_url(index)
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index
        from idembed.judge import check_margin, read_beir

        check_margin(margin)
        if report is not None:
            check_target(report)
        asked = read_beir(queries, qrels) if queries and qrels else None
        with Bars(quiet=quiet) as bars, Index(index, models=model or []) as opened:
            judgement = opened.judge(
                asked.questions if asked else None,
                auto=500 if questions is None else questions,
                generation=generation,
                margin=margin,
                progress=lambda p: bars.update(p.phase, p.done, p.total, "questions"),
            )
        out.code = _CODES[str(judgement.verdict)]
        out.result({"index": name, **judgement.as_dict()})
        if not as_json:
            for line in str(judgement).splitlines():
                print(line)
        for message in out.cuts:
            out.warn(message)
        if asked and asked.missing:
            out.warn(f"{len(asked.missing):,} judged questions are not in {queries}")
        if report is not None:
            about = {"index": name, "questions": str(queries) if queries else "made from the rows"}
            _write(report, judgement, f"Upgrade of {name}", about)
            if out.talks:
                out.line(f"wrote {report}")


def _write(path: Path, judgement: Judgement, title: str, about: Mapping[str, str]) -> None:
    from idembed.durable import durable
    from idembed.judge import html_report

    with durable(path, "w") as file:
        file.write(html_report(judgement, title, about))
