"""The PROXY protocol: vectors of the specification, all cuts, hostile bytes."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.proxy_protocol import (
    MAX_V1_LENGTH,
    MAX_V2_LENGTH,
    SSL,
    TLV,
    Command,
    Header,
    Parser,
    ProxyError,
    TLVType,
    Transport,
    crc32c,
    decode_datagram,
    encode_v1,
    encode_v2,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
FROM4, TO4 = ("192.168.0.1", 56324), ("192.168.0.11", 443)
FROM6, TO6 = ("2001:db8::1", 56324), ("::1", 443)
TCP4 = Header(2, Command.PROXY, Transport.TCP4, FROM4, TO4)
TCP6 = Header(2, Command.PROXY, Transport.TCP6, FROM6, TO6)
LOCAL = Header(2, Command.LOCAL)
LONGEST_V1 = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replace(
    b"f...f", b"ffff:ffff:ffff:ffff:ffff:ffff"
)

BLOCK4 = bytes([192, 168, 0, 1, 192, 168, 0, 11]) + struct.pack("!HH", 56324, 443)
BLOCK6 = (
    IPv6Address("2001:db8::1").packed
    + IPv6Address("::1").packed
    + struct.pack("!HH", 56324, 443)
)


def v2(block: bytes, version: int = 0x21, kind: int = 0x11) -> bytes:
    """Put a header of version 2 together by hand."""
    return SIGNATURE + struct.pack("!BBH", version, kind, len(block)) + block


def tlv(kind: int, value: bytes) -> bytes:
    """Put a TLV together by hand."""
    return struct.pack("!BH", kind, len(value)) + value


def parse(data: bytes) -> Header | None:
    return Parser().feed(data)


class Case(SynchronousTestCase):
    """Reads headers in each way in which they can come."""

    maxDiff = None

    def reads(self, data: bytes, header: Header) -> None:
        """The bytes are this header, cut anywhere, and cut into single bytes."""
        for cut in range(len(data)):
            parser = Parser()
            self.assertIsNone(parser.feed(data[:cut]), cut)
            self.assertEqual(parser.feed(data[cut:] + b"rest"), header, cut)
            self.assertEqual(parser.rest, b"rest")
        parser = Parser()
        found = [parser.feed(data[i : i + 1]) for i in range(len(data))]
        self.assertEqual(found[-1], header)
        self.assertEqual(set(found[:-1]), {None})
        self.assertEqual(parser.rest, b"")

    def refuses(self, data: bytes, about: str) -> None:
        """The bytes are no header, at once and byte by byte."""
        with self.assertRaisesRegex(ProxyError, about):
            parse(data)
        parser = Parser()
        with self.assertRaisesRegex(ProxyError, about):
            for i in range(len(data)):
                self.assertIsNone(parser.feed(data[i : i + 1]))


class Version1Tests(Case):
    """The line of version 1, section 2.1."""

    def test_specification(self) -> None:
        """The specification's own lines are read."""
        self.reads(
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Header(
                1,
                Command.PROXY,
                Transport.TCP4,
                ("255.255.255.255", 65535),
                ("255.255.255.255", 65535),
            ),
        )
        all_ones = ":".join(["ffff"] * 8)
        self.reads(
            f"PROXY TCP6 {all_ones} {all_ones} 65535 65535\r\n".encode(),
            Header(
                1, Command.PROXY, Transport.TCP6, (all_ones, 65535), (all_ones, 65535)
            ),
        )
        self.reads(
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            Header(1, Command.PROXY, Transport.TCP4, FROM4, TO4),
        )

    def test_unknown(self) -> None:
        """Whatever stands behind UNKNOWN is ignored, up to the longest line."""
        header = Header(1, Command.PROXY)
        self.assertIsNone(header.source)
        for line in (b"PROXY UNKNOWN\r\n", LONGEST_V1, b"PROXY UNKNOWN \0\r\r\n"):
            self.reads(line, header)
        self.assertEqual(len(LONGEST_V1), MAX_V1_LENGTH)

    def test_spelling(self) -> None:
        """An IPv6 address is given in its usual spelling, whatever came."""
        header = parse(b"PROXY TCP6 2001:DB8:0:0::1 0:0:0:0:0:0:0:1 56324 443\r\n")
        self.assertEqual(header, Header(1, *TCP6_FIELDS))

    def test_encode(self) -> None:
        """TCP is written with its addresses, all else as UNKNOWN."""
        self.assertEqual(
            encode_v1(TCP4), b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
        )
        self.assertEqual(encode_v1(TCP6), b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n")
        udp = Header(2, Command.PROXY, Transport.UDP4, FROM4, TO4)
        for header in (LOCAL, udp, Header(2, Command.PROXY)):
            self.assertEqual(encode_v1(header), b"PROXY UNKNOWN\r\n")

    def test_too_long(self) -> None:
        """A line that does not end within 107 bytes is refused when they are there."""
        parser = Parser()
        endless = b"PROXY UNKNOWN ".ljust(MAX_V1_LENGTH - 1, b"x")
        self.assertIsNone(parser.feed(endless))
        with self.assertRaisesRegex(ProxyError, "longer than 107"):
            parser.feed(b"\r")
        self.refuses(endless + b"x\r\n", "longer than 107")

    def test_malformed(self) -> None:
        """A line that says something else is refused."""
        for line, about in (
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "CR LF"),
            (b"PROXY \n", "CR LF"),
            (b"PROXY \r\n", "protocol"),
            (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "protocol"),
            (b"PROXY UNKNOWNS\r\n", "protocol"),
            (b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "protocol"),
            (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "protocol"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "two addresses"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "two addresses"),
            (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "two addresses"),
            (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP4  1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3.\xb2 1.2.3.4 1 2\r\n", "an address"),
            (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "an address"),
            (b"PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "an address"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "a port"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "a port"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "a port"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xb2\r\n", "a port"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\t\r\n", "a port"),
        ):
            self.refuses(line, about)


TCP6_FIELDS = (Command.PROXY, Transport.TCP6, FROM6, TO6)


class Version2Tests(Case):
    """The binary header of version 2, section 2.2."""

    def test_addresses(self) -> None:
        """Each transport has its own block of addresses."""
        unix = b"/run/a.sock".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")
        paths = (b"/run/a.sock", b"\0abstract")
        for kind, block, source, destination in (
            (0x11, BLOCK4, FROM4, TO4),
            (0x12, BLOCK4, FROM4, TO4),
            (0x21, BLOCK6, FROM6, TO6),
            (0x22, BLOCK6, FROM6, TO6),
            (0x31, unix, *paths),
            (0x32, unix, *paths),
            (0x00, b"", None, None),
        ):
            header = Header(2, Command.PROXY, Transport(kind), source, destination)
            self.reads(v2(block, kind=kind), header)
            self.assertEqual(encode_v2(header), v2(block, kind=kind))

    def test_local(self) -> None:
        """LOCAL counts whatever comes with it, and what comes is ignored."""
        for block, kind in ((b"", 0), (BLOCK4, 0x11), (b"\xff" * 5, 0xFF)):
            self.reads(v2(block, 0x20, kind), LOCAL)
        self.assertEqual(encode_v2(LOCAL), v2(b"", 0x20, 0))

    def test_tlvs(self) -> None:
        """TLVs are given in order; padding is left out, unknown types are not."""
        block = BLOCK4 + (
            tlv(0x01, b"h2")
            + tlv(0x04, b"padding")
            + tlv(0x02, "bücher.example".encode())
            + tlv(0x05, b"id-1")
            + tlv(0xE0, b"")
            + tlv(0x30, b"netns")
            + tlv(0x01, b"http/1.1")
        )
        header = parse(v2(block))
        assert header is not None
        self.assertEqual(
            [t.type for t in header.tlvs], [0x01, 0x02, 0x05, 0xE0, 0x30, 0x01]
        )
        self.assertEqual(header.alpn, b"h2")
        self.assertEqual(header.authority, "bücher.example")
        self.assertEqual(header.unique_id, b"id-1")
        self.assertEqual(header.value(TLVType.NETNS), b"netns")
        self.assertIsNone(header.ssl)
        self.reads(v2(block), header)

    def test_no_tlvs(self) -> None:
        """What is not told is C{None}."""
        self.assertEqual(
            (TCP4.alpn, TCP4.authority, TCP4.unique_id, TCP4.ssl), (None,) * 4
        )

    def test_authority_is_data(self) -> None:
        """An authority that is no UTF-8 does no harm."""
        header = parse(v2(BLOCK4 + tlv(0x02, b"a\xff")))
        assert header is not None
        self.assertEqual(header.authority, "a\ufffd")

    def test_ssl(self) -> None:
        """The SSL block holds figures and TLVs of its own."""
        ssl = SSL(
            5,
            0,
            (TLV(TLVType.SSL_VERSION, b"TLSv1.3"), TLV(TLVType.SSL_CN, b"client")),
        )
        value = b"\x05" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"client")
        self.assertEqual(ssl.to_tlv(), TLV(0x20, value))
        header = parse(v2(BLOCK4 + tlv(0x20, value)))
        assert header is not None
        self.assertEqual(header.ssl, ssl)

    def test_malformed(self) -> None:
        """What is cut short, unknown or too long inside is refused."""
        for data, about in (
            (v2(BLOCK4, 0x11), "version 1 "),
            (v2(BLOCK4, 0x31), "version 3 "),
            (v2(BLOCK4, 0x22), "command"),
            (v2(BLOCK4, kind=0x10), "transport"),
            (v2(BLOCK4, kind=0x41), "transport"),
            (v2(BLOCK4, kind=0x13), "transport"),
            (v2(BLOCK4[:-1]), "shorter than its addresses"),
            (v2(BLOCK4, kind=0x21), "shorter than its addresses"),
            (v2(bytes(215), kind=0x31), "shorter than its addresses"),
            (v2(BLOCK4 + b"\x01"), "cut short"),
            (v2(BLOCK4 + b"\x01\x00"), "cut short"),
            (v2(BLOCK4 + b"\x01\x00\x01"), "longer than the header"),
            (v2(BLOCK4 + tlv(0x20, bytes(4))), "SSL block is too short"),
            (v2(BLOCK4 + tlv(0x20, bytes(5) + b"\x21")), "cut short"),
            (v2(BLOCK4 + tlv(0x02, bytes(256))), "authority is longer"),
            (v2(BLOCK4 + tlv(0x05, bytes(129))), "unique id is longer"),
        ):
            self.refuses(data, about)

    def test_limit(self) -> None:
        """A header over the limit is refused by its length, before it comes."""
        room = MAX_V2_LENGTH - 16 - len(BLOCK4) - 3
        fits = v2(BLOCK4 + tlv(0xE0, bytes(room)))
        self.assertEqual(len(fits), MAX_V2_LENGTH)
        self.assertIsNotNone(parse(fits))
        over = v2(BLOCK4 + tlv(0xE0, bytes(room + 1)))
        with self.assertRaisesRegex(ProxyError, "4097 bytes are more than 4096"):
            parse(over[:16])
        self.assertIsNotNone(Parser(MAX_V2_LENGTH + 1).feed(over))

    def test_encode_too_long(self) -> None:
        """What no header can hold is not written."""
        for tlvs in (
            (TLV(0xE0, bytes(65535)),),
            (TLV(0xE0, bytes(65536)),),
            (TLV(256, b""),),
            (TLV(-1, b""),),
        ):
            header = Header(2, Command.PROXY, Transport.TCP4, FROM4, TO4, tlvs)
            with self.assertRaises(ValueError):
                encode_v2(header)
        with self.assertRaises(ValueError):
            SSL(256, 0).to_tlv()


class ChecksumTests(Case):
    """The CRC-32C over the header, section 2.2.3."""

    def test_vectors(self) -> None:
        """The vectors of RFC 3720 appendix B.4, and the usual check value."""
        for data, crc in (
            (b"", 0),
            (b"123456789", 0xE3069283),
            (bytes(32), 0x8A9136AA),
            (b"\xff" * 32, 0x62A8AB43),
            (bytes(range(32)), 0x46DD794E),
            (bytes(range(31, -1, -1)), 0x113FDB5C),
        ):
            self.assertEqual(crc32c(data), crc)

    def test_round_trip(self) -> None:
        """A checksum is written, verified and left out, wherever it stands."""
        whole = encode_v2(TCP4, checksum=True)
        self.assertEqual(len(whole), 16 + 12 + 7)
        self.reads(whole, TCP4)
        zeroed = v2(BLOCK4 + tlv(0x03, bytes(4)) + tlv(0x01, b"h2"))
        right = zeroed.replace(
            b"\x03\0\x04" + bytes(4), b"\x03\0\x04" + struct.pack("!I", crc32c(zeroed))
        )
        header = parse(right)
        assert header is not None
        self.assertEqual(header.tlvs, (TLV(0x01, b"h2"),))

    def test_wrong(self) -> None:
        """A header in which any bit after the signature is changed is refused."""
        whole = encode_v2(TCP4, checksum=True)
        for position in range(len(SIGNATURE) + 4, len(whole) - 7):
            changed = bytearray(whole)
            changed[position] ^= 1
            with self.assertRaisesRegex(ProxyError, "checksum is wrong"):
                parse(bytes(changed))

    def test_malformed(self) -> None:
        """A checksum of another size is refused, and so are two."""
        self.refuses(v2(BLOCK4 + tlv(0x03, bytes(3))), "checksum is not one")
        self.refuses(v2(BLOCK4 + tlv(0x03, bytes(5))), "checksum is not one")
        start, zeros = v2(BLOCK4 + bytes(14))[:28], tlv(0x03, bytes(4))
        right = struct.pack("!I", crc32c(start + zeros + zeros))
        self.refuses(start + tlv(0x03, right) + zeros, "checksum is not one")


class ParserTests(Case):
    """Strangers, and what comes after the header."""

    def test_garbage(self) -> None:
        """What is neither version is refused at its first wrong byte."""
        for data in (
            b"G",
            b"\x16",
            b"\n",
            b"p",
            b"PROXX",
            b"PROXY\t",
            b"\r\n\r\n\r",
            b"\r\n\r\n\x00\r\nQUIT\r",
        ):
            parser = Parser()
            self.assertIsNone(parser.feed(data[:-1]))
            with self.assertRaisesRegex(ProxyError, "first bytes"):
                parser.feed(data[-1:])

    def test_early(self) -> None:
        """A wrong version is refused before the addresses come."""
        with self.assertRaisesRegex(ProxyError, "version 3"):
            parse(v2(BLOCK4, 0x31)[:16])

    def test_over(self) -> None:
        """After a header or an error nothing can be fed."""
        done, failed = Parser(), Parser()
        done.feed(encode_v2(LOCAL))
        with self.assertRaises(ProxyError):
            failed.feed(b"x")
        for parser in (done, failed):
            with self.assertRaises(RuntimeError):
                parser.feed(b"")

    def test_rest(self) -> None:
        """A second header behind the first is the connection's own data."""
        parser = Parser()
        self.assertEqual(parser.feed(encode_v2(TCP4) * 2), TCP4)
        self.assertEqual(parser.rest, encode_v2(TCP4))

    @given(st.binary(max_size=300), st.sampled_from((b"", SIGNATURE, b"PROXY ")))
    def test_hostile(self, data: bytes, prefix: bytes) -> None:
        """Whatever comes, there is a header, an error of the module, or a wait."""
        parser = Parser()
        try:
            for i in range(0, len(data), 7):
                if parser.feed((prefix if i == 0 else b"") + data[i : i + 7]):
                    break
        except ProxyError:
            pass

    @given(st.binary(max_size=60), st.sampled_from([t.value for t in Transport]))
    def test_hostile_blocks(self, data: bytes, kind: int) -> None:
        """The same inside a header of version 2 that is otherwise right."""
        with contextlib.suppress(ProxyError):
            self.assertIsNotNone(parse(v2(bytes(36) + data, kind=kind)))


class DatagramTests(Case):
    """A header at the front of a datagram."""

    def test_datagram(self) -> None:
        """The payload after the header is given, empty or not."""
        header = Header(2, Command.PROXY, Transport.UDP6, FROM6, TO6)
        for payload in (b"", b"payload"):
            self.assertEqual(
                decode_datagram(encode_v2(header) + payload), (header, payload)
            )

    def test_incomplete(self) -> None:
        """A datagram without a whole header is refused: no more can come."""
        whole = encode_v2(TCP4)
        for cut in range(len(whole)):
            with self.assertRaises(ProxyError):
                decode_datagram(whole[:cut])


ports = st.integers(0, 65535)
ipv4 = st.tuples(
    st.builds(str, st.builds(IPv4Address, st.integers(0, 2**32 - 1))), ports
)
ipv6 = st.tuples(
    st.integers(2**64, 2**128 - 1).map(lambda n: str(IPv6Address(n))), ports
)
paths = st.binary(max_size=108).map(lambda path: path.rstrip(b"\0"))
plain_tlvs = st.builds(
    TLV, st.integers(0, 255).filter(lambda n: n not in (2, 3, 4, 5, 0x20)), st.binary()
)
tlvs = st.lists(
    st.one_of(
        plain_tlvs,
        st.builds(TLV, st.sampled_from((2, 5)), st.binary(max_size=128)),
        st.builds(
            lambda *args: SSL(*args).to_tlv(),
            st.integers(0, 255),
            st.integers(0, 2**32 - 1),
            st.lists(plain_tlvs, max_size=3).map(tuple),
        ),
    ),
    max_size=5,
).map(tuple)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any header that can be written."""
    transport = draw(st.sampled_from(list(Transport)))
    ends = {0: st.none(), 1: ipv4, 2: ipv6, 3: paths}[transport.family]
    return Header(2, Command.PROXY, transport, draw(ends), draw(ends), draw(tlvs))


class RoundTripTests(SynchronousTestCase):
    """What is written is read again."""

    @given(headers(), st.booleans(), st.binary(max_size=9), st.integers(1, 40))
    def test_version_2(
        self, header: Header, checksum: bool, rest: bytes, size: int
    ) -> None:
        """Any header, with and without checksum, in chunks of any size."""
        data = encode_v2(header, checksum=checksum)
        parser = Parser(65551)
        found = None
        for start in range(0, len(data), size):
            self.assertIsNone(found)
            found = parser.feed(data[start : start + size])
        self.assertEqual(found, header)
        parser = Parser(65551)
        self.assertEqual(parser.feed(data + rest), header)
        self.assertEqual(parser.rest, rest)

    @given(
        st.one_of(
            st.tuples(st.just(Transport.TCP4), ipv4, ipv4),
            st.tuples(st.just(Transport.TCP6), ipv6, ipv6),
        )
    )
    def test_version_1(
        self, ends: tuple[Transport, tuple[str, int], tuple[str, int]]
    ) -> None:
        """Any two addresses of TCP."""
        header = Header(1, Command.PROXY, *ends)
        line = encode_v1(header)
        self.assertLessEqual(len(line), MAX_V1_LENGTH)
        self.assertEqual(parse(line), header)


class HeaderTests(SynchronousTestCase):
    """What a header can say."""

    def test_between(self) -> None:
        """Two addresses make a header; mapped ones are IPv4 if both can be."""
        for source, destination, transport, shown in (
            (FROM4, TO4, Transport.TCP4, (FROM4, TO4)),
            (FROM6, TO6, Transport.TCP6, (FROM6, TO6)),
            (("::ffff:192.0.2.1", 1), TO4, Transport.TCP4, (("192.0.2.1", 1), TO4)),
            (("fe80::1%eth0", 1), TO6, Transport.TCP6, (("fe80::1", 1), TO6)),
            (
                ("192.0.2.1", 1),
                TO6,
                Transport.TCP6,
                (("::ffff:192.0.2.1", 1), TO6),
            ),
        ):
            header = Header.between(source, destination)
            self.assertEqual(header.transport, transport)
            self.assertEqual((header.source, header.destination), shown)
            self.assertEqual(parse(encode_v2(header)), header)

    def test_between_datagrams(self) -> None:
        """UDP is a transport of its own, and TLVs go along."""
        alpn = (TLV(TLVType.ALPN, b"h3"),)
        header = Header.between(FROM4, TO4, datagram=True, tlvs=alpn)
        self.assertEqual(header.transport, Transport.UDP4)
        self.assertEqual(header.alpn, b"h3")
        header = Header.between(FROM6, TO6, datagram=True)
        self.assertEqual(header.transport, Transport.UDP6)

    def test_refused(self) -> None:
        """What fits no header is our own mistake and a C{ValueError}."""
        proxy, local = Command.PROXY, Command.LOCAL
        for args in (
            (local, Transport.TCP4, FROM4, TO4),
            (local, Transport.UNSPEC, None, None, (TLV(1, b""),)),
            (proxy, Transport.TCP4, FROM6, TO4),
            (proxy, Transport.TCP4, FROM4, None),
            (proxy, Transport.TCP6, FROM6, TO4),
            (proxy, Transport.TCP4, ("192.0.2.1", 65536), TO4),
            (proxy, Transport.TCP4, ("192.0.2.1", -1), TO4),
            (proxy, Transport.TCP4, b"/path", TO4),
            (proxy, Transport.UNSPEC, FROM4, TO4),
            (proxy, Transport.UNIX_STREAM, bytes(109), b""),
            (proxy, Transport.UNIX_STREAM, FROM4, b""),
            (proxy, Transport.UNSPEC, None, None, (TLV(TLVType.NOOP, b""),)),
            (proxy, Transport.UNSPEC, None, None, (TLV(TLVType.CRC32C, b""),)),
        ):
            with self.assertRaises(ValueError) as caught:
                Header(2, *args)
            self.assertNotIsInstance(caught.exception, ProxyError)
        with self.assertRaises(ValueError):
            Header.between(("example.org", 1), TO4)
