"""Whatever a provider answers, what comes of it is vectors, a text set aside, or an error that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import Reply, scripted

from idembed.errors import ModelError
from idembed.models.api.registry import ADAPTERS
from idembed.models.base import Journal

MODELS = {
    "openai": "text-embedding-3-small",
    "cohere": "embed-v4.0",
    "google": "gemini-embedding-001",
    "vertex": "text-embedding-005",
    "voyage": "voyage-4",
    "mistral": "codestral-embed",
    "jina": "jina-embeddings-v3",
    "ollama": "nomic-embed-text",
    "bedrock": "amazon.titan-embed-text-v2:0",
}
PLACE = {"project": "p", "location": "us-central1", "region": "us-east-1", "api_version": "2024-10-21"}
HUGE = 10**400
ODD: list[Any] = [None, True, 7, HUGE, float("inf"), float("nan"), -1, [], [None], [[]], {}, {"data": None}]
ODD += ["text", f"maximum context length is 8192 tokens, you requested {HUGE} tokens: input[{HUGE}]"]
ODD += [f"try again in {HUGE}s", f"Invalid 'input[{HUGE}]': string too long"]


def nested(value: Any) -> list[Any]:
    """``value`` wherever some provider's answer has something."""
    usage = {"total_tokens": value, "prompt_tokens": value, "billed_units": {"input_tokens": value}}
    vector = {"index": value, "embedding": [0.6, 0.8], "values": [0.6, 0.8]}
    of_value = {"index": 0, "embedding": value, "values": value}
    return [
        value,
        {"data": value, "embeddings": value, "embedding": value, "predictions": value},
        {"data": [value], "embeddings": [value], "embedding": [value], "predictions": [value]},
        {"data": [of_value], "embeddings": [of_value], "embedding": value, "predictions": [{"embeddings": of_value}]},
        {"data": [of_value], "embeddings": {"float": value}, "predictions": [{"embeddings": value}]},
        {
            "data": [vector],
            "embeddings": [vector],
            "embedding": [0.6, 0.8],
            "inputTextTokenCount": value,
            "prompt_eval_count": value,
            "usage": usage,
            "meta": usage,
            "predictions": [{"embeddings": {**vector, "statistics": {"token_count": value, "truncated": value}}}],
        },
        {
            "data": [vector],
            "embeddings": {"float": [[0.6, 0.8]]},
            "meta": value,
            "usage": value,
            "usageMetadata": value,
        },
        {"error": value, "message": value, "detail": value, "code": value, "type": value},
        {"error": {"message": value, "code": value, "status": value, "details": value, "type": value}},
        {"error": {"message": "no", "details": [value, {"@type": value, "retryDelay": value, "violations": value}]}},
    ]


@pytest.mark.parametrize("provider", sorted({*ADAPTERS}))
@pytest.mark.parametrize("status", [200, 400, 429, 503])
def test_no_answer_is_a_bug(provider: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("verdicts", "pacing", "call"):
        monkeypatch.setattr(f"idembed.models.api.{module}.backoff", lambda failures: 0.0)
    bodies = [body for value in ODD for body in nested(value)]
    for body in bodies:
        replies = iter([Reply(status, body)])
        # Where it is asked again, it ends.
        transport, _ = scripted(
            lambda text, before, replies=replies: next(replies, Reply(401, {})),  # type: ignore[misc]
            provider,
            MODELS.get(provider, "any"),
            **PLACE,
        )
        try:
            made = transport.embed(["a text"], "document", Journal(), dim=None, patience=0.1)
        except ModelError:
            continue
        assert made.refused or made.vectors.shape[1]
