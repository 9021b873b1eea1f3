"""Azure OpenAI: https://learn.microsoft.com/azure/ai-foundry/openai/reference"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.openai import embeddings_in, openai_fault
from idembed.space import Side

__all__ = ["Azure"]

_LIMITS = Limits(inputs=2048, tokens=300_000, text_tokens=8192)
_PAGE = "https://azure.microsoft.com/pricing/details/cognitive-services/openai-service/"


class Azure(Adapter):
    """OpenAI's models under names that their owner chose: the model asked for is a *deployment*, and only one that is
    called like a model is taken to be that model. ``extra["api_version"]`` asks the older route, which needs one."""

    provider = "azure"
    title = "Azure OpenAI"
    endpoint_variables = ("AZURE_OPENAI_ENDPOINT",)
    key_variables = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN")
    more_extra_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {"api_version": ("OPENAI_API_VERSION",)}
    usual = _LIMITS
    offers: ClassVar[Mapping[str, Offer]] = {
        "text-embedding-3-small": Offer(1536, _LIMITS, Price(0.022, "2026-11-22", _PAGE, 0.5), (1, 1536), True),
        "text-embedding-3-large": Offer(3072, _LIMITS, Price(0.143, "2026-11-22", _PAGE, 0.5), (1, 3072), True),
        "text-embedding-ada-002": Offer(1536, _LIMITS, Price(0.11, "2026-11-22", _PAGE, 0.5)),
    }

    def authorization(self, key: str) -> Mapping[str, str]:
        # An Entra token is a JSON Web Token, three parts with dots between them; a key has no dot.
        return {"Authorization": f"Bearer {key}"} if key.count(".") == 2 else {"api-key": key}

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        body: dict[str, Any] = {"model": settings.model, "input": list(texts), "encoding_format": "base64"}
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        base = settings.endpoint.removesuffix("/v1").removesuffix("/openai") + "/openai"
        if version := settings.extra.get("api_version"):
            deployment = quote(settings.model, safe="")
            return Request(f"{base}/deployments/{deployment}/embeddings?api-version={quote(version, safe='')}", body)
        return Request(f"{base}/v1/embeddings", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return embeddings_in(body)

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        fault = openai_fault(status, body)
        if status == 404:
            hint = (
                f"the resource has no deployment {settings.model!r}: name the deployment, which is not the model's name"
            )
            return fault._replace(hint=hint)
        if status == 401:
            return fault._replace(hint="the key is not accepted: it must be one of this resource's own keys")
        return fault
