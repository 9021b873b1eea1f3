"""Steps of a random life: tasks as they should go, and with faults."""

from __future__ import annotations

from collections.abc import Callable

from clocks import clock_jumps, holder_dies_in_the_future, two_at_once, upgrade_while_synced
from harm import another_program, damaged_file, damaged_vault, index_gone
from history import History, ended
from ledger import asked
from outages import server_dies
from place import Place
from workers import KILLED, MAY_WRITE_ALL

from idembed.errors import DiskFullError, ReadOnlyError, VaultError

Step = Callable[[History], None]


def step(life: History) -> None:
    """One thing that happens, as it should or with a fault."""
    if not life.truth.rows or life.choose.random() < 0.4:
        plain(life)
    else:
        life.choose.choice(faults_of(life.place))(life)


def plain(life: History) -> None:
    """A task without a fault."""
    life.run(*life.tasks.any(life.truth))
    life.check()


def kill(life: History) -> None:
    """kill -9 at a random moment of a task; then the task again."""
    task, after = life.tasks.any(life.truth)
    what = task["do"]
    life.note(f"kill {what}")
    kept = life.durable()
    asked(life.folder)
    pid = life.start(task)
    life.wait(pid, what)
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
    kept = life.durable()
    asked(life.folder)
    file = life.place.file
    size = file.stat().st_size if file and file.exists() else 0
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
    before = life.place.read()
    outcome = life.workers.end(life.start({**task, "read_only": True}))
    for folder in (life.folder, life.place.folder):
        folder.chmod(0o700)
    asked(life.folder)
    if not ended(outcome, ReadOnlyError, VaultError):
        assert life.place.read() == before, "it has written, and says that it cannot"
    life.again(task, after)
    life.check()


def clock_goes_back(life: History) -> None:
    """The clock of the machine is an hour behind what it was."""
    task, after = life.tasks.any(life.truth)
    life.note("the clock goes back")
    life.faults["clock goes back"] += 1
    life.run({**task, "clock": -3600.0}, after)
    life.check()


def faults_of(place: Place) -> list[Step]:
    """What may happen to an index there, some of it more often than the rest."""
    steps: list[Step] = [kill, kill, kill, damaged_vault, clock_goes_back, holder_dies_in_the_future]
    if place.is_bounded:
        steps.append(full_disk)
    if place.edits:
        steps += [another_program, another_program]
    if place.file:
        steps += [damaged_file, damaged_file, read_only]
    if place.can_be_removed:
        steps.append(index_gone)
    if place.is_shared:
        steps += [two_at_once, upgrade_while_synced, clock_jumps]
    if place.server:
        steps += [server_dies, server_dies, server_dies]
    return steps
