"""What is done about a request that failed."""

from __future__ import annotations

import pytest

from idembed.models.api.adapter import Fault
from idembed.models.api.packing import Item, Pack
from idembed.models.api.verdicts import LONGEST_TOLD, Standing, apart, decide, shorter

WAIT = Fault("wait", "busy")


def pack(count: int, **known: int | float) -> Pack:
    return Pack([Item(n, f"text {n}", 10 + n) for n in range(count)], **known)  # type: ignore[arg-type]


def standing(now: float = 100.0, succeeded: float = 99.0, *, reached: bool = True) -> Standing:
    """It goes well, and is borne for 60 s when nothing does, or 8 s by a host that never answered."""
    return Standing(now, succeeded, 60.0, 8.0, reached)


def kinds(one: Pack, status: int | None, times: int, *, others: bool, fault: Fault = WAIT, every: float = 1.0) -> list:
    """What is done about the same pack, failing again and again, while ``others`` succeed in between or do not."""
    found = []
    for n in range(times):
        now = 100.0 + n * every
        found.append(decide(one, fault, status, standing(now, now - every / 2 if others else 99.0)).kind)
    return found


# decide ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "count", "kind"),
    [
        (Fault("fatal", "wrong key"), 1, "give up"),
        (Fault("fatal", "wrong key"), 9, "give up"),
        (Fault("long", "too long"), 1, "shorten"),
        (Fault("long", "too long"), 9, "apart"),
        (Fault("row", "refused"), 1, "refuse"),
        (Fault("row", "refused"), 9, "apart"),
        (Fault("split", "too many"), 9, "apart"),
        (Fault("split", "too many"), 1, "shorten"),
        (WAIT, 1, "again"),
        (WAIT, 9, "again"),
    ],
)
def test_what_is_done_about_a_first_failure(fault: Fault, count: int, kind: str) -> None:
    assert decide(pack(count), fault, 503, standing()).kind == kind


@pytest.mark.parametrize("status", [None, 500, 503])
@pytest.mark.parametrize("count", [1, 9])
def test_in_an_outage_for_all_nobody_is_to_blame(status: int | None, count: int) -> None:
    assert set(kinds(pack(count), status, 40, others=False)) == {"again"}


@pytest.mark.parametrize("count", [1, 9])
def test_refusals_for_the_rate_are_no_failures(count: int) -> None:
    one = pack(count)
    assert set(kinds(one, 429, 40, others=True)) == {"again"}
    assert (one.failures, one.attempts) == (0, 0)
    assert decide(one, WAIT, 503, standing(141.0, 140.5)).kind == "again"


def test_a_text_alone_is_to_blame_when_all_others_get_through_again_and_again() -> None:
    found = kinds(pack(1), 503, 17, others=True)
    assert found == ["again"] * 16 + ["refuse"]
    assert decide(pack(1, failures=16, failed_at=1.0, attempts=15), WAIT, 503, standing()).reason == "busy, 17 times"


def test_several_texts_are_taken_apart_when_all_others_get_through() -> None:
    assert kinds(pack(9), 503, 6, others=True) == ["again"] * 5 + ["apart"]


def test_a_rate_that_one_request_is_too_much_for_gets_a_smaller_one() -> None:
    assert kinds(pack(9), 429, 3, others=False) == ["again", "again", "apart"]
    assert kinds(pack(1), 429, 3, others=False) == ["again"] * 3


def test_replies_that_are_bad_from_the_first_on_end_it() -> None:
    assert kinds(pack(9), 200, 5, others=False) == ["again"] * 4 + ["give up"]
    assert kinds(pack(9), 200, 5, others=True) == ["again"] * 4 + ["apart"]
    assert kinds(pack(1), 200, 5, others=True) == ["again"] * 4 + ["refuse"]


@pytest.mark.parametrize(
    ("status", "reached", "seconds", "kind"),
    [
        (503, True, 59.0, "again"),
        (503, True, 61.0, "give up"),
        (429, True, 59.0, "again"),
        (429, True, 61.0, "give up"),
        (None, True, 59.0, "again"),
        (None, True, 61.0, "give up"),
        (None, False, 7.0, "again"),
        (None, False, 9.0, "give up"),
        (503, False, 9.0, "again"),
    ],
)
def test_how_long_it_is_borne_that_nothing_succeeds(
    status: int | None, reached: bool, seconds: float, kind: str
) -> None:
    one = pack(1, since=100.0, failed_at=100.0)
    assert decide(one, WAIT, status, standing(100.0 + seconds, 90.0, reached=reached)).kind == kind


def test_time_counts_from_the_first_failure_where_nothing_was_sent_for_long() -> None:
    """A call that waited for money or for its rate has not failed meanwhile."""
    assert decide(pack(1), WAIT, 503, standing(1000.0, 1.0)).kind == "again"


def test_what_one_is_told_to_wait_is_waited_unless_it_is_too_long() -> None:
    assert decide(pack(1), Fault("wait", "busy", after=7.0), 503, standing()).after == 7.0
    patient = Standing(100.0, 99.0, 10_000.0, 8.0, reached=True)
    move = decide(pack(1), Fault("wait", "busy", after=LONGEST_TOLD + 1), 429, patient)
    assert (move.kind, move.reason) == ("give up", "busy: it asks to wait for 15 minutes")
    assert decide(pack(1), Fault("wait", "busy", after=7200.0), 429, standing()).reason.endswith("2.0 hours")


@pytest.mark.parametrize("status", [429, 503])
def test_nobody_waits_longer_than_their_patience_because_they_were_told_to(status: int) -> None:
    move = decide(pack(1), Fault("wait", "busy", after=61.0), status, standing())
    assert (move.kind, move.reason) == ("give up", "busy: it asks to wait for 61 s")
    assert decide(pack(1), Fault("wait", "busy", after=59.0), status, standing()).kind == "again"


# apart -------------------------------------------------------------------------------------------------------


def positions(packs: list[Pack]) -> list[list[int]]:
    return [[item.position for item in each.items] for each in packs]


@pytest.mark.parametrize(
    ("fault", "peeled", "parts"),
    [
        (Fault("split", ""), 0, [[0, 1], [2, 3]]),
        (Fault("wait", ""), 0, [[0, 1], [2, 3]]),
        (Fault("row", ""), 0, [[0, 1], [2, 3]]),
        (Fault("row", "", which=1), 0, [[0, 2, 3], [1]]),
        (Fault("row", "", which=9), 0, [[0, 1], [2, 3]]),
        (Fault("long", "", which=1), 0, [[0, 2, 3], [1]]),
        (Fault("long", ""), 0, [[0, 1, 2], [3]]),
        (Fault("long", ""), 3, [[0, 1], [2, 3]]),
        (Fault("row", "", which=1), 3, [[0, 1], [2, 3]]),
    ],
)
def test_how_a_request_is_taken_apart(fault: Fault, peeled: int, parts: list[list[int]]) -> None:
    assert positions(apart(pack(4, peeled=peeled), fault)) == parts


def test_parts_know_how_many_were_taken_out_and_begin_anew() -> None:
    rest, one = apart(pack(4, peeled=2, failures=4, attempts=4, refusals=2), Fault("row", "", which=0))
    assert (rest.peeled, one.peeled) == (3, 0)
    assert (rest.failures, rest.attempts, rest.refusals, rest.since) == (0, 0, 0, 0.0)


# shorter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuts", "tokens", "limit", "counted", "keep"),
    [
        (0, 200, 100, True, 485),  # as the counts say, and 3 % less
        (0, 200, 100, False, 485),
        (0, 90, 100, False, 850),  # by guess it was short enough, and was not
        (0, 90, None, False, 700),
        (1, 101, 100, True, 950),  # at least a twentieth each time
        (1, 400, 100, True, 242),
        (1, 101, 100, False, 850),
        (1, 101, None, False, 700),
        (0, 10**9, 100, True, 10),  # never below a hundredth at once
        (12, 200, 100, True, 0),
    ],
)
def test_how_much_of_a_long_text_is_kept(cuts: int, tokens: int, limit: int | None, counted: bool, keep: int) -> None:
    assert shorter(1000, cuts, tokens, limit, counted=counted) == keep


def test_one_character_cannot_be_made_shorter() -> None:
    assert shorter(1, 0, 200, 100, counted=True) == 0
