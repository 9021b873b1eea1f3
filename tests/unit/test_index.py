"""The index with a model that costs nothing: every behaviour of sync, upsert, delete, search and reading."""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fake_models import FakeModel, FakeWords, one_row_a_batch, rows

from databases import on_sqlite
from idembed.errors import (
    DiskFullError,
    IdembedError,
    IndexNotFoundError,
    LeaseHeldError,
    MassDeletionError,
    NoKnownWordError,
    OptionError,
    RowError,
    SourceError,
    SpaceMismatchError,
    StoreError,
    TooLongError,
    VaultError,
)
from idembed.index import Index, Progress, Report
from idembed.index.owner import hold
from idembed.index.search import find_hits
from idembed.models.base import Receipt, TruncationWarning
from idembed.rows import Row, check_row
from idembed.space import Side, address
from idembed.stores.base import PartRecord, RowRecord
from idembed.vault.segment import write_segment

CATS = rows("a:a cat", "b:a dog", "c:a fox")


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(place: Path | str, tmp_path: Path, model: FakeModel) -> Iterator[Index]:
    with Index(place, model, vault=tmp_path / "vault") as opened:
        yield opened


# Sync ----------------------------------------------------------------------------------------------


def test_first_sync_embeds_each_text_once(index: Index, model: FakeModel) -> None:
    report = index.sync([*CATS, *rows("d:a cat")])
    assert str(report) == "embedded 3, reused 1, updated 0, deleted 0"
    assert (report.added, report.changed) == (4, 0)
    assert model.asked == ["a cat", "a dog", "a fox"]
    assert index.count() == len(index) == 4


def test_the_same_source_again_does_nothing(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    assert str(index.sync(CATS)) == "embedded 0, reused 3, updated 0, deleted 0"
    assert model.asked == []


def test_a_noop_sync_asks_for_no_model(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "pets.db", model) as first:
        first.sync(CATS)
    with Index(tmp_path / "pets.db") as second:  # "fake" is no model that could be loaded
        assert str(second.sync(CATS)) == "embedded 0, reused 3, updated 0, deleted 0"


def test_changed_deleted_and_added_rows(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    report = index.sync(rows("a:a cat", "b:two dogs", "d:an owl"))
    assert str(report) == "embedded 2, reused 1, updated 0, deleted 1"
    assert model.asked == ["two dogs", "an owl"]
    assert [row.id for row in index.scan()] == ["a", "b", "d"]


def test_metadata_alone_embeds_nothing(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    report = index.sync(rows("a:a cat", "b:a dog", "c:a fox", year=2020))
    assert str(report) == "embedded 0, reused 3, updated 3, deleted 0"
    assert index.get("a") == Row("a", "a cat", {"year": 2020})
    assert model.asked == []


def test_key_order_and_number_spelling_are_no_change(index: Index) -> None:
    index.sync([{"id": "a", "text": "t", "metadata": {"x": 1, "y": 2.0}}])
    report = index.sync([{"id": "a", "text": "t", "metadata": {"y": 2, "x": 1.0}}])
    assert str(report) == "embedded 0, reused 1, updated 0, deleted 0"


def test_swapped_texts_embed_nothing(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    report = index.sync(rows("a:a dog", "b:a cat", "c:a fox"))
    assert str(report) == "embedded 0, reused 3, updated 0, deleted 0"
    assert [hit.id for hit in index.search("a dog", k=1)] == ["a"]
    assert model.asked == []


def test_texts_swapped_far_apart_embed_nothing(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_row_a_batch(monkeypatch)
    many = [f"{i:03}:text {i}" for i in range(50)]
    reversed_texts = [f"{i:03}:text {49 - i}" for i in range(50)]
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "default"))
    with Index(tmp_path / "far.db", model) as index:
        index.sync(rows(*many))
        model.asked.clear()
        assert str(index.sync(rows(*reversed_texts))) == "embedded 0, reused 50, updated 0, deleted 0"
        assert model.asked == []
        assert {row.id: row.text for row in index.scan()}["007"] == "text 42"
        assert index.search("text 42", k=1)[0].id == "007"
    assert not [path for path in (tmp_path / "default").rglob("*") if path.is_file()]  # nothing in flight is left


def test_without_a_vault_nothing_is_kept_outside_the_index(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_row_a_batch(monkeypatch)
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "default"))
    with Index(tmp_path / "none.db", model, vault="none") as index:
        index.sync(CATS)
        assert index.sync(rows("a:a fox", "b:a cat", "c:a dog")).embedded == 0
    assert not (tmp_path / "default").exists()


def test_a_vault_that_cannot_be_written_does_not_stop_a_local_model(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_row_a_batch(monkeypatch)
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    with Index(tmp_path / "a.db", model) as index:
        index.sync(CATS)
        assert index.sync(rows("a:a fox", "b:a cat", "c:a dog")).embedded == 0
    with Index(tmp_path / "b.db", model, vault="all") as index, pytest.raises(VaultError):
        index.sync(CATS)


def test_a_vault_whose_disk_is_full_does_not_stop_a_local_model(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, *rest: object) -> None:
        if tmp_path in folder.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_segment(folder, *rest)  # type: ignore[arg-type]

    one_row_a_batch(monkeypatch)
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "full"))
    monkeypatch.setattr("idembed.vault.writer.write_segment", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path.parent))
    with Index(tmp_path / "a.db", model) as index:
        index.sync(CATS)
        assert index.sync(rows("a:a fox", "b:a cat", "c:a dog")).embedded == 0
    with Index(tmp_path / "b.db", model, vault="all") as index, pytest.raises(DiskFullError):
        index.sync(CATS)


@pytest.mark.parametrize("splitter", ["7", '"x"', '{"name":"passages","size":"x","version":1}', '{"size":7}'])
def test_a_record_of_how_texts_are_split_that_describes_nothing_is_refused(
    tmp_path: Path, model: FakeModel, splitter: str
) -> None:
    with Index(tmp_path / "a.db", model, split=30) as index:
        index.sync(CATS)
    with closing(sqlite3.connect(tmp_path / "a.db")) as other, other:
        other.execute("UPDATE meta SET settings = ?", (f'{{"splitter":{splitter}}}',))
    with pytest.raises(IdembedError):
        Index(tmp_path / "a.db", model, split=30)


@on_sqlite
def test_the_next_sync_mends_a_vector_that_another_program_overwrote(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    with closing(sqlite3.connect(index._catalog.url)) as other:
        other.execute("UPDATE vectors_1 SET vector = (SELECT vector FROM vectors_1 WHERE vid = 2) WHERE vid = 1")
        other.commit()
    index.sync(CATS)
    hit = index.search("a cat", k=1)[0]
    assert (hit.id, hit.score) == ("a", pytest.approx(1.0))
    with Index(index._catalog.url) as again:
        assert again._catalog.readable()[0].get(["a"], 1)["a"].parts[0].vector is not None


@on_sqlite
def test_a_row_whose_text_and_vector_another_program_edited_is_not_exported(index: Index, tmp_path: Path) -> None:
    index.sync(CATS)
    with closing(sqlite3.connect(index._catalog.url)) as other:
        other.execute("UPDATE texts SET text = 'edited' WHERE key = (SELECT key FROM rows WHERE id = 'a')")
        other.execute("UPDATE vectors_1 SET vector = zeroblob(64) WHERE key = (SELECT key FROM rows WHERE id = 'a')")
        other.commit()
    assert index.export(tmp_path / "out.jsonl") == 2
    with pytest.raises(RowError, match="row 'a' has no vector"):
        index.search(id="a")


def test_a_text_that_moves_to_another_id_embeds_nothing(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    report = index.sync(rows("a:a cat", "b:a dog", "moved:a fox"))
    assert str(report) == "embedded 0, reused 3, updated 0, moved 1, deleted 0"
    assert (report.added, report.moved, report.deleted) == (0, 1, 0)
    assert model.asked == []


def test_an_empty_source_is_refused(index: Index) -> None:
    index.sync(CATS)
    with pytest.raises(MassDeletionError, match="no rows; scope 'default' holds 3"):
        index.sync([])
    assert index.count() == 3
    assert index.sync([], allow_empty=True).deleted == 3


def test_deleting_more_than_half_is_refused(index: Index) -> None:
    index.sync(CATS)
    with pytest.raises(MassDeletionError, match="would delete 2 of the 3 rows of scope 'default'"):
        index.sync(rows("a:a cat"))
    assert index.count() == 3
    assert index.sync(rows("a:a cat"), allow_mass_deletion=True).deleted == 2


def test_a_source_is_the_truth_for_its_scope_only(index: Index) -> None:
    index.sync(CATS, scope="cats")
    index.sync(rows("x:a car"), scope="cars")
    assert index.sync(CATS, scope="cats").deleted == 0
    assert (index.count("cats"), index.count("cars"), index.count()) == (3, 1, 4)
    assert [hit.id for hit in index.search("a cat", scope="cars")] == ["x"]


def test_an_id_of_another_scope_is_refused(index: Index) -> None:
    index.sync(CATS, scope="cats")
    with pytest.raises(RowError, match="row 'a' belongs to scope 'cats', not 'cars'"):
        index.sync(rows("a:a car"), scope="cars")
    with pytest.raises(RowError, match="row 'a' belongs to scope 'cats'"):
        index.upsert(rows("a:a car"), scope="cars")
    assert index.get("a") == Row("a", "a cat", {})


def test_duplicate_ids_are_refused_before_anything_is_written(index: Index, model: FakeModel) -> None:
    with pytest.raises(RowError, match="the id 'a' occurs more than once: row 1 and row 4"):
        index.sync([*CATS, *rows("a:again")])
    assert (index.count(), model.asked) == (0, [])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "t"}, "id"),
        ({"id": "z"}, "text"),
        ({"id": "z", "text": 7}, "row 'z' is int, not a string"),
        ({"id": "z", "text": ""}, "row 'z' is empty"),
        ({"id": "z", "text": " \n"}, "row 'z' has nothing but white space"),
        ({"id": "z", "text": "a\0b"}, "row 'z' contains NUL"),
        ({"id": "z", "text": "\ud800"}, r"row 'z' contains a lone surrogate \(U\+D800\)"),
        ({"id": "z", "text": "t", "metadata": {"x": float("nan")}}, "row 'z': x: nan is not a JSON number"),
        ({"id": "z", "text": "t", "metadata": {"$scope": 1}}, r"row 'z' has metadata named \$scope"),
        ({"id": "z", "text": "t", "metadata": {"n": 2**60}}, "outside ±2"),
        ({"id": "", "text": "t"}, "1 to 512 bytes"),
        ({"id": "é" * 300, "text": "t"}, "1 to 512 bytes of UTF-8, this one 600"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(index: Index, row: dict[str, object], message: str) -> None:
    index.sync(CATS)
    with pytest.raises((RowError, SourceError), match=message):
        index.sync([*CATS, *rows("d:new"), row])
    assert [found.id for found in index.scan()] == ["a", "b", "c"]


def test_a_plan_in_many_pieces_is_the_same_plan(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [f"{i}:text {i}" for i in range(40)]
    index.sync(rows(*many))
    monkeypatch.setattr("idembed.index.plan._ROWS_AT_ONCE", 3)
    changed = rows(*many[:30], "29b:new")
    changed[7]["text"] = "text seven"
    changed[8]["metadata"] = {"n": 8}
    assert str(index.plan(changed)) == "added 1, text changed 1, metadata changed 1, moved 0, deleted 10, unchanged 28"
    with pytest.raises(RowError, match=r"the id '5' occurs more than once: row 6 and row 31"):
        index.sync([*rows(*many[:30]), *rows("5:again")])
    assert index.count() == 40


def test_a_source_that_fails_at_its_end_changes_nothing(index: Index) -> None:
    def broken() -> Iterator[dict[str, object]]:
        yield from rows("a:changed")
        raise RuntimeError("connection lost")

    index.sync(CATS)
    with pytest.raises(RuntimeError, match="connection lost"):
        index.sync(broken())
    assert index.get("a") == Row("a", "a cat", {})


def test_long_texts_are_counted_marked_and_found_by_filter(index: Index) -> None:
    long = "word " * 60
    with pytest.warns(TruncationWarning, match="1 texts were longer than fake reads and were cut"):
        report = index.sync([*CATS, *rows(f"long:{long}")])
    assert report.truncated == 1
    with pytest.warns(TruncationWarning, match="1 of 1 questions were cut to the 50 tokens that fake reads"):
        index.search(long)
    assert [hit.id for hit in index.search("a cat", where={"$truncated": True})] == ["long"]
    assert len(index.search("a cat", where={"$truncated": False})) == 3


def test_on_long_error_names_the_row_and_writes_nothing(index: Index) -> None:
    with pytest.raises(TooLongError, match="row 'long' has 60 tokens; fake reads 50"):
        index.sync([*CATS, *rows("long:" + "word " * 60)], on_long="error")
    assert index.count() == 0


def test_a_typo_of_an_option_does_not_pass(index: Index) -> None:
    with pytest.raises(OptionError, match="on_long='eror'"):
        index.sync(CATS, on_long="eror")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="on_empty='none'"):
        index.sync(CATS, on_empty="none")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="scope=''"):
        index.sync(CATS, scope="")


def test_progress_is_told_in_phases(index: Index) -> None:
    seen: list[Progress] = []
    index.sync(CATS, progress=seen.append)
    index.sync(CATS[:2], progress=seen.append)
    assert Progress("embedding", 3, 3) in seen
    assert Progress("planning", 2, 2) in seen
    assert seen[-1] == Progress("deleting", 1, 1)


def test_the_plan_is_shown_without_writing(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    plan = index.plan([*rows("a:a cat", year=1), *rows("b:two dogs", "d:an owl")])
    assert str(plan) == "added 1, text changed 1, metadata changed 1, moved 0, deleted 1, unchanged 0"
    assert not plan.is_empty
    assert index.plan(CATS).is_empty
    assert [row.text for row in index.scan()] == ["a cat", "a dog", "a fox"]


# Upsert, delete ------------------------------------------------------------------------------------


def test_upsert_leaves_other_rows_alone(index: Index) -> None:
    index.sync(CATS)
    report = index.upsert(rows("a:a cat", "b:two dogs", "d:an owl"))
    assert (report.embedded, report.reused, report.added, report.changed) == (2, 1, 1, 1)
    assert [row.id for row in index.scan()] == ["a", "b", "c", "d"]


def test_delete_counts_what_was_there(index: Index) -> None:
    index.sync(CATS)
    assert index.delete(["a", "nobody"]) == 1
    assert index.delete("b") == 1
    assert [row.id for row in index.scan()] == ["c"]


# Search --------------------------------------------------------------------------------------------


def test_search_finds_the_text_itself_first(index: Index) -> None:
    index.sync(rows("a:a cat", "b:a dog", "c:a fox", kind="pet"))
    hit = index.search("a dog", k=1)[0]
    assert (hit.id, hit.text, hit.metadata, hit.part, hit.span) == ("b", "a dog", {"kind": "pet"}, 0, (0, 5))
    assert hit.score == pytest.approx(1.0)


def test_search_by_vector_normalises_it(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    assert index.search(vector=model.vector("a fox") * 7, k=1)[0].score == pytest.approx(1.0)


def test_search_by_id_leaves_the_row_itself_out(index: Index) -> None:
    index.sync([*CATS, *rows("twin:a cat")])
    hits = index.search(id="a", k=3)
    assert hits[0].id == "twin"
    assert {hit.id for hit in hits} == {"twin", "b", "c"}
    with pytest.raises(RowError, match="there is no row 'nobody'"):
        index.search(id="nobody")


def test_search_many_answers_in_order(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    assert [hits[0].id for hits in index.search_many(["a fox", "a cat"], k=1)] == ["c", "a"]
    matrix = np.stack([model.vector("a dog"), model.vector("a fox")])
    assert [hits[0].id for hits in index.search_many(matrix, k=1)] == ["b", "c"]
    assert index.search_many([]) == []


def test_min_score_and_where(index: Index) -> None:
    index.sync([*rows("a:a cat", year=2019), *rows("b:a dog", year=2021), *rows("c:a fox")])
    assert [hit.id for hit in index.search("a dog", min_score=0.99)] == ["b"]
    assert [hit.id for hit in index.search("a cat", where={"year": {"gte": 2020}})] == ["b"]
    assert index.search("a cat", where={"year": "2019"}) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of"),
        ({"text": "a", "id": "a"}, "exactly one of"),
        ({"text": "a", "k": 0}, "k=0"),
        ({"text": "a", "k": "3"}, "k='3'"),
        ({"text": "a", "k": True}, "k=True"),
        ({"text": "a", "min_score": float("nan")}, "min_score=nan"),
        ({"text": "a", "min_score": "x"}, "min_score='x'"),
        ({"vector": "abc"}, "not an array of numbers"),
        ({"vector": [1j] * 16}, "complex"),
        ({"text": " "}, "query 0"),
        ({"vector": [1.0]}, "1 numbers, this index needs 16"),
        ({"vector": [0.0] * 16}, "zero"),
        ({"vector": [float("nan")] * 16}, "NaN"),
    ],
)
def test_a_bad_question_is_refused(index: Index, arguments: dict[str, object], message: str) -> None:
    index.sync(CATS)
    with pytest.raises(OptionError, match=message):
        index.search(**arguments)  # type: ignore[arg-type]


def test_one_text_is_not_a_list_of_questions(index: Index) -> None:
    index.sync(CATS)
    with pytest.raises(OptionError, match="takes a list of texts, not one text"):
        index.search_many("a cat")


def test_a_hit_never_pairs_an_old_score_with_a_new_text(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.sync(CATS)
    store, active = index._catalog.readable()
    found = store.search(active.number, index.model.embed(["a dog"], "query").vectors, 3)
    index.sync(rows("a:a cat", "b:something else", "c:a fox"))
    assert {hit.id for hit in find_hits(store, active, found, None)[0]} == {"a", "c"}


def test_a_closed_index_says_so(index: Index) -> None:
    index.sync(CATS)
    index.close()
    for use in (index.count, lambda: index.get("a"), lambda: list(index.scan()), lambda: index.sync(CATS)):
        with pytest.raises(StoreError, match=r"was closed"):
            use()


def test_searching_what_is_not_there_makes_no_file(tmp_path: Path) -> None:
    with Index(tmp_path / "typo.db") as index, pytest.raises(IndexNotFoundError, match=r"typo\.db"):
        index.search("a cat")
    assert list(tmp_path.iterdir()) == []


# Reading -------------------------------------------------------------------------------------------


def test_get_one_or_several(index: Index) -> None:
    index.sync([*CATS, {"id": 7, "text": "a whole number"}])
    assert index.get(7) == index.get("7") == Row("7", "a whole number", {})
    assert index.delete(7) == 1
    with pytest.raises(RowError, match=r"ids\[0\]"):
        index.get([1.5])  # type: ignore[list-item]
    assert index.get("nobody") is None
    assert index.get(["a", "nobody"]) == {"a": Row("a", "a cat", {})}


def test_scan_resumes_after_an_id(index: Index) -> None:
    index.sync(CATS)
    assert [row.id for row in index.scan(after="a")] == ["b", "c"]


def test_export_jsonl_holds_the_very_vectors(index: Index, model: FakeModel, tmp_path: Path) -> None:
    index.sync(CATS)
    assert index.export(tmp_path / "out.jsonl") == 3
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert list(first) == ["id", "part", "start", "end", "text", "metadata", "vector"]
    assert np.array(first["vector"], np.float32).tobytes() == model.vector("a cat").tobytes()


def test_export_parquet_and_csv(index: Index, model: FakeModel, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    index.sync(CATS)
    for suffix in ("parquet", "csv"):
        assert index.export(tmp_path / f"out.{suffix}") == 3
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist() == ["a", "b", "c"]
    expected = np.stack([model.vector(text) for text in ("a cat", "a dog", "a fox")]).tobytes()
    assert np.array(table["vector"].to_pylist(), np.float32).tobytes() == expected


def test_export_to_an_unknown_suffix_is_refused(index: Index, tmp_path: Path) -> None:
    index.sync(CATS)
    with pytest.raises(OptionError, match=r"out\.xyz"):
        index.export(tmp_path / "out.xyz")


# Splitting -----------------------------------------------------------------------------------------


def test_a_split_text_is_found_by_its_part(tmp_path: Path, model: FakeModel) -> None:
    text = "First sentence here. Second sentence there."
    with Index(tmp_path / "s.db", model, split=25) as index:
        report = index.sync(rows(f"a:{text}"))
        assert report.embedded == 2
        hit = index.search("Second sentence there.", k=1)[0]
    assert (hit.id, hit.part, hit.text, hit.span) == ("a", 1, "Second sentence there.", (21, 43))


def test_an_edit_of_a_split_text_embeds_only_the_new_part(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "s.db", model, split=25, vault=tmp_path / "vault") as index:
        index.sync(rows("a:First sentence here. Second sentence there."))
        model.asked.clear()
        index.sync(rows("a:First sentence here. Third sentence there."))
    assert model.asked == ["Third sentence there."]


def test_the_splitter_is_settled_when_the_index_is_made(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "s.db", model) as index:
        index.sync(CATS)
        assert index.splitter is None
    with pytest.raises(OptionError, match="does not split texts, but split=25 was asked"):
        Index(tmp_path / "s.db", model, split=25)


# Texts without known words ---------------------------------------------------------------------------


NOTHING = rows("n:xxx xx")
REASON = "its text has no word that fake words knows"


@pytest.fixture
def words() -> FakeWords:
    return FakeWords()


@pytest.fixture
def word_index(place: Path | str, words: FakeWords) -> Iterator[Index]:
    with Index(place, words, vault="none") as opened:
        yield opened


def test_a_row_without_known_words_is_refused_before_anything_is_written(word_index: Index, words: FakeWords) -> None:
    with pytest.raises(NoKnownWordError, match="the text of row 'n' has no word that fake words knows") as caught:
        word_index.sync([*CATS, *NOTHING])
    assert caught.value.facts == {"id": "n", "part": 0}
    with pytest.raises(NoKnownWordError, match="row 'n'"):
        word_index.upsert([*CATS, *NOTHING])
    assert (word_index.count(), words.asked) == (0, [])


def test_a_row_without_known_words_is_left_out_and_told(word_index: Index, words: FakeWords) -> None:
    report = word_index.sync([*CATS, *NOTHING], on_empty="skip")
    assert (report.added, report.embedded, report.reused, report.skipped) == (3, 3, 0, (("n", REASON),))
    assert [row.id for row in word_index.scan()] == ["a", "b", "c"]
    assert words.asked == ["a cat", "a dog", "a fox"]


def test_a_row_that_is_left_out_again_writes_nothing(word_index: Index, words: FakeWords) -> None:
    word_index.sync([*CATS, *NOTHING], on_empty="skip")
    words.asked.clear()
    fence = word_index._catalog.readable()[0].writer()
    report = word_index.sync([*CATS, *NOTHING], on_empty="skip")
    assert str(report) == "embedded 0, reused 3, updated 0, deleted 0"
    assert report.skipped == (("n", REASON),)
    assert (words.asked, word_index._catalog.readable()[0].writer()) == ([], fence)


def test_a_source_of_nothing_known_makes_no_index(tmp_path: Path, words: FakeWords) -> None:
    with Index(tmp_path / "none.db", words) as index:
        assert index.sync(NOTHING, on_empty="skip").skipped == (("n", REASON),)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [Index.sync, Index.upsert])
def test_a_row_that_loses_its_known_words_leaves_the_index(word_index: Index, write: Callable[..., Report]) -> None:
    word_index.sync(CATS)
    report = write(word_index, rows("a:a cat", "b:xxx", "c:a fox"), on_empty="skip")
    assert (report.deleted, report.changed, report.reused, report.skipped) == (1, 0, 2, (("b", REASON),))
    assert [row.id for row in word_index.scan()] == ["a", "c"]
    assert {hit.id for hit in word_index.search("a dog")} == {"a", "c"}


def test_leaving_out_more_than_half_is_refused_as_deleting_is(word_index: Index) -> None:
    word_index.sync(CATS)
    source = rows("a:a cat", "b:xxx", "c:xx")
    with pytest.raises(MassDeletionError, match="would delete 2 of the 3 rows"):
        word_index.sync(source, on_empty="skip")
    assert word_index.count() == 3
    assert word_index.sync(source, on_empty="skip", allow_mass_deletion=True).deleted == 2


def test_metadata_of_a_row_that_is_there_asks_no_model(word_index: Index, words: FakeWords) -> None:
    word_index.sync(CATS)
    words.asked_for_receipts = 0
    assert word_index.sync(rows("a:a cat", "b:a dog", "c:a fox", year=1)).updated == 3
    assert words.asked_for_receipts == 0


def test_parts_without_known_words_are_left_out_of_a_row_that_has_others(tmp_path: Path, words: FakeWords) -> None:
    source = rows("a:First sentence here. Xxx xxxxx xxxxx xxxxx. Second sentence there.".replace("Xxx", "xxx"))
    with Index(tmp_path / "s.db", words, split=25) as index:
        with pytest.raises(NoKnownWordError, match="part 1 of row 'a' has no word") as caught:
            index.sync(source)
        assert caught.value.facts == {"id": "a", "part": 1}
        report = index.sync(source, on_empty="skip")
        assert (report.added, report.embedded) == (1, 2)
        assert report.skipped == (("a", "its part 1 has no word that fake words knows"),)
        assert sorted(hit.part for hit in index.search("here")) == [0, 2]
        assert str(index.sync(source)) == "embedded 0, reused 1, updated 0, deleted 0"  # nothing to do, nothing told
        words.asked.clear()
        changed = rows("a:Third sentence here. xxx xxxxx xxxxx xxxxx. Second sentence there.")
        assert index.sync(changed, on_empty="skip").embedded == 1
        assert words.asked == ["Third sentence here."]


def test_a_question_without_known_words_is_refused(word_index: Index) -> None:
    word_index.sync(CATS)
    with pytest.raises(NoKnownWordError, match="query 1 has no word that fake words knows: 'xxx'"):
        word_index.search_many(["a cat", "xxx"])


def test_rows_left_out_are_found_again_when_another_writer_came_between(tmp_path: Path, words: FakeWords) -> None:
    class Late(FakeWords):
        def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
            if not self.asked_for_receipts:
                with Index(tmp_path / "p.db", words) as second:
                    second.upsert(rows("n:now it is known"))
            return super().receipts(texts, side)

    with Index(tmp_path / "p.db", words) as index:
        index.sync(CATS)
    with Index(tmp_path / "p.db", Late()) as index:
        report = index.sync([*CATS, *NOTHING, *rows("d:a door")], on_empty="skip")
        assert (report.added, report.deleted, report.skipped) == (1, 1, (("n", REASON),))
        assert [row.id for row in index.scan()] == ["a", "b", "c", "d"]


def test_models_that_read_every_text_are_not_asked_for_receipts(tmp_path: Path) -> None:
    class Counting(FakeModel):
        calls = 0

        def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
            self.calls += 1
            return super().receipts(texts, side)

    with Index(tmp_path / "p.db", model := Counting(), split=25) as index:
        index.sync(CATS, on_empty="skip")
        assert model.calls == 1  # within embed
        index.search("a cat")
        assert model.calls == 2


# Two writers ------------------------------------------------------------------------------------------


class Interrupted(FakeModel):
    """Lets another writer in between planning and writing, as the lease is not yet taken then."""

    def __init__(self, between: Callable[[], object]) -> None:
        super().__init__()
        self.between = between

    def receipts(self, texts: Sequence[str], side: Side = "document") -> list[Receipt]:
        between, self.between = self.between, lambda: None
        between()
        return super().receipts(texts, side)


def test_what_another_writer_did_since_the_plan_is_planned_again(tmp_path: Path, model: FakeModel) -> None:
    def other() -> None:
        with Index(tmp_path / "p.db", model) as second:
            second.upsert(rows("b:written meanwhile", "x:extra"))

    with Index(tmp_path / "p.db", model) as index:
        index.sync(CATS)
    with Index(tmp_path / "p.db", Interrupted(other)) as index:
        report = index.sync(rows("a:a cat", "b:a dog", "c:a fox", "d:new"), on_long="error")
        assert (report.added, report.changed, report.deleted) == (1, 1, 1)
        assert [row.id for row in index.scan()] == ["a", "b", "c", "d"]
        assert index.get("b") == Row("b", "a dog", {})


def test_on_long_error_holds_for_the_second_plan_too(tmp_path: Path, model: FakeModel) -> None:
    source = [*CATS, *rows("long:" + "word " * 60)]

    def other() -> None:
        with Index(tmp_path / "p.db", model) as second:
            second.delete("long")

    with Index(tmp_path / "p.db", model) as index, pytest.warns(TruncationWarning):
        index.sync(source)
    with Index(tmp_path / "p.db", Interrupted(other)) as index:
        with pytest.raises(TooLongError, match="row 'long'"):
            index.sync([*source, *rows("d:new")], on_long="error")
        assert index.count() == 3


def test_a_row_that_another_scope_took_since_the_plan_is_refused(tmp_path: Path, model: FakeModel) -> None:
    def other() -> None:
        with Index(tmp_path / "p.db", model) as second:
            second.upsert(rows("d:theirs"), scope="theirs")

    with Index(tmp_path / "p.db", model) as index:
        index.sync(CATS)
    with Index(tmp_path / "p.db", Interrupted(other)) as index:
        with pytest.raises(RowError, match="row 'd' belongs to scope 'theirs', not 'default'"):
            index.sync([*CATS, *rows("d:ours")], on_long="error")
        assert index.get("d") == Row("d", "theirs", {})


def test_a_writer_at_work_while_we_plan_is_waited_for_and_planned_after(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "p.db", model) as first:
        first.sync(CATS)
        store, active = first._catalog.readable()
        with hold(store, 0) as writing:  # the other writer has its lease before we plan
            lease = writing.lease()

            def write_and_release() -> None:
                store.upsert(lease, [theirs])
                store.release(lease)

            place = address(active.space.id, "document", "theirs")
            part = PartRecord(0, (0, 6), place, model.vector("theirs"), 1, False)
            made = check_row("x", "theirs", {}, "")
            theirs = RowRecord(
                "x", "default", "theirs", made.text_hash, "{}", made.metadata_hash, made.row_hash, {1: [part]}
            )
            with Index(tmp_path / "p.db", Interrupted(write_and_release)) as index:
                report = index.sync([*CATS, *rows("d:new")], on_long="error")
                assert (report.added, report.deleted) == (1, 1)
                assert [row.id for row in index.scan()] == ["a", "b", "c", "d"]


# Identity and other writers ------------------------------------------------------------------------


def test_another_model_is_an_error_that_says_what_differs(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "p.db", model) as index:
        index.sync(CATS)
    with pytest.raises(SpaceMismatchError, match='weights: "fake" here, "other" there'):
        Index(tmp_path / "p.db", FakeModel("other"))


def test_a_living_writer_keeps_others_out(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "p.db", model) as first:
        first.sync(CATS)

        def slow() -> None:
            with Index(tmp_path / "p.db", model, wait=0) as second:
                second.upsert(rows("d:an owl"))

        class Busy(FakeModel):
            def embed(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
                slow()
                return super().embed(*args, **kwargs)  # type: ignore[arg-type]

        with Index(tmp_path / "p.db", Busy()) as third, pytest.raises(LeaseHeldError):
            third.upsert(rows("e:an elk"))
    with Index(tmp_path / "p.db", model) as after:
        after.upsert(rows("f:a ferret"))
        assert [row.id for row in after.scan()] == ["a", "b", "c", "f"]
