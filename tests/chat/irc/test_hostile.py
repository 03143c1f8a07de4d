"""Tests of what strangers send: nothing of it is a mistake of ours."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc import commands
from netsvc.chat.irc.commands import COMMANDS
from tests.chat.accounts.account_fakes import Chat as Accounts
from tests.chat.irc.kit import Chat, Client
from tests.chat.irc.memory_history import MemoryHistory

commands.load()

WORDS = st.one_of(
    st.sampled_from(
        [
            *("#x", "#y", "@#x", "+#x", "#", "0", "*", "ann", "bob", "cat", "nobody"),
            *("+", "-", "C", "L", "S", "LATEST", "BETWEEN", "TARGETS", "LS", "302"),
            *("+o", "-o", "+b", "+kl", "+ntimsC", "+B", "REQ", "END", "PLAIN"),
            *("msgid=m1", "timestamp=2026-04-30T12:00:00.000Z", "ann,bob", "#x,#y"),
            *("batch labeled-response echo-message message-tags", "%tcuihsnfdlaor,1"),
            *("", ":", "1", "-1", "99999999999999999999", "5,5", "~a:*", "*!*@*"),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12),
)

TAGS = st.sampled_from(["", "", "@label=L ", "@+typing=active ", "@;=;+a=\\ "])

VERBS = st.one_of(
    st.sampled_from(sorted(set(COMMANDS) - {"QUIT"})), st.text("ABC123", max_size=4)
)


@st.composite
def lines(draw: Any) -> bytes:
    """Make a line that may mean something."""
    params: list[str] = draw(st.lists(WORDS, max_size=5))
    colon: bool = draw(st.booleans())
    if params and colon:
        params[-1] = ":" + params[-1]
    verb: str = draw(VERBS)
    tags: str = draw(TAGS)
    return (tags + " ".join([verb, *params])).encode()


LINES = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(lines(), st.binary(max_size=30))),
    max_size=25,
)


class HostileTests(SynchronousTestCase):
    """Tests with lines that Hypothesis makes."""

    def connect(self) -> list[Client]:
        """Connect two that are registered, and one that is not."""
        chat = Chat(history=MemoryHistory(), accounts=Accounts().accounts)
        ann, bob = chat.room("#x", "ann", "bob")
        ann.send("CAP REQ :batch labeled-response echo-message message-tags")
        return [ann, bob, chat.connect()]

    @settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
    @given(LINES)
    def test_any_lines(self, sent: list[tuple[int, bytes]]) -> None:
        """Whatever is sent, all answers are lines, and no command fails."""
        clients = self.connect()
        for number, line in sent:
            client = clients[number]
            client.send(line)
            for each in clients:
                for raw in each.raw():
                    self.assertTrue(raw)
                    self.assertNotIn("\n", raw)
                    body = raw.partition(" ")[2] if raw[0] == "@" else raw
                    self.assertLessEqual(len(body.encode()), 510)

    @given(st.lists(st.binary(max_size=80)))
    def test_any_bytes(self, chunks: list[bytes]) -> None:
        """Whatever bytes come before the registration, they are answered or dropped."""
        client = self.connect()[2]
        for chunk in chunks:
            client.session.receive(chunk)
        client.session.receive(b"\r\nQUIT\r\n")
        self.assertTrue(client.raw()[-1].startswith("ERROR "))
