"""The Gemini API's batches of embeddings: requests and responses inline, or in files of JSON lines."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from fakes.batches import File, Job, Row
from fakes.jobs import iso
from fakes.wire import Call, Refusal, Reply, json_reply

if TYPE_CHECKING:
    from fakes.api import FakeApi
    from fakes.google import Google

__all__ = ["google_jobs_reply"]

STATES = {
    "validating": "BATCH_STATE_PENDING",
    "in_progress": "BATCH_STATE_RUNNING",
    "cancelling": "BATCH_STATE_RUNNING",
    "completed": "BATCH_STATE_SUCCEEDED",
    "failed": "BATCH_STATE_FAILED",
    "expired": "BATCH_STATE_EXPIRED",
    "cancelled": "BATCH_STATE_CANCELLED",
}


def google_jobs_reply(provider: Google, call: Call, fake: FakeApi) -> Reply | None:
    """The reply to a request about batches or their files, or None where it is about something else."""
    if call.path == "/upload/v1beta/files" and call.method == "POST":
        file = uploaded(call, fake)
        about = {"name": file.id, "displayName": file.name, "mimeType": "application/jsonl", "state": "ACTIVE"}
        return json_reply(200, {"file": {**about, "sizeBytes": str(len(file.content))}})
    got = re.fullmatch(r"/download/v1beta/(files/[^/:]+):download", call.path)
    if got:
        if got[1] not in fake.batches.stored or call.query.get("alt") != "media":
            raise Refusal("no_such_path")
        return Reply(200, fake.batches.stored[got[1]].content, content_type="application/jsonl")
    made = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):asyncBatchEmbedContent", call.path)
    if made:
        return json_reply(200, job_shown(created(provider, made[1], call, fake), provider, fake))
    asked = re.fullmatch(r"/v1(?:beta)?/batches(?:/([^/:]+))?(:cancel)?", call.path)
    if asked is None:
        return None
    if asked[1] is None:
        jobs = fake.batches.newest_first(provider.name)
        start = int(call.query.get("pageToken") or 0)
        size = int(call.query.get("pageSize") or 50)
        more = {"nextPageToken": str(start + size)} if start + size < len(jobs) else {}
        shown = [job_shown(job, provider, fake) for job in jobs[start : start + size]]
        return json_reply(200, {"operations": shown, **more})
    job = fake.batches.of(provider.name, f"batches/{asked[1]}")
    if asked[2]:
        fake.batches.cancel(job)
        return json_reply(200, {})
    return json_reply(200, job_shown(job, provider, fake))


def uploaded(call: Call, fake: FakeApi) -> File:
    """The file of a multipart request: what is said of it as JSON, then its content."""
    boundary = re.search(r"multipart/related; boundary=(\S+)", call.headers.get("content-type", ""))
    if call.query.get("uploadType") != "multipart" or boundary is None:
        raise Refusal("invalid", message="This fake takes files whole, as multipart/related.")
    parts = (b"\r\n" + call.body).split(b"\r\n--" + boundary[1].encode())[1:-1]
    about, content = (part.partition(b"\r\n\r\n")[2] for part in parts)
    name = json.loads(about)["file"].get("displayName", "")
    return fake.batches.store(name, "batch", content, "files/")


def read_file(name: object, fake: FakeApi) -> list[Row]:
    """The requests of a file, each under its key."""
    file = fake.batches.stored.get(str(name))
    if file is None:
        raise Refusal("invalid", message=f"* EmbedContentBatch.input_config.file_name: {name} is not there\n")
    lines = [json.loads(line) for line in file.content.splitlines()]
    return [Row(line["key"], line["request"]) for line in lines]


def created(provider: Google, model: str, call: Call, fake: FakeApi) -> Job:
    if model not in provider.models:
        raise Refusal("model", model=model)
    if fake.out_of_quota:
        raise Refusal("quota")
    batch = call.json().get("batch") or {}
    source = batch.get("inputConfig") or {}
    in_file = "file_name" in source
    try:
        rows = (
            read_file(source["file_name"], fake)
            if in_file
            else [Row(each.get("metadata"), each["request"]) for each in source["requests"]["requests"]]
        )
    except (KeyError, TypeError, ValueError) as error:
        message = "* EmbedContentBatch.input_config: requests are required, or a file of them\n"
        raise Refusal("invalid", message=message) from error
    said = {"model": f"models/{model}", "displayName": batch.get("displayName", ""), "in_file": in_file}
    return fake.batches.create("batches/", provider.name, rows, said)


def job_shown(job: Job, provider: Google, fake: FakeApi) -> dict[str, Any]:
    model = job.said["model"].removeprefix("models/")

    def embed(row: Row) -> tuple[int, bytes]:
        try:
            ask = provider.asked(model, [row.body], many=False)
            if not fake.refused.isdisjoint(ask.texts):
                raise Refusal("bad_row")
        except Refusal as refusal:
            reply = provider.refuse(refusal, Call("POST", "", {}, {}, b""))
            return reply.status, reply.body
        return 200, provider.write(ask, fake.vectors_of(provider, ask), range(1), frozenset())

    with fake.batches.lock:
        if fake.batches.finish(job, embed) and job.said["in_file"]:
            lines = [json.dumps({"key": made.pop("metadata"), **made}).encode() + b"\n" for made in inlined(job)]
            job.files["output"] = fake.batches.store(job.id, "batch-output", b"".join(lines), "files/").id
    state = job.state(time.time())
    metadata: dict[str, Any] = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.EmbedContentBatch",
        **{name: said for name, said in job.said.items() if name != "in_file"},
        "name": job.id,
        "state": STATES[state],
        "createTime": iso(job.created),
        "updateTime": iso(job.created),
        "batchStats": {"requestCount": str(len(job.rows))},
    }
    shown: dict[str, Any] = {"name": job.id, "metadata": metadata}
    if state not in ("validating", "in_progress", "cancelling"):
        metadata["endTime"] = iso(job.ended)
        shown["done"] = True
    if state == "completed":
        inline = {"inlinedResponses": {"inlinedResponses": [] if job.said["in_file"] else inlined(job)}}
        metadata["output"] = {"responsesFile": job.files["output"]} if job.said["in_file"] else inline
        shown["response"] = metadata["output"]
    elif state in STATES and shown.get("done"):
        shown["error"] = {"code": 13, "message": f"The batch is {state}."}
    return shown


def inlined(job: Job) -> list[dict[str, Any]]:
    """The results, out of order; each bears the metadata of its request, where that had any."""
    out = []
    for result in job.results or []:
        body = json.loads(result.body)
        if result.right:
            # A job's rows count their tokens under another name than a request's.
            said = {
                "response": {"embedding": body["embedding"], "tokenCount": body["usageMetadata"]["promptTokenCount"]}
            }
        else:
            said = {"error": {"code": 3, "message": body["error"]["message"]}}
        out.append({**said, **({"metadata": result.key} if result.key is not None else {})})
    return out
