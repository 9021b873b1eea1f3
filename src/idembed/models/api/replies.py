"""What a provider said, read by its adapter, whatever it is."""

from __future__ import annotations

from typing import Final

from idembed.models.api.adapter import Adapter, Answer, Fault, Settings
from idembed.models.api.http import Exchange
from idembed.models.api.pacing import told_to_wait

__all__ = ["UNREADABLE", "answer_of", "fault_of"]

UNREADABLE: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What an adapter raises for what is not as the provider promises."""


def answer_of(adapter: Adapter, settings: Settings, exchange: Exchange) -> Answer | None:
    """What came for the texts of a request; None where it is not what the provider promises."""
    try:
        return adapter.answer(exchange.body, settings)
    except UNREADABLE:
        return None


def fault_of(adapter: Adapter, settings: Settings, exchange: Exchange) -> Fault:
    """Why a request failed, always with a reason, and after how long to ask again, if that was said."""
    try:
        fault = adapter.fault(exchange.status, exchange.body, settings)
    except UNREADABLE:
        fault = Fault("wait" if exchange.status >= 500 else "fatal", "")
    if not fault.reason:
        fault = fault._replace(reason=f"status {exchange.status}")
    return fault._replace(after=told_to_wait(exchange.headers)) if fault.after is None else fault
