"""Vectors that exist already, taken over once a sample of them was compared with the model."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, rows
from killing import killed_at

import tiny
from idembed.errors import OptionError, RowError, SourceError, SpaceMismatchError, StoreError
from idembed.index import Index, Progress
from idembed.index.distinct import Ids, digest_of
from idembed.index.examine import Kind
from idembed.index.noise import noise_between, noise_of
from idembed.index.whose import sample_of
from idembed.models import load
from idembed.models.base import Embedded, Model, Receipt
from idembed.rows import CheckedRow, check_row
from idembed.space import Side, Space
from idembed.stores import open_store
from idembed.stores.sqlite import SQLiteStore

PETS = rows("a:a cat", "b:a dog", "c:a fox", "é:an owl", kind="pet")


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(tmp_path: Path, model: FakeModel) -> Iterator[Index]:
    with Index(tmp_path / "pets.db", model, vault="none") as opened:
        opened.sync(PETS)
        opened.sync(rows("x:other scope"), scope="other")
        yield opened


def opened(path: Path | str) -> Index:
    return Index(path, FakeModel(), vault="none")


def database(path: Path, model: FakeModel, count: int = 30, kind: str = "<f4") -> Path:
    """As other programs keep vectors: a table of ids, texts, packed floats and JSON."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE collections (id INTEGER, name TEXT)")
        connection.execute("CREATE TABLE embeddings (id TEXT, content TEXT, embedding BLOB, metadata TEXT)")
        connection.executemany(
            "INSERT INTO embeddings VALUES (?, ?, ?, ?)",
            (
                (f"r{i}", f"text {i}", model.vector(f"text {i}").astype(kind).tobytes(), json.dumps({"n": i}))
                for i in range(count)
            ),
        )
    return path


def test_vectors_of_the_model_are_taken_over_without_asking_it_for_all(tmp_path: Path, model: FakeModel) -> None:
    found = Index.adopt(database(tmp_path / "old.db", model), model=model, to=tmp_path / "new.db", sample=7)
    assert (found.rows, found.sampled, found.equal, found.lowest) == (30, 7, 7, pytest.approx(1.0))
    assert len(model.asked) == 7
    with opened(tmp_path / "new.db") as index:
        assert index.get("r3") is not None
        assert index.get("r3").metadata == {"n": 3}  # type: ignore[union-attr]
        assert index.verify(everything=True).ok
        assert index.search("text 3", k=1)[0].id == "r3"
        again = [{"id": f"r{i}", "text": f"text {i}", "metadata": {"n": i}} for i in range(30)]
        assert index.plan(again).is_empty


def test_the_index_goes_beside_the_database_unless_told(tmp_path: Path, model: FakeModel) -> None:
    Index.adopt(f"sqlite:///{database(tmp_path / 'old.db', model)}?table=embeddings", model=model)
    with opened(tmp_path / "old.idembed.db") as index:
        assert index.count() == 30


def test_vectors_of_another_model_are_refused_and_nothing_is_written(tmp_path: Path, model: FakeModel) -> None:
    place = database(tmp_path / "old.db", FakeModel("other"))
    with pytest.raises(SpaceMismatchError, match=r"old\.db, embeddings are not those of fake: of 30 compared"):
        Index.adopt(place, model=model, to=tmp_path / "new.db")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old.db"]


def test_vectors_that_another_library_computed_are_compared_within_that(tmp_path: Path, model: FakeModel) -> None:
    class Rounded(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            made = super().vector(text).astype(np.float64)
            made[0] += 1e-4
            return made.astype(np.float32)

    found = Index.adopt(database(tmp_path / "old.db", Rounded()), model=model, to=tmp_path / "new.db")
    assert (found.equal, found.lowest > 0.9999) == (0, True)
    assert "computed by another library" in str(found)
    with opened(tmp_path / "new.db") as index:
        assert index.verify(everything=True).ok
        store, active = index._catalog.readable()
        found_vectors = [part.vector for row in store.scan(active.number) for part in row.parts]
        assert [np.linalg.norm(v) for v in found_vectors if v is not None] == pytest.approx([1.0] * 30)
        assert index.rebuild().same_root is False


def test_how_far_vectors_may_be_from_the_models_follows_from_those_compared() -> None:
    assert noise_between([1.0, 1 - 1e-4]) == pytest.approx(1 - 1e-3, abs=1e-12)
    assert noise_between([0.99995]) == pytest.approx(0.9995, abs=1e-12)
    assert noise_between([1.0]) == noise_between([1 - 1e-13]) == noise_between([1 + 1e-16]) == 1 - 1e-6


def test_a_vector_farther_from_the_models_than_those_compared_is_found(tmp_path: Path, model: FakeModel) -> None:
    """It has a cosine of 0.99995 with the model's, the others of 0.9999999."""

    class Rounded(FakeModel):
        def vector(self, text: str) -> np.ndarray:
            made = super().vector(text).astype(np.float64)
            made[0] += 1e-2 if text == last else 1e-4
            return made.astype(np.float32)

    names = sorted((f"r{i}" for i in range(30)), key=digest_of)
    last = names[-1].replace("r", "text ")
    found = Index.adopt(database(tmp_path / "old.db", Rounded()), model=model, to=tmp_path / "new.db", sample=20)
    assert found.lowest > 1 - 1e-7
    with opened(tmp_path / "new.db") as index:
        assert [(d.kind, d.id) for d in index.verify(everything=True).defects] == [(Kind.MODEL, names[-1])]


def test_vectors_that_are_equal_to_the_bit_must_stay_so(tmp_path: Path, model: FakeModel) -> None:
    Index.adopt(database(tmp_path / "old.db", model), model=model, to=tmp_path / "new.db")
    with opened(tmp_path / "new.db") as index:
        store, active = index._catalog.readable()
        assert noise_of(store.read_meta()[1], active) is None


def test_in_a_space_where_lengths_count_they_are_compared(tmp_path: Path) -> None:
    class Dot(FakeModel):
        factor = 1.0

        @property
        def space(self) -> Space:
            return Space("fake", self.dim, "dot", {"weights": self.name})

        def vector(self, text: str) -> np.ndarray:
            return super().vector(text) * np.float32(self.factor)

    place = database(tmp_path / "old.db", Dot())
    longer = Dot()
    longer.factor = 1.5
    with pytest.raises(SpaceMismatchError, match=r"the lowest cosine is 0\.9231"):
        Index.adopt(place, model=longer, to=tmp_path / "new.db")
    assert Index.adopt(place, model=Dot(), to=tmp_path / "new.db").equal == 30


# Profiles ------------------------------------------------------------------------------------------


def exported(folder: Path, model: Path | str) -> Path:
    """The vectors of four texts that the model computes, as a file."""
    return written(folder, load(model).embed(TEXTS).vectors)


def written(folder: Path, made: np.ndarray) -> Path:
    lines = (json.dumps({"id": t, "text": t, "vector": v.tolist()}) for t, v in zip(TEXTS, made, strict=True))
    (folder / "old.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder / "old.jsonl"


TEXTS = ["the cat sat", "a dog", "the mat", "dogs"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.checkpoint(tmp_path / "model")


@pytest.mark.parametrize("profile", ["f32", "i16", "i8"])
def test_vectors_of_the_very_profile_are_taken_over(folder: Path, tmp_path: Path, profile: str) -> None:
    name = f"{folder}?profile={profile}"
    assert Index.adopt(exported(tmp_path, name), model=name, to=tmp_path / "new.db").equal == 4


def test_vectors_of_f32_are_not_taken_for_those_of_i16(folder: Path, tmp_path: Path) -> None:
    place = exported(tmp_path, folder)
    with pytest.raises(SpaceMismatchError, match=r"are not those of .*\?profile=i16-1 to the bit") as caught:
        Index.adopt(place, model=f"{folder}?profile=i16", to=tmp_path / "new.db")
    assert caught.value.facts["lowest"] > 0.9999
    assert "adopt without a profile, then idembed upgrade" in caught.value.hint
    assert not (tmp_path / "new.db").exists()


def test_vectors_of_i16_are_not_taken_for_those_of_f32(folder: Path, tmp_path: Path) -> None:
    place = exported(tmp_path, f"{folder}?profile=i16")
    with pytest.raises(SpaceMismatchError, match=r"but those of .*\?profile=i16-1 to the bit") as caught:
        Index.adopt(place, model=str(folder), to=tmp_path / "new.db")
    assert f"--model '{folder}?profile=i16-1'" in caught.value.hint
    assert not (tmp_path / "new.db").exists()


def test_profiles_of_one_checkpoint_have_the_same_prompts_and_maximum_length(folder: Path, tmp_path: Path) -> None:
    def model(profile: str) -> Model:
        return load(folder, profile, max_length=4, prompts={"document": "the "})

    made = model("i16").embed(TEXTS).vectors
    written(tmp_path, made)
    with pytest.raises(SpaceMismatchError, match=r"but those of .*\?profile=i16-1 to the bit"):
        Index.adopt(tmp_path / "old.jsonl", model=model("f32"), to=tmp_path / "new.db")


def test_where_the_model_is_another_its_profile_is_among_the_reasons(folder: Path, tmp_path: Path) -> None:
    place = exported(tmp_path, tiny.checkpoint(tmp_path / "other", seed=1))
    with pytest.raises(SpaceMismatchError, match="of 4 compared") as caught:
        Index.adopt(place, model=str(folder), to=tmp_path / "new.db")
    assert "with its prompts, maximum length and profile" in caught.value.hint


def test_vectors_of_f32_that_another_library_computed_are_taken_over(folder: Path, tmp_path: Path) -> None:
    made = load(folder).embed(TEXTS).vectors * np.float32(1 + 1e-7)
    written(tmp_path, made)
    found = Index.adopt(tmp_path / "old.jsonl", model=str(folder), to=tmp_path / "new.db")
    assert found.equal < 4


# Stopped, and gone on with ---------------------------------------------------------------------------


class Counting(FakeModel):
    """Counts the texts whose receipts it was asked for."""

    counted = 0

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        self.counted += len(texts)
        return super().receipts(texts, side)


class Farther(FakeModel):
    """The same model, computed by another library."""

    def vector(self, text: str) -> np.ndarray:
        made = super().vector(text).astype(np.float64)
        made[0] += 1e-4
        return made.astype(np.float32)


def stopped(place: Path, to: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Adopts two rows at a time, and is stopped after four."""
    monkeypatch.setattr("idembed.index.adopt._ROWS", 2)

    def stop(progress: Progress) -> None:
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Index.adopt(place, model=FakeModel(), to=to, progress=stop, **options)


def test_a_part_of_an_adoption_is_not_mistaken_for_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(database(tmp_path / "old.db", FakeModel(), count=10), tmp_path / "new.db", monkeypatch)
    says = r"new\.db holds only a part of old\.db, embeddings"
    with opened(tmp_path / "new.db") as index:
        assert index.count() == 4
        for use in (
            lambda: index.search("text 3"),
            index.verify,
            index.status,
            index.lock,
            lambda: index.copy(tmp_path / "copy.db"),
            lambda: index.sync(PETS, allow_mass_deletion=True),
            lambda: index.upsert(PETS),
        ):
            with pytest.raises(StoreError, match=says):
                use()
        assert index.count() == 4
    assert not (tmp_path / "copy.db").exists()


def test_an_adoption_killed_anywhere_is_no_index_or_a_whole_one(
    tmp_path: Path, new_place: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.index.adopt._ROWS", 2)
    source = database(tmp_path / "old.db", FakeModel(), count=5)
    for step in range(100):
        place = new_place()

        def adopt(place: Path | str = place) -> None:
            Index.adopt(source, model=FakeModel(), to=place)

        if not killed_at(step, place, monkeypatch, adopt):
            break
        with opened(place) as index:
            if not any(generation.status == "active" for generation in index.generations):
                with pytest.raises(StoreError, match=r"holds no vectors yet|holds only a part of old"):
                    index.search("text 1")
        if place_is_not_done(place):
            adopt()
        with open_store(place) as store:
            assert "adopting" not in store.read_meta()[1]
        with opened(place) as index:
            assert [row.id for row in index.scan()] == [f"r{i}" for i in range(5)]
            assert index.verify(everything=True).ok
    assert step >= 6  # settings, generation, 3 times rows, activate


def place_is_not_done(place: Path | str) -> bool:
    """Whether an adoption into it is not known to have come to its end."""
    with open_store(place) as store:
        return not store.generations() or "adopting" in store.read_meta()[1]


def test_an_adoption_killed_before_its_end_was_noted_is_ended_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = database(tmp_path / "old.db", FakeModel(), count=5), tmp_path / "new.db"
    activate = SQLiteStore.activate

    def killed(*arguments: Any, **options: Any) -> None:
        activate(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SQLiteStore, "activate", killed)
        with pytest.raises(KeyboardInterrupt):
            Index.adopt(source, model=FakeModel(), to=place)
    with opened(place) as index:
        index.upsert(rows("r1:another text", "new:a text"), scope="default")
    with pytest.raises(OptionError, match="is an index already"):
        Index.adopt(source, model=FakeModel(), to=place, scope="other")
    assert Index.adopt(source, model=FakeModel(), to=place).rows == 5
    with opened(place) as index:
        assert [row.text for row in index.scan()] == ["a text", "text 0", "another text", "text 2", "text 3", "text 4"]
    with pytest.raises(OptionError, match="is an index already"):
        Index.adopt(source, model=FakeModel(), to=place)


def test_adopting_again_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = database(tmp_path / "old.db", Farther(), count=10)
    stopped(place, tmp_path / "new.db", monkeypatch)
    model = Counting()
    found = Index.adopt(place, model=model, to=tmp_path / "new.db", sample=3)
    assert (found.rows, model.counted) == (10, 3 + 6)  # those that are compared, and those that were not there
    with opened(tmp_path / "new.db") as index:
        assert [row.id for row in index.scan()] == [f"r{i}" for i in range(10)]
        assert index.verify(everything=True).ok
        assert index.status().generations[0].complete
    with pytest.raises(OptionError, match="is an index already"):
        Index.adopt(place, model=model, to=tmp_path / "new.db")


def test_how_far_vectors_may_be_apart_is_known_before_the_first_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(database(tmp_path / "old.db", Farther(), count=10), tmp_path / "new.db", monkeypatch)
    with open_store(tmp_path / "new.db") as store:
        (generation,) = store.generations()
        assert noise_of(store.read_meta()[1], generation) == 1 - 1e-6


def test_what_was_changed_meanwhile_is_taken_over_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = database(tmp_path / "old.db", Farther(), count=10)
    stopped(place, tmp_path / "new.db", monkeypatch)
    model = FakeModel()
    with closing(sqlite3.connect(place)) as other, other:
        other.execute("DELETE FROM embeddings WHERE id = 'r0'")
        other.execute("UPDATE embeddings SET metadata = '{}' WHERE id = 'r1'")
        other.execute("UPDATE embeddings SET embedding = ? WHERE id = 'r2'", (model.vector("text 2").tobytes(),))
    assert Index.adopt(place, model=model, to=tmp_path / "new.db").rows == 9
    with opened(tmp_path / "new.db") as index:
        store, active = index._catalog.readable()
        found = store.get(["r0", "r1", "r2"], active.number)
        assert (found.keys(), found["r1"].metadata) == ({"r1", "r2"}, {})
        assert found["r2"].parts[0].vector.tobytes() == model.vector("text 2").tobytes()  # type: ignore[union-attr]
        assert index.verify(everything=True).ok


def test_another_adoption_does_not_go_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = database(tmp_path / "old.db", FakeModel(), count=10)
    stopped(place, tmp_path / "new.db", monkeypatch)
    other = database(tmp_path / "other.db", FakeModel(), count=3)
    says = r"new\.db holds a part of old\.db, embeddings, taken over in another way"
    with pytest.raises(OptionError, match=says):
        Index.adopt(other, model=FakeModel(), to=tmp_path / "new.db")
    with pytest.raises(OptionError, match=says):
        Index.adopt(place, model=FakeModel(), to=tmp_path / "new.db", scope="other")
    with open_store(tmp_path / "new.db") as store:
        assert store.count() == 4


def test_a_source_that_grows_while_it_is_read_is_not_half_taken_over(tmp_path: Path) -> None:
    place = jsonl(tmp_path / "x.jsonl", *(record(f"r{i}", f"text {i}") for i in range(10)))

    class Slow(FakeModel):
        def embed(self, *arguments: Any, **options: Any) -> Embedded:
            place.write_text(place.read_text() + json.dumps(record("new", "a text")) + "\n")
            return super().embed(*arguments, **options)

    with pytest.raises(SourceError, match=r"x\.jsonl had 10 rows at first, and 11 when it was read again"):
        Index.adopt(place, model=Slow(), to=tmp_path / "new.db")
    with opened(tmp_path / "new.db") as index, pytest.raises(StoreError, match="holds only a part"):
        index.search("text 1")


def test_ids_are_noted_in_little_memory(model: FakeModel) -> None:
    """A set of 50,000 digests takes 6 MB."""
    vector = model.vector("a text")

    class Many:
        name = "many"

        def read(self, dim: int) -> Iterator[tuple[CheckedRow, np.ndarray]]:
            return ((check_row(f"r{i}", "a text", {}, ""), vector) for i in range(50_000))

    tracemalloc.start()
    try:
        with Ids() as ids:
            assert len(sample_of(Many(), model.dim, 10, ids)) == 10  # type: ignore[arg-type]
            assert ids.count == 50_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_id_that_was_seen_is_told_from_others() -> None:
    with Ids() as ids:
        assert ids.add(["a", "b", "é"]) is None
        assert ids.absent(["b", "c", "é"]) == ["c"]
        assert ids.add(["c", "é", "a"]) == "é"
    with Ids() as ids:
        assert ids.add(["a", "a"]) == "a"


# What can be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<f2"])
def test_packed_floats_of_any_size_are_read(tmp_path: Path, model: FakeModel, kind: str) -> None:
    found = Index.adopt(database(tmp_path / "old.db", model, kind=kind), model=model, to=tmp_path / "new.db")
    assert found.equal == 30  # the fake's numbers are exact in each


def test_an_export_can_be_taken_over(index: Index, model: FakeModel, tmp_path: Path) -> None:
    for suffix in ("jsonl", "parquet"):
        index.export(tmp_path / f"out.{suffix}")
        found = Index.adopt(tmp_path / f"out.{suffix}", model=model, to=tmp_path / f"{suffix}.db")
        assert (found.rows, found.equal) == (5, 5)
        with opened(tmp_path / f"{suffix}.db") as other:
            assert other.lock().root == index.lock().root


def record(row_id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": row_id, "text": text, "vector": FakeModel().vector(text).tolist(), **more}


def jsonl(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def test_a_line_of_json_tells_nothing_of_the_next(tmp_path: Path, model: FakeModel) -> None:
    other = {"key": "b", "body": "a dog", "emb": model.vector("a dog").tolist(), "metadata": {"n": 2}}
    lines = jsonl(tmp_path / "x.jsonl", record("a", "a cat"), other, record("c", "a fox", metadata=None))
    Index.adopt(lines, model=model, to=tmp_path / "new.db")
    with opened(tmp_path / "new.db") as index:
        assert [(row.id, row.text, row.metadata) for row in index.scan()] == [
            ("a", "a cat", {}),
            ("b", "a dog", {"n": 2}),
            ("c", "a fox", {}),
        ]


def test_metadata_that_was_named_must_be_somewhere(tmp_path: Path, model: FakeModel) -> None:
    lines = jsonl(tmp_path / "x.jsonl", record("a", "a cat"), record("b", "a dog", meta={"n": 2}), record("c", "a fox"))
    with pytest.raises(OptionError, match=r"x\.jsonl has no mata for the metadata anywhere"):
        Index.adopt(lines, model=model, to=tmp_path / "new.db", metadata="mata")
    assert not (tmp_path / "new.db").exists()
    Index.adopt(lines, model=model, to=tmp_path / "new.db", metadata="meta")
    with opened(tmp_path / "new.db") as index:
        assert index.get("b").metadata == {"n": 2}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ({"id": "a", "text": "t", "vector": [1, 2]}, SourceError, "shape"),
        ({"id": "a", "text": "t", "vector": "[1"}, SourceError, "row 'a' has no vector of 16 numbers"),
        ({"id": "a", "text": "t", "vector": [float("nan")] * 16}, SourceError, "NaN"),
        ({"id": "a", "text": "", "vector": [0.25] * 16}, RowError, "is empty"),
        ({"id": "a", "text": "t", "vector": None}, SourceError, "row 'a' has"),
        ({"id": "a", "text": "t", "part": 1, "vector": [0.25] * 16}, SourceError, "is a part of a split text"),
        ({"id": "a", "text": "t", "vector": [10**400] + [0] * 15}, SourceError, "row 'a' has no vector of 16 numbers"),
        ({"id": "a", "text": "t", "vector": [1e300] + [0] * 15}, SourceError, "too large for float32"),
        ({"id": "a", "text": "t", "vector": "[" * 9999}, SourceError, "row 'a' has no vector of 16 numbers"),
        ({"id": "a", "text": "t", "metadata": [], "vector": [0.25] * 16}, RowError, "row 'a' is list, not an object"),
        ({"id": "a", "text": "t", "metadata": 0, "vector": [0.25] * 16}, RowError, "row 'a' is int, not an object"),
        ({"id": "a", "text": "t", "metadata": "[]", "vector": [0.25] * 16}, RowError, "row 'a' is list, not an object"),
        ({"id": "a", "text": "t", "metadata": "{", "vector": [0.25] * 16}, SourceError, "line 1: its metadata is not"),
        ({"key": "a", "body": "t", "vectors": 1}, OptionError, "no column vector or embedding"),
    ],
)
def test_what_is_no_row_with_a_vector_is_named_and_nothing_is_written(
    tmp_path: Path, model: FakeModel, line: dict[str, Any], kind: type[Exception], says: str
) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(kind, match=says):
        Index.adopt(tmp_path / "x.jsonl", model=model, to=tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"id": "a", "text": "caf\xe9"}\n', r"x\.jsonl is not UTF-8: byte \d+ \(line 2\) is 0xE9"),
        (b'{"id": "a"', r"x\.jsonl, line 2 is not valid JSON"),
        (b"[1]", r"x\.jsonl, line 2 is no JSON object"),
        (b"[" * 9999, r"x\.jsonl, line 2 is nested too deeply"),
    ],
)
def test_what_cannot_be_read_of_a_file_of_lines_is_named(
    tmp_path: Path, model: FakeModel, content: bytes, says: str
) -> None:
    path = jsonl(tmp_path / "x.jsonl", record("a", "a cat"))
    path.write_bytes(path.read_bytes() + content)
    with pytest.raises(SourceError, match=says):
        Index.adopt(path, model=model, to=tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jsonl(tmp_path / "x.jsonl", record("a", "a cat"))
    opened = Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SourceError, match=r"x\.jsonl cannot be read: Permission denied"):
        Index.adopt(path, model=model, to=tmp_path / "new.db")


def test_a_broken_database_is_named(tmp_path: Path, model: FakeModel) -> None:
    place = database(tmp_path / "old.db", model)
    content = place.read_bytes()
    place.write_bytes(content[:100] + b"\xff" * 100 + content[200:])
    for url in (place, f"sqlite:///{place}?table=embeddings"):
        with pytest.raises(SourceError, match=r"old\.db cannot be read: "):
            Index.adopt(url, model=model, to=tmp_path / "new.db")


def test_a_text_that_is_not_utf8_is_named_and_not_shown(tmp_path: Path, model: FakeModel) -> None:
    place = database(tmp_path / "old.db", model)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE embeddings SET content = CAST(x'736563726574ff' AS TEXT) WHERE id = 'r7'")
    with pytest.raises(SourceError, match=r"old\.db, embeddings, row 8: a text is not UTF-8: byte 6 is 0xFF") as raised:
        Index.adopt(place, model=model, to=tmp_path / "new.db")
    assert "secret" not in str(raised.value)


def test_a_table_that_breaks_off_is_named(tmp_path: Path, model: FakeModel) -> None:
    place = database(tmp_path / "old.db", model, count=3)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute(
            "CREATE VIEW some AS SELECT id, content, embedding, "
            "CASE id WHEN 'r2' THEN json('no json') END AS metadata FROM embeddings"
        )
    with pytest.raises(SourceError, match=r"old\.db, some, after row 1, cannot be read: malformed JSON"):
        Index.adopt(place, model=model, to=tmp_path / "new.db", table="some")


def test_a_cut_off_parquet_file_is_named(index: Index, tmp_path: Path, model: FakeModel) -> None:
    index.export(tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    for broken in (content[:-20], b"PAR1" + b"\xff" * (len(content) - 300) + content[4 + len(content) - 300 :]):
        (tmp_path / "x.parquet").write_bytes(broken)
        with pytest.raises(SourceError, match=r"x\.parquet.* cannot be read: "):
            Index.adopt(tmp_path / "x.parquet", model=model, to=tmp_path / "new.db")


def test_ids_that_occur_twice_are_refused(tmp_path: Path, model: FakeModel) -> None:
    line = json.dumps({"id": "a", "text": "t", "vector": model.vector("t").tolist()})
    (tmp_path / "x.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(RowError, match="the id 'a' occurs more than once"):
        Index.adopt(tmp_path / "x.jsonl", model=model, to=tmp_path / "new.db")


def test_what_has_no_vectors_is_said(tmp_path: Path, model: FakeModel) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        connection.execute("CREATE TABLE things (id, text)")
    with pytest.raises(SourceError, match="no table has a column called vector, embedding or emb"):
        Index.adopt(tmp_path / "old.db", model=model)
    with pytest.raises(SourceError, match="there is no file"):
        Index.adopt(tmp_path / "none.db", model=model)
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(SourceError, match=r"x\.txt is of no kind"):
        Index.adopt(tmp_path / "x.txt", model=model)


def test_a_folder_and_an_index_are_told_from_a_file_of_vectors(tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        Index.adopt(tmp_path, model=model, to=tmp_path / "new.db")
    with Index(tmp_path / "pets.db", model, vault="none") as index:
        index.sync([{"id": "a", "text": "a cat"}])
    for url in (tmp_path / "pets.db", f"sqlite:///{tmp_path}/pets.db?table=texts"):
        with pytest.raises(OptionError, match="is an index of idembed already") as caught:
            Index.adopt(url, model=model, to=tmp_path / "new.db")
        assert "idembed copy" in caught.value.hint
    assert not (tmp_path / "new.db").exists()


def test_columns_can_be_named(tmp_path: Path, model: FakeModel) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        connection.execute('CREATE TABLE "odd ""name" (n INTEGER, words TEXT, embedding TEXT)')
        connection.execute(
            'INSERT INTO "odd ""name" VALUES (7, ?, ?)', ("a cat", json.dumps(model.vector("a cat").tolist()))
        )
    found = Index.adopt(tmp_path / "old.db", model=model, to=tmp_path / "n.db", id="n", text="words", table='odd "name')
    assert found.rows == 1
    with opened(tmp_path / "n.db") as index:
        assert [row.id for row in index.scan()] == ["7"]


def test_an_index_that_is_there_is_not_adopted_into(index: Index, tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(OptionError, match="is an index already"):
        Index.adopt(database(tmp_path / "old.db", model), model=model, to=tmp_path / "pets.db")
    assert index.count() == 5


def test_an_address_is_no_file_and_its_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not yet taken from a postgresql:// address") as raised:
        Index.adopt("postgresql://me:secret@host/db", model=FakeModel(), to=tmp_path / "new.db")
    assert "secret" not in str(raised.value)
