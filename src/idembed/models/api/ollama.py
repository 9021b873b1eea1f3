"""Ollama: https://docs.ollama.com/api/embed"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.sentences import meaning, usual_fault
from idembed.space import Side

__all__ = ["Ollama"]


class Ollama(Adapter):
    """A server of one's own. It is told not to cut, yet versions of it did (ollama#14259, ollama#17543), so that the
    tokens it counts are to be compared with what the texts should have."""

    provider = "ollama"
    title = "Ollama"
    endpoint = "http://127.0.0.1:11434"
    endpoint_variables = ("OLLAMA_HOST",)
    key_variables = ("OLLAMA_API_KEY",)
    needs_key = False
    usual = Limits(inputs=32)
    tells_truncation = False

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {"model": settings.model, "input": list(texts), "truncate": False}
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        return Request(f"{settings.endpoint}/api/embed", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return Answer(body["embeddings"], tokens=body.get("prompt_eval_count"))

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        said = message_in(body)
        if "unsupported value" in said:
            # A vector with NaN in it cannot be written as JSON; asking again gives another one.
            return Fault("row", said)
        if "not found" in said and "model" in said:
            return Fault("fatal", said, f"the server has no such model: ollama pull {settings.model}")
        if "does not support embed" in said:
            return Fault("fatal", said, "choose a model for embeddings")
        if status == 500 and (fault := meaning(said)):
            return fault
        return usual_fault(status, body)
