"""
What a parent and its workers say to each other, over a pair of C{SOCK_SEQPACKET}
sockets: one message is one packet, a JSON object whose C{do} says what it is about,
and descriptors may travel with it (SCM_RIGHTS, unix(7)).

The parent says:

  - C{start}: who you are and what to run; with the configuration's text and the slab.
  - C{sockets}: adopt these, in the order of their keys.
  - C{run}: there are no more; begin.
  - C{prepare}: read this configuration and prepare for it. C{commit} or C{abandon}
    follows, unless the parent dies.
  - C{drain}, C{stop}: end, when all connections have or at once.
  - C{reopen}, C{summary}: what SIGUSR1 and SIGUSR2 are for.

The worker says C{ready} or C{refused}, then C{prepared} with a list of problems, and
C{done} after a commit or an abandoning.
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

#: Descriptors in one message. The kernel allows 253.
MAX_DESCRIPTORS: Final = 100

#: Bytes of a message.
MAX_MESSAGE: Final = 64 * 1024

#: Problems that a worker tells, and characters of each.
MAX_PROBLEMS: Final = 50
MAX_PROBLEM: Final = 500


class MessageError(Exception):
    """What was received is no message."""


@dataclass(frozen=True)
class Message:
    """
    One message.

    @ivar do: What it is about.
    @ivar fields: The rest of it.
    @ivar descriptors: What came with it; they are the receiver's to close.
    """

    do: str
    fields: dict[str, Any] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()

    def close(self) -> None:
        """Close what came with it."""
        for fd in self.descriptors:
            os.close(fd)


def encode(do: str, fields: dict[str, Any]) -> bytes:
    """
    Make a packet.

    @raise MessageError: It is too long.
    """
    data = json.dumps({**fields, "do": do}).encode()
    if len(data) > MAX_MESSAGE:
        raise MessageError(f"'{do}' with {len(data)} bytes is too long")
    return data


def decode(data: bytes) -> tuple[str, dict[str, Any]]:
    """
    Read a packet.

    @return: What it is about, and the rest of it.
    @raise MessageError: It is none.
    """
    try:
        fields = json.loads(data)
    except ValueError:
        raise MessageError("it is no JSON") from None
    do = fields.pop("do", None) if isinstance(fields, dict) else None
    if not isinstance(do, str):
        raise MessageError("it does not say what it is about")
    return do, fields


def pair() -> tuple[socket.socket, socket.socket]:
    """Make a parent's end and a worker's, which nobody inherits by accident."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(
    skt: socket.socket, do: str, fields: dict[str, Any], fds: Sequence[int] = ()
) -> None:
    """
    Send a message; the descriptors stay open here.

    @raise OSError: The other end is gone, or has not read for long.
    @raise MessageError: It is too long.
    """
    data = encode(do, fields)
    rights = array.array("i", fds)
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if fds else []
    skt.sendmsg([data], control)


def receive(skt: socket.socket) -> Message | None:
    """
    Receive a message.

    @return: It, or L{None} if the other end is gone.
    @raise OSError: Nothing waits, if the socket does not block.
    @raise MessageError: It is none; its descriptors are closed.
    """
    room = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
    data, control, flags, _ = skt.recvmsg(
        MAX_MESSAGE, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    )
    fds = array.array("i")
    for level, kind, rights in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(rights[: len(rights) - len(rights) % fds.itemsize])
    if not data and not fds:
        return None
    try:
        if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
            raise MessageError("it is cut short")
        do, fields = decode(data)
    except MessageError:
        for fd in fds:
            os.close(fd)
        raise
    return Message(do, fields, tuple(fds))


def portions(
    keys: Sequence[list[Any]], fds: Sequence[int]
) -> Iterator[tuple[dict[str, Any], Sequence[int]]]:
    """
    Divide sockets among messages.

    @param keys: What each socket is for.
    @param fds: The sockets.
    @return: The fields and the descriptors of each C{sockets} message.
    """
    for first in range(0, len(fds), MAX_DESCRIPTORS):
        last = first + MAX_DESCRIPTORS
        yield {"keys": list(keys[first:last])}, fds[first:last]


@contextmanager
def document(text: str) -> Iterator[int]:
    """Put a text into a file without a name, whose descriptor can be sent."""
    fd = os.memfd_create("netsvc-configuration", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        yield fd
    finally:
        os.close(fd)


def read_document(fd: int) -> str:
    """Read what L{document} has put into a file."""
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0).decode("utf-8", "surrogateescape")


def shortened(problems: Sequence[object]) -> list[str]:
    """Cut a list of problems to what a message has room for."""
    return [str(problem)[:MAX_PROBLEM] for problem in problems[:MAX_PROBLEMS]]
