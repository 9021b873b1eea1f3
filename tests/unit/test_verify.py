"""Verify: every defect is found and named, a healthy index has none, and what can be mended is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.errors import ModelError, OptionError
from idembed.index import Index
from idembed.index.examine import Kind
from idembed.index.recall import recall_at_10
from idembed.index.report import Progress
from idembed.index.verify import Verification
from idembed.models.base import Embedded
from idembed.space import checksum
from idembed.stores.sqlite_vectors import sums_of

TEXT = "First sentence of {0} here. Second sentence of {0} there."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pets.db"


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(path: Path, model: FakeModel) -> Iterator[Index]:
    """40 rows of two parts each, with a second generation on standby."""
    with Index(path, FakeModel("old"), split=34, vault="none", models=[model]) as opened:
        opened.sync(rows(*(f"r{i:02}:{TEXT.format(i)}" for i in range(40)), kind="x"))
        opened.upgrade(model)
        opened.switch()
        yield opened


def harm(path: Path, *statements: str, quietly: bool = False) -> None:
    """What another program does; ``quietly``: as damage on the disk, which fires no trigger."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if quietly:
            connection.execute("UPDATE ours SET writing = 1")
        for statement in statements:
            connection.execute(statement)
        connection.execute("UPDATE ours SET writing = 0")
        connection.execute("COMMIT")


def columns(vector: np.ndarray) -> str:
    """A vector and its sum, in SQL."""
    (total,) = sums_of(vector.reshape(1, -1))
    return f"vector = x'{vector.tobytes().hex()}', sum = x'{total.hex()}'"


def defects(found: Verification) -> list[tuple[str, str, int | None, int | None]]:
    return [(str(d.kind), d.id, d.generation, d.part) for d in found.defects]


# A healthy index -------------------------------------------------------------------------------------


def test_a_healthy_index_has_no_defects(index: Index, model: FakeModel) -> None:
    model.asked.clear()
    found = index.verify()
    assert (found.ok, found.rows, found.counts, found.unsettled, found.behind) == (True, 40, {}, 0, {})
    assert found.compared == {1: 80, 2: 80}
    assert found.root is not None
    assert found.root.root == index.lock().root
    assert (found.not_compared, found.differences, found.recall) == ({}, None, None)


def test_a_sample_is_compared_with_the_model(index: Index, model: FakeModel) -> None:
    model.asked.clear()
    assert index.verify(sample=3).compared == {1: 6, 2: 6}
    assert index.verify(sample=0).compared == {}
    assert index.verify(sample=0, everything=True).compared == {1: 80, 2: 80}
    with pytest.raises(OptionError, match="sample=-1"):
        index.verify(sample=-1)


def test_after_many_edits_there_are_no_defects(path: Path) -> None:
    choose = random.Random(5)
    with Index(path, FakeModel(), split=20, vault="none") as index:
        for _ in range(12):
            ids = choose.sample(range(30), 20)
            index.sync(
                rows(*(f"{i}:{'word ' * choose.randrange(1, 12)}{choose.randrange(5)}" for i in ids)),
                allow_mass_deletion=True,
            )
            assert index.verify(everything=True).ok


def test_a_model_that_is_gone_is_said_and_no_defect(index: Index, path: Path, model: FakeModel) -> None:
    with Index(path, model, vault="none") as other:
        found = other.verify()
    assert found.ok
    assert found.compared == {2: 80}
    assert "was built with old, which is not there any more" in found.not_compared[1]


def test_a_searched_model_that_is_gone_is_no_proof_when_one_was_asked_for(index: Index, path: Path) -> None:
    with Index(path, vault="none", models=[FakeModel("old")]) as other:
        assert other.verify().ok
        assert other.verify(sample=0).ok
        for options in ({"everything": True}, {"sample": 5}, {"sample": 5, "repair": True}):
            found = other.verify(**options)  # type: ignore[arg-type]
            assert (found.ok, found.counts) == (False, {})
            assert "was built with fake, which is not there any more" in found.unproven
            assert found.as_dict()["ok"] is False
            assert list(found.not_compared) == [2]


def test_a_standby_model_that_is_gone_is_said_and_what_is_searched_is_proved(
    index: Index, path: Path, model: FakeModel
) -> None:
    with Index(path, model, vault="none") as other:
        found = other.verify(everything=True)
    assert (found.ok, found.unproven, list(found.not_compared)) == (True, "", [1])


def test_rows_that_a_build_has_not_reached_are_behind_and_no_defect(index: Index) -> None:
    index.upgrade(FakeModel("third"), until=0.25)
    found = index.verify()
    assert (found.ok, found.behind) == (True, {3: 30})


# Planted defects -------------------------------------------------------------------------------------


def vector(*numbers: float) -> str:
    return f"x'{np.array(numbers, '<f4').tobytes().hex()}'"


WIDE = vector(*[0.25] * 17)
ZERO = vector(*[0.0] * 16)
NAN = vector(*[float("nan")] + [0.25] * 15)
OTHER = vector(*[0.25] * 16)
KEY = "(SELECT key FROM rows WHERE id = '{id}')"
PART = "key = " + KEY + " AND part = {part}"

PLANTED: dict[Kind, str] = {
    Kind.TEXT: "UPDATE texts SET text = text || '!' WHERE key = " + KEY,
    Kind.METADATA: "UPDATE rows SET metadata = '{{\"kind\":\"y\"}}' WHERE id = '{id}'",
    Kind.LOST_ROW: "DELETE FROM rows WHERE id = '{id}'",
    Kind.MISSING: "DELETE FROM vectors_{n} WHERE " + PART,
    Kind.EXTRA: "INSERT INTO parts_{n} "
    "SELECT key, 7, 0, 1, text_hash, address, 1, 0, checksum, NULL FROM parts_{n} WHERE " + PART,
    Kind.SPACE: "UPDATE parts_{n} SET address = randomblob(16) WHERE " + PART,
    Kind.WIDTH: f"UPDATE vectors_{{n}} SET vector = {WIDE} WHERE " + PART,
    Kind.NUMBERS: f"UPDATE vectors_{{n}} SET vector = {NAN} WHERE " + PART,
    Kind.ZERO: f"UPDATE vectors_{{n}} SET vector = {ZERO} WHERE " + PART,
    Kind.ALTERED: f"UPDATE vectors_{{n}} SET vector = {OTHER} WHERE " + PART,
}
"""Ten kinds, each as another program would do it."""
OF_ROWS = (Kind.TEXT, Kind.METADATA, Kind.LOST_ROW)


@pytest.mark.parametrize("quietly", [False, True])
def test_every_one_of_200_planted_defects_is_found_and_named(path: Path, quietly: bool) -> None:
    """By statements that fire the triggers, and by changes on the disk, which do not (there, a row that was removed is
    only missed by a lock)."""
    choose = random.Random(7)
    kinds = [kind for kind in PLANTED for _ in range(20)]
    with Index(path, FakeModel(), split=34, vault="none") as index:
        index.sync(rows(*(f"r{i:03}:{TEXT.format(i)}" for i in range(300)), kind="x"))
        locked = index.lock()
        assert index.verify(lock=locked).ok
    ids = choose.sample([f"r{i:03}" for i in range(300)], len(kinds))
    planted = [(kind, row_id, choose.randrange(2)) for kind, row_id in zip(kinds, ids, strict=True)]
    statements = [PLANTED[kind].format(id=row_id, part=part, n=1) for kind, row_id, part in planted]
    harm(path, *statements, quietly=quietly)
    with Index(path, FakeModel(), vault="none") as index:
        found = index.verify(sample=0, lock=locked)
    expected = [
        (str(kind), row_id, *((None, None) if kind in OF_ROWS else (1, 7 if kind is Kind.EXTRA else part)))
        for kind, row_id, part in planted
        if not (quietly and kind is Kind.LOST_ROW)
    ]
    assert sorted(defects(found)) == sorted(expected)
    assert found.counts == {str(kind): 20 for kind in PLANTED if not (quietly and kind is Kind.LOST_ROW)}
    assert found.differences is not None
    assert found.differences[0].startswith("280 rows with ")
    assert not found.ok


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize(
    "cell",
    [
        "tokens = 5000000000",
        "tokens = 'x'",
        "tokens = -7",
        "truncated = 'x'",
        "address = 'x'",
        "address = 7",
        "text_hash = 'x'",
        "checksum = 7",
        "part = -1",
        "part = 5000000000",
        "part = 'x'",
        "\"start\" = 'x'",
        '"end" = 1e300',
        "vid = 'x'",
    ],
)
def test_cells_of_any_type_and_size_are_defects_that_are_mended(
    index: Index, path: Path, cell: str, quietly: bool
) -> None:
    harm(path, f"UPDATE parts_2 SET {cell} WHERE {PART.format(id='r07', part=1)}", quietly=quietly)
    found = index.verify(sample=0)
    assert {d.id for d in found.defects} == {"r07"}
    assert not found.ok
    assert index.verify(sample=0, repair=True).ok
    assert index.verify(everything=True).ok


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind not in OF_ROWS])
def test_vectors_of_every_generation_are_looked_at(index: Index, path: Path, kind: Kind, generation: int) -> None:
    harm(path, PLANTED[kind].format(id="r07", part=1, n=generation))
    assert defects(index.verify(sample=0)) == [(str(kind), "r07", generation, 7 if kind is Kind.EXTRA else 1)]


def test_a_vector_of_another_model_with_all_bookkeeping_right_is_found_by_asking_the_model(
    index: Index, path: Path, model: FakeModel
) -> None:
    forged = np.roll(model.vector("whatever"), 1)
    with closing(sqlite3.connect(path)) as connection:
        sql = f"SELECT address, tokens FROM parts_2 WHERE {PART.format(id='r03', part=0)}"
        place, tokens = connection.execute(sql).fetchone()
    mark = checksum(place, forged.tobytes(), tokens, False)
    harm(
        path,
        f"UPDATE vectors_2 SET {columns(forged)} WHERE {PART.format(id='r03', part=0)}",
        f"UPDATE parts_2 SET checksum = x'{mark.hex()}' WHERE {PART.format(id='r03', part=0)}",
        quietly=True,
    )
    assert index.verify(sample=0).ok
    (defect,) = index.verify(everything=True).defects
    assert (defect.kind, defect.id, defect.generation, defect.part) == (Kind.MODEL, "r03", 2, 0)
    assert defect.detail.startswith("cosine ")


def test_a_sum_that_is_not_that_of_its_vector_is_found_and_mended(index: Index, path: Path, model: FakeModel) -> None:
    before = index.search("First sentence of 7 here.", k=1)
    harm(path, f"UPDATE vectors_2 SET sum = x'00000001' WHERE {PART.format(id='r07', part=0)}", quietly=True)
    with Index(path, model, vault="none") as other:
        assert other.search("First sentence of 7 here.", k=1) != before  # it is not searched
        assert defects(other.verify(sample=0)) == [(str(Kind.ALTERED), "r07", 2, 0)]
        assert other.verify(repair=True, sample=0).ok
        assert other.search("First sentence of 7 here.", k=1) == before


def test_a_vector_that_is_not_of_unit_length_is_found(index: Index, path: Path) -> None:
    long = np.full(16, 0.5, "<f4")
    where = PART.format(id="r03", part=0)
    with closing(sqlite3.connect(path)) as connection:
        place, tokens = connection.execute(f"SELECT address, tokens FROM parts_2 WHERE {where}").fetchone()
    mark = checksum(place, long.tobytes(), tokens, False)
    harm(
        path,
        f"UPDATE vectors_2 SET {columns(long)} WHERE {where}",
        f"UPDATE parts_2 SET checksum = x'{mark.hex()}' WHERE {where}",
        quietly=True,
    )
    (defect,) = index.verify(sample=0).defects
    assert str(defect) == "not of unit length: r03 (generation 2, part 0): its length is 2"


def test_a_zero_vector_that_the_model_gives_is_no_defect(path: Path) -> None:
    class Cancelling(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            return super().vector(text) * (0 if "nothing" in text else 1)

    with Index(path, Cancelling(), vault="none") as index:
        index.sync(rows("a:something", "b:nothing"))
        found = index.verify(sample=0)
        assert (found.ok, found.compared) == (True, {1: 1})  # it is looked at in any case
    with Index(path, FakeModel(), vault="none") as other:
        assert [d.kind for d in other.verify(sample=0).defects] == [Kind.MODEL]


@pytest.mark.parametrize(
    ("statement", "kind", "row_id"),
    [
        ("INSERT INTO rows (id, scope) VALUES ('foreign', 'default')", Kind.EXTRA_ROW, "foreign"),
        ("UPDATE rows SET id = 'other' WHERE id = 'r05'", Kind.TEXT, "other"),
        ("DELETE FROM texts WHERE key = " + KEY.format(id="r05"), Kind.TEXT, "r05"),
        ("UPDATE texts SET text = CAST(x'61ff62' AS TEXT) WHERE key = " + KEY.format(id="r05"), Kind.TEXT, "r05"),
        ("UPDATE rows SET metadata = '{' WHERE id = 'r05'", Kind.METADATA, "r05"),
    ],
)
def test_other_things_that_happen_to_rows(index: Index, path: Path, statement: str, kind: Kind, row_id: str) -> None:
    harm(path, statement)
    assert (str(kind), row_id, None, None) in defects(index.verify(sample=0))


def test_a_row_that_was_renamed_on_the_disk_is_found(index: Index, path: Path) -> None:
    harm(path, "UPDATE rows SET id = 'other' WHERE id = 'r05'", quietly=True)
    assert defects(index.verify(sample=0)) == [("altered row", "other", None, None)]


def test_spans_that_are_not_the_splitters_are_found(index: Index, path: Path) -> None:
    harm(path, f'UPDATE parts_2 SET "end" = "end" - 1 WHERE {PART.format(id="r05", part=1)}', quietly=True)
    assert defects(index.verify(sample=0)) == [("vector of another text", "r05", 2, 1)]


def test_orphans_are_counted_and_named(index: Index, path: Path) -> None:
    harm(path, *(f"INSERT INTO texts VALUES ({key}, 'no row')" for key in range(900, 912)))
    found = index.verify(sample=0)
    assert not found.ok
    assert found.counts == {"texts without a row": 12}
    assert found.orphans[0].examples[0] == "900"


def test_a_row_that_only_lost_its_hash_is_no_defect_but_counted(index: Index, path: Path) -> None:
    harm(path, "UPDATE rows SET scope = 'elsewhere' WHERE id = 'r05'")
    found = index.verify(sample=0)
    assert (found.ok, found.unsettled) == (True, 1)


def test_a_damaged_file_is_a_defect_and_no_crash(index: Index, path: Path) -> None:
    index.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'vectors_2'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 16384 : page * 16384] = b"\xa5" * 16384
    path.write_bytes(content)
    with Index(path, vault="none", models=[FakeModel(), FakeModel("old")]) as other:
        found = other.verify()
    assert not found.ok
    assert found.counts["damaged database"] >= 1


def test_the_vectors_of_an_api_may_move_within_its_noise(path: Path) -> None:
    class Api(FakeModel):
        moved = 0.0

        @property
        def space(self) -> Any:
            return replace(super().space, kind="api")

        def vector(self, text: str) -> np.ndarray:
            made = super().vector(text).astype(np.float64)
            made[0] += self.moved
            return (made / np.linalg.norm(made)).astype(np.float32)

    with Index(path, Api(), vault="none") as index:
        index.sync(rows("a:one", "b:two"))
    noisy, other = Api(), Api()
    noisy.moved, other.moved = 0.05, 1.0
    with Index(path, noisy, vault="none") as index:
        assert index.verify(sample=2).ok
    with Index(path, other, vault="none") as index:
        unasked = index.verify()
        assert (unasked.ok, unasked.compared) == (True, {})
        assert unasked.not_compared == {1: "fake has its price: ask for a sample, or for all"}
        found = index.verify(sample=2)
        assert [d.kind for d in found.defects] == [Kind.MODEL] * 2
        assert "below 0.990000" in found.defects[0].detail


def test_computing_everything_again_stays_within_a_limit_of_cost(path: Path) -> None:
    dear = FakeModel()
    dear.dollars_per_million_tokens = 1_000_000.0
    with Index(path, dear, vault="none") as index:
        index.sync(rows(*(f"{i}:one" if i < 3 else f"{i}:text {i}" for i in range(6))))
        found = index.verify(everything=True, max_cost=5.0)
        assert found.root is not None
        assert found.not_compared[1].startswith("the limit of $5.00 is reached")
        assert (found.ok, found.counts, found.unproven) == (False, {}, found.not_compared[1])
        assert index.verify(everything=True, max_cost=9.0).not_compared == {}


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.METADATA])
def test_what_was_damaged_on_the_disk_is_no_answer(
    index: Index, path: Path, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    assert index.search("First sentence of 7 here.", k=1)[0].id == "r07"
    harm(path, PLANTED[kind].format(id="r07"), quietly=True)
    assert "r07" not in {hit.id for hit in index.search("First sentence of 7 here.", k=80)}
    assert "row 'r07' is damaged and left out" in caplog.text


def test_one_moment_is_looked_at_whoever_writes_meanwhile(index: Index, path: Path, model: FakeModel) -> None:
    """A sync ends while the rows are read: its rows are neither half there nor extra; the root is that of before."""
    before, written = index.lock(), []

    def write(progress: Progress) -> None:
        if progress.phase == "checking" and not written:
            written.append(progress.phase)
            with Index(path, model, vault="none", models=[FakeModel("old")]) as other:
                other.sync(rows("new:text", "r07:Another text."), allow_mass_deletion=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("idembed.index.verify._ROWS", 1)
        found = index.verify(progress=write)
    assert (written, found.ok, found.rows) == (["checking"], True, 40)
    assert found.root is not None
    assert found.root.root == before.root
    assert index.verify().rows == 2


def test_vectors_that_the_model_does_not_make_again_are_not_compared(
    index: Index, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = model.embed
    monkeypatch.setattr(model, "embed", lambda texts, *_, **__: replace(make(texts), refused={0: "it says no"}))
    found = index.verify(everything=True)
    assert (found.ok, found.compared) == (True, {1: 80, 2: 79})

    def fail(texts: list[str], *_: object, **__: object) -> Embedded:
        raise ModelError("it is on fire")

    monkeypatch.setattr(model, "embed", fail)
    found = index.verify(everything=True)
    assert found.root is not None
    assert (found.compared, found.not_compared) == ({1: 80}, {2: "it is on fire"})


# Repair ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind not in OF_ROWS])
def test_vectors_are_mended_from_the_model(
    index: Index, path: Path, kind: Kind, generation: int, quietly: bool
) -> None:
    before = index.lock()
    harm(path, PLANTED[kind].format(id="r07", part=1, n=generation), quietly=quietly)
    found = index.verify(repair=True)
    assert (found.ok, found.mended, found.unsettled) == (True, 1, 0)
    assert index.lock() == before
    assert index.plan(rows(*(f"r{i:02}:{TEXT.format(i)}" for i in range(40)), kind="x")).is_empty


def test_vectors_are_mended_from_the_vault_before_the_model_is_asked(path: Path, tmp_path: Path) -> None:
    model = FakeModel()
    with Index(path, model, vault=tmp_path / "vault") as index:
        index.sync(rows("a:one", "b:two"))
        harm(path, f"UPDATE vectors_1 SET vector = {OTHER}")
        model.asked.clear()
        found = index.verify(repair=True, sample=0)
        assert (found.ok, found.mended, model.asked) == (True, 2, [])


def test_what_the_model_says_replaces_what_it_does_not(path: Path) -> None:
    class Moved(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            return -super().vector(text)

    with Index(path, Moved(), vault="none") as index:
        index.sync(rows("a:one", "b:two"))
    with Index(path, FakeModel(), vault="none") as index:
        assert index.verify().counts == {"not what the model says": 2}
        found = index.verify(repair=True)
        assert (found.ok, found.mended) == (True, 2)


def test_orphans_are_swept(index: Index, path: Path) -> None:
    harm(path, "INSERT INTO texts VALUES (900, 'no row')")
    found = index.verify(repair=True)
    assert (found.ok, found.mended) == (True, 1)


@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.METADATA])
def test_what_a_row_said_is_only_known_to_its_source(index: Index, path: Path, kind: Kind, quietly: bool) -> None:
    source = rows(*(f"r{i:02}:{TEXT.format(i)}" for i in range(40)), kind="x")
    harm(path, PLANTED[kind].format(id="r07"), quietly=quietly)
    found = index.verify(repair=True)
    assert (found.ok, found.unsettled) == (False, 1)
    if kind is Kind.TEXT:  # no answer is given by a text that is not the one its vectors are of
        assert "r07" not in {hit.id for hit in index.search(TEXT.format(7), k=80)}
    report = index.sync(source)
    assert report.changed + report.updated == 1
    assert index.verify().ok


def test_without_the_model_what_is_broken_stays_and_is_named(index: Index, path: Path, model: FakeModel) -> None:
    harm(path, PLANTED[Kind.ALTERED].format(id="r07", part=1, n=1))
    with Index(path, model, vault="none") as other:
        found = other.verify(repair=True)
        assert (found.ok, found.mended) == (False, 0)
        assert "which is not there any more" in found.not_compared[1]


def test_nothing_is_written_by_looking(index: Index, path: Path) -> None:
    harm(path, PLANTED[Kind.ALTERED].format(id="r07", part=1, n=2), PLANTED[Kind.TEXT].format(id="r08"))
    index._catalog.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    before = path.read_bytes()
    index.verify()
    index.lock()
    index.status()
    index._catalog.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    assert path.read_bytes() == before


# Approximate search ----------------------------------------------------------------------------------


def test_recall_is_the_share_of_the_nearest_that_a_search_finds(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    store, active = index._catalog.readable()
    assert recall_at_10(store, active) == 1.0
    search = store.search

    def misses_half(number: int, queries: Any, k: int, *args: Any, **kwargs: Any) -> Any:
        return [matches[::2] for matches in search(number, queries, k, *args, **kwargs)]

    monkeypatch.setattr(store, "search", misses_half)
    assert recall_at_10(store, active) == 0.5
    monkeypatch.setattr(store, "has_ann", lambda number: True)
    assert index.verify(sample=0).recall == 0.5


def test_rows_that_are_counted_and_not_found_by_their_ids_are_damage(tmp_path: Path, model: FakeModel) -> None:
    lancedb = pytest.importorskip("lancedb")
    with Index(f"lance://{tmp_path}/pets", model=model) as index:
        index.sync(rows("a:one", "b:two", "c:three"))
        assert index.verify().ok
    table = lancedb.connect(tmp_path / "pets").open_table("g1")
    table.update(where="id = 'b'", values={"_key": "XXXX"})
    with Index(f"lance://{tmp_path}/pets", model=model) as index:
        found = index.verify()
    assert not found.ok
    assert [(defect.kind, defect.detail) for defect in found.defects] == [
        (Kind.DAMAGE, "1 row that the database counts cannot be read by id")
    ]
