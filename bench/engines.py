"""One engine in one process: reads JSON commands from standard input, answers one JSON line each.

``{"encode": FILE, "out": FILE|null}`` embeds the texts of a JSON file in one call, tokenisation included, and
answers ``{"seconds": …}``; ``out`` saves the vectors (.npy). Runs in the environment of its engine.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Encode = Callable[[list[str]], Any]


def idembed(folder: str, threads: int) -> Encode:
    from idembed import load

    model = load(folder, threads=threads)
    return lambda texts: model.encode(texts)


def sentence_transformers(folder: str, threads: int) -> Encode:
    """torch float32; it sorts by length itself; batches of 32, its default, were its best here."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    return lambda texts: model.encode(texts, batch_size=32)


def onnxruntime(folder: str, threads: int) -> Encode:
    """The checkpoint exported from torch, fused by onnxruntime's transformer optimiser, sorted by tokens,
    batches of 32 padded to their longest, all graph optimisations, intra-op threads as given."""
    return _padded(folder, threads, _exported(Path(folder)))


def _padded(folder: str, threads: int, file: str) -> Encode:
    import onnxruntime as ort
    from tokenizers import Tokenizer

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()

    def encode(texts: list[str]) -> Any:
        ids = [e.ids for e in tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.empty((len(ids), 384), np.float32)
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            width = len(ids[batch[-1]])
            tokens = np.zeros((len(batch), width), np.int64)
            mask = np.zeros((len(batch), width), np.int64)
            for row, i in enumerate(batch):
                tokens[row, : len(ids[i])] = ids[i]
                mask[row, : len(ids[i])] = 1
            feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
            hidden = session.run(None, {name: feed[name] for name in wanted})[0]
            weight = mask[..., None].astype(np.float32)
            mean = (hidden * weight).sum(1) / weight.sum(1)
            out[batch] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return out

    return encode


def onnxruntime_int8(folder: str, threads: int) -> Encode:
    """The same, with weights and activations quantised dynamically to int8 (onnxruntime's own tool)."""
    from onnxruntime.quantization import quantize_dynamic

    fused = Path(_exported(Path(folder)))
    target = fused.with_name("minilm-int8.onnx")
    if not target.exists():
        quantize_dynamic(fused, target, extra_options={"DefaultTensorType": 1})  # 1: float32
    return _padded(folder, threads, str(target))


def _exported(folder: Path) -> str:
    """The fused ONNX file, made once beside the peers' environment."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel

    target = Path(__file__).resolve().parent.parent / ".bench" / "minilm-fused.onnx"
    if not target.exists():
        plain = target.with_name("minilm.onnx")
        model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        class Hidden(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
                found = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
                return found.last_hidden_state

        example = torch.ones((2, 8), dtype=torch.int64)
        names = ["input_ids", "attention_mask", "token_type_ids"]
        torch.onnx.export(
            Hidden(),
            (example, example, torch.zeros_like(example)),
            str(plain),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]},
            opset_version=17,
            dynamo=False,
        )
        fused = optimizer.optimize_model(str(plain), "bert", num_heads=12, hidden_size=384, opt_level=1)
        fused.save_model_to_file(str(target))
        print(fused.get_fused_operator_statistics(), file=sys.stderr)
    return str(target)


def main() -> None:
    engine, folder, threads = sys.argv[1:4]
    encode = globals()[engine](folder, int(threads))
    encode(["ready"])
    print("{}", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        texts = json.loads(Path(command["encode"]).read_text())
        start = time.perf_counter()
        vectors = encode(texts)
        seconds = time.perf_counter() - start
        if command.get("out"):
            np.save(command["out"], np.asarray(vectors))
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
