"""Tests of the inside of a worker, with services that do nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import logs
from netsvc.daemon.changes import Changes
from netsvc.daemon.configuration import ConfigurationError, Problem
from netsvc.daemon.report import Connected, ServiceReport, Snapshot
from netsvc.daemon.snapshots import decode
from netsvc.daemon.workers.channel import Channel
from netsvc.daemon.workers.child import (
    INTERVAL,
    MAX_REFUSAL,
    Orders,
    Worker,
    outline,
    take_orders,
    tell_refused,
)
from netsvc.daemon.workers.messages import (
    Message,
    MessageError,
    document,
    pair,
    receive,
    send,
)
from netsvc.daemon.workers.slab import Slab, create
from netsvc.multiplex.crowd import Crowd
from netsvc.multiplex.crowd import create as create_crowd
from tests.daemon.workers.fakes import configuration, entry
from tests.daemon.workers.test_sums import snapshot


def parse(text: str, file: str) -> Any:
    """Read a configuration of two services, or none."""
    if text == "bad":
        raise ConfigurationError((Problem(file, 1, "echo", "bad"),))
    return configuration(entry("echo"), entry("chat"), text=text)


class FakeReactor(Clock):
    """A clock that can be stopped."""

    def __init__(self) -> None:
        """Begin to run."""
        super().__init__()
        self.running = True
        self.readers: list[Any] = []
        self.at_end: list[Callable[[], object]] = []

    def addReader(self, reader: Any) -> None:
        """Note it."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Forget it."""
        if reader in self.readers:
            self.readers.remove(reader)

    def addSystemEventTrigger(self, phase: str, event: str, call: Any) -> None:
        """Note it."""
        self.at_end.append(call)

    def stop(self) -> None:
        """Stop."""
        self.running = False


class FakeDaemon:
    """Notes what it is asked."""

    running = True
    state = "ready"
    drain_timeout = 1.0

    def __init__(self) -> None:
        """Begin."""
        self.done: list[str] = []

    def shut_down(self, why: str) -> None:
        """Note it."""
        self.done.append("drain")

    def reopen_logs(self) -> None:
        """Note it."""
        self.done.append("reopen")

    def log_summary(self) -> None:
        """Note it."""
        self.done.append("summary")


class FakeReloader:
    """Prepares what a test says."""

    def __init__(self) -> None:
        """Begin."""
        self.asked: list[Any] = []
        self.answer: defer.Deferred[Changes] = defer.Deferred()

    def prepare(self, wanted: Any) -> defer.Deferred[Changes]:
        """Note it."""
        self.asked.append(wanted)
        return self.answer


class FakeInherited:
    """Notes the sockets."""

    def __init__(self) -> None:
        """Begin."""
        self.given: list[tuple[Any, ...]] = []

    def give(self, kind: str, interface: str, where: Any, fd: int) -> None:
        """Take one."""
        self.given.append((kind, interface, where))
        os.close(fd)

    def close(self) -> None:
        """Note it."""
        self.given.append(("closed",))


class FakeCollector:
    """Gives a snapshot."""

    def __init__(self) -> None:
        """Begin."""
        self.given: Snapshot = snapshot()

    def snapshot(self) -> Snapshot:
        """Give it."""
        return self.given


class WorkerTests(SynchronousTestCase):
    """L{Worker}."""

    def setUp(self) -> None:
        """Make a worker that serves."""
        self.parent, theirs = pair()
        self.addCleanup(self.parent.close)
        self.parent.setblocking(False)
        self.reactor, self.daemon = FakeReactor(), FakeDaemon()
        self.reloader, self.inherited = FakeReloader(), FakeInherited()
        self.collector = FakeCollector()
        fd = create(8192)
        self.slab, ours = Slab(fd), Slab(fd)
        os.close(fd)
        self.addCleanup(self.slab.close)
        self.addCleanup(ours.close)
        fd = create_crowd(2)
        self.crowd = Crowd(fd, 0)
        self.addCleanup(self.crowd.close)
        os.close(fd)
        orders = Orders(0, "", {}, None, 1.0, self.slab, self.crowd, [])
        self.worker = Worker(
            theirs,
            orders,
            self.daemon,
            self.reloader,
            self.collector,  # type: ignore[arg-type]
            parse=parse,
            inherited=self.inherited,
            held=lambda: 9,
            reactor=self.reactor,
        )
        self.worker.start()
        (self.channel,) = self.reactor.readers
        self.addCleanup(self.channel.close)
        self.assertEqual(self.heard(), Message("ready"))

    def heard(self) -> Message | None:
        """Give what the worker has said next."""
        return receive(self.parent)

    def tell(self, do: str, *fds: int, **fields: Any) -> None:
        """Say something to the worker."""
        send(self.parent, do, fields, fds)
        self.channel.doRead()

    def prepare(self, text: str = "next") -> None:
        """Have it prepare."""
        with document(text) as fd:
            self.tell(
                "prepare", fd, file="x.toml", runs=[["echo", ""]], drain_timeout=9
            )

    def test_commands(self) -> None:
        """A worker drains, opens its logs and sums up when it is told."""
        for do in ("reopen", "summary", "drain"):
            self.tell(do)
        self.assertEqual(self.daemon.done, ["reopen", "summary", "drain"])
        self.assertTrue(self.reactor.running)
        self.tell("stop")
        self.assertFalse(self.reactor.running)
        self.tell("stop")

    def test_crowd(self) -> None:
        """The other workers know how much it has, until it drains."""
        self.assertEqual(list(self.crowd._cells), [9, 0xFFFFFFFF])
        self.tell("drain")
        self.assertEqual(list(self.crowd._cells), [0xFFFFFFFF, 0xFFFFFFFF])

    def test_parent_gone(self) -> None:
        """When the parent is gone it stops at once, and says so to no one."""
        self.parent.close()
        self.channel.doRead()
        self.assertFalse(self.reactor.running)
        self.assertEqual(self.reactor.readers, [])

    def test_nonsense(self) -> None:
        """A parent that makes no sense is none."""
        self.parent.send(b"junk")
        self.channel.doRead()
        self.assertFalse(self.reactor.running)

    def test_unknown(self) -> None:
        """What it does not know is our mistake: logged, and it goes on."""
        self.tell("dance")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.tell("summary")
        self.assertEqual(self.daemon.done, ["summary"])

    def test_tells(self) -> None:
        """Every second, and at the end, it tells how it is."""
        first = self.slab.sequence
        self.reactor.advance(INTERVAL)
        self.assertGreater(self.slab.sequence, first)
        report = ServiceReport("echo", counters={"a": 1})
        self.collector.given = snapshot(report)
        for call in self.reactor.at_end:
            call()
        told = self.slab.read()
        assert told is not None
        self.assertEqual(decode(told), snapshot(report))
        for call in self.reactor.at_end:
            call()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_tells_less(self) -> None:
        """What is too long for the slab is told without its lists."""
        one = Connected("tcp", "a", "b", "open", 1.0, 1.0, 1, 0)
        report = ServiceReport("echo", connections=(one,) * 1000, live=1000)
        self.collector.given = snapshot(report)
        self.reactor.advance(INTERVAL)
        told = self.slab.read()
        assert told is not None
        self.assertEqual(decode(told), outline(snapshot(report)))
        self.assertEqual(decode(told).services[0].live, 1000)

    def test_reload(self) -> None:
        """It prepares what it is to run, with new sockets, and commits when told."""
        self.tell("sockets", self.parent.fileno(), keys=[["tcp", "", 7]])
        self.prepare()
        (wanted,) = self.reloader.asked
        self.assertEqual([one.label for one in wanted.entries], ["echo"])
        self.assertEqual(self.inherited.given, [("tcp", "", 7)])
        changes = Changes()
        done: list[str] = []
        changes.on_commit(lambda: done.append("committed"))
        self.reloader.answer.callback(changes)
        self.assertEqual(self.heard(), Message("prepared", {"problems": []}))
        self.assertEqual(self.inherited.given[-1], ("closed",))
        self.assertEqual((done, self.daemon.drain_timeout), ([], 1.0))
        self.patch(logs, "_configuration", logs._configuration)
        self.tell("commit", log={"level": "warn", "rate": [1, 2]})
        self.assertEqual(done, ["committed"])
        self.assertEqual(self.daemon.drain_timeout, 9)
        self.assertEqual(logs.current()["configured"]["level"], "warn")
        self.assertEqual(logs.current()["configured"]["rate"], [1, 2])
        self.assertEqual(self.heard(), Message("done"))

    def test_abandon(self) -> None:
        """It gives back what it has prepared, when told; nothing if there is none."""
        self.prepare()
        changes = Changes()
        done: list[str] = []
        changes.on_abandon(lambda: done.append("abandoned"))
        self.reloader.answer.callback(changes)
        self.heard()
        for _ in range(2):
            self.tell("abandon")
            self.assertEqual(self.heard(), Message("done"))
        self.assertEqual(done, ["abandoned"])

    def test_refused(self) -> None:
        """What its services object to is what it answers."""
        self.prepare()
        problem = (Problem("x.toml", 1, "echo", "no key"),)
        self.reloader.answer.errback(ConfigurationError(problem))
        told = {"problems": ["x.toml:1: echo: no key"]}
        self.assertEqual(self.heard(), Message("prepared", told))

    def test_our_mistake(self) -> None:
        """A mistake of ours while preparing refuses, too, and is logged."""
        self.prepare()
        self.reloader.answer.errback(ZeroDivisionError("oops"))
        self.assertEqual(self.heard(), Message("prepared", {"problems": ["oops"]}))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bad_text(self) -> None:
        """A text that cannot be used here, for a file is gone, is refused."""
        self.prepare("bad")
        told = {"problems": ["x.toml:1: echo: bad"]}
        self.assertEqual(self.heard(), Message("prepared", told))

    def test_asks_for_reload(self) -> None:
        """It asks the parent for a reload, once at a time."""
        asked = self.worker.reload()
        self.assertEqual(self.heard(), Message("reload"))
        refused = self.successResultOf(self.worker.reload())
        self.assertEqual(refused, ["the parent cannot be asked now"])
        self.tell("reloaded", problems=["line 3"])
        self.assertEqual(self.successResultOf(asked), ["line 3"])
        self.tell("reloaded", problems=[])


class OrdersTests(SynchronousTestCase):
    """L{take_orders} and L{tell_refused}."""

    def setUp(self) -> None:
        """Make a pair."""
        self.parent, self.child = pair()
        self.addCleanup(self.parent.close)
        self.addCleanup(self.child.close)

    def test_orders(self) -> None:
        """Who it is, what it runs, and its sockets."""
        slab = create(4096)
        with document("text") as text:
            send(
                self.parent,
                "start",
                {
                    "worker": 1,
                    "reactor": "r",
                    "log": {},
                    "file": "x.toml",
                    "runs": [["chat", ""]],
                    "drain_timeout": 3,
                },
                [text, slab, slab],
            )
        os.close(slab)
        send(self.parent, "sockets", {"keys": [["udp", "", 7]]}, [0])
        send(self.parent, "run", {})
        orders = take_orders(self.child, parse)
        self.addCleanup(orders.slab.close)
        self.addCleanup(orders.crowd.close)
        self.assertEqual((orders.worker, orders.drain_timeout), (1, 3))
        self.assertEqual([one.label for one in orders.configuration.entries], ["chat"])
        ((kind, interface, where, fd),) = orders.sockets
        self.assertEqual((kind, interface, where), ("udp", "", 7))
        os.close(fd)

    def test_no_parent(self) -> None:
        """Without a parent there are none."""
        self.parent.close()
        with self.assertRaisesRegex(MessageError, "gone"):
            take_orders(self.child, parse)

    def test_refused(self) -> None:
        """A refusal is cut to what a message can have; no parent, no matter."""
        tell_refused(self.child, "x" * 100_000)
        message = receive(self.parent)
        assert message is not None
        self.assertEqual(message.fields, {"problem": "x" * MAX_REFUSAL})
        self.parent.close()
        tell_refused(self.child, "x")


class ChannelTests(SynchronousTestCase):
    """L{Channel}."""

    def test_closed(self) -> None:
        """A closed channel says and hears nothing; nor does one whose end is gone."""
        ours, theirs = pair()
        self.addCleanup(theirs.close)
        gone: list[int] = []
        channel = Channel(ours, lambda message: None, lambda: gone.append(1))
        self.assertEqual(channel.logPrefix(), "workers")
        theirs.close()
        self.assertFalse(channel.send("hello"))
        channel.doRead()
        channel.doRead()
        self.assertEqual(gone, [1])
        channel.connectionLost(None)
        self.assertFalse(channel.send("hello"))

    def test_full(self) -> None:
        """A peer that reads nothing is found out, and nobody waits for it."""
        ours, theirs = pair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        channel = Channel(ours, lambda message: None, lambda: None)
        for _ in range(100_000):
            if not channel.send("hello", text="x" * 1000):
                break
        else:
            self.fail("it takes everything")
