"""What becomes of an index over the years: verified, locked, moved to another model, and to another place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from idembed import stores
from idembed.arguments import check_kind, check_whole
from idembed.errors import OptionError
from idembed.index import generations
from idembed.index.adopt import Adoption, adopt
from idembed.index.build import BuildReport
from idembed.index.catalog import Catalog
from idembed.index.copy import CopyReport, copy
from idembed.index.estimate import Estimate
from idembed.index.lock import Lock, lock_of, read_lock
from idembed.index.meter import Meter
from idembed.index.moved import record_moved
from idembed.index.repair import repair as mend
from idembed.index.report import Progress, teller
from idembed.index.status import Status, status
from idembed.index.trial import questions_from_rows, run_trial
from idembed.index.upgrade import Rebuild, Upgrade
from idembed.index.verify import Verification, verify
from idembed.judge import MARGIN, Judgement, Question, check_margin, read_beir
from idembed.models.base import Model, OnEmpty
from idembed.shown import shell_word
from idembed.sources.vectors import VectorFields, open_vectors
from idembed.stores.base import Generation

__all__ = ["Lifecycle"]

Watch = Callable[[Progress], None] | None


class Lifecycle:
    """The part of an Index that deals with whole generations and whole copies."""

    _catalog: Catalog

    # What it holds ---------------------------------------------------------------------------------

    @property
    def generations(self) -> list[Generation]:
        """Every space's vectors in this index."""
        return self._catalog.store.generations() if self._catalog.store else []

    def status(self) -> Status:
        """Rows, scopes and generations; how many rows each generation lacks is counted."""
        return status(self._catalog)

    def lock(self, *, progress: Watch = None) -> Lock:
        """What the index holds, as one hash and a few facts, from what the database says now."""
        return lock_of(self._catalog, teller(progress))

    def verify(
        self,
        *,
        lock: str | Path | Lock | None = None,
        sample: int | None = None,
        everything: bool = False,
        repair: bool = False,
        max_cost: float | None = None,
        progress: Watch = None,
    ) -> Verification:
        """Look at every row and vector, hash them as they are, and compute the vectors of ``sample`` rows again, or of
        all (``everything``). ``lock``: a lock, or its file, to compare with. ``repair`` mends what can be mended, from
        the vault, then from the model, and looks again; what is left then needs its source to be synced.

        Without ``sample`` and ``everything``, 100 rows are computed again if the model is there. With one of them, an
        active generation whose model is not there, or for which ``max_cost`` (dollars) is reached, leaves the index
        ``unproven``, which is not ``ok``.
        """
        check_kind("lock", lock, str | Path | Lock | None, "a Lock, or the path of its file,")
        started, tell, meter = time.monotonic(), teller(progress), Meter(max_cost)
        wanted = read_lock(lock) if isinstance(lock, str | Path) else lock
        look = {"lock": wanted, "sample": sample, "everything": everything, "meter": meter, "tell": tell}
        found = verify(self._catalog, **look)  # type: ignore[arg-type]
        if repair and (found.unsettled or not found.ok):
            before = sum(found.counts.values())
            unmended = mend(self._catalog, found.defects, meter=meter, tell=tell)
            found = verify(self._catalog, **look)  # type: ignore[arg-type]
            found.not_compared |= unmended
            found.mended = before - sum(found.counts.values())
        found.seconds = time.monotonic() - started
        return found

    # Another model ---------------------------------------------------------------------------------

    def estimate_upgrade(
        self,
        to: str | Model,
        *,
        until: float | None = None,
        by: str | None = None,
        first: Iterable[str] = (),
        batch_api: bool = False,
    ) -> Estimate:
        """What ``upgrade`` with the same arguments will take; nothing is built. Raises LeaseHeldError, as that does."""
        return Upgrade(self._catalog, to).estimate(until, by, first, batch_api=batch_api)

    def upgrade(
        self,
        to: str | Model,
        *,
        until: float | None = None,
        by: str | None = None,
        first: Iterable[str] = (),
        on_empty: OnEmpty = "error",
        max_cost: float | None = None,
        throttle: float | None = None,
        batch_api: bool = False,
        progress: Watch = None,
    ) -> BuildReport:
        """Build a generation of another model from the stored texts, beside the one that is searched, or go on with it.

        Syncs may run meanwhile, and keep both right; search stays on the old one until ``switch``. ``until``: only this
        share of the rows, the same of every scope and of every value of the metadata key ``by``, and those of the ids
        ``first``. ``on_empty="skip"``: rows without a word that the model knows have no vector there. ``max_cost`` in
        dollars, ``throttle`` in texts a second. ``batch_api``: as in ``Index.sync``.

        Once it is complete, every row that has no vector there is in ``report.skipped``, whichever run came to it.
        Raises CostLimitError, OptionError when the index already is of that model, LeaseHeldError while another process
        builds it. What was built is kept.
        """
        started = time.monotonic()
        report = Upgrade(self._catalog, to).run(
            until=until,
            by=by,
            first=first,
            on_empty=on_empty,
            max_cost=max_cost,
            throttle=throttle,
            batch_api=batch_api,
            tell=teller(progress),
        )
        record_moved(self._catalog)
        report.seconds = time.monotonic() - started
        return report

    def judge(
        self,
        questions: Sequence[Question] | None = None,
        *,
        queries: str | Path | None = None,
        qrels: str | Path | None = None,
        generation: int | None = None,
        auto: int = 500,
        margin: float = MARGIN,
        progress: Watch = None,
    ) -> Judgement:
        """Ask the generation that is searched and another one (that which is being built, or ``generation``) the same
        questions, and compare. ``switch`` looks at the verdict.

        Questions are given, or in files as BEIR has them (``queries``, ``qrels``), or made from ``auto`` of the rows
        themselves, which is weaker evidence. ``margin``: the loss of nDCG@10 that is accepted. A generation that is
        built in part is judged by the rows that both have; questions that no such row answers are left out, and counted
        (``questions_dropped``). Raises OptionError when none is left, SourceError when no row of the index answers
        any, and when no row is long enough to ask about.
        """
        check_margin(margin)
        check_whole("auto", auto)
        if questions is not None:
            check_kind("questions", questions, Sequence, "a list of Questions (idembed.judge)")
            for at, question in enumerate(questions):
                check_kind(f"questions[{at}]", question, Question, "a Question (idembed.judge)")
        if (queries is None) != (qrels is None):
            raise OptionError("queries and qrels go together", hint="or leave both out: questions are made from rows")
        weaker = questions is None and queries is None
        if queries is not None and qrels is not None:
            questions = read_beir(Path(queries), Path(qrels)).questions
        if questions is None:
            questions = questions_from_rows(self._catalog, auto, generation)
        return run_trial(self._catalog, questions, generation, margin=margin, weaker=weaker, tell=teller(progress))

    def switch(self, generation: int | None = None, *, force: bool = False) -> list[str]:
        """Search another generation from now on: the one that is being built, or the one of that number. The one before
        is on standby. Returns what should be known, such as that nothing was judged.

        Raises RefusedError when it was judged NO-GO, or rows have no vectors in it, unless ``force``.
        """
        return generations.switch(self._catalog, generation, force=force)

    def rollback(self, *, catch_up: bool = False, progress: Watch = None) -> Generation:
        """Search the generation again that was searched before. Raises RefusedError, with the number of rows, when it
        has fallen behind; ``catch_up`` completes it first."""
        return generations.rollback(self._catalog, catch_up=catch_up, tell=teller(progress))

    def drop(self, generation: int) -> Generation:
        """Remove a generation's vectors for good. Raises RefusedError for the one that is searched."""
        check_whole("generation", generation)
        return generations.drop(self._catalog, generation)

    def estimate_rebuild(self) -> Estimate:
        """What ``rebuild`` will take; nothing is built. Raises LeaseHeldError, as that does."""
        return Rebuild(self._catalog).estimate()

    def rebuild(
        self, *, max_cost: float | None = None, throttle: float | None = None, progress: Watch = None
    ) -> BuildReport:
        """Compute every vector again from the stored texts, into a new generation of the same space. For a repeatable
        model its root is the same: that is the proof. ``report.same_root`` says so, ``report.not_exact`` why it
        need not be the same, and ``report.proved`` that one of the two is so."""
        started = time.monotonic()
        report = Rebuild(self._catalog).run(max_cost=max_cost, throttle=throttle, tell=teller(progress))
        record_moved(self._catalog)
        report.seconds = time.monotonic() - started
        return report

    # Another place ---------------------------------------------------------------------------------

    def copy(
        self,
        to: str | Path,
        *,
        every_generation: bool = False,
        allow_mass_deletion: bool = False,
        progress: Watch = None,
    ) -> CopyReport:
        """The same rows and vectors at another URL, without asking a model, with the same root; an earlier copy there
        is brought up to date, and searched as before until it is. ``every_generation``: not only the one that is
        searched, but all that are complete.

        Raises RefusedError where something else is there; MassDeletionError where more than half of the rows there are
        not here any more, unless ``allow_mass_deletion``.
        """
        return copy(
            self._catalog,
            to,
            every_generation=every_generation,
            allow_mass_deletion=allow_mass_deletion,
            tell=teller(progress),
        )

    @staticmethod
    def adopt(
        url: str | Path,
        *,
        model: str | Model,
        to: str | Path | None = None,
        id: str | None = None,  # noqa: A002  the field's word
        text: str | None = None,
        vector: str | None = None,
        metadata: str | None = None,
        table: str | None = None,
        scope: str = "default",
        sample: int = 200,
        wait: float = 10.0,
        progress: Watch = None,
    ) -> Adoption:
        """Take over the vectors at ``url`` (a table of a SQLite file, ``.jsonl``, ``.parquet``) into the new index
        ``to`` (beside it by default), once ``sample`` of them were compared with what ``model`` says. ``id``, ``text``,
        ``vector``, ``metadata`` name the columns, where they are not called as usual.

        Raises SpaceMismatchError, before anything is written, when the vectors are not the model's.
        """
        check_whole("sample", sample)
        if stores.is_index(_path_of(url)):
            hint = f"to copy it: idembed copy {shell_word(str(url))} --to NEW"
            raise OptionError(f"{url} is an index of idembed already", hint=hint)
        source = open_vectors(url, VectorFields(id, text, vector, metadata, table))
        target = to if to is not None else _beside(url)
        return adopt(source, target, model=model, scope=scope, sample=sample, wait=wait, tell=teller(progress))


def _path_of(url: str | Path) -> Path:
    return Path(str(url).partition("?")[0].removeprefix("sqlite:///"))


def _beside(url: str | Path) -> Path:
    path = _path_of(url)
    if not path.name:
        raise OptionError(f"{url} names no file", hint="say where the index goes: to=…")
    return path.with_suffix(".idembed.db")
