"""The fake APIs keep each provider's limits and refuse as the provider does."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes.api import FakeApi
from fakes.asking import ask, openai, send
from fakes.bedrock import signature
from fakes.exchange import arrived, exchange
from fakes.openai import duration
from fakes.wire import Call

SMALL = "text-embedding-3-small"
LONG = "word " * 10_000  # 12,500 tokens
GEMINI = "/v1beta/models/gemini-embedding-001"
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/"
TITAN = "/model/amazon.titan-embed-text-v2:0/invoke"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as made:
        yield made


def content(text: str, **more: object) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}, **more}


def gemini(*texts: str, **more: object) -> dict[str, Any]:
    return {"requests": [content(text, model="models/gemini-embedding-001", **more) for text in texts]}


def cohere(texts: list[str], **more: object) -> dict[str, Any]:
    return {"model": "embed-v4.0", "input_type": "search_document", "texts": texts, **more}


def test_a_vector_on_the_wire_is_the_one_the_fake_tells(fake: FakeApi) -> None:
    reply = openai(fake, ["a text", "ein Text für zwei"]).json
    expected = fake.vector("openai", SMALL, "ein Text für zwei", 8)
    assert np.array_equal(np.float32(reply["data"][1]["embedding"]), expected)
    assert abs(np.linalg.norm(expected) - 1) < 1e-6
    assert reply["usage"] == {"prompt_tokens": 2 + 5, "total_tokens": 2 + 5}


def test_base64_is_the_same_vector(fake: FakeApi) -> None:
    sent = openai(fake, ["a text"], encoding_format="base64").json["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(sent), "<f4"), fake.vector("openai", SMALL, "a text", 8))


def test_a_shorter_vector_is_the_beginning_of_the_longer_one(fake: FakeApi) -> None:
    long, short = (fake.vector("openai", SMALL, "a text", dim) for dim in (1536, 64))
    assert np.allclose(long[:64] / np.linalg.norm(long[:64]), short, atol=1e-6)


def test_documents_and_queries_differ_where_the_model_knows_sides(fake: FakeApi) -> None:
    def differ(provider: str, model: str) -> bool:
        return not np.array_equal(*(fake.vector(provider, model, "a", 8, side) for side in ("document", "query")))

    assert differ("cohere", "embed-v4.0")
    assert differ("google", "gemini-embedding-001")
    assert not differ("google", "gemini-embedding-2")
    assert not differ("openai", SMALL)


def test_gemini_does_not_normalise_what_it_shortens(fake: FakeApi) -> None:
    body = gemini("a", "b", taskType="RETRIEVAL_QUERY", outputDimensionality=64)
    reply = ask(fake, "google", GEMINI + ":batchEmbedContents", body).json
    came = np.float32(reply["embeddings"][1]["values"])
    assert np.linalg.norm(came) < 0.3
    assert np.allclose(
        came / np.linalg.norm(came), fake.vector("google", "gemini-embedding-001", "b", 64, "query"), atol=1e-6
    )


def test_several_parts_are_one_vector(fake: FakeApi) -> None:
    body = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}}
    reply = ask(fake, "google", "/v1beta/models/gemini-embedding-2:embedContent", body).json
    assert np.float32(reply["embedding"]["values"]).shape == (3072,)


REFUSED = [  # provider, path, body, status, a part of the message
    ("openai", "/embeddings", {"model": SMALL, "input": ["a"] * 2049}, 400, r"'\$\.input' is invalid"),
    ("openai", "/embeddings", {"model": SMALL, "input": ["a", ""]}, 400, r"'\$\.input' is invalid"),
    ("openai", "/embeddings", {"model": SMALL, "input": ["a", LONG]}, 400, "maximum context length is 8192 tokens"),
    (
        "openai",
        "/embeddings",
        {"model": SMALL, "input": ["a" * 800] * 1501},
        400,
        "Requested 300200 tokens, max",
    ),
    ("openai", "/embeddings", {"model": SMALL, "input": "a", "dimensions": 1537}, 400, "less than or equal to 1536"),
    ("openai", "/embeddings", {"model": "text-embedding-ada-002", "input": "a", "dimensions": 8}, 400, "not support"),
    ("openai", "/embeddings", {"model": SMALL, "input": "a", "truncate": True}, 400, "Unrecognized request argument"),
    ("openai", "/embeddings", {"model": "text-embedding-4", "input": "a"}, 404, "does not exist"),
    ("azure", "/openai/v1/embeddings", {"model": "nobody's", "input": "a"}, 404, "DeploymentNotFound"),
    ("cohere", "/v2/embed", cohere(["a"] * 97), 400, "at most 96"),
    ("cohere", "/v2/embed", {"model": "embed-v4.0", "texts": ["a"]}, 400, "input_type"),
    ("cohere", "/v2/embed", cohere([LONG], model="embed-english-v3.0", truncate="NONE"), 400, "cannot exceed 512"),
    ("cohere", "/v2/embed", cohere(["a"], model="embed-english-v2.0"), 404, "not found"),
    ("google", GEMINI + ":batchEmbedContents", gemini(*["a"] * 101), 400, "at most 100 requests"),
    ("google", GEMINI + ":embedContent", content("a", autoTruncate=False), 400, 'Unknown name \\\\"autoTruncate'),
    ("google", "/v1beta/models/text-embedding-004:embedContent", content("a"), 404, "is not found"),
    ("vertex", VERTEX + "text-embedding-005:predict", {"instances": [{"content": "a"}] * 251}, 400, "250 instance"),
    ("vertex", VERTEX + "gemini-embedding-001:predict", {"instances": [{"content": "a"}] * 2}, 400, "1 instance"),
    (
        "vertex",
        VERTEX + "text-embedding-005:predict",
        {"instances": [{"content": "a" * 8000}] * 11},
        400,
        "up to 20000",
    ),
    (
        "vertex",
        VERTEX + "text-embedding-005:predict",
        {"instances": [{"content": LONG}], "parameters": {"autoTruncate": False}},
        400,
        "supports up to 2048",
    ),
    ("voyage", "/embeddings", {"model": "voyage-4", "input": ["a"] * 1001}, 400, "batch size limit is 1000"),
    ("voyage", "/embeddings", {"model": "voyage-4-large", "input": [LONG] * 10}, 400, "submitted batch is 120000"),
    ("voyage", "/embeddings", {"model": "voyage-4", "input": LONG * 3, "truncation": False}, 400, "32000 tokens"),
    ("voyage", "/embeddings", {"model": "voyage-9", "input": "a"}, 400, "is not supported"),
    ("mistral", "/v1/embeddings", {"model": "mistral-embed", "input": ["a"] * 257}, 400, "Too many inputs in request"),
    (
        "mistral",
        "/v1/embeddings",
        {"model": "mistral-embed", "input": ["a" * 8000] * 9},
        400,
        "Too many tokens overall",
    ),
    ("mistral", "/v1/embeddings", {"model": "mistral-embed"}, 422, "Field required"),
    ("jina", "/embeddings", {"model": "jina-embeddings-v3", "input": ["a"] * 513}, 400, "at most 512 items"),
    ("jina", "/embeddings", {"model": "jina-embeddings-v3", "input": LONG}, 400, "maximum length of 8192"),
    ("ollama", "/api/embed", {"model": "bge-m3", "input": LONG, "truncate": False}, 400, "exceeds the context length"),
    ("ollama", "/api/embed", {"model": "nobody's", "input": "a"}, 404, "try pulling it first"),
    ("bedrock", TITAN, {"inputText": LONG}, 400, "Max input tokens: 8192"),
    ("bedrock", TITAN, {"inputText": "a" * 50_001}, 400, "maxLength: 50000"),
    ("bedrock", TITAN, {"inputText": "a", "dimensions": 300}, 400, "not a valid enum value"),
    ("compatible", "/embeddings", {"model": "any", "input": ["a"] * 33}, 413, "maximum allowed batch size 32"),
    ("compatible", "/embeddings", {"model": "any", "input": ["a" * 70_000] * 30}, 413, "length limit exceeded"),
]


@pytest.mark.parametrize(("provider", "path", "body", "status", "message"), REFUSED)
def test_what_is_over_a_limit_is_refused(
    fake: FakeApi, provider: str, path: str, body: object, status: int, message: str
) -> None:
    reply = ask(fake, provider, path, body)
    assert reply.status == status
    assert re.search(message, reply.body.decode())


def test_what_is_at_the_limit_is_answered(fake: FakeApi) -> None:
    assert len(openai(fake, ["a"] * 2048).json["data"]) == 2048
    assert openai(fake, ["a" * 4 * 8192]).status == 200
    assert len(ask(fake, "google", GEMINI + ":batchEmbedContents", gemini(*["a"] * 100)).json["embeddings"]) == 100
    assert ask(fake, "cohere", "/v2/embed", cohere(["a"] * 96)).status == 200
    assert ask(fake, "mistral", "/v1/embeddings", {"model": "mistral-embed", "input": ["a"] * 256}).status == 200


def test_where_long_texts_are_cut_the_vector_is_of_the_beginning(fake: FakeApi) -> None:
    reply = ask(fake, "cohere", "/v2/embed", cohere([LONG], model="embed-english-v3.0")).json
    expected = fake.vector("cohere", "embed-english-v3.0", LONG[: 4 * 512])
    assert np.array_equal(np.float32(reply["embeddings"]["float"][0]), expected)
    assert reply["meta"]["billed_units"]["input_tokens"] == 512

    reply = ask(fake, "ollama", "/api/embed", {"model": "bge-m3", "input": ["a", LONG]}).json
    assert np.array_equal(np.float32(reply["embeddings"][1]), fake.vector("ollama", "bge-m3", LONG[: 4 * 2048]))
    assert reply["prompt_eval_count"] == 1 + 2048

    body = {"instances": [{"content": LONG}, {"content": "a"}]}
    reply = ask(fake, "vertex", VERTEX + "text-embedding-005:predict", body).json
    statistics = [each["embeddings"]["statistics"] for each in reply["predictions"]]
    assert statistics == [{"truncated": True, "token_count": 2048}, {"truncated": False, "token_count": 1}]


@pytest.mark.parametrize(
    ("provider", "path", "body", "status"),
    [
        ("openai", "/embeddings", {}, 401),
        ("azure", "/openai/v1/embeddings", {}, 401),
        ("cohere", "/v2/embed", {}, 401),
        ("google", GEMINI + ":embedContent", {}, 400),  # with the reason API_KEY_INVALID
        ("vertex", VERTEX + "text-embedding-005:predict", {}, 401),
        ("voyage", "/embeddings", {}, 401),
        ("mistral", "/v1/embeddings", {}, 401),
        ("jina", "/embeddings", {}, 401),
        ("bedrock", TITAN, {}, 403),
    ],
)
def test_another_key_is_refused_and_not_repeated(
    fake: FakeApi, provider: str, path: str, body: object, status: int
) -> None:
    reply = ask(fake, provider, path, body, key="sk-somebody-else's")
    assert reply.status == status
    assert b"sk-somebody-else's" not in reply.body


def test_no_key_is_kept_in_the_log(fake: FakeApi) -> None:
    openai(fake, ["a"])
    assert fake.key not in repr(fake.requests)
    assert fake.requests[0].headers["authorization"] == "(hidden)"


def test_the_log_has_what_was_asked_even_where_it_was_refused(fake: FakeApi) -> None:
    openai(fake, ["a", "b"])
    openai(fake, ["a", LONG])
    assert [(seen.provider, seen.model, seen.status) for seen in fake.requests] == [
        ("openai", SMALL, 200),
        ("openai", "", 400),
    ]
    assert [seen.texts for seen in fake.requests] == [("a", "b"), ("a", LONG)]
    assert fake.requests[0].tokens == 2
    assert fake.requests[0].finished is not None
    assert fake.requests[0].time <= fake.requests[0].finished


def test_bedrock_checks_signatures() -> None:
    # The case "get-vanilla" of AWS's published test suite for Signature Version 4.
    call = Call("GET", "/", {}, {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}, b"", "/")
    signed = signature(
        call, "20150830/us-east-1/service/aws4_request", "host;x-amz-date", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    )
    assert signed == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


def test_a_bucket_refuses_until_it_has_filled_up_again(fake: FakeApi) -> None:
    fake.limit("openai", requests_per_minute=600, burst=0.2)  # two at once, ten a second
    replies = [openai(fake, ["a"]) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].json["error"]["code"] == "rate_limit_exceeded"
    assert replies[0].headers["x-ratelimit-limit-requests"] == "600"
    assert replies[0].headers["x-ratelimit-remaining-requests"] == "1"
    wait = int(replies[2].headers["retry-after-ms"]) / 1000
    assert 0 < wait <= 0.1
    assert fake.requests[2].told == pytest.approx(wait, abs=0.001)
    time.sleep(wait)
    assert openai(fake, ["a"]).status == 200


def test_tokens_and_inputs_are_limited_too(fake: FakeApi) -> None:
    fake.limit("openai", tokens_per_minute=100)
    assert [openai(fake, ["a" * 200]).status for _ in range(3)] == [200, 200, 429]
    assert openai(fake, ["a" * 404]).json["error"]["message"].startswith("Request too large")
    fake.limit("cohere", inputs_per_minute=3)
    assert [ask(fake, "cohere", "/v2/embed", cohere(["a", "b"])).status for _ in range(2)] == [200, 429]


def test_each_provider_says_in_its_own_way_how_long_to_wait(fake: FakeApi) -> None:
    for provider in ("cohere", "google", "voyage"):
        fake.limit(provider, requests_per_minute=60, burst=1)
    cohere_, google, voyage = (
        [ask(fake, *call) for _ in range(2)][1]
        for call in (
            ("cohere", "/v2/embed", cohere(["a"])),
            ("google", GEMINI + ":embedContent", content("a")),
            ("voyage", "/embeddings", {"model": "voyage-4", "input": "a"}),
        )
    )
    assert cohere_.headers["retry-after"] == "1"
    assert 0 <= int(cohere_.headers["x-ratelimit-reset"]) - time.time() <= 2
    retry = google.json["error"]["details"][-1]
    assert retry["@type"].endswith("RetryInfo")
    assert 0.9 < float(retry["retryDelay"].removesuffix("s")) <= 1
    assert voyage.status == 429
    assert not any("retry" in name or "ratelimit" in name for name in voyage.headers)


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.012, "12ms"), (7.66, "7.66s"), (60.5, "1m0.5s"), (360, "6m0s"), (7200, "2h0m0s")]
)
def test_openai_writes_durations(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_openai_takes_token_ids_and_counts_them(fake: FakeApi) -> None:
    reply = ask(fake, "openai", "/embeddings", {"model": SMALL, "input": [[1, 2, 3], [4]], "dimensions": 8}).json
    assert (len(reply["data"]), reply["usage"]["total_tokens"]) == (2, 4)


def test_it_serves_from_the_command_line() -> None:
    command = [sys.executable, "-m", "fakes.api", "--port", "0"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert send("GET", url + "/nobody").status == 404
        process.terminate()


def test_a_path_that_is_not_served_is_not_found(fake: FakeApi) -> None:
    assert ask(fake, "openai", "/embedding", {}).status == 404
    assert send("GET", fake.url + "/nobody").status == 404


def test_thousands_of_texts_are_answered_at_once(fake: FakeApi) -> None:
    # All that the server does, on this thread, so that the client's time is not counted.
    texts = [f"text number {number}, which is as long as a sentence is" for number in range(2048)]
    body = json.dumps({"model": SMALL, "input": texts, "dimensions": 64}).encode()
    call = Call("POST", "/v1/embeddings", {}, {"authorization": f"Bearer {fake.key}"}, body)
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        reply = exchange(fake, fake.providers["openai"], call, arrived("openai", call.path, call.headers))
        seconds.append(time.thread_time() - started)
        assert reply is not None
        assert reply.status == 200
    assert min(seconds) < 0.05
