"""
Batches: lines that belong together (IRCv3 C{batch}), and labelled answers.

A line in a batch has the tag C{batch}; a batch in another has it on its start and on
its end. The answer to a labelled command (IRCv3 C{labeled-response}) is one line with
the label, a batch with the label, or C{ACK}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from netsvc.chat.irc.message import build, lines_of, render_tags, tagged


class References:
    """Names of the batches of one connection: no two are the same."""

    def __init__(self) -> None:
        """Start with the first."""
        self._last = 0

    def new(self) -> str:
        """Give a name that was not given before: digits."""
        self._last += 1
        return str(self._last)


def start(server: str, reference: str, kind: str, *params: str) -> bytes:
    """
    Open a batch.

    @param server: The server's name.
    @param kind: The type of the batch.
    @param params: What the type demands.
    """
    return build("BATCH", f"+{reference}", kind, *params, source=server)


def end(server: str, reference: str) -> bytes:
    """Close a batch."""
    return build("BATCH", f"-{reference}", source=server)


def inside(data: bytes, reference: str) -> bytes:
    """
    Put lines into a batch: tag all that are in no inner one.

    @param data: Lines with their CR LF. The start and the end of an inner batch are
        tagged, the lines inside of that have their tag already.
    """
    tag = render_tags([("batch", reference)])
    return b"".join(
        line if _in_batch(line) else tagged(line, tag) for line in lines_of(data)
    )


def _in_batch(line: bytes) -> bool:
    """Has a line the tag of a batch?"""
    return line[:1] == b"@" and b";batch=" in b";" + line[1 : line.find(b" ")]


def batch(
    server: str, reference: str, lines: Iterable[bytes], kind: str, *params: str
) -> bytes:
    """
    Write a whole batch, which may be empty.

    @param lines: What is in it: lines with their CR LF, other batches too.
    """
    data = inside(b"".join(lines), reference)
    return start(server, reference, kind, *params) + data + end(server, reference)


class LabeledResponse:
    """
    The answer to one labelled command.

    The first line waits, because only a second one shows that it takes a batch; the
    lines after it go straight through. So nothing large is ever held back.
    """

    def __init__(self, server: str, label: str, new: Callable[[], str]) -> None:
        """
        Begin an answer.

        @param server: The server's name.
        @param label: The command's label.
        @param new: Gives the batch its name, if it takes one.
        """
        self._server = server
        self._label = render_tags([("label", label)])
        self._new = new
        self._first = b""
        self._reference: str | None = None

    def add(self, data: bytes) -> bytes:
        """
        Add lines to the answer.

        @return: What is to be sent now; perhaps nothing.
        """
        if self._reference is not None:
            return inside(data, self._reference)
        lines = lines_of(self._first + data)
        if len(lines) < 2:
            self._first += data
            return b""
        self._reference = self._new()
        opened = start(self._server, self._reference, "labeled-response")
        data, self._first = self._first + data, b""
        return tagged(opened, self._label) + inside(data, self._reference)

    def finish(self) -> bytes:
        """End the answer, and give the rest of what is to be sent. Call it once."""
        if self._reference is not None:
            return end(self._server, self._reference)
        return tagged(self._first or build("ACK", source=self._server), self._label)
