"""One call for vectors: its texts on their way to the provider and back.

Several threads send; the one that asked for the vectors gets them as they come (``Journal.made``), so that what was
paid for is kept whatever happens next.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from idembed.errors import CostLimitError
from idembed.models.api.adapter import Answer, Fault
from idembed.models.api.checks import BadReplyError, Checked, check
from idembed.models.api.counting import ALONE, Till, counted_in, tokens_of
from idembed.models.api.crew import Crew
from idembed.models.api.gathered import Gathered
from idembed.models.api.http import Exchange, UnreachableError
from idembed.models.api.pacing import MOST_AT_ONCE, Paused, Stopped, backoff
from idembed.models.api.packing import Item, Pack, packed
from idembed.models.api.replies import answer_of, fault_of
from idembed.models.api.spend import Purpose
from idembed.models.api.verdicts import LONGEST_TOLD, Standing, apart, decide, shorter
from idembed.models.base import Embedded, Journal, OnLong, Receipt
from idembed.shown import clean
from idembed.space import Side

if TYPE_CHECKING:
    from idembed.models.api.transport import Transport

__all__ = ["Call"]

_BAD_TRIES = 3
"""How often a text is asked for whose vector cannot be used."""
_UNREACHED = 8.0
"""So many seconds it is tried to reach a host that never answered."""
_HOPELESS = 64
"""Texts that are refused before any of the call was taken: it is not the texts."""
_SURELY = 1.15
"""By how much more than the model reads a text is guessed to have, that is not sent whole where it would be cut in
silence."""


class Call:
    """One call of ``Transport.embed``."""

    def __init__(
        self,
        transport: Transport,
        texts: Sequence[str],
        side: Side,
        journal: Journal,
        dim: int | None,
        on_long: OnLong,
        patience: float,
        purpose: Purpose,
    ) -> None:
        self._transport = transport
        self._texts = texts
        self._side = side
        self._journal = journal
        self._dim = dim
        self._on_long = on_long
        self._patience = patience
        self.till = Till(transport.on_spent, purpose)
        self._ratio = transport.guess.ratio
        self._crew: Crew[Pack, tuple[list[int], Embedded]] = Crew(self._send, MOST_AT_ONCE, len(texts))
        self._lock = threading.Lock()
        self._began = self._succeeded = time.monotonic()
        self._refusals = 0
        self._reason = ""
        """Why a request failed last that may be sent again."""

    def run(self) -> Embedded:
        """The vectors of all texts."""
        gathered = Gathered(len(self._texts), self._dim)
        for positions, made in self._crew.results(self._packs(), self._journal.alive):
            self._journal.made(positions, made)
            gathered.add(positions, made)
        return gathered.whole()

    def _packs(self) -> list[Pack]:
        """The texts in requests. Empty ones are refused, and one that is surely too long, where it would be cut in
        silence, is cut."""
        transport, whole = self._transport, []
        limit = transport.limits.text_tokens
        silent = not transport.adapter.tells_truncation
        for number, text in enumerate(self._texts):
            item = Item(number, text, transport.guess.of(text) if text else 0)
            if not text:
                self._refuse(item, "it is empty", counts=False)
            elif silent and limit is not None and item.tokens > _SURELY * limit:
                self._shorten(item, Fault("long", ""))
            else:
                whole.append(item)
        alone = None if not silent else ALONE if limit is None else limit // 2
        return list(packed(whole, transport.limits, transport.guess.high, alone))

    # One request ---------------------------------------------------------------------------------------------

    def _send(self, pack: Pack) -> None:
        transport = self._transport
        if not transport.fits(pack) and len(pack.items) > 1:
            self._split(pack.halves())
            return
        tokens, most = transport.expected(pack, self._ratio)
        try:
            ticket = transport.pacer.admit(len(pack.items), tokens, self._is_stopped, self._patience)
        except Stopped:
            return
        except Paused as pause:
            why = f": {self._reason}" if self._reason else ""
            raise transport.error(f"nothing may be sent for {pause.seconds:.0f} s{why}", "ask again later") from None
        reserved, cost = most * transport.price / 1e6, 0.0
        try:
            self._journal.reserve(sum(not item.is_counted for item in pack.items), reserved, self._is_stopped)
        except BaseException as error:
            self._unsent(tokens)
            if not isinstance(error, CostLimitError) or len(pack.items) == 1:
                raise
            self._split(pack.halves())
            return
        try:
            for item in pack.items:
                item.is_counted = True
            if self._is_stopped():
                self._unsent(tokens)
            else:
                cost = self._exchange(pack, tokens, reserved, ticket)
        finally:
            self._journal.settle(reserved, cost)

    def _unsent(self, tokens: int) -> None:
        """A request that was admitted is not sent after all."""
        self._transport.pacer.answered({}, tokens=tokens, counted=0, well=False)

    def _is_stopped(self) -> bool:
        return self._crew.is_stopped

    def _exchange(self, pack: Pack, tokens: int, reserved: float, ticket: int) -> float:
        """Send an admitted request and act on the answer; what it cost in dollars."""
        transport = self._transport
        texts = [item.sent for item in pack.items]
        try:
            request = transport.adapter.request(transport.settings, texts, self._side)
            body = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            headers = {"Content-Type": "application/json", **request.headers}
            headers |= transport.credential.headers(request.url, body)
            exchange = transport.http.send("POST", request.url, body, headers)
        except UnreachableError as error:
            transport.pacer.answered({}, tokens=tokens, well=False)
            transport.pacer.failed(ticket)
            cost = self.till.note(len(texts), tokens, reserved, guessed=True) if error.sent else 0.0
            self._act(pack, Fault("wait", error.reason), None)
            return cost
        except BaseException:
            transport.pacer.answered({}, tokens=tokens, well=False)
            raise
        if exchange.status != 200:
            transport.pacer.answered(exchange.headers, tokens=tokens, counted=0, well=False)
            self._failed(pack, exchange, ticket)
            return 0.0
        answer = answer_of(transport.adapter, transport.settings, exchange)
        counted = counted_in(answer) if answer else None
        transport.pacer.answered(exchange.headers, tokens=tokens, counted=counted)
        cost = reserved if counted is None else counted * transport.price / 1e6
        self.till.note(len(texts), tokens if counted is None else counted, cost, guessed=counted is None)
        self._receive(pack, answer, counted)
        return cost

    # What comes of it ----------------------------------------------------------------------------------------

    def _receive(self, pack: Pack, answer: Answer | None, counted: int | None) -> None:
        try:
            if answer is None:
                raise BadReplyError("the answer is not what the provider promises")
            checked = check(answer, len(pack.items), self._dim)
        except BadReplyError as error:
            if error.width and pack.failures:
                raise self._transport.error(str(error), _OTHER_WIDTH, status=200, width=error.width) from None
            self._act(pack, Fault("wait", str(error)), 200)
            return
        with self._lock:
            if self._dim is None:
                self._dim = checked.vectors.shape[1]
            self._succeeded = time.monotonic()
            self._transport.has_succeeded = True
        for position, reason in checked.bad.items():
            self._again(pack.items[position], reason)
        self._deliver(pack, checked, answer, counted)

    def _deliver(self, pack: Pack, checked: Checked, answer: Answer, counted: int | None) -> None:
        good = [n for n in range(len(pack.items)) if n not in checked.bad]
        if not good:
            return
        cut = set(checked.truncated) | self._transport.cut_in_silence(pack, answer, counted)
        if counted is not None and not cut:
            self._transport.guess.learn([item.sent for item in pack.items], counted)
        tokens = tokens_of(pack, answer, counted)
        receipts: list[Receipt] = []
        reasons: dict[int, str] = {}
        for number, place in enumerate(good):
            item = pack.items[place]
            is_cut = item.cut or place in cut
            if item.cut:
                self._transport.was_cut(tokens[place])
            receipts.append(Receipt(tokens[place], is_cut, max(item.tokens, tokens[place]) if is_cut else 0))
            if place in cut and self._on_long != "cut":
                read = f"{tokens[place]:,} were read" if tokens[place] else "not all were read"
                reasons[number] = f"it has about {item.tokens:,} tokens, of which {read}"
        positions = [pack.items[place].position for place in good]
        made = Embedded(checked.vectors[good], receipts, reasons, frozenset(reasons))
        self._crew.give((positions, made), len(positions))

    def _failed(self, pack: Pack, exchange: Exchange, ticket: int) -> None:
        transport, status = self._transport, exchange.status
        fault = fault_of(transport.adapter, transport.settings, exchange)
        if fault.kind == "wait" and exchange.headers.get("x-should-retry") == "false":
            fault = fault._replace(kind="fatal")
        if fault.kind == "fatal":
            raise transport.error(fault.reason, transport.advice(fault, status), status=status)
        if fault.kind == "wait" and (fault.after or 0.0) <= LONGEST_TOLD:
            if status == 429 or (fault.after is not None and status in (503, 529)):
                transport.pacer.refused(fault.after, ticket)
            else:
                transport.pacer.failed(ticket)
        self._act(pack, fault, status)

    def _act(self, pack: Pack, fault: Fault, status: int | None) -> None:
        transport = self._transport
        if fault.kind == "wait":
            self._reason = fault.reason
        reached = transport.has_succeeded
        standing = Standing(time.monotonic(), self._succeeded, self._patience, _UNREACHED, reached)
        move = decide(pack, fault, status, standing)
        if move.kind == "give up":
            raise transport.error(move.reason, move.hint, status=status)
        if move.kind == "refuse":
            self._refuse(pack.items[0], move.reason)
        elif move.kind == "shorten":
            self._shorten(pack.items[0], fault)
        elif move.kind == "apart":
            if fault.kind == "split":
                transport.too_much(pack)
            self._split(apart(pack, fault))
        else:
            self._crew.add(pack, move.after)

    def _split(self, parts: list[Pack]) -> None:
        for part in parts:
            self._crew.add(part, first=True)

    def _again(self, item: Item, reason: str) -> None:
        item.failures += 1
        if item.failures >= _BAD_TRIES:
            self._refuse(item, f"{reason}, {item.failures} times")
        else:
            self._crew.add(Pack([item]), backoff(item.failures - 1))

    def _shorten(self, item: Item, fault: Fault) -> None:
        """Cut a text that is too long, if that is wanted, by what is known of its length, else a little at a time."""
        transport = self._transport
        limit = transport.limits.text_tokens or transport.window
        if fault.tokens:
            transport.guess.learn([item.sent], fault.tokens)
        tokens = fault.tokens or transport.guess.of(item.sent)
        keep = shorter(len(item.sent), item.cuts, tokens, limit, counted=bool(fault.tokens))
        if self._on_long != "cut" or not keep:
            about = "" if fault.tokens else "about "
            reads = f"; {transport.settings.model} reads {limit:,}" if limit else f" ({fault.reason})"
            self._refuse(item, f"it has {about}{tokens:,} tokens{reads}", long=True)
            return
        item.sent, item.cut, item.cuts = item.sent[:keep], True, item.cuts + 1
        self._crew.add(Pack([item]))

    def _refuse(self, item: Item, reason: str, *, long: bool = False, counts: bool = True) -> None:
        """Set one text aside. Raises ApiError where texts are refused and none was ever taken."""
        transport = self._transport
        reason = clean(transport.credential.without(reason))
        with self._lock:
            self._refusals += counts and not long
            hopeless = self._refusals >= _HOPELESS and self._succeeded == self._began
        if hopeless:
            raise transport.error(f"every text is refused: {reason}", "look at the model's name and its options")
        nothing = np.zeros((1, self._dim or 0), np.float32)
        made = Embedded(nothing, [Receipt(0)], {0: reason}, frozenset({0} if long else ()))
        self._crew.give(([item.position], made), 1)


_OTHER_WIDTH = "name the dimensions that are wanted; or another model answers behind the name"
