"""Texts that are missing, by a provider's batch endpoint: half the price, hours later.

It is done before a sync or an upgrade, which then finds the vectors in the vault. What fails in a job is left to that
ordinary run. Killed anywhere, the next run looks at the jobs on record first, and submits nothing twice.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from idembed.errors import LeaseHeldError
from idembed.index.addresses import Addresses
from idembed.index.job import Job, Packing
from idembed.index.meter import Meter, Paying
from idembed.index.report import Tell
from idembed.models.api.batches.batch import State
from idembed.models.api.batches.desk import Desk, FullError, GoneError, Outcome
from idembed.models.api.batches.journal import JobRecord, Records, new_record
from idembed.models.api.batches.registry import batch_of, share_of
from idembed.models.api.transport import Spent
from idembed.models.base import Model
from idembed.shown import number_of
from idembed.vault import Vault
from idembed.vault.writer import hold

__all__ = ["Batching"]

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 2
"""How often a text is submitted whose job failed as a whole."""
_PATIENCE = 3600.0
"""So many seconds a provider may take no job while none is under way."""
_FULL_WAIT = 30.0
_LEAST_TOKENS = 100_000
"""Where not even so many are taken in a job, there is no room for batches."""


class Batching:
    """One run for one ``model``. ``missing`` walks through the texts, by address, and is called again where jobs failed
    as a whole. What is made goes into the ``vault`` and is noted in ``made``."""

    def __init__(
        self,
        model: Model,
        vault: Vault,
        missing: Callable[[], Iterator[Mapping[bytes, str]]],
        made: Addresses,
        *,
        meter: Meter,
        tell: Tell,
        wait: float,
    ) -> None:
        """``wait``: seconds for another process that has jobs of this model. Raises OptionError where the provider has
        no batches, or ``max_cost`` cannot be kept."""
        self._model, self._batch = batch_of(model)
        meter.check(model)
        self._share = share_of(model)
        self._transport = self._model.transport
        self._space = self._model.space
        self._vault = vault
        self._missing = missing
        self._made = made
        self._meter = meter
        self._tell = tell
        self._wait = wait
        self._records = Records(self._space.id)
        self._jobs: list[Job] = []
        self._ended = 0
        self._tokens = 0
        self._most_tokens: int | None = None
        """In one job, where the provider turned out to take less."""
        self._is_again = False
        """Whether texts are to be submitted in another round, and whether a job of theirs had failed."""
        self._has_failed = False
        self._left = 0
        """Texts of jobs that failed for good."""

    def run(self) -> None:
        """Returns when all is done that batches can do. Raises CostLimitError before a job is submitted that would cost
        too much, ApiError, ModelChangedError; LeaseHeldError while another process does the same; KeyboardInterrupt
        says what is under way."""
        try:
            with self._alone(), Desk(self._transport, self._batch) as desk, Addresses() as dealt:
                self._desk, self._dealt = desk, dealt
                self._resume()
                self._rounds()
        except KeyboardInterrupt:
            if not self._jobs:
                raise
            raise KeyboardInterrupt(f"{self._under_way()}: run the same command again, and it goes on") from None
        if self._left:
            _LOG.warning(
                "%s: %s of batch jobs that failed: asked for in the ordinary way",
                self._transport.adapter.title,
                number_of(self._left, "text"),
            )

    def _rounds(self) -> None:
        attempt = 1
        while True:
            self._is_again = self._has_failed = False
            self._submit_all(attempt)
            while self._jobs:
                self._step()
            if not self._is_again:
                return
            attempt = min(_ATTEMPTS, attempt + self._has_failed)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time has the jobs of a space: two would submit the same texts."""
        self._records.make()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(hold(self._records.folder, self._wait))
            except LeaseHeldError:
                raise LeaseHeldError(
                    f"another process waits for batch jobs of {self._model.name}",
                    hint="wait for it to end; or leave batch_api, --batch-api, out",
                    model=self._model.name,
                ) from None
            yield

    def _under_way(self) -> str:
        texts = sum(job.record.texts for job in self._jobs)
        jobs = number_of(len(self._jobs), "batch job")
        verb = "is" if len(self._jobs) == 1 else "are"
        return f"{jobs} for {number_of(texts, 'text')} {verb} under way at {self._transport.adapter.title}"

    # Submitting ----------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up what is on record. A job that was being submitted when the process ended is looked for."""
        for record in self._records.read(self._vault.path):
            if not record.job:
                found = self._desk.find(record.tag)
                if found is None:
                    self._records.remove(record)
                    continue
                record = replace(record, job=found.id)
                self._records.write(record)
            self._meter.promised(record.texts, record.dollars)
            self._dealt.add(record.addresses())
            self._jobs.append(Job(record))
        for job in list(self._jobs):
            self._look_at(job)

    def _submit_all(self, attempt: int) -> None:
        guess, limits = self._transport.guess, self._transport.limits
        packing = Packing(self._batch, self._space.dim)
        for chunk in self._missing():
            texts = {place: text for place, text in chunk.items() if text}
            sizes = {place: guess.of(text) for place, text in texts.items()}
            silent = not self._transport.adapter.tells_truncation
            fit = [place for place in texts if packing.may_go(sizes[place], limits.text_tokens, guess.high, silent)]
            for place in fit:
                if not self._dealt.add([place]):
                    continue
                line = self._desk.line(place, texts[place])
                if not packing.fits(line, sizes[place], self._most_tokens):
                    self._submit(packing, attempt)
                packing.add(place, line, sizes[place])
        self._submit(packing, attempt)

    def _submit(self, packing: Packing, attempt: int) -> None:
        """Submit what was packed as soon as the provider takes it, and empty the packing."""
        if not packing.places:
            return
        while len(self._jobs) >= self._batch.most_jobs:
            self._step()
        self._model.look(Paying(self._meter))
        dollars = packing.tokens * self._transport.guess.high * self._transport.price * self._share / 1e6
        self._meter.promise(len(packing.places), dollars)
        record = new_record(
            self._space.id, self._model.name, self._vault.path, packing.places, packing.tokens, dollars, attempt
        )
        self._records.write(record)
        record = replace(record, job=self._submitted(record.tag, packing.content()))
        self._records.write(record)
        self._jobs.append(Job(record))
        packing.clear()
        self._show()

    def _submitted(self, tag: str, content: bytes) -> str:
        """The provider's id of the job; waits for others to end where there is no room for it."""
        file, began = self._desk.upload(tag, content), time.monotonic()
        while True:
            try:
                return self._desk.begin(tag, file)
            except FullError as error:
                ended = self._ended
                while self._jobs and self._ended == ended:
                    self._step()
                if self._ended > ended:
                    continue
                if time.monotonic() - began > _PATIENCE:
                    raise self._transport.error(error.reason, "it takes no batch job: run it again later") from None
                time.sleep(_FULL_WAIT if error.after is None else error.after)

    # Waiting -------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Wait until the next job is to be looked at, and do."""
        job = min(self._jobs, key=lambda job: job.due)
        if (wait := job.due - time.monotonic()) > 0:
            time.sleep(wait)
        self._look_at(job)

    def _look_at(self, job: Job) -> None:
        try:
            state = self._desk.look(job.record.job)
            if state.stage == "waiting":
                job.put_off()
                self._show()
                return
            if state.stage == "ended" and (state.files or not state.is_cut):
                self._receive(job, state)
            else:
                self._fail(job, state)
        except GoneError as error:
            self._fail(job, State(job.record.job, "", "failed", reason=error.reason))
        self._records.remove(job.record)
        self._jobs.remove(job)
        self._ended += 1
        self._show()

    def _show(self) -> None:
        total = self._ended + len(self._jobs)
        self._tell("waiting", self._ended, total, self._tokens, self._meter.dollars)

    def _receive(self, job: Job, state: State) -> None:
        """Keep what a job gave, once it is known that the model is the same as ever."""
        self._model.look(Paying(self._meter))
        record, outcome = job.record, Outcome()
        with self._desk.results(state) as files, self._vault.writer(self._space.id, self._space.dim) as writer:
            for kept in self._desk.vectors(files, state, record, self._space.dim, outcome):
                writer.put(kept)
                self._made.add(kept)
        self._tokens += outcome.tokens
        dollars = outcome.tokens * self._transport.price * self._share / 1e6
        self._meter.fulfil(record.dollars, dollars)
        if outcome.tokens:
            spent = Spent(1, outcome.made, outcome.tokens, dollars, outcome.guessed)
            self._transport.on_spent(spent, "batch")
        if outcome.undone:
            self._ask_again(record, outcome.undone, "ended before all was done")
        elif not outcome.made:
            title = self._transport.adapter.title
            _LOG.warning("%s: batch job %s gave no vectors: asked for in the ordinary way", title, record.job)

    def _fail(self, job: Job, state: State) -> None:
        """Nothing came of it: its texts go into another job, once; where too much was under way, when that has ended,
        and into smaller ones if nothing was."""
        record = job.record
        self._meter.fulfil(record.dollars, 0.0)
        if not state.is_full:
            self._ask_again(record, record.addresses(), self._transport.credential.without(state.reason))
            return
        if len(self._jobs) == 1 and record.tokens <= _LEAST_TOKENS:
            self._left += record.texts
            return
        if len(self._jobs) == 1:
            self._most_tokens = record.tokens // 2
        self._dealt.take(record.addresses())
        self._is_again = True

    def _ask_again(self, record: JobRecord, places: list[bytes], reason: str) -> None:
        title = self._transport.adapter.title
        _LOG.warning("%s: batch job %s, %s: %s", title, record.job, number_of(len(places), "text"), reason)
        if record.attempt >= _ATTEMPTS:
            self._left += len(places)
            return
        self._dealt.take(places)
        self._is_again = self._has_failed = True
