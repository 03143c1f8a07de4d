"""
The bus: events go in, and come out in one order for all.

A hub changes its state only when an event comes out of its bus, so several hubs on
one bus would stay alike. L{LocalBus} is the bus of one process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from netsvc.chat.events import Event

Subscriber = Callable[[Event], None]


class Bus(Protocol):
    """Carries events."""

    def publish(self, event: Event) -> None:
        """Put an event in; it comes out at every subscriber, in the same order."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Receive every event from now on."""


class LocalBus:
    """
    The bus of one process: an event has come out when C{publish} returns.

    Only what is published while another event comes out waits for its turn.
    """

    def __init__(self) -> None:
        """Start without subscribers."""
        self._subscribers: list[Subscriber] = []
        self._waiting: deque[Event] = deque()
        self._busy = False

    def subscribe(self, subscriber: Subscriber) -> None:
        """Receive every event from now on."""
        self._subscribers.append(subscriber)

    def publish(self, event: Event) -> None:
        """Put an event in."""
        self._waiting.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                event = self._waiting.popleft()
                for subscriber in self._subscribers:
                    subscriber(event)
        finally:
            self._busy = False
