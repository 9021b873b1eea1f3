from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Index, Opener

from databases import STORES
from idembed.stores import open_store


@pytest.fixture(params=sorted(STORES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an index may be made."""
    return STORES[request.param](tmp_path)


@pytest.fixture
def open_again(place: Path | str) -> Opener:
    """Opens the same index once more, as another process would."""
    return lambda: open_store(place)


@pytest.fixture
def index(open_again: Opener) -> Iterator[Index]:
    made = Index(open_again)
    yield made
    made.store.close()
