"""Vectors in flight: what a later batch of a sync needs and an earlier one overwrites (swapped or moved texts).

They lie in a folder of this index alone, so that a killed sync finds them again and no other sync can remove them;
a sync that ends empties it. Deletions come last of all, so only rows whose text changes let go of vectors.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from idembed.chunks import chunks
from idembed.errors import DiskFullError, LeaseHeldError, VaultError
from idembed.index.embed import spans
from idembed.index.outcome import Outcome
from idembed.index.owner import Writing
from idembed.index.spool import Spool
from idembed.space import address
from idembed.split import Splitter
from idembed.stores.base import Generation, Store
from idembed.vault import Vault

__all__ = ["carried"]

_LOG = logging.getLogger(__name__)
_CHUNK = 500


@contextlib.contextmanager
def carried(
    spool: Spool,
    store: Store,
    writing: Writing,
    generations: Sequence[Generation],
    splitter: Splitter | None,
    *,
    index: str,
    beside: Vault | None,
) -> Iterator[Vault]:
    """A vault with the vectors in flight of ``index`` (its URL), in a folder of the vault ``beside``, or, where
    there is none or it cannot be written, in a temporary one: then a kill may cost embedding some texts again.
    """
    with tempfile.TemporaryDirectory(prefix="idembed-carried-") as temporary:
        name = hashlib.sha256(index.encode()).hexdigest()[:32]
        folder = beside.path / "in-flight" / name if beside else Path(temporary)
        vault = Vault(folder)
        try:
            _carry(spool, store, writing, vault, generations, splitter)
        except (VaultError, DiskFullError, LeaseHeldError) as error:
            _LOG.warning("%s; if this sync is killed, the next may embed moved texts again", error.message)
            vault = Vault(temporary)
            _carry(spool, store, writing, vault, generations, splitter)
        yield vault
        shutil.rmtree(folder, ignore_errors=True)  # only after a normal end


def _carry(
    spool: Spool,
    store: Store,
    writing: Writing,
    vault: Vault,
    generations: Sequence[Generation],
    splitter: Splitter | None,
) -> None:
    """Put the vectors in flight into ``vault``, durably. Most plans have none, and nothing is written."""
    if not spool.count(Outcome.TEXT):
        return
    for generation in generations:
        for chunk in chunks(spool.pending(Outcome.TEXT), _CHUNK):
            writing.keep()
            stored = store.get([row.id for _, row in chunk], generation.number, vectors=False)
            spool.carry((), (part.address for row in stored.values() for part in row.parts))
    for chunk in chunks(spool.pending(Outcome.TEXT, Outcome.ADDED), _CHUNK):
        writing.keep()
        texts = [row.text[start:end] for _, row in chunk for start, end in spans(splitter, row.text)]
        for space_id in sorted({generation.space.id for generation in generations}):
            spool.carry((address(space_id, "document", text) for text in texts), ())
    for places in chunks(spool.carried(), _CHUNK):
        writing.keep()
        for generation in generations:
            found = store.vectors_at(generation.number, places)
            if found:
                with vault.writer(generation.space.id, generation.space.dim, wait=1.0) as writer:
                    writer.put(found)
