"""Tests of L{netsvc.chat.irc.commands.accounts}: SASL on IRC, and REGISTER."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from tests.chat.accounts.account_fakes import Chat as Accounts
from tests.chat.accounts.account_fakes import ScramClient, now
from tests.chat.irc.kit import SERVER, Chat, Client, Line
from tests.chat.irc.memory_history import Pending


def coded(data: bytes) -> str:
    """Write data as AUTHENTICATE carries it."""
    return base64.b64encode(data).decode()


def plain(name: str, password: str, authzid: str = "") -> str:
    """Write a message of PLAIN."""
    return coded(f"{authzid}\0{name}\0{password}".encode())


class AccountCase(SynchronousTestCase):
    """A chat with one account: ann, sesame."""

    def setUp(self) -> None:
        """Start it."""
        self.accounts = Accounts()
        now(self.accounts.accounts.register("ann", "sesame", source="192.0.2.1"))
        self.start()

    def start(self, config: IrcConfig | None = None, **network: Any) -> None:
        """Start the chat with other settings."""
        self.chat = Chat(config, accounts=self.accounts.accounts, **network)

    def begin(self, caps: str = "sasl", **peer: Any) -> Client:
        """Connect a client that has negotiated."""
        client = self.chat.connect(**peer)
        client.send("CAP LS 302", f"CAP REQ :{caps}")
        self.assertIn("ACK", client.raw()[-1])
        return client

    def codes(self, client: Client, *lines: str) -> list[str]:
        """Send lines, and give the commands of the answer."""
        return [Line.read(raw).verb for raw in client.ask(*lines)]


class OfferTests(AccountCase):
    """Tests of where SASL is listed, and how."""

    def sasl(self, **peer: Any) -> str | None:
        """Give what CAP LS says of sasl."""
        client = self.chat.connect(**peer)
        client.send("CAP LS 302")
        for word in client.lines()[0].params[-1].split():
            name, _, value = word.partition("=")
            if name == "sasl":
                return value
        return None

    def test_listed(self) -> None:
        """PLAIN and SCRAM are listed, EXTERNAL with TLS; PLAIN only if it may be."""
        self.assertEqual(self.sasl(), "PLAIN,SCRAM-SHA-256")
        self.assertEqual(self.sasl(secure=True), "PLAIN,SCRAM-SHA-256,EXTERNAL")
        self.start(plain_login=False)
        self.assertEqual(self.sasl(), "SCRAM-SHA-256")

    def test_no_accounts(self) -> None:
        """Without accounts there is no sasl, and AUTHENTICATE fails."""
        self.chat = Chat()
        self.assertIsNone(self.sasl())
        client = self.chat.connect()
        self.assertEqual(self.codes(client, "AUTHENTICATE PLAIN"), ["904"])
        self.assertIn(
            "FAIL REGISTER TEMPORARILY_UNAVAILABLE x :",
            client.ask("REGISTER x * pw")[0],
        )


class PlainTests(AccountCase):
    """Tests of PLAIN."""

    def test_login(self) -> None:
        """The right password logs in: AUTHENTICATE +, then 900 and 903."""
        client = self.begin()
        self.assertEqual(
            client.ask("AUTHENTICATE plain"), [f":{SERVER} AUTHENTICATE +"]
        )
        self.assertEqual(
            client.ask(f"AUTHENTICATE {plain('Ann', 'sesame')}"),
            [
                f":{SERVER} 900 * *!*@192.0.2.1.cloak ann"
                " :You are now logged in as ann",
                f":{SERVER} 903 * :SASL authentication successful",
            ],
        )
        client.send("NICK ann", "USER a 0 * :A", "CAP END")
        self.assertEqual(client.verbs()[0], "001")
        self.assertEqual(client.session.me.account, "ann")

    def test_one_flight(self) -> None:
        """All in one flight: nothing overtakes the login (rule 6)."""
        client = self.chat.connect()
        client.send(
            "CAP LS 302",
            "NICK ann",
            "USER a 0 * :A",
            "CAP REQ sasl",
            "AUTHENTICATE PLAIN",
            f"AUTHENTICATE {plain('ann', 'sesame')}",
            "CAP END",
        )
        self.assertEqual(
            client.verbs()[:6], ["CAP", "CAP", "AUTHENTICATE", "900", "903", "001"]
        )

    def test_refused(self) -> None:
        """A wrong password and an unknown account are the same 904."""
        answers = []
        for name, password in (("ann", "no"), ("nobody", "sesame")):
            client = self.begin()
            client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain(name, password)}")
            answers.append(client.raw()[1:])
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0].split()[1], "904")

    def test_pieces(self) -> None:
        """A piece of 400 bytes is followed by more, or by C{+}."""
        for size in (300, 291):
            password = "x" * size
            name = f"big{size}"
            now(self.accounts.accounts.register(name, password, source="192.0.2.2"))
            text = plain(name, password, name)
            client = self.begin()
            client.ask("AUTHENTICATE PLAIN")
            rest = text[400:] or "+"
            self.assertEqual(self.codes(client, f"AUTHENTICATE {text[:400]}"), [])
            self.assertEqual(self.codes(client, f"AUTHENTICATE {rest}"), ["900", "903"])

    def test_numerics(self) -> None:
        """908 and 904 for a mechanism, 905 too long, 906 given up, 904 no Base64."""
        client = self.begin()
        self.assertEqual(
            client.ask("AUTHENTICATE FOO"),
            [
                f":{SERVER} 908 * PLAIN,SCRAM-SHA-256 :are available SASL mechanisms",
                f":{SERVER} 904 * :SASL authentication failed",
            ],
        )
        client.send("AUTHENTICATE PLAIN")
        self.assertEqual(self.codes(client, "AUTHENTICATE " + "x" * 401), ["905"])
        self.assertEqual(self.codes(client, "AUTHENTICATE *"), ["906"])
        client.send("AUTHENTICATE PLAIN")
        self.assertEqual(self.codes(client, "AUTHENTICATE *"), ["906"])
        client.send("AUTHENTICATE PLAIN")
        self.assertEqual(self.codes(client, "AUTHENTICATE !!"), ["904"])
        client.send("AUTHENTICATE PLAIN")
        self.assertEqual(self.codes(client, f"AUTHENTICATE {coded(b'x')}"), ["904"])
        self.assertEqual(self.codes(client, "AUTHENTICATE"), ["461"])

    def test_cap_end(self) -> None:
        """CAP END while data is owed is 906; the client registers logged out."""
        client = self.begin()
        client.send("NICK bob", "USER b 0 * :B", "AUTHENTICATE PLAIN")
        client.raw()
        client.send("CAP END")
        self.assertEqual(client.verbs()[:2], ["906", "001"])
        self.assertIsNone(client.session.me.account)

    def test_without_capability(self) -> None:
        """Without the capability it fails."""
        client = self.chat.connect()
        self.assertEqual(self.codes(client, "AUTHENTICATE PLAIN"), ["904"])

    def test_after_registration(self) -> None:
        """One may log in later, and again as another; peers are told (sasl-3.2)."""
        now(self.accounts.accounts.register("zoe", "sesame", source="192.0.2.1"))
        bob = self.chat.client("bob", "sasl", "account-notify")
        cat = self.chat.client("cat", "account-notify", "account-tag", "extended-join")
        for client in (bob, cat):
            client.send("JOIN #x")
            client.raw()
        bob.raw()
        self.assertEqual(self.codes(bob, "AUTHENTICATE PLAIN"), ["AUTHENTICATE"])
        self.assertEqual(
            self.codes(bob, f"AUTHENTICATE {plain('ann', 'sesame')}"),
            ["ACCOUNT", "900", "903"],
        )
        bob.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain('zoe', 'sesame')}")
        self.assertEqual(
            [(line.verb, line.params) for line in cat.lines()],
            [("ACCOUNT", ["ann"]), ("ACCOUNT", ["zoe"])],
        )

    def test_tries(self) -> None:
        """After so many failures the connection is cut, and it is counted."""
        self.start(IrcConfig(login_tries=3, command_rate=None))
        client = self.begin()
        for _ in range(3):
            client.send("AUTHENTICATE FOO")
        self.assertEqual(client.verbs()[-1], "ERROR")
        self.assertTrue(client.closed)
        self.assertEqual(self.chat.network.counters["irc-login-tries"], 1)

    def test_deadline(self) -> None:
        """A check that takes too long is answered with 400, and may be tried again."""
        client = self.begin()
        client.send("AUTHENTICATE PLAIN")
        client.raw()

        async def never(*_: object, **__: object) -> None:
            await Pending()

        self.patch(self.accounts.accounts, "login", never)
        client.send(f"AUTHENTICATE {plain('ann', 'sesame')}")
        self.assertTrue(client.link.held)
        self.chat.clock.advance(10)
        self.assertEqual(client.verbs(), ["400"])
        self.assertEqual(self.codes(client, "AUTHENTICATE PLAIN"), ["AUTHENTICATE"])


class OtherMechanismTests(AccountCase):
    """Tests of SCRAM-SHA-256 and EXTERNAL."""

    def test_scram(self) -> None:
        """SCRAM goes through its steps, and ends with an empty answer."""
        scram = ScramClient("ann", "sesame", "clientnonce")
        client = self.begin()
        client.send(
            "AUTHENTICATE SCRAM-SHA-256", f"AUTHENTICATE {coded(scram.first())}"
        )
        challenge = base64.b64decode(client.lines()[1].params[0])
        self.assertIn(b"servernonce", challenge)
        client.send(f"AUTHENTICATE {coded(scram.final(challenge))}")
        self.assertEqual(base64.b64decode(client.lines()[0].params[0]), scram.verifier)
        self.assertEqual(self.codes(client, "AUTHENTICATE +"), ["900", "903"])

    def test_scram_refused(self) -> None:
        """A wrong proof is 904."""
        scram = ScramClient("ann", "wrong", "clientnonce")
        client = self.begin()
        client.send(
            "AUTHENTICATE SCRAM-SHA-256", f"AUTHENTICATE {coded(scram.first())}"
        )
        challenge = base64.b64decode(client.lines()[1].params[0])
        self.assertEqual(
            self.codes(client, f"AUTHENTICATE {coded(scram.final(challenge))}"), ["904"]
        )

    def test_external(self) -> None:
        """A certificate of the account logs in, another does not."""
        fingerprint = "ab" * 32
        now(self.accounts.accounts.add_fingerprint("ann", fingerprint))
        for shown, codes in (
            (fingerprint, ["AUTHENTICATE", "900", "903"]),
            ("cd" * 32, ["AUTHENTICATE", "904"]),
            (None, ["AUTHENTICATE", "904"]),
        ):
            client = self.begin(secure=True, fingerprint=shown)
            self.assertEqual(
                self.codes(client, "AUTHENTICATE EXTERNAL", "AUTHENTICATE +"), codes
            )


class RegisterTests(AccountCase):
    """Tests of REGISTER (IRCv3 C{draft/account-registration})."""

    def failure(self, client: Client, line: str) -> list[str]:
        """Send a line that fails, and give code and context."""
        (answer,) = client.ask(line)
        read = Line.read(answer)
        self.assertEqual((read.verb, read.params[0]), ("FAIL", "REGISTER"))
        return read.params[1:-1]

    def test_register(self) -> None:
        """An account is made, under the nick or another name, and one is logged in."""
        bob = self.chat.client("bob")
        lines = [Line.read(raw) for raw in bob.ask("REGISTER * * secret")]
        self.assertEqual([line.verb for line in lines], ["REGISTER", "900"])
        self.assertEqual(lines[0].params[:2], ["SUCCESS", "bob"])
        self.assertEqual(bob.session.me.account, "bob")
        cat = self.chat.client("cat")
        cat.send("REGISTER Cathy cat@example.net secret")
        self.assertEqual(cat.session.me.account, "Cathy")

    def test_before_registration(self) -> None:
        """It works before the registration is complete, as CAP LS says."""
        client = self.chat.connect()
        client.send("CAP LS 302")
        (line,) = client.lines()
        self.assertIn(
            "draft/account-registration=before-connect,custom-account-name",
            line.params[-1].split(),
        )
        self.assertEqual(
            self.failure(client, "REGISTER * * secret"), ["NEED_NICK", "*"]
        )
        client.send("NICK bob", "REGISTER * * secret")
        self.assertEqual(client.verbs(), ["REGISTER", "900"])
        client.send("USER b 0 * :B", "CAP END")
        self.assertEqual(client.session.me.account, "bob")

    def test_refused(self) -> None:
        """Each refusal has its code, and the account's name."""
        bob = self.chat.client("bob")
        for line, code in (
            ("REGISTER ann * secret", ["ACCOUNT_EXISTS", "ann"]),
            ("REGISTER a.b * secret", ["BAD_ACCOUNT_NAME", "a.b"]),
            ("REGISTER * * :", ["UNACCEPTABLE_PASSWORD", "bob"]),
        ):
            self.assertEqual(self.failure(bob, line), code)
        self.accounts.hashes.busy = True
        self.assertEqual(
            self.failure(bob, "REGISTER * * x"), ["TEMPORARILY_UNAVAILABLE", "bob"]
        )
        self.accounts.hashes.busy = False
        self.assertIn(" 461 ", bob.ask("REGISTER * secret")[0])
        bob.send("REGISTER * * secret")
        bob.raw()
        self.assertEqual(
            self.failure(bob, "REGISTER x * secret"), ["ALREADY_AUTHENTICATED", "x"]
        )

    def test_no_land_grab(self) -> None:
        """The nick that somebody else uses cannot be registered under them."""
        self.chat.client("root")
        client = self.chat.connect()
        client.ask("NICK root")
        self.assertEqual(
            self.failure(client, "REGISTER * * secret"), ["USERNAME_EXISTS", "root"]
        )

    def test_no_way_around_the_password(self) -> None:
        """The server's password comes first."""
        self.start(password="sesame")
        client = self.chat.connect()
        client.send("NICK bob")
        code = ["COMPLETE_CONNECTION_REQUIRED", "bob"]
        self.assertEqual(self.failure(client, "REGISTER * * secret"), code)
        client.send("PASS sesame", "REGISTER * * secret")
        self.assertEqual(client.verbs(), ["REGISTER", "900"])

    def test_off(self) -> None:
        """It can be switched off, and is off where passwords may not be sent."""
        self.start(IrcConfig(registration=False, command_rate=None))
        bob = self.chat.client("bob")
        self.assertEqual(
            self.failure(bob, "REGISTER * * x")[0], "TEMPORARILY_UNAVAILABLE"
        )
        self.start(plain_login=False)
        bob = self.chat.client("bob")
        self.assertEqual(
            self.failure(bob, "REGISTER * * x")[0], "TEMPORARILY_UNAVAILABLE"
        )

    def test_verify(self) -> None:
        """There is nothing to verify."""
        bob = self.chat.client("bob")
        self.assertIn(" FAIL VERIFY INVALID_CODE bob :", bob.ask("VERIFY bob 1")[0])

    def test_gone_meanwhile(self) -> None:
        """Who is gone when the account is made is logged in to nothing."""
        bob = self.chat.client("bob")
        bob.session.close("x")
        bob.session.logged_in("ann")
        self.assertIsNone(bob.session.me.account)
