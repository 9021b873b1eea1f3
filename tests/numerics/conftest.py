import platform
import sys
from pathlib import Path

import pytest

from idembed import native

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]  # core, oracle

ARM64 = platform.machine().lower() in ("aarch64", "arm64")
ISAS = ("scalar", "neon", "neondot") if ARM64 else ("scalar", "avx2", "avxvnni", "avx512", "avx512vnni")


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    """Each instruction set; those that this CPU lacks are skipped, and the summary says so."""
    if request.param not in native.available_isas():
        pytest.skip(f"this CPU has no {request.param}")
    return request.param


@pytest.fixture(params=ISAS[1:])
def fast_isa(request: pytest.FixtureRequest) -> str:
    """Each instruction set but the scalar reference."""
    if request.param not in native.available_isas():
        pytest.skip(f"this CPU has no {request.param}")
    return request.param
