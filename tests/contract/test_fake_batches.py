"""Offline batches of the fake APIs: files, jobs, states, results out of order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fakes.api import FakeApi
from fakes.asking import ask, send

SMALL = "text-embedding-3-small"
TEXTS = {f"row-{number}": f"text {number}" for number in range(10)}


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as made:
        made.batch_seconds = 0.08
        yield made


def upload(fake: FakeApi, provider: str, lines: list[dict[str, Any]]) -> str:
    """The id of a file with these lines."""
    content = "\n".join(map(json.dumps, lines)).encode()
    form = b'--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    form += (
        b'--edge\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n%b\r\n--edge--\r\n'
        % content
    )
    headers = {"authorization": f"Bearer {fake.key}", "content-type": "multipart/form-data; boundary=edge"}
    return str(send("POST", fake.base(provider) + "/files", form, headers).json["id"])


def openai_job(fake: FakeApi, **body: object) -> str:
    lines = [
        {
            "custom_id": key,
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": SMALL, "input": [text], "dimensions": 8, **body},
        }
        for key, text in TEXTS.items()
    ]
    said = {"endpoint": "/v1/embeddings", "completion_window": "24h", "metadata": {"tag": "mine"}}
    return str(ask(fake, "openai", "/batches", {"input_file_id": upload(fake, "openai", lines), **said}).json["id"])


def ended(fake: FakeApi, provider: str, path: str) -> Any:
    """The job once it is over."""
    time.sleep(fake.batch_seconds + 0.01)
    return ask(fake, provider, path).json


def lines_of(fake: FakeApi, provider: str, file: str) -> list[Any]:
    return [json.loads(line) for line in ask(fake, provider, f"/files/{file}/content").body.splitlines()]


def test_openai_batch(fake: FakeApi) -> None:
    fake.refuse("text 3")
    job = openai_job(fake)
    assert ask(fake, "openai", f"/batches/{job}").json["status"] == "validating"
    done = ended(fake, "openai", f"/batches/{job}")
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 10, "completed": 9, "failed": 1})
    assert done["metadata"] == {"tag": "mine"}

    out = lines_of(fake, "openai", done["output_file_id"])
    keys = [line["custom_id"] for line in out]
    assert keys != sorted(keys)
    for line in out:
        came = line["response"]["body"]["data"][0]["embedding"]
        assert np.array_equal(np.float32(came), fake.vector("openai", SMALL, TEXTS[line["custom_id"]], 8))
    (failed,) = lines_of(fake, "openai", done["error_file_id"])
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("row-3", 400)


def test_jobs_are_listed_newest_first_in_pages_with_their_metadata(fake: FakeApi) -> None:
    made = [openai_job(fake) for _ in range(3)]
    first = ask(fake, "openai", "/batches?limit=2").json
    assert [job["id"] for job in first["data"]] == made[:0:-1]
    assert first["has_more"]
    rest = ask(fake, "openai", f"/batches?limit=2&after={first['last_id']}").json
    assert [(job["id"], job["metadata"]) for job in rest["data"]] == [(made[0], {"tag": "mine"})]
    assert not rest["has_more"]


def test_an_expired_job_has_half_its_rows(fake: FakeApi) -> None:
    fake.next_batch("expired")
    job = ended(fake, "openai", f"/batches/{openai_job(fake)}")
    assert job["status"] == "expired"
    assert len(lines_of(fake, "openai", job["output_file_id"])) == 5
    errors = lines_of(fake, "openai", job["error_file_id"])
    assert [line["error"]["code"] for line in errors] == ["batch_expired"] * 5


def test_a_failed_job_has_no_files(fake: FakeApi) -> None:
    fake.next_batch("failed")
    job = ask(fake, "openai", f"/batches/{openai_job(fake)}").json
    assert (job["status"], job["output_file_id"], job["error_file_id"]) == ("failed", None, None)
    assert job["errors"]["data"][0]["message"] == "The job failed."


def test_a_cancelled_job_stops(fake: FakeApi) -> None:
    job = openai_job(fake)
    assert ask(fake, "openai", f"/batches/{job}/cancel", {}).json["status"] == "cancelling"
    assert ended(fake, "openai", f"/batches/{job}")["status"] == "cancelled"


def test_a_file_that_is_not_right_fails_the_job(fake: FakeApi) -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": SMALL, "input": "a"}}
    said = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    for lines, message in (
        ([line, line], "used twice"),
        ([line, {**line, "custom_id": "b", "body": {"model": "text-embedding-3-large", "input": "a"}}], "one model"),
        ([{"custom_id": "a"}], "not parseable"),
        ([{**line, "body": {"model": SMALL, "input": ["a"] * 50_001}}], "50001 inputs"),
    ):
        job = ask(fake, "openai", "/batches", {"input_file_id": upload(fake, "openai", lines), **said}).json
        assert job["status"] == "failed"
        assert message in job["errors"]["data"][0]["message"]


def test_voyage_batch_has_its_parameters_for_all_rows(fake: FakeApi) -> None:
    fake.refuse("text 3")
    lines = [{"custom_id": key, "body": {"input": [text]}} for key, text in TEXTS.items()]
    said = {"endpoint": "/v1/embeddings", "completion_window": "12h", "metadata": {"tag": "mine"}}
    params = {"model": "voyage-4", "input_type": "document", "output_dimension": 256}
    file = upload(fake, "voyage", lines)
    job = ask(fake, "voyage", "/batches", {**said, "input_file_id": file, "request_params": params}).json
    assert job["created_at"].endswith("+00:00")
    done = ended(fake, "voyage", f"/batches/{job['id']}")
    out = lines_of(fake, "voyage", done["output_file_id"])
    assert len(out) == 9
    for line in out:
        came = line["response"]["body"]["data"][0]["embedding"]
        assert np.array_equal(np.float32(came), fake.vector("voyage", "voyage-4", TEXTS[line["custom_id"]], 256))
    (failed,) = lines_of(fake, "voyage", done["error_file_id"])
    assert failed["batch_id"] == job["id"]
    assert failed["response"] == {
        "status_code": 400,
        "message": "The request could not be processed: an input is not valid.",
    }


def test_gemini_batch_bears_each_requests_metadata(fake: FakeApi) -> None:
    fake.refuse("text 3")
    requests = [
        {
            "request": {"content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_DOCUMENT"},
            "metadata": {"key": key},
        }
        for key, text in TEXTS.items()
    ]
    batch = {"displayName": "mine", "inputConfig": {"requests": {"requests": requests}}}
    made = ask(fake, "google", "/v1beta/models/gemini-embedding-001:asyncBatchEmbedContent", {"batch": batch}).json
    assert made["metadata"]["state"] == "BATCH_STATE_PENDING"
    done = ended(fake, "google", f"/v1beta/{made['name']}")
    assert (done["done"], done["metadata"]["state"]) == (True, "BATCH_STATE_SUCCEEDED")
    came = done["metadata"]["output"]["inlinedResponses"]["inlinedResponses"]
    keys = [response["metadata"]["key"] for response in came]
    assert keys != list(TEXTS)
    assert sorted(keys) == sorted(TEXTS)
    for response in came:
        key = response["metadata"]["key"]
        if key == "row-3":
            assert response["error"]["code"] == 3
        else:
            values = np.float32(response["response"]["embedding"]["values"])
            assert np.array_equal(values, fake.vector("google", "gemini-embedding-001", TEXTS[key]))
    listed = ask(fake, "google", "/v1beta/batches?pageSize=5").json["operations"]
    assert [(job["name"], job["metadata"]["displayName"]) for job in listed] == [(made["name"], "mine")]
