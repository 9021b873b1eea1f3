"""What Milvus can do for an index, and up to which sizes."""

from __future__ import annotations

from typing import Final

from idembed.stores.milvus.fields import MAX_METADATA, MAX_STRING
from idembed.stores.records import Capabilities

__all__ = ["CAPABILITIES"]

CAPABILITIES: Final = Capabilities(
    exact_readback=True,
    atomic_switch=True,
    transactions=False,
    approximate_search=True,
    concurrent_writers=True,
    snapshots=False,
    max_key=512,
    max_text=MAX_STRING,
    max_metadata=MAX_METADATA,
    max_dim=32_768,
)
