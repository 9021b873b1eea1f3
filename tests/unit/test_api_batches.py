"""The batches of each provider, without any input or output: lines, requests, states, results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from idembed.errors import OptionError
from idembed.models.api.adapter import Answer, Settings
from idembed.models.api.batches.batch import Batch, Call, Result, State
from idembed.models.api.batches.registry import BATCHES, batch_of, share_of
from idembed.models.api.opening import open_api

OPENAI = Settings("text-embedding-3-small", "https://api.openai.com/v1", 256)
AZURE = Settings("mine", "https://r.openai.azure.com", extra={"api_version": "2024-10-21"})
VOYAGE = Settings("voyage-4", "https://api.voyageai.com/v1", 512)
GOOGLE = Settings("gemini-embedding-001", "https://generativelanguage.googleapis.com", 768)
GOOGLE_2 = Settings("models/gemini-embedding-2", "https://generativelanguage.googleapis.com")


def of(provider: str) -> Batch:
    return BATCHES[provider]


def body(call: Call) -> Any:
    return json.loads(call.content)


# OpenAI -------------------------------------------------------------------------------------------


def test_a_line_of_openai_is_a_whole_request() -> None:
    assert (
        of("openai").line(OPENAI, "0a", "né")
        == (
            '{"custom_id":"0a","method":"POST","url":"/v1/embeddings","body":'
            '{"model":"text-embedding-3-small","input":["né"],"encoding_format":"base64","dimensions":256}}\n'
        ).encode()
    )


def test_the_file_of_openai_goes_in_a_form() -> None:
    call = of("openai").upload(OPENAI, "tag", b"{}\n{}\n")
    assert (call.method, call.url) == ("POST", "https://api.openai.com/v1/files")
    assert call.headers == {"Content-Type": "multipart/form-data; boundary=tag"}
    assert call.content == (
        b'--tag\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--tag\r\nContent-Disposition: form-data; name="file"; filename="tag.jsonl"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n{}\n{}\n\r\n--tag--\r\n"
    )
    assert of("openai").uploaded({"id": "file-1", "object": "file"}) == "file-1"


def test_a_job_of_openai_bears_its_tag() -> None:
    call = of("openai").create(OPENAI, "tag", "file-1")
    assert (call.method, call.url) == ("POST", "https://api.openai.com/v1/batches")
    assert body(call) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/embeddings",
        "completion_window": "24h",
        "metadata": {"idembed": "tag"},
    }


def test_where_openai_is_asked() -> None:
    batch = of("openai")
    assert batch.poll(OPENAI, "batch_1") == Call("GET", "https://api.openai.com/v1/batches/batch_1")
    assert batch.download(OPENAI, "file-2") == Call("GET", "https://api.openai.com/v1/files/file-2/content")
    assert batch.listing(OPENAI, "").url == "https://api.openai.com/v1/batches?limit=100"
    assert batch.listing(OPENAI, "batch_1").url == "https://api.openai.com/v1/batches?limit=100&after=batch_1"


def test_azure_is_asked_at_its_newer_route() -> None:
    batch = of("azure")
    assert batch.poll(AZURE, "b").url == "https://r.openai.azure.com/openai/v1/batches/b"
    assert batch.upload(AZURE, "tag", b"").url == "https://r.openai.azure.com/openai/v1/files"
    given = Settings("mine", "https://r.openai.azure.com/openai/v1")
    assert batch.poll(given, "b").url == "https://r.openai.azure.com/openai/v1/batches/b"
    assert json.loads(batch.line(AZURE, "0a", "a"))["body"]["model"] == "mine"


def shown(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "b", "status": status, "metadata": {"idembed": "t"}, **more}


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (shown("validating"), State("b", "t", "waiting")),
        (shown("in_progress", output_file_id=None), State("b", "t", "waiting")),
        (shown("finalizing"), State("b", "t", "waiting")),
        (shown("cancelling"), State("b", "t", "waiting")),
        (
            shown("completed", output_file_id="o", error_file_id="e"),
            State("b", "t", "ended", ("o", "e"), "it is completed"),
        ),
        (shown("expired", output_file_id="o"), State("b", "t", "ended", ("o",), "it is expired", is_cut=True)),
        (shown("cancelled"), State("b", "t", "ended", (), "it is cancelled", is_cut=True)),
        (shown("failed", errors=None), State("b", "t", "failed", reason="it failed")),
        (
            shown("failed", errors={"data": [{"code": "token_limit_exceeded", "message": "Too much."}]}),
            State("b", "t", "failed", reason="Too much.", is_full=True),
        ),
        ({"id": "b", "status": "in_progress", "metadata": None}, State("b", "", "waiting")),
    ],
)
def test_states_of_openai(job: Any, state: State) -> None:
    assert of("openai").state(job) == state


def test_a_page_of_openai_says_where_the_next_one_begins() -> None:
    batch, jobs = of("openai"), [shown("validating"), {**shown("failed"), "id": "c"}]
    states, after = batch.listed({"data": jobs, "has_more": True})
    assert ([state.id for state in states], after) == (["b", "c"], "c")
    assert batch.listed({"data": jobs, "has_more": False})[1] == ""
    assert batch.listed({"data": [], "has_more": True}) == ([], "")


REPLY = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"total_tokens": 3}}


@pytest.mark.parametrize("provider", ["openai", "voyage"])
@pytest.mark.parametrize(
    ("line", "result"),
    [
        ({"response": {"status_code": 200, "body": REPLY}, "error": None}, Result("k", Answer([[1.0]], [0], 3))),
        (
            {"response": {"status_code": 400, "body": {"error": {"message": "Bad."}}}, "error": None},
            Result("k", reason="Bad."),
        ),
        ({"response": {"status_code": 500, "message": "Oh."}, "error": None}, Result("k", reason="Oh.")),
        (
            {"response": None, "error": {"code": "batch_expired", "message": "Late."}},
            Result("k", reason="Late.", is_undone=True),
        ),
        ({}, Result("k", reason="it failed")),
    ],
)
def test_results_of_openai_and_voyage(provider: str, line: Any, result: Result) -> None:
    assert of(provider).result({"custom_id": "k", **line}, OPENAI) == result


# Voyage -------------------------------------------------------------------------------------------


def test_voyage_is_told_once_what_all_lines_share() -> None:
    batch = of("voyage")
    assert batch.line(VOYAGE, "0a", "a") == b'{"custom_id":"0a","body":{"input":["a"]}}\n'
    assert body(batch.create(VOYAGE, "tag", "file-1")) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/embeddings",
        "completion_window": "12h",
        "metadata": {"idembed": "tag"},
        "request_params": {
            "model": "voyage-4",
            "input_type": "document",
            "truncation": False,
            "output_dimension": 512,
        },
    }


# Gemini API ---------------------------------------------------------------------------------------


def test_a_line_of_google_has_a_key_and_no_model() -> None:
    assert json.loads(of("google").line(GOOGLE, "0a", "a")) == {
        "key": "0a",
        "request": {
            "content": {"parts": [{"text": "a"}]},
            "taskType": "RETRIEVAL_DOCUMENT",
            "outputDimensionality": 768,
        },
    }
    assert json.loads(of("google").line(GOOGLE_2, "0a", "a"))["request"] == {
        "content": {"parts": [{"text": "title: none | text: a"}]}
    }


def test_the_file_of_google_goes_with_its_name() -> None:
    call = of("google").upload(GOOGLE, "tag", b"{}\n")
    assert call.url == "https://generativelanguage.googleapis.com/upload/v1beta/files?uploadType=multipart"
    assert call.headers["Content-Type"] == "multipart/related; boundary=tag"
    assert call.content == (
        b"--tag\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        b'{"file": {"displayName": "tag", "mimeType": "application/jsonl"}}\r\n'
        b"--tag\r\nContent-Type: application/jsonl\r\n\r\n{}\n\r\n--tag--\r\n"
    )
    assert of("google").uploaded({"file": {"name": "files/a"}}) == "files/a"


def test_a_job_of_google_is_named_by_its_tag() -> None:
    call = of("google").create(GOOGLE_2, "tag", "files/a")
    base = "https://generativelanguage.googleapis.com/v1beta"
    assert call.url == f"{base}/models/gemini-embedding-2:asyncBatchEmbedContent"
    assert body(call) == {"batch": {"displayName": "tag", "inputConfig": {"file_name": "files/a"}}}
    assert of("google").poll(GOOGLE, "batches/x").url == f"{base}/batches/x"
    assert of("google").listing(GOOGLE, "").url == f"{base}/batches?pageSize=100"
    assert of("google").listing(GOOGLE, "p=1").url == f"{base}/batches?pageSize=100&pageToken=p%3D1"
    assert of("google").download(GOOGLE, "files/b").url == (
        "https://generativelanguage.googleapis.com/download/v1beta/files/b:download?alt=media"
    )


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"metadata": {"state": "BATCH_STATE_PENDING", "displayName": "t"}}, State("batches/x", "t", "waiting")),
        ({"metadata": {"state": "JOB_STATE_RUNNING"}}, State("batches/x", "", "waiting")),
        ({"metadata": {}}, State("batches/x", "", "waiting")),
        (
            {"metadata": {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/o"}}},
            State("batches/x", "", "ended", ("files/o",), "it is succeeded"),
        ),
        (
            {"state": "JOB_STATE_SUCCEEDED", "response": {"responsesFile": "files/o"}},
            State("batches/x", "", "ended", ("files/o",), "it is succeeded"),
        ),
        (
            {"metadata": {"state": "BATCH_STATE_EXPIRED"}},
            State("batches/x", "", "ended", (), "it is expired", is_cut=True),
        ),
        (
            {"metadata": {"state": "BATCH_STATE_FAILED"}, "error": {"message": "Oh."}},
            State("batches/x", "", "failed", reason="Oh."),
        ),
    ],
)
def test_states_of_google(job: Any, state: State) -> None:
    assert of("google").state({"name": "batches/x", **job}) == state


def test_results_of_google() -> None:
    batch = of("google")
    right = {"key": "k", "response": {"embedding": {"values": [1.0]}, "tokenCount": "3"}}
    assert batch.result(right, GOOGLE) == Result("k", Answer([[1.0]], tokens=3))
    wrong = {"key": "k", "error": {"code": 3, "message": "Bad."}}
    assert batch.result(wrong, GOOGLE) == Result("k", reason="Bad.")
    assert batch.listed({"operations": [{"name": "batches/x"}], "nextPageToken": "p"})[1] == "p"
    assert batch.listed({}) == ([], "")


# Who has them -------------------------------------------------------------------------------------


def test_what_batches_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com")
    assert share_of(open_api("openai:text-embedding-3-large")) == 0.5
    assert share_of(open_api("azure:mine")) == 0.5
    assert share_of(open_api("voyage:voyage-4")) == 0.67
    assert share_of(open_api("google:gemini-embedding-2")) == 0.5


def test_providers_without_batches_are_refused() -> None:
    with pytest.raises(OptionError, match="Cohere has no batch endpoint") as refusal:
        batch_of(open_api("cohere:embed-v4.0"))
    assert refusal.value.hint == ("leave batch_api, --batch-api, out; there is one at azure, google, openai, voyage")
