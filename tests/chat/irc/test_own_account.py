"""Tests of L{netsvc.chat.irc.commands.own_account}: ACCOUNT."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.chat.accounts.account_fakes import Chat as Accounts
from tests.chat.accounts.account_fakes import now
from tests.chat.irc.kit import SERVER, Chat, Client, Line

OWN = "ab" * 32


class AccountTests(SynchronousTestCase):
    """Tests with somebody who is logged in as ann."""

    def setUp(self) -> None:
        """Log in."""
        self.accounts = Accounts()
        now(self.accounts.accounts.register("ann", "sesame", source="192.0.2.1"))
        self.chat = Chat(accounts=self.accounts.accounts)
        self.ann = self.chat.client("ann", "standard-replies", account="ann")

    def told(self, line: str, client: Client | None = None) -> list[tuple[str, str]]:
        """Send a line, and give the kinds and codes of the answers."""
        answers = map(Line.read, (client or self.ann).ask(line))
        return [(each.verb, each.params[1]) for each in answers]

    def login(self, password: str) -> bool:
        """Say whether a password is ann's."""
        work = self.accounts.accounts.login("ann", password, source="192.0.2.9")
        try:
            return now(work).name == "ann"
        except Exception:
            return False

    def test_password(self) -> None:
        """Who knows the old password may have a new one."""
        self.assertEqual(self.told("ACCOUNT PASSWORD wrong new"), [("FAIL", "WRONG")])
        self.assertEqual(
            self.told("account password sesame :open it"),
            [("NOTE", "PASSWORD_CHANGED")],
        )
        self.assertTrue(self.login("open it"))

    def test_password_in_clear(self) -> None:
        """Not where passwords may not be sent."""
        self.chat.network.plain_login = False
        self.assertEqual(self.told("ACCOUNT PASSWORD sesame new"), [("FAIL", "OFF")])

    def test_certificates(self) -> None:
        """One's own certificate can be added, listed and taken away."""
        self.assertEqual(self.told("ACCOUNT CERT ADD"), [("FAIL", "BAD_FINGERPRINT")])
        bob = self.chat.connect(secure=True, fingerprint=OWN)
        bob.send("CAP REQ standard-replies", "NICK bob", "USER b 0 * :B", "CAP END")
        bob.session.logged_in("ann")
        self.assertEqual(self.told("ACCOUNT CERT add", bob), [("NOTE", "CERT_ADDED")])
        answers = [
            Line.read(raw).params[1:] for raw in self.ann.ask("ACCOUNT CERT LIST")
        ]
        self.assertEqual(answers, [["CERT", OWN], ["CERT_COUNT", "Certificates: 1"]])
        self.assertEqual(
            self.told(f"ACCOUNT CERT DEL {OWN}"), [("NOTE", "CERT_REMOVED")]
        )
        self.assertEqual(self.told("ACCOUNT CERT DEL", bob), [("NOTE", "CERT_UNKNOWN")])
        self.assertEqual(self.told("ACCOUNT CERT x"), [("FAIL", "INVALID_PARAMS")])

    def test_logout(self) -> None:
        """Who logs out is told 901; who is not logged in is refused."""
        (answer,) = self.ann.ask("ACCOUNT LOGOUT")
        self.assertIn(" 901 ann ann!ann@192.0.2.1.cloak :", answer)
        self.assertIsNone(self.ann.session.me.account)
        for line in ("LOGOUT", "PASSWORD a b", "CERT ADD", "CERT LIST", "DELETE x"):
            self.assertEqual(self.told(f"ACCOUNT {line}"), [("FAIL", "NOT_LOGGED_IN")])

    def test_delete(self) -> None:
        """A deleted account logs nobody in; all its connections are logged out."""
        forgotten: list[str] = []
        self.chat.network.forget = forgotten.append
        phone = self.chat.client("phone", account="Ann")
        self.assertEqual(self.told("ACCOUNT DELETE no"), [("FAIL", "WRONG")])
        self.assertEqual(
            self.told("ACCOUNT DELETE sesame"),
            [("901", "ann!ann@192.0.2.1.cloak"), ("NOTE", "ACCOUNT_DELETED")],
        )
        self.assertIsNone(phone.session.me.account)
        self.assertFalse(self.login("sesame"))
        self.assertEqual(forgotten, ["ann"])

    def test_form(self) -> None:
        """What is wanting is 461, and what is not known is refused."""
        for line in ("ACCOUNT", "ACCOUNT PASSWORD x", "ACCOUNT CERT"):
            self.assertIn(" 461 ann ACCOUNT ", self.ann.ask(line)[0])
        self.assertEqual(self.told("ACCOUNT FOO"), [("FAIL", "INVALID_PARAMS")])

    def test_notices(self) -> None:
        """Clients without standard-replies get notices."""
        bob = self.chat.client("bob")
        self.assertEqual(
            bob.ask("ACCOUNT LOGOUT"), [f":{SERVER} NOTICE bob :you are not logged in"]
        )

    def test_no_accounts(self) -> None:
        """Without accounts there is no such command."""
        ann = Chat().client("ann")
        self.assertIn(" 421 ann ACCOUNT ", ann.ask("ACCOUNT LOGOUT")[0])
