"""What a Qdrant can do for an index, and up to which sizes."""

from __future__ import annotations

from idembed.stores.records import Capabilities

__all__ = ["capabilities"]


def capabilities(*, is_server: bool) -> Capabilities:
    """What a server can do, or the embedded engine, which has no aliases and is for one process."""
    return Capabilities(
        exact_readback=True,
        atomic_switch=is_server,
        transactions=False,
        approximate_search=True,
        concurrent_writers=is_server,
        snapshots=False,
        max_key=512,
        max_text=4_000_000,  # with every character escaped, below the 32 MB of a request
        max_metadata=1_000_000,
        max_dim=65_535,
    )
