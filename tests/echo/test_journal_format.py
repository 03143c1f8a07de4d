"""Tests of L{netsvc.echo.journal_format}."""

from __future__ import annotations

import base64
import json
import re
import struct
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo import journal_format
from netsvc.echo.journal_format import (
    MAX_ERROR,
    MAX_LENGTH,
    MAX_LINE,
    MAX_PAYLOAD,
    MAX_PEER,
    TRANSPORTS,
    FormatError,
    Record,
    RecordDecoder,
    Status,
    StatusDecoder,
    encode_record,
    error_status,
    format_line,
    is_torn,
    last_seq,
    ready_status,
    stored_status,
)

RUN = "0123456789abcdef"

records = st.builds(
    Record,
    seq=st.integers(1, 2**64 - 1),
    time=st.floats(0, 4e9),
    peer=st.text(st.characters(codec="utf-8"), max_size=40),
    transport=st.sampled_from(TRANSPORTS),
    data=st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode)),
)


def line_of(data: bytes, peer: str = "127.0.0.1:9") -> bytes:
    """Give the journal line of a record that holds C{data}."""
    return format_line(RUN, Record(7, 1.5, peer, "tcp", data))


class RecordFrameTests(SynchronousTestCase):
    """The frames between the service and its writer."""

    @given(st.lists(records, max_size=4), st.data())
    def test_any_cut(self, sent: list[Record], data: st.DataObject) -> None:
        """Records come out as they went in, wherever their bytes are cut."""
        stream = b"".join(encode_record(*record) for record in sent)
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
        decoder = RecordDecoder()
        got = []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            got += decoder.feed(stream[start:end])
        self.assertEqual(got, sent)

    def test_every_position(self) -> None:
        """A frame may be cut in two at every position."""
        record = Record(1, 2.5, "[::1]:65535", "tls", b"\x00hello\xff")
        frame = encode_record(*record)
        for cut in range(len(frame) + 1):
            decoder = RecordDecoder()
            got = decoder.feed(frame[:cut]) + decoder.feed(frame[cut:])
            self.assertEqual(got, [record])

    def test_long_peer(self) -> None:
        """A peer's name is cut at its limit, even within a character."""
        frame = encode_record(1, 0.0, "\u00e9" * 200, "unix", b"x")
        (record,) = RecordDecoder().feed(frame)
        self.assertEqual(record.peer, "\u00e9" * (MAX_PEER // 2) + "\ufffd")
        self.assertEqual(record.data, b"x")

    def test_peer_that_is_no_text(self) -> None:
        """A path with bytes that are no text is written with escapes."""
        (record,) = RecordDecoder().feed(
            encode_record(1, 0.0, "/run/\udcff", "unix", b"")
        )
        self.assertEqual(record.peer, "/run/\\udcff")

    def test_largest(self) -> None:
        """The longest frame that can be made is one that is taken."""
        frame = encode_record(1, 0.0, "p" * MAX_PEER, "udp", bytes(MAX_PAYLOAD))
        self.assertEqual(len(frame), MAX_LENGTH + 4)
        self.assertEqual(len(RecordDecoder().feed(frame)), 1)

    def test_unknown_transport(self) -> None:
        """A transport without a code is our mistake."""
        self.assertRaises(KeyError, encode_record, 1, 0.0, "p", "sctp", b"")

    def test_garbage(self) -> None:
        """What is no frame raises FormatError, and a large length is not waited for."""
        header = struct.Struct("!IQdBB")
        for garbage in (
            struct.pack("!I", MAX_LENGTH + 1),
            struct.pack("!I", 17),
            header.pack(18, 1, 0.0, len(TRANSPORTS), 0),
            header.pack(18, 1, 0.0, 0, 1),
        ):
            self.assertRaises(FormatError, RecordDecoder().feed, garbage)


class LineTests(SynchronousTestCase):
    """The lines of the file."""

    @given(records)
    def test_round_trip(self, record: Record) -> None:
        """A line is one line of JSON that says all that the record says."""
        line = format_line(RUN, record)
        self.assertEqual(line.count(b"\n"), 1)
        self.assertTrue(line.endswith(b"}\n"))
        value = json.loads(line)
        self.assertEqual(value.pop("run"), RUN)
        self.assertEqual(value.pop("seq"), record.seq)
        moment = datetime.fromisoformat(value.pop("time"))
        self.assertEqual(moment, datetime.fromtimestamp(record.time, UTC))
        self.assertEqual(value.pop("peer"), record.peer)
        self.assertEqual(value.pop("transport"), record.transport)
        self.assertEqual(value.pop("size"), len(record.data))
        ((kind, content),) = value.items()
        if kind == "text":
            self.assertEqual(content.encode(), record.data)
        else:
            self.assertEqual(kind, "base64")
            self.assertEqual(base64.b64decode(content, validate=True), record.data)
            self.assertRaises(UnicodeDecodeError, record.data.decode)

    def test_form(self) -> None:
        """The keys stand in a fixed order, and the time is RFC 3339 in UTC."""
        record = Record(1, 1700000000.0, "192.0.2.1:5", "udp", "안녕\n".encode())
        self.assertEqual(
            format_line("r1", record).decode(),
            '{"run": "r1", "seq": 1, "time": "2023-11-14T22:13:20.000000Z", '
            '"peer": "192.0.2.1:5", "transport": "udp", "size": 7, '
            '"text": "안녕\\n"}\n',
        )

    @given(st.text(st.characters(codec="utf-8")))
    def test_terminal(self, text: str) -> None:
        """No control character and no bidi control is in a line as it is."""
        line = line_of(text.encode(), peer=text[:20]).decode()
        unsafe = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
        self.assertIsNone(re.search(unsafe, line[:-1]))

    def test_longest(self) -> None:
        """No line is longer than its limit, and three of them fit the repair."""
        longest = line_of(bytes(MAX_PAYLOAD), peer="\x00" * MAX_PEER)
        self.assertLessEqual(len(longest), MAX_LINE)


class LastSeqTests(SynchronousTestCase):
    """Finding where a run's lines end."""

    def test_own_run(self) -> None:
        """The last whole line of the run counts, whatever stands behind it."""
        mine = [format_line(RUN, Record(n, 0.0, "p", "tcp", b"x")) for n in (8, 9)]
        other = format_line("ff", Record(99, 0.0, "p", "tcp", b"x"))
        self.assertEqual(last_seq(b"".join(mine), RUN), 9)
        self.assertEqual(last_seq(mine[0] + other + b"words\n", RUN), 8)
        self.assertEqual(last_seq(mine[0] + mine[1][:-1], RUN), 8)
        self.assertEqual(last_seq(mine[0][5:], RUN), 0)
        self.assertEqual(last_seq(b"", RUN), 0)

    def test_no_number(self) -> None:
        """A line that only looks like one of ours is passed over."""
        text = journal_format.run_prefix(RUN) + b"x, \n"
        self.assertEqual(last_seq(text, RUN), 0)

    def test_payload_cannot_pretend(self) -> None:
        """What a peer sends cannot look like a line of the journal."""
        evil = b"\n" + format_line(RUN, Record(10**6, 0.0, "p", "tcp", b"x"))
        self.assertEqual(last_seq(line_of(evil), RUN), 7)


class TornTests(SynchronousTestCase):
    """Telling a torn line from one that must stay."""

    def test_every_cut(self) -> None:
        """Each beginning of a line is torn, and the whole line is not."""
        line = line_of("é\n".encode())[:-1]
        for end in range(1, len(line)):
            self.assertTrue(is_torn(line[:end]), line[:end])
        self.assertFalse(is_torn(line))

    def test_zeros(self) -> None:
        """Zero bytes, as a power cut leaves them, are torn."""
        self.assertTrue(is_torn(bytes(4096)))
        self.assertTrue(is_torn(line_of(b"x")[:20] + bytes(10)))

    def test_foreign(self) -> None:
        """Somebody else's text is not torn, however deep."""
        for text in (b"words", b'{"a": 1', b'{"run": "x"}'):
            self.assertFalse(is_torn(text), text)
        self.assertTrue(is_torn(b'{"run": "x", "y": ' + b"[" * 10**6))


class StatusTests(SynchronousTestCase):
    """The writer's answers."""

    def test_every_cut(self) -> None:
        """Statuses come out as they went in, wherever their bytes are cut."""
        stream = (
            ready_status(0)
            + error_status("error", "No space\nleft \x1b[2J")
            + error_status("unrotated", "")
            + stored_status(2**64)
        )
        expected = [
            Status("ready", 0),
            Status("error", text="No space\\nleft \\x1b[2J"),
            Status("unrotated"),
            Status("stored", 2**64),
        ]
        for cut in range(len(stream) + 1):
            decoder = StatusDecoder()
            got = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:])]
            self.assertEqual(got, expected)

    def test_long_error(self) -> None:
        """An error text is cut at its limit, and such a line is taken."""
        line = error_status("unrotated", "x" * 10000)
        self.assertEqual(len(line), len(b"unrotated \n") + MAX_ERROR)
        decoder = StatusDecoder()
        self.assertEqual(list(decoder.feed(line[:-1])), [])
        (status,) = decoder.feed(line[-1:])
        self.assertEqual(status.text, "x" * MAX_ERROR)

    def test_garbage(self) -> None:
        """What is no status line raises FormatError, with or without an end."""
        for garbage in (b"Traceback\n", b"ready\n", b"stored -1\n", b"x" * 1000):
            self.assertRaises(FormatError, list, StatusDecoder().feed(garbage))
