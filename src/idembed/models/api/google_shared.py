"""What Google's two APIs have in common: tasks, and the shape of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idembed.models.api.adapter import Fault, Settings
from idembed.models.api.faults import message_in, seconds_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["DOCUMENT", "MORE_TASKS", "QUERY", "google_fault", "google_task", "takes_task_as_text"]

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
    listed = error.get("details") if isinstance(error, Mapping) else None
    details = [detail for detail in listed if isinstance(detail, Mapping)] if isinstance(listed, list) else []
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
