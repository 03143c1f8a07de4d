"""The connections of people who type names."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.daemon.connections import Connections, ServiceFactory, ServiceProtocol
from netsvc.dns.errors import InvalidName, LookupFailed
from netsvc.dns.forwarder.engine import Forwarder
from netsvc.dns.line.reader import MAX_LINE, TOO_LONG, LineReader
from netsvc.dns.line.request import Help, LineRequest, Quit, parse_line
from netsvc.dns.line.text import GREETING, HELP, answer_lines

#: Lines that may wait for their answers; more are not read.
MAX_WAITING: Final = 100

# What may keep a connection from being read, as bits.
_OUTPUT: Final = 1
_BUSY: Final = 2


@implementer(IHalfCloseableProtocol, IPushProducer)
class LineProtocol(ServiceProtocol):
    """One connection: lines are answered in their order, one after the other."""

    factory: LineFactory
    _held = 0
    _ended = False
    _gone = False
    _working = False
    _beats = 0
    _asking: Any = None

    _log = Logger()

    def connectionMade(self) -> None:
        """Greet, unless a TLS handshake has to be done before."""
        super().connectionMade()
        self._reader = LineReader()
        self._waiting: deque[str | None] = deque()
        self.transport.registerProducer(self, True)
        if not self._handshaking:
            self._begin()

    def handshakeCompleted(self) -> None:
        """Greet."""
        super().handshakeCompleted()
        self._begin()

    def _begin(self) -> None:
        if self.factory.forwarder.access.allows(self.host):
            self._say(GREETING)
        else:
            self.factory.counts["prohibited"] += 1
            self._say(["This service does not serve your address."])
            self.close()

    def dataReceived(self, data: bytes) -> None:
        """Take lines."""
        self.received += len(data)
        if not self._closing:
            self._add(self._reader.feed(data))

    def readConnectionLost(self) -> None:
        """The client has sent all: it is closed when all is answered."""
        self._ended = True
        self._add(self._reader.finish())

    def writeConnectionLost(self) -> None:
        """Our half is only ever closed with the whole."""

    def connectionLost(self, reason: Any = None) -> None:
        """The connection has ended."""
        self._gone = True
        self._waiting.clear()
        if self._asking is not None:
            self._asking.cancel()
        super().connectionLost(reason)

    def close(self) -> None:
        """Close the connection when what was written is sent."""
        if not self._closing:
            # While it has a producer, a transport does not end.
            self.transport.unregisterProducer()
        super().close()

    def progress(self) -> int:
        """Give a number that changes; while a line is being answered it always does."""
        if self._asking is not None:
            self._beats += 2
        return super().progress() + self._beats

    # Lines.

    def _add(self, lines: Iterable[str | None]) -> None:
        self._waiting.extend(lines)
        if len(self._waiting) >= MAX_WAITING:
            self._hold(_BUSY)
        self._go_on()

    def _go_on(self) -> None:
        """Answer the lines that wait, until one has to be asked for."""
        if self._working:
            return  # an answer that was there at once has made it call here
        self._working = True
        while self._waiting and self._asking is None and not self._stopped:
            self._answer(self._waiting.popleft())
        self._working = False
        if self._gone or self._closing:
            return
        if len(self._waiting) < MAX_WAITING:
            self._release(_BUSY)
        if self._ended and self._asking is None and not self._waiting:
            self.close()

    @property
    def _stopped(self) -> bool:
        return self._gone or self._closing or bool(self._held & _OUTPUT)

    def _answer(self, line: str | None) -> None:
        factory = self.factory
        factory.counts["lines"] += 1
        if line is TOO_LONG:
            self._say([f"That line is too long: {MAX_LINE} bytes are the most."])
            return
        try:
            request = parse_line(line)
        except Help:
            self._say(HELP)
        except Quit:
            self.close()
        except InvalidName as error:
            self._say([f"I do not understand: {error}"])
        else:
            if factory.forwarder.admits(self.host, factory.forwarder.now()):
                self._ask(request)
            else:
                factory.counts["rate-limited"] += 1
                self._say(["Too many questions; wait a moment."])

    def _ask(self, request: LineRequest) -> None:
        lookup = self.factory.forwarder.lookup
        asked = [lookup(question) for question in request.questions]
        asking: Any = defer.DeferredList(asked, consumeErrors=True)
        self._asking = asking  # before the answers, which may be there already
        asking.addCallback(self._answered, request)
        asking.addErrback(self._mistaken)

    def _answered(self, outcomes: Any, request: LineRequest) -> None:
        self._asking = None
        if self._gone:
            return
        found = []
        for _, outcome in outcomes:
            if isinstance(outcome, Failure):
                outcome.trap(LookupFailed)
                outcome = outcome.value
            found.append(outcome)
        self._say(answer_lines(request, found))
        self._go_on()

    def _mistaken(self, failure: Failure) -> None:
        """The mistake is ours."""
        self._asking = None
        self._log.failure("while answering a line", failure, event="internal-error")
        self._say(["Something went wrong here."])
        self._go_on()

    def _say(self, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\r\n" for line in lines)
        self.transport.write(text.encode("utf-8", "replace"))

    # Not reading.

    def pauseProducing(self) -> None:
        """Do not read: the client does not take what is sent."""
        self._hold(_OUTPUT)

    def resumeProducing(self) -> None:
        """The client has taken it."""
        self._release(_OUTPUT)
        self._go_on()

    def stopProducing(self) -> None:
        """The transport is gone."""

    def _hold(self, why: int) -> None:
        self._held |= why
        if not self._ended and not self._closing:
            self.transport.pauseProducing()

    def _release(self, why: int) -> None:
        if not self._held & why:
            return
        self._held &= ~why
        if not self._held and not self._ended and not self._closing:
            self.transport.resumeProducing()


class LineFactory(ServiceFactory):
    """
    Makes the connections of one listen string.

    @ivar forwarder: Looks names up.
    @ivar counts: C{lines}, C{prohibited}, C{rate-limited}.
    """

    def __init__(
        self, connections: Connections, transport: str, forwarder: Forwarder
    ) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        @param forwarder: Looks names up.
        """
        super().__init__(connections, transport)
        self.forwarder = forwarder
        self.counts: Counter[str] = Counter()

    def make(self) -> LineProtocol:
        """Make a connection's protocol."""
        protocol = LineProtocol()
        protocol.factory = self
        return protocol
