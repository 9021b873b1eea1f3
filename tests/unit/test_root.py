"""The root: one hash of what an index holds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.index import Index
from idembed.index.root import RootHasher
from idembed.rows import text_hash
from idembed.space import address
from idembed.stores.base import StoredPart, StoredRow

PETS = rows("é:a cat", "b:a dog", kind="pet")


@pytest.fixture
def index(place: Path | str) -> Iterator[Index]:
    with Index(place, FakeModel(), vault="none") as opened:
        opened.sync(PETS)
        yield opened


def lengths_first(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(8, "little") + field for field in fields)


def test_the_root_is_what_its_specification_says(index: Index) -> None:
    """Written down once more from root.py's docstring alone."""
    model = FakeModel()
    content, vectors = [], []
    for row_id, text in (("é", "a cat"), ("b", "a dog")):
        place = address(model.space.id, "document", text)
        hashes = hashlib.sha256(text.encode()).digest(), hashlib.sha256(b'{"kind":"pet"}').digest()
        start = row_id.encode(), bytes(4)
        content.append(hashlib.sha256(lengths_first(*start, *hashes, place)).digest())
        raw = hashlib.sha256(model.vector(text).tobytes()).digest()
        vectors.append(hashlib.sha256(lengths_first(*start, raw)).digest())
    both = [hashlib.sha256(b"".join(sorted(digests))).digest() for digests in (content, vectors)]
    lock = index.lock()
    assert (lock.content, lock.vectors) == (both[0].hex(), both[1].hex())
    assert lock.root == hashlib.sha256(b"".join(both)).hexdigest()
    assert (lock.rows, lock.parts) == (2, 2)


def test_the_root_of_a_given_index_never_changes(index: Index) -> None:
    assert index.lock().root == "ec49642ee760f790ad5ec312971317c385b7496720c189d7732d4443c426f789"


def test_the_root_depends_on_no_order_scope_or_history(index: Index, tmp_path: Path) -> None:
    with Index(tmp_path / "other.db", FakeModel(), vault="none") as other:
        other.sync(rows("b:something else", "z:gone later"), scope="elsewhere")
        other.delete(["b", "z"])
        other.sync(PETS[1:], scope="one")
        other.upsert(PETS[:1], scope="two")
        assert other.lock().root == index.lock().root


@pytest.mark.parametrize(
    "changed",
    [
        rows("é:a cat", "b:a dog", kind="animal"),
        rows("é:a cat", "b:a dog.", kind="pet"),
        rows("é:a cat", "c:a dog", kind="pet"),
        rows("é:a cat", kind="pet"),
        rows("é:a dog", "b:a cat", kind="pet"),
    ],
)
def test_the_root_changes_with_every_row(index: Index, changed: list[dict[str, object]]) -> None:
    before = index.lock()
    index.sync(changed)
    after = index.lock()
    assert before.root != after.root
    assert before.content != after.content


def test_vectors_alone_change_only_their_part_of_the_root(index: Index, tmp_path: Path) -> None:
    class Moved(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            return -super().vector(text)

    with Index(tmp_path / "moved.db", Moved(), vault="none") as moved:
        moved.sync(PETS)
        assert moved.lock().content == index.lock().content
        assert moved.lock().vectors != index.lock().vectors
        assert moved.lock().root != index.lock().root


def stored(row_id: str, parts: int) -> StoredRow:
    vector = np.array([1, 2, 3], np.float32)
    return StoredRow(
        row_id,
        "s",
        row_id,
        {},
        "{}",
        b"",
        b"",
        b"",
        tuple(StoredPart(n, (0, 1), bytes(16), 1, False, b"", b"", False, vector) for n in range(parts)),
    )


def test_digests_that_do_not_fit_in_memory_give_the_same_root(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [stored(f"row {i}", i % 3) for i in range(500)]

    def root() -> object:
        with RootHasher() as hasher:
            for row in random.Random(0).sample(found, len(found)):
                hasher.add(row, text_hash(row.text), text_hash("{}"))
            return hasher.root()

    in_memory = root()
    monkeypatch.setattr("idembed.index.root._IN_MEMORY", 37)
    assert root() == in_memory


def test_an_empty_index_has_a_root(tmp_path: Path) -> None:
    with Index(tmp_path / "e.db", FakeModel(), vault="none") as index:
        index.sync(PETS)
        index.sync([], allow_empty=True)
        nothing = hashlib.sha256().digest()
        assert index.lock().root == hashlib.sha256(nothing + nothing).hexdigest()
