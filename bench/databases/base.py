"""What the bench asks of a database: to start, to say where an index is, and the best loop of its own client."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from free import DIM, FreeModel
from lifecycle.rows import rows as make_rows

from idembed.rows import CheckedRow, check_row

__all__ = ["DIM", "Batch", "Data", "Database", "Write"]


class Batch(NamedTuple):
    """Some rows as a program has them that writes to the database itself. ``vectors``: float32 [n, dim]."""

    ids: Sequence[str]
    texts: Sequence[str]
    metadata: Sequence[dict[str, Any]]
    vectors: np.ndarray


class Data:
    """The same rows for everybody: texts of 200 characters, three fields of metadata, vectors of 384 numbers."""

    def __init__(self, size: int, *, changed: bool = False) -> None:
        """``changed``: every text is another one."""
        self.plain = make_rows(size, changed=int(changed))
        self.vectors = FreeModel().embed([row["text"] for row in self.plain]).vectors

    def checked(self) -> list[CheckedRow]:
        return [check_row(row["id"], row["text"], row["metadata"], "the bench") for row in self.plain]

    def batches(self, size: int) -> Iterator[Batch]:
        for begin in range(0, len(self.plain), size):
            some = self.plain[begin : begin + size]
            fields = ([row[name] for row in some] for name in ("id", "text", "metadata"))
            yield Batch(*fields, self.vectors[begin : begin + size])


Write = Callable[[Batch], None]


class Database(ABC):
    """One database, running, with a folder of its own that goes with it. A context manager."""

    name: ClassVar[str]
    durable: ClassVar[str]
    """What is true of a batch once it was written, by us and by the loops."""
    peers: ClassVar[Mapping[str, str]] = {}
    """What LangChain and LlamaIndex have for it, and what is to be known of that; nothing where they have none."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="idembed-"))  # the path of a socket is short
        self._numbers = count(1)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new(self, kind: str) -> str:
        """A name that is not taken."""
        return f"{kind}_{next(self._numbers)}"

    def start(self) -> None:
        """Whatever has to run."""
        return

    def stop(self) -> None:
        """End it."""
        return

    @abstractmethod
    def url(self, name: str) -> str:
        """Where our index of that name is."""

    @abstractmethod
    def loops(self) -> Mapping[str, Callable[[str], AbstractContextManager[Write]]]:
        """Loops of the database's own client, by what they do; each makes a table of a name and gives what writes a
        batch to it, durably as ours is. ``upsert`` is the one that we are measured by; others cannot write a row
        twice, or are not as durable, and are there to be known."""

    def place(self, name: str) -> dict[str, Any]:
        """What the others' classes are told, to find the database."""
        return {"name": name, "folder": str(self.folder / "peers")}
