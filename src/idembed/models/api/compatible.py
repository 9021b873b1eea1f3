"""Whatever speaks OpenAI's language: Text Embeddings Inference, vLLM, llama.cpp, Infinity, LM Studio, LocalAI and more.

They agree on ``model``, ``input`` and the answer's shape, and on little else: some ignore what they do not know, some
refuse it, some cut long texts in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.openai import openai_fault
from idembed.models.api.sentences import meaning
from idembed.space import Side

__all__ = ["Compatible"]


class Compatible(Adapter):
    """Nothing is known of the server or of its models. Its key has a name of its own: a key for OpenAI is never shown
    to another server."""

    provider = "compatible"
    title = "OpenAI-compatible server"
    key_variables = ()
    needs_key = False
    # What Text Embeddings Inference takes unless it is told otherwise.
    usual = Limits(inputs=32, bytes=2_000_000)
    tells_truncation = False

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {"model": settings.model, "input": list(texts), "encoding_format": "float"}
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        return Request(f"{settings.endpoint}/embeddings", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        data = body["data"]
        usage = body.get("usage") or {}
        indices = [item.get("index") for item in data]
        return Answer(
            [item["embedding"] for item in data],
            None if all(index is None for index in indices) else indices,
            usage.get("prompt_tokens") or usage.get("total_tokens") or None,
        )

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        said = message_in(body)
        if status == 501 or "not support embeddings" in said:
            return Fault("fatal", said, "start the server for embeddings, with a model for embeddings")
        if status == 424:
            return Fault("wait", said or "status 424")
        # llama.cpp says with a 500 that a text is too long, and its tokens in a field.
        fault = (meaning(said) if status == 500 else None) or openai_fault(status, body)
        if fault.kind == "long" and fault.tokens is None:
            error = body.get("error") if isinstance(body, Mapping) else None
            count = error.get("n_prompt_tokens") if isinstance(error, Mapping) else None
            return fault._replace(tokens=count if isinstance(count, int) else None)
        return fault._replace(hint=f"look at the model's name and at {settings.endpoint}") if status == 404 else fault
