"""
The listening sockets of a service: bound before it starts, or not at all.

Everything is bound in C{privilegedStartService}, so that ports below 1024 work
with C{twistd --uid}, and so that a port in use ends the process with one line
and status 1 instead of leaving it running without a listener.

While it runs, other listen strings can be prepared (L{Listeners.prepare}). A socket
whose place stays is kept: it is never closed, so that nobody is refused; what it
serves is exchanged, so that certificates are read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet import defer
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger

from netsvc.daemon.binding import (
    Binder,
    DatagramFactory,
    ListenError,
    name_of,
    reason,
)
from netsvc.daemon.changes import Changes, ReloadError
from netsvc.daemon.listen import Listen, matched
from netsvc.daemon.refusing import StartError, refuse_all
from netsvc.multiplex import multiplexed

__all__ = [
    "Bound",
    "DatagramFactory",
    "ListenError",
    "Listeners",
    "StreamFactory",
    "bind_all",
    "listeners_of",
]

#: Makes the factory of a stream, given its transport (C{tcp}, C{tls}, C{unix}).
StreamFactory = Callable[[str], IProtocolFactory]


@dataclass(eq=False)
class Bound:
    """
    A listen string that is bound.

    @ivar listen: The string.
    @ivar port: The port.
    @ivar served: The factory or the UDP protocol that serves it, without the TLS
        that the string may put in between.
    """

    listen: Listen
    port: Any
    served: Any


def bind_all(several: Iterable[Listeners]) -> None:
    """
    Bind the ports of several, all of them or none.

    @raise SystemExit: If some cannot be bound, with a line for each.
    """
    several = tuple(several)
    problems: list[str] = []
    try:
        for listeners in several:
            try:
                listeners.privilegedStartService()
            except StartError as error:
                problems.append(str(error))
        if problems:
            raise StartError("\n".join(problems))
    except BaseException:
        for listeners in several:
            listeners.stop_listening()
        raise


class Relisten(Changes):
    """
    Other listen strings.

    @ivar bound: What will be bound, in the order of the strings.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.bound: list[Bound] = []


class Listeners(Service):
    """
    Binds listen strings and holds the ports.

    @cvar renews: Whether a kept port's factory is made again at each reload, and not
        only if its transport is another one.
    @ivar service: What the service is called in the log.
    @ivar bound: What is bound, in the order of the strings.
    """

    _log = Logger()
    renews = False

    def __init__(
        self,
        service: str,
        listens: Sequence[Listen],
        stream: StreamFactory,
        datagram: DatagramFactory,
        reactor: Any = None,
    ) -> None:
        """
        @param service: The service's name, for messages.
        @param listens: What to bind.
        @param stream: Makes a factory for each stream.
        @param datagram: Makes a protocol for each UDP port.
        @param reactor: The reactor; by default the global one.
        """
        self.service = service
        self._listens = tuple(listens)
        self._stream = stream
        self._datagram = datagram
        self._reactor = reactor
        self.bound: list[Bound] = []
        # Those that another service reads from now.
        self._left: list[Bound] = []
        self._resting: set[str] = set()
        self._turned_away = 0

    @property
    def ports(self) -> list[IListeningPort]:
        """The bound ports, in the order of the strings."""
        return [bound.port for bound in self.bound]

    @property
    def turned_away(self) -> int:
        """How many connections were closed for want of a descriptor so far."""
        live = sum(getattr(port, "refused", 0) for port in self.ports)
        return self._turned_away + live

    @property
    def listens(self) -> list[Listen]:
        """The listen strings of L{ports}, in the same order."""
        return [bound.listen for bound in self.bound]

    def serves(self, served: Any) -> bool:
        """Tell whether a factory or a UDP protocol serves a port that is bound."""
        return any(bound.served is served for bound in self.bound)

    def make_stream(self, listen: Listen) -> IProtocolFactory:
        """Make the factory of a stream; for subclasses that need all of the string."""
        return self._stream(listen.transport)

    def _bind(self, binder: Binder, listen: Listen) -> Bound:
        """Bind one listen string."""
        stream = None if listen.kind == "udp" else self.make_stream(listen)
        port, served = binder.bind(listen, stream, self._datagram)
        return Bound(listen, port, served)

    def privilegedStartService(self) -> None:
        """
        Bind everything.

        @raise SystemExit: If anything cannot be bound: with a line for each, for
            stderr, which makes the exit status 1. Nothing is left bound.
        """
        super().privilegedStartService()
        if self.bound:
            return
        binder = Binder(multiplexed(self._reactor))
        problems = []
        for listen in self._listens:
            try:
                self.bound.append(self._bind(binder, listen))
            except Exception as e:
                problem = f"cannot listen on {listen}: {reason(listen, e)}"
                problems.append(listen.blame(self.service, problem))
        if problems:
            self.stop_listening()
            refuse_all(problems)
        if self._resting:
            self._stop_reading()

    def startService(self) -> None:
        """Bind (C{twist} has no privileged phase), and say what is bound."""
        self.privilegedStartService()
        super().startService()
        self._say_listening(self.bound)

    def _say_listening(self, bound: Iterable[Bound]) -> None:
        for each in bound:
            self._log.info(
                "{service} listens on {listen} ({address})",
                service=self.service,
                listen=str(each.listen),
                address=name_of(each.port.getHost()),
                event="listening",
            )

    # Who comes may have to wait, in the kernel.

    def rest(self, why: str) -> None:
        """Accept and read nothing; those who come wait in the kernel."""
        self._resting.add(why)
        self._stop_reading()

    def wake(self, why: str) -> None:
        """Go on, unless there is another reason to rest."""
        if why in self._resting:
            self._resting.discard(why)
            self._start_reading(self.bound)

    def _stop_reading(self) -> None:
        for bound in self.bound:
            bound.port.stopReading()

    def _start_reading(self, several: Iterable[Bound]) -> None:
        for bound in several if not self._resting else ():
            bound.port.startReading()

    # Other listen strings.

    def prepare(self, listens: Sequence[Listen], key: str = "listen") -> Relisten:
        """
        Prepare to listen on other strings, or to read the files of the same ones again.

        What is new is bound, and not accepted from before the commit. What is gone is
        closed by the commit, after those who wait there are accepted; connections stay.

        @param listens: What to listen on.
        @param key: The setting that they come from.
        @raise CombinedReloadError: One cannot be bound, or its files not be used.
        """
        binder = Binder(multiplexed(self._reactor))
        now = [each.listen for each in self.bound]
        kept = {new: self.bound[old] for new, old in matched(now, listens).items()}
        removed = [each for each in self.bound if each not in kept.values()]
        added: list[Bound] = []
        changes = Relisten()
        after = changes.bound
        with changes:
            changes.on_abandon(lambda: _close(added))
            for number, listen in enumerate(listens):
                with changes.part():
                    try:
                        old = kept.get(number)
                        if old is not None:
                            after.append(self._keep(binder, listen, old, changes))
                        else:
                            bound = self._bind(binder, listen)
                            bound.port.stopReading()
                            added.append(bound)
                            after.append(bound)
                    except Exception as e:
                        problem = f"cannot listen on {listen}: {reason(listen, e)}"
                        raise ReloadError(key, problem, listen.origin) from None
            changes.on_commit(lambda: self._changed(after, added, removed))
        return changes

    def _keep(
        self, binder: Binder, listen: Listen, old: Bound, changes: Changes
    ) -> Bound:
        """Prepare that a socket goes on, under the same string or another."""
        port, served = old.port, old.served
        if listen.kind == "udp" or not hasattr(port, "factory"):
            return Bound(listen, port, served)
        other = listen.transport != old.listen.transport
        if other or self.renews:
            served = self.make_stream(listen)
        if other or self.renews or listen.transport == "tls":
            factory = binder.layered(listen, served)
            changes.on_commit(lambda: _exchange(port, factory))
        return Bound(listen, port, served)

    def _changed(
        self, after: list[Bound], added: list[Bound], removed: list[Bound]
    ) -> None:
        """Go by what was prepared."""
        self.bound = after
        self._listens = tuple(each.listen for each in after)
        self._start_reading(added)
        self._say_listening(added)
        left = [each for each in removed if each in self._left]
        closing = [each for each in removed if each not in left]
        for each in closing:
            accept_waiting = getattr(each.port, "accept_waiting", None)
            if accept_waiting is not None:
                accept_waiting()
            self._say_ended(each)
        self._count(closing)
        self._left = [each for each in self._left if each not in left]
        _close(removed)

    def _say_ended(self, bound: Bound) -> None:
        self._log.info(
            "{service} listens no more on {listen}",
            service=self.service,
            listen=str(bound.listen),
            event="listening-ended",
        )

    def _count(self, bound: Iterable[Bound]) -> None:
        """Keep what ports have counted that are about to be closed."""
        self._turned_away += sum(getattr(each.port, "refused", 0) for each in bound)

    # A port that another service gets.

    @property
    def _inherited(self) -> Any:
        """What is lent to those who bind; L{None} if this system cannot."""
        return getattr(multiplexed(self._reactor), "inherited", None)

    def lend(self, bound: Bound, key: tuple[str, str, int | str]) -> bool:
        """
        Let who binds next have a copy of a port's socket instead.

        @param key: What it will ask for
            (L{key_of<netsvc.daemon.workers.sockets.key_of>}).
        @return: Whether that is possible.
        """
        if self._inherited is None:
            return False
        try:
            copy = os.dup(bound.port.fileno())
        except OSError:
            # No descriptor is left, or the port is broken: who binds will say so.
            return False
        self._inherited.give(*key, copy)
        return True

    def take_back(self) -> None:
        """Close what was lent and not taken."""
        self._inherited.close()

    def leave(self, bound: Bound) -> None:
        """
        Leave a port to who has a copy of its socket.

        It is read from no more. It stays open, as answers may still have to leave
        by it, until it is to be closed anyway.
        """
        if bound in self.bound:
            bound.port.stopReading()
            self.bound.remove(bound)
            self._left.append(bound)
            self._count([bound])
            self._say_ended(bound)

    # The end.

    def stop_listening(
        self, keep: Callable[[Listen], bool] = lambda listen: False
    ) -> defer.Deferred[Any]:
        """
        Close ports; what is connected stays connected.

        @param keep: Tells which ones stay open; by default none.

        @return: A Deferred that fires when they are closed.
        """
        bound = [each for each in self.bound if not keep(each.listen)]
        left = [each for each in self._left if not keep(each.listen)]
        self.bound = [each for each in self.bound if keep(each.listen)]
        self._left = [each for each in self._left if keep(each.listen)]
        self._count(bound)
        return _close([*bound, *left])

    def stopService(self) -> defer.Deferred[Any]:
        """Close all ports."""
        super().stopService()
        return self.stop_listening()


def listeners_of(service: Any) -> tuple[Listeners, ...]:
    """Give what holds the ports of a service; nothing for one that has none."""
    held = getattr(service, "listeners", ())
    return (held,) if isinstance(held, Listeners) else tuple(held)


def _close(bound: Iterable[Bound]) -> defer.Deferred[Any]:
    """Close ports; fires when they are closed, and never fails."""
    return defer.DeferredList(
        [defer.maybeDeferred(each.port.stopListening) for each in bound],
        consumeErrors=True,
    )


def _exchange(port: Any, factory: Any) -> None:
    """Let a bound port serve something else from now on."""
    old = port.factory
    factory.doStart()
    port.factory = factory
    old.doStop()
