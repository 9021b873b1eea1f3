"""A model that was moved: told once where it is at a write, the index knows it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed import models
from idembed.errors import ModelNotFoundError
from idembed.index import Index
from idembed.index.owner import hold
from idembed.models.words.keyedvectors import KeyedVectors
from idembed.stores import open_store

PETS = rows("a:cat", "b:dog", "c:fox")


def words(place: Path, seed: int = 1) -> str:
    """Word vectors in a folder."""
    vectors = np.random.default_rng(seed).standard_normal((3, 8)).astype(np.float32)
    KeyedVectors(["cat", "dog", "fox"], vectors).save(place)
    return str(place)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index(tmp_path / "pets.db", words(tmp_path / "old.w2v"), vault="none") as index:
        index.sync(PETS)
    return tmp_path / "pets.db"


@pytest.fixture
def moved(path: Path, tmp_path: Path) -> str:
    """Where the model of the index is by now."""
    (tmp_path / "old.w2v").rename(tmp_path / "new.w2v")
    with Index(path, vault="none") as index, pytest.raises(ModelNotFoundError, match=r"old\.w2v"):
        index.search("cat")
    return str(tmp_path / "new.w2v")


def names(path: Path) -> list[str]:
    with open_store(path) as store:
        return [generation.model for generation in store.generations()]


@pytest.mark.parametrize("source", [PETS, rows("a:cat", "b:dog fox", "c:fox")], ids=["nothing changed", "a change"])
def test_a_sync_that_is_told_where_the_model_is_records_it(
    path: Path, moved: str, source: list[dict[str, object]]
) -> None:
    with Index(path, moved, vault="none") as index:
        index.sync(source)
    assert names(path) == [moved]
    with Index(path, vault="none") as index:
        assert index.search("cat", k=1)[0].id == "a"


def test_reading_records_nothing(path: Path, moved: str) -> None:
    old = names(path)
    with Index(path, moved, vault="none") as index:
        assert index.search("cat", k=1)[0].id == "a"
        assert index.verify(everything=True).ok
    assert names(path) == old


def test_a_rebuild_records_it_for_both_generations(path: Path, moved: str) -> None:
    with Index(path, moved, vault="none") as index:
        assert index.rebuild().same_root
    assert names(path) == [moved, moved]


def test_an_upgrade_records_where_its_model_is(path: Path, tmp_path: Path) -> None:
    second = words(tmp_path / "second.w2v", seed=2)
    with Index(path, vault="none") as index:
        index.upgrade(second, until=0.4)
    (tmp_path / "second.w2v").rename(tmp_path / "there.w2v")
    with Index(path, vault="none") as index:
        index.upgrade(models.load(tmp_path / "there.w2v"))
    assert names(path) == [str(tmp_path / "old.w2v"), str(tmp_path / "there.w2v")]


def test_a_place_where_the_model_still_is_stays_recorded(path: Path, tmp_path: Path) -> None:
    with Index(path, words(tmp_path / "copy.w2v"), vault="none") as index:
        index.sync([*PETS, *rows("d:cat fox")])
    assert names(path) == [str(tmp_path / "old.w2v")]


def test_a_name_that_is_no_path_stays_recorded(tmp_path: Path) -> None:
    class Local(FakeModel):
        @property
        def space(self):  # type: ignore[no-untyped-def]
            return FakeModel("public").space

    place = tmp_path / "pets.db"
    with Index(place, FakeModel("public"), vault="none") as index:
        index.sync(PETS)
    (tmp_path / "folder").mkdir()
    with Index(place, Local(str(tmp_path / "folder")), vault="none") as index:
        index.sync(rows("a:cat", "b:dog"))
    assert names(place) == ["public"]


def test_an_object_whose_name_leads_nowhere_is_not_recorded(path: Path, moved: str) -> None:
    class Wrapped(FakeModel):
        @property
        def space(self):  # type: ignore[no-untyped-def]
            return models.load(moved).space

    old = names(path)
    for name in ("mine", str(path.parent / "nowhere")):
        with Index(path, Wrapped(name), vault="none") as index:
            index.sync(PETS)
    assert names(path) == old


def test_a_sync_that_is_done_does_not_fail_where_the_place_cannot_be_recorded(
    path: Path, moved: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store(path) as other, hold(other, 0), Index(path, moved, vault="none", wait=0) as index:
        assert index.sync(PETS).reused == 3
    assert [(r.levelno, r.getMessage().split(":")[0]) for r in caplog.records] == [
        (logging.WARNING, "where the model of generation 1 is now is not recorded")
    ]
