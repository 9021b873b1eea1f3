"""What a checkpoint's own files say: shape, pooling, prompts, maximum length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from idembed.arguments import check_kind, check_whole
from idembed.errors import ModelError, OptionError
from idembed.models.architectures import Layout, read_layout, read_shape
from idembed.models.dense import DenseShape
from idembed.models.files import read_json, transformer_folder
from idembed.models.modules import read_behind
from idembed.models.unsupported import brief, refuse
from idembed.native import EncoderConfig
from idembed.space import Side, Similarity

__all__ = ["Settings", "check_prompt", "read_settings"]

_SIDES: Mapping[Side, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
_SIZES = (
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
)
_MOST = 2**31 - 1  # the encoder's sizes are int32
_UNLIMITED = 10**9  # tokenizer_config.json holds 10**30 when nobody set a length


@dataclass(frozen=True, slots=True)
class Settings:
    """``encoder`` shape with pooling and the ``layout`` of its files, the ``dense`` layers behind it, whether vectors
    are normalised at the end (by the encoder itself if there are no layers), ``max_length`` in tokens with the special
    ones, ``prompts`` by name, and whether texts are put in ``lowercase`` before the tokenizer's own rules."""

    encoder: EncoderConfig
    layout: Layout
    dense: tuple[DenseShape, ...]
    normalize: bool
    similarity: Similarity
    max_length: int
    prompts: Mapping[str, str]
    default_prompt_name: str | None
    lowercase: bool

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.dense[-1].out if self.dense else self.encoder.hidden

    def prompt_of(self, side: Side) -> str:
        """What is put before a text of ``side``: the prompt of that name; ``passage`` and ``corpus`` are
        other names for ``document``. Never the default prompt. Raises OptionError for another side."""
        check_kind("side", side, str, '"document" or "query"')
        if side not in _SIDES:
            raise OptionError(f'side={side!r}: it is "document" or "query"')
        return next((self.prompts[name] for name in _SIDES[side] if self.prompts.get(name)), "")

    def prompt_called(self, name: str | None) -> str:
        """The prompt called ``name``; without a name, the default one. Raises OptionError for another name."""
        check_kind("prompt_name", name, str | None, "the name of a prompt")
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        prompts = {"query": "", "document": "", **self.prompts}
        if name not in prompts:
            known = ", ".join(sorted(prompts))
            raise OptionError(f"the checkpoint has no prompt called {name!r}", hint=f"it has: {known}")
        return prompts[name]

    def prompted(self, prompts: Mapping[str, str]) -> Settings:
        """These settings with ``prompts`` if the files bring none."""
        return self if any(self.prompts.values()) else replace(self, prompts={**self.prompts, **prompts})

    def changed(
        self,
        max_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
    ) -> Settings:
        """These settings with some replaced by the caller's. Raises OptionError for impossible ones."""
        settings = self
        if max_length is not None:
            check_whole("max_length", max_length)
            if not 3 <= max_length <= self.encoder.positions:
                raise OptionError(
                    f"the maximum length must be 3 to {self.encoder.positions} tokens, not {max_length}",
                    hint="the checkpoint has no positions beyond that",
                )
            settings = replace(settings, max_length=int(max_length))
        if prompts is not None:
            check_kind("prompts", prompts, Mapping, "a mapping of names to strings")
            for name, prompt in prompts.items():
                check_prompt("a name in prompts", name)
                check_prompt(f"prompts[{name!r}]", prompt)
            settings = replace(settings, prompts={**settings.prompts, **prompts})
        if default_prompt_name is not None:
            check_kind("default_prompt_name", default_prompt_name, str, "the name of a prompt")
            settings.prompt_called(default_prompt_name)
            settings = replace(settings, default_prompt_name=default_prompt_name)
        return settings


def check_prompt(name: str, prompt: object) -> None:
    """Raise OptionError, naming the argument, unless ``prompt`` is a string that UTF-8 can write."""
    check_kind(name, prompt, str, "a string")
    if not _is_writable(prompt):
        raise OptionError(
            f"{name} holds a lone surrogate", hint="decode its source with errors='replace', or repair it"
        )


def read_settings(folder: Path) -> Settings:
    """The settings of the checkpoint in ``folder``, without reading weights or tokenizer.

    Raises UnsupportedModelError naming the first thing that is not computed here, and ModelError for a
    damaged or missing file.
    """
    inner = transformer_folder(folder)
    config = read_json(inner / "config.json")
    if not config:
        raise ModelError(f"{inner} has no config.json", hint="give the folder of a checkpoint")
    layout = read_layout(config)
    _check_sizes(config, layout)
    hidden = read_shape(config, layout, "mean", False).hidden
    behind = read_behind(folder, hidden)
    sentence = read_json(inner / "sentence_bert_config.json")
    for name in ("query_length", "document_length", "query_expansion"):
        if sentence.get(name) is not None:
            refuse(f"{name} in sentence_bert_config.json", "one maximum length for all texts")
    tokenizer = read_json(inner / "tokenizer_config.json")
    if tokenizer.get("truncation_side", "right") != "right":
        refuse("truncation on the left", "truncation on the right")
    own = read_json(folder / "config_sentence_transformers.json")
    if own.get("truncate_dim") is not None:
        refuse("truncate_dim in config_sentence_transformers.json", "whole vectors; encode(truncate_dim=…) cuts")
    encoder = read_shape(config, layout, behind.pooling, behind.normalize and not behind.dense)
    return Settings(
        encoder=encoder,
        layout=layout,
        dense=behind.dense,
        normalize=behind.normalize,
        similarity=_similarity(own),
        max_length=_max_length(sentence, tokenizer, encoder.positions),
        prompts=_prompts(own),
        default_prompt_name=_default_prompt(own),
        lowercase=bool(sentence.get("do_lower_case", False)),
    )


def _check_sizes(config: Mapping[str, Any], layout: Layout) -> None:
    for key in (layout.architecture.keys.get(name, name) for name in _SIZES):
        value = config.get(key)
        if isinstance(value, int) and value > _MOST:
            raise ModelError(f"{key} in config.json must be 1 to {_MOST}, not {brief(value)}")


def _is_writable(value: object) -> bool:
    """Whether it is a string without lone surrogates."""
    try:
        return isinstance(value, str) and value.encode("utf-8") is not None
    except UnicodeEncodeError:
        return False


def _similarity(own: Mapping[str, Any]) -> Similarity:
    name = own.get("similarity_fn_name") or "cosine"
    if name not in ("cosine", "dot"):
        refuse(f"the similarity {brief(name)}", "cosine, dot")
    return "cosine" if name == "cosine" else "dot"


def _max_length(sentence: Mapping[str, Any], tokenizer: Mapping[str, Any], positions: int) -> int:
    """sentence_bert_config.json, else tokenizer_config.json; never more than there are positions.
    What tokenizer.json says about truncation is for whoever wrote that file, not for us."""
    for value in (sentence.get("max_seq_length"), tokenizer.get("model_max_length")):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
            raise ModelError(f"the maximum length {brief(value)} is not a number of tokens")
        return positions if value > _UNLIMITED else min(int(value), positions)
    return positions


def _prompts(own: Mapping[str, Any]) -> dict[str, str]:
    prompts = own.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str | None) for p in prompts.values()):
        raise ModelError("prompts in config_sentence_transformers.json is not an object of strings")
    if not all(_is_writable(text or "") for pair in prompts.items() for text in pair):
        raise ModelError(
            "prompts in config_sentence_transformers.json hold a lone surrogate", hint="fetch the checkpoint again"
        )
    return {name: prompt or "" for name, prompt in prompts.items()}


def _default_prompt(own: Mapping[str, Any]) -> str | None:
    name = own.get("default_prompt_name")
    if name is not None and name not in ["query", "document", *_prompts(own)]:
        raise ModelError(f"default_prompt_name {brief(name)} is not among the checkpoint's prompts")
    return name
