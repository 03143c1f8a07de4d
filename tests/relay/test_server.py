"""Tests of L{netsvc.relay.server} and L{netsvc.relay.text_peer}."""

from __future__ import annotations

import errno

from netsvc.chat.line.commands import Command
from netsvc.daemon.reflectors import REFLECTORS
from netsvc.relay import stun
from netsvc.relay.stun_door import here
from netsvc.relay.text_peer import MAX_LINES, MAX_QUEUED
from tests.relay.relay_case import ANN, BOB, DAN, EVE, HERE, RelayCase

REQUEST = stun.message(stun.REQUEST, b"transaction!")
CLASSIC = stun.message(stun.REQUEST, b"x" * 16)


class TalkTests(RelayCase):
    """People who send text, in a private network."""

    def test_first_datagram(self) -> None:
        """The first datagram makes its sender a guest in the lobby, and is relayed."""
        self.enter(ANN)
        (greeting,) = self.say(BOB, b"hello")
        self.assertIn(b"you are guest2", greeting)
        self.assertIn(b"#lobby", greeting)
        self.assertEqual(
            self.got(ANN), [b"* guest2 has joined #lobby", b"<guest2> hello"]
        )

    def test_several_lines(self) -> None:
        """Each line of a datagram is a message; others get each by itself."""
        self.enter(ANN, BOB)
        self.assertEqual(self.say(ANN, b"one\r\n\ntwo\n"), [])
        self.assertEqual(self.got(BOB), [b"<ann> one", b"<ann> two"])

    def test_too_many_lines(self) -> None:
        """A datagram has so many lines and no more."""
        self.enter(ANN, BOB)
        self.say(ANN, b"\n".join(b"%d" % n for n in range(MAX_LINES + 5)))
        self.assertEqual(len(self.got(BOB)), MAX_LINES)
        self.assertEqual(self.count("too-many-lines"), 1)

    def test_too_long(self) -> None:
        """A message that is too long is refused, and the sender is told."""
        self.enter(ANN, BOB)
        (answer,) = self.say(ANN, b"x" * 2049)
        self.assertIn(b"longer than 2048 bytes", answer)
        self.assertEqual(self.got(BOB), [])

    def test_commands(self) -> None:
        """The line frontend's commands are there."""
        self.enter(ANN, BOB)
        self.assertEqual(self.say(ANN, b"/msg bob psst"), [b"-> bob: psst"])
        self.assertEqual(self.got(BOB), [b"-ann- psst"])
        self.say(ANN, b"/join #games")
        self.assertEqual(
            self.say(BOB, b"/nick bobby"), [b"* bob is now known as bobby"]
        )
        self.say(BOB, b"/join #games")
        self.got(ANN)
        self.say(BOB, b"who is it?")
        self.assertEqual(self.got(ANN), [b"<bobby> who is it?"])
        (answer,) = self.say(ANN, b"/help")
        for name in (b"/token", b"/resume", b"/direct", b"/nick"):
            self.assertIn(name, answer)

    def test_quit(self) -> None:
        """Who quits is told good-bye, and is a new guest when they come again."""
        self.enter(ANN, BOB)
        self.assertEqual(self.say(ANN, b"/quit for today"), [b"* goodbye"])
        self.assertEqual(self.got(BOB), [b"* ann has quit (Quit: for today)"])
        self.assertEqual(len(self.relay.peers), 1)
        (greeting,) = self.say(ANN, b"again")
        self.assertIn(b"you are guest", greeting)

    def test_cp949(self) -> None:
        """Everybody writes and reads in their own character set."""
        self.enter(ANN, BOB)
        text = "\uc548\ub155\ud558\uc138\uc694"
        (answer,) = self.say(ANN, text.encode("cp949"))
        self.assertIn("cp949", answer.decode("cp949"))
        self.assertEqual(self.got(BOB), [f"<ann> {text}".encode()])
        self.say(BOB, text.encode())
        self.assertEqual(self.got(ANN), [f"<bob> {text}".encode("cp949")])

    def test_keepalive(self) -> None:
        """An empty datagram says that a peer is there; nobody hears it."""
        self.enter(ANN, BOB)
        self.clock.advance(200)
        self.assertEqual(self.say(ANN, b""), [])
        self.clock.advance(200)
        self.service._tick()
        self.assertEqual(self.got(ANN), [b"* bob has quit (No sign of life)"])
        self.assertEqual(self.count("silent"), 1)
        self.assertEqual(self.say(EVE, b""), [])
        self.assertEqual(len(self.relay.peers), 1)

    def test_junk(self) -> None:
        """What is no text is neither answered nor relayed, nor makes anybody known."""
        self.enter(ANN)
        for data in (b"\0\1\2", b"\x80\x80", b"GET / HTTP/1.1\r\n\r\n", b"\x06ping"):
            self.assertEqual(self.say(BOB, data), [])
        self.say(ANN, b"\xff\xfe")
        self.assertEqual(len(self.relay.peers), 1)
        self.assertEqual(self.count("junk"), 5)

    def test_busy(self) -> None:
        """While one command takes time, others wait for it, and not without end."""
        self.enter(ANN, BOB)
        peer = self.relay.peers.get((1, ANN))
        assert peer is not None
        peer.session._working += 1
        for number in range(MAX_QUEUED + 3):
            self.say(ANN, b"%d" % number)
        self.assertEqual(self.got(BOB), [])
        self.assertEqual(self.count("queue-full"), 3)
        peer.session._working -= 1
        peer.session._idle()
        self.assertEqual(len(self.got(BOB)), MAX_QUEUED)

    def test_rates(self) -> None:
        """What a source, and what a room, gets too fast is dropped and counted."""
        self.make(source_rate="1/s:6", room_rate="1/s:2")
        self.enter(ANN, BOB)
        for _ in range(4):
            self.say(ANN, b"x")
        self.assertEqual(len(self.got(BOB)), 2)
        self.assertEqual(self.count("room-rate"), 2)
        self.say(ANN, b"x", b"x")
        self.assertEqual(self.count("rate"), 1)

    def test_newcomers(self) -> None:
        """So many new peers a second, and no more, from wherever they come."""
        self.make(newcomer_rate="1/s:1")
        self.say(ANN, b"x")
        self.assertEqual(self.say(BOB, b"x"), [])
        self.assertEqual(self.count("newcomers"), 1)

    def test_newcomers_of_one_source(self) -> None:
        """One source does not use up what newcomers of all sources may."""
        self.make(newcomer_rate="1/m:4", newcomer_rate_per_source="1/m:2")
        for port in range(2000, 2010):
            self.say((ANN[0], port), b"x")
        self.assertEqual(self.count("source-newcomers"), 8)
        self.assertNotEqual(self.say(BOB, b"x"), [])

    def test_answers_to_one_source(self) -> None:
        """One source does not use up what strangers of all sources are answered."""
        self.make(
            admission="cookie", stranger_rate="1/m:4", stranger_rate_per_source="1/m:2"
        )
        for port in range(2000, 2010):
            self.say((EVE[0], port), b"hello")
        self.assertEqual(self.count("source-strangers"), 8)
        self.assertNotEqual(self.say(DAN, b"hello"), [])

    def test_command_rate(self) -> None:
        """A peer's commands are carried out so often and no more; others' all are."""
        self.make(command_rate="1/s:3")
        self.enter(ANN, BOB)
        self.assertEqual(len(self.say(ANN, b"/who\n/who\n/who\n")), 1)
        self.assertEqual(self.count("flood"), 1)
        self.assertEqual(self.say(ANN, b"/who"), [])
        self.assertNotEqual(self.say(BOB, b"/who"), [])
        self.say(ANN, b"no command")
        self.assertEqual(self.got(BOB), [b"<ann> no command"])
        self.clock.advance(1)
        self.assertNotEqual(self.say(ANN, b"/who"), [])
        self.make(command_rate="off")
        self.enter(ANN)
        self.assertEqual(len([self.say(ANN, b"/who") for _ in range(300)]), 300)
        self.assertEqual(self.count("flood"), 0)

    def test_lines_count(self) -> None:
        """Each line of a datagram counts as one datagram of its source."""
        self.make(source_rate="1/s:10")
        self.enter(ANN, BOB)
        self.say(ANN, b"\n".join([b"x"] * 8))
        self.assertEqual(len(self.got(BOB)), 8)
        self.say(ANN, b"one\ntwo\nthree")
        self.assertEqual(self.got(BOB), [b"<ann> one"])
        self.assertEqual(self.count("rate"), 2)
        self.make(source_rate="off")
        self.enter(ANN, BOB)
        self.say(ANN, b"one\ntwo\nthree")
        self.assertEqual(len(self.got(BOB)), 3)

    def test_table_full(self) -> None:
        """When the table is full, whoever was heard of least recently has to go."""
        self.make(max_peers=2)
        self.enter(ANN, BOB)
        self.say(ANN, b"still here")
        self.say(EVE, b"x")
        self.skt.sent.clear()
        self.say(DAN, b"x")
        self.assertEqual(len(self.relay.peers), 2)
        self.assertIsNotNone(self.relay.peers.get((1, ANN)))

    def test_per_source(self) -> None:
        """A source has so many peers and no more."""
        self.make(max_peers_per_source=1)
        self.enter(ANN)
        self.assertEqual(self.say((ANN[0], 5), b"x"), [])
        self.assertEqual(self.service.counters()["refused-max-peers-per-source"], 1)

    def test_banned(self) -> None:
        """Who is banned from the server is told so, and is not kept."""
        bans = self.relay.network.bans
        assert bans is not None
        from netsvc.chat.network import Ban

        self.patch(
            bans, "find", lambda user, hosts: Ban("*@*", "spam", "oper", 0, None)
        )
        (answer,) = self.say(ANN, b"hello")
        self.assertIn(b"you are banned from this server: spam", answer)
        self.assertEqual(len(self.relay.peers), 0)

    def test_failing_command(self) -> None:
        """A mistake of ours is reported, and the peer is told."""
        self.enter(ANN)

        def fail(session: object, rest: str) -> None:
            raise AttributeError("a mistake of ours")

        command = Command("who", "", "", False, fail)
        self.patch(self.relay.frontend, "commands", {"who": command})
        (answer,) = self.say(ANN, b"/who")
        self.assertIn(b"something went wrong here", answer)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_password(self) -> None:
        """The server's password is asked for before anything else."""
        self.relay.network.password = "secret"
        (answer,) = self.say(ANN, b"hello")
        self.assertIn(b"this server has a password", answer)
        self.say(ANN, b"secret")
        self.enter(BOB)
        self.clock.advance(31)
        self.service._tick()
        self.assertIn(b"no password was given", self.got(BOB)[-1])
        self.assertEqual(len(self.relay.peers), 1)


class SafetyTests(RelayCase):
    """What is never looked at, and what one bad peer does not do."""

    def test_source_ports(self) -> None:
        """Datagrams from reflectors' ports and from our own are dropped."""
        self.port.add_own_ports([HERE[1]])
        for port in REFLECTORS:
            self.assertEqual(self.say((ANN[0], port), b"hello"), [])
        self.assertEqual(self.count("reflector"), len(REFLECTORS))
        self.say(HERE, b"hello")
        self.say(("203.0.113.99", HERE[1]), b"hello")
        self.assertEqual(self.count("loop"), 2)
        self.assertEqual(len(self.relay.peers), 0)

    def test_group(self) -> None:
        """What was sent to a group of hosts is dropped."""
        self.port.transport.to_group = True
        self.assertEqual(self.say(ANN, b"hello"), [])
        self.assertEqual(self.count("group"), 1)

    def test_answer_fails(self) -> None:
        """An answer that cannot be sent is counted, and nothing else happens."""
        self.skt.broken = {ANN: errno.EPERM}
        self.say(ANN, b"hello")
        self.assertEqual(self.count("send-EPERM"), 1)
        self.say(ANN, REQUEST)
        self.assertEqual(self.count("send-failed"), 1)

    def test_echo_service(self) -> None:
        """A host that sends back what it is sent is not relayed, and is put out."""
        self.enter(BOB)
        answers = self.say(ANN, b"forged")
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.got(BOB)[-1], b"<guest2> forged")
        for answer in answers:
            self.assertEqual(self.say(ANN, answer), [])
        self.assertEqual(self.got(BOB), [])
        for number in range(7):
            self.say(BOB, b"%d" % number)
            for back in self.got(ANN):
                self.say(ANN, back)
        self.clock.advance(0)
        self.assertEqual(self.got(BOB), [b"* guest2 has quit (Loop)"])
        # It is not taken for a new peer when more comes back.
        self.assertEqual(self.say(ANN, b"<bob> 6"), [])
        self.assertEqual(len(self.relay.peers), 1)

    def test_stop(self) -> None:
        """At the end everybody is told."""
        self.enter(ANN)
        self.service.drain(1.0)
        self.assertEqual(self.got(ANN), [b"! The server is stopping"])
        self.assertEqual(len(self.relay.peers), 0)


class StunTests(RelayCase):
    """STUN on the same port."""

    def test_answered(self) -> None:
        """A request is answered, and makes nobody known."""
        (answer,) = self.say(ANN, REQUEST)
        self.assertEqual(len(answer), 32)
        self.assertEqual(len(self.relay.peers), 0)
        self.assertEqual(self.say(ANN, answer), [])
        self.assertEqual(self.count("stun-unanswered"), 1)

    def test_classic(self) -> None:
        """Classic clients are answered in private networks, or as is asked for."""
        for setting, answers in (
            ("private", (1, 0)),
            ("always", (1, 1)),
            ("never", (0, 0)),
        ):
            self.make(classic_stun=setting)
            self.assertEqual(len(self.say(ANN, CLASSIC)), answers[0])
            self.assertEqual(len(self.say(EVE, CLASSIC)), answers[1])

    def test_off(self) -> None:
        """STUN can be switched off."""
        self.make(stun=False)
        self.assertEqual(self.say(ANN, REQUEST), [])
        self.assertEqual(self.count("stun-off"), 1)

    def test_rate(self) -> None:
        """A source is answered so often and no more, whatever its port is."""
        self.make(stun_rate="1/s:2")
        found = [len(self.say((EVE[0], port), REQUEST)) for port in range(2000, 2004)]
        self.assertEqual(found, [1, 1, 0, 0])
        self.assertEqual(self.count("stun-rate"), 2)

    def test_budget(self) -> None:
        """All strangers together are answered so often and no more."""
        self.make(stranger_rate="1/s:2")
        found = [len(self.say((f"203.0.113.{n}", 2000), REQUEST)) for n in range(4)]
        self.assertEqual(found, [1, 1, 0, 0])

    def test_alternate(self) -> None:
        """A second port answers STUN alone, and for the first one when asked to."""
        other = self.bind(self.service._alternate(), (HERE[0], 7076))
        self.patch(
            type(self.service.listeners[0]), "serves", lambda listeners, port: True
        )
        self.service.join_ports()
        self.assertEqual(self.relay.alternate_port, 7076)
        change = stun.attribute(stun.CHANGE_REQUEST, bytes([0, 0, 0, stun.CHANGE_PORT]))
        data = stun.message(stun.REQUEST, b"transaction!", change)
        self.assertEqual(self.say(ANN, data), [])
        (answer,) = other.transport.skt.sent.pop(ANN)
        value = stun.parse(answer).get(stun.OTHER_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_address(value), (HERE[0], 7076))
        other.datagramReceived(b"hello", ANN)
        other.datagramReceived(REQUEST, ANN)
        (answer,) = other.transport.skt.sent.pop(ANN)
        value = stun.parse(answer).get(stun.OTHER_ADDRESS)
        assert value is not None
        self.assertEqual(stun.parse_address(value), HERE)

    def test_response_port(self) -> None:
        """An answer may go to another port of who asks, but to no service there."""
        for port, answers in ((4321, 1), (53, 0), (0, 0), (HERE[1], 0)):
            asked = stun.attribute(
                stun.RESPONSE_PORT, port.to_bytes(2, "big") + b"\0\0"
            )
            self.port.add_own_ports([HERE[1]])
            data = stun.message(stun.REQUEST, b"transaction!", asked)
            self.assertEqual(self.say(ANN, data), [])
            self.assertEqual(len(self.got((ANN[0], port))), answers, port)

    def test_wildcard(self) -> None:
        """On a wildcard address, ours is the one that was asked, if it is known."""
        self.bind(self.port, ("0.0.0.0", 7075))
        self.assertIsNone(here(self.port))
        self.assertEqual(here(self.port, ("192.0.2.1", 1)), ("192.0.2.1", 7075))
        self.port.transport.asked = lambda: "::ffff:192.0.2.2"
        self.assertEqual(here(self.port), ("192.0.2.2", 7075))
