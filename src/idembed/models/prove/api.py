"""How far do an API's answers differ from call to call, and are they those of the model that was measured before?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from idembed.models.api.evidence import CALLS, Evidence, cosines, evidence_of
from idembed.models.api.probes import PROBES
from idembed.shown import shell_word

if TYPE_CHECKING:
    from idembed.models.api.model import ApiModel

__all__ = ["ApiProof", "prove_api"]


@dataclass(frozen=True, slots=True)
class ApiProof:
    """``texts`` were asked for ``calls`` times: ``noise`` is the lowest cosine between two answers to one of them, and
    ``identical`` of them had the same bytes every time. A cosine below ``warn_below`` is warned of, below
    ``refuse_below`` refused; by the evidence that is ``kept`` (the day it was measured, None: none is), else by this
    one. ``cosine``: the lowest between the answers and those that are kept; ``problem``: what is wrong, and
    ``advice`` what to do."""

    model: str
    dim: int
    texts: int
    calls: int
    noise: float
    identical: int
    warn_below: float
    refuse_below: float
    measured: str
    kept: str | None = None
    kept_noise: float | None = None
    cosine: float | None = None
    problem: str = ""
    advice: str = ""

    @property
    def stopped(self) -> bool:
        """Never: half of the answers are no measure, so Ctrl-C ends it without any."""
        return False

    @property
    def ok(self) -> bool:
        """Whether it is the model that it was, as far as that is known."""
        return not self.problem

    @property
    def drifts(self) -> bool:
        """Whether it differs from before by more than its noise, and not by so much that it is another model."""
        return self.ok and self.cosine is not None and self.cosine < self.warn_below

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"kind": "api", **asdict(self), "ok": self.ok}


def prove_api(model: ApiModel) -> ApiProof:
    """Measure it now; nothing is kept. Raises ApiError."""
    answers = model.answers()
    now, kept = evidence_of(answers), model.kept
    identical = sum(all((answers[0][n] == other[n]).all() for other in answers) for n in range(len(PROBES)))
    limits = kept or now
    cosine = float(cosines(now.vectors, kept.vectors).min()) if kept and kept.dim == now.dim else None
    problem, advice = _problem(model, kept, now, cosine)
    return ApiProof(
        model.name,
        now.dim,
        len(PROBES),
        CALLS,
        now.noise,
        identical,
        limits.warn_below,
        limits.refuse_below,
        now.measured,
        kept.measured if kept else None,
        kept.noise if kept else None,
        cosine,
        problem,
        advice,
    )


def _problem(model: ApiModel, kept: Evidence | None, now: Evidence, cosine: float | None) -> tuple[str, str]:
    if kept is None:
        return "", ""
    if cosine is None:
        accept = f"idembed models accept {shell_word(model.newest_name)}"
        return f"{model.name} gives vectors of {now.dim} numbers, and gave {kept.dim} on {kept.measured}", accept
    if cosine >= kept.refuse_below:
        return "", ""
    error = model.changed(cosine, kept, kept.measured)
    return error.message, error.hint
