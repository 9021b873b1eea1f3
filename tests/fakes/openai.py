"""OpenAI's embeddings, and Azure's way to the same models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes.jobs import Dialect, jobs_reply
from fakes.limits import Taken
from fakes.provider import Model, Provider, base64_rows, bearer, counted, texts_of
from fakes.wire import Ask, Call, Refusal, Reply, json_reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Azure", "OpenAI", "duration", "openai_body", "wait_headers"]

INPUTS = 2048
REQUEST_TOKENS = 300_000
KNOWN = {"model", "input", "encoding_format", "dimensions", "user"}
LOOK = "Please check the API reference: https://platform.openai.com/docs/api-reference."


class OpenAI(Provider):
    name = family = "openai"
    base = "/v1"
    models: Mapping[str, Model] = {
        "text-embedding-3-small": Model(1536, 8192, range(1, 1537)),
        "text-embedding-3-large": Model(3072, 8192, range(1, 3073)),
        "text-embedding-ada-002": Model(1536, 8192),
    }

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path == "/v1/embeddings":
            return None
        dialect = Dialect("24h", 50_000, 50_000, int, shared=False, read=lambda body: self.read_body(body, batch=True))
        reply = jobs_reply(self, dialect, call, fake)
        if reply is None:
            raise Refusal("no_such_path")
        return reply

    def read(self, call: Call, fake: FakeApi) -> Ask:
        return self.read_body(call.json())

    def read_body(self, body: Mapping[str, Any], batch: bool = False) -> Ask:
        """The request in `body`. One of an offline batch has no limit of tokens a request."""
        for name in sorted(body.keys() - KNOWN):
            raise Refusal("invalid", message=f"Unrecognized request argument supplied: {name}")
        if not isinstance(body.get("model"), str):
            raise Refusal("invalid", message="you must provide a model parameter")
        if body["model"] not in self.models:
            raise Refusal("model", model=body["model"])
        model = self.models[body["model"]]
        ids = ids_of(body.get("input"))
        texts = tuple(map(str, ids)) if ids else texts_of(body.get("input"))
        if texts is None or len(texts) > INPUTS or "" in texts:
            raise Refusal("invalid", message=f"'$.input' is invalid. {LOOK}")
        shape = body.get("encoding_format", "float")
        if shape not in ("float", "base64"):
            raise Refusal("invalid", message=f"'{shape}' is not one of ['float', 'base64'] - 'encoding_format'")
        dim = self.width(body.get("dimensions"), model)
        tokens = tuple(map(len, ids)) if ids else counted(texts)
        longest = max(tokens)
        if longest > model.window:
            raise Refusal(
                "invalid",
                message=f"This model's maximum context length is {model.window} tokens, however you requested "
                f"{longest} tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt; or "
                "completion length.",
            )
        if sum(tokens) > REQUEST_TOKENS and not batch:
            raise Refusal("request_tokens", tokens=sum(tokens))
        return Ask(body["model"], texts, texts, tokens, dim, options={"base64": shape == "base64"})

    def width(self, asked: Any, model: Model) -> int:
        if asked is None:
            return model.dim
        if not model.dims:
            raise Refusal("invalid", message="This model does not support specifying dimensions.")
        if type(asked) is not int or asked < 1:
            raise Refusal("invalid", message=f"{asked} is less than the minimum of 1 - 'dimensions'")
        if asked not in model.dims:
            message = f"Invalid value for 'dimensions' = {asked}. Must be less than or equal to {model.dim}."
            raise Refusal("invalid", message=message)
        return asked

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        return openai_body(ask, found, order, nulls, ask.options["base64"])

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        status, message, type_, code = {
            "auth": (401, self.key_message(call), "invalid_request_error", "invalid_api_key"),
            "model": (
                404,
                f"The model `{facts.get('model')}` does not exist or you do not have access to it.",
                "invalid_request_error",
                "model_not_found",
            ),
            "no_such_path": (404, f"Invalid URL ({call.method} {call.path})", "invalid_request_error", None),
            "not_json": (400, "We could not parse the JSON body of your request.", "invalid_request_error", None),
            "invalid": (400, facts.get("message"), "invalid_request_error", None),
            "bad_row": (400, f"'$.input' is invalid. {LOOK}", "invalid_request_error", None),
            "request_tokens": (
                400,
                f"Requested {facts.get('tokens')} tokens, max {REQUEST_TOKENS} tokens per request",
                "max_tokens_per_request",
                "max_tokens_per_request",
            ),
            "too_large": (413, "Request body is too large.", "invalid_request_error", None),
            "rate_limit": (429, rate_message(facts), rate_type(facts), "rate_limit_exceeded"),
            "quota": (
                429,
                "You exceeded your current quota, please check your plan and billing details. For more information on "
                "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
                "insufficient_quota",
                "insufficient_quota",
            ),
            "server": (
                facts.get("status", 500),
                "The server had an error while processing your request. Sorry about that!",
                "server_error",
                None,
            ),
        }[refusal.kind]
        error = {"message": message, "type": type_, "param": None, "code": code}
        return json_reply(status, {"error": error}, wait_headers(facts))

    def key_message(self, call: Call) -> str:
        key = bearer(call)
        where = "https://platform.openai.com/account/api-keys"
        if key is None:
            return f"You didn't provide an API key. You can obtain an API key from {where}."
        shown = key[:3] + "*" * max(0, len(key) - 7) + key[-4:]
        return f"Incorrect API key provided: {shown}. You can find your API key at {where}."

    def limit_headers(self, taken: Taken) -> dict[str, str]:
        headers = {}
        for name in taken.limit.keys() & {"requests", "tokens"}:
            headers[f"x-ratelimit-limit-{name}"] = str(taken.limit[name])
            headers[f"x-ratelimit-remaining-{name}"] = str(taken.left[name])
            headers[f"x-ratelimit-reset-{name}"] = duration(taken.reset[name])
        return headers


class Azure(OpenAI):
    """The same models behind names that a customer chose (`FakeApi.deployments`) and an `api-key` header."""

    name = "azure"
    base = ""
    deployment = re.compile(r"/openai/deployments/([^/]+)/embeddings")

    def authorised(self, call: Call, key: str) -> bool:
        return call.headers.get("api-key") == key or bearer(call) == key

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if call.path.startswith(("/openai/v1/files", "/openai/v1/batches")):
            asked = replace(call, path=call.path.removeprefix("/openai"))
            dialect = Dialect("24h", 50_000, 50_000, int, shared=False, read=lambda body: self.read_named(body, fake))
            return jobs_reply(self, dialect, asked, fake)
        named = self.deployment.fullmatch(call.path)
        if call.path != "/openai/v1/embeddings" and not (named and call.query.get("api-version")):
            raise Refusal("no_such_path")
        return None

    def read_named(self, body: Mapping[str, Any], fake: FakeApi) -> Ask:
        """A row of a batch, for a deployment."""
        return self.read_body({**body, "model": fake.deployments.get(body.get("model", ""), body.get("model"))}, True)

    def read(self, call: Call, fake: FakeApi) -> Ask:
        body = call.json()
        named = self.deployment.fullmatch(call.path)
        name = named[1] if named else body.get("model")
        if name not in fake.deployments and name not in self.models:
            raise Refusal("model", model=name)
        return self.read_body({**body, "model": fake.deployments.get(name, name)})

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        own = {
            "auth": (
                401,
                "401",
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
                "for an active subscription and use a correct regional API endpoint for your resource.",
            ),
            "model": (
                404,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
                "minutes, please wait a moment and try again.",
            ),
            "no_such_path": (404, "404", "Resource not found"),
            "rate_limit": (
                429,
                "429",
                "Requests to the Embeddings_Create Operation under Azure OpenAI API have exceeded call rate limit of "
                f"your current OpenAI S0 pricing tier. Please retry after {math.ceil(refusal.facts.get('wait') or 1)} "
                "seconds.",
            ),
        }.get(refusal.kind)
        if own is None:
            return super().refuse(refusal, call)
        status, code, message = own
        return json_reply(status, {"error": {"code": code, "message": message}}, wait_headers(refusal.facts))


def ids_of(value: Any) -> list[list[int]] | None:
    """The token ids that were sent instead of texts, or None. Their vector is that of how the list is written."""
    lists = [value] if isinstance(value, list) and value and type(value[0]) is int else value
    if not isinstance(lists, list) or not lists:
        return None
    return lists if all(isinstance(ids, list) and ids and all(type(i) is int for i in ids) for ids in lists) else None


def openai_body(
    ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int], base64: bool, total_only: bool = False
) -> bytes:
    """The reply in OpenAI's shape, which others share."""
    rows = base64_rows(found) if base64 else json_rows(found)
    data = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, b"null" if at in nulls else row)
        for at, (index, row) in enumerate(zip(order, rows, strict=True))
    )
    used = sum(ask.tokens)
    usage = b'"total_tokens":%d' % used if total_only else b'"prompt_tokens":%d,"total_tokens":%d' % (used, used)
    return b'{"object":"list","data":[%b],"model":"%b","usage":{%b}}' % (data, ask.model.encode(), usage)


def rate_type(facts: Mapping[str, Any]) -> str:
    return str(facts.get("short") or "requests")


def rate_message(facts: Mapping[str, Any]) -> str:
    kind = rate_type(facts)
    what = f"{kind} per min ({'TPM' if kind == 'tokens' else 'RPM'}): Limit {facts.get('limit', 0)}"
    if facts.get("too_large"):
        return (
            f"Request too large for {facts.get('model')} in organization org-fake on {what}, Requested "
            f"{facts['asked']}. The input or output tokens must be reduced in order to run successfully."
        )
    wait = f" Please try again in {duration(facts['wait'])}." if facts.get("wait") else ""
    return f"Rate limit reached for {facts.get('model', 'default')} in organization org-fake on {what}.{wait}"


def wait_headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """How long to wait, in milliseconds and in whole seconds, where the refusal knows."""
    wait = facts.get("wait")
    if not wait:
        return {}
    return {"retry-after-ms": str(math.ceil(wait * 1000)), "retry-after": str(math.ceil(wait))}


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: 12ms, 7.66s, 1m0.5s, 6m0s, 2h0m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    rest = math.ceil(seconds * 1000) / 1000
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    out = f"{hours:.0f}h" if hours else ""
    out += f"{minutes:.0f}m" if out or minutes else ""
    return f"{out}{round(rest, 3):g}s"
