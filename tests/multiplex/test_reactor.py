"""Tests of L{netsvc.multiplex.reactor}: what of a reactor is the multiplexer's."""

from __future__ import annotations

import select
import socket

from twisted.internet.error import UnsupportedAddressFamily
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.multiplex import Multiplexer, multiplexed
from netsvc.multiplex import reactor as reactor_module
from tests.multiplex.fakes import MultiplexTestCase


class MultiplexedTests(SynchronousTestCase):
    """Tests of L{multiplexed}."""

    def test_one_for_each_reactor(self) -> None:
        """A reactor has one multiplexer, which is its own."""
        one, other = MemoryReactorClock(), MemoryReactorClock()
        mux = multiplexed(one)
        self.assertIsInstance(mux, Multiplexer)
        self.assertIs(multiplexed(one), mux)
        self.assertIs(multiplexed(mux), mux)
        self.assertIsNot(multiplexed(other), mux)

    def test_global_reactor(self) -> None:
        """Without an argument it is the multiplexer of the global reactor."""
        from twisted.internet import reactor

        self.assertIs(multiplexed(), multiplexed(reactor))

    def test_without_epoll(self) -> None:
        """Where the system has no epoll the reactor is its own multiplexer."""

        class NoSelect:
            """A select module without epoll."""

        self.patch(reactor_module, "select", NoSelect)
        reactor = MemoryReactorClock()
        self.assertIs(multiplexed(reactor), reactor)
        self.assertTrue(hasattr(select, "epoll"))

    def test_interfaces(self) -> None:
        """The multiplexer provides what its reactor provides."""
        mux = multiplexed(MemoryReactorClock())
        for interface in (IReactorTCP, IReactorTime):
            self.assertTrue(interface.providedBy(mux))
        self.assertFalse(IReactorTCP.providedBy(multiplexed(Bare())))

    def test_everything_else(self) -> None:
        """Time, names, processes and the rest are the reactor's."""
        reactor = MemoryReactorClock()
        mux = multiplexed(reactor)
        calls: list[str] = []
        mux.callLater(1, calls.append, "called")
        reactor.advance(1)
        self.assertEqual((calls, mux.seconds()), (["called"], 1))
        self.assertEqual(mux.addSystemEventTrigger, reactor.addSystemEventTrigger)
        self.assertRaises(AttributeError, getattr, mux, "no_such_thing")


class Bare:
    """A reactor that provides no interface."""


class AdoptionTests(MultiplexTestCase):
    """Tests of C{adoptStreamPort} and its like."""

    def test_unsupported(self) -> None:
        """Only internet sockets, and UNIX stream sockets, can be adopted."""
        near, _ = self.sockets()
        fd = near.fileno()
        family = socket.AF_PACKET
        factory, protocol = Factory(), DatagramProtocol()
        for adopt, what in (
            (self.mux.adoptStreamPort, factory),
            (self.mux.adoptStreamConnection, factory),
            (self.mux.adoptDatagramPort, protocol),
        ):
            self.assertRaises(UnsupportedAddressFamily, adopt, fd, family, what)
        self.assertRaises(
            UnsupportedAddressFamily,
            self.mux.adoptDatagramPort,
            fd,
            socket.AF_UNIX,
            protocol,
        )
