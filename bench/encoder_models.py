"""The checkpoint as each peer of bench/encoder.py wants it, all from the same model.safetensors.

``encoder_models.py MODEL DATA FOLDER`` in the environment of peers-encoder-models.txt. In FOLDER come to lie:

* ``onnx``: exported and optimised at level O3 by optimum-onnx; ``onnx-int8``: weights quantised to int8 beforehand and
  activations when they come (dynamic), by its settings for AVX-512 VNNI, by channel (as quick, and much nearer);
* ``openvino``: converted from torch, float32; ``openvino-int8``: post-training quantisation by NNCF as a transformer,
  calibrated on 200 sentences of STS-B and 100 abstracts of SciFact (``DATA``);
* ``ctranslate2`` and ``ctranslate2-int8``: by its converter;
* ``fastembed``: the O3 model beside a tokenizer that cuts at 256 tokens, as the checkpoint's own settings say.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 256
"""Tokens read of a text, as sentence_bert_config.json has it."""


def onnx(model: Path, folder: Path) -> None:
    from optimum.exporters.onnx import main_export
    from optimum.onnxruntime import ORTOptimizer, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoOptimizationConfig, AutoQuantizationConfig

    plain = folder / "onnx-plain"
    main_export(str(model), output=plain, task="feature-extraction", library_name="transformers")
    ORTOptimizer.from_pretrained(plain).optimize(AutoOptimizationConfig.O3(), folder / "onnx", file_suffix="")
    dynamic = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    ORTQuantizer.from_pretrained(plain).quantize(dynamic, folder / "onnx-int8", file_suffix="")
    shutil.rmtree(plain)


def openvino(model: Path, folder: Path, sentences: list[str]) -> None:
    import nncf
    import openvino
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    ones = torch.ones((2, 8), dtype=torch.int64)
    inputs = {"input_ids": ones, "attention_mask": ones, "token_type_ids": torch.zeros_like(ones)}
    loaded = AutoModel.from_pretrained(model, attn_implementation="sdpa").eval()
    shapes = {name: openvino.PartialShape([-1, -1]) for name in inputs}
    converted = openvino.convert_model(loaded, example_input=inputs, input=shapes)
    openvino.save_model(converted, folder / "openvino" / "model.xml", compress_to_fp16=False)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)

    def fed(text: str) -> dict[str, Any]:
        ids = np.array([tokenizer.encode(text).ids])
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    quantised = nncf.quantize(
        converted,
        nncf.Dataset(sentences, fed),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(sentences),
    )
    openvino.save_model(quantised, folder / "openvino-int8" / "model.xml", compress_to_fp16=False)


def ctranslate2(model: Path, folder: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model)).convert(str(folder / "ctranslate2"))
    TransformersConverter(str(model)).convert(str(folder / "ctranslate2-int8"), quantization="int8")


def fastembed(model: Path, folder: Path) -> None:
    target = folder / "fastembed"
    target.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(model / name, target)
    shutil.copy(folder / "onnx" / "model.onnx", target)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (target / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": LIMIT}))


def main() -> None:
    from encoder_texts import abstracts, sentences

    model, data, folder = map(Path, sys.argv[1:4])
    choose = random.Random(3)
    calibration = choose.sample(sentences(data), 200) + choose.sample(abstracts(data), 100)
    for make in (onnx, ctranslate2, fastembed):
        make(model, folder)
        print(f"{make.__name__} is made", file=sys.stderr, flush=True)
    openvino(model, folder, calibration)
    print("openvino is made", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
