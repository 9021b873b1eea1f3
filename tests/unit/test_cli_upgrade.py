"""The commands that move an index to another model: upgrade, judge, switch, rollback, drop; exit codes and JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, jsonl, many, questions, run
from fake_models import FakeModel, FakeWords, rows

from idembed import models
from idembed.errors import DiskFullError, ModelNotFoundError
from idembed.stores.sqlite import SQLiteStore

__all__ = ["many", "run"]


def test_an_upgrade_from_one_end_to_the_other(run: Run, many: str) -> None:
    code, out, err = run("upgrade", many, "--to", "new", "--yes")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].startswith("new: 40 texts to embed, about 80 tokens, about ")
    assert lines[1] == "generation 2 (new): filled 40 rows, embedded 40 texts; complete"
    judge = "idembed judge many.db --queries Q.jsonl --qrels R.tsv (or --auto)"
    assert lines[2] == f"next: {judge}, idembed switch many.db 2"
    queries, qrels = questions(40)
    code, out, _ = run("judge", many, "--queries", queries, "--qrels", qrels, "--report", "report.html")
    assert code == 0
    assert out.startswith("GO. nDCG@10 is not lower by more than the margin of 0.01")
    assert out.endswith("wrote report.html\n")
    assert Path("report.html").read_text().startswith("<!DOCTYPE html>")
    assert run("switch", many) == (0, "generation 2 (new) is searched from now on\n", "")
    assert run("rollback", many) == (0, "generation 1 (old) is searched again\n", "")
    assert run("rollback", many)[1] == "generation 2 (new) is searched again\n"
    assert run("drop", many, "1", "--yes") == (0, "generation 1 (old) is gone\n", "")
    assert run("status", many)[1].count("\n") == 1


def test_nothing_is_built_or_dropped_without_a_yes(run: Run, many: str) -> None:
    code, out, err = run("upgrade", many, "--to", "new")
    assert (code, out, err.splitlines()[1]) == (6, "", "  hint: nothing was changed; --yes says yes")
    assert err.startswith("error: new: 40 texts to embed, about 80 tokens, about ")
    assert "MB of disk. Build them in many.db? Nobody can be asked here" in err
    assert run("status", many)[1].count("\n") == 1
    run("upgrade", many, "--to", "new", "--yes")
    assert run("drop", many, "2")[0] == 6
    assert run("rebuild", many)[0] == 6
    assert run("status", many)[1].count("\n") == 2


def test_of_several_that_are_being_built_the_next_steps_name_this_one(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--until", "5%", "--yes")
    out = run("upgrade", many, "--to", "other", "--yes")[1]
    judge = "idembed judge many.db --generation 3 --queries Q.jsonl --qrels R.tsv (or --auto)"
    assert out.splitlines()[2] == f"next: {judge}, idembed switch many.db 3"


def test_a_part_is_built_with_the_rows_that_are_judged(run: Run, many: str) -> None:
    _, qrels = questions(3)
    document = json.loads(run("upgrade", many, "--to", "new", "--until", "1%", "--qrels", qrels, "--yes", "--json")[1])
    assert (document["rows"] in (3, 4), document["complete"]) == (True, False)
    assert run("upgrade", many, "--to", "new", "--until", "200%", "--yes")[0] == 2
    assert run("upgrade", many, "--to", "new", "--until", "some", "--yes")[0] == 2


def test_what_would_cost_more_than_allowed_is_not_begun(run: Run, many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeModel, "dollars_per_million_tokens", 1_000_000.0, raising=False)
    code, _, err = run("upgrade", many, "--to", "new", "--yes", "--max-cost", "10")
    assert code == 6
    assert err.startswith("error: this will cost about $80.00, and --max-cost is $10.00")
    assert run("status", many)[1].count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("upgrade many.db --to nowhere --throttle 0", "--throttle 0: it is a number of texts a second, more than 0"),
        ("upgrade many.db --to nowhere --throttle nan", "--throttle nan: it is a number of texts"),
        ("upgrade many.db --to nowhere --max-cost nan", "--max-cost nan: it is a number of dollars"),
        ("upgrade many.db --to nowhere --max-cost -1", "--max-cost -1: it is a number of dollars"),
        ("rebuild many.db --throttle -1", "--throttle -1: it is a number of texts"),
        ("upgrade many.db --to new --until 5% --by color --yes", "by='color': no row of many.db has this key"),
        ("judge many.db --queries q.jsonl --qrels r.tsv --questions 9", "--questions is for --auto"),
        ("verify many.db --all --sample 9", "--all and --sample exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_done(
    run: Run, many: str, arguments: str, says: str
) -> None:
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {says}")
    assert run("status", many)[1].count("\n") == 1


def test_judge_exit_codes(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--yes")
    queries, qrels = questions(5)
    assert run("judge", many, "--queries", queries, "--qrels", qrels)[0] == 11
    code, out, _ = run("judge", many, "--auto", "--json")  # texts of two words make no questions
    assert (code, out) == (3, "")
    assert run("judge", many)[0] == 2
    assert run("judge", many, "--queries", queries)[0] == 2
    assert run("judge", many, "--auto", "--queries", queries, "--qrels", qrels)[0] == 2
    document = json.loads(run("judge", many, "--queries", queries, "--qrels", qrels, "--json")[1])
    assert document["verdict"] == "INCONCLUSIVE"


def test_a_no_go_exits_with_10_and_is_not_switched_to_unless_forced(
    run: Run, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("upgrade", many, "--to", "new", "--yes")
    embed = FakeModel.embed

    def worse(self: FakeModel, texts: Any, side: Any = "document", **options: Any) -> Any:
        wrong = side == "query" and self.name == "new"
        return embed(self, [f"not {text}" for text in texts] if wrong else texts, side, **options)

    monkeypatch.setattr(FakeModel, "embed", worse)
    queries, qrels = questions(40)
    code, out, _ = run("judge", many, "--queries", queries, "--qrels", qrels)
    assert (code, out[:6]) == (10, "NO-GO.")
    code, _, err = run("switch", many)
    assert code == 6
    assert err.startswith("error: generation 2 (new) was judged NO-GO: nDCG@10 is lower")
    assert run("switch", many, "--force")[0] == 0


def test_switch_warns_when_nothing_was_judged(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--yes")
    code, _, err = run("switch", many)
    assert (code, err[:45]) == (0, "warning: nothing was judged: idembed judge co")


def test_an_unfinished_generation_exits_with_6(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--until", "50%", "--yes")
    code, _, err = run("switch", many)
    assert code == 6
    assert "20 rows have no vectors in it" in err
    assert run("rollback", many)[0] == 2


def test_search_blends(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--until", "50%", "--yes")
    code, out, _ = run("search", many, "text 7", "-k", "1", "--blend")
    assert (code, out) == (0, "0.0328\tr7\ttext 7\n")
    assert run("search", many, "text 7", "-k", "1")[1] == "1.0000\tr7\ttext 7\n"


# What is asked before --------------------------------------------------------------------------------------


def test_the_rows_of_qrels_are_in_the_estimate_and_so_are_asked_about(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--until", "5%", "--yes")
    _, qrels = questions(30)
    part = ("upgrade", many, "--to", "new", "--until", "5%")
    code, out, _ = run(*part)
    assert (code, out.splitlines()[0]) == (0, "new: nothing to embed")
    for options in ([], ["-q"], ["--json"]):
        code, out, err = run(*part, "--qrels", qrels, *options)
        assert (code, out) == (6, "")
        assert "texts to embed, about" in err
        assert "Build them in many.db? Nobody can be asked here" in err
    assert run("status", many)[1].splitlines()[1].split("\t")[4:6] == ["2", "38"]
    document = json.loads(run(*part, "--qrels", qrels, "--yes", "--json")[1])
    assert f"new: {document['embedded']} texts to embed" in err
    assert document["embedded"] >= 28


@pytest.mark.parametrize("option", [("--by", "kind"), ("--qrels", "r.tsv")])
def test_what_is_for_a_part_needs_a_part(run: Run, many: str, option: tuple[str, str]) -> None:
    questions(3)
    code, out, err = run("upgrade", many, "--to", "new", *option, "--yes")
    assert (code, out) == (2, "")
    assert err == "error: --by and --qrels are for a part of the rows\n  hint: say how many: --until 5%\n"
    assert run("status", many)[1].count("\n") == 1


class Terminal(io.StringIO):
    """Standard input with somebody at it, who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", Terminal(text))


def test_a_no_changes_nothing(run: Run, many: str, type_in: Callable[[str], None]) -> None:
    run("upgrade", many, "--to", "new", "--yes")
    before = run("status", many)[1]
    for command in (
        ("upgrade", many, "--to", "other"),
        ("rebuild", many),
        ("drop", many, "2"),
    ):
        for answer in ("n\n", "no\n", "\n", "", "what?\nN\n"):
            type_in(answer)
            code, out, err = run(*command)
            assert (code, out) == (6, ""), command
            assert err.endswith("[y/N]: nothing was changed\n" if answer else "[y/N]: \nnothing was changed\n")
            assert "error" not in err
            assert err.count("[y/N]: ") == answer.count("\n") + (not answer)
    assert run("status", many)[1] == before


def test_a_no_is_an_error_for_programs(run: Run, many: str, type_in: Callable[[str], None]) -> None:
    type_in("n\n")
    code, out, err = run("rebuild", many, "--json")
    error = json.loads(err.partition("[y/N]: ")[2])["error"]
    assert (code, out, error["type"], error["exit_code"]) == (6, "", "RefusedError", 6)


def test_files_that_are_not_there_are_told_what_they_should_be(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--yes")
    code, _, err = run("judge", many, "--queries", "nope", "--qrels", "nope")
    assert (code, err.splitlines()[1][:26]) == (3, "  hint: questions are line")
    code, _, err = run("verify", many, "--lock", "nope")
    assert (code, err.splitlines()[1]) == (3, "  hint: idembed lock INDEX > FILE makes a lock")


def test_a_yes_does_it_and_standard_output_has_the_results_alone(
    run: Run, many: str, type_in: Callable[[str], None]
) -> None:
    type_in("y\n")
    code, out, err = run("upgrade", many, "--to", "new", "--json")
    assert (code, json.loads(out)["complete"]) == (0, True)
    assert out.startswith("{")
    assert err.startswith("new: 40 texts to embed, about 80 tokens, about ")
    assert err.endswith(" MB of disk. Build them in many.db? [y/N]: ")
    type_in("YES\n")
    code, out, err = run("drop", many, "2", "-q")
    assert (code, out) == (0, "")
    assert err == "Remove generation 2 (new, building) of many.db for good? [y/N]: "


def test_a_question_cannot_act_on_a_terminal(
    run: Run, many: str, type_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = FakeModel("new\x1b[2J\x1b]0;title\x07\u202e")
    monkeypatch.setattr(models, "load", lambda name: evil)
    type_in("y\n")
    code, _, err = run("upgrade", many, "--to", "new")
    assert (code, err[:22]) == (0, "new: 40 texts to embed")
    type_in("n\n")
    assert run("drop", many, "2")[2].startswith("Remove generation 2 (new, building) of many.db for good? [y/N]: ")


# Rows without vectors --------------------------------------------------------------------------------------


def test_a_resumed_upgrade_still_exits_with_8(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    jsonl("a.jsonl", *rows("a:a cat", "b:a dog", "x1:xxx", "x2:xx"))
    run("sync", "a.jsonl", "a.db", "--model", "old")
    Path("r.tsv").write_text("q\tx1\t1\nq\ta\t1\n")
    monkeypatch.setattr(models, "load", lambda name: FakeWords("words") if name == "words" else FakeModel(name))
    upgrade = ("upgrade", "a.db", "--to", "words", "--on-empty", "skip", "--yes")
    assert run(*upgrade, "--until", "1%", "--qrels", "r.tsv")[0] == 8
    code, _, err = run(*upgrade)
    assert code == 8
    assert err.startswith("warning: generation 2 has 2 rows without a vector:\nwarning: ")
    assert "warning: x1: no vector, as was found before\n" in err
    code, out, err = run(*upgrade, "--json")  # with nothing left to do
    document = json.loads(out)
    assert (code, err, [row for row, _ in document["skipped"]]) == (8, "", ["x1", "x2"])
    assert document["warnings"] == ["generation 2 has 2 rows without a vector"]


def test_a_row_with_vectors_for_some_parts_is_no_8(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    jsonl("a.jsonl", *rows("some:known words. xxxx xxxxx. more words.", "all:known words."))
    run("sync", "a.jsonl", "a.db", "--model", "old", "--split", "12")
    monkeypatch.setattr(models, "load", lambda name: FakeWords("words"))
    code, _, err = run("upgrade", "a.db", "--to", "words", "--on-empty", "skip", "--yes")
    assert code == 0
    assert err == (
        "warning: generation 2 has 1 row with vectors for some parts only:\nwarning: some: no known word in part 1\n"
    )


# judge -----------------------------------------------------------------------------------------------------


@pytest.fixture
def built(run: Run, many: str) -> str:
    """The index with a complete generation of the model new beside the one of old."""
    run("upgrade", many, "--to", "new", "--yes")
    return many


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a question fails."""

    def ask(*_: Any, **__: Any) -> Any:
        raise AssertionError("a question was asked")

    monkeypatch.setattr("idembed.index.trial.query_vectors", ask)


def judge(many: str, count: int, *options: str) -> tuple[str, ...]:
    queries, qrels = questions(count)
    return ("judge", many, "--queries", queries, "--qrels", qrels, *options)


@pytest.mark.parametrize("margin", ["1", "1.5", "-0.1", "nan", "inf", "much"])
def test_a_margin_that_is_none_exits_with_2_before_anything_is_asked(
    run: Run, built: str, unasked: None, margin: str
) -> None:
    code, out, err = run(*judge(built, 40, "--margin", margin))
    assert (code, out) == (2, "")
    assert "margin" in err


def test_a_margin_of_nothing_is_one(run: Run, built: str) -> None:
    assert run(*judge(built, 40, "--margin", "0"))[0] == 0


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_so_many_questions_cannot_be_made(run: Run, built: str, unasked: None, count: str) -> None:
    assert run("judge", built, "--auto", "--questions", count)[:2] == (2, "")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("nowhere/judge.html", "nowhere/judge.html cannot be written: there is no folder "),
        ("folder", "folder cannot be written: it is a folder"),
        ("closed/judge.html", "closed/judge.html cannot be written: the folder "),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_asked(
    run: Run, built: str, unasked: None, monkeypatch: pytest.MonkeyPatch, report: str, says: str
) -> None:
    Path("folder").mkdir()
    Path("closed").mkdir()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "closed" not in str(path) and allowed(path, mode))
    code, out, err = run(*judge(built, 40, "--report", report))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {says}")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_verdict_is_told_even_if_the_report_then_fails(
    run: Run, built: str, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def full(*_: Any) -> Any:
        raise DiskFullError("judge.html cannot be written: no space left")

    monkeypatch.setattr("idembed.durable.durable", full)
    code, out, err = run(*judge(built, 40, "--report", "judge.html", *(["--json"] if as_json else [])))
    assert code == 5
    assert "no space left" in err
    assert json.loads(out)["verdict"] == "GO" if as_json else out.startswith("GO. ")


def test_an_index_that_cannot_be_written_is_judged_with_a_warning(
    run: Run, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = SQLiteStore._open
    monkeypatch.setattr(SQLiteStore, "_open", lambda self, create, read_only: opened(self, create, True))
    code, out, err = run(*judge(built, 40))
    assert (code, out[:3]) == (0, "GO.")
    assert err.startswith("warning: the verdict was not recorded, so that a switch does not know it: many.db is open")
    code, out, err = run(*judge(built, 40, "--json"))
    document = json.loads(out)
    assert (code, err, document["verdict"]) == (0, "", "GO")
    assert document["warnings"][0].startswith("the verdict was not recorded")


def test_questions_that_no_row_answers_are_said_to_be_left_out(run: Run, built: str) -> None:
    code, out, _ = run(*judge(built, 65, "--report", "judge.html"))
    assert code == 0
    assert "note: 25 of 65 questions were left out: no row that both generations have answers them." in out
    assert "25 of 65 questions were left out" in Path("judge.html").read_text("utf-8")
    document = json.loads(run(*judge(built, 65, "--json"))[1])
    assert (document["questions_dropped"], len(document["scores"])) == (25, 40)
    Path("r.tsv").write_text("1\tdoc-1\t1\n")
    code, out, err = run("judge", built, "--queries", "q.jsonl", "--qrels", "r.tsv")
    assert (code, out) == (3, "")
    assert err.startswith("error: no question is answered by a row of many.db\n")


def test_short_rows_make_no_questions_and_that_is_said(run: Run, built: str) -> None:
    code, out, err = run("judge", built, "--auto")
    assert (code, out) == (3, "")
    assert err.startswith("error: many.db: no question can be made of 40 rows with fewer than 6 words each")
    assert "build more" not in err


def test_questions_that_are_cut_are_a_warning_of_the_command_line(run: Run, built: str) -> None:
    jsonl("q.jsonl", {"_id": "1", "text": "word " * 60}, {"_id": "2", "text": "text 2"})
    Path("r.tsv").write_text("1\tr1\t1\n2\tr2\t1\n")
    asked = ("judge", built, "--queries", "q.jsonl", "--qrels", "r.tsv")
    says = [f"1 of 2 questions were cut to the 50 tokens that {name} reads" for name in ("old", "new")]
    assert run(*asked)[2] == "".join(f"warning: {line}\n" for line in says)
    assert run(*asked, "--quiet")[2] == ""
    _, out, err = run(*asked, "--json")
    assert (json.loads(out)["warnings"], err) == (says, "")


def test_a_model_that_was_moved_can_be_named(run: Run, built: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"old": "a", "new": "b"}
    moved = {where[name]: FakeModel(name) for name in where}

    def load(name: str) -> FakeModel:
        if name not in moved:
            raise ModelNotFoundError(f"there is no model {name}")
        return moved[name]

    monkeypatch.setattr(models, "load", load)
    assert run(*judge(built, 40))[0] == 4
    assert run(*judge(built, 40, "--model", "a", "--model", "b"))[0] == 0


# switch, rollback, drop ------------------------------------------------------------------------------------


def test_a_verdict_on_a_part_is_warned_of_at_the_switch(run: Run, many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("upgrade", many, "--to", "new", "--until", "60%", "--yes")
    run(*judge(many, 40))
    run("upgrade", many, "--to", "new", "--yes")
    monkeypatch.setattr("idembed.cli.output.Output.styled", True)
    assert (
        run("status", many)[1]
        .splitlines()[2]
        .endswith("judged GO on 24 of 40 rows (nDCG@10 +0.000, interval +0.000 to +0.000, margin 0.01)")
    )
    code, out, err = run("switch", many)
    assert (code, out) == (0, "generation 2 (new) is searched from now on\n")
    assert err.startswith("warning: it was judged on 24 of 40 rows, where less is in the way")


@pytest.mark.parametrize("command", [("switch",), ("drop", "--yes")])
def test_there_is_no_generation_0(run: Run, built: str, command: tuple[str, ...]) -> None:
    name, *options = command
    code, out, err = run(name, built, "0", *options)
    assert (code, out) == (2, "")
    assert err.startswith("error: many.db: there is no ")
    assert "generation 0\n  hint: generations: 1 (active, old), 2 (building, new)" in err
    assert run(*judge(built, 40, "--generation", "0"))[0] == 2


def test_the_documents_of_a_switch_and_back_and_a_drop(run: Run, built: str) -> None:
    unjudged = "nothing was judged: idembed judge compares the two on questions before a switch"
    assert json.loads(run("switch", built, "--json")[1]) == {
        "index": "many.db",
        "active": 2,
        "model": "new",
        "warnings": [unjudged],
    }
    assert json.loads(run("rollback", built, "--json")[1]) == {
        "index": "many.db",
        "active": 1,
        "model": "old",
        "warnings": [],
    }
    assert json.loads(run("drop", built, "2", "--yes", "--json")[1]) == {
        "index": "many.db",
        "dropped": 2,
        "model": "new",
        "warnings": [],
    }
    error = json.loads(run("rollback", built, "--json")[2])["error"]
    assert (error["exit_code"], error["message"]) == (2, "many.db has no generation on standby")
