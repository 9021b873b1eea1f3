"""Ollama's embed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fakes import vectors
from fakes.provider import Model, Provider, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Ollama"]

WINDOW = 2048  # what it gives a model, however large the model's own


class Ollama(Provider):
    """Needs no key. Cuts over-long texts unless told not to; only `prompt_eval_count` shows it.

    It cannot write what is no number: a vector with one is an error 500, again and again.
    """

    name = family = "ollama"
    indexed = False
    tells_wait = False
    has_quota = False
    models: Mapping[str, Model] = {
        "nomic-embed-text": Model(768, WINDOW),
        "bge-m3": Model(1024, WINDOW),
        "mxbai-embed-large": Model(1024, 512),
        "all-minilm": Model(384, 256),
    }

    def authorised(self, call: Call, key: str) -> bool:
        return True

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path == "/api/tags":
            listed = [{"name": f"{name}:latest", "digest": digest(fake.space(self, name, ""))} for name in self.models]
            return json_reply(200, {"models": listed})
        if call.path != "/api/embed":
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        name = str(body.get("model", "")).removesuffix(":latest")
        if name not in self.models:
            raise Refusal("model", model=name)
        model = self.models[name]
        texts = texts_of(body.get("input"))
        if texts is None:
            raise Refusal("invalid", message="invalid input type")
        window = min(model.window, (body.get("options") or {}).get("num_ctx", WINDOW))
        if body.get("truncate", True):
            used = tuple(vectors.cut(text, window) for text in texts)
        elif max(counted(texts)) > window:
            raise Refusal("invalid", message="the input length exceeds the context length")
        else:
            used = texts
        dim = min(body.get("dimensions") or model.dim, model.dim)
        return Ask(name, texts, used, counted(used), dim)

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        if not np.isfinite(found).all():
            raise Refusal("server", status=500, message="failed to encode response: json: unsupported value: NaN")
        rows = [b"null" if at in nulls else row for at, row in enumerate(json_rows(found))]
        counts = b'"total_duration":1000,"load_duration":100,"prompt_eval_count":%d' % sum(ask.tokens)
        return b'{"model":"%b","embeddings":[%b],%b}' % (ask.model.encode(), b",".join(rows), counts)

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        if refusal.kind == "no_such_path":
            return Reply(404, b"404 page not found", content_type="text/plain")
        status, message = {
            "model": (404, f'model "{facts.get("model")}" not found, try pulling it first'),
            "not_json": (400, "invalid character looking for beginning of value"),
            "invalid": (400, facts.get("message")),
            "bad_row": (400, "input could not be processed"),
            "too_large": (413, "request body too large"),
            "rate_limit": (503, "server busy, please try again.  maximum pending requests exceeded"),
            "server": (facts.get("status", 500), facts.get("message", "llama runner process has terminated")),
        }[refusal.kind]
        return json_reply(status, {"error": message})


def digest(space: str) -> str:
    return hashlib.sha256(space.encode()).hexdigest()
