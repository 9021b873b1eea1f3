"""The Gemini API: https://ai.google.dev/api/embeddings"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.faults import message_in, seconds_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["DOCUMENT", "MORE_TASKS", "QUERY", "Google", "google_fault", "google_task", "takes_task_as_text"]

DOCUMENT = "RETRIEVAL_DOCUMENT"
QUERY = "RETRIEVAL_QUERY"
MORE_TASKS = (
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)
_OF_QUESTIONS = ("QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY")
_AS_TEXT = {
    DOCUMENT: "title: none | text: ",
    QUERY: "task: search result | query: ",
    "SEMANTIC_SIMILARITY": "task: sentence similarity | query: ",
    "CLASSIFICATION": "task: classification | query: ",
    "CLUSTERING": "task: clustering | query: ",
    "QUESTION_ANSWERING": "task: question answering | query: ",
    "FACT_VERIFICATION": "task: fact checking | query: ",
    "CODE_RETRIEVAL_QUERY": "task: code retrieval | query: ",
}
_PAGE = "https://ai.google.dev/gemini-api/docs/pricing"
_LIMITS = Limits(inputs=100, text_tokens=8192)
_OLDER = Limits(inputs=100, text_tokens=2048)


def takes_task_as_text(model: str) -> bool:
    """Whether the task is said before the text (gemini-embedding-2 and later), not in a field (001 and earlier)."""
    name = model.removeprefix("models/")
    return name.startswith("gemini-embedding-") and not name.startswith(("gemini-embedding-0", "gemini-embedding-exp"))


def google_task(settings: Settings, side: Side) -> str:
    """The name of the task, or the words before the text that say it. Questions that seek answers, evidence or code are
    compared with ordinary documents."""
    name = settings.task or (QUERY if side == "query" else DOCUMENT)
    if side == "document" and name in _OF_QUESTIONS:
        name = DOCUMENT
    return _AS_TEXT.get(name, name) if takes_task_as_text(settings.model) else name


def google_fault(status: int, body: Any) -> Fault:
    """An error in the shape of all of Google's APIs."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, Mapping) else None
    details = (error.get("details") if isinstance(error, Mapping) else None) or []
    details = [detail for detail in details if isinstance(detail, Mapping)]
    said = message_in(body)
    if status == 400 and (any(detail.get("reason") == "API_KEY_INVALID" for detail in details) or "API key" in said):
        return Fault("fatal", "status 400: the key is not valid", "the key is not accepted")
    if status == 400 and "location is not supported" in said:
        return Fault("fatal", said, "this API does not serve the place that the request came from")
    if status == 429 and any("PerDay" in str(detail.get("violations")) for detail in details):
        return Fault("fatal", said, "the quota of a day is used up: run it again tomorrow, or raise the quota")
    fault = usual_fault(status, body)
    delays = [seconds_in(str(detail["retryDelay"])) for detail in details if "retryDelay" in detail]
    return fault._replace(after=delays[0]) if delays and fault.kind == "wait" else fault


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
