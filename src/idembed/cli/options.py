"""Options that several commands share, so that they are spelt and explained alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from idembed.errors import OptionError

if TYPE_CHECKING:
    from idembed.index.sync import OnLongRow as OnLongRowChoice
    from idembed.models.base import OnEmpty as OnEmptyChoice

__all__ = [
    "DEFAULT_MODEL",
    "BatchApi",
    "IndexArgument",
    "Json",
    "MaxCost",
    "Model",
    "OnEmpty",
    "OnLong",
    "OnLongRow",
    "Quiet",
    "Throttle",
    "Yes",
    "age",
    "on_empty",
    "on_long",
    "on_long_row",
    "share",
]

DEFAULT_MODEL = "all-MiniLM-L6-v2"

Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, warnings or report.")]
Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME|FOLDER", help="The embedding model.")]
OnLong = Annotated[
    str,
    typer.Option(metavar="cut|error", help="Cut and count texts longer than the model reads, or refuse."),
]
OnLongRow = Annotated[
    str,
    typer.Option(
        metavar="cut|error|skip",
        help="Texts longer than the model reads: cut and count them, refuse, or set their rows aside.",
    ),
]
OnEmpty = Annotated[
    str,
    typer.Option(metavar="error|skip", help="Refuse, or leave out, texts without a word that word vectors know."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _max_cost(value: float | None) -> float | None:
    if value is None or value >= 0:
        return value
    raise OptionError(f"--max-cost {value:g}: it is a number of dollars, 0 or more", option="--max-cost")


def _throttle(value: float | None) -> float | None:
    if value is None or value > 0:
        return value
    raise OptionError(f"--throttle {value:g}: it is a number of texts a second, more than 0", option="--throttle")


MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="DOLLARS", callback=_max_cost, help="Stop before embedding costs more; what was paid for is kept."
    ),
]
Throttle = Annotated[
    float | None, typer.Option(metavar="TEXTS", callback=_throttle, help="Embed at most so many texts a second.")
]
BatchApi = Annotated[
    bool, typer.Option("--batch-api", help="Ask by the provider's batches: half the price, and hours to wait.")
]
IndexArgument = Annotated[
    str, typer.Argument(metavar="INDEX", help="The index: a file such as demo.db, or postgresql://…")
]


def on_long(value: str) -> Literal["cut", "error"]:
    """``value`` if it is one. Raises OptionError that says what the option takes."""
    if value == "cut":
        return "cut"
    if value == "error":
        return "error"
    raise OptionError(f"--on-long {value!r}: it takes cut or error", option="--on-long")


def on_long_row(value: str) -> OnLongRowChoice:
    """``value`` if it is one. Raises OptionError that says what the option takes."""
    if value == "skip":
        return "skip"
    if value in ("cut", "error"):
        return on_long(value)
    raise OptionError(f"--on-long {value!r}: it takes cut, error or skip", option="--on-long")


_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def age(value: str, option: str) -> float:
    """``30d``, ``12h`` or ``0s`` in seconds. Raises OptionError for what is no age."""
    match = _AGE.fullmatch(value.strip())
    if match is None:
        raise OptionError(f"{option} {value!r}: it is an age such as 30d, 12h or 0s", option=option)
    return float(match[1]) * _SECONDS[match[2]]


def share(value: str | None) -> float | None:
    """``5%`` or ``0.05`` as 0.05. Raises OptionError for what is no share."""
    if value is None:
        return None
    try:
        number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise OptionError(f"--until {value}: it is a share of the rows, such as 5% or 0.05", option="--until")
    return number


def on_empty(value: str) -> OnEmptyChoice:
    """``value`` if it is one. Raises OptionError that says what the option takes."""
    if value == "error":
        return "error"
    if value == "skip":
        return "skip"
    raise OptionError(f"--on-empty {value!r}: it takes error or skip", option="--on-empty")
