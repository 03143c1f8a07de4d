"""
How one listen string becomes a port.

TCP goes through the multiplexer, whatever is above it: Twisted's endpoint strings
are read by Twisted, with the multiplexer as their reactor. What a string puts
between a port and a service (TLS, for the most part) can be made again without
binding anything, for a port that is bound already: L{Binder.layered}.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import Error as SSLError
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError, InvalidAddressError
from twisted.internet.interfaces import IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from netsvc.daemon.listen import Listen, show
from netsvc.multiplex.datagram import MAX_DATAGRAM

#: Makes the protocol of a UDP port.
DatagramFactory = Callable[[], Any]


class ListenError(Exception):
    """A listen string could not be bound; its text is one line for operators."""


def reason(listen: Listen, error: BaseException) -> str:
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


def name_of(address: Any) -> str:
    """Show an address as it is usually written."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None or port is None:
        name = getattr(address, "name", b"") or b""
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return show(host, port)


class _Adopter:
    """
    Stands in for the reactor under C{systemd:} endpoints, which know streams
    only: what kind a socket is, is asked of the socket.

    @ivar datagrams: The protocol, if it was a UDP socket.
    """

    def __init__(self, mux: Any, datagram: DatagramFactory) -> None:
        self._mux = mux
        self._datagram = datagram
        self.datagrams: Any = None

    def adoptStreamPort(self, fd: int, family: int, factory: Any) -> Any:
        """Listen on the unit's socket, stream or datagram."""
        with socket.socket(fileno=os.dup(fd)) as skt:
            family, kind = skt.family, skt.type
        if kind == socket.SOCK_DGRAM:
            self.datagrams = self._datagram()
            return self._mux.adoptDatagramPort(fd, family, self.datagrams, MAX_DATAGRAM)
        return self._mux.adoptStreamPort(fd, family, factory)


class _Catcher:
    """
    Stands in for the reactor under an endpoint that shall bind nothing.

    @ivar caught: What the port would have served; L{None} so far.
    """

    def __init__(self, mux: Any) -> None:
        self._mux = mux
        self.caught: Any = None

    def __getattr__(self, name: str) -> Any:
        """Everything else is the reactor's."""
        return getattr(self._mux, name)

    def listenTCP(self, port: int, factory: Any, *more: Any, **named: Any) -> None:
        """Keep what would be served."""
        self.caught = factory

    listenUNIX = listenTCP

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, *more: Any, **named: Any
    ) -> None:
        """Keep what would be served, with its TLS."""
        self.caught = TLSMemoryBIOFactory(contextFactory, False, factory)


def _check_certificates(listen: Listen) -> None:
    """
    Refuse a C{tls:} string without certificates, or with one that is broken: Twisted
    would listen, and fail handshakes or show another one's certificate.

    @raise ListenError: Its directory has none, or what cannot be used.
    """
    path = listen.arguments[0] if listen.arguments else listen.named.get("path", "")
    paths = sorted(each for each in Path(path).glob("**/*.pem") if each.is_file())
    if not paths:
        raise ListenError(
            f"there is no certificate, *.pem, in the directory '{path}'"
            " (for a key and a certificate in two files use ssl:)"
        )
    # cryptography is loaded by those who use TLS.
    from netsvc.daemon.pem_files import PemError, check_pems, read_pem

    try:
        check_pems(paths, [read_pem(each) for each in paths])
    except PemError as error:
        raise ListenError(str(error)) from None


class Binder:
    """Binds listen strings through a multiplexer."""

    def __init__(self, mux: Any) -> None:
        """@param mux: The multiplexer."""
        self._mux = mux

    def bind(
        self, listen: Listen, stream: IProtocolFactory | None, datagram: DatagramFactory
    ) -> tuple[Any, Any]:
        """
        Bind a listen string.

        @param listen: It.
        @param stream: What serves it, unless it is C{udp:}.
        @param datagram: Makes what serves it if it is of UDP.
        @return: The port, and what serves it.
        @raise Exception: It cannot be bound; L{reason} says why.
        """
        mux = self._mux
        if listen.kind == "udp":
            protocol = datagram()
            interface = listen.named.get("interface", "")
            port = mux.listenUDP(listen.port, protocol, interface, MAX_DATAGRAM)
            return port, protocol
        adopter = _Adopter(mux, datagram)
        if listen.kind == "systemd" and hasattr(mux, "inherited"):
            # In a worker: systemd has passed it to the parent.
            fd = mux.inherited.take("systemd", "", listen.text)
            if fd is not None:
                try:
                    port = adopter.adoptStreamPort(fd, socket.AF_INET, stream)
                finally:
                    os.close(fd)
                return port, adopter.datagrams or stream
        reactor = adopter if listen.kind == "systemd" else mux
        port = self._listen(reactor, listen, stream)
        return port, adopter.datagrams or stream

    def layered(self, listen: Listen, stream: IProtocolFactory) -> Any:
        """
        Make what a port of a stream serves: with TLS, from the files as they are now.

        @param listen: The listen string; it is not bound.
        @param stream: What serves it.
        @raise Exception: It cannot be made; L{reason} says why.
        """
        if listen.kind == "systemd":
            return stream
        catcher = _Catcher(self._mux)
        self._listen(catcher, listen, stream)
        return stream if catcher.caught is None else catcher.caught

    def _listen(self, reactor: Any, listen: Listen, stream: Any) -> Any:
        """Let Twisted's endpoint listen."""
        if listen.kind == "tls":
            _check_certificates(listen)
        endpoint = serverFromString(reactor, listen.endpoint)
        bound: list[Any] = []
        endpoint.listen(stream).addBoth(bound.append)
        if not bound:
            raise ListenError("it does not bind at once")
        if isinstance(bound[0], Failure):
            bound[0].raiseException()
        return bound[0]
