"""The fake APIs are honest: the providers' own SDKs read their replies and raise their own errors at their refusals."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fakes.api import FakeApi

SMALL = "text-embedding-3-small"
GEMINI = "gemini-embedding-001"
TEXTS = ["a text", "ein Text für zwei", "三つ目のテキスト"]
LONG = "word " * 10_000  # 12,500 tokens


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as made:
        yield made


def sdk(name: str) -> Any:
    """The SDK's module. Importing some warns of what is no concern of these tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"needs {name}; pip install -e '.[test,sdks]' has it")


def assert_right(fake: FakeApi, vectors: list[list[float]], provider: str, model: str, side: str = "") -> None:
    """Each text's vector, at the width it came in."""
    assert len(vectors) == len(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.array_equal(np.float32(vector), fake.vector(provider, model, text, len(vector), side))


@pytest.fixture
def openai_at(fake: FakeApi) -> Iterator[Callable[..., Any]]:
    """Makes OpenAI clients of the fake, by default without retries."""
    openai, made = sdk("openai"), []

    def client(**settings: Any) -> Any:
        given = {"api_key": fake.key, "base_url": fake.base("openai"), "max_retries": 0, **settings}
        made.append(openai.OpenAI(**given))
        return made[-1]

    yield client
    for each in made:
        each.close()


def test_openai_reads_vectors_as_floats_and_as_base64(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    client = openai_at()
    for shape in ({}, {"encoding_format": "float"}):  # without, it asks for base64 and decodes it
        reply = client.embeddings.create(model=SMALL, input=TEXTS, dimensions=64, **shape)
        assert_right(fake, [row.embedding for row in reply.data], "openai", SMALL)
        assert [row.index for row in reply.data] == [0, 1, 2]
        assert reply.usage.total_tokens == sum(map(fake.tokens, TEXTS))


def test_openai_raises_its_errors(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    openai, client = sdk("openai"), openai_at()

    def refused(error: str, **request: Any) -> Any:
        with pytest.raises(getattr(openai, error)) as caught:
            request.pop("client", client).embeddings.create(**{"model": SMALL, "input": TEXTS, **request})
        return caught.value

    assert refused("AuthenticationError", client=openai_at(api_key="another")).code == "invalid_api_key"
    assert refused("NotFoundError", model="text-embedding-4").code == "model_not_found"
    assert "maximum context length" in refused("BadRequestError", input=["a", LONG]).message
    assert refused("BadRequestError", input=["a" * 800] * 1501).code == "max_tokens_per_request"
    assert "dimensions" in refused("BadRequestError", dimensions=5000).message
    fake.next_fault("server_error")
    assert refused("InternalServerError").type == "server_error"
    fake.next_fault("cut")
    refused("APIConnectionError")
    fake.next_fault("rate_limit")
    assert refused("RateLimitError").code == "rate_limit_exceeded"
    fake.out_of_quota = True
    assert refused("RateLimitError").code == "insufficient_quota"


def test_openai_waits_as_long_as_it_is_told(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    fake.retry_after = 0.3
    fake.next_fault("rate_limit")
    openai_at(max_retries=1).embeddings.create(model=SMALL, input=TEXTS)
    refused, answered = fake.requests
    assert (refused.status, answered.status) == (429, 200)
    assert refused.finished is not None
    assert 0.3 <= answered.time - refused.finished < 0.5  # without the header it would wait half a second at least


def test_openai_runs_a_batch(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    client = openai_at()
    fake.batch_seconds = 0.1
    fake.refuse(TEXTS[1])
    request = {"method": "POST", "url": "/v1/embeddings"}
    lines = [
        json.dumps({"custom_id": f"row {at}", **request, "body": {"model": SMALL, "input": [text], "dimensions": 8}})
        for at, text in enumerate(TEXTS)
    ]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    job = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"tag": "mine"}
    )
    assert job.status == "validating"
    assert [(each.id, each.metadata) for each in client.batches.list(limit=5)] == [(job.id, {"tag": "mine"})]
    time.sleep(0.11)
    job = client.batches.retrieve(job.id)
    assert (job.status, job.request_counts.completed, job.request_counts.failed) == ("completed", 2, 1)
    out = [json.loads(line) for line in client.files.content(job.output_file_id).text.splitlines()]
    assert {line["custom_id"] for line in out} == {"row 0", "row 2"}
    failed = json.loads(client.files.content(job.error_file_id).text)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("row 1", 400)


def test_azure_by_its_old_way_and_its_new_one(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    openai = sdk("openai")
    new = openai_at(base_url=fake.base("azure") + "/openai/v1")
    reply = new.embeddings.create(model="my-embeddings", input=TEXTS)
    assert_right(fake, [row.embedding for row in reply.data], "azure", SMALL)
    with pytest.raises(openai.NotFoundError) as caught:
        new.embeddings.create(model="nobody's", input=TEXTS)
    assert caught.value.code == "DeploymentNotFound"
    with openai.AzureOpenAI(azure_endpoint=fake.base("azure"), api_version="2024-10-21", api_key=fake.key) as old:
        reply = old.embeddings.create(model="my-embeddings", input=TEXTS)
    assert_right(fake, [row.embedding for row in reply.data], "azure", SMALL)
    assert fake.requests[-1].path == "/openai/deployments/my-embeddings/embeddings"


def test_openai_reads_a_compatible_server(fake: FakeApi, openai_at: Callable[..., Any]) -> None:
    openai, client = sdk("openai"), openai_at(base_url=fake.base("compatible"), api_key="none")
    reply = client.embeddings.create(model="any", input=TEXTS)
    assert_right(fake, [row.embedding for row in reply.data], "compatible", "any")
    with pytest.raises(openai.APIStatusError, match="batch size 33"):
        client.embeddings.create(model="any", input=["a"] * 33)


def test_cohere(fake: FakeApi) -> None:
    cohere = sdk("cohere")
    once = {"request_options": {"max_retries": 0}}
    with cohere.ClientV2(api_key=fake.key, base_url=fake.base("cohere")) as client:
        request = {"model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"], **once}
        reply = client.embed(texts=TEXTS, output_dimension=256, **request)
        assert_right(fake, reply.embeddings.float_, "cohere", "embed-v4.0", "query")
        assert reply.meta.billed_units.input_tokens == sum(map(fake.tokens, TEXTS))

        def refused(error: str, **more: Any) -> Any:
            with pytest.raises(getattr(cohere.errors, error)) as caught:
                client.embed(**{"texts": TEXTS, **request, **more})
            return caught.value

        assert "96" in refused("BadRequestError", texts=["a"] * 97).body["message"]
        long = {"texts": [LONG], "model": "embed-english-v3.0", "truncate": "NONE"}
        assert "too many tokens" in refused("BadRequestError", **long).body["message"]
        refused("NotFoundError", model="embed-english-v2.0")
        fake.retry_after = 3
        fake.next_fault("rate_limit")
        assert refused("TooManyRequestsError").headers["retry-after"] == "3"
    with cohere.ClientV2(api_key="another", base_url=fake.base("cohere")) as client:
        refused("UnauthorizedError")


def test_cohere_waits_as_long_as_it_is_told(fake: FakeApi) -> None:
    fake.retry_after = 1
    fake.next_fault("rate_limit")
    with sdk("cohere").ClientV2(api_key=fake.key, base_url=fake.base("cohere")) as client:
        client.embed(model="embed-v4.0", input_type="search_document", texts=TEXTS, embedding_types=["float"])
    refused, answered = fake.requests
    assert refused.finished is not None
    assert 0.95 <= answered.time - refused.finished < 3


@pytest.fixture
def google_at(fake: FakeApi) -> Iterator[Callable[..., Any]]:
    """Makes clients of the fake's Gemini API, or of whatever else is said."""
    genai, made = sdk("google.genai"), []

    def client(provider: str = "google", **settings: Any) -> Any:
        options = genai.types.HttpOptions(base_url=fake.base(provider))
        made.append(genai.Client(**{"api_key": fake.key, "http_options": options, **settings}))
        return made[-1]

    yield client
    for each in made:
        each.close()


def google_vectors(client: Any, model: str, contents: list[Any], **config: Any) -> list[list[float]]:
    reply = client.models.embed_content(model=model, contents=contents, config=config)
    return [each.values for each in reply.embeddings]


def test_gemini_reads_vectors(fake: FakeApi, google_at: Callable[..., Any]) -> None:
    client = google_at()
    whole = google_vectors(client, GEMINI, TEXTS, task_type="RETRIEVAL_DOCUMENT")
    assert_right(fake, whole, "google", GEMINI, "document")
    short = google_vectors(client, GEMINI, TEXTS, task_type="RETRIEVAL_DOCUMENT", output_dimensionality=64)
    assert [vector[:64] for vector in whole] == short
    assert len(google_vectors(client, "gemini-embedding-2", TEXTS)) == 1  # the SDK makes parts of a list of texts
    one_each = [{"parts": [{"text": text}]} for text in TEXTS]
    assert_right(fake, google_vectors(client, "gemini-embedding-2", one_each), "google", "gemini-embedding-2")


def test_gemini_raises_its_errors(fake: FakeApi, google_at: Callable[..., Any]) -> None:
    errors, client = sdk("google.genai.errors"), google_at()

    def refused(kind: str, model: str = GEMINI, contents: list[str] = TEXTS, client: Any = client) -> Any:
        with pytest.raises(getattr(errors, kind)) as caught:
            google_vectors(client, model, contents)
        return caught.value

    assert "at most 100" in refused("ClientError", contents=["a"] * 101).message
    assert refused("ClientError", model="text-embedding-004").status == "NOT_FOUND"
    wrong = refused("ClientError", client=google_at(api_key="another"))
    assert (wrong.code, wrong.details["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    fake.next_fault("rate_limit")
    limited = refused("ClientError")
    assert (limited.code, limited.status) == (429, "RESOURCE_EXHAUSTED")
    fake.next_fault("server_error")
    refused("ServerError")


def test_gemini_runs_a_batch(fake: FakeApi, google_at: Callable[..., Any]) -> None:
    client = google_at()
    fake.batch_seconds = 0.1
    fake.refuse(TEXTS[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK calls this experimental
        job = client.batches.create_embeddings(
            model=GEMINI, src={"inlined_requests": {"contents": TEXTS}}, config={"display_name": "mine"}
        )
    assert job.state.name == "JOB_STATE_PENDING"
    assert [(each.name, each.display_name) for each in client.batches.list()] == [(job.name, "mine")]
    time.sleep(0.11)
    job = client.batches.get(name=job.name)
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    came = job.dest.inlined_embed_content_responses
    assert sorted(each.error is None for each in came) == [False, True, True]
    expected = {fake.vector("google", GEMINI, TEXTS[at], side="").tobytes() for at in (0, 2)}
    assert {np.float32(each.response.embedding.values).tobytes() for each in came if each.error is None} == expected


def test_vertex_says_what_it_cut(fake: FakeApi, google_at: Callable[..., Any]) -> None:
    token = sdk("google.oauth2.credentials").Credentials(token=fake.key)
    client = google_at("vertex", api_key=None, vertexai=True, project="p", location="l", credentials=token)
    reply = client.models.embed_content(model="text-embedding-005", contents=["a", LONG])
    assert [(each.statistics.token_count, each.statistics.truncated) for each in reply.embeddings] == [
        (1, False),
        (2048, True),
    ]
    with pytest.raises(sdk("google.genai.errors").ClientError, match="supports up to 2048"):
        client.models.embed_content(model="text-embedding-005", contents=[LONG], config={"auto_truncate": False})
    assert len(google_vectors(client, "gemini-embedding-2", ["a"])) == 1
    assert fake.requests[-1].path.endswith(":embedContent")


def test_voyage(fake: FakeApi) -> None:
    voyageai = sdk("voyageai")
    client = voyageai.Client(api_key=fake.key, base_url=fake.base("voyage"))
    reply = client.embed(TEXTS, model="voyage-4", input_type="document", output_dimension=256)
    assert_right(fake, reply.embeddings, "voyage", "voyage-4", "document")
    assert reply.total_tokens == sum(map(fake.tokens, TEXTS))

    def refused(error: str, client: Any = client, texts: list[str] = TEXTS, **more: Any) -> str:
        with pytest.raises(getattr(voyageai.error, error)) as caught:
            client.embed(texts, **{"model": "voyage-4", **more})
        return str(caught.value)

    assert "1000" in refused("InvalidRequestError", texts=["a"] * 1001)
    assert "32000" in refused("InvalidRequestError", texts=[LONG * 3], truncation=False)
    refused("InvalidRequestError", model="voyage-9")
    refused("AuthenticationError", voyageai.Client(api_key="another", base_url=fake.base("voyage")))
    fake.next_fault("rate_limit")
    refused("RateLimitError")


def test_mistral(fake: FakeApi) -> None:
    client_module, errors = sdk("mistralai.client"), sdk("mistralai.client.errors")
    with client_module.Mistral(api_key=fake.key, server_url=fake.base("mistral")) as client:
        reply = client.embeddings.create(model="mistral-embed", inputs=TEXTS)
        assert_right(fake, [row.embedding for row in reply.data], "mistral", "mistral-embed")

        def refused(error: str = "SDKError", **more: Any) -> Any:
            with pytest.raises(getattr(errors, error)) as caught:
                client.embeddings.create(**{"model": "mistral-embed", "inputs": TEXTS, **more})
            return caught.value

        assert "Too many inputs in request" in refused(inputs=["a"] * 257).body
        assert "Too many tokens" in refused(inputs=["a" * 8000] * 9).body
        assert "Invalid model" in refused(model="mistral-embed-9").body
        fake.next_fault("rate_limit")
        assert refused().status_code == 429
    with client_module.Mistral(api_key="another", server_url=fake.base("mistral")) as client:
        assert refused().status_code == 401
