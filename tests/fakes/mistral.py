"""Mistral's embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fakes.limits import Taken
from fakes.openai import openai_body
from fakes.provider import Model, Provider, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Mistral"]

INPUTS = 256
REQUEST_TOKENS = 16_384
KNOWN = {"model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"}


class Mistral(Provider):
    name = family = "mistral"
    models: Mapping[str, Model] = {
        "mistral-embed": Model(1024, 8192),
        "codestral-embed": Model(1536, 8192, range(1, 3073)),
    }

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path != "/v1/embeddings":
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        for name in sorted({"model", "input"} - body.keys()):
            raise Refusal("malformed", where=name, message="Field required", error="missing")
        for name in sorted(body.keys() - KNOWN):
            raise Refusal("malformed", where=name, message="Extra inputs are not permitted", error="extra_forbidden")
        name = body["model"]
        if name not in self.models:
            raise Refusal("model", model=name)
        model = self.models[name]
        texts = texts_of(body["input"])
        if texts is None or "" in texts:
            raise Refusal("invalid", message="Input cannot be empty")
        if len(texts) > INPUTS:
            raise Refusal("invalid", message="Too many inputs in request, split into more batches.", code="3210")
        dim = body.get("output_dimension")
        if dim is not None and dim not in model.dims:
            raise Refusal("invalid", message=f"output_dimension is not supported by {name}")
        if body.get("output_dtype", "float") != "float":
            raise Refusal("invalid", message="output_dtype other than float is not served by this fake")
        tokens = counted(texts)
        for at, count in enumerate(tokens):
            if count > model.window:
                message = f"Input id {at} has {count} tokens, exceeding max {model.window} tokens."
                raise Refusal("invalid", message=message, code="3210")
        if sum(tokens) > REQUEST_TOKENS:
            raise Refusal("invalid", message="Too many tokens overall, split into more batches.", code="3210")
        options = {"base64": body.get("encoding_format") == "base64"}
        return Ask(name, texts, texts, tokens, dim or model.dim, options=options)

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        return b'{"id":"fake",' + openai_body(ask, found, order, nulls, ask.options["base64"])[1:]

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        if refusal.kind == "auth":
            return json_reply(401, {"detail": "Unauthorized"})
        if refusal.kind in ("malformed", "not_json"):
            where = ["body", facts["where"]] if "where" in facts else ["body"]
            what = {"type": facts.get("error", "json_invalid"), "msg": facts.get("message", "JSON decode error")}
            return json_reply(422, {"detail": [{"loc": where, **what}]})
        status, message, type_, code = {
            "model": (400, f"Invalid model: {facts.get('model')}", "invalid_model", "1500"),
            "no_such_path": (404, "no Route matched with those values", "not_found", None),
            "invalid": (400, facts.get("message"), "invalid_request_prompt", facts.get("code")),
            "bad_row": (400, "Invalid input", "invalid_request_prompt", None),
            "too_large": (413, "Request body is too large", "invalid_request_error", None),
            "rate_limit": (429, "Rate limit exceeded", "rate_limited", "1300"),
            "quota": (402, "Inactive subscription or usage limit reached", "payment_required", None),
            "server": (facts.get("status", 500), "Internal server error", "internal_server_error", "1000"),
        }[refusal.kind]
        wait = facts.get("wait")
        headers = {"retry-after": str(math.ceil(wait))} if wait else {}
        error = {"object": "error", "message": message, "type": type_, "param": None, "code": code}
        return json_reply(status, error, headers)

    def limit_headers(self, taken: Taken) -> dict[str, str]:
        headers = {}
        for name, said in (("requests", "req"), ("tokens", "tokens")):
            if name in taken.limit:
                headers[f"x-ratelimit-limit-{said}-minute"] = str(taken.limit[name])
                headers[f"x-ratelimit-remaining-{said}-minute"] = str(taken.left[name])
        return headers
