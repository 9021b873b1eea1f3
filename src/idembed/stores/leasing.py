"""Who may write a database: leases, as every store gives them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from idembed.errors import LeaseHeldError
from idembed.stores.records import ROWS, Lease

__all__ = ["Leasing"]


class Leasing(ABC):
    """The part of ``Store`` that says who may write."""

    def lease(
        self,
        owner: str,
        seconds: float = 60.0,
        *,
        name: str = ROWS,
        instead_of: str | None = None,
        now: float | None = None,
    ) -> Lease:
        """Take the right to write what is called ``name``.

        Raises LeaseHeldError (facts ``owner``, ``expires``) while another owner's lease of that name has not expired;
        ``instead_of`` takes it over from exactly that owner, who is known to be dead.
        """
        answer = self._take(name, owner, seconds, time.time() if now is None else now, instead_of)
        if isinstance(answer, Lease):
            return answer
        raise answer

    @abstractmethod
    def _take(
        self, name: str, owner: str, seconds: float, now: float, instead_of: str | None
    ) -> Lease | LeaseHeldError:
        """The lease; or the error to raise, once what was found out about the other owner's is written."""

    @abstractmethod
    def writer(self) -> tuple[int, str]:
        """The fence of the last lease to write rows that was granted (0 before the first), which tells whether anybody
        wrote, and its owner, "" when the lease was given back. One that expired is its owner's until another takes
        it."""

    def renew(self, lease: Lease, seconds: float = 60.0, *, now: float | None = None) -> Lease:
        """The same lease, longer. Raises LeaseLostError when another writer took over."""
        return self._renew(lease, seconds, time.time() if now is None else now)

    @abstractmethod
    def _renew(self, lease: Lease, seconds: float, now: float) -> Lease:
        """The same lease from ``now`` on."""

    @abstractmethod
    def release(self, lease: Lease) -> None:
        """Give the right back; nothing happens when it was lost."""
