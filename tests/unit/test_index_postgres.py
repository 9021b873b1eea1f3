"""An index in Postgres beside one in SQLite: the same root, copied either way; and by the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, jsonl, run  # noqa: F401
from fake_models import FakeModel, rows

from databases import new_schema, place_and_schema, postgres_url
from idembed.errors import OptionError, RefusedError
from idembed.index import Index
from idembed.stores import open_store

psycopg = pytest.importorskip("psycopg")
PETS = [
    *rows("a:a cat", "b:a dog", "é:an owl", "'; --:it's 100% \"quoted\"", kind="pet", n=[1, {"x": None}], f=-0.5),
    *rows("\u202eid:text \U0001f600", "z:a cat"),
]


@pytest.fixture
def url() -> str:
    return new_schema()


@pytest.fixture
def index(url: str) -> Iterator[Index]:
    with Index(url, FakeModel(), vault="none") as opened:
        opened.sync(PETS)
        yield opened


def execute(url: str, statement: str) -> None:
    """Another program's statement."""
    address, schema = place_and_schema(url)
    with psycopg.connect(address) as connection:
        connection.execute(f"SET search_path = {schema}, public")
        connection.execute(statement)


def test_the_root_is_that_of_the_same_rows_in_sqlite(index: Index, tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as other:
        other.sync(PETS)
        assert other.lock().root == index.lock().root
        queries = FakeModel().embed(["a cat", "an elk"]).vectors
        mine, theirs = (opened.search_many(queries, k=20) for opened in (index, other))
        assert mine == theirs


def test_a_copy_from_sqlite_and_back_has_the_same_root(tmp_path: Path, url: str) -> None:
    with Index(tmp_path / "one.db", FakeModel("old"), split=12, vault="none") as one:
        one.sync([*PETS, *rows("long:First sentence here. Second sentence there.")])
        one.upgrade(FakeModel("new", dim=8))
        one.switch()
        report = one.copy(url, every_generation=True)
        assert report.root == one.lock().root
    models = [FakeModel("old"), FakeModel("new", dim=8)]
    with Index(url, vault="none", models=models) as two:
        assert two.verify(everything=True).ok
        assert two.plan([*PETS, *rows("long:First sentence here. Second sentence there.")]).is_empty
        assert two.copy(tmp_path / "three.db").root == report.root
        two.rollback()
        assert [(g.model, g.status) for g in two.generations] == [("old", "active"), ("new", "standby")]
    assert [model.asked for model in models] != [[], []]  # by verify alone
    with Index(tmp_path / "three.db", FakeModel("new", dim=8), vault="none") as three:
        assert three.verify(everything=True).ok


def test_a_copy_in_the_same_database_is_another_schema(index: Index) -> None:
    other = new_schema()
    assert index.copy(other).rows == len(PETS)
    assert index.copy(other).copied == 0


def test_another_index_is_not_copied_over(index: Index, tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", FakeModel(), vault="none") as other:
        other.sync(rows("q:mine"))
        with pytest.raises(RefusedError, match="holds an index that is no copy of"):
            other.copy(str(index._catalog.url))


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        ("UPDATE vectors_1 SET vector = (SELECT vector FROM vectors_1 ORDER BY key LIMIT 1)", "altered vector"),
        ("DELETE FROM vectors_1 WHERE key = (SELECT key FROM rows WHERE id = 'b')", "missing vector"),
        ("UPDATE vectors_1 SET vector = NULL WHERE key = (SELECT key FROM rows WHERE id = 'b')", None),
    ],
)
def test_what_another_program_did_to_vectors_is_found_and_mended(
    index: Index, url: str, edit: str, kind: str | None
) -> None:
    root = index.lock().root
    execute(url, edit)
    found = index.verify(everything=True)
    assert not found.ok
    assert kind is None or kind in found.counts
    assert index.verify(repair=True).ok
    index.sync(PETS)
    assert index.lock().root == root


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE texts SET text = 'edited'",
        "UPDATE rows SET metadata = '{}'",
        "UPDATE rows SET id = id || 'x' WHERE id = 'b'",
        "DELETE FROM rows WHERE id IN ('a', 'b')",
        "TRUNCATE rows",
        "TRUNCATE texts",
        "TRUNCATE vectors_1",
        "INSERT INTO rows (id, scope) VALUES ('new', 'default')",
    ],
)
def test_the_next_sync_puts_right_what_another_program_did(index: Index, url: str, edit: str) -> None:
    root = index.lock().root
    execute(url, edit)
    assert not index.plan(PETS, estimate=False).is_empty
    index.sync(PETS, allow_mass_deletion=True)
    assert index.lock().root == root
    assert index.verify(everything=True).ok


def test_a_row_hash_alone_is_given_back(index: Index, url: str) -> None:
    execute(url, "UPDATE rows SET row_hash = NULL")
    index.sync(PETS)
    assert index.plan(PETS).is_empty


def test_vectors_of_an_api_stay_in_the_vault_and_are_not_asked_for_again(tmp_path: Path, url: str) -> None:
    model = FakeModel()
    with Index(url, model, vault=tmp_path / "vault") as index:
        index.sync(PETS)
    model.asked.clear()
    with Index(new_schema(), model, vault=tmp_path / "vault") as index:
        index.sync(PETS)
    assert model.asked == []


def test_a_vector_of_too_many_dimensions_is_refused_before_anything_is_written(url: str) -> None:
    with Index(url, FakeModel(dim=16_001), vault="none") as index:
        with pytest.raises(OptionError, match="1 to 16,000 dimensions"):
            index.sync(PETS)
        assert index.count() == 0


def test_approximate_search_is_there_once_it_is_built(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = FakeModel().embed(["a cat"]).vectors
    exact = index.search_many(queries, k=3)
    assert index.search_many(queries, k=3, approximate=True) == exact
    assert index.verify(sample=0).recall is None
    index.build_ann()
    assert index.verify(sample=0).recall == 1.0
    monkeypatch.setattr("idembed.stores.postgres_search.Question.best", None)  # nothing is searched exactly
    assert index.search_many(queries, k=3, approximate=True) == exact
    assert [hit.id for hit in index.search("a dog", k=1, approximate=True)] == ["b"]
    assert [hit.id for hit in index.search(vector=queries[0], k=1, approximate=True)] == ["a"]
    assert [hit.id for hit in index.search(id="a", k=1, approximate=True)] == ["z"]
    with pytest.raises(OptionError, match="blend"):
        index.search("a dog", blend=True, approximate=True)


@pytest.mark.parametrize("number", [None, 1])
def test_an_approximate_index_is_built_once(index: Index, number: int | None) -> None:
    assert not index.has_ann(number)
    assert index.build_ann(number).number == 1
    assert index.has_ann(number)
    assert index.build_ann(number).number == 1
    with pytest.raises(OptionError, match="generation 7"):
        index.has_ann(7)


# The command line -------------------------------------------------------------------------------------


def test_every_command_takes_the_url_and_never_shows_the_password(
    run: Run,  # noqa: F811
) -> None:
    url = new_schema().replace("//postgres:@", "//postgres:geheim@")
    jsonl("pets.jsonl", *PETS)
    jsonl("more.jsonl", *PETS, *rows("new:an elk"))
    said = []

    def told(*arguments: str) -> Any:
        code, out, err = run(*arguments)
        assert code == 0, (arguments, err)
        said.append(out + err)
        return json.loads(out) if "--json" in arguments else out

    told("sync", "pets.jsonl", url, "--model", "old")
    assert told("search", url, "a cat", "-k", "1", "--json")["hits"][0]["id"] == "a"
    told("plan", "more.jsonl", url)
    told("upgrade", url, "--to", "new", "--yes")
    told("switch", url)
    told("rollback", url)
    assert told("status", url, "--json")["rows"] == len(PETS)
    told("verify", url, "--all")
    root = told("lock", url, "--json")["root"]
    assert told("copy", url, "--to", "copy.db", "--json")["root"] == root
    there = postgres_url("copied", password="geheim")
    assert told("copy", "copy.db", "--to", there, "--json")["root"] == root
    told("export", url, "out.jsonl")
    told("drop", url, "2", "--yes")
    told("vault", "gc", url)
    for failing in (("verify", url + "x"), ("search", url, ""), ("drop", url, "1"), ("sync", "none.jsonl", url)):
        code, out, err = run(*failing)
        assert code != 0
        said.append(out + err)
    assert "geheim" not in "".join(said)
    with open_store(url) as store:
        assert "geheim" not in json.dumps(store.read_meta()[1])


@pytest.mark.parametrize("place", ["postgres", "sqlite"])
def test_an_approximate_index_by_the_command_line(
    run: Run,  # noqa: F811
    place: str,
) -> None:
    url = new_schema() if place == "postgres" else "pets.db"
    jsonl("pets.jsonl", *PETS)
    assert run("sync", "pets.jsonl", url, "--model", "old", "-q")[0] == 0
    assert run("upgrade", url, "--to", "new", "--yes", "-q")[0] == 0
    search = ("search", url, "a cat", "-k", "2", "--approximate")
    before = json.loads(run(*search, "--json")[1])
    assert before["exact"]
    assert "there is no approximate index (idembed ann " in before["warnings"][0]
    assert "warning: searched exactly" in run(*search)[2]
    assert run("ann", url)[1] == "generation 1 (old) has an approximate index: idembed search --approximate\n"
    assert json.loads(run("ann", url, "--json")[1])["was_there"]
    found = json.loads(run("ann", url, "--generation", "2", "--json")[1])
    assert (found["generation"], found["model"], found["was_there"]) == (2, "new", False)
    assert run("ann", url, "-g", "3")[0] == 2
    after = json.loads(run(*search, "--json")[1])
    assert (after["exact"], after["warnings"], after["hits"]) == (False, [], before["hits"])
    assert run("search", url, "a cat", "--approximate", "--blend")[0] == 2
    assert [one["ann"] for one in json.loads(run("status", url, "--json")[1])["generations"]] == [True, True]
    assert [line.split("\t")[-1] for line in run("status", url)[1].splitlines()] == ["ann", "ann"]
