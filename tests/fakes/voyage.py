"""Voyage's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fakes import vectors
from fakes.jobs import Dialect, iso, jobs_reply
from fakes.openai import openai_body
from fakes.provider import Model, Provider, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Voyage"]

INPUTS = 1000
WIDTHS = (256, 512, 1024, 2048)
KNOWN = {"model", "input", "input_type", "truncation", "output_dimension", "output_dtype", "encoding_format"}
SIDES = {None: "", "document": "document", "query": "query"}


class Voyage(Provider):
    name = family = "voyage"
    base = "/v1"
    tells_wait = False
    models: Mapping[str, Model] = {
        "voyage-4-large": Model(1024, 32_000, WIDTHS, 120_000),
        "voyage-4": Model(1024, 32_000, WIDTHS, 320_000),
        "voyage-4-lite": Model(1024, 32_000, WIDTHS, 1_000_000),
        "voyage-3-large": Model(1024, 32_000, WIDTHS, 120_000),
        "voyage-3.5": Model(1024, 32_000, WIDTHS, 320_000),
        "voyage-3.5-lite": Model(1024, 32_000, WIDTHS, 1_000_000),
        "voyage-code-3": Model(1024, 32_000, WIDTHS, 120_000),
        "voyage-law-2": Model(1024, 16_000, (), 120_000),
    }

    def has_sides(self, model: str) -> bool:
        return True

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path == "/v1/embeddings":
            return None
        dialect = Dialect("12h", 100_000, 100_000, iso, shared=True, read=self.read_body)
        reply = jobs_reply(self, dialect, call, fake)
        if reply is None:
            raise Refusal("no_such_path")
        return reply

    def read(self, call: Call, fake: FakeApi) -> Ask:
        return self.read_body(call.json())

    def read_body(self, body: Mapping[str, object]) -> Ask:
        name = body.get("model")
        for extra in sorted(body.keys() - KNOWN):
            raise Refusal("invalid", message=f"Argument '{extra}' is not supported by our API")
        if not isinstance(name, str) or name not in self.models:
            raise Refusal("model", model=name)
        model = self.models[name]
        texts = texts_of(body.get("input"))
        if texts is None or "" in texts:
            raise Refusal("invalid", message="Input cannot contain empty strings or empty lists.")
        if len(texts) > INPUTS:
            message = f"The batch size limit is {INPUTS}. Your batch size is {len(texts)}."
            raise Refusal("invalid", message=message)
        if body.get("input_type") not in SIDES:
            message = f"Value '{body['input_type']}' provided to `input_type` is not one of null, 'query', 'document'."
            raise Refusal("invalid", message=message)
        dim = body.get("output_dimension") or model.dim
        if dim != model.dim and dim not in model.dims:
            raise Refusal(
                "invalid", message=f"Value '{dim}' provided to `output_dimension` is not supported by {name}."
            )
        if (body.get("output_dtype") or "float") != "float":
            raise Refusal("invalid", message="`output_dtype` other than 'float' is not served by this fake.")
        if body.get("encoding_format") not in (None, "base64"):
            raise Refusal("invalid", message="Value provided to `encoding_format` is not one of null, 'base64'.")
        if body.get("truncation", True):
            used = tuple(vectors.cut(text, model.window) for text in texts)
        elif max(counted(texts)) > model.window:
            raise Refusal("invalid", message=too_long(name, model.window))
        else:
            used = texts
        tokens = counted(used)
        if sum(tokens) > model.batch_tokens:
            raise Refusal("invalid", message=too_many(name, model.batch_tokens, sum(tokens)))
        side = SIDES[body.get("input_type")]  # type: ignore[index]
        options = {"base64": body.get("encoding_format") == "base64"}
        return Ask(name, texts, used, tokens, int(dim), side, options=options)  # type: ignore[call-overload]

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        return openai_body(ask, found, order, nulls, ask.options["base64"], total_only=True)

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        status, detail = {
            "auth": (401, "Provided API key is invalid."),
            "model": (
                400,
                f"Model {facts.get('model')} is not supported. Supported models are {', '.join(self.models)}.",
            ),
            "no_such_path": (404, "Not Found"),
            "not_json": (400, "The request body is not valid JSON."),
            "invalid": (400, facts.get("message")),
            "bad_row": (400, "The request could not be processed: an input is not valid."),
            "too_large": (413, "Request body is too large."),
            "rate_limit": (
                429,
                "You have exceeded your rate limit of requests or tokens per minute. Please wait and try again later.",
            ),
            "quota": (
                403,
                "Your free tokens are used up and there is no payment method. Please add one in the billing page.",
            ),
            "server": (facts.get("status", 500), "The server had an error while processing your request."),
        }[refusal.kind]
        return json_reply(status, {"detail": detail})


def too_long(name: str, window: int) -> str:
    return (
        f"Request to model '{name}' failed. An example in your batch has too many tokens and does not fit into the "
        f"model's context window of {window} tokens. Please lower the number of tokens in the listed example(s) or use "
        "truncation."
    )


def too_many(name: str, limit: int, asked: int) -> str:
    return (
        f"Request to model '{name}' failed. The max allowed tokens per submitted batch is {limit}. Your batch has "
        f"{asked} tokens after truncation. Please lower the number of tokens in the batch."
    )
