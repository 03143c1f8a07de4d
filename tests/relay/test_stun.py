"""Tests of L{netsvc.relay.stun}, with the vectors of RFC 5769."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay import stun
from netsvc.relay.stun import StunError

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"

#: RFC 5769 section 2.1: a request with SHA-1 integrity and fingerprint.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)

#: Section 2.2: the answer, over IPv4.
RESPONSE4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)

#: Section 2.3: the answer, over IPv6.
RESPONSE6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)

#: Section 2.4: a request with a long-term credential, without a fingerprint.
LONG_TERM = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382af"
    "e382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679"
    "3634734100"
    "14000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)


class VectorTests(SynchronousTestCase):
    """The messages that RFC 5769 prints."""

    def test_request(self) -> None:
        """A request is read, and its integrity and its fingerprint are right."""
        message = stun.parse(REQUEST)
        self.assertEqual(message.kind, stun.REQUEST)
        self.assertEqual(message.method, stun.BINDING)
        self.assertEqual(message.transaction, TRANSACTION)
        self.assertFalse(message.classic)
        self.assertEqual(message.get(stun.USERNAME), b"evtj:h6vY")
        self.assertTrue(stun.fingerprint_fits(message))
        self.assertTrue(stun.integrity_fits(message, PASSWORD))
        self.assertFalse(stun.integrity_fits(message, PASSWORD + b"x"))

    def test_response_ipv4(self) -> None:
        """An answer's address over IPv4 is 192.0.2.1:32853."""
        self.answer(RESPONSE4, ("192.0.2.1", 32853))

    def test_response_ipv6(self) -> None:
        """An answer's address over IPv6 is the one that is printed, too."""
        self.answer(RESPONSE6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))

    def answer(self, data: bytes, address: stun.Address) -> None:
        """Check an answer."""
        message = stun.parse(data)
        self.assertEqual(message.kind, stun.SUCCESS)
        value = message.get(stun.XOR_MAPPED_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_xor_address(value, TRANSACTION), address)
        self.assertEqual(stun.xor_address(address, TRANSACTION), value)
        self.assertTrue(stun.fingerprint_fits(message))
        self.assertTrue(stun.integrity_fits(message, PASSWORD))

    def test_long_term(self) -> None:
        """The key of a long-term credential is a hash; without it nothing fits."""
        message = stun.parse(LONG_TERM)
        user = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9"
        self.assertEqual(message.get(stun.USERNAME), user.encode())
        self.assertEqual(message.get(stun.REALM), b"example.org")
        self.assertEqual(message.get(stun.NONCE), b"f//499k954d6OL34oL9FSTvy64sA")
        import hashlib

        key = hashlib.md5(f"{user}:example.org:TheMatrIX".encode()).digest()
        self.assertTrue(stun.integrity_fits(message, key))
        self.assertFalse(stun.integrity_fits(message, b"TheMatrIX"))
        self.assertTrue(stun.fingerprint_fits(message))


class ParseTests(SynchronousTestCase):
    """What is read, and what is not."""

    def test_no_message(self) -> None:
        """What is no STUN message is refused."""
        for data in (
            b"",
            REQUEST[:19],
            b"\xff" + REQUEST[1:],
            REQUEST + b"\0",
            REQUEST + bytes(4),
            # An attribute that is longer than the message.
            stun.message(stun.REQUEST, TRANSACTION, b"\x80\x22\x00\x08abcd"),
            # A fingerprint in the middle.
            stun.message(
                stun.REQUEST,
                TRANSACTION,
                stun.attribute(stun.FINGERPRINT, bytes(4))
                + stun.attribute(stun.USERNAME, b"late"),
            ),
            stun.message(
                stun.REQUEST,
                TRANSACTION,
                stun.attribute(0x8099, b"") * (stun.MAX_ATTRIBUTES + 1),
            ),
        ):
            self.assertRaises(StunError, stun.parse, data)

    def test_sealed(self) -> None:
        """What stands behind the integrity is ignored (RFC 8489 section 14.5)."""
        sealed = stun.message(stun.REQUEST, TRANSACTION, key=PASSWORD)
        more = stun.attribute(stun.USERNAME, b"late")
        data = stun._with_length(sealed, len(sealed) + len(more)) + more
        self.assertIsNone(stun.parse(data).get(stun.USERNAME))
        self.assertIsNone(stun.parse(data).offset(stun.USERNAME))

    def test_bad_integrity(self) -> None:
        """An integrity of a size that is not allowed, or none, does not fit."""
        for kind, value in (
            (stun.MESSAGE_INTEGRITY, bytes(16)),
            (stun.MESSAGE_INTEGRITY_SHA256, bytes(12)),
            (stun.MESSAGE_INTEGRITY_SHA256, bytes(18)),
            (stun.MESSAGE_INTEGRITY_SHA256, bytes(36)),
        ):
            data = stun.message(stun.REQUEST, TRANSACTION, stun.attribute(kind, value))
            self.assertFalse(stun.integrity_fits(stun.parse(data), PASSWORD))
        plain = stun.parse(stun.message(stun.REQUEST, TRANSACTION))
        self.assertFalse(stun.integrity_fits(plain, PASSWORD))

    def test_bad_fingerprint(self) -> None:
        """A fingerprint that is wrong is seen."""
        data = REQUEST[:-1] + bytes([REQUEST[-1] ^ 1])
        self.assertFalse(stun.fingerprint_fits(stun.parse(data)))

    def test_bad_address(self) -> None:
        """A value that holds no address is refused."""
        for value in (b"", bytes(8), b"\0\2" + bytes(6), b"\0\1" + bytes(18)):
            self.assertRaises(StunError, stun.parse_address, value)

    def test_error(self) -> None:
        """An error has its code as class and number, and what was not understood."""
        self.assertEqual(stun.error_code(420), bytes.fromhex("0009000400000414"))
        self.assertEqual(
            stun.unknown_attributes([3, 0x7FFF]), bytes.fromhex("000a000400037fff")
        )

    @given(
        st.sampled_from((stun.REQUEST, stun.INDICATION, stun.SUCCESS, stun.ERROR)),
        st.integers(0, 0xFFF),
        st.binary(min_size=12, max_size=12),
        st.booleans(),
        st.booleans(),
        st.binary(max_size=40),
    )
    def test_round_trip(
        self,
        kind: int,
        method: int,
        transaction: bytes,
        sha256: bool,
        fingerprint: bool,
        value: bytes,
    ) -> None:
        """What is written is read back, and protected as was asked for."""
        data = stun.message(
            kind,
            transaction,
            stun.attribute(stun.USERNAME, value),
            method=method,
            key=PASSWORD,
            sha256=sha256,
            fingerprint=fingerprint,
        )
        message = stun.parse(data)
        self.assertEqual((message.kind, message.method), (kind, method))
        self.assertEqual(message.transaction, transaction)
        self.assertEqual(message.get(stun.USERNAME), value)
        self.assertTrue(stun.integrity_fits(message, PASSWORD))
        self.assertTrue(stun.fingerprint_fits(message))
        has = message.get(stun.FINGERPRINT) is not None
        self.assertEqual(has, fingerprint)

    @given(st.ip_addresses(), st.integers(0, 65535))
    def test_addresses(self, host: object, port: int) -> None:
        """An address is written and read, plain and xor-ed."""
        where = (str(host), port)
        self.assertEqual(stun.parse_address(stun.address(where)), where)
        value = stun.xor_address(where, TRANSACTION)
        self.assertEqual(stun.parse_xor_address(value, TRANSACTION), where)

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """Whatever comes is a message or refused."""
        try:
            message = stun.parse(data)
        except StunError:
            return
        self.assertEqual(message.raw, data)
