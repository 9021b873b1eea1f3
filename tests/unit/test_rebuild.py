"""Every vector computed again: what is proved by it, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows

from idembed.errors import IndexNotFoundError, ModelNotFoundError, RefusedError
from idembed.index import Index, root, upgrade
from idembed.index.upgrade import Rebuild, Upgrade
from idembed.models.base import Embedded
from idembed.space import Space

PETS = rows("a:a cat", "b:a dog", "c:a fox", "d:an owl")


class Moving(FakeModel):
    """Of the same space, with other vectors."""

    def vector(self, text: str) -> Any:
        return -super().vector(text)


@pytest.fixture
def path(place: Path | str) -> Path | str:
    return place


@pytest.fixture
def old() -> FakeModel:
    return FakeModel("old")


@pytest.fixture
def index(path: Path, old: FakeModel) -> Iterator[Index]:
    with Index(path, old, vault="none") as opened:
        opened.sync(PETS)
        yield opened


def test_a_rebuild_asks_for_every_text_and_gives_the_same_root(index: Index, old: FakeModel) -> None:
    old.asked.clear()
    report = index.rebuild()
    assert sorted(old.asked) == sorted(row["text"] for row in PETS)  # type: ignore[type-var]
    assert (report.generation, report.complete, report.same_root, report.proved) == (2, True, True, True)
    assert index.switch() == []  # of one space: there is nothing to judge
    assert index.verify().ok


def test_a_model_that_moves_has_another_root_and_that_is_no_proof(index: Index, path: Path) -> None:
    with Index(path, Moving("old"), vault="none") as moved:
        report = moved.rebuild()
    assert (report.same_root, report.not_exact, report.proved) == (False, "", False)


def test_vectors_of_another_library_need_not_be_the_same(index: Index, path: Path, tmp_path: Path) -> None:
    class Rounding(FakeModel):
        """Its last bits are others."""

        def vector(self, text: str) -> Any:
            return super().vector(text) * 0.99999994

    index.export(tmp_path / "old.jsonl")
    with Index(tmp_path / "new.db", Rounding("old"), vault="none") as other:
        Index.adopt(tmp_path / "old.jsonl", model=Rounding("old"), to=tmp_path / "new.db")
    with Index(tmp_path / "new.db", Rounding("old"), vault="none") as other:
        report = other.rebuild()
        assert (report.same_root, report.proved) == (False, True)
        assert report.not_exact == "the vectors that are searched were computed by another library, and adopted"
        other.switch()
        other.drop(1)
        again = other.rebuild()
        assert (again.same_root, again.not_exact) == (True, "")


def test_an_api_need_not_give_the_same_vectors(path: Path) -> None:
    class Api(FakeModel):
        @property
        def space(self) -> Space:
            return Space("api", self.dim, "cosine", {"model": self.name})

    with Index(path, Api("api"), vault="none") as index:
        index.sync(PETS)
        report = index.rebuild()
    assert report.not_exact == "api does not give the same vectors again"


def test_an_estimate_is_of_what_is_left(index: Index, path: Path) -> None:
    assert index.estimate_rebuild().texts == 4
    assert [g.number for g in index.generations] == [1]

    class Failing(FakeModel):
        batch_size = 1

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            if "a fox" in texts:
                raise RuntimeError("the line went dead")
            return super().embed(texts, *args, **kwargs)

    with Index(path, Failing("old"), vault="none") as other, pytest.raises(RuntimeError, match="dead"):
        other.rebuild()
    assert index.estimate_rebuild().texts == 2
    with pytest.raises(RefusedError, match="2 rows have no vectors in it") as caught:
        index.switch(2)
    assert "Finish it: idembed rebuild" in caught.value.hint
    assert (index.rebuild().rows, index.rebuild().rows) == (2, 0)


def test_without_an_index_or_its_model_there_is_nothing_to_rebuild(index: Index, path: Path, tmp_path: Path) -> None:
    with Index(tmp_path / "no.db", vault="none") as none, pytest.raises(IndexNotFoundError):
        none.estimate_rebuild()
    with Index(path, vault="none") as other, pytest.raises(ModelNotFoundError, match="was built with old"):
        other.estimate_rebuild()


def test_two_processes_that_begin_at_once_make_one_generation(index: Index, path: Path) -> None:
    slow = Rebuild(index._catalog)
    with Index(path, FakeModel("old"), vault="none") as other:
        assert other.rebuild().generation == 2
    assert slow.run().generation == 2
    assert [g.number for g in index.generations] == [1, 2]


def test_nothing_is_begun_once_another_process_has_switched(index: Index, path: Path) -> None:
    begun = Rebuild(index._catalog), Upgrade(index._catalog, FakeModel("new"))
    with Index(path, vault="none") as other:
        other.upgrade(FakeModel("new"))
        other.switch()
    for one in begun:
        with pytest.raises(RefusedError, match=r"another process switched to generation 2 \(new\) meanwhile"):
            one.run()
    assert [g.number for g in index.generations] == [1, 2]


def test_a_sync_while_roots_are_computed_is_no_other_root(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computing(*arguments: Any) -> Any:
        found = compute(*arguments)
        with Index(path, FakeModel("old"), vault="none") as other:
            other.upsert(rows("e:an elk"))
        return found

    compute = root.root_of
    monkeypatch.setattr(root, "root_of", computing)
    assert index.rebuild().same_root is True
    assert index.count() == 5


def test_a_switch_just_before_does_not_compare_a_root_with_itself(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comparing(*arguments: Any) -> Any:
        index.switch()
        return compare(*arguments)

    compare = upgrade.has_same_root
    monkeypatch.setattr(upgrade, "has_same_root", comparing)
    with Index(path, Moving("old"), vault="none") as moved:
        assert moved.rebuild().same_root is False
