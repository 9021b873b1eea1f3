"""``idembed lock``: what an index holds, as a small file."""

from __future__ import annotations

from idembed.cli import options
from idembed.cli.output import Output, number_of
from idembed.cli.progress import Bars

__all__ = ["lock"]


def lock(index: options.IndexArgument, as_json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Write what an index holds to standard output: idembed lock INDEX > idembed.lock.

    It is computed from what the database says now. The same rows and local model give the same root on any machine.
    """
    with Output(quiet=quiet) as out:  # the lock is the document: it has no place for warnings
        from idembed.index import Index

        with Bars(quiet=quiet) as bars, Index(index) as opened:
            found = opened.lock(progress=bars.follow)
            unsettled = opened.status().unsettled
        print(found.to_json(), end="")
        if unsettled:
            out.warn(f"{number_of(unsettled, 'row')} may not be as the source says: sync, and lock again")
