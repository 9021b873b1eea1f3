"""Jina AI: https://api.jina.ai/redoc"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.openai import embeddings_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["Jina"]

# How many texts a request may hold is not published; what is too much is split.
_8K = Limits(inputs=128, text_tokens=8192, requests_per_minute=500)
_32K = Limits(inputs=128, text_tokens=32_768, requests_per_minute=500)
_SIDES: Mapping[Side, str] = {"document": "passage", "query": "query"}


class Jina(Adapter):
    """Tasks differ from model to model: those about code are asked for without a side (``nl2code``), which is added."""

    provider = "jina"
    title = "Jina AI"
    endpoint = "https://api.jina.ai/v1"
    endpoint_variables = ("JINA_BASE_URL",)
    key_variables = ("JINA_API_KEY",)
    usual = _8K
    offers: ClassVar[Mapping[str, Offer]] = {
        "jina-embeddings-v5-text-small": Offer(1024, _32K, None, (32, 1024), True),
        "jina-embeddings-v5-text-nano": Offer(768, _8K, None, (32, 768), True),
        "jina-embeddings-v4": Offer(2048, _32K, None, (128, 2048), True),
        "jina-embeddings-v3": Offer(1024, _8K, None, (32, 1024), True),
        "jina-embeddings-v2-base-en": Offer(768, _8K),
    }
    tasks: ClassVar[Mapping[Side, str]] = {"document": "retrieval.passage", "query": "retrieval.query"}
    more_tasks = (
        "text-matching",
        "classification",
        "clustering",
        "separation",
        "code",
        "nl2code",
        "code2code",
        "code2nl",
        "code2completion",
        "qa",
    )

    def task(self, settings: Settings, side: Side) -> str | None:
        if settings.model.startswith("jina-embeddings-v2"):
            return None
        task = settings.task or ("nl2code" if settings.model.startswith("jina-code-") else "retrieval")
        return f"{task}.{_SIDES[side]}" if task in ("retrieval", *self.more_tasks[4:]) else task

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {
            "model": settings.model,
            "input": list(texts),
            "embedding_type": "base64",
            "truncate": False,
        }
        if task := self.task(settings, side):
            body["task"] = task
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        return Request(f"{settings.endpoint}/embeddings", body, {"Accept": "application/json"})

    def answer(self, body: Any, settings: Settings) -> Answer:
        return embeddings_in(body)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        said = message_in(body)
        if status in (402, 403) and ("balance" in said.lower() or "INSUFFICIENT_BALANCE" in str(body)):
            return Fault("fatal", said, "the account's tokens are used up: add some, and run it again")
        if status == 400 and "INPUT_MODEL_NOT_FOUND" in str(body):
            return Fault(
                "fatal", said, "look at the model's name: this provider has none of that name, or not any more"
            )
        return usual_fault(status, body)
