"""What a checkpoint's own files say: shape, pooling, prompts, maximum length. Anything that is not computed
here is refused by name: a vector that is nearly right is worse than an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from idembed.errors import ModelError, OptionError, UnsupportedModelError
from idembed.models.files import pooling_file, read_json, read_modules, transformer_folder
from idembed.native import EncoderConfig
from idembed.space import Side, Similarity

__all__ = ["Settings", "read_settings"]

_ARCHITECTURES = ("BertModel", "BertForMaskedLM", "BertForPreTraining")
_MODES: Mapping[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_SIDES: Mapping[Side, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
_UNLIMITED = 10**9  # tokenizer_config.json holds 10**30 when nobody set a length


@dataclass(frozen=True, slots=True)
class Settings:
    """``encoder`` shape with pooling and the Normalize module, ``max_length`` in tokens with the special
    ones, ``prompts`` by name, and whether texts are put in ``lowercase`` before the tokenizer's own rules."""

    encoder: EncoderConfig
    similarity: Similarity
    max_length: int
    prompts: Mapping[str, str]
    default_prompt_name: str | None
    lowercase: bool

    def prompt_of(self, side: Side) -> str:
        """What is put before a text of ``side``: the prompt of that name; ``passage`` and ``corpus`` are
        other names for ``document``. Never the default prompt."""
        return next((self.prompts[name] for name in _SIDES[side] if self.prompts.get(name)), "")

    def prompt_called(self, name: str | None) -> str:
        """The prompt called ``name``; without a name, the default one. Raises OptionError for another name."""
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        prompts = {"query": "", "document": "", **self.prompts}
        if name not in prompts:
            known = ", ".join(sorted(prompts))
            raise OptionError(f"the checkpoint has no prompt called {name!r}", hint=f"it has: {known}")
        return prompts[name]

    def changed(
        self,
        max_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
    ) -> Settings:
        """These settings with some replaced by the caller's. Raises OptionError for impossible ones."""
        settings = self
        if max_length is not None:
            if not 3 <= max_length <= self.encoder.positions:
                raise OptionError(
                    f"the maximum length must be 3 to {self.encoder.positions} tokens, not {max_length}",
                    hint="the checkpoint has no positions beyond that",
                )
            settings = replace(settings, max_length=max_length)
        if prompts is not None:
            settings = replace(settings, prompts={**settings.prompts, **prompts})
        if default_prompt_name is not None:
            settings.prompt_called(default_prompt_name)
            settings = replace(settings, default_prompt_name=default_prompt_name)
        return settings


def read_settings(folder: Path) -> Settings:
    """The settings of the checkpoint in ``folder``, without reading weights or tokenizer.

    Raises UnsupportedModelError naming the first thing that is not computed here, and ModelError for a
    damaged or missing file.
    """
    inner = transformer_folder(folder)
    config = read_json(inner / "config.json")
    if not config:
        raise ModelError(f"{inner} has no config.json", hint="give the folder of a checkpoint")
    _check_architecture(config)
    pooling, normalize = _modules(folder, _positive(config, "hidden_size"))
    sentence = read_json(inner / "sentence_bert_config.json")
    for name in ("query_length", "document_length", "query_expansion"):
        if sentence.get(name) is not None:
            _refuse(f"{name} in sentence_bert_config.json", "one maximum length for all texts")
    tokenizer = read_json(inner / "tokenizer_config.json")
    if tokenizer.get("truncation_side", "right") != "right":
        _refuse("truncation on the left", "truncation on the right")
    own = read_json(folder / "config_sentence_transformers.json")
    if own.get("truncate_dim") is not None:
        _refuse("truncate_dim in config_sentence_transformers.json", "whole vectors; encode(truncate_dim=…) cuts")
    encoder = _encoder(config, pooling, normalize)
    return Settings(
        encoder=encoder,
        similarity=_similarity(own),
        max_length=_max_length(sentence, tokenizer, encoder.positions),
        prompts=_prompts(own),
        default_prompt_name=_default_prompt(own),
        lowercase=bool(sentence.get("do_lower_case", False)),
    )


def _check_architecture(config: Mapping[str, Any]) -> None:
    kind = config.get("model_type", "bert")
    architectures = config.get("architectures") or ["BertModel"]
    if kind != "bert":
        _refuse(f"the architecture {kind!r} ({architectures[0]})", "BERT (model_type bert)")
    if architectures[0] not in _ARCHITECTURES:
        what = "a cross-encoder or classifier" if "Classification" in architectures[0] else "the architecture"
        _refuse(f"{what} ({architectures[0]})", ", ".join(_ARCHITECTURES))
    wanted: dict[str, object] = {
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        "quantization_config": None,
    }
    for name, value in wanted.items():
        if config.get(name, value) != value:
            _refuse(f"{name} {_brief(config[name])}", f"{name} {_brief(value)}")


def _encoder(config: Mapping[str, Any], pooling: Literal["mean", "cls", "max"], normalize: bool) -> EncoderConfig:
    epsilon = config.get("layer_norm_eps", 1e-12)
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float):
        raise ModelError(f"layer_norm_eps in config.json is {_brief(epsilon)}, not a number")
    return EncoderConfig(
        vocab=_positive(config, "vocab_size"),
        positions=_positive(config, "max_position_embeddings"),
        types=_positive(config, "type_vocab_size", 2),
        hidden=_positive(config, "hidden_size"),
        layers=_positive(config, "num_hidden_layers"),
        heads=_positive(config, "num_attention_heads"),
        intermediate=_positive(config, "intermediate_size"),
        pooling=pooling,
        normalize=normalize,
        layer_norm_eps=float(epsilon),
    )


def _modules(folder: Path, hidden: int) -> tuple[Literal["mean", "cls", "max"], bool]:
    """Pooling, and whether vectors are normalised. Without modules.json: mean, not normalised."""
    modules = read_modules(folder)
    if not modules and not (folder / "modules.json").exists():
        return "mean", False
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    for kind in kinds:
        if kind not in ("Transformer", "Pooling", "Normalize"):
            _refuse(f"the module {kind}", "Transformer, Pooling, Normalize")
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        _refuse(f"the modules {', '.join(kinds) or '[]'}", "Transformer, Pooling, then perhaps Normalize")
    path = pooling_file(folder)
    if path is None or not path.is_file():
        raise ModelError(
            f"{path} is missing, which says how tokens become one vector", hint="fetch the checkpoint again"
        )
    return _pooling(read_json(path), hidden), len(kinds) == 3


def _pooling(config: Mapping[str, Any], hidden: int) -> Literal["mean", "cls", "max"]:
    named = config.get("pooling_mode")
    listed = [named] if isinstance(named, str) else list(named or [])
    modes = listed or [mode for key, mode in _MODES.items() if config.get(key)] or ["mean"]
    if config.get("include_prompt", True) is not True:
        _refuse("pooling without the prompt (include_prompt false)", "pooling over all tokens")
    width = config.get("word_embedding_dimension", config.get("embedding_dimension", hidden))
    if width != hidden:
        raise ModelError(f"pooling takes {_brief(width)} numbers, but the encoder gives {hidden}")
    if modes == ["mean"]:
        return "mean"
    if modes == ["cls"]:
        return "cls"
    if modes == ["max"]:
        return "max"
    return _refuse(f"the pooling {' + '.join(map(str, modes))}", "mean, cls, max")


def _similarity(own: Mapping[str, Any]) -> Similarity:
    name = own.get("similarity_fn_name") or "cosine"
    if name not in ("cosine", "dot"):
        _refuse(f"the similarity {_brief(name)}", "cosine, dot")
    return "cosine" if name == "cosine" else "dot"


def _max_length(sentence: Mapping[str, Any], tokenizer: Mapping[str, Any], positions: int) -> int:
    """sentence_bert_config.json, else tokenizer_config.json; never more than there are positions.
    What tokenizer.json says about truncation is for whoever wrote that file, not for us."""
    for value in (sentence.get("max_seq_length"), tokenizer.get("model_max_length")):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
            raise ModelError(f"the maximum length {_brief(value)} is not a number of tokens")
        return positions if value > _UNLIMITED else min(int(value), positions)
    return positions


def _prompts(own: Mapping[str, Any]) -> dict[str, str]:
    prompts = own.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str | None) for p in prompts.values()):
        raise ModelError("prompts in config_sentence_transformers.json is not an object of strings")
    return {str(name): prompt or "" for name, prompt in prompts.items()}


def _default_prompt(own: Mapping[str, Any]) -> str | None:
    name = own.get("default_prompt_name")
    if name is not None and name not in {"query", "document", *_prompts(own)}:
        raise ModelError(f"default_prompt_name {_brief(name)} is not among the checkpoint's prompts")
    return name


def _positive(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"{name} in config.json is {_brief(value)}, not a positive integer")
    return value


def _refuse(what: str, supported: str) -> NoReturn:
    raise UnsupportedModelError(
        f"{what} is not computed here",
        hint=f"supported: {supported}; others will come through OpenAI-compatible servers",
        unsupported=what,
        supported=supported,
    )


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
