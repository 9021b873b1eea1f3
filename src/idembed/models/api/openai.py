"""OpenAI: https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["OpenAI", "embeddings_in", "openai_fault"]

_LIMITS = Limits(inputs=2048, tokens=300_000, text_tokens=8192)
_PAGE = "https://openai.com/api/pricing"


class OpenAI(Adapter):
    """No sides; vectors as base64, which is a third of their size as JSON."""

    provider = "openai"
    title = "OpenAI"
    endpoint = "https://api.openai.com/v1"
    endpoint_variables = ("OPENAI_BASE_URL",)
    key_variables = ("OPENAI_API_KEY",)
    usual = _LIMITS
    offers: ClassVar[Mapping[str, Offer]] = {
        "text-embedding-3-small": Offer(1536, _LIMITS, Price(0.02, "2026-11-22", _PAGE, 0.5), (1, 1536), True),
        "text-embedding-3-large": Offer(3072, _LIMITS, Price(0.13, "2026-11-22", _PAGE, 0.5), (1, 3072), True),
        "text-embedding-ada-002": Offer(1536, _LIMITS, Price(0.10, "2026-11-22", _PAGE, 0.5)),
    }

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {"model": settings.model, "input": list(texts), "encoding_format": "base64"}
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        return Request(f"{settings.endpoint}/embeddings", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return embeddings_in(body)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        return openai_fault(status, body)


def embeddings_in(body: Any) -> Answer:
    """An answer in OpenAI's shape, which many others speak."""
    data = body["data"]
    usage = body.get("usage") or {}
    tokens = usage.get("prompt_tokens") or usage.get("total_tokens")
    return Answer([item["embedding"] for item in data], [item["index"] for item in data], tokens)


def openai_fault(status: int, body: Any) -> Fault:
    """An error in OpenAI's shape."""
    error = body.get("error") if isinstance(body, Mapping) else None
    code = str((error.get("code") or error.get("type") or "") if isinstance(error, Mapping) else "")
    said = message_in(body)
    if "insufficient_quota" in code or "billing" in code:
        return Fault("fatal", said, "the account's credit is used up: add some, or raise its limit, and run it again")
    if "max_tokens_per_request" in code or "array_above_max_length" in code:
        return Fault("split", said)
    return usual_fault(status, body)
