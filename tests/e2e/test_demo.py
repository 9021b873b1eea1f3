"""``idembed demo``, as ``make demo`` runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from idembed.cli import demo as demo_module
from idembed.cli.output import Output

FAKE = [sys.executable, str(Path(__file__).with_name("fake_idembed.py")), "demo"]
REAL = [sys.executable, "-m", "idembed", "demo"]


def run(command: list[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
    return done.stdout


def test_the_second_run_embeds_nothing(tmp_path: Path) -> None:
    first, second = run(FAKE, tmp_path), run(FAKE, tmp_path)
    embedded = re.search(r"embedded ([\d,]+), reused ([\d,]+), updated 0, deleted 0 in", first)
    assert embedded is not None
    rows = re.search(r"read ([\d,]+) docstrings", first)
    assert rows is not None
    assert int(rows[1].replace(",", "")) > 2000
    assert f"embedded 0, reused {rows[1]}, updated 0, deleted 0" in second
    assert [path.name for path in tmp_path.iterdir()] == ["demo.db"]


def test_what_to_try_next_can_be_typed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "venv" / "bin" / "idembed"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    for folder, on_path, typed in (
        (tmp_path, tmp_path, "venv/bin/idembed"),
        (program.parent, tmp_path, "./idembed"),
        (program.parent.parent / "..", program.parent, "idembed"),
    ):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PATH", str(on_path))
        demo_module._next(Output(), Path("demo.db"))
        lines = capsys.readouterr().out.splitlines()[2:]
        assert len(lines) == 4
        assert all(line.startswith(f"  {typed} s") for line in lines)


def test_a_hostile_folder_changes_nothing(tmp_path: Path) -> None:
    """Modules in the current folder must neither be imported in place of the library's nor be shown."""
    for name in ("random", "json", "antigravity", "calendar"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}.was-here', 'w')\n'''evil'''\n")
    run([sys.executable, "-P", *FAKE[1:]], tmp_path)
    assert not list(tmp_path.glob("*.was-here"))


@pytest.mark.slow
def test_three_questions_are_answered_well(tmp_path: Path) -> None:
    start = time.monotonic()
    document = json.loads(run([*REAL, "--json"], tmp_path))
    assert time.monotonic() - start < 240  # a shared, busy machine; alone it takes under a minute
    hits = {answer["question"]: [hit["id"] for hit in answer["hits"]] for answer in document["answers"]}
    assert all(len(ids) == 5 for ids in hits.values())
    assert hits["join two file paths"][0] == "os.path.join"
    assert hits["wait for the first of several tasks"][0] == "asyncio.wait"
    packers = {"gzip", "bz2", "lzma", "zipfile", "zlib", "tarfile", "shutil"}
    assert packers & {name.partition(".")[0] for name in hits["compress a file"]}

    again = json.loads(run([*REAL, "--json"], tmp_path))
    assert again["report"]["embedded"] == 0
    assert again["answers"] == document["answers"]
    assert "Try next" in run(REAL, tmp_path)
