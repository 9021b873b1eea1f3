"""``idembed prove``: does a model repeat itself?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.files import read_texts
from idembed.cli.output import Output, number_of
from idembed.cli.progress import Bars
from idembed.errors import OptionError, SourceError

if TYPE_CHECKING:
    from idembed.models.prove import ApiProof, LocalProof

__all__ = ["prove"]

DISPROVED = 9


def _minutes(value: float) -> float:
    if 0 <= value < math.inf:
        return value
    raise OptionError(f"--minutes {value:g}: it is a number of minutes, 0 or more", option="--minutes")


def prove(
    model: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="The model.")],
    texts: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Your own texts too: one a line, or rows (.jsonl and others); - is standard input."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(metavar="N", callback=_minutes, help="Go on with random batches until so long has passed.")
    ] = 0.0,
    profile: Annotated[str | None, typer.Option(metavar="f32|i16|i8", help="The arithmetic.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show whether a model repeats itself.

    A model on this machine embeds each of some hundred texts alone, then among all kinds of neighbours, streamed, by
    several threads and processes, and with every instruction set: all bytes must be the same, and those that are
    recorded for the checkpoint. One of an API is asked for 32 short texts five times: how much its answers differ is
    shown, and whether they are those of the model that was measured when it was first used here. Exit code 9 when not.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed import models
        from idembed.models.api.model import ApiModel
        from idembed.models.prove import prove_api, prove_local

        with Bars(quiet=quiet) as bars:
            bars.update(f"loading {model}")
            loaded = models.load(model, profile) if profile is not None else models.load(model)
            bars.update("measuring")
            if isinstance(loaded, ApiModel):
                _refuse_local_options(texts, minutes)
                loaded.check_key()
                found: ApiProof | LocalProof = prove_api(loaded)
            else:
                own = _own(texts) if texts is not None else ()
                found = prove_local(loaded, own, minutes=minutes, progress=bars.update)
        out.code = 0 if found.ok else DISPROVED
        out.result(found.as_dict())
        if not as_json:
            for line in _lines_of(found):
                out.line(line)
        if found.ok and found.stopped:
            raise KeyboardInterrupt("what was compared is counted")


def _own(path: str) -> Iterable[str]:
    """The texts of ``path``. Raises SourceError, before anything is computed, where there is none."""
    name = "standard input" if path == "-" else path
    if not path:
        raise SourceError("--texts '' names no file", hint="- is standard input")
    texts = read_texts(path)
    first = next(texts, None)
    if first is None:
        raise SourceError(f"there is no text in {name}", hint="it takes one text a line, or rows", file=name)
    return chain([first], texts)


def _refuse_local_options(texts: str | None, minutes: float) -> None:
    given = "--texts" if texts is not None else "--minutes" if minutes else None
    if given is not None:
        raise OptionError(f"{given} is for models on this machine: an API is asked for 32 texts", option=given)


def _lines_of(found: ApiProof | LocalProof) -> list[str]:
    from idembed.models.prove import ApiProof

    return _of_an_api(found) if isinstance(found, ApiProof) else _of_this_machine(found)


def _of_this_machine(found: LocalProof) -> list[str]:
    own = f" and {number_of(found.own_texts, 'text')} of yours" if found.own_texts else ""
    lines = [
        f"{found.model}, profile {found.profile}: {number_of(found.vectors, 'vector')} of {found.texts} texts{own} "
        f"compared with those of each text alone, {number_of(found.differing_bits, 'differing bit')}",
        *(f"{way.vectors:,} {way.name}" for way in found.ways),
        *(
            f"other bits {way.name}: {way.differing:,} of {number_of(way.vectors, 'vector')}, first {way.first}"
            for way in found.ways
            if way.differing
        ),
        f"SHA-256 of the vectors of {found.texts} texts: {found.sha256}",
        _golden_line(found),
    ]
    if found.left_out:
        lines.append(f"left out: {number_of(found.left_out, 'text')} without a word that the model knows")
    if not found.ok:
        return [*lines, "verdict: NOT the same bits; please report it, with the lines above"]
    if found.stopped:
        return [*lines, "interrupted; until then: same text, same bits"]
    return [*lines, "verdict: same text, same bits"]


def _golden_line(found: LocalProof) -> str:
    if found.golden.state == "matches":
        return "golden: matches what is recorded for this checkpoint"
    if found.golden.state == "differs":
        return (
            f"golden: differs from {found.golden.expected}, which is recorded for this checkpoint: "
            f"this machine, or this build, does not compute {found.profile}"
        )
    return f"golden: {found.golden.why}"


def _of_an_api(found: ApiProof) -> list[str]:
    lines = [
        f"{found.model}: lowest cosine between repeats {found.noise:.9f} ({found.texts} texts, {found.calls} times)",
        f"{found.identical} of {found.texts} texts had the same bytes every time",
    ]
    if found.kept is None:
        lines.append("nothing is kept of it here yet: the first use will measure it")
    elif found.cosine is not None:
        lines.append(f"lowest cosine with what was measured on {found.kept}: {found.cosine:.9f}")
    lines.append(f"warned of below {found.warn_below:.6f}, refused below {found.refuse_below:.6f}")
    if found.drifts:
        lines.append("it answers a little differently than it did")
    if found.problem:
        lines += [found.problem, found.advice]
    return lines
