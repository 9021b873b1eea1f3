"""Sync ROWS short rows into PATH with the model NAME, spending MAX_COST dollars at the most (0: whatever it takes).
Ends with 3 where the limit is reached."""

from __future__ import annotations

import sys

from idembed import Index
from idembed.errors import CostLimitError


def rows(count: int) -> list[dict[str, str]]:
    return [
        {"id": f"{n:05}", "text": f"Row {n} of an inventory, with {n * 7 % 101} pieces on shelf {n % 13}."}
        for n in range(count)
    ]


def main() -> int:
    path, name, count, dollars = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    with Index(path, name) as index:
        try:
            index.sync(rows(count), max_cost=dollars or None)
        except CostLimitError:
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
