"""A database of collections in the memory of the test process: what is made of its verbs, without processes."""

from __future__ import annotations

from place import Place


class MemoryPlace(Place):
    """There while the test is; no other process sees it."""

    kind = "memory"
    lives = 0
    examples = 10
    trials = 0
    is_shared = False
