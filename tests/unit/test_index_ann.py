"""Approximate search of an index in a file, by the public names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.index import Index
from idembed.models.base import Vectors


class Model(FakeModel):
    """Vectors of which no two are equally near, as those of signs are."""

    def vector(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(f"{self.name} {text}".encode()).digest()[:8])
        vector = np.random.default_rng(seed).standard_normal(self.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


PETS = rows(*(f"p{i:03}:a pet called {i}" for i in range(400)), kind="pet")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pets.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index(path, Model(dim=32), vault="none") as opened:
        opened.sync(PETS)
        yield opened


def test_approximate_search_is_there_once_it_is_built(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = Model(dim=32).embed([f"a pet called {i}" for i in range(20)]).vectors
    exact = index.search_many(queries, k=3)
    assert index.search_many(queries, k=3, approximate=True) == exact
    assert index.verify(sample=0).recall is None
    index.build_ann()
    recall = index.verify(sample=0).recall
    assert recall is not None
    assert 0.95 <= recall <= 1.0
    monkeypatch.setattr("idembed.stores.sqlite_search.Searcher._exactly", None)
    assert [hits[0].id for hits in index.search_many(queries, k=3, approximate=True)] == [f"p{i:03}" for i in range(20)]
    assert [hit.id for hit in index.search("a pet called 7", k=1, approximate=True)] == ["p007"]
    assert len(index.search(id="p007", k=5, where={"kind": "pet"}, approximate=True)) == 5


def test_what_a_sync_changes_is_found_before_it_is_built_again(index: Index, path: Path) -> None:
    index.build_ann()
    index.sync([*PETS[1:], *rows("new:a pet called 0")])
    assert [hit.id for hit in index.search("a pet called 0", k=1, approximate=True)] == ["new"]
    assert index.verify(sample=0).ok
    built = Path(f"{path}.ann-1").read_bytes()
    index.build_ann()
    assert Path(f"{path}.ann-1").read_bytes() == built
    index.sync([*PETS[50:], *rows("new:a pet called 0")])
    index.build_ann()
    assert Path(f"{path}.ann-1").read_bytes() != built
    assert [hit.id for hit in index.search("a pet called 0", k=1, approximate=True)] == ["new"]


def test_a_new_generation_has_its_own_and_takes_it_along_when_dropped(index: Index, path: Path) -> None:
    index.build_ann()
    index.upgrade(Model("other", dim=16))
    index.build_ann(2)
    index.switch()
    assert [hit.id for hit in index.search("a pet called 9", k=1, approximate=True)] == ["p009"]
    assert sorted(file.name for file in path.parent.glob("pets.db.ann-*")) == ["pets.db.ann-1", "pets.db.ann-2"]
    index.drop(1)
    assert [file.name for file in path.parent.glob("pets.db.ann-*")] == ["pets.db.ann-2"]


def test_a_file_that_is_damaged_within_has_no_recall(index: Index, path: Path) -> None:
    index.build_ann()
    with Path(f"{path}.ann-1").open("r+b") as file:
        file.write(b"damaged")
    assert index.has_ann()
    assert index.verify(sample=0).recall is None
    assert not index.has_ann()
