"""Which vectors indexes hold: what a vault must keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from idembed.index.catalog import Catalog
from idembed.index.embed import spans
from idembed.space import ADDRESS_BYTES, address
from idembed.vault import Addresses

__all__ = ["addresses_of"]


def addresses_of(indexes: Sequence[str]) -> Addresses:
    """The addresses of every vector that some generation of these indexes holds or should hold, S16 [n], in any order:
    those that are recorded, and those that the rows' texts have, for what another program edited has lost its address,
    and it is the vault that mends it. Raises IndexNotFoundError for an index that is not there."""
    catalogs = [Catalog(url, None, None, "none", 0.0) for url in indexes]
    held = bytearray()  # 16 bytes a vector, not an object
    try:
        for catalog in catalogs:
            catalog.readable()
        for catalog in catalogs:
            _add(held, catalog)
    finally:
        for catalog in catalogs:
            catalog.close()
    return np.frombuffer(held, f"S{ADDRESS_BYTES}")


def _add(held: bytearray, catalog: Catalog) -> None:
    store, _ = catalog.readable()
    splitter = catalog.splitter()
    for generation in store.generations():
        for row in store.scan(generation.number, vectors=False):
            recorded = {part.address for part in row.parts}
            texts = [row.text[start:end] for start, end in spans(splitter, row.text)]
            recorded.update(address(generation.space.id, "document", text) for text in texts)
            held += b"".join(place for place in recorded if isinstance(place, bytes) and len(place) == ADDRESS_BYTES)
