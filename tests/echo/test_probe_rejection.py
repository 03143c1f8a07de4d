"""ICMP errors as Linux hands them to a UDP socket."""

from __future__ import annotations

import errno
import socket
import sys

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.events import Status
from netsvc.echo.probe.rejection import (
    Rejection,
    describe_errno,
    error_queue_option,
    parse_rejection,
)
from tests.echo.probe_fakes import extended_error

IP = (socket.IPPROTO_IP, 11)
IPV6 = (socket.IPPROTO_IPV6, 25)


class ParseTests(SynchronousTestCase):
    """Messages of the error queue."""

    def test_ipv4(self) -> None:
        """An IPv4 error names the offender and quotes the packet."""
        address = b"\x02\0\0\0" + bytes([192, 0, 2, 1]) + b"\0" * 8
        data = extended_error(errno.EHOSTUNREACH, 2, address)
        rejection = parse_rejection(b"quoted", [(*IP, data)])
        self.assertEqual(
            rejection, Rejection(errno.EHOSTUNREACH, b"quoted", "192.0.2.1")
        )
        assert rejection is not None
        self.assertEqual(rejection.status, Status.UNREACHABLE)
        self.assertEqual(rejection.detail, "no route to host (says 192.0.2.1)")

    def test_ipv6(self) -> None:
        """An IPv6 error does too."""
        packed = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
        data = extended_error(errno.ECONNREFUSED, 3, b"\0" * 8 + packed + b"\0" * 4)
        rejection = parse_rejection(b"", [(*IPV6, data)])
        self.assertEqual(rejection, Rejection(errno.ECONNREFUSED, b"", "2001:db8::1"))
        assert rejection is not None
        self.assertEqual(rejection.status, Status.REFUSED)

    def test_local(self) -> None:
        """An error of this host has no offender."""
        data = extended_error(errno.EMSGSIZE, 1, b"\0" * 16)
        rejection = parse_rejection(b"", [(*IP, data)])
        self.assertEqual(rejection, Rejection(errno.EMSGSIZE, b""))
        assert rejection is not None
        self.assertEqual(rejection.detail, "message too long")

    def test_others(self) -> None:
        """Other ancillary data, and what is too short, is no error."""
        good = extended_error(errno.ECONNREFUSED)
        for ancillary in (
            [],
            [(socket.SOL_SOCKET, 11, good)],
            [(*IP, good[:-1])],
        ):
            self.assertIsNone(parse_rejection(b"", ancillary))

    @given(st.binary(max_size=64))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever the kernel gives, nothing is raised."""
        rejection = parse_rejection(b"", [(*IP, data)])
        if rejection is not None:
            self.assertIsInstance(rejection.detail, str)


class OptionTests(SynchronousTestCase):
    """The socket option, where there is one."""

    def test_linux(self) -> None:
        """Linux has an option for each family."""
        self.patch(sys, "platform", "linux")
        self.assertEqual(error_queue_option(socket.AF_INET), IP)
        self.assertEqual(error_queue_option(socket.AF_INET6), IPV6)

    def test_elsewhere(self) -> None:
        """Other systems have none."""
        self.patch(sys, "platform", "darwin")
        self.assertIsNone(error_queue_option(socket.AF_INET))

    def test_words(self) -> None:
        """Error numbers are named as within a sentence."""
        self.assertEqual(describe_errno(errno.ECONNREFUSED), "connection refused")
