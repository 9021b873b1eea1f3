from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import STORES, Index, Opener


@pytest.fixture(params=sorted(STORES))
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same index once more, as another process would."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def index(open_again: Opener) -> Iterator[Index]:
    made = Index(open_again)
    yield made
    made.store.close()
