"""People on lines, in one chat."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Kind
from netsvc.chat.limits import HubLimits
from netsvc.chat.line.options import LineOptions
from tests.chat.line.kit import Bans, FakeAccounts, LineChat, Waiting


class GreetingTests(SynchronousTestCase):
    """Coming."""

    def test_greeting(self) -> None:
        """The greeting is short ASCII: who one is, where, the history, the help."""
        chat = LineChat()
        client = chat.connect()
        self.assertTrue(client.data.isascii())
        self.assertEqual(
            client.read(),
            [
                "* welcome to TestNet, you are guest1: /nick NAME gives you another"
                " name",
                "* guest1 has joined #lobby",
                "* 1 person in #lobby, and what you type goes there; /help lists the"
                " commands",
                "* what is said is kept for 30 days, at most 10000 messages a room:"
                " /history shows it",
            ],
        )

    def test_classroom_client(self) -> None:
        """Who never types a command talks to the others in the lobby."""
        first, second = LineChat().clients("", "")
        first.feed(b"hi")
        second.feed(b"hello\n")
        first.chat.advance(1)
        self.assertEqual(second.read(), ["<guest1> hi"])
        self.assertEqual(first.read(), ["<guest2> hello"])

    def test_replay(self) -> None:
        """Who comes is shown what was said last, with times, but not what comes."""
        chat = LineChat(LineOptions(replay=2))
        chat.client("alice").type("one", "two", "/me three")
        lines = chat.connect().read()
        self.assertIn("* the last 2 messages of #lobby:", lines)
        self.assertEqual(
            [line[8:] for line in lines if line.startswith("[")],
            ["<alice> two", "* alice three"],
        )
        chat = LineChat(LineOptions(replay=1))
        chat.client("alice").type("one")
        lines = chat.connect().read()
        self.assertIn("* the last message of #lobby:", lines)

    def test_replay_of_what_is_not_kept(self) -> None:
        """Where the coming itself was not kept, the replay goes by its time."""
        chat = LineChat()
        chat.client("alice").type("one")
        chat.memory.forgetful = True
        chat.advance(60)
        self.assertIn("[13:46] <alice> one", chat.connect().read())

    def test_history_stalls(self) -> None:
        """A history that does not answer is told of; the chat goes on."""
        chat = LineChat()
        chat.memory.busy = True
        client = chat.connect()
        self.assertIn(
            "! the history cannot be read right now: try again later", client.read()
        )
        chat.memory.busy, chat.memory.wait = False, Waiting()
        other = chat.connect()
        other.type("hi")
        self.assertEqual(client.read()[1:], [])
        chat.advance(10)
        self.assertEqual(client.read(), ["<guest2> hi"])
        self.assertEqual(other.read()[-1], "! that took too long: try again later")
        self.assertEqual(chat.counters["line-command-timeout"], 1)

    def test_without_history(self) -> None:
        """Where nothing is kept, nothing is said of it."""
        chat = LineChat(history=False)
        self.assertEqual(len(chat.connect().read()), 3)

    def test_banned(self) -> None:
        """Who is banned from the server is told why, and is not let in."""
        chat = LineChat(bans=Bans(**{"192_0_2_1": "spam\x1b"}))
        client = chat.connect()
        self.assertEqual(client.read(), ["! you are banned from this server: spam^["])
        self.assertTrue(client.closed)
        self.assertEqual(chat.hub.state.members, {})
        self.assertEqual(chat.counters["line-banned"], 1)
        self.assertFalse(chat.connect("192.0.2.9").closed)
        self.assertFalse(chat.connect(None).closed)

    def test_full(self) -> None:
        """Who finds no place is told so."""
        chat = LineChat(limits=HubLimits(members=1))
        chat.connect()
        client = chat.connect()
        self.assertEqual(client.read(), ["! there is no room for more people"])
        self.assertTrue(client.closed)
        self.assertEqual(chat.counters["line-full"], 1)

    def test_guest_names(self) -> None:
        """A guest's name that belongs to an account is given to nobody."""
        chat = LineChat(accounts=FakeAccounts(guest1="x", guest2="x"))
        self.assertEqual(chat.connect().nick, "guest3")

    def test_closed_lobby(self) -> None:
        """Who may not come into the lobby is told, and may go elsewhere."""
        chat = LineChat()
        chat.client("alice").type("/ban *!*@192.0.2.2.cloak")
        client = chat.connect("192.0.2.2")
        self.assertIn(
            "! you are banned from #lobby: ask one of its operators", client.read()
        )
        self.assertEqual(
            client.ask("hello"),
            ["! you are in no room: /join #room takes you into one"],
        )
        self.assertIn("* guest2 has joined #x", client.ask("/join x"))


class PasswordTests(SynchronousTestCase):
    """The server's password."""

    def setUp(self) -> None:
        """Make a chat that has one."""
        self.chat = LineChat(password="open sesame")

    def test_right(self) -> None:
        """The first line may be the password, or /pass with it."""
        for line in ("open sesame", "/pass open sesame"):
            client = self.chat.connect()
            self.assertIn("password", client.read()[0])
            self.assertIn("* welcome", client.ask(line)[0])
        self.assertEqual(
            client.ask("/pass x"), ["! you are in already: no password is needed"]
        )
        self.assertEqual(self.chat.frontend.outside, {})

    def test_wrong(self) -> None:
        """After a few wrong ones the connection ends; others see nothing."""
        client = self.chat.connect()
        lines = client.ask("a", "/b", "c", "d")
        self.assertEqual(
            lines,
            ["! that is not the password of this server: try again"] * 2
            + ["! that is not the password of this server"],
        )
        self.assertTrue(client.closed)
        self.assertEqual(self.chat.counters["line-password-wrong"], 3)

    def test_throttled(self) -> None:
        """One source may try so often; a right one costs nothing."""
        for _ in range(30):
            self.assertFalse(self.chat.connect().type("open sesame").closed)
        for _ in range(4):
            self.chat.connect().type("a", "b", "c")
        client = self.chat.connect()
        self.assertIn("too often", client.ask("open sesame")[0])
        self.assertTrue(client.closed)
        other = self.chat.connect("192.0.2.2")
        self.assertFalse(other.type("open sesame").closed)
        self.assertEqual(self.chat.counters["line-password-throttled"], 1)

    def test_outside(self) -> None:
        """Before it is given, only what needs nobody inside can be done."""
        client = self.chat.connect()
        self.assertIn("character set", client.ask("/charset utf-8")[0])
        self.assertIn("/help", client.ask("/help")[-1])
        self.assertIn("not the password", client.ask("/who")[0])
        self.assertEqual(client.ask("/quit"), ["* goodbye"])

    def test_too_late(self) -> None:
        """Who does not give it in time is cut off."""
        client = self.chat.connect()
        self.chat.frontend.tick()
        self.assertFalse(client.closed)
        self.chat.advance(30)
        self.chat.frontend.tick()
        self.assertTrue(client.closed)
        self.assertEqual(self.chat.counters["line-password-timeout"], 1)


class RoomTests(SynchronousTestCase):
    """Where one is talking."""

    def setUp(self) -> None:
        """Let two in."""
        self.chat = LineChat()
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_two_rooms(self) -> None:
        """What is said in another room than one's current one names that room."""
        self.bob.type("/join #study")
        self.bob.read()
        self.alice.type("hi")
        self.assertEqual(self.bob.read(), ["#lobby <alice> hi"])
        self.bob.type("/join #lobby")
        self.assertEqual(
            self.bob.read(),
            [
                "* bob has joined #lobby",
                "* you were in #lobby; what you type goes there from now on",
            ],
        )
        self.alice.read()
        self.bob.type("hi")
        self.assertEqual(self.alice.read(), ["<bob> hi"])

    def test_part(self) -> None:
        """Who leaves a room talks where they did before, at last in the lobby."""
        self.bob.type("/join #a", "/join #b")
        self.assertEqual(
            self.bob.ask("/part #b see you"),
            ["* bob has left #b (see you)", "* what you type goes to #a now"],
        )
        self.assertEqual(self.bob.ask("/part #lobby"), ["* bob has left #lobby"])
        lines = self.bob.ask("/part")
        self.assertEqual(lines[:2], ["* bob has left #a", "* bob has joined #lobby"])
        self.alice.read()
        self.bob.type("hi")
        self.assertEqual(self.alice.read(), ["<bob> hi"])
        self.assertEqual(
            self.bob.ask("/part"),
            [
                "* bob has left #lobby",
                "* you are in no room now: /join #room takes you into one",
            ],
        )
        self.assertEqual(len(self.bob.session.recent), 0)

    def test_kicked(self) -> None:
        """What who was kicked types next is not said elsewhere by mistake."""
        self.bob.type("/join #a", "/join #lobby")
        self.bob.read()
        self.alice.type("/kick bob too loud")
        self.assertEqual(
            self.bob.read(), ["* bob was kicked from #lobby by alice (too loud)"]
        )
        self.assertEqual(
            self.bob.ask("grr"),
            ["! you are no longer in that room, nothing was done: you are in #a now"],
        )
        carol = self.chat.client("carol")
        carol.type("/join #a")
        carol.read()
        self.bob.type("hi")
        self.assertEqual(carol.read(), ["<bob> hi"])

    def test_kicked_from_all(self) -> None:
        """Who is in no room any more is told how to come into one."""
        self.alice.type("/kick bob")
        self.assertEqual(
            self.bob.ask("grr")[-1],
            "! you are in no room: /join #room takes you into one",
        )

    def test_many_rooms(self) -> None:
        """The rooms that one was talking in are forgotten when one is gone from."""
        for number in range(20):
            self.bob.type(f"/join #r{number}")
            self.alice.type(f"/join #r{number}")
            self.alice.type("/op bob")
            self.chat.hub.part(self.bob.session.me, f"#r{number}")
        self.assertLess(len(self.bob.session.recent), 4)


class TalkTests(SynchronousTestCase):
    """Saying something."""

    def setUp(self) -> None:
        """Let two in."""
        self.chat = LineChat()
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_slash(self) -> None:
        """Two slashes say a text that begins with one."""
        self.alice.type("//etc/passwd", " /me waves", "   ")
        self.assertEqual(self.bob.read(), ["<alice> /etc/passwd", "* alice waves"])

    def test_controls(self) -> None:
        """Nobody on a line can send CTCP, or anything that a terminal obeys."""
        self.alice.feed(b"\x01VERSION\x01\n\x1b[2Jx\x7f\n\x02b\x02\n")
        said = [e for e in self.chat.memory.said["#lobby"] if hasattr(e, "text")]
        self.assertEqual([e.text for e in said], ["^AVERSION^A", "^[[2Jx^?", "b"])

    def test_long(self) -> None:
        """A long text becomes messages that fit on the lines of IRC clients."""
        self.alice.type("word " * 400)
        lines = self.bob.read()
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertLess(len(line), 500)
        joined = " ".join(line.removeprefix("<alice> ") for line in lines)
        self.assertEqual(joined, ("word " * 400).strip())

    def test_refused(self) -> None:
        """What may not be said is answered with what to do."""
        self.alice.type("/mute bob")
        self.assertEqual(
            self.bob.ask("hi")[-1:],
            ["! that was not sent: you are muted in #lobby; ask one of its operators"],
        )

    def test_irc(self) -> None:
        """What IRC clients put into text is not shown."""
        carol = self.chat.enter("carol")
        self.chat.hub.join(carol, "#lobby")
        self.bob.read()
        self.chat.hub.say(carol, "#lobby", "\x0304\x02hi\x0f")
        self.chat.hub.say(carol, "bob", "\x01VERSION\x01")
        self.chat.hub.say(carol, "bob", "psst", Kind.NOTICE)
        self.assertEqual(self.bob.read(), ["<carol> hi", "-carol- psst"])

    def test_order(self) -> None:
        """Answers wait behind what was said before, until that is safe."""
        self.chat.memory.holding = True
        self.alice.read()
        self.alice.type("one", "/topic x", "/who", "/join #b", "two", "/part", "three")
        self.assertEqual((self.alice.read(), self.bob.read()), ([], []))
        for _ in range(9):
            self.chat.commit()
        self.assertEqual(
            self.bob.read(),
            ["<alice> one", "* alice set the topic of #lobby to: x", "<alice> three"],
        )
        self.assertEqual(
            self.alice.read(),
            [
                "* alice set the topic of #lobby to: x",
                "* in #lobby: @alice, bob",
                "* alice has joined #b",
                "* in #b: @alice",
                "* alice has left #b",
                "* what you type goes to #lobby now",
            ],
        )

    def test_wire_changes_in_time(self) -> None:
        """Who changes the room while something is on its way gets nothing twice."""
        self.chat.memory.holding = True
        self.alice.read()
        for line in ("/join #b", "/part #lobby", "/part", "/join #b", "/charset cp949"):
            self.alice.type("before", line, "after")
        for ticket in range(1, 40):
            self.chat.courier.committed(ticket)
        self.assertFalse(self.alice.session.busy)
        lines = self.alice.read()
        self.assertEqual([line for line in lines if line.startswith("<")], [])
        rooms = [line[-3:] for line in lines if "has joined" in line]
        self.assertEqual(rooms, [" #b", "bby", " #b"])
        self.assertEqual(
            self.bob.read(),
            [
                "<alice> before",
                "* alice has left #lobby",
                "* alice has joined #lobby",
                "<alice> after",
                "<alice> before",
            ],
        )
