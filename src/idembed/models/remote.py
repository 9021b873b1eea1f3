"""Fetching a checkpoint from the hub with its own client, into its own cache.

The client retries and waits as it sees fit once a download runs. Whether the hub is there at all is asked
first, and that takes a few seconds at the most.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idembed.errors import IdembedError, UnsupportedModelError
from idembed.models.files import PATTERNS, WEIGHT_PATTERNS, refuse_pickled
from idembed.models.settings import read_settings

__all__ = ["RemoteError", "fetch"]

_ANSWER_SECONDS = 3.0


class RemoteError(Exception):
    """Why the hub did not give the files, in a few words for the list of what was tried."""


def fetch(repo: str, revision: str | None, cache: Path) -> Path:
    """The snapshot folder in ``cache`` of ``repo`` at ``revision`` (``main`` by default) with the files we read.

    Raises RemoteError, and UnsupportedModelError for a model that is not computed here, does not say how it
    pools, or whose weights are pickles: that is found out before any weights are fetched.
    """
    endpoint = os.environ.get("HF_ENDPOINT") or None
    files = _within_seconds(lambda: _list_files(repo, revision, endpoint))
    if "config.json" not in files and "modules.json" not in files:
        raise RemoteError("the repository holds no checkpoint (no config.json)")
    if not any(
        file.removeprefix("0_Transformer/").startswith("model") and file.endswith(".safetensors") for file in files
    ):
        if pickled := [file for file in files if file.endswith("pytorch_model.bin")]:
            refuse_pickled(pickled[0], f"the repository {repo}")
        raise RemoteError("the repository holds no safetensors weights")
    if "modules.json" not in files:
        raise UnsupportedModelError(
            f"the repository {repo} has no modules.json, so nothing says how tokens become one vector",
            hint="if their mean is right: download it (hf download), then load its folder by path",
        )
    try:
        folder = _download(repo, revision, endpoint, cache, PATTERNS)
        read_settings(folder)
        return _download(repo, revision, endpoint, cache, (*PATTERNS, *WEIGHT_PATTERNS))
    except IdembedError:
        raise
    except Exception as error:  # the client raises the errors of several libraries
        raise RemoteError(f"the download failed ({_brief(error)})") from error


def _list_files(repo: str, revision: str | None, endpoint: str | None) -> list[str]:
    from huggingface_hub import HfApi, errors

    try:
        info = HfApi(endpoint=endpoint).model_info(repo, revision=revision, timeout=_ANSWER_SECONDS)
    except errors.GatedRepoError as error:
        raise RemoteError(f"access to {repo} must be asked for on its page; then set HF_TOKEN") from error
    except errors.RepositoryNotFoundError as error:
        raise RemoteError(f"there is no repository {repo}, or it is private (set HF_TOKEN)") from error
    except errors.RevisionNotFoundError as error:
        raise RemoteError(f"{repo} has no revision {revision}") from error
    except errors.HfHubHTTPError as error:
        raise RemoteError(f"answered with status {error.response.status_code}") from error
    except Exception as error:  # no network: the errors of whichever HTTP library the client uses
        raise RemoteError(f"cannot be reached ({_brief(error)})") from error
    return [file.rfilename for file in info.siblings or []]


def _within_seconds(question: Callable[[], list[str]]) -> list[str]:
    """The answer. A name server that keeps silent cannot be interrupted, so the question is asked on a
    thread that is left behind when it takes too long."""
    answers: list[list[str] | BaseException] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS + 1)
    if not answers:
        raise RemoteError(f"no answer within {_ANSWER_SECONDS + 1:.0f} s")
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def _download(repo: str, revision: str | None, endpoint: str | None, cache: Path, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        repo,
        revision=revision,
        cache_dir=cache,
        endpoint=endpoint,
        etag_timeout=_ANSWER_SECONDS,
        allow_patterns=list(patterns),
        tqdm_class=_silent_bar(),
    )
    return Path(folder)


def _silent_bar() -> Any:
    """A library never prints: the client's own progress bar, always off."""
    bar: Any = importlib.import_module("huggingface_hub.utils").tqdm

    class Silent(bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})

    return Silent


def _brief(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
