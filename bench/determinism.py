"""Does a text's vector depend on what stands beside it? The needle test of ``idembed prove`` on every engine: 103
texts, each alone, then at every place of small batches, in batches of up to 1,024, in any order, and on one thread
less. How many vectors a text gets, how far apart the worst of them are, and how many texts get more than one.

An engine that cannot be measured here is in the table all the same, with the reason. ``--engines`` names some, by
commas; ``--largest`` is the size of the largest batch.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from engines import SETTINGS
from peers import Worker, arguments, finish, minilm

from idembed.models.prove import batches
from idembed.models.prove.texts import TEXTS

THREADS = 2


@dataclass
class Found:
    """The vectors of one engine: all that each text got, the one of the text alone first."""

    alone: Any
    distinct: list[set[bytes]]
    vectors: int = 0
    lowest: float = 1.0
    largest: float = 0.0
    differing: set[int] = field(default_factory=set)

    def take(self, members: list[int], made: Any) -> None:
        for n, vector in zip(members, np.asarray(made, np.float32), strict=True):
            self.vectors += 1
            raw = vector.tobytes()
            if raw in self.distinct[n]:
                continue
            self.distinct[n].add(raw)
            self.differing.add(n)
            first = self.alone[n].astype(np.float64)
            cosine = first @ vector / (np.linalg.norm(first) * np.linalg.norm(vector.astype(np.float64)))
            self.lowest = min(self.lowest, float(cosine))
            self.largest = max(self.largest, float(np.abs(first - vector).max()))


@dataclass(frozen=True)
class Row:
    """What is said of one engine."""

    settings: str
    vectors: int = 0
    distinct_mean: float = 0.0
    distinct_most: int = 0
    lowest_cosine: float = 0.0
    largest_difference: float = 0.0
    texts_affected: int = 0
    share_affected: float = 0.0
    missing: str = ""

    def shown(self) -> str:
        if self.missing:
            return f"not measured: {self.missing}"
        return (
            f"{self.vectors:>7,} {self.distinct_mean:>8.2f} {self.distinct_most:>6} {self.lowest_cosine:>12.9f} "
            f"{self.largest_difference:>9.1e} {self.share_affected:>7.1%}   {self.settings}"
        )


def needles(choose: random.Random, largest: int) -> Iterator[list[int]]:
    """The batches of ``idembed prove``; not its threads, processes and streams, which each engine has its own way."""
    everything = list(range(len(TEXTS)))
    for n in everything:
        yield [n]
    for members in (*batches.every_place(TEXTS), *batches.large(TEXTS)):
        if len(members) <= largest:
            yield members
    yield everything
    yield choose.sample(everything, len(everything))


def measured(engine: str, model: Path, folder: Path, largest: int) -> Row:
    """Raises SystemExit where the engine does not start, or ends."""

    def ask(members: list[int]) -> Any:
        (folder / "texts.json").write_text(json.dumps([TEXTS[n] for n in members]))
        worker.ask(encode=str(folder / "texts.json"), out=str(folder / "vectors.npy"))
        return np.load(folder / "vectors.npy")

    worker = Worker(engine, model, THREADS)
    alone = np.concatenate([ask([n]) for n in range(len(TEXTS))]).astype(np.float32)
    found = Found(alone, [{vector.tobytes()} for vector in alone])
    choose = random.Random(1)
    for members in needles(choose, largest):
        found.take(members, ask(members))
    worker.close()
    worker = Worker(engine, model, THREADS - 1)
    for members in [[n] for n in range(len(TEXTS))] + [choose.sample(range(len(TEXTS)), len(TEXTS))]:
        found.take(members, ask(members))
    worker.close()
    counts = [len(vectors) for vectors in found.distinct]
    return Row(
        SETTINGS[engine].shown(),
        found.vectors,
        sum(counts) / len(counts),
        max(counts),
        round(found.lowest, 9),
        found.largest,
        len(found.differing),
        len(found.differing) / len(counts),
    )


def main() -> None:
    options = arguments(__doc__ or "", engines=",".join(SETTINGS), largest=1024)
    model = minilm()
    result: dict[str, Any] = {"bench": "determinism", "texts": len(TEXTS), "threads": [THREADS, THREADS - 1]}
    result["largest_batch"] = options.largest
    head = ("vectors", "distinct", "most", "worst cosine", "largest", "texts")
    print(f"{'engine':22} " + "{:>7} {:>8} {:>6} {:>12} {:>9} {:>7}".format(*head))
    with tempfile.TemporaryDirectory() as temporary:
        for engine in options.engines.split(","):
            try:
                row = measured(engine, model, Path(temporary), options.largest)
            except SystemExit as reason:
                row = Row(SETTINGS[engine].shown(), missing=str(reason))
            print(f"{engine:22} {row.shown()}", flush=True)
            result[engine] = asdict(row)
    finish(result)


if __name__ == "__main__":
    main()
