"""The providers that are known."""

from __future__ import annotations

from collections.abc import Mapping

from idembed.models.api.adapter import Adapter
from idembed.models.api.azure import Azure
from idembed.models.api.bedrock import Bedrock
from idembed.models.api.cohere import Cohere
from idembed.models.api.compatible import Compatible
from idembed.models.api.google import Google
from idembed.models.api.jina import Jina
from idembed.models.api.mistral import Mistral
from idembed.models.api.ollama import Ollama
from idembed.models.api.openai import OpenAI
from idembed.models.api.vertex import Vertex
from idembed.models.api.voyage import Voyage

__all__ = ["ADAPTERS", "ALIASES"]

ADAPTERS: Mapping[str, Adapter] = {
    adapter.provider: adapter
    for adapter in (
        OpenAI(),
        Azure(),
        Cohere(),
        Google(),
        Vertex(),
        Voyage(),
        Mistral(),
        Jina(),
        Ollama(),
        Bedrock(),
        Compatible(),
    )
}
"""By the name before the colon."""

ALIASES: Mapping[str, str] = {"gemini": "google"}
"""Other names people use, and whose they are."""
