"""Models that cannot be proved by their names, and are known again by what they answer."""

from __future__ import annotations

import logging
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from idembed.errors import ApiError, DiskFullError, ModelChangedError, OptionError, StoreError
from idembed.models.api.evidence import Evidence, Keeping, answers, cosines, evidence_of
from idembed.models.api.probes import PROBES
from idembed.models.base import Embedded, Journal, Model, Vectors
from idembed.shown import shell_word

__all__ = ["Recognised", "Witnesses"]

_LOG = logging.getLogger(__name__)
_AGAIN = 3600.0
"""After so many seconds the model is looked at again."""
_LOOKS = 3
_MANY = 1000
_LONG = 60.0
"""After so many texts, or seconds of embedding, it is looked at once more."""

Witnesses = Callable[[], tuple[Sequence[str], Vectors]]
"""Texts, and the vectors that the model once gave for them, float32 [n, dim]."""


class Recognised(Model):
    """Evidence is kept of what the model said at first use (``evidence.py``); each run asks for a little of it again.
    Indexes that come from elsewhere have evidence of their own: their vectors (``meet``)."""

    def __init__(self, keeping: Keeping, revision: int | None) -> None:
        """``revision`` None: the newest that was accepted."""
        self._keeping = keeping
        self.revision = revision or keeping.revision()
        self._lock = threading.RLock()
        self._looked_at: float | None = None
        self._evidence: Evidence | None = None
        self._met: set[str] = set()
        self._to_meet: dict[str, Witnesses] = {}

    @property
    @abstractmethod
    def newest_name(self) -> str:
        """The name of whichever revision was accepted last."""

    @abstractmethod
    def assume(self, dim: int) -> None:
        """Its vectors have so many numbers, as an index says: nobody need be asked."""

    @abstractmethod
    def probe(self, texts: Sequence[str], journal: Journal | None) -> Vectors:
        """Vectors of these texts, float32 [n, dim], as documents; nothing is looked at before."""

    @property
    def least_cosine(self) -> float | None:  # type: ignore[override]
        """What two answers to one text may differ by, as it was measured."""
        found = self._known()
        return found.refuse_below if found else None

    def ready(self, journal: Journal | None = None) -> None:
        """As ``Model.ready``: it is looked at (``look``)."""
        self.look(journal)

    def evidence(self, journal: Journal | None = None) -> Evidence:
        """What is known of the model; measured, and kept, the first time. Raises ModelChangedError when it does not
        say what an index that it was shown has."""
        with self._lock:
            found = self._known()
            if found is None:
                found = self.measure(journal)
                self._meet_all(found, journal)
                try:
                    self._keeping.write(self.revision, found)
                except (OptionError, DiskFullError) as error:
                    _LOG.warning("what is known of %s cannot be kept: %s", self.name, error.message)
                self._evidence = found
                self._looked_at = time.monotonic()
            return found

    def answers(self, journal: Journal | None = None) -> list[Vectors]:
        """What the model says of the 32 probes now, five times float32 [32, dim]."""
        return answers(lambda texts: self.probe(texts, journal))

    def measure(self, journal: Journal | None = None) -> Evidence:
        """The evidence as it is now: 32 texts, five times. Nothing is kept."""
        found = self.answers(journal)
        return evidence_of(found, self.tokens_guessed)

    @property
    def tokens_guessed(self) -> float:
        """Tokens that were counted for each that was guessed."""
        return 1.0

    @property
    def kept(self) -> Evidence | None:
        """The evidence of this revision that is kept on this machine, if there is any. Nobody is asked."""
        return self._keeping.read(self.revision)

    @property
    def newest(self) -> int:
        """The newest revision that is known on this machine."""
        return max(self.revision, self._keeping.revision())

    def look(self, journal: Journal | None = None) -> None:
        """Ask for a few of the probes again, if that was not done lately. Raises ModelChangedError when another model
        answers; warns when it is nearly so."""
        with self._lock:
            evidence = self.evidence(journal)
            if self._looked_at is None or time.monotonic() - self._looked_at >= _AGAIN:
                chosen = sorted(random.sample(range(len(PROBES)), _LOOKS))
                now = self._asked([PROBES[n] for n in chosen], evidence, journal)
                self._judge(float(cosines(now, evidence.vectors[chosen]).min()), evidence, evidence.measured)
                self._looked_at = time.monotonic()
            self._meet_all(evidence, journal)

    def look_after(self, texts: int, journal: Journal | None = None) -> None:
        """So many texts were embedded since it was looked at last: is it still the same? Few texts in a short time are
        not worth asking. Raises as ``look``."""
        with self._lock:
            since = time.monotonic() - (self._looked_at or 0.0)
            if texts >= _MANY or since >= _LONG:
                self._looked_at = None
                self.look(journal)

    def beside_a_look(self, ask: Callable[[], Embedded], journal: Journal) -> Embedded:
        """What ``ask`` gives. A question waits for its answer; that the model is the same is found out meanwhile.
        Raises as ``look``."""
        errors: list[BaseException] = []

        def look() -> None:
            try:
                self.look(journal)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=look, name="idembed-look", daemon=True)
        thread.start()
        made = ask()
        thread.join()
        if errors:
            raise errors[0]
        return made

    def meet(self, place: str, witnesses: Witnesses) -> None:
        """What is at ``place``, such as a generation of an index, was made by this model, it says: that is found out,
        once a machine, before anything is embedded."""
        if place not in self._met:
            self._to_meet[place] = witnesses  # those of an index that was closed since are of no use

    def accept(self, evidence: Evidence | None = None) -> Evidence:
        """Take what answers now for a model of its own: another revision, and so another space. ``evidence``: what was
        measured just now (None: that is done)."""
        with self._lock:
            evidence = evidence or self.measure()
            newest = self.newest
            self.revision = newest + 1 if self._keeping.read(newest) else newest
            self._keeping.accept(self.revision, evidence)
            self._evidence = evidence
            self._looked_at = time.monotonic()
            return evidence

    def changed(self, lowest: float, evidence: Evidence, when: str) -> ModelChangedError:
        """The error for a model that answers by a cosine of ``lowest`` otherwise than it did ``when``."""
        typed = shell_word(self.newest_name)
        upgrade = f"idembed upgrade INDEX --to {typed}"
        if self.newest > self.revision:
            what = f"What was accepted since is revision {self.newest}: {upgrade}"
        else:
            what = f"To use what answers now, as a space of its own: idembed models accept {typed}, then {upgrade}"
        return ModelChangedError(
            f"{self.name} is not the model that it was: the cosine between what it says now and what it said "
            f"({when}) is {lowest:.4f}, and was {evidence.noise:.6f} at the least between repeats",
            hint=f"vectors of two models cannot be compared. {what}",
            model=self.name,
            cosine=lowest,
        )

    @property
    def is_known(self) -> bool:
        """Whether it was measured before, and nothing waits to be compared with it."""
        return self._known() is not None and not self._to_meet

    def _known(self) -> Evidence | None:
        if self._evidence is None:
            self._evidence = self._keeping.read(self.revision)
        return self._evidence

    def _meet_all(self, evidence: Evidence, journal: Journal | None) -> None:
        for place, witnesses in list(self._to_meet.items()):
            if not self._keeping.has_met(self.revision, place):
                try:
                    texts, vectors = witnesses()
                except StoreError:  # it was closed meanwhile
                    self._to_meet.pop(place, None)
                    continue
                if texts:
                    lowest = float(cosines(self._asked(texts, evidence, journal), vectors).min())
                    self._judge(lowest, evidence, "when the vectors that are kept were made")
                self._keeping.note_met(self.revision, place)
            self._met.add(place)
            self._to_meet.pop(place, None)

    def _asked(self, texts: Sequence[str], evidence: Evidence, journal: Journal | None) -> Vectors:
        """What it says now. Raises ModelChangedError for vectors of another width, too."""
        try:
            return self.probe(texts, journal)
        except ApiError as error:
            if not (width := error.facts.get("width")):
                raise
            raise ModelChangedError(
                f"{self.name} is not the model that it was: its vectors have {width} numbers, and had {evidence.dim}",
                hint=f"to use what answers now, as a space of its own: idembed models accept "
                f"{shell_word(self.newest_name)}",
                model=self.name,
            ) from error

    def _judge(self, lowest: float, evidence: Evidence, when: str) -> None:
        if lowest < evidence.refuse_below:
            raise self.changed(lowest, evidence, when)
        if lowest < evidence.warn_below:
            _LOG.warning(
                "%s answers a little differently than it did (%s): cosine %.6f, between repeats %.6f",
                self.name,
                when,
                lowest,
                evidence.noise,
            )
