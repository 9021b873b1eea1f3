"""Two writers at the same time, whose clocks may differ: both end right, or the one that lost its lease is told."""

from __future__ import annotations

from checks import check_between, check_exactly
from history import History, ended
from ledger import asked, needed
from workers import Brake, Outcome, Task, wait_until
from world import Truth

from idembed.errors import LeaseLostError

HOUR = 3600.0
"""More than a lease lasts."""


def two_at_once(life: History) -> None:
    """Two syncs begin together: both end right, whoever waits for whom."""
    first, one = life.tasks.sync(life.truth)
    second, other = life.tasks.sync(life.truth)
    life.note(f"two syncs at once: {first['scope']} and {second['scope']}")
    life.faults["two at once"] += 1
    models = {generation.model for generation in one.generations if generation.whole}
    kept = life.durable() & needed(one, one.rows, models) & needed(other, other.rows, models)
    asked(life.folder)
    pids = [life.start(task) for task in (first, second)]
    for pid in pids:
        ended(life.workers.end(pid))
    life.check_asked("two syncs at once", asked(life.folder), kept)
    possible = [_then(one, second, other), _then(other, first, one)]
    found = life.place.read().rows
    assert found in [truth.rows for truth in possible]
    life.truth = next(truth for truth in possible if truth.rows == found)
    life.check()


def upgrade_while_synced(life: History) -> None:
    """An upgrade and a sync begin together: both end right; what the upgrade could not know yet, it does when it is run
    again."""
    names = life.tasks.upgrades(life.truth)
    if not names:
        return
    task: Task = {"do": "upgrade", "to": life.choose.choice(names), "until": None}
    sync, after = life.tasks.sync(life.truth)
    life.note(f"upgrade {task['to']} while {sync['scope']} is synced")
    life.faults["upgrade while synced"] += 1
    for pid in [life.start(task), life.start(sync)]:
        ended(life.workers.end(pid))
    life.truth = after.built(task["to"], whole=False)
    check_exactly(life.place, life.truth)
    life.run(task, after.built(task["to"]), sane=False)
    life.check()


def clock_jumps(life: History) -> None:
    """One way or the other."""
    clock_jumps_to(life, life.choose.random() < 0.5)


def clock_jumps_to(life: History, ahead: bool) -> None:
    """While a live process holds the lease, another begins whose clock is an hour away. Behind, the lease is of the
    future: the other waits until it is given back. Ahead, the lease seems to have ended: it is taken over, and the old
    holder writes nothing any more, and says so."""
    first, one = life.tasks.sync(life.truth)
    second, other = life.tasks.sync(life.truth)
    life.note(f"a clock jumps {'ahead' if ahead else 'back'}: {first['scope']} and {second['scope']}")
    brake, holder = _hold(life, first)
    is_exact = True
    if not brake.is_on:  # it had too little to do
        ended(life.workers.end(holder))
        life.truth = one
    elif ahead:
        life.faults["clock ahead of a live holder"] += 1
        ended(life.workers.end(life.start({**second, "clock": HOUR})))
        _check_that_it_lost(life, holder, brake)
        if first["scope"] == second["scope"]:
            check_exactly(life.place, other)
            life.truth = other
        else:
            life.truth, is_exact = check_between(life.place, other, _then(other, first, one))
        life.run(first, _then(other, first, one), sane=is_exact)
    else:
        life.faults["clock behind a live holder"] += 1
        waiting = life.start({**second, "clock": -HOUR})
        brake.let_go()
        for pid in (holder, waiting):
            ended(life.workers.end(pid))
        life.truth = _then(one, second, other)
    brake.remove()
    life.check()


def holder_dies_in_the_future(life: History) -> None:
    """A process whose clock is ahead is killed while it holds the lease, which is of the future for everybody else: it
    is taken over at once all the same."""
    task, after = life.tasks.sync(life.truth)
    life.note(f"a holder dies whose clock is ahead: {task['scope']}")
    brake, holder = _hold(life, {**task, "clock": HOUR})
    if brake.is_on:
        life.faults["lease of a dead holder, of the future"] += 1
        life.workers.kill(holder)
        brake.remove()
        life.again(task, after)
    else:
        ended(life.workers.end(holder))
        life.truth = after
    life.check()


def _hold(life: History, task: Task) -> tuple[Brake, int]:
    """A process that stops half-way, if it has as much to do; its number."""
    call = life.choose.randrange(1, 4)
    brake = Brake(life.folder, call)
    holder = life.start({**task, "brake": call})
    wait_until(lambda: brake.is_on or not life.workers.is_running(holder))
    return brake, holder


def _check_that_it_lost(life: History, holder: int, brake: Brake) -> None:
    there = life.place.read()
    brake.let_go()
    outcome: Outcome = life.workers.end(holder)
    assert outcome.failed_by(LeaseLostError), outcome
    assert life.place.read() == there, "it wrote although it had lost its lease"


def _then(truth: Truth, task: Task, of_task: Truth) -> Truth:
    """``truth`` and then a sync, after which its scope is as in ``of_task``."""
    return truth.synced(task["scope"], of_task.scopes[task["scope"]])
