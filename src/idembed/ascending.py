"""Arrays in ascending order, looked up by halving."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["among"]

_T = TypeVar("_T", bound=np.generic)


def among(values: NDArray[_T], wanted: NDArray[_T]) -> NDArray[np.bool_]:
    """Which of ``values`` [n] are in ``wanted`` [m], which ascends: bool [n]. ``np.isin`` would sort both each time."""
    if not len(wanted):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = wanted[np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)] == values
    return found
