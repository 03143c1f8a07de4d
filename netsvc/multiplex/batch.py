"""
One payload to many addresses in one system call: sendmmsg(2).

Python's C{socket.sendto} reads the address anew each time, for a good part of a
microsecond. Here each destination is made ready once (L{Batch.destination}), and a
fan-out is a C{join} of what is ready. Where the system has no sendmmsg, or has it
in another shape than Linux on 64 bits, L{available} says so, and callers use C{sendto}.

Whoever holds a L{Destination} must be sent to by the L{Batch} that made it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from errno import EMSGSIZE
from typing import Any, Final

#: Messages that one call takes (UIO_MAXIOV).
MOST: Final = 1024

#: Bytes of a payload: more than any datagram can have.
MAX_PAYLOAD: Final = 65536

_VERSIONS: Final = 3


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """C{struct msghdr}."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """C{struct mmsghdr}."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


_SIZE: Final = ctypes.sizeof(_Message)


def _find() -> Callable[[int, int, int, int], int] | None:
    """Give the system's sendmmsg, if it is there and is as we know it."""
    if sys.platform != "linux" or _SIZE != 64:
        return None
    try:
        found: Any = ctypes.CDLL(None, use_errno=True).sendmmsg
    except (AttributeError, OSError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    found.restype = ctypes.c_int
    call: Callable[[int, int, int, int], int] = found
    return call


_sendmmsg: Final = _find()


def available() -> bool:
    """Say whether this system can do it."""
    return _sendmmsg is not None


class Destination:
    """
    An address that is ready to be sent to.

    @ivar headers: What a batch joins, for each version of the payload.
    """

    __slots__ = ("_name", "headers")

    def __init__(self, name: Any, headers: tuple[bytes, ...]) -> None:
        """Keep the memory that the headers point to."""
        self._name = name
        self.headers = headers


class Batch:
    """
    Sends from one socket.

    A payload has up to three versions (one for each way to end a line); each
    destination is sent one of them.
    """

    def __init__(self, skt: socket.socket) -> None:
        """
        @param skt: A datagram socket that does not block.
        """
        self._socket = skt
        self._payloads = [
            ctypes.create_string_buffer(MAX_PAYLOAD) for _ in range(_VERSIONS)
        ]
        self._at = [ctypes.addressof(each) for each in self._payloads]
        self._vectors = [_Iovec(base=at) for at in self._at]
        self._table = ctypes.create_string_buffer(MOST * _SIZE)
        self._table_at = ctypes.addressof(self._table)

    def destination(self, address: Any) -> Destination:
        """
        Make an address ready.

        @param address: As C{recvfrom} gives it.
        """
        name = _sockaddr(self._socket.family, address)
        kept = ctypes.create_string_buffer(name, len(name))
        headers = tuple(
            bytes(
                _Message(
                    _Header(
                        name=ctypes.addressof(kept),
                        name_length=len(name),
                        vectors=ctypes.addressof(vector),
                        vector_count=1,
                    )
                )
            )
            for vector in self._vectors
        )
        return Destination(kept, headers)

    def send(
        self,
        versions: Sequence[bytes],
        headers: Sequence[bytes],
        failed: Callable[[int, OSError], object],
    ) -> None:
        """
        Send to all; an error of one does not keep it from the others.

        @param versions: The payload in up to three versions.
        @param headers: Of the destinations: L{Destination.headers}, each that of the
            version that it is to get.
        @param failed: Is told which one has failed, and why.
        """
        for payload, vector, at in zip(versions, self._vectors, self._at, strict=False):
            size = len(payload)
            if size > MAX_PAYLOAD:
                for number in range(len(headers)):
                    failed(number, OSError(EMSGSIZE, os.strerror(EMSGSIZE)))
                return
            ctypes.memmove(at, payload, size)
            vector.length = size
        for start in range(0, len(headers), MOST):
            self._send_some(headers[start : start + MOST], start, failed)

    def _send_some(
        self,
        headers: Sequence[bytes],
        start: int,
        failed: Callable[[int, OSError], object],
    ) -> None:
        assert _sendmmsg is not None
        count, done = len(headers), 0
        table, fd = self._table_at, self._socket.fileno()
        ready = b"".join(headers)
        if len(ready) != count * _SIZE:
            raise ValueError("a destination of another batch, or of none")
        ctypes.memmove(table, ready, count * _SIZE)
        while done < count:
            sent = _sendmmsg(fd, table + done * _SIZE, count - done, 0)
            if sent > 0:
                done += sent
                continue
            # It is about the first that was not sent.
            number = ctypes.get_errno()
            failed(start + done, OSError(number, os.strerror(number)))
            done += 1


def _sockaddr(family: int, address: Any) -> bytes:
    """Give the kernel's form of an address."""
    host, port = address[0], address[1]
    head = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET:
        return head + socket.inet_aton(host) + bytes(8)
    flow = address[2] if len(address) > 2 else 0
    scope = address[3] if len(address) > 3 else 0
    packed = socket.inet_pton(family, host.partition("%")[0])
    return head + struct.pack("!I", flow) + packed + struct.pack("=I", scope)
