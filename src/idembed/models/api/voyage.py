"""Voyage AI: https://docs.voyageai.com/reference/embeddings-api"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.openai import embeddings_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["Voyage"]

_PAGE = "https://docs.voyageai.com/docs/pricing"
_BATCH = 0.67
_DIMS = (256, 512, 1024, 2048)


def _offer(tokens: int, dollars: float, minute: float, dims: tuple[int, ...] = _DIMS, window: int = 32_000) -> Offer:
    limits = Limits(1000, tokens, window, requests_per_minute=2000, tokens_per_minute=minute)
    return Offer(1024, limits, Price(dollars, "2026-11-22", _PAGE, _BATCH), dims)


class Voyage(Adapter):
    """All models of the fourth family share one space. Answers say nothing of rates: the published ones hold."""

    provider = "voyage"
    title = "Voyage AI"
    endpoint = "https://api.voyageai.com/v1"
    endpoint_variables = ("VOYAGE_BASE_URL",)
    key_variables = ("VOYAGE_API_KEY",)
    usual = Limits(1000, 120_000, 32_000, requests_per_minute=2000, tokens_per_minute=3e6)
    offers: ClassVar[Mapping[str, Offer]] = {
        "voyage-4-large": _offer(120_000, 0.12, 3e6),
        "voyage-4": _offer(320_000, 0.06, 8e6),
        "voyage-4-lite": _offer(1_000_000, 0.02, 16e6),
        "voyage-code-4": _offer(120_000, 0.12, 3e6),
        "voyage-3-large": _offer(120_000, 0.18, 3e6),
        "voyage-3.5": _offer(320_000, 0.06, 8e6),
        "voyage-3.5-lite": _offer(1_000_000, 0.02, 16e6),
        "voyage-code-3": _offer(120_000, 0.18, 3e6),
        "voyage-finance-2": _offer(120_000, 0.12, 3e6, ()),
        "voyage-law-2": _offer(120_000, 0.12, 3e6, (), 16_000),
    }
    tasks: ClassVar[Mapping[Side, str]] = {"document": "document", "query": "query"}

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {
            "model": settings.model,
            "input": list(texts),
            "input_type": self.task(settings, side),
            "truncation": False,
            "encoding_format": "base64",
        }
        if settings.dimensions is not None:
            body["output_dimension"] = settings.dimensions
        return Request(f"{settings.endpoint}/embeddings", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return embeddings_in(body)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        fault = usual_fault(status, body)
        if status == 401:
            hint = "the key is not accepted; one that begins with al- is for the endpoint https://ai.mongodb.com/v1"
            return fault._replace(hint=hint)
        if status == 429 and "payment method" in fault.reason:
            return fault._replace(hint="without a payment method there are three requests a minute")
        return fault
