"""What is not computed here is refused by name: a vector that is nearly right is worse than an error."""

from __future__ import annotations

from typing import NoReturn

from idembed.errors import UnsupportedModelError

__all__ = ["brief", "refuse"]


def refuse(what: str, supported: str) -> NoReturn:
    """Raise UnsupportedModelError for ``what``, naming what is ``supported`` and the way round."""
    raise UnsupportedModelError(
        f"{what} is not computed here",
        hint=f"supported: {supported}; any other model works through an OpenAI-compatible server that runs it: "
        "name it http://localhost:8080/v1#MODEL (docs/apis.md)",
        unsupported=what,
        supported=supported,
    )


def brief(value: object) -> str:
    """How a value of somebody's file is shown in a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
