"""The commands that look at an index, verify, lock, rebuild, copy and clean: what they print, and exit codes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, jsonl, many, run
from fake_models import FakeModel, FakeWords, rows

from idembed import models
from idembed.errors import DamagedError, ModelNotFoundError
from idembed.index import Index
from idembed.space import address
from idembed.stores.sqlite import SQLiteStore
from idembed.vault import Vault

__all__ = ["many", "run"]

URL = "postgresql://me:secret@host/db"


@pytest.fixture
def pets(run: Run) -> str:
    jsonl("pets.jsonl", *rows("cat:a cat", "dog:a dog", "fox:a fox", kind="pet"))
    assert run("sync", "pets.jsonl", "pets.db", "--model", "old", "-q")[0] == 0
    return "pets.db"


def edit(sql: str) -> None:
    with closing(sqlite3.connect("pets.db")) as connection, connection:
        connection.execute(sql)


# plan, sync ------------------------------------------------------------------------------------------------


def test_plan_shows_the_difference_and_what_it_takes(run: Run, pets: str) -> None:
    jsonl("new.jsonl", *rows("cat:a cat", "dog:two dogs", "x:a fox"))
    code, out, err = run("plan", "new.jsonl", pets)
    first, second = out.splitlines()
    assert (code, err) == (0, "")
    assert first == "added 0, text changed 1, metadata changed 1, moved 1, deleted 0, unchanged 0"
    assert second.startswith("old: 1 text to embed, about 2 tokens, about ")
    assert run("plan", "pets.jsonl", pets)[1] == (
        "added 0, text changed 0, metadata changed 0, moved 0, deleted 0, unchanged 3\n"
    )
    assert run("plan", "new.jsonl", pets, "--no-estimate")[1].count("\n") == 1


def test_plan_json_has_the_numbers(run: Run, pets: str) -> None:
    jsonl("new.jsonl", *rows("cat:a cat", "dog:two dogs", kind="pet"))
    document = json.loads(run("plan", "new.jsonl", pets, "--json")[1])
    assert (document["changed"], document["deleted"], document["unchanged"]) == (1, 1, 1)
    assert document["estimates"][0]["texts"] == 1


def test_a_plan_for_a_new_index_makes_none(run: Run, pets: str) -> None:
    assert run("plan", "pets.jsonl", "new.db", "--model", "new")[1].startswith("added 3,")
    assert not Path("new.db").exists()


def test_sync_exits_with_8_when_rows_were_set_aside(run: Run, pets: str) -> None:
    jsonl("long.jsonl", *rows("cat:a cat", "dog:" + "word " * 60, "fox:a fox", kind="pet"))
    code, out, err = run("sync", "long.jsonl", pets, "--on-long", "skip")
    assert code == 8
    assert out == "embedded 0, reused 2, updated 0, deleted 1\n"
    assert err == "warning: 1 set aside:\nwarning: dog: its text has 60 tokens; old reads 50\n"
    assert json.loads(run("sync", "long.jsonl", pets, "--on-long", "skip", "--json")[1])["aside"][0][0] == "dog"
    assert run("sync", "long.jsonl", pets, "--on-long", "skp")[0] == 2


def test_what_a_sync_was_asked_to_leave_out_is_named_and_no_reason_for_8(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load", lambda name: FakeWords("words"))
    jsonl("words.jsonl", *rows("a:known", "x:xxx"))
    code, out, err = run("sync", "words.jsonl", "words.db", "--model", "words", "--on-empty", "skip")
    assert (code, out) == (0, "embedded 1, reused 0, updated 0, deleted 0\n")
    assert err.startswith("warning: 1 left out:\nwarning: x: ")
    assert [
        row
        for row, _ in json.loads(run("sync", "words.jsonl", "words.db", "--on-empty", "skip", "--json")[1])["skipped"]
    ] == ["x"]


def test_sync_says_which_generation_fell_behind(run: Run, pets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("upgrade", pets, "--to", "new", "--yes")

    def load(name: str) -> FakeModel:
        if name == "new":
            raise ModelNotFoundError("there is no model new")
        return FakeModel(name)

    monkeypatch.setattr(models, "load", load)
    jsonl("new.jsonl", *rows("cat:two cats", "dog:a dog", "fox:a fox", kind="pet"))
    code, _, err = run("sync", "new.jsonl", pets)
    assert code == 0
    assert err.startswith("warning: generation 2 has fallen behind: generation 2 of pets.db was built with new")


def test_sync_forgets(run: Run) -> None:
    jsonl("a.jsonl", *rows("cat:a cat", "dog:a dog"))
    run("sync", "a.jsonl", "a.db", "--model", "old", "--vault", "all")
    jsonl("a.jsonl", *rows("cat:a cat"))
    assert json.loads(run("sync", "a.jsonl", "a.db", "--vault", "all", "--forget", "--json")[1])["forgotten"] == 1


# status, lock, verify --------------------------------------------------------------------------------------


def test_status_lists_generations_in_fields(run: Run, pets: str) -> None:
    run("upgrade", pets, "--to", "new", "--until", "40%", "--yes")
    space = FakeModel("old").space.id[:12], FakeModel("new").space.id[:12]
    assert run("status", pets) == (
        0,
        f"1\tactive\told\t{space[0]}\t3\t0\t\t\t\n2\tbuilding\tnew\t{space[1]}\t2\t1\t\t\t\n",
        "",
    )
    document = json.loads(run("status", pets, "--json")[1])
    assert (document["rows"], document["scopes"], document["unsettled"], document["lost"]) == (3, {"default": 3}, 0, 0)
    assert [g["lacking"] for g in document["generations"]] == [0, 1]


def test_lock_is_written_to_standard_output(run: Run, pets: str) -> None:
    code, out, err = run("lock", pets)
    assert (code, err) == (0, "")
    with Index(pets) as index:
        assert out == index.lock().to_json()
    edit("UPDATE rows SET metadata = '{}' WHERE id = 'cat'")
    assert "warning: 1 row may not be as the source says: sync" in run("lock", pets)[2]


def test_verify_says_ok(run: Run, pets: str) -> None:
    Path("idembed.lock").write_text(run("lock", pets)[1])
    code, out, err = run("verify", pets, "--lock", "idembed.lock")
    root = json.loads(Path("idembed.lock").read_text())["root"]
    assert (code, out, err) == (
        0,
        f"ok: 3 rows, 3 vectors computed again, root {root}\nrows and vectors are as locked\n",
        "",
    )


def test_verify_exits_with_9_and_names_what_is_wrong(run: Run, pets: str) -> None:
    Path("idembed.lock").write_text(run("lock", pets)[1])
    edit("UPDATE vectors_1 SET vector = zeroblob(64) WHERE vid = 1")
    edit("UPDATE texts SET text = 'edited' WHERE key = 2")
    code, out, _ = run("verify", pets, "--lock", "idembed.lock")
    lines = out.splitlines()
    assert code == 9
    assert lines[0].startswith("NOT ok: 3 rows, 1 vector computed again, root ")
    assert lines[1:5] == [
        "1 × zero vector",
        "- zero vector: cat (generation 1, part 0)",
        "1 × altered text",
        "- altered text: dog: another program edited it",
    ]
    assert lines[5].startswith("lock: content ")
    document = json.loads(run("verify", pets, "--json")[1])
    assert (document["ok"], document["counts"]) == (False, {"zero vector": 1, "altered text": 1})
    assert document["defects"][0] == {"kind": "zero vector", "id": "cat", "generation": 1, "part": 0, "detail": ""}


def test_verify_repairs(run: Run, pets: str) -> None:
    edit("UPDATE vectors_1 SET vector = zeroblob(64) WHERE vid = 1")
    code, out, _ = run("verify", pets, "--repair")
    assert code == 0
    assert out.splitlines()[1] == "mended 1"


def test_a_broken_lock_is_named(run: Run, pets: str) -> None:
    Path("x.lock").write_text("{}")
    code, _, err = run("verify", pets, "--lock", "x.lock")
    assert (code, err.splitlines()[0][:34]) == (3, "error: x.lock is not a lock: 'cont")


def test_a_lock_that_was_edited_exits_with_3(run: Run, pets: str) -> None:
    lock = json.loads(run("lock", pets, "--json")[1])
    Path("x.lock").write_text(json.dumps(lock | {"rows": "5"}))
    code, out, err = run("verify", pets, "--lock", "x.lock")
    assert (code, out) == (3, "")
    assert err.startswith("error: x.lock is not a lock: 'rows' is not a number of rows\n")
    Path("x.lock").write_text(json.dumps(lock | {"root": "0" * 64}))
    assert run("verify", pets, "--lock", "x.lock")[0] == 3


def test_a_lock_that_could_not_be_compared_is_not_right(run: Run, pets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("idembed.lock").write_text(run("lock", pets)[1])

    def scan(*_: Any, **__: Any) -> Any:
        raise DamagedError("pets.db: a page of it is damaged")

    monkeypatch.setattr(SQLiteStore, "scan", scan)
    code, out, _ = run("verify", pets, "--lock", "idembed.lock")
    assert code == 9
    assert out.splitlines()[-1] == "lock: nothing could be compared: the index cannot be read to its end"
    assert "as locked" not in out
    document = json.loads(run("verify", pets, "--lock", "idembed.lock", "--json")[1])
    assert (document["ok"], document["root"]) == (False, None)
    assert document["lock"] == ["nothing could be compared: the index cannot be read to its end"]


def test_verify_without_its_model_is_no_proof(run: Run, pets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> FakeModel:
        if name != "elsewhere":
            raise ModelNotFoundError(f"there is no model {name}")
        return FakeModel("old")

    monkeypatch.setattr(models, "load", load)
    says = "generation 1 was not compared with its model: pets.db was built with old, which is not there any more"
    for options, code, word in (([], 0, "ok:"), (["--all"], 9, "NOT ok:"), (["--sample", "1"], 9, "NOT ok:")):
        for quiet in ([], ["-q"]):
            got, out, err = run("verify", pets, *options, *quiet)
            first, second = out.splitlines()
            assert (got, err) == (code, "")
            assert first.startswith(f"{word} 3 rows, 0 vectors computed again")
            assert second.startswith(says)
    document = json.loads(run("verify", pets, "--all", "--json")[1])
    assert (document["ok"], document["unproven"][:25]) == (False, "pets.db was built with ol")
    assert run("verify", pets, "--all", "--model", "elsewhere")[0] == 0


def test_verify_says_when_its_limit_of_cost_was_reached(run: Run, pets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeModel, "dollars_per_million_tokens", 1_000_000.0)
    assert run("verify", pets, "--all", "--max-cost", "9")[0] == 0
    monkeypatch.setattr("idembed.index.recompute._ROWS", 1)
    code, out, _ = run("verify", pets, "--all", "--max-cost", "3")
    assert (code, out.splitlines()[0][:46]) == (9, "NOT ok: 3 rows, 1 vector computed again, root ")
    assert out.splitlines()[1].startswith("generation 1 was only partly compared with its model: the limit of $3.00")


# rebuild, copy, adopt, vault -------------------------------------------------------------------------------


def test_rebuild_proves_the_root(run: Run, many: str) -> None:
    code, out, _ = run("rebuild", many, "--yes")
    assert code == 0
    first, *rest = out.splitlines()
    assert first.startswith("old: 40 texts to embed, about 80 tokens, about ")
    assert rest == [
        "generation 2 (old): filled 40 rows, embedded 40 texts; complete",
        "the same root",
        "next: idembed switch many.db 2, or idembed drop many.db 2",
    ]


def test_a_rebuild_with_another_root_exits_with_9_and_says_to_drop_it(
    run: Run, many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = FakeModel.vector
    monkeypatch.setattr(FakeModel, "vector", lambda self, text: -vector(self, text))
    code, out, err = run("rebuild", many, "--yes", "--model", "old")
    assert (code, err) == (9, "")
    assert out.splitlines()[2].startswith("ANOTHER ROOT: these are not the vectors that are searched")
    assert out.splitlines()[3:] == ["next: idembed drop many.db 2"]
    code, out, err = run("rebuild", many, "--yes", "--json")
    document = json.loads(out)
    assert (code, document["same_root"], document["not_exact"], document["generation"]) == (9, False, "", 2)
    run("drop", many, "2", "--yes")
    assert run("verify", many, "--all", "-q")[0] == 9
    monkeypatch.setattr(FakeModel, "vector", vector)
    assert run("verify", many, "--all", "-q")[0] == 0


def test_a_rebuild_that_leaves_rows_proves_nothing(run: Run, many: str) -> None:
    with closing(sqlite3.connect(many)) as other, other:
        other.execute("DROP TRIGGER texts_edited")
        other.execute("UPDATE texts SET text = 'cut' WHERE text = 'text 7'")
    code, out, err = run("rebuild", many, "--yes")
    assert code == 9
    assert out.splitlines()[1:] == [
        "generation 2 (old): filled 39 rows, embedded 39 texts; 1 of 40 rows to go",
        "nothing is proved before the rest is computed",
        "next: idembed rebuild many.db",
    ]
    assert "r7: its stored text is damaged" in err


def test_a_rebuild_finds_its_model_where_it_is_now(run: Run, many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> FakeModel:
        if name != "elsewhere":
            raise ModelNotFoundError(f"there is no model {name}")
        return FakeModel("old")

    monkeypatch.setattr(models, "load", load)
    assert run("rebuild", many, "--yes")[0] == 4
    assert run("rebuild", many, "--yes", "--model", "elsewhere")[0] == 0


def test_the_documents_of_a_rebuild_a_copy_and_a_lock(run: Run, many: str) -> None:
    code, out, err = run("rebuild", many, "--yes", "--json")
    document = json.loads(out)
    assert (code, err, document.pop("seconds") >= 0, document.pop("model_seconds") >= 0) == (0, "", True, True)
    assert document == {
        "index": "many.db",
        "generation": 2,
        "model": "old",
        "rows": 40,
        "embedded": 40,
        "truncated": 0,
        "tokens": 80,
        "dollars": 0.0,
        "skipped": [],
        "partly": [],
        "aside": [],
        "lacking": 0,
        "total": 40,
        "same_root": True,
        "not_exact": "",
        "complete": True,
        "warnings": [],
    }
    code, out, err = run("copy", many, "--to", "copy.db", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["index"], document["to"], document["copied"], document["warnings"]) == (
        "many.db",
        "copy.db",
        40,
        [],
    )
    locked, error = run("lock", many, "--json")[1:]
    assert (locked, error) == run("lock", many)[1:]
    assert json.loads(locked)["rows"] == 40


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", URL),
        ("lock", URL),
        ("verify", URL),
        ("upgrade", URL, "--to", "new", "--yes"),
        ("judge", URL),
        ("judge", URL, "--auto"),
        ("switch", URL),
        ("rollback", URL),
        ("drop", URL, "1", "--yes"),
        ("rebuild", URL, "--yes"),
        ("copy", "many.db", "--to", URL),
        ("sync", "many.jsonl", URL),
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_password_is_not_shown(run: Run, many: str, arguments: tuple[str, ...], options: tuple[str, ...]) -> None:
    code, out, err = run(*arguments, *options)
    assert (code in (2, 5), out) == (True, "")
    assert "postgresql://me:***@host/db" in err
    assert "secret" not in err


def test_a_copy_onto_itself_is_an_error_that_is_json_too(run: Run, many: str) -> None:
    code, out, err = run("copy", many, "--to", many, "--json")
    assert (code, out, json.loads(err)["error"]["exit_code"]) == (2, "", 2)


def test_a_terminal_shows_an_index_in_sentences(run: Run, many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("upgrade", many, "--to", "new", "--until", "50%", "--yes")
    monkeypatch.setattr("idembed.cli.output.Output.styled", True)
    first, *generations = run("status", many)[1].splitlines()
    assert first.startswith("40 rows (default 40), texts ")
    assert generations == [
        "1 active old 16 dimensions, complete",
        "2 building new 16 dimensions, 20 of 40 rows (50.0 %)",
    ]
    run("upgrade", many, "--to", "new", "--yes")
    assert run("status", many)[1].splitlines()[2] == "2 building new 16 dimensions, complete, ready to be switched to"


def test_upgrade_names_damaged_texts_and_what_to_do(run: Run, many: str) -> None:
    with closing(sqlite3.connect(many)) as other, other:
        other.execute("DROP TRIGGER texts_edited")
        other.execute("UPDATE texts SET text = 'cut' WHERE text = 'text 7'")
    code, out, err = run("upgrade", many, "--to", "new", "--yes")
    assert code == 8
    assert "generation 2 has 1 row left to go, and not embedded:" in err
    assert "r7: its stored text is damaged" in err
    assert "idembed verify many.db --repair; then sync the sources" in err
    assert "1 of 40 rows to go" in out


def test_copy_keeps_the_root(run: Run, many: str) -> None:
    code, out, _ = run("copy", many, "--to", "copy.db")
    assert code == 0
    assert out.startswith("copied 40 rows, deleted 0, 40 are there, ")
    assert run("lock", many)[1] == run("lock", "copy.db")[1]
    assert json.loads(run("copy", many, "--to", "copy.db", "--json")[1])["copied"] == 0
    assert run("copy", many, "--to", many)[0] == 2


def test_copy_says_which_generations_it_left_out_or_found(run: Run, many: str) -> None:
    run("upgrade", many, "--to", "new", "--until", "50%", "--yes")
    code, _, err = run("copy", many, "--to", "copy.db", "--all-generations")
    assert code == 0
    assert re.search(r"generation 2 was left out, as it is not complete: \d+ rows have no vectors in it \(new\)", err)
    run("upgrade", many, "--to", "new", "--yes")
    assert run("copy", many, "--to", "copy.db", "--all-generations")[2] == ""
    run("drop", many, "2", "--yes")
    says = "generation 2 of copy.db is not in many.db any more, and not kept right: idembed drop copy.db 2"
    assert says in " ".join(run("copy", many, "--to", "copy.db")[2].split())


def test_copy_deletes_much_only_if_allowed(run: Run, many: str) -> None:
    run("copy", many, "--to", "copy.db")
    jsonl("few.jsonl", *rows("r0:text 0"))
    run("sync", "few.jsonl", many, "--allow-mass-deletion")
    code, _, err = run("copy", many, "--to", "copy.db")
    assert code == 6
    assert "this copy would delete 39 of the 40 rows of copy.db, which many.db does not have" in " ".join(err.split())
    code, out, _ = run("copy", many, "--to", "copy.db", "--allow-mass-deletion")
    assert (code, out.split(", 1 is")[0]) == (0, "copied 0 rows, deleted 39")


def test_adopt_takes_over_or_refuses(run: Run, many: str) -> None:
    run("export", many, "out.jsonl")
    code, out, _ = run("adopt", "out.jsonl", "mine.db", "--model", "old")
    assert (code, out) == (0, "took over 40 vectors of old (40 compared: to the bit)\n")
    code, _, err = run("adopt", "out.jsonl", "other.db", "--model", "new")
    assert code == 5
    assert err.startswith("error: the vectors of out.jsonl are not those of new: of 40 compared, the lowest cosine is")
    assert not Path("other.db").exists()


def test_vault_stats_merge_and_gc(run: Run) -> None:
    jsonl("a.jsonl", *rows("cat:a cat", "dog:a dog"))
    run("sync", "a.jsonl", "a.db", "--model", "old", "--vault", "all")
    space = FakeModel("old").space.id
    code, out, _ = run("vault", "stats")
    assert (code, out.split("\t")[:4]) == (0, [space, "2", "16", "1"])
    assert json.loads(run("vault", "stats", "--json")[1])["spaces"][0]["vectors"] == 2
    code, out, _ = run("vault", "merge", "vault", "--vault", "second")
    assert (code, out) == (0, "copied 1 file into second\n")
    assert run("vault", "merge", "nowhere")[0] == 2
    Path("empty").mkdir()
    assert run("vault", "merge", "empty", "--vault", "second") == (
        2,
        "",
        "error: there is no vault in empty\n  hint: name the folder of a vault\n",
    )
    jsonl("a.jsonl", *rows("cat:a cat"))
    run("sync", "a.jsonl", "a.db")
    assert run("vault", "gc", "a.db")[1].startswith("0 vectors, ")  # nothing is 30 days old
    assert (
        run("vault", "gc", "a.db", "--older-than", "0s")[1] == "1 vector, 0.0 MB would be removed; --yes removes them\n"
    )
    assert run("vault", "gc", "a.db", "--older-than", "0s", "--yes")[1] == "removed 1 vector, 0.0 MB\n"
    place = address(space, "document", "a cat")
    assert Vault("vault").get(space, [place]).keys() == {place}
    assert run("vault", "gc", "no.db", "--older-than", "0s", "--yes")[0] == 5
    for file in Path("vault", space).glob("*.safetensors"):
        os.truncate(file, 300)
    shown = json.loads(run("vault", "gc", "a.db", "--older-than", "0s", "--json")[1])
    assert (shown["unreadable"], shown["unreadable_size"], shown["removed"]) == (1, 300, False)
    code, out, _ = run("vault", "gc", "a.db", "--older-than", "0s", "--yes")
    assert (code, out) == (0, "removed 0 vectors, 0.0 MB; 1 unreadable file, 0.0 MB\n")
    assert run("vault", "gc", "a.db", "--older-than", "soon")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "no.db"),
        ("lock", "no.db"),
        ("verify", "no.db"),
        ("upgrade", "no.db", "--to", "new", "--yes"),
        ("judge", "no.db", "--auto"),
        ("switch", "no.db"),
        ("rollback", "no.db"),
        ("drop", "no.db", "1", "--yes"),
        ("rebuild", "no.db", "--yes"),
        ("copy", "no.db", "--to", "copy.db"),
    ],
)
def test_where_there_is_no_index_all_say_so_and_make_none(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (5, "")
    assert "there is no index at no.db" in err
    assert not Path("no.db").exists()
    assert not Path("copy.db").exists()
