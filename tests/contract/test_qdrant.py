"""What is Qdrant's own: its URLs, what other programs see, the engine of a folder, a server that is away or refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as native
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from databases import quick
from fakes.local_qdrant import LocalQdrant
from idembed.canonical import canonical_json
from idembed.errors import DamagedError, DiskFullError, LeaseLostError, NotAnIndexError, OptionError, StoreError
from idembed.filters import matches, parse_where
from idembed.stores import open_store
from idembed.stores.collection import remembered
from idembed.stores.collection.engine import ALL, EVERYTHING, HEADS, KEYS, STATE, Among, Key, Record, Standing
from idembed.stores.collection.seal import Seal
from idembed.stores.qdrant import edge, folders, link, server
from idembed.stores.qdrant.engine import QdrantEngine
from idembed.stores.qdrant.fields import document_id, point_id
from idembed.stores.qdrant.pace import Pace, in_requests
from idembed.stores.qdrant.place import Folder, Server, open_engine, place_of
from idembed.stores.qdrant.points import Point
from idembed.stores.qdrant.shards import Shards

ONE = np.array([1, 0, 0, 0], np.float32)


def head(row_id: str, **known: Any) -> Record:
    return Record(row_id, **{"order": 0, "place": 0, "live": True, "vector": ONE, **known})


@pytest.fixture
def client() -> QdrantClient:
    """Another program, at the server of ``engine``."""
    return QdrantClient(":memory:")


@pytest.fixture
def engine(client: QdrantClient) -> Iterator[QdrantEngine]:
    engine = QdrantEngine(LocalQdrant(client, "qdrant://local/pets", set()), "pets", "pets_")
    engine.create(1, 4)
    yield engine
    engine.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where ``folder`` is."""
    return quick(tmp_path)


@pytest.fixture
def folder(place: Path) -> Iterator[QdrantEngine]:
    engine = open_engine(f"qdrant://{place}/pets")
    engine.create(1, 4)
    yield engine
    engine.close()


# URLs -------------------------------------------------------------------------------------------------


def test_a_url_says_where_an_index_is() -> None:
    known = {
        "qdrant://host/pets": Server("", "pets", "host"),
        "qdrant://host:6555/pets": Server("", "pets", "host", 6555),
        "qdrant://host/behind/a/proxy/pets": Server("", "pets", "host", 6333, "/behind/a/proxy"),
        "qdrant://host/pets?https=true": Server("", "pets", "host", https=True),
        "qdrant://host/pets?prefer_grpc=true&grpc_port=7000": Server(
            "", "pets", "host", prefer_grpc=True, grpc_port=7000
        ),
        "qdrant://[::1]:6333/pets": Server("", "pets", "::1"),
        "qdrant://host/pets.of-2026": Server("", "pets.of-2026", "host"),
        "qdrant:///folder/pets": Folder("", Path("/folder/pets")),
        "qdrant:///a%20folder/pets": Folder("", Path("/a folder/pets")),
        "qdrant://./pets": Folder("", Path("./pets")),
        "qdrant://../a/pets": Folder("", Path("../a/pets")),
        "qdrant:///C:/folder/pets": Folder("", Path("C:/folder/pets")),
    }
    for url, place in known.items():
        found = place_of(url)
        assert found.shown == url
        assert [getattr(found, name) for name in found.__slots__[1:]] == [
            getattr(place, name) for name in place.__slots__[1:]
        ], url


def test_a_key_goes_over_tls_unless_the_server_is_this_machine_or_the_url_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [place_of(f"qdrant://{host}/pets?api_key=secret").https for host in ("host", "localhost", "127.0.0.1")] == [  # type: ignore[union-attr]
        True,
        False,
        False,
    ]
    assert not place_of("qdrant://host/pets?api_key=secret&https=false").https  # type: ignore[union-attr]
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    assert place_of("qdrant://host/pets").https  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "url",
    [
        "qdrant://host",
        "qdrant://host/",
        "qdrant://",
        "qdrant:///",
        "qdrant://host/pets/",
        "qdrant://host/pets_g1",
        "qdrant://host/pets_idembed",
        "qdrant://host/.pets",
        "qdrant://host/a%2Fb%3Fc",
        "qdrant://host/p%22ets",
        "qdrant://host:port/pets",
        "qdrant://user:secret@host/pets",
        "qdrant://host/pets?https=perhaps&api_key=secret",
        "qdrant://host/pets?grpc_port=0",
        "qdrant://host/pets?grpc_port=x",
        "qdrant://host/pets?secret_api_key=secret",
        "qdrant://host/pets?nothing&api_key=secret",
        "qdrant://host/pets#part",
    ],
)
def test_a_url_that_means_nothing_is_refused_without_its_key(url: str) -> None:
    with pytest.raises(OptionError) as caught:
        open_store(url)
    assert "=secret" not in str(caught.value)
    assert ":secret" not in str(caught.value)


# What other programs see ------------------------------------------------------------------------------


def test_a_point_has_the_uuid_of_its_keys_hash_in_version_8() -> None:
    assert point_id(Key("doc-1", 0)) == "7286fa8e-25e2-84b3-8680-5311b8f1909b"
    assert point_id(Key("doc-1", 1)) != point_id(Key("doc-1", 0))
    assert {point_id(Key(str(i), 0))[14] for i in range(50)} == {"8"}
    assert {point_id(Key(str(i), 0))[19] for i in range(50)} == set("89ab")


def test_other_programs_find_plain_names_in_the_payload(engine: QdrantEngine, client: QdrantClient) -> None:
    engine.put(1, [head("doc-1", scope="docs", text="A text.", metadata='{"year":2020}', end=7, tokens=3, seal=b"s")])
    (found,) = client.query_points(
        "pets_g1",
        query=[1.0, 0.0, 0.0, 0.0],
        query_filter=models.Filter(must=[models.FieldCondition(key="metadata.year", range=models.Range(gte=2020))]),
    ).points
    assert found.id == point_id(Key("doc-1", 0))
    assert found.payload is not None
    assert {name: value for name, value in found.payload.items() if not name.startswith("_")} == {
        "id": "doc-1",
        "scope": "docs",
        "text": "A text.",
        "metadata": {"year": 2020},
        "tokens": 3,
    }


def test_a_point_that_is_not_of_a_whole_text_says_which_part_it_is(engine: QdrantEngine, client: QdrantClient) -> None:
    rows = [
        head("whole", text="Some text.", end=10),
        head("first", text="Some text.", end=4),
        Record("second", 1, start=5, end=10, vector=ONE),
        head("cut", text="Some text.", end=10, truncated=True),
    ]
    engine.put(1, rows)
    points, _ = client.scroll("pets_g1")
    said = {point.payload["id"]: point.payload for point in points if point.payload}
    names = ("part", "start", "end", "truncated")
    assert {row_id: {name: said[row_id][name] for name in names if name in said[row_id]} for row_id in said} == {
        "whole": {},
        "first": {"start": 0, "end": 4},
        "second": {"part": 1, "start": 5, "end": 10},
        "cut": {"truncated": True},
    }


def test_points_whose_addresses_have_one_half_in_common_are_told_apart(folder: QdrantEngine) -> None:
    addresses = [b"the same" + half for half in (b"first ..", b"second .")]
    folder.put(1, [head(str(i), address=address) for i, address in enumerate(addresses)])
    found = [record for page in folder.find(1, Among(addresses=(addresses[1],)), KEYS) for record in page]
    assert [record.id for record in found] == ["1"]
    assert folder.count(1, Among(addresses=(addresses[1],))) == 1


def test_metadata_is_kept_twice_where_it_has_a_number_that_json_may_change(
    engine: QdrantEngine, client: QdrantClient
) -> None:
    whole, broken = '{"a":[1,"1",null]}', '{"a":[0.1]}'
    engine.put(1, [head("whole", metadata=whole), head("broken", metadata=broken)])
    points, _ = client.scroll("pets_g1")
    said = {point.payload["id"]: point.payload for point in points if point.payload}
    assert "_metadata" not in said["whole"]
    assert said["broken"]["_metadata"] == broken
    assert {key.id: one.metadata for key, one in engine.fetch(1, [Key(i, 0) for i in said], EVERYTHING).items()} == {
        "whole": whole,
        "broken": broken,
    }


def test_the_lowest_places_are_found_by_an_index_and_all_others_too(folder: QdrantEngine) -> None:
    places = [0, 2**57 - 1, 2**57, 2**62]
    folder.put(1, [head(str(place), place=place) for place in places])
    for stop, wanted in ((2**57, 2), (2**57 + 1, 3), (2**63, 4)):
        found = [record.id for page in folder.find(1, Among(places=range(stop)), KEYS) for record in page]
        assert sorted(found, key=int) == list(map(str, places[:wanted]))
        assert folder.count(1, Among(places=range(stop))) == wanted


def test_other_programs_follow_the_alias(engine: QdrantEngine, client: QdrantClient) -> None:
    engine.create(2, 4)
    engine.put(1, [head("old")])
    engine.put(2, [head("new")])
    for number, wanted in ((1, "old"), (2, "new"), (1, "old")):
        engine.point(number)
        (found,) = client.query_points("pets", query=[1.0, 0.0, 0.0, 0.0]).points
        assert found.payload is not None
        assert found.payload["id"] == wanted
        assert [(one.alias_name, one.collection_name) for one in client.get_aliases().aliases] == [
            ("pets", f"pets_g{number}")
        ]


def test_an_alias_of_somebody_else_is_not_moved(engine: QdrantEngine, client: QdrantClient) -> None:
    client.create_collection("cats", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    operation = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="cats", alias_name="pets"))
    client.update_collection_aliases([operation])
    assert engine.pointer() is None
    with pytest.raises(StoreError, match="the alias pets stands for cats, which is not of this index"):
        engine.point(1)
    assert client.get_aliases().aliases[0].collection_name == "cats"


def test_nothing_is_made_where_the_name_of_the_index_is_taken(client: QdrantClient) -> None:
    client.create_collection("cats", vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    operation = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="cats", alias_name="pets"))
    client.update_collection_aliases([operation])
    pets = QdrantEngine(LocalQdrant(client, "qdrant://local/pets", set()), "pets", "pets_")
    cats = QdrantEngine(LocalQdrant(client, "qdrant://local/cats", set()), "cats", "cats_")
    for engine, said in ((pets, "the alias pets stands for cats"), (cats, "there is a collection cats")):
        with pytest.raises(StoreError, match=said):
            engine.put_document("meta", {})
        with pytest.raises(StoreError, match=said):
            engine.create(1, 4)
    assert [one.name for one in client.get_collections().collections] == ["cats"]


@pytest.mark.parametrize("distance", [models.Distance.COSINE, models.Distance.DOT])
def test_a_collection_of_another_program_is_not_dropped(
    engine: QdrantEngine, client: QdrantClient, distance: models.Distance
) -> None:
    client.create_collection("pets_g7", vectors_config=models.VectorParams(size=4, distance=distance))
    theirs = {"id": "doc-1", "part": 0, "_order": 1}
    client.upsert("pets_g7", [models.PointStruct(id=i, vector=ONE.tolist(), payload=theirs) for i in range(50)])
    with pytest.raises(StoreError, match="the collection pets_g7 is not dropped"):
        engine.drop(7)
    assert client.count("pets_g7").count == 50


def test_a_shard_of_another_program_is_not_dropped(folder: QdrantEngine, place: Path) -> None:
    vectors = native.EdgeVectorParams(size=4, distance=native.Distance.Cosine)
    (place / "pets" / "g7").mkdir()
    native.EdgeShard.create(str(place / "pets" / "g7"), native.EdgeConfig(vectors=vectors)).close()
    with pytest.raises(StoreError, match="the collection g7 is not dropped"):
        folder.drop(7)
    assert folder.collections() == {1, 7}


def test_our_collections_are_dropped_whatever_another_program_put_into_them(
    engine: QdrantEngine, client: QdrantClient
) -> None:
    engine.create(2, 4)
    engine.put(2, [head("a")])
    client.upsert("pets_g2", [models.PointStruct(id=i, vector=ONE.tolist(), payload={}) for i in range(50)])
    for number in (1, 2, 3):
        engine.drop(number)
    assert engine.collections() == set()


def test_what_another_program_put_among_our_documents_is_as_if_it_were_not_there(
    engine: QdrantEngine, client: QdrantClient
) -> None:
    engine.put_document("meta", {"format": 1})
    for i, payload in enumerate([{}, {"name": 5}, {"name": "meta", "body": "{}"}, {"name": "\u00e9", "body": "{}"}]):
        client.upsert("pets_idembed", [models.PointStruct(id=i, vector=[0.0], payload=payload)])
    assert engine.documents() == {"meta": {"format": 1}}
    client.set_payload("pets_idembed", {"body": "no JSON"}, points=[document_id("meta")])
    with pytest.raises(DamagedError, match="the document meta cannot be read"):
        engine.documents()


def test_collections_of_other_programs_are_left_alone(engine: QdrantEngine, client: QdrantClient) -> None:
    for name in ("pets_gx", "pets_g01", "pets_g1x", "xpets_g2", "pets_g", "g3"):
        client.create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    assert engine.collections() == {1}


def test_what_other_programs_put_among_our_points_or_broke_is_as_if_it_were_not_there(
    engine: QdrantEngine, client: QdrantClient
) -> None:
    engine.put(1, [head("a"), head("broken", row_hash=b"h" * 16), head("bare")])
    client.upsert("pets_g1", [models.PointStruct(id=7, vector=[9.0, 0.0, 0.0, 0.0], payload={"_order": 1, "id": 5})])
    client.set_payload("pets_g1", {"_packed": "no base64"}, points=[point_id(Key("broken", 0))])
    client.clear_payload("pets_g1", points_selector=[point_id(Key("bare", 0))])
    assert [record.id for page in engine.find(1, ALL, EVERYTHING) for record in page] == ["a"]
    assert [found.record.id for found in engine.near(1, ONE, 10, (), None, exact=True).found] == ["a"]
    assert set(engine.fetch(1, [Key("a", 0), Key("broken", 0), Key("bare", 0)], EVERYTHING)) == {Key("a", 0)}
    engine.put(1, [head("broken"), head("bare")])
    assert {record.id for page in engine.find(1, HEADS, EVERYTHING) for record in page} == {"a", "bare", "broken"}


# Filters ----------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = SCALARS | TEXTS | st.sampled_from(['"', "\\", '\\"', '"]}', "metadata", "a.b", "[]", "\u202e", "😀", "%"])
NAMES = TEXTS.filter(lambda name: not name.startswith("$")) | st.sampled_from(['a"b', "a\\b", "a.b", "a[0]", "", "😀"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=6))
def test_whatever_metadata_holds_is_found_by_it(folder: QdrantEngine, metadata: list[dict[str, Any]]) -> None:
    folder.drop(1)
    folder.create(1, 4)
    folder.put(1, [head(str(i), metadata=canonical_json(one)) for i, one in enumerate(metadata)])
    for one in metadata:
        for key, value in one.items():
            wheres: list[Any] = [{key: value}, {key: [value, "and another"]}]
            if isinstance(value, int | float) and not isinstance(value, bool):
                wheres += [{key: {"gte": value, "lte": value}}, {key: {"gt": value}}, {key: {"lt": value}}]
            for where in wheres:
                conditions = parse_where(where)
                wanted = {str(i) for i, other in enumerate(metadata) if matches(conditions, other)}
                found = {hit.record.id for hit in folder.near(1, ONE, 100, conditions, None, exact=True).found}
                assert wanted <= found
                if isinstance(value, str) and '"' not in key and "\\" not in key:
                    assert wanted == found, "strings are told apart by the database itself"


@pytest.mark.parametrize("number", [1.7976931348623157e308, 1.75e308, -1.75e308, -1.7976931348623157e308])
def test_the_greatest_numbers_are_found_by_metadata(folder: QdrantEngine, number: float) -> None:
    folder.put(1, [head("a", metadata=canonical_json({"n": number}))])
    for where in ({"n": number}, {"n": [number, "x"]}, {"n": {"gte": number}}, {"n": {"lte": number}}):
        assert [hit.record.id for hit in folder.near(1, ONE, 9, parse_where(where), None, exact=True).found] == ["a"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=8, unique=True))
def test_ids_and_scopes_are_found_whatever_they_hold(folder: QdrantEngine, names: list[str]) -> None:
    folder.drop(1)
    folder.create(1, 4)
    folder.put(1, [head(name, scope=name) for name in names])
    for name in names:
        assert [record.id for page in folder.find(1, Among(scope=name), KEYS) for record in page] == [name]
        assert set(folder.fetch(1, [Key(name, 0)], KEYS)) == {Key(name, 0)}
        conditions = parse_where({"$id": name})
        assert [hit.record.id for hit in folder.near(1, ONE, 100, conditions, None, exact=True).found] == [name]


# Requests ---------------------------------------------------------------------------------------------


def sizes(records: list[Record]) -> list[list[str]]:
    return [[record.id for record in batch] for batch in in_requests(records)]


def test_requests_end_where_a_row_ends_and_are_some_megabytes() -> None:
    assert sizes([]) == []
    assert [len(batch) for batch in sizes([head(str(i)) for i in range(2500)])] == [1000, 1000, 500]
    large = [head(name, text="x" * 3_000_000) for name in "abcde"]
    assert sizes(large) == [["a", "b"], ["c", "d"], ["e"]]
    parts = [head(f"row {i // 600}", part=i % 600) for i in range(1800)]
    assert [len(batch) for batch in sizes(parts)] == [1200, 600]
    wide = np.zeros(60_000, np.float32)
    assert [len(batch) for batch in sizes([head("row", part=i, vector=wide) for i in range(80)])] == [36, 36, 8]
    assert sizes([head("a", text="\x01" * 4_000_000), head("b")]) == [["a"], ["b"]]


def test_as_much_is_read_at_a_time_as_makes_some_megabytes() -> None:
    pace = Pace(texts=True)
    small = Point("", {"text": "short"}, None)
    read = [pace.most]
    for _ in range(5):
        pace.saw([small])
        read.append(pace.most)
    assert read == [64, 256, 1024, 4096, 10_000, 10_000]
    pace.saw([Point("", {"text": "x" * 1_000_000}, None)])
    assert pace.most == 7
    pace.saw([Point("", {"text": "x" * 9_000_000}, None)])
    assert pace.most == 1


# A folder ---------------------------------------------------------------------------------------------


def test_rows_that_this_process_wrote_or_read_are_not_looked_up_before_they_are_replaced(
    folder: QdrantEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = Seal(made_of=b"m" * 32, last=2).packed()
    folder.put(1, [head("a", scope="s", seal=seal), head("b", scope="t", seal=seal)])
    url = folder.url
    folder.close()
    again = open_engine(url)
    assert set(again.fetch(1, [Key("b", 0)], STATE)) == {Key("b", 0)}
    again.put(1, [head("a", scope="s", seal=seal)])
    asked: list[Any] = []
    retrieve = edge.EdgeDatabase.retrieve
    monkeypatch.setattr(
        edge.EdgeDatabase, "retrieve", lambda *args, **how: asked.append(args[2]) or retrieve(*args, **how)
    )
    assert again.standing(1, ["a", "b"]) == {"a": Standing("s", 2), "b": Standing("t", 2)}
    assert asked == []
    assert again.standing(1, ["a", "c"]) == {"a": Standing("s", 2)}
    assert asked == [[point_id(Key("c", 0))]]
    again.close()


def test_a_row_whose_writing_failed_is_looked_up(folder: QdrantEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (Seal(made_of=b"m" * 32, last=last).packed() for last in (1, 2))
    folder.put(1, [head("a", scope="s", seal=one)])
    upsert = edge.EdgeDatabase.upsert

    def broken(*args: Any) -> None:
        upsert(*args)
        raise DiskFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(edge.EdgeDatabase, "upsert", broken)
        with pytest.raises(DiskFullError):
            folder.put(1, [head("a", scope="t", seal=two)])
    assert folder.standing(1, ["a"]) == {"a": Standing("t", 2)}


def test_no_more_rows_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST", 3)
    seal = Seal(made_of=b"m" * 32, last=1).packed()
    known = remembered.Remembered()
    known.learn([head("a", seal=seal), head("b", seal=seal)])
    assert known.among(["a", "b", "c"]) == ({"a": Standing("", 1), "b": Standing("", 1)}, ["c"])
    known.learn([head("c", seal=seal), head("d", seal=seal)])
    assert known.among(["a", "b", "c"]) == ({"c": Standing("", 1)}, ["a", "b"])
    known.learn([head(name, seal=seal) for name in "efgh"])
    assert known.among(["c", "e"]) == ({}, ["c", "e"])


def test_a_folder_is_for_one_process_at_a_time(folder: QdrantEngine) -> None:
    folder.put(1, [head("a")])
    code = "import sys; from idembed.stores import open_store; open_store(sys.argv[1])"
    open_index = [sys.executable, "-c", code, folder.url]
    folder.put_document("meta", {})
    found = subprocess.run(open_index, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert f"{folder.url} is open in another process" in found.stderr
    assert "run a Qdrant server" in found.stderr


def test_who_is_refused_a_folder_changes_nothing_under_the_hands_of_who_has_it(
    folder: QdrantEngine, place: Path
) -> None:
    folder.put(1, [head("a")])
    folder.put_document("meta", {})

    def files() -> dict[Path, tuple[int, int]]:
        found = {path: path.stat() for path in place.rglob("*")}
        return {path: (one.st_ino, one.st_mtime_ns) for path, one in found.items()}

    before = files()
    code = "import sys; from idembed.stores import open_store; open_store(sys.argv[1])"
    refused = subprocess.run([sys.executable, "-c", code, folder.url], capture_output=True, check=False)
    assert refused.returncode == 1
    assert files() == before


def test_threads_share_a_folder(folder: QdrantEngine) -> None:
    def write(name: str) -> None:
        mine = open_engine(folder.url)
        for number in range(20):
            mine.put(1, [head(f"{name}{number}")])
            assert Key(f"{name}{number}", 0) in mine.fetch(1, [Key(f"{name}{number}", 0)], KEYS)
            assert mine.near(1, ONE, 5, (), None, exact=True).found
        mine.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.count(1, ALL) == 80


def test_a_folder_is_made_with_the_first_collection_and_says_its_size(tmp_path: Path) -> None:
    engine = open_engine(f"qdrant://{tmp_path}/new/pets")
    assert engine.documents() == {}
    assert engine.collections() == set()
    assert (engine.size(), list(tmp_path.iterdir())) == (0, [])
    engine.create(1, 4)
    assert [one.name for one in (tmp_path / "new" / "pets").iterdir()] == ["g1"]
    assert engine.size() > 1000
    engine.drop(1)
    assert list((tmp_path / "new" / "pets").iterdir()) == []
    engine.close()


def test_a_collection_whose_making_was_broken_off_is_not_there(
    folder: QdrantEngine, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", broken)
        with pytest.raises(DiskFullError, match="the disk is full"):
            folder.create(2, 4)
    assert folder.collections() == {1}
    folder.create(2, 4)
    assert folder.collections() == {1, 2}
    assert [one.name for one in (place / "pets").iterdir() if one.name.startswith(".")] == []


def test_a_folder_on_a_full_disk_is_neither_opened_nor_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine writes by way of memory, and would be killed by the system."""
    engine, usage = open_engine(f"qdrant://{tmp_path}/pets"), shutil.disk_usage
    free = 1 << 20
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=free))
    with pytest.raises(DiskFullError, match=r"the disk is full\n.*64 MB free"):
        engine.create(1, 4)
    assert not (tmp_path / "pets").exists()
    free = 1 << 30
    engine.create(1, 4)
    engine.put(1, [head("a")])
    free = 1 << 20
    for act in (lambda: engine.put(1, [head("b")]), lambda: engine.tidy(1)):
        with pytest.raises(DiskFullError, match="the disk is full"):
            act()
    engine.close()
    engine = open_engine(f"qdrant://{tmp_path}/pets")
    with pytest.raises(DiskFullError, match="the disk is full"):
        engine.count(1, ALL)
    free = 1 << 30
    assert engine.count(1, ALL) == 1
    engine.close()


def test_what_was_left_half_made_or_half_dropped_is_removed_when_nobody_can_be_at_it(
    folder: QdrantEngine, place: Path
) -> None:
    index = place / "pets"
    for name in (".made-0123456789ab", ".made-ba9876543210", ".gone-0123456789ab"):
        shutil.copytree(index / "g1", index / name)
    os.utime(index / ".made-0123456789ab", (0, time.time() - 4000))
    folder.create(2, 4)
    assert [one.name for one in index.iterdir() if one.name.startswith(".")] == [".made-ba9876543210"]


def test_what_a_user_keeps_in_the_folder_of_an_index_stays(folder: QdrantEngine, place: Path) -> None:
    index = place / "pets"
    folder.put_document("meta", {})
    for name in (".my-notes", ".gone-0123456789ab", ".made-0123456789ab", ".gone-notes"):
        (index / name).mkdir()
        (index / name / "thesis.txt").write_text("years of work")
        os.utime(index / name, (0, 0))
    (index / ".pre-commit-config.yaml").write_text("repos: []")
    folder.create(2, 4)
    folder.drop(2)
    kept = {str(one.relative_to(index)) for one in index.rglob("*") if one.is_file()}
    assert kept >= {".my-notes/thesis.txt", ".gone-0123456789ab/thesis.txt", ".made-0123456789ab/thesis.txt"}
    assert kept >= {".gone-notes/thesis.txt", ".pre-commit-config.yaml"}


@pytest.mark.parametrize("name", [".my-notes/thesis.txt", ".pre-commit-config.yaml", "thesis.txt", "g1/thesis.txt"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    file = tmp_path / "home" / name
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    with pytest.raises(NotAnIndexError) as caught:
        open_store(f"qdrant://{tmp_path}/home")
    assert caught.value.hint
    assert [one for one in (tmp_path / "home").rglob("*") if one.is_file()] == [file]


def test_the_folders_above_an_index_lie_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(folders, "sync_folder", synced.append)
    engine = open_engine(f"qdrant://{tmp_path}/a/new/pets")
    engine.create(1, 4)
    engine.close()
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "new"} <= set(synced)


def test_an_index_for_approximate_search_is_really_made_and_kept(
    folder: QdrantEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "INDEXED_FROM", 10)
    vectors = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    folder.put(1, [head(str(i), vector=one) for i, one in enumerate(vectors)])
    folder.tidy(1)
    assert indexed(folder) == 0
    folder.build_ann(1, lambda: None)
    assert indexed(folder) == 3000
    assert folder.has_ann(1)
    folder.put(1, [head(f"new {i}", vector=one) for i, one in enumerate(vectors)])
    assert indexed(folder) == 3000
    folder.build_ann(1, lambda: None)
    assert indexed(folder) == 6000
    query = vectors[7]
    exact = {hit.record.id for hit in folder.near(1, query, 20, (), None, exact=True).found}
    assert len(exact & {hit.record.id for hit in folder.near(1, query, 20, (), None, exact=False).found}) >= 16
    folder.close()
    again = open_engine(folder.url)
    assert again.has_ann(1)
    assert again.count(1, ALL) == 6000
    again.close()


def test_a_shard_that_does_not_open_is_damage(folder: QdrantEngine, place: Path) -> None:
    folder.put(1, [head("a")])
    assert folder.damage() == []
    folder.close()
    (file,) = (place / "pets" / "g1" / "segments").glob("*/segment.json")
    file.write_bytes(file.read_bytes()[:20])
    again = open_engine(folder.url)
    (line,) = again.damage()
    assert line.startswith(f"{folder.url}: Qdrant says: ")
    with pytest.raises(DamagedError):
        again.count(1, ALL)
    again.close()


def indexed(engine: QdrantEngine) -> int:
    (shared,) = Shards.opened.values()
    return shared.shards["g1"].info().indexed_vectors_count


# A server that is away, busy, or refuses ---------------------------------------------------------------

NOBODY = {"result": {"collections": []}, "status": "ok", "time": 0.0}


class Scripted:
    """An HTTP server that gives these answers one after the other, the last one for ever; ``asked`` has what it was
    asked: method, path and key."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        left, scripted = list(answers), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                scripted.asked.append((self.command, self.path.partition("?")[0], self.headers.get("api-key")))
                status, body = left.pop(0) if len(left) > 1 else left[0]
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                if status == 429:
                    self.send_header("retry-after", "1")
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"qdrant://127.0.0.1:{self._server.server_port}/pets"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """Servers and engines that are closed after the test."""
    opened: list[Any] = []
    yield opened
    for one in reversed(opened):
        getattr(one, "stop", getattr(one, "close", None))()


def asking(opened: list[Any], *answers: tuple[int, Any], options: str = "") -> tuple[Scripted, QdrantEngine]:
    scripted = Scripted(*answers)
    engine = open_engine(scripted.url + options)
    opened += [scripted, engine]
    return scripted, engine


def error(words: str) -> dict[str, Any]:
    return {"status": {"error": words}, "time": 0.0}


def collection(status: str = "green", threshold: int = 0, optimizers: Any = "ok") -> dict[str, Any]:
    """What a server says of a collection of ours."""
    settings = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0}
    return {
        "result": {
            "status": status,
            "optimizer_status": optimizers,
            "segments_count": 1,
            "config": {
                "params": {},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {**settings, "flush_interval_sec": 5, "indexing_threshold": threshold},
            },
            "payload_schema": {
                name: {"data_type": "integer", "points": 0}
                for name in ("scope", "_address", "_hidden", "_order", "_place")
            },
        },
        "status": "ok",
        "time": 0.0,
    }


def test_a_server_that_is_not_there_is_an_error_with_a_hint_at_once() -> None:
    start = time.monotonic()
    for options in ("", "?prefer_grpc=true&grpc_port=9"):
        with pytest.raises(StoreError, match=r"qdrant://127\.0\.0\.1:9/pets\S* cannot be reached") as caught:
            open_store(f"qdrant://127.0.0.1:9/pets{options}")
        assert "is the server running" in caught.value.hint
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(opened: list[Any], status: int) -> None:
    scripted, engine = asking(opened, (status, error("busy")), (status, error("busy")), (200, NOBODY))
    assert engine.collections() == set()
    assert len(scripted.asked) == 3


def test_a_server_that_stays_busy_is_an_error(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.5)
    scripted, engine = asking(opened, (503, error("busy")))
    with pytest.raises(StoreError, match="Qdrant says: busy"):
        engine.collections()
    assert len(scripted.asked) == 2


def test_a_server_that_was_there_is_waited_for(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, engine = asking(opened, (200, NOBODY))
    assert engine.collections() == set()
    scripted.stop()
    opened.remove(scripted)
    monkeypatch.setattr(link, "PATIENCE", 1.0)
    start = time.monotonic()
    with pytest.raises(StoreError, match="cannot be reached"):
        engine.collections()
    assert 0.5 < time.monotonic() - start < 5


def test_the_key_is_sent_and_never_shown(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    scripted, engine = asking(opened, (401, error("Must provide an API key")), options="?api_key=from-the-url")
    with pytest.raises(StoreError, match="refuses us: Must provide an API key") as caught:
        engine.collections()
    assert "from-the-url" not in str(caught.value)
    assert "QDRANT_API_KEY" in caught.value.hint
    monkeypatch.setenv("QDRANT_API_KEY", "of-the-environment")
    again = open_engine(scripted.url)
    opened.append(again)
    with pytest.raises(StoreError) as caught:
        again.collections()
    assert "of-the-environment" not in str(caught.value)
    assert [key for _, _, key in scripted.asked] == ["from-the-url", "of-the-environment"]


def test_another_connection_to_a_server_has_the_same_key(opened: list[Any]) -> None:
    scripted, engine = asking(opened, (200, NOBODY), options="?api_key=secret")
    again = engine.another()
    assert again is not None
    opened.append(again())
    engine.close()
    assert opened[-1].collections() == set()
    assert opened[-1].url == engine.url
    assert [key for _, _, key in scripted.asked] == ["secret"]


def test_a_folder_has_no_other_connection(folder: QdrantEngine) -> None:
    assert folder.another() is None


def test_what_a_server_says_is_shown_without_what_it_quotes(opened: list[Any]) -> None:
    _, engine = asking(opened, (400, error('Format error: invalid value: string "a secret text", expected a number')))
    with pytest.raises(StoreError, match="Format error: invalid value: string …, expected a number") as caught:
        engine.collections()
    assert "secret" not in str(caught.value)


def test_a_full_disk_is_called_so(opened: list[Any]) -> None:
    _, engine = asking(opened, (500, error("Service internal error: No space left on device (os error 28)")))
    with pytest.raises(DiskFullError, match="the disk of the server is full"):
        engine.collections()


def test_a_server_that_filters_by_indexed_fields_alone_is_asked_without_the_filter(opened: list[Any]) -> None:
    refusal = error('Bad request: Index required but not found for "metadata.year" of one of the following types')
    nothing = {"result": {"points": []}, "status": "ok", "time": 0.0}
    scripted, engine = asking(opened, (200, collection()), (400, refusal), (200, nothing))
    assert engine.near(1, ONE, 5, parse_where({"year": 2020}), "docs", exact=True).found == []
    assert [(method, path) for method, path, _ in scripted.asked] == [
        ("GET", "/collections/pets_g1"),
        ("POST", "/collections/pets_g1/points/query"),
        ("POST", "/collections/pets_g1/points/query"),
    ]


DONE = {"result": True, "status": "ok", "time": 0.0}


def test_the_index_for_approximate_search_is_waited_for(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PAUSE", 0.01)
    looks = [collection(status, 10_000) for status in ("green", "yellow", "grey", "green", "green", "yellow")]
    scripted, engine = asking(
        opened,
        (200, collection()),
        (200, collection()),
        (200, DONE),
        *((200, look) for look in looks),
        (200, collection("green", 10_000)),
    )
    engine.build_ann(1, lambda: None)
    assert [method for method, _, _ in scripted.asked] == ["GET", "GET", "PATCH", *["GET"] * 9]
    assert engine.has_ann(1)


def test_the_lease_is_kept_while_a_server_makes_its_index(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PAUSE", 0.01)
    _, engine = asking(opened, (200, collection()), (200, collection()), (200, DONE), (200, collection("yellow")))
    kept: list[int] = []

    def keep() -> None:
        kept.append(1)
        if len(kept) == 5:
            raise LeaseLostError("another took over")

    with pytest.raises(LeaseLostError):
        engine.build_ann(1, keep)


@pytest.mark.parametrize("status", ["yellow", "grey"])
def test_an_index_that_does_not_grow_is_given_up(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(server, "_PAUSE", 0.01)
    monkeypatch.setattr(server, "_STUCK", 0.2)
    _, engine = asking(opened, (200, collection()), (200, collection()), (200, DONE), (200, collection(status)))
    with pytest.raises(StoreError, match=f"the collection pets_g1 is {status}, and its index does not grow"):
        engine.build_ann(1, lambda: None)


def test_an_index_whose_making_was_not_waited_for_is_waited_for_when_it_is_asked_for_again(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PAUSE", 0.01)
    there = collection("green", 10_000)
    looks = [there, there, collection("yellow", 10_000), there, there, there]
    scripted, engine = asking(opened, *((200, look) for look in looks), (500, error("asked too often")))
    engine.build_ann(1, lambda: None)
    assert [method for method, _, _ in scripted.asked] == ["GET"] * 6


def test_the_lease_is_renewed_before_a_folder_that_was_indexed_is_let_go(folder: QdrantEngine) -> None:
    seen: list[bool] = []

    def take(shared: Shards) -> None:
        seen.append(shared.lock.acquire(blocking=False))
        if seen[-1]:
            shared.lock.release()

    def keep() -> None:
        taken = threading.Thread(target=take, args=tuple(Shards.opened.values()))
        taken.start()
        taken.join()
        folder.put_document("lease", {"renewed": True})

    folder.build_ann(1, keep)
    assert seen == [False]
    assert folder.documents() == {"lease": {"renewed": True}}


def test_a_server_that_cannot_index_says_so(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PAUSE", 0.01)
    red = collection("red", 0, {"error": "out of memory"})
    _, engine = asking(opened, (200, collection()), (200, collection()), (200, DONE), (200, red))
    with pytest.raises(StoreError, match="the collection pets_g1 is red: out of memory"):
        engine.build_ann(1, lambda: None)


def test_what_a_server_says_is_broken_is_damage(opened: list[Any]) -> None:
    names = {"result": {"collections": [{"name": "pets_g1"}, {"name": "cats"}]}, "status": "ok", "time": 0.0}
    _, engine = asking(opened, (200, names), (200, collection("red")))
    assert engine.damage() == ["the collection pets_g1 is red: some operations failed"]


def test_indexes_of_fields_that_are_missing_are_made_before_the_first_look(opened: list[Any]) -> None:
    bare = collection()
    del bare["result"]["payload_schema"]["_order"], bare["result"]["payload_schema"]["scope"]
    made = {"result": {"operation_id": 1, "status": "completed"}, "status": "ok", "time": 0.0}
    counted = {"result": {"count": 7}, "status": "ok", "time": 0.0}
    scripted, engine = asking(opened, (200, bare), (200, made), (200, made), (200, counted))
    assert (engine.count(1, HEADS), engine.count(1, HEADS)) == (7, 7)
    assert [(method, path) for method, path, _ in scripted.asked] == [
        ("GET", "/collections/pets_g1"),
        ("PUT", "/collections/pets_g1/index"),
        ("PUT", "/collections/pets_g1/index"),
        ("POST", "/collections/pets_g1/points/count"),
        ("POST", "/collections/pets_g1/points/count"),
    ]
