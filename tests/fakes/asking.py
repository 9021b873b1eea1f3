"""A plain client of the fake, for tests that look at what is on the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fakes.api import FakeApi

__all__ = ["Answer", "ask", "openai", "send"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
    """One request over a connection of its own. Raises what http.client raises where the reply breaks off."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)
    try:
        connection.request(method, url.removeprefix(f"http://{where.netloc}"), body, dict(headers))
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def ask(fake: FakeApi, provider: str, path: str, body: object = None, key: str | None = None) -> Answer:
    """POST `body` (GET without one) to a provider with its key, or with another."""
    key = fake.key if key is None else key
    headers = {"authorization": f"Bearer {key}", "x-goog-api-key": key, "content-type": "application/json"}
    sent = None if body is None else json.dumps(body).encode()
    return send("GET" if body is None else "POST", fake.base(provider) + path, sent, headers)


def openai(fake: FakeApi, texts: list[str], **more: object) -> Answer:
    """Ask OpenAI's small model for vectors, of 8 numbers unless told otherwise."""
    model = "text-embedding-3-small"
    return ask(fake, "openai", "/embeddings", {"model": model, "input": texts, "dimensions": 8, **more})
