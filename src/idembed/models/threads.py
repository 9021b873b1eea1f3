"""How many threads a call of the encoder is worth."""

from __future__ import annotations

from typing import Final

from idembed.native import EncoderConfig, Profile

__all__ = ["worthwhile"]

_LEAST: Final[dict[Profile, int]] = {"f32-1": 15_000_000, "i16-1": 30_000_000, "i8-1": 60_000_000}
"""Multiplications that a core makes in 0.3 ms. Starting a thread, and the fifty times that those who share one text
wait for each other, take a good part of that: two threads give a query of 10 tokens in ``i8-1`` nothing."""


def worthwhile(config: EncoderConfig, tokens: int, most: int) -> int:
    """As many of the ``most`` threads as have something to do for so many tokens; at least 1. Changes no bit."""
    a_token = config.layers * config.hidden * (4 * config.hidden + 2 * config.intermediate)
    return max(1, min(most, tokens * a_token // _LEAST[config.profile]))
