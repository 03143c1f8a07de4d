"""
The connections of IRC clients: bytes between a transport and a session.

What is said and done is in L{netsvc.chat.irc.session}; here are the transport's sides:
reading and not reading, TLS, certificates, the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet import defer, error, task
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.link import Peer, Work
from netsvc.chat.irc.session import IrcSession
from netsvc.daemon.connections import Connections, ServiceFactory, ServiceProtocol
from netsvc.multiplex import pending

#: What may keep a connection from being read, as bits.
_OUTPUT: Final = 1  # its peer does not take what is sent
_INPUT: Final = 2  # what came is not done yet


@implementer(IHalfCloseableProtocol, IPushProducer)
class IrcProtocol(ServiceProtocol):
    """
    One IRC connection; its session's L{Link<netsvc.chat.irc.link.Link>}.

    @ivar session: What it is about; C{None} until TLS's handshake is done.
    """

    _log = Logger()

    factory: IrcFactory
    session: IrcSession | None = None
    _held = 0
    _work: defer.Deferred[None] | None = None

    # For the transport.

    def connectionMade(self) -> None:
        """Begin a session, at once or after the handshake."""
        super().connectionMade()
        self.transport.registerProducer(self, True)
        if self._handshaking:
            # Ask for a certificate, and take any: SASL EXTERNAL knows the good ones.
            self.transport.getHandle().set_verify(SSL.VERIFY_PEER, _take_any)
        else:
            self._begin(Peer(self.host, self.factory.secure))

    def handshakeCompleted(self) -> None:
        """The TLS handshake is done: it is known who connects, and to whom."""
        super().handshakeCompleted()
        if self.session is None:
            certificate = self.transport.getPeerCertificate()
            fingerprint = None
            if certificate is not None:
                hexadecimal = certificate.digest("sha256").decode("ascii")
                fingerprint = hexadecimal.replace(":", "").lower()
            name = self.transport.getHandle().get_servername() or b""
            sts = name.decode("ascii", "replace").lower() in self.factory.sts_names
            self._begin(Peer(self.host, True, fingerprint, sts))

    def _begin(self, peer: Peer) -> None:
        self.session = IrcSession(self.factory.frontend, self, peer)

    def dataReceived(self, data: bytes) -> None:
        """Let the session take what came."""
        self.received += len(data)
        if self.session is not None:
            self.session.receive(data)

    def readConnectionLost(self) -> None:
        """The client has sent all: answer it, then close."""
        if self.session is None:
            super().close()
        else:
            self.session.intake.end()

    def writeConnectionLost(self) -> None:
        """Our half is only ever closed with the whole."""

    def connectionLost(self, reason: Any = None) -> None:
        """The connection has ended: its user leaves."""
        session = self.session
        if session is not None:
            clean = reason is None or reason.check(error.ConnectionDone)
            session.lost("Connection closed" if clean else "Connection lost")
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        super().connectionLost(reason)

    def describe(self) -> str:
        """Say who it is."""
        member = None if self.session is None else self.session.member
        return "irc" if member is None else f"irc {member.nick}"

    def close(self) -> None:
        """Say good-bye, and close when what was written is sent."""
        if self.session is None or self.session.closing:
            self.lose()
        else:
            self.session.close("Connection closed by the server")

    # The transport's producer: it is full, or not.

    def pauseProducing(self) -> None:
        """The peer does not take what is sent: do not read either."""
        if self.session is not None:
            self.session.pause()
        self._hold(_OUTPUT)

    def resumeProducing(self) -> None:
        """The peer has taken it."""
        if self.session is not None:
            self.session.resume()
        self._release(_OUTPUT)

    def stopProducing(self) -> None:
        """The transport is gone."""

    # The session's link.

    @property
    def stream(self) -> Any:
        """Where the session writes."""
        return self.transport

    def pending(self) -> int:
        """Give the bytes that the peer has not taken."""
        return pending(self.transport)

    def lose(self) -> None:
        """Close the connection when what was written is sent."""
        if not self._closing:
            # While it has a producer, a transport does not end.
            self.transport.unregisterProducer()
        super().close()

    def hold(self) -> None:
        """Do not read: there is enough to do."""
        self.held = True
        self._hold(_INPUT)

    def release(self) -> None:
        """Read again."""
        self.held = False
        self._release(_INPUT)

    def _hold(self, why: int) -> None:
        self._held |= why
        self.transport.pauseProducing()

    def _release(self, why: int) -> None:
        self._held &= ~why
        if not self._held:
            self.transport.resumeProducing()

    def later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Call something later; cancelling what was called does nothing."""
        return _Timer(self.factory.reactor.callLater(seconds, call))

    def sleep(self, seconds: float) -> defer.Deferred[None]:
        """Give what is done after that time."""
        return task.deferLater(self.factory.reactor, seconds)

    def run(
        self, work: Work, seconds: float, done: Callable[[Exception | None], None]
    ) -> None:
        """Do some work; say when it is done, perhaps at once."""
        deferred = defer.Deferred.fromCoroutine(work)
        if not deferred.called:
            self._work = deferred
            deferred.addTimeout(seconds, self.factory.reactor)
        deferred.addCallbacks(lambda _: None, self._error)
        deferred.addCallback(self._done, done)

    def _done(
        self, wrong: Exception | None, done: Callable[[Exception | None], None]
    ) -> None:
        self._work = None
        done(wrong)

    def _error(self, failure: Failure) -> Exception | None:
        """What went wrong with some work."""
        if failure.check(defer.TimeoutError):
            return TimeoutError()
        if failure.check(defer.CancelledError):
            return None  # the connection is gone
        value = failure.value
        return value if isinstance(value, Exception) else RuntimeError(repr(value))

    def failed(self, error: Exception) -> None:
        """Log a mistake of ours: the connection goes on."""
        self._log.failure(
            "in a command of an IRC client", Failure(error), event="internal-error"
        )


def _take_any(*certificate: Any) -> bool:
    """Take a certificate, whoever made it."""
    return True


class _Timer:
    """A delayed call that may be cancelled at any time."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:
        self._call = call

    def cancel(self) -> None:
        """Do not call it, if it was not."""
        if self._call.active():
            self._call.cancel()


class IrcFactory(ServiceFactory):
    """
    Makes the connections of one listen string.

    @ivar frontend: What all of them share.
    @ivar reactor: Gives the time.
    @ivar sts_names: The names by which clients that connect with TLS may note that
        (STS), in lower case.
    """

    def __init__(
        self,
        connections: Connections,
        transport: str,
        frontend: IrcFrontend,
        reactor: Any,
    ) -> None:
        """
        @param connections: What watches them.
        @param transport: C{tcp}, C{tls} or C{unix}.
        @param frontend: See the class.
        @param reactor: See the class.
        """
        super().__init__(connections, transport)
        self.frontend = frontend
        self.reactor = reactor

    @property
    def sts_names(self) -> frozenset[str]:
        """See the class."""
        return self.frontend.config.sts_names

    def make(self) -> IrcProtocol:
        """Make a connection's protocol."""
        protocol = IrcProtocol()
        protocol.factory = self
        return protocol
