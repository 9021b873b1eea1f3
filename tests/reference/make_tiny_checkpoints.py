"""Makes a tiny random checkpoint of each architecture, and what the reference libraries compute with it.

Not run by the tests, which read what it made: ``checkpoints/NAME``, laid out as sentence-transformers saves it, and
``expected/NAME.json``, the token ids and the vectors. To make them again, in an environment of their own:

    pip install torch==2.13.0 transformers==5.24.0 sentence-transformers==6.2.0
    python tests/reference/make_tiny_checkpoints.py

Vectors are computed in float64 and rounded to float32, so that they are the truth rather than one of its neighbours.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as modules
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

HERE = Path(__file__).parent
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TEXTS = [
    "",
    "a",
    "The cat sat on the mat.",
    "the CAT Sat oN the mAt",
    "a rocket 🚀 and a chemist 👩‍🔬",
    "日本語のテキスト と 中文",
    "naïve café, Ünïcödé ﬁnds its way",
    "3.14 is not 22/7; it's #1!",
    "  spaces \t around\nand   between  ",
    "what [CLS] or <s> or </s> or [SEP] may do",
    "One sentence after the other, until nobody can remember how the whole of it began. " * 9,
]
CORPUS = [
    "the cat sat on the mat and the dog sat on the cat",
    "One sentence after the other, until nobody can remember how the whole of it began.",
    "a rocket and a chemist, spaces around and between, it's not what may do",
    "query: where do cats sit? passage: cats sit on mats, dogs on sofas, and rockets nowhere.",
    "naïve café finds its way; 3.14 is not 22/7, 0 1 2 3 4 5 6 7 8 9",
    "日本語のテキスト と 中文",
    "The rain in Spain stays mainly in the plain; Jack and Jill went up the hill.",
]


@dataclass(frozen=True)
class Made:
    """A checkpoint to make. ``poolings`` are tried beside its own; ``prompts`` are what is put before every text."""

    config: Any
    tokenizer: Callable[[], Tokenizer]
    special: Mapping[str, str]
    length: int
    pooling: str = "mean"
    dense: tuple[tuple[int, bool, Any], ...] = ()
    normalize: bool = True
    poolings: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    stored: torch.dtype = torch.float32
    prefix: str = ""


# ---- tokenizers ---------------------------------------------------------------------------------------------------


def word_piece(first: list[str], unknown: str, ends: tuple[str, str], *, lowercase: bool) -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token=unknown))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=220, special_tokens=first))
    return ended(made, ends)


def byte_pairs() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return made


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.train_from_iterator(
        CORPUS * 3, trainers.UnigramTrainer(vocab_size=240, special_tokens=SPECIAL, unk_token="<unk>")
    )
    return ended(made, ("<s>", "</s>"))


def ended(made: Tokenizer, ends: tuple[str, str]) -> Tokenizer:
    numbers = [(token, made.token_to_id(token)) for token in ends]
    made.post_processor = processors.TemplateProcessing(single=f"{ends[0]} $A {ends[1]}", special_tokens=numbers)
    return made


SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BRACKETS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ANGLES = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
SQUARES = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}

# ---- the checkpoints ----------------------------------------------------------------------------------------------

CHECKPOINTS = {
    "bert": Made(  # as LaBSE: the first token, through a layer with tanh, then of unit length
        BertConfig(**SHAPE, max_position_embeddings=40),
        lambda: word_piece(BRACKETS, "[UNK]", ("[CLS]", "[SEP]"), lowercase=True),
        SQUARES,
        24,
        pooling="cls",
        dense=((48, True, torch.nn.Tanh()),),
        poolings=("mean", "max", "mean_sqrt_len_tokens"),
        prompts={"query": "query: "},
        prefix="bert.",
    ),
    "roberta": Made(
        RobertaConfig(**SHAPE, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5),
        byte_pairs,
        ANGLES | {"unk_token": "<unk>"},
        40,
        poolings=("cls", "max"),
        stored=torch.float16,
        prefix="roberta.",
    ),
    "xlm-roberta": Made(  # as multilingual-e5
        XLMRobertaConfig(**SHAPE, max_position_embeddings=50, type_vocab_size=1, layer_norm_eps=1e-5),
        unigram,
        ANGLES | {"unk_token": "<unk>"},
        48,
        prompts={"query": "query: ", "passage": "passage: "},
    ),
    "distilbert": Made(  # as distiluse, with one layer more; sinusoidal positions
        DistilBertConfig(
            dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=40, sinusoidal_pos_embds=True
        ),
        lambda: word_piece(BRACKETS, "[UNK]", ("[CLS]", "[SEP]"), lowercase=False),
        SQUARES,
        32,
        dense=((40, False, torch.nn.Identity()), (24, True, torch.nn.Tanh())),
        normalize=False,
        stored=torch.bfloat16,
    ),
    "mpnet": Made(
        MPNetConfig(**SHAPE, max_position_embeddings=130, layer_norm_eps=1e-5),
        lambda: word_piece([*SPECIAL[:3], "[UNK]", "<mask>"], "[UNK]", ("<s>", "</s>"), lowercase=True),
        ANGLES | {"unk_token": "[UNK]"},
        128,
        poolings=("cls", "max", "mean_sqrt_len_tokens"),
        prefix="mpnet.",
    ),
}


def scatter(module: torch.nn.Module) -> None:
    """Weights that are far enough apart for every term to matter; those of a sinusoidal table are left alone."""
    for name, weight in module.named_parameters():
        if "position_embeddings" in name and not weight.requires_grad:
            continue
        is_norm = "norm" in name.lower() and name.endswith("weight")
        spread = {"encoder.relative_attention_bias.weight": 1.0, "linear.weight": 0.15}.get(name, 0.3)
        weight.data = (1.0 if is_norm else 0.0) + spread * torch.randn(weight.shape)


def make(name: str, wanted: Made) -> None:
    torch.manual_seed(len(name))
    folder, scratch = HERE / "checkpoints" / name, HERE / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    rules = wanted.tokenizer()
    wanted.config.vocab_size = rules.get_vocab_size()
    wanted.config.pad_token_id = rules.token_to_id(wanted.special["pad_token"])
    encoder = AutoModel.from_config(wanted.config)
    scatter(encoder)
    encoder.to(wanted.stored).save_pretrained(scratch)
    PreTrainedTokenizerFast(tokenizer_object=rules, model_max_length=wanted.length, **wanted.special).save_pretrained(
        scratch
    )
    width = SHAPE["hidden_size"]
    parts: list[Any] = [modules.Transformer(str(scratch)), modules.Pooling(width, pooling_mode=wanted.pooling)]
    for out, bias, activation in wanted.dense:
        parts.append(modules.Dense(width, out, bias=bias, activation_function=activation))
        scatter(parts[-1])
        width = out
    parts += [modules.Normalize()] if wanted.normalize else []
    SentenceTransformer(modules=parts, prompts=dict(wanted.prompts), device="cpu").save(
        str(folder), create_model_card=False
    )
    shutil.rmtree(scratch)
    if wanted.prefix:
        add_prefix(folder / "model.safetensors", wanted.prefix)
    expected = {
        "made_with": {p: version(p) for p in ("torch", "transformers", "sentence-transformers", "tokenizers")},
        "texts": TEXTS,
        "cases": list(cases(folder, wanted)),
    }
    (HERE / "expected").mkdir(exist_ok=True)
    (HERE / "expected" / f"{name}.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n", "utf-8")


def add_prefix(file: Path, prefix: str) -> None:
    """Name tensors as a model with a head on top of the encoder does, as many published checkpoints were saved."""
    from safetensors.torch import load_file, save_file

    save_file({prefix + name: tensor for name, tensor in load_file(file).items()}, file, {"format": "pt"})


def cases(folder: Path, wanted: Made) -> Iterator[dict[str, Any]]:
    asked = [(wanted.pooling, "", ""), *((wanted.pooling, *prompt) for prompt in wanted.prompts.items())]
    for pooling, prompt_name, prompt in [*asked, *((other, "", "") for other in wanted.poolings)]:
        model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32}).double()
        model[1].pooling_mode = pooling
        vectors = model.encode(TEXTS, prompt=prompt or None, batch_size=4, convert_to_tensor=True)
        single = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
        single[1].pooling_mode = pooling
        apart = (single.encode(TEXTS, prompt=prompt or None, convert_to_tensor=True) - vectors).abs().max()
        print(f"{folder.name} {pooling} {prompt!r}: {list(vectors.shape)}, float32 differs by {apart:.1e}")
        tokens = [model.tokenize([prompt + text]) for text in TEXTS]
        yield {
            "pooling": pooling,
            "prompt_name": prompt_name,
            "ids": [found["input_ids"][0].tolist() for found in tokens],
            "vectors": [[round(x, 9) for x in row] for row in vectors.float().tolist()],
        }


if __name__ == "__main__":
    for name, wanted in CHECKPOINTS.items():
        make(name, wanted)
