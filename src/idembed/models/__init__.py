"""Where vectors come from: ``load`` is the one entry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from idembed.arguments import check_kind, check_whole
from idembed.errors import ModelNotFoundError, OptionError
from idembed.models.api.which import is_api_name
from idembed.models.base import Embedded, Model, OnLong, Receipt, TruncationWarning, Vectors
from idembed.models.profiles import DEFAULT, chosen, named

if TYPE_CHECKING:
    from idembed.models.api.model import ApiModel
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


def load(
    name: str | Path,
    profile: str | None = None,
    threads: int | None = None,
    *,
    isa: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
    local_only: bool = False,
    hub_cache: str | Path | None = None,
    dimensions: int | None = None,
) -> Checkpoint | WordTexts | ApiModel:
    """The model called ``name``: ``all-MiniLM-L6-v2``, a repository ``org/name``, a checkpoint's folder; word
    vectors: a folder such as ``./pets.w2v``, or a file ``.vec``, ``.bin``, ``.glove``, ``.glove.txt`` (``.gz``); or a
    model of an API: ``openai:text-embedding-3-small``, ``http://localhost:8080/v1#model``.

    ``profile`` is the arithmetic of a checkpoint and part of its space: ``f32`` (the default), ``i16`` (nearly twice as
    fast, nearly the same vectors) or ``i8`` (three times as fast), by which the newest version is meant, ``i8-1``. A
    name may end with it: ``all-MiniLM-L6-v2?profile=i8``. ``threads`` (by default all that this process may use, and
    fewer where a call has little to do) and ``isa`` change the speed and no bit. ``revision`` is a commit, tag or
    branch of the repository, as in ``org/name@commit``, which is the name that a checkpoint of the hub gets unless its
    bytes are pinned; of an API, a number (docs/apis.md). ``dimensions``: of an API whose vectors may be shorter, as
    ``?dimensions=256`` in its name. ``max_length`` and ``prompts`` stand in for the checkpoint's own and make it
    another space; word vectors have none of these. Prompts that its files do not bring are those that the authors of
    a model known by name ask for (docs/models.md).

    Files are looked for on this machine, ``hub_cache`` first, then fetched unless ``local_only`` (see
    ``hub.find``). Weights are read when they are
    first needed. Raises ModelNotFoundError, IntegrityError, UnsupportedModelError, ModelError, OptionError.
    """
    check_kind("profile", profile, str | None, "the name of a profile")
    check_kind("isa", isa, str | None, "the name of an instruction set")
    if threads is not None:
        check_whole("threads", threads)
    wanted, arithmetic = chosen(str(name), profile)
    if not wanted:
        raise OptionError("a model needs a name", hint="for example all-MiniLM-L6-v2")
    if is_api_name(wanted) and not isinstance(name, Path):
        from idembed.models.api.opening import open_api

        _refuse(
            "APIs take",
            profile=_unusual(arithmetic),
            max_length=max_length,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
            isa=isa,
        )
        return open_api(wanted, dimensions=dimensions, revision=_number(revision))
    _refuse("a local model takes", dimensions=dimensions)
    _check_length(wanted)
    from idembed.models.words.opening import names_words, open_words

    if names_words(wanted):
        _refuse(
            "word vectors take",
            profile=_unusual(arithmetic),
            revision=revision,
            max_length=max_length,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
        )
        return open_words(wanted, isa=isa)
    from idembed.models import hub
    from idembed.models.checkpoint import Checkpoint

    cache = Path(hub_cache).expanduser() if hub_cache is not None else None
    files = hub.find(wanted, revision=revision, local_only=local_only, hub_cache=cache)
    arithmetic = arithmetic or DEFAULT
    return Checkpoint(
        files,
        named(hub.recorded_name(wanted, files, revision=revision), arithmetic),
        profile=arithmetic,
        threads=threads,
        isa=isa,
        max_length=max_length,
        prompts=prompts,
        default_prompt_name=default_prompt_name,
    )


def _check_length(name: str) -> None:
    """Raise ModelNotFoundError for a name that no file system can hold, which asking it would not survive."""
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in name.split("/"))
    if len(name.encode("utf-8", "surrogatepass")) > 4000 or longest > 255:
        from idembed.shown import shorten

        raise ModelNotFoundError(
            f"there is no model called {shorten(name, 80)!r}",
            hint="give a known name (idembed models), a repository org/name, or a folder ./name",
            suggestions=[],
        )


def _unusual(profile: str | None) -> str | None:
    """What only a checkpoint can be asked for."""
    return None if profile == DEFAULT else profile


def _number(revision: str | None) -> int | None:
    if revision is None:
        return None
    if not (revision.isascii() and revision.isdigit() and int(revision) >= 1):
        raise OptionError(f"revision={revision!r}: that of an API is a number, 1 or more")
    return int(revision)


def _refuse(who: str, **options: object) -> None:
    """Raise OptionError for what was given and makes no sense: word vectors are a file as it is, and read texts to
    their end; what an API does with a text is the provider's affair."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise OptionError(f"{who} no {given[0]}", hint="leave it out")
