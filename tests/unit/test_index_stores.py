"""The whole life of an index in every database: the same root, hits and lifecycle as in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows

from databases import STORES
from idembed.errors import IndexNotFoundError, RowError
from idembed.index import Index
from idembed.stores import capabilities_of, open_store

PETS = [
    *rows("a:a cat", "b:a dog", "é:an owl", "'; --:it's 100% \"quoted\"", kind="pet", n=[1, {"x": None}], f=-0.5),
    *rows("\u202eid:text \U0001f600", "z:a cat"),
]
LONG = rows("long:First sentence here. Second sentence there.")


@pytest.fixture(params=sorted(STORES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return STORES[request.param](tmp_path)


@pytest.fixture
def index(place: Path | str) -> Iterator[Index]:
    with Index(place, FakeModel(), vault="none") as opened:
        opened.sync(PETS)
        yield opened


@pytest.fixture
def in_a_file(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "other.db", FakeModel(), vault="none") as opened:
        opened.sync(PETS)
        yield opened


def test_the_same_rows_have_the_same_root_and_the_same_hits_in_every_database(index: Index, in_a_file: Index) -> None:
    assert index.lock().root == in_a_file.lock().root
    queries = FakeModel().embed(["a cat", "an elk"]).vectors
    assert index.search_many(queries, k=20) == in_a_file.search_many(queries, k=20)
    assert index.search("a cat", where={"kind": "pet"}) == in_a_file.search("a cat", where={"kind": "pet"})
    assert index.search(id="a", k=3) == in_a_file.search(id="a", k=3)


def test_a_sync_with_nothing_changed_asks_no_model_and_writes_nothing(place: Path | str, index: Index) -> None:
    with Index(place, vault="none") as again:
        report = again.sync(PETS)
        assert (report.embedded, report.added, report.changed, report.updated, report.deleted) == (0, 0, 0, 0, 0)
        assert again.lock().root == index.lock().root


def test_a_sync_writes_what_changed_and_deletes_what_is_gone(index: Index, in_a_file: Index) -> None:
    later = [*rows("a:a tiger", "n:new"), *PETS[1:4], *rows("z:a cat", kind="other")]
    for opened in (index, in_a_file):
        report = opened.sync(later)
        assert (report.added, report.changed, report.updated, report.deleted) == (1, 1, 1, 1)
    assert index.lock().root == in_a_file.lock().root
    assert sorted(row.id for row in index.scan()) == sorted(row["id"] for row in later)


def test_an_upgrade_is_built_beside_switched_and_rolled_back(place: Path | str, index: Index) -> None:
    before = index.search("a cat", k=3)
    new = FakeModel("new", dim=8)
    index.upgrade(new)
    assert [(g.model, g.status) for g in index.generations] == [(FakeModel().name, "active"), ("new", "building")]
    assert index.search("a cat", k=3) == before
    index.switch()
    with Index(place, new, vault="none") as other:
        assert [(g.status, g.complete) for g in other.generations] == [("standby", True), ("active", True)]
        assert other.verify(everything=True).ok
    index.rollback()
    with Index(place, FakeModel(), vault="none") as other:
        assert other.search("a cat", k=3) == before
        assert other.verify(everything=True).ok


def test_both_generations_are_kept_current_by_a_sync(place: Path | str, index: Index) -> None:
    old, new = FakeModel(), FakeModel("new", dim=8)
    index.upgrade(new)
    index.switch()
    with Index(place, vault="none", models=[old, new]) as opened:
        opened.sync([*rows("a:a tiger"), *PETS[1:]])
        assert opened.plan([*rows("a:a tiger"), *PETS[1:]]).is_empty
        opened.rollback()
        assert opened.search("a tiger", k=1)[0].id == "a"
        assert opened.verify(everything=True).ok


def test_split_texts_have_parts_with_spans(place: Path | str) -> None:
    with Index(place, FakeModel(), split=12, vault="none") as opened:
        opened.sync([*PETS, *LONG])
        hit = opened.search("Second sentence", k=1, where={"$id": "long"})[0]
        assert hit.id == "long"
        assert opened.verify(everything=True).ok
        opened.sync([*PETS, *rows("long:Short now.")])
        assert len([h for h in opened.search("a", k=50) if h.id == "long"]) == 1
        assert opened.verify(everything=True).ok


def test_an_index_that_is_not_there_is_not_made_by_reading(place: Path | str) -> None:
    with Index(place) as none, pytest.raises(IndexNotFoundError):
        none.search("a cat")
    with pytest.raises(IndexNotFoundError):
        open_store(place, create=False)


LARGE = {"lance", "postgres", "sqlite"}
"""Their limits are hundreds of megabytes; they are looked at in the same way."""


@pytest.fixture(params=sorted(STORES.keys() - LARGE))
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A place for an index whose limits a test can reach."""
    return STORES[request.param](tmp_path)


def test_texts_and_metadata_of_the_declared_size_are_kept(small: Path | str) -> None:
    most = capabilities_of(small)
    text = "é" * (most.max_text // 2 - 1) + "x" * 2
    metadata = {"k": "y" * (most.max_metadata - len('{"k":""}'))}
    with Index(small, FakeModel(), vault="none") as opened:
        opened.sync([{"id": "t", "text": text}, {"id": "m", "text": "small", "metadata": metadata}])
        assert {row.id: row.text == text for row in opened.scan()} == {"m": False, "t": True}
        found = opened.get("m")
        assert found is not None
        assert found.metadata == metadata
        assert opened.verify(everything=True).ok


@pytest.mark.parametrize("what", ["text", "metadata"])
def test_what_is_larger_than_declared_is_refused_by_name_before_anything_is_made(small: Path | str, what: str) -> None:
    most = capabilities_of(small)
    row: dict[str, Any] = {"id": "large", "text": "x" * (most.max_text + 1)}
    if what == "metadata":
        row = {"id": "large", "text": "x", "metadata": {"k": "y" * most.max_metadata}}
    with Index(small, FakeModel(), vault="none") as opened:
        with pytest.raises(RowError, match=f"the {what} of row 'large' has .* bytes, the store holds"):
            opened.sync([*PETS, row])
        assert list(opened.scan()) == []
