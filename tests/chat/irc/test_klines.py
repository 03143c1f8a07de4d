"""Tests of KLINE and UNKLINE."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.ban_masks import means
from netsvc.chat.network import Ban
from netsvc.chat.store.errors import StoreBusyError
from tests.chat.irc.kit import SERVER, START, Chat, Client


class FakeBans:
    """
    Bans in memory.

    @ivar kept: They, by mask.
    @ivar full: Whether there is no room for more.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.kept: dict[str, Ban] = {}
        self.full = False

    def find(self, user: str, hosts: Sequence[str]) -> Ban | None:
        """Give the ban that names somebody."""
        for ban in self.kept.values():
            if means(ban.mask, user, hosts):
                return ban
        return None

    async def add(self, ban: Ban) -> None:
        """Set a ban."""
        if self.full:
            raise StoreBusyError("there are 2 bans already")
        self.kept[ban.mask] = ban

    async def remove(self, mask: str) -> bool:
        """Lift a ban."""
        return self.kept.pop(mask, None) is not None

    def all(self) -> Sequence[Ban]:
        """Give all."""
        return list(self.kept.values())


class KlineTests(SynchronousTestCase):
    """Bans from the whole server."""

    def setUp(self) -> None:
        """An operator, and two from elsewhere."""
        self.notes: list[tuple[str, str, str]] = []
        self.bans = FakeBans()
        self.chat = Chat(bans=self.bans, noted=lambda *note: self.notes.append(note))
        self.root = self.chat.client("root", address="2001:db8::1")
        self.chat.hub.set_operator(self.root.session.me, "admin")
        self.bob = self.chat.client("bob", address="198.51.100.7")
        self.eve = self.chat.client("eve")

    def _notices(self, line: str) -> list[str]:
        self.root.raw()
        self.root.send(line)
        lines = self.root.lines()
        self.assertEqual({each.verb for each in lines}, {"NOTICE"})
        return [each.params[-1] for each in lines]

    def test_for_ever(self) -> None:
        """A ban holds for those who are here and for those who come."""
        self.assertEqual(
            self._notices("KLINE bob@198.51.100.* :too loud"),
            ["bob@198.51.100.* is banned for ever; 1 put out"],
        )
        self.assertEqual(
            self.bans.all(),
            [Ban("bob@198.51.100.*", "too loud", "admin", START, None)],
        )
        self.assertTrue(self.bob.closed)
        self.assertEqual(
            self.bob.raw()[-1],
            "ERROR :Closing Link: 198.51.100.7 (K-lined: too loud)",
        )
        self.assertFalse(self.eve.closed)
        again = self._try("bob", "198.51.100.9")
        self.assertTrue(again.closed)
        self.assertIn(f":{SERVER} 465 bob :too loud", again.raw())
        self.assertFalse(self._try("other", "198.51.100.9").closed)
        self.assertEqual(self.chat.network.counters["oper-kline"], 1)
        self.assertEqual(self.chat.network.counters["oper-kline-killed"], 1)
        self.assertEqual(
            self.notes,
            [
                (
                    "admin (root!root@2001:db8::1.cloak)",
                    "kline",
                    "bob@198.51.100.* for ever: too loud",
                )
            ],
        )

    def _try(self, nick: str, address: str) -> Client:
        client = self.chat.connect(address)
        client.send(f"NICK {nick}", f"USER {nick} 0 * :x")
        return client

    def test_duration(self) -> None:
        """A duration comes first; the reason may be left out."""
        self.assertEqual(
            self._notices("KLINE 90 192.0.2.0/24"),
            ["*@192.0.2.0/24 is banned until 2026-04-30T13:30:00Z; 1 put out"],
        )
        (ban,) = self.bans.all()
        self.assertEqual(ban.expires, START + 90 * 60 * 1000)
        self.assertEqual(ban.reason, "No reason given")
        self.assertTrue(self.eve.closed)
        self._notices("KLINE 1d2h bad.example two words")
        ban = self.bans.kept["*@bad.example"]
        self.assertEqual(ban.reason, "two words")
        self.assertEqual(ban.expires, START + 26 * 3600 * 1000)
        self._notices("KLINE 0 worse.example x")
        self.assertIsNone(self.bans.kept["*@worse.example"].expires)

    def test_refused(self) -> None:
        """What is no mask, means nearly everybody, or oneself, is not banned."""
        for mask in ("*", "*@*", "a?@*", "1.2.3.4/3", "x/y", "u@"):
            (text,) = self._notices(f"KLINE {mask} :x")
            self.assertIn("A mask is user@host", text)
        (text,) = self._notices("KLINE 2001:db8::/32 :x")
        self.assertEqual(text, "*@2001:db8::/32 means you")
        self.assertEqual(self.bans.all(), [])
        self.bans.full = True
        self.assertEqual(
            self.root.ask("KLINE a.example :x"),
            [f":{SERVER} 400 root KLINE :there are 2 bans already"],
        )
        self.chat.network.bans = None
        self.assertEqual(self._notices("KLINE a.example"), ["No bans are kept here"])
        self.assertEqual(self.notes, [])

    def test_lifted(self) -> None:
        """UNKLINE lifts a ban, in the form in which it was set."""
        self._notices("KLINE a.example :x")
        self.notes.clear()
        self.assertEqual(
            self._notices("UNKLINE a.example"), ["*@a.example is banned no more"]
        )
        self.assertEqual(self.notes[0][1:], ("unkline", "*@a.example"))
        for mask in ("a.example", "*"):
            self.assertEqual(
                self._notices(f"UNKLINE {mask}"),
                ["There is no such ban: see STATS k"],
            )

    def test_for_operators(self) -> None:
        """Who is no operator is refused by 481, and without a mask it is 461."""
        for verb in ("KLINE", "UNKLINE"):
            self.assertEqual(self.eve.ask(f"{verb} a.example")[0][17:20], "481")
            self.assertEqual(self.root.ask(verb)[0][17:20], "461")
