"""The Gemini API: https://ai.google.dev/api/embeddings"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.google_shared import (
    DOCUMENT,
    MORE_TASKS,
    QUERY,
    google_fault,
    google_task,
    takes_task_as_text,
)
from idembed.space import Side

__all__ = ["Google"]

_PAGE = "https://ai.google.dev/gemini-api/docs/pricing"
_LIMITS = Limits(inputs=100, text_tokens=8192, bytes=4_000_000)
_OLDER = Limits(inputs=100, text_tokens=2048, bytes=4_000_000)


class Google(Adapter):
    """One content for each text: a list of texts in one content would become a single vector. Older models cut what is
    too long without a word, and there is no way to forbid it."""

    provider = "google"
    title = "Gemini API"
    endpoint = "https://generativelanguage.googleapis.com"
    endpoint_variables = ("GOOGLE_GEMINI_BASE_URL",)
    key_variables = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    usual = _OLDER
    offers: ClassVar[Mapping[str, Offer]] = {
        "gemini-embedding-2": Offer(3072, _LIMITS, Price(0.20, "2026-11-22", _PAGE, 0.5), (128, 3072), True),
        "gemini-embedding-001": Offer(3072, _OLDER, Price(0.15, "2026-11-22", _PAGE, 0.5), (128, 3072), True),
    }
    tasks: ClassVar[Mapping[Side, str]] = {"document": DOCUMENT, "query": QUERY}
    more_tasks = MORE_TASKS
    tells_truncation = False

    def offer(self, model: str) -> Offer | None:
        return self.offers.get(model.removeprefix("models/"))

    def task(self, settings: Settings, side: Side) -> str:
        return google_task(settings, side)

    def authorization(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key}

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        task = self.task(settings, side)
        model = settings.model.removeprefix("models/")
        as_text = takes_task_as_text(model)
        requests: list[dict[str, Any]] = []
        for text in texts:
            item: dict[str, Any] = {
                "model": f"models/{model}",
                "content": {"parts": [{"text": task + text if as_text else text}]},
            }
            if not as_text:
                item["taskType"] = task
            if settings.dimensions is not None:
                item["outputDimensionality"] = settings.dimensions
            requests.append(item)
        url = f"{settings.endpoint}/v1beta/models/{model}:batchEmbedContents"
        return Request(url, {"requests": requests})

    def answer(self, body: Any, settings: Settings) -> Answer:
        tokens = (body.get("usageMetadata") or {}).get("promptTokenCount")
        return Answer([item["values"] for item in body["embeddings"]], tokens=tokens)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        return google_fault(status, body)
