"""Tests of L{netsvc.chat.accounts.sasl} and L{netsvc.chat.accounts.mechanisms}."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.checks import Account, PlainCheck
from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.accounts.pieces import MAX_MESSAGE, PIECE_SIZE, split
from netsvc.chat.accounts.sasl import (
    Continue,
    Exchange,
    Failure,
    FailureReason,
    NeedCheck,
    Outcome,
    Success,
    advance,
)
from tests.chat.accounts.account_fakes import Chat, ScramClient, now
from tests.chat.accounts.sasl_kit import (
    ACCOUNT,
    CORPUS,
    FINGERPRINT,
    NONCE,
    PASSWORD,
    answer,
    exchange,
    sasl_outcomes,
)

BEGIN = Continue(("+",))
REFUSED = Failure(FailureReason.REFUSED, Refusal.WRONG)
MALFORMED = Failure(FailureReason.MALFORMED)


def say(tries: Exchange, *messages: bytes) -> Outcome:
    """Send messages in their pieces; give the last outcome."""
    outcome: Outcome = BEGIN
    for message in messages:
        for piece in split(message):
            outcome = tries.command(piece)
            while isinstance(outcome, NeedCheck):
                outcome = tries.checked(outcome, answer(outcome.check))
    return outcome


def plain(message: bytes) -> Outcome:
    """Give the outcome of a message of PLAIN."""
    tries = exchange()
    assert tries.command("PLAIN") == BEGIN
    return say(tries, message)


class PlainTests(SynchronousTestCase):
    """Tests of PLAIN."""

    def test_success(self) -> None:
        """Name and password get in, with the name again or nothing as authzid."""
        for message in (
            b"\0alice\0sesame",
            b"alice\0alice\0sesame",
            b"ALICE\0Alice\0sesame",
        ):
            self.assertEqual(plain(message), Success(ACCOUNT))

    def test_wrong(self) -> None:
        """Unknown account, wrong password and foreign authzid are one failure."""
        for message in (
            b"\0alice\0Sesame",
            b"\0bob\0sesame",
            b"bob\0alice\0sesame",
        ):
            self.assertEqual(plain(message), REFUSED)

    def test_malformed(self) -> None:
        """What is no message of RFC 4616 fails without a question."""
        for message in (
            b"",
            b"alice",
            b"\0alice",
            b"\0\0sesame",
            b"\0alice\0",
            b"\0alice\0sesame\0",
            b"\0alice\0\xff",
        ):
            self.assertEqual(plain(message), MALFORMED)

    def test_long(self) -> None:
        """A password may need more than one piece, and end where a piece ends."""
        for size in (291, 300, 594):
            message = b"foo\0foo\0" + b"x" * size
            tries = exchange()
            tries.command("PLAIN")
            pieces = split(message)
            for piece in pieces[:-1]:
                self.assertEqual(tries.command(piece), Continue())
            outcome = tries.command(pieces[-1])
            self.assertEqual(outcome, NeedCheck(PlainCheck("foo", "x" * size)))

    def test_no_password_shown(self) -> None:
        """What is asked of the accounts does not show the password."""
        self.assertNotIn("sesame", repr(NeedCheck(PlainCheck("alice", "sesame"))))


class ExternalTests(SynchronousTestCase):
    """Tests of EXTERNAL."""

    def test_success(self) -> None:
        """The certificate gets in, with C{+} or with the account's name."""
        for message in (b"", b"alice", b"ALICE"):
            tries = exchange()
            self.assertEqual(tries.command("EXTERNAL"), BEGIN)
            self.assertEqual(say(tries, message), Success(ACCOUNT))

    def test_wrong(self) -> None:
        """Another's name, another certificate and none are refused."""
        for fingerprint, message in (
            (FINGERPRINT, b"bob"),
            ("00" * 32, b""),
            (None, b""),
        ):
            tries = Exchange(lambda: NONCE, fingerprint=fingerprint)
            tries.command("EXTERNAL")
            self.assertEqual(say(tries, message), REFUSED)

    def test_malformed(self) -> None:
        """A name that is no UTF-8 fails."""
        tries = exchange()
        tries.command("EXTERNAL")
        self.assertEqual(say(tries, b"\xff"), MALFORMED)


class ScramTests(SynchronousTestCase):
    """Tests of SCRAM-SHA-256."""

    def challenged(self, client: ScramClient) -> tuple[Exchange, bytes]:
        """Send the first message; give the challenge."""
        tries = exchange()
        self.assertEqual(tries.command("SCRAM-SHA-256"), BEGIN)
        outcome = say(tries, client.first())
        assert isinstance(outcome, Continue), outcome
        return tries, base64.b64decode("".join(outcome.pieces))

    def test_success(self) -> None:
        """A proof gets in, after the client has taken the server's."""
        client = ScramClient("alice", PASSWORD, "abc")
        tries, challenge = self.challenged(client)
        outcome = say(tries, client.final(challenge))
        self.assertEqual(outcome, Continue(split(client.verifier)))
        self.assertTrue(tries.active)
        self.assertEqual(tries.command("+"), Success(ACCOUNT))
        self.assertFalse(tries.active)

    def test_wrong(self) -> None:
        """A wrong password and an unknown account fail alike, at the proof."""
        for name in ("alice", "nobody"):
            client = ScramClient(name, "Sesame", "abc")
            tries, challenge = self.challenged(client)
            self.assertEqual(
                say(tries, client.final(challenge)),
                Failure(FailureReason.REFUSED, Refusal.WRONG, "invalid-proof"),
            )

    def test_malformed(self) -> None:
        """What is no message of SCRAM is named, and is no wrong password."""
        tries = exchange()
        tries.command("scram-sha-256")
        outcome = say(tries, b"p=tls-unique,,n=alice,r=abc")
        self.assertEqual(
            outcome,
            Failure(FailureReason.MALFORMED, None, "channel-binding-not-supported"),
        )

    def test_last_word(self) -> None:
        """A client that answers the server's proof with data does not get in."""
        client = ScramClient("alice", PASSWORD, "abc")
        tries, challenge = self.challenged(client)
        say(tries, client.final(challenge))
        self.assertEqual(say(tries, b"x"), MALFORMED)

    def test_refused(self) -> None:
        """What the accounts refuse, before or after the proof, ends the try."""
        client = ScramClient("alice", PASSWORD, "abc")
        for at in (0, 1):
            tries = exchange()
            tries.command("SCRAM-SHA-256")
            outcome = tries.command(split(client.first())[0])
            assert isinstance(outcome, NeedCheck)
            if at:
                outcome = tries.checked(outcome, answer(outcome.check))
                assert isinstance(outcome, Continue)
                challenge = base64.b64decode(outcome.pieces[0])
                outcome = tries.command(split(client.final(challenge))[0])
                assert isinstance(outcome, NeedCheck)
            outcome = tries.checked(outcome, AccountError(Refusal.THROTTLED))
            assert isinstance(outcome, Failure)
            self.assertEqual(outcome.refusal, Refusal.THROTTLED)
            self.assertEqual(outcome.text, Refusal.THROTTLED.value)


class ExchangeTests(SynchronousTestCase):
    """Tests of L{Exchange}."""

    def test_unknown_mechanism(self) -> None:
        """A mechanism that is not allowed is unknown."""
        tries = Exchange(lambda: NONCE, mechanisms=("PLAIN", "FOO"))
        for name in ("EXTERNAL", "FOO", "", "+", "PLA\u0131N"):
            outcome = tries.command(name)
            self.assertEqual(outcome, Failure(FailureReason.UNKNOWN_MECHANISM))
            assert isinstance(outcome, Failure)
            self.assertEqual(outcome.text, "there is no such mechanism")
        self.assertEqual(tries.failures, 5)
        self.assertFalse(tries.active)

    def test_abort(self) -> None:
        """C{*} ends a try, or says so when there is none; the next one is fresh."""
        tries = exchange()
        aborted = Failure(FailureReason.ABORTED)
        self.assertEqual(tries.command("*"), aborted)
        tries.command("PLAIN")
        tries.command("A" * PIECE_SIZE)
        self.assertEqual(tries.command("*"), aborted)
        tries.command("PLAIN")
        self.assertEqual(say(tries, b"\0alice\0sesame"), Success(ACCOUNT))

    def test_again(self) -> None:
        """After a failure and after a success another try can be made."""
        tries = exchange()
        for message in (b"\0alice\0x", b"\0alice\0sesame", b"\0alice\0sesame"):
            self.assertEqual(tries.command("PLAIN"), BEGIN)
            say(tries, message)
        self.assertEqual(tries.failures, 1)

    def test_too_long(self) -> None:
        """A piece over 400 bytes, and more pieces than are allowed, are too long."""
        too_long = Failure(FailureReason.TOO_LONG)
        tries = exchange()
        tries.command("PLAIN")
        self.assertEqual(tries.command("A" * (PIECE_SIZE + 1)), too_long)
        tries.command("PLAIN")
        self.assertEqual(tries.command("é" * 201), too_long)
        tries.command("PLAIN")
        for _ in range(MAX_MESSAGE // PIECE_SIZE):
            self.assertEqual(tries.command("A" * PIECE_SIZE), Continue())
        self.assertEqual(tries.command("AAAA"), too_long)

    def test_no_base64(self) -> None:
        """What is no Base64 fails."""
        for data in ("A", "AAA", "A===", "!!!!", "AA==AA==", "é", "", " ", "-_-_"):
            tries = exchange()
            tries.command("PLAIN")
            self.assertEqual(tries.command(data), MALFORMED)

    def test_data_while_checking(self) -> None:
        """Data that overtakes an answer ends the try; the answer counts for nothing."""
        tries = exchange()
        tries.command("PLAIN")
        need = tries.command(split(b"\0alice\0sesame")[0])
        assert isinstance(need, NeedCheck)
        self.assertEqual(tries.command("AAAA"), MALFORMED)
        self.assertEqual(tries.checked(need, ACCOUNT), Failure(FailureReason.ABORTED))
        tries.command("PLAIN")
        other = tries.command(split(b"\0alice\0x")[0])
        assert isinstance(other, NeedCheck)
        self.assertEqual(tries.checked(need, ACCOUNT), Failure(FailureReason.ABORTED))
        self.assertEqual(tries.checked(other, AccountError(Refusal.WRONG)), REFUSED)

    def test_account_key(self) -> None:
        """An account's key is its folded name."""
        self.assertEqual(Account("Alice[é]", 0).key, "alice[é]")


class PiecesTests(SynchronousTestCase):
    """Tests of L{split}, and that it is undone."""

    def test_split(self) -> None:
        """A message is cut at 400 bytes, and closed by C{+} where it ends there."""
        self.assertEqual(split(b""), ("+",))
        self.assertEqual(split(b"abc"), ("YWJj",))
        self.assertEqual([len(each) for each in split(bytes(300))], [400, 1])
        self.assertEqual([len(each) for each in split(bytes(301))], [400, 4])

    @given(st.binary(max_size=700))
    def test_round(self, password: bytes) -> None:
        """Every message that is sent in pieces arrives whole."""
        text = password.hex()
        tries = exchange()
        tries.command("PLAIN")
        outcome: Outcome = BEGIN
        for piece in split(b"\0a\0x" + text.encode()):
            self.assertTrue(outcome in (BEGIN, Continue()))
            outcome = tries.command(piece)
        self.assertEqual(outcome, NeedCheck(PlainCheck("a", "x" + text)))


class FuzzTests(SynchronousTestCase):
    """Whatever arrives, there is an outcome."""

    def test_corpus(self) -> None:
        """The corpus reaches success, failure and continuation."""
        outcomes = [each for data in CORPUS for each in sasl_outcomes(data)]
        self.assertEqual(
            {type(each) for each in outcomes}, {Continue, Success, Failure}
        )

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from([b"PLAIN", b"EXTERNAL", b"SCRAM-SHA-256", b"+", b"*"]),
                st.sampled_from([each for data in CORPUS for each in data.split()]),
                st.binary(max_size=40).map(base64.b64encode),
                st.binary(max_size=450),
            ),
            max_size=8,
        )
    )
    def test_garbage(self, lines: list[bytes]) -> None:
        """There is one outcome for each line, and only the right password gets in."""
        data = b"\n".join(lines)
        outcomes = sasl_outcomes(data)
        self.assertEqual(len(outcomes), data.count(b"\n") + 1)
        for outcome in outcomes:
            if isinstance(outcome, Continue):
                self.assertTrue(all(len(each) <= 400 for each in outcome.pieces))

    @given(st.integers(1, 39))
    def test_cut(self, at: int) -> None:
        """A message cut anywhere is no success: pieces are not joined by guess."""
        whole = split(b"\0alice\0sesame")[0].encode()
        for outcome in sasl_outcomes(b"PLAIN\n" + whole[:at] + b"\n" + whole[at:]):
            if at < len(whole):
                self.assertNotIsInstance(outcome, Success)


class AdvanceTests(SynchronousTestCase):
    """Tests of L{advance}, over real accounts."""

    def setUp(self) -> None:
        """Register an account."""
        self.chat = Chat()
        now(self.chat.accounts.register("Alice", "sesame", source="192.0.2.1"))
        now(self.chat.accounts.add_fingerprint("Alice", FINGERPRINT))
        self.tries = exchange()

    def say(self, *parameters: str) -> Outcome:
        """Send parameters; give the last outcome."""
        outcome: Outcome = BEGIN
        for parameter in parameters:
            outcome = now(
                advance(self.tries, parameter, self.chat.accounts, source="192.0.2.9")
            )
        return outcome

    def test_plain(self) -> None:
        """PLAIN asks the accounts."""
        self.assertEqual(
            self.say("PLAIN", *split(b"\0alice\0sesame")), Success(ACCOUNT)
        )
        self.assertEqual(self.say("PLAIN", *split(b"\0alice\0x")), REFUSED)

    def test_external(self) -> None:
        """EXTERNAL asks the accounts."""
        self.assertEqual(self.say("EXTERNAL", "+"), Success(ACCOUNT))
        self.assertEqual(self.say("EXTERNAL", *split(b"bob")), REFUSED)

    def test_scram(self) -> None:
        """SCRAM asks the accounts, twice."""
        client = ScramClient("alice", "sesame", "abc")
        outcome = self.say("SCRAM-SHA-256", *split(client.first()))
        assert isinstance(outcome, Continue)
        final = client.final(base64.b64decode("".join(outcome.pieces)))
        self.assertEqual(self.say(*split(final)), Continue(split(client.verifier)))
        self.assertEqual(self.say("+"), Success(ACCOUNT))

    def test_scram_unknown(self) -> None:
        """An unknown account gets a challenge, always with the same salt."""
        salts = set()
        for nonce in ("abc", "def"):
            client = ScramClient("nobody", "sesame", nonce)
            outcome = self.say("SCRAM-SHA-256", *split(client.first()))
            assert isinstance(outcome, Continue)
            challenge = base64.b64decode(outcome.pieces[0])
            salts.add(challenge.split(b",")[1])
            outcome = self.say(*split(client.final(challenge)))
            assert isinstance(outcome, Failure)
            self.assertEqual(outcome.text, Refusal.WRONG.value)
        self.assertEqual(len(salts), 1)
