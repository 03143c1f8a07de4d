"""
One inner epoll set, seen by the running reactor as a single reader.

Any Twisted selectable can live in an L{EpollSet} instead of in the reactor: it
is handed the set in the reactor's place, and the set has the same
C{addReader}/C{addWriter} methods. What that changes:

  - The reactor's own cost per event (its log context, its dispatch) is paid
    once a wake-up and not once a descriptor, under every reactor.
  - A stream of L{netsvc.multiplex.stream} that is written to during a batch of
    events does not wait for C{EPOLLOUT}: it puts itself into C{late}, and its
    C{doWrite} is called once when the batch has been dispatched. All that was
    written to it while the batch ran leaves in that one call.

Rules that the set keeps, each with a test:

  - B{Fairness.} A wake-up handles batches of at most L{BATCH} events until
    none are left or L{BUDGET} has passed, so that timers and the reactor's
    other descriptors are never starved.
  - B{Level-triggered.} Events that are not fetched stay; the kernel queues
    them fairly, so a batch is small rather than cut short.
  - B{Nothing escapes.} An exception in one selectable is logged and ends that
    one alone: if it left C{doRead}, the reactor would drop the whole set.
  - B{A mask of nothing is no registration.} epoll reports hang-ups even for an
    empty mask; a paused connection would be closed with data still unread.
  - B{Stale events are harmless.} A descriptor closed in a batch may be reused
    by an accept in the same batch, so that its event reaches a stranger.
    C{doRead} and C{doWrite} cope with a readiness that is not there.
"""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.posixbase import _DisconnectSelectableMixin
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

#: The end of a connection in order, made once: to make one for each end is dear.
DONE = Failure(CONNECTION_DONE)

#: Events fetched from the kernel at once.
BATCH = 16

#: Seconds after which a wake-up ends although there are more events.
BUDGET = 0.003

# Where select has no epoll, nothing here is ever called (see
# netsvc.multiplex.reactor.multiplexed), but the module can be imported.
_IN: int = getattr(select, "EPOLLIN", 0)
_OUT: int = getattr(select, "EPOLLOUT", 0)
_HANGUP: int = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)


@implementer(IReadDescriptor, IReactorFDSet)
class EpollSet(_DisconnectSelectableMixin):
    """
    An epoll set that a reactor polls as one reader.

    It is registered with the reactor while it holds a descriptor, and not
    otherwise.

    @ivar dispatching: Whether a batch of events is being handled now. What is
        written meanwhile leaves at the end of the batch.
    @ivar late: The streams with something to write, and the attempts to connect that
        may have succeeded already, in the order in which they asked, to be tried at
        the end of the batch (a C{dict} as ordered set).
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: The reactor to be polled by (L{IReactorFDSet}).
        """
        self._reactor = reactor
        self._epoll: Any = None
        self._handles: dict[int, Any] = {}
        self._masks: dict[int, int] = {}
        # What to call for plain input, and whose it is: looked up per event.
        self._reads: dict[int, tuple[Any, Any]] = {}
        self.late: dict[Any, None] = {}
        self.dispatching = False

    @property
    def held(self) -> int:
        """How many descriptors it waits for."""
        return len(self._handles)

    # IReactorFDSet, for the selectables.

    def addReader(self, reader: Any) -> None:
        """Have C{reader.doRead} called when its descriptor is readable."""
        self._want(reader, _IN)

    def removeReader(self, reader: Any) -> None:
        """Stop calling C{reader.doRead}."""
        fd = reader.fileno()
        if fd == -1 or fd in self._reads:
            self._unwant(reader, _IN)

    def addWriter(self, writer: Any) -> None:
        """Have C{writer.doWrite} called when its descriptor is writable."""
        self._want(writer, _OUT)

    def removeWriter(self, writer: Any) -> None:
        """Stop calling C{writer.doWrite}."""
        self._unwant(writer, _OUT)

    def forget(self, selectable: Any) -> None:
        """
        Remove a selectable whose descriptor is closed next.

        The kernel does not drop by itself what a copy holds open, say in a
        child process: its events would come for ever.
        """
        fd = selectable.fileno()
        if self._handles.get(fd) is not selectable:
            return
        with suppress(OSError):
            self._epoll.unregister(fd)
        del self._handles[fd]
        del self._masks[fd]
        self._reads.pop(fd, None)
        if not self._handles:
            self._settle()

    def hand_over(self, writer: Any, reader: Any) -> None:
        """
        Let another selectable have a descriptor, and read from it from now on.

        @param writer: Who waited to write to it, and nothing else.
        @param reader: Who gets it.
        """
        fd = reader.fileno()
        if self._handles.get(fd) is not writer:
            self._want(reader, _IN)
            return
        self._epoll.modify(fd, _IN)
        self._handles[fd] = reader
        self._masks[fd] = _IN
        self._reads[fd] = (reader.doRead, reader)

    def update_reader(self, reader: Any) -> None:
        """Note that C{reader.doRead} is another method now."""
        fd = reader.fileno()
        if fd in self._reads and self._reads[fd][1] is reader:
            self._reads[fd] = (reader.doRead, reader)

    def removeAll(self) -> list[Any]:
        """Remove every selectable, and return them."""
        removed = list(self._handles.values())
        for fd in self._handles:
            with suppress(OSError):
                self._epoll.unregister(fd)
        self._handles.clear()
        self._masks.clear()
        self._reads.clear()
        self.late.clear()
        self._settle()
        return removed

    def getReaders(self) -> list[Any]:
        """Return the selectables that wait to read."""
        return [self._handles[fd] for fd, mask in self._masks.items() if mask & _IN]

    def getWriters(self) -> list[Any]:
        """Return the selectables that wait to write."""
        return [self._handles[fd] for fd, mask in self._masks.items() if mask & _OUT]

    # Registration with the kernel.

    def _want(self, selectable: Any, flag: int) -> None:
        """Add C{flag} to what C{selectable} waits for."""
        fd = selectable.fileno()
        mask = self._masks.get(fd, 0)
        if mask & flag and self._handles[fd] is selectable:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
        if mask and self._handles[fd] is not selectable:
            # Whoever had this number closed it without saying so, and the
            # kernel has forgotten it.
            mask = 0
            self._reads.pop(fd, None)
        if not mask and not self.dispatching:
            # Each time, unless it is the reactor that has just called: trial removes
            # all readers after a test that left some.
            self._reactor.addReader(self)
        try:
            if mask:
                self._epoll.modify(fd, mask | flag)
            else:
                self._epoll.register(fd, flag)
        except FileNotFoundError:
            self._epoll.register(fd, mask | flag)
        except FileExistsError:
            self._epoll.modify(fd, mask | flag)
        self._masks[fd] = mask | flag
        self._handles[fd] = selectable
        if flag == _IN:
            self._reads[fd] = (selectable.doRead, selectable)

    def _unwant(self, selectable: Any, flag: int) -> None:
        """Take C{flag} from what C{selectable} waits for."""
        fd = selectable.fileno()
        if fd == -1:
            # Closed before it was removed: rare, so a search is good enough.
            fd = next((n for n, s in self._handles.items() if s is selectable), -1)
        elif self._handles.get(fd) is not selectable:
            return
        mask = self._masks.get(fd, 0)
        if not mask & flag:
            return
        mask &= ~flag
        if flag == _IN:
            del self._reads[fd]
        try:
            if mask:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.unregister(fd)
        except OSError:
            # The descriptor is gone, and with it what was to be undone.
            mask = 0
            self._reads.pop(fd, None)
        if mask:
            self._masks[fd] = mask
        else:
            del self._masks[fd]
            del self._handles[fd]
            if not self._handles:
                self._settle()

    def _settle(self) -> None:
        """Leave the reactor if there is nothing to wait for, after the batch."""
        if self._epoll is not None and not self._handles and not self.dispatching:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None

    # IReadDescriptor, for the reactor.

    def fileno(self) -> int:
        """Return the descriptor of the inner epoll set, -1 if there is none."""
        return -1 if self._epoll is None else int(self._epoll.fileno())

    def logPrefix(self) -> str:
        """Return what marks the log lines of a wake-up."""
        return "multiplex"

    def connectionLost(self, reason: Failure) -> None:
        """End every selectable: the reactor is shutting down."""
        for selectable in self.removeAll():
            try:
                selectable.connectionLost(reason)
            except BaseException:
                self._log.failure(
                    "while closing {who!r}", who=selectable, event="handler-failed"
                )

    def doRead(self) -> None:
        """
        Dispatch events until none are left or the time is up.

        Never raises.
        """
        poll = self._epoll.poll
        reads = self._reads.get
        stop = monotonic() + BUDGET
        self.dispatching = True
        try:
            while True:
                events = poll(0, BATCH)
                for fd, mask in events:
                    if mask == _IN:
                        read = reads(fd)
                        if read is None:
                            continue  # closed or paused earlier in this batch
                        try:
                            why = read[0]()
                        except BaseException as e:
                            self._failed(read[1], e)
                        else:
                            if why is not None:
                                self._disconnect(read[1], why, True)
                    else:
                        self._dispatch(fd, mask)
                if self.late:
                    self._write_late()
                if len(events) < BATCH or monotonic() >= stop:
                    return
        finally:
            self.dispatching = False
            self._settle()

    def _dispatch(self, fd: int, mask: int) -> None:
        """Handle an event that is more than plain input."""
        selectable: Any = self._handles.get(fd)
        if selectable is None:
            return  # closed or paused earlier in this batch
        wanted = self._masks[fd]
        # A hang-up is found out by the read that ends in EOF or in an error,
        # after the data that may still lie in the kernel; by a write if
        # reading is off.
        if mask & _HANGUP:
            mask |= _IN if wanted & _IN else _OUT
        why = None
        is_read = True
        try:
            if mask & wanted & _IN:
                why = selectable.doRead()
            wanted = self._masks[fd] if self._handles.get(fd) is selectable else 0
            if why is None and mask & wanted & _OUT:
                is_read = False
                why = selectable.doWrite()
        except BaseException as e:
            self._failed(selectable, e)
        else:
            if why is not None:
                self._disconnect(selectable, why, is_read)

    def _write_late(self) -> None:
        """Let everything that streams wrote during a batch leave."""
        late, self.late = self.late, {}
        for stream in late:
            if not stream.connected:
                continue  # closed meanwhile
            try:
                why = stream.doWrite()
            except BaseException as e:
                self._failed(stream, e)
                continue
            if why is not None:
                self._disconnect(stream, why, False)
        if self.late:
            # Written by what doWrite resumed or closed: its turn comes with
            # the next events. To go round here would let one pull producer
            # keep the reactor for itself.
            late, self.late = self.late, {}
            for stream in late:
                if stream.connected:
                    stream.arm()

    def _failed(self, selectable: Any, exception: BaseException) -> None:
        """Log what a selectable raised, and end that one."""
        self._log.failure(
            "in the event handler of {who!r}", who=selectable, event="handler-failed"
        )
        self._disconnect(selectable, exception, False)

    def _disconnect(self, selectable: Any, why: Any, is_read: bool) -> None:
        """End a connection, or the half of it that its peer has closed."""
        try:
            if why is CONNECTION_DONE and not is_read:
                # All was written and the connection is to end, as most do.
                self.forget(selectable)
                selectable.connectionLost(DONE)
            else:
                self._disconnectSelectable(selectable, why, is_read)
        except BaseException:
            self._log.failure(
                "while closing {who!r}", who=selectable, event="handler-failed"
            )
