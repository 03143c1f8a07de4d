"""Tests of L{netsvc.dns.wire} and L{netsvc.dns.rdata}."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import dns.edns
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import codes, wire
from netsvc.dns.errors import FormatError
from netsvc.dns.names import from_text, to_text
from netsvc.dns.result import Message, Question, Record
from netsvc.dns.rrtypes import OPT, parse_type, type_name
from netsvc.dns.text import rdata_text

QUESTION = Question(from_text("www.example.test"), 1)

#: One of each common type, and some rare ones, as in a zone file.
RECORDS = (
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("NS", "ns.example.test."),
    ("CNAME", "alias.example.test."),
    ("PTR", "."),
    ("DNAME", "other.test."),
    ("MX", "10 mail.example.test."),
    ("TXT", '"a \\"quoted\\" text" "b\\007"'),
    ("SOA", "ns.example.test. root.example.test. 1 2 3 4 5"),
    ("SRV", "1 2 3 www.example.test."),
    ("NAPTR", '1 2 "s" "SIP+D2U" "" _sip._udp.example.test.'),
    ("HINFO", '"a" "b"'),
    ("RP", "a.example.test. b.example.test."),
    ("PX", "1 a.test. b.test."),
    ("CAA", '0 issue "ca.test"'),
    ("HTTPS", '1 . alpn="h2"'),
    ("DS", "1 13 2 " + "ab" * 32),
    ("SSHFP", "1 1 " + "cd" * 20),
    ("NSEC", "a.test. A MX"),
)


def dnspython_message(**changes: Any) -> dns.message.Message:
    """Write, with dnspython, a reply with every type of L{RECORDS}."""
    query = dns.message.make_query("www.example.test.", "A", id=77, **changes)
    reply = dns.message.make_response(query)
    for rtype, text in RECORDS:
        reply.answer.append(
            dns.rrset.from_text("www.example.test.", 60, "IN", rtype, text)
        )
    reply.authority.append(
        dns.rrset.from_text("example.test.", 60, "IN", "NS", "ns.example.test.")
    )
    reply.additional.append(
        dns.rrset.from_text("ns.example.test.", 60, "IN", "A", "192.0.2.2")
    )
    return reply


class QueryTests(SynchronousTestCase):
    """Queries as they are written."""

    def read(self, opt: bytes, flags: int = codes.RD) -> Any:
        """Let dnspython read a query."""
        data = wire.pack_query(b"\x12\x34", wire.pack_question(QUESTION), opt, flags)
        return dns.message.from_wire(data)

    def test_plain(self) -> None:
        """A query is what dnspython reads of it."""
        query = self.read(b"")
        self.assertEqual((query.id, int(query.flags), query.edns), (0x1234, 0x100, -1))
        self.assertEqual(str(query.question[0]), "www.example.test. IN A")

    def test_edns(self) -> None:
        """EDNS has a size, flags and options."""
        option = wire.pack_option(codes.NSID, b"x")
        query = self.read(wire.pack_opt(option, 1400, dnssec=True), codes.CD)
        self.assertEqual(
            (query.edns, query.payload, query.ednsflags), (0, 1400, 0x8000)
        )
        self.assertEqual([int(each.otype) for each in query.options], [3])
        self.assertEqual(int(query.flags), codes.CD)
        self.assertEqual(self.read(wire.pack_opt(version=1)).edns, 1)

    @given(st.binary(min_size=16, max_size=16))
    def test_case(self, noise: bytes) -> None:
        """Mixing the case changes the case of letters, and nothing else."""
        name = b"\x03a-1\x0aexAmple[@`\0"
        mixed = wire.mix_case(name, noise[: len(name)])
        self.assertEqual(mixed.lower(), name.lower())
        self.assertEqual(len(mixed), len(name))

    def test_case_is_mixed(self) -> None:
        """Each letter's case is a random bit."""
        name = from_text("abcd")
        self.assertEqual(wire.mix_case(name, b"\xff" * 6), from_text("ABCD"))
        self.assertEqual(wire.mix_case(name, b"\0" * 6), name)
        self.assertEqual(wire.mix_case(name, b"\0\x20\0\x20\0\0"), from_text("AbCd"))

    def test_padding(self) -> None:
        """Padding fills up a block."""
        self.assertEqual(
            [wire.padding(length, 128) for length in (0, 1, 128, 129)], [0, 127, 0, 127]
        )


class ReplyTests(SynchronousTestCase):
    """Replies as they are read."""

    def test_all_types(self) -> None:
        """Every record is read, uncompressed, as dnspython reads it."""
        reply = dnspython_message(use_edns=0)
        message = wire.parse(reply.to_wire())
        self.assertEqual(message.ident, 77)
        self.assertEqual(message.question, QUESTION)
        for record, (rtype, text) in zip(message.answer, RECORDS, strict=True):
            self.assertEqual(type_name(record.rtype), rtype)
            self.assertEqual(record.owner, QUESTION.name)
            rdata = dns.rdata.from_text(
                dns.rdataclass.IN, dns.rdatatype.from_text(rtype), text
            )
            self.assertEqual(record.rdata, rdata.to_wire())
            self.assertEqual(rdata_text(record), rdata.to_text())
        self.assertEqual([each.name for each in message.authority], ["example.test"])
        self.assertEqual(
            [each.name for each in message.additional], ["ns.example.test"]
        )
        assert message.edns is not None
        self.assertEqual(message.edns.version, 0)
        self.assertEqual(wire.parse(reply.to_wire(), QUESTION), message)

    def test_extended_rcode(self) -> None:
        """OPT has the upper bits of the response code, and the options."""
        reply = dnspython_message(use_edns=0)
        reply.set_rcode(dns.rcode.BADVERS)
        reply.use_edns(
            0,
            payload=1400,
            options=[dns.edns.EDEOption(dns.edns.EDECode.BLOCKED, "no")],
        )
        reply.set_rcode(dns.rcode.BADVERS)
        message = wire.parse(reply.to_wire())
        self.assertEqual(message.rcode, 16)
        assert message.edns is not None
        self.assertEqual(message.edns.option(codes.EDE), b"\0\x0fno")
        self.assertIsNone(message.edns.option(codes.NSID))

    def refused(self, data: bytes) -> str:
        """Read a malformed message."""
        return str(self.assertRaises(FormatError, wire.parse, data))

    def test_malformed(self) -> None:
        """Everything that a record can have wrong is a format error."""
        head = b"\0\1\x81\x80\0\1\0\1\0\0\0\0" + wire.pack_question(QUESTION)
        fixed = struct.Struct("!HHIH").pack

        def one(owner: bytes, rtype: int, rdata: bytes, length: int = -1) -> bytes:
            size = len(rdata) if length < 0 else length
            return head + owner + fixed(rtype, 1, 60, size) + rdata

        pointer = b"\xc0\x0c"
        at = len(head)
        for data in (
            b"",
            head,
            head[:20],
            one(pointer, 1, b"abc"),
            one(pointer, 1, b"abcd", 5),
            one(pointer, 28, b"abcd"),
            one(pointer, 5, b"\1a\0x"),
            one(pointer, 5, b"\1a"),
            one(pointer, 5, b"\1a\0", 2),
            one(pointer, 15, b"\0"),
            one(pointer, 16, b""),
            one(pointer, 16, b"\5abc"),
            one(pointer, 13, b"\1a\2b"),
            one(pointer, 33, b"\0\1\0\2"),
            one(b"\xc0\x02", 1, b"abcd"),
            one(b"\x40a\0", 1, b"abcd"),
            one(b"\x80a\0", 1, b"abcd"),
            one((0xC000 | at).to_bytes(2, "big"), 1, b"abcd"),
            one((0xC000 | at + 2).to_bytes(2, "big"), 1, b"abcd"),
            one(b"".join([b"\x3f" + b"a" * 63] * 4) + b"\0", 1, b"abcd"),
            one(
                b"".join([b"\x3f" + b"a" * 63] * 3) + b"\x3e" + b"a" * 62 + pointer,
                1,
                b"",
            ),
            one(b"\1a\0", OPT, b""),
            one(b"\0", OPT, b""),
            head[:4] + b"\0\2" + head[6:],
        ):
            self.refused(data)
        for opt in (b"\0\1", b"\0\1\0\5abc"):
            self.refused(
                head[:6]
                + b"\0\0\0\0\0\1"
                + head[12:]
                + b"\0"
                + fixed(41, 0, 0, len(opt))
                + opt
            )
        two = wire.pack_opt() * 2
        self.refused(head[:6] + b"\0\0\0\0\0\2" + head[12:] + two)

    def test_trailing(self) -> None:
        """Bytes after the end are accepted."""
        data = dnspython_message().to_wire()
        message = wire.parse(data + b"garbage")
        self.assertEqual(message.trailing, 7)
        self.assertEqual(message._replace(size=len(data), trailing=0), wire.parse(data))

    def test_no_question(self) -> None:
        """A message without a question has none."""
        self.assertIsNone(wire.parse(b"\0\1\x81\x82" + bytes(8)).question)

    def test_many_pointers(self) -> None:
        """A long way of pointers is refused; a message full of short ones is read."""
        question = b"\1a\0\0\1\0\1"
        # One record whose data is a list of pointers, each to the one before.
        start = 12 + len(question) + 12
        pointers = b"\xc0\x0c" + b"".join(
            (0xC000 | start + 2 * index).to_bytes(2, "big") for index in range(3000)
        )
        head = b"\0\1\x81\x80\0\1"
        rdata = struct.pack("!HHIH", 10, 1, 0, len(pointers))
        last = (0xC000 | start + 2 * 3000).to_bytes(2, "big")
        record = last + struct.pack("!HHIH", 1, 1, 0, 4) + b"abcd"
        body = question + b"\xc0\x0c" + rdata + pointers
        self.refused(head + b"\0\2\0\0\0\0" + body + record)
        short = b"".join(
            (0xC000 | start + 2 * index).to_bytes(2, "big")
            + struct.pack("!HHIH", 1, 1, 0, 4)
            + b"abcd"
            for index in range(0, 3000, 100)
        )
        message = wire.parse(head + b"\0\x1f\0\0\0\0" + body + short)
        self.assertEqual({record.name for record in message.answer}, {"a"})

    @given(st.binary(max_size=300))
    @example(b"\0\1\x81\x80\0\0\0\1\0\0\0\0\xc0\x0c")
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are a message or a format error."""
        for each in (data, dnspython_message().to_wire()[:12] + data):
            with contextlib.suppress(FormatError):
                self.assertIsInstance(wire.parse(each), Message)

    @given(st.data())
    def test_any_change(self, data: st.DataObject) -> None:
        """A good message with some bytes changed is a message or a format error."""
        message = bytearray(dnspython_message(use_edns=0).to_wire())
        for _ in range(data.draw(st.integers(1, 4))):
            message[data.draw(st.integers(0, len(message) - 1))] = data.draw(
                st.integers(0, 255)
            )
        try:
            found = wire.parse(bytes(message))
        except FormatError:
            return
        for record in (*found.answer, *found.authority, *found.additional):
            self.assertTrue(rdata_text(record).isprintable())
            self.assertTrue(record.common_text.isascii())
            to_text(record.owner)


class CompareTests(SynchronousTestCase):
    """What a reply says it answers."""

    def test_verdicts(self) -> None:
        """Each way in which it may not be ours has a name."""
        question = wire.pack_question(QUESTION)
        head = b"\0\1\x81\x80\0\1" + bytes(6)
        for data, verdict in (
            (head + question, wire.SAME),
            (head + question.replace(b"www", b"wWw"), wire.FOLDED),
            (head[:4] + bytes(8), wire.BARE),
            (head[:11], wire.SHORT),
            (b"\0\1\x01\x80" + head[4:] + question, wire.NOT_A_REPLY),
            (b"\0\1\xa1\x80" + head[4:] + question, wire.WRONG_OPCODE),
            (head + question[:-1], wire.WRONG_QUESTION),
            (head + question[:-4] + b"\0\x1c\0\1", wire.WRONG_QUESTION),
            (head + b"\1x" + question[2:], wire.WRONG_QUESTION),
            (head[:4] + b"\0\2" + head[6:] + question, wire.WRONG_QUESTION),
        ):
            self.assertEqual(wire.compare(data, question), verdict)


class TextTests(SynchronousTestCase):
    """Record data as text."""

    def test_unknown(self) -> None:
        """What is unknown, or malformed, is written as RFC 3597 has it."""
        for rtype, rdata in ((65000, b"ab"), (257, b""), (46, b"x"), (65000, b"")):
            record = Record(b"\0", rtype, 1, 0, rdata)
            expected = f"\\# {len(rdata)} {rdata.hex()}".strip()
            self.assertEqual(rdata_text(record), expected)
            self.assertEqual(record.common_text, expected)

    def test_types(self) -> None:
        """Types have names, or numbers."""
        self.assertEqual(
            [parse_type(text) for text in ("a", "TYPE1", "caa")], [1, 1, 257]
        )
        self.assertEqual(type_name(65000), "TYPE65000")
