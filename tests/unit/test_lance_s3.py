"""LanceDB in an object store: an S3 in this process, where moto is installed (``pip install "moto[server]"``)."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from fake_models import FakeModel, rows

from idembed.errors import StoreError
from idembed.index import Index
from idembed.stores.collection.engine import ALL, EVERYTHING, WHOLE, Key, Record
from idembed.stores.lance.engine import LanceEngine

pytestmark = pytest.mark.slow
NUMBERS = count(1)
ONE = np.array([1, 0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a bucket, with what is needed to get at it in the environment."""
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        server.start()
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in (("REGION", "us-east-1"), ("ENDPOINT", endpoint), ("ALLOW_HTTP", "true")):
            environment.setenv(f"AWS_{name}", value)
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/bucket", method="PUT")):
            pass
        yield "lance+s3://bucket"
        server.stop()


@pytest.fixture
def url(bucket: str) -> str:
    return f"{bucket}/indexes/{next(NUMBERS)}"


def test_an_index_lives_in_an_object_store(url: str) -> None:
    pets = rows("a:a cat", "b:a dog", "é:an owl", kind="pet")
    with Index(url, FakeModel(), vault="none") as index:
        assert index.sync(pets).added == 3
        assert index.search("a cat", k=1)[0].id == "a"
        assert index.sync(pets[:2], allow_mass_deletion=True).deleted == 1
    with Index(url, FakeModel(), vault="none") as again:
        assert again.sync(pets[:2]).embedded == 0
        assert [hit.id for hit in again.search("a dog", where={"kind": "pet"})] == ["b", "a"]
        assert again.verify().ok


def test_records_come_back_and_others_see_them_at_once(url: str) -> None:
    engine, other = LanceEngine(url), LanceEngine(url)
    engine.create(1, 4)
    for i in range(25):
        engine.put(1, [Record("a", text=str(i), live=True, vector=ONE * np.float32(-0.0))])
        assert other.fetch(1, [Key("a", 0)], WHOLE)[Key("a", 0)].text == str(i)
    found = other.fetch(1, [Key("a", 0)], EVERYTHING)[Key("a", 0)].vector
    assert found is not None
    assert np.signbit(found).all()
    engine.put_document("meta", {"a": 1})
    engine.build_ann(1, lambda: None)
    engine.tidy(1)
    assert other.documents() == {"meta": {"a": 1}}
    assert other.has_ann(1)
    assert other.damage() == []
    engine.drop(1)
    assert other.collections() == set()


def test_writers_at_the_same_time_write_no_key_twice(url: str) -> None:
    engine = LanceEngine(url)
    engine.create(1, 4)
    failed: list[Exception] = []

    def write(number: int) -> None:
        try:
            opened = LanceEngine(url)
            for _ in range(3):
                opened.put(1, [Record(f"row {i}", text=str(number), live=True, vector=ONE) for i in range(20)])
                opened.put_document(f"of {number}", {})
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert engine.count(1, ALL) == 20
    assert len(engine.documents()) == 4


def test_an_object_store_that_is_away_or_refuses_is_an_error_without_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("idembed.stores.lance.failures._PATIENCE", 0.0)
    for name, value in (("SECRET_ACCESS_KEY", "hunter2"), ("ACCESS_KEY_ID", "hunter1"), ("ALLOW_HTTP", "true")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        LanceEngine("lance+s3://bucket/pets").documents()
    assert "hunter" not in str(caught.value)
    assert "AWS_ENDPOINT" in caught.value.hint
