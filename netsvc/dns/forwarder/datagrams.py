"""The forwarder's UDP ports."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol

from netsvc.dns.forwarder.engine import Forwarder

#: Source ports to which nothing is sent: nobody, and services that would answer an
#: error message by one (echo, daytime, quotd, chargen, time).
REFLECTORS: Final = frozenset({0, 7, 13, 17, 19, 37})


class ForwarderDatagrams(DatagramProtocol):
    """
    One UDP port.

    @ivar received: How many datagrams came.
    @ivar dropped: How many the kernel dropped before they could be read.
    @ivar failed: How many replies could not be sent.
    """

    noisy = False
    transport: Any

    def __init__(self, forwarder: Forwarder) -> None:
        """
        @param forwarder: Answers.
        """
        self._forwarder = forwarder
        self._allows = forwarder.access.allows
        self._admits = forwarder.admits
        self._quick = forwarder.quick
        self._now = forwarder.now
        self.received = 0
        self.dropped = 0
        self.failed = 0

    def tally(self) -> None:
        """Take over what the kernel has counted, where it is asked."""
        self.dropped = getattr(self.transport, "kernel_drops", self.dropped)

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Answer a query."""
        self.received += 1
        host, port = addr
        now = self._now()
        if not self._allows(host):
            self._forwarder.prohibit(datagram, partial(self._send, addr))
        elif not self._admits(host, now):
            self._forwarder.limit(datagram, False, partial(self._send, addr))
        else:
            reply = self._quick(datagram, now, False)
            if reply:
                self._send(addr, reply)
            elif port not in REFLECTORS and not self._is_to_group():
                self._later(datagram, addr, reply is not None)

    def _is_to_group(self) -> bool:
        """Tell whether it was sent to several hosts: then the others answer."""
        return getattr(self.transport, "to_group", False)  # not of Twisted's own

    def _later(self, datagram: bytes, addr: tuple[str, int], missed: bool) -> None:
        """Answer what needs more than the cache."""
        origin = getattr(self.transport, "origin", None)
        if origin is None:
            send = partial(self._send, addr)
        else:
            send = partial(self._answer, origin())
        self._forwarder.handle(datagram, addr[0], "udp", send, missed)

    def _answer(self, origin: Any, reply: bytes) -> None:
        """Send a reply from where its query was sent to."""
        if not reply:
            return
        if self.transport is None or not self.transport.answer(reply, origin):
            self.failed += 1

    def _send(self, addr: tuple[str, int], reply: bytes) -> None:
        """Send a reply."""
        if not reply:
            return
        try:
            sent = self.transport.write(reply, addr)
        except (OSError, MessageLengthError, AttributeError):
            sent = False
        if sent is False:
            self.failed += 1
