"""OpenAI's batches, and Azure's: https://platform.openai.com/docs/api-reference/batch"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from idembed.models.api.adapter import Settings
from idembed.models.api.batches.batch import Batch, Call, Result, State, json_line
from idembed.models.api.faults import message_in

__all__ = ["AzureBatch", "OpenAIBatch", "form"]

_TAG = "idembed"
"""The name of the metadata that the tag is kept under."""
_PAGE = 100


class OpenAIBatch(Batch):
    """A line is a whole request. An expired job has the results that were made in time."""

    provider = "openai"
    share = 0.5
    most_texts = 50_000
    number_bytes = 5.4  # base64
    window: ClassVar[str] = "24h"

    def base(self, settings: Settings) -> str:
        """What files and batches are under."""
        return settings.endpoint

    def line(self, settings: Settings, key: str, text: str) -> bytes:
        body = self.adapter.request(settings, [text], "document").body
        return json_line({"custom_id": key, "method": "POST", "url": "/v1/embeddings", "body": body})

    def upload(self, settings: Settings, tag: str, content: bytes) -> Call:
        body, kind = form(tag, {"purpose": "batch"}, f"{tag}.jsonl", content)
        return Call("POST", f"{self.base(settings)}/files", body, {"Content-Type": kind})

    def uploaded(self, body: Any) -> str:
        return _text(body["id"])

    def create(self, settings: Settings, tag: str, file: str) -> Call:
        body = {
            "input_file_id": file,
            "endpoint": "/v1/embeddings",
            "completion_window": self.window,
            "metadata": {_TAG: tag},
            **self.shared(settings),
        }
        content = json.dumps(body).encode()
        return Call("POST", f"{self.base(settings)}/batches", content, {"Content-Type": "application/json"})

    def shared(self, settings: Settings) -> Mapping[str, Any]:
        """What is said once for all lines."""
        return {}

    def poll(self, settings: Settings, job: str) -> Call:
        return Call("GET", f"{self.base(settings)}/batches/{quote(job, safe='')}")

    def state(self, body: Any) -> State:
        job, status = _text(body["id"]), body["status"]
        tag = str((body.get("metadata") or {}).get(_TAG, ""))
        files = tuple(body[name] for name in ("output_file_id", "error_file_id") if body.get(name))
        if status in ("completed", "expired", "cancelled"):
            return State(job, tag, "ended", files, f"it is {status}", is_cut=status != "completed")
        if status == "failed":
            errors = (body.get("errors") or {}).get("data") or []
            said = message_in(errors[0]) if errors else "it failed"
            full = any("token_limit" in str(error.get("code")) for error in errors)
            return State(job, tag, "failed", reason=said, is_full=full or "nqueued token limit" in said)
        return State(job, tag, "waiting")

    def listing(self, settings: Settings, after: str) -> Call:
        page = f"&after={quote(after, safe='')}" if after else ""
        return Call("GET", f"{self.base(settings)}/batches?limit={_PAGE}{page}")

    def listed(self, body: Any) -> tuple[list[State], str]:
        states = [self.state(job) for job in body["data"]]
        return states, states[-1].id if body.get("has_more") and states else ""

    def download(self, settings: Settings, file: str) -> Call:
        return Call("GET", f"{self.base(settings)}/files/{quote(file, safe='')}/content")

    def result(self, line: Any, settings: Settings) -> Result:
        key, response, error = line["custom_id"], line.get("response"), line.get("error")
        if isinstance(response, Mapping) and response.get("status_code") == 200:
            return Result(key, self.adapter.answer(response["body"], settings))
        code = error.get("code") if isinstance(error, Mapping) else ""
        said = message_in(error) or message_in(response) or message_in((response or {}).get("body"))
        return Result(key, reason=said or "it failed", is_undone=code in ("batch_expired", "batch_cancelled"))


class AzureBatch(OpenAIBatch):
    """As OpenAI's, for a deployment of a type that has batches; always at the newer route."""

    provider = "azure"

    def base(self, settings: Settings) -> str:
        return settings.endpoint.removesuffix("/v1").removesuffix("/openai") + "/openai/v1"


def form(edge: str, fields: Mapping[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A form with ``fields`` and a file, and its content type; ``edge`` occurs in none of them."""
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    ending = f"\r\n--{edge}--\r\n"
    return b"".join([*parts, head.encode(), content, ending.encode()]), f"multipart/form-data; boundary={edge}"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value
