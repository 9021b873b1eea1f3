"""Google's embeddings through the Gemini API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import vectors
from fakes.google_jobs import google_jobs_reply
from fakes.provider import Model, Provider, counted
from fakes.wire import Ask, Call, Refusal, Reply, json_reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Google", "content_text", "google_error", "side_of"]

INPUTS = 100
PAYLOAD = 4 * 2**20  # bytes
TASKS = {
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
}
KNOWN = {"model", "content", "taskType", "title", "outputDimensionality"}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
}


class Google(Provider):
    """A text is a content. A content's several parts make one text, so one vector: a list of texts must be contents.

    Over-long texts are cut, and nothing says so but the token count.
    """

    name = family = "google"
    indexed = False
    body_limit = PAYLOAD
    method = re.compile(r"/v1(?:beta)?/models/([^/:]+):(embedContent|batchEmbedContents)")
    models: Mapping[str, Model] = {
        "gemini-embedding-001": Model(3072, 2048, range(1, 3073)),
        "gemini-embedding-2": Model(3072, 8192, range(1, 3073)),
    }

    def has_sides(self, model: str) -> bool:
        return model != "gemini-embedding-2"  # this one is told in the text what it is for

    def most_bytes(self, call: Call) -> int:
        if call.path.endswith(":asyncBatchEmbedContent"):
            return 5 * PAYLOAD
        return super().most_bytes(call) if call.path.startswith("/upload/") else self.body_limit

    def authorised(self, call: Call, key: str) -> bool:
        return google_key(call) == key

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if self.method.fullmatch(call.path):
            return None
        reply = google_jobs_reply(self, call, fake) if self.name == "google" else None
        if reply is None:
            raise Refusal("no_such_path")
        return reply

    def read(self, call: Call, fake: FakeApi) -> Ask:
        named = self.method.fullmatch(call.path)
        assert named is not None
        body = call.json()
        if named[2] == "embedContent":
            return self.asked(named[1], [body], many=False)
        for name in sorted(body.keys() - {"requests", "model"}):
            raise Refusal("invalid", message=unknown(name, ""))
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise Refusal("invalid", message="* BatchEmbedContentsRequest.requests: must not be empty\n")
        if len(requests) > INPUTS:
            message = f"* BatchEmbedContentsRequest.requests: at most {INPUTS} requests can be in one batch\n"
            raise Refusal("invalid", message=message)
        return self.asked(named[1], requests, many=True)

    def asked(self, name: str, requests: Sequence[Mapping[str, Any]], many: bool) -> Ask:
        """What these requests, all of one model, one task and one width, ask for."""
        if name not in self.models:
            raise Refusal("model", model=name)
        model = self.models[name]
        for at, request in enumerate(requests):
            where = f" at 'requests[{at}]'" if many else ""
            for extra in sorted(request.keys() - KNOWN):
                raise Refusal("invalid", message=unknown(extra, where))
            if request.get("model", None if many else f"models/{name}") != f"models/{name}":
                raise Refusal("invalid", message="* BatchEmbedContentsRequest.requests: unexpected model name\n")
        texts = tuple(content_text(request.get("content")) for request in requests)
        tasks = {request.get("taskType") for request in requests}
        widths = {request.get("outputDimensionality") for request in requests}
        if len(tasks) > 1 or len(widths) > 1:
            raise ValueError("the fake answers only requests of one task and one width together")
        task, width = tasks.pop(), widths.pop()
        dim = self.width(width, model)
        used = tuple(vectors.cut(text, model.window) for text in texts)
        side = side_of(task) if self.has_sides(name) else ""
        return Ask(name, texts, used, counted(used), dim, side, full=model.dim, options={"many": many})

    def width(self, asked: Any, model: Model) -> int:
        if asked is None:
            return model.dim
        if type(asked) is not int or asked not in model.dims:
            message = f"* EmbedContentRequest.output_dimensionality: must be from 1 to {model.dim}\n"
            raise Refusal("invalid", message=message)
        return asked

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        rows = [b"null" if at in nulls else b'{"values":%b}' % row for at, row in enumerate(json_rows(found))]
        usage = b'"usageMetadata":{"promptTokenCount":%d}' % sum(ask.tokens)
        if ask.options["many"]:
            return b'{"embeddings":[%b],%b}' % (b",".join(rows), usage)
        return b'{"embedding":%b,%b}' % (rows[0] if rows else b"null", usage)

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        if refusal.kind == "auth":
            if google_key(call) is None:
                message = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer "
                return google_error(403, message + "identity to call this API.")
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            details = [{**reason, "domain": "googleapis.com"}]
            return google_error(400, "API key not valid. Please pass a valid API key.", details)
        if refusal.kind == "model":
            message = f"models/{refusal.facts['model']} is not found for API version v1beta, or is not supported for "
            return google_error(404, message + "embedContent. Call ListModels to see the list of available models.")
        return google_refusal(refusal, call)


def google_key(call: Call) -> str | None:
    return call.headers.get("x-goog-api-key") or call.query.get("key")


def content_text(content: Any) -> str:
    """The text of a content, its parts together."""
    if isinstance(content, str):
        raise Refusal("invalid", message="Invalid value at 'content' (type.googleapis.com/Content)")
    try:
        text = "\n".join(part["text"] for part in content["parts"])
    except (KeyError, TypeError):
        text = ""
    if not text:
        raise Refusal("invalid", message="* EmbedContentRequest.content: contents is not specified\n")
    return text


def side_of(task: str | None) -> str:
    """The side of a task type; a task that is no side of a search has its own vectors."""
    if task is not None and task not in TASKS:
        message = f"Invalid value at 'task_type' (type.googleapis.com/TaskType), \"{task}\""
        raise Refusal("invalid", message=message)
    return {None: "", "RETRIEVAL_QUERY": "query", "RETRIEVAL_DOCUMENT": "document"}.get(task, str(task).lower())


def unknown(name: str, where: str) -> str:
    return f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'


def google_refusal(refusal: Refusal, call: Call) -> Reply:
    """The refusals that the Gemini API and Vertex share."""
    facts = refusal.facts
    if refusal.kind == "rate_limit":
        return google_error(
            429, "Resource has been exhausted (e.g. check quota).", exhausted(facts.get("wait"), "Minute")
        )
    if refusal.kind == "quota":
        message = "You exceeded your current quota, please check your plan and billing details."
        return google_error(429, message, exhausted(20.0, "Day"))
    status, message = {
        "no_such_path": (404, "Requested entity was not found."),
        "not_json": (400, "Invalid JSON payload received. Unexpected token."),
        "invalid": (400, facts.get("message")),
        "bad_row": (400, "Request contains an invalid argument."),
        "too_large": (400, f"Request payload size exceeds the limit: {PAYLOAD} bytes."),
        "server": (facts.get("status", 500), "An internal error has occurred."),
    }[refusal.kind]
    return google_error(status, str(message))


def exhausted(wait: float | None, period: str) -> list[dict[str, Any]]:
    """Which quota is used up and, where known, for how long. A day's quota comes with a short delay all the same."""
    if wait is None:
        return []
    quota = {
        "quotaMetric": "generativelanguage.googleapis.com/embed_content_requests",
        "quotaId": f"EmbedContentRequestsPer{period}PerProjectPerModel",
    }
    return [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait:.9g}s"},
    ]


def google_error(status: int, message: str, details: Sequence[Mapping[str, Any]] = ()) -> Reply:
    error: dict[str, Any] = {"code": status, "message": message, "status": STATUS[status]}
    if details:
        error["details"] = list(details)
    return json_reply(status, {"error": error})
