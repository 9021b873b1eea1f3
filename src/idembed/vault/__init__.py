"""The vault: vectors that were computed once, kept by address in a folder of immutable files.

``Vault(path)`` reads; ``Vault.writer(space_id, dim)`` adds. The format is in segment.py.
"""

from __future__ import annotations

from idembed.vault.folder import GcReport, SpaceStats, Vault, default_path
from idembed.vault.segment import Addresses
from idembed.vault.writer import Writer

__all__ = ["Addresses", "GcReport", "SpaceStats", "Vault", "Writer", "default_path"]
