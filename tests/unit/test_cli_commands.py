"""Every command with a model that costs nothing: what it prints, its JSON, its errors and exit codes."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModel, FakeWords

from idembed import errors, models
from idembed.cli import main
from idembed.cli.search import parse_conditions
from idembed.errors import FilterError, IdembedError
from idembed.index import Index
from idembed.rows import Row

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setattr(models, "load", lambda name, **options: fake)
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def run(model: FakeModel, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; exit code, standard output, standard error."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def pets(model: FakeModel) -> str:
    rows = [Row(name, f"a {name}", {"legs": 4, "wild": name == "fox"}) for name in ("cat", "dog", "fox")]
    with Index("pets.db", model=model) as index:
        index.sync(rows)
    return "pets.db"


def jsonl(path: str, *rows: dict[str, Any]) -> str:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


# encode ----------------------------------------------------------------------------------------------------


def test_encode_takes_no_profile_without_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real models.load
    code, out, err = run("encode", "a cat", "--profile", "")
    assert (code, out) == (2, "")
    assert "unknown profile ''" in err


def test_encode_prints_a_json_line_a_text(run: Run, model: FakeModel) -> None:
    code, out, err = run("encode", "a cat", "grün [bold]")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [line["text"] for line in lines] == ["a cat", "grün [bold]"]
    assert np.array(lines[1]["vector"], np.float32).tobytes() == model.vector("grün [bold]").tobytes()


def test_encode_reads_a_file_line_by_line_across_batches(run: Run, model: FakeModel) -> None:
    texts = [f"text {i}" for i in range(1100)]
    Path("in.txt").write_text("\n".join(texts) + "\n", "utf-8")
    code, out, _ = run("encode", "--file", "in.txt", "-o", "out.npy")
    assert (code, out) == (0, "wrote 1,100 vectors of 16 dimensions to out.npy\n")
    assert np.load("out.npy").tobytes() == np.stack([model.vector(t) for t in texts]).tobytes()


def test_encode_json_tells_the_space_and_what_was_cut(run: Run, model: FakeModel) -> None:
    _, out, err = run("encode", "short", "word " * 60, "--json")
    document = json.loads(out)
    assert document["space"] == model.space.id
    assert (document["dim"], document["count"], document["truncated"], document["side"]) == (
        16,
        2,
        1,
        "document",
    )
    assert [text["truncated"] for text in document["texts"]] == [False, True]
    assert err == ""


def test_encode_json_is_written_while_texts_are_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before_the_last = ""

    def lines(_: str) -> Iterator[str]:
        nonlocal before_the_last
        yield from (f"text {i}" for i in range(1100))
        before_the_last = capsys.readouterr().out
        yield "the last"

    monkeypatch.setattr(sys.modules["idembed.cli.encode"], "read_lines", lines)
    _, rest, _ = run("encode", "--file", "in.txt", "--json")
    document = json.loads(before_the_last + rest)
    assert before_the_last.count('"tokens"') == 1024
    assert [text["text"] for text in document["texts"]] == [*(f"text {i}" for i in range(1100)), "the last"]
    assert (document["count"], document["truncated"]) == (1101, 0)


def test_encode_json_of_nothing_is_a_document(run: Run) -> None:
    Path("in.txt").write_text("", "utf-8")
    code, out, err = run("encode", "--file", "in.txt", "--json")
    document = json.loads(out)
    assert (code, err, document["texts"], document["count"]) == (0, "", [], 0)


def test_encode_json_has_an_empty_standard_output_when_the_first_texts_are_refused(
    run: Run, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(*_: object, **__: object) -> object:
        raise errors.TooLongError("text 0 has 99 tokens", position=0)

    monkeypatch.setattr(model, "embed", embed)
    assert run("encode", "x", "--json")[:2] == (3, "")


def test_encode_warns_of_what_was_cut(run: Run) -> None:
    code, _, err = run("encode", "word " * 60, "-o", "out.jsonl")
    assert (code, err) == (0, "warning: 1 text was longer than the model reads and was cut\n")


def test_encode_names_the_line_that_cannot_be_taken(
    run: Run, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(texts: list[str], *_: object, **__: object) -> object:
        if "bad" in texts:
            position = texts.index("bad")
            raise errors.TooLongError(f"text {position} has 9 tokens", hint="split it", position=position)
        return FakeModel.embed(model, texts)

    monkeypatch.setattr(model, "embed", embed)
    Path("in.txt").write_text("fine\n" * 600 + "bad\n", "utf-8")
    code, _, err = run("encode", "--file", "in.txt", "-o", "out.npy", "--json")
    error = json.loads(err)["error"]
    assert (code, error["type"], error["message"]) == (3, "TooLongError", "line 601 has 9 tokens")
    assert error["facts"] == {"position": 601}
    assert run("encode", "fine", "bad", "-o", "out.npy")[2].startswith("error: text 2 has 9 tokens\n")


def test_encode_asks_for_something_to_encode(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    code, _, err = run("encode")
    assert (code, err.splitlines()[0]) == (2, "error: there is nothing to encode")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["encode", "x", "--file", "y"], 2, "not from both"),
        (["encode", "--file", "missing.txt"], 3, "missing.txt cannot be read"),
        (["encode", "--file", ""], 3, "--file '' names no file"),
        (["encode", "x", "-o", "out.bin"], 2, "not a kind of file"),
        (["encode", "x", "--on-long", "drop"], 2, "it takes cut or error"),
        (["similarity", "alone"], 2, "at least two texts"),
        (["similarity"], 2, "Missing argument"),
        (["search", "pets.db"], 2, "either a question or --id"),
        (["search", "pets.db", "x", "--id", "cat"], 2, "either a question or --id"),
        (["search", "pets.db", "x", "-k", "0"], 2, "-k"),
        (["search", "pets.db", "x", "--where", "legs"], 2, "neither key=value nor a JSON object"),
        (["search", "pets.db", "x", "--where", '{"legs": '], 2, "--where is not JSON"),
        (["search", "pets.db", "x", "--where", '{"legs": {"over": 3}}'], 2, "operators"),
        (["search", "none.db", "x"], 5, "no index at none.db"),
        (["sync", "missing.jsonl", "new.db"], 3, "missing.jsonl"),
        (["export", "none.db", "out.jsonl"], 5, "no index at none.db"),
        (["nonsense"], 2, "No such command"),
        (["search", "pets.db", "x", "--nonsense"], 2, "--nonsense"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_with_a_hint(
    run: Run, pets: str, arguments: list[str], code: int, message: str
) -> None:
    got, out, err = run(*arguments)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err


def test_encode_counts_unknown_words_and_names_a_line_without_known_ones(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load", lambda name, **options: FakeWords())
    document = json.loads(run("encode", "a cat", "a xylophone", "--json")[1])
    assert [(text["tokens"], text["unknown"]) for text in document["texts"]] == [(2, 0), (1, 1)]
    Path("in.txt").write_text("a cat\nxxx\n", "utf-8")
    code, out, err = run("encode", "--file", "in.txt", "-o", "out.npy")
    assert (code, out, err) == (3, "", "error: line 2 has no word that fake words knows\n")
    assert not Path("out.npy").exists()


# similarity ------------------------------------------------------------------------------------------------


def test_similarity_is_an_aligned_matrix(run: Run) -> None:
    code, out, _ = run("similarity", "a", "b [i]", "a")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["1", "2", "3"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[1].split()[1] == lines[1].split()[3] == "1.000"
    assert lines[2].endswith("  b [i]")
    assert len({line.index(".") for line in lines[1:]}) == 1


def test_similarity_json_is_symmetric_to_the_last_bit(run: Run, model: FakeModel) -> None:
    _, out, _ = run("similarity", "a", "b", "c", "--json")
    document = json.loads(out)
    matrix = document["matrix"]
    assert (document["texts"], document["similarity"]) == (["a", "b", "c"], "cosine")
    assert all(matrix[i][j] == matrix[j][i] for i in range(3) for j in range(3))
    assert matrix[0][1] == float(model.vector("a") @ model.vector("b"))


def test_similarity_warns_of_what_was_cut(run: Run) -> None:
    long = "word " * 60
    code, _, err = run("similarity", "short", long)
    assert (code, err) == (0, "warning: 1 text was longer than the model reads and was cut\n")
    assert run("similarity", "short", long, "--quiet")[2] == ""
    _, out, err = run("similarity", "short", long, "--json")
    assert (json.loads(out)["truncated"], err) == (1, "")


# sync ------------------------------------------------------------------------------------------------------


def test_sync_prints_the_report_and_the_second_time_embeds_nothing(run: Run, model: FakeModel) -> None:
    source = jsonl("cats.jsonl", {"id": "1", "text": "a cat"}, {"id": "2", "text": "a lion"})
    assert run("sync", source, "cats.db") == (0, "embedded 2, reused 0, updated 0, deleted 0\n", "")
    assert run("sync", source, "cats.db") == (0, "embedded 0, reused 2, updated 0, deleted 0\n", "")
    assert len(model.asked) == 2


def test_sync_json_is_the_whole_report(run: Run) -> None:
    source = jsonl("cats.jsonl", {"key": "1", "body": "a cat"})
    _, out, err = run("sync", source, "cats.db", "--id-field", "key", "--text-field", "body", "--scope", "s", "--json")
    document = json.loads(out)
    assert document.items() >= {"index": "cats.db", "scope": "s", "embedded": 1, "added": 1}.items()
    assert {"reused", "changed", "updated", "deleted", "truncated", "tokens", "seconds"} <= document.keys()
    assert err == ""


def test_sync_warns_how_many_texts_were_cut(run: Run) -> None:
    source = jsonl("long.jsonl", {"id": "1", "text": "word " * 60}, {"id": "2", "text": "short"})
    code, _, err = run("sync", source, "long.db")
    assert code == 0
    assert err == (
        "warning: 1 text was longer than the model reads and was cut; search finds them with --where "
        "'$truncated=true'\n"
    )


def test_sync_refuses_long_texts_when_asked(run: Run) -> None:
    source = jsonl("long.jsonl", {"id": "1", "text": "word " * 60})
    code, _, err = run("sync", source, "long.db", "--on-long", "error")
    assert code == 3
    assert "'1'" in err


def test_sync_guards_against_losing_most_rows(run: Run, pets: str) -> None:
    few = jsonl("few.jsonl", {"id": "cat", "text": "a cat"})
    empty = jsonl("empty.jsonl")
    assert run("sync", few, pets)[0] == 6
    assert run("sync", empty, pets)[0] == 6
    assert run("sync", few, pets, "--allow-mass-deletion")[:2] == (
        0,
        "embedded 0, reused 1, updated 1, deleted 2\n",
    )
    assert run("sync", empty, pets, "--allow-empty")[0] == 0


def test_quiet_prints_nothing(run: Run) -> None:
    source = jsonl("long.jsonl", {"id": "1", "text": "word " * 60})
    assert run("sync", source, "long.db", "--quiet") == (0, "", "")


def test_sync_refuses_or_leaves_out_texts_without_known_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "load", lambda name, **options: FakeWords())
    source = jsonl("words.jsonl", {"id": "1", "text": "a cat"}, {"id": "2\x1b[2J", "text": "xxx"})
    code, out, err = run("sync", source, "words.db")
    assert (code, out) == (3, "")
    assert "error: the text of row '2\\x1b[2J' has no word that fake words knows" in err
    assert "--on-empty skip" in err
    code, out, err = run("sync", source, "words.db", "--on-empty", "skip")
    assert (code, out) == (0, "embedded 1, reused 0, updated 0, deleted 0\n")
    assert err == "warning: 1 left out:\nwarning: 2: its text has no word that fake words knows\n"
    document = json.loads(run("sync", source, "words.db", "--on-empty", "skip", "--json")[1])
    assert document["skipped"] == [["2\x1b[2J", "its text has no word that fake words knows"]]
    assert "--on-empty 'drop': it takes error or skip" in run("sync", source, "words.db", "--on-empty", "drop")[2]


# search ----------------------------------------------------------------------------------------------------


def test_search_prints_lines_of_score_id_text(run: Run, pets: str) -> None:
    code, out, err = run("search", pets, "a dog", "-k", "1")
    assert (code, out, err) == (0, "1.0000\tdog\ta dog\n", "")


def test_a_text_that_begins_with_its_id_is_shown_without_it(run: Run, model: FakeModel) -> None:
    with Index("named.db", model=model) as index:
        index.sync([Row("os.sep", "os.sep: the separator", {}), Row("os", "os.sep: another", {})])
    lines = run("search", "named.db", "x")[1].splitlines()
    assert sorted(line.split("\t")[1:] for line in lines) == [
        ["os", "os.sep: another"],
        ["os.sep", "the separator"],
    ]


def test_search_takes_conditions_and_a_least_score(run: Run, pets: str) -> None:
    assert run("search", pets, "a dog", "--where", "wild=true")[1].split("\t")[1] == "fox"
    assert run("search", pets, "a dog", "--where", '{"wild": true}')[1].split("\t")[1] == "fox"
    assert run("search", pets, "a dog", "--min-score", "0.999")[1] == "1.0000\tdog\ta dog\n"
    assert run("search", pets, "a dog", "--where", "legs=5")[1:] == ("", "warning: no row matches\n")


def test_search_near_a_row_leaves_it_out(run: Run, pets: str) -> None:
    ids = [line.split("\t")[1] for line in run("search", pets, "--id", "dog")[1].splitlines()]
    assert sorted(ids) == ["cat", "fox"]


def test_search_json_is_the_documented_contract(run: Run, pets: str) -> None:
    _, out, _ = run("search", pets, "a fox", "-k", "1", "--json")
    assert json.loads(out) == {
        "question": "a fox",
        "id": None,
        "truncated": False,
        "exact": True,
        "hits": [
            {
                "id": "fox",
                "score": 1.0,
                "text": "a fox",
                "metadata": {"legs": 4, "wild": True},
                "part": 0,
                "span": [0, 5],
                "truncated": False,
            }
        ],
        "warnings": [],
    }


def test_a_question_that_was_cut_is_a_warning_of_the_command_line(
    run: Run, pets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: object, **__: object) -> list[object]:
        warnings.warn("the question was cut", models.TruncationWarning, stacklevel=1)
        return []

    monkeypatch.setattr(Index, "search", search)
    code, out, err = run("search", pets, "x")
    assert (code, out, err) == (0, "", "warning: the question was cut\nwarning: no row matches\n")
    assert run("search", pets, "x", "--quiet") == (0, "", "")
    _, out, err = run("search", pets, "x", "--json")
    document = json.loads(out)
    assert (document["truncated"], document["warnings"], err) == (True, ["the question was cut", "no row matches"], "")


def test_a_long_question_is_warned_of(run: Run, pets: str) -> None:
    code, _, err = run("search", pets, "word " * 60)
    assert code == 0
    assert err.startswith("warning: 1 of 1 questions were cut to the 50 tokens that fake reads")
    assert run("search", pets, "word " * 60, "--quiet")[2] == ""


def test_what_a_row_holds_cannot_act_on_a_terminal(run: Run, model: FakeModel) -> None:
    with Index("evil.db", model=model) as index:
        index.sync([Row("\x1b[31mid\u202e", "[bold]x[/oops] \x1b]0;title\x07y\nz", {})])
    assert run("search", "evil.db", "x")[1].split("\t")[1:] == ["id", "[bold]x[/oops] y z\n"]


def test_hits_are_laid_out_to_the_width_of_a_terminal(
    run: Run, pets: str, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Index(pets, model=model) as index:
        index.upsert([Row("long", "[b]long[/b] " * 40, {})])
    monkeypatch.setattr("idembed.cli.output.Output.styled", True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = run("search", pets, "a dog")[1].splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 60
    assert sum("[b]long[/b]" in line and "…" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("given", "conditions"),
    [
        ([], None),
        (["kind=class"], {"kind": "class"}),
        (["year=2020"], {"year": 2020}),
        (["wild=true", "name=null"], {"wild": True, "name": None}),
        (['name="2020"'], {"name": "2020"}),
        (["a=b=c"], {"a": "b=c"}),
        (["empty="], {"empty": ""}),
        (['kind=["a", "b"]'], {"kind": ["a", "b"]}),
        ([' {"year": {"gte": 2020}}', "kind=class"], {"year": {"gte": 2020}, "kind": "class"}),
    ],
)
def test_conditions_are_json_or_key_value(given: list[str], conditions: dict[str, Any] | None) -> None:
    assert parse_conditions(given) == conditions


def test_a_condition_given_twice_is_refused() -> None:
    with pytest.raises(FilterError, match="'a' is given twice"):
        parse_conditions(["a=1", '{"a": 2}'])


# export ----------------------------------------------------------------------------------------------------


def test_export_writes_every_part(run: Run, pets: str) -> None:
    assert run("export", pets, "out.jsonl") == (0, "wrote 3 vectors to out.jsonl\n", "")
    assert len(Path("out.jsonl").read_text("utf-8").splitlines()) == 3
    assert json.loads(run("export", pets, "out.csv", "--json")[1]) == {
        "index": pets,
        "output": "out.csv",
        "parts": 3,
        "warnings": [],
    }


# errors ----------------------------------------------------------------------------------------------------

DOCUMENTED = {
    "IdembedError": 1,
    "OptionError": 2,
    "FilterError": 2,
    "RowError": 3,
    "SourceError": 3,
    "CorpusError": 3,
    "LockError": 3,
    "ModelError": 4,
    "StoreError": 5,
    "VaultError": 5,
    "MassDeletionError": 6,
    "RefusedError": 6,
    "CostLimitError": 6,
    "IncompleteError": 6,
    "LeaseHeldError": 7,
    "LeaseLostError": 7,
}


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_a_documented_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind: type[IdembedError] = getattr(errors, name)

    def fail(*_: object, **__: object) -> None:
        raise kind("it is so", hint="do this", row="7")

    monkeypatch.setattr(models, "load", fail)
    code, out, err = run("encode", "x")
    family = next(base.__name__ for base in kind.__mro__ if base.__name__ in DOCUMENTED)
    assert (code, out, err) == (DOCUMENTED[family], "", "error: it is so\n  hint: do this\n")


def test_a_commit_is_shown_by_its_first_twelve_digits(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.ModelError(f"org/new@{'0123456789' * 4} is odd", model=f"org/new@{'0123456789' * 4}")

    monkeypatch.setattr(models, "load", fail)
    assert run("encode", "x")[2] == "error: org/new@012345678901 is odd\n"
    assert json.loads(run("encode", "x", "--json")[2])["error"]["facts"] == {"model": f"org/new@{'0123456789' * 4}"}


def test_with_json_the_error_is_an_object_on_standard_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.RowError("row \u202e7", hint="mend it", id="7")

    monkeypatch.setattr(models, "load", fail)
    code, out, err = run("encode", "x", "--json")
    assert (code, out) == (3, "")
    assert json.loads(err) == {
        "error": {
            "type": "RowError",
            "message": "row \u202e7",
            "hint": "mend it",
            "facts": {"id": "7"},
            "exit_code": 3,
        }
    }
    assert "\u202e" not in err


def test_a_usage_error_is_json_too(run: Run) -> None:
    code, out, err = run("search", "--json")
    assert (code, out, json.loads(err)["error"]["exit_code"]) == (2, "", 2)


def test_an_unexpected_error_says_how_to_see_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops [bold]")

    monkeypatch.setattr(models, "load", fail)
    code, out, err = run("encode", "x")
    assert (code, out) == (1, "")
    assert err.startswith("error: ZeroDivisionError: oops [bold]\n")
    assert "IDEMBED_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("IDEMBED_DEBUG", "1")
    assert "Traceback" in run("encode", "x")[2]


def test_an_interruption_is_130_and_says_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "load", fail)
    assert run("encode", "x") == (130, "", "error: interrupted; what was committed is kept\n")


# everything else -------------------------------------------------------------------------------------------


def test_no_arguments_show_the_help(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    for command in ("demo", "encode", "similarity", "pull", "models", "sync", "search", "export", "prove", "spend"):
        assert f"\n  {command} " in out


def test_every_command_explains_itself_and_has_json_and_quiet(run: Run) -> None:
    for command in ("demo", "encode", "similarity", "pull", "models", "sync", "search", "export", "prove", "spend"):
        code, out, err = run(command, "--help")
        assert (code, err) == (0, "")
        assert "--json" in out
        assert "--quiet" in out


def test_logging_is_left_alone(run: Run, pets: str) -> None:
    import logging

    before = (list(logging.root.handlers), logging.root.level)
    run("search", pets, "a cat")
    assert (list(logging.root.handlers), logging.root.level) == before
