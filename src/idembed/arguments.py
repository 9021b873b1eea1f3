"""Arguments of a wrong kind, refused by name before anything is begun."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from idembed.errors import OptionError

__all__ = ["check_kind", "check_number", "check_whole", "is_number"]


def is_number(value: object) -> bool:
    """Whether it is a real number, NumPy's too; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_number(name: str, value: object) -> None:
    """Raise OptionError unless ``value`` is a real number."""
    if not is_number(value):
        raise _wrong(name, value, "a number")


def check_whole(name: str, value: object) -> None:
    """Raise OptionError unless ``value`` is a whole number."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise _wrong(name, value, "a whole number")


def check_kind(name: str, value: object, kind: Any, wanted: str) -> None:
    """Raise OptionError unless ``value`` is of ``kind``, as isinstance takes it; ``wanted`` says that in words."""
    if not isinstance(value, kind):
        raise _wrong(name, value, wanted)


def _wrong(name: str, value: object, wanted: str) -> OptionError:
    """Only what is short is shown as it is; more could be texts."""
    plain = value is None or isinstance(value, str | int | float)
    shown = f"{name}={value!r}" if plain else f"{name} is of type {type(value).__name__}"
    return OptionError(f"{shown}: {wanted} is needed")
