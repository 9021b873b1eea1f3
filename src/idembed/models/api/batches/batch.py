"""What a provider's batch endpoint is: pure functions from texts to the lines of a file and from answers to states.

A batch does no input or output, as an adapter does none; ``desk.py`` does it. A line is one text under a key, and what
comes back is found by that key alone: no provider promises an order.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from idembed.models.api.adapter import Adapter, Answer, Settings

__all__ = ["Batch", "Call", "Result", "Stage", "State", "json_line"]

Stage = Literal["waiting", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request with the bytes of its body; ``headers`` beside those of the key."""

    method: str
    url: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """A job as the provider shows it: its ``id``, and the ``tag`` that it was submitted with (empty if that is not
    said). ``ended``: there may be results, in the ``files``; ``failed``: there are none, for a ``reason``. ``is_cut``:
    it ended before every line had its turn. ``is_full``: it failed as too much is under way already."""

    id: str
    tag: str
    stage: Stage
    files: tuple[str, ...] = ()
    reason: str = ""
    is_cut: bool = False
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the line of a ``key``: an ``answer`` to its one text, or none for a ``reason``; ``is_undone``: it
    did not have its turn."""

    key: Any
    answer: Answer | None = None
    reason: str = ""
    is_undone: bool = False


class Batch(ABC):
    """The batch endpoint of one provider. Made once, without state. What reads an answer raises KeyError, TypeError,
    ValueError, IndexError or AttributeError where it is not what the provider promises."""

    provider: ClassVar[str]
    share: ClassVar[float]
    """Of the ordinary price, where the table of models does not say it."""
    most_texts: ClassVar[int]
    """In one job."""
    most_jobs: ClassVar[int] = 100
    """Under way at once."""
    number_bytes: ClassVar[float]
    """What a number of a vector takes in a file of results."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    @abstractmethod
    def line(self, settings: Settings, key: str, text: str) -> bytes:
        """The line of one document, with its end."""

    @abstractmethod
    def upload(self, settings: Settings, tag: str, content: bytes) -> Call:
        """To bring a file of lines to the provider."""

    @abstractmethod
    def uploaded(self, body: Any) -> str:
        """The id of the file."""

    @abstractmethod
    def create(self, settings: Settings, tag: str, file: str) -> Call:
        """To begin a job of a file; the answer is its ``state``."""

    @abstractmethod
    def poll(self, settings: Settings, job: str) -> Call:
        """To see a job; the answer is its ``state``."""

    @abstractmethod
    def state(self, body: Any) -> State:
        """A job, as it is shown."""

    @abstractmethod
    def listing(self, settings: Settings, after: str) -> Call:
        """To see a page of all jobs, newest first: that ``after`` what the page before said, the first one if empty."""

    @abstractmethod
    def listed(self, body: Any) -> tuple[list[State], str]:
        """The jobs of a page, and what to ask for the next one ``after``; empty at the end."""

    @abstractmethod
    def download(self, settings: Settings, file: str) -> Call:
        """To get a file of results, which has one JSON value a line."""

    @abstractmethod
    def result(self, line: Any, settings: Settings) -> Result:
        """What a line of such a file says."""


def json_line(value: Mapping[str, Any]) -> bytes:
    """The value as one line of JSON in UTF-8, with its end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
