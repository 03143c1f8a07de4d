"""Tests of L{netsvc.chat.irc.commands.history}: CHATHISTORY (IRCv3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.times import format_time
from tests.chat.irc.kit import SERVER, START, Chat, Client, Line
from tests.chat.irc.memory_history import MemoryHistory

CAPS = ("batch", "server-time", "message-tags", "echo-message", "draft/chathistory")


class HistoryCase(SynchronousTestCase):
    """A room in which ten things were said, a second apart."""

    def setUp(self) -> None:
        """Say them."""
        self.history = MemoryHistory()
        self.chat = Chat(history=self.history)
        self.ann = self.chat.client("ann", *CAPS, account="ann")
        self.ann.send("JOIN #Room")
        self.ann.raw()
        self.said: list[Line] = []
        for number in range(10):
            self.chat.clock.advance(1)
            self.ann.send(f"PRIVMSG #room :message {number}")
            self.said += self.ann.lines()

    def ask(self, line: str, client: Client | None = None) -> list[Line]:
        """Ask, and give what is in the batch."""
        client = client or self.ann
        first, *inner, last = [Line.read(raw) for raw in client.ask(line)]
        self.assertEqual((first.verb, last.verb), ("BATCH", "BATCH"))
        reference = first.params[0][1:]
        self.assertEqual(first.params[0], f"+{reference}")
        self.assertEqual(last.params, [f"-{reference}"])
        self.batch = first.params[1:]
        for each in inner:
            self.assertEqual(each.tags.pop("batch"), reference)
        return inner

    def numbers(self, line: str) -> list[int]:
        """Ask, and give the numbers of the messages."""
        return [int(each.params[1].split()[1]) for each in self.ask(line)]

    def msgid(self, number: int) -> str:
        """Refer to a message by its id."""
        return f"msgid={self.said[number].tags['msgid']}"

    def time(self, number: int) -> str:
        """Refer to a message by its time."""
        return f"timestamp={self.said[number].tags['time']}"

    def fails(self, line: str, client: Client | None = None) -> list[str]:
        """Ask in vain, and give code and context."""
        (answer,) = (client or self.ann).ask(line)
        read = Line.read(answer)
        self.assertEqual((read.verb, read.params[0]), ("FAIL", "CHATHISTORY"))
        return read.params[1:-1]


class PageTests(HistoryCase):
    """Tests of what is given."""

    def test_latest(self) -> None:
        """LATEST gives the last ones, as they were shown, in a batch of that name."""
        inner = self.ask("CHATHISTORY latest #ROOM * 3")
        self.assertEqual(self.batch, ["chathistory", "#ROOM"])
        for each, said in zip(inner, self.said[-3:], strict=True):
            self.assertEqual(
                (each.verb, each.source, each.params, each.tags),
                (said.verb, said.source, said.params, said.tags),
            )

    def test_bounds(self) -> None:
        """Bounds are exclusive, whether they are ids or times; order is ascending."""
        for ref in (self.msgid, self.time):
            self.assertEqual(
                self.numbers(f"CHATHISTORY LATEST #room {ref(4)} 99"), [5, 6, 7, 8, 9]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY LATEST #room {ref(4)} 2"), [8, 9]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY BEFORE #room {ref(3)} 2"), [1, 2]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY AFTER #room {ref(3)} 2"), [4, 5]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY AROUND #room {ref(5)} 3"), [4, 5, 6]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY BETWEEN #room {ref(2)} {ref(8)} 2"), [3, 4]
            )
            self.assertEqual(
                self.numbers(f"CHATHISTORY BETWEEN #room {ref(8)} {ref(2)} 2"), [6, 7]
            )

    def test_limit(self) -> None:
        """No more are given than the server's limit (005 CHATHISTORY)."""
        self.chat.frontend.config = IrcConfig(history=4, command_rate=None)
        self.assertEqual(
            self.numbers("CHATHISTORY LATEST #room * 999999999"), [6, 7, 8, 9]
        )

    def test_nothing(self) -> None:
        """Nothing to give is an empty batch."""
        self.assertEqual(self.ask(f"CHATHISTORY AFTER #room {self.msgid(9)} 9"), [])

    def test_playback(self) -> None:
        """Other events are given with event-playback only."""
        self.ann.send("TOPIC #room :new", "PRIVMSG #room :message 10")
        self.assertEqual(self.numbers("CHATHISTORY LATEST #room * 2"), [9, 10])
        self.ann.send("CAP REQ draft/event-playback")
        inner = self.ask("CHATHISTORY LATEST #room * 2")
        self.assertEqual([each.verb for each in inner], ["TOPIC", "PRIVMSG"])

    def test_lasting_tags(self) -> None:
        """Reactions, and tags to be kept, are given with event-playback; typing not."""
        tags = ("+typing=active", "+draft/persist;+x=y", "+draft/react=ok")
        self.ann.send(*(f"@{each} TAGMSG #room" for each in tags))
        said = self.ann.lines()
        self.assertEqual(len(said), 3)
        self.assertEqual(self.numbers("CHATHISTORY LATEST #room * 1"), [9])
        self.ann.send("CAP REQ draft/event-playback")
        inner = self.ask("CHATHISTORY LATEST #room * 2")
        self.assertEqual(
            [(each.verb, each.params, each.tags) for each in inner],
            [("TAGMSG", ["#Room"], each.tags) for each in said[1:]],
        )

    def test_without_batch(self) -> None:
        """Without the batch capability the lines come alone."""
        bob = self.chat.client("bob")
        bob.send("JOIN #room")
        bob.raw()
        self.assertEqual(
            bob.ask("CHATHISTORY LATEST #room * 1"),
            [":ann!ann@192.0.2.1.cloak PRIVMSG #Room :message 9"],
        )

    def test_label(self) -> None:
        """With a label the batch is in the labelled one."""
        self.ann.send("CAP REQ labeled-response")
        self.ann.raw()
        lines = [
            Line.read(raw)
            for raw in self.ann.ask("@label=L CHATHISTORY LATEST #room * 1")
        ]
        outer, inner = lines[0].params[0][1:], lines[1].params[0][1:]
        self.assertEqual(
            [
                (line.verb, line.tags.get("label"), line.tags.get("batch"))
                for line in lines
            ],
            [
                ("BATCH", "L", None),
                ("BATCH", None, outer),
                ("PRIVMSG", None, inner),
                ("BATCH", None, outer),
                ("BATCH", None, None),
            ],
        )


class TargetTests(HistoryCase):
    """Tests of whose history one may see."""

    def test_room(self) -> None:
        """Rooms that one is not in, and that are not there, are INVALID_TARGET."""
        bob = self.chat.client("bob", *CAPS)
        for name in ("#room", "#no"):
            self.assertEqual(
                self.fails(f"CHATHISTORY LATEST {name} * 5", bob),
                ["INVALID_TARGET", "LATEST", name],
            )

    def test_conversation(self) -> None:
        """Two accounts see what they said to each other; a third does not."""
        bob = self.chat.client("bob", *CAPS, account="Robert")
        cat = self.chat.client("cat", *CAPS, account="cat")
        self.ann.send("PRIVMSG bob :one")
        bob.send("PRIVMSG ann :two")
        for client, other in ((self.ann, "BOB"), (bob, "Ann")):
            inner = self.ask(f"CHATHISTORY LATEST {other} * 9", client)
            self.assertEqual([each.params[1] for each in inner], ["one", "two"])
        self.assertEqual(self.ask("CHATHISTORY LATEST bob * 9", cat), [])
        bob.send("QUIT")
        self.assertEqual(len(self.ask("CHATHISTORY LATEST robert * 9")), 2)

    def test_no_account(self) -> None:
        """Who is logged in reads what a guest and they said; the guest does not."""
        bob = self.chat.client("bob", *CAPS)
        bob.send("PRIVMSG ann :hi")
        inner = self.ask("CHATHISTORY LATEST bob * 9")
        self.assertEqual([each.params[1] for each in inner], ["hi"])
        code = ["INVALID_TARGET", "LATEST", "ann"]
        self.assertEqual(self.fails("CHATHISTORY LATEST ann * 9", bob), code)

    def test_another_guest(self) -> None:
        """What a guest has said is no other account's, whatever that is called."""
        bob = self.chat.client("bob", *CAPS)
        bob.send("PRIVMSG ann :hi", "QUIT")
        self.chat.client("bob", account="bob")
        self.assertEqual(self.ask("CHATHISTORY LATEST bob * 9"), [])

    def test_targets(self) -> None:
        """TARGETS gives rooms and people with the time of the last message."""
        bob = self.chat.client("bob", account="robert")
        self.chat.clock.advance(60)
        bob.send("PRIVMSG ann :hi")
        last = format_time(START + 70_000)
        inner = self.ask(
            f"CHATHISTORY TARGETS timestamp={format_time(START)}"
            f" timestamp={format_time(START + 99_000)} 10"
        )
        self.assertEqual(self.batch, ["draft/chathistory-targets"])
        self.assertEqual(
            [(each.verb, each.params) for each in inner],
            [
                ("CHATHISTORY", ["TARGETS", "#Room", self.said[-1].tags["time"]]),
                ("CHATHISTORY", ["TARGETS", "bob", last]),
            ],
        )
        plain = self.chat.client("cat")
        self.assertEqual(
            plain.ask(
                f"CHATHISTORY TARGETS timestamp={format_time(START)}"
                f" timestamp={format_time(START + 99_000)} 10"
            ),
            [],
        )

    def test_targets_names(self) -> None:
        """TARGETS names who is here by a nick, and who is gone by the account."""

        def people() -> list[str]:
            ask = f"CHATHISTORY TARGETS timestamp={format_time(START)}"
            inner = self.ask(f"{ask} timestamp={format_time(START + 99_000)} 10")
            return [each.params[1] for each in inner][1:]

        bob = self.chat.client("bob", account="Robert")
        bob.send("PRIVMSG ann :hi")
        other = self.chat.client("bob2", account="Robert")
        self.assertEqual(people(), ["bob"])
        other.send("NICK robert")
        self.assertEqual(people(), ["robert"])
        other.send("QUIT")
        bob.send("QUIT")
        self.assertEqual(people(), ["robert"])


class RefusalTests(HistoryCase):
    """Tests of the FAIL codes."""

    def test_params(self) -> None:
        """What cannot be read is INVALID_PARAMS, with the subcommand."""
        for line, context in (
            ("", ["*"]),
            ("FOO #room * 5", ["FOO"]),
            ("LATEST #room *", ["LATEST"]),
            ("BETWEEN #room msgid=a 5", ["BETWEEN"]),
            ("LATEST #room * many", ["LATEST", "many"]),
            ("LATEST #room * 0", ["LATEST", "0"]),
            ("LATEST #room * -1", ["LATEST", "-1"]),
            ("LATEST #room * 9999999999", ["LATEST", "9999999999"]),
            ("BEFORE #room * 5", ["BEFORE", "*"]),
            ("BEFORE #room msgid= 5", ["INVALID_MSGREFTYPE"]),
            ("BEFORE #room timestamp=yesterday 5", ["BEFORE", "timestamp=yesterday"]),
            ("TARGETS msgid=a msgid=b 5", ["TARGETS", "msgid=a", "msgid=b"]),
        ):
            found = self.fails(f"CHATHISTORY {line}")
            if context[0] == "INVALID_MSGREFTYPE":
                self.assertEqual(found[0], context[0])
            else:
                self.assertEqual(found, ["INVALID_PARAMS", *context], line)

    def test_reference(self) -> None:
        """Another sort of reference is INVALID_MSGREFTYPE."""
        self.assertEqual(
            self.fails("CHATHISTORY BEFORE #room serial=5 5"),
            ["INVALID_MSGREFTYPE", "BEFORE", "serial=5"],
        )

    def test_unknown_message(self) -> None:
        """A message that is not known is MESSAGE_ERROR."""
        self.assertEqual(
            self.fails("CHATHISTORY BEFORE #room msgid=nope 5"),
            ["MESSAGE_ERROR", "BEFORE", "#room"],
        )

    def test_busy(self) -> None:
        """So is a store that does not answer."""
        self.history.busy = True
        self.assertEqual(
            self.fails("CHATHISTORY LATEST #room * 5"),
            ["MESSAGE_ERROR", "LATEST", "#room"],
        )

    def test_no_history(self) -> None:
        """Without a history the command is unknown, and nothing says otherwise."""
        chat = Chat()
        ann = chat.client("ann")
        self.assertEqual(
            ann.ask("CHATHISTORY LATEST #x * 5"),
            [f":{SERVER} 421 ann CHATHISTORY :Unknown command"],
        )
        self.assertNotIn("chathistory", ann.ask("CAP LS 302")[0])
