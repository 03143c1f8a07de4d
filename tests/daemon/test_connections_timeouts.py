"""Tests of L{netsvc.daemon.connections}: connections that make no progress."""

from __future__ import annotations

from netsvc.daemon.connections import CLOSE_TOTAL, SWEEP
from netsvc.daemon.limits import ConnectionLimits
from tests.daemon.connections_case import ConnectionsCase


class IdleTests(ConnectionsCase):
    """Tests of connections on which nothing moves."""

    def setUp(self) -> None:
        """Close them after 10 seconds."""
        super().setUp()
        self.watch(ConnectionLimits(0), idle=10, close=5)

    def test_idle(self) -> None:
        """A connection on which nothing moves is closed, not cut, when its time is
        up, within a sweep."""
        wire = self.connect()
        self.wait(10 - SWEEP)
        self.assertTrue(wire.connected)
        self.wait(2 * SWEEP)
        self.assertFalse(wire.connected)
        self.assertEqual(wire.aborted, 0)
        self.assertEqual(self.ended(), {"idle-timeout": 1})

    def test_received(self) -> None:
        """What comes in is progress."""
        wire = self.connect()
        for _ in range(8):
            self.wait(5)
            wire.protocol.dataReceived(b"x")
        self.assertTrue(wire.connected)
        self.assertEqual(self.ended(), {})

    def test_sent(self) -> None:
        """What the peer takes is progress, although nothing comes in."""
        wire = self.connect()
        wire.fill(b"x" * 100)
        for _ in range(8):
            self.wait(5)
            wire.take(1)
        self.assertTrue(wire.connected)
        self.assertEqual(self.ended(), {})

    def test_stalled(self) -> None:
        """A peer that takes nothing is closed, and then cut."""
        wire = self.connect()
        wire.fill(b"x" * 100)
        self.wait(12)
        self.assertEqual(self.ended(), {"idle-timeout": 1})
        self.assertEqual((wire.disconnecting, wire.aborted), (True, 0))
        self.wait(5)
        self.assertEqual(self.ended(), {"idle-timeout": 1, "close-timeout": 1})
        self.assertFalse(wire.connected)

    def test_never(self) -> None:
        """A timeout of 0 lets a connection idle for ever."""
        self.watch(ConnectionLimits(0), idle=0)
        wire = self.connect()
        self.wait(86400, 600)
        self.assertTrue(wire.connected)

    def test_never_is_not_looked_at(self) -> None:
        """Without an idle timeout only a drain looks at the idle connections."""
        self.watch(ConnectionLimits(0), idle=0)
        wire = self.connect()
        looks: list[int] = []

        def progress() -> int:
            looks.append(0)
            return 0

        wire.protocol.progress = progress
        self.wait(600, 1)
        self.assertEqual(looks, [])
        drained = self.connections.drain(30)
        self.wait(2)
        self.successResultOf(drained)
        self.assertGreater(len(looks), 1)

    def test_held(self) -> None:
        """A connection that we do not read is not idle; when it is read again it has
        its whole time from then on."""
        wire = self.connect()
        self.wait(5)
        wire.protocol.held = True
        self.wait(60)
        self.assertTrue(wire.connected)
        wire.protocol.held = False
        self.wait(10 - 2 * SWEEP)
        self.assertTrue(wire.connected)
        self.wait(3 * SWEEP)
        self.assertEqual(self.ended(), {"idle-timeout": 1})

    def test_each_its_own(self) -> None:
        """Each connection has its own time."""
        first = self.connect()
        self.wait(8)
        second = self.connect()
        self.wait(4)
        self.assertEqual((first.connected, second.connected), (False, True))


class HandshakeTests(ConnectionsCase):
    """Tests of TLS handshakes, as the protocol hears of them."""

    def setUp(self) -> None:
        """Give a handshake 10 seconds."""
        super().setUp()
        self.watch(ConnectionLimits(0), idle=2, handshake=10)

    def test_silent(self) -> None:
        """A client that says nothing is cut when its time is up, and not before,
        although idle connections are closed sooner."""
        wire = self.connect(transport="tls")
        self.wait(9.9)
        self.assertTrue(wire.connected)
        self.wait(2 * SWEEP)
        self.assertEqual(wire.aborted, 1)
        self.assertFalse(wire.connected)
        self.assertEqual(self.ended(), {"handshake-timeout": 1})

    def test_trickle(self) -> None:
        """The time is for the whole: what moves meanwhile is no progress."""
        wire = self.connect(transport="tls")
        for _ in range(12):
            wire.protocol.received += 1
            wire.fill(b"x")
            self.wait(0.9)
        self.assertEqual(self.ended(), {"handshake-timeout": 1})

    def test_completed(self) -> None:
        """After the handshake a connection may idle, from then on."""
        wire = self.connect(transport="tls")
        self.wait(9)
        wire.protocol.handshakeCompleted()
        self.wait(1.9)
        self.assertTrue(wire.connected)
        self.wait(2)
        self.assertEqual(self.ended(), {"idle-timeout": 1})

    def test_held(self) -> None:
        """That the connection is not to be read afterwards gives a handshake no more
        time: it goes on all the same."""
        wire = self.connect(transport="tls")
        wire.protocol.held = True
        self.wait(11)
        self.assertFalse(wire.connected)
        self.assertEqual(self.ended(), {"handshake-timeout": 1})

    def test_no_tls(self) -> None:
        """A connection without TLS has no handshake to finish."""
        self.watch(ConnectionLimits(0), idle=100, handshake=10)
        wire = self.connect()
        self.wait(20)
        self.assertTrue(wire.connected)


class CloseTests(ConnectionsCase):
    """Tests of connections that are being closed."""

    def setUp(self) -> None:
        """Give a close 10 seconds without progress."""
        super().setUp()
        self.watch(ConnectionLimits(0), close=10)

    def test_nothing_pending(self) -> None:
        """With nothing pending it is closed at once."""
        wire = self.connect()
        wire.protocol.close()
        self.clock.advance(0)
        self.assertFalse(wire.connected)
        self.assertEqual(self.ended(), {})

    def test_stalled(self) -> None:
        """A peer that does not take what is pending is cut."""
        wire = self.connect()
        wire.fill(b"x" * 100)
        self.wait(20)
        wire.protocol.close()
        self.wait(9.9)
        self.assertTrue(wire.connected)
        self.wait(1)
        self.assertEqual(wire.aborted, 1)
        self.assertEqual(self.ended(), {"close-timeout": 1})

    def test_slow(self) -> None:
        """A peer that takes a little now and then gets it all."""
        wire = self.connect()
        wire.fill(b"x" * 5)
        wire.protocol.close()
        for _ in range(5):
            self.wait(8)
            wire.take(1)
        self.assertFalse(wire.connected)
        self.assertEqual((wire.aborted, self.ended()), (0, {}))

    def test_slow_for_ever(self) -> None:
        """A peer that goes on taking a little now and then is cut after a number of
        times, whatever is left."""
        wire = self.connect()
        wire.fill(b"x" * 100)
        self.wait(50)
        wire.protocol.close()
        for _ in range(CLOSE_TOTAL * 10 // 4 - 1):
            self.wait(4)
            wire.take(1)
        self.assertTrue(wire.connected)
        for _ in range(2):
            self.wait(4)
            wire.take(1)
        self.assertEqual(wire.aborted, 1)
        self.assertFalse(wire.connected)
        self.assertEqual(self.ended(), {"close-timeout": 1})

    def test_held(self) -> None:
        """To be closed ends that a connection is only held."""
        wire = self.connect()
        wire.protocol.held = True
        wire.fill(b"x")
        wire.protocol.close()
        self.wait(11)
        self.assertEqual(self.ended(), {"close-timeout": 1})

    def test_once(self) -> None:
        """To close again does not give it more time."""
        wire = self.connect()
        wire.fill(b"x" * 100)
        for _ in range(12):
            wire.protocol.close()
            self.wait(1)
        self.assertEqual(self.ended(), {"close-timeout": 1})
