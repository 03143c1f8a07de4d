"""
The listening sockets of a service: bound before it starts, or not at all.

Everything is bound in C{privilegedStartService}, so that ports below 1024 work
with C{twistd --uid}, and so that a port in use ends the process with one line
and status 1 instead of leaving it running without a listener.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import Error as SSLError
from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError, InvalidAddressError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from netsvc.daemon.lifecycle import refuse
from netsvc.daemon.listen import Listen, show
from netsvc.multiplex import multiplexed
from netsvc.multiplex.datagram import MAX_DATAGRAM

#: Makes the factory of a stream, given its transport (C{tcp}, C{tls}, C{unix}).
StreamFactory = Callable[[str], IProtocolFactory]

#: Makes the protocol of a UDP port.
DatagramFactory = Callable[[], Any]


class ListenError(Exception):
    """A listen string could not be bound; its text is one line for operators."""


def _reason(listen: Listen, error: BaseException) -> str:
    """Say in a few words why something could not be bound."""
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, OSError) and error.strerror:
        # Of a UNIX socket's lock it is a process id.
        named = isinstance(error.filename, str) and listen.kind != "unix"
        return error.strerror + (f": {error.filename}" if named else "")
    if listen.kind == "systemd" and isinstance(error, LookupError):
        return "systemd has passed no such socket"
    if isinstance(error, (CryptoError, SSLError)):
        # A list of library, function and reason; the last one is the outermost.
        reasons = [each[-1] for each in error.args[0]] if error.args else []
        return f"its key or certificate cannot be used ({', '.join(reasons[-1:])})"
    if isinstance(error, InvalidAddressError):
        return f"'{error.address}' is no IPv4 or IPv6 address"
    return str(error) or type(error).__name__


class _Adopter:
    """
    Stands in for the reactor under C{systemd:} endpoints, which know streams
    only: what kind a socket is, is asked of the socket.
    """

    def __init__(self, mux: Any, datagram: DatagramFactory) -> None:
        self._mux = mux
        self._datagram = datagram

    def adoptStreamPort(self, fd: int, family: int, factory: Any) -> Any:
        """Listen on the unit's socket, stream or datagram."""
        with socket.socket(fileno=os.dup(fd)) as skt:
            family, kind = skt.family, skt.type
        if kind == socket.SOCK_DGRAM:
            return self._mux.adoptDatagramPort(
                fd, family, self._datagram(), MAX_DATAGRAM
            )
        return self._mux.adoptStreamPort(fd, family, factory)


def _name(address: Any) -> str:
    """Show an address as it is usually written."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None or port is None:
        name = getattr(address, "name", b"") or b""
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return show(host, port)


def _check_certificates(listen: Listen) -> None:
    """
    Refuse a C{tls:} string without certificates: Twisted would listen, and fail
    every handshake.

    @raise ListenError: if its directory has none.
    """
    path = listen.arguments[0] if listen.arguments else listen.named.get("path", "")
    if not any(Path(path).glob("*.pem")):
        raise ListenError(
            f"there is no certificate, *.pem, in the directory '{path}'"
            " (for a key and a certificate in two files use ssl:)"
        )


class Listeners(Service):
    """
    Binds listen strings and holds the ports.

    @ivar ports: The bound ports, in the order of the strings.
    """

    _log = Logger()

    def __init__(
        self,
        service: str,
        listens: Sequence[Listen],
        stream: StreamFactory,
        datagram: DatagramFactory,
        reactor: Any = None,
    ) -> None:
        """
        @param service: The service's name, for messages.
        @param listens: What to bind.
        @param stream: Makes a factory for each stream.
        @param datagram: Makes a protocol for each UDP port.
        @param reactor: The reactor; by default the global one.
        """
        self._service = service
        self._listens = listens
        self._stream = stream
        self._datagram = datagram
        self._reactor = reactor
        self.ports: list[IListeningPort] = []
        self._closed: list[IListeningPort] = []

    @property
    def turned_away(self) -> int:
        """How many connections were closed for want of a descriptor so far."""
        ports = self._closed + self.ports
        return sum(getattr(port, "refused", 0) for port in ports)

    def privilegedStartService(self) -> None:
        """
        Bind everything.

        @raise SystemExit: If anything cannot be bound: with the line for
            stderr, which makes the exit status 1. Nothing is left bound.
        """
        super().privilegedStartService()
        if self.ports:
            return
        mux = multiplexed(self._reactor)
        for listen in self._listens:
            try:
                self.ports.append(self._bind(mux, listen))
            except Exception as e:
                self.stop_listening()
                refuse(
                    f"{self._service}: cannot listen on {listen}: {_reason(listen, e)}"
                )

    def startService(self) -> None:
        """Bind (C{twist} has no privileged phase), and say what is bound."""
        self.privilegedStartService()
        super().startService()
        for listen, port in zip(self._listens, self.ports, strict=True):
            self._log.info(
                "{service} listens on {listen} ({address})",
                service=self._service,
                listen=str(listen),
                address=_name(port.getHost()),
                event="listening",
            )

    def _bind(self, mux: Any, listen: Listen) -> Any:
        """Bind one listen string."""
        if listen.kind == "udp":
            interface = listen.named.get("interface", "")
            return mux.listenUDP(listen.port, self._datagram(), interface, MAX_DATAGRAM)
        reactor = _Adopter(mux, self._datagram) if listen.kind == "systemd" else mux
        if listen.kind == "tls":
            _check_certificates(listen)
        endpoint = serverFromString(reactor, listen.endpoint)
        bound: list[Any] = []
        endpoint.listen(self._stream(listen.transport)).addBoth(bound.append)
        if not bound:
            raise ListenError("it does not bind at once")
        if isinstance(bound[0], Failure):
            bound[0].raiseException()
        return bound[0]

    def stop_listening(self) -> defer.Deferred[Any]:
        """
        Close all ports; what is connected stays connected.

        @return: A Deferred that fires when they are closed.
        """
        ports, self.ports = self.ports, []
        self._closed += ports
        return defer.DeferredList(
            [defer.maybeDeferred(port.stopListening) for port in ports],
            consumeErrors=True,
        )

    def stopService(self) -> defer.Deferred[Any]:
        """Close all ports."""
        super().stopService()
        return self.stop_listening()
