"""The providers that have batches of embeddings."""

from __future__ import annotations

from collections.abc import Mapping

from idembed.errors import OptionError
from idembed.models.api.batches.batch import Batch
from idembed.models.api.batches.google import GoogleBatch
from idembed.models.api.batches.openai import AzureBatch, OpenAIBatch
from idembed.models.api.batches.voyage import VoyageBatch
from idembed.models.api.model import ApiModel
from idembed.models.api.registry import ADAPTERS
from idembed.models.base import Model

__all__ = ["BATCHES", "batch_of", "share_of"]

BATCHES: Mapping[str, Batch] = {
    kind.provider: kind(ADAPTERS[kind.provider]) for kind in (OpenAIBatch, AzureBatch, VoyageBatch, GoogleBatch)
}
"""By the name of the provider."""


def batch_of(model: Model) -> tuple[ApiModel, Batch]:
    """The model, as one of an API, and its provider's batches. Raises OptionError where there are none."""
    batch = BATCHES.get(model.adapter.provider) if isinstance(model, ApiModel) else None
    if batch is None or not isinstance(model, ApiModel):
        title = f"{model.adapter.title} has" if isinstance(model, ApiModel) else "it runs on this machine and has"
        raise OptionError(
            f"{model.name} cannot be asked in batches: {title} no batch endpoint for embeddings",
            hint=f"leave batch_api, --batch-api, out; there is one at {', '.join(sorted(BATCHES))}",
            model=model.name,
        )
    return model, batch


def share_of(model: Model) -> float:
    """What a batch costs, as a share of the ordinary price. Raises as ``batch_of``."""
    found, batch = batch_of(model)
    offer = batch.adapter.offer(found.transport.settings.model)
    stated = offer.price.batch if offer and offer.price else None
    return batch.share if stated is None else stated
