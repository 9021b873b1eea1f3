"""One engine in one process: reads JSON commands from standard input, answers one JSON line each.

``engines.py ENGINE MODEL THREADS`` runs in the environment of its engine. ``{"encode": FILE, "out": FILE|null}``
embeds the texts of a JSON file in one call, tokenisation included, and answers ``{"seconds": …}``; ``out`` saves the
vectors (.npy). ``{"queries": FILE}`` embeds each text by a call of its own and answers the seconds of each.

ENGINE may end in settings, as in ``openvino@batch=16,streams=1``. Without, they are those that were best on two cores;
``encoder.py --parts settings`` measures that again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parent.parent / ".bench" / "minilm"
"""Where encoder_models.py put what it made."""
LIMIT = 256
"""Tokens read of a text."""

Encode = Callable[[list[str]], Any]
Hidden = Callable[[dict[str, Any]], Any]
"""Padded token ids, int64 [batch, tokens], and their mask, to the last layer, float32 [batch, tokens, 384]."""


@dataclass(frozen=True, slots=True)
class Settings:
    """At most ``batch`` texts at a time, sorted by length, that have at most ``tokens`` with their padding (0: however
    many); ``streams`` batches at once, which share the threads."""

    batch: int = 32
    tokens: int = 0
    streams: int = 1
    note: str = ""

    def shown(self) -> str:
        if self.note.startswith("profile"):
            return self.note
        within = f" and {self.tokens} tokens" if self.tokens else ""
        at_once = f", {self.streams} at once" if self.streams > 1 else ""
        return f"{self.note}; batches of up to {self.batch}{within}{at_once}"


SETTINGS = {
    "idembed": Settings(note="profile f32"),
    "idembed_i16": Settings(note="profile i16"),
    "idembed_i8": Settings(note="profile i8"),
    "sentence_transformers": Settings(8, note="torch float32"),
    "onnxruntime": Settings(16, 800, 2, "float32, optimum O3, all graph optimisations"),
    "onnxruntime_int8": Settings(16, 800, 2, "int8, dynamic, optimum avx512_vnni"),
    "openvino": Settings(16, 800, 2, "float32"),
    "openvino_bf16": Settings(16, 800, 2, "bfloat16 by INFERENCE_PRECISION_HINT"),
    "openvino_int8": Settings(32, 1600, 2, "int8, static, NNCF, what is not quantised in bfloat16"),
    "ctranslate2": Settings(32, 800, 2, "float32"),
    "ctranslate2_int8": Settings(32, 800, 2, "int8 weights and activations"),
    "fastembed": Settings(8, note="float32, the same O3 model; texts sorted by characters beforehand"),
}
"""A batch of 32 long texts costs all of them a quarter and more: what lies between two layers no longer fits in a
processor's cache. Measured in processor time of one thread, with 4, 8, 16 and 32 texts a batch."""


def idembed(settings: Settings, folder: str, threads: int) -> Encode:
    from idembed import load

    return load(folder, settings.note.removeprefix("profile "), threads).encode


def sentence_transformers(settings: Settings, folder: str, threads: int) -> Encode:
    """It sorts by length itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    return lambda texts: model.encode(texts, batch_size=settings.batch)


def onnxruntime(settings: Settings, folder: str, threads: int, model: str = "onnx") -> Encode:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads // settings.streams
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(MODELS / model / "model.onnx", options, providers=["CPUExecutionProvider"])
    return padded(settings, folder, lambda inputs: session.run(None, inputs)[0])


def onnxruntime_int8(settings: Settings, folder: str, threads: int) -> Encode:
    return onnxruntime(settings, folder, threads, "onnx-int8")


def openvino(settings: Settings, folder: str, threads: int, model: str = "openvino", precision: str = "f32") -> Encode:
    """A request for each thread that asks, so that batches can be computed at once."""
    import threading

    import openvino as ov

    wanted = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": settings.streams}
    compiled = ov.Core().compile_model(MODELS / model / "model.xml", "CPU", wanted)
    local = threading.local()

    def hidden(inputs: dict[str, Any]) -> Any:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer(inputs, share_inputs=True, share_outputs=True)[0]

    return padded(settings, folder, hidden)


def openvino_bf16(settings: Settings, folder: str, threads: int) -> Encode:
    return openvino(settings, folder, threads, precision="bf16")


def openvino_int8(settings: Settings, folder: str, threads: int) -> Encode:
    return openvino(settings, folder, threads, "openvino-int8", "bf16")


def ctranslate2(settings: Settings, folder: str, threads: int, kind: str = "float32") -> Encode:
    """It takes lists of ids and their lengths, and leaves padding out itself."""
    import ctranslate2 as ct
    import numpy as np

    model = MODELS / ("ctranslate2" if kind == "float32" else "ctranslate2-int8")
    encoder = ct.Encoder(
        str(model),
        compute_type=kind,
        inter_threads=settings.streams,
        intra_threads=threads // settings.streams,
    )

    def hidden(inputs: dict[str, Any]) -> Any:
        ids = ct.StorageView.from_array(inputs["input_ids"].astype(np.int32))
        lengths = ct.StorageView.from_array(inputs["attention_mask"].sum(1).astype(np.int32))
        return np.array(encoder.forward_batch(ids, lengths).last_hidden_state)

    return padded(settings, folder, hidden)


def ctranslate2_int8(settings: Settings, folder: str, threads: int) -> Encode:
    return ctranslate2(settings, folder, threads, "int8")


def fastembed(settings: Settings, folder: str, threads: int) -> Encode:
    """It takes texts as they come, so they are sorted here."""
    import numpy as np
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        "minilm",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(url="https://localhost/none"),
        dim=384,
        model_file="model.onnx",
    )
    model = TextEmbedding("minilm", specific_model_path=str(MODELS / "fastembed"), threads=threads)

    def encode(texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = np.empty((len(texts), 384), np.float32)
        out[order] = list(model.embed([texts[i] for i in order], batch_size=settings.batch))
        return out

    return encode


def padded(settings: Settings, folder: str, hidden: Hidden) -> Encode:
    """Texts sorted by tokens, longest first, in batches padded to their longest; the mean of the tokens; length 1."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(LIMIT)
    tokenizer.no_padding()
    pool = ThreadPoolExecutor(settings.streams) if settings.streams > 1 else None

    def encode(texts: list[str]) -> Any:
        ids = [e.ids for e in tokenizer.encode_batch_fast(texts)]
        out = np.empty((len(ids), 384), np.float32)

        def compute(batch: list[int]) -> None:
            width = len(ids[batch[0]])
            tokens = np.zeros((len(batch), width), np.int64)
            mask = np.zeros((len(batch), width), np.int64)
            for row, i in enumerate(batch):
                tokens[row, : len(ids[i])] = ids[i]
                mask[row, : len(ids[i])] = 1
            inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
            sums = np.matmul(mask[:, None, :].astype(np.float32), hidden(inputs))[:, 0]
            out[batch] = sums / np.linalg.norm(sums, axis=1, keepdims=True)

        list((pool.map if pool else map)(compute, batches(settings, [len(of) for of in ids])))
        return out

    return encode


def batches(settings: Settings, lengths: list[int]) -> list[list[int]]:
    """Numbers of texts of such lengths, the longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    found = []
    while order:
        fit = settings.tokens // lengths[order[0]] if settings.tokens else settings.batch
        count = max(1, min(fit, settings.batch))
        found.append(order[:count])
        order = order[count:]
    return found


def chosen(engine: str) -> tuple[str, Settings]:
    """The engine's name and settings, from the name with or without some of them."""
    name, _, given = engine.partition("@")
    pairs = [word.split("=") for word in given.split(",") if word]
    return name, replace(SETTINGS[name], **{key: int(value) for key, value in pairs})


def start(engine: str, folder: str, threads: int) -> Encode:
    name, settings = chosen(engine)
    settings = replace(settings, streams=min(settings.streams, threads))
    make = idembed if name.startswith("idembed") else globals()[name]
    encode: Encode = make(settings, folder, threads)
    return encode


def main() -> None:
    encode = start(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    encode(["ready"])
    print("{}", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "queries" in command:
            texts = json.loads(Path(command["queries"]).read_text())
            print(json.dumps({"seconds": [_timed(encode, [text])[0] for text in texts]}), flush=True)
            continue
        seconds, vectors = _timed(encode, json.loads(Path(command["encode"]).read_text()))
        if command.get("out"):
            import numpy as np

            np.save(command["out"], np.asarray(vectors))
        print(json.dumps({"seconds": seconds}), flush=True)


def _timed(encode: Encode, texts: list[str]) -> tuple[float, Any]:
    start = time.perf_counter()
    vectors = encode(texts)
    return time.perf_counter() - start, vectors


if __name__ == "__main__":
    main()
