"""The kinds of databases in which histories are lived: a new one is one entry."""

from __future__ import annotations

from place import Place
from place_lance import LancePlace
from place_memory import MemoryPlace
from place_milvus import MilvusPlace
from place_postgres import PostgresPlace
from place_qdrant import EmbeddedQdrantPlace, LocalQdrantPlace
from place_sqlite import SqlitePlace

PLACES: dict[str, type[Place]] = {
    place.kind: place
    for place in (
        EmbeddedQdrantPlace,
        LancePlace,
        LocalQdrantPlace,
        MemoryPlace,
        MilvusPlace,
        PostgresPlace,
        SqlitePlace,
    )
}
LIVED = [kind for kind, place in PLACES.items() if place.lives]
"""Those in which random lives can be lived."""
MODULES = sorted({name for place in PLACES.values() for name in place.modules})
"""What all of them may import before they are forked."""
EDITS = [(kind, edit) for kind, place in PLACES.items() for edit in place.edits]
LIVES = [(kind, seed) for kind, place in PLACES.items() for seed in range(place.lives)]
