"""Which values are in an ascending array."""

from __future__ import annotations

import numpy as np
import pytest

from idembed.ascending import among


@pytest.mark.parametrize(
    ("values", "wanted", "found"),
    [
        ([5, 1, 3, 9, 3], [1, 3, 4], [False, True, True, False, True]),
        ([1, 2], [], [False, False]),
        ([], [1, 2], []),
        ([0, 10], [1, 2], [False, False]),
    ],
)
def test_numbers(values: list[int], wanted: list[int], found: list[bool]) -> None:
    assert among(np.array(values, np.int64), np.array(wanted, np.int64)).tolist() == found


def test_hashes_are_compared_as_bytes_in_full_width() -> None:
    wanted = np.array([b"\x01", b"\x01\x00\x02", b"\xff\xfe"], "S16")
    values = np.array([b"\xff\xfe", b"\x01\x00", b"\x01\x00\x02", b"\xff"], "S16")
    assert among(values, wanted).tolist() == [True, True, True, False]
