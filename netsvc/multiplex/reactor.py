"""
The multiplexer as a reactor: what listens and connects through it is fast.

L{multiplexed} gives the multiplexer of a reactor. It can be handed to anything
that takes a reactor and listens or connects with it (endpoints, services,
C{serverFromString}): TCP and UDP go through the inner epoll set, and whatever
else is asked of it (time, threads, names, processes) is the reactor's own.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Any

from twisted.internet import error, unix
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import directlyProvides, providedBy

from netsvc.multiplex.crowd import Crowd
from netsvc.multiplex.datagram import MAX_DATAGRAM, DatagramPort
from netsvc.multiplex.epollset import EpollSet
from netsvc.multiplex.inherited import Inherited, UNIXPort
from netsvc.multiplex.listener import BACKLOG, ListeningPort
from netsvc.multiplex.stream import Connector, ServerConnection

_ATTRIBUTE = "_netsvcMultiplexer"


class Multiplexer(EpollSet):
    """
    A reactor whose TCP and UDP transports live in one epoll set.

    Use L{multiplexed} to get the one of a reactor.

    @ivar inherited: Sockets that another process has bound. Who listens on the same
        port gets one, instead of binding.
    @ivar crowd: What the processes have that share such sockets.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: The running reactor.
        """
        super().__init__(reactor)
        self.inherited = Inherited()
        self.crowd: Crowd | None = None
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        """Everything else is the reactor's."""
        return getattr(self._reactor, name)

    # IReactorTCP

    def listenTCP(
        self, port: int, factory: Any, backlog: int = BACKLOG, interface: str = ""
    ) -> Any:
        """Listen; L{twisted.internet.interfaces.IReactorTCP.listenTCP}."""
        fd = self.inherited.take("tcp", interface, port)
        if fd is not None:
            return self._inherit_stream(fd, factory)
        listening = ListeningPort(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30.0,
        bindAddress: Any = None,
    ) -> Connector:
        """Connect; L{twisted.internet.interfaces.IReactorTCP.connectTCP}."""
        connector = Connector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector

    # IReactorSSL

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = BACKLOG,
        interface: str = "",
    ) -> Any:
        """Listen; L{twisted.internet.interfaces.IReactorSSL.listenSSL}."""
        tls = TLSMemoryBIOFactory(contextFactory, False, factory)
        listening = self.listenTCP(port, tls, backlog, interface)
        listening._type = "TLS"
        return listening

    def connectSSL(
        self,
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30.0,
        bindAddress: Any = None,
    ) -> Connector:
        """Connect; L{twisted.internet.interfaces.IReactorSSL.connectSSL}."""
        tls = TLSMemoryBIOFactory(contextFactory, True, factory)
        return self.connectTCP(host, port, tls, timeout, bindAddress)

    # IReactorUNIX: Twisted's own transports, in the set.

    def listenUNIX(
        self,
        address: Any,
        factory: Any,
        backlog: int = BACKLOG,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> Any:
        """Listen; L{twisted.internet.interfaces.IReactorUNIX.listenUNIX}."""
        fd = self.inherited.take("unix", "", address)
        if fd is not None:
            return self._inherit_stream(fd, factory)
        listening: Any = unix.Port(address, factory, backlog, mode, self, wantPID)
        listening.startListening()
        return listening

    def connectUNIX(
        self, address: str, factory: Any, timeout: float = 30, checkPID: bool = False
    ) -> Any:
        """Connect; L{twisted.internet.interfaces.IReactorUNIX.connectUNIX}."""
        connector = unix.Connector(address, factory, timeout, self, checkPID)
        connector.connect()
        return connector

    # IReactorUDP

    def listenUDP(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = MAX_DATAGRAM,
    ) -> Any:
        """Listen; L{twisted.internet.interfaces.IReactorUDP.listenUDP}."""
        fd = self.inherited.take("udp", interface, port)
        if fd is not None:
            try:
                family = _family(fd)
                return self.adoptDatagramPort(fd, family, protocol, maxPacketSize)
            finally:
                os.close(fd)
        listening = DatagramPort(port, protocol, interface, maxPacketSize, self)
        listening.startListening()
        return listening

    # IReactorSocket

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> Any:
        """
        Listen on an inherited socket;
        L{twisted.internet.interfaces.IReactorSocket.adoptStreamPort}.
        """
        listening: Any
        if addressFamily != socket.AF_UNIX:
            self._supported(addressFamily)
        # Whoever opened it may have left it blocking, as systemd does.
        os.set_blocking(fileDescriptor, False)
        if addressFamily == socket.AF_UNIX:
            listening = UNIXPort._fromListeningDescriptor(self, fileDescriptor, factory)
        else:
            listening = ListeningPort._fromListeningDescriptor(
                self, fileDescriptor, addressFamily, factory
            )
        listening.startListening()
        return listening

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> Any:
        """
        Serve an inherited connection;
        L{twisted.internet.interfaces.IReactorSocket.adoptStreamConnection}.
        """
        if addressFamily == socket.AF_UNIX:
            return unix.Server._fromConnectedSocket(fileDescriptor, factory, self)
        self._supported(addressFamily)
        return ServerConnection._fromConnectedSocket(
            fileDescriptor, addressFamily, factory, self
        )

    def adoptDatagramPort(
        self,
        fileDescriptor: int,
        addressFamily: int,
        protocol: Any,
        maxPacketSize: int = MAX_DATAGRAM,
    ) -> Any:
        """
        Listen on an inherited UDP socket;
        L{twisted.internet.interfaces.IReactorSocket.adoptDatagramPort}.
        """
        self._supported(addressFamily)
        os.set_blocking(fileDescriptor, False)
        listening = DatagramPort._fromListeningDescriptor(
            self, fileDescriptor, addressFamily, protocol, maxPacketSize=maxPacketSize
        )
        listening.startListening()
        return listening

    def _inherit_stream(self, fd: int, factory: Any) -> Any:
        """Listen on a socket of which this process has been given a copy."""
        try:
            listening = self.adoptStreamPort(fd, _family(fd), factory)
            listening.crowd = self.crowd
            return listening
        finally:
            os.close(fd)

    @staticmethod
    def _supported(addressFamily: int) -> None:
        """Refuse what is no internet address family."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            raise error.UnsupportedAddressFamily(addressFamily)


def _family(fd: int) -> int:
    """Ask a socket for its address family."""
    with socket.socket(fileno=os.dup(fd)) as skt:
        return skt.family


def multiplexed(reactor: Any = None) -> Any:
    """
    Return the multiplexer of a reactor: always the same one.

    Where the system has no epoll this is the reactor itself, whose transports
    behave in the same way.

    @param reactor: The reactor; by default the global one, which is then
        installed.
    """
    if reactor is None:
        from twisted.internet import reactor
    if isinstance(reactor, Multiplexer) or not hasattr(select, "epoll"):
        return reactor
    mux = getattr(reactor, _ATTRIBUTE, None)
    if mux is None:
        mux = Multiplexer(reactor)
        # On the reactor, so that both are forgotten together.
        setattr(reactor, _ATTRIBUTE, mux)
    return mux
