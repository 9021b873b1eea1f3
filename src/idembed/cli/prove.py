"""``idembed prove``: does a model repeat itself?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idembed.cli import options
from idembed.cli.output import Output
from idembed.cli.progress import Bars

if TYPE_CHECKING:
    from idembed.models.prove import ApiProof, LocalProof

__all__ = ["prove"]

DISPROVED = 9


def prove(
    model: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="The model.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show whether a model repeats itself.

    A model on this machine embeds 32 texts in several batches, orders, numbers of threads and instruction sets: all
    bytes must be the same. One of an API is asked for 32 short texts five times: how much its answers differ is shown,
    and whether they are those of the model that was measured when it was first used here. Exit code 9 when not.
    """
    with Output(as_json=as_json, quiet=quiet) as out:
        from idembed import models
        from idembed.models.api.model import ApiModel
        from idembed.models.prove import prove_api, prove_local

        with Bars(quiet=quiet) as bars:
            bars.update(f"loading {model}")
            loaded = models.load(model)
            bars.update("measuring")
            if isinstance(loaded, ApiModel):
                loaded.check_key()
                found: ApiProof | LocalProof = prove_api(loaded)
            else:
                found = prove_local(loaded, lambda done, of: bars.update("comparing", done, of, "ways"))
        out.code = 0 if found.ok else DISPROVED
        out.result(found.as_dict())
        if not as_json:
            for line in _lines_of(found):
                out.line(line)


def _lines_of(found: ApiProof | LocalProof) -> list[str]:
    from idembed.models.prove import ApiProof

    return _of_an_api(found) if isinstance(found, ApiProof) else _of_this_machine(found)


def _of_this_machine(found: LocalProof) -> list[str]:
    return [
        f"{found.model}: the same bytes in {found.same} of {len(found.ways)} ways",
        f"SHA-256 of the vectors of {found.texts} texts: {found.sha256}",
        *(f"other bytes {way.name}" for way in found.ways if not way.same),
    ]


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
