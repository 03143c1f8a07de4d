"""Tests of L{netsvc.chat.irc.session} and L{netsvc.chat.irc.connection}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc import commands
from netsvc.chat.irc.commands import COMMANDS, Command
from netsvc.chat.irc.message import Message
from netsvc.chat.irc.session import IrcSession
from tests.chat.irc.kit import SERVER, Chat, Line
from tests.chat.irc.memory_history import MemoryHistory, Pending

LABELS = ("labeled-response", "batch", "echo-message")


class LineTests(SynchronousTestCase):
    """Tests of rules 1 to 3: how lines are read."""

    def setUp(self) -> None:
        """Connect a client."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")

    def test_ends(self) -> None:
        """LF and CR LF end lines, empty lines are nothing (rule 1)."""
        self.ann.session.receive(b"PING a\nPING b\r\n\r\n\n  \r\nPING c")
        self.assertEqual([line.params[1] for line in self.ann.lines()], ["a", "b"])
        self.ann.session.receive(b"\n")
        self.assertEqual([line.params[1] for line in self.ann.lines()], ["c"])

    def test_split_anywhere(self) -> None:
        """However the stream is split, the answers are the same."""
        data = "PING x\r\n:me PRIVMSG ann :안녕\n@+a=b  ping   :y z\r\n".encode()
        self.ann.session.receive(data)
        whole = self.ann.raw()
        self.assertEqual(len(whole), 3)
        for at in range(len(data)):
            self.ann.session.receive(data[:at])
            self.ann.session.receive(data[at:])
            self.assertEqual(self.ann.raw(), whole)

    def test_lenient(self) -> None:
        """A verb in any case, with a source, with runs of spaces, is read (rule 3)."""
        for line in ("ping x", ":ann PING x", ":a!b@c  pInG    :x", "PING  x  "):
            self.assertEqual(self.ann.ask(line), [f":{SERVER} PONG {SERVER} :x"])

    def test_numeric(self) -> None:
        """A numeric from a client is ignored."""
        self.assertEqual(self.ann.ask("001 ann :Welcome", "999"), [])

    def test_too_long(self) -> None:
        """A line beyond 512 bytes, or tags beyond 4,096, are met with 417 (rule 2)."""
        self.assertEqual(
            self.ann.ask("PING " + "x" * 506),
            [f":{SERVER} 417 ann :Input line was too long"],
        )
        self.assertIn(" 417 ", self.ann.ask(f"@a={'b' * 4100} PING x")[0])
        self.assertIn(" PONG ", self.ann.ask(f"@a={'b' * 4090} PING x")[0])

    def test_not_utf8(self) -> None:
        """A line that is no UTF-8 is met with FAIL, and not relayed (UTF8ONLY)."""
        bob = self.chat.client("bob")
        answer = self.ann.ask(b"PRIVMSG bob :hi\xaa")
        self.assertTrue(answer[0].startswith(f":{SERVER} FAIL PRIVMSG INVALID_UTF8 :"))
        self.assertEqual(bob.raw(), [])

    def test_unknown(self) -> None:
        """An unknown command is 421, with its name."""
        self.assertEqual(
            self.ann.ask("frob x"), [f":{SERVER} 421 ann FROB :Unknown command"]
        )

    def test_few_parameters(self) -> None:
        """Too few parameters are 461, with the command's name."""
        self.assertEqual(
            self.ann.ask("JOIN"), [f":{SERVER} 461 ann JOIN :Not enough parameters"]
        )

    def test_counted(self) -> None:
        """How often a command is used is counted."""
        self.ann.send("PING a", "ping b", "FROB")
        self.assertEqual(self.chat.frontend.used["PING"], 2)
        self.assertNotIn("FROB", self.chat.frontend.used)


class LabelTests(SynchronousTestCase):
    """Tests of IRCv3 C{labeled-response}."""

    def setUp(self) -> None:
        """Connect a client that labels."""
        self.chat = Chat()
        self.ann = self.chat.client("ann", *LABELS)

    def ask(self, line: str) -> list[Line]:
        """Send a line, and give the answer."""
        return [Line.read(raw) for raw in self.ann.ask(line)]

    def test_one_line(self) -> None:
        """An answer of one line has the label on it: replies, errors, own changes."""
        for line, verb in (
            ("PING x", "PONG"),
            ("FROB", "421"),
            ("PRIVMSG nobody :x", "401"),
            ("NICK Anna", "NICK"),
            ("PRIVMSG", "411"),
            ("JOIN x", "403"),
        ):
            answer = self.ask(f"@label=L1 {line}")
            self.assertEqual([each.verb for each in answer], [verb])
            self.assertEqual(answer[0].tags["label"], "L1")

    def test_nothing(self) -> None:
        """An answer of nothing is ACK (rule 24 for NOTICE)."""
        for line in ("PONG x", "NOTICE nobody :x", "NICK ann", "NOTICE"):
            answer = self.ask(f"@label=L2 {line}")
            self.assertEqual(
                [(each.verb, each.tags, each.source) for each in answer],
                [("ACK", {"label": "L2"}, SERVER)],
            )

    def test_batch(self) -> None:
        """An answer of several lines is a batch, whose start alone has the label."""
        answer = self.ask("@label=L3 JOIN #x")
        self.assertEqual(answer[0].tags, {"label": "L3"})
        reference = answer[0].params[0][1:]
        self.assertEqual(answer[0].params[1:], ["labeled-response"])
        self.assertEqual(
            [each.verb for each in answer], ["BATCH", "JOIN", "353", "366", "BATCH"]
        )
        for each in answer[1:-1]:
            self.assertEqual(each.tags, {"batch": reference})
        self.assertEqual((answer[-1].params, answer[-1].tags), ([f"-{reference}"], {}))

    def test_echo(self) -> None:
        """The label is on the echo, and others never see it."""
        bob = self.chat.client("bob", "message-tags", *LABELS)
        echo = self.ask("@label=L4;+x=y PRIVMSG bob :hi")
        self.assertEqual([each.tags for each in echo], [{"label": "L4"}])
        self.assertNotIn("label", bob.lines()[0].tags)

    def test_several_targets(self) -> None:
        """Echoes to several targets are a batch."""
        for nick in ("bob", "cat", "dan"):
            self.chat.client(nick)
        answer = self.ask("@label=L5 PRIVMSG bob,cat,dan :hi")
        self.assertEqual(
            [each.verb for each in answer], ["BATCH", *["PRIVMSG"] * 3, "BATCH"]
        )

    def test_to_oneself(self) -> None:
        """Of a message to oneself the echo alone has the label."""
        answer = self.ask("@label=L6 PRIVMSG ann :me")
        self.assertEqual([each.verb for each in answer], ["PRIVMSG"] * 2)
        self.assertEqual(["label" in each.tags for each in answer].count(True), 1)

    def test_unreadable(self) -> None:
        """What is no UTF-8, or too long, is answered with the label too."""
        answer = [
            Line.read(raw) for raw in self.ann.ask(b"@label=L7 PRIVMSG bob :\xaa")
        ]
        self.assertEqual(
            [(e.verb, e.params[:2], e.tags) for e in answer],
            [("FAIL", ["PRIVMSG", "INVALID_UTF8"], {"label": "L7"})],
        )
        answer = self.ask("@label=L8 PING " + "x" * 600)
        self.assertEqual([(e.verb, e.tags) for e in answer], [("417", {"label": "L8"})])

    def test_quit(self) -> None:
        """The ERROR that answers QUIT has the label."""
        answer = self.ask("@label=L9 QUIT")
        self.assertEqual(
            [(e.verb, e.tags) for e in answer], [("ERROR", {"label": "L9"})]
        )

    def test_not_negotiated(self) -> None:
        """Without the capability, or with too long a label, there is none."""
        bob = self.chat.client("bob")
        self.assertEqual(bob.ask("@label=L PING x"), [f":{SERVER} PONG {SERVER} :x"])
        self.assertEqual(bob.ask("@label=L PONG"), [])
        self.assertEqual(self.ask(f"@label={'x' * 65} PONG"), [])


class OrderTests(SynchronousTestCase):
    """Tests of replies that follow messages which are not safe yet."""

    def setUp(self) -> None:
        """Bring two into a room whose history is slow."""
        self.history = MemoryHistory()
        self.chat = Chat(history=self.history)
        self.ann = self.chat.client("ann", *LABELS)
        self.bob = self.chat.client("bob")
        for client in (self.ann, self.bob):
            client.send("JOIN #x")
            client.raw()
        self.ann.raw()
        self.history.holding = True

    def test_pong_waits(self) -> None:
        """No PONG overtakes the echo of the message before it."""
        self.ann.send("PRIVMSG #x :one", "PING two")
        self.assertEqual((self.ann.raw(), self.bob.raw()), ([], []))
        self.history.commit()
        self.assertEqual(self.ann.verbs(), ["PRIVMSG", "PONG"])
        self.assertEqual(self.bob.verbs(), ["PRIVMSG"])

    def test_labels_wait(self) -> None:
        """Labels go with their own answers, however late those are."""
        self.ann.send(
            "@label=1 PRIVMSG #x :one",
            "@label=2 PING two",
            "@label=3 PONG",
            "@label=4 PRIVMSG #x,bob :three",
            "PING four",
        )
        self.assertEqual(self.ann.raw(), [])
        self.history.commit()
        lines = self.ann.lines()
        self.assertEqual(
            [(line.verb, line.tags.get("label")) for line in lines],
            [
                ("PRIVMSG", "1"),
                ("PONG", "2"),
                ("ACK", "3"),
                ("BATCH", "4"),
                ("PRIVMSG", None),
                ("PRIVMSG", None),
                ("BATCH", None),
                ("PONG", None),
            ],
        )

    def test_quit_waits(self) -> None:
        """The last message of somebody who quits is heard, before the QUIT."""
        self.ann.send("PRIVMSG #x :bye", "QUIT :gone")
        self.assertFalse(self.ann.closed)
        self.history.commit()
        self.assertEqual(self.ann.verbs(), ["PRIVMSG", "ERROR"])
        self.assertTrue(self.ann.closed)
        self.assertEqual(self.bob.verbs(), ["PRIVMSG", "QUIT"])

    def test_lost_while_waiting(self) -> None:
        """The last message of somebody who is lost is heard, too."""
        self.ann.send("PRIVMSG #x :bye")
        self.ann.lose("Connection lost")
        self.history.commit()
        self.assertEqual(self.bob.verbs(), ["PRIVMSG", "QUIT"])
        self.assertEqual(self.ann.raw(), [])

    def test_lost_after_quit(self) -> None:
        """A connection that is lost before its good-bye is left alone."""
        self.ann.send("PRIVMSG #x :bye", "QUIT")
        self.ann.lose("Connection lost")
        self.history.commit()
        self.assertFalse(self.ann.closed)
        self.assertEqual(self.bob.verbs(), ["PRIVMSG", "QUIT"])

    def test_capability_waits(self) -> None:
        """A message that is on its way when capabilities change is shown once."""
        self.ann.send("PRIVMSG #x :one", "CAP REQ :server-time", "PRIVMSG #x :two")
        self.history.commit()
        lines = self.ann.lines()
        self.assertEqual([line.verb for line in lines], ["PRIVMSG", "CAP", "PRIVMSG"])
        self.assertNotIn("time", lines[0].tags)
        self.assertEqual(self.bob.verbs(), ["PRIVMSG", "PRIVMSG"])


class SlowCommandTests(SynchronousTestCase):
    """Tests of commands that wait, and of mistakes in commands."""

    def setUp(self) -> None:
        """Add a command that waits for the test."""
        self.waits: list[Pending] = []

        async def slow(session: IrcSession, message: Message) -> None:
            pending = Pending()
            self.waits.append(pending)
            session.note("SLOW", await pending, text="done")

        def broken(session: IrcSession, message: Message) -> None:
            raise ZeroDivisionError

        commands.load()
        for verb, call in (("SLOW", slow), ("BROKEN", broken)):
            COMMANDS[verb] = Command(verb, call, 0, True)
            self.addCleanup(COMMANDS.pop, verb)
        self.chat = Chat()
        self.ann = self.chat.client("ann", *LABELS)

    def finish(self, result: object) -> None:
        """Let the command that waits go on."""
        self.waits.pop(0).complete(result)
        self.ann.link.resume()

    def test_input_rests(self) -> None:
        """While a command waits, nothing is read and nothing overtakes it (rule 6)."""
        self.ann.send("@label=1 SLOW", "PING a", "SLOW", "PING b")
        self.assertEqual(self.ann.raw(), [])
        self.assertTrue(self.ann.link.held)
        self.ann.send("PING c")
        self.finish("ONE")
        self.assertEqual(self.ann.verbs(), ["NOTE", "PONG"])
        self.assertTrue(self.ann.link.held)
        self.finish("TWO")
        self.assertEqual(self.ann.verbs(), ["NOTE", "PONG", "PONG"])
        self.assertFalse(self.ann.link.held)

    def test_others_go_on(self) -> None:
        """Meanwhile others are served, and heard, outside the labelled answer."""
        bob = self.chat.client("bob")
        self.ann.send("@label=1 SLOW")
        bob.send("PRIVMSG ann :hi")
        lines = self.ann.lines()
        self.assertEqual([(e.verb, e.tags) for e in lines], [("PRIVMSG", {})])
        self.finish("ONE")
        self.assertEqual(self.ann.lines()[0].tags, {"label": "1"})

    def test_deadline(self) -> None:
        """A command that takes too long is given up and answered, and counted."""
        self.ann.send("@label=1 SLOW", "PING a")
        self.chat.clock.advance(10)
        lines = self.ann.lines()
        self.assertEqual([line.verb for line in lines], ["400", "PONG"])
        self.assertEqual(lines[0].tags, {"label": "1"})
        self.assertEqual(self.chat.network.counters["irc-command-timeout"], 1)

    def test_lost(self) -> None:
        """A connection that is lost meanwhile is answered no more."""
        self.ann.send("SLOW", "PING a")
        self.ann.lose()
        self.finish("ONE")
        self.assertEqual(self.ann.raw(), [])

    def test_mistake(self) -> None:
        """A mistake of ours is reported and answered, and the client goes on."""
        self.ann.send("@label=1 BROKEN", "PING a")
        self.assertIsInstance(self.ann.link.failures.pop(), ZeroDivisionError)
        lines = self.ann.lines()
        self.assertEqual([line.verb for line in lines], ["400", "PONG"])
        self.assertEqual(lines[0].tags, {"label": "1"})

    def test_mistake_after_waiting(self) -> None:
        """So is one that shows later."""
        self.ann.send("SLOW")
        self.finish(ZeroDivisionError())
        self.assertIsInstance(self.ann.link.failures.pop(), ZeroDivisionError)
        self.assertEqual(self.ann.verbs(), ["400"])
