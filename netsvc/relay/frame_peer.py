"""One session of C{netsvc chat} at the relay, with the channel that carries it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.chat.line.intake import LineIntake
from netsvc.chat.line.link import Peer, Timer, Work
from netsvc.chat.line.refusals import sentence
from netsvc.chat.line.session import LineSession
from netsvc.chat.line.works import Works
from netsvc.daemon.limits import Rate, RateTable
from netsvc.relay import frames
from netsvc.relay.channel import END, NEVER, TEXT, Channel, Timing
from netsvc.relay.frames import Gone, Packet
from netsvc.relay.introductions import Address, Answer, Ask, Notice, decode, encode

if TYPE_CHECKING:
    from netsvc.relay.frame_peers import FramePeers

LINGER: Final = 5.0
"""Seconds that the last lines of a session may take to arrive."""

GIVE_UP: Final = 60.0
"""Seconds without any answer after which a peer is gone."""

MAX_QUEUE: Final = 8 * 2**20
"""Bytes that may wait for a peer; the frontend's own limit is reached before."""

ASKS: Final = Rate(1, 20)
"""How often one session may ask to be introduced."""

HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = 16 * 1024
"""Bytes that wait for a peer when it counts as slow, and when no more."""

SIGN_OF_LIFE: Final = 15.0
"""Seconds after which a client gives a sign of life by itself."""


class FramePeer:
    """
    One session's side of the channel: its L{Link<netsvc.chat.line.link.Link>}.

    @ivar address: Where it is.
    @ivar nonce: By which the client began.
    @ivar name: The session's name.
    @ivar send: Sends a datagram to its address.
    @ivar resume: With what it can be moved.
    @ivar channel: Carries the lines.
    @ivar validated: That the address is real.
    """

    validated = True
    _log = Logger()

    def __init__(
        self,
        peers: FramePeers,
        address: Address,
        nonce: bytes,
        name: bytes,
        send: Callable[[bytes], object],
    ) -> None:
        """
        Begin.

        @param peers: All of them.
        """
        relay = peers.relay
        self._peers = peers
        self.source = self.address = address
        self.nonce = nonce
        self.name = name
        self.send = send
        self.resume = peers.random(frames.TOKEN)
        silence = relay.peer_timeout
        # A client does not know how patient the relay is: it is asked in time.
        keepalive = 0.0 if silence >= 3 * SIGN_OF_LIFE else silence / 3
        timing = Timing(keepalive=keepalive, give_up=GIVE_UP, silence=silence)
        self.channel = Channel(relay.reactor.seconds(), timing, MAX_QUEUE)
        self._works = Works(relay.reactor)
        self._asks = RateTable(ASKS, 1)
        self._cut_at = NEVER
        self._is_over = self._is_slow = False
        self.session = LineSession(peers.frontend, self, Peer(address[0]))
        self._intake = LineIntake(self.session, self)

    def begin(self) -> None:
        """Greet."""
        self._intake.begin()
        self._peers.soon(self)

    def packet(self, data: bytes, now: float) -> None:
        """Take a packet of the channel."""
        if self.channel.receive(data, now):
            self.take()
        else:
            self._peers.relay.counters["frames-junk"] += 1
        self.go_on()

    def take(self) -> None:
        """Carry out what has come, as far as the session takes it."""
        for kind, data in self.channel.events():
            if kind == TEXT:
                self._intake.feed(data)
            elif kind == END:
                self._intake.end()
            else:
                self._told(decode(data))

    def _told(self, notice: Notice | None) -> None:
        """Take what the client's program has to say."""
        peers, session = self._peers, self.session
        now = peers.relay.reactor.seconds()
        if not isinstance(notice, Ask) or not self._asks.allow("", now):
            peers.relay.counters["frames-junk"] += 1
            return
        if session.closing or session.member is None:
            return
        refused = False
        try:
            text: str | None = peers.relay.introducer.request(session, notice.nick)
        except Exception as error:
            refused, text = True, sentence(error)
            if text is None:
                self.failed(error)
                text = "something went wrong, and was reported"
        if text:
            self.notify(Answer(notice.nick, refused, text))

    def go_on(self) -> None:
        """Send what is to be sent now, and see when to look again."""
        if self._is_over:
            return
        peers, channel = self._peers, self.channel
        now = peers.relay.reactor.seconds()
        for packet in channel.packets(now):
            self.send(frames.encode(Packet(self.name, packet)))
        if self._is_slow and channel.queued < LOW_WATER:
            self._is_slow = False
            self.session.resume()
        if channel.finished:
            peers.drop(self, "Connection closed")
        elif channel.ended is not None or now >= self._cut_at:
            self.send(frames.encode(Gone(self.name)))
            peers.drop(self, "Ping timeout")
        else:
            peers.alarms.set(self, min(channel.next_at(), self._cut_at))

    def lost(self, reason: str) -> None:
        """Take that it is over."""
        if not self._is_over:
            self._is_over = True
            self._peers.relay.introducer.gone(self.session)
            self._intake.lost(reason)
            self._works.cancel()

    def notify(self, notice: Notice) -> None:
        """Tell the client's program something."""
        self.channel.message(encode(notice))
        self._peers.soon(self)

    # The session's link.

    @property
    def stream(self) -> FramePeer:
        """Where it writes."""
        return self

    def write(self, data: bytes) -> None:
        """Write lines."""
        if not self._is_over:
            self.channel.write(data)
            if not self._is_slow and self.channel.queued > HIGH_WATER:
                self._is_slow = True
                self.session.pause()
            self._peers.soon(self)

    def pending(self) -> int:
        """Give the bytes that the peer has not taken."""
        return self.channel.pending

    def end(self) -> None:
        """End when what was written has arrived, within L{LINGER}."""
        self.channel.finish()
        self._cut_at = self._peers.relay.reactor.seconds() + LINGER
        self._peers.soon(self)

    def cut(self) -> None:
        """End in the next turn."""
        self._cut_at = 0.0
        self._peers.soon(self)

    def hold(self) -> None:
        """Do not read."""
        self.channel.hold()

    def release(self) -> None:
        """Read again."""
        self.channel.release()
        self._peers.relay.reactor.callLater(0, self._again)

    def _again(self) -> None:
        if not self._is_over:
            self.take()
            self.go_on()

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something later."""
        return _Later(self._peers.relay.reactor.callLater(seconds, call))

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """Do some work; it is cancelled when it takes too long, or nobody waits."""
        self._works.run(work, seconds, done)

    def failed(self, error: Exception) -> None:
        """Report a mistake of ours."""
        self._log.failure(
            "while doing what a peer asked", Failure(error), event="internal-error"
        )


class _Later:
    """A delayed call that may be cancelled at any time."""

    __slots__ = ("_call",)

    def __init__(self, call: IDelayedCall) -> None:
        self._call = call

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()
