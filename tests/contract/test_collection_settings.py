"""Settings of an index in a database of collections are one document, which holds so much and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.memory_engine import MemoryEngine
from idembed.errors import NewerSchemaError, StoreError
from idembed.stores.collection.store import CollectionStore

MOST = 65_535 - len('{"settings":{"k":""},"version":1}')


@pytest.fixture
def store() -> Iterator[CollectionStore]:
    with CollectionStore(MemoryEngine("settings"), create=True) as opened:
        yield opened
    MemoryEngine.places.pop("settings", None)


@pytest.mark.parametrize("value", ["x" * MOST, "é" * (MOST // 2)])
def test_settings_of_up_to_64_kb_are_kept(store: CollectionStore, value: str) -> None:
    assert store.swap_meta(0, {"k": value})
    assert store.read_meta() == (1, {"k": value})


@pytest.mark.parametrize("value", ["x" * (MOST + 1), "é" * (MOST // 2 + 1)])
def test_larger_settings_are_refused_with_what_to_do_and_those_there_are_stay(
    store: CollectionStore, value: str
) -> None:
    with pytest.raises(StoreError, match=r"memory://settings: the settings .* of 65,535 at most") as caught:
        store.swap_meta(0, {"k": value})
    assert "idembed drop" in str(caught.value.hint)
    assert store.read_meta() == (0, {})


@pytest.mark.parametrize(
    ("version", "error", "said"),
    [
        (1, StoreError, "an idembed before its first release"),
        (9, NewerSchemaError, "a newer idembed"),
    ],
)
def test_an_index_of_another_format_is_not_opened(version: int, error: type[StoreError], said: str) -> None:
    engine = MemoryEngine("settings")
    engine.put_document("format", {"version": version})
    try:
        with pytest.raises(error, match=f"memory://settings was written by {said}") as caught:
            CollectionStore(engine)
        assert caught.value.hint
        assert MemoryEngine("settings").documents() == {"format": {"version": version}}
    finally:
        MemoryEngine.places.pop("settings", None)
