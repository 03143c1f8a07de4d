"""The ClientHello: real ones of OpenSSL, all cuts, hostile bytes."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.client_hello import MAX_LENGTH, ClientHello, NotTLS, Reader

GREASE = 0x7A7A


def real_hello(
    name: str | None = None,
    alpn: Sequence[str] = (),
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("the handshake cannot be over")


def vector(size: int, value: bytes) -> bytes:
    return len(value).to_bytes(size, "big") + value


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind) + vector(2, value)


def sni(*names: bytes, kind: int = 0) -> bytes:
    entries = b"".join(bytes([kind]) + vector(2, name) for name in names)
    return extension(0, vector(2, entries))


def alpn(*names: bytes) -> bytes:
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def message(extensions: bytes | None = b"", kind: int = 1) -> bytes:
    """A handshake message made by hand; without extensions if C{None}."""
    body = b"\x03\x03" + bytes(32) + vector(1, bytes(32))
    body += vector(2, struct.pack("!3H", GREASE, 0x1301, 0xC02F)) + vector(1, b"\0")
    if extensions is not None:
        body += vector(2, extensions)
    return bytes([kind]) + vector(3, body)


def records(data: bytes, size: int = 2**14, version: bytes = b"\x03\x01") -> bytes:
    """Put a message into records of at most C{size} bytes."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"\x16" + version + vector(2, part) for part in parts)


def read(data: bytes) -> ClientHello | None:
    return Reader().feed(data)


class Case(SynchronousTestCase):
    """Reads ClientHellos in each way in which they can come."""

    def reads(self, data: bytes, hello: ClientHello) -> None:
        """The bytes are this ClientHello, cut anywhere, and cut into bytes."""
        for cut in range(len(data)):
            reader = Reader()
            self.assertIsNone(reader.feed(data[:cut]), cut)
            self.assertEqual(reader.feed(data[cut:] + b"more"), hello, cut)
            self.assertEqual(reader.seen, data + b"more")
        reader = Reader()
        found = [reader.feed(data[i : i + 1]) for i in range(len(data))]
        self.assertEqual(found[-1], hello)
        self.assertEqual(set(found[:-1]), {None})
        self.assertEqual(reader.seen, data)

    def refuses(self, data: bytes, about: str) -> None:
        """The bytes are none, at once and byte by byte."""
        with self.assertRaisesRegex(NotTLS, about):
            read(data)
        reader = Reader()
        with self.assertRaisesRegex(NotTLS, about):
            for i in range(len(data)):
                self.assertIsNone(reader.feed(data[i : i + 1]))


class RealTests(Case):
    """What OpenSSL sends."""

    def test_real(self) -> None:
        """Name and protocols are found, with each version, if they are there."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name in (None, "www.example.org", "xn--bcher-kva.example"):
                for protocols in ((), ("h2",), ("h2", "http/1.1", "x" * 255)):
                    hello = ClientHello(name, tuple(p.encode() for p in protocols))
                    self.reads(real_hello(name, protocols, version), hello)

    def test_fragmented(self) -> None:
        """Records may cut the message anywhere."""
        whole = real_hello("www.example.org", ["h2"])[5:]
        hello = ClientHello("www.example.org", (b"h2",))
        for size in (1, 2, 3, 4, 5, 50, len(whole) - 1):
            data = records(whole, size)
            self.assertEqual(read(data), hello, size)
            reader = Reader()
            for i in range(len(data) - 1):
                self.assertIsNone(reader.feed(data[i : i + 1]), size)
            self.assertEqual(reader.feed(data[-1:]), hello)

    def test_more_in_the_record(self) -> None:
        """It is read before its record is whole, if its message is."""
        hello = message(sni(b"a.example"))
        data = b"\x16\x03\x01" + vector(2, hello + bytes(100))
        self.assertEqual(read(data[:-100]), ClientHello("a.example"))


class MadeTests(Case):
    """What others send, or might."""

    def test_grease(self) -> None:
        """Reserved and unknown extensions and protocols are passed over or kept."""
        data = records(
            message(
                extension(GREASE, b"")
                + extension(GREASE + 0x1010, b"\0")
                + extension(GREASE, b"twice is not our business")
                + extension(0xFE0D, bytes(200))
                + alpn(b"\x7a\x7a", b"h2")
                + sni(b"public.example")
            )
        )
        self.reads(data, ClientHello("public.example", (b"\x7a\x7a", b"h2")))

    def test_no_extensions(self) -> None:
        """An old client's message ends before them."""
        self.reads(records(message(None), version=b"\x03\x00"), ClientHello())
        self.reads(records(message(b"")), ClientHello())

    def test_spelling(self) -> None:
        """Names are compared in lower case and without a dot at their end."""
        self.assertEqual(
            read(records(message(sni(b"WWW.Example.ORG.")))),
            ClientHello("www.example.org"),
        )

    def test_malformed_extensions(self) -> None:
        """Names and protocols that could be read in two ways are refused."""
        for extensions, about in (
            (sni(b"a") + sni(b"b"), "twice"),
            (alpn(b"a") + alpn(b"a"), "twice"),
            (sni(b"a", b"b"), "more than one"),
            (sni(b"a", kind=1), "unknown type"),
            (sni(), "not one list"),
            (sni(b""), "not printable"),
            (sni(b"."), "not printable"),
            (sni(b"a b"), "not printable"),
            (sni(b"a\0.example"), "not printable"),
            (sni(b"\x1b[2J"), "not printable"),
            (sni(b"b\xc3\xbccher"), "not printable"),
            (sni(b"x" * 256), "not printable"),
            (extension(0, b""), "longer than"),
            (extension(0, b"\0\x01"), "longer than"),
            (extension(0, b"\0\x02\0\0"), "longer than"),
            (extension(0, vector(2, b"\0" + vector(2, b"a")) + b"x"), "not one list"),
            (alpn(), "not one list"),
            (alpn(b""), "no name"),
            (extension(16, vector(2, b"\x05abc")), "longer than"),
            (b"\0", "longer than"),
            (b"\0\x17\0\x01", "longer than"),
        ):
            self.refuses(records(message(extensions)), about)

    def test_malformed_message(self) -> None:
        """A message shorter or longer than what it says it holds is refused."""
        body = message(sni(b"a.example"))[4:]
        for length in range(len(body)):
            # Without its extensions it is whole again.
            if length == len(body) - 2 - len(sni(b"a.example")):
                continue
            self.refuses(records(b"\x01" + vector(3, body[:length])), "longer than")
        self.refuses(records(b"\x01" + vector(3, body + b"x")), "something follows")


class StrangerTests(Case):
    """What is no TLS, and what is too much."""

    def test_garbage(self) -> None:
        """What is no TLS is refused at its first wrong byte, and kept."""
        for data, about in (
            (b"G", "no handshake"),
            (b"\x15", "no handshake"),
            (b"\x80", "no handshake"),
            (b"\x16\x02", "no version"),
            (b"\x16\x03\x01\0\0", "record of 0 bytes"),
            (b"\x16\x03\x01\x40\x01", "record of 16385 bytes"),
            (b"\x16\x03\x01\0\x05\x02", "no ClientHello"),
            (records(b"\x01\0\0") + b"\x14", "no handshake"),
        ):
            reader = Reader()
            self.assertIsNone(reader.feed(data[:-1]))
            with self.assertRaisesRegex(NotTLS, about):
                reader.feed(data[-1:])
            self.assertEqual(reader.seen, data)

    def test_largest(self) -> None:
        """One that takes the limit is read, one byte more is refused."""
        small = len(records(message(sni(b"a") + extension(GREASE, b""))))
        room = MAX_LENGTH - small
        fits = records(message(sni(b"a") + extension(GREASE, bytes(room))))
        self.assertEqual(len(fits), MAX_LENGTH)
        self.assertEqual(read(fits + bytes(100_000)), ClientHello("a"))
        over = records(message(sni(b"a") + extension(GREASE, bytes(room + 1))))
        with self.assertRaisesRegex(NotTLS, "longer than 16384"):
            read(over)

    def test_oversize(self) -> None:
        """One that says that it is too long is refused before it comes."""
        self.refuses(b"\x16\x03\x01\x40\0\x01\0\x40\0", "longer than 16384")

    def test_many_records(self) -> None:
        """Records of a byte each count with their headers."""
        data = records(message(extension(GREASE, bytes(8000))), 1)
        reader = Reader()
        with self.assertRaisesRegex(NotTLS, "longer than 16384"):
            for i in range(len(data)):
                reader.feed(data[i : i + 1])
        self.assertLessEqual(len(reader.seen), MAX_LENGTH)
        with self.assertRaisesRegex(NotTLS, "longer than 16384"):
            read(data)

    def test_own_limit(self) -> None:
        """The limit can be another one."""
        data = records(message(sni(b"a.example")))
        self.assertIsNotNone(Reader(len(data)).feed(data))
        with self.assertRaises(NotTLS):
            Reader(len(data) - 1).feed(data)

    def test_over(self) -> None:
        """After a ClientHello or an error nothing can be fed."""
        done, failed = Reader(), Reader()
        done.feed(records(message()))
        with self.assertRaises(NotTLS):
            failed.feed(b"GET / HTTP/1.0\r\n\r\n")
        for reader in (done, failed):
            with self.assertRaises(RuntimeError):
                reader.feed(b"")

    def drive(self, data: bytes, size: int) -> None:
        """Feed bytes in chunks; only the module's own error may come of it."""
        reader = Reader()
        fed = 0
        try:
            for start in range(0, len(data), size):
                fed = min(start + size, len(data))
                if reader.feed(data[start : start + size]) is not None:
                    break
        except NotTLS:
            pass
        self.assertEqual(reader.seen, data[:fed])

    @given(st.binary(max_size=200), st.integers(1, 50))
    def test_hostile(self, data: bytes, size: int) -> None:
        """Whatever comes, there is a ClientHello, L{NotTLS} or a wait."""
        self.drive(data, size)

    @given(st.binary(max_size=200), st.integers(1, 20), st.integers(1, 50))
    def test_hostile_extensions(self, data: bytes, record: int, size: int) -> None:
        """The same where everything around the extensions is right."""
        self.drive(records(message(data), record), size)

    @given(
        st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4),
        st.integers(1, 500),
    )
    def test_damaged(self, changes: list[tuple[int, int]], size: int) -> None:
        """The same for a ClientHello with some bytes changed."""
        data = bytearray(HELLO)
        for position, value in changes:
            data[position % len(data)] = value
        self.drive(bytes(data), size)


HELLO = real_hello("www.example.org", ["h2", "http/1.1"])
