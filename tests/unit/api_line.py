"""The command line run within the process, in an empty folder, on a machine whose OpenAI is the fake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.api import FakeApi
from idembed.cli import main
from idembed.models.api.registry import ADAPTERS

__all__ = ["SMALL", "Line", "fake", "line", "written"]

Line = Callable[..., tuple[int, str, str]]
"""Runs a command line: its exit code, standard output, standard error."""

SMALL = "openai:text-embedding-3-small?dimensions=64"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """Every provider, on this machine."""
    with FakeApi() as api:
        yield api


@pytest.fixture
def line(fake: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    """Run a command line in an empty folder. Of all keys only OpenAI's is set."""
    for adapter in ADAPTERS.values():
        extra = [name for names in adapter.extra_variables.values() for name in names]
        for name in (*adapter.key_variables, *adapter.endpoint_variables, *extra):
            monkeypatch.delenv(name, raising=False)
    for name in (*_PROXIES, *map(str.upper, _PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", fake.base("openai"))
    monkeypatch.setenv("OPENAI_API_KEY", fake.key)
    monkeypatch.setenv("IDEMBED_VAULT", str(tmp_path / "vault"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def written(path: str, *texts: str, **more: Any) -> str:
    """A file of rows with these texts, whose ids are r0, r1, and so on; its name."""
    lines = (json.dumps({"id": f"r{n}", "text": text, **more}) for n, text in enumerate(texts))
    Path(path).write_text("\n".join(lines) + "\n", "utf-8")
    return path
