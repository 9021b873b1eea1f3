"""``idembed train``: what it reads, prints and writes, and what it refuses before it reads."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import idembed
from idembed import KeyedVectors
from idembed.cli import main, sentences
from idembed.models.words import word2vec
from idembed.models.words.tokens import WordTokenizer

Run = Callable[..., tuple[int, str, str]]

TEXT = "The cat sat on the mat.\nA dog lay on the rug!\n\nCats and dogs are pets.\n" * 20
SMALL = ("--vector-size", "8", "--epochs", "2")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty folder; exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def written(path: str, text: str = TEXT) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8", newline="")
    return path


def bytes_of(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def card(folder: str) -> dict[str, object]:
    return json.loads(Path(folder, "card.json").read_text("utf-8"))


# what it prints ----------------------------------------------------------------------------------------------


def test_it_tells_what_it_read_the_vocabulary_and_what_it_trained(run: Run) -> None:
    code, out, err = run("train", written("pets.txt"), "-o", "pets.w2v", *SMALL)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "read 320 words in 80 sentences"
    assert lines[1] == "vocabulary: 13 words, each seen 20 times or more; they make up 100.0 % of the text"
    assert re.fullmatch(r"trained CBOW: 13 vectors of 8 dimensions, 2 epochs in \d+\.\d s, [\d,]+ words/s", lines[2])
    assert re.fullmatch(r"nearest to \w+: \w+, \w+, \w+, \w+, \w+", lines[3])
    assert lines[4] == "wrote pets.w2v (0.0 MB)"
    assert len(lines) == 5


def test_words_left_out_are_missing_from_the_share(run: Run) -> None:
    written("pets.txt", "cat cat cat cat cat dog dog dog dog fox\n")
    _, out, _ = run("train", "pets.txt", "-o", "pets.w2v", "--min-count", "4")
    assert out.splitlines()[1] == "vocabulary: 2 words, each seen 4 times or more; they make up 90.0 % of the text"


def test_json_is_the_documented_contract(run: Run) -> None:
    _, out, err = run("train", written("pets.txt"), "-o", "pets.w2v", *SMALL, "--sg", "--loss", "--json")
    document = json.loads(out)
    assert err == ""
    assert (
        document.items()
        >= {
            "source": "pets.txt",
            "output": "pets.w2v",
            "method": "skip-gram",
            "sentences": 80,
            "corpus_words": 320,
            "words": 13,
            "dim": 8,
            "epochs": 2,
            "skipped": [],
        }.items()
    )
    assert document["bytes"] == sum(map(len, bytes_of("pets.w2v").values()))
    assert document["words_per_second"] == pytest.approx(640 / document["training_seconds"])
    assert 0 < document["training_seconds"] <= document["seconds"]
    assert len(document["loss"]) == 2
    assert document["loss"][0] > document["loss"][1] > 0
    word, neighbours = document["nearest"]["word"], document["nearest"]["neighbours"]
    assert neighbours == [list(pair) for pair in KeyedVectors.load("pets.w2v").most_similar(word, topn=5)]


def test_the_word_with_neighbours_is_the_most_frequent_that_is_rare_enough(run: Run) -> None:
    written("many.txt", "the of and\n" * 1000 + "a rare bird\n" * 3 + "another rare fish\n" * 2)
    _, out, _ = run("train", "many.txt", "-o", "many.w2v", "--min-count", "1", *SMALL, "--json")
    assert json.loads(out)["nearest"]["word"] == "bird"  # 3 times in some 3,000; rare is 5 times, over 0.1 %


def test_the_loss_is_told_when_asked_for(run: Run) -> None:
    source = written("pets.txt")
    assert "loss" not in run("train", source, "-o", "a.w2v", *SMALL)[1]
    assert json.loads(run("train", source, "-o", "b.w2v", *SMALL, "--json")[1])["loss"] is None
    assert re.search(
        r"^loss of each epoch: [\d,]+, [\d,]+$", run("train", source, "-o", "c.w2v", *SMALL, "--loss")[1], re.M
    )
    assert bytes_of("a.w2v") == bytes_of("c.w2v")


def test_quiet_prints_nothing(run: Run) -> None:
    assert run("train", written("pets.txt"), "-o", "pets.w2v", *SMALL, "--quiet") == (0, "", "")
    assert len(KeyedVectors.load("pets.w2v")) == 13


def test_a_single_word_has_no_neighbours(run: Run) -> None:
    written("one.txt", "cat cat cat cat cat\n" * 3)
    code, out, _ = run("train", "one.txt", "-o", "one.w2v", *SMALL)
    assert code == 0
    assert "vocabulary: 1 word, each seen 15 times or more" in out
    assert "nearest" not in out


def test_words_cannot_act_on_a_terminal(run: Run) -> None:
    written("evil.txt", "\x1b[31mred \x1b[2Jclear\n" * 9)
    out = run("train", "evil.txt", "-o", "evil.w2v", "--tokenizer", "whitespace", *SMALL)[1]
    assert "\x1b" not in out
    assert "nearest to " in out


# what it reads -----------------------------------------------------------------------------------------------


def test_the_same_text_gives_the_same_bytes_from_wherever_it_comes(run: Run) -> None:
    lines = TEXT.splitlines()
    pets = bytes_of_trained(run, written("pets.txt"))
    assert bytes_of_trained(run, "-", stdin=TEXT) == pets
    assert bytes_of_trained(run, written("unknown.corpus")) == pets
    written("folder/pets.md")
    assert bytes_of_trained(run, "folder") == pets
    written("rows.jsonl", "".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate([TEXT])))
    assert bytes_of_trained(run, "rows.jsonl") == pets
    written("rows.csv", 'key,body\n1,"' + "\r\n".join(lines) + '"\n')
    assert bytes_of_trained(run, "rows.csv", "--id-field", "key", "--text-field", "body") == pets
    Path("pets.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    assert bytes_of_trained(run, "pets.txt.gz") == pets


def bytes_of_trained(run: Run, *arguments: str, stdin: str = "") -> dict[str, bytes]:
    code, _, err = run("train", *arguments, "-o", "out.w2v", *SMALL, "--force", stdin=stdin)
    assert (code, err) == (0, "")
    return bytes_of("out.w2v")


def test_parquet_is_read_as_sync_reads_it(run: Run) -> None:
    import pandas

    pandas.DataFrame({"id": ["1", "2"], "text": [TEXT, TEXT]}).to_parquet("rows.parquet")
    code, out, _ = run("train", "rows.parquet", "-o", "rows.w2v", *SMALL)
    assert (code, out.splitlines()[0]) == (0, "read 640 words in 160 sentences")


def test_every_line_of_a_rows_text_is_a_sentence(run: Run) -> None:
    written("rows.jsonl", json.dumps({"id": "1", "text": "cat dog\nfox"}) + "\n")
    _, out, _ = run("train", "rows.jsonl", "-o", "rows.w2v", "--min-count", "1", *SMALL)
    assert out.splitlines()[0] == "read 3 words in 2 sentences"


def test_whitespace_takes_words_as_they_are(run: Run) -> None:
    source = written("pets.txt", "The cat, sat_on a MAT 42\n" * 9)
    plain = bytes_of_trained(run, source, "--tokenizer", "whitespace")
    assert sorted(KeyedVectors.load("out.w2v").index_to_key) == ["42", "MAT", "The", "a", "cat,", "sat_on"]
    assert card("out.w2v")["tokenizer"] == {"kind": "whitespace", "version": 1}
    assert bytes_of_trained(run, "-", "--tokenizer", "whitespace", stdin=Path(source).read_text("utf-8")) == plain
    Path("pets.txt.gz").write_bytes(gzip.compress(Path(source).read_bytes()))
    assert bytes_of_trained(run, "pets.txt.gz", "--tokenizer", "whitespace") == plain


def test_simple_words_are_made_as_asked_and_recorded(run: Run) -> None:
    written("words.txt", "Crème brûlée, à la carte: internationalisation\n" * 9)
    run("train", "words.txt", "-o", "a.w2v", *SMALL)
    assert sorted(KeyedVectors.load("a.w2v").index_to_key) == ["brûlée", "carte", "crème", "la"]
    run("train", "words.txt", "-o", "b.w2v", *SMALL, "--deacc", "--min-len", "1", "--max-len", "30")
    assert sorted(KeyedVectors.load("b.w2v").index_to_key) == [
        "a",
        "brulee",
        "carte",
        "creme",
        "internationalisation",
        "la",
    ]
    tokenizer = card("b.w2v")["tokenizer"]
    assert isinstance(tokenizer, dict)
    assert tokenizer.items() >= {"kind": "simple", "deacc": True, "min_len": 1, "max_len": 30}.items()


def test_texts_are_encoded_with_the_words_that_were_trained(run: Run) -> None:
    run("train", written("pets.txt"), "-o", "pets.w2v", *SMALL)
    model = idembed.load("./pets.w2v")
    same, other = model.encode(["The CAT!", "cat the xylophone"])
    assert same.tobytes() == other.tobytes()
    assert np.linalg.norm(same) == pytest.approx(1)


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("aa bb cc dd ee", ["aa bb cc ", "dd ee"]),
        ("aa bb cc\ndd ee ff gg\n", ["aa bb cc\n", "dd ee ff ", "gg\n"]),
        ("x" * 25, ["x" * 9, "x" * 10, "x" * 6]),
        ("äöüäöüä", ["äöüä", "öüä"]),
        ("aa bb cc d\n", ["aa bb cc ", "d\n"]),
    ],
)
def test_a_very_long_line_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, pieces: list[str]
) -> None:
    monkeypatch.setattr(sentences, "_LONGEST", 10)
    seen: list[str] = []

    def words(text: str) -> list[str]:
        seen.append(text)
        return ["word"]

    written(str(tmp_path / "folder/long.txt"), line)
    for source in (tmp_path / "folder/long.txt", tmp_path / "folder"):
        seen.clear()
        opened = sentences.open_sentences(str(source), WordTokenizer())
        assert isinstance(opened, sentences.Sentences)
        opened._tokenizer = words  # type: ignore[assignment]
        assert list(opened) == [["word"]] * len(pieces)
        assert seen == pieces


def test_a_long_line_gives_the_same_bytes_by_every_route(run: Run, tmp_path: Path) -> None:
    text = "cat dog " * 9000 + "\n" + "dog cat\n"
    written("plain.txt", text)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(text.encode()))
    for source in ("plain.txt", str(tmp_path / "packed.txt.gz")):
        options = ("--tokenizer", "whitespace", *SMALL, "--force")
        assert run("train", source, "-o", f"{Path(source).name}.w2v", *options)[0] == 0
    assert bytes_of("plain.txt.w2v") == bytes_of("packed.txt.gz.w2v")


@pytest.mark.parametrize("length", [9, 10])
@pytest.mark.parametrize("before", ["", "a\n", "aaaaaaaaa\n"])
@pytest.mark.parametrize("after", ["", "\n", "\nb\n"])
def test_lines_that_would_be_cut_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, before: str, after: str
) -> None:
    monkeypatch.setattr(sentences, "_LONGEST", 10)
    source = written(str(tmp_path / "x.txt"), before + "c" * length + after)
    found = sentences.open_sentences(source, WordTokenizer("whitespace"))
    assert isinstance(found, Path) is (length < 10)


def test_a_byte_order_mark_is_no_part_of_the_first_word(run: Run) -> None:
    for tokenizer in ("simple", "whitespace"):
        run(
            "train",
            "-",
            "-o",
            f"{tokenizer}.w2v",
            "--min-count",
            "1",
            "--tokenizer",
            tokenizer,
            stdin="\ufeffcat cat\n",
        )
        assert KeyedVectors.load(f"{tokenizer}.w2v").index_to_key == ["cat"]


def test_empty_files_of_a_folder_are_told(run: Run) -> None:
    written("notes/cats.txt")
    written("notes/\x07empty.txt", "\n")
    code, _, err = run("train", "notes", "-o", "notes.w2v", *SMALL)
    assert (code, err) == (0, "warning: 1 left out:\nwarning: empty.txt: empty\n")
    document = json.loads(run("train", "notes", "-o", "notes.w2v", *SMALL, "--force", "--json")[1])
    assert document["skipped"] == [["\x07empty.txt", "empty"]]


# what it does ------------------------------------------------------------------------------------------------


def test_workers_change_no_byte(run: Run) -> None:
    source = written("pets.txt", TEXT * 20)
    one = bytes_of_trained(run, source, "--workers", "1", "--sg")
    assert bytes_of_trained(run, source, "--workers", "3", "--sg") == one
    assert bytes_of_trained(run, source, "--workers", "3", "--sg", "--seed", "2") != one


def test_options_reach_the_trainer_and_the_card(run: Run) -> None:
    code, _, _ = run(
        *("train", written("pets.txt"), "-o", "pets.w2v", "--vector-size", "12", "--window", "3", "--min-count", "21"),
        *("--max-final-vocab", "11", "--sample", "0.01", "--seed", "7", "--alpha", "0.1", "--min-alpha", "0.001"),
        *("--sg", "--negative", "4", "--ns-exponent", "0.5", "--epochs", "3"),
    )
    assert code == 0
    assert card("pets.w2v")["training"] == {
        "alpha": 0.1,
        "cbow_mean": 1,
        "compat": None,
        "epochs": 3,
        "max_final_vocab": 11,
        "max_vocab_size": None,
        "min_alpha": 0.001,
        "min_count": 21,
        "negative": 4,
        "ns_exponent": 0.5,
        "sample": 0.01,
        "seed": 7,
        "sg": 1,
        "shrink_windows": True,
        "sorted_vocab": 1,
        "trainer": word2vec.Parameters().recorded()["trainer"],
        "vector_size": 12,
        "window": 3,
    }


def test_without_options_it_is_the_librarys_defaults(run: Run) -> None:
    run("train", written("pets.txt"), "-o", "pets.w2v")
    assert card("pets.w2v")["training"] == word2vec.Parameters().recorded()


def test_compat_takes_gensims_rate(run: Run) -> None:
    run("train", written("pets.txt"), "-o", "pets.w2v", "--compat", "gensim")
    assert card("pets.w2v")["training"] == word2vec.Parameters(compat="gensim").recorded()
    assert word2vec.Parameters(compat="gensim").recorded()["alpha"] == 0.025


# what it refuses ---------------------------------------------------------------------------------------------


def test_what_is_there_is_replaced_only_with_force(run: Run) -> None:
    source = written("pets.txt")
    run("train", source, "-o", "pets.w2v", *SMALL)
    before = bytes_of("pets.w2v")
    assert run("train", "-", "-o", "pets.w2v") == (
        2,
        "",
        "error: pets.w2v exists\n  hint: give another name; --force replaces word vectors\n",
    )
    assert bytes_of("pets.w2v") == before
    assert run("train", source, "-o", "pets.w2v", *SMALL, "--seed", "2", "--force")[0] == 0
    assert bytes_of("pets.w2v") != before


@pytest.mark.parametrize("what", ["file", "foreign", "words and more"])
def test_force_replaces_nothing_but_word_vectors(run: Run, what: str) -> None:
    source = written("pets.txt")
    if what == "file":
        written("out.w2v", "mine")
    else:
        if what == "words and more":
            run("train", source, "-o", "out.w2v", *SMALL)
        written("out.w2v/mine.txt", "mine")
    code, out, err = run("train", "-", "-o", "out.w2v", "--force")
    assert (code, out) == (2, "")
    assert ("out.w2v is a file" if what == "file" else "is no folder of word vectors: it holds mine.txt") in err


def test_an_output_that_cannot_be_written_is_refused_before_reading(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("train", "missing.txt", "-o", "no/such/pets.w2v")
    assert code == 2
    assert err.startswith("error: no/such/pets.w2v cannot be written: there is no folder ")
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, _, err = run("train", "missing.txt", "-o", "pets.w2v")
    assert code == 2
    assert err.startswith("error: pets.w2v cannot be written: the folder ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pets.txt"], 2, "Missing option"),
        (["missing.txt", "-o", "o"], 3, "there is no file or folder 'missing.txt'"),
        (["https://example.org/pets.txt", "-o", "o"], 3, "a https:// address is not a source"),
        (["empty.txt", "-o", "o"], 3, "empty.txt is empty"),
        (["empty.txt", "-o", "o", "--tokenizer", "whitespace"], 3, "empty.txt is empty"),
        (["-", "-o", "o"], 3, "standard input is empty"),
        (["numbers.txt", "-o", "o"], 3, "numbers.txt holds no words\n  hint: see --tokenizer"),
        (["empty.jsonl", "-o", "o"], 3, "empty.jsonl is empty"),
        (["broken.jsonl", "-o", "o"], 3, "broken.jsonl, line 1, column 1: is not valid JSON"),
        (["empty", "-o", "o"], 3, "the folder empty has no text files"),
        (["rare.txt", "-o", "o"], 3, "no word is left: min_count is 5, and the most frequent of 2 distinct"),
        (["latin1.txt", "-o", "o"], 3, "latin1.txt is not a text file in UTF-8: line 1 holds 0xE8"),
        (["latin1.txt", "-o", "o", "--tokenizer", "whitespace"], 3, "latin1.txt is not a text file in UTF-8: byte 2"),
        (["nul.txt", "-o", "o"], 3, "nul.txt is not a text file in UTF-8: line 2 holds a NUL byte"),
        (["nul.txt", "-o", "o", "--tokenizer", "whitespace"], 3, "nul.txt is not a text file in UTF-8: byte 6"),
        (["pets.txt.xz", "-o", "o"], 3, "is packed\n  hint: unpack it: xz -dc pets.txt.xz | idembed train - -o"),
        (["the pets.xz", "-o", "o"], 3, "hint: unpack it: xz -dc 'the pets.xz' | idembed train"),
        (["pets.db", "-o", "o"], 3, "is a database, not a source"),
        (["pets.txt", "-o", "o", "--text-field", "body"], 2, "--id-field and --text-field are for rows"),
        (["pets.txt", "-o", "o", "--tokenizer", "bert"], 2, "--tokenizer 'bert': it takes simple or whitespace"),
        (["pets.txt", "-o", "o", "--tokenizer", "whitespace", "--deacc"], 2, "are for simple words"),
        (["pets.txt", "-o", "o", "--compat", "c"], 2, "--compat 'c': it takes gensim"),
        (["pets.txt", "-o", "o", "--window", "0"], 2, "window must be a whole number of 1 to"),
        (["pets.txt", "-o", "o", "--negative", "0"], 2, "negative sampling is the only method here"),
        (["pets.txt", "-o", "o", "--alpha", "nan"], 2, "alpha must be a number"),
        (["pets.txt", "-o", "o", "--epochs", "many"], 2, "--epochs"),
        (["pets.txt", "-o", "o", "--workers", "0"], 2, "workers must be a whole number"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    written("pets.txt")
    written("empty.txt", "")
    written("empty.jsonl", "")
    written("broken.jsonl", "cat\n")
    written("numbers.txt", "1 2 3\n")
    written("rare.txt", "cat dog\n")
    Path("latin1.txt").write_bytes("crème\n".encode("latin-1"))
    written("nul.txt", "cat\ndo\0g\n")
    written("pets.txt.xz", "packed")
    written("the pets.xz", "packed")
    written("pets.db", "an index")
    Path("empty").mkdir()
    before = sorted(os.listdir())
    got, out, err = run("train", *arguments)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
    assert sorted(os.listdir()) == before


def test_an_interruption_leaves_nothing_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    written("pets.txt")
    monkeypatch.setattr(word2vec, "train_pass", interrupted)
    code, _, err = run("train", "pets.txt", "-o", "pets.w2v")
    assert (code, err) == (130, "error: interrupted; nothing was written\n")
    assert os.listdir() == ["pets.txt"]
    error = json.loads(run("train", "pets.txt", "-o", "pets.w2v", "--json")[2])["error"]
    assert (error["exit_code"], error["message"]) == (130, "interrupted; nothing was written")


def test_an_interruption_of_the_writing_does_not_say_more_than_is_known(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    written("pets.txt")
    monkeypatch.setattr(word2vec.Word2Vec, "save", interrupted)
    _, _, err = run("train", "pets.txt", "-o", "pets.w2v")
    assert err == "error: interrupted; pets.w2v is as it was, or new and whole\n"


def test_help_names_every_option(run: Run) -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    for option in ("--sg / --cbow", "--max-final-vocab", "--tokenizer simple|whitespace", "--json", "--quiet"):
        assert option in out
    assert "\n  train " in run()[1]
