"""How peers are sent to: the form of lines, and errors."""

from __future__ import annotations

import errno

from netsvc.relay.recipient import MAX_ERRORS
from tests.relay.relay_case import ANN, BOB, CAT, DAN, EVE, RelayCase


class FormTests(RelayCase):
    """How lines end."""

    def test_line_ends(self) -> None:
        """Everybody gets lines that end as their own do."""
        self.enter(ANN, BOB, EVE)
        self.say(ANN, b"/who\n")
        self.say(BOB, b"/who\r\n")
        self.skt.sent.clear()
        self.say(DAN, b"hi")
        self.skt.sent.clear()
        self.say(DAN, b"hello")
        self.assertEqual(self.got(ANN), [b"<guest4> hello\n"])
        self.assertEqual(self.got(BOB), [b"<guest4> hello\r\n"])


class ErrorTests(RelayCase):
    """What happens when sending fails."""

    def test_one_broken(self) -> None:
        """Whatever error one destination gives, the others get what is said."""
        self.enter(ANN, BOB, CAT)
        for number in (errno.EPERM, errno.ENETUNREACH, errno.EINVAL, errno.ENOBUFS):
            self.skt.broken = {BOB: number}
            self.say(ANN, b"hello")
            self.assertEqual(self.got(CAT), [b"<ann> hello"])
            self.assertEqual(self.count(f"send-{errno.errorcode[number]}"), 1)

    def test_unreachable(self) -> None:
        """A peer that cannot be reached for long is put out, and others see that."""
        self.enter(ANN, BOB)
        self.clock.advance(1)
        self.skt.broken = {BOB: errno.EPERM}
        for _ in range(MAX_ERRORS - 1):
            self.say(ANN, b"hello")
        self.clock.advance(1)
        self.say(BOB, b"still here")  # so it starts again
        for _ in range(MAX_ERRORS - 1):
            self.say(ANN, b"hello")
        self.clock.advance(0)
        self.assertEqual(len(self.relay.peers), 2)
        self.say(ANN, b"hello")
        self.got(ANN)
        self.clock.advance(0)
        self.assertEqual(self.got(ANN), [b"* bob has quit (Unreachable (EPERM))"])

    def test_full_buffer(self) -> None:
        """That our own buffer is full is not the peer's fault."""
        self.enter(ANN, BOB)
        for number in (errno.ENOBUFS, errno.EMSGSIZE) * (2 * MAX_ERRORS):
            self.skt.broken = {BOB: number}
            self.say(ANN, b"hello")
        self.clock.advance(0)
        self.assertEqual(len(self.relay.peers), 2)
