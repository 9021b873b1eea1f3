"""Where an index looks for vectors that were made before, and keeps what is made: what was asked of the vault."""

from __future__ import annotations

import logging
from pathlib import Path

from idembed.errors import VaultError
from idembed.space import Space
from idembed.vault import Vault

__all__ = ["VaultChoice"]

_LOG = logging.getLogger(__name__)


class VaultChoice:
    """As ``Index`` takes it: None keeps what cannot be computed again, "all" keeps every vector, "none" nothing; a
    folder, or a Vault, keeps every vector there."""

    def __init__(self, asked: str | Path | Vault | None) -> None:
        self._asked = asked

    def folder(self) -> Path | None:
        """Where the vault is; None: there is none."""
        if self._asked == "none":
            return None
        if isinstance(self._asked, Vault):
            return self._asked.path
        return Vault(None if self._asked in (None, "all") else self._asked).path

    def of(self, space: Space) -> tuple[Vault | None, bool]:
        """The vault to look into for vectors of a space (None: none at all), and whether everything its model makes is
        kept there.

        One that nothing is kept in and that cannot be read is left out with a warning: a local model does not
        need it.
        """
        if self._asked == "none":
            return None, False
        if self._asked is not None and self._asked != "all":
            return (self._asked if isinstance(self._asked, Vault) else Vault(self._asked)), True
        vault, keep = Vault(), self._asked == "all" or not space.repeatable
        try:
            vault.segments(vault.folder_of(space.id))
        except VaultError as error:
            if keep:
                raise
            _LOG.warning("%s; going on without it", error.message)
            return None, False
        return vault, keep
