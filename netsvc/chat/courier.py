"""
Delivery: in one order, and never before what is said is safe.

A message goes to the store first; it is delivered when the store says that the commit
which holds it is done, and everything that happens after it waits behind it. Whoever
said it hears nothing else before: their replies wait too, so that no reply overtakes
the message that it follows.

Each event is encoded once for each wire. When one commit releases several events,
each session gets them in one write.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from netsvc.chat.events import Event, Session, Wire
from netsvc.chat.records import Record
from netsvc.chat.rooms import Audience


class Keeper(Protocol):
    """What keeps records."""

    def append(self, record: Record) -> int:
        """
        Keep a record.

        @return: A ticket that grows; 0 when there is nothing to wait for.
        """


class _Delivery:
    """An event on its way, or a reply behind one."""

    __slots__ = ("audience", "data", "event", "own", "ticket")

    def __init__(
        self,
        ticket: int,
        event: Event | None,
        audience: Audience | None,
        own: Session | None,
        data: Callable[[], None] | bytes = b"",
    ) -> None:
        self.ticket = ticket
        self.event = event
        self.audience = audience
        self.own = own
        self.data = data


class Courier:
    """
    Delivers events.

    @ivar deliveries: How many times an event was written to a session.
    """

    def __init__(self, keeper: Keeper | None = None) -> None:
        """
        Start with nothing on the way.

        @param keeper: What keeps records; C{None} keeps none.
        """
        self._keeper = keeper
        self._waiting: deque[_Delivery] = deque()
        self._pending: Counter[Session] = Counter()
        self._safe = 0
        self._flushing = False
        self.deliveries = 0

    @property
    def waiting(self) -> int:
        """How many events and replies wait for a commit."""
        return len(self._waiting)

    def keep(self, record: Record) -> int:
        """Keep a record, and give the ticket to wait for."""
        return 0 if self._keeper is None else self._keeper.append(record)

    def deliver(
        self,
        event: Event,
        audience: Audience,
        own: Session | None = None,
        ticket: int = 0,
    ) -> None:
        """
        Deliver an event.

        @param event: What happened.
        @param audience: Whom to show it to; C{own} is left out even if it is there.
        @param own: The session of who caused it, which is shown it in its own way.
        @param ticket: Of its record, when it is to wait for that.
        """
        if not self._waiting and ticket <= self._safe and not self._flushing:
            self._show(event, audience, own)
            return
        self._waiting.append(_Delivery(ticket, event, audience, own))
        if own is not None:
            self._pending[own] += 1

    def reply(self, session: Session, data: bytes) -> None:
        """Write to one session, behind what it has caused itself."""
        if session in self._pending:
            self._waiting.append(_Delivery(0, None, None, session, data))
            self._pending[session] += 1
        else:
            session.send(data)

    def after(self, session: Session, call: Callable[[], None]) -> None:
        """Call something when nothing that a session has caused is on its way."""
        if session in self._pending:
            self._waiting.append(_Delivery(0, None, None, session, call))
            self._pending[session] += 1
        else:
            call()

    def committed(self, ticket: int) -> None:
        """All records up to a ticket are safe, or given up: deliver."""
        self._safe = max(self._safe, ticket)
        if self._flushing:
            return
        ready = []
        waiting = self._waiting
        self._flushing = True
        try:
            while waiting and waiting[0].ticket <= self._safe:
                while waiting and waiting[0].ticket <= self._safe:
                    ready.append(waiting.popleft())
                self._flush(ready)
                ready.clear()
        finally:
            self._flushing = False

    def _flush(self, ready: list[_Delivery]) -> None:
        """Deliver what is ready: each session's share in one write."""
        if len(ready) == 1 and ready[0].event is not None:
            each = ready[0]
            self._release(each.own)
            assert each.event is not None and each.audience is not None
            self._show(each.event, each.audience, each.own)
            return
        shares: dict[Session, list[bytes]] = {}
        for each in ready:
            own = each.own
            self._release(own)
            event = each.event
            if event is not None:
                assert each.audience is not None
                for wire, group in each.audience.items():
                    data = wire.encode(event)
                    if data:
                        for session in group:
                            if session is not own:
                                share = shares.get(session)
                                if share is None:
                                    shares[session] = [data]
                                else:
                                    share.append(data)
            if own is not None:
                # It writes by itself: what came before goes out first.
                share = shares.pop(own, None)
                if share is not None:
                    own.wire.send(b"".join(share), (own,))
                    self.deliveries += len(share)
                if event is not None:
                    own.own(event)
                elif isinstance(each.data, bytes):
                    own.send(each.data)
                else:
                    each.data()
        # Equal shares are one write to many: most have the same.
        same: dict[tuple[Wire, tuple[bytes, ...]], list[Session]] = {}
        for session, share in shares.items():
            self.deliveries += len(share)
            same.setdefault((session.wire, tuple(share)), []).append(session)
        for (wire, parts), sessions in same.items():
            wire.send(b"".join(parts), sessions)

    def _release(self, own: Session | None) -> None:
        """One thing less that a session waits for."""
        if own is not None:
            left = self._pending[own] - 1
            if left:
                self._pending[own] = left
            else:
                del self._pending[own]

    def _show(self, event: Event, audience: Audience, own: Session | None) -> None:
        """Write one event to all."""
        for wire, group in audience.items():
            data = wire.encode(event)
            if data:
                # Not only in its own wire's group: that may be another one since.
                others = group
                if own is not None:
                    others = [session for session in group if session is not own]
                if others:
                    self.deliveries += len(others)
                    wire.send(data, others)
        if own is not None:
            own.own(event)
