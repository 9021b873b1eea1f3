"""An index whose model its provider ends: told when it is opened, and of use as far as it can be."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, jsonl, run
from fake_models import FakeApi, FakeModel, rows

from idembed import Index, RetiredModelError, RetirementWarning, TruncationWarning, models
from idembed.index import ending

__all__ = ["run"]

GECKO = "vertex:textembedding-gecko@003"
ENDING = "vertex:text-embedding-005"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the day; it is that of a Christmas before anything announced comes to pass."""

    def day(text: str) -> None:
        monkeypatch.setattr(ending, "today", lambda: date.fromisoformat(text))

    day("2026-12-24")
    return day


@pytest.fixture
def nothing_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, **_: object) -> FakeModel:
        raise AssertionError(f"{name} was to be loaded: a key would be asked for")

    monkeypatch.setattr(models, "load", load)


@contextmanager
def years_ago() -> Iterator[None]:
    """When nobody knew of any end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "retirement", lambda *_: None)
        yield


def built(path: Path, name: str = GECKO) -> str:
    """An index of two rows that was built with a model of an API."""
    with years_ago(), Index(path, FakeApi(name)) as index:
        index.sync(rows("a:a cat", "b:a dog"))
    return str(path)


def opened(url: str, model: FakeModel | None = None) -> Index:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetirementWarning)
        return Index(url, model)


# Opening ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_opening_it_warns_once_at_the_callers_line(tmp_path: Path) -> None:
    url = built(tmp_path / "pets.db")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Index(url) as index:
            index.search(id="a")
            index.status()
    (warning,) = caught
    assert warning.category is RetirementWarning
    assert warning.filename == __file__
    assert str(warning.message).startswith(f"{url} was built with {GECKO}, which Google Cloud ended on 2025-05-24 (")
    assert f"idembed upgrade {url} --to vertex:gemini-embedding-2" in str(warning.message)


def test_an_end_to_come_is_told_and_hinders_nothing(tmp_path: Path) -> None:
    url, model = built(tmp_path / "pets.db", ENDING), FakeApi(ENDING)
    with pytest.warns(RetirementWarning, match="Google Cloud will end on 2027-04-01"):
        index = Index(url, model)
    with index:
        assert index.search("a cat")[0].id == "a"
        assert index.sync(rows("a:a cat", "b:a dog", "c:a new one")).embedded == 1


def test_a_day_that_has_passed_hinders_nothing_either(tmp_path: Path, clock: Callable[[str], None]) -> None:
    url = built(tmp_path / "pets.db", ENDING)
    clock("2027-04-01")
    with pytest.warns(RetirementWarning, match="was to end on 2027-04-01"):
        index = Index(url, FakeApi(ENDING))
    with index:
        assert index.search("a cat")[0].id == "a"


@pytest.mark.parametrize("name", ["openai:text-embedding-3-small", "google:gemini-embedding-001"])
def test_nothing_is_told_of_models_that_stay(tmp_path: Path, name: str) -> None:
    url = built(tmp_path / "pets.db", name)
    with Index(url, FakeApi(name)) as index:  # a warning would be an error
        assert index.search("a cat")[0].id == "a"


def test_the_same_name_at_somebody_elses_server_stays(tmp_path: Path) -> None:
    model = FakeApi(GECKO, "http://localhost:8080/v1")
    with Index(tmp_path / "pets.db", model) as index:
        index.sync(rows("a:a cat"))
        assert index.search("a cat")[0].id == "a"


# A model that is gone -----------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_a_question_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    url = built(tmp_path / "pets.db")
    with opened(url) as index, pytest.raises(RetiredModelError, match="only be searched by row id") as caught:
        index.search("a cat")
    assert (
        caught.value.hint == f"idembed upgrade {url} --to vertex:gemini-embedding-2 rebuilds it from the stored texts"
    )
    assert caught.value.exit_code == 4
    assert caught.value.facts == {"model": GECKO, "date": "2025-05-24", "successor": "vertex:gemini-embedding-2"}


def test_a_model_that_was_given_is_not_asked_either(tmp_path: Path) -> None:
    url, model = built(tmp_path / "pets.db"), FakeApi(GECKO)
    with opened(url, model) as index, pytest.raises(RetiredModelError):
        index.search("a cat")


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_all_that_needs_no_model_goes_on(tmp_path: Path) -> None:
    url = built(tmp_path / "pets.db")
    with opened(url) as index:
        assert [hit.id for hit in index.search(id="a")] == ["b"]
        assert index.search(vector=FakeApi(GECKO).vector("a dog"))[0].id == "b"
        assert index.search_many(np.stack([FakeApi(GECKO).vector("a cat")]))[0][0].id == "a"
        assert index.export(tmp_path / "pets.jsonl") == 2
        assert index.status().rows == 2
        assert index.verify(sample=0).ok
        assert index.copy(tmp_path / "copy.db").rows == 2
        assert index.lock().root == index.verify(sample=0).as_dict()["root"]


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_verify_says_why_it_compared_nothing(tmp_path: Path) -> None:
    with opened(built(tmp_path / "pets.db")) as index:
        found = index.verify()
        assert "ended on 2025-05-24" in found.not_compared[1]
        assert found.ok
        assert "ended on 2025-05-24" in index.verify(sample=2).unproven


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_rows_go_and_metadata_change_without_a_model(tmp_path: Path) -> None:
    with opened(built(tmp_path / "pets.db")) as index:
        report = index.sync(rows("a:a cat", colour="red"))
        assert (report.updated, report.deleted, report.embedded) == (1, 1, 0)


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_a_text_whose_vector_is_kept_needs_no_model(tmp_path: Path) -> None:
    with opened(built(tmp_path / "pets.db")) as index:
        assert index.sync(rows("a:a cat", "b:a dog", "c:a dog")).added == 1


@pytest.mark.usefixtures("nothing_can_be_loaded")
def test_a_text_that_must_be_embedded_is_refused(tmp_path: Path) -> None:
    with opened(built(tmp_path / "pets.db")) as index:
        with pytest.raises(RetiredModelError):
            index.sync(rows("a:a cat", "c:a bird"))
        assert sorted(row.id for row in index.scan()) == ["a", "b"]
        assert index.verify(sample=0).ok


def test_the_way_out_is_an_upgrade(tmp_path: Path) -> None:
    new = FakeModel("new")
    with opened(built(tmp_path / "pets.db")) as index:
        assert index.upgrade(new).complete
        index.switch()
        assert index.search("a cat")[0].id == "a"
        report = index.sync(rows("a:a cat", "b:a dog", "c:a bird"))
        assert report.added == 1
        ((number, why),) = report.behind
        assert number == 1
        assert why.startswith(f"generation 1 of {tmp_path / 'pets.db'} was built with {GECKO}")
    with Index(tmp_path / "pets.db", new):  # what is searched now stays
        pass


def test_what_its_successor_cuts_is_told_without_it(tmp_path: Path) -> None:
    long = "c:" + "word " * 60
    with years_ago(), Index(tmp_path / "pets.db", FakeApi(GECKO)) as index:
        with pytest.warns(TruncationWarning):
            index.sync(rows("a:a cat", long))
        index.sync(rows("a:a cat"))  # the vector of the other row is in the vault
    with opened(str(tmp_path / "pets.db")) as index:
        index.upgrade(FakeModel("new"))
        with pytest.warns(TruncationWarning, match=f"1 texts were longer than {GECKO} reads"):
            assert index.sync(rows("a:a cat", long)).added == 1


def test_nothing_new_is_built_with_it(tmp_path: Path) -> None:
    with Index(tmp_path / "new.db", FakeApi(GECKO)) as index, pytest.raises(RetiredModelError) as caught:
        index.sync(rows("a:a cat"))
    assert caught.value.message.startswith(f"{GECKO}: Google Cloud ended it on 2025-05-24")
    assert not (tmp_path / "new.db").exists()
    with Index(tmp_path / "old.db", FakeModel("old")) as index:
        index.sync(rows("a:a cat"))
        with pytest.raises(RetiredModelError):
            index.upgrade(FakeApi(GECKO))
        assert len(index.status().generations) == 1


def test_vectors_of_it_are_not_taken_over(tmp_path: Path) -> None:
    with years_ago(), Index(tmp_path / "pets.db", FakeApi(GECKO)) as index:
        index.sync(rows("a:a cat"))
        index.export(tmp_path / "pets.jsonl")
    with pytest.raises(RetiredModelError):
        Index.adopt(tmp_path / "pets.jsonl", model=FakeApi(GECKO))


# Shown --------------------------------------------------------------------------------------------


def test_status_says_when_each_model_ends(tmp_path: Path) -> None:
    with opened(built(tmp_path / "pets.db", ENDING), FakeApi(ENDING)) as index:
        index.upgrade(FakeApi("openai:text-embedding-3-small"))
        found = index.status().as_dict()["generations"]
    assert [one["retires"] for one in found] == [
        {"date": "2027-04-01", "state": "announced", "successor": "vertex:gemini-embedding-2"},
        None,
    ]


def test_the_command_line_warns_and_shows_it(run: Run, tmp_path: Path) -> None:
    built(tmp_path / "pets.db")
    code, out, err = run("status", "pets.db")
    assert code == 0
    assert out.rstrip("\n").split("\t")[-2] == "gone 2025-05-24"
    said = re.sub(r"\s+", " ", err)
    assert said.startswith(f"warning: pets.db was built with {GECKO}, which Google Cloud ended on 2025-05-24 (")
    assert "idembed upgrade pets.db --to vertex:gemini-embedding-2 rebuilds it" in said


def test_the_command_line_refuses_a_question(run: Run, tmp_path: Path) -> None:
    built(tmp_path / "pets.db")
    code, _, err = run("search", "pets.db", "a cat", "--json")
    assert code == 4
    assert '"type": "RetiredModelError"' in err
    code, out, _ = run("search", "pets.db", "--id", "a", "-q")
    assert code == 0
    assert "a dog" in out
    jsonl("c.jsonl", *rows("c:a bird"))
    assert run("plan", "c.jsonl", "pets.db", "--json")[0] == 4
