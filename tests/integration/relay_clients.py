"""
Several clients in one process, for C{tests.integration.test_relay_nat}.

Run as a program: C{relay_clients.py HOST:PORT NICK:ROOM ...}. Each line of its input
is a nick, a tab, and a line that this client's user types; each line of its output is a
nick, a tab, and a line that this client's user sees. They are the client's own classes,
one session each with its own socket; one process starts faster than six.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from twisted.internet.main import installReactor
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO

from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.lines import Line
from netsvc.chat.client.pipe_process import PipeReactor
from netsvc.chat.client.resolver import ThreadResolver
from netsvc.chat.client.session import Session
from netsvc.relay.client.link import RelaySettings, UDPLink


class User:
    """Somebody at one client: its L{View<netsvc.chat.client.session.View>}."""

    def __init__(self, nick: str) -> None:
        """Begin."""
        self.nick = nick

    def show(self, line: Line) -> None:
        """Take a line."""
        self.note(line.text)

    def note(self, text: str) -> None:
        """Take what the client says."""
        sys.stdout.write(f"{self.nick}\t{text}\n")
        sys.stdout.flush()

    def locked(self) -> None:
        """There are no passwords."""

    def entered(self, is_as_wished: bool) -> None:
        """Take that it is in."""
        self.note(f"entered {is_as_wished}")

    def held(self, is_held: bool) -> None:
        """Take that the server does not keep up."""

    def ended(self, trouble: str) -> None:
        """Take the end."""
        self.note(f"ended {trouble}")


class Keys(Protocol):
    """What the users type."""

    def __init__(self, reactor: Any, sessions: dict[str, Session]) -> None:
        """Begin."""
        self._reactor, self._sessions = reactor, sessions
        self._rest = b""

    def dataReceived(self, data: bytes) -> None:
        """Give lines to whom they are for."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            nick, _, text = line.decode().partition("\t")
            self._sessions[nick].say(text)

    def connectionLost(self, reason: Any = None) -> None:
        """End."""
        if self._reactor.running:
            self._reactor.stop()


def main(target: str, *users: str) -> None:
    """Run."""
    reactor: Any = PipeReactor()
    installReactor(reactor)
    reactor.installNameResolver(ThreadResolver(reactor))
    host, _, port = target.rpartition(":")
    settings = RelaySettings(host, int(port))
    sessions: dict[str, Session] = {}
    for user in users:
        nick, _, room = user.partition(":")
        sessions[nick] = Session(
            Wishes(nick, (f"#{room}",)),
            lambda receiver: UDPLink(reactor, settings, receiver),
            User(nick),
            reactor,
            random.random,
        )
    keys = StandardIO(Keys(reactor, sessions), reactor=reactor)
    for session in sessions.values():
        reactor.callWhenRunning(session.start)
    reactor.run()
    del keys


if __name__ == "__main__":
    main(*sys.argv[1:])
