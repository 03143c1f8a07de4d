"""Tests of L{netsvc.chat.irc.commands.registration}: how a connection becomes somebody.

Rule numbers are those of the chat reference, section 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig, WebGateway
from netsvc.chat.limits import HubLimits
from netsvc.chat.network import Ban
from netsvc.daemon.limits import Rate
from tests.chat.irc.kit import SERVER, Chat


class OneBan:
    """Bans of one host."""

    def __init__(self, host: str) -> None:
        """Ban a host."""
        self.host = host

    def find(self, user: str, hosts: Sequence[str]) -> Ban | None:
        """Give the ban."""
        if self.host in hosts:
            return Ban(f"*@{self.host}", "go away", "op", 0, None)
        return None


class OrderTests(SynchronousTestCase):
    """Tests of rules 4, 5 and 7: what completes the registration, and what follows."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def test_any_order(self) -> None:
        """NICK, USER and the end of CAP complete it in any order (rule 5)."""
        parts = ("NICK ann", "USER ann 0 * :Ann", "CAP END")
        for number, order in enumerate(itertools.permutations(parts)):
            client = self.chat.connect()
            client.send("CAP LS 302")
            client.raw()
            for part in order:
                self.assertNotIn("001", client.verbs(), order)
                client.send(part.replace("ann", f"ann{number}"))
            self.assertEqual(client.lines()[0].verb, "001", order)

    def test_without_cap(self) -> None:
        """A client that knows no CAP registers by NICK and USER."""
        client = self.chat.connect()
        self.assertEqual(client.ask("USER ann 0 * :Ann"), [])
        self.assertIn(" 001 ann :", client.ask("NICK ann")[0])

    def test_irssi(self) -> None:
        """What irssi sends first: a bogus JOIN is met with 451 (rule 4)."""
        client = self.chat.connect()
        client.send("CAP LS 302", "JOIN :")
        lines = client.lines()
        self.assertEqual([line.verb for line in lines], ["CAP", "451"])
        self.assertEqual(lines[1].params[0], "*")
        client.send("CAP REQ :multi-prefix", "CAP END", "NICK irs", "USER i 0 * :I")
        self.assertEqual(client.verbs()[:2], ["CAP", "001"])

    def test_goguma(self) -> None:
        """All in one flight, with requests for what is not there, registers."""
        client = self.chat.connect()
        client.send(
            "CAP LS 302",
            "PASS secret",
            "NICK gog",
            "USER gog 0 * :G",
            "CAP REQ message-tags",
            "CAP REQ no-such-thing",
            "CAP END",
            "PING goguma-1",
        )
        verbs = client.verbs()
        self.assertEqual(verbs[:4], ["CAP", "CAP", "CAP", "001"])
        self.assertEqual(verbs[-1], "PONG")

    def test_welcome(self) -> None:
        """The welcome has its numerics in order, and begins with the nick (rule 7)."""
        client = self.chat.connect()
        client.send("NICK ann", "USER ann 0 * :Ann")
        lines = client.lines()
        self.assertEqual({line.params[0] for line in lines}, {"ann"})
        self.assertEqual({line.source for line in lines}, {SERVER})
        verbs = [verb for verb, _ in itertools.groupby(line.verb for line in lines)]
        self.assertEqual(
            verbs,
            [
                *("001", "002", "003", "004", "005"),
                *("251", "252", "253", "254", "255", "265", "266", "422"),
            ],
        )
        local = next(line for line in lines if line.verb == "265")
        self.assertEqual(local.params[1:3], ["1", "1"])

    def test_motd(self) -> None:
        """The message of the day is 375, 372 for each line, and 376."""
        chat = Chat(motd=["Hello.", "", "Bye."])
        client = chat.connect()
        client.send("NICK ann", "USER ann 0 * :Ann")
        lines = [line for line in client.lines() if line.verb[:2] == "37"]
        self.assertEqual(
            [(line.verb, line.params[-1]) for line in lines[1:]],
            [
                ("372", "- Hello."),
                ("372", "- "),
                ("372", "- Bye."),
                ("376", "End of /MOTD command"),
            ],
        )
        self.assertEqual(lines[0].verb, "375")

    def test_unregistered(self) -> None:
        """Any other command, whatever its parameters, is met with 451 (rule 4)."""
        client = self.chat.connect()
        for line in ("JOIN :", "PRIVMSG", "NOSUCH", "MODE #x", "WHO", "MARKREAD x"):
            self.assertEqual(
                client.ask(line), [f":{SERVER} 451 * :You have not registered"]
            )
        self.assertEqual(client.ask("AWAY :x")[0].split()[1], "451")
        self.assertEqual(client.ask("ISUPPORT")[0].split()[1], "451")

    def test_client_before_registration(self) -> None:
        """Replies name the nick as soon as it is asked for, and C{*} before."""
        client = self.chat.connect()
        self.assertIn(" 409 * ", client.ask("PING")[0])
        self.assertIn(" 409 ann ", client.ask("NICK ann", "PING :")[0])

    def test_two_ask_for_one_nick(self) -> None:
        """Of two that ask for the same nick, the first to complete has it (rule 5)."""
        first, second = self.chat.connect(), self.chat.connect()
        first.send("NICK ann")
        second.send("NICK Ann")
        self.assertIn(" 001 ann ", first.ask("USER a 0 * :A")[0])
        self.assertIn(" 433 Ann Ann ", second.ask("USER b 0 * :B")[0])
        self.assertIn(" 001 bob ", second.ask("NICK bob")[0])

    def test_web_browser(self) -> None:
        """A page cannot make a browser speak: its first line ends the connection."""
        client = self.chat.connect()
        client.send("POST / HTTP/1.1", "Host: x", "NICK ann", "USER a 0 * :b")
        self.assertEqual(client.verbs(), ["ERROR"])
        self.assertTrue(client.closed)
        self.assertEqual(self.chat.network.counters["irc-no-irc"], 1)
        ann = self.chat.client("ann")
        self.assertIn(" 421 ann POST ", ann.ask("POST / HTTP/1.1")[0])

    def test_deadline(self) -> None:
        """Who is not registered in time is cut, and it is counted."""
        client = self.chat.connect()
        self.chat.clock.advance(29)
        self.chat.frontend.tick()
        self.assertFalse(client.closed)
        client.send("NICK ann")
        self.chat.clock.advance(1)
        self.chat.frontend.tick()
        self.assertEqual(client.verbs(), ["ERROR"])
        self.assertTrue(client.closed)
        self.assertEqual(self.chat.network.counters["irc-registration-timeout"], 1)
        self.assertEqual(self.chat.frontend.unregistered, {})


class PassTests(SynchronousTestCase):
    """Tests of the server's password."""

    def setUp(self) -> None:
        """Start a chat with a password."""
        self.chat = Chat(password="sesame")

    def test_right(self) -> None:
        """The right password lets one in, and is forgotten then."""
        client = self.chat.connect()
        client.send("PASS sesame", "NICK ann", "USER ann 0 * :Ann")
        self.assertEqual(client.verbs()[0], "001")
        self.assertIsNone(client.session.password)

    def test_wrong(self) -> None:
        """A wrong one, or none, is met with 464 and ERROR."""
        for line in ("PASS secret", "PONG"):
            client = self.chat.connect()
            client.send(line, "NICK ann", "USER ann 0 * :Ann", "NICK bob")
            self.assertEqual(client.verbs(), ["464", "ERROR"])
            self.assertTrue(client.closed)
        self.assertEqual(self.chat.network.counters["irc-wrong-password"], 2)

    def test_throttled(self) -> None:
        """One source may be wrong some times; others, and who says nothing, may try."""
        self.chat = Chat(IrcConfig(password_rate=Rate(1, 2)), password="sesame")
        for line in ("PONG", "PASS a", "PASS sesame", "PASS b", "PASS sesame"):
            client = self.chat.connect()
            client.send(line, "NICK ann", "USER ann 0 * :Ann", "QUIT")
        self.assertIn("Too many tries", client.raw()[-1])
        self.assertEqual(self.chat.network.counters["irc-password-throttled"], 1)
        other = self.chat.connect("192.0.2.9")
        other.send("PASS sesame", "NICK ann", "USER ann 0 * :Ann")
        self.assertEqual(other.verbs()[0], "001")
        self.chat.frontend.reload(IrcConfig(password_rate=None))
        for _ in range(5):
            client = self.chat.connect()
            client.send("PASS no", "NICK bob", "USER bob 0 * :Bob")
            self.assertIn("incorrect", client.raw()[-1])

    def test_form(self) -> None:
        """PASS without a parameter is 461, and 462 when registered."""
        client = self.chat.connect()
        self.assertIn(" 461 * PASS ", client.ask("PASS")[0])
        client.send("PASS sesame", "NICK ann", "USER ann 0 * :Ann")
        self.assertIn(" 462 ann ", client.ask("PASS sesame")[0])


class NickTests(SynchronousTestCase):
    """Tests of NICK."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def test_refused_before(self) -> None:
        """Before the registration: 431 without a nick, 432 for no nick, 433 in use."""
        self.chat.client("ann")
        client = self.chat.connect()
        client.send("USER b 0 * :B")
        self.assertIn(" 431 * :", client.ask("NICK")[0])
        self.assertIn(" 431 * :", client.ask("NICK :")[0])
        self.assertIn(" 432 * 1st :", client.ask("NICK 1st")[0])
        self.assertIn(" 432 * * :", client.ask("NICK :a b")[0])
        self.assertIn(" 432 * * :", client.ask("NICK *")[0])
        self.assertIn(" 433 * ANN :", client.ask("NICK ANN")[0])
        self.assertIn(" 001 bob ", client.ask("NICK bob")[0])

    def test_change(self) -> None:
        """A change is shown once to oneself and each peer, by the old mask."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        for client in (ann, bob):
            client.send("JOIN #y")
        bob.raw()
        mask = "ann!ann@192.0.2.1.cloak"
        self.assertEqual(ann.ask("NICK Zoe")[-1:], [f":{mask} NICK Zoe"])
        self.assertEqual(bob.raw(), [f":{mask} NICK Zoe"])

    def test_case(self) -> None:
        """A change of case only is a change; the same nick again is silent."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        self.assertEqual(
            ann.ask("NICK ANN", "NICK ANN")[0].split()[1:], ["NICK", "ANN"]
        )
        self.assertEqual(bob.verbs(), ["NICK"])

    def test_refused_after(self) -> None:
        """A refused change leaves the nick as it is."""
        ann, _ = self.chat.room("#x", "ann", "bob")
        self.assertIn(" 433 ann Bob :", ann.ask("NICK Bob")[0])
        self.assertIn(" 432 ann a.b :", ann.ask("NICK a.b")[0])
        self.assertEqual(ann.session.client, "ann")

    def test_released(self) -> None:
        """A nick that somebody gave up, or left with, is free."""
        ann = self.chat.client("ann")
        ann.send("NICK zoe")
        self.chat.client("ann").send("QUIT")
        self.chat.client("ANN")

    def test_reserved(self) -> None:
        """The nick of an account is its owner's, whose login may come after NICK."""
        chat = Chat()
        chat.hub.reserved = lambda nick: "ann" if nick == "ann" else None
        client = chat.connect()
        self.assertEqual(client.ask("NICK ann"), [])
        self.assertIn(" 433 ann ann :", client.ask("USER a 0 * :A")[0])
        client.session.logged_in("ann")
        self.assertIn(" 001 ann ", client.ask("NICK ann")[0])


class UserTests(SynchronousTestCase):
    """Tests of USER."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def test_form(self) -> None:
        """Too few parameters, and empty ones, are 461; when registered it is 462."""
        client = self.chat.connect()
        for line in ("USER", "USER a 0 *", "USER a 0 * :", "USER :"):
            self.assertIn(" 461 * USER ", client.ask(line)[0])
        client.send("NICK ann", "USER a 0 * :A")
        self.assertIn(" 462 ann ", client.ask("USER a 0 * :A")[0])

    def test_cleaned(self) -> None:
        """What a user name cannot have is left out, and it is cut to its limit."""
        cases = (
            ("a@b!c", "abc"),
            ("@@", "user"),
            ("x" * 30, "x" * 20),
            ("\x01ann\x02", "ann"),
        )
        for number, (given, user) in enumerate(cases):
            client = self.chat.connect()
            client.send(f"NICK n{number}", f"USER {given} 0 * :A")
            self.assertEqual(client.session.me.user, user)
            client.send("QUIT")

    def test_prefix(self) -> None:
        """A name that nobody has verified is marked, within its limit."""
        chat = Chat(IrcConfig(command_rate=None))
        client = chat.connect()
        client.send("NICK ann", f"USER {'a' * 30} 0 * :A")
        self.assertEqual(client.session.me.user, "~" + "a" * 19)

    def test_realname_cut(self) -> None:
        """A long real name is cut at a code point."""
        client = self.chat.client("ann")
        other = self.chat.connect()
        other.send("NICK bob", f"USER b 0 * :{'한' * 100}")
        self.assertEqual(other.session.me.realname, "한" * 50)
        self.assertEqual(client.session.me.realname, "ann Real")


class RefusedTests(SynchronousTestCase):
    """Tests of who may not come in at all."""

    def test_banned(self) -> None:
        """Who is banned by address or cloak is told why (465) and cut."""
        for host in ("192.0.2.1", "192.0.2.1.cloak"):
            chat = Chat(bans=OneBan(host))
            client = chat.connect()
            client.send("NICK ann", "USER a 0 * :A")
            lines = client.lines()
            self.assertEqual([line.verb for line in lines], ["465", "ERROR"])
            self.assertIn("go away", lines[0].params[-1])
            self.assertTrue(client.closed)
            chat.client("bob", address="192.0.2.2")

    def test_full(self) -> None:
        """Beyond the hub's limit nobody comes in."""
        chat = Chat(limits=HubLimits(members=1))
        chat.client("ann")
        client = chat.connect()
        client.send("NICK bob", "USER b 0 * :B")
        self.assertEqual(client.verbs(), ["400", "ERROR"])


class WebircTests(SynchronousTestCase):
    """Tests of WEBIRC."""

    def setUp(self) -> None:
        """Start a chat with a gateway."""
        gateways = (WebGateway("192.0.2.9", "pw"),)
        self.chat = Chat(IrcConfig(gateways=gateways, command_rate=None))

    def test_allowed(self) -> None:
        """A listed gateway says for whom it connects."""
        client = self.chat.connect("192.0.2.9")
        client.send(
            "WEBIRC pw gw host.example 2001:db8::1", "NICK ann", "USER a 0 * :A"
        )
        self.assertEqual(client.session.me.person.address, "2001:db8::1")
        self.assertEqual(client.session.me.host, "2001:db8::1.cloak")
        self.assertIn(" 462 ", client.ask("WEBIRC pw gw h 192.0.2.7")[-1])

    def test_refused(self) -> None:
        """Others, a wrong password and what is no address are met with ERROR."""
        for address, line in (
            ("192.0.2.1", "WEBIRC pw gw h 192.0.2.7"),
            ("192.0.2.9", "WEBIRC no gw h 192.0.2.7"),
            ("192.0.2.9", "WEBIRC pw gw h nowhere"),
        ):
            client = self.chat.connect(address)
            client.send(line)
            self.assertEqual(client.verbs(), ["ERROR"])
            self.assertTrue(client.closed)
        self.assertEqual(self.chat.network.counters["irc-webirc-refused"], 3)

    def test_secure(self) -> None:
        """C{secure} counts only when the gateway's own link is encrypted."""
        for own, option, secure in (
            (True, " :secure", True),
            (True, " :remote-port=1 tls", True),
            (True, "", False),
            (False, " :secure", False),
        ):
            client = self.chat.connect("192.0.2.9", secure=own)
            client.send(f"WEBIRC pw gw h 192.0.2.7{option}")
            self.assertIs(client.session.peer.secure, secure)
