"""Tests of L{netsvc.chat.irc.commands.messages} and of AWAY.

Rule numbers are those of the chat reference, section 2.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Change
from netsvc.chat.limits import HubLimits
from netsvc.daemon.limits import Rate
from tests.chat.irc.kit import SERVER, Chat, Client, Line

ANN = "ann!ann@192.0.2.1.cloak"
TAGS = ("message-tags", "echo-message")


class MessageCase(SynchronousTestCase):
    """A room with two, and one outside."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#x", "ann", "bob")
        self.cat = self.chat.client("cat")
        self.ann.raw()

    def codes(self, client: Client, line: str) -> list[str]:
        """Send a line, and give the commands of the answer."""
        return [Line.read(raw).verb for raw in client.ask(line)]

    def mode(self, letter: str, argument: str | None = None) -> None:
        """Set a mode of the room."""
        self.chat.hub.set_modes(None, "#x", [Change(True, letter, argument)])
        for client in (self.ann, self.bob):
            client.raw()


class DeliveryTests(MessageCase):
    """Tests of who gets what."""

    def test_room(self) -> None:
        """A message to a room goes to all members but the speaker."""
        self.ann.send("PRIVMSG #X :hello you", "NOTICE #x hi")
        self.assertEqual(
            self.bob.raw(), [f":{ANN} PRIVMSG #x :hello you", f":{ANN} NOTICE #x :hi"]
        )
        self.assertEqual((self.ann.raw(), self.cat.raw()), ([], []))

    def test_person(self) -> None:
        """A message to a nick goes there, with the nick as it is spelled."""
        self.ann.send("PRIVMSG CAT :hello")
        self.assertEqual(self.cat.raw(), [f":{ANN} PRIVMSG cat :hello"])

    def test_several(self) -> None:
        """Each target gets it once, up to four; the next is 407 (TARGMAX)."""
        self.assertEqual(
            self.codes(self.ann, "PRIVMSG cat,bob,Cat,,ann,#x,nobody,other :hi"),
            ["PRIVMSG", "407"],
        )
        self.assertEqual(self.cat.verbs(), ["PRIVMSG"])
        self.assertEqual(self.bob.verbs(), ["PRIVMSG", "PRIVMSG"])

    def test_oneself(self) -> None:
        """A message to oneself arrives once, and twice with echo-message."""
        self.assertEqual(self.codes(self.ann, "PRIVMSG ann :me"), ["PRIVMSG"])
        dan = self.chat.client("dan", "echo-message")
        self.assertEqual(self.codes(dan, "PRIVMSG dan :me"), ["PRIVMSG", "PRIVMSG"])

    def test_status(self) -> None:
        """C{@#x} goes to operators, C{+#x} to voiced ones as well (rule 36)."""
        dan = self.chat.client("dan")
        dan.send("JOIN #x")
        self.mode("v", "bob")
        dan.raw()
        dan.send("PRIVMSG @#x :ops", "PRIVMSG +#x :voiced")
        self.assertEqual([line.params[0] for line in self.ann.lines()], ["@#x", "+#x"])
        self.assertEqual([line.params[0] for line in self.bob.lines()], ["+#x"])
        self.assertEqual(dan.raw(), [])

    def test_echo(self) -> None:
        """The echo is what others get, after it was cut (rule 2)."""
        dan = self.chat.client("dan", "echo-message")
        dan.send("JOIN #x")
        for client in (dan, self.bob):
            client.raw()
        dan.send("PRIVMSG #x :" + "é" * 248)
        (echo,), (heard,) = dan.raw(), self.bob.raw()
        self.assertEqual(echo, heard)
        self.assertIn(len(echo.encode()), (509, 510))

    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=160))
    def test_any_text(self, text: str) -> None:
        """Any text arrives whole or cut at a code point, on one line."""
        self.bob.raw()
        line = f"PRIVMSG bob :{text}".encode()[:510].decode("utf-8", "ignore")
        sent = line.translate({0: None, 10: None, 13: None})
        self.ann.session.receive(sent.encode() + b"\r\n")
        for raw in self.bob.raw():
            self.assertLessEqual(len(raw.encode()), 510)
            heard = raw.partition(" PRIVMSG bob :")[2]
            self.assertTrue(sent.partition(" :")[2].startswith(heard))
        self.ann.raw()


class RefusalTests(MessageCase):
    """Tests of what is refused, and how."""

    def test_missing(self) -> None:
        """411 without parameters, 412 without text, and nothing delivered (rule 23)."""
        self.assertEqual(self.codes(self.ann, "PRIVMSG"), ["411"])
        self.assertEqual(self.codes(self.ann, "PRIVMSG :"), ["411"])
        self.assertEqual(self.codes(self.ann, "PRIVMSG #x"), ["412"])
        self.assertEqual(self.codes(self.ann, "PRIVMSG #x :"), ["412"])
        self.assertEqual(self.bob.raw(), [])

    def test_unknown(self) -> None:
        """401 for a nick and 403 for a room that is not there."""
        self.assertEqual(
            self.ann.ask("PRIVMSG nobody :x"),
            [f":{SERVER} 401 ann nobody :No such nick/channel"],
        )
        self.assertEqual(self.codes(self.ann, "PRIVMSG #no :x"), ["403"])
        self.assertEqual(self.codes(self.ann, "PRIVMSG @#no :x"), ["403"])

    def test_may_not(self) -> None:
        """404 from outside C{+n}, under C{+m}, when banned, CTCP under C{+C} (35)."""
        self.assertEqual(self.codes(self.cat, "PRIVMSG #x :x"), ["404"])
        self.mode("b", "bob!*@*")
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :x"), ["404"])
        self.mode("e", "bob!*@*")
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :x"), [])
        self.mode("C")
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :\x01PING\x01"), ["404"])
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :\x01ACTION is\x01"), [])
        self.mode("m")
        self.assertEqual(
            self.bob.ask("PRIVMSG #x :x"),
            [f":{SERVER} 404 bob #x :Cannot send to channel: it is moderated (+m)"],
        )
        self.mode("v", "bob")
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :x"), [])

    def test_account_needed(self) -> None:
        """404 without an account under C{+R}."""
        self.mode("R")
        self.assertEqual(self.codes(self.bob, "PRIVMSG #x :x"), ["404"])

    def test_notice(self) -> None:
        """A NOTICE is never answered (rule 24)."""
        self.cat.send("AWAY :x")
        for line in (
            "NOTICE",
            "NOTICE #x",
            "NOTICE #x :",
            "NOTICE nobody :x",
            "NOTICE #no :x",
            "NOTICE cat :x",
            "NOTICE a,b,c,d,e,f :x",
        ):
            self.assertEqual(self.ann.ask(line), [], line)

    def test_rate(self) -> None:
        """Beyond the message rate it is 263; a NOTICE is dropped silently."""
        chat = Chat(limits=HubLimits(message_rate=Rate(1.0, 2)))
        ann = chat.client("ann")
        self.assertEqual(
            self.codes(ann, "PRIVMSG ann,ann :x") + self.codes(ann, "NOTICE ann :x"),
            ["PRIVMSG", "NOTICE"],
        )
        self.assertEqual(
            ann.ask("PRIVMSG ann :x"),
            [f":{SERVER} 263 ann PRIVMSG :Please wait a while and try again"],
        )
        self.assertEqual(ann.ask("NOTICE ann :x"), [])


class TagTests(MessageCase):
    """Tests of IRCv3 C{message-tags} and TAGMSG."""

    def test_relayed(self) -> None:
        """Tags with C{+} are relayed to holders; others, and the label, are dropped."""
        dan, eve = self.chat.client("dan", *TAGS), self.chat.client("eve", *TAGS)
        dan.send("@+a=b\\sc;time=x;label=L;d=e PRIVMSG eve,cat :hi")
        heard = eve.lines()[0]
        self.assertEqual(set(heard.tags), {"msgid", "+a"})
        self.assertEqual(heard.tags["+a"], "b\\sc")
        self.assertEqual(dan.lines()[0].tags, heard.tags)
        self.assertEqual(self.cat.lines()[0].tags, {})

    def test_not_negotiated(self) -> None:
        """Tags of a client that did not negotiate them are dropped."""
        dan = self.chat.client("dan", *TAGS)
        self.ann.send("@+a=b PRIVMSG dan :hi", "@+a=b TAGMSG dan")
        self.assertEqual([set(line.tags) for line in dan.lines()], [{"msgid"}])

    def test_tagmsg(self) -> None:
        """TAGMSG goes to holders only, with the same checks as PRIVMSG."""
        dan, eve = self.chat.client("dan", *TAGS), self.chat.client("eve", *TAGS)
        for client in (dan, eve):
            client.send("JOIN #x")
        for client in (dan, eve, self.bob):
            client.raw()
        dan.send("@+typing=active TAGMSG #x")
        (echo,), (heard,) = dan.lines(), eve.lines()
        self.assertEqual((heard.verb, heard.params), ("TAGMSG", ["#x"]))
        self.assertEqual(heard.raw, echo.raw)
        self.assertEqual(self.bob.raw(), [])
        for line, code in (("TAGMSG nobody", "401"), ("TAGMSG #no", "403")):
            self.assertEqual(self.codes(dan, f"@+a=b {line}"), [code])
        self.assertEqual(self.codes(dan, "@+a=b TAGMSG"), ["411"])
        self.assertEqual(self.codes(dan, "TAGMSG nobody"), [])
        self.mode("m")
        self.assertEqual(self.codes(dan, "@+a=b TAGMSG #x"), ["404"])

    def test_account_and_bot(self) -> None:
        """account-tag and the bot tag are on what people say, for holders."""
        dan = self.chat.client("dan", "account-tag", "message-tags")
        eve = self.chat.client("eve", account="Evelyn")
        self.chat.hub.set_user_modes(eve.session.me, True, "B")
        eve.send("PRIVMSG dan :x")
        line = dan.lines()[0]
        self.assertEqual(line.tags["account"], "Evelyn")
        self.assertEqual(line.tags["bot"], "")


class AwayTests(MessageCase):
    """Tests of AWAY (rule 37)."""

    def test_away(self) -> None:
        """AWAY is 306 and 305; who writes to somebody away is told (301)."""
        self.assertEqual(self.codes(self.bob, "AWAY :gone fishing"), ["306"])
        self.assertEqual(
            self.ann.ask("PRIVMSG bob :x"), [f":{SERVER} 301 ann bob :gone fishing"]
        )
        self.assertEqual(self.codes(self.bob, "AWAY :"), ["305"])
        self.assertEqual(self.ann.ask("PRIVMSG bob :x"), [])
        self.assertEqual(self.codes(self.bob, "AWAY"), ["305"])

    def test_notify(self) -> None:
        """Holders among the peers are told of changes once; oneself is not."""
        dan = self.chat.client("dan", "away-notify")
        dan.send("JOIN #x")
        dan.raw()
        self.bob.send("AWAY :x", "AWAY :x", "AWAY", "AWAY")
        self.assertEqual([line.params for line in dan.lines()], [["x"], []])
        self.assertEqual(self.codes(dan, "AWAY :y"), ["306"])

    def test_before_registration(self) -> None:
        """With pre-away one may be away before the registration is complete."""
        self.bob.send("CAP REQ away-notify")
        client = self.chat.connect()
        client.send("CAP REQ :draft/pre-away", "AWAY :early", "NICK dan")
        self.assertEqual(client.verbs(), ["CAP", "306"])
        client.send("USER d 0 * :D", "CAP END")
        self.assertEqual(client.session.me.away, "early")
        for line, away in (("AWAY", None), ("AWAY *", "Away"), ("AWAY :*x", "*x")):
            client.send(line)
            self.assertEqual(client.session.me.away, away)
        self.ann.send("AWAY *")
        self.assertEqual(self.ann.session.me.away, "*")

    def test_back_before_registration(self) -> None:
        """One may also be back before."""
        client = self.chat.connect()
        client.send("CAP REQ :draft/pre-away", "AWAY :early", "AWAY", "NICK dan")
        self.assertEqual(client.verbs(), ["CAP", "306", "305"])
        client.send("USER d 0 * :D", "CAP END")
        self.assertIsNone(client.session.me.away)
