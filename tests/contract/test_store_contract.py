"""What every store promises (stores/base.py): rows, vectors, states, generations, leases."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from kit import Index, Opener, part, row, space

from databases import IN_THIS_PROCESS, STORES
from idembed.errors import (
    IdembedError,
    IncompleteError,
    LeaseHeldError,
    LeaseLostError,
    OptionError,
    RowError,
    StoreError,
)
from idembed.filters import parse_where
from idembed.rows import bucket_of, check_row
from idembed.stores.base import Capabilities, Filling, Match, lease_of

HOSTILE = (
    "'; DROP TABLE rows; --",
    '"id" OR 1=1',
    "%s {0} ${x} ?1 :a @b",
    "a\\'b\"c`d",
    "\x01\x1f\x7f\u2028\u202e",
    "𝕌𝔫𝔦 😀 é e\u0301 ﬃ",
    "*/ */ [x] (y) <script>",
    " lead and trail ",
    "NULL",
)


def random_vector(seed: int, dim: int = 4) -> np.ndarray:
    """Any finite float32 bit patterns, with -0.0 and denormals among them."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, 4 * dim, dtype=np.uint32).view(np.float32)
    found = np.concatenate([bits[np.isfinite(bits)], np.ones(dim, np.float32)])[:dim].copy()
    found[0], found[1] = -0.0, np.float32(1e-45)
    return found


# Settings and leases ----------------------------------------------------------------------------------


def test_capabilities_are_declared(index: Index) -> None:
    assert isinstance(index.store.capabilities, Capabilities)
    assert index.store.format_version >= 1
    assert index.store.capabilities.max_key >= 512


def test_a_thread_that_is_given_another_connection_writes_the_same_index(index: Index) -> None:
    opener = index.store.another()
    if opener is None:  # whoever uses it writes alone
        return
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with opener() as other:
                for number in range(20):
                    other.upsert(index.lease, [row(f"{number:02}", f"text {number}")])
        except BaseException as error:  # said below
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    seen = [0]
    while thread.is_alive():
        found = [one.id for one in index.store.scan(1)]
        assert found == [f"{number:02}" for number in range(len(found))]
        seen.append(len(found))
        index.lease = index.store.renew(index.lease, 3600.0)
        thread.join(0.01)
    assert failed == []
    assert seen == sorted(seen)
    assert index.store.count() == 20


def test_a_batch_of_the_declared_size_is_written_in_one_call(index: Index) -> None:
    limits = index.store.capabilities
    length = min(1 << 20, limits.max_text)
    rows, size = [], 0
    while True:
        new = row(f"{len(rows):04}", f"{len(rows):04} {random.Random(len(rows)).randbytes(length).hex()}"[:length])
        if (size := size + new.size) > limits.max_batch:
            break
        rows.append(new)
    index.upsert(*rows)
    assert index.store.count() == len(rows)
    last = rows[-1]
    assert index.store.get([last.id])[last.id].text == last.text


def test_a_snapshot_is_of_one_state_where_that_is_declared(index: Index) -> None:
    index.upsert(row("a"))
    with index.open_again() as reader:
        if not reader.capabilities.snapshots:
            with reader.snapshot():
                index.upsert(row("b", "b", [2, 0, 0, 0]))
                assert reader.count() == 2
            return
        with reader.snapshot():
            assert reader.count() == 1
            index.upsert(row("b", "b", [2, 0, 0, 0]))
            index.store.delete(index.lease, ["a"])
            assert reader.count() == 1
            assert [stored.id for stored in reader.scan(1)] == ["a"]
            assert [m.id for m in reader.search(1, np.array([[1, 0, 0, 0]], np.float32), 5)[0]] == ["a"]
        assert [stored.id for stored in reader.scan(1)] == ["b"]


def test_vectors_have_up_to_the_declared_number_of_dimensions(open_again: Opener) -> None:
    with open_again() as store:
        lease, most = store.lease("w"), store.capabilities.max_dim
        with pytest.raises(OptionError, match=f"1 to {most:,} dimensions"):
            store.create_generation(lease, space(most + 1), "m")
        store.create_generation(lease, space(most), "m")
        vector = random_vector(1, most)
        store.upsert(lease, [row("a", "t", vector)])
        (stored,) = store.get(["a"], 1)["a"].parts
        assert stored.vector is not None
        assert stored.vector.tobytes() == vector.tobytes()


def test_settings_are_empty_at_first_and_change_only_from_the_version_that_was_read(index: Index) -> None:
    store = index.store
    assert store.read_meta() == (0, {})
    assert store.swap_meta(0, {"splitter": {"name": "s", "size": 800}})
    assert store.read_meta() == (1, {"splitter": {"name": "s", "size": 800}})
    assert not store.swap_meta(0, {"lost": True})
    assert store.read_meta() == (1, {"splitter": {"name": "s", "size": 800}})


def test_settings_survive_closing(index: Index) -> None:
    index.store.swap_meta(0, {"é": ["\u2028", 1, None]})
    with index.open_again() as other:
        assert other.read_meta() == (1, {"é": ["\u2028", 1, None]})


def test_a_lease_keeps_other_writers_out_until_it_expires(open_again: Opener) -> None:
    with open_again() as first, open_again() as second:
        assert first.lease("first", 60.0, now=1000.0).expires == 1060.0
        with pytest.raises(LeaseHeldError) as caught:
            second.lease("second", 60.0, now=1059.0)
        assert caught.value.facts["owner"] == "first"
        assert caught.value.facts["expires"] == 1060.0
        assert second.lease("second", 60.0, now=1060.5).fence == 2


def test_a_renewed_lease_lasts_longer(open_again: Opener) -> None:
    with open_again() as store:
        lease = store.renew(store.lease("a", 60.0, now=1000.0), 60.0, now=1050.0)
        assert lease.expires == 1110.0
        with pytest.raises(LeaseHeldError):
            store.lease("b", 60.0, now=1100.0)


def test_a_released_lease_lets_the_next_writer_in_at_once_and_writes_nothing_more(index: Index) -> None:
    index.store.release(index.lease)
    assert index.store.lease("next", 60.0).fence == 2
    with pytest.raises(LeaseLostError):
        index.upsert(row("a"))
    index.store.release(index.lease)  # lost: nothing happens
    with pytest.raises(LeaseHeldError):
        index.store.lease("third", 60.0)


def test_a_lease_is_taken_over_from_an_owner_known_to_be_dead_and_from_no_other(open_again: Opener) -> None:
    with open_again() as store:
        store.lease("dead", 3600.0)
        with pytest.raises(LeaseHeldError):
            store.lease("next", 60.0, instead_of="somebody")
        assert store.lease("next", 60.0, instead_of="dead").fence == 2


def test_the_last_writer_is_known_by_fence_and_name_until_it_gives_the_lease_back(open_again: Opener) -> None:
    with open_again() as store, open_again() as other:
        assert other.writer() == (0, "")
        first = store.lease("a", 1.0, now=1000.0)
        assert other.writer() == (1, "a")  # though it expired long ago: nobody else took it
        store.release(first)
        assert other.writer() == (1, "")
        store.lease("b")
        assert other.writer() == (2, "b")


def test_the_same_owner_takes_its_lease_again_and_the_old_one_is_lost(index: Index) -> None:
    again = index.store.lease("writer")
    with pytest.raises(LeaseLostError):
        index.upsert(row("a"))
    index.store.upsert(again, [row("a")])


def test_a_clock_that_went_back_makes_others_wait_for_one_lease_and_not_for_years(open_again: Opener) -> None:
    with open_again() as store:
        store.lease("in the future", 60.0, now=2_000_000_000.0)
        with pytest.raises(LeaseHeldError):
            store.lease("now", 60.0, now=1_000.0)
        with pytest.raises(LeaseHeldError):
            store.lease("now", 60.0, now=1_059.0)
        assert store.lease("now", 60.0, now=1_061.0).fence == 2


def test_a_writer_that_lost_its_lease_writes_nothing_at_all(index: Index) -> None:
    index.upsert(row("a", "before"))
    with index.open_again() as other:
        other.lease("thief", 60.0, instead_of="writer")
    store, lease = index.store, index.lease
    for write in (
        lambda: index.upsert(row("a", "after"), row("b")),
        lambda: store.delete(lease, ["a"]),
        lambda: store.create_generation(lease, space(), "m"),
        lambda: store.activate(lease, 1),
        lambda: store.drop_generation(lease, 1),
        lambda: store.name_model(lease, 1, "n"),
        lambda: store.renew(lease),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert [stored.text for stored in store.scan()] == ["before"]
    assert len(store.generations()) == 1
    assert store.generations()[0].model != "n"


# Rows -------------------------------------------------------------------------------------------------


def test_a_row_comes_back_as_it_was(index: Index) -> None:
    written = row("a", "two words", [1, 2, 3, 4], {"k": [1, {"x": None}], "b": True}, tokens=7, truncated=True)
    index.upsert(written)
    found = index.store.get(["a"], 1)["a"]
    assert (found.id, found.scope, found.text) == ("a", "docs", "two words")
    assert found.metadata == {"k": [1, {"x": None}], "b": True}
    assert (found.text_hash, found.metadata_hash) == (written.text_hash, written.metadata_hash)
    (stored,) = found.parts
    assert (stored.part, stored.span, stored.tokens, stored.truncated) == (0, (0, 9), 7, True)
    assert (stored.address, stored.text_hash) == (written.parts[1][0].address, written.text_hash)
    assert stored.vector is not None
    assert stored.vector.tolist() == [1, 2, 3, 4]


def test_without_a_generation_no_parts_are_read(index: Index) -> None:
    index.upsert(row("a"))
    assert index.store.get(["a"])["a"].parts == ()


def test_parts_are_read_without_their_vectors_if_asked(index: Index) -> None:
    index.upsert(row("a", "two words", [1, 2, 3, 4], tokens=7))
    (stored,) = index.store.get(["a"], 1)["a"].parts
    (bare,) = index.store.get(["a"], 1, vectors=False)["a"].parts
    assert stored.vector is not None
    assert bare == replace(stored, vector=None)


def test_every_bit_of_a_vector_comes_back(open_again: Opener) -> None:
    with open_again() as store:
        lease = store.lease("w")
        store.create_generation(lease, space(384), "m")
        vectors = {f"r{i}": random_vector(i, 384) for i in range(100)}
        store.upsert(lease, [row(name, name, vector) for name, vector in vectors.items()])
        read = {stored.id: stored.parts[0].vector for stored in store.scan(1)}
        assert {name: vector.tobytes() for name, vector in read.items() if vector is not None} == {
            name: vector.tobytes() for name, vector in vectors.items()
        }
        kept = store.vectors_at(1, [part(name, [0] * 4).address for name in vectors])
        assert {one.vector.tobytes() for one in kept.values()} == {v.tobytes() for v in vectors.values()}


def test_the_last_of_equal_ids_in_a_batch_wins(index: Index) -> None:
    index.upsert(row("a", "first", [1, 0, 0, 0]), row("b"), row("a", "second", [0, 1, 0, 0]))
    assert index.store.count() == 2
    assert index.store.get(["a"])["a"].text == "second"
    assert index.search([0, 1, 0, 0], 1) == [("a", 1.0)]


def test_upsert_replaces_text_metadata_and_parts(index: Index) -> None:
    longer = replace(row("a", "x", None), parts={1: [part("x", [1, 0, 0, 0], n) for n in range(3)]})
    index.upsert(longer)
    index.upsert(row("a", "y", [0, 0, 1, 0], {"n": 1}))
    found = index.store.get(["a"], 1)["a"]
    assert (found.text, found.metadata, len(found.parts)) == ("y", {"n": 1}, 1)
    assert index.search([1, 0, 1, 0]) == [("a", 1.0)]


def test_without_a_text_the_stored_text_and_vectors_stay(index: Index) -> None:
    written = row("a", "kept", [1, 2, 3, 4])
    index.upsert(written)
    changed = row("a", "kept", None, {"new": 1})
    index.upsert(replace(changed, text=None))
    found = index.store.get(["a"], 1)["a"]
    assert (found.text, found.metadata) == ("kept", {"new": 1})
    assert index.states()["a"].current
    assert index.search([1, 0, 0, 0]) == [("a", 1.0)]


def test_without_a_text_a_row_that_is_not_there_is_refused_and_nothing_is_written(index: Index) -> None:
    with pytest.raises(StoreError, match="'b' vanished") as caught:
        index.upsert(row("a"), replace(row("b", "t", None), text=None))
    assert not isinstance(caught.value, LeaseLostError)
    assert index.store.count() == 0


@pytest.mark.parametrize("text", ["new", None])
def test_a_row_of_another_scope_is_refused_by_name_and_nothing_is_written(index: Index, text: str | None) -> None:
    index.upsert(row("b", "old", metadata={"k": 1}, scope="cats"))
    taken = row("b", "new", None, {"k": 2}, scope="cars")
    with pytest.raises(RowError, match="'b' belongs to scope 'cats', not 'cars'"):
        index.upsert(row("a", scope="cars"), replace(taken, text=text))
    (left,) = index.store.scan(1)
    assert (left.id, left.scope, left.text, left.metadata, len(left.parts)) == ("b", "cats", "old", {"k": 1}, 1)
    index.store.delete(index.lease, ["b"])
    index.upsert(row("b", "new", scope="cars"))
    assert index.states()["b"].scope == "cars"


def test_deleted_rows_are_gone_everywhere_and_can_come_back(index: Index) -> None:
    index.upsert(row("a"), row("b", "b", [0, 1, 0, 0]))
    assert index.store.delete(index.lease, ["a", "nobody", "a"]) == 1
    assert index.store.count() == 1
    assert index.store.get(["a", "b"]).keys() == {"b"}
    assert index.states().keys() == {"b"}
    assert index.search([1, 0, 0, 0]) == [("b", 0.0)]
    assert index.store.vectors_at(1, [part("a text", [0] * 4).address]) == {}
    index.upsert(row("a", "a text", [0, 0, 1, 0]))
    assert index.search([0, 0, 1, 0], 1) == [("a", 1.0)]


def test_rows_are_counted_by_scope(index: Index) -> None:
    index.upsert(row("a"), row("b"), row("c", scope="other"))
    assert (index.store.count(), index.store.count("docs"), index.store.count("none")) == (3, 2, 0)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_are_only_strings(index: Index, text: str) -> None:
    index.upsert(row(text, text, [1, 0, 0, 0], {text: text}, scope=text), row("bystander"))
    assert index.store.get([text])[text].metadata == {text: text}
    assert index.store.get([text])[text].text == text
    assert index.store.count(text) == 1
    assert index.search([1, 0, 0, 0], where={text: text}) == [(text, 1.0)]
    assert index.search([1, 0, 0, 0], where={"$id": text, "$scope": text}, scope=text) == [(text, 1.0)]
    assert [stored.id for stored in index.store.scan(scope=text)] == [text]
    assert index.store.delete(index.lease, [text]) == 1
    assert [stored.id for stored in index.store.scan()] == ["bystander"]


def test_ids_of_1_and_of_512_bytes_and_texts_of_a_megabyte_or_what_is_declared(index: Index) -> None:
    ids = ["x", "y" * 512, "😀" * 128]
    most = min(index.store.capabilities.max_text, 1_200_000)
    text = ("0123456789abcdé " * 70_000).encode()[:most].decode(errors="ignore")
    index.upsert(*(row(name, text) for name in ids))
    assert {name: found.text == text for name, found in index.store.get(ids).items()} == dict.fromkeys(ids, True)
    assert [stored.id for stored in index.store.scan()] == sorted(ids)


@pytest.mark.parametrize("row_id", ["", "x" * 513, "a\0b", "\ud800"])
def test_ids_that_cannot_be_kept_are_refused_and_nothing_is_written(index: Index, row_id: str) -> None:
    bad = replace(row("fine"), id=row_id)
    with pytest.raises(RowError):
        index.upsert(row("good"), bad)
    assert index.store.count() == 0
    assert index.store.get([row_id]) == {}
    assert index.store.delete(index.lease, [row_id]) == 0


@pytest.mark.parametrize("text", ["a\0b", "\udfff"])
def test_texts_that_cannot_be_kept_are_refused_and_nothing_is_written(index: Index, text: str) -> None:
    with pytest.raises(RowError, match="'bad'"):
        index.upsert(row("good"), replace(row("bad"), text=text))
    assert index.store.count() == 0


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        (np.array([1, 2, 3], np.float32), r"float32 \[3\]"),
        (np.array([1, 2, 3, 4], np.float64), r"float64"),
        (np.array([[1, 2, 3, 4]], np.float32), r"\[1, 4\]"),
        (np.array([1, 2, np.nan, 4], np.float32), "NaN"),
        (np.array([1, 2, -np.inf, 4], np.float32), "infinity"),
    ],
)
def test_a_bad_vector_is_refused_by_name_and_nothing_is_written(index: Index, vector: np.ndarray, says: str) -> None:
    bad = replace(row("bad"), parts={1: [replace(part("t", [0] * 4), vector=vector)]})
    with pytest.raises(OptionError, match=f"'bad'.*{says}"):
        index.upsert(row("good"), bad)
    assert index.store.count() == 0


def test_a_vector_for_a_generation_that_is_not_there_is_refused(index: Index) -> None:
    with pytest.raises(StoreError, match="generation 7"):
        index.upsert(row("good"), row("bad", generation=7))
    assert index.store.count() == 0


def test_two_parts_of_one_number_are_refused(index: Index) -> None:
    bad = replace(row("bad"), parts={1: [part("t", [1, 0, 0, 0]), part("t", [0, 1, 0, 0])]})
    with pytest.raises(OptionError, match="'bad'"):
        index.upsert(bad)


def test_a_closed_store_says_so(open_again: Opener) -> None:
    store = open_again()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()
    with pytest.raises(StoreError, match="closed"):
        store.lease("a")
    store.close()


# What a plan needs -------------------------------------------------------------------------------------


def hashes(index: Index, scope: str = "docs", buckets: range = range(4096)) -> list[bytes]:
    raw = index.store.row_hashes(scope, buckets).tobytes()
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]


def test_states_tell_scope_hashes_and_whether_the_vectors_are_there(index: Index) -> None:
    with_vector, without = row("a", "x", metadata={"m": 1}), row("b", "y", None, scope="other")
    index.upsert(with_vector, without)
    states = index.store.states(["b", "a", "nobody"], [1])
    assert states == {
        "a": ("a", "docs", with_vector.text_hash, with_vector.metadata_hash, with_vector.row_hash, True),
        "b": ("b", "other", without.text_hash, without.metadata_hash, b"", False),
    }
    assert index.store.states([], [1]) == {}


def test_row_hashes_of_settled_rows_come_ascending_and_by_scope(index: Index) -> None:
    rows = [row(f"row {i}") for i in range(500)]
    index.upsert(*rows, row("elsewhere", scope="other"), row("unsettled", "x", None))
    assert hashes(index) == sorted(r.row_hash for r in rows if r.row_hash)
    assert len(hashes(index, "other")) == 1
    assert hashes(index, "nowhere") == []


def test_row_hashes_are_of_the_buckets_asked_for(index: Index) -> None:
    index.upsert(*(row(f"row {i}") for i in range(500)))
    for buckets in (range(4096), range(1000, 2000), range(4095, 4096), range(1), range(7, 7)):
        assert hashes(index, buckets=buckets) == [h for h in hashes(index) if bucket_of(h) in buckets]
    assert len(hashes(index, buckets=range(1000, 2000))) > 80


@pytest.mark.parametrize("ending", [b"\0", b"\0\0\0", b"\n", b"\xff"])
def test_row_hashes_are_any_bytes(index: Index, ending: bytes) -> None:
    made = [replace(row(name), row_hash=bytes([i]) * (16 - len(ending)) + ending) for i, name in enumerate("abc")]
    index.upsert(*made)
    assert hashes(index) == [one.row_hash for one in made]
    assert index.store.ids_at("docs", [one.row_hash for one in made if one.row_hash]) == {
        one.row_hash: one.id for one in made
    }


def test_ids_are_found_by_row_hash_within_their_scope(index: Index) -> None:
    index.upsert(row("a"), row("b", scope="other"))
    wanted = [h for h in (row("a").row_hash, row("b").row_hash) if h]
    assert index.store.ids_at("docs", [*wanted, bytes(16)]) == {wanted[0]: "a"}
    assert index.store.ids_at("docs", []) == {}


def test_a_row_without_a_hash_is_unsettled_until_it_gets_one(index: Index) -> None:
    index.upsert(row("a"), row("b", "x", None), row("c", "x", None, scope="other"))
    assert (sorted(index.store.unsettled()), list(index.store.unsettled("docs"))) == (["b", "c"], ["b"])
    index.upsert(row("b"))
    index.store.unsettle(index.lease, ["a", "nobody"])
    assert list(index.store.unsettled("docs")) == ["a"]
    assert index.states()["a"].current
    index.upsert(replace(row("a"), text=None))  # of its vectors nothing is known
    assert list(index.store.unsettled("docs")) == ["a"]
    index.upsert(row("a"))
    assert list(index.store.unsettled("docs")) == []


def test_rows_are_settled_again_whose_hashes_and_vectors_are_right(index: Index) -> None:
    index.upsert(row("a"), row("b", "old"), row("c", metadata={"k": 1}), row("d", "x", None), row("e"))
    index.store.unsettle(index.lease, list("abcde"))
    given = [row("a"), row("b", "new"), row("c"), row("d", "x"), row("e", scope="other"), row("nobody")]
    assert index.store.settle(index.lease, given) == 1
    assert sorted(index.store.unsettled()) == ["b", "c", "d", "e"]
    assert index.states()["a"].row_hash == row("a").row_hash


def test_no_row_is_settled_that_the_searched_generation_lacks_though_it_is_not_complete(index: Index) -> None:
    index.upsert(row("a"), row("b"))
    index.store.create_generation(index.lease, space(2), "m")
    index.store.activate(index.lease, 2, incomplete=True)
    assert sorted(index.store.unsettled()) == ["a", "b"]
    assert index.store.settle(index.lease, [row("a"), row("b")]) == 0
    index.upsert(replace(row("a"), text=None))
    assert sorted(index.store.unsettled()) == ["a", "b"]


def test_a_text_that_is_unsettled_is_not_searched(index: Index) -> None:
    index.upsert(row("a"), row("b", "b", [0, 1, 0, 0]))
    index.store.unsettle(index.lease, ["a"], texts=True)
    assert index.search([1, 1, 0, 0]) == [("b", 1.0)]
    assert (index.states()["a"].text_hash, index.states()["a"].current) == (b"", False)


def test_many_unsettled_rows_are_listed_in_pieces(index: Index) -> None:
    ids = [f"r{i}" for i in range(20_000)]
    for begin in range(0, 20_000, 5_000):
        index.upsert(*(row(name, "x", None) for name in ids[begin : begin + 5_000]))
    assert sorted(index.store.unsettled()) == sorted(ids)


def test_nothing_is_lost_by_our_own_hand(index: Index) -> None:
    index.upsert(row("a"), row("b"))
    index.store.delete(index.lease, ["a"])
    assert index.store.lost() == []


def test_rows_are_counted_for_each_scope(index: Index) -> None:
    assert index.store.scopes() == {}
    index.upsert(row("a"), row("b"), row("c", scope="other"))
    assert index.store.scopes() == {"docs": 2, "other": 1}


def test_a_row_is_current_only_if_every_generation_asked_about_has_all_its_parts(index: Index) -> None:
    index.store.create_generation(index.lease, space(2), "m")
    both = replace(row("both", "t"), parts={1: [part("t", [1, 0, 0, 0])], 2: [part("t", [1, 0])]})
    index.upsert(both, row("one"), row("none", "t", None))
    assert {i: s.current for i, s in index.states([1]).items()} == {"both": True, "one": True, "none": False}
    assert {i: s.current for i, s in index.states([1, 2]).items()} == {"both": True, "one": False, "none": False}
    assert {i: s.current for i, s in index.states([]).items()} == {"both": True, "one": True, "none": True}


def test_vectors_of_a_changed_text_do_not_stay(index: Index) -> None:
    index.upsert(row("a", "old"), row("b", "b", [0, 1, 0, 0]))
    assert index.search([1, 0, 0, 0], 1) == [("a", 1.0)]
    index.upsert(row("a", "new", None))
    assert not index.states()["a"].current
    assert index.search([1, 0, 0, 0]) == [("b", 0.0)]
    assert index.search([1, 0, 0, 0], where={"$scope": "docs"}) == [("b", 0.0)]
    assert index.store.vectors_at(1, [part("old", [0] * 4).address]) == {}


def test_vectors_of_the_same_text_stay_though_none_are_given(index: Index) -> None:
    index.upsert(row("a", "same"))
    index.upsert(row("a", "same", None, {"k": 1}))
    assert index.states()["a"].current
    assert index.search([1, 0, 0, 0]) == [("a", 1.0)]


def test_no_parts_at_all_is_not_current(index: Index) -> None:
    index.upsert(row("a"))
    index.upsert(replace(row("a"), parts={1: []}))
    assert not index.states()["a"].current
    assert index.search([1, 0, 0, 0]) == []


def test_a_part_without_a_vector_counts_as_done_and_is_not_found(index: Index) -> None:
    parts = [replace(part("t", [1, 0, 0, 0], 0), vector=None, tokens=0), part("t", [0, 1, 0, 0], 1)]
    index.upsert(replace(row("a", "t"), parts={1: parts}), replace(row("b", "t"), parts={1: parts[:1]}))
    assert all(state.current for state in index.states().values())
    assert index.search([1, 1, 0, 0]) == [("a", 1.0)]
    stored = index.store.get(["a"], 1)["a"].parts
    assert [(p.part, p.empty, p.vector is None) for p in stored] == [(0, True, True), (1, False, False)]
    assert index.store.vectors_at(1, [parts[0].address]) == {}
    assert list(index.store.lacking(1)) == []


def test_a_metadata_change_settles_a_row_only_if_its_text_is_still_the_planned_one(index: Index) -> None:
    index.upsert(row("a", "other text"))
    index.upsert(replace(row("a", "planned text", metadata={"k": 1}), text=None))
    assert list(index.store.unsettled()) == ["a"]
    assert index.store.get(["a"])["a"].metadata == {"k": 1}


# Scan -------------------------------------------------------------------------------------------------


def test_scan_is_in_order_of_code_points_and_can_be_resumed(index: Index) -> None:
    ids = ["Z", "a", "a ", "aa", "z", "é", "\uffff", "𝕌", "😀"]
    shuffled = random.Random(7).sample(ids, len(ids))
    index.upsert(*(row(name) for name in shuffled))
    assert [stored.id for stored in index.store.scan()] == ids
    for i, name in enumerate(ids):
        assert [stored.id for stored in index.store.scan(after=name)] == ids[i + 1 :]
    assert [stored.id for stored in index.store.scan(after="b")] == ids[4:]


def test_scan_takes_one_scope_only_if_asked(index: Index) -> None:
    index.upsert(row("a"), row("b", scope="other"), row("c"))
    assert [stored.id for stored in index.store.scan(scope="docs")] == ["a", "c"]
    assert [stored.id for stored in index.store.scan(scope="docs", after="a")] == ["c"]


def test_scan_gives_parts_in_order(index: Index) -> None:
    parts = [part("x", [n, 0, 0, 0], n) for n in (2, 0, 1)]
    index.upsert(replace(row("a", "x", None), parts={1: parts}))
    (stored,) = index.store.scan(1)
    assert [(p.part, p.vector.tolist()) for p in stored.parts if p.vector is not None] == [
        (0, [0, 0, 0, 0]),
        (1, [1, 0, 0, 0]),
        (2, [2, 0, 0, 0]),
    ]


def test_scan_goes_on_while_rows_are_written_and_deleted(index: Index) -> None:
    ids = [f"{i:04}" for i in range(1500)]
    index.upsert(*(row(name) for name in ids))
    seen = []
    for stored in index.store.scan(1):
        seen.append(stored.id)
        if stored.id == "0100":
            index.store.delete(index.lease, ["0000", "1400"])
            index.upsert(row("0050 late"), row("1200 new"))
    late = {"1200 new"} if index.store.capabilities.snapshots else {"1200 new"} & set(seen)
    assert seen == sorted((set(ids) | late) - {"1400"})


def test_scan_can_be_left_half_way(index: Index) -> None:
    index.upsert(*(row(f"{i:04}") for i in range(1200)))
    assert len(list(islice(index.store.scan(1), 600))) == 600
    index.upsert(row("later"))
    assert index.store.count() == 1201


# Generations ------------------------------------------------------------------------------------------


def test_a_generation_gets_another_name_of_its_model_and_nothing_else_changes(index: Index) -> None:
    store, lease = index.store, index.lease
    store.create_generation(lease, space(2, "two"), "second")
    index.upsert(row("a", "t"))
    before = store.generations()
    store.name_model(lease, 2, "elsewhere")
    with index.open_again() as other:
        assert other.generations() == [before[0], replace(before[1], model="elsewhere")]
    with pytest.raises(StoreError, match="there is no generation 3"):
        store.name_model(lease, 3, "elsewhere")


def test_generations_are_built_activated_and_dropped(index: Index) -> None:
    store, lease = index.store, index.lease
    made = store.create_generation(lease, space(2, "two"), "second")
    assert (made.number, made.space, made.model, made.status) == (2, space(2, "two"), "second", "building")
    assert [(g.number, g.status) for g in store.generations()] == [(1, "active"), (2, "building")]
    index.upsert(replace(row("a", "t"), parts={1: [part("t", [1, 0, 0, 0])], 2: [part("t", [0, 1])]}))
    store.activate(lease, 2)
    assert [(g.number, g.status) for g in store.generations()] == [(1, "standby"), (2, "active")]
    assert store.search(2, np.array([[0, 1]], np.float32), 1) == [[Match("a", 0, 1.0, part("t", [0]).address)]]
    store.activate(lease, 1)  # and back
    assert [(g.number, g.status) for g in store.generations()] == [(1, "active"), (2, "standby")]
    store.drop_generation(lease, 2)
    assert [g.number for g in store.generations()] == [1]
    assert store.create_generation(lease, space(), "third").number == 3
    with index.open_again() as other:
        assert [(g.number, g.space.dim, g.model) for g in other.generations()] == [
            (1, 4, "test-model"),
            (3, 4, "third"),
        ]


def test_a_generation_made_where_there_are_no_rows_is_complete(index: Index) -> None:
    assert [(g.number, g.complete) for g in index.store.generations()] == [(1, True)]
    index.upsert(row("a"))
    assert not index.store.create_generation(index.lease, space(2), "m").complete
    assert [(g.number, g.complete) for g in index.store.generations()] == [(1, True), (2, False)]


def test_a_write_that_leaves_a_generation_out_makes_it_incomplete(index: Index) -> None:
    store, lease = index.store, index.lease
    store.create_generation(lease, space(2), "m")
    both = replace(row("a", "t"), parts={1: [part("t", [1, 0, 0, 0])], 2: [part("t", [1, 0])]})
    index.upsert(both)
    assert [g.complete for g in store.generations()] == [True, True]
    index.upsert(replace(both, text=None))
    assert [g.complete for g in store.generations()] == [True, True]
    index.upsert(row("a", "new"))
    assert [g.complete for g in store.generations()] == [True, False]
    assert list(store.lacking(2)) == ["a"]
    assert list(store.lacking(1)) == []


def test_an_incomplete_generation_is_filled_and_completed(index: Index) -> None:
    store = index.store
    store.create_generation(index.lease, space(2), "m")
    rows = [row(f"r{i:03}", f"text {i}") for i in range(300)]
    index.upsert(*rows)
    lease = store.lease("builder", name=lease_of(2))
    assert store.complete(lease, 2) == 300
    assert sorted(store.lacking(2)) == [r.id for r in rows]
    for r in rows:
        store.fill(lease, 2, [Filling(r.id, r.text_hash, [part("x", [0, 1])])])
    assert list(store.lacking(2)) == []
    assert not store.generations()[1].complete  # until somebody has looked
    assert store.complete(lease, 2) == 0
    assert store.generations()[1].complete


def test_filling_is_for_texts_as_they_were_read(index: Index) -> None:
    store = index.store
    index.upsert(row("a", "read"), row("b", "read"), row("c", "read"))
    store.create_generation(index.lease, space(2), "m")
    lease = store.lease("builder", name=lease_of(2))
    filling = [Filling(name, row("a", "read").text_hash, [part("read", [1, 0])]) for name in "abcd"]
    index.upsert(row("b", "changed meanwhile"))
    store.delete(index.lease, ["c"])
    assert store.fill(lease, 2, filling) == 1
    assert list(store.lacking(2)) == ["b"]
    assert store.complete(lease, 2) == 1
    assert store.fill(lease, 2, [Filling("b", row("b", "changed meanwhile").text_hash, [part("x", [0, 1])])]) == 1
    assert store.complete(lease, 2) == 0
    assert store.generations()[1].complete
    assert [m.id for m in store.search(2, np.array([[0, 1]], np.float32), 5)[0]] == ["b", "a"]


def test_filling_and_writing_rows_have_leases_of_their_own(index: Index) -> None:
    store = index.store
    index.upsert(row("a"))
    store.create_generation(index.lease, space(2), "m")
    before = store.writer()
    lease = store.lease("builder", name=lease_of(2))
    assert store.writer() == before
    index.upsert(row("b"))  # the lease for rows was not touched
    with pytest.raises(LeaseHeldError):
        store.lease("another builder", name=lease_of(2))
    assert store.lease("builder of 3", name=lease_of(3)).fence == 1
    store.release(lease)
    with pytest.raises(LeaseLostError):
        store.fill(lease, 2, [Filling("a", row("a").text_hash, [part("x", [0, 1])])])


def test_a_bad_vector_is_not_filled_in(index: Index) -> None:
    index.upsert(row("a"), row("b"))
    store = index.store
    store.create_generation(index.lease, space(2), "m")
    bad = [
        Filling("a", row("a").text_hash, [part("x", [0, 1])]),
        Filling("b", row("b").text_hash, [part("x", [1] * 4)]),
    ]
    with pytest.raises(OptionError, match="'b'"):
        store.fill(index.lease, 2, bad)
    with pytest.raises(StoreError, match="generation 7"):
        store.fill(index.lease, 7, [])
    assert sorted(store.lacking(2)) == ["a", "b"]


def test_an_incomplete_generation_is_not_made_active_unless_that_is_wanted(index: Index) -> None:
    store = index.store
    index.upsert(row("a"), row("b"))
    store.create_generation(index.lease, space(2), "m")
    store.fill(index.lease, 2, [Filling("b", row("b").text_hash, [part("x", [0, 1])])])
    with pytest.raises(IncompleteError) as caught:
        store.activate(index.lease, 2)
    assert caught.value.facts["lacking"] == 1
    assert [g.status for g in store.generations()] == ["active", "building"]
    store.activate(index.lease, 2, incomplete=True)
    assert [g.status for g in store.generations()] == ["standby", "active"]
    assert list(store.unsettled()) == ["a"]  # so that the next sync gives it vectors


def test_the_last_to_be_active_is_known(index: Index) -> None:
    store = index.store
    for _ in range(2):
        store.create_generation(index.lease, space(), "m")
    for number in (2, 3, 2):
        store.activate(index.lease, number)
    order = sorted(store.generations(), key=lambda g: g.activated)
    assert [g.number for g in order] == [1, 3, 2]
    store.activate(index.lease, 2)  # is active already
    assert sorted(store.generations(), key=lambda g: g.activated) == order


def test_search_can_be_kept_to_rows_that_another_generation_has_too(index: Index) -> None:
    store = index.store
    index.upsert(row("a"), row("b", "b", [2, 0, 0, 0]), row("c", "c", [3, 0, 0, 0]))
    store.create_generation(index.lease, space(2), "m")
    store.fill(
        index.lease, 2, [Filling(n, row(n, t).text_hash, [part(t, [0, 1])]) for n, t in (("a", "a text"), ("b", "b"))]
    )
    assert index.search([1, 0, 0, 0], within=2) == [("b", 2.0), ("a", 1.0)]
    assert index.search([1, 0, 0, 0], where={"$id": "a"}, within=2) == [("a", 1.0)]
    with pytest.raises(StoreError, match="generation 7"):
        index.search([1, 0, 0, 0], within=7)


def test_a_healthy_index_has_no_orphans_and_no_damage(index: Index) -> None:
    index.upsert(row("a"), row("b"))
    index.upsert(row("a", "changed"))
    index.store.delete(index.lease, ["b"])
    assert (index.store.orphans(), index.store.damage(), index.store.sweep(index.lease)) == ([], [], 0)
    assert index.store.size() > 0 or not index.knows_its_size


def test_a_generation_may_be_made_and_active_at_once(index: Index) -> None:
    made = index.store.create_generation(index.lease, space(2, "two"), "second", activate=True)
    assert (made.number, made.status) == (2, "active")
    assert [(g.number, g.status) for g in index.store.generations()] == [(1, "standby"), (2, "active")]


def test_activating_the_active_generation_changes_nothing(index: Index) -> None:
    index.store.activate(index.lease, 1)
    assert [(g.number, g.status) for g in index.store.generations()] == [(1, "active")]


def test_the_active_generation_is_not_dropped(index: Index) -> None:
    index.upsert(row("a"))
    with pytest.raises(StoreError, match="generation 1"):
        index.store.drop_generation(index.lease, 1)
    assert index.search([1, 0, 0, 0]) == [("a", 1.0)]


def test_a_dropped_generation_is_as_one_that_never_was(index: Index) -> None:
    store = index.store
    store.create_generation(index.lease, space(), "m")
    index.upsert(row("a", generation=2))
    query = np.ones((1, 4), np.float32)
    assert len(store.search(2, query, 1)[0]) == 1
    store.drop_generation(index.lease, 2)
    for read in (
        lambda: store.search(2, query, 1),
        lambda: store.get(["a"], 2),
        lambda: list(store.scan(2)),
        lambda: store.states(["a"], [2]),
        lambda: list(store.lacking(2)),
        lambda: store.fill(index.lease, 2, []),
        lambda: store.complete(index.lease, 2),
        lambda: store.vectors_at(2, [bytes(16)]),
        lambda: store.activate(index.lease, 2),
        lambda: store.drop_generation(index.lease, 2),
        lambda: index.upsert(row("b", generation=2)),
    ):
        with pytest.raises(StoreError, match="generation 2"):
            read()
    assert store.count() == 1


def test_deleting_a_row_removes_its_vectors_in_every_generation(index: Index) -> None:
    index.store.create_generation(index.lease, space(2), "m")
    index.upsert(replace(row("a", "t"), parts={1: [part("t", [1, 0, 0, 0])], 2: [part("t", [1, 0])]}))
    index.store.delete(index.lease, ["a"])
    place = part("t", [0] * 4).address
    assert index.store.vectors_at(1, [place]) == index.store.vectors_at(2, [place]) == {}


# Vectors by address -----------------------------------------------------------------------------------


def test_vectors_are_found_by_address_thousands_at_a_time(index: Index) -> None:
    places = [i.to_bytes(16, "big") for i in range(5000)]
    index.upsert(
        *(
            row(f"r{i}", f"t{i}", [i, 0, 0, -0.0], address=place, tokens=i, truncated=i % 2 == 0)
            for i, place in enumerate(places)
        )
    )
    found = index.store.vectors_at(1, [*places, bytes.fromhex("ff" * 16)])
    assert found.keys() == set(places)
    kept = found[places[4321]]
    assert (kept.vector.tobytes(), kept.tokens, kept.truncated) == (
        np.array([4321, 0, 0, -0.0], np.float32).tobytes(),
        4321,
        False,
    )
    assert index.store.vectors_at(1, []) == {}


# Search (filters: test_store_filters.py) --------------------------------------------------------------


def test_search_gives_the_best_first(index: Index) -> None:
    index.upsert(row("a", "a", [1, 0, 0, 0]), row("b", "b", [3, 0, 0, 0]), row("c", "c", [-2, 0, 0, 0]))
    assert index.search([1, 0, 0, 0]) == [("b", 3.0), ("a", 1.0), ("c", -2.0)]
    assert index.search([1, 0, 0, 0], 2) == [("b", 3.0), ("a", 1.0)]
    assert index.search([-1, 0, 0, 0], 1) == [("c", 2.0)]


def test_search_of_an_empty_generation_is_empty(index: Index) -> None:
    assert index.search([1, 0, 0, 0]) == []


def test_several_queries_have_a_list_each(index: Index) -> None:
    index.upsert(row("a", "a", [1, 0, 0, 0]), row("b", "b", [0, 1, 0, 0]))
    queries = np.array([[0, 1, 0, 0], [2, 0, 0, 0], [1, 1, 0, 0]], np.float32)
    assert index.store.search(1, queries, 1) == [
        [Match("b", 0, 1.0, part("b", [0]).address)],
        [Match("a", 0, 2.0, part("a", [0]).address)],
        [Match("a", 0, 1.0, part("a", [0]).address)],
    ]
    assert index.store.search(1, np.empty((0, 4), np.float32), 1) == []


def test_every_part_is_a_hit_of_its_own(index: Index) -> None:
    parts = [part("t", [n, 0, 0, 0], n) for n in range(3)]
    index.upsert(replace(row("a", "t", None), parts={1: parts}))
    (hits,) = index.store.search(1, np.array([[1, 0, 0, 0]], np.float32), 5)
    assert hits == [Match("a", n, float(n), parts[n].address) for n in (2, 1, 0)]


def test_a_hit_has_the_address_of_the_vector_that_was_compared(index: Index) -> None:
    old, new = row("a", "old", [1, 0, 0, 0]), row("a", "new", [2, 0, 0, 0])
    for written in (old, new, old):
        index.upsert(written)
        ((hit,),) = index.store.search(1, np.array([[1, 0, 0, 0]], np.float32), 1)
        assert hit.address == written.parts[1][0].address


def test_equal_scores_go_by_id_then_part(index: Index) -> None:
    def split(name: str) -> object:
        return replace(row(name, name, None), parts={1: [part(name, [1, 0, 0, 0], n) for n in (1, 0)]})

    index.upsert(*(split(name) for name in ("é", "b", "😀", "a", "Z")))
    (hits,) = index.store.search(1, np.array([[1, 0, 0, 0]], np.float32), 7)
    assert [(hit.id, hit.part) for hit in hits] == [
        ("Z", 0), ("Z", 1), ("a", 0), ("a", 1), ("b", 0), ("b", 1), ("é", 0),
    ]  # fmt: skip


def test_ties_above_the_last_place_go_by_id_too(index: Index) -> None:
    index.upsert(row("z", "z", [2, 0, 0, 0]), row("y", "y", [2, 0, 0, 0]), row("b", "b"), row("a", "a"), row("c", "c"))
    assert index.search([1, 0, 0, 0], 4) == [("y", 2.0), ("z", 2.0), ("a", 1.0), ("b", 1.0)]


@pytest.mark.parametrize("place", sorted(STORES.keys() - {"qdrant-local"}), indirect=True)  # it is for 20,000
def test_a_hundred_thousand_equal_scores(index: Index) -> None:
    made = replace(row("x", "t"), parts={1: [part("t", [1, 0, 0, 0], n) for n in range(5)]})
    ids = [f"{i * 7919 % 20_000:05}" for i in range(20_000)]
    for begin in range(0, len(ids), 5_000):
        index.upsert(*(replace(made, id=name) for name in ids[begin : begin + 5_000]))
    (hits,) = index.store.search(1, np.array([[1, 0, 0, 0]], np.float32), 7)
    assert [(hit.id, hit.part) for hit in hits] == [
        ("00000", 0), ("00000", 1), ("00000", 2), ("00000", 3), ("00000", 4), ("00001", 0), ("00001", 1),
    ]  # fmt: skip


def test_more_hits_than_there_are_rows(index: Index) -> None:
    index.upsert(row("b"), row("a"))
    assert index.search([1, 0, 0, 0], 1_000_000) == [("a", 1.0), ("b", 1.0)]


@pytest.mark.parametrize("dim", [64, 2_001])
def test_an_approximate_search_has_exact_scores_and_follows_writes_where_that_is_declared(
    open_again: Opener, dim: int
) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((600, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with open_again() as store:
        lease = store.lease("w")
        store.create_generation(lease, replace(space(dim), similarity="cosine"), "m", activate=True)
        store.upsert(lease, [row(f"r{i}", f"t{i}", v, {"n": i % 50}) for i, v in enumerate(vectors)])
        exact = store.search(1, vectors[:20], 10)
        assert store.search(1, vectors[:20], 10, approximate=True) == exact  # as long as there is no such index
        if not store.capabilities.approximate_search:
            with pytest.raises(StoreError, match="searched exactly"):
                store.build_ann(lease, 1)
            assert not store.has_ann(1)
            return
        assert not store.has_ann(1)
        store.build_ann(lease, 1)
        store.build_ann(lease, 1)  # is there already
        assert store.has_ann(1)
        found = store.search(1, vectors[:20], 10, approximate=True)
        assert store.search(1, vectors[:20], 10) == exact
        pairs = [({*near}, {*true}) for near, true in zip(found, exact, strict=True)]
        assert sum(len(near & true) for near, true in pairs) >= 0.9 * 200
        assert all(near == sorted(near, key=lambda m: (-m.score, m.id, m.part)) for near in found)
        assert len(store.search(1, vectors[:1], 600, approximate=True)[0]) == 600
        store.delete(lease, ["r0"])
        store.upsert(lease, [row("new", "new", vectors[0])])
        assert [m.id for m in store.search(1, vectors[:1], 1, approximate=True)[0]] == ["new"]
        where = parse_where({"n": 7})
        assert store.search(1, vectors[:1], 12, where, approximate=True) == store.search(1, vectors[:1], 12, where)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (np.array([[np.nan, 0, 0, 0]], np.float32), "NaN"),
        (np.array([[np.inf, 0, 0, 0]], np.float32), "infinity"),
        (np.array([[1, 0, 0, 0], [0, -0.0, 0, 0]], np.float32), "zeros"),
        (np.array([[1, 0, 0]], np.float32), r"float32 \[1, 3\]"),
        (np.array([[1, 0, 0, 0]], np.float64), "float64"),
        (np.array([1, 0, 0, 0], np.float32), r"\[4\]"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_by_name(index: Index, query: np.ndarray, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        index.store.search(1, query, 3)


@pytest.mark.parametrize("k", [0, -1])
def test_no_hits_cannot_be_asked_for(index: Index, k: int) -> None:
    with pytest.raises(OptionError, match="k"):
        index.search([1, 0, 0, 0], k)


def test_search_sees_what_was_written_before_it(index: Index) -> None:
    with index.open_again() as other:
        query = np.array([[1, 0, 0, 0]], np.float32)
        assert other.search(1, query, 5) == [[]]
        index.upsert(row("a"), row("b", "b", [2, 0, 0, 0]))
        assert [hit.id for hit in other.search(1, query, 5)[0]] == ["b", "a"]
        index.upsert(row("a", "better", [3, 0, 0, 0]), row("c", "c", [2.5, 0, 0, 0]))
        assert [hit.id for hit in other.search(1, query, 5)[0]] == ["a", "c", "b"]
        index.store.delete(index.lease, ["c"])
        assert [hit.id for hit in other.search(1, query, 5)[0]] == ["a", "b"]
        assert index.search([1, 0, 0, 0]) == [("a", 3.0), ("b", 2.0)]


def test_many_random_changes_leave_the_index_that_a_dictionary_would(index: Index) -> None:
    choose = random.Random(11)
    expected: dict[str, tuple[str, float]] = {}
    for _ in range(60):
        batch = []
        for _ in range(choose.randrange(1, 20)):
            name, value = f"r{choose.randrange(80)}", float(choose.randrange(1, 1000))
            expected[name] = (f"text {value}", value)
            batch.append(row(name, f"text {value}", [value, 0, 0, 0]))
        index.upsert(*batch)
        gone = {f"r{choose.randrange(80)}" for _ in range(choose.randrange(6))}
        assert index.store.delete(index.lease, sorted(gone)) == len(gone & expected.keys())
        for name in gone:
            expected.pop(name, None)
        best = sorted(((-value, name) for name, (_, value) in expected.items()))[:7]
        assert index.search([1, 0, 0, 0], 7) == [(name, -value) for value, name in best]
    assert {s.id: s.text for s in index.store.scan()} == {n: text for n, (text, _) in expected.items()}
    assert all(state.current for state in index.states().values())


def test_every_error_is_one_of_ours(index: Index) -> None:
    assert issubclass(LeaseLostError, IdembedError)
    with pytest.raises(IdembedError):
        index.store.create_generation(index.lease, space(0), "m")
    checked = check_row("a", "t", {}, "here")
    assert checked.metadata == "{}"


# Other processes --------------------------------------------------------------------------------------

WRITER = """
import sys
sys.path[:0] = {folders!r}
from kit import row
from idembed.stores import open_store
store = open_store(sys.argv[1])
lease = store.lease("child")
for batch in range(1000):
    store.upsert(lease, [row(f"{{batch:03}}-{{i:03}}", "text " * 200, [batch, i, 0, 1]) for i in range(100)])
    print(batch, flush=True)
"""


@pytest.mark.parametrize("place", sorted(STORES.keys() - IN_THIS_PROCESS), indirect=True)
def test_killed_between_batches_or_within_one_every_batch_is_whole_or_absent(index: Index, place: Path | str) -> None:
    index.store.release(index.lease)
    index.store.close()  # some databases are for one process at a time
    folder = Path(__file__).parent
    code = WRITER.format(folders=[str(folder), str(folder.parent)])
    for delay in (0.0, 0.003, 0.01):
        with subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            last = [int(child.stdout.readline()) for _ in range(3)][-1]
            time.sleep(delay)
            child.kill()
            last = int((child.stdout.read().split() or [last])[-1])
        with index.open_again() as store:
            lease = store.lease("next", instead_of="child")  # what the child had begun is over, or undone
            everything = [found.id for found in store.scan(1)]
            assert len(everything) % 100 == 0 or not store.capabilities.transactions  # then it is each row
            assert len(everything) >= 100 * (last + 1)
            assert all(state.current for state in store.states(everything, [1]).values())
            assert (store.orphans(), store.damage()) == ([], [])
            store.delete(lease, everything)
            store.release(lease)
