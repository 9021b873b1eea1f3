"""What collection/engine.py says of every database without transactions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines import ENGINES, Opener
from filter_table import KEYS as METADATA_KEYS
from filter_table import TABLE, VALUES

from idembed.canonical import canonical_json
from idembed.errors import StoreError
from idembed.filters import matches, parse_where
from idembed.stores.collection.engine import (
    ALL,
    EVERYTHING,
    HASHES,
    HEADS,
    KEYS,
    NO_ADDRESS,
    NOT_HEAD,
    STATE,
    UNSETTLED,
    WHOLE,
    Among,
    Engine,
    Key,
    Record,
    Standing,
)
from idembed.stores.collection.seal import Seal

ODD = (
    " ",
    "a b",
    "'; DROP TABLE pets; --",
    '"',
    "\\",
    '\\"',
    "%_*?",
    "1$ ${x} {{x}}",
    "\x01\x1b\x7f",
    "line\nline\r\n\ttab",
    "é",
    "e\u0301",
    "日本語",
    "😀",
    "\u202eabc",
    "\u200b",
    "\ufeff",
    "\uffff",
    "null",
    "true",
    "1",
    "1.0",
    "[]",
    "{}",
    "a/0",
    "a/1",
    "a",
    "A",
    "a ",
    "00000000-0000-0000-0000-000000000000",
    "x" * 512,
    "é" * 256,
    "😀" * 128,
)
"""Strings that mean something to somebody, up to the 512 bytes of the longest id."""
FILTER_KEYS = [key for key in METADATA_KEYS if not key.startswith("$")]
"""Filters keep names that begin with $ for themselves."""


@pytest.fixture(params=sorted(ENGINES))
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens an index by its name; what it opened is closed after the test."""
    opener, opened = ENGINES[request.param](tmp_path), []

    def open_index(name: str) -> Engine:
        opened.append(opener(name))
        return opened[-1]

    yield open_index
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_index: Opener) -> Engine:
    """An index with the empty collection 1, for vectors of 4 numbers."""
    engine = open_index("pets")
    engine.create(1, 4)
    return engine


def vector(*numbers: float) -> Any:
    return np.array(numbers, np.float32)


def head(row_id: str, *numbers: float, **known: Any) -> Record:
    """The live head of a row."""
    return Record(row_id, **{"order": 0, "place": 0, "live": True, "vector": vector(*numbers or (1, 0, 0, 0)), **known})


def everything(engine: Engine, among: Among = ALL, fields: frozenset[str] = EVERYTHING) -> dict[Key, Record]:
    pages = list(engine.find(1, among, fields))
    found = {record.key: record for page in pages for record in page}
    assert len(found) == sum(map(len, pages)), "each record once"
    return found


def ids(engine: Engine, among: Among) -> set[str]:
    found = {key.id for key in everything(engine, among, KEYS)}
    assert engine.count(1, among) == len(found)
    return found


def same(record: Record, other: Record) -> bool:
    """Equal, the vectors in every bit."""
    assert record.vector is not None
    assert other.vector is not None
    assert record.vector.dtype == np.float32
    vectors = record.vector.tobytes() == other.vector.tobytes()
    return vectors and replace(record, vector=None) == replace(other, vector=None)


def near(engine: Engine, query: Any, most: int = 100, where: Any = None, scope: str | None = None, **how: Any) -> Any:
    return engine.near(1, query, most, parse_where(where), scope, **{"exact": True, **how}).found


# What it says of itself -------------------------------------------------------------------------------


def test_it_can_do_what_every_index_needs(engine: Engine) -> None:
    assert engine.capabilities.exact_readback
    assert not engine.capabilities.transactions
    assert not engine.capabilities.snapshots
    assert engine.capabilities.max_key == 512
    assert engine.capabilities.max_dim >= 4096
    assert engine.most_near >= 1000
    assert "://" in engine.url


def test_a_new_index_is_empty(open_index: Opener) -> None:
    engine = open_index("pets")
    assert engine.documents() == {}
    assert engine.collections() == set()
    assert engine.pointer() is None
    assert engine.damage() == []
    assert engine.size() >= 0
    engine.remove_documents(["nothing"])
    engine.drop(1)
    assert engine.collections() == set()


# Documents --------------------------------------------------------------------------------------------


def test_documents_come_back_as_they_were(open_index: Opener) -> None:
    engine = open_index("pets")
    body = {
        "a": [1, 2.5, None, True, "é😀\n\"'\\"],
        "b": {"c": {}},
        "": 2**53,
        "d.e": -1,
        "big": "18446744073709551615",
    }
    engine.put_document("meta", body)
    engine.put_document("empty", {})
    assert engine.documents() == {"meta": body, "empty": {}}


def test_a_document_is_replaced_as_a_whole(open_index: Opener) -> None:
    engine = open_index("pets")
    engine.put_document("meta", {"a": 1, "b": {"c": 1}})
    engine.put_document("meta", {"b": {"d": 2}})
    assert engine.documents() == {"meta": {"b": {"d": 2}}}


def test_documents_are_found_by_how_their_names_begin(open_index: Opener) -> None:
    engine = open_index("pets")
    for name in ("lease/rows/1", "lease/rows/2", "lease/generation 1/1", "lease", "plan_1", "plan%1"):
        engine.put_document(name, {"name": name})
    assert set(engine.documents("lease/rows/")) == {"lease/rows/1", "lease/rows/2"}
    assert set(engine.documents("lease")) == {"lease", "lease/rows/1", "lease/rows/2", "lease/generation 1/1"}
    assert set(engine.documents("plan_")) == {"plan_1"}
    assert set(engine.documents("plan%")) == {"plan%1"}
    assert engine.documents("Lease") == {}
    assert len(engine.documents()) == 6


def test_documents_are_removed(open_index: Opener) -> None:
    engine = open_index("pets")
    for name in ("a", "b", "c"):
        engine.put_document(name, {})
    engine.remove_documents(["a", "c", "was never there"])
    assert set(engine.documents()) == {"b"}
    engine.remove_documents([])
    engine.put_document("a", {"again": True})
    assert engine.documents() == {"a": {"again": True}, "b": {}}


def test_document_names_may_have_200_characters_and_bodies_64_kilobytes(open_index: Opener) -> None:
    engine = open_index("pets")
    names = ["n" * 200, "n" * 199 + "m", "/:'\"\\%_*?$ {}()", "a.b", "A.B"]
    for number, name in enumerate(names):
        engine.put_document(name, {"number": number, "text": "é" * 31_000})
    found = engine.documents()
    assert {name: body["number"] for name, body in found.items()} == {name: i for i, name in enumerate(names)}
    assert all(body["text"] == "é" * 31_000 for body in found.values())


def test_hundreds_of_documents_are_all_found(open_index: Opener) -> None:
    engine = open_index("pets")
    for number in range(300):
        engine.put_document(f"claim {number:03}", {"number": number})
    assert engine.documents("claim ") == {f"claim {number:03}": {"number": number} for number in range(300)}
    engine.remove_documents([f"claim {number:03}" for number in range(299)])
    assert engine.documents() == {"claim 299": {"number": 299}}


# Collections ------------------------------------------------------------------------------------------


def test_collections_are_made_and_dropped(engine: Engine) -> None:
    engine.create(12, 3)
    assert engine.collections() == {1, 12}
    engine.put(12, [head("a", 1, 2, 3)])
    assert engine.count(1, ALL) == 0
    assert engine.count(12, ALL) == 1
    engine.drop(12)
    assert engine.collections() == {1}


def test_a_collection_that_is_there_is_not_made_again(engine: Engine) -> None:
    engine.put(1, [head("a")])
    with pytest.raises(StoreError):
        engine.create(1, 2)
    assert engine.count(1, ALL) == 1


def test_a_collection_that_was_dropped_may_be_made_again_and_is_empty(engine: Engine) -> None:
    engine.put(1, [head("a")])
    engine.drop(1)
    engine.create(1, 2)
    assert engine.count(1, ALL) == 0
    engine.put(1, [head("a", 1, 2)])
    assert everything(engine)[Key("a", 0)].vector.tobytes() == vector(1, 2).tobytes()  # type: ignore[union-attr]


def test_vectors_may_have_one_number_or_thousands(engine: Engine) -> None:
    for dim in (1, 4096):
        engine.drop(2)
        engine.create(2, dim)
        wanted = np.linspace(-1, 1, dim, dtype=np.float32) + np.float32(0.1)
        engine.put(2, [Record("a", vector=wanted, live=True)])
        found = engine.fetch(2, [Key("a", 0)], EVERYTHING)[Key("a", 0)].vector
        assert found is not None
        assert found.tobytes() == wanted.tobytes()


def test_the_pointer_moves_where_there_is_one(engine: Engine, open_index: Opener) -> None:
    engine.create(2, 4)
    other = open_index("pets")
    engine.point(1)
    assert (engine.pointer(), other.pointer()) == ((1, 1) if engine.capabilities.atomic_switch else (None, None))
    engine.point(2)
    engine.point(2)
    assert (engine.pointer(), other.pointer()) == ((2, 2) if engine.capabilities.atomic_switch else (None, None))
    engine.drop(1)
    assert engine.pointer() == (2 if engine.capabilities.atomic_switch else None)


def test_two_indexes_in_one_database_do_not_mix(open_index: Opener) -> None:
    pets, pet, pets_2 = open_index("pets"), open_index("pet"), open_index("pets_2")
    for number, engine in enumerate((pets, pet, pets_2)):
        engine.create(1, 2)
        engine.put(1, [head(f"row of {number}", 1, 1)])
        engine.put_document("meta", {"of": number})
    pet.create(2, 2)
    pet.point(2)
    for number, engine in enumerate((pets, pet, pets_2)):
        assert set(everything(engine)) == {Key(f"row of {number}", 0)}
        assert engine.documents() == {"meta": {"of": number}}
        assert [one.record.id for one in near(engine, vector(1, 1))] == [f"row of {number}"]
    assert pet.collections() == {1, 2}
    assert pets.collections() == {1}
    assert pets_2.collections() == {1}
    assert pets.pointer() is None
    pet.drop(1)
    pet.remove_documents(["meta"])
    assert pets.collections() == {1}
    assert pets.documents() == {"meta": {"of": 0}}
    assert pets_2.count(1, ALL) == 1


# Records, back as they were ---------------------------------------------------------------------------


def test_a_record_comes_back_with_all_it_had(engine: Engine) -> None:
    wanted = Record(
        id="pet",
        part=0,
        scope="docs",
        text="A cat,\n and a dog.",
        metadata='{"kind":"cat","nested":{"a":[1,{"b":null}]},"year":2020}',
        start=3,
        end=18,
        tokens=7,
        truncated=True,
        address=bytes(range(16)),
        row_hash=bytes(range(240, 256)),
        order=2**62 + 1,
        place=2**61 - 1,
        live=True,
        seal=bytes(range(256)),
        vector=vector(0.1, -0.2, 0.3, -0.4),
    )
    engine.put(1, [wanted])
    (found,) = engine.fetch(1, [wanted.key], EVERYTHING).values()
    assert same(found, wanted)
    assert type(found.part) is type(found.order) is int
    assert type(found.live) is type(found.truncated) is bool
    (page,) = engine.find(1, ALL, EVERYTHING)
    assert same(page[0], wanted)
    assert json.loads(page[0].metadata) == {"kind": "cat", "nested": {"a": [1, {"b": None}]}, "year": 2020}


def test_a_record_of_little_comes_back_with_little(engine: Engine) -> None:
    wanted = Record("a", vector=vector(0, 0, 0, 0))
    engine.put(1, [wanted])
    found = engine.fetch(1, [wanted.key], EVERYTHING)[wanted.key]
    assert same(found, wanted)
    assert (found.text, found.metadata, found.scope, found.row_hash, found.seal) == ("", "{}", "", b"", b"")
    assert (found.address, found.order, found.place, found.live) == (NO_ADDRESS, NOT_HEAD, NOT_HEAD, False)


def test_vectors_come_back_in_every_bit(engine: Engine) -> None:
    tiny, small, large = np.float32(1e-45), np.finfo(np.float32).tiny, np.finfo(np.float32).max
    odd = [
        [0.0, -0.0, 1.0, -1.0],
        [tiny, -tiny, small, -small / 2],
        [large, -large, 1 / 3, np.pi],
        [-0.0] * 4,
        [0.0] * 4,
    ]
    bits = np.random.default_rng(0).integers(0, 2**32, (300, 4), dtype=np.uint32).view(np.float32)
    vectors = np.vstack([np.array(odd, np.float32), bits[np.isfinite(bits).all(axis=1)]])
    engine.put(1, [Record(str(i), vector=one) for i, one in enumerate(vectors)])
    found = everything(engine)
    assert len(found) == len(vectors)
    for i, one in enumerate(vectors):
        assert found[Key(str(i), 0)].vector.tobytes() == one.tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("field", ["id", "scope", "text"])
def test_strings_are_kept_as_they_are_and_apart(engine: Engine, field: str) -> None:
    records = [head(**{"row_id": str(i), "scope": "s", field: odd}) for i, odd in enumerate(ODD) if field != "id"]
    records = records or [head(odd, tokens=i) for i, odd in enumerate(ODD)]
    engine.put(1, records)
    found = everything(engine)
    assert len(found) == len(ODD)
    for record in records:
        assert same(found[record.key], record)
    again = engine.fetch(1, [record.key for record in records], EVERYTHING)
    assert all(same(again[record.key], record) for record in records)
    if field == "scope":
        for record in records:
            assert ids(engine, Among(scope=record.scope)) == {record.id}
            assert [one.record.id for one in near(engine, vector(1, 0, 0, 0), scope=record.scope)].count(record.id) == 1


def test_a_long_text_comes_back(engine: Engine) -> None:
    text = ("".join(ODD) * 100)[: min(engine.capabilities.max_text, engine.capabilities.max_metadata) // 4 - 20]
    engine.put(1, [head("a", text=text, metadata=canonical_json({"long": text}))])
    found = engine.fetch(1, [Key("a", 0)], WHOLE)[Key("a", 0)]
    assert found.text == text
    assert found.metadata == canonical_json({"long": text})


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"": ""},
        {"a": None, "b": True, "c": 1, "d": 1.5, "e": "x", "f": [], "g": {}},
        {"a.b": 1, "a": {"b": 2}, "a[0]": 3, "a[]": 4, '"a"': 5},
        {"n": [2**53, -(2**53), 1e300, 5e-324, 1e-7, 0.1 + 0.2]},
        {"list": [1, "a", None, [[]], {"x": [{}]}], "mixed": [1, [1], "1"]},
        {"deep": json.loads('{"a":' * 60 + "1" + "}" * 60)},
        {key: index for index, key in enumerate(METADATA_KEYS)},
        {"text": "t", "id": 1, "scope": {}, "metadata": [], "part": "p", "vector": [1], "_live": False, "_address": 1},
        {"type": "Point", "lat": 1, "lon": 2, "time": "2020-01-01T00:00:00Z", "uuid": "0" * 32},
        {"key": "é😀\u202e\x01\"\\'"},
    ],
    ids=lambda metadata: canonical_json(metadata)[:30].encode("ascii", "backslashreplace").decode(),
)
def test_metadata_comes_back_as_the_very_string(engine: Engine, metadata: dict[str, Any]) -> None:
    wanted = head("a", metadata=canonical_json(metadata))
    engine.put(1, [wanted])
    assert same(engine.fetch(1, [wanted.key], EVERYTHING)[wanted.key], wanted)
    assert [one.record.metadata for one in near(engine, vector(1, 0, 0, 0))] == [wanted.metadata]


def test_ids_that_look_like_others_parts_are_kept_apart(engine: Engine) -> None:
    keys = [Key(row_id, part) for row_id in ("a", "a/1", "a/1/1", "a:1", "a1", "a 1", "a\x1f1") for part in (0, 1, 11)]
    engine.put(1, [Record(*key, tokens=i, vector=vector(i, 0, 0, 0)) for i, key in enumerate(keys)])
    assert {key: record.tokens for key, record in everything(engine).items()} == {key: i for i, key in enumerate(keys)}
    engine.remove(1, [Key("a", 1), Key("a/1", 0)])
    assert set(everything(engine)) == set(keys) - {Key("a", 1), Key("a/1", 0)}


def test_numbers_come_back_from_end_to_end(engine: Engine) -> None:
    orders = [NOT_HEAD, UNSETTLED, 0, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 2, 2**63 - 1]
    wanted = [Record(str(i), i, "", order=n, place=n, vector=vector(1, 0, 0, 0)) for i, n in enumerate(orders)]
    wanted += [Record("many", 2**20, start=2**31, end=2**31 + 1, tokens=2**31, vector=vector(1, 0, 0, 0))]
    engine.put(1, wanted)
    found = everything(engine)
    assert all(same(found[record.key], record) for record in wanted)


def test_the_standing_of_rows_is_what_it_is_now_whoever_wrote_them(open_index: Opener) -> None:
    one, other = open_index("pets"), open_index("pets")
    one.create(1, 4)
    single, several = Seal(made_of=b"m" * 32, last=1).packed(), Seal(made_of=b"m" * 32, last=3).packed()
    one.put(1, [head("a", scope="s", seal=single), Record("b", 1, "s", seal=single, vector=vector(0, 0, 0, 0))])
    assert one.standing(1, ["a", "b", "nobody"]) == {"a": Standing("s", 1)}
    other.put(1, [head("a", scope="t", seal=several)])
    assert one.standing(1, ["a"]) == other.standing(1, ["a"]) == {"a": Standing("t", 3)}
    other.remove(1, [Key("a", 0)])
    assert one.standing(1, ["a"]) == other.standing(1, ["a"]) == {}
    one.put(1, [head("a", scope="s", seal=single)])
    one.remove(1, [Key("a", 0)])
    assert one.standing(1, ["a"]) == other.standing(1, ["a"]) == {}
    one.put(1, [head("a", scope="s", seal=single)])
    other.drop(1)
    other.create(1, 4)
    assert one.standing(1, ["a"]) == other.standing(1, ["a"]) == {}


def test_a_record_is_replaced_as_a_whole(engine: Engine) -> None:
    old = head("a", 1, 2, 3, 4, scope="s", text="old", metadata='{"old":1}', seal=b"old", row_hash=b"o" * 16)
    new = Record("a", vector=vector(5, 6, 7, 8), metadata='{"new":1}')
    engine.put(1, [old, head("b")])
    engine.put(1, [new])
    assert engine.count(1, ALL) == 2
    assert same(engine.fetch(1, [new.key], EVERYTHING)[new.key], new)
    assert near(engine, vector(1, 0, 0, 0), where={"old": 1}) == []
    assert ids(engine, Among(scope="s")) == set()


def test_what_was_put_twice_is_there_once(engine: Engine) -> None:
    for _ in range(3):
        engine.put(1, [head(str(i)) for i in range(50)])
    assert engine.count(1, ALL) == 50
    assert len(everything(engine)) == 50


def test_nothing_is_put_and_removed_without_harm(engine: Engine) -> None:
    engine.put(1, [])
    engine.remove(1, [])
    engine.remove(1, [Key("nobody", 0)])
    assert engine.fetch(1, [], EVERYTHING) == {}
    assert engine.fetch(1, [Key("nobody", 0)], EVERYTHING) == {}
    assert list(engine.find(1, ALL, EVERYTHING)) == []
    assert engine.count(1, ALL) == 0
    assert near(engine, vector(1, 0, 0, 0)) == []


def test_records_are_removed_by_key(engine: Engine) -> None:
    engine.put(1, [head("a"), replace(head("a"), part=1), head("b"), *(head(odd) for odd in ODD[:20])])
    engine.remove(1, [Key("a", 0), Key("b", 1), *(Key(odd, 0) for odd in ODD[:20])])
    assert set(everything(engine)) == {Key("a", 1), Key("b", 0)}
    engine.put(1, [head("a", 0, 1, 0, 0)])
    assert set(everything(engine)) == {Key("a", 0), Key("a", 1), Key("b", 0)}


def test_only_the_fields_that_were_asked_for_are_given(engine: Engine) -> None:
    full = head("a", scope="s", text="text", metadata='{"a":1}', row_hash=b"h" * 16, seal=b"seal", tokens=3, order=5)
    full = replace(full, start=1, end=4, truncated=True, address=b"a" * 16, place=9)
    engine.put(1, [full])
    plain = Record("a")
    wanted = {
        KEYS: plain,
        HASHES: replace(plain, row_hash=b"h" * 16),
        STATE: replace(plain, row_hash=b"h" * 16, scope="s", seal=b"seal", live=True, order=5, place=9),
        WHOLE: replace(full, vector=None),
        KEYS | {"address"}: replace(plain, address=b"a" * 16),
        KEYS | {"text", "tokens"}: replace(plain, text="text", tokens=3),
        frozenset({"metadata"}): replace(plain, metadata='{"a":1}'),
    }
    for fields, record in wanted.items():
        assert engine.fetch(1, [full.key], fields) == {full.key: record}
        assert list(engine.find(1, ALL, fields)) == [[record]]
    vectors = engine.fetch(1, [full.key], KEYS | {"vector"})
    assert same(vectors[full.key], replace(plain, vector=full.vector))


# Finding ----------------------------------------------------------------------------------------------


def test_records_are_found_by_scope(engine: Engine) -> None:
    engine.put(1, [head("a", scope="docs"), head("b", scope="docs/1"), head("c", scope="Docs"), head("d", scope="")])
    assert ids(engine, Among(scope="docs")) == {"a"}
    assert ids(engine, Among(scope="")) == {"d"}
    assert ids(engine, Among(scope="doc")) == set()
    assert ids(engine, ALL) == {"a", "b", "c", "d"}


def test_records_are_found_by_ranges_of_order_and_place(engine: Engine) -> None:
    numbers = {
        "not": NOT_HEAD,
        "un": UNSETTLED,
        "0": 0,
        "1": 1,
        "5": 5,
        "53": 2**53,
        "53+": 2**53 + 1,
        "max": 2**63 - 1,
    }
    engine.put(1, [head(name, order=n, place=NOT_HEAD) for name, n in numbers.items()])
    assert ids(engine, HEADS) == numbers.keys() - {"not"}
    assert ids(engine, Among(orders=range(UNSETTLED, 0))) == {"un"}
    assert ids(engine, Among(orders=range(NOT_HEAD, 0))) == {"not", "un"}
    assert ids(engine, Among(orders=range(5))) == {"0", "1"}
    assert ids(engine, Among(orders=range(5, 6))) == {"5"}
    assert ids(engine, Among(orders=range(2**53, 2**53 + 1))) == {"53"}
    assert ids(engine, Among(orders=range(2**53 + 1, 2**53 + 2))) == {"53+"}
    assert ids(engine, Among(orders=range(2**53 + 1, 2**63 - 1))) == {"53+"}
    assert ids(engine, Among(orders=range(2, 5))) == set()
    assert ids(engine, Among(orders=range(5, 5))) == set()
    engine.put(1, [head(name, order=NOT_HEAD, place=n) for name, n in numbers.items()])
    assert ids(engine, Among(places=range(UNSETTLED, 2))) == {"un", "0", "1"}
    assert ids(engine, Among(places=range(2**53 + 1, 2**63))) == {"53+", "max"}
    assert ids(engine, HEADS) == set()


def test_records_are_found_by_exact_orders(engine: Engine) -> None:
    engine.put(1, [head(str(n), order=n) for n in (UNSETTLED, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1)])
    assert ids(engine, Among(exactly=(1,))) == {"1"}
    assert ids(engine, Among(exactly=(2**53 + 1, 2**63 - 1, UNSETTLED, 77))) == {str(2**53 + 1), str(2**63 - 1), "-1"}
    assert ids(engine, Among(exactly=(77,))) == set()
    assert ids(engine, Among(exactly=())) == set()
    assert ids(engine, Among(exactly=tuple(range(1000)))) == {"0", "1", "2"}


def test_records_are_found_by_up_to_a_thousand_addresses(engine: Engine) -> None:
    addresses = [i.to_bytes(16, "little") for i in range(1, 1501)]
    engine.put(1, [head(str(i), address=place) for i, place in enumerate(addresses)])
    engine.put(1, [head("twin", address=addresses[3]), head("none"), head("odd", address=b"'\"\\%\n" + b"\xff" * 11)])
    assert ids(engine, Among(addresses=(addresses[3],))) == {"3", "twin"}
    assert ids(engine, Among(addresses=(NO_ADDRESS,))) == {"none"}
    assert ids(engine, Among(addresses=(b"'\"\\%\n" + b"\xff" * 11, b"nobody" + bytes(10)))) == {"odd"}
    assert ids(engine, Among(addresses=())) == set()
    assert ids(engine, Among(addresses=tuple(addresses[:1000]))) == {*map(str, range(1000)), "twin"}


def test_records_are_found_live_or_not(engine: Engine) -> None:
    engine.put(1, [head("live"), head("not", live=False)])
    assert ids(engine, Among(live=True)) == {"live"}
    assert ids(engine, Among(live=False)) == {"not"}
    assert ids(engine, Among(live=None)) == {"live", "not"}


def test_everything_that_is_asked_holds_at_once(engine: Engine) -> None:
    wanted = head("all", scope="s", order=5, place=7, address=b"a" * 16)
    others = [
        replace(wanted, id="scope", scope="t"),
        replace(wanted, id="order", order=9),
        replace(wanted, id="place", place=9),
        replace(wanted, id="address", address=b"b" * 16),
        replace(wanted, id="live", live=False),
    ]
    engine.put(1, [wanted, *others])
    asked = Among(scope="s", orders=range(6), places=range(8), exactly=(5,), addresses=(b"a" * 16,), live=True)
    assert ids(engine, asked) == {"all"}
    assert ids(engine, replace(asked, scope=None)) == {"all", "scope"}
    assert ids(engine, replace(asked, orders=None, exactly=(5, 9))) == {"all", "order"}
    assert ids(engine, replace(asked, exactly=(4,))) == set()
    assert ids(engine, replace(asked, places=range(7))) == set()


def test_thousands_of_records_are_found_in_pages(engine: Engine) -> None:
    wanted = {f"row {i}": np.float32(i) for i in range(5000)}
    engine.put(1, [head(name, float(n), 1, 1, 1, order=int(n)) for name, n in wanted.items()])
    pages = list(engine.find(1, ALL, EVERYTHING))
    assert all(0 < len(page) <= 5000 for page in pages)
    found = {record.id: record.vector[0] for page in pages for record in page}  # type: ignore[index]
    assert found == wanted
    assert sum(map(len, pages)) == 5000
    assert engine.count(1, ALL) == 5000
    assert ids(engine, Among(orders=range(1000, 4500))) == {f"row {i}" for i in range(1000, 4500)}
    assert len(engine.fetch(1, [Key(name, 0) for name in wanted], KEYS)) == 5000
    engine.remove(1, [Key(f"row {i}", 0) for i in range(0, 5000, 2)])
    assert set(everything(engine, fields=KEYS)) == {Key(f"row {i}", 0) for i in range(1, 5000, 2)}


def test_large_records_are_written_and_read_in_requests_that_the_database_takes(engine: Engine) -> None:
    long = min(1_000_000, engine.capabilities.max_text)
    texts = {f"row {i}": f"{i % 10}" * long for i in range(70_000_000 // long)}
    engine.put(1, [head(name, text=text) for name, text in texts.items()])
    assert {key.id: record.text for key, record in everything(engine).items()} == texts
    assert len(engine.fetch(1, [Key(name, 0) for name in texts], WHOLE)) == len(texts)


def test_what_stays_is_found_once_though_others_come_and_go_meanwhile(engine: Engine, open_index: Opener) -> None:
    stay = {f"stays {i}" for i in range(3000)}
    engine.put(1, [head(name, order=1) for name in sorted(stay)])
    engine.put(1, [head(f"goes {i}") for i in range(3000)])
    other, found = open_index("pets"), []
    for number, page in enumerate(engine.find(1, ALL, KEYS)):
        found += [record.id for record in page]
        engine.put(1, [head(f"comes {number}/{i}") for i in range(50)])
        other.remove(1, [Key(f"goes {number * 50 + i}", 0) for i in range(50)])
        engine.put(1, [head(name, 0, 1, 0, 0, order=1) for name in sorted(stay)[number::100]])
        assert number < 1000, "it comes to an end"
    assert len([name for name in found if name in stay]) == 3000
    assert stay <= set(found)


def test_what_is_found_may_be_removed_or_changed_at_once(engine: Engine) -> None:
    engine.put(1, [head(f"row {i}", order=i) for i in range(3000)])
    seen = set()
    for page in engine.find(1, Among(orders=range(2000)), STATE):
        seen |= {record.id for record in page}
        engine.remove(1, [record.key for record in page if record.order % 2])
        engine.put(1, [head(record.id, order=record.order + 5000) for record in page if record.order % 2 == 0])
    assert seen == {f"row {i}" for i in range(2000)}
    assert engine.count(1, Among(orders=range(2000))) == 0
    assert engine.count(1, Among(orders=range(5000, 7000))) == 1000


def test_a_search_for_records_may_be_left_off(engine: Engine) -> None:
    engine.put(1, [head(f"row {i}") for i in range(2500)])
    pages = engine.find(1, ALL, KEYS)
    assert next(pages)
    del pages
    assert engine.count(1, ALL) == 2500


# Near -------------------------------------------------------------------------------------------------


def test_the_nearest_come_first_with_their_inner_products(engine: Engine) -> None:
    engine.put(
        1,
        [
            head("half", 0.5, 0, 0, 0),
            head("long", 3, 0, 0, 0),
            head("aside", 0, 1, 0, 0),
            head("against", -2, 0, 0, 0),
            head("one", 1, 5, 0, 0),
        ],
    )
    found = near(engine, vector(2, 0, 0, 0))
    assert [one.record.id for one in found] == ["long", "one", "half", "aside", "against"]
    assert [one.score for one in found] == [6.0, 2.0, 1.0, 0.0, -4.0]
    assert [one.record.id for one in near(engine, vector(2, 0, 0, 0), 2)] == ["long", "one"]
    assert all(type(one.score) is float for one in found)


def test_what_is_near_comes_with_all_but_its_text(engine: Engine) -> None:
    wanted = head("a", 1, 2, 3, 4, scope="s", text="text", metadata='{"a":1}', seal=b"s", row_hash=b"h" * 16, order=7)
    wanted = replace(wanted, address=b"a" * 16, tokens=3, truncated=True, start=1, end=2, place=8)
    engine.put(1, [wanted])
    (found,) = near(engine, vector(1, 0, 0, 0))
    assert same(replace(found.record, text="text"), wanted)


def test_only_what_is_live_is_near(engine: Engine) -> None:
    engine.put(
        1, [head("a"), head("dead", 9, 0, 0, 0, live=False), Record("b", 3, live=True, vector=vector(2, 0, 0, 0))]
    )
    assert [one.record.key for one in near(engine, vector(1, 0, 0, 0))] == [Key("b", 3), Key("a", 0)]
    engine.put(1, [head("a", live=False)])
    assert [one.record.key for one in near(engine, vector(1, 0, 0, 0))] == [Key("b", 3)]


def test_all_are_found_where_more_are_asked_for_than_there_are(engine: Engine) -> None:
    engine.put(1, [head(str(i), i, 0, 0, 0) for i in range(7)])
    for most in (1, 7, 8, engine.most_near):
        assert len(near(engine, vector(1, 0, 0, 0), most)) == min(most, 7)
        assert len(near(engine, vector(1, 0, 0, 0), most, exact=False)) == min(most, 7)


def test_as_many_are_found_as_the_engine_says_it_finds(engine: Engine) -> None:
    some = min(engine.most_near, 2000)
    engine.put(1, [head(str(i), i, 0, 0, 0) for i in range(some + 10)])
    found = near(engine, vector(1, 0, 0, 0), some)
    assert [one.record.id for one in found] == [str(i) for i in range(some + 9, 9, -1)]


def test_a_search_of_a_scope_finds_all_of_it(engine: Engine) -> None:
    engine.put(1, [head(f"docs {i}", scope="docs") for i in range(5)])
    engine.put(1, [head(f"near {i}", 9, 0, 0, 0, scope="other") for i in range(200)])
    found = {one.record.id for one in near(engine, vector(1, 0, 0, 0), 205, scope="docs")}
    assert {f"docs {i}" for i in range(5)} <= found


def test_the_best_of_random_vectors_are_found_exactly(engine: Engine) -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((2000, 4)).astype(np.float32)
    engine.put(1, [Record(str(i), live=i % 3 > 0, vector=one) for i, one in enumerate(vectors)])
    for query in random.standard_normal((10, 4)).astype(np.float32):
        scores = vectors.astype(np.float64) @ query.astype(np.float64)
        best = sorted((i for i in range(2000) if i % 3 > 0), key=lambda i: -scores[i])[:50]
        found = near(engine, query, 50)
        assert [one.score for one in found] == pytest.approx([scores[i] for i in best], rel=1e-5, abs=1e-6)
        assert {one.record.id for one in found[:40]} <= {str(i) for i in best}


def test_vectors_of_great_and_tiny_numbers_are_near_by_inner_product_alone(engine: Engine) -> None:
    engine.put(1, [head("great", 1e18, 0, 0, 0), head("tiny", 1e-30, 0, 0, 0), head("none", 0, 0, 0, 0)])
    found = near(engine, vector(1e3, 0, 0, 0))
    assert [one.record.id for one in found] == ["great", "tiny", "none"]
    assert found[0].score == pytest.approx(1e21, rel=1e-6)
    assert len(near(engine, vector(0, 0, 0, 0))) == 3


@pytest.fixture
def filtered(engine: Engine) -> Engine:
    """Each value of the truth table, under each key."""
    engine.put(1, [head(name, metadata=canonical_json(kept)) for name, kept in VALUES.items()])
    engine.put(
        1,
        [
            head(f"{index}: {name}", metadata=canonical_json({key: kept["k"]}))
            for index, key in enumerate(FILTER_KEYS)
            for name, kept in VALUES.items()
            if "k" in kept
        ],
    )
    return engine


@pytest.mark.slow
def test_a_filter_leaves_out_nothing_that_satisfies_it(filtered: Engine) -> None:
    for wanted, names in TABLE:
        found = {one.record.id for one in near(filtered, vector(1, 0, 0, 0), 500, {"k": wanted})}
        assert names <= found, wanted
    for wanted, names in TABLE[::6]:
        for index, key in enumerate(FILTER_KEYS):
            found = {one.record.id for one in near(filtered, vector(1, 0, 0, 0), 500, {key: wanted})}
            assert {f"{index}: {name}" for name in names} <= found, (key, wanted)


def test_the_database_applies_filters_itself_where_that_is_declared(engine: Engine) -> None:
    engine.put(1, [head(f"row {i}", 1 + i, 0, 0, 0, metadata=canonical_json({"k": i % 2})) for i in range(10)])
    found = near(engine, vector(1, 0, 0, 0), 5, {"k": 0})
    assert ({one.record.metadata for one in found} == {'{"k":0}'}) == engine.capabilities.filters


def test_a_filter_on_odd_strings_finds_them(engine: Engine) -> None:
    engine.put(1, [head(f"value {i}", metadata=canonical_json({"k": odd})) for i, odd in enumerate(ODD)])
    engine.put(1, [head(f"key {i}", metadata=canonical_json({odd: 1})) for i, odd in enumerate(ODD)])
    for i, odd in enumerate(ODD):
        assert f"value {i}" in {one.record.id for one in near(engine, vector(1, 0, 0, 0), 500, {"k": odd})}
        assert f"key {i}" in {one.record.id for one in near(engine, vector(1, 0, 0, 0), 500, {odd: 1})}
        assert f"key {i}" in {one.record.id for one in near(engine, vector(1, 0, 0, 0), 500, {odd: {"gte": 1}})}


def test_a_filter_on_what_idembed_knows_finds_it(engine: Engine) -> None:
    engine.put(1, [head(odd, scope=odd, tokens=i, truncated=i % 2 == 0) for i, odd in enumerate(ODD)])
    for i, odd in enumerate(ODD):
        for where in ({"$id": odd}, {"$scope": odd}, {"$tokens": i}, {"$tokens": [i, 999]}, {"$truncated": i % 2 == 0}):
            assert odd in {one.record.id for one in near(engine, vector(1, 0, 0, 0), 500, where)}, where
    assert len(near(engine, vector(1, 0, 0, 0), 500, {"$tokens": {"gte": 0}, "$id": {"ne": "nobody"}})) == len(ODD)


def test_the_best_of_what_satisfies_random_filters_are_found(engine: Engine) -> None:
    random = np.random.default_rng(2)
    values = [None, True, False, 0, 1, -1, 1.5, 2**53, 1e300, "", "a", "b", "1", "true", [1], {"x": 1}]
    pick = lambda: values[random.integers(len(values))]  # noqa: E731
    kept = {str(i): {key: pick() for key in ("a", "b.c", "d") if random.random() < 0.7} for i in range(300)}
    vectors = random.standard_normal((300, 4)).astype(np.float32)
    engine.put(1, [head(name, *vectors[int(name)], metadata=canonical_json(one)) for name, one in kept.items()])
    scalars = [value for value in values if not isinstance(value, list | dict)]
    ordered = [value for value in scalars if isinstance(value, str) or (type(value) in (int, float))]
    for _ in range(60):
        one = lambda some: some[random.integers(len(some))]  # noqa: E731
        tests = [
            one(scalars),
            [one(scalars), one(scalars)],
            {"ne": one(scalars)},
            {one(["gt", "gte", "lt", "lte"]): one(ordered)},
        ]
        where = {key: one(tests) for key in ("a", "b.c", "d") if random.random() < 0.6}
        query = random.standard_normal(4).astype(np.float32)
        wanted = {name for name, metadata in kept.items() if matches(parse_where(where), metadata)}
        found = near(engine, query, 300, where)
        assert wanted <= {hit.record.id for hit in found}, where
        scores = [hit.score for hit in found]
        assert scores == sorted(scores, reverse=True)


# Approximate search -----------------------------------------------------------------------------------


def test_an_index_for_approximate_search_is_made_where_there_is_such_a_thing(engine: Engine) -> None:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((3000, 4)).astype(np.float32)
    engine.put(1, [head(str(i), *one, scope=str(i % 2)) for i, one in enumerate(vectors)])
    assert not engine.has_ann(1)
    assert len(near(engine, vectors[0], 10, exact=False)) == 10
    engine.build_ann(1, lambda: None)
    assert engine.has_ann(1) == engine.capabilities.approximate_search
    engine.build_ann(1, lambda: None)
    shared = 0
    for query in vectors[:50]:
        exact = [one.record.id for one in near(engine, query, 10)]
        assert exact == [str(i) for i in np.argsort(-(vectors @ query), kind="stable")[:10]]
        shared += len(set(exact) & {one.record.id for one in near(engine, query, 10, exact=False)})
    assert shared >= 450
    engine.put(1, [head("new", 99, 99, 99, 99)])
    assert near(engine, vector(1, 1, 1, 1), 1, exact=False)[0].record.id == "new"
    engine.remove(1, [Key("new", 0)])
    assert "new" not in {one.record.id for one in near(engine, vector(1, 1, 1, 1), 10, exact=False)}
    assert all(one.record.scope == "1" for one in near(engine, vectors[0], 10, scope="1", exact=False)[:5])
    assert engine.count(1, ALL) == 3000
    engine.tidy(1)
    assert engine.count(1, ALL) == 3000


# Several at a time, and the end -----------------------------------------------------------------------


def test_two_that_are_open_see_what_the_other_wrote_at_once(engine: Engine, open_index: Opener) -> None:
    other = open_index("pets")
    for number in range(20):
        engine.put(1, [head(f"row {number}", text=str(number))])
        assert other.fetch(1, [Key(f"row {number}", 0)], WHOLE)[Key(f"row {number}", 0)].text == str(number)
        assert other.count(1, ALL) == number + 1
        other.put(1, [head(f"row {number}", text="changed")])
        assert [record.text for record in everything(engine).values()] == ["changed"] * (number + 1)
        other.put_document("meta", {"number": number})
        assert engine.documents() == {"meta": {"number": number}}
        assert len(near(other, vector(1, 0, 0, 0))) == number + 1
    other.remove(1, [Key("row 3", 0)])
    assert engine.count(1, ALL) == 19
    other.create(2, 4)
    assert engine.collections() == {1, 2}
    engine.drop(1)
    assert other.collections() == {2}


def test_what_was_written_is_there_after_closing(engine: Engine, open_index: Opener) -> None:
    wanted = head("a", 0.1, -0.0, 3, 4, text="text", metadata='{"a":1}')
    engine.put(1, [wanted])
    engine.put_document("meta", {"a": 1})
    engine.point(1)
    engine.close()
    again = open_index("pets")
    assert same(again.fetch(1, [wanted.key], EVERYTHING)[wanted.key], wanted)
    assert again.documents() == {"meta": {"a": 1}}
    assert again.collections() == {1}
    assert again.pointer() == (1 if again.capabilities.atomic_switch else None)


def test_closing_one_leaves_the_other_open(engine: Engine, open_index: Opener) -> None:
    other = open_index("pets")
    other.close()
    engine.put(1, [head("a")])
    assert engine.count(1, ALL) == 1


def test_a_closed_engine_refuses_everything(engine: Engine) -> None:
    engine.close()
    engine.close()
    for ask in (
        lambda: engine.documents(),
        lambda: engine.put_document("a", {}),
        lambda: engine.remove_documents(["a"]),
        lambda: engine.collections(),
        lambda: engine.create(2, 4),
        lambda: engine.drop(1),
        lambda: engine.pointer(),
        lambda: engine.point(1),
        lambda: engine.put(1, [head("a")]),
        lambda: engine.remove(1, [Key("a", 0)]),
        lambda: engine.fetch(1, [Key("a", 0)], KEYS),
        lambda: next(engine.find(1, ALL, KEYS)),
        lambda: engine.count(1, ALL),
        lambda: near(engine, vector(1, 0, 0, 0)),
        lambda: engine.build_ann(1, lambda: None),
        lambda: engine.has_ann(1),
        lambda: engine.size(),
        lambda: engine.damage(),
    ):
        with pytest.raises(StoreError, match="is closed"):
            ask()


def test_a_collection_that_is_not_there_is_an_error(engine: Engine) -> None:
    for ask in (
        lambda: engine.put(7, [head("a")]),
        lambda: engine.fetch(7, [Key("a", 0)], KEYS),
        lambda: next(engine.find(7, ALL, KEYS)),
        lambda: engine.count(7, ALL),
        lambda: engine.near(7, vector(1, 0, 0, 0), 1, (), None, exact=True),
    ):
        with pytest.raises(StoreError):
            ask()
    assert engine.collections() == {1}
