"""Tests of L{netsvc.relay.demux}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay import stun
from netsvc.relay.demux import FRAME, What, classify, is_foreign, is_text

REQUEST = stun.message(stun.REQUEST, b"transaction!")
CLASSIC = stun.message(stun.REQUEST, b"x" * 16)


class ClassifyTests(SynchronousTestCase):
    """What a datagram is."""

    def test_sorts(self) -> None:
        """STUN is told from text by more than its first byte."""
        for data, what in (
            (b"", What.EMPTY),
            (REQUEST, What.STUN),
            (CLASSIC, What.CLASSIC_STUN),
            (REQUEST[:19], What.OTHER),
            (REQUEST + bytes(4), What.OTHER),
            (stun.message(stun.SUCCESS, b"x" * 16), What.OTHER),
            (bytes([FRAME, 1]), What.FRAME),
            # In RFC 7983's ranges these are DTLS, and TURN channels.
            (b"/join #room", What.OTHER),
            (b"JOIN", What.OTHER),
            (b"42", What.OTHER),
            (b"\x14\xfe\xfd", What.OTHER),
        ):
            self.assertIs(classify(data), what, data)

    @given(st.text(min_size=1))
    def test_text(self, text: str) -> None:
        """No text without control characters is anything else than text."""
        data = text.encode()
        if is_text(data):
            self.assertIs(classify(data), What.OTHER)

    def test_is_text(self) -> None:
        """Text is UTF-8 or CP949, and what a terminal may send by mistake."""
        for data in (
            b"hello\r\n",
            "\uc548\ub155".encode(),
            "\uc548\ub155".encode("cp949"),
            b"\ttab \x1b[A arrow \x07\x7f",
        ):
            self.assertTrue(is_text(data), data)
        for data in (b"\0", b"a\x01b", b"\x14\xfe\xfd", b"\x80\x80", b"\xff\xfe"):
            self.assertFalse(is_text(data), data)

    def test_foreign(self) -> None:
        """Requests to other services are told from talk."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"M-SEARCH * HTTP/1.1\r\n",
            b"OPTIONS sip:nm SIP/2.0\r\n",
        ):
            self.assertTrue(is_foreign(data))
        self.assertFalse(is_foreign(b"GET ready for HTTP"))
