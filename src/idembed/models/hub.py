"""Finding a checkpoint's files: in a folder, in the caches of this machine, at the hub, in a package.

Bytes that a name stands for are pinned where we held them ourselves (``pins.py``): other bytes are refused.
What is in a user's folder or hub cache is never deleted; what we fetched and found wrong is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idembed.errors import ModelError, ModelNotFoundError, OptionError
from idembed.folders import cache_folder
from idembed.models.files import ModelFiles, missing_files, transformer_folder
from idembed.models.known import KNOWN, Known, Pin, known, suggestions
from idembed.models.pins import check_pins, weights_and_rules
from idembed.models.places import hub_cache_folders, offline
from idembed.models.profiles import chosen
from idembed.models.settings import read_settings

__all__ = ["find", "is_path", "known_models", "pull", "recorded_name"]

log = logging.getLogger(__name__)

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REVISION = re.compile(r"\w[\w./-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A model by its repository, with what is known of it; ``revision`` is a commit, a tag or a branch.
    ``caches`` are in the hub's layout; the first is the one that downloads go to. ``kept_from`` the network:
    by what, or empty."""

    name: str
    repo: str
    revision: str | None
    known: Known | None
    caches: tuple[Path, ...]
    kept_from: str

    @property
    def pins(self) -> Mapping[str, Pin]:
        return self.known.pins if self.known and self.revision is None else {}


_Outcome = ModelFiles | str
"""The files, or in a few words why a place did not have them."""


def find(
    name: str, *, revision: str | None = None, local_only: bool = False, hub_cache: Path | None = None
) -> ModelFiles:
    """The files of the checkpoint called ``name``: a folder, a known name, or a repository ``org/name``,
    either of these perhaps with ``@`` and a commit, tag or branch, as ``revision`` gives it.

    Places are tried in order: the folder itself, the hub's cache on this machine, our own cache, the hub
    (asked for at most a few seconds whether it is there), a registry package for models that have one.
    ``local_only`` leaves the last two out. ``hub_cache`` is a folder in the layout of the hub's cache that is
    looked into first, and that downloads go to.
    Raises ModelNotFoundError with the outcome of every place, IntegrityError when bytes are not the pinned
    ones, UnsupportedModelError (before any weights are fetched) when the model is not computed here.
    """
    if is_path(name):
        return _folder(name)
    wanted = _wanted(name, revision, local_only=local_only, hub_cache=hub_cache)
    places: dict[str, Callable[[_Wanted], _Outcome]] = {
        "cache of the hub": _hub_cache,
        "own cache": _own_cache,
        "hub": _hub,
        "package": _package,
    }
    tried: dict[str, str] = {}
    for place, look in places.items():
        outcome = look(wanted)
        if isinstance(outcome, ModelFiles):
            log.debug("%s found in the %s at revision %s", name, place, outcome.revision)
            return outcome
        tried[place] = outcome
    raise ModelNotFoundError(
        f"the files of {name} are nowhere to be had: " + "; ".join(f"{p}: {why}" for p, why in tried.items()),
        hint=_advice(wanted),
        tried=tried,
    )


def recorded_name(name: str, files: ModelFiles, *, revision: str | None = None) -> str:
    """The name that loads these very ``files``, found as ``name`` at ``revision``, again: a folder's absolute
    path, the plain name where it stands for pinned bytes, else ``org/name@commit``."""
    if files.source == "folder":
        return str(files.folder.resolve())  # an index that records it is opened from anywhere
    wanted = _wanted(name, revision)
    if wanted.pins or not _COMMIT.fullmatch(files.revision):
        return wanted.name
    return f"{wanted.repo}@{files.revision}"


def pull(name: str, *, revision: str | None = None) -> Path:
    """The folder with the files of ``name``, fetched now unless they are here. Raises as ``find``."""
    files = find(chosen(name, None)[0], revision=revision)
    read_settings(files.folder)
    return files.folder


def known_models() -> list[dict[str, Any]]:
    """The models that have a short name, as plain values: ``name``, ``aliases``, ``dim``, ``max_length``,
    ``prompts``, ``pinned`` (its bytes are checked) and ``here`` (on this machine; nothing is fetched)."""
    return [
        {
            "name": model.name,
            "aliases": list(model.aliases),
            "dim": model.dim,
            "max_length": model.max_length,
            "prompts": dict(model.prompts),
            "pinned": bool(model.pins),
            "here": _is_here(model),
        }
        for model in KNOWN
    ]


def is_path(name: str) -> bool:
    """True for ``./x``, ``../x``, ``~/x``, an absolute path, and the folder of a checkpoint."""
    if name.startswith(("./", "../", ".\\", "..\\", "~")) or name in (".", "..") or Path(name).is_absolute():
        return True
    return (Path(name) / "config.json").is_file() or (Path(name) / "modules.json").is_file()


# ---- the places -------------------------------------------------------------------------------------------


def _folder(name: str) -> ModelFiles:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ModelNotFoundError(f"{name} {what}", hint="give the folder with config.json and model.safetensors")
    if missing := missing_files(folder):
        raise ModelNotFoundError(
            f"{name} is not a whole checkpoint: it lacks {', '.join(missing)}",
            hint="it needs config.json, tokenizer.json, model.safetensors and what its modules.json names",
            missing=missing,
        )
    return ModelFiles(folder, "", "folder")


def _wanted(name: str, revision: str | None, *, local_only: bool = False, hub_cache: Path | None = None) -> _Wanted:
    caches = tuple([hub_cache] if hub_cache else []) + tuple(hub_cache_folders())
    kept_from = offline() or ("local_only" if local_only else "")
    name, _, inside = name.partition("@")
    if inside and revision not in (None, inside):
        raise OptionError(f"{name}@{inside} names another revision than {revision!r}", hint="give one of them")
    revision = inside or revision
    model = known(name)
    if model is not None and revision == model.pinned_revision:
        revision = None
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise OptionError(f"{revision!r} is no revision", hint="give a commit, a tag or a branch of the repository")
    if model is not None:
        return _Wanted(model.name, model.repo, revision, model, caches, kept_from)
    if _REPOSITORY.fullmatch(name) and ".." not in name:
        return _Wanted(name, name, revision, None, caches, kept_from)
    close = suggestions(name)
    raise ModelNotFoundError(
        f"there is no model called {name!r}",
        hint=(f"did you mean {' or '.join(close)}? " if close else "")
        + "give a known name (idembed models), a repository org/name, or a folder ./name",
        suggestions=close,
    )


def _hub_cache(wanted: _Wanted) -> _Outcome:
    """A complete snapshot in huggingface_hub's layout: refs/<name> holds the commit of snapshots/<commit>."""
    outcome = "not there"
    for root in wanted.caches:
        repo = root / ("models--" + wanted.repo.replace("/", "--"))
        snapshot = repo / "snapshots" / _commit(repo, wanted.revision or "main")
        if not snapshot.is_dir():
            continue
        if missing := _missing_in_cache(snapshot, wanted.known):
            outcome = f"incomplete, lacks {', '.join(missing)}"
            continue
        # Only what the name stands for is pinned here: the authors may well reword a config.json, and
        # whatever it changes changes the space.
        check_pins(snapshot, weights_and_rules(wanted.pins), keep=True)
        return ModelFiles(snapshot, snapshot.name, "hub cache")
    return outcome


def _commit(repo: Path, revision: str) -> str:
    """The commit that ``revision`` stands for in this cache: by name, as it is, or by its first digits."""
    try:
        return (repo / "refs" / revision).read_text("utf-8").strip()
    except OSError:
        pass
    if _SHORT_COMMIT.fullmatch(revision):
        longer = [path.name for path in (repo / "snapshots").glob(f"{revision}*")]
        return longer[0] if len(longer) == 1 else revision
    return revision


def _missing_in_cache(snapshot: Path, model: Known | None) -> list[str]:
    """Also what a plain folder may lack: the client of another program fetches only the files it reads, so
    one that is not there may well be in the repository, and what it says would be lost without a word."""
    if not (snapshot / "modules.json").is_file():
        return ["modules.json", *missing_files(snapshot)]
    missing = missing_files(snapshot)
    if missing or model is None:
        return missing
    lengths = transformer_folder(snapshot) / "sentence_bert_config.json"
    if not lengths.is_file() and read_settings(snapshot).max_length != model.max_length:
        missing.append(lengths.relative_to(snapshot).as_posix())
    if model.brings_prompts and not (snapshot / "config_sentence_transformers.json").is_file():
        missing.append("config_sentence_transformers.json")
    return missing


def _own_folder(model: Known) -> Path:
    return cache_folder() / "models" / model.name / model.pinned_revision.removeprefix("sha256:")[:16]


def _own_cache(wanted: _Wanted) -> _Outcome:
    if not wanted.known or not wanted.pins:
        return "keeps pinned models only"
    folder = _own_folder(wanted.known)
    if not folder.is_dir():
        return "not there"
    check_pins(folder, wanted.pins, keep=False)
    return ModelFiles(folder, wanted.known.pinned_revision, "own cache")


def _hub(wanted: _Wanted) -> _Outcome:
    if wanted.kept_from:
        return f"not asked, {wanted.kept_from} is set"
    from idembed.models import remote  # not before the network is needed: a start with the files here is quicker

    try:
        folder = remote.fetch(wanted.repo, wanted.revision, wanted.caches[0])
    except remote.RemoteError as error:
        return str(error)
    if missing := missing_files(folder):
        return f"the repository lacks {', '.join(missing)}"
    check_pins(folder, weights_and_rules(wanted.pins), keep=True)
    return ModelFiles(folder, folder.name, "hub")


def _package(wanted: _Wanted) -> _Outcome:
    if not wanted.known or not wanted.known.package:
        return "there is none for this model"
    if wanted.revision is not None:
        return "holds no other revision than its own"
    if wanted.kept_from:
        return f"not asked, {wanted.kept_from} is set"
    from idembed.models import registry

    folder = _own_folder(wanted.known)
    try:
        registry.fetch(wanted.known.package, wanted.pins, folder)
    except registry.RegistryError as error:
        return str(error)
    except OSError as error:
        return f"cannot be kept in {folder.parent}: {error.strerror}"
    return ModelFiles(folder, wanted.known.pinned_revision, "package")


# ---- words ------------------------------------------------------------------------------------------------


def _is_here(model: Known) -> bool:
    wanted = _wanted(model.name, None)
    try:
        return any(isinstance(look(wanted), ModelFiles) for look in (_hub_cache, _own_cache))
    except ModelError:
        return False


def _advice(wanted: _Wanted) -> str:
    if wanted.kept_from:
        how = "unset" if wanted.kept_from == offline() else "leave out"
        return f"{how} {wanted.kept_from} to fetch it, or copy its folder here and load it by path: ./folder"
    return (
        "connect to the hub (HF_ENDPOINT for a mirror), or copy the model's folder from another machine and "
        "load it by path: ./folder"
    )
