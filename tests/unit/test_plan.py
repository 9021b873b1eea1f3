"""What a plan says before a sync; what a sync does with rows that cannot be taken, with errors, with what goes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows

from idembed.errors import MassDeletionError, OptionError, SpaceMismatchError, VaultError
from idembed.index import Index
from idembed.models.base import Embedded
from idembed.space import address
from idembed.vault import Vault

CATS = rows("a:a cat", "b:a dog", "c:a fox")


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def index(tmp_path: Path, model: FakeModel) -> Iterator[Index]:
    with Index(tmp_path / "pets.db", model, vault=tmp_path / "vault") as opened:
        yield opened


def test_a_plan_without_an_estimate_asks_no_model(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    model.asked.clear()
    assert index.plan(rows("z:new"), estimate=False).estimates == ()
    assert index.plan(CATS).estimates == ()  # nothing is to be embedded
    assert model.asked == []


def test_a_plan_says_what_embedding_takes(index: Index, model: FakeModel) -> None:
    index.sync(CATS)
    (estimate,) = index.plan([*CATS, *rows("d:two words", "e:two words", "f:and three words", "g:a cat")]).estimates
    assert (estimate.model, estimate.texts, estimate.tokens, estimate.sampled) == ("fake", 2, 5, 2)
    assert estimate.dollars == 0
    assert estimate.seconds is not None
    assert estimate.seconds >= 0
    assert estimate.disk == 4 * (4 * 16 + 160)
    assert str(estimate).startswith("fake: 2 texts to embed, about 5 tokens, about ")


def test_what_a_plan_says_costs_money_is_said(tmp_path: Path) -> None:
    dear = FakeModel("dear")
    dear.dollars_per_million_tokens = 500_000.0
    with Index(tmp_path / "dear.db", dear, vault="none") as index:
        (estimate,) = index.plan(rows("a:one two three", "b:four")).estimates
    assert estimate.dollars == 2.0
    assert "about $2.00" in str(estimate)


def test_moved_rows_are_those_whose_text_another_id_had(index: Index) -> None:
    index.sync(rows("a:same", "b:same", "c:other", "d:gone"))
    plan = index.plan(rows("a:same", "x:same", "y:same", "z:other"))
    assert str(plan) == "added 1, text changed 0, metadata changed 0, moved 2, deleted 1, unchanged 1"
    report = index.sync(rows("a:same", "x:same", "y:same", "z:other"))
    assert (report.added, report.moved, report.deleted, report.embedded) == (1, 2, 1, 0)
    assert [row.id for row in index.scan()] == ["a", "x", "y", "z"]


def test_renaming_every_row_is_no_mass_deletion(index: Index) -> None:
    index.sync(rows("a:one", "b:two", "c:three"))
    report = index.sync(rows("x/a:one", "x/b:two", "x/c:three"))
    assert (report.moved, report.deleted, report.embedded) == (3, 0, 0)


def test_a_row_that_another_program_removed_comes_back(index: Index, tmp_path: Path, model: FakeModel) -> None:
    index.sync(rows("a:one", "b:two", "c:three"))
    with closing(sqlite3.connect(tmp_path / "pets.db")) as other, other:
        other.execute("DELETE FROM rows WHERE id IN ('a', 'b')")
    assert index.status().lost == 2
    plan = index.plan(rows("a:one", "c:three"))  # b left the source meanwhile
    assert (plan.added, plan.deleted, plan.lost, plan.is_empty) == (1, 0, 1, False)
    report = index.sync(rows("a:one", "c:three"))
    assert (report.added, report.deleted) == (1, 0)
    assert (index.status().lost, index.count()) == (0, 2)
    assert index.plan(rows("a:one", "c:three")).is_empty


def test_an_emptied_index_is_filled_again_without_being_allowed_to(index: Index, tmp_path: Path) -> None:
    index.sync(rows("a:one", "b:two", "c:three"))
    with closing(sqlite3.connect(tmp_path / "pets.db")) as other, other:
        other.execute("DELETE FROM rows")
    assert str(index.sync(rows("a:one", "b:two"))) == "embedded 0, reused 2, updated 0, deleted 0"  # from the vault
    assert index.status().lost == 0


def test_too_long_rows_are_set_aside_and_the_rest_goes_on(index: Index) -> None:
    long = "word " * 60
    index.sync(rows("a:a cat", "long:short", "c:a fox"))
    report = index.sync([*rows("a:a cat"), *rows(f"long:{long}"), *rows("c:a fox", "d:new")], on_long="skip")
    assert report.aside == (("long", "its text has 60 tokens; fake reads 50"),)
    assert (report.added, report.deleted, report.skipped) == (1, 1, ())
    assert [row.id for row in index.scan()] == ["a", "c", "d"]


def test_rows_that_the_model_refuses_are_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    class Fussy(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            made = super().embed(texts, *args, **kwargs)
            return replace(made, refused={n: "no tigers" for n, text in enumerate(texts) if "tiger" in text})

    with Index(tmp_path / "f.db", Fussy(), vault="none") as index:
        report = index.sync(rows("a:a cat", "b:a tiger", "c:a fox"))
        assert report.aside == (("b", "no tigers"),)
        assert (report.embedded, report.added) == (2, 2)
        assert [row.id for row in index.scan()] == ["a", "c"]
        report = index.sync(rows("a:a cat", "c:a tiger"))  # what was there is not what the source says any more
        assert (report.aside, report.deleted) == ((("c", "no tigers"),), 1)
        assert [row.id for row in index.scan()] == ["a"]
        assert index.upsert(rows("a:another tiger")).aside == (("a", "no tigers"),)
        assert index.count() == 0


def test_what_was_made_before_an_error_is_written(tmp_path: Path) -> None:
    class Failing(FakeModel):
        batch_size = 2

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            if "five" in texts:
                raise RuntimeError("the line went dead")
            return super().embed(texts, *args, **kwargs)

    source = rows("1:one", "2:two", "3:three", "4:four", "5:five", "6:six")
    with Index(tmp_path / "f.db", Failing(), vault="none") as index:
        with pytest.raises(RuntimeError, match="went dead"):
            index.sync(source)
        assert [row.text for row in index.scan()] == ["one", "two", "three", "four"]
    with Index(tmp_path / "f.db", FakeModel(), vault="none") as index:
        assert index.sync(source).embedded == 2


def test_a_slow_model_is_not_asked_again_for_what_it_made_before_a_kill(tmp_path: Path) -> None:
    """Between two calls of a model that takes its time, what it made is written."""
    seen: list[int] = []

    class Slow(FakeModel):
        batch_size = 2

        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            with closing(sqlite3.connect(tmp_path / "s.db")) as other:
                seen.append(other.execute("SELECT count(*) FROM rows").fetchone()[0])
            time.sleep(0.03)
            return super().embed(texts, *args, **kwargs)

    with Index(tmp_path / "s.db", Slow(), vault="none") as index:
        index.sync(rows("1:one", "2:two", "3:three", "4:four", "5:five"))
    assert seen == [0, 2, 4]


def test_forgetting_takes_the_vectors_of_texts_that_go_out_of_the_vault(tmp_path: Path, model: FakeModel) -> None:
    vault = Vault(tmp_path / "vault")

    def kept() -> set[str]:
        places = {text: address(model.space.id, "document", text) for text in ("one", "two", "three", "four")}
        return {text for text, place in places.items() if vault.get(model.space.id, [place])}

    with Index(tmp_path / "p.db", model, vault=vault) as index:
        index.sync(rows("a:one", "b:two", "c:three", "d:three"))
        index.sync(rows("a:one", "b:four", "c:three"))
        assert kept() == {"one", "two", "three", "four"}
        report = index.sync(rows("a:four", "c:three", "e:five"), forget=True)
        assert report.forgotten == 1
        assert kept() == {"two", "three", "four"}  # "two" went before; "three" and "four" are still held


def test_a_vault_that_cannot_be_leaves_no_empty_index_behind(tmp_path: Path, model: FakeModel) -> None:
    (tmp_path / "file").write_text("not a folder")
    vault = Vault(tmp_path / "file" / "vault")
    with Index(tmp_path / "pets.db", model, vault=vault) as index, pytest.raises(VaultError, match="cannot be written"):
        index.sync(rows("a:one"))
    assert not (tmp_path / "pets.db").exists()


def test_nothing_is_forgotten_without_the_vault(tmp_path: Path, model: FakeModel) -> None:
    with (
        Index(tmp_path / "pets.db", model, vault="none") as index,
        pytest.raises(OptionError, match="nothing can be forgotten without the vault"),
    ):
        index.sync(rows("a:one"), forget=True)
    assert not (tmp_path / "pets.db").exists()


@pytest.mark.parametrize("again", [False, True])
def test_what_a_stopped_sync_was_to_forget_the_next_one_forgets(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """It stops after the rows have gone, when nobody can say any more what was in them; and whether the next sync has
    something to do or not."""
    vault = Vault(tmp_path / "vault")
    place = address(model.space.id, "document", "two")
    with Index(tmp_path / "p.db", model, vault=vault) as index:
        index.sync(rows("a:one", "b:two"))
        with monkeypatch.context() as patch:
            patch.setattr("idembed.index.forget.Forgetting.forget", lambda self: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                index.sync(rows("a:one"), forget=True)
        assert list(index.get(["a", "b"])) == ["a"]
        assert vault.get(model.space.id, [place])
        with Index(tmp_path / "p.db", model, vault=vault) as other:
            report = other.sync(rows("a:one", *(["c:three"] if again else [])))
        assert report.forgotten == 1
        assert not vault.get(model.space.id, [place])
        assert list((vault.path / "forget").iterdir()) == []


def test_rows_that_the_model_refuses_are_not_let_go_when_they_are_most_of_the_scope(tmp_path: Path) -> None:
    class Picky(FakeModel):
        def embed(self, texts: Sequence[str], *args: Any, **kwargs: Any) -> Embedded:
            made = super().embed(texts, *args, **kwargs)
            return replace(made, refused={n: "an outage" for n, text in enumerate(texts) if text.startswith("new")})

    with Index(tmp_path / "p.db", Picky(), vault="none") as index:
        index.sync(rows("a:one", "b:two", "c:three"))
        with pytest.raises(MassDeletionError, match="would delete 2 of the 3 rows"):
            index.sync(rows("a:new one", "b:new two", "c:three"))
        assert len(index) == 3
        report = index.sync(rows("a:new one", "b:new two", "c:three"), allow_mass_deletion=True)
        assert (report.deleted, len(report.aside), len(index)) == (2, 2, 1)


def test_an_index_that_another_process_made_meanwhile_is_not_written_with_another_model(tmp_path: Path) -> None:
    with Index(tmp_path / "p.db", FakeModel("mine"), vault="none") as index:
        with Index(tmp_path / "p.db", FakeModel("theirs"), vault="none") as other:
            other.sync(CATS)
        with pytest.raises(SpaceMismatchError, match="was built with theirs"):
            index.sync(rows("z:new"), allow_mass_deletion=True)
        assert len(index) == 3


def test_two_generations_of_one_space_ask_for_each_text_once(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "p.db", model, vault="none") as index:
        index.sync(CATS)
        index.rebuild()
        index.switch(2)
        model.asked.clear()
        index.sync([*CATS, *rows("d:new")])
        assert model.asked == ["new"]
        assert index.verify(everything=True).compared == {1: 4, 2: 4}


def test_what_another_program_did_to_the_parts_of_a_text_is_put_right_without_the_model(tmp_path: Path) -> None:
    """Splitting gives three parts; one is taken away, one gets another's vector, one is added."""
    model = FakeModel()
    source = rows(*(f"{name}:First of {name}. Second of {name}. Third of {name}." for name in "abcd"))
    with Index(tmp_path / "p.db", model, split=20, vault="none") as index:
        index.sync(source)
        before = index.lock()
        with closing(sqlite3.connect(tmp_path / "p.db")) as other, other:
            keys = dict(other.execute("SELECT id, key FROM rows"))
            other.execute("DELETE FROM parts_1 WHERE key = ? AND part = 1", (keys["a"],))
            other.execute(
                "UPDATE parts_1 SET vid = (SELECT vid FROM parts_1 WHERE key = ? AND part = 0) "
                "WHERE key = ? AND part = 1",
                (keys["d"], keys["b"]),
            )
            other.execute(
                "INSERT INTO parts_1 SELECT key, 7, 0, 1, text_hash, address, 1, 0, checksum, vid FROM parts_1 "
                "WHERE key = ? AND part = 0",
                (keys["c"],),
            )
        model.asked.clear()
        index.sync(source)
        assert sorted(model.asked) == ["Second of a.", "Second of b."]  # whose vectors are gone, or not found
        assert index.verify(everything=True).ok
        assert index.lock() == before


def test_a_replaced_row_with_its_old_hashes_is_put_right(tmp_path: Path, model: FakeModel) -> None:
    with Index(tmp_path / "p.db", model, vault="none") as index:
        index.sync(CATS)
        with closing(sqlite3.connect(tmp_path / "p.db")) as other, other:
            other.execute(
                "INSERT OR REPLACE INTO rows SELECT key, id, scope, row_hash, text_hash, '{\"k\":1}', metadata_hash "
                "FROM rows WHERE id = 'b'"
            )
        assert index.sync(CATS).embedded == 0
        row = index.get("b")
        assert row is not None
        assert row.metadata == {}
        assert index.verify(everything=True).ok


def test_a_repair_without_the_model_leaves_the_row_to_the_next_sync(tmp_path: Path, model: FakeModel) -> None:
    path = tmp_path / "p.db"
    with Index(path, model, vault="none") as index:
        index.sync(CATS)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM parts_1 WHERE key = (SELECT key FROM rows WHERE id = 'b')")
    with Index(path, vault="none") as without:
        found = without.verify(repair=True)
        assert [(str(d.kind), d.id) for d in found.defects] == []
        assert found.behind == {1: 1}
        assert found.unsettled == 1
    with Index(path, model, vault="none") as index:
        assert index.sync(CATS).embedded == 1
        assert index.verify(everything=True).ok
