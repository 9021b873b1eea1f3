"""Steps of a random life: tasks as they should go, and with faults."""

from __future__ import annotations

import time
from collections.abc import Callable

from clocks import clock_jumps, holder_dies_in_the_future, two_at_once, upgrade_while_synced
from harm import another_program, damaged_file, damaged_vault, file_gone
from history import History, ended
from ledger import asked, durable
from stored import read
from workers import KILLED, MAY_WRITE_ALL

from idembed.errors import DiskFullError, ReadOnlyError, VaultError

Step = Callable[[History], None]


def step(life: History) -> None:
    """One thing that happens, as it should or with a fault."""
    if not life.truth.rows or life.choose.random() < 0.4:
        plain(life)
    else:
        life.choose.choice(FAULTS)(life)


def plain(life: History) -> None:
    """A task without a fault."""
    life.run(*life.tasks.any(life.truth))
    life.check()


def kill(life: History) -> None:
    """kill -9 at a random moment of a task; then the task again."""
    task, after = life.tasks.any(life.truth)
    what = task["do"]
    life.note(f"kill {what}")
    kept = durable(life.folder)
    asked(life.folder)
    pid = life.start(task)
    time.sleep(life.choose.random() * life.seconds.get(what, 0.1))
    outcome = life.workers.kill(pid)
    if outcome.code != KILLED:
        ended(outcome)
    else:
        life.faults[f"kill in {what}"] += 1
    life.check_asked(f"{what}, until it was killed", asked(life.folder), kept)
    life.again(task, after)
    life.check()


def full_disk(life: History) -> None:
    """No file may grow beyond a random size in the midst of a task; then there is room again."""
    task, after = life.tasks.any(life.truth)
    what = task["do"]
    life.note(f"full disk, {what}")
    kept = durable(life.folder)
    asked(life.folder)
    size = life.path.stat().st_size if life.path.exists() else 0
    limit = max(20_000, size // 3 + life.choose.randrange(100_000))
    outcome = life.workers.end(life.start({**task, "file_size": limit}))
    if not ended(outcome, DiskFullError):
        life.faults["full disk"] += 1
    life.check_asked(f"{what}, until the disk was full", asked(life.folder), kept)
    life.again(task, after)
    life.check()


def read_only(life: History) -> None:
    """The folder may not be written while a task is done: it says so, and nothing has changed; or it has nothing to
    write. Searching goes on."""
    task, after = life.tasks.any(life.truth)
    if MAY_WRITE_ALL or task["do"] == "copy":  # which is made in another place
        return
    life.note(f"read only, {task['do']}")
    life.faults["folder that may not be written"] += 1
    life.close_reader()
    before = read(life.path)
    outcome = life.workers.end(life.start({**task, "read_only": True}))
    life.folder.chmod(0o700)
    asked(life.folder)
    if not ended(outcome, ReadOnlyError, VaultError):
        assert read(life.path) == before, "it has written, and says that it cannot"
    life.again(task, after)
    life.check()


def clock_goes_back(life: History) -> None:
    """The clock of the machine is an hour behind what it was."""
    task, after = life.tasks.any(life.truth)
    life.note("the clock goes back")
    life.faults["clock goes back"] += 1
    life.run({**task, "clock": -3600.0}, after)
    life.check()


FAULTS: tuple[Step, ...] = (
    kill,
    kill,
    kill,
    full_disk,
    another_program,
    another_program,
    damaged_vault,
    damaged_file,
    damaged_file,
    file_gone,
    read_only,
    two_at_once,
    upgrade_while_synced,
    clock_goes_back,
    clock_jumps,
    holder_dies_in_the_future,
)
