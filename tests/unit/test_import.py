"""``import idembed`` is quick, silent and alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

import idembed

HEAVY = ("numpy", "tokenizers", "safetensors", "huggingface_hub", "typer", "rich", "sqlite3", "asyncio", "ssl")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def test_it_takes_less_than_a_tenth_of_a_second() -> None:
    code = "import time; start = time.process_time(); import idembed; print(time.process_time() - start)"
    assert min(float(run(code)) for _ in range(5)) < 0.1  # of processor time: the machine may be busy


def test_it_imports_nothing_heavy() -> None:
    loaded = run("import sys, idembed; print(*sys.modules)").split()
    assert [name for name in HEAVY if name in loaded] == []


def test_it_opens_no_connection_and_no_file_of_ours() -> None:
    run(
        "import sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, arguments: seen.append(event))\n"
        "import idembed\n"
        "assert not [e for e in seen if e.startswith(('socket.', 'subprocess.', 'ctypes.'))], seen"
    )


def test_every_public_name_is_there() -> None:
    for name in idembed.__all__:
        assert getattr(idembed, name) is not None, name
    assert set(idembed.__all__) <= set(dir(idembed))


def test_every_error_is_public() -> None:
    from idembed import errors

    assert set(errors.__all__) <= set(idembed.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = idembed.nothing
