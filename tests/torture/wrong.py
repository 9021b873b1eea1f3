"""What can be wrong, counted."""

from __future__ import annotations

from collections import Counter

KINDS = (
    "lost",
    "torn",
    "stale",
    "extra",
    "mixed",
    "computed again",
    "wrong answers",
    "missed by verify",
    "false alarms",
)


class WrongError(AssertionError):
    """How many of each of KINDS there are."""

    def __init__(self, where: str, counts: Counter[str]) -> None:
        self.counts = counts
        super().__init__(f"{where}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def refuse(where: str, **counts: int) -> None:
    """Raise WrongError if there is any."""
    found = Counter({name.replace("_", " "): count for name, count in counts.items() if count})
    if found:
        raise WrongError(where, found)
