"""Another arithmetic of the same checkpoint: how it is asked for, and that its vectors are never mixed with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny
from idembed import Index
from idembed.errors import OptionError, SpaceMismatchError
from idembed.models import load
from idembed.models.profiles import chosen, full_name, named
from idembed.native import Profile
from idembed.shown import shell_word

TEXTS = ["the cat sat", "a dog", "日本", ""]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.checkpoint(tmp_path / "model")


@pytest.mark.parametrize(("short", "full"), [("f32", "f32-1"), ("i16", "i16-1"), ("i8", "i8-1")])
def test_a_short_name_is_the_newest_version(folder: Path, short: str, full: str) -> None:
    for model in (load(folder, short), load(folder, full), load(f"{folder}?profile={short}")):
        assert model.profile == full
        assert model.space.facts["profile"] == full


def test_each_profile_is_a_space_of_its_own_with_the_same_weights(folder: Path) -> None:
    models = [load(folder, profile) for profile in ("f32", "i16", "i8")]
    assert len({model.space.id for model in models}) == 3
    assert [str(d) for d in models[0].space.differences(models[2].space)] == ['profile: "f32-1" here, "i8-1" there']
    assert len({model.encode(TEXTS).tobytes() for model in models}) == 3


@pytest.mark.parametrize(("profile", "least"), [("i16", 0.99999), ("i8", 0.98)])
def test_vectors_are_close_to_those_of_f32_and_of_unit_length(folder: Path, profile: str, least: float) -> None:
    exact, vectors = load(folder).encode(TEXTS), load(folder, profile).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (exact * vectors).sum(axis=1).min() > least


@pytest.mark.parametrize("profile", ["i16", "i8"])
def test_instruction_sets_and_threads_change_no_bit(folder: Path, profile: str) -> None:
    expected = load(folder, profile, isa="scalar").encode(TEXTS)
    for threads in (1, 2):
        assert load(folder, profile, threads).encode(TEXTS).tobytes() == expected.tobytes()


def test_the_name_says_the_profile_unless_it_is_f32(folder: Path) -> None:
    assert load(folder).name == str(folder)
    assert load(folder, "i8").name == f"{folder}?profile=i8-1"
    assert load(load(folder, "i8").name).space == load(folder, "i8").space
    assert repr(load(folder, "i16")) == f"Checkpoint('{folder}?profile=i16-1', dim=32, profile='i16-1')"


def test_a_shorter_maximum_keeps_the_profile(folder: Path) -> None:
    assert load(folder, "i8").with_max_length(6).space.facts["profile"] == "i8-1"


@pytest.mark.parametrize("profile", ["i4", "I8", "i8-2", "", "f16"])
def test_an_unknown_profile_is_an_error_that_lists_those_there_are(folder: Path, profile: str) -> None:
    for ask in (lambda: load(folder, profile), lambda: load(f"{folder}?profile={profile}")):
        with pytest.raises(OptionError, match=f"unknown profile '{profile}'") as raised:
            ask()
        assert raised.value.hint == "there are f32, f32-1, i16, i16-1, i8, i8-1"


def test_a_name_and_an_argument_must_agree(folder: Path) -> None:
    assert load(f"{folder}?profile=i8", "i8-1").profile == "i8-1"
    with pytest.raises(OptionError, match="names another profile than 'f32'"):
        load(f"{folder}?profile=i8", "f32")


def test_a_name_is_taken_apart_at_its_end_only() -> None:
    assert chosen("org/name@abc?profile=i16", None) == ("org/name@abc", "i16-1")
    assert chosen("openai:m?dimensions=3", None) == ("openai:m?dimensions=3", None)
    assert chosen("a?profile=i8/b", None) == ("a?profile=i8/b", None)
    assert full_name("i16") == "i16-1"


@pytest.mark.parametrize(("name", "profile"), [("a", "f32-1"), ("a", "i8-1"), ("a?profile=i8", "f32-1")])
def test_what_is_recorded_is_read_back(name: str, profile: Profile) -> None:
    assert chosen(named(name, profile), None) in ((name, profile), (name, None))


def test_apis_and_word_vectors_have_no_such_profile(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="APIs take no profile"):
        load("openai:text-embedding-3-small", "i8")
    with pytest.raises(OptionError, match="word vectors take no profile"):
        load(str(tmp_path / "pets.w2v"), "i16")


def test_an_index_remembers_its_profile_and_refuses_another(folder: Path, tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": text} for n, text in enumerate(TEXTS[:3])]
    with Index(str(tmp_path / "pets.db"), f"{folder}?profile=i8") as index:
        index.sync(rows)
        expected = [hit.score for hit in index.search("the cat sat")]
    with Index(str(tmp_path / "pets.db")) as index:
        assert [hit.score for hit in index.search("the cat sat")] == expected
        assert index.status().generations[0].model == f"{folder}?profile=i8-1"
    with pytest.raises(SpaceMismatchError, match="profile"), Index(str(tmp_path / "pets.db"), str(folder)) as index:
        index.search("the cat sat")


@pytest.mark.parametrize(("its", "others"), [("i8-1", "f32-1"), ("f32-1", "i8-1")])
def test_where_only_the_profile_differs_it_is_said_and_how_to_name_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, its: str, others: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with Index("pets.db", f"{folder}?profile={its}") as index:
        index.sync([{"id": "a", "text": TEXTS[0]}])
    with pytest.raises(SpaceMismatchError) as caught, Index("pets.db", f"{folder}?profile={others}"):
        pass
    asked = shell_word(load(folder, others).name)
    assert caught.value.hint == (
        "vectors of two spaces cannot be compared: only the profile differs. Name that of the index: "
        f"--model '{folder}?profile={its}'; or move the index to the other: idembed upgrade pets.db --to {asked}"
    )
    with Index("pets.db", f"{folder}?profile={its}") as index:
        assert [hit.id for hit in index.search("the cat sat")] == ["a"]
