"""Tests of L{netsvc.daemon.connections}: admission, sweep and drain."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.logger import formatEvent

from netsvc.daemon.connections import (
    DRAIN_QUIET,
    DRAIN_SWEEP,
    LONGEST_SWEEP,
    SWEEP,
    Connections,
    ServiceFactory,
    Timeouts,
)
from netsvc.daemon.limits import ConnectionLimits, Rate
from tests.daemon.connections_case import HOST, ConnectionsCase, CountingFactory
from tests.daemon.service_fakes import Wire


class AdmitTests(ConnectionsCase):
    """Tests of who comes in, and of what is given back."""

    def test_admitted(self) -> None:
        """A connection is one of the live ones from its start to its end."""
        wire = self.connect()
        self.assertEqual(list(self.connections.live), [wire.protocol])
        self.assertEqual((self.connections.accepted, self.limits.live), (1, 1))
        self.assertEqual(wire.protocol.host, HOST)
        wire.end()
        self.assertEqual(list(self.connections.live), [])
        self.assertEqual((self.connections.accepted, self.limits.live), (1, 0))

    def test_unix(self) -> None:
        """A connection of a UNIX socket has no host, and is released, too."""
        wire = self.connect(None)
        self.assertIsNone(wire.protocol.host)
        self.assertEqual(self.limits.live, 1)
        wire.end()
        self.assertEqual(self.limits.live, 0)

    def test_refused(self) -> None:
        """Beyond the limit there is no protocol: the port closes the connection."""
        self.watch(ConnectionLimits(1))
        wire = self.connect()
        self.assertIsNone(self.ask())
        self.assertEqual(self.limits.refused, {"max-connections": 1})
        self.assertEqual(self.connections.accepted, 1)
        wire.end()
        self.assertIsNotNone(self.ask())

    def test_refused_below_tls(self) -> None:
        """TLS gets a protocol that aborts: its factory cannot do with none."""
        self.watch(ConnectionLimits(1))
        self.connect(transport="tls")
        wire = Wire(self.clock)
        wire.serve(self.ask(transport="tls"))
        self.assertEqual(wire.aborted, 1)
        self.clock.advance(0)
        self.assertEqual((len(self.connections.live), self.limits.live), (1, 1))

    def test_never_connected(self) -> None:
        """A protocol that ends without having been connected gives its place back."""
        protocol = self.ask()
        protocol.connectionLost()
        self.assertEqual((len(self.connections.live), self.limits.live), (0, 0))

    def test_failing_factory(self) -> None:
        """A protocol that cannot be made gives its place back."""
        factory = CountingFactory(self.connections, "tcp")
        factory.failure = ZeroDivisionError()
        address = IPv4Address("TCP", HOST, 5000)
        self.assertRaises(ZeroDivisionError, factory.buildProtocol, address)
        self.assertEqual(self.limits.live, 0)

    def test_service_without_protocol(self) -> None:
        """A factory has to say what it makes; to fail leaks no place."""
        factory = ServiceFactory(self.connections, "unix")
        address = UNIXAddress("")
        self.assertRaises(NotImplementedError, factory.buildProtocol, address)
        self.assertEqual(self.limits.live, 0)

    def test_log(self) -> None:
        """Refusals make one log line a second at the most, which counts the rest."""
        self.watch(ConnectionLimits(0, 1))
        self.connect()
        self.connect(None)
        for _ in range(5):
            self.ask()
        self.clock.advance(1)
        self.ask(None)
        self.assertEqual(
            [formatEvent(event) for event in self.events],
            [
                "netsvc-sample refused a connection from 192.0.2.1:"
                " max-connections-per-source (0 more since the last such line)",
                "netsvc-sample refused a connection from a UNIX socket:"
                " max-connections-per-source (4 more since the last such line)",
            ],
        )
        self.assertEqual({e["event"] for e in self.events}, {"connection-refused"})

    def test_rate(self) -> None:
        """The time of a connection is the reactor's."""
        self.watch(ConnectionLimits(0, 0, Rate(1, 1)))
        self.assertIsNotNone(self.ask())
        self.assertIsNone(self.ask())
        self.clock.advance(1)
        self.assertIsNotNone(self.ask())

    @given(st.lists(st.tuples(st.sampled_from(["come", "go", "fail"]), st.booleans())))
    def test_balance(self, steps: list[tuple[str, bool]]) -> None:
        """Whatever comes and goes, the places taken are the live connections."""
        self.watch(ConnectionLimits(3, 2))
        wires: list[Wire] = []
        for step, first in steps:
            host = HOST if first else "192.0.2.2"
            if step == "come":
                protocol = self.ask(host)
                if protocol is not None:
                    wires.append(Wire(self.clock))
                    wires[-1].serve(protocol)
            elif step == "go" and wires:
                wires.pop(0 if first else -1).end()
            elif step == "fail" and self.limits.live < 3:
                factory = CountingFactory(self.connections, "tcp")
                factory.failure = ZeroDivisionError()
                with contextlib.suppress(ZeroDivisionError):
                    factory.buildProtocol(IPv4Address("TCP", host, 5000))
            self.assertEqual(self.limits.live, len(wires))
            self.assertEqual(
                list(self.connections.live), [wire.protocol for wire in wires]
            )
            self.assertLessEqual(len(wires), 3)


class SweepTests(ConnectionsCase):
    """Tests of the sweep itself."""

    def test_failing(self) -> None:
        """A connection that cannot be looked at does not keep the sweep from the
        others, nor from the next time."""
        self.watch(ConnectionLimits(0), idle=10)
        broken, other = self.connect(), self.connect()

        def fails() -> int:
            raise ZeroDivisionError

        broken.protocol.progress = fails
        self.wait(12)
        self.assertFalse(other.connected)
        failures = self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(len(failures), 12 / SWEEP)

    def test_seldom(self) -> None:
        """With a long idle timeout an idle connection is looked at only every few
        seconds; one that is being closed is looked at in every sweep."""
        self.watch(ConnectionLimits(0), idle=600, close=60)
        idle, closing = self.connect(), self.connect()
        looks = {idle: 0, closing: 0}

        def count(wire: Wire) -> Callable[[], int]:
            def progress() -> int:
                looks[wire] += 1
                return 0

            return progress

        for wire in looks:
            wire.protocol.progress = count(wire)
        closing.fill(b"never taken")
        closing.protocol.close()
        self.wait(30)
        self.assertEqual(looks[idle], 30 / LONGEST_SWEEP)
        self.assertEqual(looks[closing], 30 / SWEEP)

    def test_stop(self) -> None:
        """The stop ends the sweeping, and cuts what is left."""
        wires = [self.connect(), self.connect()]
        self.connections.stop()
        self.assertEqual([wire.aborted for wire in wires], [1, 1])
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(list(self.connections.live), [])

    def test_stop_without_start(self) -> None:
        """A stop without a start, after a failed one, changes nothing."""
        Connections("s", ConnectionLimits(0), Timeouts(), self.clock).stop()

    def test_bounded(self) -> None:
        """However many there are, there is one timer."""
        for _ in range(50):
            self.connect()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)


class DrainTests(ConnectionsCase):
    """Tests of how connections finish."""

    def test_empty(self) -> None:
        """With no connection the drain is over at once."""
        self.successResultOf(self.connections.drain(30))

    def test_quiet(self) -> None:
        """A connection on which nothing moves for a second is closed; then the drain
        is over. How long it was silent before does not count: what it has sent last
        may still be unread."""
        wire = self.connect()
        self.wait(60)
        drained = self.connections.drain(30)
        self.wait(DRAIN_QUIET - 0.1)
        self.assertFalse(wire.disconnecting)
        self.wait(0.1 + DRAIN_SWEEP)
        self.successResultOf(drained)
        self.assertEqual((wire.aborted, self.ended()), (0, {}))

    def test_unread_when_it_begins(self) -> None:
        """What came before the drain and is read in it is answered in full."""
        wire = self.connect()
        self.wait(60)
        drained = self.connections.drain(30)
        self.wait(0.8)
        wire.protocol.dataReceived(b"x")
        self.wait(DRAIN_QUIET - 0.1)
        self.assertTrue(wire.connected)
        self.assertFalse(wire.disconnecting)
        self.wait(0.1 + 2 * DRAIN_SWEEP)
        self.successResultOf(drained)

    def test_held(self) -> None:
        """A connection that we do not read is neither quiet nor finished; when it is
        read again it has a second from then on."""
        wire = self.connect()
        wire.protocol.held = True
        drained = self.connections.drain(30)
        self.wait(20)
        self.assertFalse(wire.disconnecting)
        wire.protocol.held = False
        self.wait(DRAIN_QUIET - 2 * DRAIN_SWEEP)
        self.assertFalse(wire.disconnecting)
        self.wait(4 * DRAIN_SWEEP)
        self.successResultOf(drained)
        self.assertEqual((wire.aborted, self.ended()), (0, {}))

    def test_held_to_the_end(self) -> None:
        """A connection that is not read is cut at the deadline, as all are."""
        wire = self.connect()
        wire.protocol.held = True
        drained = self.connections.drain(3)
        self.wait(3.2)
        self.successResultOf(drained)
        self.assertEqual(self.ended(), {"drain-timeout": 1})

    def test_just_active(self) -> None:
        """A connection is quiet when nothing has moved for a second."""
        wire = self.connect()
        self.wait(5)
        wire.protocol.dataReceived(b"x")
        drained = self.connections.drain(30)
        self.wait(DRAIN_QUIET - 0.1)
        self.assertTrue(wire.connected)
        self.wait(0.1 + 2 * DRAIN_SWEEP)
        self.successResultOf(drained)

    def test_busy(self) -> None:
        """A busy connection is kept until it is quiet."""
        wire = self.connect()
        drained = self.connections.drain(30)
        for _ in range(20):
            wire.protocol.dataReceived(b"x")
            self.wait(0.8)
        self.assertNoResult(drained)
        self.wait(2)
        self.successResultOf(drained)
        self.assertEqual(self.ended(), {})

    def test_pending(self) -> None:
        """A connection with something left to send is kept until it is sent."""
        wire = self.connect()
        wire.fill(b"x")
        drained = self.connections.drain(30)
        self.wait(20)
        self.assertTrue(wire.connected)
        self.assertFalse(wire.disconnecting)
        wire.take(1)
        self.wait(DRAIN_QUIET + 2 * DRAIN_SWEEP)
        self.successResultOf(drained)
        self.assertEqual((wire.aborted, self.ended()), (0, {}))

    def test_cut(self) -> None:
        """What is left at the deadline is cut, and counted once each."""
        wires = [self.connect() for _ in range(3)]
        for wire in wires:
            wire.fill(b"x")
        drained = self.connections.drain(3)
        self.wait(2.9)
        self.assertNoResult(drained)
        self.wait(0.2)
        self.successResultOf(drained)
        self.assertEqual([wire.aborted for wire in wires], [1, 1, 1])
        self.assertEqual(self.ended(), {"drain-timeout": 3})

    def test_at_once(self) -> None:
        """With no time to drain, all is cut at once."""
        wire = self.connect()
        drained = self.connections.drain(0)
        self.assertEqual(wire.aborted, 1)
        self.clock.advance(0)
        self.successResultOf(drained)

    def test_handshake(self) -> None:
        """A handshake is let finish within its own time."""
        self.connect(transport="tls")
        drained = self.connections.drain(30)
        self.wait(9)
        self.assertNoResult(drained)
        self.wait(2)
        self.successResultOf(drained)
        self.assertEqual(self.ended(), {"handshake-timeout": 1})

    def test_one_reason(self) -> None:
        """A connection whose times are up together is counted once."""
        self.watch(ConnectionLimits(0), close=3)
        wire = self.connect()
        wire.fill(b"x")
        wire.protocol.close()
        drained = self.connections.drain(3)
        self.wait(4)
        self.successResultOf(drained)
        self.assertEqual(sum(self.ended().values()), 1)

    def test_last_of_several(self) -> None:
        """The drain is over when the last connection has ended."""
        first, second = self.connect(), self.connect()
        drained = self.connections.drain(30)
        first.end()
        self.assertNoResult(drained)
        second.end()
        self.successResultOf(drained)

    def test_without_start(self) -> None:
        """A drain sweeps, even if it was not swept before."""
        self.connections.stop()
        wire = self.connect()
        drained = self.connections.drain(30)
        self.wait(2)
        self.assertFalse(wire.connected)
        self.successResultOf(drained)
