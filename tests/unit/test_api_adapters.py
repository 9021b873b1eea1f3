"""What the adapters that speak OpenAI's shape ask, read and make of errors; bodies as the providers send them."""

from __future__ import annotations

import pytest

from idembed.models.api.adapter import Answer, Fault, Request, Settings
from idembed.models.api.registry import ADAPTERS, ALIASES

OPENAI = ADAPTERS["openai"]
AZURE = ADAPTERS["azure"]
VOYAGE = ADAPTERS["voyage"]
MISTRAL = ADAPTERS["mistral"]
JINA = ADAPTERS["jina"]
OLLAMA = ADAPTERS["ollama"]
COMPATIBLE = ADAPTERS["compatible"]

PLAIN = Settings("any-model", "https://host.example/v1")
REPLY = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}],
    "model": "any-model",
    "usage": {"prompt_tokens": 3, "total_tokens": 4},
}


def error(message: str, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def test_every_provider_is_found_by_its_name() -> None:
    assert sorted(ADAPTERS) == [
        "azure",
        "bedrock",
        "cohere",
        "compatible",
        "google",
        "jina",
        "mistral",
        "ollama",
        "openai",
        "vertex",
        "voyage",
    ]
    assert all(adapter.provider == name for name, adapter in ADAPTERS.items())
    assert ADAPTERS[ALIASES["gemini"]].title == "Gemini API"


def test_every_offer_allows_its_own_width_and_has_a_dated_price() -> None:
    for adapter in ADAPTERS.values():
        for name, offer in adapter.offers.items():
            assert offer.allows(offer.dim), name
            assert offer.limits.text_tokens, name
            assert offer.price is None or (offer.price.date == "2026-11-22" and offer.price.source.startswith("https"))


def test_limits_are_those_of_the_model_else_the_usual_ones() -> None:
    assert VOYAGE.limits(Settings("voyage-4-lite", "")).tokens == 1_000_000
    assert VOYAGE.limits(Settings("voyage-9", "")).tokens == 120_000


def test_openai_asks_for_base64() -> None:
    settings = Settings("text-embedding-3-small", "https://api.openai.com/v1", dimensions=256)
    assert OPENAI.request(settings, ["a", "b"], "query") == Request(
        "https://api.openai.com/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 256},
    )
    assert OPENAI.answer(REPLY, settings) == Answer(["AACAPwAAAEA="], [0], 3)


def test_azure_asks_the_deployment_by_the_route_without_a_version() -> None:
    settings = Settings("my-embeddings", "https://res.openai.azure.com", dimensions=256)
    assert AZURE.request(settings, ["a", "b"], "document") == Request(
        "https://res.openai.azure.com/openai/v1/embeddings",
        {"model": "my-embeddings", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 256},
    )


@pytest.mark.parametrize("tail", ["", "/openai", "/openai/v1"])
def test_azure_takes_its_endpoint_in_any_of_the_forms_that_are_shown_in_its_portal(tail: str) -> None:
    settings = Settings("m", f"https://res.openai.azure.com{tail}")
    assert AZURE.request(settings, ["a"], "query").url == "https://res.openai.azure.com/openai/v1/embeddings"


def test_azure_with_a_version_asks_the_older_route() -> None:
    settings = Settings("my/emb", "https://res.openai.azure.com", extra={"api_version": "2024-10-21"})
    assert AZURE.request(settings, ["a"], "query").url == (
        "https://res.openai.azure.com/openai/deployments/my%2Femb/embeddings?api-version=2024-10-21"
    )


def test_azure_shows_a_key_in_its_own_header_and_a_token_as_bearer() -> None:
    assert AZURE.authorization("0123abcd") == {"api-key": "0123abcd"}
    assert AZURE.authorization("eyJh.eyJz.c2ln") == {"Authorization": "Bearer eyJh.eyJz.c2ln"}


def test_azure_knows_a_price_only_for_a_deployment_that_is_called_like_a_model() -> None:
    assert AZURE.offer("my-embeddings") is None
    offer = AZURE.offer("text-embedding-3-small")
    assert offer is not None
    assert offer.price is not None
    assert offer.price.dollars == 0.022


def test_voyage_says_the_side_and_forbids_cutting() -> None:
    settings = Settings("voyage-4", "https://api.voyageai.com/v1", dimensions=512)
    assert VOYAGE.request(settings, ["a"], "query") == Request(
        "https://api.voyageai.com/v1/embeddings",
        {
            "model": "voyage-4",
            "input": ["a"],
            "input_type": "query",
            "truncation": False,
            "encoding_format": "base64",
            "output_dimension": 512,
        },
    )
    assert VOYAGE.request(PLAIN, ["a"], "document").body["input_type"] == "document"
    assert "output_dimension" not in VOYAGE.request(PLAIN, ["a"], "document").body


def test_voyage_counts_tokens_in_all() -> None:
    assert VOYAGE.answer({"data": REPLY["data"], "usage": {"total_tokens": 9}}, PLAIN) == Answer(
        ["AACAPwAAAEA="], [0], 9
    )


def test_mistral_asks_for_numbers() -> None:
    settings = Settings("codestral-embed", "https://api.mistral.ai/v1", dimensions=256)
    assert MISTRAL.request(settings, ["a"], "query") == Request(
        "https://api.mistral.ai/v1/embeddings",
        {"model": "codestral-embed", "input": ["a"], "encoding_format": "float", "output_dimension": 256},
    )
    assert MISTRAL.task(settings, "query") is None
    at_the_root = Settings("mistral-embed", "https://api.mistral.ai")
    assert MISTRAL.request(at_the_root, ["a"], "query").url == "https://api.mistral.ai/v1/embeddings"


def test_jina_says_the_task_and_forbids_cutting() -> None:
    settings = Settings("jina-embeddings-v3", "https://api.jina.ai/v1", dimensions=64)
    assert JINA.request(settings, ["a"], "document") == Request(
        "https://api.jina.ai/v1/embeddings",
        {
            "model": "jina-embeddings-v3",
            "input": ["a"],
            "embedding_type": "base64",
            "truncate": False,
            "task": "retrieval.passage",
            "dimensions": 64,
        },
        {"Accept": "application/json"},
    )


@pytest.mark.parametrize(
    ("model", "task", "document", "query"),
    [
        ("jina-embeddings-v5-text-small", None, "retrieval.passage", "retrieval.query"),
        ("jina-embeddings-v5-text-small", "clustering", "clustering", "clustering"),
        ("jina-embeddings-v4", "code", "code.passage", "code.query"),
        ("jina-code-embeddings-1.5b", None, "nl2code.passage", "nl2code.query"),
        ("jina-code-embeddings-1.5b", "qa", "qa.passage", "qa.query"),
        ("jina-embeddings-v2-base-en", None, None, None),
    ],
)
def test_jinas_tasks_have_a_side_where_the_model_knows_sides(
    model: str, task: str | None, document: str | None, query: str | None
) -> None:
    settings = Settings(model, "https://api.jina.ai/v1", task=task)
    assert (JINA.task(settings, "document"), JINA.task(settings, "query")) == (document, query)
    assert JINA.request(settings, ["a"], "query").body.get("task") == query


def test_ollama_is_told_not_to_cut() -> None:
    settings = Settings("nomic-embed-text", "http://127.0.0.1:11434")
    assert OLLAMA.request(settings, ["a", "b"], "query") == Request(
        "http://127.0.0.1:11434/api/embed", {"model": "nomic-embed-text", "input": ["a", "b"], "truncate": False}
    )
    shorter = Settings("nomic-embed-text", "http://127.0.0.1:11434", dimensions=64)
    assert OLLAMA.request(shorter, ["a"], "query").body["dimensions"] == 64
    body = {"model": "nomic-embed-text", "embeddings": [[1.0, 2.0]], "prompt_eval_count": 7}
    assert OLLAMA.answer(body, settings) == Answer([[1.0, 2.0]], tokens=7)


def test_what_may_cut_in_silence_is_known() -> None:
    silent = [name for name, adapter in ADAPTERS.items() if not adapter.tells_truncation]
    assert sorted(silent) == ["compatible", "google", "ollama"]


def test_a_compatible_server_is_asked_for_numbers_and_nothing_it_may_not_know() -> None:
    settings = Settings("bge-m3", "http://localhost:8080/v1")
    assert COMPATIBLE.request(settings, ["a"], "query") == Request(
        "http://localhost:8080/v1/embeddings", {"model": "bge-m3", "input": ["a"], "encoding_format": "float"}
    )
    shorter = Settings("bge-m3", "http://localhost:8080/v1", dimensions=64)
    assert COMPATIBLE.request(shorter, ["a"], "query").body["dimensions"] == 64


def test_a_compatible_server_may_answer_in_either_encoding_with_or_without_index_and_usage() -> None:
    assert COMPATIBLE.answer(REPLY, PLAIN) == Answer(["AACAPwAAAEA="], [0], 3)
    assert COMPATIBLE.answer({"data": [{"embedding": [1.0, 2.0]}, {"embedding": [3.0, 4.0]}]}, PLAIN) == Answer(
        [[1.0, 2.0], [3.0, 4.0]]
    )


def test_a_compatible_server_is_never_shown_the_key_for_openai() -> None:
    assert "OPENAI_API_KEY" not in COMPATIBLE.key_variables
    assert not COMPATIBLE.needs_key


def test_the_same_texts_make_the_same_request() -> None:
    settings = Settings(
        "any-model", "https://host.example", 64, extra={"project": "p", "location": "us-central1", "region": "eu"}
    )
    for adapter in ADAPTERS.values():
        first, second = (adapter.request(settings, ["é"], "query") for _ in range(2))
        assert (first.url, list(first.body.items())) == (second.url, list(second.body.items()))


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": [1]}, [], "ok", {"predictions": [{}]}])
@pytest.mark.parametrize("provider", ADAPTERS)
def test_an_answer_of_another_shape_is_refused(provider: str, body: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError, AttributeError)):
        ADAPTERS[provider].answer(body, PLAIN)


TOO_MANY_TOKENS = "Requested 453357 tokens, max 300000 tokens per request"
CONTEXT = (
    "This model's maximum context length is 8192 tokens, however you requested 14026 tokens (14026 in your prompt; "
    "0 for the completion). Please reduce your prompt; or completion length."
)
VOYAGE_LONG = (
    "Request to model 'voyage-4-large' failed. The example at index 5 in your batch has too many tokens and does not "
    "fit into the model's context window of 32000 tokens."
)
VOYAGE_BATCH = (
    "Request to model 'voyage-3-large' failed. The max allowed tokens per submitted batch is 120000. Your batch has "
    "124302 tokens after truncation. Please lower the number of tokens in the batch."
)
TEI_LONG = "Input validation error: `inputs` must have less than 512 tokens. Given: 514"
LLAMA_LONG = "input (992 tokens) is too large to process. increase the physical batch size (current batch size: 512)"
LLAMA_CONTEXT = {"code": 400, "message": "the request exceeds the available context size", "n_prompt_tokens": 600}
MISTRAL_LONG = "Input id 3 has 9000 tokens, exceeding max 8192 tokens."
MISTRAL_3210 = {"object": "error", "type": "invalid_request_prompt", "param": None, "code": "3210"}


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind", "tokens", "which"),
    [
        ("openai", 400, error(TOO_MANY_TOKENS, code="max_tokens_per_request"), "split", None, None),
        ("openai", 400, error(TOO_MANY_TOKENS), "split", None, None),
        ("openai", 400, error("Too much at once", code="max_tokens_per_request"), "split", None, None),
        ("openai", 400, error("Invalid 'input': array too long.", code="array_above_max_length"), "split", None, None),
        ("openai", 400, error("['one text', 'another'] is too long - 'input'"), "split", None, None),
        ("openai", 400, error(CONTEXT), "long", 14026, None),
        ("openai", 400, error("Invalid 'input[7]': maximum input length is 8192 tokens."), "long", None, 7),
        ("openai", 400, error("'$.input' is invalid."), "row", None, None),
        ("openai", 429, error("You exceeded your current quota", code="insufficient_quota"), "fatal", None, None),
        ("openai", 429, error("Rate limit reached", "tokens", "rate_limit_exceeded"), "wait", None, None),
        ("openai", 404, error("The model `x` does not exist", code="model_not_found"), "fatal", None, None),
        ("openai", 400, error("This model does not support specifying dimensions."), "fatal", None, None),
        ("openai", 503, "upstream connect error", "wait", None, None),
        ("azure", 400, error("Too many inputs. The max number of inputs is 16."), "split", None, None),
        ("azure", 400, error(CONTEXT), "long", 14026, None),
        ("voyage", 400, {"detail": VOYAGE_LONG}, "long", None, 5),
        ("voyage", 400, {"detail": VOYAGE_BATCH}, "split", None, None),
        ("voyage", 400, {"detail": "The batch size limit is 1000."}, "split", None, None),
        ("voyage", 400, {"detail": "Model x is not supported. Supported models are […]."}, "fatal", None, None),
        ("voyage", 400, {"detail": "Model 'x' is not supported."}, "fatal", None, None),
        ("voyage", 400, {"detail": "output_dimension must be one of 256, 512"}, "fatal", None, None),
        ("voyage", 400, {"detail": "Argument 'task' is not supported by our API"}, "fatal", None, None),
        ("voyage", 400, {"detail": "Input cannot contain empty strings"}, "row", None, None),
        ("voyage", 429, {"detail": "You have not yet added your payment method"}, "wait", None, None),
        ("mistral", 400, MISTRAL_3210 | {"message": "Too many inputs in request, split"}, "split", None, None),
        ("mistral", 400, MISTRAL_3210 | {"message": "Too many of them"}, "split", None, None),
        ("mistral", 400, {"message": "Too many tokens in batch. Max is 16384 got 17555"}, "split", None, None),
        ("mistral", 400, MISTRAL_3210 | {"message": MISTRAL_LONG}, "long", 9000, 3),
        ("mistral", 400, {"message": "The input is too long"}, "long", None, None),
        ("mistral", 400, {"message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "fatal", None, None),
        ("mistral", 429, {"message": "Rate limit exceeded", "code": "1300"}, "wait", None, None),
        ("mistral", 422, {"detail": [{"loc": ["body"], "msg": "String expected", "type": "x"}]}, "row", None, None),
        ("jina", 403, {"code": "AUTHZ_INSUFFICIENT_BALANCE", "detail": "Insufficient"}, "fatal", None, None),
        ("jina", 402, {"detail": "Insufficient account balance"}, "fatal", None, None),
        ("jina", 400, {"code": "INPUT_MODEL_NOT_FOUND", "detail": "Model 'X' not found"}, "fatal", None, None),
        ("jina", 422, {"detail": "Model X not found"}, "fatal", None, None),
        ("jina", 422, {"detail": "Each input list can contain at most 512 items"}, "split", None, None),
        ("jina", 400, {"detail": "Input text exceeds maximum length of 8192 tokens."}, "long", None, None),
        ("jina", 422, {"detail": "Invalid task"}, "fatal", None, None),
        ("jina", 422, {"detail": "Failed to encode text"}, "row", None, None),
        ("ollama", 404, {"error": 'model "x" not found, try pulling it first'}, "fatal", None, None),
        ("ollama", 400, {"error": "the input length exceeds the context length"}, "long", None, None),
        ("ollama", 400, {"error": "input length exceeds maximum context length"}, "long", None, None),
        ("ollama", 500, {"error": "failed to encode response: json: unsupported value: NaN"}, "row", None, None),
        ("ollama", 500, {"error": "this model does not support embeddings"}, "fatal", None, None),
        ("ollama", 500, {"error": 'do embedding request: Post "http://127.0.0.1:1": EOF'}, "wait", None, None),
        ("compatible", 413, {"error": TEI_LONG, "error_type": "Validation"}, "long", 514, None),
        ("compatible", 422, {"error": "batch size 64 > maximum allowed batch size 32"}, "split", None, None),
        ("compatible", 413, "Payload Too Large", "split", None, None),
        ("compatible", 429, {"error": "Model is overloaded", "error_type": "Overloaded"}, "wait", None, None),
        ("compatible", 424, {"error": "backend error", "error_type": "Backend"}, "wait", None, None),
        ("compatible", 500, error(LLAMA_LONG, "server_error"), "long", 992, None),
        ("compatible", 500, error("input is larger than the max context size. skipping"), "long", None, None),
        ("compatible", 400, {"error": LLAMA_CONTEXT}, "long", 600, None),
        ("compatible", 501, error("This server does not support embeddings."), "fatal", None, None),
        ("compatible", 503, error("Loading model"), "wait", None, None),
        ("compatible", 504, "the upstream took too long", "wait", None, None),
        ("compatible", 400, {"object": "error", "message": CONTEXT, "code": 400}, "long", 14026, None),
        ("compatible", 400, {"message": "Model x does not support matryoshka representation"}, "fatal", None, None),
        ("compatible", 400, error("Value error, batch size is invalid, it should …"), "split", None, None),
        ("compatible", 422, {"detail": [{"msg": "List should have at most 2048 items"}]}, "split", None, None),
    ],
)
def test_errors(provider: str, status: int, body: object, kind: str, tokens: int | None, which: int | None) -> None:
    fault = ADAPTERS[provider].fault(status, body, PLAIN)
    assert (fault.kind, fault.tokens, fault.which) == (kind, tokens, which)
    assert fault.reason
    assert fault.hint or kind != "fatal"


ODD = [
    None,
    "",
    "<html>502</html>",
    [],
    [[]],
    {},
    {"error": None},
    {"error": 5},
    {"error": {"details": 5}},
    7,
    {"detail": {}},
]


@pytest.mark.parametrize("body", ODD, ids=str)
@pytest.mark.parametrize("provider", ADAPTERS)
def test_an_error_of_any_shape_is_understood_by_its_status(provider: str, body: object) -> None:
    adapter, settings = ADAPTERS[provider], Settings("any-model", "https://host.example")
    for status, kind in ((400, "row"), (401, "fatal"), (403, "fatal"), (404, "fatal"), (413, "split"), (422, "row")):
        fault = adapter.fault(status, body, settings)
        assert fault.kind == kind
        assert fault.reason
        assert fault.hint or kind != "fatal"
    for status in (408, 429, 500, 502, 503, 504, 529):
        assert adapter.fault(status, body, settings).kind == "wait"


def test_a_list_that_is_repeated_in_the_error_is_not_shown() -> None:
    texts = "['a secret text', '" + "x" * 400 + "'] is too long - 'input'"
    assert OPENAI.fault(400, error(texts), PLAIN) == Fault("split", "there were too many texts in the request")


@pytest.mark.parametrize("provider", ADAPTERS)
def test_a_key_that_is_repeated_in_the_error_is_not_shown(provider: str) -> None:
    body = error("Incorrect API key provided: sk-abcde***********vwxyz.", code="invalid_api_key")
    fault = ADAPTERS[provider].fault(401, body, PLAIN)
    assert fault.kind == "fatal"
    assert "sk-abcde" not in fault.reason + fault.hint
    assert fault.hint


def test_hints_say_what_to_do() -> None:
    assert "deployment 'any-model'" in AZURE.fault(404, error("x", code="DeploymentNotFound"), PLAIN).hint
    assert "this resource's own keys" in AZURE.fault(401, error("Access denied", code="401"), PLAIN).hint
    assert "tokens are used up" in JINA.fault(403, {"code": "AUTHZ_INSUFFICIENT_BALANCE", "detail": "-"}, PLAIN).hint
    assert "model's name" in JINA.fault(400, {"code": "INPUT_MODEL_NOT_FOUND", "detail": "-"}, PLAIN).hint
    assert "ollama pull any-model" in OLLAMA.fault(404, {"error": "model not found"}, PLAIN).hint
    assert "https://ai.mongodb.com/v1" in VOYAGE.fault(401, {"detail": "Provided API key is invalid."}, PLAIN).hint
    assert "https://host.example/v1" in COMPATIBLE.fault(404, error("The model `x` does not exist."), PLAIN).hint
    assert "add some" in OPENAI.fault(429, error("quota", code="insufficient_quota"), PLAIN).hint
    assert "three requests" in VOYAGE.fault(429, {"detail": "… your payment method …"}, PLAIN).hint


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Requests have exceeded the call rate limit. Please retry after 26 seconds.", 26.0),
        ("Rate limit reached. Please try again in 1.5s.", 1.5),
        ("Rate limit reached. Please try again in 20ms.", 0.02),
        ("Rate limit reached. Please try again in 6m0s.", 360.0),
        ("Rate limit reached.", None),
    ],
)
def test_a_sentence_may_say_how_long_to_wait(said: str, seconds: float | None) -> None:
    assert AZURE.fault(429, error(said), PLAIN).after == seconds
