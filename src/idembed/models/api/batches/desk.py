"""Batch jobs of one model at its provider: submitted once, found again, looked at, and their results read."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Self, TypeVar

from idembed.models.api.adapter import Answer, Fault
from idembed.models.api.batches.batch import Batch, Call, Result, State
from idembed.models.api.batches.journal import JobRecord
from idembed.models.api.checks import BadReplyError, check
from idembed.models.api.http import Exchange, Http, UnreachableError
from idembed.models.api.pacing import backoff
from idembed.models.api.replies import UNREADABLE, fault_of
from idembed.models.api.transport import Transport
from idembed.space import Kept

__all__ = ["Desk", "FullError", "GoneError", "Outcome"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_PATIENCE = 3600.0
"""So many seconds without an answer are waited for: a job takes hours, and so may what ails the network."""
_UNREACHED = 15.0
"""And so many where there never was one."""
_SECONDS = 7200.0
"""The most that a file of results may take to come."""
_CHUNK = 1000


class FullError(Exception):
    """The provider takes no more jobs now; ``after`` so many seconds it may, if it said so."""

    def __init__(self, reason: str, after: float | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class GoneError(Exception):
    """The provider does not know of a job, or has its results no longer, for a ``reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outcome:
    """What a job gave, once ``vectors`` was read to its end: for how many texts it has ``made`` vectors, which are
    ``undone`` (by address), with how many ``tokens`` in all, and whether those were ``guessed``. Others are left."""

    def __init__(self) -> None:
        self.made = 0
        self.tokens = 0
        self.guessed = False
        self.undone: list[bytes] = []


class Desk:
    """Use as a context manager, in one thread. Everything raises ApiError when the provider cannot be asked."""

    def __init__(self, transport: Transport, batch: Batch, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._transport = transport
        self._batch = batch
        self._settings = transport.settings
        self._sleep = sleep
        self._http = Http(transport.adapter.title, seconds=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def line(self, address: bytes, text: str) -> bytes:
        """The line of a text, whose key is its address."""
        return self._batch.line(self._settings, address.hex(), text)

    # Jobs ----------------------------------------------------------------------------------------------------

    def upload(self, tag: str, content: bytes) -> str:
        """Bring the lines of a job to the provider; the id of the file there."""
        return self._read(self._batch.uploaded, self._ask(self._batch.upload(self._settings, tag, content)))

    def begin(self, tag: str, file: str) -> str:
        """Begin a job of a file; the provider's id of it. Where an answer was lost, the job is looked for before it is
        asked for again. Raises FullError."""
        call = self._batch.create(self._settings, tag, file)
        found = self._ask(call, lost=lambda: self.find(tag), may_be_full=True)
        return found.id if isinstance(found, State) else self._read(self._batch.state, found).id

    def find(self, tag: str) -> State | None:
        """The newest job with this tag that has not failed, among all that the provider lists; None: there is none."""
        after = ""
        while True:
            states, after = self._read(self._batch.listed, self._ask(self._batch.listing(self._settings, after)))
            for state in states:
                if state.tag == tag and state.stage != "failed" and not (state.is_cut and not state.files):
                    return state
            if not after:
                return None

    def look(self, job: str) -> State:
        """How it is. Raises GoneError."""
        return self._read(self._batch.state, self._ask(self._batch.poll(self._settings, job), may_be_gone=True))

    # Results -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def results(self, state: State) -> Iterator[list[IO[bytes]]]:
        """The files of a job that has ended, here. Raises GoneError."""
        with contextlib.ExitStack() as stack:
            files: list[IO[bytes]] = []
            for name in state.files:
                file = stack.enter_context(tempfile.TemporaryFile(prefix="idembed-batch-"))
                self._ask(self._batch.download(self._settings, name), into=file, may_be_gone=True)
                file.seek(0)
                files.append(file)
            yield files

    def vectors(
        self, files: Iterable[IO[bytes]], state: State, record: JobRecord, dim: int, outcome: Outcome
    ) -> Iterator[dict[bytes, Kept]]:
        """What the files have for the texts of a job, by address, some at a time: a line counts for the text that its
        key names, whatever its place, the first usable one of each. Fills ``outcome``."""
        wanted = set(record.addresses())
        each = record.tokens // max(1, record.texts)
        had: set[bytes] = set()
        undone: set[bytes] = set()
        unknown = 0
        waiting: dict[bytes, Answer] = {}
        for result in self._lines(files):
            place = _place(result.key)
            if place not in wanted:
                unknown += 1
                continue
            if result.is_undone:
                undone.add(place)
            answer = result.answer
            if place in had or answer is None or not self._is_whole(answer):
                continue
            if place in waiting or len(waiting) == _CHUNK:
                yield self._checked(waiting, dim, each, had, outcome)
                waiting = {}
            if place not in had:
                waiting[place] = answer
        if waiting:
            yield self._checked(waiting, dim, each, had, outcome)
        if unknown:
            _LOG.warning(
                "%s: job %s has results for %d texts that it was not asked about; they are left out",
                self._transport.adapter.title,
                record.job,
                unknown,
            )
        outcome.made = len(had)
        outcome.undone = sorted((wanted if state.is_cut else undone) - had)

    def _lines(self, files: Iterable[IO[bytes]]) -> Iterator[Result]:
        for file in files:
            for line in file:
                if line.strip():
                    try:
                        yield self._batch.result(json.loads(line), self._settings)
                    except UNREADABLE:
                        _LOG.warning("%s: a line of results cannot be read", self._transport.adapter.title)

    def _is_whole(self, answer: Answer) -> bool:
        """Whether it is one vector, of a text that was not cut in silence."""
        if len(answer.vectors) != 1 or list(answer.indices or [0]) != [0]:
            return False
        limit = self._transport.limits.text_tokens
        tells = self._transport.adapter.tells_truncation
        return tells or limit is None or not isinstance(answer.tokens, int) or answer.tokens < limit

    def _checked(
        self, waiting: Mapping[bytes, Answer], dim: int, each: int, had: set[bytes], outcome: Outcome
    ) -> dict[bytes, Kept]:
        """The vectors that can be used. ``each``: tokens of a text, where the provider does not say."""
        places = list(waiting)
        try:
            checked = check(Answer([waiting[place].vectors[0] for place in places]), len(places), dim)
        except BadReplyError as error:
            _LOG.warning("%s: results are left out: %s", self._transport.adapter.title, error)
            return {}
        kept = {}
        for number, place in enumerate(places):
            tokens = waiting[place].tokens
            said = isinstance(tokens, int) and tokens > 0
            outcome.guessed |= not said
            outcome.tokens += tokens if said and tokens else each
            if number not in checked.bad:
                kept[place] = Kept(checked.vectors[number], tokens if said and tokens else each, False)
        had.update(kept)
        return kept

    # One request ---------------------------------------------------------------------------------------------

    def _ask(
        self,
        call: Call,
        *,
        into: IO[bytes] | None = None,
        lost: Callable[[], State | None] | None = None,
        may_be_full: bool = False,
        may_be_gone: bool = False,
    ) -> Any:
        """The answer's JSON; asked again as long as there is hope. ``lost``: for where an answer was lost, to say what
        the request did."""
        began, failures = time.monotonic(), 0
        transport = self._transport
        while True:
            exchange, fault, unknown = self._once(call, into)
            if exchange is not None and fault is None:
                return exchange.body
            assert fault is not None
            status = exchange.status if exchange else None
            if may_be_gone and status in (404, 410):
                raise GoneError(fault.reason)
            if may_be_full and status == 429 and fault.kind == "wait":
                raise FullError(fault.reason, fault.after)
            if fault.kind != "wait":
                raise transport.error(fault.reason, fault.hint or _KEPT, status=status)
            failures += 1
            patience = _PATIENCE if transport.has_succeeded or exchange else _UNREACHED
            if time.monotonic() - began + (fault.after or 0.0) > patience:
                raise transport.error(f"{fault.reason} ({failures} times)", _KEPT, status=status)
            self._sleep(backoff(failures) if fault.after is None else fault.after)
            if unknown and lost and (found := lost()):
                return found

    def _once(self, call: Call, into: IO[bytes] | None) -> tuple[Exchange | None, Fault | None, bool]:
        """An answer, or a fault, and whether the request may have been done all the same."""
        transport = self._transport
        headers = {**call.headers, **transport.credential.headers(call.url, call.content)}
        if into is not None:
            into.seek(0)
            into.truncate()
        try:
            exchange = self._http.send(call.method, call.url, call.content, headers, into)
        except UnreachableError as error:
            return None, Fault("wait", error.reason), error.sent
        if exchange.status < 300:
            transport.has_succeeded = True
            if into is None and not exchange.is_json:
                return exchange, Fault("wait", "the answer is not JSON"), True
            return exchange, None, False
        return exchange, fault_of(transport.adapter, self._settings, exchange), exchange.status >= 500

    def _read(self, read: Callable[[Any], T], body: Any) -> T:
        try:
            return read(body)
        except UNREADABLE:
            raise self._transport.error("its answer about a batch is not what it promises", _KEPT) from None


_KEPT = "jobs that are under way are on record: run it again, and it goes on"


def _place(key: Any) -> bytes:
    try:
        return bytes.fromhex(key)
    except (TypeError, ValueError):
        return b""
