"""
Flows: what one connection receives goes to another, or back, without a protocol.

A flow reads only when its sink has nothing pending. That is the whole of its
backpressure: at most one read, or one pipe, is held. Small reads are copied
and sent at once. A read that half fills its buffer is a sign of bulk: the flow
takes a pipe from the pool and moves the bytes with C{splice(2)}, which Python
never sees; after some short moves it gives the pipe back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from typing import Any

from twisted.internet import main
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from netsvc.multiplex.stream import READ_SIZE, _Stream

#: A copied read of at least this many bytes makes a flow try splice.
BULK = READ_SIZE // 2

#: Bytes that a pipe is asked to hold, and moved at the most in one go.
PIPE_SIZE = 1024 * 1024

#: Pipes in existence at the most. An unprivileged user may hold 64 MiB
#: (C{/proc/sys/fs/pipe-user-pages-soft}).
PIPES = 64

#: Pipes kept for the next flow.
IDLE_PIPES = 4

#: Moves in a row below L{BULK} after which a flow goes back to copying.
SHORT_MOVES = 8

_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, where Python knows it
_FLAGS = getattr(os, "SPLICE_F_MOVE", 1) | getattr(os, "SPLICE_F_NONBLOCK", 2)


class Pipe:
    """
    A kernel pipe.

    @ivar held: The bytes in it.
    """

    __slots__ = ("held", "reader", "writer")

    def __init__(self) -> None:
        """
        Make a pipe.

        @raise OSError: There is no descriptor for it.
        """
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        with contextlib.suppress(OSError):
            # Over the user's limit the size it has will do.
            fcntl.fcntl(self.writer, _F_SETPIPE_SZ, PIPE_SIZE)

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reader)
        os.close(self.writer)


class PipePool:
    """
    A bounded number of pipes, shared by the flows of a process.

    @ivar limit: How many pipes may exist at once.
    @ivar denied: How often a flow went on copying because none was left.
    """

    #: Whether the system has what it takes.
    available = hasattr(os, "splice") and hasattr(os, "pipe2")

    def __init__(self, limit: int = PIPES) -> None:
        """
        @param limit: How many pipes may exist at once.
        """
        self.limit = limit
        self.denied = 0
        self._idle: list[Pipe] = []
        self._taken = 0

    def take(self) -> Pipe | None:
        """Return an empty pipe, or L{None} if there is none to be had."""
        if self._idle:
            self._taken += 1
            return self._idle.pop()
        if self.available and self._taken < self.limit:
            try:
                pipe = Pipe()
            except OSError:
                pass
            else:
                self._taken += 1
                return pipe
        self.denied += 1
        return None

    def give(self, pipe: Pipe) -> None:
        """
        Take a pipe back. One that still holds bytes is closed: they were
        another connection's.
        """
        self._taken -= 1
        if pipe.held or len(self._idle) >= IDLE_PIPES:
            pipe.close()
        else:
            self._idle.append(pipe)


#: The pipes of this process: the kernel's limit is per user, not per flow.
pipes = PipePool()


@implementer(IPushProducer)
class Flow:
    """
    One direction: C{source}'s input becomes C{sink}'s output.

    While it lasts nothing else should write to the sink. It ends with the
    source's input; then C{ended} is called, or the source's protocol is told
    as if it had read the end itself.

    @ivar moved: The bytes taken from the source so far.
    """

    __slots__ = (
        "_ended",
        "_pipe",
        "_pool",
        "_recv",
        "_send",
        "_short",
        "moved",
        "sink",
        "source",
    )

    def __init__(
        self,
        source: _Stream,
        sink: _Stream,
        ended: Callable[[], None] | None = None,
        pool: PipePool = pipes,
    ) -> None:
        """
        Start to move.

        @param source: A connected stream.
        @param sink: A connected stream without a producer; the same as
            C{source} for an echo.
        @param ended: Called when the source's input has ended and all of it
            has been taken by the sink, in place of the protocol's
            C{readConnectionLost}.
        @param pool: Where pipes come from.
        """
        self.source = source
        self.sink = sink
        self.moved = 0
        self._ended = ended
        self._pool = pool
        self._pipe: Pipe | None = None
        self._short = 0
        self._recv = source.socket.recv
        self._send = sink.socket.send
        if sink.producer is None and sink.connected:
            # What registerProducer comes to, at a fifth of its cost.
            sink.producer = self
            sink.streamingProducer = True
        else:
            sink.registerProducer(self, True)
        source.redirect(self)
        sink.feed = self
        if sink.dataBuffer or sink._tempDataBuffer:
            # First what was written before; doWrite resumes the flow.
            sink.producerPaused = True
            source.pauseProducing()
            sink.startWriting()

    def pump(self) -> Any:
        """
        Move what the source has.

        @return: Why the source, or its reading half, has ended, or L{None}.
        """
        if self._pipe is not None:
            return self._splice(self._pipe)
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return self._end()
        size = len(data)
        self.moved += size
        try:
            sent = self._send(data)
        except OSError:
            # Full; or broken, which the sink's doWrite will find out.
            sent = 0
        if sent != size:
            self.sink.stall(data, sent)
        elif size >= BULK:
            self._pipe = self._pool.take()
        return None

    def _splice(self, pipe: Pipe) -> Any:
        """Move what the source has through C{pipe}, which is empty."""
        try:
            got = os.splice(self.source.fileno(), pipe.writer, PIPE_SIZE, flags=_FLAGS)
        except BlockingIOError:
            got = 0
        except OSError:
            return main.CONNECTION_LOST
        if not got:
            # Nothing there, the end, or an urgent byte, which splice never passes:
            # recv tells, and passes it.
            self._release()
            return self.pump()
        self.moved += got
        pipe.held = got
        try:
            empty = self.drain()
        except OSError:
            empty = False
        if not empty:
            self.sink.stall(b"", 0)
        elif got >= BULK:
            self._short = 0
        else:
            self._short += 1
            if self._short >= SHORT_MOVES:
                self._release()
        return None

    @property
    def held(self) -> int:
        """The bytes in the pipe."""
        return 0 if self._pipe is None else self._pipe.held

    def drain(self) -> bool:
        """
        Move what is in the pipe to the sink.

        @return: Whether none is left.
        @raise OSError: The sink is broken.
        """
        pipe = self._pipe
        if pipe is None:
            return True
        while pipe.held:
            try:
                pipe.held -= os.splice(
                    pipe.reader, self.sink.fileno(), pipe.held, flags=_FLAGS
                )
            except BlockingIOError:
                return False
        return True

    def _end(self) -> Any:
        """The source's input has ended, and the sink has all of it."""
        ended = self._ended
        if ended is not None:
            source = self.source
            source.reactor.removeReader(source)
        self._detach()
        if ended is None:
            return main.CONNECTION_DONE
        ended()
        return None

    def _release(self) -> None:
        """Give the pipe back."""
        pipe, self._pipe = self._pipe, None
        self._short = 0
        if pipe is not None:
            self._pool.give(pipe)

    def _detach(self) -> None:
        """Let go of both connections: what the source receives is its protocol's."""
        if self._pipe is not None:
            self._release()
        source = self.source
        source.flow = None
        state = source.__dict__
        if state.get("doRead") == self.pump:
            del state["doRead"]
            source.reactor.update_reader(source)
        if self.sink.feed is self:
            self.sink.feed = None
            self.sink.unregisterProducer()

    def stop(self) -> None:
        """
        Move no more, and leave both connections as they are, unread.

        What is in the pipe is lost: see L{pending}.
        """
        if self.source.flow is self:
            self._detach()
            self.source.pauseProducing()

    def source_lost(self) -> None:
        """The source is gone, with bytes perhaps unread: end the sink hard."""
        self._detach()
        self.sink.abortConnection()

    # IPushProducer, for the sink.

    def pauseProducing(self) -> None:
        """Take no more from the source."""
        self.source.pauseProducing()

    def resumeProducing(self) -> None:
        """Take from the source again; end if the sink is being closed."""
        if self.sink.disconnecting:
            self._detach()
            self.source.stopReading()
        else:
            self.source.resumeProducing()

    def stopProducing(self) -> None:
        """The sink is gone: end the source hard."""
        self._detach()
        if self.source is not self.sink:
            self.source.abortConnection()


def forward(source: Any, sink: Any, ended: Callable[[], None] | None = None) -> Any:
    """
    Move C{source}'s input to C{sink} if both are the multiplexer's streams.

    @param source: A transport.
    @param sink: A transport; may be the same.
    @param ended: See L{Flow}.
    @return: The L{Flow}, or L{None} if these transports cannot do it (TLS,
        UNIX sockets, another system): then the protocols have to copy.
    """
    for transport in (source, sink):
        if not isinstance(transport, _Stream) or transport.TLS:
            return None
    return Flow(source, sink, ended)


def join(a: Any, b: Any) -> tuple[Flow, Flow] | None:
    """
    Join two connections: each receives what the other sends.

    The end of one's input closes the other's output, and the opposite
    direction goes on; both close when both inputs have ended. When one breaks,
    the other is aborted.

    @param a: A transport.
    @param b: Another.
    @return: The flows from C{a} to C{b} and from C{b} to C{a}, or L{None} if
        these transports cannot do it.
    """
    half_open = [a, b]

    def ended(source: Any, sink: Any) -> None:
        half_open.remove(source)
        if half_open:
            sink.loseWriteConnection()
        else:
            source.loseConnection()
            sink.loseConnection()

    there = forward(a, b, lambda: ended(a, b))
    back = forward(b, a, lambda: ended(b, a))
    return None if there is None or back is None else (there, back)


def pending(transport: Any) -> int:
    """
    Give the bytes that a transport holds and the kernel has not taken.

    @param transport: Any of Twisted's stream transports; below TLS is looked,
        too.
    """
    below = getattr(transport, "transport", None)
    if below is not None:
        return pending(below)
    held = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    held += getattr(transport, "_tempDataLen", 0)
    feed = getattr(transport, "feed", None)
    return held if feed is None else held + feed.held
