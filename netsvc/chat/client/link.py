"""What the client asks of a connection, and what a connection tells the client."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Who takes what a link gives."""

    def opened(self) -> None:
        """Take that lines can be sent."""

    def received(self, text: str) -> None:
        """Take a line of the server, decoded, as it came."""

    def held(self, is_held: bool) -> None:
        """Take that the server does not keep up, or does again."""

    def closed(self, reason: str, in_order: bool) -> None:
        """
        Take that there is no connection: it is lost, was closed or was not made.

        @param reason: Why, in a few words that are safe to show.
        @param in_order: Whether the server ended it as it should.
        """


class Link(Protocol):
    """
    A way to send lines to a server, and to be sent lines.

    It is opened and closed any number of times; each C{open} is followed by one
    C{closed} of the receiver, in the end.
    """

    def open(self) -> None:
        """Begin to connect."""

    def send(self, line: str) -> None:
        """Send a line, which holds no line end. Nothing happens without connection."""

    def close(self) -> None:
        """End the connection, or the attempt, within a bounded time."""
