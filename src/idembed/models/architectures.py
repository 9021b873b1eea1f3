"""The families of encoders that are BERT under other names: what their config.json and their tensors are called, and
which rows of the table of positions they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idembed.errors import ModelError
from idembed.models.unsupported import brief, refuse
from idembed.native import RELATIVE_BUCKETS, EncoderConfig, Pooling

__all__ = ["ARCHITECTURES", "BERT", "Architecture", "Layout", "architecture_facts", "read_layout", "read_shape"]

_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True, slots=True)
class Architecture:
    """A family, by the ``model_type`` of config.json and the ``classes`` that hold a whole encoder.

    Tensors have ``prefix``, or none, before their names, and ``renamed`` in them: (their part, BERT's). Those that
    begin with ``unused`` are heads that no sentence vector depends on. ``keys`` are what config.json calls things
    where BERT calls them otherwise. With a ``padding`` token the first text token has the position behind its number:
    that of ``pad_token_id``, or always 1 if ``padding_is_fixed``. ``types``: tokens have types, of which a text alone
    has the first.
    """

    name: str
    model_types: tuple[str, ...]
    classes: tuple[str, ...]
    prefix: str
    unused: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    padding: bool = False
    padding_is_fixed: bool = False
    types: bool = True
    relative: bool = False
    epsilon_is_fixed: bool = False


_POOLER = ("pooler.", "embeddings.position_ids")
BERT = Architecture(
    "BERT", ("bert",), ("BertModel", "BertForMaskedLM", "BertForPreTraining"), "bert.", (*_POOLER, "cls.")
)
ARCHITECTURES = (
    BERT,
    Architecture(
        "RoBERTa",
        ("roberta",),
        ("RobertaModel", "RobertaForMaskedLM"),
        "roberta.",
        (*_POOLER, "lm_head."),
        padding=True,
    ),
    Architecture(
        "XLM-RoBERTa",
        ("xlm-roberta", "camembert"),
        ("XLMRobertaModel", "XLMRobertaForMaskedLM", "CamembertModel", "CamembertForMaskedLM"),
        "roberta.",
        (*_POOLER, "lm_head."),
        padding=True,
    ),
    Architecture(
        "DistilBERT",
        ("distilbert",),
        ("DistilBertModel", "DistilBertForMaskedLM"),
        "distilbert.",
        (*_POOLER, "vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
        renamed=(
            ("transformer.layer.", "encoder.layer."),
            (".attention.q_lin.", ".attention.self.query."),
            (".attention.k_lin.", ".attention.self.key."),
            (".attention.v_lin.", ".attention.self.value."),
            (".attention.out_lin.", ".attention.output.dense."),
            (".sa_layer_norm.", ".attention.output.LayerNorm."),
            (".ffn.lin1.", ".intermediate.dense."),
            (".ffn.lin2.", ".output.dense."),
            (".output_layer_norm.", ".output.LayerNorm."),
        ),
        keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
        },
        types=False,
        epsilon_is_fixed=True,
    ),
    Architecture(
        "MPNet",
        ("mpnet",),
        ("MPNetModel", "MPNetForMaskedLM"),
        "mpnet.",
        (*_POOLER, "lm_head."),
        renamed=(
            (".attention.attn.q.", ".attention.self.query."),
            (".attention.attn.k.", ".attention.self.key."),
            (".attention.attn.v.", ".attention.self.value."),
            (".attention.attn.o.", ".attention.output.dense."),
            (".attention.LayerNorm.", ".attention.output.LayerNorm."),
        ),
        padding=True,
        padding_is_fixed=True,
        types=False,
        relative=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a checkpoint's tensors lie in its files: as ``architecture`` does, with ``skipped`` rows of positions before
    those that are used."""

    architecture: Architecture = BERT
    skipped: int = 0

    def plain_name(self, stored: str) -> str:
        """BERT's name of the tensor that is stored under this one."""
        name = stored.removeprefix(self.architecture.prefix)
        for theirs, ours in self.architecture.renamed:
            name = name.replace(theirs, ours)
        for old, new in _OLD_NAMES.items():
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name


def read_layout(config: Mapping[str, Any]) -> Layout:
    """What config.json says about the family. Raises UnsupportedModelError for one that is not computed here."""
    kind = config.get("model_type", "bert")
    names = config.get("architectures") or [None]
    supported = ", ".join(architecture.name for architecture in ARCHITECTURES)
    found = next((a for a in ARCHITECTURES if kind in a.model_types), None)
    if found is None:
        refuse(f"the architecture {brief(kind)}" + (f" ({names[0]})" if names[0] else ""), supported)
    if names[0] is not None and names[0] not in found.classes:
        what = "a cross-encoder or classifier" if "Classification" in names[0] else "the architecture"
        refuse(f"{what} ({names[0]})", f"{supported}: {', '.join(found.classes)} of this family")
    wanted: dict[str, object] = {
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        "quantization_config": None,
    }
    if found.relative:
        wanted["relative_attention_num_buckets"] = RELATIVE_BUCKETS
    for name, value in wanted.items():
        key = found.keys.get(name, name)
        if config.get(key, value) != value:
            refuse(f"{key} {brief(config[key])}", f"{key} {brief(value)}")
    if not found.padding:
        return Layout(found)
    return Layout(found, 2 if found.padding_is_fixed else _whole(config, "pad_token_id", 0, 1) + 1)


def read_shape(config: Mapping[str, Any], layout: Layout, pooling: Pooling, normalize: bool) -> EncoderConfig:
    """The shape that config.json gives the encoder. Raises ModelError for a value that makes no sense."""
    keys = layout.architecture.keys
    epsilon = 1e-12 if layout.architecture.epsilon_is_fixed else config.get("layer_norm_eps", 1e-12)
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float):
        raise ModelError(f"layer_norm_eps in config.json is {brief(epsilon)}, not a number")

    def positive(name: str, default: int | None = None) -> int:
        return _whole(config, keys.get(name, name), 1, default)

    rows = positive("max_position_embeddings")
    if rows <= layout.skipped:
        raise ModelError(f"max_position_embeddings in config.json is {rows}, and {layout.skipped} of them are not used")
    return EncoderConfig(
        vocab=positive("vocab_size"),
        positions=rows - layout.skipped,
        types=positive("type_vocab_size", 2) if layout.architecture.types else 1,
        hidden=positive("hidden_size"),
        layers=positive("num_hidden_layers"),
        heads=positive("num_attention_heads"),
        intermediate=positive("intermediate_size"),
        pooling=pooling,
        normalize=normalize,
        layer_norm_eps=float(epsilon),
        relative=layout.architecture.relative,
    )


_NUMBERS = ("layers", "hidden", "heads", "intermediate", "vocab", "positions", "types", "layer_norm_eps")


def architecture_facts(shape: EncoderConfig) -> dict[str, Any]:
    """What a space says of an encoder of this shape. A family whose files alone differ from BERT's is BERT."""
    facts = {"family": "bert", "activation": "gelu"} | {name: getattr(shape, name) for name in _NUMBERS}
    return facts | ({"relative_positions": RELATIVE_BUCKETS} if shape.relative else {})


def _whole(config: Mapping[str, Any], key: str, least: int, default: int | None) -> int:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        expected = "a positive integer" if least == 1 else "an integer, 0 or more"
        raise ModelError(f"{key} in config.json is {brief(value)}, not {expected}")
    return value
