"""Tests of L{netsvc.dns.servers}, L{netsvc.dns.options} and L{netsvc.dns.errors}."""

from __future__ import annotations

import base64
import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import codes, rrtypes
from netsvc.dns.errors import (
    BadCookie,
    InvalidName,
    ResponseCode,
    ServerFailure,
    ServerTimeout,
    Unreachable,
    most_telling,
    response_error,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import (
    Edns,
    ExtendedError,
    Question,
    Record,
    Result,
)
from netsvc.dns.servers import MAX_SERVERS, Server, parse_server, parse_servers


class ServerTests(SynchronousTestCase):
    """Servers as people write them."""

    def test_forms(self) -> None:
        """Each form is read, and written so that it can be read again."""
        pin = base64.b64encode(b"\xff" * 32).decode()
        for text, server in (
            ("192.0.2.1", Server("udp", "192.0.2.1", 53)),
            ("192.0.2.1:5353", Server("udp", "192.0.2.1", 5353)),
            ("2001:db8::1", Server("udp", "2001:db8::1", 53)),
            ("[2001:db8::1]", Server("udp", "2001:db8::1", 53)),
            ("[::1]:54", Server("udp", "::1", 54)),
            ("fe80::1%eth0", Server("udp", "fe80::1%eth0", 53)),
            ("dns.test:54", Server("udp", "dns.test", 54)),
            ("udp://192.0.2.1", Server("udp", "192.0.2.1", 53)),
            ("tcp://192.0.2.1", Server("tcp", "192.0.2.1", 53)),
            ("tls://192.0.2.1", Server("tls", "192.0.2.1", 853, "192.0.2.1")),
            ("tls://dns.test", Server("tls", "dns.test", 853, "dns.test")),
            ("tls://192.0.2.1#dns.test", Server("tls", "192.0.2.1", 853, "dns.test")),
            ("tls://dns.test#192.0.2.1", Server("tls", "192.0.2.1", 853, "dns.test")),
            (
                "https://dns.test/q",
                Server("https", "dns.test", 443, "dns.test", "/q"),
            ),
            (
                "https://[::1]:444/#dns.test",
                Server("https", "::1", 444, "dns.test", "/dns-query"),
            ),
            (
                f"tls://192.0.2.1?pin={pin}",
                Server("tls", "192.0.2.1", 853, "192.0.2.1", pins=(b"\xff" * 32,)),
            ),
        ):
            found = parse_server(text)
            self.assertEqual(found, server)
            if not found.pins:
                self.assertEqual(parse_server(str(found)), server)

    def test_refused(self) -> None:
        """What is none is refused."""
        for text in (
            "",
            "192.0.2.300",
            "192.0.2.1:0",
            "192.0.2.1:65536",
            "192.0.2.1:x",
            "192.0.2.1;x",
            "[192.0.2.1]:53",
            "[::1",
            "[::1]x",
            "a b",
            "quic://192.0.2.1",
            "udp://192.0.2.1/x",
            "udp://192.0.2.1?pin=x",
            "tls://a@192.0.2.1",
            "tls://192.0.2.1/x",
            "tls://a.test#b.test",
            "tls://192.0.2.1?pin=abc",
            "tls://192.0.2.1?pin=!",
            "tls://192.0.2.1?x=y",
            "https://[x/",
            "a..test",
            f"{'a' * 64}.test",
            ".".join(["a" * 60] * 5),
            "tls://a_b.test",
            "tls://192.0.2.1#a_b",
            "https://-a.test/",
        ):
            self.assertRaises(InvalidName, parse_server, text)

    @given(st.text(max_size=30))
    def test_any_text(self, text: str) -> None:
        """Any text is a server or L{InvalidName}."""
        for each in (text, f"https://{text}", f"tls://{text}"):
            with contextlib.suppress(InvalidName):
                parse_server(each)

    def test_presets(self) -> None:
        """Presets are lists of servers; each server is in the list once."""
        own = Server("udp", "127.0.0.53", 53)
        found = parse_servers(
            ["@kt", "google", "system", "@8.8.8.8", "tcp://192.0.2.1"], lambda: (own,)
        )
        self.assertEqual(
            [str(server) for server in found],
            [
                "168.126.63.1",
                "168.126.63.2",
                "8.8.8.8",
                "8.8.4.4",
                "127.0.0.53",
                "tcp://192.0.2.1",
            ],
        )
        many = [f"192.0.2.1:{port}" for port in range(1, MAX_SERVERS + 2)]
        self.assertRaises(InvalidName, parse_servers, many, lambda: ())


class OptionTests(SynchronousTestCase):
    """What a query asks for."""

    def test_flags(self) -> None:
        """Flags are those of the header."""
        self.assertEqual(PLAIN.flags, codes.RD)
        options = QueryOptions(
            recursion=False, checking_disabled=True, authentic_data=True
        )
        self.assertEqual(options.flags, codes.CD | codes.AD)

    def test_edns_options(self) -> None:
        """EDNS options are written in order."""
        options = QueryOptions(
            nsid=True, subnet="192.0.2.77/20", extra=((65001, b"x"),)
        )
        self.assertEqual(
            options.packed(),
            bytes.fromhex("fde9 0001 78 0003 0000 0008 0007 0001 14 00 c00000"),
        )
        self.assertEqual(
            QueryOptions(subnet="2001:db8::/32").packed(),
            bytes.fromhex("0008 0008 0002 20 00 20010db8"),
        )
        self.assertEqual(QueryOptions(subnet="0.0.0.0/0").packed()[4:], b"\0\1\0\0")
        self.assertRaises(InvalidName, QueryOptions(subnet="x").packed)


class NameTests(SynchronousTestCase):
    """Numbers and their names."""

    def test_codes(self) -> None:
        """What has no name is written as a number."""
        self.assertEqual(codes.rcode_name(3), "NXDOMAIN")
        self.assertEqual(codes.rcode_name(3841), "RCODE3841")
        self.assertEqual(codes.ede_name(15), "Blocked")
        self.assertEqual(codes.ede_name(999), "EDE999")
        self.assertEqual(rrtypes.class_name(3), "CH")
        self.assertEqual(rrtypes.class_name(77), "CLASS77")
        self.assertEqual(rrtypes.parse_class("class77"), 77)
        for text in ("", "TYPE65536", "TYPE", "CLASS1", "TYPE\u0661", "NOPE"):
            self.assertRaises(InvalidName, rrtypes.parse_type, text)


class ErrorTests(SynchronousTestCase):
    """What servers do instead of answering."""

    def test_classes(self) -> None:
        """A response code has a class of its own, or the common one."""
        server = parse_server("192.0.2.1")
        for code, kind in ((2, ServerFailure), (23, BadCookie), (9, ResponseCode)):
            error = response_error(server, "udp", code)
            self.assertIs(type(error), kind)
            self.assertEqual(error.rcode, code)
        self.assertEqual(
            str(response_error(server, "udp", 9, "x")),
            "192.0.2.1 (udp) has answered NOTAUTH: x",
        )

    def test_most_telling(self) -> None:
        """A failed lookup says what tells most, and has all the rest."""
        server = parse_server("192.0.2.1")
        errors = (
            ServerTimeout(server, "udp"),
            response_error(server, "udp", 2),
            Unreachable(server, "tcp", "no route"),
        )
        chosen = most_telling(errors)
        self.assertIs(chosen, errors[1])
        self.assertEqual(chosen.errors, errors)
        self.assertIsNone(errors[0].rcode)


class ResultTests(SynchronousTestCase):
    """What a lookup gives."""

    def test_views(self) -> None:
        """A result says what is in it."""
        alias = Record(b"\1x\0", rrtypes.CNAME, 1, 60, b"\1y\0")
        four = Record(b"\1y\0", rrtypes.A, 1, 60, b"\xc0\0\2\1")
        six = Record(b"\1y\0", rrtypes.AAAA, 1, 60, bytes(15) + b"\1")
        edns = Edns(
            0,
            0,
            False,
            1232,
            ((codes.EDE, b"\0\x0fno\0"), (codes.EDE, b"x"), (codes.NSID, b"me")),
        )
        result = Result(
            Question(b"\1x\0", rrtypes.A),
            0,
            (alias, four, six),
            flags=codes.AD | codes.AA,
            edns=edns,
        )
        self.assertEqual(result.answers, (four,))
        self.assertEqual(result.addresses, ("192.0.2.1", "::1"))
        self.assertEqual(result.canonical, b"\1y\0")
        self.assertTrue(result.exists)
        self.assertTrue(result.is_authenticated and result.is_authoritative)
        self.assertEqual(result.extended_errors, (ExtendedError(15, "no"),))
        self.assertEqual(result.extended_errors[0].name, "Blocked")
        self.assertEqual(result.nsid, b"me")
        plain = Result(Question(b"\1x\0", rrtypes.ANY), 3, (alias,))
        self.assertEqual((plain.answers, plain.nsid), ((alias,), None))
        self.assertEqual(plain.extended_errors, ())
        self.assertFalse(plain.is_authenticated or plain.is_authoritative)

    def test_question_text(self) -> None:
        """A question is written with its class if that is not IN."""
        self.assertEqual(str(Question(b"\1x\0", rrtypes.MX)), "x MX")
        self.assertEqual(str(Question(b"\1x\0", rrtypes.TXT, 3)), "x CH TXT")
