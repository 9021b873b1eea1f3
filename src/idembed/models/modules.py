"""The modules behind the transformer: pooling, Dense layers, Normalize."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from idembed.errors import ModelError
from idembed.models.dense import DenseShape, read_dense
from idembed.models.files import dense_folders, pooling_file, read_json, read_modules
from idembed.models.unsupported import brief, refuse
from idembed.native import Pooling

__all__ = ["Modules", "read_behind"]

_POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
_MODES: Mapping[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class Modules(NamedTuple):
    """How tokens become one vector, the layers that it goes through, and whether it is normalised at the end."""

    pooling: Pooling
    dense: tuple[DenseShape, ...]
    normalize: bool


def read_behind(folder: Path, hidden: int) -> Modules:
    """What follows the transformer, which gives ``hidden`` numbers a token. Without modules.json: the mean, not
    normalised. Raises UnsupportedModelError for what is not computed here, ModelError for a damaged file."""
    modules = read_modules(folder)
    if not modules and not (folder / "modules.json").exists():
        return Modules("mean", (), False)
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    for kind in kinds:
        if kind not in ("Transformer", "Pooling", "Dense", "Normalize"):
            refuse(f"the module {kind}", "Transformer, Pooling, Dense, Normalize")
    layers = kinds.count("Dense")
    first = ["Transformer", "Pooling", *["Dense"] * layers]
    if kinds not in (first, [*first, "Normalize"]):
        refuse(
            f"the modules {', '.join(kinds) or '[]'}",
            "Transformer, Pooling, then perhaps Dense, then perhaps Normalize",
        )
    path = pooling_file(folder)
    if path is None or not path.is_file():
        raise ModelError(
            f"{path} is missing, which says how tokens become one vector", hint="fetch the checkpoint again"
        )
    return Modules(_pooling(read_json(path), hidden), _dense(folder, hidden), kinds[-1] == "Normalize")


def _dense(folder: Path, width: int) -> tuple[DenseShape, ...]:
    layers: list[DenseShape] = []
    for inside in dense_folders(folder):
        layer = read_dense(inside)
        if layer.into != width:
            raise ModelError(f"{inside.name} takes {layer.into} numbers, but is given {width}")
        layers.append(layer)
        width = layer.out
    return tuple(layers)


def _pooling(config: Mapping[str, Any], hidden: int) -> Pooling:
    named = config.get("pooling_mode")
    if not isinstance(named, str | list | None):
        raise ModelError(
            f"pooling_mode {brief(named)} in the config.json of Pooling is not a name",
            hint="fetch the checkpoint again",
        )
    listed: Sequence[Any] = [named] if isinstance(named, str) else list(named or [])
    modes = listed or [mode for key, mode in _MODES.items() if config.get(key)] or ["mean"]
    if config.get("include_prompt", True) is not True:
        refuse("pooling without the prompt (include_prompt false)", "pooling over all tokens")
    width = config.get("word_embedding_dimension", config.get("embedding_dimension", hidden))
    if width != hidden:
        raise ModelError(f"pooling takes {brief(width)} numbers, but the encoder gives {hidden}")
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        refuse(f"the pooling {' + '.join(map(str, modes))}", ", ".join(_POOLINGS))
    return cast(Pooling, modes[0])
