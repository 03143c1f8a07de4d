"""What all line connections of a chat share."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, cast

from netsvc.chat.accounts.throttle import Budgets
from netsvc.chat.events import Session
from netsvc.chat.line import commands
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.wire import LineWires
from netsvc.chat.network import Network
from netsvc.daemon.limits import source_key

if TYPE_CHECKING:
    from netsvc.chat.line.session import LineSession

#: What telnet clients take without showing it: IAC NOP (RFC 854).
NOP: Final = b"\xff\xf1"

#: How many sources' wrong passwords a generation of the table holds.
MAX_TRACKED: Final = 16_384


def _budgets(options: LineOptions) -> Budgets | None:
    """What each source may try of the server's password."""
    rate = options.password_rate
    return None if rate is None else Budgets(rate, MAX_TRACKED)


def _write_to_each(data: bytes, streams: Iterable[Any]) -> None:
    """Write the same bytes to many."""
    for stream in streams:
        stream.write(data)


class LineFrontend:
    """
    The line side of a chat.

    What it counts in the network's counters begins with C{line-}: C{banned},
    C{charset-switched}, C{command-timeout}, C{flood-cut}, C{flood-wait}, C{full},
    C{no-text-protocol}, C{password-throttled}, C{password-timeout}, C{password-wrong},
    C{send-queue}, C{too-long}, C{unreadable}.

    @ivar network: The chat.
    @ivar options: What it was told.
    @ivar zone: The time zone of the times that are shown; C{None} is the system's.
    @ivar commands: The commands that its people may use, by name.
    @ivar wires: How events look.
    @ivar sessions: All connections.
    @ivar outside: Those that have not given the server's password yet.
    @ivar paused: Those whose peers do not take what is sent as fast as it comes.
    @ivar telnets: Those that speak telnet.
    @ivar used: How often each command was used.
    """

    def __init__(
        self,
        network: Network,
        options: LineOptions | None = None,
        *,
        fan_out: Callable[[bytes, Iterable[Any]], None] = _write_to_each,
        zone: tzinfo | None = None,
        extra: Mapping[str, commands.Command] | None = None,
    ) -> None:
        """
        Start without connections.

        @param network: The chat.
        @param options: What to do; by default the defaults.
        @param fan_out: Writes the same bytes to many streams.
        @param zone: See there.
        @param extra: Commands that only its people have, by name.
        """
        commands.load()
        self.commands = {**commands.COMMANDS, **(extra or {})}
        self.network = network
        self.zone = zone
        self.wires = LineWires(self._send)
        self.sessions: dict[LineSession, None] = {}
        self.outside: dict[LineSession, None] = {}
        self.paused: set[LineSession] = set()
        self.telnets: dict[LineSession, None] = {}
        self.used: Counter[str] = Counter()
        self._fan_out = fan_out
        self._pinged = network.seconds()
        self.options = options or LineOptions()
        self._passwords = _budgets(self.options)

    def reload(self, options: LineOptions) -> None:
        """Go by other options from now on."""
        if options.password_rate != self.options.password_rate:
            self._passwords = _budgets(options)
        self.options = options

    def _send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write the same bytes to many connections; cut those that are too slow."""
        line = cast("Sequence[LineSession]", sessions)
        self._fan_out(data, [session.stream for session in line])
        if self.paused:
            for session in self.paused.intersection(line):
                session.check_queue()

    def password_fits(self, password: str, address: str | None) -> bool | None:
        """
        Say whether that is the server's password.

        @param address: Of who says so.
        @return: C{None} if there were too many tries from there.
        """
        table, source = self._passwords, source_key(address)
        if table is not None and not table.allow(source, self.network.seconds()):
            return None
        right = (self.network.password or "").encode()
        fits = hmac.compare_digest(password.encode("utf-8", "replace"), right)
        if fits and table is not None:
            table.give_back(source)  # a class behind one address may come in
        return fits

    def tick(self) -> None:
        """
        Look who has had time enough for the password; ping telnet clients.

        To be called once a second.
        """
        now, options = self.network.seconds(), self.options
        if options.password_timeout:
            for session in list(self.outside):
                if now - session.since >= options.password_timeout:
                    self.network.counters["line-password-timeout"] += 1
                    session.close("no password was given in time")
        if options.ping_interval and now - self._pinged >= options.ping_interval:
            self._pinged = now
            if self.telnets:
                self._send(NOP, tuple(self.telnets))

    def stop(self, reason: str) -> None:
        """End all connections, for a reason that everybody is told."""
        for session in list(self.sessions):
            session.close(reason)
