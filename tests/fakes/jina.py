"""Jina's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import vectors
from fakes.openai import openai_body
from fakes.provider import Model, Provider, counted
from fakes.wire import Ask, Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Jina"]

INPUTS = 512
SIDES = {"retrieval.query": "query", "retrieval.passage": "document"}
TASKS = {*SIDES, "text-matching", "classification", "separation", "clustering"}
KNOWN = {"model", "input", "task", "dimensions", "late_chunking", "truncate", "normalized", "embedding_type"}


class Jina(Provider):
    name = family = "jina"
    base = "/v1"
    tells_wait = False
    models: Mapping[str, Model] = {
        "jina-embeddings-v3": Model(1024, 8192, range(1, 1025)),
        "jina-embeddings-v4": Model(2048, 32_768, range(1, 2049)),
        "jina-embeddings-v5-text-small": Model(1024, 32_768, range(32, 1025)),
        "jina-embeddings-v5-text-nano": Model(768, 8192, range(32, 769)),
    }

    def has_sides(self, model: str) -> bool:
        return True

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path != "/v1/embeddings":
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        name = body.get("model")
        if name not in self.models:
            raise Refusal("invalid", status=422, message=f"Model {name} not found")
        model = self.models[name]
        where = f"Validation error: 'body -> {name}'"
        for extra in sorted(body.keys() - KNOWN):
            raise Refusal("invalid", status=422, message=f"{where} Extra inputs are not permitted: {extra}")
        texts = jina_texts(body.get("input"))
        if texts is None or "" in texts:
            raise Refusal("invalid", status=422, message=f"{where} Input must not be empty.")
        if len(texts) > INPUTS:
            message = f"{where} Each input list can contain at most {INPUTS} items.. Field errors: : Invalid value"
            raise Refusal("invalid", message=message)
        task = body.get("task")
        if task is not None and task not in TASKS:
            raise Refusal("invalid", status=422, message=f"{where} Invalid task")
        dim = body.get("dimensions", model.dim)
        if dim not in model.dims:
            raise Refusal("invalid", status=422, message=f"{where} Invalid dimensions")
        shape = body.get("embedding_type", "float")
        if shape not in ("float", "base64"):
            raise Refusal("invalid", status=422, message=f"{where} embedding_type is not served by this fake")
        used = texts
        if body.get("truncate", False):
            used = tuple(vectors.cut(text, model.window) for text in texts)
        elif max(counted(texts)) > model.window:
            raise Refusal("invalid", message=f"Input text exceeds maximum length of {model.window} tokens.")
        full = 0 if body.get("normalized", True) else model.dim
        side = SIDES.get(task, task or "")
        return Ask(name, texts, used, counted(used), dim, side, full, options={"base64": shape == "base64"})

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        return openai_body(ask, found, order, nulls, ask.options["base64"])

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        status, detail = {
            "auth": (401, "Invalid API key, please get a new one at https://jina.ai."),
            "no_such_path": (404, "Not Found"),
            "not_json": (422, "JSON decode error"),
            "invalid": (facts.get("status", 400), facts.get("message")),
            "bad_row": (400, "Failed to encode text."),
            "too_large": (413, "Request body is too large."),
            "rate_limit": (429, "Rate limit exceeded. Please try again later."),
            "quota": (402, "Insufficient balance. Please top up your API key."),
            "server": (facts.get("status", 500), "Internal server error"),
        }[refusal.kind]
        return json_reply(status, {"detail": detail})


def jina_texts(value: Any) -> tuple[str, ...] | None:
    """The texts of a string, or of a list of strings and {"text": string}."""
    items = value if isinstance(value, list) else [value]
    texts = [item.get("text") if isinstance(item, dict) else item for item in items]
    return tuple(texts) if texts and all(isinstance(text, str) for text in texts) else None
