"""What a store can hold, looked at while a source is read, so that nothing too large is found out later."""

from __future__ import annotations

from typing import Final

from idembed.rows import CheckedRow
from idembed.stores.base import Capabilities

__all__ = ["Limits"]

_BYTES: Final = 4
"""A character has no more."""


class Limits:
    """The limits of a store.

    ``safe_id`` and ``safe_size``: ids of no more characters, and texts and metadata that together have no more, need
    not be looked at.
    """

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self.safe_id = capabilities.max_key // _BYTES
        self.safe_size = min(capabilities.max_text, capabilities.max_metadata) // _BYTES

    def excess(self, row: CheckedRow) -> str:
        """What of a row is too large, as words for an error; empty if nothing is."""
        limits = self._capabilities
        for what, value, most in (
            ("id", row.id, limits.max_key),
            ("text", row.text, limits.max_text),
            ("metadata", row.metadata, limits.max_metadata),
        ):
            if (size := len(value.encode("utf-8"))) > most:
                return f"the {what} of row {row.id!r} has {size:,} bytes, the store holds {most:,}"
        return ""
