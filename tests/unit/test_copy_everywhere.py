"""From every database to every other: the same index, and no model is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from fake_models import FakeModel, FakeWords, rows
from killing import killed_at

from databases import STORES
from idembed.index import Index
from idembed.index.lock import Lock

EVERY_KIND = {
    "none": None,
    "yes": True,
    "no": False,
    "zero": 0,
    "negative": -1,
    "great": 2**53,
    "float": -0.5,
    "tiny": 5e-324,
    "text": 'it\'s 100% "quoted"; -- $1 \\ 𝕌 é e\u0301 \u202e',
    "empty": "",
    "list": [1, "a", None, [True]],
    "object": {"deep": {"er": [{"": {}}]}},
    "": "a key without a name",
    "$not ours": "and one that looks like ours",
    "key with 'quotes' and \u202e": 1,
}
TEXTS = [
    {"id": "all", "text": "First sentence here. Second sentence there.", "metadata": EVERY_KIND},
    {"id": "'; DROP TABLE rows; --", "text": "a cat %s {0} ${x}", "metadata": {"kind": "pet"}},
    {"id": "é" * 256, "text": "text \U0001f600 with signs"},
    *rows("x:xyzzy", "part:Known words are here. Xyzzyx xx xxx.", "twin:a cat", "other twin:a cat"),
]
"""A row without any known word, one with a part without any, and two of one text."""
OTHERS = rows("o1:other scope", "o2:of other rows", where="elsewhere")


PAIRS = list(product(sorted(STORES), repeat=2))
everywhere = pytest.mark.parametrize(("source", "new_target"), PAIRS, indirect=True)
to_or_from_a_file = pytest.mark.parametrize(
    ("source", "new_target"), [pair for pair in PAIRS if "sqlite" in pair], indirect=True
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path | str]:
    """Gives the index in each kind of database, which is made once: split texts in two scopes, in a generation on
    standby, which knows every word, in the active one, which does not, and in one that is built and not searched."""

    @cache
    def make(kind: str) -> Path | str:
        place = STORES[kind](tmp_path_factory.mktemp("lasting"))
        with Index(place, FakeModel(), split=25, vault="none") as index:
            index.sync(TEXTS)
            index.sync(OTHERS, scope="others")
            index.upgrade(FakeWords(), on_empty="skip")
            index.switch(force=True)
            index.upgrade(FakeModel("next"))
        return place

    return make


@pytest.fixture
def source(request: pytest.FixtureRequest, made: Callable[[str], Path | str]) -> Iterator[Index]:
    """It, with no model at hand."""
    with Index(made(request.param), vault="none") as blind:
        yield blind


@pytest.fixture
def new_target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path | str]:
    """Gives one place after the other, in a database that may be of another kind."""
    return lambda: STORES[request.param](tmp_path_factory.mktemp("target"))


def opened(place: Path | str) -> Index:
    return Index(place, vault="none", models=[FakeModel(), FakeWords(), FakeModel("next")])


def told(index: Index) -> tuple[object, ...]:
    """All that there is to compare: rows and spans, generations, settings, and the lock of everything."""
    found = [(row.id, row.text, row.metadata) for row in index.scan()]
    generations = [(g.model, g.space.id, g.status, g.complete) for g in index.generations]
    return found, generations, index.splitter, index.status().scopes, without_versions(index.lock())


def without_versions(lock: Lock) -> tuple[object, ...]:
    return lock.root, lock.content, lock.vectors, lock.rows, lock.parts, lock.generations, lock.splitter


@everywhere
def test_a_copy_in_any_database_is_the_same_index(
    source: Index, new_target: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    place = new_target()
    with monkeypatch.context() as patch:
        for name in ("embed", "receipts"):
            patch.setattr(FakeModel, name, lambda *_, name=name, **__: asked.append(name))
            patch.setattr(FakeWords, name, lambda *_, name=name, **__: asked.append(name))
        report = source.copy(place, every_generation=True)
        assert (report.copied, report.rows, report.left_out, report.root) == (9, 9, (), source.lock().root)
        assert source.copy(place, every_generation=True).copied == 0
    assert asked == []
    with opened(place) as copy:
        assert told(copy) == told(source)
        assert [g.status for g in copy.generations] == ["standby", "active", "building"]
        assert copy.verify(everything=True).ok


@to_or_from_a_file
def test_a_copy_is_searched_rolled_back_and_synced_as_the_index_is(
    source: Index, new_target: Callable[[], Path | str]
) -> None:
    place = new_target()
    source.copy(place, every_generation=True)
    with opened(place) as copy, opened(source._catalog.url) as original:
        query = "a cat"
        assert copy.search(query, k=20) == original.search(query, k=20)
        assert [hit.id for hit in copy.search(query, where={"kind": "pet"})] == ["'; DROP TABLE rows; --"]
        assert copy.plan(TEXTS).is_empty
        assert copy.rollback().model == "fake"
        assert [hit.id for hit in copy.search("xyzzy", k=1)] == ["x"]  # the one before knows every word
        assert copy.verify(everything=True).ok


@to_or_from_a_file
def test_a_copy_that_is_killed_anywhere_goes_on(
    source: Index, new_target: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.index.transfer._ROWS", 2)
    root, began = source.lock().root, 0
    for step in range(1, 40, 4):  # settings and generations, some batches, what is complete and active
        place = new_target()
        if not killed_at(step, place, monkeypatch, lambda place=place: source.copy(place, every_generation=True)):  # type: ignore[misc]
            break
        began += 1
        report = source.copy(place, every_generation=True)
        assert (report.root, report.rows) == (root, 9)
        with opened(place) as copy:
            assert [g.status for g in copy.generations] == ["standby", "active", "building"]
            assert copy.verify(everything=True).ok
    assert began >= 3


@to_or_from_a_file
def test_what_was_copied_before_the_kill_is_not_copied_again(
    source: Index, new_target: Callable[[], Path | str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idembed.index.transfer._ROWS", 1)
    place = new_target()

    def stop(progress: object) -> None:
        if getattr(progress, "phase", "") == "copying" and getattr(progress, "done", 0) >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.copy(place, progress=stop)
    report = source.copy(place)
    assert report.rows == 9
    assert report.copied <= 5
    assert report.root == source.lock().root


@pytest.mark.parametrize("source", ["sqlite"], indirect=True)
def test_through_every_database_and_back_it_is_the_same_index(
    source: Index, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before, last = told(source), source._catalog.url
    for kind in [*STORES, *reversed(STORES)]:
        place = STORES[kind](tmp_path_factory.mktemp("target"))
        with opened(last) as index:
            index.copy(place, every_generation=True)
        last = place
    with opened(last) as end:
        assert told(end) == before
