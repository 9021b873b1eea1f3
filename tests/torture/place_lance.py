"""LanceDB: a folder of tables, written by one process at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

from place import Place


class LancePlace(Place):
    """A folder. (Its engine has threads from the moment on that it is imported, so that nobody may fork after that.)"""

    kind = "lance"
    lives = 1
    steps = 8
    examples = 1
    switches = 8
    imports = ("idembed.stores.lance.engine",)

    def remove(self) -> None:
        shutil.rmtree(Path(str(self.url).removeprefix("lance://")), ignore_errors=True)
