"""Approximate search beside a SQLite file: a side-car may be missing, damaged, old or another's; no answer is wrong."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kit import part, row, space

from idembed.errors import LeaseLostError, ReadOnlyError, StoreError
from idembed.filters import parse_where
from idembed.stores import ann_file, ann_graph, memory, open_store, sqlite_ann
from idembed.stores.base import Filling, Lease, Match
from idembed.stores.sqlite import SQLiteStore
from idembed.stores.sqlite_near import Allowed

DIM = 32
SIZE = 3_000


def clustered(size: int, seed: int = 1) -> Any:
    """Unit vectors around 60 centres: float32 [size, DIM]."""
    centres = np.random.default_rng(0).standard_normal((60, DIM))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 60, size)] + 0.6 * rng.standard_normal((size, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(SIZE)
QUERIES = clustered(40, seed=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several threads never make the same graph twice, and one that misses the very vector asked for now and then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("idembed.native.default_threads", lambda: 1)
        yield


class Made:
    """An index file with ``SIZE`` rows r0000…, and its side-car if asked."""

    def __init__(self, path: Path, vectors: Any, built: bool = True) -> None:
        self.path = path
        self.store = open_store(path)
        assert isinstance(self.store, SQLiteStore)
        self.lease: Lease = self.store.lease("w", 3600.0)
        self.store.create_generation(
            self.lease, replace(space(vectors.shape[1]), similarity="cosine"), "m", activate=True
        )
        rows = [row(f"r{i:04}", f"t{i}", v, {"n": i % 100, "half": i % 2}) for i, v in enumerate(vectors)]
        self.store.upsert(self.lease, rows)
        if built:
            self.store.build_ann(self.lease, 1)
        self.side_car = Path(f"{path}.ann-1")

    def exact(self, queries: Any = QUERIES, k: int = 10, **more: Any) -> list[list[Match]]:
        return self.store.search(1, queries, k, **more)

    def near(self, queries: Any = QUERIES, k: int = 10, **more: Any) -> list[list[Match]]:
        return self.store.search(1, queries, k, approximate=True, **more)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with its side-car, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    made = Made(folder / "index.db", VECTORS)
    made.store.release(made.lease)
    made.store.close()
    return folder


@pytest.fixture
def made(template: Path, tmp_path: Path) -> Iterator[Made]:
    """A copy of the file and its side-car: the one belongs to the other wherever they are."""
    for file in template.iterdir():
        shutil.copy(file, tmp_path / file.name)
    found = Made.__new__(Made)
    found.path, found.side_car = tmp_path / "index.db", tmp_path / "index.db.ann-1"
    found.store = open_store(found.path)
    found.lease = found.store.lease("w", 3600.0)
    yield found
    found.store.close()


def recall(near: list[list[Match]], exact: list[list[Match]]) -> float:
    return sum(len({*some} & {*all_}) for some, all_ in zip(near, exact, strict=True)) / sum(map(len, exact))


@pytest.fixture
def no_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found but by the side-car, and what is newer."""
    monkeypatch.setattr(Allowed, "all", None)
    monkeypatch.setattr("idembed.stores.sqlite_search.Searcher._exactly", None)


# Searching --------------------------------------------------------------------------------------------


def test_nearly_all_of_the_nearest_are_found_with_exact_scores(made: Made) -> None:
    exact = made.exact()
    found = made.near()
    assert recall(found, exact) >= 0.95
    assert all(near == sorted(near, key=lambda m: (-m.score, m.id, m.part)) for near in found)
    assert {m for near in found for m in near} <= {m for near in made.exact(k=SIZE) for m in near}


@pytest.mark.usefixtures("no_exact_search")
def test_the_side_car_is_used_in_another_process_too(made: Made) -> None:
    with open_store(made.path, create=False, read_only=True) as reader:
        assert reader.has_ann(1)
        assert reader.search(1, QUERIES, 10, approximate=True) == made.near()


def test_filters_hold_whether_many_or_few_rows_pass(made: Made) -> None:
    for where in ({"half": 1}, {"n": 7}, {"n": 700}, {"$id": {"in": ["r0001", "r2999"]}}):
        conditions = parse_where(where)
        near, exact = made.near(where=conditions), made.exact(where=conditions)
        assert [len(matches) for matches in near] == [len(matches) for matches in exact]
        assert not exact[0] or recall(near, exact) >= 0.95
    assert made.near(scope="docs") == made.near()
    assert made.near(scope="other") == [[]] * len(QUERIES)
    assert made.near(where=parse_where({"$tokens": {"gt": 1}})) == [[]] * len(QUERIES)


def test_what_few_candidates_pass_is_found_exactly_and_without_memory(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = parse_where({"$id": {"in": [f"r{i:04}" for i in range(0, SIZE, 250)]}})
    exact = made.exact(where=where)
    made.store.close()
    monkeypatch.setenv(memory.LIMIT_VARIABLE, "1")
    with open_store(made.path) as store:
        assert store.search(1, QUERIES, 10, where, approximate=True) == exact


def test_only_rows_with_vectors_in_the_other_generation_too(made: Made) -> None:
    made.store.create_generation(made.lease, space(4), "m")
    both = [f"r{i:04}" for i in range(0, SIZE, 3)]
    states = made.store.get(both, vectors=False)
    fillings = [(name, states[name].text_hash, [part("t", [1, 0, 0, 0])]) for name in both]
    made.store.fill(made.lease, 2, [Filling(*filling) for filling in fillings])
    exact = made.exact(within=2)
    assert recall(made.near(within=2), exact) >= 0.95
    assert {m.id for near in made.near(within=2) for m in near} <= {*both}


def test_as_many_are_found_as_there_are(made: Made) -> None:
    assert [len(near) for near in made.near(QUERIES[:2], k=SIZE)] == [SIZE, SIZE]
    assert made.near(QUERIES[:1], k=1_000_000) == made.exact(QUERIES[:1], k=1_000_000)


def test_it_is_found_where_exact_search_does_not_fit_in_memory(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = made.exact()
    made.store.close()
    monkeypatch.setenv(memory.LIMIT_VARIABLE, "100K")
    with open_store(made.path) as store:
        with pytest.raises(StoreError, match="of memory") as caught:
            store.search(1, QUERIES, 10)
        assert "index.build_ann()" in caught.value.hint
        assert recall(store.search(1, QUERIES, 10, approximate=True), exact) >= 0.95
        (every,) = store.search(1, QUERIES[:1], SIZE, approximate=True)
        assert len(every) == SIZE


def test_many_rows_searched_exactly_are_told_of_it_once(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("idembed.stores.sqlite_search._MANY", SIZE)
    caplog.set_level(logging.INFO, "idembed")
    made.exact()
    made.exact()
    assert [record.getMessage() for record in caplog.records] == [
        "3,000 vectors are searched exactly; index.build_ann() makes an index on the disk, by which "
        "search(…, approximate=True) goes"
    ]


@pytest.mark.usefixtures("no_exact_search")
def test_equal_vectors_do_not_hide_the_others_and_come_by_id(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[500:2500] = vectors[0]
    made = Made(tmp_path / "index.db", vectors)
    alone = [*range(1, 500), *range(2500, SIZE)]
    found = [near[0].id == f"r{i:04}" for i, near in zip(alone, made.near(vectors[alone]), strict=True)]
    assert sum(found) >= 0.98 * len(alone)
    (near,) = made.near(vectors[:1], k=40)
    assert [m.id for m in near] == ["r0000", *(f"r{i:04}" for i in range(500, 539))]
    made.store.delete(made.lease, [f"r{i:04}" for i in range(500, 600)])
    (near,) = made.near(vectors[:1], k=40)
    assert [m.id for m in near] == ["r0000", *(f"r{i:04}" for i in range(600, 639))]
    made.store.close()


@pytest.mark.parametrize(("factor", "of_query"), [(1e-30, 1e30), (1e-3, 1.0), (1e18, 1e18), (1e37, 1e-30)])
def test_vectors_and_questions_of_any_length(tmp_path: Path, factor: float, of_query: float) -> None:
    made = Made(tmp_path / "index.db", VECTORS[:800] * np.float32(factor))
    queries = QUERIES * np.float32(of_query)
    assert recall(made.near(queries), made.exact(queries)) >= 0.95
    made.store.close()


def test_of_no_vectors_and_of_vectors_of_zeros(tmp_path: Path) -> None:
    made = Made(tmp_path / "index.db", np.zeros((0, DIM), np.float32))
    assert made.store.has_ann(1)
    assert made.near() == [[]] * len(QUERIES)
    made.store.upsert(made.lease, [row(f"z{i}", f"z{i}", np.zeros(DIM, np.float32)) for i in range(50)])
    assert made.near(k=5) == made.exact(k=5)
    made.store.build_ann(made.lease, 1)
    assert made.near(k=5) == made.exact(k=5)
    made.store.close()


# What changed since -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_exact_search")
def test_what_was_written_since_is_found_and_what_went_is_not(made: Made) -> None:
    assert [m.id for m in made.near(VECTORS[:1], k=1)[0]] == ["r0000"]
    made.store.delete(made.lease, ["r0000"])
    made.store.upsert(made.lease, [row("new", "new", VECTORS[0], {"half": 1})])
    (near,) = made.near(VECTORS[:1], k=2)
    assert near[0].id == "new"
    assert near[1].id != "r0000"
    (near,) = made.near(VECTORS[:1], k=1, where=parse_where({"half": 0}))
    assert near[0].id not in ("new", "r0000")
    made.store.upsert(made.lease, [row("new", "newer", VECTORS[1])])
    assert [m.id for m in made.near(VECTORS[1:2], k=2)[0]] == ["new", "r0001"]
    made.store.delete(made.lease, ["new"])
    assert [m.id for m in made.near(VECTORS[1:2], k=1)[0]] == ["r0001"]


@pytest.mark.usefixtures("no_exact_search")
def test_another_process_writes_meanwhile(made: Made) -> None:
    with open_store(made.path, create=False, read_only=True) as reader:
        assert reader.search(1, VECTORS[7:8], 1, approximate=True)[0][0].id == "r0007"
        made.store.delete(made.lease, ["r0007"])
        made.store.upsert(made.lease, [row("r0008", "another text", VECTORS[7]), row("a", "a", VECTORS[7])])
        (near,) = reader.search(1, VECTORS[7:8], 2, approximate=True)
        assert [(m.id, m.score) for m in near] == [("a", near[0].score), ("r0008", near[0].score)]
        with reader.snapshot():
            reader.count()
            made.store.delete(made.lease, ["a"])
            assert reader.search(1, VECTORS[7:8], 2, approximate=True) == [near]
        assert [m.id for m in reader.search(1, VECTORS[7:8], 1, approximate=True)[0]] == ["r0008"]


@pytest.mark.usefixtures("no_exact_search")
def test_a_text_that_another_program_edited_is_not_found_until_it_is_as_it_was(made: Made) -> None:
    with sqlite3.connect(made.path) as other:
        other.execute("UPDATE texts SET text = 'edited' WHERE key = (SELECT key FROM rows WHERE id = 'r0005')")
    other.close()
    assert made.near(VECTORS[5:6], k=1)[0][0].id != "r0005"
    made.store.build_ann(made.lease, 1)
    made.store.upsert(made.lease, [replace(row("r0005", "t5", None), row_hash=None)])  # its vectors are there
    assert made.near(VECTORS[5:6], k=1)[0][0].id == "r0005"


def test_a_vector_that_is_damaged_is_not_found(made: Made) -> None:
    with sqlite3.connect(made.path) as other:
        other.execute("DROP TRIGGER vectors_1_edited")
        other.execute("UPDATE vectors_1 SET vector = zeroblob(128) WHERE vid = 6")
        other.execute("UPDATE vectors_1 SET vector = x'00' WHERE vid = 7")
    other.close()
    assert "r0005" not in {m.id for m in made.near(VECTORS[5:6], k=10)[0]}
    assert "r0006" not in {m.id for m in made.near(VECTORS[6:7], k=SIZE)[0]}
    made.store.build_ann(made.lease, 1)
    assert len(made.near(QUERIES[:1], k=SIZE)[0]) == SIZE - 2


def test_it_is_made_again_only_when_a_twentieth_came_or_went(made: Made) -> None:
    before = made.side_car.read_bytes()
    made.store.upsert(made.lease, [row(f"n{i}", f"n{i}", QUERIES[i]) for i in range(40)])
    made.store.delete(made.lease, [f"r{i:04}" for i in range(110)])
    made.store.build_ann(made.lease, 1)
    assert made.side_car.read_bytes() == before
    made.store.delete(made.lease, ["r0110"])
    made.store.build_ann(made.lease, 1)
    assert made.side_car.read_bytes() != before
    assert recall(made.near(), made.exact()) >= 0.95


def test_who_has_it_open_takes_the_new_one(made: Made) -> None:
    with open_store(made.path, create=False, read_only=True) as reader:
        reader.search(1, QUERIES, 10, approximate=True)
        made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])
        made.store.build_ann(made.lease, 1)
        reader.search(1, QUERIES, 10, approximate=True)
        near = reader._searcher.side_cars._open[1]  # type: ignore[attr-defined]
        assert len(near.graph) == SIZE - 1000


# Files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 5_000, 300_000, -4_000, -300, -250, -1])
def test_a_garbled_side_car_is_not_used(made: Made, place: int, caplog: pytest.LogCaptureFixture) -> None:
    content = bytearray(made.side_car.read_bytes())
    content[place] ^= 0x10
    made.side_car.write_bytes(content)
    exact = made.exact()
    assert made.near() == exact
    assert made.near() == exact
    assert not made.store.has_ann(1)
    assert [record.getMessage() for record in caplog.records] == [
        f"{made.side_car} is damaged, or of another state of the index, and is not used; "
        "search is exact until build_ann is called"
    ]


@pytest.mark.parametrize("length", [0, 1, 255, 256, 5_000, -1, -256])
def test_a_truncated_side_car_is_not_used_even_when_it_was_in_use(made: Made, length: int) -> None:
    made.near()
    with made.side_car.open("r+b") as file:
        file.truncate(length if length >= 0 else made.side_car.stat().st_size + length)
    assert made.near() == made.exact()
    assert not made.store.has_ann(1)


def test_whether_there_is_one_is_known_without_reading_it_through(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    with made.side_car.open("r+b") as file:  # the SHA-256 of what is read is another from now on
        file.write(b"damaged")
    with open_store(made.path) as reader:
        assert reader.has_ann(1)
        assert reader.search(1, QUERIES, 10, approximate=True) == made.exact()
        assert not reader.has_ann(1)
    monkeypatch.setattr(ann_file.mmap, "mmap", None)
    with open_store(made.path) as reader:
        assert reader.has_ann(1)


def test_one_whose_last_line_says_less_as_it_once_did_is_made_again(made: Made) -> None:
    content = made.side_car.read_bytes()
    line = re.sub(rb', "[0-9a-f]{64}"', b"", content[-256:]).rstrip().ljust(255) + b"\n"
    made.side_car.write_bytes(content[:-256] + line)
    with closing(sqlite3.connect(made.path)) as connection, connection:
        connection.execute("UPDATE ann SET digest = ?", (hashlib.sha256(content[:-256] + line).digest(),))
    assert not made.store.has_ann(1)
    assert made.near() == made.exact()
    made.store.build_ann(made.lease, 1)
    assert made.store.has_ann(1)


def test_a_side_car_that_is_gone_is_not_missed(made: Made) -> None:
    made.near()
    made.side_car.unlink()
    assert not made.store.has_ann(1)
    assert made.near() == made.exact()
    made.store.build_ann(made.lease, 1)
    assert made.store.has_ann(1)


def test_what_else_has_its_name_is_left_as_it_is(made: Made) -> None:
    made.side_car.write_text("my notes")
    assert not made.store.has_ann(1)
    with pytest.raises(StoreError, match="it was left as it is"):
        made.store.build_ann(made.lease, 1)
    made.store.create_generation(made.lease, space(DIM, "other"), "m", activate=True)
    made.store.drop_generation(made.lease, 1)
    assert made.side_car.read_text() == "my notes"
    made.side_car.unlink()
    made.side_car.mkdir()
    assert not made.store.has_ann(1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on Windows")
def test_a_pipe_of_its_name_is_not_waited_for(made: Made) -> None:
    made.side_car.unlink()
    os.mkfifo(made.side_car)
    assert not made.store.has_ann(1)
    assert made.near(QUERIES[:1]) == made.exact(QUERIES[:1])
    with pytest.raises(StoreError, match="it was left as it is"):
        made.store.build_ann(made.lease, 1)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_those_may_read_it_who_may_read_the_index(made: Made) -> None:
    made.path.chmod(0o600)
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])
    made.store.build_ann(made.lease, 1)
    assert made.side_car.stat().st_mode & 0o777 == 0o600


def test_that_of_another_state_of_the_index_is_not_used(made: Made, template: Path) -> None:
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])
    made.store.build_ann(made.lease, 1)
    made.store.close()
    shutil.copy(template / "index.db", made.path)  # a backup is restored
    with open_store(made.path) as store:
        assert not store.has_ann(1)
        assert store.search(1, QUERIES, 10, approximate=True) == store.search(1, QUERIES, 10)
        store.build_ann(store.lease("w"), 1)
        assert store.has_ann(1)


def test_a_copy_without_its_side_car_is_searched_exactly(made: Made, tmp_path: Path) -> None:
    made.store.close()
    shutil.move(made.path, tmp_path / "moved.db")
    with open_store(tmp_path / "moved.db") as store:
        assert not store.has_ann(1)
        assert store.search(1, QUERIES, 10, approximate=True) == store.search(1, QUERIES, 10)
        shutil.move(made.side_car, tmp_path / "moved.db.ann-1")
        assert store.has_ann(1)


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_it_lies_beside_the_file_that_a_link_leads_to(made: Made, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(made.path)
    with open_store(link) as store:
        assert store.has_ann(1)


def test_a_dropped_generation_leaves_nothing(made: Made) -> None:
    made.near()
    made.store.create_generation(made.lease, replace(space(DIM, "other"), similarity="cosine"), "m", activate=True)
    made.store.build_ann(made.lease, 2)
    stray = Path(f"{made.path}.ann-9")
    shutil.copy(made.side_car, stray)  # as if killed before it was removed
    made.store.drop_generation(made.lease, 1)
    assert sorted(path.name for path in made.path.parent.iterdir() if "ann" in path.name) == ["index.db.ann-2"]
    assert not made.store.has_ann(1)
    assert made.store.has_ann(2)


def test_the_size_of_an_index_has_its_side_car_in_it(made: Made) -> None:
    with_it = made.store.size()
    size = made.side_car.stat().st_size
    made.side_car.unlink()
    assert made.store.size() == with_it - size
    assert size > VECTORS.nbytes


@pytest.mark.parametrize("folder_is_writable", [True, False])
def test_who_reads_searches_by_the_side_car_and_builds_none(
    made: Made, monkeypatch: pytest.MonkeyPatch, folder_is_writable: bool
) -> None:
    near = made.near()
    made.store.release(made.lease)
    made.store.close()
    access = os.access
    with monkeypatch.context() as patch:
        if not folder_is_writable:  # then the file is read without locks
            patch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
        reader = open_store(made.path, create=False, read_only=folder_is_writable)
        assert reader.has_ann(1)
        assert reader.search(1, QUERIES, 10, approximate=True) == near
        with pytest.raises(ReadOnlyError):
            reader.build_ann(made.lease, 1)
    with open_store(made.path) as writer:
        writer.delete(writer.lease("w"), [near[0][0].id])
    assert near[0][0].id not in {match.id for match in reader.search(1, QUERIES, 10, approximate=True)[0]}
    reader.close()


def test_a_full_disk_leaves_no_side_car_behind_and_the_old_one_unharmed(made: Made) -> None:
    before = made.side_car.read_bytes()
    script = """
import resource, sys
from idembed.errors import StoreError
from idembed.stores import open_store, sqlite_ann

def limit(path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)

sqlite_ann.refuse_foreign = limit
with open_store(sys.argv[1]) as store:
    try:
        store.build_ann(store.lease("w"), 1)
    except StoreError as error:
        print(type(error).__name__, error.message)
"""
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])
    made.store.release(made.lease)
    for limit in (100_000, 300_000):  # while vectors are read, and while the file is written
        command = [sys.executable, "-c", script, str(made.path), str(limit)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "cannot be written" in said
        assert made.side_car.read_bytes() == before
        assert sorted(path.name for path in made.path.parent.iterdir() if "ann" in path.name) == ["index.db.ann-1"]


# Building ---------------------------------------------------------------------------------------------


def test_who_lost_the_lease_builds_nothing(made: Made) -> None:
    other = made.store.lease("other", instead_of="w")
    with pytest.raises(LeaseLostError):
        made.store.build_ann(made.lease, 1)
    made.store.delete(other, [f"r{i:04}" for i in range(1000)])

    def steal(*given: Any) -> Any:
        made.store.lease("third", instead_of="other")
        return write(*given)

    write = ann_file.write_graph
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_ann, "write_graph", steal)
        with pytest.raises(LeaseLostError):
            made.store.build_ann(other, 1)
    assert not made.side_car.exists()
    assert made.near() == made.exact()


def test_the_lease_is_kept_while_a_graph_is_made(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])
    made.store.release(made.lease)
    lease = made.store.lease("w", 1.0)
    renewed = []
    renew = SQLiteStore.renew
    monkeypatch.setattr(SQLiteStore, "renew", lambda self, *given: renewed.append(given[1]) or renew(self, *given))
    made.store.build_ann(lease, 1)
    assert renewed == [60.0]


def test_what_is_written_while_a_graph_is_made_is_found(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])

    def make(*given: Any) -> Any:
        made.store.upsert(made.lease, [row("new", "new", VECTORS[0])])
        made.store.delete(made.lease, ["r1001"])
        return ann_graph.make_graph(*given)

    monkeypatch.setattr(sqlite_ann, "make_graph", make)
    made.store.build_ann(made.lease, 1)
    assert [m.id for m in made.near(VECTORS[:1], k=1)[0]] == ["new"]
    assert "r1001" not in {m.id for m in made.near(VECTORS[1001:1002])[0]}


def test_an_interrupted_build_leaves_what_was_there(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind = made.path.parent / ".index.db.ann-1.0123456789ab.tmp"
    left_behind.write_text("by one who was killed")
    before = made.side_car.read_bytes()
    made.store.delete(made.lease, [f"r{i:04}" for i in range(1000)])

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_ann, "make_graph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.store.build_ann(made.lease, 1)
    assert made.side_car.read_bytes() == before
    assert sorted(path.name for path in made.path.parent.iterdir() if "ann" in path.name) == ["index.db.ann-1"]
    assert made.near()[0]


def test_without_usearch_search_is_exact_and_building_says_what_to_install(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert made.store.capabilities.approximate_search
    made.store.release(made.lease)
    made.store.close()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with open_store(made.path) as store:
        assert not store.capabilities.approximate_search
        assert not store.has_ann(1)
        assert store.search(1, QUERIES, 10, approximate=True) == store.search(1, QUERIES, 10)
        assert [record.getMessage() for record in caplog.records] == [
            f"usearch is not installed, so {made.side_car} is not used; search is exact until build_ann is called"
        ]
        with pytest.raises(StoreError, match="searched exactly") as caught:
            store.build_ann(store.lease("w"), 1)
        assert caught.value.hint == 'pip install "idembed[ann]"'


def test_a_file_without_a_side_car_has_no_table_of_them(tmp_path: Path) -> None:
    made = Made(tmp_path / "index.db", VECTORS[:50], built=False)
    assert not made.store.has_ann(1)
    assert made.near() == made.exact()
    made.store.close()
    other = sqlite3.connect(made.path)
    assert other.execute("SELECT count(*) FROM sqlite_master WHERE name = 'ann'").fetchone() == (0,)
    other.close()
