"""Voyage AI's batches: https://docs.voyageai.com/docs/batch-inference"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idembed.models.api.adapter import Settings
from idembed.models.api.batches.batch import json_line
from idembed.models.api.batches.openai import OpenAIBatch

__all__ = ["VoyageBatch"]


class VoyageBatch(OpenAIBatch):
    """OpenAI's words, but what is asked of the model is said once for a job, and none expires: what was not done in
    twelve hours is among its errors."""

    provider = "voyage"
    share = 0.67
    most_texts = 100_000
    number_bytes = 14.0  # decimals
    window = "12h"

    def line(self, settings: Settings, key: str, text: str) -> bytes:
        return json_line({"custom_id": key, "body": {"input": [text]}})

    def shared(self, settings: Settings) -> Mapping[str, Any]:
        body = dict(self.adapter.request(settings, ["a"], "document").body)
        del body["input"], body["encoding_format"]  # batches are not said to have the latter
        return {"request_params": body}
