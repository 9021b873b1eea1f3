"""Google's embeddings through Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import vectors
from fakes.google import Google, content_text, google_error, google_refusal, side_of
from fakes.provider import Model, Provider, bearer, counted
from fakes.wire import Ask, Call, Refusal, Reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Vertex"]

INSTANCES = 250
REQUEST_TOKENS = 20_000
GECKO = {  # the models of `predict` alone
    "text-embedding-005": Model(768, 2048, range(1, 769), batch_inputs=INSTANCES),
    "text-multilingual-embedding-002": Model(768, 2048, range(1, 769), batch_inputs=INSTANCES),
}


class Vertex(Google):
    """`predict` takes instances, one at a time for gemini-embedding-001; `embedContent` takes one content.

    Over-long texts are cut unless `autoTruncate` is false, and the reply says so.
    """

    name = "vertex"
    body_limit = Provider.body_limit
    method = re.compile(
        r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/google/models/([^/:]+)"
        r":(predict|embedContent|batchEmbedContents)"
    )
    models: Mapping[str, Model] = {**Google.models, **GECKO}

    def authorised(self, call: Call, key: str) -> bool:
        return bearer(call) == key

    def read(self, call: Call, fake: FakeApi) -> Ask:
        named = self.method.fullmatch(call.path)
        assert named is not None
        name, method = named[1], named[2]
        served = {"predict": (*GECKO, "gemini-embedding-001")}.get(method, tuple(Google.models))
        if name not in served:
            raise Refusal("model", model=name)
        body = call.json()
        if method == "predict":
            return self.predict(name, body)
        if method == "embedContent":
            contents, settings = [body.get("content")], body.get("embedContentConfig") or {}
        else:
            requests = body.get("requests") or [{}]
            contents = [request.get("content") for request in requests]
            settings = requests[0].get("embedContentConfig") or {}
        texts = tuple(map(content_text, contents))
        task = settings.get("taskType")
        return self.ask_for(name, texts, task, settings, method)

    def predict(self, name: str, body: Mapping[str, Any]) -> Ask:
        instances = body.get("instances")
        if not isinstance(instances, list) or not instances:
            raise Refusal("invalid", message="List of found errors:\t1.Field: instances; Message: required field.\t")
        allowed = self.models[name].batch_inputs or 1
        if len(instances) > allowed:
            message = f"{allowed} instance(s) is allowed per prediction. Actual: {len(instances)}"
            raise Refusal("invalid", message=message)
        texts = tuple(instance.get("content") for instance in instances)
        if not all(isinstance(text, str) and text for text in texts):
            raise Refusal("invalid", message="The text content is empty.")
        tasks = {instance.get("task_type") for instance in instances}
        if len(tasks) > 1:
            raise ValueError("the fake answers only instances of one task together")
        return self.ask_for(name, texts, tasks.pop() or "RETRIEVAL_QUERY", body.get("parameters") or {}, "predict")

    def ask_for(
        self, name: str, texts: tuple[str, ...], task: str | None, settings: Mapping[str, Any], method: str
    ) -> Ask:
        model = self.models[name]
        longest = max(counted(texts))
        if settings.get("autoTruncate", True):
            used = tuple(vectors.cut(text, model.window) for text in texts)
        elif longest > model.window:
            raise Refusal("invalid", message=too_many(longest, model.window))
        else:
            used = texts
        tokens = counted(used)
        if sum(tokens) > REQUEST_TOKENS:
            raise Refusal("invalid", message=too_many(sum(tokens), REQUEST_TOKENS))
        dim = self.width(settings.get("outputDimensionality"), model)
        side = side_of(task) if self.has_sides(name) else ""
        cut = tuple(text != kept for text, kept in zip(texts, used, strict=True))
        return Ask(name, texts, used, tokens, dim, side, full=model.dim, options={"method": method, "cut": cut})

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        rows = [b"null" if at in nulls else row for at, row in enumerate(json_rows(found))]
        method = ask.options["method"]
        if method == "embedContent":
            usage = b'"usageMetadata":{"promptTokenCount":%d},"truncated":%b' % (
                ask.tokens[0],
                json_bool(ask.options["cut"][0]),
            )
            return b'{"embedding":{"values":%b},%b}' % (rows[0] if rows else b"null", usage)
        said = []
        for row, index in zip(rows, order, strict=True):
            at = min(index, len(ask.tokens) - 1)
            counts = (json_bool(ask.options["cut"][at]), ask.tokens[at])
            if method == "predict":
                statistics = b'"statistics":{"truncated":%b,"token_count":%d}' % counts
                said.append(b'{"embeddings":{%b,"values":%b}}' % (statistics, row))
            else:
                said.append(b'{"statistics":{"truncated":%b,"token_count":%d},"values":%b}' % (*counts, row))
        if method == "predict":
            characters = sum(len(text) for text in ask.texts)
            return b'{"predictions":[%b],"metadata":{"billableCharacterCount":%d}}' % (b",".join(said), characters)
        return b'{"embeddings":[%b]}' % b",".join(said)

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        if refusal.kind == "auth":
            message = (
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            )
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED"}
            return google_error(401, message + "valid authentication credential.", [info])
        if refusal.kind == "model":
            message = (
                f"Publisher Model `publishers/google/models/{refusal.facts['model']}` was not found or your project "
            )
            return google_error(404, message + "does not have access to it.")
        return google_refusal(refusal, call)


def json_bool(value: bool) -> bytes:
    return b"true" if value else b"false"


def too_many(tokens: int, limit: int) -> str:
    return (
        f"Unable to submit request because the input token count is {tokens} but the model supports up to {limit}. "
        "Reduce the input token count and try again."
    )
