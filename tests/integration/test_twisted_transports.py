"""
Twisted's own transport tests, run against the multiplexer's transports.

Twisted tests its reactors with classes from which it builds one test case for each
reactor (L{twisted.internet.test.reactormixins.ReactorBuilder}). Here they are built
again over each reactor that runs on Linux, and C{buildReactor} returns the
multiplexer of the reactor. Twisted's older tests use the global reactor: they get
its multiplexer.
"""

from __future__ import annotations

import gc
import inspect
import threading
import unittest
from types import ModuleType
from typing import Any

import pytest
from twisted.internet.test import (
    connectionmixins,
    test_fdset,
    test_tcp,
    test_tls,
    test_udp,
    test_unix,
)
from twisted.python import log
from twisted.test import test_ssl as old_ssl
from twisted.test import test_tcp as old_tcp
from twisted.test import test_udp as old_udp
from twisted.trial.unittest import SynchronousTestCase

from netsvc.multiplex import multiplexed

# Twisted's tests use what Twisted deprecates, and leave sockets to the collector; over
# Twisted's own transports they do the same. (Only pytest reads this.)
pytestmark = pytest.mark.filterwarnings("ignore")

#: The reactors under which each class runs.
REACTORS = [
    "twisted.internet.epollreactor.EPollReactor",
    "twisted.internet.pollreactor.PollReactor",
    "twisted.internet.selectreactor.SelectReactor",
    "twisted.internet.test.reactormixins.AsyncioSelectorReactor",
]

#: Twisted's test builders that concern what the multiplexer offers. (Not UNIX
#: datagrams: they are the reactor's own.)
BUILDERS: list[Any] = [
    test_fdset.ReactorFDSetTestsBuilder,
    test_tcp.TCP4ClientTestsBuilder,
    test_tcp.TCP6ClientTestsBuilder,
    test_tcp.TCPPortTestsBuilder,
    test_tcp.TCPFDPortTestsBuilder,
    test_tcp.TCPConnectionTestsBuilder,
    test_tcp.TCP4ConnectorTestsBuilder,
    test_tcp.TCP6ConnectorTestsBuilder,
    test_tcp.TCPTransportTestsBuilder,
    test_tcp.AdoptStreamConnectionTestsBuilder,
    test_tcp.TestBindAddressBuilder,
    test_tcp.AbortConnectionTests,
    test_tls.SSLClientTestsMixin,
    test_tls.StartTLSClientTestsMixin,
    test_tls.TLSPortTestsBuilder,
    test_tls.AbortSSLConnectionTests,
    test_udp.UDPServerTestsBuilder,
    test_udp.UDPFDServerTestsBuilder,
    test_unix.UNIXTestsBuilder,
    test_unix.UNIXPortTestsBuilder,
    test_unix.UNIXFDPortTestsBuilder,
    test_unix.UNIXAdoptStreamConnectionTestsBuilder,
    test_unix.UnixClientTestsBuilder,
]

#: Twisted's older test cases that listen or connect with the global reactor.
OLD_CASES: list[Any] = [
    old_tcp.ListeningTests,
    old_tcp.LoopbackTests,
    old_tcp.FactoryTests,
    old_tcp.CannotBindTests,
    old_tcp.LocalRemoteAddressTests,
    old_tcp.WriteDataTests,
    old_tcp.ProperlyCloseFilesTests,
    old_tcp.AddressTests,
    old_tcp.LargeBufferTests,
    old_tcp.HalfCloseTests,
    old_tcp.HalfCloseNoNotificationAndShutdownExceptionTests,
    old_tcp.HalfCloseBuggyApplicationTests,
    old_tcp.LogTests,
    old_tcp.PauseProducingTests,
    old_tcp.CallBackOrderTests,
    old_ssl.StolenTCPTests,
    old_ssl.TLSTests,
    old_ssl.SpammyTLSTests,
    old_ssl.BufferingTests,
    old_ssl.ConnectionLostTests,
    old_udp.UDPTests,
    old_udp.ReactorShutdownInteractionTests,
    old_udp.MulticastTests,
    old_udp.MulticastTestsIPv6,
]

#: Twisted's tests that cannot hold of the multiplexer, by the class that defines them,
#: and why. They are taken away from that class.
NOT_APPLICABLE: dict[tuple[Any, str], str] = {
    (connectionmixins.ConnectionTestsMixin, "test_logPrefix"): (
        "asks for the log context during dataReceived: to set one for each event is"
        " what makes the ordinary path slow (the transports have logPrefix)"
    ),
    (test_udp.UDPPortTestsMixin, "test_logPrefix"): ("the same, of datagramReceived"),
    (old_tcp.LoopbackTests, "test_tcpNoDelay"): (
        "expects TCP_NODELAY to be off at first: it is on"
    ),
    (test_fdset.ReactorFDSetTestsBuilder, "test_getReaders"): (
        "adds plain sockets, which are no readers: they have no doRead to look up"
    ),
    (test_fdset.ReactorFDSetTestsBuilder, "test_negativeOneFileDescriptor"): (
        "an open socket whose fileno() turns to -1 is to be noticed: to ask at each"
        " event would cost more than it is worth, and one that is closed leaves the"
        " epoll set by itself"
    ),
    (test_fdset.ReactorFDSetTestsBuilder, "test_lostFileDescriptor"): (
        "skips Twisted's own epoll reactor, by name, for a reason that holds here"
    ),
    (test_tcp.TestBindAddressBuilder, "test_bindAddressLegacyServerDefault"): (
        "finds a port that is free on 127.0.0.1 and binds it on all addresses, where"
        " another test's connection may have it: fails at random"
    ),
}


#: A test that Twisted itself skips in a class that inherits it.
SKIPPED = {(old_udp.MulticastTestsIPv6, "testTTL"): "only IPv4 multicast has a TTL"}


class OverMultiplexer:
    """Makes a reactor-builder test use the multiplexer."""

    def setUp(self) -> Any:
        """
        Keep what was there before out of the collector's way.

        Some of these tests collect garbage: with all of netsvc's tests in memory,
        that would take longer than the tests.
        """
        gc.freeze()
        self.addCleanup(gc.unfreeze)  # type: ignore[attr-defined]
        return super().setUp()  # type: ignore[misc]

    def observe(self) -> list[dict[str, Any]]:
        """
        Return a list to which all that is logged from now on is added.

        Unlike Twisted's own without what other threads log, and what is said of a
        socket that another test has left: some of these tests look at the first line.
        """
        heard: list[dict[str, Any]] = []
        here = threading.get_ident()

        def hear(event: dict[str, Any]) -> None:
            if threading.get_ident() == here and "warning" not in event:
                heard.append(event)

        log.addObserver(hear)
        self.addCleanup(log.removeObserver, hear)  # type: ignore[attr-defined]
        return heard

    def buildReactor(self) -> Any:
        """Return the multiplexer of the reactor that Twisted built."""
        return multiplexed(super().buildReactor())  # type: ignore[misc]


class OverGlobalMultiplexer:
    """Makes a test that imported the global reactor use its multiplexer."""

    module: ModuleType

    def setUp(self) -> Any:
        """Replace the reactor that the test's module has imported."""
        self.patch(self.module, "reactor", multiplexed())  # type: ignore[attr-defined]
        return super().setUp()  # type: ignore[misc]


def take_away() -> None:
    """
    Take away what is not applicable from the classes that define it.

    Not from subclasses made here: trial looks for tests in every base class.
    """
    for owner, name in NOT_APPLICABLE:
        if name in vars(owner):  # not yet
            delattr(owner, name)


def build(builder: Any) -> dict[str, Any]:
    """Return the test cases of one of Twisted's builders, one for each reactor."""
    names = {"__module__": __name__, "_reactors": REACTORS}
    made: Any = type(builder.__name__, (OverMultiplexer, builder), names)
    cases: dict[str, Any] = made.makeTestCaseClasses()
    return cases


def wrap(case: Any) -> dict[str, Any]:
    """Return one of Twisted's older test cases, over the multiplexer."""
    name = f"Old{case.__name__}"
    names: dict[str, Any] = {"__module__": __name__, "module": inspect.getmodule(case)}
    for (owner, test), reason in SKIPPED.items():
        if owner is case:
            names[test] = unittest.skip(f"not applicable: {reason}")(lambda self: None)
    return {name: type(name, (OverGlobalMultiplexer, case), names)}


def cases() -> dict[str, Any]:
    """Return all test cases by their names."""
    take_away()
    found: dict[str, Any] = {}
    for builder in BUILDERS:
        found.update(build(builder))
    for case in OLD_CASES:
        found.update(wrap(case))
    return found


globals().update(cases())


def tearDownModule() -> None:
    """Collect what Twisted's tests have left, while warnings are still ignored."""
    gc.collect()


class SelectionTests(SynchronousTestCase):
    """Tests of which of Twisted's tests run here."""

    def test_not_applicable(self) -> None:
        """What is excluded exists in Twisted, and is in none of the cases."""
        for owner, name in NOT_APPLICABLE:
            self.assertIn(f"    def {name}(self", inspect.getsource(owner))
            subclasses = [
                case
                for case in globals().values()
                if isinstance(case, type) and issubclass(case, owner)
            ]
            self.assertTrue(subclasses, owner)
            for case in subclasses:
                self.assertFalse(hasattr(case, name), (case, name))

    def test_reactors(self) -> None:
        """Each of Twisted's builders runs on each reactor; none skips itself."""
        for builder in BUILDERS:
            for reactor in REACTORS:
                short = reactor.rpartition(".")[2]
                case: Any = globals()[f"{builder.__name__}_{short}Tests"]
                self.assertTrue(issubclass(case, builder))
                self.assertIsNone(getattr(case, "skip", None))
