"""Golden hashes: what the vectors of the fixed texts must be, for checkpoints whose bits were recorded here.

An entry of ``golden.json`` is found by the hash of the weights and the profile. Where the space is another one all the
same (other prompts, a shorter limit, a tokenizer that behaves otherwise) there is nothing to compare with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from idembed.models.prove.texts import texts_sha256
from idembed.space import Space

__all__ = ["FIELDS", "Golden", "compare", "manifest"]

FIELDS = ("model", "profile", "weights", "space", "sha256")
"""What is recorded of a checkpoint: an object in the list ``checkpoints``."""
State = Literal["matches", "differs", "none"]


class Golden(NamedTuple):
    """Whether the vectors are those that were recorded, whose hash is ``expected``; empty where the state is ``none``,
    and ``why`` then says why."""

    state: State
    expected: str = ""
    why: str = ""


@cache
def manifest() -> Mapping[str, Any]:
    """``golden.json``: ``texts``, the hash of the fixed texts, and a list of ``checkpoints``."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("golden.json").read_text("utf-8"))
    return found


def compare(space: Space, sha256: str) -> Golden:
    """Look up what is recorded of this checkpoint and profile."""
    if manifest()["texts"] != texts_sha256():
        return Golden("none", why="the fixed texts are others than those it was made of")
    wanted = [space.facts[name] for name in ("weights", "profile")]
    known = [one for one in manifest()["checkpoints"] if [one["weights"], one["profile"]] == wanted]
    if not known:
        return Golden("none", why="of this checkpoint and profile none is recorded")
    same = [one for one in known if one["space"] == space.id]
    if not same:
        return Golden("none", why="it is recorded with another tokenizer, prompt or limit")
    expected = str(same[0]["sha256"])
    return Golden("matches" if expected == sha256 else "differs", expected)
