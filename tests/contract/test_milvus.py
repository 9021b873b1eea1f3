"""What is particular to Milvus: its URLs, its expressions, and a server that dies and comes back."""

from __future__ import annotations

import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pymilvus", reason='needs Milvus: pip install "pymilvus[milvus_lite]"')

import grpc
from milvus_lite.search.filter.parser import parse_expr
from milvus_lite.search.filter.tokens import TokenKind, tokenize
from pymilvus import MilvusClient, MilvusException

from idembed.errors import DiskFullError, LeaseLostError, NotAnIndexError, OptionError, ReadOnlyError, StoreError
from idembed.filters import parse_where
from idembed.shown import without_password
from idembed.stores import open_store
from idembed.stores.collection.engine import ALL, EVERYTHING, HEADS, KEYS, NO_ADDRESS, Among, Key, Record
from idembed.stores.collection.search import Question
from idembed.stores.milvus import building, collections, link, near
from idembed.stores.milvus import engine as engine_module
from idembed.stores.milvus.engine import MilvusEngine
from idembed.stores.milvus.expressions import condition, quoted, superset
from idembed.stores.milvus.place import place_of
from idembed.stores.milvus.wire import Wire
from milvus_server import MilvusServer, milvus

STRINGS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def head(name: str, *numbers: float, **known: object) -> Record:
    vector = np.array(numbers or (1, 0, 0, 0), np.float32)
    return Record(name, **{"order": 0, "place": 0, "live": True, "vector": vector, **known})  # type: ignore[arg-type]


@pytest.fixture
def url() -> str:
    return milvus().url("pets", milvus().new_database())


@pytest.fixture
def engine(url: str) -> Iterator[MilvusEngine]:
    engine = MilvusEngine(url)
    engine.create(1, 4)
    yield engine
    engine.close()


@pytest.fixture
def other_program(url: str) -> Iterator[MilvusClient]:
    client = MilvusClient(url.partition("/pets")[0].replace("milvus:", "http:"), db_name=url.partition("db=")[2])
    yield client
    client.close()


# URLs -------------------------------------------------------------------------------------------------


def test_a_url_names_server_index_database_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    plain = place_of("milvus://host/pets")
    assert (plain.address, plain.name, plain.database, plain.token) == ("http://host:19530", "pets", "", "")
    full = place_of("milvus://me:p%40ss%2F@host:443/pets?db=zoo&secure=true")
    assert (full.address, full.name, full.database, full.token) == ("https://host:443", "pets", "zoo", "me:p@ss/")
    assert full.shown == "milvus://me:***@host:443/pets?db=zoo&secure=true"
    assert place_of("milvus://[::1]:19530/pets").address == "http://[::1]:19530"
    assert (plain.collection(3), plain.documents) == ("pets_g3", "pets_idembed")
    assert [plain.number_of(name) for name in ("pets_g12", "pets_g01", "pets_g1_g2", "pet_g1", "pets")] == [
        12,
        None,
        None,
        None,
        None,
    ]


def test_a_token_is_in_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_TOKEN", "a-secret")
    place = place_of("milvus://host/pets")
    assert place.token == "a-secret"
    assert "a-secret" not in repr(place)
    assert place_of("milvus://me:pw@host/pets").token == "me:pw"


def test_a_token_goes_over_the_network_encrypted_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    assert place_of("milvus://me:pw@host/pets").address == "https://host:19530"
    assert place_of("milvus://me:pw@host/pets?secure=false").address == "http://host:19530"
    monkeypatch.setenv("MILVUS_TOKEN", "a-secret")
    assert place_of("milvus://host/pets").address == "https://host:19530"
    assert place_of("milvus://127.evil.example/pets").address == "https://127.evil.example:19530"
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert place_of(f"milvus://{host}/pets").address == f"http://{host}:19530"


@pytest.mark.parametrize(
    "url",
    [
        "milvus://APIKEY123@host/pets",
        "milvus://APIKEY123:@host/pets",
        "MILVUS://APIKEY123@host/pets",
        "milvus://more/APIKEY123@host/pets",
        "milvus://me:more/APIKEY123@host/pets",
        "milvus://more?APIKEY123@host/pets",
        "milvus://me:more@APIKEY123@host/pets",
        "milvus://host/pets?token=more@APIKEY123",
        "milvus://host/pets?token=more#APIKEY123",
        "milvus://:APIKEY123@host/pets?db=;",
    ],
)
def test_a_token_in_the_url_is_shown_nowhere(url: str) -> None:
    assert "APIKEY123" not in without_password(url)
    with pytest.raises(OptionError) as error:
        place_of(url)
    assert "APIKEY123" not in str(error.value)


def test_a_user_without_a_password_is_told_where_a_token_goes() -> None:
    with pytest.raises(OptionError, match=r"milvus://\*\*\*@host/pets has a user without a password\n.*MILVUS_TOKEN"):
        place_of("milvus://APIKEY123@host/pets")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("milvus:///pets", "names no host"),
        ("milvus://host", "has a name of letters"),
        ("milvus://host/", "has a name of letters"),
        ("milvus://host/my-pets", "has a name of letters"),
        ("milvus://host/1pets", "has a name of letters"),
        ("milvus://host/pets/more", "has a name of letters"),
        ("milvus://host/pets_g1", "not of an index"),
        ("milvus://host/pets_idembed", "not of an index"),
        ("milvus://host/" + "p" * 201, "has a name of letters"),
        ("milvus://host/pets?schema=a", "unknown option 'schema'"),
        ("milvus://host/pets?db=a;b", "a database of Milvus has a name"),
        ("milvus://host/pets?secure=yes", "secure is true or false"),
        ("milvus://host:port/pets", "is no URL of an index"),
        ("milvus://me:hush@me@host/pets", "has an @"),
        ("milvus://me:hu#sh@host/pets", "has an @"),
    ],
)
def test_a_url_that_means_nothing_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(OptionError, match=message) as error:
        place_of(url)
    assert "hush" not in str(error.value)
    assert "hu#sh" not in str(error.value)


# Expressions ------------------------------------------------------------------------------------------


@given(STRINGS)
def test_a_quoted_string_is_one_string_and_nothing_else(text: str) -> None:
    first, end = tokenize(quoted(text))
    assert (first.kind, first.value, end.kind) == (TokenKind.STRING, text, TokenKind.EOF)


@given(STRINGS, st.sampled_from(["in", "ne", "gt", "lte"]), STRINGS | st.integers(-(2**53), 2**53) | st.floats())
def test_every_filter_is_an_expression_of_one_comparison(key: str, operator: str, value: object) -> None:
    try:
        where = parse_where({key: {operator: [value] if operator == "in" else value}})
    except (StoreError, ValueError):
        return
    for one in where:
        if written := condition(one):
            assert type(parse_expr(written)).__name__ in ("CmpOp", "InOp", "And")


def test_filters_that_servers_read_in_several_ways_are_left_out() -> None:
    def written(**where: object) -> str:
        return superset(parse_where(where), None)

    assert written(kind="cat") == '((metadata["kind"] == "cat"))'
    assert written(year={"gte": 2020}) == '((metadata["year"] >= 2020))'
    assert written(kind={"ne": "cat"}) == ""
    assert written(kind=None) == ""
    assert written(kind=["cat", None]) == ""
    assert written(**{'a"]["b': 1}) == ""
    assert written(**{"a/b": 1}) == ""
    assert written(n=list(range(101))) == ""
    assert superset((), 'a" or "" == "') == r'(scope == "a\" or \"\" == \"")'


def test_what_goes_into_a_filter_is_found_and_nothing_else(engine: MilvusEngine) -> None:
    odd = ["a", 'a"', "a\\", 'a\\"', "a' or '1' == '1", "a\n", "a\r", "a\t", "%", "_", "{a}", "\u202ea", "😀", "\x01"]
    engine.put(1, [head(f"{i}{text}", scope=text, address=bytes([i]) * 16) for i, text in enumerate(odd)])
    for i, text in enumerate(odd):
        ((found,),) = engine.find(1, Among(scope=text), KEYS)
        assert found.id == f"{i}{text}"
        assert engine.count(1, Among(scope=text)) == 1
        assert list(engine.fetch(1, [Key(f"{i}{text}", 0), Key(text + "'", 0)], KEYS)) == [Key(f"{i}{text}", 0)]


# What other programs see ------------------------------------------------------------------------------


def test_other_programs_find_records_by_their_metadata_through_the_alias(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    engine.put(1, [head("a", text="a cat", metadata='{"kind":"cat","year":2020}')])
    engine.put(1, [head("b", metadata='{"kind":"dog"}')])
    engine.point(1)
    names = ["id", "text", "metadata"]
    (found,) = other_program.query("pets", 'metadata["kind"] == "cat"', names)
    assert {name: found[name] for name in names} == {
        "id": "a",
        "text": "a cat",
        "metadata": {"kind": "cat", "year": 2020},
    }


def test_records_whose_addresses_have_one_half_in_common_are_told_apart(engine: MilvusEngine) -> None:
    addresses = [b"the same" + half for half in (b"first ..", b"second .")]
    engine.put(1, [head(str(i), address=address) for i, address in enumerate(addresses)])
    for fields in (KEYS, EVERYTHING):
        found = [record for page in engine.find(1, Among(addresses=(addresses[1],)), fields) for record in page]
        assert [record.id for record in found] == ["1"]
        assert found[0].address == (addresses[1] if "address" in fields else NO_ADDRESS)
    assert engine.count(1, Among(addresses=(addresses[1],))) == 1


def test_a_collection_that_has_the_name_of_the_index_is_left_alone(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    other_program.create_collection("pets", dimension=4)
    with pytest.raises(StoreError, match="pets"):
        engine.point(1)
    assert engine.pointer() is None
    assert other_program.has_collection("pets")
    assert engine.collections() == {1}


def test_an_alias_that_somebody_else_uses_is_neither_taken_over_nor_indexed_beside(
    url: str, other_program: MilvusClient
) -> None:
    other_program.create_collection("prod_docs_v3", dimension=4)
    other_program.create_alias("prod_docs_v3", "pets")
    engine = MilvusEngine(url)
    with pytest.raises(StoreError, match=r"the alias pets stands for prod_docs_v3.*\n.*another name"):
        engine.create(1, 4)
    assert engine.collections() == set()
    assert other_program.describe_alias("pets")["collection_name"] == "prod_docs_v3"
    engine.close()


def test_an_alias_that_was_taken_after_the_index_was_made_is_not_moved(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    other_program.create_collection("prod_docs_v3", dimension=4)
    other_program.create_alias("prod_docs_v3", "pets")
    with pytest.raises(StoreError, match="the alias pets stands for prod_docs_v3"):
        engine.point(1)
    assert other_program.describe_alias("pets")["collection_name"] == "prod_docs_v3"


def test_a_name_that_somebody_elses_collection_has_is_refused_before_anything_is_made(
    url: str, other_program: MilvusClient
) -> None:
    other_program.create_collection("pets", dimension=4)
    engine = MilvusEngine(url)
    with pytest.raises(StoreError, match="there is a collection pets already"):
        engine.create(1, 4)
    assert other_program.list_collections() == ["pets"]
    engine.close()


@pytest.mark.parametrize("is_alias", [False, True])
def test_a_name_that_is_taken_leaves_no_documents_behind(url: str, other_program: MilvusClient, is_alias: bool) -> None:
    other_program.create_collection("theirs" if is_alias else "pets", dimension=4)
    if is_alias:
        other_program.create_alias("theirs", "pets")
    with pytest.raises(StoreError, match="not of this index"):
        open_store(url)
    assert other_program.list_collections() == ["theirs" if is_alias else "pets"]


def test_a_collection_of_somebody_else_with_the_name_of_our_documents_is_left_alone(
    url: str, other_program: MilvusClient
) -> None:
    other_program.create_collection("pets_idembed", dimension=4)
    for create in (True, False):
        with pytest.raises(
            NotAnIndexError, match=r"a collection pets_idembed, which is not of idembed\n.*another name"
        ):
            open_store(url, create=create)
    assert other_program.list_collections() == ["pets_idembed"]


def test_a_collection_by_whose_alias_somebody_searches_is_not_dropped(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    other_program.create_alias("pets_g1", "theirs")
    with pytest.raises(StoreError, match=r"the alias theirs stands for it.*\n.*remove that alias"):
        engine.drop(1)
    assert other_program.describe_alias("theirs")["collection_name"] == "pets_g1"
    assert engine.collections() == {1}
    other_program.drop_alias("theirs")
    engine.drop(1)
    assert engine.collections() == set()


def test_a_collection_that_is_not_ours_is_not_dropped_whatever_its_name(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    other_program.create_collection("pets_g2", dimension=4)
    engine.drop(2)
    assert other_program.has_collection("pets_g2")
    engine.create(3, 1)
    engine.drop(3)
    engine.drop(1)
    assert engine.collections() == {2}


def test_an_index_that_lost_its_search_while_another_was_made_has_it_again(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    engine.put(1, [head("a", 1, 2, 3, 4), head("b", 4, 3, 2, 1)])
    other_program.release_collection("pets_g1")
    other_program.drop_index("pets_g1", "vector")
    query = np.array([1, 0, 0, 0], np.float32)
    assert [hit.record.id for hit in engine.near(1, query, 2, (), None, exact=True).found] == ["b", "a"]
    assert not engine.has_ann(1)


def test_nothing_is_printed_when_the_server_refuses(engine: MilvusEngine, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreError):
        engine.put(9, [head("a")])
    with pytest.raises(StoreError):
        engine.near(9, np.zeros(4, np.float32), 1, (), None, exact=True)
    assert capfd.readouterr() == ("", "")


def test_many_records_are_put_into_segments_before_they_are_read(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which makes a search of 10,000 in Milvus Lite thirty times as fast; clusters do it themselves."""
    flushed: list[str] = []
    monkeypatch.setattr(engine._collections, "flush", flushed.append)
    engine.put(1, [head(f"row {i}") for i in range(1999)])
    engine.count(1, ALL)
    assert flushed == []
    engine.put(1, [head("one more")])
    assert engine.count(1, HEADS) == 2000
    assert engine.count(1, HEADS) == 2000
    assert flushed == ["pets_g1"]
    monkeypatch.setattr(engine._collections, "is_lite", lambda: False)
    engine.put(1, [head(f"row {i}") for i in range(3000)])
    assert engine.count(1, HEADS) == 3001
    assert flushed == ["pets_g1"]


def test_records_are_counted_alike_by_those_that_are_meant_and_by_those_that_are_not(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [head(f"{i}", scope="abc"[i % 3], order=(-2, -1, 0, 2**63 - 1)[i % 4], live=i % 5 > 0) for i in range(60)]
    engine.put(1, records)
    ranges = [None, HEADS.orders, range(2**63), range(-2, 2**63), range(1), range(5, 5)]
    asked = [
        Among(scope=scope, orders=orders, live=live)
        for scope in (None, "a")
        for orders in ranges
        for live in (None, True)
    ]
    counts = [engine.count(1, among) for among in asked]
    assert counts == [sum(map(len, engine.find(1, among, KEYS))) for among in asked]
    monkeypatch.setattr(engine._collections, "is_lite", lambda: False)
    assert counts == [engine.count(1, among) for among in asked]


# The index for approximate search --------------------------------------------------------------------


def some(count: int) -> list[Record]:
    random = np.random.default_rng(1)
    return [head(str(i), *random.standard_normal(4), order=i) for i in range(count)]


def test_an_index_for_approximate_search_is_made_though_others_search_all_the_while(
    engine: MilvusEngine, url: str
) -> None:
    engine.put(1, some(3000))
    query, failed, asked, ended = np.array([1, 0, 0, 0], np.float32), [], [0] * 3, threading.Event()
    wanted = [hit.record.id for hit in engine.near(1, query, 3, (), None, exact=True).found]

    def search(number: int) -> None:
        other = MilvusEngine(url)
        try:
            while not ended.is_set():
                found = other.near(1, query, 3, (), None, exact=True).found[:3]
                assert [hit.record.id for hit in found] == wanted
                asked[number] += 1
        except BaseException as error:  # said below
            failed.append(error)
        finally:
            other.close()

    threads = [threading.Thread(target=search, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while not all(asked) and not failed:
        time.sleep(0.01)
    try:
        engine.build_ann(1, lambda: None)
        assert engine.has_ann(1)
        before = list(asked)
        while any(now <= then for now, then in zip(asked, before, strict=True)) and not failed:
            time.sleep(0.01)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert engine.has_ann(1)


def test_who_searches_while_an_index_is_replaced_waits_and_holds_nothing_ready(
    engine: MilvusEngine, other_program: MilvusClient, url: str
) -> None:
    engine.put(1, some(10))
    engine.put_document("_building/pets_g1", {"until": time.time() + 3600})
    other_program.release_collection("pets_g1")
    query, found = np.array([1, 0, 0, 0], np.float32), []

    def search() -> None:
        other = MilvusEngine(url)
        found.extend(other.near(1, query, 5, (), None, exact=False).found)
        other.close()

    searching = threading.Thread(target=search)
    searching.start()
    time.sleep(1.5)
    assert str(other_program.get_load_state("pets_g1")["state"]) == "NotLoad"
    assert found == []
    engine.remove_documents(["_building/pets_g1"])
    searching.join()
    assert len(found) == 5


def test_who_was_killed_while_it_replaced_an_index_keeps_nobody_waiting(
    engine: MilvusEngine, other_program: MilvusClient
) -> None:
    engine.put(1, some(10))
    engine.put_document("_building/pets_g1", {"until": time.time() + 1})
    other_program.release_collection("pets_g1")
    other_program.drop_index("pets_g1", "vector")
    assert len(engine.near(1, np.ones(4, np.float32), 5, (), None, exact=True).found) == 5
    assert engine.documents() == {}


def test_whoever_waits_too_long_for_an_index_is_told_that_it_is_being_made(
    engine: MilvusEngine, other_program: MilvusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "_BUILT", 0.5)
    engine.put_document("_building/pets_g1", {"until": time.time() + 3600})
    other_program.release_collection("pets_g1")
    with pytest.raises(StoreError, match=r"is being made\n.*search again when that is done"):
        engine.near(1, np.ones(4, np.float32), 5, (), None, exact=True)


def test_the_lease_is_renewed_while_an_index_is_made(engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, kept = MilvusClient.load_collection, []

    def load(*args: object, **kwargs: object) -> None:
        time.sleep(1.0)
        slow(*args, **kwargs)

    engine.put(1, some(10))
    monkeypatch.setattr(MilvusClient, "load_collection", load)
    monkeypatch.setattr(building, "_BEAT", 0.1)
    engine.build_ann(1, lambda: kept.append(time.monotonic()))
    assert len(kept) > 4
    assert engine.has_ann(1)
    assert engine.documents() == {}


def test_who_lost_the_lease_waits_for_no_index(engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*_: object, **__: object) -> None:
        time.sleep(0.1)
        raise MilvusException(8, "rate limit exceeded")

    def lost() -> None:
        kept.append(1)
        if len(kept) == 3:
            raise LeaseLostError("another took over")

    kept: list[int] = []
    engine.put_document("meta", {})
    monkeypatch.setattr(MilvusClient, "create_index", create)
    monkeypatch.setattr(building, "_BEAT", 0.1)
    begun = time.monotonic()
    with pytest.raises(LeaseLostError):
        engine.build_ann(1, lost)
    assert time.monotonic() - begun < 10
    assert not [one for one in threading.enumerate() if one.name == "idembed-ann"]


def test_a_server_that_adds_nothing_to_an_index_is_not_waited_for(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = {"index_type": "HNSW", "state": "InProgress", "indexed_rows": 7}
    monkeypatch.setattr(MilvusClient, "describe_index", lambda *_, **__: stuck)
    monkeypatch.setattr(building, "_STALLED", 0.1)
    with pytest.raises(StoreError, match="added nothing to the index"):
        building._wait(engine._link, "pets_g1")


def test_every_vector_is_read_once_for_an_exact_search_beside_an_index_though_many_are_equal(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.put(1, [head(f"{i:04}") for i in range(500)])
    engine.put(1, [head(f"worse {i}", 0.5, 0, 0, 0) for i in range(100)])
    engine.build_ann(1, lambda: None)
    read: list[object] = []
    real = near.best_of
    monkeypatch.setattr(engine_module, "best_of", lambda *given: read.append(given) or real(*given))
    question = Question(engine, 1, 1.001, 5, (), None, None)
    best = question.best(np.array([1, 0, 0, 0], np.float32))
    assert [match.id for match in best] == ["0000", "0001", "0002", "0003", "0004"]
    assert len(read) == 1
    assert len(engine.near(1, np.array([1, 0, 0, 0], np.float32), 5, (), None, exact=True).found) == 501


def test_what_one_connection_wrote_is_put_into_segments_before_another_reads_it(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = engine.another()()
    monkeypatch.setattr(engine_module, "_UNFLUSHED", 10)
    flushed: list[str] = []
    monkeypatch.setattr(engine._collections, "flush", flushed.append)
    other.put(1, some(10))
    other.close()
    assert engine.count(1, ALL) == 10
    assert flushed == ["pets_g1"]


def test_another_connection_has_the_same_password(monkeypatch: pytest.MonkeyPatch) -> None:
    url = milvus().url("pets", "").replace("//", "//me:hush@")
    engine = MilvusEngine(url)
    other = engine.another()()
    engine.close()
    assert other._place.token == "me:hush"
    assert "hush" not in other.url
    assert other.collections() == set()
    other.close()


# What a server says -----------------------------------------------------------------------------------


class Refusing:
    """Is asked, and refuses as often as it should."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self, _: object) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_what_a_server_refuses_for_a_moment_is_asked_again(engine: MilvusEngine) -> None:
    limited, busy = MilvusException(8, "rate limit exceeded"), MilvusException(5, "service internal", retriable=True)
    gone = MilvusException(grpc.StatusCode.UNAVAILABLE, "Retry run out, Connection reset by peer")
    assert engine._link(Refusing(limited, busy, gone, MilvusException(2, "Fail connecting"))) == "done"


def test_whatever_was_done_though_its_answer_was_lost_is_well_done(
    engine: MilvusEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def losing(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def done(*args: object, **kwargs: object) -> object:
            answer = real(*args, **kwargs)
            if name not in lost:
                lost.append(name)
                raise MilvusException(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            return answer

        monkeypatch.setattr(owner, name, done)

    verbs = ["create_collection", "create_index", "load_collection", "create_alias", "alter_alias", "drop_alias"]
    verbs += ["drop_collection", "delete", "flush", "release_collection", "drop_index", "search", "list_collections"]
    for verb in verbs:
        losing(MilvusClient, verb)
    for verb in ("upsert", "query"):
        losing(Wire, verb)
    engine.create(2, 4)
    engine.put(2, [head("a"), head("b", 0, 1, 0, 0), head("c")])
    engine.remove(2, [Key("c", 0)])
    engine.point(1)
    engine.point(2)
    assert engine.pointer() == 2
    query = np.array([0, 1, 0, 0], np.float32)
    assert [hit.record.id for hit in engine.near(2, query, 5, (), None, exact=True).found] == ["b", "a"]
    engine.build_ann(2, lambda: None)
    assert engine.has_ann(2)
    engine.put_document("meta", {})
    engine.drop(2)
    assert (engine.collections(), engine.pointer(), engine.documents()) == ({1}, None, {"meta": {}})
    assert sorted(lost) == sorted([*verbs, "upsert", "query"])


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (MilvusException(1100, "invalid parameter"), StoreError, "Milvus says: invalid parameter"),
        (MilvusException(1, "auth check failure, please check username"), ReadOnlyError, "MILVUS_TOKEN"),
        (
            MilvusException(65535, "PrivilegeInsert: permission deny, privilege"),
            ReadOnlyError,
            "who may read and write",
        ),
        (MilvusException(5, "write wal: no space left on device"), DiskFullError, "free some space"),
        (MilvusException(100, "collection not found[collection=x]"), link.GoneError, "was a generation dropped"),
        (MilvusException(101, "collection not loaded"), link.NotLoadedError, "does not hold the collection ready"),
        (MilvusException(2200, "query results exceed the maxOutputSize"), link.TooLargeError, "larger than the server"),
    ],
)
def test_what_a_server_refuses_for_good_is_an_error_at_once(
    engine: MilvusEngine, said: MilvusException, kind: type[StoreError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        engine._link(Refusing(said))


# A server that dies -----------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[MilvusServer]:
    server = MilvusServer()
    yield server
    server.stop()


def test_what_was_written_outlives_the_server_and_every_verb_goes_on(server: MilvusServer) -> None:
    engine = MilvusEngine(server.url("pets", ""))
    engine.create(1, 4)
    engine.put(1, [head(f"row {i}", i, 0, 0, -0.0, text=f"text {i}") for i in range(1000)])
    engine.put_document("meta", {"a": 1})
    engine.point(1)
    pages = engine.find(1, HEADS, KEYS)
    server.kill()
    later = threading.Timer(1.0, server.start)
    later.start()
    engine.put(1, [head("new")])
    later.join()
    assert sum(map(len, pages)) == 1001
    server.kill()
    server.start()
    assert engine.count(1, ALL) == 1001
    assert engine.documents() == {"meta": {"a": 1}}
    assert (engine.pointer(), engine.collections()) == (1, {1})
    found = engine.fetch(1, [Key("row 7", 0)], EVERYTHING)[Key("row 7", 0)]
    assert found.text == "text 7"
    assert found.vector is not None
    assert found.vector.tobytes() == np.array([7, 0, 0, -0.0], np.float32).tobytes()
    query = np.array([1, 0, 0, 0], np.float32)
    assert engine.near(1, query, 1, (), None, exact=True).found[0].record.id == "row 999"
    engine.close()


def test_a_search_for_records_goes_on_where_it_was_when_the_server_is_started_anew(server: MilvusServer) -> None:
    engine = MilvusEngine(server.url("pets", ""))
    engine.create(1, 1024)
    vector = np.ones(1024, np.float32)
    engine.put(1, [Record(f"row {i}", vector=vector) for i in range(2500)])
    pages = engine.find(1, ALL, EVERYTHING)
    found = [record.id for record in next(pages)]
    assert len(found) < 2500
    server.kill()
    server.start()
    found += [record.id for page in pages for record in page]
    assert sorted(found) == sorted(f"row {i}" for i in range(2500))
    engine.close()


@pytest.mark.parametrize(("forgotten", "made_ready"), [(2, 2), (3, 3), (4, 3)])
def test_a_collection_that_a_server_forgets_again_is_made_ready_three_times_however_long_it_took(
    monkeypatch: pytest.MonkeyPatch, forgotten: int, made_ready: int
) -> None:
    made: list[str] = []
    answers = iter([*(link.NotLoadedError("released") for _ in range(forgotten)), 5])

    def ask(_: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(collections, "PATIENCE", -1.0)
    monkeypatch.setattr(collections, "_PAUSE", 0.0)
    asked = collections.Collections(lambda ask: ask(None), "")
    monkeypatch.setattr(asked, "make_ready", made.append)
    if forgotten > 3:
        with pytest.raises(link.NotLoadedError):
            asked.ask("pets_g1", ask)
    else:
        assert asked.ask("pets_g1", ask) == 5
    assert made == ["pets_g1"] * made_ready


def test_a_server_that_stays_away_is_an_error_that_says_what_to_do(
    server: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MilvusEngine(server.url("pets", "").replace("//", "//me:hush@"))
    engine.create(1, 4)
    server.kill()
    monkeypatch.setattr(link, "PATIENCE", 0.5)
    for ask in (lambda: engine.count(1, ALL), lambda: engine.put(1, [head("a")]), lambda: engine.collections()):
        begun = time.monotonic()
        with pytest.raises(StoreError, match=r"cannot be reached.*\n.*is the server running") as error:
            ask()
        assert time.monotonic() - begun < 15
        assert "hush" not in str(error.value)
    engine.close()


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"milvus://me:\*\*\*@127.0.0.1:1/pets cannot be reached") as error:
        open_store("milvus://me:hush@127.0.0.1:1/pets")
    assert time.monotonic() - begun < 15
    assert "hush" not in str(error.value)


def test_a_database_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(StoreError, match="nowhere"):
        open_store(milvus().url("pets", "nowhere"))


def test_a_file_of_settings_for_others_is_not_read(tmp_path: Path) -> None:
    """As pymilvus would, on being imported."""
    (tmp_path / ".env").write_text("MILVUS_TOKEN=of-another-program\n")
    code = (
        "import dotenv, os\n"
        f"dotenv.main.find_dotenv = lambda *_, **__: {str(tmp_path / '.env')!r}\n"
        "import idembed.stores.milvus.engine\n"
        "print(sorted({'MILVUS_TOKEN', 'PYTHON_DOTENV_DISABLED'} & os.environ.keys()))\n"
        "dotenv.load_dotenv(); print(os.environ['MILVUS_TOKEN'])\n"
    )
    bare = {name: value for name, value in os.environ.items() if name != "MILVUS_TOKEN"}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "of-another-program"]


class Late(socketserver.BaseRequestHandler):
    """Stands between a client and the server, whose first word comes a third of a second late."""

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", milvus().port)) as server:
            late = 0.3
            while ready := select.select([self.request, server], [], [], 10.0)[0]:
                for one in ready:
                    said = one.recv(1 << 16)
                    if not said:
                        return
                    time.sleep(late if one is server else 0.0)
                    late = 0.0 if one is server else late
                    (self.request if one is server else server).sendall(said)


def test_a_server_that_takes_a_while_to_answer_who_connects_is_reached(url: str) -> None:
    """One far away, or on a busy machine."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Late) as between:
        serving = threading.Thread(target=between.serve_forever)
        serving.start()
        try:
            there = url.replace(f":{milvus().port}/", f":{between.server_address[1]}/")
            with open_store(there) as store:
                assert store.generations() == []
        finally:
            between.shutdown()
            serving.join()
