"""Tests of what L{netsvc.multiplex.flow} delivers, and of how a flow waits."""

from __future__ import annotations

import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netsvc.multiplex import flow as flow_module
from netsvc.multiplex import forward, join, pending
from netsvc.multiplex.flow import BULK, PIPE_SIZE, SHORT_MOVES, Flow, PipePool
from netsvc.multiplex.stream import READ_SIZE
from tests.multiplex.fakes import (
    HalfRecorder,
    MultiplexTestCase,
    ServerContext,
    ended,
    receive,
)

#: What the kernel and a flow may hold between two peers that do not read.
HELD = 4 * PIPE_SIZE


class CountingPool(PipePool):
    """
    A pool that closes what it keeps when its test ends.

    @ivar takes: How many pipes were taken.
    """

    takes = 0

    def take(self) -> Any:
        """Take one, and count."""
        pipe = super().take()
        self.takes += pipe is not None
        return pipe

    def close(self) -> None:
        """Close the idle pipes."""
        while self._idle:
            self._idle.pop().close()


class FlowTestCase(MultiplexTestCase):
    """A test with a pool of pipes."""

    def setUp(self) -> None:
        """Make the pool."""
        super().setUp()
        self.pool = CountingPool()
        self.addCleanup(self.pool.close)

    def flow(
        self, pool: PipePool | None = None, protocol: HalfRecorder | None = None
    ) -> tuple[Flow, Any, Any]:
        """Return a flow between two connections, and the two peers."""
        _, source, sender = self.connect(protocol or HalfRecorder())
        _, sink, receiver = self.connect(HalfRecorder())
        return Flow(source, sink, pool=pool or self.pool), sender, receiver

    def send(self, sender: socket.socket, data: bytes) -> int:
        """Send what the kernel takes, and let the flow move it."""
        try:
            return sender.send(data)
        except BlockingIOError:
            return 0
        finally:
            self.reactor.settle()

    def carry(
        self, sender: socket.socket, receiver: socket.socket, data: bytes
    ) -> bytes:
        """Send all of C{data}, and return what arrives."""
        received = b""
        for _ in range(10_000):
            if data:
                data = data[self.send(sender, data) :]
            piece = receive(receiver)
            received += piece
            if not data and not piece:
                return received
            self.reactor.settle()
        raise AssertionError("it does not end")


class MoveTests(FlowTestCase):
    """Tests of one direction."""

    def test_small(self) -> None:
        """A small message is sent in the wake-up in which it came, and copied."""
        protocol = HalfRecorder()
        _, sender, receiver = self.flow(protocol=protocol)
        for number in range(100):
            message = b"message %d" % number
            sender.send(message)
            self.reactor.wake()
            self.assertEqual(receive(receiver), message)
        self.assertEqual((self.pool.takes, self.pool.denied), (0, 0))
        self.assertEqual(protocol.data, b"")

    def test_bulk(self) -> None:
        """Bulk goes through a pipe, byte for byte."""
        flow, sender, receiver = self.flow()
        data = bytes(range(256)) * 16_384
        self.assertEqual(self.carry(sender, receiver, data), data)
        self.assertEqual(self.pool.takes, 1)
        self.assertEqual(flow.moved, len(data))

    def test_back_to_copying(self) -> None:
        """After some short moves in a row a flow gives its pipe back."""
        flow, sender, receiver = self.flow()
        self.carry(sender, receiver, bytes(2 * READ_SIZE))
        self.assertEqual(self.pool.takes, 1)
        for number in range(SHORT_MOVES - 1):
            self.carry(sender, receiver, b"short")
            self.assertIsNotNone(flow._pipe, number)
        self.carry(sender, receiver, bytes(BULK))  # not in a row
        for _ in range(SHORT_MOVES - 1):
            self.carry(sender, receiver, b"short")
        self.assertIsNotNone(flow._pipe)
        self.carry(sender, receiver, b"short")
        self.assertIsNone(flow._pipe)
        self.assertEqual(len(self.pool._idle), 1)
        self.assertEqual(self.carry(sender, receiver, b"still here"), b"still here")

    def test_spurious_event(self) -> None:
        """A readiness that is not there does no harm, in either way of moving."""
        flow, sender, receiver = self.flow()
        self.assertIsNone(flow.pump())
        self.carry(sender, receiver, bytes(2 * READ_SIZE))
        self.assertIsNone(flow.pump())
        self.assertEqual(self.carry(sender, receiver, b"on"), b"on")

    @settings(deadline=None, max_examples=50)
    @given(
        st.lists(st.integers(1, 5 * READ_SIZE), min_size=1, max_size=10),
        st.lists(st.integers(2000, 2 * READ_SIZE), min_size=1, max_size=10),
        st.sampled_from([0, 1]),
        st.booleans(),
    )
    def test_integrity(
        self, chunks: list[int], reads: list[int], pipes: int, small: bool
    ) -> None:
        """Whatever the sizes of chunks, reads and buffers, all arrives in order."""
        pool = CountingPool(pipes)
        protocol = HalfRecorder()
        flow, sender, receiver = self.flow(pool, protocol)
        if small:
            for skt in (sender, receiver, flow.source.socket, flow.sink.socket):
                skt.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sent, received = b"", b""
        turn = 0
        for number, size in enumerate(chunks):
            left = bytes([number + 1]) * size
            sent += left
            while left:
                left = left[self.send(sender, left) :]
                received += receive_once(receiver, reads[turn % len(reads)])
                turn += 1
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        while piece := receive(receiver):
            received += piece
            self.reactor.settle()
        self.assertEqual(received, sent)
        self.assertEqual(flow.moved, len(sent))
        self.assertEqual(protocol.halves, ["read"])
        flow.source.abortConnection()
        flow.sink.abortConnection()
        self.reactor.settle()
        pool.close()
        for peer in (sender, receiver):
            peer.close()


def receive_once(peer: socket.socket, size: int) -> bytes:
    """Return at most C{size} bytes of what a peer has received by now."""
    try:
        return peer.recv(size)
    except BlockingIOError:
        return b""


class BackpressureTests(FlowTestCase):
    """Tests of a sink that does not read."""

    def stall(self, pool: PipePool | None = None) -> tuple[Flow, Any, Any, bytes]:
        """Return a flow that is stuck, its peers, and what was sent."""
        flow, sender, receiver = self.flow(pool)
        sent = b""
        piece = bytes(range(256)) * 512
        while taken := self.send(sender, piece):
            sent += piece[:taken]
            self.assertLess(len(sent), HELD)
        return flow, sender, receiver, sent

    def test_bounded(self) -> None:
        """A source is not read while its sink is full, and what is held is bounded."""
        for pool in (self.pool, CountingPool(0)):
            flow, _, _, sent = self.stall(pool)
            self.assertFalse(self.reactor.wake())
            self.assertNotIn(flow.source, self.mux.getReaders())
            self.assertIn(flow.sink, self.mux.getWriters())
            self.assertTrue(0 < pending(flow.sink) <= PIPE_SIZE)
            self.assertLess(flow.moved, len(sent))

    def test_resumed(self) -> None:
        """When the sink reads again everything arrives, and the flow goes on."""
        for pool in (self.pool, CountingPool(0)):
            _, sender, receiver, sent = self.stall(pool)
            received = b""
            while piece := receive(receiver):
                received += piece
                self.reactor.settle()
            self.assertEqual(received, sent)
            self.assertEqual(self.carry(sender, receiver, b"more"), b"more")

    def test_pending_before(self) -> None:
        """What was written to the sink before the flow began comes first."""
        _, source, sender = self.connect()
        _, sink, receiver = self.connect()
        written = self.fill(sink)
        Flow(source, sink, pool=self.pool)
        sender.send(b"after")
        received = b""
        for _ in range(50):
            self.reactor.settle()
            received += receive(receiver)
        self.assertEqual(received, written + b"after")

    def test_written_in_the_same_batch(self) -> None:
        """A flow that begins in a batch leaves its order to what was written."""
        protocol, source, sender = self.connect(HalfRecorder())

        def echo(data: bytes) -> None:
            source.write(b"banner ")
            Flow(source, source, pool=self.pool)

        protocol.on_data = echo
        sender.send(b"start")
        self.reactor.wake()
        sender.send(b"echoed")
        self.reactor.settle()
        self.assertEqual(receive(sender), b"banner echoed")

    def test_written_by_another(self) -> None:
        """What another writes to the sink in a batch keeps its place in the order."""
        flow, sender, receiver = self.flow()
        protocol, _, far = self.connect()
        protocol.on_data = flow.sink.write
        far.send(b"first ")
        sender.send(b"second")
        self.reactor.wake()
        self.assertEqual(receive(receiver), b"first second")

    def test_busy_sink(self) -> None:
        """A sink that has a producer is refused, and nothing is changed."""
        flow, sender, receiver = self.flow()
        protocol, other, other_far = self.connect()
        self.assertRaises(RuntimeError, Flow, other, flow.sink, pool=self.pool)
        other_far.send(b"mine")
        self.assertEqual(self.carry(sender, receiver, b"yours"), b"yours")
        self.assertEqual(protocol.data, b"mine")


class EchoTests(FlowTestCase):
    """Tests of a flow from a connection to itself."""

    def echo(self, pool: PipePool | None = None) -> tuple[Any, Any, Any]:
        """Return a protocol, its transport, and the peer."""
        protocol, transport, far = self.connect(HalfRecorder())
        Flow(transport, transport, pool=pool or self.pool)
        return protocol, transport, far

    def test_echo(self) -> None:
        """A peer gets back what it sends; after its end it gets the rest and an end."""
        protocol, transport, far = self.echo()
        protocol.readConnectionLost = transport.loseConnection
        data = bytes(range(256)) * 8192
        self.assertEqual(self.carry(far, far, data), data)
        far.send(b"last")
        far.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(receive(far), b"last")
        self.assertTrue(ended(far))

    def test_closed_while_full(self) -> None:
        """An echo that is closed while its peer does not read flushes, and ends."""
        for pool in (self.pool, CountingPool(0)):
            protocol, transport, far = self.echo(pool)
            sent = 0
            while taken := self.send(far, bytes(100_000)):
                sent += taken
            self.assertGreater(pending(transport), 0)
            transport.loseConnection()
            received = 0
            while protocol.reason is None:
                received += len(receive(far))
                self.reactor.settle()
            received += len(receive(far))
            self.assertTrue(0 < received <= sent)

    def test_closed(self) -> None:
        """An echo that has nothing to flush ends at once when it is closed."""
        protocol, transport, far = self.echo()
        self.carry(far, far, b"x")
        transport.loseConnection()
        self.reactor.settle()
        self.assertIsNotNone(protocol.reason)
        self.assertTrue(ended(far))

    def test_aborted(self) -> None:
        """An echo that is aborted drops what it holds, and its pipe with it."""
        protocol, transport, far = self.echo()
        while self.send(far, bytes(100_000)):
            pass
        transport.abortConnection()
        self.reactor.settle()
        self.assertIsNotNone(protocol.reason)
        self.assertEqual((self.pool._taken, self.pool._idle), (0, []))


class ForwardTests(FlowTestCase):
    """Tests of which transports C{forward} and C{join} take."""

    def test_streams(self) -> None:
        """Streams of the multiplexer are taken."""
        _, a, a_far = self.connect(HalfRecorder())
        _, b, b_far = self.connect(HalfRecorder())
        self.assertIsInstance(forward(a, b), Flow)
        self.assertEqual(self.carry(a_far, b_far, b"there"), b"there")

    def test_others(self) -> None:
        """Other transports, and those with TLS, are not, and stay as they are."""
        protocol, plain, far = self.connect()
        _, secure, _ = self.connect()
        secure.startTLS(ServerContext())
        for other in (secure, object()):
            self.assertIsNone(forward(plain, other))
            self.assertIsNone(forward(other, plain))
            self.assertIsNone(join(plain, other))
        far.send(b"x")
        self.reactor.settle()
        self.assertEqual(protocol.data, b"x")

    def test_shared_pool(self) -> None:
        """Flows use the pool of the process unless they are given another."""
        self.assertIsInstance(flow_module.pipes, PipePool)
        self.assertEqual(flow_module.pipes.limit, flow_module.PIPES)
