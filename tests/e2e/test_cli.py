"""The command line as a process: start-up, pipes, signals, terminals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

FAKE = [sys.executable, str(Path(__file__).with_name("fake_idembed.py"))]
REAL = [sys.executable, "-m", "idembed"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


def run(command: list[str], *arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    defaults = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 60}
    return subprocess.run([*command, *arguments], cwd=cwd, check=False, **(defaults | options))  # type: ignore[call-overload]


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    """A folder with cats.jsonl, 3,000 rows."""
    lines = [json.dumps({"id": f"cat {i}", "text": f"cat number {i}"}) + "\n" for i in range(3000)]
    (tmp_path / "cats.jsonl").write_text("".join(lines), "utf-8")
    return tmp_path


def test_help_is_instant_and_imports_nothing_heavy(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "idembed", "--help"]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        done = run(command, cwd=tmp_path)
        seconds.append(time.perf_counter() - start)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "Usage: idembed" in done.stdout
    assert "typer" in imported
    assert not imported & {
        "numpy",
        "tokenizers",
        "safetensors",
        "huggingface_hub",
        "idembed.models",
        "sqlite3",
    }
    assert min(seconds) < 0.5


def test_version(tmp_path: Path) -> None:
    done = run(REAL, "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "idembed"
    assert done.stdout.split()[1][0].isdigit()


def test_a_sync_of_what_is_there_already_loads_no_model(cats: Path) -> None:
    assert run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats).returncode == 0
    # Without the fake: the recorded model does not exist, so loading it could only fail.
    done = run(REAL, "sync", "cats.jsonl", "cats.db", cwd=cats)
    assert (done.returncode, done.stdout) == (0, "embedded 0, reused 3,000, updated 0, deleted 0\n")


def test_in_a_pipe_nothing_is_coloured_and_nothing_moves(cats: Path) -> None:
    env = {**os.environ, "FAKE_PAUSE": "0.5", "TERM": "xterm-256color"}
    done = run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "embedded 3,000, reused 0, updated 0, deleted 0\n"


def test_output_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    env = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    done = run(FAKE, "similarity", "grün", "日本", cwd=tmp_path, env=env)
    assert done.returncode == 0
    assert done.stdout.endswith("  日本\n")


def test_texts_come_from_standard_input(tmp_path: Path) -> None:
    done = run(FAKE, "encode", "-o", "out.jsonl", "--json", cwd=tmp_path, input="eins\nzwei\n")
    assert done.returncode == 0
    assert json.loads(done.stdout)["count"] == 2
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["eins", "zwei"]


@posix
def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a text\n" * 20_000, "utf-8")
    command = [*FAKE, "encode", "--file", "in.txt"]
    writer = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.readline().startswith(b'{"text": "a text", "vector": [')
    writer.stdout.close()
    with writer.stderr:
        assert writer.stderr.read() == b""
    assert writer.wait(30) == 0


@posix
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sync", "long.jsonl", "cats.db", "--on-long", "skip", "--allow-mass-deletion"], 8),
        (["verify", "cats.db"], 9),
        (["judge", "cats.db", "--queries", "q.jsonl", "--qrels", "r.tsv"], 11),
        (["status", "cats.db"], 0),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_closed_pipe_does_not_change_the_exit_code(
    cats: Path, arguments: list[str], code: int, as_json: bool
) -> None:
    (cats / "long.jsonl").write_text(json.dumps({"id": "a", "text": "word " * 60}) + "\n" + '{"id": "b", "text": "b"}')
    (cats / "q.jsonl").write_text('{"_id": "1", "text": "cat number 1"}\n')
    (cats / "r.tsv").write_text("1\tcat 1\t1\n")
    assert run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats).returncode == 0
    if code == 11:
        assert run(FAKE, "upgrade", "cats.db", "--to", "new", "--yes", cwd=cats).returncode == 0
    if code == 9:
        with closing(sqlite3.connect(cats / "cats.db")) as connection, connection:
            connection.execute("UPDATE rows SET metadata = '{\"a\": 1}' WHERE id = 'cat 7'")
    command = [*arguments, *(["--json"] if as_json else [])]
    with closed_pipe() as closed:
        done = run(FAKE, *command, cwd=cats, capture_output=False, stdout=closed, stderr=subprocess.PIPE)
        both = run(FAKE, *command, cwd=cats, capture_output=False, stdout=closed, stderr=closed)
    assert (done.returncode, both.returncode, "Broken" in done.stderr) == (code, code, False)


@posix
@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_that_nobody_reads_keeps_its_exit_code_and_a_warning_the_results(cats: Path, as_json: bool) -> None:
    def unread(*arguments: str) -> tuple[int, str]:
        command = [*arguments, *(["--json"] if as_json else [])]
        with closed_pipe() as closed:
            done = run(FAKE, *command, cwd=cats, capture_output=False, stdout=subprocess.PIPE, stderr=closed)
        return done.returncode, done.stdout

    assert unread("status", "no.db") == (5, "")
    assert unread("status", "no.db", "--unknown") == (2, "")
    assert run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats).returncode == 0
    assert run(FAKE, "upgrade", "cats.db", "--to", "new", "--yes", cwd=cats).returncode == 0
    code, out = unread("switch", "cats.db")  # which warns that nothing was judged
    assert (code, out[:12]) == (0, '{"index": "c' if as_json else "generation 2")


@contextmanager
def closed_pipe() -> Iterator[IO[bytes]]:
    """A pipe whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as writer:
        yield writer


def wait_for(folder: Path, pattern: str) -> None:
    """Until a command has begun to write."""
    end = time.monotonic() + 30
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.5)


@posix
@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_sync_is_130_and_the_next_continues(cats: Path, as_json: bool) -> None:
    command = [*FAKE, "sync", "cats.jsonl", "cats.db", *(["--json"] if as_json else [])]
    env = {**os.environ, "FAKE_PAUSE": "3"}
    process = subprocess.Popen(command, cwd=cats, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(cats, "cats.db")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    message = "interrupted; what was committed is kept"
    if as_json:
        assert json.loads(err)["error"]["message"] == message
    else:
        assert err == f"error: {message}\n"
    again = run(FAKE, "sync", "cats.jsonl", "cats.db", "--json", cwd=cats)
    report = json.loads(again.stdout)
    assert report["embedded"] + report["reused"] == 3000
    assert run(FAKE, "search", "cats.db", "cat number 7", "-k", "1", cwd=cats).stdout.split("\t")[1] == "cat 7"


@posix
def test_an_interrupted_encode_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a text\n" * 20_000, "utf-8")
    env = {**os.environ, "FAKE_PAUSE": "3"}
    process = subprocess.Popen(
        [*FAKE, "encode", "--file", "in.txt", "-o", "out.npy"], cwd=tmp_path, env=env, stderr=subprocess.PIPE
    )
    wait_for(tmp_path, ".out.npy.*.tmp")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@posix
def test_on_a_terminal_there_is_a_bar_and_a_table(cats: Path) -> None:
    env = {**os.environ, "FAKE_PAUSE": "0.6", "TERM": "xterm-256color", "COLUMNS": "70"}
    shown = on_a_terminal([*FAKE, "sync", "cats.jsonl", "cats.db"], cats, env)
    assert "embedding" in shown
    assert "of 3,000 rows" in shown
    assert shown.rstrip().endswith("embedded 3,000, reused 0, updated 0, deleted 0")
    shown = on_a_terminal([*FAKE, "search", "cats.db", "cat number 7"], cats, env | {"FAKE_PAUSE": "0"})
    assert "\t" not in shown
    assert "1.000" in shown


def on_a_terminal(command: list[str], cwd: Path, env: dict[str, str]) -> str:
    """What a command writes to a terminal of its own."""
    import pty

    outer, inner = pty.openpty()
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=inner, stdout=inner, stderr=inner) as process:
        os.close(inner)
        shown = b""
        try:
            while chunk := os.read(outer, 65536):
                shown += chunk
        except OSError:  # Linux says EIO at the end
            pass
        os.close(outer)
    assert process.returncode == 0
    return shown.decode()


def test_without_a_network_a_model_that_is_not_here_is_a_model_error(tmp_path: Path) -> None:
    env = {**os.environ, "IDEMBED_OFFLINE": "1"}
    done = run(REAL, "encode", "x", "--model", "nobody/no-such-model", "--json", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (4, "")
    assert json.loads(done.stderr)["error"]["exit_code"] == 4


def test_a_file_that_is_not_an_index_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, not an index")
    done = run(REAL, "search", "notes.txt", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("error: notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "these are notes, not an index"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_standard_output_is_said_plainly(cats: Path) -> None:
    assert run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats).returncode == 0
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*FAKE, "search", "cats.db", "cat"], cwd=cats, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 5
    assert "the output: No space left on device" in done.stderr


def test_a_condition_given_twice_is_refused(cats: Path) -> None:
    assert run(FAKE, "sync", "cats.jsonl", "cats.db", cwd=cats).returncode == 0
    done = run(FAKE, "search", "cats.db", "cat", "--where", '{"n": {"gte": 2, "gte": 0}}', cwd=cats)
    assert done.returncode == 2
    assert "'gte' is given twice" in done.stderr


# train -------------------------------------------------------------------------------------------------------


def test_an_index_is_built_on_word_vectors_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, text in (
        ("cats", "A cat is a small animal that purrs. Cats sleep on a warm mat."),
        ("dogs", "A dog is a loyal animal that barks. Dogs sleep on a warm rug."),
        ("bread", "Bread is baked of flour and water. Bakers knead flour and salt."),
    ):
        (tmp_path / "docs" / f"{name}.md").write_text(f"# {name}\n\n{text}\n" * 5, "utf-8")
    trained = run(REAL, "train", "docs/", "-o", "pets.w2v", "--sg", cwd=tmp_path)
    assert (trained.returncode, trained.stderr) == (0, "")
    assert trained.stdout.startswith("read 185 words in 45 sentences\n")
    synced = run(REAL, "sync", "docs/", "pets.db", "--model", "./pets.w2v", cwd=tmp_path)
    assert (synced.returncode, synced.stdout) == (0, "embedded 3, reused 0, updated 0, deleted 0\n")
    found = run(REAL, "search", "pets.db", "BAKED flour", "-k", "1", cwd=tmp_path)
    assert (found.returncode, found.stdout.split("\t")[1]) == (0, "bread.md")
    unknown = run(REAL, "search", "pets.db", "xylophone", cwd=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (3, "")


@posix
def test_training_shows_its_speed_and_stops_at_once_leaving_nothing(tmp_path: Path) -> None:
    import pty

    lines = [" ".join(f"word{i * j % 977}" for j in range(20)) for i in range(5000)]
    (tmp_path / "corpus.txt").write_text("\n".join(lines), "utf-8")
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    command = [*REAL, "train", "corpus.txt", "-o", "corpus.w2v", "--epochs", "100000", "--tokenizer", "whitespace"]
    outer, inner = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdin=inner, stdout=inner, stderr=inner) as process:
        os.close(inner)
        try:
            shown, end = b"", time.monotonic() + 60
            while b"words/s" not in shown:
                assert time.monotonic() < end, shown
                shown += os.read(outer, 65536)
            asked = time.monotonic()
            process.send_signal(signal.SIGINT)
            rest = b""
            try:
                while chunk := os.read(outer, 65536):
                    rest += chunk
            except OSError:  # Linux says EIO at the end
                pass
            assert process.wait(30) == 130
        finally:
            process.kill()
            os.close(outer)
    assert time.monotonic() - asked < 5  # on a shared, busy machine; alone it takes 0.2 s
    assert b"vocabulary: 977 words" in shown
    assert b"of 10,000,000,000 words" in shown
    assert rest.rstrip().endswith(b"interrupted; nothing was written")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
