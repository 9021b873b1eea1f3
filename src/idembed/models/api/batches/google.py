"""The Gemini API's batches: https://ai.google.dev/gemini-api/docs/batch-api"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from idembed.models.api.adapter import Answer, Settings
from idembed.models.api.batches.batch import Batch, Call, Result, State, json_line
from idembed.models.api.faults import message_in

__all__ = ["GoogleBatch"]

_JSON = {"Content-Type": "application/json"}
_PAGE = 100


class GoogleBatch(Batch):
    """Requests go in a file, and results come in one: those that are in the job itself have no keys of their own, and
    are sent along each time that the job is looked at. The tag is the job's name as people see it."""

    provider = "google"
    share = 0.5
    most_texts = 50_000
    number_bytes = 14.0  # decimals

    def line(self, settings: Settings, key: str, text: str) -> bytes:
        request = dict(self.adapter.request(settings, [text], "document").body["requests"][0])
        del request["model"]  # the job's
        return json_line({"key": key, "request": request})

    def upload(self, settings: Settings, tag: str, content: bytes) -> Call:
        about = json.dumps({"file": {"displayName": tag, "mimeType": "application/jsonl"}})
        head = f"--{tag}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n"
        head += f"--{tag}\r\nContent-Type: application/jsonl\r\n\r\n"
        body = b"".join([head.encode(), content, f"\r\n--{tag}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/related; boundary={tag}", "X-Goog-Upload-Protocol": "multipart"}
        return Call("POST", f"{settings.endpoint}/upload/v1beta/files?uploadType=multipart", body, headers)

    def uploaded(self, body: Any) -> str:
        return str(body["file"]["name"])

    def create(self, settings: Settings, tag: str, file: str) -> Call:
        model = settings.model.removeprefix("models/")
        body = {"batch": {"displayName": tag, "inputConfig": {"file_name": file}}}
        url = f"{settings.endpoint}/v1beta/models/{model}:asyncBatchEmbedContent"
        return Call("POST", url, json.dumps(body).encode(), _JSON)

    def poll(self, settings: Settings, job: str) -> Call:
        return Call("GET", f"{settings.endpoint}/v1beta/{quote(job)}")

    def state(self, body: Any) -> State:
        about = body.get("metadata") or {}
        name, tag = body["name"], str(about.get("displayName", ""))
        if not isinstance(name, str):
            raise TypeError
        stated = str(about.get("state") or body.get("state") or "")
        state = stated.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        if state == "FAILED":
            return State(name, tag, "failed", reason=message_in(body.get("error")) or "it failed")
        if state not in ("SUCCEEDED", "EXPIRED", "CANCELLED"):
            return State(name, tag, "waiting")
        places = (about.get("output"), body.get("response"), body.get("output"))
        files = (place.get("responsesFile") for place in places if isinstance(place, Mapping))
        found = next((str(file) for file in files if file), None)
        cut = state != "SUCCEEDED"
        return State(name, tag, "ended", (found,) if found else (), f"it is {state.lower()}", is_cut=cut)

    def listing(self, settings: Settings, after: str) -> Call:
        page = f"&pageToken={quote(after, safe='')}" if after else ""
        return Call("GET", f"{settings.endpoint}/v1beta/batches?pageSize={_PAGE}{page}")

    def listed(self, body: Any) -> tuple[list[State], str]:
        return [self.state(job) for job in body.get("operations") or []], str(body.get("nextPageToken") or "")

    def download(self, settings: Settings, file: str) -> Call:
        return Call("GET", f"{settings.endpoint}/download/v1beta/{quote(file)}:download?alt=media")

    def result(self, line: Any, settings: Settings) -> Result:
        response = line.get("response")
        if isinstance(response, Mapping):
            count = response.get("tokenCount")
            tokens = int(count) if isinstance(count, str) and count.isdigit() else count  # 64-bit numbers are strings
            return Result(line["key"], Answer([response["embedding"]["values"]], tokens=tokens))
        return Result(line["key"], reason=message_in(line.get("error")) or "it failed")
