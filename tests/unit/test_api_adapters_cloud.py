"""What the adapters with shapes of their own ask, read and make of errors; bodies as the providers send them."""

from __future__ import annotations

import pytest

from idembed.models.api.adapter import Answer, Request, Settings
from idembed.models.api.registry import ADAPTERS

COHERE = ADAPTERS["cohere"]
GOOGLE = ADAPTERS["google"]
VERTEX = ADAPTERS["vertex"]
BEDROCK = ADAPTERS["bedrock"]

GEMINI = "https://generativelanguage.googleapis.com"
PLACE = {"project": "my-project", "location": "europe-west4"}
VERTEX_URL = (
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/publishers/google/"
    "models/"
)
TITAN = "amazon.titan-embed-text-v2:0"


def vertex(model: str, **more: object) -> Settings:
    return Settings(model, "https://europe-west4-aiplatform.googleapis.com", extra=PLACE, **more)  # type: ignore[arg-type]


def test_cohere_says_the_side_and_forbids_cutting() -> None:
    settings = Settings("embed-v4.0", "https://api.cohere.com", dimensions=512)
    assert COHERE.request(settings, ["a", "b"], "document") == Request(
        "https://api.cohere.com/v2/embed",
        {
            "model": "embed-v4.0",
            "input_type": "search_document",
            "texts": ["a", "b"],
            "embedding_types": ["float"],
            "truncate": "NONE",
            "output_dimension": 512,
        },
    )
    asked = Settings("embed-english-v3.0", "https://api.cohere.com/v1", task="clustering")
    assert COHERE.request(asked, ["a"], "query") == Request(
        "https://api.cohere.com/v2/embed",
        {
            "model": "embed-english-v3.0",
            "input_type": "clustering",
            "texts": ["a"],
            "embedding_types": ["float"],
            "truncate": "NONE",
        },
    )


def test_cohere_keys_its_vectors_by_type_and_counts_what_it_bills() -> None:
    body = {
        "id": "5807ee2e",
        "embeddings": {"float": [[1.0, 2.0], [3.0, 4.0]]},
        "texts": ["a", "b"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4.0}},
        "response_type": "embeddings_by_type",
    }
    assert COHERE.answer(body, Settings("embed-v4.0", "")) == Answer([[1.0, 2.0], [3.0, 4.0]], tokens=4)
    assert COHERE.answer({"embeddings": {"float": [[1.0]]}}, Settings("embed-v4.0", "")) == Answer([[1.0]])


def test_the_gemini_api_gets_one_content_for_each_text() -> None:
    settings = Settings("gemini-embedding-001", GEMINI, dimensions=768)
    assert GOOGLE.request(settings, ["a", "b"], "document") == Request(
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
        {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "content": {"parts": [{"text": "a"}]},
                    "taskType": "RETRIEVAL_DOCUMENT",
                    "outputDimensionality": 768,
                },
                {
                    "model": "models/gemini-embedding-001",
                    "content": {"parts": [{"text": "b"}]},
                    "taskType": "RETRIEVAL_DOCUMENT",
                    "outputDimensionality": 768,
                },
            ]
        },
    )


def test_gemini_embedding_2_is_told_the_task_in_words() -> None:
    settings = Settings("gemini-embedding-2", GEMINI)
    assert GOOGLE.request(settings, ["a", "b"], "document").body == {
        "requests": [
            {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": "title: none | text: a"}]}},
            {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": "title: none | text: b"}]}},
        ]
    }
    assert GOOGLE.request(settings, ["a"], "query").body == {
        "requests": [
            {
                "model": "models/gemini-embedding-2",
                "content": {"parts": [{"text": "task: search result | query: a"}]},
            }
        ]
    }


@pytest.mark.parametrize(
    ("model", "task", "document", "query"),
    [
        ("gemini-embedding-001", None, "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"),
        ("gemini-embedding-001", "CLUSTERING", "CLUSTERING", "CLUSTERING"),
        ("gemini-embedding-001", "CODE_RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "CODE_RETRIEVAL_QUERY"),
        ("gemini-embedding-exp-03-07", None, "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"),
        ("gemini-embedding-2", None, "title: none | text: ", "task: search result | query: "),
        ("models/gemini-embedding-2", None, "title: none | text: ", "task: search result | query: "),
        ("gemini-embedding-2", "CLUSTERING", "task: clustering | query: ", "task: clustering | query: "),
        ("gemini-embedding-2", "FACT_VERIFICATION", "title: none | text: ", "task: fact checking | query: "),
        ("text-embedding-005", None, "RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"),
    ],
)
def test_googles_tasks(model: str, task: str | None, document: str, query: str) -> None:
    for adapter in (GOOGLE, VERTEX):
        settings = Settings(model, "", task=task)
        assert (adapter.task(settings, "document"), adapter.task(settings, "query")) == (document, query)


def test_tasks_that_may_be_asked_for_instead() -> None:
    assert COHERE.more_tasks == ("classification", "clustering")
    assert GOOGLE.more_tasks == VERTEX.more_tasks
    assert "SEMANTIC_SIMILARITY" in GOOGLE.more_tasks
    assert BEDROCK.more_tasks == ()


def test_every_task_that_google_takes_has_words() -> None:
    for task in GOOGLE.more_tasks:
        assert str(GOOGLE.task(Settings("gemini-embedding-2", "", task=task), "query")).endswith("| query: ")


def test_the_gemini_api_may_count_tokens() -> None:
    settings = Settings("gemini-embedding-2", GEMINI)
    body = {"embeddings": [{"values": [1.0, 2.0]}, {"values": [3.0, 4.0]}]}
    assert GOOGLE.answer(body, settings) == Answer([[1.0, 2.0], [3.0, 4.0]])
    assert GOOGLE.answer(body | {"usageMetadata": {"promptTokenCount": 8}}, settings).tokens == 8


def test_vertex_predicts_and_forbids_cutting() -> None:
    assert VERTEX.request(vertex("text-embedding-005", dimensions=256), ["a", "b"], "query") == Request(
        VERTEX_URL + "text-embedding-005:predict",
        {
            "instances": [
                {"content": "a", "task_type": "RETRIEVAL_QUERY"},
                {"content": "b", "task_type": "RETRIEVAL_QUERY"},
            ],
            "parameters": {"autoTruncate": False, "outputDimensionality": 256},
        },
    )


def test_vertex_says_of_every_text_what_it_counted_and_cut() -> None:
    body = {
        "predictions": [
            {"embeddings": {"values": [1.0], "statistics": {"token_count": 3, "truncated": False}}},
            {"embeddings": {"values": [2.0], "statistics": {"token_count": 2048, "truncated": True}}},
        ],
        "metadata": {"billableCharacterCount": 9},
    }
    assert VERTEX.answer(body, vertex("text-embedding-005")) == Answer(
        [[1.0], [2.0]], text_tokens=[3, 2048], truncated=[False, True]
    )


def test_vertex_asks_gemini_embedding_2_for_one_text_at_a_time() -> None:
    settings = vertex("gemini-embedding-2")
    assert VERTEX.limits(settings).inputs == 1
    assert VERTEX.request(settings, ["a"], "document") == Request(
        VERTEX_URL + "gemini-embedding-2:embedContent",
        {
            "content": {"role": "user", "parts": [{"text": "title: none | text: a"}]},
            "embedContentConfig": {"autoTruncate": False},
        },
    )
    body = {"embedding": {"values": [1.0, 2.0]}, "usageMetadata": {"promptTokenCount": 6}, "truncated": True}
    assert VERTEX.answer(body, settings) == Answer([[1.0, 2.0]], tokens=6, truncated=[True])


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_where_vertex_is(location: str, endpoint: str) -> None:
    assert VERTEX.usual_endpoint({"project": "p", "location": location}) == endpoint


def test_titan_gets_one_text_a_call() -> None:
    assert BEDROCK.usual_endpoint({"region": "eu-west-1"}) == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    settings = Settings(TITAN, "https://bedrock-runtime.eu-west-1.amazonaws.com", dimensions=256)
    assert BEDROCK.limits(settings).inputs == 1
    assert BEDROCK.request(settings, ["a"], "query") == Request(
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke",
        {"inputText": "a", "embeddingTypes": ["float"], "normalize": True, "dimensions": 256},
    )
    body = {"embedding": [1.0, 2.0], "embeddingsByType": {"float": [1.0, 2.0]}, "inputTextTokenCount": 2}
    assert BEDROCK.answer(body, settings) == Answer([[1.0, 2.0]], tokens=2)


def test_the_first_titan_takes_the_text_alone() -> None:
    settings = Settings("amazon.titan-embed-text-v1", "https://b.example")
    assert BEDROCK.request(settings, ["a"], "document") == Request(
        "https://b.example/model/amazon.titan-embed-text-v1/invoke", {"inputText": "a"}
    )


def google_error(code: int, status: str, message: str, *details: dict[str, object]) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "29.057856327s"}


def quota(name: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


DAY = quota("EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier")
MINUTE = quota("EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier")
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
BATCH_OF_100 = "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
COUNT = "Unable to submit request because the input token count is {} but the model supports up to {}. Reduce it."
TITAN_LONG = "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9875"
TITAN_CHARACTERS = "Malformed input request: expected maxLength: 50000, actual: 60000, please reformat your input"
TITAN_DIMENSIONS = "Malformed input request: #/dimensions: 300 is not a valid enum value, please reformat your input"
AT_MOST_96 = "invalid request: total number of texts must be at most 96 - received 131"
TRIAL_MONTH = "You are using a Trial key, which is limited to 1000 API calls / month."
TRIAL_MINUTE = "You are using a Trial key, which is limited to 40 API calls / minute."


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind", "tokens"),
    [
        ("cohere", 400, {"message": AT_MOST_96}, "split", None),
        ("cohere", 400, {"message": "too many tokens: a text has 600 tokens"}, "long", 600),
        ("cohere", 400, {"message": "invalid request: invalid input_type 'x'"}, "fatal", None),
        ("cohere", 422, {"message": "output_dimension must be one of 256, 512, 1024, 1536"}, "fatal", None),
        ("cohere", 400, {"message": "invalid request: texts cannot be empty"}, "row", None),
        ("cohere", 404, {"message": "model 'x' not found, make sure the correct model ID was used"}, "fatal", None),
        ("cohere", 429, {"message": TRIAL_MONTH}, "fatal", None),
        ("cohere", 429, {"message": TRIAL_MINUTE}, "wait", None),
        ("cohere", 402, {"message": "billing limit reached"}, "fatal", None),
        ("cohere", 498, {"message": "invalid token"}, "fatal", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", BATCH_OF_100), "split", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit"), "split", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", "API key not valid.", BAD_KEY), "fatal", None),
        ("google", 400, google_error(400, "FAILED_PRECONDITION", "User location is not supported"), "fatal", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", "content.parts must not be empty"), "row", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", "The output dimensionality is too large"), "fatal", None),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", "The input token count (9000) exceeds"), "long", 9000),
        ("google", 400, google_error(400, "INVALID_ARGUMENT", 'Unknown name "x": Cannot find field.'), "fatal", None),
        ("google", 404, google_error(404, "NOT_FOUND", "models/x is not found for API version v1beta"), "fatal", None),
        ("google", 429, google_error(429, "RESOURCE_EXHAUSTED", "quota", DAY, RETRY), "fatal", None),
        ("google", 429, google_error(429, "RESOURCE_EXHAUSTED", "quota", MINUTE, RETRY), "wait", None),
        ("google", 503, google_error(503, "UNAVAILABLE", "The model is overloaded."), "wait", None),
        ("vertex", 400, google_error(400, "INVALID_ARGUMENT", COUNT.format(20633, 20000)), "split", None),
        ("vertex", 400, google_error(400, "INVALID_ARGUMENT", COUNT.format(3000, 2048)), "long", 3000),
        ("vertex", 400, google_error(400, "", "5 instance(s) is allowed per prediction. Actual: 6"), "split", None),
        ("vertex", 403, google_error(403, "PERMISSION_DENIED", "denied"), "fatal", None),
        ("vertex", 401, google_error(401, "UNAUTHENTICATED", "invalid authentication credentials"), "fatal", None),
        ("bedrock", 400, {"message": TITAN_LONG}, "long", 9875),
        ("bedrock", 400, {"message": TITAN_CHARACTERS}, "long", None),
        ("bedrock", 400, {"message": TITAN_DIMENSIONS}, "fatal", None),
        ("bedrock", 400, {"message": "Malformed input request: 300 is not a valid enum value"}, "fatal", None),
        ("bedrock", 400, {"message": "The provided model identifier is invalid."}, "fatal", None),
        ("bedrock", 400, {"message": "Your request exceeds the service quota for your account."}, "fatal", None),
        ("bedrock", 400, {"message": "Malformed input request: #/inputText: expected minLength: 1"}, "row", None),
        ("bedrock", 403, {"Message": "The security token included in the request is expired"}, "fatal", None),
        ("bedrock", 404, {"message": "This model version has reached the end of its life."}, "fatal", None),
        ("bedrock", 424, {"message": "The request failed due to an error of the model"}, "wait", None),
        ("bedrock", 429, {"message": "Too many requests, please wait before trying again."}, "wait", None),
    ],
)
def test_errors(provider: str, status: int, body: object, kind: str, tokens: int | None) -> None:
    settings = vertex("text-embedding-005") if provider == "vertex" else Settings("any-model", "https://host.example")
    fault = ADAPTERS[provider].fault(status, body, settings)
    assert (fault.kind, fault.tokens) == (kind, tokens)
    assert fault.reason
    assert fault.hint or kind != "fatal"


def test_google_says_in_the_body_how_long_to_wait() -> None:
    settings = Settings("gemini-embedding-001", GEMINI)
    body = google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", MINUTE, RETRY)
    assert GOOGLE.fault(429, body, settings).after == 29.057856327
    assert GOOGLE.fault(429, [body], settings).after == 29.057856327
    said = google_error(429, "RESOURCE_EXHAUSTED", "Please retry in 12.5s.")
    assert GOOGLE.fault(429, said, settings).after == 12.5
    assert GOOGLE.fault(429, google_error(429, "RESOURCE_EXHAUSTED", "quota"), settings).after is None


def test_a_signed_request_that_is_repeated_in_the_error_is_not_shown() -> None:
    said = (
        "The request signature we calculated does not match the signature you provided. The Canonical String for this "
        "request should have been 'POST /model x-amz-security-token:IQoJb3JpZ2lu"
    )
    fault = BEDROCK.fault(403, {"message": said}, Settings(TITAN, ""))
    assert fault.reason == "The request signature we calculated does not match the signature you provided."


def test_gemini_models_have_their_price_with_and_without_their_prefix() -> None:
    assert GOOGLE.offer("models/gemini-embedding-2") == GOOGLE.offer("gemini-embedding-2") is not None


def test_hints_say_what_to_do() -> None:
    assert "gcloud auth application-default login" in VERTEX.fault(401, {}, vertex("text-embedding-005")).hint
    assert "Vertex AI User" in VERTEX.fault(403, {}, vertex("text-embedding-005")).hint
    assert "production key" in COHERE.fault(429, {"message": TRIAL_MONTH}, Settings("embed-v4.0", "")).hint
    body = google_error(429, "RESOURCE_EXHAUSTED", "quota", DAY)
    assert "tomorrow" in GOOGLE.fault(429, body, Settings("gemini-embedding-001", GEMINI)).hint
    assert "access to the model" in BEDROCK.fault(403, {}, Settings(TITAN, "")).hint
