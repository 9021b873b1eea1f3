"""Mistral AI: https://docs.mistral.ai/api/endpoint/embeddings"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.openai import embeddings_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["Mistral"]

# The bounds of a request are not documented, and were seen to differ: these are the lowest that were seen.
_LIMITS = Limits(inputs=256, tokens=16_384, text_tokens=8192)
_PAGE = "https://mistral.ai/pricing"
_EMBED = Offer(1024, _LIMITS, Price(0.10, "2026-11-22", _PAGE, 0.5))
_CODESTRAL = Offer(1536, _LIMITS, Price(0.15, "2026-11-22", _PAGE, 0.5), (1, 3072), True)


class Mistral(Adapter):
    """No sides. Vectors as numbers: not even its own client reads them as base64."""

    provider = "mistral"
    title = "Mistral AI"
    endpoint = "https://api.mistral.ai/v1"
    endpoint_variables = ("MISTRAL_BASE_URL",)
    key_variables = ("MISTRAL_API_KEY",)
    usual = _LIMITS
    offers: ClassVar[Mapping[str, Offer]] = {
        "mistral-embed": _EMBED,
        "mistral-embed-2312": _EMBED,
        "codestral-embed": _CODESTRAL,
        "codestral-embed-2505": _CODESTRAL,
    }

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {"model": settings.model, "input": list(texts), "encoding_format": "float"}
        if settings.dimensions is not None:
            body["output_dimension"] = settings.dimensions
        return Request(f"{settings.endpoint.removesuffix('/v1')}/v1/embeddings", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return embeddings_in(body)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        fault = usual_fault(status, body)
        # This code is said of a request that holds too much, and of a text that is too long.
        if fault.kind == "row" and isinstance(body, Mapping) and str(body.get("code")) == "3210":
            return Fault("split", message_in(body))
        return fault
