"""Tests of L{netsvc.relay.stun_server}."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.relay import stun
from netsvc.relay.stun import Message
from netsvc.relay.stun_server import (
    MAX_PASSWORD,
    Credential,
    StunServer,
    read_credential,
)

TRANSACTION = b"transaction!"
CLIENT = ("192.0.2.7", 50000)
CLIENT6 = ("2001:db8::7", 50000)
HERE = ("198.51.100.1", 3478)
OTHER_PORT = ("198.51.100.1", 3479)
OTHER_BOTH = ("198.51.100.2", 3479)
SECRET = Credential(b"ann", b"secret")


def request(*attributes: bytes, **options: object) -> bytes:
    """Make a Binding request."""
    return stun.message(
        stun.REQUEST,
        TRANSACTION,
        b"".join(attributes),
        **options,  # type: ignore[arg-type]
    )


def change(flags: int) -> bytes:
    """Make a CHANGE-REQUEST attribute."""
    return stun.attribute(stun.CHANGE_REQUEST, flags.to_bytes(4, "big"))


def error_of(message: Message) -> int:
    """Give the code of an error."""
    value = message.get(stun.ERROR_CODE)
    assert value is not None
    return value[2] * 100 + value[3]


class AnswerTests(SynchronousTestCase):
    """What is answered, and how."""

    def ask(
        self,
        data: bytes,
        server: StunServer | None = None,
        client: stun.Address = CLIENT,
    ) -> Message:
        """Ask; give the answer."""
        answer = (server or StunServer()).answer(data, client)
        assert answer is not None
        self.assertFalse(answer.other)
        message = stun.parse(answer.data)
        if not message.classic:
            self.assertEqual(message.transaction, TRANSACTION)
        return message

    def test_lean(self) -> None:
        """A request of 20 bytes is told its address in 32, over IPv6 in 44."""
        message = self.ask(request())
        self.assertEqual(message.kind, stun.SUCCESS)
        self.assertEqual([each[0] for each in message.attributes], [0x0020])
        value = message.get(stun.XOR_MAPPED_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_xor_address(value, TRANSACTION), CLIENT)
        self.assertEqual(len(message.raw), 32)
        message = self.ask(request(), client=CLIENT6)
        value = message.get(stun.XOR_MAPPED_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_xor_address(value, TRANSACTION), CLIENT6)
        self.assertEqual(len(message.raw), 44)

    def test_fingerprint(self) -> None:
        """The answer has a fingerprint if the request has; a wrong one is ignored."""
        message = self.ask(request(fingerprint=True))
        self.assertIsNotNone(message.get(stun.FINGERPRINT))
        self.assertTrue(stun.fingerprint_fits(message))
        data = request(fingerprint=True)
        wrong = data[:-1] + bytes([data[-1] ^ 1])
        self.assertIsNone(StunServer().answer(wrong, CLIENT))

    def test_unanswered(self) -> None:
        """No response and no indication is answered, nor another method, nor junk."""
        for kind in (stun.INDICATION, stun.SUCCESS, stun.ERROR):
            data = stun.message(kind, TRANSACTION)
            self.assertIsNone(StunServer().answer(data, CLIENT))
        allocate = stun.message(stun.REQUEST, TRANSACTION, method=3)
        self.assertIsNone(StunServer().answer(allocate, CLIENT))
        self.assertIsNone(StunServer().answer(b"\0\1", CLIENT))

    def test_answers_itself_not(self) -> None:
        """An answer is no request: two servers cannot keep each other busy."""
        message = self.ask(request())
        self.assertIsNone(StunServer().answer(message.raw, CLIENT))

    def test_unknown(self) -> None:
        """An attribute that must be understood and is not is named, with 420."""
        message = self.ask(
            request(
                stun.attribute(0x7FFE, b"x"),
                stun.attribute(0x0099, b""),
                stun.attribute(0x8099, b"optional"),
                stun.attribute(0x7FFE, b"again"),
            )
        )
        self.assertEqual(message.kind, stun.ERROR)
        self.assertEqual(error_of(message), 420)
        value = message.get(stun.UNKNOWN_ATTRIBUTES)
        self.assertEqual(value, b"\x00\x99\x7f\xfe")

    def test_unknown_bounded(self) -> None:
        """However many are unknown, the answer is not larger than the request."""
        data = request(*(stun.attribute(0x0100 + n, b"") for n in range(30)))
        self.assertLess(len(self.ask(data).raw), len(data))

    def test_classic(self) -> None:
        """A client of RFC 3489 is told MAPPED-ADDRESS, if it is to be answered."""
        data = stun.message(stun.REQUEST, b"x" * 16, change(0))
        message = self.ask(data)
        self.assertTrue(message.classic)
        self.assertEqual(message.transaction, b"x" * 16)
        value = message.get(stun.MAPPED_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_address(value), CLIENT)
        self.assertIsNone(StunServer(classic=False).answer(data, CLIENT))

    @given(st.binary(max_size=100))
    def test_anything(self, data: bytes) -> None:
        """Whatever comes, the answer is small: a multiple of a header at most."""
        server = StunServer()
        for start in (b"", b"\0\1", request()[:8]):
            body = start + data[: len(data) & ~3]
            answer = server.answer(body, CLIENT6, CLIENT6, CLIENT6)
            if answer is not None:
                self.assertLessEqual(len(answer.data), 104)


class CredentialTests(SynchronousTestCase):
    """Requests that must be protected."""

    def setUp(self) -> None:
        """Have a server with a credential."""
        self.server = StunServer(SECRET)
        self.user = stun.attribute(stun.USERNAME, b"ann")

    def ask(self, data: bytes) -> Message:
        """Ask; give the answer."""
        answer = self.server.answer(data, CLIENT)
        assert answer is not None
        return stun.parse(answer.data)

    def test_right(self) -> None:
        """An answer is protected as the request was."""
        for sha256 in (False, True):
            message = self.ask(request(self.user, key=b"secret", sha256=sha256))
            self.assertEqual(message.kind, stun.SUCCESS)
            self.assertTrue(stun.integrity_fits(message, b"secret"))
            kind = stun.MESSAGE_INTEGRITY_SHA256 if sha256 else stun.MESSAGE_INTEGRITY
            self.assertIsNotNone(message.get(kind))

    def test_none(self) -> None:
        """A request without user or integrity is a bad one: 400."""
        for data in (request(), request(self.user), request(key=b"secret")):
            message = self.ask(data)
            self.assertEqual(error_of(message), 400)
            self.assertFalse(stun.integrity_fits(message, b"secret"))

    def test_wrong(self) -> None:
        """A wrong user or password is refused: 401."""
        other = stun.attribute(stun.USERNAME, b"bob")
        for data in (request(self.user, key=b"x"), request(other, key=b"secret")):
            self.assertEqual(error_of(self.ask(data)), 401)

    def test_refusal_protected(self) -> None:
        """Who has the right credential can trust a refusal, too."""
        data = request(self.user, stun.attribute(0x0100, b""), key=b"secret")
        message = self.ask(data)
        self.assertEqual(error_of(message), 420)
        self.assertTrue(stun.integrity_fits(message, b"secret"))

    def test_file(self) -> None:
        """The password is what is in a file, without the end of its line."""
        path = Path(self.mktemp())
        path.write_bytes(b"secret\n")
        self.assertEqual(read_credential("ann", path), SECRET)
        self.assertIsNone(read_credential("ann", None))
        for content in (b"\n", b"x" * (MAX_PASSWORD + 1)):
            path.write_bytes(content)
            error = self.assertRaises(ValueError, read_credential, "ann", path)
            self.assertIn("1 to 512", str(error))
        path.unlink()
        error = self.assertRaises(ValueError, read_credential, "ann", path)
        self.assertIn("No such file", str(error))


class OtherPortTests(SynchronousTestCase):
    """What a client learns of its NAT (RFC 5780)."""

    def ask(
        self,
        flags: int | None,
        here: stun.Address | None = HERE,
        other: stun.Address | None = OTHER_PORT,
    ) -> tuple[Message, bool]:
        """Ask; give the answer, and whether it leaves from the other port."""
        data = request(*([] if flags is None else [change(flags)]))
        answer = StunServer().answer(data, CLIENT, here, other)
        assert answer is not None
        return stun.parse(answer.data), answer.other

    def test_other_address(self) -> None:
        """Clients are told where from they are answered, and where else to ask."""
        message, other = self.ask(None)
        self.assertFalse(other)
        for kind, address in (
            (stun.RESPONSE_ORIGIN, HERE),
            (stun.OTHER_ADDRESS, OTHER_PORT),
        ):
            value = message.get(kind)
            assert value is not None
            self.assertEqual(stun.parse_address(value), address)
        self.assertLessEqual(len(message.raw), 3 * 20)

    def test_classic(self) -> None:
        """So are classic clients, in the old attributes."""
        data = stun.message(stun.REQUEST, b"x" * 16)
        answer = StunServer().answer(data, CLIENT, HERE, OTHER_PORT)
        assert answer is not None
        message = stun.parse(answer.data)
        for kind, address in (
            (stun.SOURCE_ADDRESS, HERE),
            (stun.CHANGED_ADDRESS, OTHER_PORT),
        ):
            value = message.get(kind)
            assert value is not None
            self.assertEqual(stun.parse_address(value), address)

    def test_change_port(self) -> None:
        """Who asks for another port is answered from it."""
        message, other = self.ask(stun.CHANGE_PORT)
        self.assertEqual(message.kind, stun.SUCCESS)
        self.assertTrue(other)

    def test_change_both(self) -> None:
        """Another address and port is what an alternate on another address gives."""
        both = stun.CHANGE_IP | stun.CHANGE_PORT
        message, other = self.ask(both, other=OTHER_BOTH)
        self.assertEqual(message.kind, stun.SUCCESS)
        self.assertTrue(other)

    def test_cannot(self) -> None:
        """What cannot be done is refused with 420, and not left unanswered."""
        for flags, other in (
            (stun.CHANGE_IP, OTHER_PORT),
            (stun.CHANGE_IP | stun.CHANGE_PORT, OTHER_PORT),
            (stun.CHANGE_PORT, OTHER_BOTH),
            (stun.CHANGE_PORT, None),
        ):
            message, from_other = self.ask(flags, other=other)
            self.assertEqual(error_of(message), 420)
            self.assertEqual(message.get(stun.UNKNOWN_ATTRIBUTES), b"\0\3")
            self.assertFalse(from_other)

    def test_origin(self) -> None:
        """RESPONSE-ORIGIN is where the answer leaves, and not where it was asked."""
        message, _ = self.ask(stun.CHANGE_PORT)
        value = message.get(stun.RESPONSE_ORIGIN)
        assert value is not None
        self.assertEqual(stun.parse_address(value), OTHER_PORT)

    def test_response_port(self) -> None:
        """The answer goes to the port that is asked for, a refusal, too."""
        port = stun.attribute(stun.RESPONSE_PORT, b"\x12\x34\0\0")
        for more in (b"", change(stun.CHANGE_IP)):
            answer = StunServer().answer(request(port, more), CLIENT, HERE, OTHER_PORT)
            assert answer is not None
            self.assertEqual(answer.to_port, 0x1234)
        for wrong in (b"", b"\1", b"\1\2\3\4\5\6"):
            port = stun.attribute(stun.RESPONSE_PORT, wrong)
            answer = StunServer().answer(request(port), CLIENT)
            assert answer is not None
            self.assertIsNone(answer.to_port)

    def test_classic_cannot(self) -> None:
        """A classic client knows no padding: one of an odd number is named twice."""
        data = stun.message(stun.REQUEST, b"x" * 16, change(stun.CHANGE_IP))
        answer = StunServer().answer(data, CLIENT, HERE, OTHER_PORT)
        assert answer is not None
        value = stun.parse(answer.data).get(stun.UNKNOWN_ATTRIBUTES)
        self.assertEqual(value, b"\0\3\0\3")

    def test_change_nothing(self) -> None:
        """A CHANGE-REQUEST without flags asks for nothing."""
        message, other = self.ask(0, other=None)
        self.assertEqual(message.kind, stun.SUCCESS)
        self.assertFalse(other)
