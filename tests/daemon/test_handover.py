"""Tests of L{netsvc.daemon.handover}, and of listeners that rest or leave a port."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, cast

from twisted.internet.protocol import DatagramProtocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import listeners as listeners_module
from netsvc.daemon.configuration import Entry
from netsvc.daemon.handover import Handover
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.listeners import Listeners, listeners_of
from netsvc.multiplex.inherited import Inherited
from tests.daemon.service_fakes import FakeMultiplexer, FakePort


class DescribedPort(FakePort):
    """A port with a descriptor."""

    def fileno(self) -> int:
        """Give one that can be copied."""
        return 0


class LendingMultiplexer(FakeMultiplexer):
    """
    A multiplexer whose ports can be lent.

    @ivar taken: The descriptors that were taken by who binds.
    """

    def __init__(self) -> None:
        """Begin with nothing lent."""
        super().__init__()
        self.inherited = Inherited()
        self.taken: list[int] = []

    def _bind(self, address: Any, served: Any, *call: Any) -> FakePort:
        key = (call[0], call[2], call[1]) if call[0] != "unix" else (*call[:1], "", "")
        fd = self.inherited.take(*key)
        if fd is not None:
            self.taken.append(fd)
            os.close(fd)
        elif any(each[:3] == call[:3] for each in self.bound):
            self.in_use.add(address.port)
        super()._bind(address, served, *call)
        self.ports[-1] = DescribedPort(address, served)
        return self.ports[-1]


@dataclass(frozen=True)
class FakeSettings:
    """Settings with ports."""

    listen: tuple[Listen, ...]


class FakeService:
    """A service with listeners."""

    def __init__(self, mux: Any, listens: tuple[Listen, ...]) -> None:
        """Bind them."""
        self.listeners = Listeners(
            "netsvc-fake", listens, lambda _: ServerFactory(), DatagramProtocol, mux
        )
        self.listeners.startService()


def entry(name: str, *listens: str) -> Entry:
    """Make an entry."""
    settings = FakeSettings(tuple(map(parse_listen, listens)))
    return Entry(table="echo", name=name, settings=settings)


class HandoverCase(SynchronousTestCase):
    """A test with services and what they are to become."""

    def setUp(self) -> None:
        """Let everything be bound by a multiplexer that binds nothing."""
        self.mux: Any = LendingMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: reactor)

    def make(self, *entries: Entry) -> list[FakeService]:
        """Make services."""
        self.before = list(entries)
        self.services = [
            FakeService(self.mux, each.settings.listen) for each in entries
        ]
        return self.services

    @staticmethod
    def ports(listeners: Listeners) -> list[FakePort]:
        """Give what listeners read from."""
        return cast("list[FakePort]", listeners.ports)

    def lent(self) -> int:
        """Tell how many sockets are lent now."""
        return sum(map(len, self.mux.inherited._held.values()))


class HandoverTests(HandoverCase):
    """Ports that go from one to another."""

    def test_moved(self) -> None:
        """Who binds gets a copy, and who had the port reads it no more afterwards."""
        one, two = self.make(
            entry("one", "tcp:7", "udp:7", "tcp:9"), entry("two", "tcp:8")
        )
        old = self.ports(one.listeners)
        after = [entry("one", "tcp:9"), entry("two", "tcp:8", "tcp:7", "udp:7")]
        with Handover([*self.services, object()], self.before, after) as handover:
            self.assertEqual(self.lent(), 2)
            changes = [
                each.listeners.prepare(new.settings.listen)
                for each, new in zip((one, two), after, strict=True)
            ]
        self.assertEqual((len(self.mux.taken), self.lent()), (2, 0))
        # Nothing has changed so far.
        new = self.mux.ports[-2:]
        self.assertEqual(
            [each.reading for each in [*old, *new]], [True] * 3 + [False] * 2
        )
        handover.commit()
        self.assertEqual([each.reading for each in old], [False, False, True])
        self.assertEqual([each.closed for each in old], [False] * 3)
        self.assertEqual(self.ports(one.listeners), old[2:])
        for each in changes:
            each.commit()
        self.assertEqual([each.closed for each in old], [True, True, False])
        self.assertEqual([each.reading for each in new], [True, True])

    def test_abandoned(self) -> None:
        """If it comes to nothing, the copies are closed and all is as before."""
        one, two = self.make(entry("one", "tcp:7"), entry("two"))
        after = [entry("one"), entry("two", "tcp:7")]
        with Handover(self.services, self.before, after):
            change = two.listeners.prepare(after[1].settings.listen)
        change.abandon()
        self.assertTrue(self.mux.ports[-1].closed)
        (port,) = self.ports(one.listeners)
        self.assertEqual((port.reading, port.closed), (True, False))

    def test_not_taken(self) -> None:
        """What nobody takes, as a mistake came first, is closed."""
        self.make(entry("one", "tcp:7"), entry("two"))
        with (
            self.assertRaises(ZeroDivisionError),
            Handover(self.services, self.before, [entry("two", "tcp:7")]),
        ):
            self.assertEqual(self.lent(), 1)
            raise ZeroDivisionError
        self.assertEqual(self.lent(), 0)

    def test_none(self) -> None:
        """Nothing is lent that stays, is wanted twice, or cannot change hands."""
        self.make(entry("one", "tcp:7", "unix:/a", "tcp:0"), entry("two"))
        for after in (
            [entry("one", "tcp:7"), entry("two", "tcp:8")],
            [entry("one", "tcp:7"), entry("two", "tcp:7")],
            [entry("two", "tcp:7"), entry("three", "tcp:7")],
            [entry("two", "unix:/a", "tcp:0", "other:x:y")],
            [entry("two", r"tcp:7:interface=127.0.0.1")],
        ):
            with Handover(self.services, self.before, after) as handover:
                self.assertEqual(self.lent(), 0)
            handover.commit()
        self.assertTrue(all(each.reading for each in self.mux.ports))

    def test_no_descriptor(self) -> None:
        """A socket that cannot be copied is not lent; the others are."""
        one, _ = self.make(entry("one", "tcp:7", "tcp:8"), entry("two"))
        self.patch(self.ports(one.listeners)[0], "fileno", lambda: -1)
        after = [entry("two", "tcp:7", "tcp:8")]
        with Handover(self.services, self.before, after) as handover:
            self.assertEqual(self.lent(), 1)
        handover.commit()
        self.assertEqual([each.reading for each in self.mux.ports], [True, False])

    def test_no_multiplexer(self) -> None:
        """Where sockets cannot be lent the port is in use, as it was."""
        del self.mux.inherited
        self.patch(LendingMultiplexer, "_bind", FakeMultiplexer._bind)
        self.make(entry("one", "tcp:7"), entry("two"))
        with Handover(self.services, self.before, [entry("two", "tcp:7")]) as handover:
            pass
        handover.commit()
        self.assertTrue(self.mux.ports[0].reading)


class LeaveTests(HandoverCase):
    """Listeners that have left a port to others."""

    def test_drain(self) -> None:
        """A port that is left stays open while answers may leave by it."""
        (service,) = self.make(entry("one", "tcp:7", "udp:7"))
        stream, datagrams = self.mux.ports
        held = service.listeners
        for each in list(held.bound):
            held.leave(each)
            held.leave(each)
        self.assertEqual((held.ports, held.turned_away), ([], 0))
        held.stop_listening(keep=lambda listen: listen.kind == "udp")
        self.assertEqual((stream.closed, datagrams.closed), (True, False))
        self.successResultOf(held.stopService())
        self.assertTrue(datagrams.closed)

    def test_listeners_of(self) -> None:
        """A service holds its ports by one, by several or by none."""
        (service,) = self.make(entry("one", "tcp:7"))
        one = service.listeners
        self.assertEqual(listeners_of(service), (one,))
        several: Any = FakeService(self.mux, ())
        several.listeners = [one, one]
        self.assertEqual(listeners_of(several), (one, one))
        self.assertEqual(listeners_of(object()), ())


class RestTests(HandoverCase):
    """Listeners that let people wait."""

    def test_two_reasons(self) -> None:
        """They read again when the last reason to rest is gone."""
        (service,) = self.make(entry("one", "tcp:7"))
        held, (port,) = service.listeners, self.mux.ports
        held.rest("a")
        held.rest("b")
        held.wake("a")
        held.wake("a")
        self.assertFalse(port.reading)
        held.wake("b")
        self.assertTrue(port.reading)

    def test_before_bound(self) -> None:
        """Who rests before anything is bound does so afterwards, also with what a
        reload adds."""
        held = Listeners(
            "netsvc-fake",
            [parse_listen("tcp:7")],
            lambda _: ServerFactory(),
            DatagramProtocol,
            self.mux,
        )
        held.rest("a")
        held.startService()
        held.prepare(list(map(parse_listen, ("tcp:7", "tcp:8")))).commit()
        self.assertEqual([each.reading for each in self.mux.ports], [False, False])
        held.wake("a")
        self.assertEqual([each.reading for each in self.mux.ports], [True, True])
