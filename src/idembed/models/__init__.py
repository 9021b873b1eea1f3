"""Where vectors come from: ``load`` is the one entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from idembed.errors import ModelError, OptionError
from idembed.models.base import Embedded, Model, OnLong, Receipt, TruncationWarning, Vectors

if TYPE_CHECKING:
    from idembed.models.checkpoint import Checkpoint
    from idembed.models.words.texts import WordTexts

__all__ = [
    "Embedded",
    "Model",
    "OnLong",
    "Receipt",
    "TruncationWarning",
    "Vectors",
    "load",
]

_PROVIDER = re.compile(r"([a-z][a-z0-9_-]+):(?![\\/](?![\\/]))")  # "openai:…", "https://…"; not "C:\…"


def load(
    name: str | Path,
    profile: str = "f32",
    threads: int | None = None,
    *,
    isa: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
    local_only: bool = False,
    hub_cache: str | Path | None = None,
) -> Checkpoint | WordTexts:
    """The model called ``name``: ``all-MiniLM-L6-v2``, a repository ``org/name``, a checkpoint's folder, or word
    vectors: a folder such as ``./pets.w2v``, or a file ``.vec``, ``.bin``, ``.glove``, ``.glove.txt`` (``.gz``).

    ``profile`` is the arithmetic. ``threads`` (all that this process may use by default) and ``isa`` change
    the speed and no bit. ``revision`` is a commit, tag or branch of the repository, as in ``org/name@commit``,
    which is the name that a checkpoint of the hub gets unless its bytes are pinned. ``max_length`` and
    ``prompts`` stand in for the checkpoint's own and make it another space; word vectors have none of these.

    Files are looked for on this machine, ``hub_cache`` first, then fetched unless ``local_only`` (see
    ``hub.find``). Weights are read when they are
    first needed. Raises ModelNotFoundError, IntegrityError, UnsupportedModelError, ModelError, OptionError.
    """
    wanted = str(name)
    _check_profile(profile)
    _check_kind(wanted)
    from idembed.models.words.opening import names_words, open_words

    if names_words(wanted):
        _refuse_for_words(
            revision=revision, max_length=max_length, prompts=prompts, default_prompt_name=default_prompt_name
        )
        return open_words(wanted, isa=isa)
    from idembed.models import hub
    from idembed.models.checkpoint import Checkpoint

    cache = Path(hub_cache).expanduser() if hub_cache is not None else None
    files = hub.find(wanted, revision=revision, local_only=local_only, hub_cache=cache)
    return Checkpoint(
        files,
        hub.recorded_name(wanted, files, revision=revision),
        threads=threads,
        isa=isa,
        max_length=max_length,
        prompts=prompts,
        default_prompt_name=default_prompt_name,
    )


def _check_profile(profile: str) -> None:
    if profile in ("f32", "f32-1"):
        return
    if profile in ("i16", "i16-1", "i8", "i8-1"):
        raise ModelError(f"the profile {profile} is not there yet", hint='use profile="f32"', profile=profile)
    raise OptionError(f"unknown profile {profile!r}", hint="f32 is the only one so far")


def _check_kind(name: str) -> None:
    if not name:
        raise OptionError("a model needs a name", hint="for example all-MiniLM-L6-v2")
    if provider := _PROVIDER.match(name):
        raise ModelError(
            f"{name}: models of {provider[1]} are not there yet",
            hint="local checkpoints are: a known name, org/name, or ./folder",
            provider=provider[1],
        )


def _refuse_for_words(**options: object) -> None:
    """Word vectors are a file as it is: they have no revisions, read texts to their end, and put nothing before."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise OptionError(f"word vectors take no {given[0]}", hint="leave it out; it is for checkpoints")
