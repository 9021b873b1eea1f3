"""What goes wrong with an API on the command line: the exit code, who it was, and what to do."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_line import SMALL, Line, fake, line, written

from fakes.api import FakeApi
from idembed.errors import IdembedError
from idembed.models.api import call

__all__ = ["fake", "line"]

COMMANDS = {
    "encode": ("encode", "a question", "--model", SMALL),
    "sync": ("sync", "more.jsonl", "ok.db"),
    "sync of a new index": ("sync", "more.jsonl", "new.db", "--model", SMALL),
    "search": ("search", "ok.db", "a question"),
    "upgrade": ("upgrade", "ada.db", "--to", SMALL, "--yes"),
    "prove": ("prove", SMALL),
    "accept": ("models", "accept", SMALL, "--yes"),
}
NAMING = ["encode", "sync of a new index", "upgrade", "prove", "accept"]
"""Those that say which model."""
ADA = "openai:text-embedding-ada-002"


@pytest.fixture
def prepared(line: Line) -> Line:
    """With two indexes: ok.db, whose model is asked for again by a search and by more.jsonl, and ada.db of another."""
    written("rows.jsonl", "a cat", "a dog")
    written("more.jsonl", "a cat", "a dog", "a third text")
    for index, model in (("ok.db", SMALL), ("ada.db", ADA)):
        assert line("sync", "rows.jsonl", index, "--model", model, "--vault", "none", "-q")[0] == 0
    return line


def refused(line: Line, *command: str) -> tuple[int, str, str]:
    """The exit code, message and hint of a command that fails."""
    code, out, err = line(*command, "--json")
    error = json.loads(err)["error"]
    assert (out, error["exit_code"]) == ("", code)
    return code, error["message"], error["hint"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be reached is given up soon."""
    monkeypatch.setattr(call, "_UNREACHED", 0.02)
    monkeypatch.setattr("idembed.models.api.verdicts.backoff", lambda failures: 0.01)


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to the machine or to the provider, and what must be said of it."""

    spoil: Callable[[FakeApi, pytest.MonkeyPatch], None]
    message: str
    hint: str


def without_a_key(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("OPENAI_API_KEY")


def with_a_wrong_key(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPENAI_API_KEY", "sk-another-one-9876543210")


def with_a_broken_key(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPENAI_API_KEY", "sk-two\nlines")


def without_credit(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    fake.out_of_quota = True


def when_the_host_is_gone(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    fake.faults(cut=1.0)


def offline(fake: FakeApi, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("IDEMBED_OFFLINE", "1")


CASES = {
    "no key": Case(without_a_key, "there is no key for OpenAI: OPENAI_API_KEY is not set", "export OPENAI_API_KEY=…"),
    "wrong key": Case(
        with_a_wrong_key,
        "OpenAI, text-embedding-3-small: status 401",
        "the key is not accepted; it was taken from OPENAI_API_KEY: export OPENAI_API_KEY=… sets another",
    ),
    "broken key": Case(with_a_broken_key, "the key in OPENAI_API_KEY has characters that no key has", "copy it again"),
    "quota used up": Case(
        without_credit,
        "OpenAI, text-embedding-3-small: You exceeded your current quota",
        "the account's credit is used up: add some, or raise its limit, and run it again",
    ),
    "broken connections": Case(
        when_the_host_is_gone,
        "OpenAI, text-embedding-3-small: the connection to 127.0.0.1:",
        "look at the network, the proxy (HTTPS_PROXY), and the endpoint's address",
    ),
    "offline": Case(offline, "OpenAI cannot be asked: IDEMBED_OFFLINE is set", "unset it to use the network"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("impatient")
def test_what_the_model_cannot_do_is_code_4_and_says_what_to_do(
    prepared: Line, fake: FakeApi, monkeypatch: pytest.MonkeyPatch, case: str, command: str
) -> None:
    CASES[case].spoil(fake, monkeypatch)
    code, message, hint = refused(prepared, *COMMANDS[command])
    assert code == 4
    assert CASES[case].message in message
    assert CASES[case].hint in hint


@pytest.mark.parametrize("command", NAMING)
@pytest.mark.usefixtures("impatient")
def test_a_host_that_is_not_there_is_named(prepared: Line, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    code, message, hint = refused(prepared, *COMMANDS[command])
    assert code == 4
    assert message.startswith("OpenAI, text-embedding-3-small: 127.0.0.1:9 cannot be reached: ")
    assert "the endpoint's address" in hint


@pytest.mark.parametrize("command", NAMING)
@pytest.mark.usefixtures("impatient")
def test_a_proxy_that_is_not_there_is_named_without_its_password(
    prepared: Line, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.test/v1")
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://me:secret@127.0.0.1:9")
    code, message, hint = refused(prepared, *COMMANDS[command])
    assert code == 4
    through = "OpenAI, text-embedding-3-small: api.test cannot be reached through the proxy http://me:***@127.0.0.1:9: "
    assert message.startswith(through)
    assert "the proxy (HTTPS_PROXY)" in hint


def named(command: str, model: str) -> list[str]:
    """The command with another model."""
    return [model if word == SMALL else word for word in COMMANDS[command]]


@pytest.mark.parametrize("command", NAMING)
@pytest.mark.parametrize(
    ("model", "code", "message", "hint"),
    [
        (
            "openai:text-embedding-9",
            4,
            "OpenAI, text-embedding-9: status 404: The model `text-embedding-9` does not exist",
            "look at the model's name and the endpoint; idembed models lists what is known",
        ),
        (
            "openai:text-embedding-3-small?dimensions=5000",
            2,
            "text-embedding-3-small has no vectors of 5000 numbers",
            "it has 1 to 1536",
        ),
        ("openia:text-embedding-3-small", 4, "there is no provider 'openia'", "known are azure, bedrock, cohere,"),
        (
            "google:text-embedding-004",
            4,
            "google:text-embedding-004: Google ended it on 2026-01-14",
            "use google:gemini-embedding-2",
        ),
        (
            "vertex:text-embedding-005",
            4,
            "GOOGLE_CLOUD_PROJECT is not set",
            "export GOOGLE_CLOUD_PROJECT=…",
        ),
        (
            "azure:my-embeddings",
            4,
            "Azure OpenAI needs its address: AZURE_OPENAI_ENDPOINT is not set",
            "export AZURE_OPENAI_ENDPOINT=https://…",
        ),
        ("http://example.test/v1#m", 2, "in the clear", "IDEMBED_ALLOW_HTTP=1"),
        ("https://me:pw@example.test/v1#m", 2, "has a user or password in it", "environment"),
    ],
)
def test_a_name_that_cannot_be_asked_for(
    prepared: Line, command: str, model: str, code: int, message: str, hint: str
) -> None:
    found = refused(prepared, *named(command, model))
    assert found[0] == code
    assert message in found[1]
    assert hint in found[2]
    assert "pw" not in "".join(found[1:])
    assert not Path("new.db").exists()


def test_an_address_with_a_password_in_it_is_not_taken(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:hunter22@gateway.test/v1")
    code, message, hint = refused(line, "encode", "a text", "--model", SMALL)
    assert code == 2
    assert message == ("OpenAI: the address https://me:***@gateway.test/v1 has a user, a password or options in it")
    assert "a key has a variable of its own" in hint


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        (
            "sync",
            "the limit of less than $0.0001 is reached: $0.00 went for 0 texts",
            "run it again with a higher limit",
        ),
        ("sync of a new index", "the limit of less than $0.0001 is reached", "run it again with a higher limit"),
        ("upgrade", "this will cost less than $0.0001, and --max-cost is less than", "nothing was changed"),
    ],
)
def test_a_cost_limit_is_code_6(prepared: Line, fake: FakeApi, command: str, message: str, hint: str) -> None:
    before = len(fake.requests)
    code, said, advice = refused(prepared, *COMMANDS[command], "--max-cost", "0.00000001")
    assert code == 6
    assert message in said
    assert hint in advice
    assert len(fake.requests) == before


def test_what_a_limit_stopped_goes_on_with_a_higher_one(prepared: Line, fake: FakeApi) -> None:
    written("rows.jsonl", *(f"text number {n}" for n in range(50)))
    assert prepared("sync", "rows.jsonl", "new.db", "--model", SMALL, "--max-cost", "0.00000001")[0] == 6
    code, out, _ = prepared("sync", "rows.jsonl", "new.db", "--max-cost", "1", "--json")
    assert (code, json.loads(out)["embedded"]) == (0, 50)


def test_an_index_whose_model_is_gone_says_what_still_works(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import date

    from idembed.models.api import retired

    written("rows.jsonl", "a cat", "a dog")
    assert line("sync", "rows.jsonl", "old.db", "--model", SMALL)[0] == 0
    ended = retired.Retirement("openai", "text-embedding-3-*", date(2026, 1, 1), "openai:newer", "https://why")
    monkeypatch.setattr(retired, "RETIREMENTS", (ended,))
    monkeypatch.setitem(retired._DOMAINS, "openai", ("127.0.0.1",))
    code, _, err = line("search", "old.db", "a cat")
    assert code == 4
    assert "No question can be embedded any more: it can only be searched by row id, or by a vector" in err
    assert "idembed upgrade old.db --to openai:newer rebuilds it from the stored texts" in err
    code, out, _ = line("search", "old.db", "--id", "r0", "--json")
    assert (code, [hit["id"] for hit in json.loads(out)["hits"]]) == (0, ["r1"])
    assert "gone 2026-01-01" in line("status", "old.db")[1]


# Keys ------------------------------------------------------------------------------------------------------

KEY = "sk-Zq7xWv3nRt9kLm2pHj5sYd8fGb4cVa6e"


@pytest.mark.usefixtures("impatient")
def test_no_key_is_ever_shown_or_written(
    line: Line,
    fake: FakeApi,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    data = tmp_path / "data"
    monkeypatch.setenv("IDEMBED_DATA", str(data))
    monkeypatch.setenv("IDEMBED_DEBUG", "1")
    fake.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said: list[str] = []

    def run(*command: str) -> int:
        for form in (command, (*command, "--json")):
            code, out, err = line(*form)
            said.extend((out, err))
        return code

    written("rows.jsonl", *(f"text number {n}" for n in range(30)))
    assert run("sync", "rows.jsonl", "my.db", "--model", SMALL) == 0
    assert run("search", "my.db", "text number 3") == 0
    for kind in ("rate_limit", "rate_limit_bare", "server_error", "not_json", "cut", "nan"):
        fake.next_fault(kind)
    assert run("encode", "a text", "--model", SMALL) == 0
    assert run("prove", SMALL) == 0
    assert run("models", "accept", SMALL, "--yes") == 6  # it is what it was
    assert run("spend") == 0
    assert run("status", "my.db") == 0
    fake.out_of_quota = True
    assert run("search", "my.db", "another question") in (4, 5)
    fake.out_of_quota = False
    fake.key = "another key, so that this one is refused, and repeated in the error"
    assert run("encode", "another text", "--model", SMALL) == 4
    assert run("encode", "another text", "--model", "openai:text-embedding-9") == 4
    fake.faults(cut=1.0)
    assert run("encode", "a third text", "--model", SMALL) == 4
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nanother line")
    assert run("encode", "a fourth text", "--model", SMALL) == 4

    pieces = {KEY[at : at + 8] for at in range(len(KEY) - 7)}
    texts = "".join(said) + caplog.text
    assert "Traceback" in texts
    assert [piece for piece in pieces if piece in texts] == []
    files = [path for path in (*tmp_path.rglob("*"), *data.rglob("*")) if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".db", ".safetensors", ".jsonl"} <= kinds
    assert (data / "spend.jsonl") in files
    for path in files:
        content = path.read_bytes()
        assert [piece for piece in pieces if piece.encode() in content] == [], path


def test_a_key_that_the_provider_repeats_is_not_shown(line: Line, fake: FakeApi) -> None:
    fake.refuse("a text")
    message = f"this text is not to our liking; you sent Bearer {fake.key} and x{fake.key[3:14]}x"
    provider = fake.providers["openai"]
    plain = provider.refuse

    def repeating(refusal: object, *rest: object) -> object:
        reply = plain(refusal, *rest)  # type: ignore[arg-type]
        body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None}}).encode()
        return type(reply)(400, body, reply.headers)

    provider.refuse = repeating  # type: ignore[method-assign, assignment]
    code, _, err = line("encode", "a text", "--model", SMALL)
    assert code == 3
    assert "this text is not to our liking" in err
    assert "***" in err
    assert all(fake.key[at : at + 8] not in err for at in range(len(fake.key) - 7))


def test_a_person_reads_the_same_as_a_program(prepared: Line, fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_wrong_key(fake, monkeypatch)
    _, message, hint = refused(prepared, *COMMANDS["encode"])
    assert prepared(*COMMANDS["encode"]) == (4, "", f"error: {message}\n  hint: {hint}\n")


def test_errors_are_errors_of_ours(prepared: Line, fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_wrong_key(fake, monkeypatch)
    error = json.loads(prepared("encode", "x", "--model", SMALL, "--json")[2])["error"]
    assert error["type"] in {kind.__name__ for kind in IdembedError.__subclasses__()} | {"ApiError"}
    assert error["facts"] == {"provider": "openai", "model": "text-embedding-3-small", "status": 401}
