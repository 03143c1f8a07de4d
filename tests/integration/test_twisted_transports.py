"""
Twisted's own transport tests, run against the multiplexer's transports.

Twisted tests its reactors with classes from which it builds one test case for each
reactor (L{twisted.internet.test.reactormixins.ReactorBuilder}). Here they are built
again over each reactor that runs on Linux, and C{buildReactor} returns the
multiplexer of the reactor. Twisted's older tests use the global reactor: they get
its multiplexer.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from twisted.internet.test import (
    connectionmixins,
    test_fdset,
    test_tcp,
    test_tls,
    test_udp,
    test_unix,
)
from twisted.test import test_ssl as old_ssl
from twisted.test import test_tcp as old_tcp
from twisted.test import test_udp as old_udp
from twisted.trial.unittest import SynchronousTestCase, TestCase

from netsvc.multiplex import multiplexed

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

#: What does not hold of the multiplexer, by the class that defines it, and why.
NOT_APPLICABLE: dict[tuple[Any, str], str] = {}


def take_away(tests: dict[tuple[Any, str], str]) -> None:
    """
    Take tests away from the classes that define them.

    Not from subclasses made here: trial looks for tests in every base class.
    """
    for owner, name in tests:
        if name in vars(owner):
            delattr(owner, name)


class OverMultiplexer:
    """Makes a reactor-builder test use the multiplexer."""

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


def build(builder: Any) -> dict[str, Any]:
    """Return test cases of one of Twisted's builders, one for each reactor."""
    names = {"__module__": __name__, "_reactors": REACTORS}
    cases: dict[str, Any] = type(
        builder.__name__, (OverMultiplexer, builder), names
    ).makeTestCaseClasses()
    return cases


def wrap(case: Any) -> dict[str, Any]:
    """Return one of Twisted's older test cases, over the multiplexer."""
    names = {"__module__": __name__, "module": inspect.getmodule(case)}
    return {
        "Old" + case.__name__: type(
            "Old" + case.__name__, (OverGlobalMultiplexer, case), names
        )
    }


take_away(NOT_APPLICABLE)
for _builder in BUILDERS:
    globals().update(build(_builder))
for _case in OLD_CASES:
    globals().update(wrap(_case))
