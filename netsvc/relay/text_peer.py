"""
One peer that sends text: its session's connection, and where its session writes.

What it is sent in answer to a datagram goes out in as few datagrams as it takes; what
happens in a room is a datagram for each event (L{netsvc.relay.fan_out}).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.chat.line import entrance
from netsvc.chat.line.link import Peer, Work
from netsvc.chat.line.session import LineSession
from netsvc.chat.line.works import Works
from netsvc.daemon.limits import source_key
from netsvc.multiplex.batch import Batch
from netsvc.relay import admission
from netsvc.relay.admission import CHALLENGE_INTERVAL, Credit, is_private
from netsvc.relay.echoes import PATIENCE
from netsvc.relay.outbox import Outbox
from netsvc.relay.recipient import BARE, Address, Forms, Recipient

if TYPE_CHECKING:
    from netsvc.relay.relay import Relay

#: Messages that wait for one before them that takes time.
MAX_QUEUED: Final = 64

#: Lines of one datagram.
MAX_LINES: Final = 64

_log = Logger()


class TextPeer(Recipient):
    """
    A peer; its session's L{Output<netsvc.chat.line.link.Output>} and stream.

    @ivar credit: What it may be sent.
    @ivar session: Its session.
    @ivar token: By which it can resume from another address, once it has asked.
    """

    __slots__ = (
        "__weakref__",
        "_challenged",
        "_commands_full_at",
        "_echoed",
        "_outbox",
        "_proven",
        "_queue",
        "_running",
        "_works",
        "credit",
        "session",
        "token",
    )

    def __init__(
        self,
        relay: Relay,
        key: tuple[int, Address],
        sendto: Callable[[bytes, Any], object],
        to: Any,
        batch: Batch | None,
        now: float,
        credit: Credit,
    ) -> None:
        """See the class; L{begin} makes the session."""
        super().__init__(relay, key, sendto, to, batch, now)
        self.credit = credit
        self.token: str | None = None
        self._outbox = Outbox()
        self._queue: deque[bytes] = deque()
        self._works = Works(relay.reactor)
        self._running = False
        self._challenged = -CHALLENGE_INTERVAL
        self._echoed = 0
        self._commands_full_at = 0.0
        self.session = LineSession(relay.frontend, self, Peer(self.host))
        self.session.wake = self._go

    # What comes.

    def begin(self) -> None:
        """Let it in: it is a guest in the lobby."""
        self._running = True
        try:
            entrance.begin(self.session)
        finally:
            self._running = False

    @property
    def validated(self) -> bool:
        """Whether it is known to read at its address, or nobody near by forges any."""
        return self._proven or (self.credit.validated and is_private(self.host))

    def receive(self, data: bytes) -> None:
        """Take a datagram of text that is not empty."""
        relay, session = self._relay, self.session
        if relay.echoes.has(data):
            self._loops()
            return
        if self.learn_form(data) != BARE:
            data = data.rstrip(b"\r\n")
        if b"\n" in data or self._queue or session.busy:
            self._keep(data.split(b"\n", MAX_LINES))
            if not session.busy:
                self._go()
            return
        self._running = True
        try:
            self._one(data)
        finally:
            self._running = False
        if (self._outbox or self._queue) and not session.busy:
            self._go()

    def _keep(self, lines: list[bytes]) -> None:
        """Keep lines until those before them are done."""
        if len(lines) > MAX_LINES:
            self._relay.counters["too-many-lines"] += 1
            del lines[MAX_LINES:]
        if not self._relay.may_send_more(self.host, len(lines) - 1, self.heard):
            del lines[1:]
        for line in lines:
            if len(self._queue) >= MAX_QUEUED:
                self._relay.counters["queue-full"] += 1
                return
            self._queue.append(line.rstrip(b"\r"))

    def _one(self, line: bytes) -> None:
        """Carry out a line."""
        relay, session = self._relay, self.session
        if session.closing:
            return
        if len(line) > relay.frontend.options.line_limit:
            session.too_long()
            return
        if line.startswith(b"/"):
            if not self._may_command():
                relay.counters["flood"] += 1
                return
        elif session.room is not None and not relay.may_fan_out(
            session.room, self.heard
        ):
            return
        session.receive(line)

    def _may_command(self) -> bool:
        """Say whether one more command is carried out (GCRA, as in LineIntake)."""
        rate = self._relay.frontend.options.command_rate
        if rate is None:
            return True
        full_at = max(self._commands_full_at, self.heard) + 1 / rate.per_second
        if (full_at - self.heard) * rate.per_second > rate.burst + 2**-10:
            return False
        self._commands_full_at = full_at
        return True

    def _go(self) -> None:
        """The session has done what took time: go on, and send what it has said."""
        if self._running:
            return
        self._running = True
        try:
            while self._queue and not self.session.busy:
                self._one(self._queue.popleft())
        finally:
            self._running = False
        if not self.session.busy:
            self.flush()

    def _loops(self) -> None:
        """It sends back what it was sent: it is no person."""
        self._relay.counters["loop"] += 1
        self._echoed += 1
        if self._echoed == PATIENCE:
            self._relay.reactor.callLater(0, self.gone, "Loop")

    # What goes.

    @property
    def stream(self) -> TextPeer:
        """Where the session writes."""
        return self

    def write(self, data: bytes) -> None:
        """Send lines, when the datagram that is being answered is done with."""
        if not self._outbox.put(data, self.credit):
            self._relay.counters["held-dropped"] += 1
        elif not self._running and not self.session.busy:
            self.flush()

    def flush(self) -> None:
        """Send what waits; as much as the peer may be sent."""
        for data in self._outbox.datagrams(self.credit, self.line_end):
            self.send(data)

    def room_line(self, forms: Forms) -> None:
        """Send a line of a room to a peer that is not validated, if it may be."""
        data = forms[self.form]
        if self._challenged >= 0 and self.credit.take(len(data)):
            self.send(data)
        else:
            self._relay.counters["no-credit"] += 1

    def challenge(self, now: float, end: bytes) -> None:
        """
        Ask for a proof that it reads there, if it was not asked lately.

        @param end: How it ends its lines.
        """
        relay = self._relay
        if now - self._challenged < CHALLENGE_INTERVAL:
            return
        code = relay.tokens.code(self.host, self.port, now)
        data = admission.challenge(code, self.credit.left, end)
        if (
            data is not None
            and relay.may_answer(self.host, now)
            and self.credit.take(len(data))
        ):
            self._challenged = now
            self.send(data)

    def prove(self, *, told: bool = False) -> None:
        """
        It reads at its address: send what waits for that.

        @param told: Whether it has been told something just now.
        """
        self._proven = self.credit.validated = True
        self._relay.limited.discard(self)
        self._relay.peers.validate(self)
        if not self._outbox and not told:
            self.session.note("you are in")
        if not self.session.busy:
            self.flush()

    def move(
        self,
        key: tuple[int, Address],
        sendto: Callable[[bytes, Any], object],
        to: Any,
        batch: Batch | None,
    ) -> None:
        """It has another address now; the table is told by the caller."""
        super().move(key, sendto, to, batch)
        self._proven = False  # not at this address

    # The rest of the session's connection.

    def pending(self) -> int:
        """Nothing waits: what a socket takes is gone."""
        return 0

    def end(self) -> None:
        """The session is over: send the last words, and forget the peer."""
        self.flush()
        self.forget()
        self.session.lost("Quit")

    def cut(self) -> None:
        """The session is over."""
        self._relay.reactor.callLater(0, self.gone, "Connection lost")

    def gone(self, reason: str) -> None:
        """
        The peer is there no more.

        @param reason: What the others are told.
        """
        if self._relay.peers.get(self.key) is self:
            self.forget()
            self.session.lost(reason)

    def forget(self) -> None:
        """Take it out of all tables."""
        relay = self._relay
        relay.peers.remove(self)
        relay.limited.discard(self)
        if self.token is not None:
            relay.resumable.pop(self.token, None)
        relay.introducer.gone(self.session)
        self._queue.clear()
        self._works.cancel()

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """Do some work; see L{Works.run}."""
        self._works.run(work, seconds, done)

    def failed(self, error: Exception) -> None:
        """Report a mistake of ours."""
        _log.failure(
            "while doing what a peer asked", Failure(error), event="internal-error"
        )

    def source(self) -> str | bytes:
        """Give what it counts as, for budgets."""
        return source_key(self.host)
