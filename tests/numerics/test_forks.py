"""A model that was used, or is in use by other threads, goes on in a forked child: same bits, no deadlock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

FORK = """
import os, signal, sys, threading, warnings
from idembed import load
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads, and is right
model, texts = load(sys.argv[1], threads=3), ["the cat", "a dog sat on the mat", "query"] * 40

def in_a_child():
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a deadlock ends, and is seen
        os._exit(0 if model.embed(texts).vectors.tobytes() == expected else 9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
IN_USE = """
expected = model.embed(texts).vectors.tobytes()
done, same = threading.Event(), []

def work():
    while not done.is_set():
        same.append(model.embed(texts).vectors.tobytes() == expected)

workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for _ in range(5):
    in_a_child()
done.set()
for worker in workers:
    worker.join()
assert all(same) and same
"""
LOADING = """
expected = load(sys.argv[1]).embed(texts).vectors.tobytes()
with model._engine._lock:  # as while another thread loads it
    in_a_child()
"""


@pytest.mark.parametrize("code", [IN_USE, LOADING], ids=["in use", "being loaded"])
def test_a_fork_beside_threads_of_the_same_model_gives_the_same_bits(tmp_path: Path, code: str) -> None:
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", FORK + code, str(tiny.checkpoint(tmp_path / "tiny"))],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
