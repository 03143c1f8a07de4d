"""Tests of L{netsvc.dns.forwarder.request}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import rrtypes
from netsvc.dns.codes import BADVERS, CD, FORMERR, NOERROR, NOTIMP, RCODE, RD, REFUSED
from netsvc.dns.forwarder.request import MAX_QUERY, PLAIN_LIMIT, Request, read
from netsvc.dns.result import Question
from netsvc.dns.wire import pack_opt, pack_option
from tests.dns.forwarder.case import OPT, OPT_DO, WWW, query


class RequestTests(SynchronousTestCase):
    """Queries as they come in."""

    def good(self, data: bytes) -> Request:
        """Read a query that can be answered."""
        request = read(data)
        assert request is not None
        self.assertIsNone(request.refusal)
        return request

    def refusal(self, data: bytes) -> int | None:
        """Give the response code of the refusal."""
        request = read(data)
        assert request is not None
        return request.refusal

    def test_plain(self) -> None:
        """A query without EDNS takes 512 bytes over UDP."""
        request = self.good(query())
        self.assertEqual(request.question, Question(WWW, rrtypes.A))
        self.assertEqual(request.end, len(query()))
        self.assertEqual((request.payload, request.tail), (PLAIN_LIMIT, b"\0\0"))
        self.assertEqual((request.dnssec, request.cookie), (False, None))
        self.assertEqual((request.recursion, request.checking_disabled), (True, False))
        self.assertFalse(request.is_padded)

    def test_edns(self) -> None:
        """With EDNS it says what it takes and wants."""
        request = self.good(query(opt=OPT_DO, flags=RD | CD))
        self.assertEqual((request.payload, request.dnssec), (1232, True))
        self.assertTrue(request.checking_disabled)
        self.assertEqual(request.tail, b"\0\1" + OPT_DO)
        self.assertEqual(self.good(query(opt=pack_opt(payload=0))).payload, 512)

    def test_options(self) -> None:
        """Options that are known are found; the others are ignored."""
        options = pack_option(10, b"mycookie") + pack_option(12, b"")
        options += pack_option(100, b"what?")
        request = self.good(query(opt=pack_opt(options)))
        self.assertEqual((request.cookie, request.is_padded), (b"mycookie", True))
        self.assertIsNone(request.tail)

    def test_trailing(self) -> None:
        """Bytes after the end are ignored, but the query's end is not learnt."""
        self.assertIsNone(self.good(query(opt=OPT) + b"more").tail)

    def test_no_query(self) -> None:
        """What is too short, or a reply, is dropped."""
        self.assertIsNone(read(query()[:11]))
        self.assertIsNone(read(query(flags=0x8100)))

    def test_opcode(self) -> None:
        """Of an operation that is unknown nothing is read."""
        self.assertEqual(self.refusal(query(flags=0x7800)), NOTIMP)
        self.assertEqual(self.refusal(query(flags=0x2000)[:12]), NOTIMP)

    def test_malformed(self) -> None:
        """What is malformed is a format error."""
        for data in (
            query()[:12],
            query()[:4] + bytes(8),
            query()[:-1],
            query()[:4] + b"\0\2" + query()[6:],
            query()[:12] + b"\xc0\x04\0\1\0\1",
            query(opt=pack_opt(pack_option(10, b"short"))),
            query(opt=pack_opt(b"\0\1\0\7")),
            query() + bytes(MAX_QUERY),
        ):
            self.assertEqual(self.refusal(data), FORMERR, data)

    def test_two_opts(self) -> None:
        """Two OPT records are a format error (RFC 6891 section 6.1.1)."""
        data = query(opt=OPT + OPT)
        self.assertEqual(self.refusal(data[:11] + b"\2" + data[12:]), FORMERR)

    def test_answer_in_query(self) -> None:
        """A query with an answer is a format error."""
        data = query()[:7] + b"\1" + query()[8:] + b"\xc0\x0c\0\1\0\1" + bytes(4)
        self.assertEqual(self.refusal(data + b"\0\4abcd"), FORMERR)

    def test_version(self) -> None:
        """A version of EDNS that is not known is BADVERS."""
        self.assertEqual(self.refusal(query(opt=pack_opt(version=1))), BADVERS)

    def test_no_question(self) -> None:
        """Without a question it may ask for a cookie (RFC 7873), and nothing else."""
        header = query()[:4] + b"\0" * 7
        for opt, expected in (
            (OPT, FORMERR),
            (pack_opt(pack_option(10, b"mycookie")), NOERROR),
            (pack_opt(pack_option(10, b"short")), FORMERR),
            (OPT[:6] + b"\1" + OPT[7:], BADVERS),
        ):
            self.assertEqual(self.refusal(header + b"\1" + opt), expected, opt)

    def test_not_served(self) -> None:
        """Zone transfers and other classes are refused, other meta types unknown."""
        for rtype in (rrtypes.AXFR, rrtypes.IXFR):
            self.assertEqual(self.refusal(query(rtype=rtype)), REFUSED)
        self.assertEqual(self.refusal(query(rclass=rrtypes.CH)), REFUSED)
        for name in ("OPT", "TSIG", "TKEY", "MAILB"):
            self.assertEqual(self.refusal(query(rtype=rrtypes.TYPES[name])), NOTIMP)
        self.assertIsNone(self.refusal(query(rtype=1000)))

    def test_tsig(self) -> None:
        """A query that is signed with a key of which we know nothing is NOTAUTH."""
        tsig = b"\0\x00\xfa\x00\xff" + bytes(4) + b"\0\0"
        self.assertEqual(self.refusal(query(opt=tsig)), RCODE["NOTAUTH"])

    @given(st.binary(max_size=80))
    def test_anything(self, data: bytes) -> None:
        """Whatever comes is read, refused or dropped."""
        for each in (data, query()[:12] + data, query()[:10] + data):
            request = read(each)
            if request is not None and request.refusal is None:
                assert request.question is not None
                self.assertLessEqual(request.end, len(each))
