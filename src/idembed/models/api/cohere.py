"""Cohere: https://docs.cohere.com/reference/embed"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["Cohere"]

_PAGE = "https://cohere.com/pricing"
_LIMITS = Limits(inputs=96, text_tokens=128_000, inputs_per_minute=2000)
_OLDER = Limits(inputs=96, text_tokens=512, inputs_per_minute=2000)
_DIMS = (256, 512, 1024, 1536, 2048)


def _price(dollars: float) -> Price:
    return Price(dollars, "2026-11-22", _PAGE)


class Cohere(Adapter):
    """Every request says its side. Vectors come in the order of the texts, without an index."""

    provider = "cohere"
    title = "Cohere"
    endpoint = "https://api.cohere.com"
    endpoint_variables = ("CO_API_URL",)
    key_variables = ("CO_API_KEY", "COHERE_API_KEY")
    usual = _LIMITS
    offers: ClassVar[Mapping[str, Offer]] = {
        "embed-v5.0-pro": Offer(2048, _LIMITS, _price(0.12), _DIMS),
        "embed-v5.0-fast": Offer(2048, _LIMITS, _price(0.08), _DIMS),
        "embed-v4.0": Offer(1536, _LIMITS, _price(0.12), _DIMS[:4]),
        "embed-english-v3.0": Offer(1024, _OLDER, _price(0.10)),
        "embed-multilingual-v3.0": Offer(1024, _OLDER, _price(0.10)),
        "embed-english-light-v3.0": Offer(384, _OLDER, _price(0.10)),
        "embed-multilingual-light-v3.0": Offer(384, _OLDER, _price(0.10)),
    }
    tasks: ClassVar[Mapping[Side, str]] = {"document": "search_document", "query": "search_query"}
    more_tasks = ("classification", "clustering")

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {
            "model": settings.model,
            "input_type": self.task(settings, side),
            "texts": list(texts),
            "embedding_types": ["float"],
            "truncate": "NONE",
        }
        if settings.dimensions is not None:
            body["output_dimension"] = settings.dimensions
        return Request(f"{settings.endpoint.removesuffix('/v1').removesuffix('/v2')}/v2/embed", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        billed = ((body.get("meta") or {}).get("billed_units") or {}).get("input_tokens")
        return Answer(body["embeddings"]["float"], tokens=None if billed is None else int(billed))

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        said = message_in(body)
        if status == 429 and "month" in said.lower():
            return Fault("fatal", said, "a trial key has so many calls a month: use a production key")
        if status == 498:
            return Fault("fatal", "status 498", "the key is not accepted")
        return usual_fault(status, body)
