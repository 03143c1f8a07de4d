"""Tests of L{netsvc.balance.session}, where bytes are copied."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance import session as session_module
from netsvc.balance.dialer import PRESENCE, RETRY_PAUSE
from netsvc.balance.entrance import Entrance
from netsvc.balance.session import Session
from tests.balance.session_fakes import CLIENT, Attempt, Table, Wire


class SessionCase(SynchronousTestCase):
    """A test with a client and a backend that it plays."""

    def make(self, *backends: str, **how: object) -> None:
        """Make the parts."""
        self.table = Table(*backends, **how)  # type: ignore[arg-type]
        self.entrance = Entrance(self.table.door)

    def client(self) -> Wire:
        """Let a client come in."""
        session = self.entrance.buildProtocol(CLIENT)
        assert isinstance(session, Session)
        return Wire(session)

    def attempt(self, number: int = -1) -> Attempt:
        """Give an attempt to connect."""
        return self.table.network.attempts[number]

    def joined(self) -> tuple[Wire, Wire]:
        """Give both ends of a session."""
        near = self.client()
        return near, self.attempt().succeed()

    def hosts(self) -> list[str]:
        """Give where connections were tried."""
        return [attempt.address[0] for attempt in self.table.network.attempts]

    def row(self, number: int = 0) -> dict[str, object]:
        """Describe a backend."""
        return self.table.row(number)


class CopyTests(SessionCase):
    """Bytes move between the two ends."""

    def test_not_read_before_connected(self) -> None:
        """A client is not read from until its backend is connected."""
        self.make()
        near = self.client()
        self.assertFalse(near.reading)
        self.attempt().succeed()
        self.assertTrue(near.reading)

    def test_both_ways(self) -> None:
        """What one end sends, the other gets; both are counted."""
        self.make()
        near, far = self.joined()
        near.protocol.dataReceived(b"question")
        far.protocol.dataReceived(b"answer")
        self.assertEqual((far.written, near.written), (b"question", b"answer"))
        self.table.pass_time(0.5)
        self.table.sessions.sweep()
        near.protocol.progress()
        self.assertEqual((self.row()["bytes_in"], self.row()["bytes_out"]), (8, 6))

    def test_backpressure(self) -> None:
        """Each end is the other's producer."""
        self.make()
        near, far = self.joined()
        self.assertIs(near.producer, far)
        self.assertIs(far.producer, near)

    def test_early_bytes(self) -> None:
        """What was read before the backend was there comes first."""
        self.make()
        near = self.client()
        near.protocol.dataReceived(b"ear")
        near.protocol.dataReceived(b"ly ")
        far = self.attempt().succeed()
        near.protocol.dataReceived(b"late")
        self.assertEqual(far.written, b"early late")

    def test_early_end(self) -> None:
        """An end that was seen before the backend was there is passed on."""
        self.make()
        near = self.client()
        near.protocol.dataReceived(b"all")
        near.protocol.readConnectionLost()
        far = self.attempt().succeed()
        self.assertEqual((far.written, far.events), (b"all", ["half-close"]))

    def test_proxy_header_first(self) -> None:
        """The PROXY header is the first thing that a backend gets."""
        self.make("10.0.0.1:80,send-proxy=v1")
        near = self.client()
        near.protocol.dataReceived(b"x")
        far = self.attempt().succeed()
        self.assertEqual(far.written, b"PROXY TCP4 192.0.2.1 192.0.2.9 4711 80\r\nx")


class EndTests(SessionCase):
    """The two ends end."""

    def test_half_close(self) -> None:
        """One direction ends, the other goes on; with both ended all is closed."""
        self.make()
        near, far = self.joined()
        near.protocol.readConnectionLost()
        self.assertEqual((near.events, far.events), ([], ["half-close"]))
        self.assertIsNone(far.producer)
        far.protocol.dataReceived(b"late")
        self.assertEqual(near.written, b"late")
        far.protocol.readConnectionLost()
        self.assertEqual(
            (near.events, far.events), (["close"], ["half-close", "close"])
        )
        near.protocol.writeConnectionLost()
        far.protocol.writeConnectionLost()
        near.protocol.dataReceived(b"ignored")
        far.protocol.dataReceived(b"ignored")
        self.assertEqual(near.written, b"late")
        far.end()
        self.assertEqual(len(self.table.sessions.live), 1)
        near.end()
        self.assertEqual(len(self.table.sessions.live), 0)
        self.assertEqual(self.row()["sessions"], 0)

    def test_client_goes_first(self) -> None:
        """The session lasts until the backend's connection is gone, too."""
        self.make()
        near, far = self.joined()
        near.protocol.readConnectionLost()
        far.protocol.readConnectionLost()
        near.end()
        self.assertEqual(len(self.table.sessions.live), 1)
        far.end()
        self.assertEqual(len(self.table.sessions.live), 0)

    def test_client_breaks(self) -> None:
        """A client that breaks off has its backend aborted; that is not its fault."""
        self.make()
        near, far = self.joined()
        near.reset()
        self.assertEqual(far.events, ["abort"])
        far.end(ConnectionAborted)
        self.assertEqual(self.row()["errors"], {})
        self.assertEqual(len(self.table.sessions.live), 0)

    def test_backend_breaks_early(self) -> None:
        """A backend that breaks off before it has answered has reset early."""
        self.make()
        near, far = self.joined()
        far.reset()
        self.assertEqual(near.events, ["abort"])
        self.assertEqual(self.row()["errors"], {"early-reset": 1})
        near.protocol.dataReceived(b"ignored")
        near.end(ConnectionAborted)

    def test_backend_breaks_late(self) -> None:
        """One that has answered before has reset."""
        self.make()
        near, far = self.joined()
        far.protocol.dataReceived(b"x")
        far.reset()
        self.assertEqual(self.row()["errors"], {"reset": 1})
        near.protocol.readConnectionLost()
        self.assertEqual(near.events, ["abort"])

    def test_backend_ends_after_client_is_lost(self) -> None:
        """An end that comes after the client has gone is told to nobody."""
        self.make()
        near, far = self.joined()
        near.reset()
        far.protocol.readConnectionLost()
        self.assertEqual(near.events, [])

    def test_abort(self) -> None:
        """Cutting a session aborts both ends."""
        self.make()
        near, far = self.joined()
        self.table.sessions.cut()
        self.assertEqual((near.events, far.events), (["abort"], ["abort"]))

    def test_abort_of_what_is_left(self) -> None:
        """Cutting a session whose client has gone aborts the backend's end."""
        self.make()
        near, far = self.joined()
        near.protocol.readConnectionLost()
        far.protocol.readConnectionLost()
        near.end()
        far.events.clear()
        self.table.sessions.cut()
        self.assertEqual(far.events, ["abort"])


class TimeoutTests(SessionCase):
    """Time passes."""

    def test_idle(self) -> None:
        """A session that only one side has used is closed after the idle timeout."""
        self.make()
        near, far = self.joined()
        near.protocol.dataReceived(b"x")
        self.table.pass_time(9)
        self.assertEqual(near.events, [])
        self.table.pass_time(2)
        self.assertEqual((near.events, far.events), (["close"], ["close"]))
        self.assertEqual(self.table.sessions.ended, {"idle-timeout": 1})

    def test_tunnel(self) -> None:
        """One that both sides have used is closed after the tunnel timeout."""
        self.make()
        near, far = self.joined()
        near.protocol.dataReceived(b"x")
        far.protocol.dataReceived(b"x")
        self.table.pass_time(18)
        self.assertEqual(near.events, [])
        self.table.pass_time(3.5)
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.sessions.ended, {"tunnel-timeout": 1})

    def test_half_closed_is_idle(self) -> None:
        """After one side has ended it is the idle timeout that counts."""
        self.make()
        near, far = self.joined()
        near.protocol.dataReceived(b"x")
        far.protocol.dataReceived(b"x")
        near.protocol.readConnectionLost()
        self.table.pass_time(11)
        self.assertEqual(near.events, ["close"])

    def test_stuck(self) -> None:
        """A session that is idle because one end takes nothing is aborted."""
        self.make()
        near, far = self.joined()
        far.protocol.dataReceived(b"x")
        near.dataBuffer = b"x"
        near.producerPaused = True
        self.table.pass_time(16)
        self.assertEqual((near.events, far.events), (["abort"], ["abort"]))

    def test_slow_taking_is_progress(self) -> None:
        """What a slow reader takes keeps its session alive."""
        self.make()
        near, far = self.joined()
        far.protocol.dataReceived(bytes(40))
        near.dataBuffer = bytes(40)
        near.producerPaused = True
        for _ in range(10):
            near.dataBuffer = near.dataBuffer[1:]
            self.table.pass_time(4)
        self.assertEqual(near.events, [])

    def test_close_timeout(self) -> None:
        """An end that does not take the rest is cut."""
        self.make()
        near, far = self.joined()
        near.protocol.readConnectionLost()
        far.protocol.readConnectionLost()
        self.table.pass_time(4)
        self.assertEqual(near.events[-1], "abort")
        self.assertEqual(far.events[-1], "abort")
        self.assertGreater(self.table.sessions.ended["close-timeout"], 0)

    def test_closed_twice(self) -> None:
        """Closing what is being closed changes nothing."""
        self.make()
        near, _ = self.joined()
        near.protocol.close()
        near.protocol.close()
        self.assertEqual(near.events, ["close"])

    def test_drain(self) -> None:
        """While draining a quiet session stays, until the time is up."""
        self.make()
        near, far = self.joined()
        near.protocol.dataReceived(b"x")
        done = self.table.sessions.drain(5)
        self.table.pass_time(4)
        self.assertEqual(near.events, [])
        self.table.pass_time(2)
        self.assertEqual(near.events[0], "abort")
        far.end(ConnectionAborted)
        near.end(ConnectionAborted)
        self.successResultOf(done)


class RetryTests(SessionCase):
    """Backends cannot be reached."""

    def test_redispatch(self) -> None:
        """When one backend refuses, another one is tried at once."""
        self.make("10.0.0.1:80", "10.0.0.2:80")
        near = self.client()
        self.attempt().failed(ConnectionRefusedError())
        self.assertEqual(self.hosts(), ["10.0.0.1", "10.0.0.2"])
        self.attempt().succeed()
        self.assertEqual(near.events, [])
        self.assertEqual(self.row(0)["errors"], {"refused": 1})
        self.assertEqual((self.row(0)["sessions"], self.row(1)["sessions"]), (0, 1))

    def test_again_after_a_pause(self) -> None:
        """When all have failed, the same ones are tried after a pause."""
        self.make("10.0.0.1:80", retries=2)
        near = self.client()
        self.attempt().failed(ConnectionRefusedError())
        self.assertEqual(len(self.hosts()), 1)
        self.table.clock.advance(RETRY_PAUSE)
        self.assertEqual(len(self.hosts()), 2)
        self.attempt().failed(ConnectionRefusedError())
        self.table.clock.advance(RETRY_PAUSE)
        self.attempt().failed(ConnectionRefusedError())
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.dialer.refused, {"connect-failed": 1})

    def test_timeout(self) -> None:
        """A backend that takes too long is given up, and another one tried."""
        self.make("10.0.0.1:80", "10.0.0.2:80")
        self.client()
        self.table.pass_time(4)
        self.assertTrue(self.attempt(0).cancelled)
        self.assertEqual(self.hosts(), ["10.0.0.1", "10.0.0.2"])
        self.assertEqual(self.row(0)["errors"], {"timeout": 1})

    def test_connected_too_late(self) -> None:
        """A connection that comes about after it was given up is aborted."""
        self.make("10.0.0.1:80", "10.0.0.2:80")
        near = self.client()
        self.table.pass_time(4)
        late = self.attempt(0).succeed()
        self.assertEqual(late.events, ["abort"])
        late.protocol.dataReceived(b"x")
        late.protocol.readConnectionLost()
        late.protocol.handshakeCompleted()
        late.end(ConnectionAborted)
        self.assertEqual((near.written, near.events), (b"", []))

    def test_client_leaves_while_connecting(self) -> None:
        """A client that leaves gives its slot back; nobody is blamed."""
        self.make()
        near = self.client()
        near.reset()
        self.assertTrue(self.attempt().cancelled)
        self.assertEqual((self.row()["sessions"], self.row()["errors"]), (0, {}))
        self.table.pass_time(6)
        self.assertEqual(len(self.hosts()), 1)

    def test_client_leaves_while_pausing(self) -> None:
        """One that leaves in a pause is not tried for again."""
        self.make()
        near = self.client()
        self.attempt().failed(ConnectionRefusedError())
        near.reset()
        self.table.pass_time(2)
        self.assertEqual(len(self.hosts()), 1)

    def test_no_backend(self) -> None:
        """With no backend at all the client is closed at once."""
        self.make("10.0.0.1:80,weight=0")
        near = self.client()
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.dialer.refused, {"no-backend": 1})
        near.end()
        self.assertEqual(len(self.table.sessions.live), 0)

    def test_no_route(self) -> None:
        """With no pool for it, too."""
        self.make("10.0.0.1:80,sni=a.test")
        session = Session(self.table.dialer, self.table.routes)
        session.connections, session.host = self.table.sessions, "192.0.2.1"
        self.table.sessions.admit("192.0.2.1")
        near = Wire(session)
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.dialer.refused, {"no-route": 1})
        near.end()


class QueueTests(SessionCase):
    """Backends have their limit of sessions."""

    def test_wait(self) -> None:
        """A client waits for a slot, and gets it when a session has ended."""
        self.make("10.0.0.1:80,max=1")
        _, far = self.joined()
        self.client()
        self.assertEqual((len(self.hosts()), self.table.pool.waiting), (1, 1))
        far.reset()
        self.assertEqual((len(self.hosts()), self.table.pool.waiting), (2, 0))

    def test_timeout(self) -> None:
        """Who has waited for too long is closed, on time."""
        self.make("10.0.0.1:80,max=1", queue_timeout=2.0)
        self.joined()
        near = self.client()
        self.table.pass_time(1.5)
        self.assertEqual(near.events, [])
        self.table.pass_time(1)
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.dialer.refused, {"queue-timeout": 1})

    def test_leave(self) -> None:
        """A client that leaves is not waited for."""
        self.make("10.0.0.1:80,max=1")
        self.joined()
        near = self.client()
        near.reset()
        self.assertEqual(self.table.pool.waiting, 0)

    def test_leave_unread(self) -> None:
        """One that has left without that being read is found out soon."""
        asked: list[tuple[Any, bool]] = []
        gone: list[Any] = []

        def has_left(transport: Any, end_counts: bool) -> bool:
            asked.append((transport, end_counts))
            return transport in gone

        self.patch(session_module, "has_left", has_left)
        self.make("10.0.0.1:80,max=1")
        _, far = self.joined()
        near, other = self.client(), self.client()
        self.table.clock.advance(PRESENCE)
        self.assertEqual(asked, [(near, False), (other, False)])
        gone.append(near)
        self.table.clock.advance(PRESENCE)
        self.assertEqual(near.events, ["abort"])
        near.end(ConnectionAborted)
        self.assertEqual(self.table.pool.waiting, 1)
        # Who has got a slot is not asked any more.
        far.reset()
        asked.clear()
        self.table.clock.advance(PRESENCE)
        self.assertEqual((asked, len(self.table.dialer.waiting)), ([], 0))

    def test_full(self) -> None:
        """With the queue full the next client is closed at once."""
        self.make("10.0.0.1:80,max=1", max_waiting=1)
        self.joined()
        self.client()
        near = self.client()
        self.assertEqual(near.events, ["close"])
        self.assertEqual(self.table.dialer.refused, {"queue-full": 1})
