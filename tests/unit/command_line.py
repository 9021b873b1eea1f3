"""The command line run within the process, in an empty folder, with models that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModel, rows

from idembed import models
from idembed.cli import main
from idembed.errors import ModelNotFoundError

__all__ = ["Run", "jsonl", "many", "questions", "run"]

Run = Callable[..., tuple[int, str, str]]
"""Runs a command line: its exit code, standard output, standard error."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty folder, where the models are called old, new and other."""
    known = {name: FakeModel(name) for name in ("old", "new", "other")}

    def load(name: str, **options: Any) -> FakeModel:
        if name not in known:
            raise ModelNotFoundError(f"there is no model {name}")
        return known[name]

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "vault"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def many(run: Run) -> str:
    """An index of 40 rows, r0 to r39, by the model old."""
    jsonl("many.jsonl", *rows(*(f"r{i}:text {i}" for i in range(40))))
    assert run("sync", "many.jsonl", "many.db", "--model", "old", "-q")[0] == 0
    return "many.db"


def jsonl(path: str, *found: dict[str, Any]) -> str:
    """A file of these rows; its name."""
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


def questions(count: int) -> tuple[str, str]:
    """Files of questions, each the text of a row of ``many``, and of which row answers them."""
    jsonl("q.jsonl", *({"_id": str(i), "text": f"text {i}"} for i in range(count)))
    lines = "".join(f"{i}\tr{i}\t1\n" for i in range(count))
    Path("r.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return "q.jsonl", "r.tsv"
