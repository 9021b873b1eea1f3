"""What ``encode`` and ``embed`` may be asked for, checked by name before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from idembed.arguments import check_kind, check_whole
from idembed.errors import OptionError
from idembed.models.base import OnLong

__all__ = ["check_batch_size", "check_encode_on_long", "check_numpy_only", "check_on_long", "kept_dim"]

_EMBED: Final = get_args(OnLong)
_ENCODE: Final = ("cut", "error")
"""Vectors alone cannot say which texts were refused."""


def check_on_long(on_long: object) -> None:
    """Raise OptionError for what ``embed`` does not do with texts that are too long."""
    _refuse_other(on_long, _EMBED)


def check_encode_on_long(on_long: object) -> None:
    """Raise OptionError for what ``encode`` does not do with texts that are too long."""
    _refuse_other(on_long, _ENCODE)


def _refuse_other(on_long: object, values: Sequence[str]) -> None:
    if on_long not in values:
        words = [f'"{value}"' for value in values]
        wanted = f"{', '.join(words[:-1])} or {words[-1]}"
        check_kind("on_long", on_long, str, wanted)
        raise OptionError(f"on_long={on_long!r}: it is {wanted}")


def check_batch_size(batch_size: int) -> None:
    """Raise OptionError where there would be no batch."""
    if batch_size < 1:
        raise OptionError(f"batch_size must be at least 1, not {batch_size}")


def kept_dim(truncate_dim: int | None, dim: int) -> int:
    """How many of the ``dim`` numbers of a vector are kept. Raises OptionError where that is no number of them."""
    if truncate_dim is None:
        return dim
    check_whole("truncate_dim", truncate_dim)
    if truncate_dim < 1:
        raise OptionError(f"truncate_dim must be at least 1, not {truncate_dim}")
    return min(truncate_dim, dim)


def check_numpy_only(
    output_value: str | None, precision: str | None, convert_to_numpy: bool, convert_to_tensor: bool
) -> None:
    """Raise OptionError for what only torch, or a look at all texts of a call, can give."""
    if convert_to_tensor or not convert_to_numpy:
        raise OptionError(
            "vectors come as numpy arrays", hint="torch.from_numpy(model.encode(…)) makes a tensor of them"
        )
    if output_value != "sentence_embedding":
        raise OptionError(f"output_value {output_value!r} is not available", hint="sentence_embedding is")
    if precision not in ("float32", None):
        raise OptionError(
            f"precision {precision!r} is not available",
            hint="quantise the vectors with fixed ranges: ranges taken from the texts of a call would make a "
            "vector depend on its neighbours",
        )
