"""Whole syncs and upgrades by the providers' batches, against the fake."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes.api import FakeApi
from idembed.cli import main
from idembed.errors import ApiError, CostLimitError, LeaseHeldError, ModelChangedError, OptionError
from idembed.folders import data_folder
from idembed.index import Index, Report, batch, job
from idembed.index.report import Progress
from idembed.models.api.batches.desk import Desk, FullError
from idembed.models.api.batches.openai import OpenAIBatch
from idembed.models.api.http import Http, UnreachableError
from idembed.models.api.probes import PROBES
from idembed.models.api.spend import spendings

MODELS = {
    "openai": "openai:text-embedding-3-small?dimensions=64",
    "azure": "azure:my-embeddings?dimensions=64&price=0.022",
    "voyage": "voyage:voyage-4?dimensions=256",
    "google": "google:gemini-embedding-001?dimensions=128",
}
OPENAI = MODELS["openai"]
BASES = {
    "openai": "OPENAI_BASE_URL",
    "azure": "AZURE_OPENAI_ENDPOINT",
    "voyage": "VOYAGE_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
    "cohere": "CO_API_URL",
    "ollama": "OLLAMA_HOST",
}
KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "VOYAGE_API_KEY", "GOOGLE_API_KEY", "CO_API_KEY")
TEXTS = {f"row-{number}": f"This is text number {number}." for number in range(20)}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    opened: list[Http] = []
    made_http = Http._client

    def watched(self: Http, url: str) -> Any:
        opened.append(self)
        return made_http(self, url)

    monkeypatch.setattr(Http, "_client", watched)
    monkeypatch.setattr(job, "_FIRST_WAIT", 0.05)
    monkeypatch.setattr(job, "_LONGEST_WAIT", 0.1)
    with FakeApi() as made:
        made.batch_seconds = 0.1
        for provider, variable in BASES.items():
            monkeypatch.setenv(variable, made.base(provider))
        for variable in KEYS:
            monkeypatch.setenv(variable, made.key)
        yield made
        for http in opened:
            http.close()


def rows(texts: dict[str, str] | None = None) -> list[dict[str, str]]:
    return [{"id": key, "text": text} for key, text in (TEXTS if texts is None else texts).items()]


def synced(path: Path, model: str = OPENAI, texts: dict[str, str] | None = None, **options: Any) -> Report:
    with Index(path, model, vault=path.parent / "vault") as index:
        return index.sync(rows(texts), batch_api=True, **options)


def vectors_in(path: Path, generation: int = 1) -> dict[str, np.ndarray]:
    with Index(path, vault=path.parent / "vault") as index:
        found = index._catalog.readable()[0].get(list(TEXTS), generation)
        return {key: row.parts[0].vector for key, row in found.items() if row.parts[0].vector is not None}


def asked_at_once(fake: FakeApi) -> list[str]:
    """The texts that were asked for in the ordinary way, but for those that only look at the model."""
    return [text for request in fake.requests for text in request.texts if text not in PROBES]


def records() -> list[Path]:
    return sorted((data_folder() / "batches").glob("*/*.json"))


# Each provider ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("provider", "dim"), [("openai", 64), ("azure", 64), ("voyage", 256), ("google", 128)])
def test_a_sync_by_batches_gives_the_bytes_of_an_ordinary_one(
    fake: FakeApi, tmp_path: Path, provider: str, dim: int
) -> None:
    report = synced(tmp_path / "batch.db", MODELS[provider])
    assert (report.embedded, report.added, report.reused, report.aside) == (20, 20, 0, ())
    assert not records()
    with Index(tmp_path / "plain.db", MODELS[provider], vault=tmp_path / "other") as index:
        index.sync(rows())
    found, wanted = vectors_in(tmp_path / "batch.db"), vectors_in(tmp_path / "plain.db")
    assert {key: vector.tobytes() for key, vector in found.items()} == {
        key: vector.tobytes() for key, vector in wanted.items()
    }
    assert len(fake.batches.jobs) == 1


def test_what_is_missing_is_asked_for_only_in_the_job(fake: FakeApi, tmp_path: Path) -> None:
    synced(tmp_path / "pets.db")
    assert asked_at_once(fake) == []
    assert synced(tmp_path / "pets.db").embedded == 0
    assert len(fake.batches.jobs) == 1


def test_results_in_any_order_are_those_of_their_texts(fake: FakeApi, tmp_path: Path) -> None:
    synced(tmp_path / "pets.db")
    for key, vector in vectors_in(tmp_path / "pets.db").items():
        wanted = fake.vector("openai", "text-embedding-3-small", TEXTS[key], 64)
        assert np.allclose(vector, wanted, atol=1e-6), key


def test_equal_texts_are_submitted_once_and_those_at_hand_not_at_all(fake: FakeApi, tmp_path: Path) -> None:
    few = {"a": "the same", "b": "the same", "c": "another"}
    report = synced(tmp_path / "pets.db", texts=few)
    assert (report.embedded, report.added, report.reused) == (2, 3, 1)
    report = synced(tmp_path / "pets.db", texts={**few, "d": "a third"})
    assert (report.embedded, report.added) == (1, 1)
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [2, 1]


def test_an_upgrade_by_batches(fake: FakeApi, tmp_path: Path) -> None:
    url = tmp_path / "pets.db"
    synced(url)
    with Index(url, vault=tmp_path / "vault") as index:
        estimates = [index.estimate_upgrade(MODELS["voyage"], batch_api=wanted) for wanted in (False, True)]
        dollars = [estimate.dollars or 0.0 for estimate in estimates]
        assert dollars[1] == pytest.approx(0.67 * dollars[0])
        report = index.upgrade(MODELS["voyage"], batch_api=True)
    assert (report.rows, report.embedded, report.complete) == (20, 20, True)
    assert len(vectors_in(url, 2)) == 20
    assert len(fake.batches.jobs) == 2


def test_a_plan_by_batches_costs_half(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", OPENAI) as index:
        plain, half = (index.plan(rows(), batch_api=wanted).estimates[0] for wanted in (False, True))
    assert half.dollars == pytest.approx(0.5 * (plain.dollars or 0.0))


def test_progress_counts_jobs(fake: FakeApi, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None, int]] = []

    def watch(progress: Progress) -> None:
        if progress.phase == "waiting":
            seen.append((progress.done, progress.total, progress.tokens))

    synced(tmp_path / "pets.db", progress=watch)
    assert seen[0] == (0, 1, 0)
    assert seen[-1] == (1, 1, sum(map(fake.tokens, TEXTS.values())))


# What goes wrong ----------------------------------------------------------------------------------


def test_a_row_that_fails_in_the_job_is_asked_for_in_the_ordinary_way_and_set_aside(
    fake: FakeApi, tmp_path: Path
) -> None:
    fake.refuse(TEXTS["row-3"])
    report = synced(tmp_path / "pets.db")
    assert [row_id for row_id, _ in report.aside] == ["row-3"]
    assert (report.added, report.embedded) == (19, 19)
    assert len(fake.batches.jobs) == 1


def test_an_expired_job_is_used_as_far_as_it_came_and_the_rest_submitted_again(fake: FakeApi, tmp_path: Path) -> None:
    fake.next_batch("expired")
    report = synced(tmp_path / "pets.db")
    assert report.embedded == 20
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [20, 10]
    assert asked_at_once(fake) == []


@pytest.mark.parametrize("provider", ["openai", "voyage", "google"])
def test_a_job_that_failed_is_submitted_once_more(
    fake: FakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture, provider: str
) -> None:
    fake.next_batch("failed")
    with caplog.at_level(logging.WARNING, "idembed"):
        assert synced(tmp_path / "pets.db", MODELS[provider]).embedded == 20
    assert len(fake.batches.jobs) == 2
    assert "20 texts" in caplog.text


def test_what_failed_twice_is_asked_for_in_the_ordinary_way(
    fake: FakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake.next_batch("failed")
    fake.next_batch("failed")
    with caplog.at_level(logging.WARNING, "idembed"):
        report = synced(tmp_path / "pets.db")
    assert (report.embedded, report.added) == (20, 20)
    assert len(fake.batches.jobs) == 2
    assert sorted(asked_at_once(fake)) == sorted(TEXTS.values())
    assert "20 texts of batch jobs that failed: asked for in the ordinary way" in caplog.text


def test_several_jobs_where_one_takes_few_texts(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[int] = []

    def watch(progress: Progress) -> None:
        if progress.phase == "waiting":
            under_way.append((progress.total or 0) - progress.done)

    monkeypatch.setattr(OpenAIBatch, "most_texts", 6)
    monkeypatch.setattr(OpenAIBatch, "most_jobs", 2)
    assert synced(tmp_path / "pets.db", progress=watch).embedded == 20
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [6, 6, 6, 2]
    assert max(under_way) == 2


def test_texts_that_may_be_too_long_are_not_in_the_job(fake: FakeApi, tmp_path: Path) -> None:
    long = {"long": "word " * 20_000, "short": "This is text number 0."}
    report = synced(tmp_path / "pets.db", texts=long, on_long="skip")
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [1]
    assert [row_id for row_id, _ in report.aside] == ["long"]


def test_where_too_much_is_under_way_a_job_is_made_smaller(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = fake.batches.create

    def limited(prefix: str, provider: str, found: Any, said: Any, errors: Any = ()) -> Any:
        made = create(prefix, provider, found, said, errors)
        if len(found) > 8:
            made.errors = ["Enqueued token limit reached for text-embedding-3-small."]
        return made

    monkeypatch.setattr(batch, "_LEAST_TOKENS", 10)
    monkeypatch.setattr(fake.batches, "create", limited)
    assert synced(tmp_path / "pets.db").embedded == 20
    sizes = [len(made.rows) for made in fake.batches.jobs.values()]
    assert sizes[0] == 20
    assert max(sizes[-3:]) <= 8
    assert asked_at_once(fake) == []


def test_where_there_never_is_room_texts_are_asked_for_in_the_ordinary_way(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = fake.batches.create

    def full(prefix: str, provider: str, found: Any, said: Any, errors: Any = ()) -> Any:
        return create(prefix, provider, found, said, ["Enqueued token limit reached."])

    monkeypatch.setattr(fake.batches, "create", full)
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1
    assert len(asked_at_once(fake)) == 20


def test_a_provider_that_takes_no_more_jobs_is_asked_again_when_one_has_ended(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, tries = Desk.begin, []

    def busy(self: Desk, tag: str, file: str) -> str:
        tries.append(tag)
        if len(tries) in (2, 3):
            raise FullError("too many jobs", 0.01)
        return begin(self, tag, file)

    monkeypatch.setattr(OpenAIBatch, "most_texts", 10)
    monkeypatch.setattr(Desk, "begin", busy)
    assert synced(tmp_path / "pets.db").embedded == 20
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [10, 10]
    assert len(tries) == 4


def test_a_limit_of_jobs_is_told_by_status_429(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_FULL_WAIT", 0.01)
    begin = Desk.begin

    def limited(self: Desk, tag: str, file: str) -> str:
        fake.next_fault("rate_limit_bare", "openai")
        monkeypatch.setattr(Desk, "begin", begin)
        with pytest.raises(FullError):
            begin(self, tag, file)
        return begin(self, tag, file)

    monkeypatch.setattr(Desk, "begin", limited)
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_faults_on_the_way_are_waited_out(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "other.db", OPENAI, vault=tmp_path / "vault") as index:
        index.sync(rows({"a": "to measure the model"}))
    fake.faults("openai", server_error=0.3, cut=0.1, not_json=0.1)
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_results_of_another_model_are_not_kept(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Desk.look

    def changed(self: Desk, job: str) -> Any:
        state = results(self, job)
        if state.stage == "ended":
            fake.change_model("text-embedding-3-small")
        return state

    monkeypatch.setattr("idembed.models.api.recognised._AGAIN", 0.0)
    monkeypatch.setattr(Desk, "look", changed)
    with pytest.raises(ModelChangedError):
        synced(tmp_path / "pets.db")
    assert len(records()) == 1
    assert not (tmp_path / "pets.db").exists()


def test_a_wrong_key_is_an_error_at_once(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(ApiError, match="status 401"):
        synced(tmp_path / "pets.db")


# Stopped and gone on with -------------------------------------------------------------------------


class Killed(BaseException):
    pass


def test_a_crash_between_submitting_and_recording_submits_nothing_twice(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Desk.begin

    def killed(self: Desk, tag: str, file: str) -> str:
        begin(self, tag, file)
        raise Killed

    for _ in range(3):  # others' jobs, so that the list has several
        fake.batches.create("batch_", "openai", [], {"metadata": {"idembed": "0"}})
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "begin", killed)
        with pytest.raises(Killed):
            synced(tmp_path / "pets.db")
    assert len(fake.batches.jobs) == 4
    monkeypatch.setattr("idembed.models.api.batches.openai._PAGE", 2)
    for _ in range(3):
        fake.batches.create("batch_", "openai", [], {"metadata": {"idembed": "0"}})
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 7
    assert not records()


def test_a_crash_before_submitting_submits_it_then(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Desk, tag: str, content: bytes) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "upload", killed)
        with pytest.raises(Killed):
            synced(tmp_path / "pets.db")
    assert len(records()) == 1
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_a_crash_between_the_end_of_a_job_and_its_results(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Desk, state: object) -> object:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "results", killed)
        with pytest.raises(Killed):
            synced(tmp_path / "pets.db")
    assert len(records()) == 1
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1
    assert not records()


def test_a_create_request_whose_answer_is_lost_is_not_sent_twice(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Http.send

    def lossy(self: Http, method: str, url: str, *rest: Any) -> Any:
        exchange = send(self, method, url, *rest)
        if method == "POST" and url.endswith("/batches"):
            raise UnreachableError("the connection broke", sent=True)
        return exchange

    monkeypatch.setattr(Http, "send", lossy)
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_a_job_that_the_provider_forgot_is_submitted_again(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Desk, job: str) -> object:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "look", killed)
        with pytest.raises(Killed):
            synced(tmp_path / "pets.db")
    fake.batches.jobs.clear()
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_a_killed_process_is_gone_on_with(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    command = [sys.executable, "-m", "idembed", "sync", str(source), str(tmp_path / "pets.db"), "--model", OPENAI]
    command += ["--vault", str(tmp_path / "vault"), "--batch-api"]
    fake.batch_seconds = 3600.0
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while not fake.batches.jobs and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert len(records()) == 1
    (submitted,) = fake.batches.jobs.values()
    submitted.seconds = 0.1
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1
    assert not records()


def test_ctrl_c_says_what_is_under_way(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Desk, job: str) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "look", stopped)
        with pytest.raises(KeyboardInterrupt) as stop:
            synced(tmp_path / "pets.db")
    wanted = "1 batch job for 20 texts is under way at OpenAI: run the same command again, and it goes on"
    assert str(stop.value) == wanted
    assert synced(tmp_path / "pets.db").embedded == 20
    assert len(fake.batches.jobs) == 1


def test_an_ordinary_sync_says_that_jobs_are_on_record(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stopped(self: Desk, job: str) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Desk, "look", stopped)
        with pytest.raises(KeyboardInterrupt):
            synced(tmp_path / "pets.db")
    with Index(tmp_path / "pets.db", OPENAI, vault=tmp_path / "vault") as index:
        index.sync(rows())
    assert "1 batch job of openai:text-embedding-3-small?dimensions=64 is on record" in caplog.text
    with Index(tmp_path / "other.db", OPENAI, vault=tmp_path / "other") as index:
        caplog.clear()
        index.sync(rows())
    assert caplog.text == ""


def test_two_processes_do_not_submit_the_same_texts(fake: FakeApi, tmp_path: Path) -> None:
    from idembed.vault.writer import hold

    synced(tmp_path / "pets.db")
    (folder,) = (data_folder() / "batches").iterdir()
    with (
        hold(folder, 1.0),
        Index(tmp_path / "b.db", OPENAI, vault=tmp_path / "vault", wait=0.1) as index,
        pytest.raises(LeaseHeldError, match="another process waits for batch jobs"),
    ):
        index.sync(rows({"new": "This is text number 99."}), batch_api=True)


def test_the_command_line(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(self: Desk, job: str) -> object:
        raise KeyboardInterrupt

    source, url = tmp_path / "rows.jsonl", str(tmp_path / "pets.db")
    source.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "vault"))
    command = ["sync", str(source), url, "--model", OPENAI, "--batch-api", "--quiet", "--json"]
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "look", stopped)
        assert main(command) == 130
    assert "1 batch job for 20 texts is under way at OpenAI" in capsys.readouterr().err
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == 20
    assert main(["upgrade", url, "--to", MODELS["voyage"], "--batch-api", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["embedded"] == 20
    assert len(fake.batches.jobs) == 2


# Money --------------------------------------------------------------------------------------------


def test_what_a_job_cost_is_on_record_at_half_the_price(fake: FakeApi, tmp_path: Path) -> None:
    report = synced(tmp_path / "pets.db")
    tokens = sum(map(fake.tokens, TEXTS.values()))
    (spent,) = [spending for spending in spendings() if spending.purpose == "batch"]
    assert (spent.texts, spent.tokens, spent.estimated) == (20, tokens, False)
    assert spent.dollars == pytest.approx(tokens * 0.02 / 2 / 1e6)
    probes = sum(one.dollars or 0.0 for one in spendings() if one.purpose == "probe")
    assert report.dollars == pytest.approx(probes + tokens * 0.02 / 2 / 1e6)
    assert report.tokens == tokens


def test_a_job_that_would_cost_too_much_is_not_submitted(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIBatch, "most_texts", 100)
    model = OPENAI + "&price=1000"
    many = {f"row-{number}": f"This is text number {number}." for number in range(200)}
    synced(tmp_path / "first.db", model, texts={"a": "to measure the model"})
    with pytest.raises(CostLimitError, match=r"limit of \$0\.60 is reached: .* under way"):
        synced(tmp_path / "pets.db", model, many, max_cost=0.6)
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [1, 100]
    assert len(records()) == 1
    assert synced(tmp_path / "pets.db", model, many).embedded == 200
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [1, 100, 100]
    for spent in spendings():
        if spent.purpose == "batch":
            assert spent.dollars == pytest.approx(spent.tokens * 0.0005)


def test_what_an_earlier_run_submitted_counts_for_the_limit(
    fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Desk, job: str) -> object:
        raise KeyboardInterrupt

    model = OPENAI + "&price=1000"
    synced(tmp_path / "first.db", model, {"a": "to measure the model"})
    fake.batch_seconds = 3600.0
    many = {f"row-{number}": f"This is text number {number}." for number in range(100)}
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "look", stopped)
        with pytest.raises(KeyboardInterrupt):
            synced(tmp_path / "pets.db", model, many)
    with pytest.raises(CostLimitError, match="under way"):
        synced(tmp_path / "pets.db", model, {**many, "more": "This is text number 100."}, max_cost=0.3)
    assert [len(made.rows) for made in fake.batches.jobs.values()] == [1, 100]


# Refused ------------------------------------------------------------------------------------------


def test_batches_need_the_vault(fake: FakeApi, tmp_path: Path) -> None:
    with Index(tmp_path / "pets.db", OPENAI, vault="none") as index, pytest.raises(OptionError, match="the vault"):
        index.sync(rows(), batch_api=True)
    assert not (tmp_path / "pets.db").exists()


@pytest.mark.parametrize(
    ("model", "title"), [("cohere:embed-v4.0", "Cohere"), ("ollama:nomic-embed-text?dimensions=768", "Ollama")]
)
def test_a_provider_without_batches_is_refused(fake: FakeApi, tmp_path: Path, model: str, title: str) -> None:
    with Index(tmp_path / "pets.db", model) as index, pytest.raises(OptionError) as refusal:
        index.sync(rows(), batch_api=True)
    assert f"{title} has no batch endpoint" in str(refusal.value)
    assert "azure, google, openai, voyage" in refusal.value.hint
    assert not (tmp_path / "pets.db").exists()


def test_an_upgrade_to_a_model_without_batches_is_refused_before_anything_is_begun(
    fake: FakeApi, tmp_path: Path
) -> None:
    synced(tmp_path / "pets.db")
    with Index(tmp_path / "pets.db", vault=tmp_path / "vault") as index:
        with pytest.raises(OptionError, match="no batch endpoint"):
            index.upgrade("cohere:embed-v4.0", batch_api=True)
        assert len(index.generations) == 1


def test_a_damaged_record_is_named(fake: FakeApi, tmp_path: Path) -> None:
    synced(tmp_path / "pets.db")
    (folder,) = (data_folder() / "batches").iterdir()
    (folder / "x.json").write_text("{")
    with pytest.raises(Exception, match=r"batch job cannot be read: .*x\.json"):
        synced(tmp_path / "more.db", texts={"new": "This is text number 99."})


def test_only_a_good_answer_goes_into_a_file(fake: FakeApi) -> None:
    http, into = Http("OpenAI"), io.BytesIO()
    headers = {"Authorization": f"Bearer {fake.key}"}
    exchange = http.send("GET", fake.base("openai") + "/files/none/content", b"", headers, into)
    assert (exchange.status, into.getvalue()) == (404, b"")
    assert "error" in exchange.body
    file = fake.batches.store("a", "batch", b"{}\n{}\n")
    exchange = http.send("GET", fake.base("openai") + f"/files/{file.id}/content", b"", headers, into)
    assert (exchange.status, into.getvalue()) == (200, b"{}\n{}\n")
