"""Tests of the commands that ask about the server."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.commands import COMMANDS
from netsvc.chat.irc.help_texts import INDEX, TOPICS
from netsvc.chat.network import Ban
from tests.chat.irc.kit import SERVER, START, Chat
from tests.chat.irc.test_klines import FakeBans


class _History:
    """A history that is kept for some time."""

    def __init__(self, days: float, messages: int) -> None:
        """Keep this much."""
        self.days, self.messages = days, messages


class InformationTests(SynchronousTestCase):
    """LUSERS, MOTD, VERSION, TIME, INFO, ADMIN, LINKS."""

    def setUp(self) -> None:
        """One person."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")

    def _verbs(self, line: str) -> list[str]:
        self.ann.raw()
        self.ann.send(line)
        return self.ann.verbs()

    def test_foreign_server(self) -> None:
        """Another server is 402; a mask of this one, or a nick, means this one."""
        for verb in ("MOTD", "VERSION", "TIME", "INFO", "ADMIN", "LUSERS *", "STATS u"):
            self.assertEqual(
                self.ann.ask(f"{verb} other.example"),
                [f":{SERVER} 402 ann other.example :No such server"],
            )
            for server in (SERVER.upper(), "irc.*", "ann"):
                self.assertNotIn("402", self._verbs(f"{verb} {server}"))

    def test_lusers(self) -> None:
        """Rule 38: LUSERS gives 251 to 255, 265 and 266 with the numbers."""
        self.chat.connect()
        self.assertEqual(
            self._verbs("LUSERS"), ["251", "252", "253", "254", "255", "265", "266"]
        )
        self.chat.hub.set_operator(self.ann.session.me, "root")
        lines = self.ann.ask("LUSERS")
        self.assertIn(f":{SERVER} 252 ann 1 :operator(s) online", lines)
        self.assertIn(f":{SERVER} 253 ann 1 :unregistered connection(s)", lines)
        self.assertIn(f":{SERVER} 265 ann 1 1 :Current local users 1, max 1", lines)

    def test_motd(self) -> None:
        """The message of the day is 375, 372, 376; without one it is 422."""
        self.assertEqual(self._verbs("MOTD"), ["422"])
        self.chat.network.motd[:] = ["Hello", ""]
        self.assertEqual(self._verbs("MOTD"), ["375", "372", "372", "376"])

    def test_version(self) -> None:
        """VERSION is 351, and then 005."""
        lines = self.ann.ask("VERSION")
        self.assertEqual(lines[0], f":{SERVER} 351 ann netsvc-1 {SERVER} :Example")
        self.assertEqual({line.split(" ")[1] for line in lines[1:]}, {"005"})

    def test_time(self) -> None:
        """TIME is in UTC."""
        self.assertEqual(
            self.ann.ask("TIME"), [f":{SERVER} 391 ann {SERVER} :2026-04-30T12:00:00Z"]
        )

    def test_info(self) -> None:
        """INFO is 371 and 374; it says for how long is kept what people say."""
        self.assertIn("not kept", self.ann.ask("INFO")[-2])
        for history, text in (
            (_History(30.0, 100), "kept for 30 days, at most 100 messages a room."),
            (_History(0.0, 0), "kept for ever."),
        ):
            self.chat.network.history = history  # type: ignore[assignment]  # a part
            lines = self.ann.ask("INFO")
            self.assertTrue(lines[-2].endswith(text))
            self.assertEqual(lines[-1], f":{SERVER} 374 ann :End of /INFO list")

    def test_admin(self) -> None:
        """ADMIN is 256 to 259, also where the operator has not said much."""
        self.chat.network.admin = ("Room 7", "", "admin@example.net")
        self.assertEqual(
            self.ann.ask("ADMIN"),
            [
                f":{SERVER} 256 ann {SERVER} :Administrative information",
                f":{SERVER} 257 ann :Room 7",
                f":{SERVER} 258 ann :not given",
                f":{SERVER} 259 ann :admin@example.net",
            ],
        )

    def test_links(self) -> None:
        """LINKS tells this server once it has been described, and ends with 365."""
        end = f":{SERVER} 365 ann * :End of /LINKS list"
        self.assertEqual(self.ann.ask("LINKS"), [end])
        self.chat.network.description = "test server"
        self.assertEqual(
            self.ann.ask("LINKS"),
            [f":{SERVER} 364 ann {SERVER} {SERVER} :0 test server", end],
        )


class HelpTests(SynchronousTestCase):
    """HELP."""

    def setUp(self) -> None:
        """One person."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")

    def test_every_command(self) -> None:
        """Every command has a text that begins with its name, and no other has."""
        others = {INDEX, "CMODES", "UMODES", "EXTBANS"}
        self.assertEqual(TOPICS.keys() - others, COMMANDS.keys())
        for verb in COMMANDS:
            self.assertGreater(len(TOPICS[verb]), 1)
            self.assertEqual(TOPICS[verb][0].split(" ")[0], verb)
            self.assertIn(verb, " ".join(TOPICS[INDEX]).split(" "))
        for lines in TOPICS.values():
            for line in lines:
                self.assertTrue(line and line.isascii() and len(line) < 100, line)

    def test_subject(self) -> None:
        """A text is 704, 705 and 706, with the subject as it was asked for."""
        for verb in ("HELP", "HELPOP"):
            self.ann.raw()
            self.ann.send(f"{verb} PrivMsg")
            lines = self.ann.lines()
            self.assertEqual(
                [line.verb for line in lines], ["704", "705", "705", "706"]
            )
            self.assertTrue(all(line.params[1] == "PrivMsg" for line in lines))

    def test_index(self) -> None:
        """Without a subject, the subjects are told."""
        self.ann.raw()
        self.ann.send("HELP")
        lines = self.ann.lines()
        self.assertEqual((lines[0].verb, lines[-1].verb), ("704", "706"))
        self.assertTrue(any("PRIVMSG" in line.params[-1] for line in lines))

    def test_unknown(self) -> None:
        """Rule 38: an unknown subject is 524, and a star if it can be no parameter."""
        for asked, shown in (("Nothing", "Nothing"), (":no such", "*"), ("::x", "*")):
            self.assertEqual(
                self.ann.ask(f"HELP {asked}"),
                [f":{SERVER} 524 ann {shown} :No help available on this topic"],
            )


class StatsTests(SynchronousTestCase):
    """STATS."""

    def setUp(self) -> None:
        """One person, in a chat with an operator's name and two bans."""
        bans = FakeBans()
        self.chat = Chat(bans=bans, operators={"root": "hash"})
        bans.kept["*@a.example"] = Ban("*@a.example", "spam", "root", 0, None)
        bans.kept["b@*.org"] = Ban("b@*.org", "noise", "root", 0, START)
        self.ann = self.chat.client("ann")

    def _end(self, letter: str) -> str:
        return f":{SERVER} 219 ann {letter} :End of /STATS report"

    def test_uptime(self) -> None:
        """STATS u tells for how long the server has been running."""
        self.chat.clock.advance(90_061)
        self.assertEqual(
            self.ann.ask("STATS u"),
            [f":{SERVER} 242 ann :Server Up 1 days 1:01:01", self._end("u")],
        )

    def test_commands(self) -> None:
        """STATS m tells how often commands were used."""
        self.ann.send("TIME", "TIME")
        self.assertIn(f":{SERVER} 212 ann TIME 2", self.ann.ask("STATS m"))

    def test_present(self) -> None:
        """STATS p tells which operators are there."""
        self.chat.client("bob")
        self.chat.hub.set_operator(self.ann.session.me, "root")
        mask = "ann!ann@192.0.2.1.cloak"
        self.assertEqual(
            self.ann.ask("STATS p"), [f":{SERVER} 249 ann p :{mask}", self._end("p")]
        )
        self.ann.send("AWAY :x")
        self.assertEqual(
            self.ann.ask("STATS p")[0], f":{SERVER} 249 ann p :{mask} (away)"
        )

    def test_for_operators(self) -> None:
        """The other letters are for operators: 481, then 219."""
        for letter in "olk":
            self.assertEqual(
                self.ann.ask(f"STATS {letter}"),
                [
                    f":{SERVER} 481 ann :Permission Denied - You're not an IRC"
                    " operator",
                    self._end(letter),
                ],
            )
        self.chat.hub.set_operator(self.ann.session.me, "root")
        self.assertEqual(self.ann.ask("STATS o")[0], f":{SERVER} 243 ann O * * root")
        self.assertEqual(
            self.ann.ask("STATS k")[:-1],
            [
                f":{SERVER} 216 ann K a.example * * :spam (by root, for ever)",
                f":{SERVER} 216 ann K *.org * b :noise"
                " (by root, until 2026-04-30T12:00:00Z)",
            ],
        )
        self.ann.link.unsent = 7
        self.chat.clock.advance(3)
        self.chat.connect(None)
        self.assertEqual(
            self.ann.ask("STATS l")[:-1],
            [
                f":{SERVER} 211 ann ann[192.0.2.1] :7 bytes waiting, open for 3"
                " seconds",
                f":{SERVER} 211 ann *[local] :0 bytes waiting, open for 0 seconds",
            ],
        )

    def test_nothing(self) -> None:
        """A letter that asks for nothing is 219 alone; none at all is 461."""
        self.assertEqual(self.ann.ask("STATS Zz"), [self._end("Z")])
        self.assertEqual(self.ann.ask("STATS")[0][17:20], "461")
        self.assertEqual(self.ann.ask("STATS :"), [self._end("*")])
        self.chat.network.bans = None
        self.chat.hub.set_operator(self.ann.session.me, "root")
        self.assertEqual(self.ann.ask("STATS k"), [self._end("k")])
