"""Random lives of indexes for as long as one likes: ``make torture MINUTES=30``. The last line says what was done, and
what was lost; the exit code is 1 when anything was."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pytest
from history import History
from life import step
from places import LIVED, MODULES, PLACES
from workers import WHY_NOT, Workers
from wrong import KINDS, WrongError

STEPS = 40
"""of a life"""


def main() -> int:
    """Live until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None, help="one life alone, named by the report of a failure")
    parser.add_argument("--stores", default=",".join(LIVED), help="kinds of databases, such as sqlite,postgres")
    options = parser.parse_args()
    if WHY_NOT:
        print(f"skipped: this {WHY_NOT}")
        return 0
    logging.disable(logging.WARNING)  # of damage, which is done on purpose
    faults: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    lives = steps = failures = 0
    end = time.monotonic() + 60 * options.minutes
    kinds = installed(options.stores.split(","))
    with Workers(MODULES) as workers:
        while time.monotonic() < end and (options.seed is None or not lives):
            kind = kinds[lives % len(kinds)]
            seed = random.randrange(1 << 31) if options.seed is None else options.seed
            with tempfile.TemporaryDirectory(prefix="idembed-torture-") as folder:
                life = History(workers, Path(folder), kind, seed)
                try:
                    with life:
                        while len(life.steps) < STEPS and time.monotonic() < end:
                            step(life)
                except Exception as error:
                    failures += 1
                    wrong += error.counts if isinstance(error, WrongError) else Counter()
                    print(f"seed {seed} in {kind}", file=sys.stderr)
                    traceback.print_exc()
                faults += Counter({f"{kind}: {what}": count for what, count in life.faults.items()})
                steps += len(life.steps)
            lives += 1
    for what, count in sorted(faults.items()):
        print(f"{count:>7,}  {what}")
    losses = ", ".join(f"{kind} {wrong[kind]:,}" for kind in KINDS)
    print(
        f"{lives:,} lives, {steps:,} steps, {sum(faults.values()):,} faults injected; {losses}; failures {failures:,}"
    )
    return 1 if failures else 0


def installed(kinds: list[str]) -> list[str]:
    """Those that can be had on this machine; what each of the others lacks is said."""
    there = []
    for kind in kinds:
        try:
            with tempfile.TemporaryDirectory() as folder:
                PLACES[kind](Path(folder))
            there.append(kind)
        except pytest.skip.Exception as reason:
            print(f"without {kind}: {reason}", file=sys.stderr)
    return there


if __name__ == "__main__":
    sys.exit(main())
