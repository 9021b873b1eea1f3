"""The server under an index is killed in the midst of a task, and started again."""

from __future__ import annotations

import time

from history import History, ended
from ledger import asked
from workers import Brake, Task, wait_until
from world import Truth

from idembed.errors import StoreError


def server_dies(life: History) -> None:
    """kill -9 of the server in the midst of any task."""
    server_dies_in(life, *life.tasks.any(life.truth))


def server_dies_in(life: History, task: Task, after: Truth, step: str = "") -> None:
    """kill -9 of the server at a random moment of a task, or just before some call of the store (the first of ``step``,
    if given); it starts again before the task goes on, or a while later. The task comes to its end all the same, or
    says clearly what to do, and ends right when it is done again; nothing durable is lost, or embedded again."""
    server, what = life.place.server, task["do"]
    assert server is not None
    kept = life.durable()
    asked(life.folder)
    call = 1 if step else life.choose.choice([0, life.choose.randrange(1, 60)])
    brake = Brake(life.folder, call)
    pid = life.start({**task, "brake": call, "at": "store", "step": step})
    life.note(f"the server is killed, {what}, {step or (f'call {call}' if call else 'at some moment')}")
    if call:
        wait_until(lambda: brake.is_on or not life.workers.is_running(pid))
    else:
        life.wait(pid, what)
    server.kill()
    is_late = life.choose.random() < 0.5
    if is_late:
        brake.let_go()
        time.sleep(life.choose.random() * 0.5)
    server.start()
    brake.let_go()
    outcome = life.workers.end(pid)
    brake.remove()
    life.check_asked(f"{what}, under which the server was killed", asked(life.folder), kept)
    if ended(outcome, StoreError):
        life.faults[f"server killed in {what}, which went on"] += 1
        life.truth = after
        if what == "copy":
            life.check_copy(outcome.said)
    else:
        life.faults[f"server killed in {what}, which failed"] += 1
        assert outcome.hint, f"no advice in {outcome}"
        life.again(task, after)
    life.check()
