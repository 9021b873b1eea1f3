"""Amazon's Titan v2 through Bedrock."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from fakes.provider import Model, Provider, bearer, counted
from fakes.wire import Ask, Call, Refusal, Reply, json_reply, json_rows

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["SECRET", "Bedrock", "signature"]

SECRET = "fake-secret-0123456789"  # of the access key FakeApi.key
CHARACTERS = 50_000
KNOWN = {"inputText", "dimensions", "normalize", "embeddingTypes"}
MALFORMED = "Malformed input request: {}, please reformat your input and try again."
SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)")


class Bedrock(Provider):
    """One text a request. Takes signed requests (Signature Version 4), and the key as a bearer token."""

    name = family = "bedrock"
    indexed = False
    tells_wait = False
    models: Mapping[str, Model] = {"amazon.titan-embed-text-v2:0": Model(1024, 8192, (256, 512, 1024))}

    def authorised(self, call: Call, key: str) -> bool:
        signed = SIGNED.fullmatch(call.headers.get("authorization", ""))
        if signed is None:
            return bearer(call) == key
        return signed[1] == key and hmac.compare_digest(signed[4], signature(call, signed[2], signed[3]))

    def other(self, call: Call, fake: FakeApi) -> Reply | None:
        if re.fullmatch(r"/model/[^/]+/invoke", call.path) is None:
            raise Refusal("no_such_path")
        return None

    def read(self, call: Call, fake: FakeApi) -> Ask:
        name = call.path.split("/")[2]
        if name not in self.models:
            raise Refusal("model")
        model = self.models[name]
        body = call.json()
        for extra in sorted(body.keys() - KNOWN):
            raise Refusal("invalid", message=MALFORMED.format(f"extraneous key [{extra}] is not permitted"))
        text = body.get("inputText")
        if not isinstance(text, str):
            raise Refusal("invalid", message=MALFORMED.format("required key [inputText] not found"))
        if not text:
            raise Refusal("invalid", message=MALFORMED.format("expected minLength: 1, actual: 0"))
        if len(text) > CHARACTERS:
            message = MALFORMED.format(f"expected maxLength: {CHARACTERS}, actual: {len(text)}")
            raise Refusal("invalid", message=message)
        dim = body.get("dimensions", model.dim)
        if dim not in model.dims:
            raise Refusal("invalid", message=MALFORMED.format(f"{dim} is not a valid enum value"))
        tokens = counted((text,))
        if tokens[0] > model.window:
            message = f"400 Bad Request: Too many input tokens. Max input tokens: {model.window}, request input token "
            raise Refusal("invalid", message=f"{message}count: {tokens[0]} ")
        full = 0 if body.get("normalize", True) else model.dim
        return Ask(name, (text,), (text,), tokens, dim, full=full)

    def write(self, ask: Ask, found: np.ndarray, order: Sequence[int], nulls: frozenset[int]) -> bytes:
        rows = [b"null" if at in nulls else row for at, row in enumerate(json_rows(found))]
        row = rows[0] if rows else b"null"
        return b'{"embedding":%b,"embeddingsByType":{"float":%b},"inputTextTokenCount":%d}' % (row, row, ask.tokens[0])

    def refuse(self, refusal: Refusal, call: Call) -> Reply:
        facts = refusal.facts
        status, name, message = {
            "auth": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
            "model": (400, "ValidationException", "The provided model identifier is invalid."),
            "no_such_path": (404, "UnknownOperationException", None),
            "not_json": (400, "SerializationException", "The request body is not valid JSON."),
            "invalid": (400, "ValidationException", facts.get("message")),
            "bad_row": (400, "ValidationException", "The input could not be processed."),
            "too_large": (413, "RequestEntityTooLargeException", "Request body is too large."),
            "rate_limit": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
            "quota": (400, "ServiceQuotaExceededException", "Your account's service quota is exceeded."),
            "server": (
                facts.get("status", 500),
                "ServiceUnavailableException" if facts.get("status") == 503 else "InternalServerException",
                "The system encountered an unexpected error during processing. Try your request again.",
            ),
        }[refusal.kind]
        return json_reply(status, {"message": message}, {"x-amzn-errortype": f"{name}:http://internal.amazon.com/"})


def signature(call: Call, scope: str, signed_headers: str, secret: str = SECRET) -> str:
    """The signature this request must bear (AWS Signature Version 4; paths are encoded twice)."""
    date, region, service, _ = scope.split("/")
    names = signed_headers.split(";")
    query = "&".join(
        f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in sorted(call.query.items())
    )
    headers = "".join(f"{name}:{' '.join(call.headers.get(name, '').split())}\n" for name in names)
    body = hashlib.sha256(call.body).hexdigest()
    request = "\n".join((call.method, quote(call.raw_path, safe="/-_.~"), query, headers, signed_headers, body))
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", call.headers.get("x-amz-date", ""), scope, hashed))
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
