"""A model that was moved: the index records where it is now, once it is told at a write."""

from __future__ import annotations

import logging
from pathlib import Path

from idembed.errors import IdembedError
from idembed.index.catalog import Catalog
from idembed.index.owner import hold
from idembed.models.base import Model

__all__ = ["record_moved"]

_LOG = logging.getLogger(__name__)


def record_moved(catalog: Catalog) -> None:
    """For every generation whose recorded model is a file or folder that is gone: record the name of the model of the
    same space that was given instead, if one was and its name leads to it. Names of other kinds, such as those of
    checkpoints of the hub, stay.

    It comes after what was asked for is done, so that what keeps it from being recorded is only warned of in the log.
    """
    store = catalog.store
    if store is None:
        return
    for generation in store.generations():
        if _is_there(generation.model):
            continue
        try:
            model = catalog.at_hand(generation)
            if model is not None and _is_found_by_name(model):
                with hold(store, catalog.wait) as writing:
                    store.name_model(writing.lease(), generation.number, model.name)
        except IdembedError as error:
            _LOG.warning(
                "where the model of generation %d is now is not recorded: %s", generation.number, error.message
            )


def _is_there(name: str) -> bool:
    """Whether the name is that of a file or folder that is there, or none of a file or folder."""
    path = Path(name)
    return path.exists() or not path.is_absolute()


def _is_found_by_name(model: Model) -> bool:
    """Whether the name loads it again: that of an object made in Python need not."""
    from idembed.models.checkpoint import Checkpoint

    path = Path(model.name)
    return path.exists() if path.is_absolute() else isinstance(model, Checkpoint)
