"""Clients behind NATs: who finds a direct path, and that all messages arrive."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

from tests.integration.echo_process import PATIENCE, until
from tests.integration.nat_lab import CONE, KINDS, NONE, SERVER, SYMMETRIC, Lab, Space
from tests.integration.relay_programs import AGAIN, Program, ProgramCase

#: The relay's ports in the lab.
PORT, SECOND = 7075, 7076

#: Pairings that find no direct path: one NAT gives another port to each destination,
#: the other lets in only what comes from the port that was sent to.
NO_PATH = {(CONE, SYMMETRIC), (SYMMETRIC, CONE), (SYMMETRIC, SYMMETRIC)}

#: How often a NAT is given the time to forget.
TRIES = 3

#: Messages of each kind, each way, in each pairing.
MESSAGES = 6


class NatCase(ProgramCase):
    """A lab with a relay in it."""

    def setUp(self) -> None:
        """Build the lab, and start the relay."""
        super().setUp()
        self.lab = Lab(self)
        self.server = self.relay(
            *("--listen", f"udp:{PORT}", "--alternate", f"udp:{SECOND}"),
            wrap=self.lab.server.wrap(),
        )

    def come(self, space: Space, *words: str) -> Program:
        """Start C{netsvc chat} in a pipe."""
        return self.chat(f"udp:{SERVER}:{PORT}", *words, wrap=space.wrap())


class PairingTests(NatCase):
    """All pairings at once, with loss."""

    def test_pairings(self) -> None:
        """
        With every twentieth datagram lost, all messages arrive once and in order in
        all nine pairings; they go directly but where a symmetric NAT meets a NAT.
        """
        self.lab.lose(5)
        clients: dict[str, Program] = {}
        for side in "ab":
            for own in KINDS:
                pairs = [
                    (own, other) if side == "a" else (other, own) for other in KINDS
                ]
                users = [f"{side}-{a}-{b}:{a}-{b}" for a, b in pairs]
                program = Program(
                    self,
                    *(sys.executable, "-m", "tests.integration.relay_clients"),
                    *(f"{SERVER}:{PORT}", *users),
                    wrap=self.lab.side(own).wrap(),
                )
                for a, b in pairs:
                    clients[f"{side}-{a}-{b}"] = program
        for nick, program in clients.items():
            program.sees(f"{nick}\tentered True")
        self._talk(clients, "early")
        self._ask_until_hopeless(clients)
        for nick, program in clients.items():
            program.type(f"{nick}\t/path {_other(nick)}")
            if _is_direct(nick):
                # Asked again if need be: a busy machine may miss all of the punches.
                path = f"{nick}\t* direct path to {_other(nick)}: {SERVER[:-1]}"
                program.gets(path, f"{nick}\t/direct {_other(nick)}")
        self._talk_directly(clients)
        for nick, program in clients.items():
            if nick.split("-")[1 if nick[0] == "a" else 2] == SYMMETRIC:
                self.assertIn(f"{nick}\t* path: your NAT is symmetric", program.shown)
        for program in set(clients.values()):
            program.leave()
        for program in set(clients.values()):
            self.assertEqual(program.process.wait(PATIENCE), 0)
        counts = self.stop_relay(self.server)
        self.assertEqual(counts["frames-sessions"], 18)

    def _ask_until_hopeless(self, clients: dict[str, Program]) -> None:
        """Ask for the paths that cannot be until the answers say so."""

        def still_hoping() -> list[str]:
            nicks = [
                nick
                for nick, program in clients.items()
                if not _is_direct(nick)
                and f"{nick}\t* path to {_other(nick)}: relay: no answer to"
                not in program.shown
            ]
            for nick in nicks:
                clients[nick].type(f"{nick}\t/path {_other(nick)}")
            time.sleep(0.3 if nicks else 0)
            return nicks

        until(lambda: not still_hoping(), "all attempts are given up", PATIENCE)

    def _talk_directly(self, clients: dict[str, Program]) -> None:
        """
        All talk to all they are to talk to, by the way there is.

        A path on which nothing moves for three seconds is given up, and comes back:
        that may be the machine, so there is more than one try.
        """
        wrong: set[str] = set()
        for word in ("late", "later", "last"):
            self._talk(clients, word)
            wrong = {
                nick
                for nick, program in clients.items()
                if _line(nick, f"{word} {MESSAGES - 1}") not in program.shown
            }
            if not wrong:
                return
            time.sleep(AGAIN)
        self.fail(f"what came last for {sorted(wrong)} came another way")

    def _talk(self, clients: dict[str, Program], word: str) -> None:
        """All talk to all they are to talk to, and hear all that is said."""
        for number in range(MESSAGES):
            for nick, program in clients.items():
                program.type(
                    f"{nick}\t{word} room {number}",
                    f"{nick}\t/msg {_other(nick)} {word} {number}",
                )
        for nick, program in clients.items():
            other = _other(nick)
            wanted = [f"{word} {number}" for number in range(MESSAGES)]
            private = _reader(
                program, rf"^{nick}\t(?:\(direct\) )?-{other}- ({word} .*)$"
            )
            self._hear(private, set(wanted))
            self.assertEqual(sorted(private()), wanted)
            wanted = [f"{word} room {number}" for number in range(MESSAGES)]
            room = _reader(program, rf"^{nick}\t<{other}> ({word} .*)$")
            self._hear(room, set(wanted))
            self.assertEqual(room(), wanted)

    def _hear(self, read: Callable[[], list[str]], wanted: set[str]) -> None:
        try:
            until(lambda: wanted <= set(read()), "all is heard", PATIENCE)
        except AssertionError:
            raise AssertionError(f"{sorted(wanted)} but {read()}") from None


def _other(nick: str) -> str:
    """Give the nick of who one talks to."""
    return ("b" if nick[0] == "a" else "a") + nick[1:]


def _is_direct(nick: str) -> bool:
    """Whether there is a direct path between somebody and who they talk to."""
    return (nick.split("-")[1], nick.split("-")[2]) not in NO_PATH


def _line(nick: str, text: str) -> str:
    """Give how somebody is shown what the other one says, by the way it has to go."""
    return f"{nick}\t{'(direct) ' * _is_direct(nick)}-{_other(nick)}- {text}\n"


def _reader(program: Program, pattern: str) -> Callable[[], list[str]]:
    """Give what reads all that a program has shown of something."""
    return lambda: re.findall(pattern, program.shown, re.MULTILINE)


class CommandTests(NatCase):
    """C{netsvc chat} itself."""

    def test_direct(self) -> None:
        """Two commands behind cone NATs find a direct path, and say so."""
        alice = self.come(self.lab.side(CONE), "--nick", "alice")
        bob = self.come(self.lab.side(CONE), "--nick", "bob", "--direct", "force")
        alice.sees("is now known as alice")
        bob.sees("is now known as bob")
        bob.type("/msg alice early")
        bob.sees("netsvc chat: not sent: there is no direct path to alice")
        alice.sees("* direct: bob asks for a direct path: /direct bob agrees")
        alice.type("/direct bob")
        alice.gets("* direct path to bob: 203.0.113.12:", "/direct bob")
        bob.sees("* direct path to alice: 203.0.113.11:")
        bob.type("/msg alice 안녕")
        alice.sees("(direct) -bob- 안녕")
        alice.type("/msg bob hi", "/path")
        alice.sees(
            "* path to bob: direct to 203.0.113.12:", "confirmed ", ", by all alike"
        )
        # Whatever was typed last arrives before the end of the input is the end.
        self.assertEqual(alice.finish(), 0)
        bob.sees("(direct) -> alice: 안녕", "(direct) -alice- hi")
        self.assertNotIn("early", alice.shown)
        # One message was not sent.
        self.assertEqual(bob.finish(), 1)
        self.stop_relay(self.server)

    def test_rebinding(self) -> None:
        """
        When a NAT has forgotten a client that was silent for three seconds, and gives
        it another port then, the session goes on from there, and nothing is lost.
        """
        inside = self.come(self.lab.side(SYMMETRIC), "--nick", "inside", "--room", "x")
        outside = self.come(self.lab.side(NONE), "--nick", "outside", "--room", "x")
        inside.sees("inside has joined #x")
        outside.sees("outside has joined #x")
        self.lab.forget_after(3)
        for number in range(TRIES):
            inside.type(f"silent from now on {number}")
            outside.sees(f"<inside> silent from now on {number}")
            time.sleep(3.6)
            outside.type(f"lost on the way {number}")
            time.sleep(0.3)
            if f"lost on the way {number}" not in inside.shown:
                break
            # On a busy machine something of inside's may have left only now.
        else:
            self.fail("the NAT forgets nothing")
        # Not again, however long it takes from here.
        self.lab.forget_after(120)
        inside.type("here")
        inside.sees(f"<outside> lost on the way {number}")
        outside.sees("<inside> here")
        for program in (inside, outside):
            self.assertEqual(program.finish(), 0, program.shown)
        self.assertEqual(inside.shown.count("lost on the way"), number + 1)
        self.assertEqual(outside.shown.count("<inside> here"), 1)
        counts = self.stop_relay(self.server)
        self.assertIn(counts["frames-moved"], range(1, number + 2))
        self.assertEqual(counts["frames-sessions"], 2)
