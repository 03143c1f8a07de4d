"""Tests of the sockets that a parent binds and that workers adopt."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.configuration import Entry
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.workers.placement import wishes
from netsvc.daemon.workers.ports import Ports, PortsError
from netsvc.daemon.workers.sockets import bind, extend
from netsvc.multiplex.crowd import SLACK, Crowd, create
from netsvc.multiplex.listener import SHARED_ACCEPTS, YIELD
from netsvc.multiplex.reactor import Multiplexer
from tests.daemon.workers.test_placement import entry

TCP = "tcp:0:interface=127.0.0.1"
UDP = "udp:0:interface=127.0.0.1"


class Folder(SynchronousTestCase):
    """A test with a folder whose name is short."""

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = Path(tempfile.mkdtemp(prefix="netsvc-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def bound(self, text: str, workers: tuple[int, ...] = (0, 1)) -> Any:
        """Bind a listen string until the end of the test."""
        shared = bind(parse_listen(text), workers)
        self.addCleanup(shared.close)
        return shared

    def address(self, fd: int) -> Any:
        """Give the address of a socket."""
        with socket.socket(fileno=os.dup(fd)) as skt:
            return skt.getsockname()


class BindTests(Folder):
    """L{bind} and L{extend}."""

    def test_tcp(self) -> None:
        """Of TCP all workers have one socket, which listens and does not block."""
        shared = self.bound(TCP)
        self.assertEqual(shared.fileno(0), shared.fileno(1))
        self.assertEqual(shared.own, set())
        self.assertFalse(os.get_blocking(shared.fileno(0)))
        self.assertFalse(os.get_inheritable(shared.fileno(0)))
        socket.create_connection(self.address(shared.fileno(0))).close()

    def test_ipv6(self) -> None:
        """An IPv6 address is bound as such."""
        for text in (r"tcp:0:interface=\:\:1", r"udp:0:interface=\:\:1"):
            shared = self.bound(text)
            self.assertEqual(self.address(shared.fileno(0))[0], "::1")

    def test_udp(self) -> None:
        """Of UDP each worker has a socket, all of one port; more can be added."""
        shared = self.bound(UDP)
        self.assertNotEqual(shared.fileno(0), shared.fileno(1))
        address = self.address(shared.fileno(0))
        self.assertEqual(self.address(shared.fileno(1)), address)
        self.assertEqual(extend(shared, range(4)), {2, 3})
        self.assertEqual(self.address(shared.fileno(3)), address)
        shared.drop({1, 2, 3})
        self.assertEqual(shared.own, {0})

    def test_udp_in_use(self) -> None:
        """A UDP port is not joined, though its owner would share it."""
        shared = self.bound(UDP)
        port = self.address(shared.fileno(0))[1]
        with self.assertRaisesRegex(OSError, "in use"):
            bind(parse_listen(f"udp:{port}:interface=127.0.0.1"), (0, 1))

    def test_tcp_in_use(self) -> None:
        """A TCP port that is in use is refused, and nothing is left open."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            before = len(os.listdir("/proc/self/fd"))
            with self.assertRaisesRegex(OSError, "in use"):
                bind(parse_listen(text), (0,))
            self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_unix(self) -> None:
        """A UNIX socket gets its mode, and is removed with its lock at the end."""
        path = self.folder / "a.sock"
        shared = bind(parse_listen(f"unix:{path}:mode=600"), (0, 1))
        mode = path.stat().st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        with self.assertRaisesRegex(OSError, "lock"):
            bind(parse_listen(f"unix:{path}"), (0,))
        shared.close()
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_unix_left_over(self) -> None:
        """A socket of a process that is gone is replaced; another file is not."""
        path = self.folder / "a.sock"
        with socket.socket(socket.AF_UNIX) as skt:
            skt.bind(str(path))
        os.symlink("999999999", f"{path}.lock")
        self.bound(f"unix:{path}").close()
        path.write_text("mine")
        with self.assertRaisesRegex(OSError, "in use"):
            bind(parse_listen(f"unix:{path}"), (0,))
        self.assertEqual(path.read_text(), "mine")
        self.assertFalse(os.path.lexists(f"{path}.lock"))

    def test_unix_without_lock(self) -> None:
        """A UNIX socket can do without a lock."""
        path = self.folder / "a.sock"
        self.bound(f"unix:{path}:lockfile=0")
        self.assertEqual([each.name for each in self.folder.iterdir()], ["a.sock"])

    def test_systemd(self) -> None:
        """A socket that systemd has not passed is not there."""
        with self.assertRaises(LookupError):
            bind(parse_listen("systemd:domain=INET:name=nobody"), (0,))


class PortsTests(Folder):
    """L{Ports}."""

    def setUp(self) -> None:
        """Of three workers, those that a test says."""
        super().setUp()
        self.members = [0, 1, 2]
        self.ports = Ports(lambda one: self.members)
        self.addCleanup(self.ports.close)

    def use(self, one: Entry) -> list[int]:
        """Go by an entry; give the descriptors of worker 0."""
        self.ports.prepare([one]).commit()
        return self.ports.sockets(0, wishes(one))[1]

    def test_kept(self) -> None:
        """What stays keeps its sockets; what is gone is closed at the commit."""
        tcp, udp = self.use(entry(TCP, UDP))
        port = self.address(tcp)[1]
        prepared = self.ports.prepare([entry(UDP)])
        socket.create_connection(("127.0.0.1", port)).close()
        prepared.commit()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        self.assertEqual(self.ports.sockets(0, wishes(entry(UDP)))[1], [udp])

    def test_abandoned(self) -> None:
        """What was bound for nothing is closed, and what was there stays."""
        (udp,) = self.use(entry(UDP))
        before = len(os.listdir("/proc/self/fd"))
        prepared = self.ports.prepare([entry(UDP, TCP, second=TCP)])
        keys, fds = prepared.sockets(0, wishes(entry(UDP, TCP)))
        self.assertEqual(keys[1], ("tcp", "127.0.0.1", 0))
        self.assertEqual(fds[0], udp)
        prepared.abandon()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_moved(self) -> None:
        """A service that moves to one worker leaves no UDP socket unread, and back."""
        self.use(entry(UDP))
        before = len(os.listdir("/proc/self/fd"))
        self.members = [0]
        self.use(entry(UDP))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 2)
        self.members = [0, 1, 2]
        prepared = self.ports.prepare([entry(UDP)])
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        prepared.abandon()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 2)

    def test_refused(self) -> None:
        """All that cannot be bound is told, and nothing is left."""
        before = len(os.listdir("/proc/self/fd"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            text = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            with self.assertRaises(PortsError) as caught:
                self.ports.prepare([entry(TCP, text, second="onion:1")])
        problems = [each.problem for each in caught.exception.problems]
        self.assertEqual(
            problems,
            [
                f"cannot listen on {text}: Address already in use",
                "cannot listen on onion:1: workers cannot share a socket of 'onion:'",
            ],
        )
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_twice(self) -> None:
        """Two services cannot have one port."""
        path = f"unix:{self.folder}/a.sock"
        with self.assertRaises(PortsError):
            self.ports.prepare([entry(path), entry(path, name="b")])


class Idle(Clock):
    """A reactor that does nothing but keep time."""

    def addReader(self, reader: Any) -> None:
        """Take a reader."""

    def removeReader(self, reader: Any) -> None:
        """Forget it."""


class Noting(Protocol):
    """Says hello."""

    def connectionMade(self) -> None:
        """Say it."""
        assert self.transport is not None
        self.transport.write(b"hello")


class InheritedTests(Folder):
    """A multiplexer that has been given sockets."""

    def setUp(self) -> None:
        """Make a multiplexer."""
        super().setUp()
        self.clock = Idle()
        self.mux = Multiplexer(self.clock)
        self.factory = ServerFactory.forProtocol(Noting)
        self.addCleanup(self.mux.inherited.close)

    def give(self, shared: Any, worker: int = 0) -> None:
        """Give a copy of a socket."""
        kind, interface, where = shared.key
        fd = os.dup(shared.fileno(worker))
        self.mux.inherited.give(kind, interface, where, fd)

    def close(self, port: Any) -> None:
        """Close a port."""
        port.connectionLost(None)

    def test_tcp(self) -> None:
        """
        Who listens on the same port gets the socket, once; when it is closed, the
        others go on listening.
        """
        shared = self.bound(TCP)
        self.give(shared)
        port = self.mux.listenTCP(0, self.factory, interface="127.0.0.1")
        address = self.address(shared.fileno(0))
        self.assertEqual(port.getHost().port, address[1])
        other = self.mux.listenTCP(0, self.factory, interface="127.0.0.1")
        self.assertNotEqual(other.getHost().port, address[1])
        self.close(other)
        with socket.create_connection(address) as client:
            port.doRead()
            self.mux.doRead()
            self.assertEqual(client.recv(100), b"hello")
        self.mux.doRead()
        self.close(port)
        socket.create_connection(address).close()

    def turns(self) -> int:
        """Let it handle what there is; give how many descriptors it holds then."""
        for _ in range(40):
            self.mux.doRead()
        return self.mux.held

    def test_crowd(self) -> None:
        """
        A process that has more than another lets that one accept first; but not for
        ever, and it then takes only a few connections at once.
        """
        fd = create(2)
        other, self.mux.crowd = Crowd(fd, 1), Crowd(fd, 0)
        os.close(fd)
        self.addCleanup(other.close)
        self.addCleanup(self.mux.crowd.close)
        other.ahead(0)
        shared = self.bound(TCP)
        self.give(shared)
        self.mux.listenTCP(0, self.factory, interface="127.0.0.1")
        address = self.address(shared.fileno(0))
        for _ in range(20):
            self.addCleanup(socket.create_connection(address).close)
        # With the port itself it had one more; it does not look at that for a while.
        held = self.turns()
        self.assertTrue(SLACK <= held < SLACK + SHARED_ACCEPTS, held)
        for _ in range(3):
            self.clock.advance(YIELD)
            more = self.turns() - held
            self.assertTrue(1 <= more <= SHARED_ACCEPTS, more)
            held += more
        other.leave()
        self.clock.advance(YIELD)
        self.assertEqual(self.turns(), 21)
        for selectable in self.mux.removeAll():
            selectable.connectionLost(Failure(CONNECTION_DONE))

    def test_udp(self) -> None:
        """A UDP port is the worker's own socket."""
        shared = self.bound(UDP)
        self.give(shared, 1)
        port = self.mux.listenUDP(0, DatagramProtocol(), "127.0.0.1")
        address = self.address(shared.fileno(1))
        self.assertEqual(port.getHost().port, address[1])
        self.close(port)

    def test_udp_drops(self) -> None:
        """What the kernel has dropped before is not counted again."""
        shared = self.bound(UDP, (0,))
        with socket.socket(fileno=os.dup(shared.fileno(0))) as skt:
            skt.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                for _ in range(100):
                    sender.sendto(bytes(1000), skt.getsockname())
        self.give(shared)
        port = self.mux.listenUDP(0, DatagramProtocol(), "127.0.0.1")
        self.assertEqual(port.kernel_drops, 0)
        self.assertGreater(port._drops_before, 0)
        self.close(port)

    def test_unix(self) -> None:
        """A UNIX socket is neither removed nor shut down by who was given it."""
        path = str(self.folder / "a.sock")
        shared = self.bound(f"unix:{path}:mode=600")
        self.give(shared)
        port = self.mux.listenUNIX(os.fsencode(path), self.factory)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.close(port)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    def test_rest(self) -> None:
        """What nobody asks for is closed."""
        before = len(os.listdir("/proc/self/fd"))
        shared = bind(parse_listen(TCP), (0,))
        self.give(shared)
        self.give(shared)
        self.assertIsNone(self.mux.inherited.take("tcp", "127.0.0.2", 0))
        shared.close()
        self.mux.inherited.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
