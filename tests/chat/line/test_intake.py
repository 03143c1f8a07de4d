"""Bytes to lines, not faster than they may come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.line.frontend import NOP
from netsvc.chat.line.intake import TURN
from netsvc.chat.line.options import LineOptions
from netsvc.chat.line.telnet import ASK_BINARY
from netsvc.daemon.limits import Rate
from tests.chat.line.kit import Client, LineChat


def pair(options: LineOptions | None = None) -> tuple[LineChat, Client, Client]:
    """Let two in."""
    chat = LineChat(options)
    alice, bob = chat.clients("alice", "bob")
    return chat, alice, bob


def guests() -> tuple[LineChat, Client, Client]:
    """Let two in who have typed nothing."""
    chat = LineChat()
    alice, bob = chat.clients("", "")
    return chat, alice, bob


class LineTests(SynchronousTestCase):
    """Lines."""

    def test_line_ends(self) -> None:
        """LF, CR LF, CR NUL and CR all end a line."""
        _, alice, bob = pair()
        bob.feed(b"a\nb\r\nc\r\0d\re\r\n\r\n")
        self.assertEqual(
            alice.read(), ["<bob> a", "<bob> b", "<bob> c", "<bob> d", "<bob> e"]
        )

    def test_split_anywhere(self) -> None:
        """However bytes are split, the same is said."""
        data = "\uc548\ub155\r\n/me \ub620\n".encode() + b"\xff\xfb\x1fend\n"
        for at in range(len(data)):
            _, alice, bob = pair()
            bob.feed(data[:at])
            bob.feed(data[at:])
            self.assertEqual(
                alice.read(),
                ["<bob> \uc548\ub155", "* bob \ub620", "<bob> end"],
            )

    def test_too_long(self) -> None:
        """A line that is too long is not sent, and its author is told so."""
        chat, alice, bob = pair(LineOptions(line_limit=11))
        bob.feed(b"x" * 12)
        self.assertEqual(
            bob.read(),
            ["! that line was not sent, it is longer than 11 bytes: send it in parts"],
        )
        bob.feed(b"xxx\nhi\n")
        self.assertEqual((alice.read(), bob.read()), (["<bob> hi"], []))
        self.assertEqual(chat.counters["line-too-long"], 1)

    def test_telnet(self) -> None:
        """Telnet's negotiation is answered, and shown to nobody."""
        chat, alice, bob = pair()
        bob.feed(b"\xff\xfd\x03\xff\xfb\x1fhi\r\n")
        self.assertEqual(bob.data, ASK_BINARY + b"\xff\xfc\x03\xff\xfe\x1f")
        self.assertEqual(alice.read(), ["<bob> hi"])
        bob.data = b""
        chat.frontend.tick()
        chat.advance(60)
        chat.frontend.tick()
        chat.frontend.tick()
        self.assertEqual((alice.data, bob.data), (b"", NOP))
        bob.lose()
        chat.advance(60)
        chat.frontend.tick()
        self.assertEqual(chat.frontend.telnets, {})


class QuietTests(SynchronousTestCase):
    """Clients that end no line."""

    def test_quiet(self) -> None:
        """What has no end is a line after a short while."""
        chat, alice, bob = guests()
        bob.feed(b"h")
        chat.advance(0.2)
        bob.feed(b"i")
        chat.advance(0.2)
        self.assertEqual(alice.read(), [])
        chat.advance(0.2)
        self.assertEqual(alice.read(), ["<guest2> hi"])
        self.assertEqual(chat.due, [])

    def test_within_a_character(self) -> None:
        """A character that is not whole is waited for once more."""
        chat, alice, bob = guests()
        data = "\uc548\ub155".encode()
        bob.feed(data[:-1])
        chat.advance(0.3)
        self.assertEqual(alice.read(), [])
        bob.feed(data[-1:])
        chat.advance(0.3)
        self.assertEqual(alice.read(), ["<guest2> \uc548\ub155"])
        bob.feed(data[:-1])
        chat.advance(1)
        self.assertEqual(len(alice.read()), 1)

    def test_clients_that_end_lines(self) -> None:
        """Who has ended a line, or speaks telnet, may think within one."""
        for first in (b"x\n", b"\xff\xfb\x1f"):
            chat, alice, bob = pair()
            bob.feed(first)
            alice.read()
            bob.feed(b"hi")
            chat.advance(10)
            self.assertEqual(alice.read(), [])
            bob.feed(b"\n")
            self.assertEqual(alice.read(), ["<bob> hi"])


class EndTests(SynchronousTestCase):
    """The end of what a client sends."""

    def test_half_closed(self) -> None:
        """What was sent is delivered, then the connection ends (echo hi | nc)."""
        _, alice, bob = pair()
        bob.feed(b"one\ntwo")
        bob.intake.end()
        self.assertTrue(bob.closed)
        self.assertEqual(
            alice.read(),
            ["<bob> one", "<bob> two", "* bob has quit (Connection closed)"],
        )
        self.assertEqual(bob.read(), [])

    def test_half_closed_and_slow(self) -> None:
        """What waits for its turn is delivered before the connection ends."""
        chat, alice, bob = pair(LineOptions(command_rate=Rate(1, 2)))
        chat.advance(10)
        bob.feed(b"a\nb\nc\nd\n")
        bob.intake.end()
        self.assertFalse(bob.closed)
        chat.advance(10)
        self.assertTrue(bob.closed)
        self.assertEqual([line[-1] for line in alice.read()], ["a", "b", "c", "d", ")"])

    def test_half_closed_twice(self) -> None:
        """An end after the end is nothing new."""
        _, _, bob = pair()
        bob.type("/quit")
        bob.intake.end()
        self.assertTrue(bob.closed)

    def test_lost(self) -> None:
        """What came before a connection was lost is still said, also without end."""
        chat, alice, bob = guests()
        bob.feed(b"hi")
        bob.lose()
        self.assertEqual(
            alice.read(), ["<guest2> hi", "* guest2 has quit (Connection lost)"]
        )
        self.assertEqual(chat.due, [])

    def test_lost_flood(self) -> None:
        """What came too fast before a connection was lost is dropped."""
        chat, alice, bob = pair(LineOptions(command_rate=Rate(1, 2)))
        chat.advance(10)
        bob.feed(b"a\nb\nc\nd\ne\n")
        bob.lose()
        self.assertEqual(len(alice.read()), 2)
        self.assertEqual(chat.due, [])


class ForeignTests(SynchronousTestCase):
    """What is no text."""

    def test_tls(self) -> None:
        """A TLS client is told that it found the wrong port."""
        chat, alice, bob = pair()
        stranger = chat.connect()
        stranger.read()
        alice.read()
        stranger.feed(b"\x16\x03\x01\x02\x00\x01")
        self.assertEqual(stranger.read(), ["! this port does not speak TLS"])
        self.assertTrue(stranger.closed)
        bob.feed(b"\x16\x03\n")
        self.assertFalse(bob.closed)
        self.assertEqual(chat.counters["line-no-text-protocol"], 1)

    def test_irc(self) -> None:
        """An IRC client does not say its password in the lobby."""
        for data in (
            b"CAP LS 302\r\n",
            b"CAP LS\r\nPASS secret\r\n",
            b"PASS secret\r\nCAP LS 302\r\n",
            b"PASS secret\r\nNICK bob\r\n",
            b"NICK bob\r\nUSER bob 0 * :Bob\r\n",
        ):
            chat, alice, _ = pair()
            stranger = chat.connect()
            stranger.read()
            alice.read()
            stranger.feed(data)
            self.assertEqual(stranger.read(), ["! this port does not speak IRC"])
            self.assertTrue(stranger.closed)
            self.assertEqual(len(alice.read()), 1)
            self.assertEqual(chat.counters["line-no-text-protocol"], 1)

    def test_capitals(self) -> None:
        """People may begin with such words, and say more later."""
        for data in (b"CAP LSD\n", b"PASS the salt\n", b"NICK is here\nhello\n"):
            chat, alice, _ = pair()
            person = chat.connect()
            person.feed(data)
            self.assertFalse(person.closed)
            person.feed(b"CAP LS 302\n")
            self.assertIn("CAP LS 302", alice.read()[-1])

    def test_http(self) -> None:
        """A web page cannot make its reader's browser say anything."""
        chat, alice, _ = pair()
        browser = chat.connect()
        browser.read()
        alice.read()
        browser.feed(b"POST /x HTTP/1.1\r\nHost: x\r\n\r\n/join #x\r\nspam\r\n")
        self.assertEqual(browser.read(), ["! this is a chat, and no web server"])
        self.assertEqual(len(alice.read()), 1)
        self.assertTrue(browser.closed)


class FloodTests(SynchronousTestCase):
    """Those who send too fast."""

    def setUp(self) -> None:
        """Allow two lines a second, and four at once."""
        options = LineOptions(command_rate=Rate(2, 4), flood_patience=10)
        self.chat, self.alice, self.bob = pair(options)
        self.chat.advance(60)
        self.alice.read()

    def test_waits(self) -> None:
        """What comes too fast waits, unread, and is said at the rate."""
        self.bob.feed(b"".join(b"%d\n" % number for number in range(8)))
        self.assertEqual(len(self.alice.read()), 3)
        self.assertTrue(self.bob.held)
        self.assertEqual(
            self.bob.read(),
            [
                "! you send more than 2 lines a second, which wait now: slow down;"
                " after 10 s of that you are cut off"
            ],
        )
        self.chat.advance(1)
        self.assertEqual(len(self.alice.read()), 2)
        self.chat.advance(3)
        self.assertEqual([line[-1] for line in self.alice.read()], ["5", "6", "7"])
        self.assertFalse(self.bob.held)
        self.assertEqual(self.bob.read(), [])
        self.assertEqual(self.chat.counters["line-flood-wait"], 1)

    def test_turns(self) -> None:
        """Who sends a lot of work at once lets others have a turn in between."""
        chat, alice, bob = pair(LineOptions(command_rate=None))
        alice.read()
        now = iter(range(1000))
        chat.network.seconds = lambda: next(now) * TURN / 4
        bob.feed(b"x\n" * 10)
        first = len(alice.read())
        self.assertTrue(0 < first < 10 and bob.held)
        chat.advance(0)
        self.assertEqual(len(alice.read()), 10 - first)
        self.assertFalse(bob.held)

    def test_cut(self) -> None:
        """Who goes on like that for long is cut, with the reason."""
        for _ in range(30):
            self.chat.advance(0.5)
            if not self.bob.held and not self.bob.closed:
                self.bob.feed(b"x\n" * 4)
        self.assertTrue(self.bob.closed)
        self.assertIn("Excess flood", self.bob.read()[-1])
        self.assertIn("Excess flood", self.alice.read()[-1])
        self.assertEqual(self.chat.counters["line-flood-cut"], 1)
        self.assertEqual(self.chat.due, [])

    def test_small_burst(self) -> None:
        """With a small burst they are cut as well, although timers are late."""
        chat = LineChat(LineOptions(command_rate=Rate(2, 2), flood_patience=10))
        client = chat.connect()
        client.feed(b"x\n" * 100)
        for _ in range(25):
            for timer in chat.due:
                timer.at += 0.01
            chat.advance(0.51)
        self.assertTrue(client.closed)
        self.assertEqual(chat.counters["line-flood-cut"], 1)

    def test_calms_down(self) -> None:
        """Who has calmed down is warned anew, not cut."""
        for _ in range(5):
            self.bob.feed(b"x\n" * 8)
            self.chat.advance(9)
        self.assertFalse(self.bob.closed)
        self.assertEqual(self.chat.counters["line-flood-wait"], 5)

    def test_bytes(self) -> None:
        """Bytes without lines cost as well."""
        self.bob.feed(b"x" * 2048)
        self.assertFalse(self.bob.held)
        self.bob.feed(b"x" * 2048)
        self.assertTrue(self.bob.held)
        self.bob.read()
        self.chat.advance(3)
        self.assertFalse(self.bob.held)
        self.bob.feed(b"\n" * 4096)
        self.assertTrue(self.bob.held)

    def test_no_limit(self) -> None:
        """Without a rate, nothing waits; without patience, nobody is cut."""
        _, alice, bob = pair(LineOptions(command_rate=None))
        bob.feed(b"x\n" * 1000)
        self.assertEqual(len(alice.read()), 1000)
        options = LineOptions(command_rate=Rate(1, 1), flood_patience=0)
        chat = LineChat(options)
        client = chat.connect()
        client.feed(b"x\n" * 200)
        chat.advance(100)
        self.assertFalse(client.closed)


class HostileTests(SynchronousTestCase):
    """Whatever strangers send."""

    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=60),
                st.sampled_from(
                    [
                        b"/join ",
                        b"/part ",
                        b"/nick ",
                        b"/msg ",
                        b"/ban ",
                        b"/unban ",
                        b"/mute ",
                        b"/topic ",
                        b"/history ",
                        b"/who ",
                        b"/op ",
                        b"/kick ",
                        b"/charset cp949",
                        b"/login ",
                        b"#lobby ",
                        b"#x ",
                        b"bob ",
                        b"guest1",
                        b"\n",
                        b"\r\n",
                        b"\xff\xfb\x01",
                        b"\xff\xfa\x1f",
                        b"\x01ACTION ",
                        b"\x1b[2J",
                        b"\xc2\x9b",
                        b"\x8cc",
                    ]
                ),
            ),
            max_size=40,
        ),
        st.booleans(),
        st.booleans(),
    )
    def test_anything(self, parts: list[bytes], holding: bool, ending: bool) -> None:
        """No bytes make a mistake of ours, or reach another terminal raw."""
        chat = LineChat(LineOptions(line_limit=100))
        alice, bob = chat.clients("alice", "bob")
        stranger = chat.connect("192.0.2.7")
        alice.type("/op guest3")
        chat.memory.holding = holding
        for part in parts:
            stranger.feed(part)
            if part[:1] == b"/":
                chat.advance(0.1)
        chat.advance(1)
        if ending:
            stranger.intake.end()
        for _ in range(len(parts) * 2 + 2):
            chat.commit()
        stranger.lose()
        for _ in range(3):
            chat.commit()
        self.assertEqual(stranger.failures, [])
        for client in (alice, bob):
            for line in client.read():
                raw = [char for char in line if char < " " or "\x7f" <= char <= "\x9f"]
                self.assertEqual(set(raw) - {"\t"}, set(), line)
        self.assertNotIn(stranger.session, chat.frontend.sessions)
        self.assertEqual(chat.courier.waiting, 0)
        self.assertEqual(len(chat.hub.state.members), 2)
