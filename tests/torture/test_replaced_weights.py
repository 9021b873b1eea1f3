"""Other weights under the same path: the bug that every tool has which knows a model by its name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from idembed import Word2Vec
from idembed.errors import SpaceMismatchError
from idembed.index import Index
from idembed.models import load

ANIMALS = ["cat", "dog", "fox", "owl", "elk", "hen", "cow", "pig", "bee", "ant"]


def train(path: Path, seed: int) -> None:
    choose = random.Random(0)
    sentences = [choose.choices(ANIMALS, k=8) for _ in range(300)]
    Word2Vec(sentences, vector_size=16, min_count=1, seed=seed, epochs=2).save(path)


def rows(*texts: str) -> list[tuple[str, str]]:
    return [(str(n), text) for n, text in enumerate(texts)]


def test_a_retrained_model_under_the_same_path_mixes_nothing_and_is_upgraded_to(tmp_path: Path) -> None:
    path, pets, db = tmp_path / "pets.w2v", rows("cat dog", "fox owl", "elk hen cow"), tmp_path / "pets.db"
    train(path, seed=1)
    with Index(db, str(path), vault="none") as index:
        index.sync(pets)
        before = index.lock()
        assert index.sync(pets).embedded == 0
    train(path, seed=2)
    changed = rows("cat pig", "fox owl", "elk hen cow")
    with Index(db, vault="none") as index:
        assert index.sync(pets).embedded == 0  # nothing is to be done, and no model is asked
        with pytest.raises(SpaceMismatchError, match="as it is now are of another space"):
            index.sync(changed)
        with pytest.raises(SpaceMismatchError) as caught:
            index.search("cat dog")
        assert f"idembed upgrade {db} --to {path}" in caught.value.hint
        assert index.lock() == before
        assert [row.text for row in index.scan()] == [text for _, text in pets]
        assert index.search(id="0", k=1)  # by a row, it still answers
        report = index.upgrade(str(path))
        assert (report.complete, report.embedded) == (True, 3)
        index.switch()
        assert index.sync(changed).changed == 1
        assert index.search("cat pig", k=1)[0].id == "0"
        found = index.verify()
        assert found.ok
        assert found.compared == {2: 3}  # the old generation's model is gone
        assert list(found.not_compared) == [1]
        own = load(path).embed(["cat pig"]).vectors[0]
        store, active = index._catalog.readable()
        assert store.get(["0"], active.number)["0"].parts[0].vector.tobytes() == own.tobytes()  # type: ignore[union-attr]
