"""Tests of numerics and of 005."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc import numerics
from netsvc.chat.irc.isupport import LINE_TOKENS, Support, changed, lines, words
from netsvc.chat.irc.message import BODY_LIMIT, parse
from netsvc.chat.irc.numerics import TEXTS, reply
from netsvc.chat.limits import HubLimits

SERVER = "irc.example.org"


def _tokens(items: list[str], client: str = "ann") -> list[list[str]]:
    """Write 005 and give the tokens of each line."""
    found = []
    for line in lines(SERVER, client, items):
        assert len(line) <= BODY_LIMIT
        text = line.decode()
        start, end = f":{SERVER} 005 {client} ", " :are supported by this server\r\n"
        assert text.startswith(start) and text.endswith(end)
        found.append(text.removeprefix(start).removesuffix(end).split(" "))
    return found


class NumericTests(SynchronousTestCase):
    """Numerics have names and texts."""

    def test_table(self) -> None:
        """Names are of different numerics of three digits; texts belong to them."""
        codes = {
            name: value
            for name, value in vars(numerics).items()
            if name.startswith(("RPL_", "ERR_"))
        }
        self.assertEqual(len(set(codes.values())), len(codes))
        for code in codes.values():
            self.assertRegex(code, r"\A[0-9]{3}\Z")
        self.assertLessEqual(TEXTS.keys(), set(codes.values()))
        for name, code in codes.items():
            if name.startswith("ERR_"):
                self.assertIn(code, TEXTS)

    def test_reply(self) -> None:
        """The client comes first, the text of the table last, unless told otherwise."""
        for line, text in (
            (reply(SERVER, "401", "ann", "bob"), "401 ann bob :No such nick/channel"),
            (reply(SERVER, "401", "", "a b"), "401 * * :No such nick/channel"),
            (reply(SERVER, "332", "ann", "#c", text="a b"), "332 ann #c :a b"),
            (reply(SERVER, "332", "ann", "#c", text=""), "332 ann #c :"),
            (reply(SERVER, "221", "ann", "+iw"), "221 ann +iw"),
        ):
            self.assertEqual(line.decode(), f":{SERVER} {text}\r\n")


class SupportTests(SynchronousTestCase):
    """005 says what there is."""

    def test_values(self) -> None:
        """The tokens have the values of the settings."""
        limits = HubLimits(nick=20, room=30, topic=40, watching=7, list_entries=9)
        tokens = Support(network="My Net", limits=limits, history=50).tokens()
        for name, value in (
            ("CHANTYPES", "#"),
            ("PREFIX", "(ov)@+"),
            ("CASEMAPPING", "ascii"),
            ("CHANMODES", "beI,k,l,CimnRst"),
            ("NICKLEN", "20"),
            ("CHANNELLEN", "30"),
            ("TOPICLEN", "40"),
            ("NAMELEN", "150"),
            ("MONITOR", "7"),
            ("MAXLIST", "beI:9"),
            ("CHANLIMIT", "#:100"),
            ("CHATHISTORY", "50"),
            ("MSGREFTYPES", "msgid,timestamp"),
            ("EXTBAN", "~,am"),
            ("ACCOUNTEXTBAN", "a"),
            ("BOT", "B"),
            ("WHOX", None),
            ("UTF8ONLY", None),
            ("SAFELIST", None),
            ("ELIST", "CMNTU"),
        ):
            self.assertEqual(tokens[name], value)
        self.assertIn("NETWORK=My\\x20Net", words(tokens))
        self.assertIn("WHOX", words(tokens))
        self.assertIn("PRIVMSG:4,", tokens["TARGMAX"] or "")

    def test_optional(self) -> None:
        """What is not there has no token."""
        plain = Support(network="n", limits=HubLimits()).tokens()
        more = Support(
            network="n",
            limits=HubLimits(),
            history=1,
            denied_tags=("typing", "x"),
            account_required=True,
        ).tokens()
        self.assertEqual(
            words({name: more[name] for name in more if name not in plain}),
            [
                "CHATHISTORY=1",
                "MSGREFTYPES=msgid,timestamp",
                "CLIENTTAGDENY=typing,x",
                "draft/ACCOUNTREQUIRED",
            ],
        )

    def test_lines(self) -> None:
        """No line has more than thirteen tokens, and none is lost."""
        items = words(Support(network="n", limits=HubLimits(), history=9).tokens())
        found = _tokens(items)
        self.assertEqual([token for line in found for token in line], items)
        self.assertLessEqual(max(map(len, found)), LINE_TOKENS)
        self.assertEqual(lines(SERVER, "ann", []), [])

    @given(st.lists(st.from_regex(r"\A[A-Z]{1,9}=[a-z가]{0,60}\Z"), max_size=30))
    def test_long(self, items: list[str]) -> None:
        """A line that would be too long is ended before that."""
        found = _tokens(items, "가" * 32)
        self.assertEqual([token for line in found for token in line], items)

    def test_escape(self) -> None:
        """A value with spaces, backslashes and equal signs is one token."""
        (item,) = words({"NETWORK": "a b\\c=d"})
        self.assertEqual(item, r"NETWORK=a\x20b\x5Cc\x3Dd")
        (line,) = lines(SERVER, "ann", [item])
        message = parse(line.partition(b" ")[2].replace(b"005", b"X", 1)[:-2])
        assert message is not None
        self.assertEqual(message.params[1], item)

    def test_changed(self) -> None:
        """After a reload, what changed is told, and what is gone is withdrawn."""
        self.assertEqual(
            changed({"A": "1", "B": None, "C": "2"}, {"A": "1", "C": "3", "D": None}),
            ["C=3", "D", "-B"],
        )
        self.assertEqual(changed({"A": None}, {"A": None}), [])
