"""Each fault of the fake APIs does what it says, and is written down."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from fakes.api import FakeApi
from fakes.asking import Answer, ask, openai
from fakes.faults import KINDS

SMALL = "text-embedding-3-small"
TEXTS = ["one", "two", "three"]


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as made:
        yield made


def rows(reply: Answer) -> list[tuple[int, np.ndarray | None]]:
    """Each row's index and vector."""
    data = reply.json["data"]
    return [(row["index"], None if row["embedding"] is None else np.float32(row["embedding"])) for row in data]


def right(fake: FakeApi, index: int, vector: np.ndarray | None) -> bool:
    return vector is not None and np.array_equal(vector, fake.vector("openai", SMALL, TEXTS[index], 8))


def with_fault(fake: FakeApi, kind: str) -> list[tuple[int, np.ndarray | None]]:
    """The rows of a reply with this fault; the next reply is right again."""
    fake.next_fault(kind)
    came = rows(openai(fake, TEXTS))
    assert fake.requests[-1].fault == kind
    after = rows(openai(fake, TEXTS))
    assert [index for index, _ in after] == [0, 1, 2]
    assert all(right(fake, *row) for row in after)
    assert fake.requests[-1].fault == ""
    return came


def test_shuffle_puts_rows_in_another_order_under_their_own_index(fake: FakeApi) -> None:
    came = with_fault(fake, "shuffle")
    assert [index for index, _ in came] != [0, 1, 2]
    assert sorted(index for index, _ in came) == [0, 1, 2]
    assert all(right(fake, *row) for row in came)


def test_short_leaves_one_out(fake: FakeApi) -> None:
    came = with_fault(fake, "short")
    assert len(came) == 2
    assert all(right(fake, *row) for row in came)


def test_long_adds_one_that_nobody_asked_for(fake: FakeApi) -> None:
    assert [index for index, _ in with_fault(fake, "long")] == [0, 1, 2, 3]


def test_duplicate_sends_one_twice_in_anothers_place(fake: FakeApi) -> None:
    came = with_fault(fake, "duplicate")
    assert len(came) == 3
    assert len({index for index, _ in came}) == 2


def test_nan_puts_what_is_no_number_into_one_vector(fake: FakeApi) -> None:
    assert [np.isnan(vector).sum() for _, vector in with_fault(fake, "nan")].count(1) == 1  # type: ignore[arg-type]


def test_ollama_has_no_word_for_what_is_no_number(fake: FakeApi) -> None:
    fake.next_fault("nan")
    reply = ask(fake, "ollama", "/api/embed", {"model": "bge-m3", "input": TEXTS})
    assert (reply.status, fake.requests[0].fault) == (500, "nan")
    assert "unsupported value: NaN" in reply.json["error"]


def test_zero_empties_one_vector(fake: FakeApi) -> None:
    assert [bool(np.any(vector)) for _, vector in with_fault(fake, "zero")].count(False) == 1  # type: ignore[arg-type]


def test_null_is_in_one_vectors_place(fake: FakeApi) -> None:
    assert [vector is None for _, vector in with_fault(fake, "null")].count(True) == 1


def test_wrong_width_halves_all_vectors(fake: FakeApi) -> None:
    assert {len(vector) for _, vector in with_fault(fake, "wrong_width")} == {4}  # type: ignore[arg-type]


def test_a_reply_without_indexes_is_never_shuffled_and_a_duplicate_makes_it_longer(fake: FakeApi) -> None:
    body = {"model": "embed-v4.0", "input_type": "search_document", "texts": TEXTS}
    fake.next_fault("shuffle")
    assert len(ask(fake, "cohere", "/v2/embed", body).json["embeddings"]["float"]) == 3
    assert fake.requests[-1].fault == ""
    fake.next_fault("duplicate")
    assert len(ask(fake, "cohere", "/v2/embed", body).json["embeddings"]["float"]) == 4


def test_rate_limit_says_how_long_to_wait_and_bare_says_nothing(fake: FakeApi) -> None:
    fake.retry_after = 1.5
    fake.next_fault("rate_limit")
    fake.next_fault("rate_limit_bare")
    told, bare = openai(fake, TEXTS), openai(fake, TEXTS)
    assert (told.status, bare.status) == (429, 429)
    assert (told.headers["retry-after-ms"], told.headers["retry-after"]) == ("1500", "2")
    assert not any("retry" in name or "ratelimit" in name for name in bare.headers)
    assert [request.told for request in fake.requests] == [1.5, None]


def test_server_error_is_the_providers_own(fake: FakeApi) -> None:
    fake.next_fault("server_error")
    reply = openai(fake, TEXTS)
    assert reply.status in (500, 502, 503)
    assert reply.json["error"]["type"] == "server_error"


def test_cut_breaks_off_in_the_middle_of_the_body(fake: FakeApi) -> None:
    fake.next_fault("cut")
    with pytest.raises(http.client.IncompleteRead) as caught:
        openai(fake, TEXTS)
    assert caught.value.partial.startswith(b'{"object":"list"')
    assert openai(fake, TEXTS).status == 200


def test_stall_sends_nothing(fake: FakeApi) -> None:
    fake.stall_seconds = 0.1
    fake.next_fault("stall")
    started = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        openai(fake, TEXTS)
    assert time.monotonic() - started >= 0.1
    assert fake.requests[0].status == 0


def test_closing_the_fake_does_not_wait_for_what_stalls() -> None:
    started = time.monotonic()
    with FakeApi() as fake:
        fake.next_fault("stall")
        waiting = socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])))
        waiting.sendall(f"POST /openai/v1/embeddings HTTP/1.1\r\nauthorization: Bearer {fake.key}\r\n\r\n".encode())
        while not (fake.requests and fake.requests[0].fault):
            time.sleep(0.001)
    waiting.close()
    assert time.monotonic() - started < 5


def test_not_json_is_a_page(fake: FakeApi) -> None:
    fake.next_fault("not_json")
    reply = openai(fake, TEXTS)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json


def test_slow_takes_its_time(fake: FakeApi) -> None:
    fake.slow_seconds = 0.1
    started = time.monotonic()
    came = with_fault(fake, "slow")
    assert time.monotonic() - started >= 0.08
    assert all(right(fake, *row) for row in came)


def test_faults_are_as_frequent_as_told_and_the_same_for_a_seed() -> None:
    def drawn(seed: int) -> list[str]:
        with FakeApi(seed) as fake:
            fake.faults(rate_limit=0.2, zero=0.3)
            for _ in range(200):
                openai(fake, ["a"])
            return [request.fault for request in fake.requests]

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    assert 20 <= first.count("rate_limit") <= 60
    assert 35 <= first.count("zero") <= 85
    assert set(first) == {"", "rate_limit", "zero"}


def test_a_fault_may_be_one_providers(fake: FakeApi) -> None:
    fake.faults("cohere", server_error=1.0)
    fake.next_fault("rate_limit", "voyage")
    assert openai(fake, TEXTS).status == 200
    assert ask(fake, "cohere", "/v2/embed", {}).status >= 500
    assert ask(fake, "voyage", "/embeddings", {}).status == 429
    fake.faults("cohere")
    assert ask(fake, "cohere", "/v2/embed", {}).status == 400


def test_an_unknown_fault_or_provider_is_refused(fake: FakeApi) -> None:
    with pytest.raises(ValueError, match="there is no fault 'flood'"):
        fake.next_fault("flood")
    with pytest.raises(ValueError, match="more than 1"):
        fake.faults(**dict.fromkeys(KINDS, 0.1))
    with pytest.raises(KeyError):
        fake.limit("nobody", requests_per_minute=1)


def test_out_of_quota_is_the_providers_own_error(fake: FakeApi) -> None:
    fake.out_of_quota = True
    reply = openai(fake, TEXTS)
    assert (reply.status, reply.json["error"]["code"]) == (429, "insufficient_quota")
    assert ask(fake, "jina", "/embeddings", {}).status == 402
    assert ask(fake, "cohere", "/v2/embed", {}).status == 402
    google = ask(fake, "google", "/v1beta/models/gemini-embedding-001:embedContent", {}).json["error"]
    assert google["status"] == "RESOURCE_EXHAUSTED"
    assert "PerDay" in google["details"][0]["violations"][0]["quotaId"]


def test_a_refused_text_fails_its_whole_batch_and_is_not_named(fake: FakeApi) -> None:
    fake.refuse("two")
    reply = openai(fake, TEXTS)
    assert reply.status == 400
    assert b"two" not in reply.body
    assert openai(fake, ["one", "three"]).status == 200


def test_another_model_behind_the_same_name(fake: FakeApi) -> None:
    before = fake.vector("openai", SMALL, "one", 8)
    fake.change_model(SMALL)
    after = rows(openai(fake, TEXTS))[0][1]
    assert right(fake, 0, after)
    assert after is not None
    assert abs(float(before @ after)) < 0.99


def test_noise_is_as_large_as_told_and_never_the_same(fake: FakeApi) -> None:
    fake.noise = 1e-3
    first, second = (rows(openai(fake, TEXTS))[0][1] for _ in range(2))
    assert first is not None
    assert second is not None
    for came in (first, second):
        assert np.linalg.norm(came) == pytest.approx(1, abs=1e-6)
        assert 1e-4 < np.linalg.norm(came - fake.vector("openai", SMALL, "one", 8)) < 2e-3
    assert not np.array_equal(first, second)


def test_latency_is_each_requests_own(fake: FakeApi) -> None:
    fake.latency = 0.1
    started = time.monotonic()
    threads = [threading.Thread(target=openai, args=(fake, TEXTS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.1 <= time.monotonic() - started < 0.35


def test_a_connection_is_kept(fake: FakeApi) -> None:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=10)
    body = json.dumps({"model": SMALL, "input": "a"})
    for _ in range(2):
        connection.request("POST", "/openai/v1/embeddings", body, {"authorization": f"Bearer {fake.key}"})
        assert connection.getresponse().read().startswith(b'{"object":"list"')
        kept = connection.sock
    assert kept is connection.sock is not None
    connection.close()
