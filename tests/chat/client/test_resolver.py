"""The resolver that nobody has to wait for."""

from __future__ import annotations

import socket
import threading
from typing import Any
from unittest import mock

from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netsvc.chat.client.resolver import MAX_ADDRESSES, ThreadResolver


@implementer(IResolutionReceiver)
class Receiver:
    """A receiver of addresses that remembers."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.told.append(resolutionInProgress.name)

    def addressResolved(self, address: Any) -> None:
        self.told.append((type(address).__name__, address.host, address.port))

    def resolutionComplete(self) -> None:
        self.told.append("complete")


class ResolverTests(SynchronousTestCase):
    """Look-ups in a thread."""

    def setUp(self) -> None:
        """Take the calls that the thread makes."""
        self.calls: list[tuple[Any, ...]] = []
        self.called = threading.Event()
        self.receiver = Receiver()

    def callFromThread(self, *call: Any) -> None:
        self.calls.append(call)
        self.called.set()

    def look_up(self, answer: Any) -> Any:
        getaddrinfo = mock.Mock(side_effect=[answer])
        resolver = ThreadResolver(self, getaddrinfo)
        self.assertTrue(verifyObject(IHostnameResolver, resolver))
        resolution = resolver.resolveHostName(self.receiver, "a.example", 7)
        self.assertTrue(self.called.wait(60))
        getaddrinfo.assert_called_once_with("a.example", 7, 0, socket.SOCK_STREAM)
        return resolution

    def deliver(self) -> list[Any]:
        ((report, addresses),) = self.calls
        report(addresses)
        return self.receiver.told

    def test_addresses(self) -> None:
        """Addresses come in the system's order, with their scope."""
        self.look_up(
            [
                (socket.AF_INET6, 0, 0, "", ("fe80::1", 7, 0, 3)),
                (socket.AF_INET6, 0, 0, "", ("::1", 7, 0, 0)),
                (socket.AF_INET, 0, 0, "", ("192.0.2.1", 7)),
                (socket.AF_UNIX, 0, 0, "", "x"),
            ]
        )
        self.assertEqual(
            self.deliver(),
            [
                "a.example",
                ("IPv6Address", "fe80::1%3", 7),
                ("IPv6Address", "::1", 7),
                ("IPv4Address", "192.0.2.1", 7),
                "complete",
            ],
        )

    def test_limit(self) -> None:
        """No more addresses are tried than there is a limit for."""
        self.look_up([(socket.AF_INET, 0, 0, "", ("192.0.2.1", 7))] * 20)
        self.assertEqual(len(self.deliver()), MAX_ADDRESSES + 2)

    def test_none(self) -> None:
        """What has no address, or can have none, has none."""
        for error in (OSError("none"), UnicodeError("label too long")):
            self.setUp()
            self.look_up(error)
            self.assertEqual(self.deliver(), ["a.example", "complete"])

    def test_cancelled(self) -> None:
        """A cancelled look-up says nothing."""
        self.look_up([]).cancel()
        self.assertEqual(self.deliver(), [])
