"""Amazon Titan on Bedrock: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Offer, Price, Request, Settings
from idembed.models.api.faults import message_in
from idembed.models.api.sentences import usual_fault
from idembed.space import Side

__all__ = ["Bedrock"]

_LIMITS = Limits(inputs=1, text_tokens=8192)
_PAGE = "https://aws.amazon.com/bedrock/pricing/"


class Bedrock(Adapter):
    """One text a call, and no sides."""

    provider = "bedrock"
    title = "Amazon Bedrock"
    endpoint = "https://bedrock-runtime.{region}.amazonaws.com"
    endpoint_variables = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",)
    credential = "aws"
    extra_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")}
    usual = _LIMITS
    offers: ClassVar[Mapping[str, Offer]] = {
        "amazon.titan-embed-text-v2:0": Offer(1024, _LIMITS, Price(0.02, "2026-11-22", _PAGE), (256, 512, 1024)),
        "amazon.titan-embed-text-v1": Offer(1536, _LIMITS, Price(0.10, "2026-11-22", _PAGE)),
    }

    def request(self, settings: Settings, texts: Sequence[str], side: Side) -> Request:
        (text,) = texts
        body: dict[str, Any] = {"inputText": text}
        if "titan-embed-text-v1" not in settings.model:
            body |= {"embeddingTypes": ["float"], "normalize": True}
            if settings.dimensions is not None:
                body["dimensions"] = settings.dimensions
        return Request(f"{settings.endpoint}/model/{quote(settings.model, safe='')}/invoke", body)

    def answer(self, body: Any, settings: Settings) -> Answer:
        return Answer([body["embedding"]], tokens=body.get("inputTextTokenCount"))

    def fault(self, status: int, body: Any, settings: Settings) -> Fault:
        # What follows repeats the signed request, in which there may be the token of a session.
        said = message_in(body).partition("The Canonical String")[0].strip()
        if status == 400 and "service quota" in said.lower():
            return Fault("fatal", said, "raise the quota of this model and region in the console, Service Quotas")
        if status == 400 and "valid enum value" in said:
            return Fault("fatal", said, "ask for dimensions that the model has, or leave them out")
        if status == 403:
            hint = "look at the credentials and their region, and ask for access to the model in the console"
            return Fault("fatal", said or "status 403", hint)
        if status == 424:
            return Fault("wait", said or "status 424")
        return usual_fault(status, body)
