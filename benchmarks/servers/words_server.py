"""The stock Twisted chat: twisted.words' own IRC service.

C{python -m benchmarks.servers.words_server PORT}. Rooms are made when somebody joins
them, and nobody needs a password. Nothing is logged. The reactor is Twisted's default,
which on Linux is the one with epoll.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet import defer
from twisted.internet import reactor as installed
from twisted.logger import globalLogBeginner
from twisted.words.service import InMemoryWordsRealm, IRCFactory, IRCUser
from zope.interface import implementer

HOST = "127.0.0.1"
BACKLOG = 4096


@implementer(ICredentialsChecker)
class Anybody:
    """Whoever says a name has it."""

    # Names that Twisted gives.
    credentialInterfaces = (IUsernamePassword,)  # noqa: N815

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[Any]:  # noqa: N802
        """Let them in."""
        return defer.succeed(credentials.username)


class User(IRCUser):
    """Its side of a connection.

    @ivar name: What it calls a client that has not said its name.
    @ivar password: What it takes for the password if none was given.
    """

    name = "*"
    password = "any"

    def connectionMade(self) -> None:
        """Switch Nagle's algorithm off, as the other peers have it."""
        super().connectionMade()
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]  # TCP only

    def irc_CAP(self, prefix: str, params: list[str]) -> None:  # noqa: N802
        """Answer as a server that does not know the command."""
        self.sendMessage("421", "CAP", ":Unknown command")


def main() -> None:
    """Run the server on the port that the command line names."""
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    reactor: Any = installed
    realm = InMemoryWordsRealm("bench")
    realm.createGroupOnRequest = True
    realm.createUserOnRequest = True
    factory = IRCFactory(realm, Portal(realm, [Anybody()]))
    factory.protocol = User
    factory.noisy = False
    reactor.listenTCP(int(sys.argv[1]), factory, backlog=BACKLOG, interface=HOST)
    reactor.run()


if __name__ == "__main__":
    main()
