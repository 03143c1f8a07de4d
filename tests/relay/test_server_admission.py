"""Tests of how L{netsvc.relay.server} lets people in, and follows them."""

from __future__ import annotations

import random

from netsvc.relay.admission import CHALLENGE_INTERVAL
from netsvc.relay.outbox import MAX_HELD
from tests.relay.relay_case import ANN, BOB, DAN, EVE, HERE, RelayCase


class CreditTests(RelayCase):
    """Addresses elsewhere, by default: three times what they send, until they show
    that they read."""

    def test_challenge(self) -> None:
        """The first datagram is relayed, its sender a guest; the answer is a code."""
        self.enter(ANN)
        (answer,) = self.say(EVE, b"hello")
        self.assertEqual(answer, b"type " + self.code(EVE))
        self.assertLessEqual(len(answer), 3 * len(b"hello"))
        self.assertEqual(self.got(ANN)[-1], b"<guest2> hello")

    def test_code(self) -> None:
        """Who types it back is told all that has waited for that."""
        self.enter(ANN)
        self.say(EVE, b"hello\n")
        (answer,) = self.say(EVE, self.code(EVE) + b"\n")
        self.assertIn(b"you are guest2", answer)
        self.assertEqual(len(self.got(ANN)), 2)  # the code is not relayed
        self.say(ANN, b"welcome")
        self.assertEqual(self.got(EVE), [b"<ann> welcome\n"])
        self.assertEqual(self.relay.limited, set())

    def test_spoofed(self) -> None:
        """A victim of forged datagrams is sent three times their bytes at most."""
        self.enter(ANN, BOB)
        choice = random.Random(1)
        received = sent = 0
        for _ in range(200):
            data = choice.choice((b"x", b"/who", b"/join #a", b"hello" * 20, b"/help"))
            received += len(data)
            sent += sum(map(len, self.say(EVE, data)))
            self.say(ANN, b"something to all")
            sent += sum(map(len, self.got(EVE)))
            self.assertLessEqual(sent, 3 * received)
            self.clock.advance(1)
        self.assertGreater(sent, 0)

    def test_room_lines(self) -> None:
        """Lines of the room come as far as the credit goes, after the challenge."""
        self.enter(ANN)
        self.say(EVE, b"x" * 200)
        self.got(EVE)
        for _ in range(30):
            self.say(ANN, b"a line of the room")
        lines = self.got(EVE)
        self.assertGreater(len(lines), 5)
        self.assertLess(len(lines), 30)
        self.assertGreater(self.count("no-credit"), 0)

    def test_asked_once(self) -> None:
        """The code is not told again with each datagram."""
        self.assertEqual(len(self.say(EVE, b"hello")), 1)
        self.assertEqual(self.say(EVE, b"hello?"), [])
        self.clock.advance(CHALLENGE_INTERVAL)
        self.assertEqual(len(self.say(EVE, b"hello??")), 1)

    def test_short(self) -> None:
        """The least that is asked is a question mark and the code."""
        self.assertEqual(self.say(EVE, b"hi\n"), [b"?" + self.code(EVE) + b"\n"])

    def test_loop(self) -> None:
        """An echo service is not validated by what it sends back."""
        answers = self.say(EVE, b"forged")
        self.assertEqual(len(answers), 1)
        for _ in range(5):
            answers = [more for each in answers for more in self.say(EVE, each)]
        self.assertEqual(answers, [])
        self.clock.advance(CHALLENGE_INTERVAL)
        (answer,) = self.say(EVE, b"forged again")
        self.assertEqual(self.say(EVE, answer), [])
        self.assertEqual(self.relay.peers.strangers, 1)

    def test_other_code(self) -> None:
        """What looks like a code and is another one is a message."""
        self.enter(ANN)
        self.say(EVE, b"hello")
        self.say(EVE, self.code(DAN))
        self.assertIn(b"<guest2> " + self.code(DAN), self.got(ANN))
        self.assertEqual(self.relay.peers.strangers, 1)

    def test_guesses(self) -> None:
        """Guesses of one source are capped: after that, the right one is none."""
        self.make(guess_rate="1/m:3")
        self.say(EVE, b"hello")
        for _ in range(3):
            self.say(EVE, self.code(DAN))
        self.say(EVE, self.code(EVE))
        self.assertEqual(self.relay.peers.strangers, 1)
        self.assertEqual(self.count("guess"), 1)

    def test_class(self) -> None:
        """Right codes are no guesses: a class behind one address comes in at once."""
        self.make(guess_rate="1/m:2")
        for port in range(2000, 2010):
            address = (EVE[0], port)
            self.say(address, b"hello")
            self.say(address, self.code(address))
        self.assertEqual(self.relay.peers.strangers, 0)
        self.assertEqual(len(self.relay.peers), 10)

    def test_uncapped(self) -> None:
        """Guesses may be without a cap, where nobody guesses."""
        self.make(guess_rate="off")
        self.say(EVE, b"hello", self.code(DAN), self.code(EVE))
        self.assertEqual(self.relay.peers.strangers, 0)

    def test_held(self) -> None:
        """What waits for an address to be validated is bounded."""
        self.say(EVE, b"hello")
        for _ in range(200):
            self.say(EVE, b"/help")
        self.assertGreater(self.count("held-dropped"), 0)
        answers = self.say(EVE, self.code(EVE))
        self.assertLessEqual(sum(map(len, answers)), MAX_HELD + 1200)

    def test_nothing_waits(self) -> None:
        """Who was told all there was is told that they are in."""
        self.say(EVE, b"x" * 1000)
        self.assertEqual(self.say(EVE, self.code(EVE)), [b"* you are in"])

    def test_flood_of_strangers(self) -> None:
        """A flood of forged addresses puts out its own kind only."""
        self.make(max_peers=3, newcomer_rate="off")
        self.enter(ANN, BOB)
        for number in range(50):
            self.say((f"203.0.113.{number}", 5000), b"hello")
        self.assertIsNotNone(self.relay.peers.get((1, ANN)))
        self.assertIsNotNone(self.relay.peers.get((1, BOB)))
        self.assertEqual(len(self.relay.peers), 3)
        self.assertEqual(len(self.relay.limited), 1)

    def test_crowd(self) -> None:
        """A flood of forged addresses makes a bounded number of strangers."""
        self.make(max_strangers=5, newcomer_rate="off")
        self.enter(ANN)
        for number in range(50):
            self.say((f"203.0.113.{number}", 5000), b"hello")
        self.assertEqual(len(self.relay.limited), 5)
        self.assertEqual(self.service.counters()["evicted"], 45)


class CookieTests(RelayCase):
    """Nothing but a challenge for who has not shown that they read."""

    settings = {"admission": "cookie"}  # noqa: RUF012

    def test_nothing_kept(self) -> None:
        """A stranger's datagram is not relayed, and leaves nothing behind."""
        (answer,) = self.say(EVE, b"hello")
        self.assertEqual(answer, b"type " + self.code(EVE))
        self.assertEqual(len(self.relay.peers), 0)
        self.assertEqual(self.relay.network.hub.state.members, {})

    def test_spoofed(self) -> None:
        """A victim of forged datagrams is sent no message of a room at all."""
        self.say(ANN, b"hello", self.code(ANN))
        self.got(ANN)
        received = sent = 0
        for data in (b"x", b"hello", b"/join #a", b"/who", b"hello" * 100, b"") * 20:
            received += len(data)
            answers = self.say(EVE, data)
            sent += sum(map(len, answers))
            for answer in answers:
                self.assertIn(self.code(EVE), answer)
            self.say(ANN, b"something to all")
            self.assertEqual(self.got(EVE), [])
        self.assertLessEqual(sent, 3 * received)

    def test_code(self) -> None:
        """Who types the code is a guest, and what they say then is relayed."""
        self.say(ANN, b"hello", self.code(ANN))
        self.got(ANN)
        (answer,) = self.say(EVE, self.code(EVE))
        self.assertIn(b"you are guest2", answer)
        self.say(EVE, b"hello")
        self.assertEqual(self.got(ANN)[-1], b"<guest2> hello")

    def test_two_relays(self) -> None:
        """Two relays do not answer each other's challenges, however it begins."""
        mine, mine_at = self.port, HERE
        theirs_at = ("203.0.113.9", 7999)
        relay = self.relay
        self.make(admission="cookie")
        for first in (
            b"forged",
            b"one",
            b"a longer line, so that there is more room\n",
        ):
            answers = [first]
            for number in range(4):
                ours = number % 2
                port, source = (mine, theirs_at) if ours else (self.port, mine_at)
                for data in answers:
                    port.datagramReceived(data, source)
                answers = port.transport.skt.sent.pop(source, [])
                self.assertLessEqual(len(answers), number == 0, (first, number))
        self.assertEqual(relay.counters["loop"], 3)

    def test_later(self) -> None:
        """A code holds for a minute, and not much longer."""
        code = self.code(EVE)
        self.clock.advance(120)
        (answer,) = self.say(EVE, code)
        self.assertNotIn(code, answer)
        self.assertEqual(len(self.relay.peers), 0)

    def test_cookie(self) -> None:
        """A program asks for a cookie and sends it back."""
        self.assertEqual(self.say(EVE, b"/cookie"), [])  # too short for the answer
        (answer,) = self.say(EVE, b"/cookie" + b" " * 10)
        self.assertTrue(answer.startswith(b"cookie "))
        self.assertLessEqual(len(answer), 3 * 17)
        self.assertEqual(self.say(EVE, answer)[0][:5], b"* typ")  # an echo, no answer
        (greeting,) = self.say(EVE, b"/" + answer)
        self.assertIn(b"you are guest1", greeting)

    def test_wrong_cookie(self) -> None:
        """A cookie that is wrong is not answered."""
        self.assertEqual(self.say(EVE, b"/cookie " + b"0" * 32), [])
        self.assertEqual(len(self.relay.peers), 0)

    def test_other_command(self) -> None:
        """A command that begins like it is another one."""
        (answer,) = self.say(EVE, b"/cookies please")
        self.assertIn(self.code(EVE), answer)

    def test_loop(self) -> None:
        """A challenge that comes back is not answered."""
        (answer,) = self.say(EVE, b"forged")
        self.assertEqual(self.say(EVE, answer), [])
        self.assertEqual(self.count("loop"), 1)

    def test_budget(self) -> None:
        """All challenges together are so many a second."""
        self.make(admission="cookie", stranger_rate="1/s:2")
        found = [len(self.say((f"203.0.113.{n}", 2000), b"hello")) for n in range(4)]
        self.assertEqual(found, [1, 1, 0, 0])
        self.assertEqual(self.say(EVE, b"/cookie" + b" " * 10), [])


class ResumeTests(RelayCase):
    """A changed address."""

    def token(self) -> bytes:
        """Enter as ann; give the token."""
        self.enter(ANN, BOB)
        (answer,) = self.say(ANN, b"/token")
        (again,) = self.say(ANN, b"/token")
        self.assertEqual(answer, again)
        token = answer.rpartition(b" ")[2]
        self.assertEqual(len(token), 32)
        return token

    def test_private(self) -> None:
        """In a private network the token alone is enough; nobody notices."""
        token = self.token()
        new = (ANN[0], 5555)
        self.assertEqual(self.say(new, b"/resume " + token), [b"* you go on as ann"])
        self.assertEqual(self.got(BOB), [])
        self.say(BOB, b"hello")
        self.assertEqual(self.got(new), [b"<bob> hello"])
        self.assertEqual(self.got(ANN), [])
        self.say(new, b"hello")
        self.assertEqual(self.got(BOB), [b"<ann> hello"])

    def test_code_first(self) -> None:
        """Elsewhere the new address is told a code, and is sent nothing before."""
        token = self.token()
        self.say(BOB, b"hello")
        (answer,) = self.say(EVE, b"/resume " + token)
        self.assertEqual(answer, b"type /resume " + token + b" " + self.code(EVE))
        self.assertLessEqual(len(answer), 3 * 40)
        self.got(ANN)
        self.say(BOB, b"hello")
        self.assertEqual(self.got(EVE), [])
        self.assertEqual(self.got(ANN), [b"<bob> hello"])
        self.assertEqual(self.say(EVE, answer[5:]), [b"* you go on as ann"])
        self.say(BOB, b"again")
        self.assertEqual(self.got(EVE), [b"<bob> again"])

    def test_proof_stays_behind(self) -> None:
        """Who has shown that they read at one address has not done so at another."""
        self.make(admission="open")
        token = self.token()
        self.say(ANN, b"/cookie " + b" " * 8)
        self.say(EVE, b"/resume " + token)
        peer = self.relay.peers.get((1, EVE))
        assert peer is not None
        self.assertFalse(peer.validated)
        cookie = self.relay.tokens.cookie(*EVE, self.clock.seconds()).encode()
        self.say(EVE, b"/cookie " + cookie)
        self.assertTrue(peer.validated)
        self.say(DAN, b"/resume " + token)
        self.assertEqual(peer.address, DAN)
        self.assertFalse(peer.validated)

    def test_guest_there(self) -> None:
        """Who is a guest at the new address already goes on as who they were."""
        token = self.token()
        self.say(EVE, b"hello?\n")
        (answer,) = self.say(EVE, b"/resume " + token + b"\n")
        self.got(BOB)
        (answer,) = self.say(EVE, answer[5:])
        self.assertEqual(answer, b"* you go on as ann\n")
        self.assertEqual(
            self.got(BOB), [b"* guest3 has quit (Resumed as somebody else)"]
        )
        self.assertEqual(len(self.relay.peers), 2)

    def test_unknown(self) -> None:
        """A token that is nobody's, or one's own, does nothing."""
        token = self.token()
        for address, data in (
            (ANN, b"/resume " + token),
            (BOB, b"/resume " + b"0" * 32),
        ):
            (answer,) = self.say(address, data)
            self.assertIn(b"that token is nobody's, or your own", answer)
        self.say(ANN, b"/quit")
        self.assertEqual(self.relay.resumable, {})

    def test_strangers_guess(self) -> None:
        """A stranger's token that is nobody's makes them a guest as any words do."""
        (answer,) = self.say(EVE, b"/resume " + b"0" * 32)
        self.assertIn(self.code(EVE), answer)
