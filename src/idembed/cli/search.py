"""``idembed search``: rows by meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idembed.cli import options
from idembed.cli.output import Output, clean, console, shown_url
from idembed.cli.progress import Bars
from idembed.errors import FilterError, OptionError
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.rows import Hit

__all__ = ["as_document", "parse_conditions", "print_hits", "search"]


def search(
    index: options.IndexArgument,
    question: Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="What to look for.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits at most.")] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE|JSON", help="Only rows with this metadata; may be repeated."),
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Only hits with at least this score.")] = None,
    like: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Look for what is near this row instead.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Only rows of this scope.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME|FOLDER", help="Where the index's model is, if it was moved."),
    ] = None,
    blend: Annotated[
        bool, typer.Option("--blend", help="Search what is there of a generation that is being built, too.")
    ] = False,
    approximate: Annotated[
        bool,
        typer.Option("--approximate", help="Faster, by the index of `idembed ann`; some of the best may be missing."),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Find rows by meaning, the best first.

    In a pipe each hit is one line: score, id and text, separated by tabs.
    """
    if (question is None) == (like is None):
        raise OptionError("search takes either a question or --id ID", hint='idembed search demo.db "a question"')
    conditions = parse_conditions(where or [])
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index, model=model) as opened:
            bars.update("searching")
            hits = opened.search(
                question,
                id=like,
                k=k,
                where=conditions,
                min_score=min_score,
                scope=scope,
                blend=blend,
                approximate=approximate,
            )
            exact = not approximate or not opened.has_ann()
        found = [as_document(hit) for hit in hits]
        out.result({"question": question, "id": like, "truncated": bool(out.cuts), "exact": exact, "hits": found})
        if not as_json:
            print_hits(out, hits)
        for message in out.cuts:
            out.warn(message)
        if approximate and exact:
            out.warn(f"searched exactly: there is no approximate index (idembed ann {shell_word(shown_url(index))})")
        if not hits:
            out.warn("no row matches")


def parse_conditions(given: Sequence[str]) -> dict[str, Any] | None:
    """``--where`` options as one mapping: each a JSON object, or ``key=value``, whose value is JSON if it
    parses and else a string. None when there are none. Raises FilterError."""
    conditions: dict[str, Any] = {}
    for option in given:
        for key, value in _condition(option).items():
            if key in conditions:
                raise FilterError(
                    f"--where: {key!r} is given twice",
                    hint="""an object holds several: --where '{"year": {"gte": 2020, "lt": 2024}}'""",
                )
            conditions[key] = value
    return conditions or None


def _condition(option: str) -> dict[str, Any]:
    if option.lstrip().startswith("{"):
        try:
            value: dict[str, Any] = json.loads(option, object_pairs_hook=_once)
        except ValueError as error:
            raise FilterError(f"--where is not JSON: {error}", where=option) from None
        return value
    key, equals, text = option.partition("=")
    if not equals or not key:
        raise FilterError(f"--where {option!r} is neither key=value nor a JSON object", where=option)
    try:
        return {key: json.loads(text)}
    except ValueError:
        return {key: text}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
    return dict(pairs)


def as_document(hit: Hit) -> dict[str, Any]:
    """The hit as documented for ``--json``."""
    return {
        "id": hit.id,
        "score": hit.score,
        "text": hit.text,
        "metadata": hit.metadata,
        "part": hit.part,
        "span": list(hit.span),
        "truncated": hit.truncated,
    }


def print_hits(out: Output, hits: Sequence[Hit]) -> None:
    """One line a hit: laid out to the width of a terminal, else fields separated by tabs, uncut.

    A text that begins with its row's id (``os.path.join: Join two …``) is shown without it.
    """
    shown = [(hit.score, clean(hit.id), clean(hit.text.removeprefix(f"{hit.id}: "))) for hit in hits]
    if not out.styled:
        for score, name, text in shown:
            print(f"{score:.4f}\t{name}\t{text}")
        return
    from rich.cells import cell_len
    from rich.text import Text

    screen = console()
    widest = max((cell_len(name) for _, name, _ in shown), default=0)
    width = min(widest, max(16, screen.width * 2 // 5))
    for score, name, text in shown:
        label = Text(name, "bold")
        label.truncate(width, overflow="ellipsis", pad=True)
        line = Text.assemble((f"{score:7.3f}", "cyan"), "  ", label, "  ", text)
        line.truncate(screen.width, overflow="ellipsis")
        screen.print(line)
