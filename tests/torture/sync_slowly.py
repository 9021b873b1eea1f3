"""Sync an earlier state (``half``) or the later one (``all``) of some 400 rows into the index at a URL, with a slow
fake model, and a vault in FOLDER: ``sync_slowly.py FOLDER all URL``. From half to all: rows added, deleted, swapped far
apart, texts and metadata changed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from fake_models import FakeModel

from idembed.index import Index


class SlowModel(FakeModel):
    """A millisecond a text, so that a kill lands somewhere in the middle."""

    def embed(self, texts: Any, *args: Any, **kwargs: Any) -> Any:
        made = super().embed(texts, *args, **kwargs)
        time.sleep(0.001 * len(texts))
        return made


def rows(state: str) -> list[dict[str, Any]]:
    if state == "half":
        kept = [{"id": f"{i:03}", "text": f"text {i}", "metadata": {"n": i}} for i in range(0, 400, 2)]
        return kept + [{"id": f"old {i:03}", "text": f"old text {i}"} for i in range(100)]
    return [{"id": f"{i:03}", "text": _later(i), "metadata": {"n": -i if i % 7 == 0 else i}} for i in range(400)]


def _later(i: int) -> str:
    if i % 20 == 0:
        return f"text {380 - i}"  # swapped
    return f"new text {i}" if i % 10 == 0 else f"text {i}"


def main() -> None:
    folder, state, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    os.environ["IDEMBED_VAULT"] = str(folder / "vault")
    with Index(url, SlowModel(log=folder / "asked")) as index:
        print(index.sync(rows(state)))


if __name__ == "__main__":
    main()
