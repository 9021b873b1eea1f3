"""Does a text's vector depend on its neighbours? 300 texts, each alone, then in batches in three orders: how many
texts get more than one vector, and how far apart the vectors of one text are."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from parity import texts
from peers import Worker, arguments, finish, minilm

ENGINES = ("idembed", "sentence_transformers", "onnxruntime", "onnxruntime_int8")


def vectors(worker: Worker, folder: Path, batch: list[str]) -> Any:
    (folder / "texts.json").write_text(json.dumps(batch))
    worker.ask(encode=str(folder / "texts.json"), out=str(folder / "vectors.npy"))
    return np.load(folder / "vectors.npy")


def main() -> None:
    options = arguments(__doc__ or "")
    chosen = sorted(set(texts(options.data)))[::3][:300]
    model = minilm()
    result: dict[str, Any] = {"bench": "determinism", "texts": len(chosen)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for engine in ENGINES:
            worker = Worker(engine, model, 2)
            found = [np.concatenate([vectors(worker, folder, [text]) for text in chosen])]
            for seed in range(3):
                order = list(range(len(chosen)))
                random.Random(seed).shuffle(order)
                made = vectors(worker, folder, [chosen[i] for i in order])
                found.append(made[np.argsort(order)])
            worker.close()
            distinct = [len({v[i].tobytes() for v in found}) for i in range(len(chosen))]
            cosine = [min(float(found[0][i] @ v[i]) for v in found[1:]) for i in range(len(chosen))]
            result[engine] = {
                "texts_with_several_vectors": sum(n > 1 for n in distinct),
                "largest_difference": float(max(np.abs(found[0] - v).max() for v in found[1:])),
                "lowest_cosine": round(min(cosine), 7),
            }
            print(f"{engine:22} {result[engine]}")
    finish(result)


if __name__ == "__main__":
    main()
