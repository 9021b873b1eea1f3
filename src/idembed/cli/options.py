"""Options that several commands share, so that they are spelt and explained alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idembed.errors import OptionError

if TYPE_CHECKING:
    from idembed.models.base import OnEmpty as OnEmptyChoice
    from idembed.models.base import OnLong as OnLongChoice

__all__ = ["DEFAULT_MODEL", "IndexArgument", "Json", "Model", "OnEmpty", "OnLong", "Quiet", "on_empty", "on_long"]

DEFAULT_MODEL = "all-MiniLM-L6-v2"

Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, warnings or report.")]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="The embedding model.")]
OnLong = Annotated[
    str,
    typer.Option(metavar="cut|error", help="Cut and count texts longer than the model reads, or refuse."),
]
OnEmpty = Annotated[
    str,
    typer.Option(metavar="error|skip", help="Refuse, or leave out, texts without a word that word vectors know."),
]
IndexArgument = Annotated[str, typer.Argument(metavar="INDEX", help="The index, a file such as demo.db.")]


def on_long(value: str) -> OnLongChoice:
    """``value`` if it is one. Raises OptionError that says what the option takes."""
    if value == "cut":
        return "cut"
    if value == "error":
        return "error"
    raise OptionError(f"--on-long {value!r}: it takes cut or error", option="--on-long")


def on_empty(value: str) -> OnEmptyChoice:
    """``value`` if it is one. Raises OptionError that says what the option takes."""
    if value == "error":
        return "error"
    if value == "skip":
        return "skip"
    raise OptionError(f"--on-empty {value!r}: it takes error or skip", option="--on-empty")
