"""Vertex AI: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.google_shared import DOCUMENT, MORE_TASKS, QUERY, google_fault, google_task, takes_task_as_text
from idembed.space import Side

__all__ = ["Vertex"]

_PAGE = "https://cloud.google.com/vertex-ai/generative-ai/pricing"
_LIMITS = Limits(inputs=250, tokens=20_000, text_tokens=2048)
_ONE_OF_2048 = Limits(inputs=1, text_tokens=2048)
_ONE_OF_8192 = Limits(inputs=1, text_tokens=8192)
_BOUND = re.compile(r"supports up to (\d+)")


class Vertex(Adapter):
    """The only provider that says of every text how many tokens it has and whether it was cut."""

    provider = "vertex"
    title = "Vertex AI"
    endpoint = "https://{location}-aiplatform.googleapis.com"
    endpoint_variables = ("GOOGLE_VERTEX_BASE_URL",)
    credential = "google"
    extra_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "project": ("GOOGLE_CLOUD_PROJECT",),
        "location": ("GOOGLE_CLOUD_LOCATION",),
    }
    usual = _ONE_OF_2048
    offers: ClassVar[Mapping[str, Offer]] = {
        "gemini-embedding-2": Offer(3072, _ONE_OF_8192, Price(0.20, "2026-11-22", _PAGE, 0.5), (128, 3072), True),
        "gemini-embedding-001": Offer(3072, _ONE_OF_2048, Price(0.15, "2026-11-22", _PAGE, 0.8), (128, 3072), True),
        "text-embedding-005": Offer(768, _LIMITS, Price(0.10, "2026-11-22", _PAGE), (1, 768), True),
        "text-embedding-004": Offer(768, _LIMITS, Price(0.10, "2026-11-22", _PAGE), (1, 768), True),
        "text-multilingual-embedding-002": Offer(768, _LIMITS, Price(0.10, "2026-11-22", _PAGE), (1, 768), True),
    }
    tasks: ClassVar[Mapping[Side, str]] = {"document": DOCUMENT, "query": QUERY}
    more_tasks = MORE_TASKS

    def usual_endpoint(self, extra: Mapping[str, str]) -> str:
        location = extra["location"]
        if location == "global":
            return "https://aiplatform.googleapis.com"
        if location in ("us", "eu"):
            return f"https://aiplatform.{location}.rep.googleapis.com"
        return self.endpoint.format_map(extra)

    def task(self, settings: Settings, side: Side) -> str:
        return google_task(settings, side)

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        task = self.task(settings, side)
        place = f"projects/{settings.extra['project']}/locations/{settings.extra['location']}"
        url = f"{settings.endpoint}/v1/{place}/publishers/google/models/{settings.model}"
        parameters: dict[str, Any] = {"autoTruncate": False}
        if settings.dimensions is not None:
            parameters["outputDimensionality"] = settings.dimensions
        if takes_task_as_text(settings.model):
            (text,) = texts
            content = {"role": "user", "parts": [{"text": task + text}]}
            return Request(f"{url}:embedContent", {"content": content, "embedContentConfig": parameters})
        instances = [{"content": text, "task_type": task} for text in texts]
        return Request(f"{url}:predict", {"instances": instances, "parameters": parameters})

    def answer(self, body: Any, settings: Settings) -> Answer:
        if takes_task_as_text(settings.model):
            tokens = (body.get("usageMetadata") or {}).get("promptTokenCount")
            return Answer([body["embedding"]["values"]], tokens=tokens, truncated=[bool(body.get("truncated"))])
        found = [prediction["embeddings"] for prediction in body["predictions"]]
        counts = [item["statistics"] for item in found]
        return Answer(
            [item["values"] for item in found],
            text_tokens=[int(count["token_count"]) for count in counts],
            truncated=[bool(count["truncated"]) for count in counts],
        )

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        fault = google_fault(status, body)
        most = self.limits(settings).tokens
        bound = _BOUND.search(fault.reason)
        if fault.kind == "long" and most is not None and bound and int(bound[1]) >= most:
            # The same sentence is about a text or about all of them; the number tells which.
            return Fault("split", fault.reason)
        if status == 401:
            return fault._replace(hint="sign in: gcloud auth application-default login")
        if status == 403:
            hint = "switch on the Vertex AI API in this project, and give the account the role Vertex AI User"
            return fault._replace(hint=hint)
        return fault
