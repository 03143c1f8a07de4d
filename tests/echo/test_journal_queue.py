"""Tests of L{netsvc.echo.journal_queue}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.journal_queue import MAX_FRAMES, RECORD_OVERHEAD, RecordQueue


class RecordQueueTests(SynchronousTestCase):
    """The records between the service and the disk."""

    def test_order(self) -> None:
        """Frames leave in order and stay until they are confirmed."""
        queue = RecordQueue()
        for frame in (b"one", b"two", b"three"):
            queue.append(frame)
        self.assertEqual(queue.unsent(), [b"one", b"two", b"three"])
        queue.sent(8)
        self.assertEqual([bytes(part) for part in queue.unsent()], [b"ree"])
        self.assertEqual(queue.confirm(1), 1)
        self.assertEqual((len(queue), queue.confirmed, queue.next_seq), (2, 1, 4))
        queue.sent(3)
        self.assertFalse(queue.has_unsent)
        self.assertEqual(queue.confirm(3), 2)
        self.assertEqual((len(queue), queue.size), (0, 0))

    def test_rewind(self) -> None:
        """After a rewind all that is not confirmed is sent again, from its start."""
        queue = RecordQueue()
        for frame in (b"one", b"two", b"three"):
            queue.append(frame)
        queue.sent(7)
        queue.confirm(1)
        queue.rewind()
        self.assertEqual(queue.unsent(), [b"two", b"three"])

    def test_confirm_too_much(self) -> None:
        """Only what the pipe has taken whole can be confirmed."""
        queue = RecordQueue()
        queue.append(b"one")
        queue.append(b"two")
        queue.sent(4)
        self.assertEqual(queue.confirm(2), 1)
        self.assertEqual(queue.confirm(0), 0)
        self.assertEqual(queue.confirmed, 1)

    def test_batch(self) -> None:
        """A batch for the pipe has a bounded number of pieces."""
        queue = RecordQueue()
        for _ in range(MAX_FRAMES + 1):
            queue.append(b"x")
        self.assertEqual(len(queue.unsent()), MAX_FRAMES)

    def test_clear(self) -> None:
        """A cleared queue is empty, and numbers are not used again."""
        queue = RecordQueue()
        queue.append(b"one")
        queue.append(b"two")
        queue.sent(4)
        self.assertEqual(queue.clear(), 2)
        self.assertEqual((len(queue), queue.size, queue.next_seq), (0, 0, 3))
        self.assertEqual(queue.unsent(), [])

    @given(st.lists(st.binary(min_size=1, max_size=5), max_size=8))
    def test_size(self, frames: list[bytes]) -> None:
        """The size counts each frame and its overhead."""
        queue = RecordQueue()
        for frame in frames:
            queue.append(frame)
        self.assertEqual(
            queue.size, sum(len(frame) + RECORD_OVERHEAD for frame in frames)
        )


class QueueMachine(RuleBasedStateMachine):
    """Any course of sending, confirming and dying, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RecordQueue()
        self.frames: list[bytes] = []
        self.taken = b""
        self.begin = 0

    @rule(frame=st.binary(min_size=1, max_size=6))
    def append(self, frame: bytes) -> None:
        """Add a frame."""
        self.queue.append(frame)
        self.frames.append(frame)

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """Let the pipe take some of what it is given."""
        offered = b"".join(self.queue.unsent())
        count = data.draw(st.integers(0, len(offered)))
        self.taken += offered[:count]
        self.queue.sent(count)

    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """Confirm some of what the pipe has taken whole."""
        whole = self.begin
        size = 0
        for frame in self.frames[self.begin :]:
            size += len(frame)
            if size > len(self.taken):
                break
            whole += 1
        if whole > self.queue.confirmed:
            self.queue.confirm(data.draw(st.integers(self.queue.confirmed, whole)))

    @rule()
    def die(self) -> None:
        """Begin again after what is confirmed."""
        self.queue.rewind()
        self.begin = self.queue.confirmed
        self.taken = b""

    @invariant()
    def nothing_is_lost(self) -> None:
        """What the writer got and what is unsent are all frames of its life."""
        stream = self.taken + b"".join(self.queue.unsent())
        assert stream == b"".join(self.frames[self.begin :])
        assert len(self.queue) == len(self.frames) - self.queue.confirmed


class QueueMachineTests(SynchronousTestCase):
    """L{QueueMachine} under both runners."""

    def test_machine(self) -> None:
        """No course of events loses, doubles or reorders a frame."""
        case = QueueMachine.TestCase()
        case.runTest()
