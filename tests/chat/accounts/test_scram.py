"""Tests of L{netsvc.chat.accounts.scram}."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts import scram
from netsvc.chat.accounts.scram import (
    Conversation,
    ScramError,
    ScramKeys,
    derive,
    made_up,
    matches,
)
from tests.chat.accounts.account_fakes import ScramClient

# RFC 7677 section 3.
PASSWORD = "pencil"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = f"n,,n=user,r={CLIENT_NONCE}".encode()
CHALLENGE = f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
FINAL = f"c=biws,r={CLIENT_NONCE}{SERVER_NONCE},p={PROOF}".encode()
VERIFIER = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

KEYS = derive(PASSWORD, SALT, 4096)


def begun() -> Conversation:
    """A conversation that waits for the RFC's last message of the client."""
    conversation = Conversation(SERVER_NONCE)
    conversation.first(FIRST)
    conversation.challenge(KEYS)
    return conversation


class KeysTests(SynchronousTestCase):
    """Tests of L{derive} and L{ScramKeys}."""

    def test_json(self) -> None:
        """Keys come back from their text as they were."""
        self.assertEqual(ScramKeys.from_json(KEYS.to_json()), KEYS)

    def test_bad_json(self) -> None:
        """What is no text of keys is a ValueError."""
        for text in ("", "[]", "{}", '{"salt":1}', "nonsense", '{"salt":"x"}'):
            with self.assertRaises(ValueError):
                ScramKeys.from_json(text)

    def test_matches(self) -> None:
        """A password in clear can be checked against the keys."""
        self.assertTrue(matches(KEYS, PASSWORD))
        self.assertFalse(matches(KEYS, "Pencil"))

    def test_few_iterations(self) -> None:
        """Fewer iterations than RFC 7677 allows are refused."""
        with self.assertRaises(ValueError):
            derive(PASSWORD, SALT, scram.LEAST_ITERATIONS - 1)

    def test_repr(self) -> None:
        """The keys' bytes are not shown."""
        self.assertEqual(repr(KEYS), "ScramKeys(iterations=4096)")

    def test_made_up(self) -> None:
        """Made-up keys are the same for a name, and others for another or elsewhere."""
        keys = made_up(b"secret", "nobody", 4096)
        self.assertEqual(keys, made_up(b"secret", "nobody", 4096))
        self.assertNotEqual(keys.salt, made_up(b"secret", "no one", 4096).salt)
        self.assertNotEqual(keys.salt, made_up(b"other", "nobody", 4096).salt)
        self.assertEqual(len(keys.salt), scram.SALT_SIZE)


class ConversationTests(SynchronousTestCase):
    """Tests of L{Conversation}."""

    def assert_refused(self, value: str, first: bytes) -> None:
        """A first message is refused."""
        with self.assertRaises(ScramError) as caught:
            Conversation("srv").first(first)
        self.assertEqual(caught.exception.value, value)

    def assert_final_refused(self, value: str, final: bytes) -> None:
        """A last message is refused."""
        with self.assertRaises(ScramError) as caught:
            begun().final(final)
        self.assertEqual(caught.exception.value, value)
        self.assertEqual(caught.exception.message, b"e=" + value.encode())

    def test_vector(self) -> None:
        """The example of RFC 7677 section 3 holds, byte for byte."""
        conversation = Conversation(SERVER_NONCE)
        self.assertEqual(conversation.first(FIRST), "user")
        self.assertEqual(conversation.name, "user")
        self.assertEqual(conversation.challenge(KEYS), CHALLENGE)
        self.assertEqual(conversation.final(FINAL), VERIFIER)

    def test_flags(self) -> None:
        """Clients that could bind to a channel (y), and that cannot (n), get in."""
        for gs2 in ("n,,", "y,,", "n,a=user,", "y,a=USER,"):
            client = ScramClient("user", PASSWORD, "abc", gs2)
            conversation = Conversation("srv")
            conversation.first(client.first())
            final = client.final(conversation.challenge(KEYS))
            self.assertEqual(conversation.final(final), client.verifier)

    def test_y_again(self) -> None:
        """A client that says y must say it again at the end."""
        client = ScramClient("user", PASSWORD, "abc", "y,,")
        conversation = Conversation("srv")
        conversation.first(client.first())
        final = client.final(conversation.challenge(KEYS))
        self.assertTrue(final.startswith(b"c=eSws,"))
        with self.assertRaises(ScramError):
            conversation.final(final.replace(b"c=eSws", b"c=biws"))

    def test_name_escapes(self) -> None:
        """Commas and equals signs in a name are escaped."""
        self.assertEqual(Conversation("s").first(b"n,,n=a=2Cb=3Dc,r=x"), "a,b=c")

    def test_extensions_ignored(self) -> None:
        """Extensions that are not mandatory are skipped."""
        self.assertEqual(Conversation("s").first(b"n,,n=user,r=x,z=1"), "user")

    def test_first_refused(self) -> None:
        """What is no first message is named as RFC 5802 section 7 does."""
        self.assert_refused("channel-binding-not-supported", b"p=tls-unique,,n=u,r=x")
        self.assert_refused("extensions-not-supported", b"n,,m=1,n=u,r=x")
        self.assert_refused("other-error", b"n,a=somebody,n=user,r=x")
        self.assert_refused("invalid-username-encoding", b"n,,n=,r=x")
        self.assert_refused("invalid-username-encoding", b"n,,n=a\0b,r=x")
        for first in (
            b"",
            b"n",
            b"n,",
            b"n,,",
            b"q,,n=u,r=x",
            b"n,,n=u",
            b"n,,r=x,n=u",
            b"n,,n=u,r=",
            b"n,,n=u,r=a b",
            b"n,,n=a=2cb,r=x",
            b"n,,n=a=,r=x",
            b"n,user,n=user,r=x",
            b"\xff",
        ):
            self.assert_refused("invalid-encoding", first)

    def test_wrong_password(self) -> None:
        """A proof made of another password proves nothing."""
        client = ScramClient("user", "pen", CLIENT_NONCE)
        self.assert_final_refused("invalid-proof", client.final(CHALLENGE))

    def test_final_refused(self) -> None:
        """What is no last message is named as RFC 5802 section 7 does."""
        nonce = f"r={CLIENT_NONCE}{SERVER_NONCE}"
        proof = f"p={PROOF}"
        for value, text in (
            ("channel-bindings-dont-match", f"c=eSws,{nonce},{proof}"),
            ("channel-bindings-dont-match", f"c=,{nonce},{proof}"),
            ("other-error", f"c=biws,{nonce}x,{proof}"),
            ("other-error", f"c=biws,r={CLIENT_NONCE},{proof}"),
            ("other-error", f"c=biws,r=é,{proof}"),
            ("invalid-encoding", f"c=biws,{nonce},p=AAAA"),
            ("invalid-encoding", f"c=biws,{nonce},p=!"),
            ("invalid-encoding", f"c=biws,{nonce},p=é"),
            ("invalid-encoding", f"c=biws,{nonce}"),
            ("invalid-encoding", f"{nonce},c=biws,{proof}"),
            ("invalid-encoding", ""),
            ("invalid-proof", f"c=biws,{nonce},x=1,{proof}"),
        ):
            self.assert_final_refused(value, text.encode())
        self.assert_final_refused("invalid-encoding", b"\xff")

    def test_made_up_keys(self) -> None:
        """No password fits made-up keys."""
        conversation = Conversation("srv")
        client = ScramClient("user", PASSWORD, "abc")
        conversation.first(client.first())
        keys = made_up(b"secret", "user", 4096)
        final = client.final(conversation.challenge(keys))
        with self.assertRaises(ScramError) as caught:
            conversation.final(final)
        self.assertEqual(caught.exception.value, "invalid-proof")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=64), st.binary(max_size=64))
    def test_garbage(self, first: bytes, final: bytes) -> None:
        """Whatever a client sends is refused by L{ScramError}, or is right."""
        conversation = Conversation("srv")
        try:
            conversation.first(b"n,,n=" + first)
        except ScramError:
            conversation = begun()
        else:
            conversation.challenge(KEYS)
        with self.assertRaises(ScramError):
            conversation.final(b"c=biws," + final)
