"""Tests of L{netsvc.chat.line.telnet}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.line.telnet import (
    ARE_YOU_THERE_ANSWER,
    ARE_YOU_THERE_LIMIT,
    ASK_BINARY,
    SUBNEGOTIATION_LIMIT,
    TelnetFilter,
)

SE, NOP, DM, IP, AO, AYT = 240, 241, 242, 244, 245, 246
SB, WILL, WONT, DO, DONT, IAC = 250, 251, 252, 253, 254, 255
BINARY, ECHO, SGA, TIMING_MARK, NAWS = 0, 1, 3, 6, 31

#: Bytes among which commands, ends of lines and NUL are frequent.
streams = st.lists(
    st.integers(0, 255)
    | st.sampled_from([IAC, IAC, SB, SE, WILL, DO, AYT, 13, 13, 10, 0, 97])
).map(bytes)


def run(*pieces: bytes) -> tuple[bytes, bytes]:
    """Feed a new filter; give all text, and all answers but what it asks for first."""
    telnet = TelnetFilter()
    results = [telnet.feed(piece) for piece in (b"", *pieces)]
    text, answers = (b"".join(each) for each in zip(*results, strict=True))
    assert answers.startswith(ASK_BINARY) == telnet.negotiated
    return text, answers.removeprefix(ASK_BINARY)


class TextTests(SynchronousTestCase):
    """Tests of what is text."""

    def test_plain(self) -> None:
        """Text stays as it is, in each character set, and is not copied."""
        telnet = TelnetFilter()
        for text in ("hello\n", "안녕\n"):
            for encoding in ("utf-8", "cp949"):
                data = text.encode(encoding)
                self.assertIs(telnet.feed(data)[0], data)
        self.assertFalse(telnet.negotiated)

    def test_line_ends(self) -> None:
        """CR LF, CR NUL, LF and CR each end one line."""
        self.assertEqual(run(b"a\r\nb\r\0c\nd\re")[0], b"a\nb\nc\nd\ne")
        self.assertEqual(run(b"a\r\r\nb\n\rc\r\0\nd")[0], b"a\n\nb\n\nc\n\nd")

    def test_cr_at_the_end(self) -> None:
        """A line that ends in CR is there at once; what belongs to the CR is not."""
        telnet = TelnetFilter()
        self.assertEqual(telnet.feed(b"a\r"), (b"a\n", b""))
        self.assertEqual(telnet.feed(b"\nb\r"), (b"b\n", b""))
        self.assertEqual(telnet.feed(b"\0c\r"), (b"c\n", b""))
        self.assertEqual(telnet.feed(b"d"), (b"d", b""))

    def test_nul(self) -> None:
        """NUL is nothing: a client may send the whole of its buffer."""
        self.assertEqual(run(b"hi" + bytes(1022))[0], b"hi")

    def test_escaped(self) -> None:
        """IAC IAC is the byte 0xFF."""
        self.assertEqual(run(bytes([97, IAC, IAC, 98])), (b"a\xffb", b""))

    def test_no_command(self) -> None:
        """An IAC before what is no command is dropped alone."""
        self.assertEqual(run(b"\xffabc\xff\r\nd\xff"), (b"abc\nd", b""))

    def test_commands(self) -> None:
        """Commands are not text; a CR and its LF may stand around one."""
        telnet = TelnetFilter()
        data = b"".join(
            bytes([97, IAC, each])
            for each in (NOP, DM, IP, AO, 243, 247, 248, 249, 236)
        )
        self.assertEqual(telnet.feed(data), (b"a" * 9, ASK_BINARY))
        self.assertTrue(telnet.negotiated)
        self.assertEqual(telnet.feed(bytes([13, IAC, NOP, 10])), (b"\n", b""))


class NegotiationTests(SynchronousTestCase):
    """Tests of options."""

    def test_refused(self) -> None:
        """Each option is refused."""
        self.assertEqual(
            run(bytes([IAC, DO, ECHO, IAC, WILL, SGA, IAC, DO, IAC])),
            (b"", bytes([IAC, WONT, ECHO, IAC, DONT, SGA, IAC, WONT, IAC])),
        )

    def test_once(self) -> None:
        """Each is refused once, so that two ends never argue for ever."""
        ask = bytes([IAC, DO, ECHO, IAC, WILL, ECHO])
        answer = bytes([IAC, WONT, ECHO, IAC, DONT, ECHO])
        self.assertEqual(run(ask, ask, ask), (b"", answer))

    def test_agreed(self) -> None:
        """A refusal needs no answer."""
        self.assertEqual(
            run(bytes([IAC, DONT, ECHO, IAC, WONT, ECHO, 97])), (b"a", b"")
        )

    def test_binary(self) -> None:
        """All bytes as text is asked for once, of whoever turns out to be telnet."""
        telnet = TelnetFilter()
        self.assertEqual(telnet.feed("한글\r\n".encode())[1], b"")
        self.assertEqual(telnet.feed(bytes([IAC, WILL])), (b"", ASK_BINARY))
        self.assertEqual(telnet.feed(bytes([BINARY])), (b"", b""))
        for verb in (DO, WILL, DONT, WONT):
            self.assertEqual(telnet.feed(bytes([IAC, verb, BINARY])), (b"", b""))

    def test_all(self) -> None:
        """All that is ever said to requests for options is of a fixed size."""
        ask = b"".join(
            bytes([IAC, verb, option])
            for verb in (DO, WILL)
            for option in range(1, 256)
            if option != TIMING_MARK
        )
        self.assertEqual(len(run(ask)[1]), len(ask))
        self.assertEqual(len(run(ask * 3)[1]), len(ask))

    def test_timing_mark(self) -> None:
        """A timing mark is answered each time: after Ctrl-C a client waits for it."""
        interrupt = bytes([IAC, IP, IAC, DO, TIMING_MARK])
        answer = bytes([IAC, WONT, TIMING_MARK])
        self.assertEqual(run(interrupt * 3 + b"ok\r\n"), (b"ok\n", answer * 3))

    def test_are_you_there(self) -> None:
        """It is there, and says so a limited number of times."""
        telnet = TelnetFilter()
        telnet.feed(bytes([IAC, NOP]))
        self.assertEqual(telnet.feed(bytes([IAC, AYT])), (b"", ARE_YOU_THERE_ANSWER))
        telnet.feed(bytes([IAC, AYT]) * (ARE_YOU_THERE_LIMIT - 2))
        self.assertEqual(telnet.feed(bytes([IAC, AYT])), (b"", ARE_YOU_THERE_ANSWER))
        self.assertEqual(telnet.feed(bytes([IAC, AYT, 97])), (b"a", b""))


class SubnegotiationTests(SynchronousTestCase):
    """Tests of subnegotiations."""

    def test_skipped(self) -> None:
        """A subnegotiation is skipped to its end, also with IAC IAC in it."""
        inside = bytes([NAWS, 0, IAC, IAC, SE, IAC, NOP, 10, 13])
        data = bytes([97, IAC, SB]) + inside + bytes([IAC, SE, 98])
        self.assertEqual(run(data), (b"ab", b""))

    def test_limit(self) -> None:
        """One without an end ends at the limit, and is counted."""
        telnet = TelnetFilter()
        telnet.feed(bytes([IAC, SB]))
        text, _ = telnet.feed(b"x" * (SUBNEGOTIATION_LIMIT - 1))
        self.assertEqual((text, telnet.cut_short), (b"", 0))
        self.assertEqual(telnet.feed(b"xabc\n"), (b"abc\n", b""))
        self.assertEqual(telnet.cut_short, 1)

    def test_limit_of_commands(self) -> None:
        """The limit holds in what looks like commands, too."""
        text, _ = run(bytes([IAC, SB]) + b"\xff" * SUBNEGOTIATION_LIMIT + b"abc")
        self.assertEqual(text, b"abc")


class SplitTests(SynchronousTestCase):
    """Tests of streams that are received in pieces."""

    SAMPLE = (
        b"one\r\ntwo\r\0"
        + bytes([IAC, DO, ECHO, IAC, WILL, SGA, IAC, SB, NAWS, 0, IAC, IAC, IAC, SE])
        + b"thr\xff\xffee\r"
        + bytes([IAC, AYT, 10, IAC, IP, IAC, DO, TIMING_MARK])
        + "\0네\n".encode()
    )

    def test_everywhere(self) -> None:
        """A stream split at any position, and one byte at a time, means the same."""
        whole = run(self.SAMPLE)
        self.assertEqual(whole[0], b"one\ntwo\nthr\xffee\n" + "네\n".encode())
        for position in range(len(self.SAMPLE) + 1):
            split = run(self.SAMPLE[:position], self.SAMPLE[position:])
            self.assertEqual(split, whole, position)
        self.assertEqual(run(*(bytes([byte]) for byte in self.SAMPLE)), whole)

    @given(streams, st.data())
    def test_anything(self, stream: bytes, data: st.DataObject) -> None:
        """So does any stream in any pieces; the answers are in proportion."""
        whole = run(stream)
        self.assertEqual(run(*(bytes([byte]) for byte in stream)), whole)
        first = data.draw(st.integers(0, len(stream)))
        second = data.draw(st.integers(first, len(stream)))
        pieces = stream[:first], stream[first:second], b"", stream[second:]
        self.assertEqual(run(*pieces), whole)
        self.assertNotIn(b"\r", whole[0])
        self.assertNotIn(b"\0", whole[0])
        self.assertLessEqual(len(whole[0]), len(stream))
        self.assertLessEqual(len(whole[1]), 4 * len(stream))
