"""The backend's end of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import Protocol
from zope.interface import implementer

if TYPE_CHECKING:
    from netsvc.balance.session import Session


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class FarEnd(Protocol):
    """The backend's end of a session, which lets the session decide."""

    transport: Any

    def __init__(self, session: Session, secure: bool) -> None:
        """
        @param session: Whose it is.
        @param secure: Whether there is TLS below.
        """
        self._session: Session | None = session
        self._secure = secure

    def forget(self) -> None:
        """Tell the session no more; end, if there is a connection."""
        self._session = None
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionMade(self) -> None:
        """The connection is there."""
        if self._session is None:
            self.transport.abortConnection()
        elif not self._secure:
            self._session.far_connected()

    def handshakeCompleted(self) -> None:
        """So is TLS."""
        if self._session is not None:
            self._session.far_connected()

    def dataReceived(self, data: bytes) -> None:
        """Copy."""
        if self._session is not None:
            self._session.far_received(data)

    def readConnectionLost(self) -> None:
        """The backend has sent all."""
        if self._session is not None:
            self._session.output_ended()

    def writeConnectionLost(self) -> None:
        """The backend knows that the client has sent all."""

    def connectionLost(self, reason: Any = None) -> None:
        """The connection is gone."""
        session, self._session = self._session, None
        if session is not None:
            session.far_lost(reason)
