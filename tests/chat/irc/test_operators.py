"""Tests of OPER, KILL, REHASH, WALLOPS."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.accounts.errors import BusyError
from tests.chat.irc.kit import SERVER, Chat, Client
from tests.chat.irc.memory_history import Pending


class FakeVerifier:
    """
    Knows that the password of C{hash-x} is C{x}.

    @ivar asked: The hashes that were asked for.
    @ivar pending: What to wait for, or C{None}.
    """

    def __init__(self) -> None:
        """Answer at once."""
        self.asked: list[str] = []
        self.pending: Pending | None = None
        self.busy = False

    async def verify(self, hashed: str, password: str) -> bool:
        """Say whether a password belongs to a hash."""
        self.asked.append(hashed)
        if self.busy:
            raise BusyError
        if self.pending is not None:
            await self.pending
        return hashed == f"hash-{password}"


class _Case(SynchronousTestCase):
    """A chat with one operator's name."""

    def setUp(self) -> None:
        """Start it, with two people."""
        self.notes: list[tuple[str, str, str]] = []
        self.verifier = FakeVerifier()
        self.chat = Chat(
            operators={"root": "hash-pw"},
            verifier=self.verifier,
            noted=lambda *note: self.notes.append(note),
            **self.more(),
        )
        self.ann = self.chat.client("ann")
        self.bob = self.chat.client("bob", address="198.51.100.7")

    def more(self) -> dict[str, Any]:
        return {}

    def count(self, name: str) -> int:
        return self.chat.network.counters[name]

    def oper(self, client: Client) -> None:
        client.send("OPER root pw")
        self.assertIn("381", client.verbs())
        self.notes.clear()


class OperTests(_Case):
    """OPER."""

    def test_right(self) -> None:
        """The right password gives 381 and the mode; that is counted and noted."""
        self.assertEqual(
            self.ann.ask("OPER root pw"),
            [
                f":{SERVER} 381 ann :You are now an IRC operator",
                ":ann!ann@192.0.2.1.cloak MODE ann +o",
            ],
        )
        self.assertEqual(self.ann.session.me.oper, "root")
        self.assertEqual(self.count("oper-login"), 1)
        self.assertEqual(
            self.notes, [("root (ann!ann@192.0.2.1.cloak)", "login", "root")]
        )
        self.assertEqual(
            self.ann.ask("OPER root pw"),
            [f":{SERVER} 381 ann :You are now an IRC operator"],
        )

    def test_wrong(self) -> None:
        """A wrong password, or a name that there is not, is 464 after equal work."""
        for line in ("OPER root no", "OPER nobody pw", "OPER nobody no"):
            self.assertEqual(
                self.ann.ask(line), [f":{SERVER} 464 ann :Password incorrect"]
            )
        self.assertEqual(self.verifier.asked, ["hash-pw"] * 3)
        self.assertIsNone(self.ann.session.me.oper)
        self.assertNotIn("o", self.ann.session.me.modes)
        self.assertEqual(self.count("oper-refused"), 3)
        self.assertEqual(
            self.notes[1], ("ann!ann@192.0.2.1.cloak", "refused", "nobody")
        )

    def test_noted_safely(self) -> None:
        """What is noted has nothing in it that does something to a terminal."""
        self.ann.send("OPER \x1b[2J pw", "OPER root pw", "KILL bob :\x1b[2J\u202ex")
        what = [note[1:] for note in self.notes]
        self.assertIn(("refused", "^[[2J"), what)
        self.assertIn(("kill", "bob!bob@198.51.100.7.cloak: ^[[2Jx"), what)

    def test_parameters(self) -> None:
        """OPER without a password is 461."""
        self.assertEqual(self.ann.ask("OPER root")[0][17:29], "461 ann OPER")

    def test_nobody_may(self) -> None:
        """Where nobody may be an operator, OPER is 491."""
        self.chat.network.operators.clear()
        self.assertEqual(
            self.ann.ask("OPER root pw"),
            [f":{SERVER} 491 ann :No O-lines for your host"],
        )
        self.assertEqual(self.verifier.asked, [])

    def test_throttled(self) -> None:
        """One source may be wrong some times, then it has to wait; others need not."""
        for _ in range(5):
            self.ann.ask("OPER root no")
        self.assertEqual(self.ann.ask("OPER root pw")[0][17:29], "263 ann OPER")
        self.assertEqual(self.count("oper-throttled"), 1)
        self.assertEqual(len(self.verifier.asked), 5)
        self.assertIn("381", self.bob.ask("OPER root pw")[0])
        self.chat.clock.advance(12)
        self.assertIn("381", self.ann.ask("OPER root pw")[0])

    def test_right_costs_nothing(self) -> None:
        """The right password may be given as often as one likes."""
        for _ in range(20):
            self.assertIn("381", self.ann.ask("OPER root pw")[0])

    def test_busy(self) -> None:
        """When too much is being checked, OPER is 263, and that is no wrong try."""
        self.verifier.busy = True
        for _ in range(9):
            self.assertEqual(self.ann.ask("OPER root pw")[0][17:29], "263 ann OPER")
        self.verifier.busy = False
        self.assertIn("381", self.ann.ask("OPER root pw")[0])

    def test_slow(self) -> None:
        """While the password is checked nothing is read; who goes is no operator."""
        self.verifier.pending = Pending()
        self.assertEqual(self.ann.ask("OPER root pw", "PING x"), [])
        self.assertTrue(self.ann.link.held)
        self.bob.send("OPER root pw")
        self.chat.network.kill(self.bob.session.me, "out")
        self.verifier.pending.complete()
        self.ann.link.resume()
        self.bob.link.resume()
        self.assertEqual(self.ann.verbs(), ["381", "MODE", "PONG"])
        self.assertIsNone(self.bob.session.me.oper)


class KillTests(_Case):
    """KILL."""

    def test_not_operator(self) -> None:
        """Who is no operator gets 481, also for themselves."""
        for nick in ("bob", "ann", "nobody"):
            self.assertEqual(self.ann.ask(f"KILL {nick} :x")[0][17:20], "481")
        self.assertFalse(self.ann.closed or self.bob.closed)

    def test_kill(self) -> None:
        """Who is killed is told by whom and why; peers see a QUIT."""
        self.oper(self.ann)
        eve = self.chat.client("eve")
        for client in (self.bob, eve):
            client.send("JOIN #c")
            client.raw()
        eve.raw()
        self.assertEqual(self.ann.ask("KILL BOB :too loud"), [])
        self.assertEqual(
            self.bob.raw()[-2:],
            [
                ":ann!ann@192.0.2.1.cloak KILL bob :too loud",
                "ERROR :Closing Link: 198.51.100.7 (Killed (ann (too loud)))",
            ],
        )
        self.assertTrue(self.bob.closed)
        self.assertEqual(
            eve.raw(), [":bob!bob@198.51.100.7.cloak QUIT :Killed (ann (too loud))"]
        )
        self.assertEqual(
            self.notes,
            [
                (
                    "root (ann!ann@192.0.2.1.cloak)",
                    "kill",
                    "bob!bob@198.51.100.7.cloak: too loud",
                )
            ],
        )
        self.assertEqual(self.count("oper-kill"), 1)
        self.assertEqual(self.ann.ask("KILL bob :x")[0][17:28], "401 ann bob")

    def test_without_reason(self) -> None:
        """The reason may be left out; an operator may kill themselves."""
        self.oper(self.ann)
        self.assertIn("(No reason given)", self.ann.ask("KILL ann")[-1])
        self.assertTrue(self.ann.closed)

    def test_elsewhere(self) -> None:
        """Somebody of another frontend is told in its way."""
        self.oper(self.ann)
        member = self.bob.session.me
        object.__setattr__(member.person, "frontend", "line")
        self.bob.raw()
        self.ann.send("KILL bob :x")
        self.assertEqual(self.bob.verbs(), ["ERROR"])


class RehashTests(_Case):
    """REHASH."""

    def more(self) -> dict[str, Any]:
        self.wrong = ""
        return {"rehash": lambda: self.wrong}

    def test_rehash(self) -> None:
        """REHASH is 382, and then says how it went."""
        self.assertEqual(self.ann.ask("REHASH")[0][17:20], "481")
        self.oper(self.ann)
        start = f":{SERVER} 382 ann netsvc-chat :Rehashing"
        self.assertEqual(
            self.ann.ask("REHASH"),
            [start, f":{SERVER} NOTICE ann :The configuration has been read again"],
        )
        self.wrong = "no such file"
        self.assertEqual(
            self.ann.ask("REHASH"),
            [
                start,
                f":{SERVER} NOTICE ann :The configuration stays as it was:"
                " no such file",
            ],
        )
        self.assertEqual(self.count("oper-rehash"), 2)
        self.assertEqual(self.count("oper-rehash-failed"), 1)


class WallopsTests(_Case):
    """WALLOPS."""

    def test_wallops(self) -> None:
        """Operators and all who have +w hear it, and nobody else."""
        eve = self.chat.client("eve")
        eve.send("MODE eve +w")
        self.assertEqual(
            self.ann.ask("WALLOPS :hi"),
            [f":{SERVER} 481 ann :Permission Denied - You're not an IRC operator"],
        )
        self.oper(self.ann)
        eve.raw()
        self.bob.raw()
        line = ":ann!ann@192.0.2.1.cloak WALLOPS :hi all"
        self.assertEqual(self.ann.ask("WALLOPS :hi all"), [line])
        self.assertEqual(eve.raw(), [line])
        self.assertEqual(self.bob.raw(), [])
        self.assertEqual(self.ann.ask("WALLOPS :")[0][17:20], "461")
        self.assertEqual(self.count("oper-wallops"), 1)
