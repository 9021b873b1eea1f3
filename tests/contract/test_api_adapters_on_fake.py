"""Every adapter against the fake of its provider: vectors and tokens come back, and what goes wrong is understood.

Adapters send nothing themselves, so that a few lines here do; whoever wrote the fake did not write the adapters.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from fakes.api import FakeApi
from fakes.asking import send
from idembed.models.api.adapter import Adapter, Answer, Fault, Settings
from idembed.models.api.credentials_aws import AwsCredentials
from idembed.models.api.registry import ADAPTERS
from idembed.space import Side


@dataclass(frozen=True, slots=True)
class Case:
    """A provider's ``model`` that makes vectors of ``dim`` numbers, and of ``fewer`` when asked (None: never)."""

    model: str
    dim: int
    fewer: int | None = None
    extra: dict[str, str] = field(default_factory=dict)


PLACE = {"project": "p", "location": "us-central1"}
CASES = {
    "openai": Case("text-embedding-3-small", 1536, 64),
    "azure": Case("my-embeddings", 1536, 64),
    "azure older": Case("my-embeddings", 1536, 64, {"api_version": "2024-10-21"}),
    "cohere": Case("embed-v4.0", 1536, 256),
    "google": Case("gemini-embedding-001", 3072, 768),
    "google 2": Case("gemini-embedding-2", 3072, 768),
    "vertex": Case("text-embedding-005", 768, 256, PLACE),
    "vertex 001": Case("gemini-embedding-001", 3072, 768, PLACE),
    "vertex 2": Case("gemini-embedding-2", 3072, 768, PLACE),
    "voyage": Case("voyage-4", 1024, 256),
    "mistral": Case("codestral-embed", 1536, 256),
    "jina": Case("jina-embeddings-v3", 1024, 64),
    "ollama": Case("nomic-embed-text", 768),
    "bedrock": Case("amazon.titan-embed-text-v2:0", 1024, 256),
    "compatible": Case("any", 384, 64),
}
NEEDS_KEY = ("openai", "azure", "cohere", "google", "vertex", "voyage", "mistral", "jina", "bedrock")
TEXTS = ["A cat sleeps.", "Zwei Hunde bellen, 三只鸟唱歌."]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def fake(server: FakeApi) -> Iterator[FakeApi]:
    yield server
    server.limits.clear()
    server.refused.clear()
    server.out_of_quota = False


def settings_of(fake: FakeApi, name: str, dimensions: int | None = None, model: str | None = None) -> Settings:
    case = CASES[name]
    return Settings(model or case.model, fake.base(name.split()[0]), dimensions, extra=case.extra)


def ask(
    fake: FakeApi, name: str, settings: Settings, texts: Sequence[str], side: Side = "document", key: str | None = None
) -> Answer | Fault:
    adapter: Adapter = ADAPTERS[name.split()[0]]
    request = adapter.request(settings, texts, side)
    headers = {"Content-Type": "application/json", **request.headers, **adapter.authorization(key or fake.key)}
    reply = send("POST", request.url, json.dumps(request.body).encode(), headers)
    try:
        body = reply.json
    except ValueError:
        body = reply.body.decode()
    return adapter.answer(body, settings) if reply.status == 200 else adapter.fault(reply.status, body, settings)


def unit(vector: object) -> np.ndarray:
    """The numbers of an answer's vector, of length 1: float32 [dim]."""
    found = np.frombuffer(base64.b64decode(vector), "<f4") if isinstance(vector, str) else np.asarray(vector, "f4")
    return found / np.linalg.norm(found)


def fault_of(found: Answer | Fault) -> Fault:
    assert isinstance(found, Fault)
    assert found.reason
    assert found.hint or found.kind != "fatal"
    return found


@pytest.mark.parametrize("side", ["document", "query"])
@pytest.mark.parametrize("shorter", [False, True], ids=["whole", "shorter"])
@pytest.mark.parametrize("name", CASES)
def test_vectors_and_tokens_come_back(fake: FakeApi, name: str, shorter: bool, side: Side) -> None:
    case, provider = CASES[name], name.split()[0]
    adapter = ADAPTERS[provider]
    dimensions = case.fewer if shorter else None
    settings = settings_of(fake, name, dimensions)
    texts = TEXTS[: adapter.limits(settings).inputs]
    found = ask(fake, name, settings, texts, side)
    assert isinstance(found, Answer)
    assert found.indices in (None, list(range(len(texts))))
    model = fake.deployments.get(case.model, case.model)
    said = adapter.task(settings, side) if name.endswith(" 2") else ""
    for text, vector in zip(texts, found.vectors, strict=True):
        expected = fake.vector(provider, model, f"{said}{text}", dimensions or case.dim, side)
        np.testing.assert_allclose(unit(vector), expected, atol=2e-6)
    count = sum(fake.tokens(f"{said}{text}") for text in texts)
    assert (sum(found.text_tokens) if found.text_tokens else found.tokens) == count


@pytest.mark.parametrize("name", ["cohere", "google", "google 2", "voyage", "mistral", "jina", "compatible"])
def test_too_many_texts_are_to_be_split(fake: FakeApi, name: str) -> None:
    assert fault_of(ask(fake, name, settings_of(fake, name), ["a"] * 2100)).kind == "split"


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_openai_says_the_same_of_too_many_texts_as_of_a_bad_one(fake: FakeApi, name: str) -> None:
    """Either way the texts are asked for in halves."""
    assert fault_of(ask(fake, name, settings_of(fake, name), ["a"] * 2100)).kind == "row"


def test_vertex_says_that_there_are_too_many_texts(fake: FakeApi) -> None:
    assert fault_of(ask(fake, "vertex", settings_of(fake, "vertex"), ["a"] * 251)).kind == "split"


@pytest.mark.parametrize(
    ("name", "count", "length"), [("openai", 60, 6000), ("vertex", 20, 1500), ("mistral", 4, 6000)]
)
def test_too_many_tokens_are_to_be_split(fake: FakeApi, name: str, count: int, length: int) -> None:
    texts = [long_text(fake, length)] * count
    assert fault_of(ask(fake, name, settings_of(fake, name), texts)).kind == "split"


def test_voyage_says_that_there_are_too_many_tokens(fake: FakeApi) -> None:
    settings = settings_of(fake, "voyage", model="voyage-4-large")
    assert fault_of(ask(fake, "voyage", settings, [long_text(fake, 30_000)] * 5)).kind == "split"


SAYS_TOO_LONG = (
    "openai",
    "azure",
    "vertex",
    "vertex 001",
    "vertex 2",
    "voyage",
    "mistral",
    "jina",
    "ollama",
    "bedrock",
)


@pytest.mark.parametrize("name", SAYS_TOO_LONG)
def test_a_text_that_is_too_long_is_refused_not_cut(fake: FakeApi, name: str) -> None:
    window = fake.providers[name.split()[0]].model(fake.deployments.get(CASES[name].model, CASES[name].model)).window
    fault = fault_of(ask(fake, name, settings_of(fake, name), [long_text(fake, window + 100)]))
    assert fault.kind == "long"
    assert fault.tokens is None or fault.tokens > window


def test_cohere_refuses_what_is_too_long(fake: FakeApi) -> None:
    settings = settings_of(fake, "cohere", model="embed-english-v3.0")
    assert fault_of(ask(fake, "cohere", settings, [long_text(fake, 700)])).kind == "long"


@pytest.mark.parametrize("name", ["google", "compatible"])
def test_those_that_cut_in_silence_show_it_in_the_tokens_alone(fake: FakeApi, name: str) -> None:
    text = long_text(fake, 3000)
    found = ask(fake, name, settings_of(fake, name), [text])
    assert isinstance(found, Answer)
    assert not ADAPTERS[name].tells_truncation
    assert found.tokens is not None
    assert found.tokens < fake.tokens(text)


@pytest.mark.parametrize("name", [name for name in CASES if name != "compatible"])
def test_an_unknown_model_ends_it(fake: FakeApi, name: str) -> None:
    settings = settings_of(fake, name, model=f"{CASES[name].model[:-1]}9")
    assert fault_of(ask(fake, name, settings, ["a"])).kind == "fatal"


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in NEEDS_KEY])
def test_a_wrong_key_ends_it(fake: FakeApi, name: str) -> None:
    assert fault_of(ask(fake, name, settings_of(fake, name), ["a"], key="another-key")).kind == "fatal"


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].fewer])
def test_dimensions_that_the_model_does_not_have_end_it(fake: FakeApi, name: str) -> None:
    assert fault_of(ask(fake, name, settings_of(fake, name, 5000), ["a"])).kind == "fatal"


@pytest.mark.parametrize("name", CASES)
def test_a_text_that_cannot_be_taken_is_a_row(fake: FakeApi, name: str) -> None:
    settings = settings_of(fake, name)
    bad = "bad text"
    fake.refuse(bad)
    fake.refuse(f"{ADAPTERS[name.split()[0]].task(settings, 'document')}{bad}")
    assert fault_of(ask(fake, name, settings, [bad])).kind == "row"


@pytest.mark.parametrize("kind", ["rate_limit", "rate_limit_bare", "server_error"])
@pytest.mark.parametrize("name", CASES)
def test_what_passes_is_waited_for(fake: FakeApi, name: str, kind: str) -> None:
    fake.next_fault(kind)
    assert fault_of(ask(fake, name, settings_of(fake, name), ["a"])).kind == "wait"


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in NEEDS_KEY])
def test_a_quota_that_is_used_up_ends_it(fake: FakeApi, name: str) -> None:
    fake.out_of_quota = True
    assert fault_of(ask(fake, name, settings_of(fake, name), ["a"])).kind == "fatal"


def long_text(fake: FakeApi, tokens: int) -> str:
    """A text of about so many tokens."""
    text = "word " * tokens
    return text[: len(text) * tokens // fake.tokens(text)]


def test_bedrock_takes_a_signature_instead_of_a_key(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", fake.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fake.secret)
    settings = settings_of(fake, "bedrock", 256)
    request = ADAPTERS["bedrock"].request(settings, ["Grüße"], "document")
    body = json.dumps(request.body).encode()
    headers = AwsCredentials("us-east-1", {}).headers(request.url, body)
    assert send("POST", request.url, body, headers).status == 200
    assert send("POST", request.url, body + b" ", headers).status == 403
