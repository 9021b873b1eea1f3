"""Indexes of an API on the command line: what is planned, done, shown and paid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_line import SMALL, Line, fake, line, written

from fakes.api import FakeApi
from idembed import Index
from idembed.cli.progress import Bars
from idembed.index import Progress
from idembed.shown import dollars_of, shell_word

__all__ = ["fake", "line"]

DEAR = f"{SMALL}&price=1000"
TEXTS = [f"this is the text of row number {n}" for n in range(60)]


def test_a_plan_tells_what_it_will_cost_and_asks_for_nothing(line: Line, fake: FakeApi) -> None:
    code, out, err = line("plan", written("rows.jsonl", *TEXTS), "my.db", "--model", DEAR)
    assert (code, err) == (0, "")
    assert f"{DEAR}: 60 texts to embed, about " in out
    assert "tokens, about $0." in out
    assert " here" not in out
    assert fake.requests == []


def test_a_sync_says_what_it_cost(line: Line) -> None:
    code, out, err = line("sync", written("rows.jsonl", *TEXTS), "my.db", "--model", DEAR)
    assert (code, err) == (0, "")
    report, _, cost = out.rstrip("\n").partition("; ")
    assert report == "embedded 60, reused 0, updated 0, deleted 0"
    assert cost.startswith("$")
    again = line("sync", "rows.jsonl", "my.db")[1]
    assert again == "embedded 0, reused 60, updated 0, deleted 0\n"


def test_documents_have_the_dollars(line: Line, fake: FakeApi) -> None:
    document = json.loads(line("sync", written("rows.jsonl", *TEXTS), "my.db", "--model", DEAR, "--json")[1])
    paid = sum(request.tokens for request in fake.requests)
    assert document["dollars"] == pytest.approx(paid * 1000 / 1e6)
    assert 0 < document["tokens"] < paid  # the rest were probes
    spent = json.loads(line("spend", "--json")[1])["total"]
    assert (spent["tokens"], spent["dollars"]) == (paid, pytest.approx(document["dollars"]))


def test_a_limit_bounds_a_sync_and_the_next_one_goes_on(line: Line) -> None:
    written("rows.jsonl", *TEXTS)
    code, _, err = line("sync", "rows.jsonl", "my.db", "--model", DEAR, "--max-cost", "0.0001")
    assert code == 6
    assert err.startswith("error: the limit of $0.0001 is reached: ")
    assert line("sync", "rows.jsonl", "my.db", "--max-cost", "20", "-q")[0] == 0
    assert json.loads(line("status", "my.db", "--json")[1])["rows"] == 60


def test_an_upgrade_says_what_it_will_cost_and_what_it_cost(line: Line) -> None:
    line("sync", written("rows.jsonl", *TEXTS), "my.db", "--model", "openai:text-embedding-ada-002", "-q")
    code, out, _ = line("upgrade", "my.db", "--to", DEAR)
    assert (code, out) == (6, "")
    code, out, _ = line("upgrade", "my.db", "--to", DEAR, "--yes")
    estimate, report, following = out.splitlines()
    assert code == 0
    assert "tokens, about $0." in estimate
    assert ": filled 60 rows, embedded 60 texts; complete; $" in report
    assert following.endswith("idembed switch my.db 2")
    assert json.loads(line("upgrade", "my.db", "--to", DEAR, "--yes", "--json")[1])["embedded"] == 0


def test_a_name_in_a_next_step_can_be_typed(line: Line) -> None:
    line("sync", written("rows.jsonl", *TEXTS), "my.db", "--model", "openai:text-embedding-ada-002", "-q")
    out = line("upgrade", "my.db", "--to", SMALL, "--until", "5%", "--yes")[1]
    assert out.splitlines()[-1].endswith(f"idembed upgrade my.db --to '{SMALL}'")


def test_a_throttle_holds_for_an_api(line: Line, fake: FakeApi) -> None:
    written("rows.jsonl", *TEXTS[:4])
    line("prove", SMALL, "-q")
    assert line("sync", "rows.jsonl", "my.db", "--model", SMALL, "--throttle", "1000", "-q")[0] == 0
    assert line("sync", "rows.jsonl", "my.db", "--throttle", "0")[0] == 2


@pytest.mark.parametrize(("how", "code"), [("skip", 8), ("error", 3)])
def test_a_text_that_was_cut_once_is_not_taken_where_cutting_is_not_allowed(line: Line, how: str, code: int) -> None:
    written("rows.jsonl", "word " * 9000, "a short one")
    assert line("sync", "rows.jsonl", "cut.db", "--model", SMALL)[0] == 0
    assert line("search", "cut.db", "a word", "--where", "$truncated=true")[1].split("\t")[1] == "r0"
    found, _, err = line("sync", "rows.jsonl", "whole.db", "--model", SMALL, "--on-long", how)
    assert found == code
    assert "r0" in err
    assert "reads 8,192" in err


@pytest.mark.parametrize("command", ["sync", "upgrade"])
def test_progress_counts_what_an_api_read_and_what_it_costs(line: Line, command: str) -> None:
    seen: list[Progress] = []
    rows = [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)]
    with Index("my.db", model=DEAR if command == "sync" else "openai:text-embedding-ada-002") as index:
        report: Any = index.sync(rows, progress=seen.append if command == "sync" else None)
        if command == "upgrade":
            report = index.upgrade(DEAR, progress=seen.append)
    embedding = [one for one in seen if one.phase == "embedding"]
    assert embedding[-1] == Progress("embedding", 60, 60, report.tokens, report.dollars)
    assert report.dollars > 0
    assert [one.done for one in embedding] == sorted(one.done for one in embedding)
    assert [one.tokens for one in embedding] == sorted(one.tokens for one in embedding)
    assert not any(one.tokens or one.dollars for one in seen if one.phase != "embedding")


@pytest.mark.parametrize(
    ("progress", "paid"),
    [
        (Progress("embedding", 3, 10), ""),
        (Progress("embedding", 3, 10, 1200), "1,200 tokens"),
        (Progress("embedding", 3, 10, 1200, 0.0024), "1,200 tokens, $0.0024"),
        (Progress("embedding", 0, 10, 0, 12.5), "$12.50"),
    ],
)
def test_a_bar_shows_tokens_and_dollars(progress: Progress, paid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Any, Any]] = []
    bars = Bars(quiet=True)
    monkeypatch.setattr(bars, "update", lambda *fields, **more: shown.append((fields, more)))
    bars.follow(progress)
    assert shown == [(("embedding", progress.done, 10), {"paid": paid})]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "$0.00"), (0.00001, "less than $0.0001"), (0.0042, "$0.0042"), (0.1, "$0.10"), (1234.5, "$1,234.50")],
)
def test_dollars(value: float, shown: str) -> None:
    assert dollars_of(value) == shown


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("bedrock:amazon.titan-embed-text-v2:0", "bedrock:amazon.titan-embed-text-v2:0"),
        (SMALL, f"'{SMALL}'"),
        ("http://localhost:8080/v1#m", "'http://localhost:8080/v1#m'"),
        ("./my model", "'./my model'"),
        (r"C:\models\pets.w2v", r"C:\models\pets.w2v"),
    ],
)
def test_a_word_of_a_command(word: str, typed: str) -> None:
    assert shell_word(word) == typed
