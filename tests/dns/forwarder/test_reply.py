"""Tests of L{netsvc.dns.forwarder.reply}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import rrtypes
from netsvc.dns.codes import AA, BADVERS, CD, NOTIMP, NXDOMAIN, QR, RA, RD, TC
from netsvc.dns.forwarder import reply
from netsvc.dns.forwarder.request import Request, read
from netsvc.dns.result import ExtendedError, Record
from netsvc.dns.wire import MAX_MESSAGE, pack_opt, pack_option, parse
from tests.dns.forwarder.case import OPT, WWW, address, query, soa, text


def request(data: bytes) -> Request:
    """Read a query."""
    found = read(data)
    assert found is not None
    return found


class ReplyTests(SynchronousTestCase):
    """Replies as they go out."""

    def test_answer(self) -> None:
        """An answer repeats id, question, RD and CD, and has what was found."""
        asked = request(query(WWW.upper(), flags=RD | CD | 0x40, opt=OPT))
        opt = reply.pack_edns(NXDOMAIN, True)
        data = reply.answer(asked, NXDOMAIN, [address()], [soa()], 60, opt, AA)
        found = parse(data)
        self.assertEqual(found.ident, 0x1234)
        self.assertEqual(found.flags, QR | AA | RD | RA | CD | NXDOMAIN)
        self.assertEqual(data[12 : asked.end], asked.data[12 : asked.end])
        self.assertEqual([record.ttl for record in found.answer], [60])
        self.assertEqual(found.authority[0].rdata.lower(), soa().rdata)
        assert found.edns is not None
        self.assertEqual((found.edns.dnssec, found.edns.payload), (True, 1232))

    def test_refusal(self) -> None:
        """A refusal has the question, if there is one, and the extended code."""
        found = parse(reply.refusal(request(query()), NXDOMAIN))
        self.assertEqual((found.rcode, found.edns), (NXDOMAIN, None))
        self.assertEqual(found.question, request(query()).question)
        opt = reply.pack_edns(BADVERS, False)
        found = parse(reply.refusal(request(query(opt=OPT)), BADVERS, opt))
        assert found.edns is not None
        self.assertEqual((found.rcode, found.edns.version), (BADVERS, 0))
        data = reply.refusal(request(query(flags=0x7900)), NOTIMP)
        self.assertEqual(data, b"\x12\x34\xf9\x84" + bytes(8))

    def test_truncated(self) -> None:
        """A truncated reply has the question and EDNS, and nothing else."""
        asked = request(query(opt=OPT))
        opt = reply.pack_edns(0, False)
        data = reply.answer(asked, 0, [text()], [], 60, opt)
        found = parse(reply.truncated(data, asked.end, opt))
        self.assertEqual(found.flags & TC, TC)
        self.assertEqual((found.answer, found.question), ((), asked.question))
        self.assertIsNotNone(found.edns)

    def test_too_long_for_any(self) -> None:
        """What is longer than any message can be is truncated over TCP, too."""
        asked = request(query())
        many = [text(count=300), text(count=301)]
        data = reply.answer(asked, 0, many, [], 60)
        self.assertTrue(parse(data).flags & TC)

    def test_errors(self) -> None:
        """Extended errors are options; their text is bounded."""
        packed = reply.pack_errors([ExtendedError(6, "x" * 1000), ExtendedError(3)])
        self.assertEqual(packed[:6], b"\0\x0f\0\xca\0\6")
        self.assertEqual(packed[-6:], b"\0\x0f\0\2\0\3")

    def test_denials(self) -> None:
        """Of an authority section only what denies is passed on."""
        ns = Record(WWW, rrtypes.NS, 1, 60, WWW)
        nsec = Record(WWW, rrtypes.NSEC, 1, 60, WWW)
        signed = Record(WWW, rrtypes.RRSIG, 1, 60, b"\0\x2f" + bytes(20))
        other = Record(WWW, rrtypes.RRSIG, 1, 60, b"\0\2" + bytes(20))
        records = (ns, soa(), nsec, signed, other)
        self.assertEqual(reply.denials(records, False), (soa(),))
        self.assertEqual(reply.denials(records, True), (soa(), nsec, signed))

    def test_padding(self) -> None:
        """A padded reply is as long as a multiple of 468 bytes."""
        asked = request(query(opt=pack_opt(pack_option(12, b""))))
        for options in (b"", pack_option(10, bytes(24))):
            opt = reply.pack_edns(0, False, options)
            for count in range(1, 5):
                data = reply.answer(asked, 0, [text(count=count)], [], 60, opt)
                padded = reply.pad(data, opt)
                self.assertEqual(len(padded) % reply.BLOCK, 0)
                self.assertEqual(parse(padded).answer, parse(data).answer)
        data = bytes(MAX_MESSAGE - len(opt)) + opt
        self.assertEqual(reply.pad(data, opt), data)
