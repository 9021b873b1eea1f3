"""Vectors of f32-1 against sentence-transformers on 1,000 mixed texts: 1 to 400 tokens, Unicode, emoji, empty
text, duplicates. Goal: largest absolute difference ≤ 2e-6 and the same truncation."""

from __future__ import annotations

import csv
import gzip
import json
import random
import tempfile
from pathlib import Path

import numpy as np
from peers import Worker, arguments, finish, minilm

ODD = [
    "",
    " ",
    "a",
    "?",
    "😀 👩‍👩‍👧‍👦 🇫🇷",
    "ﬁne ligatures Ⅷ ½ ℌ",
    "naïve café coöperate ÅNGSTRÖM",
    "日本語のテキスト",
    "Привет, мир",
    "مرحبا بالعالم",
    "x" * 300,
    "tab\tnew\nline\r\n",
    "\u200bzero width\ufeff",
    "e\u0301 combining",
    "word " * 400,
]


def texts(data: Path) -> list[str]:
    """1,000 texts, the same ones every time."""
    choose = random.Random(7)
    with (data / "stsb" / "stsb-sts-test.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sentences = sorted({text for line in lines for text in line[5:7]})
    with gzip.open(data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        abstracts = [json.loads(line)["text"] for line in file]
    words = " ".join(abstracts[:50]).split()
    cuts = [" ".join(words[i : i + n]) for i, n in enumerate(choose.choices(range(1, 330), k=335))]
    found = ODD + choose.sample(sentences, 400) + choose.sample(abstracts, 200) + cuts
    found += choose.sample(found, 1000 - len(found))
    choose.shuffle(found)
    return found


def main() -> None:
    options = arguments(__doc__ or "")
    folder = minilm()
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "texts.json"
        source.write_text(json.dumps(texts(options.data)))
        vectors = []
        for engine in ("idembed", "sentence_transformers"):
            worker = Worker(engine, folder, 2)
            worker.ask(encode=str(source), out=f"{temporary}/{engine}.npy")
            worker.close()
            vectors.append(np.load(f"{temporary}/{engine}.npy"))
    ours, theirs = vectors
    difference = np.abs(ours - theirs).max(axis=1)
    cosine = np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64))
    print(f"{len(ours):,} texts: largest difference {difference.max():.2e}, lowest cosine {cosine.min():.9f}")
    finish(
        {
            "bench": "parity",
            "texts": len(ours),
            "max_abs_difference": float(difference.max()),
            "lowest_cosine": float(cosine.min()),
            "holds": bool(difference.max() <= 2e-6),
        }
    )


if __name__ == "__main__":
    main()
