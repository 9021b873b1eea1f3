"""``idembed encode``: texts to vectors."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idembed.chunks import chunks
from idembed.cli import options
from idembed.cli.files import read_lines, vector_writer, write_json_line
from idembed.cli.output import Output, cut, number_of, to_json
from idembed.cli.progress import Bars
from idembed.errors import OptionError, RowError, SourceError

if TYPE_CHECKING:
    from idembed.models.base import Embedded
    from idembed.space import Side

__all__ = ["encode"]

_BATCH = 512


def encode(
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]…", help="Texts to encode.")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="Read one text a line; - is standard input.")] = None,
    model: options.Model = options.DEFAULT_MODEL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write .npy, .jsonl or .safetensors.")] = None,
    query: Annotated[bool, typer.Option("--query", help="Texts are questions, not documents.")] = False,
    profile: Annotated[
        str | None, typer.Option(metavar="f32|i16|i8", help="The arithmetic: i16 and i8 are faster, other spaces.")
    ] = None,
    on_long: options.OnLong = "cut",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Turn texts into vectors.

    Texts are the arguments, the lines of --file, or the lines of standard input. Vectors go to -o, or as
    JSON lines to standard output. Line i gives vector i; memory does not grow with the number of lines.
    """
    long = options.on_long(on_long)
    with Output(as_json=as_json, quiet=quiet) as out:
        source = _source(texts, file)

        from idembed import models
        from idembed.models.texts import raise_refused

        side: Side = "query" if query else "document"
        count = truncated = 0
        with ExitStack() as stack:
            # Where vectors go to the terminal, a bar would stand in their way.
            bars = stack.enter_context(Bars(quiet=quiet or (output is None and sys.stdout.isatty())))
            bars.update(f"loading {model}")
            loaded = models.load(model, profile) if profile is not None else models.load(model)
            about = {"model": loaded.name, "space": loaded.space.id, "side": side, "dim": loaded.space.dim}
            writer = None
            if output is not None:
                facts = {"model": loaded.name, "side": side, "space": loaded.space.id}
                writer = stack.enter_context(vector_writer(output, loaded.space.dim, facts))
            document = _Document(about)
            for batch in chunks(source, _BATCH if loaded.repeatable else loaded.batch_size):
                try:
                    embedded = loaded.embed(batch, side, on_long=long)
                    raise_refused(embedded)
                except RowError as error:
                    raise _placed(error, count, "text" if texts else "line") from error
                count += len(batch)
                truncated += sum(receipt.truncated for receipt in embedded.receipts)
                bars.update("encoding", count, len(texts) if texts else None, "texts")
                if writer is not None:
                    writer.write(batch, embedded.vectors)
                elif as_json:
                    document.write(batch, embedded)
                else:
                    for text, vector in zip(batch, embedded.vectors, strict=True):
                        write_json_line(text, vector)
        counts = {"count": count, "truncated": truncated}
        if truncated:
            out.warn(cut(truncated))
        if writer is not None:
            out.result(about | counts | {"output": str(output)})
        elif as_json:
            document.end(counts | {"warnings": out.warnings})
        if writer is not None and out.talks:
            out.line(f"wrote {number_of(count, 'vector')} of {loaded.space.dim} dimensions to {output}")


class _Document:
    """One line of JSON on standard output, written text by text: ``about``, ``texts``, then the rest.

    Nothing is written before the first vectors, so most errors leave standard output empty.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self._next = f'{to_json(about)[:-1]}, "texts": ['

    def write(self, texts: list[str], embedded: Embedded) -> None:
        for text, receipt, vector in zip(texts, embedded.receipts, embedded.vectors, strict=True):
            record = {
                "text": text,
                "tokens": receipt.tokens,
                "truncated": receipt.truncated,
                "unknown": receipt.unknown,
                "vector": [float(str(x)) for x in vector],
            }
            sys.stdout.write(self._next + to_json(record))
            self._next = ", "

    def end(self, rest: dict[str, Any]) -> None:
        start = "" if self._next == ", " else self._next
        print(f"{start}], {to_json(rest)[1:]}")


def _source(texts: list[str] | None, file: str | None) -> Iterable[str]:
    if texts and file is not None:
        raise OptionError("texts come from arguments or from --file, not from both")
    if texts:
        return texts
    if file is None and sys.stdin.isatty():
        raise OptionError(
            "there is nothing to encode", hint='try: idembed encode "a text", --file FILE, or pipe lines in'
        )
    if file == "":
        raise SourceError("--file '' names no file", hint="- is standard input")
    return read_lines("-" if file is None else file)


def _placed(error: RowError, before: int, word: str) -> RowError:
    """The error with the position that its text has among all, counted from 1 as editors count lines."""
    position = error.facts.get("position")
    if not isinstance(position, int):
        return error
    number = before + position + 1
    placed = type(error)(error.message.replace(f"text {position} ", f"{word} {number} ", 1), hint=error.hint)
    placed.facts = {**error.facts, "position": number}
    return placed
