"""What a sync or an upgrade will ask of APIs, asked ahead of it in batches."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from idembed.errors import ModelError, OptionError, SpaceMismatchError
from idembed.folders import data_folder
from idembed.index.addresses import Addresses
from idembed.index.batch import Batching
from idembed.index.catalog import Catalog
from idembed.index.meter import Meter
from idembed.index.missing import missing_of_build, missing_of_plan
from idembed.index.report import Tell
from idembed.index.spool import Spool
from idembed.index.targets import lookups_for
from idembed.models.api.batches.journal import Records
from idembed.models.api.batches.registry import batch_of
from idembed.models.base import Model
from idembed.shown import number_of
from idembed.space import Space
from idembed.stores.base import Generation
from idembed.vault import Vault

__all__ = ["ahead_of_build", "ahead_of_sync", "vault_for_batches", "warn_of_jobs"]

_LOG = logging.getLogger(__name__)


def ahead_of_sync(catalog: Catalog, spool: Spool, split: int | None, made: Addresses, meter: Meter, tell: Tell) -> None:
    """Put the vectors that a planned sync needs into the vault, and note in ``made`` which. A generation that is not
    searched, and whose model has no batches or is not there, is left to the sync. Raises OptionError where the active
    one's has none, and what ``Batching.run`` raises."""
    splitter = catalog.splitter(split)
    for model, space in _models(catalog):
        vault = vault_for_batches(catalog, model)
        lookups = lookups_for(catalog.store, space, [vault])
        Batching(
            model,
            vault,
            lambda space=space, lookups=lookups: missing_of_plan(spool, space, splitter, lookups),  # type: ignore[misc]
            made,
            meter=meter,
            tell=tell,
            wait=catalog.wait,
        ).run()


def ahead_of_build(
    catalog: Catalog,
    generation: Generation,
    model: Model,
    ids: Iterable[str],
    made: Addresses,
    meter: Meter,
    tell: Tell,
) -> None:
    """Likewise, for the rows ``ids``, each of which lacks vectors of a generation; they are gone through again where
    that is needed."""
    store, _ = catalog.readable()
    vault, splitter = vault_for_batches(catalog, model), catalog.splitter()
    lookups = lookups_for(store, generation.space, [vault])
    Batching(
        model,
        vault,
        lambda: missing_of_build(store, generation, ids, splitter, lookups),
        made,
        meter=meter,
        tell=tell,
        wait=catalog.wait,
    ).run()


def warn_of_jobs(catalog: Catalog, of: Generation | None = None) -> None:
    """Say that jobs of the model of a generation (None: of the one that is searched, or will be) are on record, before
    its texts are asked for in the ordinary way."""
    if not (data_folder() / "batches").is_dir():  # no model is loaded to know it
        return
    generation = of or catalog.active()
    space, name = (generation or catalog.asked).space, generation.model if generation else catalog.asked.name
    vault = catalog.vault.of(space)[0] if space.kind == "api" else None
    if vault and (count := Records(space.id).count(vault.path)):
        _LOG.warning(
            "%s of %s %s on record: batch_api=True, --batch-api, uses what they give; without it texts may be paid for "
            "twice",
            number_of(count, "batch job"),
            name,
            "is" if count == 1 else "are",
        )


def vault_for_batches(catalog: Catalog, model: Model) -> Vault:
    """Where batches put their vectors. Raises OptionError where the model has no batches, or there is no vault."""
    batch_of(model)
    vault, keep = catalog.vault.of(model.space)
    if vault is None or not keep:
        raise OptionError(
            "batches need the vault: it keeps what a job gave until it is in the index",
            hint="leave vault='none', --vault none, out",
        )
    return vault


def _models(catalog: Catalog) -> list[tuple[Model, Space]]:
    """The models that a sync may ask in batches, that of the active generation first."""
    store = catalog.store
    generations = store.generations() if store else []
    active = catalog.model()
    found = [(active, active.space)]
    for generation in generations:
        if generation.status != "active":
            try:
                model = catalog.model_of(generation)
                batch_of(model)
            except (ModelError, SpaceMismatchError, OptionError):
                continue
            found.append((model, generation.space))
    return found
