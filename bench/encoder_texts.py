"""The texts that bench/encoder.py measures with, the same ones every time."""

from __future__ import annotations

import csv
import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

LIMIT = 256
"""Tokens read of a text."""


@dataclass(frozen=True, slots=True)
class Workload:
    texts: list[str]
    lengths: list[int]
    """Tokens of each, the special ones included, as far as they are read."""

    @property
    def tokens(self) -> int:
        return sum(self.lengths)


def sentences(data: Path) -> list[str]:
    """Those of STS-B's test part."""
    with (data / "stsb" / "stsb-sts-test.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return sorted({text for line in lines for text in line[5:7]})


def abstracts(data: Path) -> list[str]:
    """Those of SciFact."""
    with gzip.open(data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def workloads(data: Path, model: Path) -> dict[str, Workload]:
    """``short``: 384 sentences of 16 to 32 tokens; ``long``: 64 abstracts of 150 to 250; ``mixed``: half of each,
    shuffled; ``query``: 16 sentences of 6 to 10; ``check``: ten texts, some longer than what is read."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)
    choose = random.Random(1)
    sets = {"short": sentences(data), "long": abstracts(data)}
    counted = {
        name: [(text, len(e.ids)) for text, e in zip(texts, tokenizer.encode_batch(texts), strict=True)]
        for name, texts in sets.items()
    }

    def some(name: str, count: int, least: int, most: int) -> list[tuple[str, int]]:
        return choose.sample([item for item in counted[name] if least <= item[1] <= most], count)

    short, long = some("short", 384, 16, 32), some("long", 64, 150, 250)
    mixed = short[:192] + long[:32]
    choose.shuffle(mixed)
    query = some("short", 16, 6, 10)
    check = some("short", 4, 5, 40) + some("long", 3, 100, LIMIT - 1) + some("long", 3, LIMIT, LIMIT)
    chosen = {"short": short, "long": long, "mixed": mixed, "query": query, "check": check}
    return {name: Workload([text for text, _ in of], [n for _, n in of]) for name, of in chosen.items()}
