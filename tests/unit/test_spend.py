"""What was spent on APIs: written down as it is spent, added up later."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import Run, run

from idembed.errors import IdembedError, OptionError
from idembed.models.api.adapter import Price
from idembed.models.api.spend import Purpose, Spending, Total, cost, ledger, record, spendings, together, totals

__all__ = ["run"]

SMALL = Price(0.02, "2026-11-25", "https://prices", batch=0.5)
LARGE = Price(0.13, "2026-10-01", "https://prices")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def spend(
    model: str = "small",
    tokens: int = 1_000_000,
    *,
    purpose: Purpose = "document",
    price: Price | None = SMALL,
    estimated: bool = False,
    at: datetime = NOON,
) -> Spending:
    """One request for 10 texts of OpenAI's."""
    return record(
        "openai", model, purpose, requests=1, texts=10, tokens=tokens, price=price, estimated=estimated, now=at
    )


# Writing ------------------------------------------------------------------------------------------


def test_a_line_says_all_that_was_paid_for_and_nothing_else() -> None:
    spend()
    assert ledger() == Path(os.environ["IDEMBED_DATA"]) / "spend.jsonl"
    assert [json.loads(line) for line in ledger().read_text().splitlines()] == [
        {
            "time": "2026-11-25T12:00:00Z",
            "provider": "openai",
            "model": "small",
            "purpose": "document",
            "requests": 1,
            "texts": 10,
            "tokens": 1_000_000,
            "dollars": 0.02,
            "priced": "2026-11-25",
            "estimated": False,
        }
    ]


def test_what_is_written_is_what_is_read() -> None:
    written = [spend(), spend("large", price=None, purpose="query", estimated=True), spend(purpose="probe")]
    assert list(spendings()) == written


def test_it_is_nobody_elses_business() -> None:
    spend()
    assert ledger().stat().st_mode & 0o777 == 0o600
    assert ledger().parent.stat().st_mode & 0o777 == 0o700


def test_prices() -> None:
    assert cost(3_000_000, SMALL) == pytest.approx(0.06)
    assert cost(3_000_000, SMALL, "batch") == pytest.approx(0.03)
    assert cost(1_000_000, LARGE, "batch") == pytest.approx(0.13)  # there is no price of its own
    assert cost(1, None) is None


def test_lines_of_several_processes_do_not_mix() -> None:
    code = (
        "from idembed.models.api.spend import record\n"
        "for _ in range(200): record('openai', 'm' * 500, 'query', requests=1, texts=1, tokens=1, price=None)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert sum(one.tokens for one in spendings()) == 600


def test_a_ledger_that_cannot_be_written_hinders_no_work_and_is_told_once(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IDEMBED_DATA", str(tmp_path / "file"))
    assert spend().dollars == 0.02
    spend()
    (said,) = caplog.messages
    assert said.startswith("what was spent cannot be written down")


# Reading ------------------------------------------------------------------------------------------


def test_nothing_was_spent_where_there_is_no_ledger() -> None:
    assert list(spendings()) == []


def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    spend(tokens=1)
    with ledger().open("ab") as file:
        file.write(b'{"time": "2026-11-25T12:00:00Z", "provi')
    assert [one.tokens for one in spendings()] == [1]
    assert caplog.messages == [f"{ledger()}: 1 damaged line left out"]
    spend(tokens=2)
    assert [one.tokens for one in spendings()] == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"time": "2026-11-25T12:00:00"},  # of which zone?
        {"tokens": "1"},
        {"tokens": True},
        {"dollars": float("nan")},
        {"dollars": "2"},
        {"provider": None},
        {"priced": 3},
    ],
)
def test_a_record_that_makes_no_sense_is_left_out(change: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    spend()
    good = json.loads(ledger().read_text())
    ledger().write_text(f"[]\n\xff\n{json.dumps(good | change)}\n", "latin-1")
    assert list(spendings()) == []
    assert caplog.messages == [f"{ledger()}: 3 damaged lines left out"]


def test_what_a_later_version_adds_is_passed_over() -> None:
    written = spend()
    ledger().write_text(json.dumps(json.loads(ledger().read_text()) | {"colour": "red"}))
    assert list(spendings()) == [written]


def test_since() -> None:
    for hours in range(4):
        spend(tokens=hours, at=NOON + timedelta(hours=hours))
    assert [one.tokens for one in spendings(NOON + timedelta(hours=2))] == [2, 3]


def test_a_ledger_that_cannot_be_read_is_an_error() -> None:
    ledger().mkdir(parents=True)
    with pytest.raises(IdembedError, match=r"spend\.jsonl cannot be read"):
        list(spendings())


# Adding up ----------------------------------------------------------------------------------------


def test_by_model() -> None:
    spend()
    spend(tokens=500_000, estimated=True)
    spend("large", price=LARGE)
    spend("large", price=None, tokens=7)
    assert totals(spendings()) == [
        Total("openai:large", 2, 20, 1_000_007, 0.13, 7, 0, ("2026-10-01", "2026-10-01")),
        Total("openai:small", 2, 20, 1_500_000, 0.03, 0, 500_000, ("2026-11-25", "2026-11-25")),
    ]


def test_by_day_and_month_of_utc() -> None:
    spend(tokens=1, at=datetime.fromisoformat("2026-12-01T00:30:00+01:00"))
    spend(tokens=2, at=datetime.fromisoformat("2026-12-01T01:30:00+01:00"))
    spend(tokens=4, at=NOON)
    assert [(one.key, one.tokens) for one in totals(spendings(), "day")] == [
        ("2026-11-25", 4),
        ("2026-11-30", 1),
        ("2026-12-01", 2),
    ]
    assert [(one.key, one.tokens) for one in totals(spendings(), "month")] == [("2026-11", 5), ("2026-12", 2)]


def test_all_together() -> None:
    spend(), spend("large", price=LARGE), spend("free", price=None)
    found = together(totals(spendings()))
    assert found.as_dict() == {
        "key": "total",
        "requests": 3,
        "texts": 30,
        "tokens": 3_000_000,
        "dollars": 0.15,
        "unpriced": 1_000_000,
        "estimated": 0,
        "priced": ("2026-10-01", "2026-11-25"),
    }
    assert together([]).priced is None


def test_there_is_no_other_way_to_add_up() -> None:
    with pytest.raises(OptionError, match="by='year': it is model, day or month"):
        totals([], "year")  # type: ignore[arg-type]


# The command line ---------------------------------------------------------------------------------


def test_in_a_pipe_there_are_fields(run: Run) -> None:
    spend(), spend("large", price=LARGE, tokens=2_000_000, estimated=True), spend("free", price=None)
    assert run("spend") == (
        0,
        "openai:free\t0.000000\t1000000\t10\t1\t1000000\t0\n"
        "openai:large\t0.260000\t2000000\t10\t1\t0\t2000000\n"
        "openai:small\t0.020000\t1000000\t10\t1\t0\t0\n",
        "",
    )


def test_a_person_reads_sentences(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idembed.cli.output.Output.styled", True)
    assert run("spend")[1] == "nothing was spent\n"
    spend(tokens=6_000_000), spend("large", price=LARGE, tokens=20, estimated=True), spend("free", price=None)
    assert run("spend", "--since", "2026-11-01")[1].splitlines() == [
        "$0.12 for 7,000,020 tokens (30 texts, 3 requests) since 2026-11-01 00:00 UTC, "
        "at prices of 2026-10-01 to 2026-11-25",
        "openai:free: a price not known for 1,000,000 tokens (10 texts, 1 request)",
        "openai:large: less than $0.0001 for 20 tokens (10 texts, 1 request)",
        "openai:small: $0.12 for 6,000,000 tokens (10 texts, 1 request)",
        "the price of 1,000,000 tokens is not known: they are not in the dollars",
        "20 tokens were estimated: the provider did not count them",
    ]


def test_as_one_document(run: Run) -> None:
    spend()
    code, out, _ = run("spend", "--json", "--by", "month", "--since", "2026-11-01")
    one = {
        "requests": 1,
        "texts": 10,
        "tokens": 1_000_000,
        "dollars": 0.02,
        "unpriced": 0,
        "estimated": 0,
        "priced": ["2026-11-25", "2026-11-25"],
    }
    assert code == 0
    assert json.loads(out) == {
        "ledger": str(ledger()),
        "since": "2026-11-01T00:00:00+00:00",
        "by": "month",
        "total": {"key": "total", **one},
        "spent": [{"key": "2026-11", **one}],
        "warnings": [],
    }


def test_since_an_age_or_a_date(run: Run) -> None:
    now = datetime.now(UTC)
    spend("old", at=now - timedelta(days=31)), spend("new", at=now - timedelta(days=29))
    assert run("spend", "--since", "30d")[1].startswith("openai:new\t")
    assert len(run("spend", "--since", "2020-01-01")[1].splitlines()) == 2
    assert run("spend", "--since", "2200-01-01")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "soon"), "--since 'soon': it is an age such as 30d or 12h, or a date such as 2026-11-01"),
        (("--since", "99999999999d"), "--since '99999999999d': it is an age"),
        (("--by", "year"), "--by 'year': it takes model, day or month"),
    ],
)
def test_options_that_make_no_sense(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, _, err = run("spend", *arguments)
    assert code == 2
    assert said in err.replace("\n", " ")


def test_damage_is_warned_of(run: Run) -> None:
    spend()
    with ledger().open("ab") as file:
        file.write(b"{")
    assert json.loads(run("spend", "--json")[1])["warnings"] == [f"{ledger()}: 1 damaged line left out"]


def test_nothing_is_logged_when_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        spend()
        list(spendings())
    assert caplog.messages == []
