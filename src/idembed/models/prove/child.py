"""A model in processes of its own: a program that ``Child`` starts, which may fork itself.

    python -P -m idembed.models.prove.child

reads a pickle from standard input, (model, lists of texts, whether to fork), and writes the vectors of all lists, one
after the other, as the bytes of an array of NumPy. With ``fork`` it embeds the first list, then forks for each of the
others and embeds the first one again meanwhile: what the copies inherit was used.
"""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from typing import IO

import numpy as np

from idembed.errors import ModelError
from idembed.models.base import Model, TruncationWarning, Vectors

__all__ = ["Child", "can_fork", "can_spawn"]


def can_spawn() -> bool:
    """Whether this interpreter can start another one."""
    return bool(sys.executable)


def can_fork() -> bool:
    """Whether processes can be copied; on macOS they can, and Apple's own libraries then abort."""
    return can_spawn() and hasattr(os, "fork") and sys.platform != "darwin"


class Child:
    """A process that embeds ``lists`` with a copy of ``model``, from the beginning. A context manager: it is killed
    when it is no longer wanted. Ctrl-C reaches the parent only."""

    def __init__(self, model: Model, lists: Sequence[Sequence[str]], *, fork: bool = False) -> None:
        self._job = pickle.dumps((model, [list(texts) for texts in lists], fork))

    def __enter__(self) -> Child:
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "idembed.models.prove.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        try:
            with self._process.stdin as stdin:
                stdin.write(self._job)
        except BrokenPipeError:
            pass  # it ended early, and ``vectors`` says how
        return self

    def vectors(self) -> Vectors:
        """What it computed, float32 [texts of all lists, dim]. Raises ModelError with its last words if it failed."""
        assert self._process.stdout is not None
        made = self._process.stdout.read()
        if self._process.wait() != 0:
            self._said.seek(0)
            last = self._said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise ModelError(f"a process of its own could not embed: {' '.join(last) or 'it was killed'}")
        found: Vectors = np.load(io.BytesIO(made))
        return found

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()
        self._said.close()


def main(inward: IO[bytes], outward: IO[bytes]) -> None:
    """What the process does."""
    model, lists, fork = pickle.load(inward)
    warnings.simplefilter("ignore", TruncationWarning)
    made = _forked(model, lists) if fork else [model.embed(texts).vectors for texts in lists]
    np.save(outward, np.concatenate(made))
    outward.flush()


def _forked(model: Model, lists: Sequence[list[str]]) -> list[Vectors]:
    model.embed(lists[0])
    copies = []
    for texts in lists[1:]:
        reading, writing = os.pipe()
        if os.fork() == 0:
            _copy(model, texts, writing)
        os.close(writing)
        copies.append(reading)
    made = [model.embed(lists[0]).vectors]
    for reading in copies:
        with open(reading, "rb") as pipe:
            made.append(np.load(io.BytesIO(pipe.read())))
        os.wait()
    return made


def _copy(model: Model, texts: list[str], writing: int) -> None:
    """Never returns."""
    try:
        raw = io.BytesIO()
        np.save(raw, model.embed(texts).vectors)
        with open(writing, "wb") as pipe:
            pipe.write(raw.getvalue())
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)  # no exit handlers of the process that was copied; what is missing is seen


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
