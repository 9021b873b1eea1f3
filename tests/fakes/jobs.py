"""OpenAI's files and batches, and Voyage's, which differ in a few words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fakes.batches import File, Job, Result, Row
from fakes.provider import Provider
from fakes.wire import Ask, Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi

__all__ = ["Dialect", "iso", "jobs_reply"]

EXPIRED = "This request could not be executed before the completion window expired."


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is one provider's own: its window and limits, how it writes a time, how it reads a row."""

    window: str
    rows: int  # most rows a job
    inputs: int  # most texts a job
    stamp: Callable[[float], int | str]
    shared: bool  # parameters are given once for the job, in request_params
    read: Callable[[Mapping[str, Any]], Ask]


def jobs_reply(provider: Provider, dialect: Dialect, call: Call, fake: FakeApi) -> Reply | None:
    """The reply to a request about files or batches, or None where it is about neither."""
    path = re.fullmatch(r"/v1/(files|batches)(?:/([^/]+))?(?:/(content|cancel))?", call.path)
    if path is None:
        return None
    kind, id_, verb = path.groups()
    jobs = fake.batches
    if kind == "files":
        if id_ is None:
            if call.method == "POST":
                return json_reply(200, file_shown(uploaded(call, fake), dialect))
            return listed([file_shown(file, dialect) for file in reversed(list(jobs.stored.values()))], call)
        file = jobs.stored.get(id_)
        if file is None:
            raise Refusal("no_such_path")
        if verb == "content":
            return Reply(200, file.content, content_type="application/octet-stream")
        if call.method == "DELETE":
            del jobs.stored[id_]
            return json_reply(200, {"id": id_, "object": "file", "deleted": True})
        return json_reply(200, file_shown(file, dialect))
    if id_ is None:
        if call.method == "POST":
            return json_reply(200, job_shown(created(provider, dialect, call, fake), dialect))
        shown = [job_shown(settled(provider, dialect, job, fake), dialect) for job in jobs.newest_first(provider.name)]
        return listed(shown, call)
    job = jobs.of(provider.name, id_)
    if verb == "cancel":
        jobs.cancel(job)
    return json_reply(200, job_shown(settled(provider, dialect, job, fake), dialect))


def uploaded(call: Call, fake: FakeApi) -> File:
    """The file of a multipart form with the fields `purpose` and `file`."""
    boundary = re.search(r'boundary="?([^";]+)"?', call.headers.get("content-type", ""))
    if boundary is None:
        raise Refusal("invalid", message="'file' is a required property")
    fields: dict[str, tuple[str, bytes]] = {}
    for part in (b"\r\n" + call.body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        named = re.search(rb'name="([^"]*)"', head)
        file = re.search(rb'filename="([^"]*)"', head)
        if named:
            fields[named[1].decode()] = (file[1].decode() if file else "", content)
    if fields.get("purpose", ("", b""))[1] != b"batch" or "file" not in fields:
        raise Refusal(
            "invalid", message="'file' and 'purpose' are required properties; this fake knows purpose 'batch'"
        )
    name, content = fields["file"]
    return fake.batches.store(name, "batch", content)


def created(provider: Provider, dialect: Dialect, call: Call, fake: FakeApi) -> Job:
    body = call.json()
    if fake.out_of_quota:
        raise Refusal("quota")
    file = fake.batches.stored.get(str(body.get("input_file_id")))
    if file is None:
        raise Refusal("invalid", message="No such File object")
    if body.get("endpoint") != "/v1/embeddings" or body.get("completion_window") != dialect.window:
        message = f"Invalid value: 'endpoint' must be '/v1/embeddings' and 'completion_window' '{dialect.window}'"
        raise Refusal("invalid", message=message)
    metadata = body.get("metadata") or {}
    if len(metadata) > 16 or any(len(key) > 64 or len(value) > 512 for key, value in metadata.items()):
        raise Refusal("invalid", message="Invalid 'metadata': at most 16 pairs of 64 and 512 characters")
    shared = body.get("request_params") or {}
    if dialect.shared and "model" not in shared:
        raise Refusal("invalid", message="request_params.model is required")
    rows, errors = rows_of(file, dialect, shared)
    said = {"input_file_id": file.id, "completion_window": dialect.window, "metadata": metadata}
    return fake.batches.create("batch_", provider.name, rows, said, errors)


def rows_of(file: File, dialect: Dialect, shared: Mapping[str, Any]) -> tuple[list[Row], list[str]]:
    """The rows of a file, and what is wrong with it."""
    rows: list[Row] = []
    for number, line in enumerate(file.content.splitlines(), 1):
        try:
            read = json.loads(line)
            if not dialect.shared and (read["method"], read["url"]) != ("POST", "/v1/embeddings"):
                return [], [f"Line {number}: method and url must be POST and /v1/embeddings."]
            rows.append(Row(read["custom_id"], {**shared, **read["body"]}))
        except (ValueError, KeyError, TypeError):
            return [], [f"Line {number}: this line is not parseable as valid JSON with the keys of a request."]
    inputs = sum(len(row.body["input"]) if isinstance(row.body.get("input"), list) else 1 for row in rows)
    if not rows:
        return [], ["The batch input file is empty."]
    if len(rows) > dialect.rows or inputs > dialect.inputs:
        return [], [
            f"The batch has {len(rows)} requests with {inputs} inputs; at most {dialect.rows} with {dialect.inputs}."
        ]
    if len({row.key for row in rows}) < len(rows):
        return [], ["The custom_id of a request is used twice."]
    if len({row.body.get("model") for row in rows}) > 1:
        return [], ["All requests of a batch must be for one model."]
    return rows, []


def settled(provider: Provider, dialect: Dialect, job: Job, fake: FakeApi) -> Job:
    """The job, with its results in files if it has ended."""

    def embed(row: Row) -> tuple[int, bytes]:
        try:
            ask = dialect.read(row.body)
            if not fake.refused.isdisjoint(ask.texts):
                raise Refusal("bad_row")
        except Refusal as refusal:
            reply = provider.refuse(refusal, Call("POST", "/v1/embeddings", {}, {}, b""))
            return reply.status, reply.body
        return 200, provider.write(ask, fake.vectors_of(provider, ask), range(len(ask.used)), frozenset())

    with fake.batches.lock:
        if fake.batches.finish(job, embed):
            assert job.results is not None
            for name, right in (("output", True), ("error", False)):
                lines = [result_line(job, result, dialect) for result in job.results if result.right == right]
                if lines:
                    purpose = "batch-output" if dialect.shared else "batch_output"
                    job.files[name] = fake.batches.store(f"{job.id}_{name}.jsonl", purpose, b"".join(lines)).id
    return job


def result_line(job: Job, result: Result, dialect: Dialect) -> bytes:
    key = json.dumps(result.key).encode()
    head = b'"batch_id":"%b"' % job.id.encode() if dialect.shared else b'"id":"batch_req_fake"'
    if result.status is None:
        error = json.dumps({"code": "batch_expired", "message": EXPIRED}).encode()
        return b'{%b,"custom_id":%b,"response":null,"error":%b}\n' % (head, key, error)
    body = b'"request_id":"fake","body":%b' % result.body
    if dialect.shared and not result.right:
        body = b'"message":%b' % json.dumps(json.loads(result.body)["detail"]).encode()
    return b'{%b,"custom_id":%b,"response":{"status_code":%d,%b},"error":null}\n' % (head, key, result.status, body)


def job_shown(job: Job, dialect: Dialect) -> dict[str, Any]:
    state = job.state(time.time())
    results = job.results or []
    right = sum(result.right for result in results)
    errors = [{"code": "invalid_request", "message": message, "param": None, "line": None} for message in job.errors]
    shown: dict[str, Any] = {
        "id": job.id,
        "object": "batch",
        "endpoint": "/v1/embeddings",
        **job.said,
        "status": state,
        "errors": {"object": "list", "data": errors} if errors else None,
        "output_file_id": job.files.get("output"),
        "error_file_id": job.files.get("error"),
        "created_at": dialect.stamp(job.created),
        "request_counts": {"total": len(job.rows), "completed": right, "failed": len(results) - right},
    }
    if state in ("completed", "expired", "failed"):
        shown[f"{state}_at"] = dialect.stamp(job.ended)
    if job.cancelled is not None:
        shown["cancelling_at"] = dialect.stamp(job.cancelled)
    return shown


def file_shown(file: File, dialect: Dialect) -> dict[str, Any]:
    shown = {"id": file.id, "object": "file", "bytes": len(file.content), "created_at": dialect.stamp(file.created)}
    return {**shown, "filename": file.name, "purpose": file.purpose, "status": "processed"}


def listed(items: list[dict[str, Any]], call: Call) -> Reply:
    """A page: `limit` of them, after the one whose id is `after`."""
    ids = [item["id"] for item in items]
    start = ids.index(call.query["after"]) + 1 if call.query.get("after") in ids else 0
    page = items[start : start + int(call.query.get("limit", 20))]
    more = start + len(page) < len(items)
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    return json_reply(200, {"object": "list", "data": page, **ends, "has_more": more})


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
