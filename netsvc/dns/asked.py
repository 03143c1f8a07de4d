"""
One query on its way, and what carries it.

The seam between the rules (L{netsvc.dns.conversation}, pure) and the sockets: a
L{Carrier} sends an L{Asked}, and tells it what comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netsvc.dns.errors import ServerError
from netsvc.dns.memory import Memory

if TYPE_CHECKING:
    from netsvc.dns.conversation import Conversation


class Via(Protocol):
    """The socket or connection over which a query has gone."""

    def forget(self, asked: Asked) -> None:
        """Expect no reply to a query any more."""

    def stalled(self, asked: Asked) -> bool:
        """
        A query has waited for too long.

        @return: Whether it is sent again because of that, over another connection.
        """


class Carrier(Protocol):
    """Sends queries to one server over one transport."""

    @property
    def transport(self) -> str:
        """Which transport: C{"udp"}, C{"tcp"}, C{"tls"} or C{"https"}."""

    def send(self, asked: Asked) -> None:
        """
        Send a query, and set its C{via}.

        Later C{asked.conversation.datagram}, C{asked.streamed} or C{asked.failed} is
        called; the last perhaps before this returns.
        """

    def close(self) -> None:
        """Close all sockets."""


class Upstream:
    """
    One server: what is remembered of it, and how it is reached.

    @ivar memory: What is remembered.
    @ivar datagrams: Carries UDP, if the server has it.
    @ivar stream: Carries TCP, TLS or HTTPS.
    """

    __slots__ = ("datagrams", "memory", "stream")

    def __init__(
        self, memory: Memory, datagrams: Carrier | None, stream: Carrier
    ) -> None:
        """Put them together."""
        self.memory = memory
        self.datagrams = datagrams
        self.stream = stream


class Asked:
    """
    One query as it was sent: whoever carries it tells it what has come.

    @ivar question: The question in the form in which it was sent.
    @ivar rest: What follows it: OPT, or nothing.
    @ivar flags: The second word of the header.
    @ivar transport: Over what.
    @ivar sent: When.
    @ivar via: The socket or connection; L{None} until it has one, and from when
        nothing is expected any more.
    @ivar ident: Its id, or what else its C{via} knows it by.
    @ivar retried: Whether it was sent again on another connection.
    """

    __slots__ = (
        "conversation",
        "flags",
        "ident",
        "question",
        "rest",
        "retried",
        "sent",
        "transport",
        "via",
    )

    def __init__(
        self,
        conversation: Conversation,
        question: bytes,
        rest: bytes,
        flags: int,
        transport: str,
        sent: float,
    ) -> None:
        self.conversation = conversation
        self.question = question
        self.rest = rest
        self.flags = flags
        self.transport = transport
        self.sent = sent
        self.via: Via | None = None
        self.ident: bytes | int = b""
        self.retried = False

    def streamed(self, data: bytes) -> bool:
        """
        A message has come over a stream with the query's id.

        @return: Whether it is a reply to it. If not, the connection is not to be
            trusted any more, and the query has failed.
        """
        return self.conversation.streamed(self, data)

    def failed(self, kind: type[ServerError], detail: str = "") -> None:
        """There will be no reply."""
        self.via = None
        conversation = self.conversation
        server = conversation.upstream.memory.server
        conversation.failed(self, kind(server, self.transport, detail))

    def forget(self) -> None:
        """Expect no reply."""
        via, self.via = self.via, None
        if via is not None:
            via.forget(self)

    def stalled(self) -> bool:
        """Note that it waits for too long; tells whether it is sent again."""
        return self.via is not None and self.via.stalled(self)
