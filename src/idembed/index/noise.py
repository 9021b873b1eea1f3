"""How far vectors of a generation may be from what their model says now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idembed.stores.base import Generation

__all__ = ["ADOPTED", "noise_between", "noise_of"]

ADOPTED = "adopted"
"""The setting that has, by generation, the lowest cosine that is put up with between vectors that were taken over and
the model's own (``noise_between`` of a sample). A generation all of whose sample was equal to the bit is not in it."""
_ROUNDING = 1e-6
"""Cosines are compared in float32, which by itself moves them by up to 2.4e-7 (measured, for 16 to 65,536 numbers)."""
_UNKNOWN = 0.99
"""The cosine below which an API's vector is refused, as long as its noise has not been measured."""


def noise_between(cosines: Sequence[float]) -> float:
    """The lowest cosine to put up with, where those of a sample are ``cosines``: ten times as far from 1 as the lowest
    of them (an angle three times as wide, for a sample of hundreds does not meet the worst of millions), and no nearer
    to 1 than rounding lets it be."""
    return 1 - max(_ROUNDING, 10 * (1 - min(cosines)))


def noise_of(meta: Mapping[str, Any], generation: Generation, least: float | None = None) -> float | None:
    """The lowest cosine that is put up with; None where bytes must be equal: a repeatable model that made them here.
    ``least``: what the model itself says of it."""
    measured = meta.get(ADOPTED, {}).get(str(generation.number))
    if measured is not None:
        return float(measured)
    if generation.space.repeatable:
        return None
    return _UNKNOWN if least is None else least
