"""A provider that answers as a test says, without a network: Titan on Bedrock, which takes one text a request, unless
another is named."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, NamedTuple

from idembed.models.api.adapter import Settings
from idembed.models.api.http import Exchange, Http
from idembed.models.api.keys import KeyCredential
from idembed.models.api.pacing import Pacer
from idembed.models.api.registry import ADAPTERS
from idembed.models.api.transport import Transport

__all__ = ["Reply", "Script", "good", "refusal", "scripted"]

DIM = 2


class Reply(NamedTuple):
    status: int
    body: object
    headers: Mapping[str, str] = {}


Script = Callable[[str, int], Reply]
"""What is answered to a text that was asked for so many times before."""


def good() -> Reply:
    return Reply(200, {"embedding": [0.6, 0.8], "inputTextTokenCount": 3})


def refusal(status: int, **headers: str) -> Reply:
    return Reply(status, {"message": "Too busy."}, {name.replace("_", "-"): value for name, value in headers.items()})


class Scripted(Http):
    """Notes what was asked for, and when."""

    def __init__(self, script: Script) -> None:
        super().__init__("A provider")
        self.texts: list[str] = []
        self.times: list[float] = []
        self._script = script
        self._noting = threading.Lock()

    def send(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], into: IO[bytes] | None = None
    ) -> Exchange:
        text = json.loads(content).get("inputText", "")
        with self._noting:
            before = self.texts.count(text)
            self.texts.append(text)
            self.times.append(time.monotonic())
        reply = self._script(text, before)
        time.sleep(0.001)
        return Exchange(reply.status, reply.headers, reply.body, True)


def scripted(
    script: Script, provider: str = "bedrock", model: str = "amazon.titan-embed-text-v2:0", **extra: str
) -> tuple[Transport, Scripted]:
    adapter, http = ADAPTERS[provider], Scripted(script)
    settings = Settings(model, "https://provider.example/v1", None, extra=extra)
    transport = Transport(adapter, settings, lambda: KeyCredential(adapter, "a-key-of-many-letters"), http=http)
    transport.__dict__["pacer"] = Pacer(adapter.limits(settings))
    return transport, http
