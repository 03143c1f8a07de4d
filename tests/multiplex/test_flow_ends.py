"""Tests of how flows of L{netsvc.multiplex.flow} end, and of their pipes."""

from __future__ import annotations

import fcntl
import os
import socket
from errno import EMFILE, EPERM
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import connectionDone

from netsvc.multiplex import flow as flow_module
from netsvc.multiplex import forward, join
from netsvc.multiplex.flow import IDLE_PIPES, PIPE_SIZE, Flow, Pipe, PipePool
from netsvc.multiplex.stream import READ_SIZE
from tests.multiplex.fakes import HalfRecorder, Recorder, ended, receive
from tests.multiplex.test_flow import CountingPool, FlowTestCase


class JoinTests(FlowTestCase):
    """Tests of two connections that are joined."""

    def joined(self) -> tuple[Any, Any, socket.socket, socket.socket]:
        """Return the protocols of two joined connections, and their peers."""
        a, a_transport, a_far = self.connect(HalfRecorder())
        b, b_transport, b_far = self.connect(HalfRecorder())
        self.assertIsNotNone(join(a_transport, b_transport))
        return a, b, a_far, b_far

    def test_both_ways(self) -> None:
        """Each peer receives what the other sends, small and large."""
        _, _, a, b = self.joined()
        for size in (1, 1000, 3 * READ_SIZE, 1 << 20, 5):
            self.assertEqual(self.carry(a, b, bytes(size)), bytes(size))
            self.assertEqual(self.carry(b, a, b"\xff" * size), b"\xff" * size)

    def test_late_answer(self) -> None:
        """A peer that has ended its output still gets the answer."""
        a_protocol, b_protocol, a, b = self.joined()
        a.send(b"question")
        a.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(receive(b), b"question")
        self.assertTrue(ended(b))
        self.assertFalse(ended(a))
        answer = bytes(range(256)) * 4096
        self.assertEqual(self.carry(b, a, answer), answer)
        b.close()
        self.reactor.settle()
        self.assertTrue(ended(a))
        for protocol in (a_protocol, b_protocol):
            self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_end_after_a_full_sink(self) -> None:
        """An end that comes while the sink is full follows all the data."""
        _, _, a, b = self.joined()
        sent = 0
        while taken := self.send(a, bytes(100_000)):
            sent += taken
        a.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        received = 0
        while piece := receive(b):
            received += len(piece)
            self.reactor.settle()
        self.assertEqual(received, sent)
        self.assertTrue(ended(b))

    def test_both_end_at_once(self) -> None:
        """Two ends in one batch close both connections."""
        a_protocol, b_protocol, a, b = self.joined()
        a.shutdown(socket.SHUT_WR)
        b.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertTrue(ended(a) and ended(b))
        for protocol in (a_protocol, b_protocol):
            self.assertTrue(protocol.reason.check(ConnectionDone))

    def test_one_is_lost(self) -> None:
        """When one connection breaks the other is aborted, and pipes are freed."""
        a_protocol, b_protocol, a, b = self.joined()
        while self.send(a, bytes(100_000)):
            pass
        b.close()
        self.reactor.settle()
        self.assertTrue(b_protocol.reason.check(ConnectionLost))
        self.assertTrue(a_protocol.reason.check(ConnectionAborted))
        self.assertEqual(flow_module.pipes._taken, 0)

    def test_one_is_aborted(self) -> None:
        """When one connection is aborted on this side so is the other."""
        a_protocol, b_protocol, _, b = self.joined()
        a_protocol.transport.abortConnection()
        self.reactor.settle()
        self.assertTrue(ended(b))
        for protocol in (a_protocol, b_protocol):
            self.assertTrue(protocol.reason.check(ConnectionAborted))

    def test_shutdown(self) -> None:
        """Joined connections end with the reactor."""
        a_protocol, b_protocol, _, _ = self.joined()
        self.mux.connectionLost(connectionDone)
        self.reactor.advance(0)
        for protocol in (a_protocol, b_protocol):
            self.assertIsNotNone(protocol.reason)


class StopTests(FlowTestCase):
    """Tests of flows that are stopped in the middle."""

    def test_protocol_reads_on(self) -> None:
        """What comes after a stop is not read until the source resumes, and is its
        protocol's then; copying or splicing, and however often."""
        protocol = HalfRecorder()
        _, source, sender = self.connect(protocol)
        _, sink, receiver = self.connect()
        expected = b""
        for size in (5, 2 * READ_SIZE, 5):
            flow = Flow(source, sink, pool=self.pool)
            self.assertEqual(self.carry(sender, receiver, bytes(size)), bytes(size))
            flow.stop()
            sender.send(b"after")
            self.reactor.settle()
            self.assertEqual(protocol.data, expected)
            source.resumeProducing()
            self.reactor.settle()
            expected += b"after"
            self.assertEqual(protocol.data, expected)
            self.assertEqual((receive(receiver), self.pool._taken), (b"", 0))
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(protocol.halves, ["read"])

    def test_in_a_batch(self) -> None:
        """A source that is stopped and resumed by another's event in the same batch
        gives its input to its protocol."""
        protocol = HalfRecorder()
        _, source, sender = self.connect(protocol)
        _, sink, _ = self.connect()
        flow = Flow(source, sink, pool=self.pool)
        other, _, other_far = self.connect()

        def stop(data: bytes) -> None:
            flow.stop()
            source.resumeProducing()

        other.on_data = stop
        other_far.send(b"stop")
        sender.send(b"hello")
        self.reactor.wake()
        self.reactor.settle()
        sender.send(b" again")
        self.reactor.settle()
        self.assertTrue(b"hello again".endswith(protocol.data))
        self.assertTrue(protocol.data.endswith(b" again"))

    def test_twice(self) -> None:
        """To stop a flow again does nothing to what has taken its place."""
        flow, sender, receiver = self.flow()
        flow.stop()
        again = Flow(flow.source, flow.sink, pool=self.pool)
        flow.source.resumeProducing()
        flow.stop()
        self.assertIs(flow.source.flow, again)
        self.assertEqual(self.carry(sender, receiver, b"hello"), b"hello")


class EndTests(FlowTestCase):
    """Tests of the end of one direction."""

    def test_ended(self) -> None:
        """C{ended} is called in place of the protocol, and nothing more is read."""
        protocol, source, sender = self.connect(HalfRecorder())
        _, sink, receiver = self.connect()
        ends: list[bytes] = []
        self.assertIsInstance(
            forward(source, sink, lambda: ends.append(receive(receiver))), Flow
        )
        sender.send(b"all of it")
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual((ends, protocol.halves), ([b"all of it"], []))
        self.assertNotIn(source, self.mux.getReaders())

    def test_protocol_is_told(self) -> None:
        """Without C{ended} the source's protocol is told as ever."""
        for protocol, halves in ((HalfRecorder(), ["read"]), (Recorder(), None)):
            _, source, sender = self.connect(protocol)
            _, sink, _ = self.connect()
            Flow(source, sink, pool=self.pool)
            sender.shutdown(socket.SHUT_WR)
            self.reactor.settle()
            if halves is None:
                assert protocol.reason is not None
                self.assertTrue(protocol.reason.check(ConnectionDone))
            else:
                self.assertEqual(getattr(protocol, "halves", None), halves)

    def test_read_again(self) -> None:
        """A source that is read after its end has ended: it tells so again."""
        protocol = HalfRecorder()
        flow, sender, receiver = self.flow(protocol=protocol)
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        flow.source.resumeProducing()
        self.reactor.settle()
        self.assertEqual(protocol.halves, ["read", "read"])
        flow.sink.write(b"free")
        self.assertEqual(receive(receiver), b"free")

    def test_end_in_a_pipe(self) -> None:
        """An end that is met while splicing gives the pipe back."""
        flow, sender, receiver = self.flow()
        self.carry(sender, receiver, bytes(2 * READ_SIZE))
        self.assertIsNotNone(flow._pipe)
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual((self.pool._taken, len(self.pool._idle)), (0, 1))

    def test_sink_is_free_again(self) -> None:
        """After a flow its sink can be written to, and take another flow."""
        flow, sender, receiver = self.flow()
        sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        sink = flow.sink
        sink.write(b"hello")
        self.assertEqual(receive(receiver), b"hello")
        _, other, other_far = self.connect()
        Flow(other, sink, pool=self.pool)
        self.assertEqual(self.carry(other_far, receiver, b"again"), b"again")

    def test_broken_source(self) -> None:
        """A source that is reset aborts the sink, copying or splicing."""
        for bulk in (False, True):
            flow, sender, receiver = self.flow()
            if bulk:
                self.carry(sender, receiver, bytes(2 * READ_SIZE))
            self.assertEqual(flow._pipe is not None, bulk)
            flow.source.write(b"unread")  # so that its peer's close is a reset
            sender.close()
            self.reactor.settle()
            self.assertFalse(flow.source.connected)
            self.assertTrue(flow.sink._aborting)
            self.assertEqual(self.pool._taken, 0)

    def test_broken_sink(self) -> None:
        """A sink that has gone aborts the source, copying or splicing."""
        for bulk in (False, True):
            flow, sender, receiver = self.flow()
            if bulk:
                self.carry(sender, receiver, bytes(2 * READ_SIZE))
            flow.sink.pauseProducing()  # its end is not read
            receiver.close()
            sender.send(b"into the void")
            self.reactor.settle()
            self.assertFalse(flow.sink.connected)
            self.assertTrue(flow.source._aborting)
            self.assertEqual(self.pool._taken, 0)

    def test_stopped(self) -> None:
        """A flow that is stopped leaves two connections, and the source unread."""
        flow, sender, receiver = self.flow()
        self.carry(sender, receiver, bytes(2 * READ_SIZE))
        flow.stop()
        flow.stop()
        sender.send(b"unread")
        self.reactor.settle()
        self.assertEqual(receive(receiver), b"")
        self.assertTrue(flow.source.connected and flow.sink.connected)
        self.assertEqual(self.pool._taken, 0)
        flow.sink.write(b"free")
        self.assertEqual(receive(receiver), b"free")

    def test_protocol_raises(self) -> None:
        """A flow ends even if the protocol cannot bear the end of its connection."""

        def fault(reason: Any) -> None:
            raise ValueError("in connectionLost")

        flow, _, receiver = self.flow()
        protocol: Any = flow.source.protocol
        protocol.connectionLost = fault
        flow.source.abortConnection()
        self.assertRaises(ValueError, self.reactor.advance, 0)
        self.reactor.settle()
        self.assertTrue(ended(receiver))


class PoolTests(FlowTestCase):
    """Tests of L{PipePool} and L{Pipe}."""

    def test_bounded(self) -> None:
        """There are no more pipes than the limit; more flows copy."""
        pool = CountingPool(1)
        first, first_sender, first_receiver = self.flow(pool)
        second, second_sender, second_receiver = self.flow(pool)
        data = bytes(4 * READ_SIZE)
        for sender, receiver in (
            (first_sender, first_receiver),
            (second_sender, second_receiver),
        ):
            self.assertEqual(self.carry(sender, receiver, data), data)
        self.assertIsNotNone(first._pipe)
        self.assertIsNone(second._pipe)
        self.assertEqual(pool.takes, 1)
        self.assertGreater(pool.denied, 0)
        first_sender.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(self.carry(second_sender, second_receiver, data), data)
        self.assertIsNotNone(second._pipe)
        second.source.abortConnection()
        self.reactor.settle()
        pool.close()

    def test_reused(self) -> None:
        """An empty pipe is kept for the next flow; only a few are kept."""
        taken = [self.pool.take() for _ in range(IDLE_PIPES + 2)]
        for pipe in taken:
            self.pool.give(pipe)
        self.assertEqual(len(self.pool._idle), IDLE_PIPES)
        self.assertIn(again := self.pool.take(), taken)
        self.pool.give(again)

    def test_never_with_bytes(self) -> None:
        """A pipe that holds bytes is closed: they were another connection's."""
        flow, sender, receiver = self.flow()
        while self.send(sender, b"secret" * 10_000):
            pass
        pipe = flow._pipe
        assert pipe is not None
        self.assertGreater(pipe.held, 0)
        self.assertEqual(flow.held, pipe.held)
        flow.sink.abortConnection()
        self.reactor.settle()
        self.assertRaises(OSError, os.fstat, pipe.reader)
        self.assertEqual((self.pool._taken, self.pool._idle), (0, []))
        _, sender, receiver = self.flow()
        self.assertEqual(self.carry(sender, receiver, bytes(1 << 20)), bytes(1 << 20))

    def test_no_descriptors(self) -> None:
        """Where no pipe can be made flows copy."""

        def refuse() -> Pipe:
            raise OSError(EMFILE, "too many open files")

        self.patch(flow_module, "Pipe", refuse)
        _, sender, receiver = self.flow()
        data = bytes(4 * READ_SIZE)
        self.assertEqual(self.carry(sender, receiver, data), data)
        self.assertEqual(self.pool.takes, 0)
        self.assertGreater(self.pool.denied, 0)

    def test_no_splice(self) -> None:
        """Where the system cannot splice flows copy."""
        self.patch(PipePool, "available", False)
        _, sender, receiver = self.flow()
        data = bytes(4 * READ_SIZE)
        self.assertEqual(self.carry(sender, receiver, data), data)
        self.assertEqual(self.pool.takes, 0)

    def test_size(self) -> None:
        """A pipe is enlarged if the user may, and is as good if not."""

        def refuse(*args: int) -> int:
            raise OSError(EPERM, "over the limit")

        pipe = Pipe()
        self.addCleanup(pipe.close)
        os.write(pipe.writer, bytes(PIPE_SIZE))
        self.patch(fcntl, "fcntl", refuse)
        small = self.pool.take()
        self.assertEqual(os.write(small.writer, bytes(PIPE_SIZE)), 65_536)
        small.held = 1
        self.pool.give(small)

    def test_descriptors(self) -> None:
        """After all flows have ended every descriptor is closed."""
        base = len(os.listdir("/proc/self/fd"))
        for ending in ("abort", "lose", "peer"):
            for _ in range(5):
                flow, sender, receiver = self.flow()
                self.carry(sender, receiver, bytes(2 * READ_SIZE))
                if ending == "abort":
                    flow.source.abortConnection()
                elif ending == "lose":
                    flow.sink.loseConnection()
                    flow.source.loseConnection()
                sender.close()
                receiver.close()
                self.reactor.settle()
                for transport in (flow.source, flow.sink):
                    transport.abortConnection()
                self.reactor.settle()
        self.pool.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), base)
