"""Profiles by name: ``i8`` is the newest ``i8-…``. A model's name may end with one: ``org/name?profile=i8``."""

from __future__ import annotations

import re
from typing import Final

from idembed.errors import OptionError
from idembed.native import Profile

__all__ = ["DEFAULT", "chosen", "full_name", "named"]

DEFAULT: Final[Profile] = "f32-1"
_PROFILES: Final[dict[str, Profile]] = {
    "f32": "f32-1",
    "f32-1": "f32-1",
    "i16": "i16-1",
    "i16-1": "i16-1",
    "i8": "i8-1",
    "i8-1": "i8-1",
}
_ENDING = re.compile(r"(.+)\?profile=([^?&/\\]*)", re.DOTALL)


def full_name(profile: str) -> Profile:
    """``i8-1`` of ``i8``. Raises OptionError that lists those there are."""
    if profile not in _PROFILES:
        raise OptionError(f"unknown profile {profile!r}", hint=f"there are {', '.join(_PROFILES)}")
    return _PROFILES[profile]


def chosen(name: str, profile: str | None) -> tuple[str, Profile | None]:
    """The name of a model without its profile, and the profile that it or ``profile`` names, or None. Raises
    OptionError for one that is not there, and where both name different ones."""
    asked = None if profile is None else full_name(profile)
    if not (match := _ENDING.fullmatch(name)):
        return name, asked
    inside = full_name(match[2])
    if asked not in (None, inside):
        raise OptionError(f"{name} names another profile than {profile!r}", hint="give one of them")
    return match[1], inside


def named(name: str, profile: Profile) -> str:
    """The name that ``chosen`` takes apart."""
    plain = profile == DEFAULT and not _ENDING.fullmatch(name)  # a folder's own name may end so
    return name if plain else f"{name}?profile={profile}"
