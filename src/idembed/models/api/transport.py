"""Texts to a provider and vectors back: packed, paced, asked again, taken apart where one text is to blame, checked.

Several threads send; the one that asked for the vectors gets them as they come (``Journal.made``), so that what was
paid for is kept whatever happens next.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np

from idembed.errors import ApiError
from idembed.models.api.adapter import Adapter, Answer, Fault, Limits, Settings
from idembed.models.api.checks import BadReplyError, Checked, check
from idembed.models.api.crew import Crew
from idembed.models.api.http import Exchange, Http, UnreachableError, http_of
from idembed.models.api.keys import Credential
from idembed.models.api.pacing import MOST_AT_ONCE, Pacer, Stopped, backoff, pacer_of, told_to_wait
from idembed.models.api.packing import Item, Pack, packed
from idembed.models.api.spend import Purpose
from idembed.models.api.tokens import TokenGuess
from idembed.models.base import Embedded, Journal, OnLong, Receipt
from idembed.shown import clean
from idembed.space import Side

__all__ = ["Spent", "Transport"]

_TRIES = 5
"""A request that fails so often while others do not is taken apart, and a text alone refused."""
_BAD_TRIES = 3
"""How often a text is asked for whose vector cannot be used."""
_LONGEST_TOLD = 900.0
"""To wait longer than this, in seconds, is for somebody else to decide."""
_UNREACHED = 8.0
"""So long it is tried to reach a host that never answered."""
_PEELED = 3
"""So many texts are taken out of a request one by one, then it is halved."""
_TOLD_EVERY = 2.0
_CUTS = 12
"""How often a text is made shorter until the provider takes it."""
_HOPELESS = 8
"""Texts that are refused before any was taken: it is not the texts."""
_SILENT = 0.6
"""Where so much less of a text was read than was guessed, it was cut in silence."""
_ALONE = 256
"""Texts of so many tokens go alone where a text may be cut in silence: then it is known how much of it was read."""
_EXPECTED = 1.02
"""By how much more than the guess a request is expected to take of the rate; more would leave some of it unused."""
_WINDOWS = (256, 384, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)


@dataclass(slots=True)
class Spent:
    """What some requests took: ``guessed`` where the provider did not say how many tokens it counted."""

    requests: int = 0
    texts: int = 0
    tokens: int = 0
    dollars: float = 0.0
    guessed: bool = False


class Transport:
    """To one model of one provider, with one key. May be used by several threads."""

    def __init__(
        self,
        adapter: Adapter,
        settings: Settings,
        credential: Callable[[], Credential],
        *,
        price: float | None = None,
        guess: TokenGuess | None = None,
        http: Http | None = None,
    ) -> None:
        """``credential`` is called when something is first sent. ``price``: dollars for a million tokens (None: not
        known)."""
        self.adapter = adapter
        self.settings = settings
        self._credential = credential
        self.known_price = price
        self.price = price or 0.0
        self.guess = guess or TokenGuess()
        self.http = http or http_of(settings.endpoint, adapter.title, own=not adapter.needs_key)
        self.limits: Limits = adapter.limits(settings)
        self.has_succeeded = False
        self.on_spent: Callable[[Spent, Purpose], None] = lambda spent, purpose: None
        """Told what a call took, and for what."""
        self.ending = ""
        """What is known of the model's end, for when it is not there any more."""
        self._lock = threading.Lock()

    @cached_property
    def credential(self) -> Credential:
        """Who asks. Raises ApiError where that is not known."""
        return self._credential()

    @cached_property
    def pacer(self) -> Pacer:
        """The one of this endpoint and key."""
        return pacer_of(self.settings.endpoint, self.credential.hash, self.adapter.limits(self.settings))

    def embed(
        self,
        texts: Sequence[str],
        side: Side,
        journal: Journal,
        *,
        dim: int | None,
        on_long: OnLong = "cut",
        purpose: Purpose | None = None,
        patience: float = 600.0,
    ) -> Embedded:
        """Vectors float32 [n, dim] of unit length. ``dim`` None: as the provider says. ``patience``: seconds without
        any success before it is given up. Raises ApiError, and what ``journal`` raises; what was made before was
        given to ``journal.made``."""
        _ = self.credential  # a key that is not there is not looked for by every thread
        call = _Call(self, texts, side, journal, dim, on_long, patience, purpose or side)
        try:
            return call.run()
        finally:
            call.tell_spent()

    def fits(self, pack: Pack) -> bool:
        """Whether a pack is within what was learned about the provider's limits since it was packed."""
        return len(pack.items) <= self.limits.inputs

    def too_much(self, count: int) -> None:
        """A request of so many texts was too much."""
        with self._lock:
            if self.limits.tokens is None:
                self.limits = replace(self.limits, inputs=min(self.limits.inputs, max(1, count // 2)))
            else:
                self.guess.was_too_low()

    def error(self, reason: str, hint: str = "", **facts: object) -> ApiError:
        """An error of this provider, without its key."""
        said = clean(self.credential.without(reason))
        adapter, model = self.adapter, self.settings.model
        return ApiError(f"{adapter.title}, {model}: {said}", hint=hint, provider=adapter.provider, model=model, **facts)


class _Call:
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
        self._purpose = purpose
        self._transport = transport
        self._texts = texts
        self._side = side
        self._journal = journal
        self._dim = dim
        self._on_long = on_long
        self._patience = patience
        self._crew: Crew[Pack, tuple[list[int], Embedded]] = Crew(self._send, MOST_AT_ONCE, len(texts))
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._succeeded = self._began
        self._refusals = 0
        self._spent = Spent()
        self._told_at = self._began

    def run(self) -> Embedded:
        transport = self._transport
        vectors: np.ndarray | None = None
        receipts: list[Receipt] = [Receipt(0)] * len(self._texts)
        refused: dict[int, str] = {}
        too_long: set[int] = set()
        self._ratio = transport.guess.ratio
        items = [Item(n, text, transport.guess.of(text)) for n, text in enumerate(self._texts)]
        whole = []
        for item in items:
            if not item.text:
                self._refuse(item, "it is empty", counts=False)
            elif not self._is_surely_too_long(item):
                whole.append(item)
            else:
                self._shorten(item, Fault("long", ""))
        packs = packed(whole, transport.limits, transport.guess.high, self._alone())
        for positions, made in self._crew.results(packs, self._journal.alive):
            self._journal.made(positions, made)
            if vectors is None or not vectors.shape[1]:
                vectors = np.zeros((len(self._texts), made.vectors.shape[1]), np.float32)
            if made.vectors.shape[1]:
                vectors[positions] = made.vectors
            for number, position in enumerate(positions):
                receipts[position] = made.receipts[number]
            refused |= {positions[number]: reason for number, reason in made.refused.items()}
            too_long.update(positions[number] for number in made.too_long)
        if vectors is None or not vectors.shape[1]:
            vectors = np.zeros((len(self._texts), self._dim or 0), np.float32)
        return Embedded(vectors, receipts, refused, frozenset(too_long))

    def _alone(self) -> int | None:
        """From how many tokens on a text goes alone, as it may be cut in silence."""
        if self._transport.adapter.tells_truncation:
            return None
        window = self._transport.limits.text_tokens
        return _ALONE if window is None else window // 2

    def _is_surely_too_long(self, item: Item) -> bool:
        """Where too much would be cut in silence, a text that is guessed to be too long is not sent as it is."""
        limit = self._transport.limits.text_tokens
        return not self._transport.adapter.tells_truncation and limit is not None and item.tokens > limit

    # One request ---------------------------------------------------------------------------------------------

    def _send(self, pack: Pack) -> None:
        transport = self._transport
        if not transport.fits(pack) and len(pack.items) > 1:
            for half in pack.halves():
                self._crew.add(half, first=True)
            return
        tokens, most = self._expected(pack)
        reserved = most * transport.price / 1e6
        new = sum(not item.is_counted for item in pack.items)
        self._journal.reserve(new, reserved)
        for item in pack.items:
            item.is_counted = True
        cost = 0.0
        try:
            transport.pacer.admit(len(pack.items), tokens, lambda: self._crew.is_stopped)
            cost = self._exchange(pack, tokens, reserved)
        except Stopped:
            return
        finally:
            self._journal.settle(reserved, cost)

    def _expected(self, pack: Pack) -> tuple[int, int]:
        """So many tokens to expect of the rate, and the most that may have to be paid. What was learned since the texts
        were looked at counts."""
        guess = self._transport.guess
        likely = pack.tokens * guess.ratio / self._ratio
        most = math.ceil(likely * guess.high)
        return (min(most, math.ceil(likely * _EXPECTED)) if guess.is_learned else most), most

    def _exchange(self, pack: Pack, tokens: int, reserved: float) -> float:
        """Send an admitted request and act on the answer; what it cost in dollars."""
        transport = self._transport
        texts = [item.sent for item in pack.items]
        exchange: Exchange | None = None
        fault: Fault | None = None
        sent = False
        try:
            request = transport.adapter.request(transport.settings, texts, self._side)
            body = json.dumps(request.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            headers = {"Content-Type": "application/json", **request.headers}
            headers |= transport.credential.headers(request.url, body)
            exchange = transport.http.send("POST", request.url, body, headers)
        except UnreachableError as error:
            fault, sent = Fault("wait", error.reason), error.sent
        finally:
            if exchange is None:
                transport.pacer.answered({}, tokens=tokens, well=False)
        if exchange is None:
            self._wait(pack, fault or Fault("wait", ""), None)
            return self._note(len(texts), tokens, reserved, guessed=True) if sent else 0.0
        if exchange.status != 200:
            transport.pacer.answered(exchange.headers, tokens=tokens, counted=0, well=False)
            self._react(pack, self._fault_of(exchange), exchange.status)
            return 0.0
        answer = self._answer_of(exchange)
        counted = _counted(answer) if answer else None
        transport.pacer.answered(exchange.headers, tokens=tokens, counted=counted)
        cost = reserved if counted is None else counted * transport.price / 1e6
        self._note(len(texts), tokens if counted is None else counted, cost, guessed=counted is None)
        self._receive(pack, answer, counted)
        return cost

    def _note(self, texts: int, tokens: int, dollars: float, *, guessed: bool) -> float:
        with self._lock:
            self._spent.requests += 1
            self._spent.texts += texts
            self._spent.tokens += tokens
            self._spent.dollars += dollars
            self._spent.guessed |= guessed
            due = time.monotonic() - self._told_at >= _TOLD_EVERY
        if due:
            self.tell_spent()
        return dollars

    def tell_spent(self) -> None:
        """What was spent since this was told last; often enough that a killed process keeps little to itself."""
        with self._lock:
            spent, self._spent = self._spent, Spent()
            self._told_at = time.monotonic()
        if spent.requests:
            self._transport.on_spent(spent, self._purpose)

    def _fault_of(self, exchange: Exchange) -> Fault:
        transport = self._transport
        try:
            fault = transport.adapter.fault(exchange.status, exchange.body, transport.settings)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            fault = Fault("wait" if exchange.status >= 500 else "fatal", f"status {exchange.status}")
        if not fault.reason:
            fault = fault._replace(reason=f"status {exchange.status}")
        return fault._replace(after=told_to_wait(exchange.headers)) if fault.after is None else fault

    def _answer_of(self, exchange: Exchange) -> Answer | None:
        try:
            return self._transport.adapter.answer(exchange.body, self._transport.settings)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    # What comes of it ----------------------------------------------------------------------------------------

    def _receive(self, pack: Pack, answer: Answer | None, counted: int | None) -> None:
        try:
            if answer is None:
                raise BadReplyError("the answer is not what the provider promises")
            checked = check(answer, len(pack.items), self._dim)
        except BadReplyError as error:
            self._wait(pack, Fault("wait", str(error)), 200)
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
        cut = set(checked.truncated) | self._cut_in_silence(pack, answer, counted)
        if counted is not None and not cut:
            self._transport.guess.learn([item.sent for item in pack.items], counted)
        tokens = _tokens_of(pack, answer, counted)
        receipts: list[Receipt] = []
        reasons: dict[int, str] = {}
        for number, place in enumerate(good):
            item = pack.items[place]
            is_cut = item.cut or place in cut
            receipts.append(Receipt(tokens[place], is_cut, max(item.tokens, tokens[place]) if is_cut else 0))
            if place in cut and self._on_long != "cut":
                read = f"{tokens[place]:,} were read" if tokens[place] else "not all were read"
                reasons[number] = f"it has about {item.tokens:,} tokens, of which {read}"
        positions = [pack.items[place].position for place in good]
        made = Embedded(checked.vectors[good], receipts, reasons, frozenset(reasons))
        self._crew.give((positions, made), len(positions))

    def _cut_in_silence(self, pack: Pack, answer: Answer, counted: int | None) -> set[int]:
        """Whether the one text of a request has more tokens than the provider counted, where it does not tell."""
        transport = self._transport
        if transport.adapter.tells_truncation or counted is None or len(pack.items) != 1 or answer.truncated:
            return set()
        guess = pack.items[0].tokens
        if not transport.guess.is_learned or guess < _ALONE:
            return set()
        at_the_window = counted in _WINDOWS and guess > 0.9 * counted
        return {0} if counted < _SILENT * guess or at_the_window else set()

    def _react(self, pack: Pack, fault: Fault, status: int) -> None:
        transport = self._transport
        if fault.kind == "fatal":
            gone = transport.ending if status in (400, 404, 410) else ""
            about_key = status == 401 or fault.hint.startswith("the key ")
            hint = "; ".join(filter(None, (fault.hint, transport.credential.advice))) if about_key else fault.hint
            raise transport.error(fault.reason, gone or hint, status=status)
        if fault.kind == "wait":
            if status == 429 or (fault.after is not None and status in (503, 529)):
                transport.pacer.refused(fault.after)
            self._wait(pack, fault, status)
        elif len(pack.items) == 1 and fault.kind in ("long", "split"):
            self._shorten(pack.items[0], fault)
        elif len(pack.items) == 1:
            self._refuse(pack.items[0], fault.reason)
        else:
            if fault.kind == "split":
                transport.too_much(len(pack.items))
            for part in _apart(pack, fault):
                self._crew.add(part, first=True)

    def _wait(self, pack: Pack, fault: Fault, status: int | None) -> None:
        """Ask again later, or take the pack apart where the others get through; give up when nobody does."""
        transport, now = self._transport, time.monotonic()
        if not pack.attempts:
            pack.since = now
        pack.attempts += 1
        if fault.after is not None and fault.after > _LONGEST_TOLD:
            hours = f"{fault.after / 3600:.1f} hours" if fault.after > 5400 else f"{fault.after / 60:.0f} minutes"
            raise transport.error(f"{fault.reason}: it asks to wait for {hours}", _KEPT, status=status)
        if status == 429:
            if now - max(self._succeeded, pack.since) > self._patience:
                raise transport.error(f"{fault.reason}, for {self._patience:.0f} s", _KEPT, status=status)
            self._crew.add(pack)  # the pacer says when
            return
        if pack.attempts >= _TRIES and self._succeeded > pack.since:
            if len(pack.items) == 1:
                self._refuse(pack.items[0], f"{fault.reason}, {pack.attempts} times")
            else:
                for half in pack.halves():
                    self._crew.add(half, first=True)
            return
        reached = transport.has_succeeded or status is not None
        patience = self._patience if reached and status != 200 else min(self._patience, _UNREACHED)
        if now - max(self._succeeded, pack.since) > patience or (status == 200 and pack.attempts >= _TRIES):
            hint = _KEPT if reached else "look at the network, the proxy (HTTPS_PROXY), and the endpoint's address"
            raise transport.error(f"{fault.reason} ({pack.attempts} times)", hint, status=status)
        self._crew.add(pack, backoff(pack.attempts) if fault.after is None else fault.after)

    def _again(self, item: Item, reason: str) -> None:
        item.failures += 1
        if item.failures >= _BAD_TRIES:
            self._refuse(item, f"{reason}, {item.failures} times")
        else:
            self._crew.add(Pack([item]), backoff(item.failures - 1))

    def _shorten(self, item: Item, fault: Fault) -> None:
        """Cut a text that is too long, if that is wanted, by what is known of its length, else a little at a time."""
        limit = self._transport.limits.text_tokens
        if fault.tokens:
            self._transport.guess.learn([item.sent], fault.tokens)
        length = fault.tokens or item.tokens
        if self._on_long != "cut" or item.cuts >= _CUTS or len(item.sent) < 2:
            about = "" if fault.tokens else "about "
            reads = f"; {self._transport.settings.model} reads {limit:,}" if limit else f" ({fault.reason})"
            self._refuse(item, f"it has {about}{length:,} tokens{reads}", long=True)
            return
        share = 0.97 * limit / length if limit and length > limit else 1.0
        if not item.cuts and share < 1:
            keep = int(len(item.sent) * max(share, 0.01))
        else:
            keep = int(len(item.sent) * (min(share, 0.95) if fault.tokens else 0.85))
        item.sent, item.cut, item.cuts = item.sent[: max(1, keep)], True, item.cuts + 1
        self._crew.add(Pack([item]))

    def _refuse(self, item: Item, reason: str, *, long: bool = False, counts: bool = True) -> None:
        """Set one text aside. Raises ApiError where texts are refused and none was ever taken."""
        transport = self._transport
        reason = clean(transport.credential.without(reason))
        with self._lock:
            self._refusals += counts and not long
            hopeless = self._refusals >= _HOPELESS and not transport.has_succeeded
        if hopeless:
            raise transport.error(f"every text is refused: {reason}", "look at the model's name and its options")
        made = Embedded(
            np.zeros((1, self._dim or 0), np.float32), [Receipt(0)], {0: reason}, frozenset({0} if long else ())
        )
        self._crew.give(([item.position], made), 1)


_KEPT = "what was embedded is kept: run it again, and it goes on"


def _apart(pack: Pack, fault: Fault) -> list[Pack]:
    """A pack of several texts in smaller ones: the one to blame alone if it is known, else the longest where one is too
    long, else halves."""
    if fault.kind == "split" or pack.peeled >= _PEELED:
        return pack.halves()
    if fault.which is not None and 0 <= fault.which < len(pack.items):
        return pack.without(pack.items[fault.which])
    if fault.kind == "long":
        return pack.without(max(pack.items, key=lambda item: item.tokens))
    return pack.halves()


def _counted(answer: Answer) -> int | None:
    """How many tokens the provider says it counted, if it says so."""
    if answer.text_tokens is not None and all(type(count) is int for count in answer.text_tokens):
        return sum(answer.text_tokens)
    return answer.tokens if type(answer.tokens) is int and answer.tokens > 0 else None


def _tokens_of(pack: Pack, answer: Answer, counted: int | None) -> list[int]:
    """Tokens by text: as the provider says, else what it counted in all, shared out by the guess."""
    if counted is not None and answer.text_tokens is not None and len(answer.text_tokens) == len(pack.items):
        return list(answer.text_tokens)
    guesses = [item.tokens for item in pack.items]
    if counted is None:
        return guesses
    shares, before, total = [], 0, max(1, sum(guesses))
    for guessed in accumulate(guesses):
        upto = counted * guessed // total
        shares.append(upto - before)
        before = upto
    return shares
