"""What the network says of packets it could not deliver, read from Linux.

A connected UDP socket with C{IP_RECVERR} (ip(7)) keeps each ICMP error with the
beginning of the packet it is about. That tells which packet was refused, and by
whom; without it there is just an error number at the next call.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Iterable
from typing import NamedTuple

from netsvc.echo.probe.events import Status

__all__ = ["Rejection", "describe_errno", "error_queue_option", "parse_rejection"]

#: struct sock_extended_err: errno, origin, type, code, padding, info, data.
_EXTENDED_ERROR = struct.Struct("=iBBBxII")
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3
#: Where the offender's address lies in sockaddr_in and sockaddr_in6.
_IPV4_ADDRESS = slice(4, 8)
_IPV6_ADDRESS = slice(8, 24)

# Python 3.11 has no names for these numbers of linux/in.h and linux/in6.h.
_IP_RECVERR = 11
_IPV6_RECVERR = 25


class Rejection(NamedTuple):
    """A packet that was not delivered.

    @ivar quoted: the payload as far as the report has it, perhaps nothing.
    @ivar offender: the address that reports it, empty if it is this host.
    """

    error: int
    quoted: bytes
    offender: str = ""

    @property
    def status(self) -> Status:
        """Whether the port refuses, or packets do not get there."""
        if self.error == errno.ECONNREFUSED:
            return Status.REFUSED
        return Status.UNREACHABLE

    @property
    def detail(self) -> str:
        """The reason for people."""
        origin = f" (says {self.offender})" if self.offender else ""
        return describe_errno(self.error) + origin


def describe_errno(error: int) -> str:
    """Name C{error} in words, beginning small as in a sentence."""
    text = os.strerror(error)
    return text[:1].lower() + text[1:]


def error_queue_option(family: int) -> tuple[int, int] | None:
    """Find the socket option that keeps ICMP errors, as level and name.

    @return: L{None} where the system has none.
    """
    if not sys.platform.startswith("linux"):
        return None
    if family == socket.AF_INET6:
        return socket.IPPROTO_IPV6, _IPV6_RECVERR
    return socket.IPPROTO_IP, _IP_RECVERR


def parse_rejection(
    quoted: bytes, ancillary: Iterable[tuple[int, int, bytes]]
) -> Rejection | None:
    """Read one message of the error queue, as C{recvmsg} returns it.

    @return: L{None} if there is no extended error in it.
    """
    for level, kind, data in ancillary:
        known = (
            (socket.IPPROTO_IP, _IP_RECVERR),
            (socket.IPPROTO_IPV6, _IPV6_RECVERR),
        )
        if (level, kind) not in known or len(data) < _EXTENDED_ERROR.size:
            continue
        error, origin = _EXTENDED_ERROR.unpack_from(data)[:2]
        address = data[_EXTENDED_ERROR.size :]
        packed = b""
        if origin == _ORIGIN_ICMP:
            packed = address[_IPV4_ADDRESS]
        elif origin == _ORIGIN_ICMP6:
            packed = address[_IPV6_ADDRESS]
        offender = str(ipaddress.ip_address(packed)) if len(packed) in (4, 16) else ""
        return Rejection(error, quoted, offender)
    return None
