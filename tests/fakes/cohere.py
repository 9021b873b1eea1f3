"""Cohere's v2 embed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import vectors
from fakes.limits import Taken
from fakes.provider import Model, Provider, base64_rows, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Cohere"]

INPUTS = 96
SIDES = {"search_document": "document", "search_query": "query", "classification": "", "clustering": ""}
V4 = (256, 512, 1024, 1536)
V5 = (256, 512, 1024, 1536, 2048)


class Cohere(Provider):
    name = family = "cohere"
    indexed = False
    models: Mapping[str, Model] = {
        "embed-english-v3.0": Model(1024, 512),
        "embed-multilingual-v3.0": Model(1024, 512),
        "embed-english-light-v3.0": Model(384, 512),
        "embed-multilingual-light-v3.0": Model(384, 512),
        "embed-v4.0": Model(1536, 128_000, V4),
        "embed-v5.0-pro": Model(2048, 128_000, V5),
        "embed-v5.0-fast": Model(2048, 128_000, V5),
    }

    def has_sides(self, model: str) -> bool:
        return True

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path != "/v2/embed":
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        name = body.get("model")
        if not name:
            raise Refusal("invalid", message="invalid request: model is required")
        if name not in self.models:
            raise Refusal("model", model=name)
        model = self.models[name]
        if "input_type" not in body:
            raise Refusal("invalid", message=f"invalid request: valid input_type must be provided with {name}")
        if body["input_type"] not in SIDES:
            raise Refusal("invalid", message=f"invalid request: invalid input_type {body['input_type']!r}")
        texts = cohere_texts(body)
        if texts is None:
            raise Refusal("invalid", message="invalid request: at least one text is required")
        if len(texts) > INPUTS:
            message = f"invalid request: total number of texts must be at most {INPUTS} - received {len(texts)}"
            raise Refusal("invalid", message=message)
        if "" in texts:
            raise Refusal("invalid", message="invalid request: texts cannot contain empty strings")
        types = body.get("embedding_types", ["float"])
        if not types or set(types) - {"float", "base64"}:
            raise Refusal("invalid", message="invalid request: embedding_types not supported by this fake")
        dim = body.get("output_dimension", model.dim)
        if "output_dimension" in body and dim not in model.dims:
            raise Refusal("invalid", message=f"invalid request: output_dimension is not valid for {name}")
        used = self.shortened(
            texts, body.get("truncate", "END"), min(body.get("max_tokens", model.window), model.window)
        )
        return Ask(name, texts, used, counted(used), dim, SIDES[body["input_type"]], options={"types": tuple(types)})

    def shortened(self, texts: tuple[str, ...], truncate: str, window: int) -> tuple[str, ...]:
        if truncate not in ("NONE", "START", "END"):
            raise Refusal("invalid", message="invalid request: truncate must be one of NONE, START, END")
        if truncate == "NONE":
            longest = max(counted(texts))
            if longest > window:
                message = (
                    f"too many tokens: total number of tokens in the text cannot exceed {window} - received {longest}. "
                    "Try using a shorter text, or enabling prompt truncating. See https://docs.cohere.com/docs/tokens "
                    "for more details."
                )
                raise Refusal("invalid", message=message)
            return texts
        return tuple(vectors.cut(text, window, end=truncate == "END") for text in texts)

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        kinds = []
        for kind in ask.options["types"]:
            rows = base64_rows(found) if kind == "base64" else json_rows(found)
            rows = [b"null" if at in nulls else row for at, row in enumerate(rows)]
            kinds.append(b'"%b":[%b]' % (kind.encode(), b",".join(rows)))
        meta = b'"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":%d}}' % sum(ask.tokens)
        return b'{"id":"fake","embeddings":{%b},"response_type":"embeddings_by_type",%b}' % (b",".join(kinds), meta)

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        status, message = {
            "auth": (401, "invalid api token"),
            "model": (
                404,
                f"model '{facts.get('model')}' not found, make sure the correct model ID was used and that you have "
                "access to the model.",
            ),
            "no_such_path": (404, "page not found"),
            "not_json": (400, "invalid request: the body is not valid JSON"),
            "invalid": (400, facts.get("message")),
            "bad_row": (400, "invalid request: a text could not be processed"),
            "too_large": (413, "request body too large"),
            "rate_limit": (429, "You are past the per minute request limit, please wait and try again later."),
            "quota": (402, "Please add or update your payment method at https://dashboard.cohere.com/billing."),
            "server": (facts.get("status", 500), "internal server error"),
        }[refusal.kind]
        return json_reply(status, {"id": "fake", "message": message}, wait_headers(facts))

    def limit_headers(self, taken: Taken) -> dict[str, str]:
        first = next(iter(taken.limit), None)
        if first is None:
            return {}
        return {
            "x-ratelimit-limit": str(taken.limit[first]),
            "x-ratelimit-remaining": str(taken.left[first]),
            "x-ratelimit-reset": str(math.ceil(time.time() + taken.reset[first])),
        }


def cohere_texts(body: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The texts, from `texts` or from `inputs` that have one text each."""
    if "inputs" not in body:
        return texts_of(body.get("texts"))
    try:
        return texts_of([one["text"] for each in body["inputs"] for one in each["content"] if one["type"] == "text"])
    except (KeyError, TypeError):
        return None


def wait_headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """Whole seconds in `retry-after`, as the SDK reads no others, and when that is on the clock."""
    wait = facts.get("wait")
    if not wait:
        return {}
    return {"retry-after": str(math.ceil(wait)), "x-ratelimit-reset": str(math.ceil(time.time() + wait))}
