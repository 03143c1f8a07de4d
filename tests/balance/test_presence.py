"""Tests of L{netsvc.balance.presence}, with pairs of connected sockets."""

from __future__ import annotations

import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.presence import has_left


class Layer:
    """A transport above another one."""

    def __init__(self, transport: object) -> None:
        """Be above."""
        self.transport = transport


class PresenceTests(SynchronousTestCase):
    """A client that is not read from may have left all the same."""

    def setUp(self) -> None:
        """Have a connection."""
        self.near, self.peer = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.peer.close)

    def test_there(self) -> None:
        """Who is silent, or has sent something, is there; the bytes are, too."""
        for end_counts in (False, True):
            self.assertFalse(has_left(self.near, end_counts))
        self.peer.send(b"x")
        for end_counts in (False, True):
            self.assertFalse(has_left(self.near, end_counts))
        self.assertEqual(self.near.recv(2), b"x")

    def test_end(self) -> None:
        """Who has sent all has left if that counts; with TLS what is below counts."""
        self.peer.send(b"x")
        self.peer.shutdown(socket.SHUT_WR)
        for transport in (self.near, Layer(self.near)):
            self.assertFalse(has_left(transport, False))
            self.assertTrue(has_left(transport, True))

    def test_broken(self) -> None:
        """Whose connection is broken has left."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.check_reset(server)

    def check_reset(self, server: socket.socket) -> None:
        """See that a reset is seen, though bytes are left unread."""
        peer = socket.create_connection(server.getsockname())
        near, _ = server.accept()
        self.addCleanup(near.close)
        peer.send(b"x")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        self.assertTrue(has_left(near, False))

    def test_no_descriptor(self) -> None:
        """What has no descriptor is judged by others."""
        self.near.close()
        self.assertFalse(has_left(self.near, True))
        self.assertFalse(has_left(object(), True))
