"""A server that speaks OpenAI's language, as text-embeddings-inference does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fakes import vectors
from fakes.openai import openai_body
from fakes.provider import Model, Provider, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Compatible"]

INPUTS = 32
MODEL = Model(384, 512, range(1, 385))


class Compatible(Provider):
    """Needs no key, has one model that goes by any name, takes what it does not know for nothing, cuts silently."""

    name = family = "compatible"
    base = "/v1"
    body_limit = 2_000_000
    tells_wait = False
    has_quota = False

    def model(self, name: str) -> Model:
        return MODEL

    def authorised(self, call: Call, key: str) -> bool:
        return True

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path != "/v1/embeddings":
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        texts = texts_of(body.get("input"))
        if texts is None or "" in texts:
            raise Refusal("invalid", status=400, type="empty", message="`inputs` cannot be empty")
        if len(texts) > INPUTS:
            message = f"batch size {len(texts)} > maximum allowed batch size {INPUTS}"
            raise Refusal("invalid", status=413, type="validation", message=message)
        dim = body.get("dimensions") or MODEL.dim
        if dim not in MODEL.dims:
            message = f"`dimensions` should be positive and less than {MODEL.dim}"
            raise Refusal("invalid", status=413, type="validation", message=message)
        used = tuple(vectors.cut(text, MODEL.window) for text in texts)
        options = {"base64": body.get("encoding_format") == "base64"}
        return Ask(str(body.get("model", "")), texts, used, counted(used), dim, options=options)

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        return openai_body(ask, found, order, nulls, ask.options["base64"])

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        if refusal.kind == "no_such_path":
            return Reply(404, b"", content_type="text/plain")
        if refusal.kind == "too_large":
            body = b"Failed to buffer the request body: length limit exceeded"
            return Reply(413, body, content_type="text/plain")
        status, type_, message = {
            "not_json": (422, "tokenizer", "Failed to parse the request body as JSON"),
            "invalid": (facts.get("status"), facts.get("type"), facts.get("message")),
            "bad_row": (422, "tokenizer", "Tokenization error"),
            "rate_limit": (429, "overloaded", "Model is overloaded"),
            "server": (424 if facts.get("status") == 500 else facts.get("status"), "backend", "Backend error"),
        }[refusal.kind]
        return json_reply(status, {"message": message, "code": status, "type": type_})
