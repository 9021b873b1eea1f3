"""Where idembed's own files lie: what was paid for apart from what can be had again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from idembed.folders import cache_folder, data_folder
from idembed.vault import default_path

VARIABLES = ("IDEMBED_DATA", "IDEMBED_CACHE", "IDEMBED_VAULT", "XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")


def test_the_usual_places() -> None:
    assert data_folder() == Path("/home/someone/.local/share/idembed")
    assert cache_folder() == Path("/home/someone/.cache/idembed")
    assert default_path() == Path("/home/someone/.local/share/idembed/vault")


def test_the_users_folders_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "~/kept")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch")
    assert data_folder() == Path("/home/someone/kept/idembed")
    assert cache_folder() == Path("/scratch/idembed")


def test_our_own_variables_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch")
    monkeypatch.setenv("IDEMBED_DATA", "~/paid")
    monkeypatch.setenv("IDEMBED_CACHE", "/fast")
    assert data_folder() == Path("/home/someone/paid")
    assert cache_folder() == Path("/fast")
    assert default_path() == Path("/home/someone/paid/vault")


def test_a_cache_that_is_deleted_takes_nothing_along_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/Users/someone/AppData/Local")
    assert data_folder() == Path("/Users/someone/AppData/Local/idembed")
    assert cache_folder() == Path("/Users/someone/AppData/Local/idembed/cache")


def test_asking_makes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    data_folder(), cache_folder()
    assert list(tmp_path.iterdir()) == []
