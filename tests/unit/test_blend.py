"""Search during an upgrade: both generations, merged by reciprocal rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.index import Index
from idembed.models.base import Embedded, Vectors
from idembed.space import Side

ROWS = 300


class Compass(FakeModel):
    """Texts are numbers on a circle, each nearest to those next to it; questions are ``turned`` by so many."""

    def __init__(self, name: str, turned: int = 0) -> None:
        super().__init__(name, dim=2)
        self._turned = turned

    def embed(self, texts: Sequence[str], side: Side = "document", **options: Any) -> Embedded:
        turned = self._turned if side == "query" else 0
        return super().embed([str(int(text) + turned) for text in texts], side, **options)

    def vector(self, text: str) -> Vectors:
        angle = 2 * np.pi * int(text) / ROWS
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pets.db"


def test_rows_that_only_the_new_generation_finds_are_hits(path: Path) -> None:
    """300 rows, of which neither model has the first of the other among its first hundred."""
    old, new = Compass("old"), Compass("new", ROWS // 2)
    with Index(path, old, vault="none", models=[new]) as index:
        index.sync(rows(*(f"r{i:03}:{i}" for i in range(ROWS))))
        index.upgrade(new, until=0.9999)
        hits = index.search("100", k=6, blend=True)
    assert {hit.id for hit in hits[:2]} == {"r100", "r250"}
    assert hits[0].score == hits[1].score == pytest.approx(1 / 61)
    assert {hit.id for hit in hits} == {"r099", "r100", "r101", "r249", "r250", "r251"}
    assert [hit.text for hit in hits[:2]] == ["100", "250"]


def test_a_question_is_of_the_space_that_is_searched_though_another_is_switched_to_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = FakeModel("old"), FakeModel("new")
    with Index(path, old, vault="none") as index:
        index.sync(rows("a:one", "b:two"))
        index.upgrade(new)
    with Index(path, models=[old, new]) as index, Index(path, models=[old, new]) as other:
        readable = index._catalog.readable

        def late() -> Any:
            found = readable()
            monkeypatch.undo()
            other.switch()
            return found

        monkeypatch.setattr(index._catalog, "readable", late)
        assert [(hit.id, hit.score) for hit in index.search("two", k=1)] == [("b", pytest.approx(1.0))]
        assert next(g.number for g in index.generations if g.status == "active") == 2
