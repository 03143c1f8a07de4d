"""Tests of WHO, WHOIS, WHOWAS, USERHOST, ISON; rules of the chat reference, 2."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.pacing import LOOK
from tests.chat.irc.kit import SERVER, START, Chat, Client

HOST = "192.0.2.1.cloak"


class _Case(SynchronousTestCase):
    """Two in a room, one outside."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#c", "ann", "bob")
        self.eve = self.chat.client("Eve")

    def log_in(self, client: Client, account: str) -> None:
        self.chat.hub.set_account(client.session.me, account)
        client.raw()

    def oper(self, client: Client) -> None:
        self.chat.hub.set_operator(client.session.me, "root")


class WhoTests(_Case):
    """WHO and WHOX."""

    def test_room(self) -> None:
        """Rule 31: WHO of a room has that room in every answer, as it is spelled."""
        self.bob.send("AWAY :lunch")
        self.assertEqual(
            self.bob.ask("WHO #C"),
            [
                f":{SERVER} 352 bob #c ann {HOST} {SERVER} ann H@ :0 ann Real",
                f":{SERVER} 352 bob #c bob {HOST} {SERVER} bob G :0 bob Real",
                f":{SERVER} 315 bob #C :End of /WHO list",
            ],
        )

    def test_nick(self) -> None:
        """Rule 31: WHO of a nick has a shared room, or a star."""
        self.assertEqual(
            self.bob.ask("WHO ANN")[0],
            f":{SERVER} 352 bob #c ann {HOST} {SERVER} ann H@ :0 ann Real",
        )
        self.assertEqual(
            self.eve.ask("WHO ann"),
            [
                f":{SERVER} 352 Eve * ann {HOST} {SERVER} ann H :0 ann Real",
                f":{SERVER} 315 Eve ann :End of /WHO list",
            ],
        )

    def test_nobody(self) -> None:
        """Rule 31: an unknown mask gives 315 alone, as it was written."""
        for mask in ("NoBody", "#NoRoom", "no*", "x@y"):
            self.assertEqual(
                self.eve.ask(f"WHO {mask}"),
                [f":{SERVER} 315 Eve {mask} :End of /WHO list"],
            )
        self.assertEqual(
            self.eve.ask("WHO :"), [f":{SERVER} 315 Eve * :End of /WHO list"]
        )
        self.assertEqual(self.eve.ask("WHO")[0][17:28], "461 Eve WHO")

    def _nicks(self, client: Client, request: str) -> list[str]:
        client.raw()
        client.send(request)
        lines = client.lines()
        self.assertEqual(lines[-1].verb, "315")
        return [line.params[5] for line in lines[:-1]]

    def test_masks(self) -> None:
        """A mask matches nicks, user names, hosts, real names, and all together."""
        for mask in ("ann*", "A?n", "an?!*@192.*", "*nn Re*"):
            self.assertEqual(self._nicks(self.eve, f"WHO :{mask}"), ["ann"])
        everybody = ["ann", "bob", "Eve"]
        for mask in ("*", "0", "*.cloak"):
            self.assertEqual(self._nicks(self.eve, f"WHO {mask}"), everybody)
        self.assertEqual(self._nicks(self.eve, "WHO 192.0.2.?"), [])

    def test_real_address(self) -> None:
        """An operator finds people by their real address too."""
        self.oper(self.eve)
        self.assertEqual(len(self._nicks(self.eve, "WHO 192.0.2.?")), 3)

    def test_invisible(self) -> None:
        """Who is invisible is found by those who name them or share a room."""
        self.ann.send("MODE ann +i")
        self.assertEqual(self._nicks(self.eve, "WHO a*"), [])
        self.assertEqual(self._nicks(self.eve, "WHO #c"), ["bob"])
        self.assertEqual(self._nicks(self.eve, "WHO ann"), ["ann"])
        self.assertEqual(self._nicks(self.bob, "WHO a*"), ["ann"])
        self.assertEqual(self._nicks(self.bob, "WHO #c"), ["ann", "bob"])
        self.assertEqual(self._nicks(self.ann, "WHO a*"), ["ann"])

    def test_secret(self) -> None:
        """A secret room is empty for those outside."""
        self.ann.send("MODE #c +s")
        self.assertEqual(self._nicks(self.eve, "WHO #c"), [])

    def test_operators(self) -> None:
        """C{o} asks for operators of the server, whom a star marks."""
        self.oper(self.ann)
        for mask in ("#c", "*", "ann", "0"):
            self.assertEqual(self._nicks(self.bob, f"WHO {mask} o"), ["ann"])
        self.assertEqual(self._nicks(self.bob, "WHO bob o"), [])
        self.assertEqual(self.bob.ask("WHO ann")[0].split(" ")[8], "H*@")

    def test_flags(self) -> None:
        """All prefixes are told to who asked for multi-prefix; a bot has its letter."""
        self.ann.send("MODE #c +v ann", "MODE ann +B", "AWAY :x")
        self.oper(self.ann)
        self.assertEqual(self.bob.ask("WHO ann")[0].split(" ")[8], "G*@B")
        multi = self.chat.client("mul", "multi-prefix")
        multi.send("JOIN #c")
        self.assertEqual(multi.ask("WHO #c")[0].split(" ")[8], "G*@+B")

    def test_fields(self) -> None:
        """WHOX has the fields in their order; an address is for its owner and opers."""
        self.chat.clock.advance(5)
        self.log_in(self.ann, "Acc")
        line = f":{SERVER} 354 bob 7 #c ann %s {HOST} {SERVER} ann H@ 0 5 Acc n/a"
        every = "WHO ann %rtcuihsnfdlao,7"
        self.assertEqual(
            self.bob.ask(every)[0], line % "255.255.255.255" + " :ann Real"
        )
        self.oper(self.bob)
        self.assertEqual(self.bob.ask(every)[0], line % "192.0.2.1" + " :ann Real")
        self.assertEqual(
            self.ann.ask("WHO ann %in")[0], f":{SERVER} 354 ann 192.0.2.1 ann"
        )
        self.assertEqual(self.ann.ask("WHO bob %na")[0], f":{SERVER} 354 ann bob 0")

    def test_many(self) -> None:
        """Looking at very many, others are served in between."""
        state = self.chat.hub.state
        ann = self.ann.session.me
        for n in range(LOOK + 5):
            state.members[f"x{n}"] = self.bob.session.me
        self.eve.raw()
        self.eve.send("WHO ann*")
        state.members["ann2"] = ann
        self.assertEqual(len(self.eve.raw()), 1)
        self.chat.clock.advance()
        self.assertEqual(self.eve.raw()[-1][-12:], "of /WHO list")


class WhoisTests(_Case):
    """WHOIS."""

    def test_answer(self) -> None:
        """WHOIS begins with 311 and ends with 318; a stranger sees what is public."""
        self.chat.clock.advance(61)
        seconds = START // 1000
        self.assertEqual(
            self.eve.ask("WHOIS ANN"),
            [
                f":{SERVER} 311 Eve ann ann {HOST} * :ann Real",
                f":{SERVER} 319 Eve ann :@#c",
                f":{SERVER} 312 Eve ann {SERVER} :Example",
                f":{SERVER} 317 Eve ann 61 {seconds} :seconds idle, signon time",
                f":{SERVER} 318 Eve ANN :End of /WHOIS list",
            ],
        )

    def test_all(self) -> None:
        """Account, away, bot, operator, TLS and certificate are told where they are."""
        client = self.chat.connect("2001:db8::1", secure=True, fingerprint="ab12")
        client.send("NICK zoe", "USER z 0 * :Zoe")
        client.send("MODE zoe +B", "AWAY :gone")
        self.log_in(client, "ZOE")
        self.oper(client)
        self.eve.raw()
        self.eve.send("WHOIS zoe")
        public = ["311", "312", "313", "301", "335", "330", "307", "671", "317", "318"]
        lines = {line.verb: line.params[1:] for line in self.eve.lines()}
        self.assertEqual(list(lines), public)
        self.assertEqual(lines["330"], ["zoe", "ZOE", "is logged in as"])
        self.assertEqual(lines["301"], ["zoe", "gone"])
        client.raw()
        client.send("WHOIS zoe")
        lines = {line.verb: line.params[1:] for line in client.lines()}
        self.assertEqual(set(lines), {*public, "338", "379", "276"})
        self.assertEqual(lines["338"], ["zoe", "2001:db8::1", "Is actually using host"])
        self.assertEqual(lines["379"], ["zoe", "is using modes +Bo"])
        self.assertEqual(
            lines["276"], ["zoe", "has client certificate fingerprint ab12"]
        )

    def test_operator_asks(self) -> None:
        """An operator sees the real address and the modes of others."""
        self.oper(self.eve)
        self.eve.raw()
        self.eve.send("WHOIS ann")
        self.assertTrue({"338", "379"} <= {line.verb for line in self.eve.lines()})

    def test_other_account(self) -> None:
        """307 is only for who has the nick of their account."""
        self.log_in(self.ann, "other")
        self.eve.raw()
        self.eve.send("WHOIS ann")
        verbs = self.eve.verbs()
        self.assertIn("330", verbs)
        self.assertNotIn("307", verbs)

    def test_nobody(self) -> None:
        """Rule 31: an unknown nick is 401, then 318, as the client wrote it."""
        self.assertEqual(
            self.eve.ask("WHOIS NoBody"),
            [
                f":{SERVER} 401 Eve NoBody :No such nick/channel",
                f":{SERVER} 318 Eve NoBody :End of /WHOIS list",
            ],
        )
        for line in ("WHOIS", "WHOIS :", "WHOIS ,"):
            self.assertEqual(
                self.eve.ask(line), [f":{SERVER} 431 Eve :No nickname given"]
            )

    def test_server(self) -> None:
        """A server may be named, or a nick in its place; another one is 402."""
        for server in (SERVER, "IRC.*", "ann"):
            self.assertEqual(self.eve.ask(f"WHOIS {server} ann")[0][17:26], "311 Eve a")
        self.assertEqual(
            self.eve.ask("WHOIS other.example ann"),
            [f":{SERVER} 402 Eve other.example :No such server"],
        )

    def _rooms(self, client: Client) -> str | None:
        client.raw()
        client.send("WHOIS ann")
        found = [line.params[-1] for line in client.lines() if line.verb == "319"]
        return " ".join(found) if found else None

    def test_rooms(self) -> None:
        """Secret rooms, and all of an invisible person, are told inside them only."""
        self.ann.send("JOIN #open", "JOIN #secret", "MODE #secret +s")
        self.assertEqual(self._rooms(self.eve), "@#c @#open")
        self.assertEqual(self._rooms(self.ann), "@#c @#open @#secret")
        self.ann.send("MODE ann +i")
        self.assertIsNone(self._rooms(self.eve))
        self.assertEqual(self._rooms(self.bob), "@#c")
        self.assertEqual(self._rooms(self.ann), "@#c @#open @#secret")

    def test_many_rooms(self) -> None:
        """Rule 31: 319 may repeat."""
        for n in range(20):
            self.ann.send(f"JOIN #{str(n) * 30}"[:60])
        self.eve.raw()
        self.eve.send("WHOIS ann")
        self.assertGreater(self.eve.verbs().count("319"), 1)


class WhowasTests(_Case):
    """WHOWAS."""

    def setUp(self) -> None:
        """Two have had the nick zed."""
        super().setUp()
        for user in ("first", "second"):
            client = self.chat.connect()
            client.send("NICK Zed", f"USER {user} 0 * :Zed {user}")
            if user == "first":
                client.send("QUIT")
            else:
                client.send("NICK other")
            self.chat.clock.advance(1)

    def _users(self, line: str) -> list[str]:
        self.eve.raw()
        self.eve.send(line)
        lines = self.eve.lines()
        self.assertEqual([each.verb for each in lines].count("369"), 1)
        self.assertEqual(lines[-1].verb, "369")
        return [each.params[2] for each in lines if each.verb == "314"]

    def test_answer(self) -> None:
        """Rule 20: entries are made by QUIT and by NICK; the newest is first."""
        self.assertEqual(
            self.eve.ask("WHOWAS zed"),
            [
                f":{SERVER} 314 Eve Zed second {HOST} * :Zed second",
                f":{SERVER} 312 Eve Zed {SERVER} :2026-04-30T12:00:01Z",
                f":{SERVER} 314 Eve Zed first {HOST} * :Zed first",
                f":{SERVER} 312 Eve Zed {SERVER} :2026-04-30T12:00:00Z",
                f":{SERVER} 369 Eve zed :End of WHOWAS",
            ],
        )

    def test_count(self) -> None:
        """Rule 20: at most the count; absent, 0, negative or no number is all."""
        for count, users in (
            ("", ["second", "first"]),
            (" 0", ["second", "first"]),
            (" -1", ["second", "first"]),
            (" x", ["second", "first"]),
            (" 1", ["second"]),
            (" 2", ["second", "first"]),
            (f" 9 {SERVER}", ["second", "first"]),
        ):
            self.assertEqual(self._users(f"WHOWAS Zed{count}"), users)

    def test_nobody(self) -> None:
        """Rule 20: who never was is 406, then 369; without a nick it is one 431."""
        self.assertEqual(
            self.eve.ask("WHOWAS NoBody"),
            [
                f":{SERVER} 406 Eve NoBody :There was no such nickname",
                f":{SERVER} 369 Eve NoBody :End of WHOWAS",
            ],
        )
        for line in ("WHOWAS", "WHOWAS :"):
            self.assertEqual(
                self.eve.ask(line), [f":{SERVER} 431 Eve :No nickname given"]
            )
        self.assertEqual(self.eve.ask("WHOWAS zed 1 a.b")[0][17:24], "402 Eve")

    def test_operator(self) -> None:
        """An operator is told the real address."""
        self.oper(self.eve)
        self.assertIn(
            f":{SERVER} 338 Eve Zed 192.0.2.1 :Is actually using host",
            self.eve.ask("WHOWAS zed"),
        )


class SmallTests(_Case):
    """USERHOST and ISON."""

    def test_userhost(self) -> None:
        """Rule 37: a star for an operator, a minus for who is away; others left out."""
        self.oper(self.ann)
        self.bob.send("AWAY :x")
        self.assertEqual(
            self.eve.ask("USERHOST ann nobody BOB"),
            [f":{SERVER} 302 Eve :ann*=+ann@{HOST} bob=-bob@{HOST}"],
        )
        self.assertEqual(
            self.eve.ask("USERHOST a b c d e ann"), [f":{SERVER} 302 Eve :"]
        )
        self.assertEqual(self.eve.ask("USERHOST")[0][17:20], "461")

    def test_ison(self) -> None:
        """ISON names those who are there, once each, as they are spelled."""
        self.assertEqual(
            self.eve.ask("ISON eve nobody ANN :bob ann"),
            [f":{SERVER} 303 Eve :Eve ann bob"],
        )
        self.assertEqual(self.eve.ask("ISON x"), [f":{SERVER} 303 Eve :"])
        self.assertEqual(self.eve.ask("ISON")[0][17:20], "461")
