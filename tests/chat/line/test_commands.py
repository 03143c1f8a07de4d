"""What people type behind a slash."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.errors import AccountError, Refusal
from netsvc.chat.client import lines
from netsvc.chat.client.commands import COMMANDS as KNOWN_TO_CLIENT
from netsvc.chat.events import HubError, Reason
from netsvc.chat.line import refusals
from netsvc.chat.line.commands import ALIASES, COMMANDS
from netsvc.chat.line.options import LineOptions
from tests.chat.line.kit import FakeAccounts, LineChat, Waiting


class DispatchTests(SynchronousTestCase):
    """Which command is meant."""

    def setUp(self) -> None:
        """Let one in."""
        self.chat = LineChat(accounts=FakeAccounts())
        self.alice = self.chat.client("alice")

    def test_unknown(self) -> None:
        """An unknown command is answered with a near one, and without its text."""
        self.assertEqual(
            self.alice.ask("/logn alice secret"),
            ["! there is no command /logn: do you mean /login? /help lists all"],
        )
        self.assertEqual(
            self.alice.ask("/"), ["! there is no command /: /help lists all"]
        )
        answer = self.alice.ask("/" + "x" * 500)[0]
        self.assertLess(len(answer), 150)

    def test_names(self) -> None:
        """Case does not matter, and some have other names."""
        self.assertEqual(self.alice.ask("/WHO"), ["* in #lobby: @alice"])
        self.assertEqual(self.alice.ask("/names"), ["* in #lobby: @alice"])
        for name in ALIASES.values():
            self.assertIn(name, COMMANDS)
        self.assertEqual(self.chat.frontend.used["who"], 2)

    def test_all_known(self) -> None:
        """There is each command that the issue and the terminal client name."""
        named = (
            "nick join part msg who list topic me history away register login kick ban"
            " mute op quit help search unban unmute deop voice invite charset"
        )
        self.assertEqual(set(named.split()) - COMMANDS.keys(), set())
        over_datagrams = {"direct", "path"}
        self.assertEqual(KNOWN_TO_CLIENT.keys() - COMMANDS.keys(), over_datagrams)

    def test_help(self) -> None:
        """/help lists all commands, and explains each."""
        listed = self.alice.ask("/help")
        for name, command in COMMANDS.items():
            self.assertIn(f"/{name}", listed[1].split())
            self.assertEqual(
                self.alice.ask(f"/help /{name}"), [f"* {command.form}: {command.text}"]
            )
        self.assertIn("no command", self.alice.ask("/help what")[0])

    def test_usage(self) -> None:
        """A command without what it needs says how to type it."""
        names = """
            nick msg me join invite search register login passwd op deop voice devoice
            kick unban unmute
        """
        for name in names.split():
            answer = self.alice.ask(f"/{name}")
            self.assertEqual(answer, [f"! type it as {COMMANDS[name].form}"])
        for line in ("/msg bob", "/kick #lobby", "/op #lobby", "/unban #lobby"):
            self.assertIn("! type it as", self.alice.ask(line)[0])

    def test_our_mistake(self) -> None:
        """A mistake of ours is reported, and told of without details."""
        self.chat.network.motd = [None]  # type: ignore[list-item]
        self.assertIn("something went wrong", self.alice.ask("/motd")[0])
        self.assertEqual(len(self.alice.failures), 1)


class RefusalTests(SynchronousTestCase):
    """What is told to whom something is refused."""

    def test_all(self) -> None:
        """Each reason of the hub and of the accounts has its sentence."""
        for reason in Reason:
            text = refusals.sentence(HubError(reason, "a", "b", "c"))
            assert text is not None
            self.assertNotIn("{", text)
        for code in Refusal:
            self.assertTrue(refusals.sentence(AccountError(code)))
        self.assertIsNone(refusals.sentence(KeyError("x")))

    def test_bounded(self) -> None:
        """A refusal does not repeat all of a long line."""
        text = refusals.sentence(HubError(Reason.NICK_INVALID, "x" * 2000))
        self.assertLess(len(text or ""), 200)


class TalkTests(SynchronousTestCase):
    """/nick, /msg, /away."""

    def setUp(self) -> None:
        """Let two in."""
        self.chat = LineChat()
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_nick(self) -> None:
        """A nick that is free may be taken, and others are told."""
        self.assertEqual(self.bob.ask("/nick bobby"), ["* bob is now known as bobby"])
        self.assertEqual(self.alice.read(), ["* bob is now known as bobby"])
        self.assertEqual(self.bob.ask("/nick bobby"), ["* you are bobby already"])
        self.assertEqual(
            self.bob.ask("/nick ALICE"), ["! ALICE is taken: choose another nick"]
        )
        self.assertIn("no valid nick", self.bob.ask("/nick 1x")[0])
        self.assertEqual(
            self.bob.ask("/nick \ubc25"), ["* bobby is now known as \ubc25"]
        )

    def test_msg(self) -> None:
        """A private message reaches one person, and its author sees an echo."""
        self.assertEqual(self.bob.ask("/msg ALICE psst you"), ["-> alice: psst you"])
        self.assertEqual(self.alice.read(), ["-bob- psst you"])
        self.assertIn("nobody called carol", self.bob.ask("/msg carol hi")[0])
        self.assertEqual(self.bob.ask("/msg #lobby hi"), [])
        self.assertEqual(self.alice.read(), ["<bob> hi"])
        self.assertEqual(self.bob.ask("/msg bob hm"), ["-> bob: hm", "-bob- hm"])

    def test_away(self) -> None:
        """Who writes to somebody who is away is told so."""
        self.assertEqual(self.alice.ask("/away tea"), ["* you are away: tea"])
        self.assertEqual(
            self.bob.ask("/w alice hi"), ["-> alice: hi", "* alice is away: tea"]
        )
        self.assertEqual(self.alice.ask("/away"), ["-bob- hi", "* you are back"][1:])
        self.assertIn("you are not away", self.alice.ask("/away")[0])


class RoomTests(SynchronousTestCase):
    """/join, /list, /topic, /invite, /who."""

    def setUp(self) -> None:
        """Let two in."""
        self.chat = LineChat(LineOptions(names=3, rooms=2))
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_join(self) -> None:
        """Who comes into a room is shown its topic and its people, and a key fits."""
        self.alice.type("/join #x", "/topic the topic")
        self.assertEqual(
            self.bob.ask("/join x"),
            [
                "* bob has joined #x",
                "* topic of #x: the topic",
                "* in #x: @alice, bob",
            ],
        )
        self.bob.type("/part")
        room = self.chat.hub.room("#x")
        room.key = "k"
        self.assertEqual(self.bob.ask("/join #x"), ["! #x has a key: /join #x KEY"])
        self.assertIn("* bob has joined #x", self.bob.ask("/join #x k"))
        self.assertIn("no valid name", self.bob.ask("/join #x,#y")[0])

    def test_list(self) -> None:
        """The fullest rooms are listed first, those that one may know of."""
        self.assertEqual(self.alice.ask("/list y"), ["* #lobby (2 people)"])
        self.assertEqual(self.alice.ask("/list zz"), ["* no such room"])
        self.bob.type("/join #hidden")
        self.chat.hub.room("#hidden").flags.add("s")
        self.assertEqual(self.alice.ask("/list"), ["* #lobby (2 people)"])
        self.alice.type("/join #b", "/topic B", "/join #c", "/join #d")
        self.assertEqual(
            self.alice.ask("/list"),
            [
                "* #lobby (2 people)",
                "* #b (1 person): B",
                "* and 2 more: /list WORD looks for names",
            ],
        )
        for line in ("/who #hidden", "/topic #hidden"):
            self.assertIn("there is no room #hidden", self.alice.ask(line)[0])

    def test_topic(self) -> None:
        """A topic is shown, set by operators and taken away."""
        self.assertEqual(self.bob.ask("/topic"), ["* #lobby has no topic"])
        self.assertIn("only operators", self.bob.ask("/topic x")[0])
        self.alice.type("/topic #lobby x")
        self.assertEqual(self.bob.read(), ["* alice set the topic of #lobby to: x"])
        self.assertEqual(self.bob.ask("/topic"), ["* topic of #lobby: x"])
        self.assertEqual(
            self.alice.ask("/topic -"), ["* alice took the topic of #lobby away"]
        )

    def test_invite(self) -> None:
        """An invitation is told to the guest and its author."""
        self.alice.type("/join #x")
        self.assertEqual(
            self.alice.ask("/invite bob"), ["* you have invited bob to #x"]
        )
        self.assertEqual(self.bob.read(), ["* alice invites you to #x: /join #x"])
        self.assertIn("already", self.alice.ask("/invite #lobby bob")[0])

    def test_who(self) -> None:
        """Who is in a room is told, operators first, in a form that clients read."""
        self.alice.type("/voice bob")
        for nick in ("zoe", "carol"):
            self.chat.client(nick)
        answer = self.bob.ask("/who #lobby")
        self.assertEqual(
            answer, ["* in #lobby: @alice, +bob, carol", "* and 1 more in #lobby"]
        )
        parsed = lines.parse(answer[0])
        assert isinstance(parsed, lines.Present)
        self.assertEqual(parsed.nicks, ("alice", "bob", "carol"))

    def test_many_names(self) -> None:
        """Many names come in several lines."""
        chat = LineChat()
        clients = [chat.client(f"somebody_called_{number}") for number in range(60)]
        answer = clients[0].ask("/who")
        self.assertGreater(len(answer), 2)
        names = [name for line in answer for name in line[13:].split(", ")]
        self.assertEqual(len(names), 60)
        for line in answer:
            self.assertLess(len(line), 480)

    def test_who_is(self) -> None:
        """/who tells about a person what one may know."""
        carol = self.chat.enter("carol", realname="Carol\x1b C", account="carol")
        self.chat.hub.join(carol, "#lobby")
        self.chat.hub.join(carol, "#secret")
        self.chat.hub.room("#secret").flags.add("s")
        self.chat.hub.join(carol, "#open")
        self.chat.hub.join(carol, "#open2")
        self.chat.hub.set_away(carol, "tea")
        carol.oper = "root"
        self.assertEqual(
            self.bob.ask("/whois carol"),
            [
                "* carol is carol@carol.example",
                "* carol is also Carol^[ C",
                "* carol is logged in as carol",
                "* carol is in #lobby, @#open ...",
                "* carol is an operator of the server",
                "* carol is away: tea",
            ],
        )
        self.chat.hub.set_user_modes(carol, True, "i")
        self.assertIn("* carol is in #lobby", self.bob.ask("/who carol"))
        self.bob.type("/part")
        self.assertEqual(len(self.bob.ask("/who carol")), 5)
        self.assertEqual(self.bob.ask("/who #lobby"), ["* in #lobby: @alice"])


class HistoryTests(SynchronousTestCase):
    """/history and /search."""

    def setUp(self) -> None:
        """Have something said."""
        self.chat = LineChat(LineOptions(history=3, replay=2))
        self.alice, self.bob = self.chat.clients("alice", "bob")
        self.alice.type(*"abcde")

    def test_history(self) -> None:
        """The last messages are shown, as many as one likes and may have."""
        for line, said in (
            ("/history", "de"),
            ("/history 1", "e"),
            ("/history 9", "cde"),
        ):
            answer = self.bob.ask(line)
            self.assertEqual(answer[0], "* the last messages of #lobby:")
            self.assertEqual([each[-1] for each in answer[1:]], list(said))
        for line in ("/history x", "/history -1", "/history 99999999999"):
            self.assertIn("! type it as", self.bob.ask(line)[0])
        self.assertEqual(
            self.alice.ask("/join #x", "/history")[-1], "* nothing was said yet"
        )

    def test_search(self) -> None:
        """Messages are found by their words."""
        self.assertEqual(
            self.bob.ask("/search d"), ["* found in #lobby:", "[13:46] <alice> d"]
        )
        self.assertEqual(self.bob.ask("/search q"), ["* nothing found in #lobby"])

    def test_waiting(self) -> None:
        """While the history is asked, the next line waits, and the input is held."""
        self.chat.memory.wait = Waiting()
        self.bob.read()
        self.bob.type("/history 1", "hi")
        self.assertTrue(self.bob.held)
        self.assertEqual(self.bob.read(), [])
        self.chat.memory.wait.done = True
        self.bob.go_on()
        self.assertFalse(self.bob.held)
        self.assertEqual(len(self.bob.read()), 2)
        self.assertEqual(self.alice.read()[-1], "<bob> hi")

    def test_none(self) -> None:
        """Where nothing is kept, that is said."""
        client = LineChat(history=False).client()
        for line in ("/history", "/search x"):
            self.assertIn("nothing is kept here", client.ask(line)[0])

    def test_motd(self) -> None:
        """The message of the day is shown when asked for."""
        self.assertEqual(self.bob.ask("/motd"), ["* there is no message of the day"])
        self.chat.network.motd = ["one", "two\x07"]
        self.assertEqual(self.bob.ask("/motd"), ["* one", "* two^G"])
