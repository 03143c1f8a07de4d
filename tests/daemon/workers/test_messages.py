"""Tests of what parents and workers say to each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.workers.messages import (
    MAX_DESCRIPTORS,
    MAX_MESSAGE,
    MAX_PROBLEM,
    MAX_PROBLEMS,
    Message,
    MessageError,
    decode,
    document,
    encode,
    pair,
    portions,
    read_document,
    receive,
    send,
    shortened,
)


class CodeTests(SynchronousTestCase):
    """L{encode} and L{decode}."""

    @given(
        st.text(),
        st.dictionaries(st.text().filter(lambda key: key != "do"), st.integers()),
    )
    def test_round_trip(self, do: str, fields: dict[str, int]) -> None:
        """What was said is what is heard."""
        self.assertEqual(decode(encode(do, fields)), (do, fields))

    @given(st.binary())
    def test_any_bytes(self, data: bytes) -> None:
        """Bytes that are no message are refused as such."""
        with contextlib.suppress(MessageError):
            decode(data)

    def test_no_message(self) -> None:
        """JSON that is no object, or does not say what it is about, is refused."""
        for data in (b"", b"[1]", b"{}", b'{"do": 1}', b"\xff"):
            with self.assertRaises(MessageError):
                decode(data)

    def test_too_long(self) -> None:
        """A message that is too long is not sent."""
        with self.assertRaises(MessageError):
            encode("prepare", {"text": "x" * MAX_MESSAGE})


class PairTests(SynchronousTestCase):
    """L{send} and L{receive}, over L{pair}."""

    def setUp(self) -> None:
        """Make a pair."""
        self.ours, self.theirs = pair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_descriptors(self) -> None:
        """Descriptors travel, as copies that no other program inherits."""
        with document("the text \udc80") as fd:
            send(self.ours, "start", {"worker": 1}, [fd, fd])
        message = receive(self.theirs)
        assert message is not None
        self.assertEqual((message.do, message.fields), ("start", {"worker": 1}))
        self.assertEqual(len(message.descriptors), 2)
        for fd in message.descriptors:
            self.assertEqual(read_document(fd), "the text \udc80")
            self.assertTrue(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
        message.close()
        with self.assertRaises(OSError):
            os.fstat(message.descriptors[0])

    def test_order(self) -> None:
        """Each message is received whole and in its turn."""
        for number in range(5):
            send(self.ours, "n", {"n": number})
        self.assertEqual(
            [receive(self.theirs) for _ in range(5)],
            [Message("n", {"n": number}) for number in range(5)],
        )

    def test_gone(self) -> None:
        """The end of the other end is no message."""
        self.ours.close()
        self.assertIsNone(receive(self.theirs))

    def test_nonsense(self) -> None:
        """What is no message is refused, and its descriptors are closed."""
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(self.ours, [b"junk"], [0, 1, 2])
        with self.assertRaises(MessageError):
            receive(self.theirs)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_cut(self) -> None:
        """A message with too many descriptors is refused whole."""
        before = len(os.listdir("/proc/self/fd"))
        send(self.ours, "sockets", {}, [0] * (MAX_DESCRIPTORS + 2))
        with self.assertRaises(MessageError):
            receive(self.theirs)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class PortionTests(SynchronousTestCase):
    """L{portions} and L{shortened}."""

    def test_portions(self) -> None:
        """Many sockets are divided among messages, each with its key."""
        number = 2 * MAX_DESCRIPTORS + 1
        made = list(portions([["tcp", "", n] for n in range(number)], range(number)))
        self.assertEqual([len(fds) for _, fds in made], [100, 100, 1])
        self.assertEqual(made[2], ({"keys": [["tcp", "", 200]]}, range(200, 201)))
        self.assertEqual(list(portions([], [])), [])

    def test_shortened(self) -> None:
        """Problems are cut in number and length."""
        self.assertEqual(shortened(["a", "b"]), ["a", "b"])
        cut = shortened(["x" * 1000] * 100)
        self.assertEqual(cut, ["x" * MAX_PROBLEM] * MAX_PROBLEMS)
