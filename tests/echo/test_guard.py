"""Tests of L{netsvc.echo.guard}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.limits import Rate, RateTable, source_key
from netsvc.daemon.reflectors import FIRST_UNPRIVILEGED, REFLECTORS
from netsvc.echo.guard import LOOP, PRIVILEGED_PORT, RATE, REFLECTOR, Guard

HOST = "192.0.2.1"
CLIENT = 50000

ports = st.integers(0, 65535) | st.sampled_from(
    [0, 7, 53, 1023, 1024, 5353, 11211, 65535]
)
hosts = st.sampled_from(
    ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0"]
)


class GuardTests(SynchronousTestCase):
    """Tests of L{Guard}, case by case."""

    def test_client(self) -> None:
        """An ordinary client is answered."""
        guard = Guard(None)
        self.assertIsNone(guard.refusal(HOST, CLIENT, 0))
        self.assertIsNone(guard.refusal(HOST, FIRST_UNPRIVILEGED, 0))
        self.assertIsNone(guard.refusal("2001:db8::1", 65535, 0))

    def test_reflectors(self) -> None:
        """The ports of services that would answer are not answered."""
        guard = Guard(None)
        for port in (0, 7, 13, 17, 19, 37, 53, 69, 123, 161, 389, 1900, 5060, 5353):
            self.assertEqual(guard.refusal(HOST, port, 0), REFLECTOR, port)
        self.assertEqual(guard.refusal(HOST, 11211, 0), REFLECTOR)

    def test_privileged(self) -> None:
        """A port below 1024 is no client's."""
        guard = Guard(None)
        self.assertEqual(guard.refusal(HOST, 1, 0), PRIVILEGED_PORT)
        self.assertEqual(guard.refusal(HOST, 1023, 0), PRIVILEGED_PORT)

    def test_answer_privileged_ports(self) -> None:
        """On request they are answered all, but for port 0, where nobody is."""
        guard = Guard(None, answer_privileged_ports=True)
        for port in (1, 7, 53, 1023, 11211):
            self.assertIsNone(guard.refusal(HOST, port, 0), port)
        self.assertEqual(guard.refusal(HOST, 0, 0), REFLECTOR)

    def test_own_port(self) -> None:
        """Our own port is never answered, whatever was asked for."""
        for guard in (Guard(None), Guard(None, answer_privileged_ports=True)):
            guard.add_own_ports([7, 7007])
            self.assertEqual(guard.refusal(HOST, 7, 0), LOOP)
            self.assertEqual(guard.refusal(HOST, 7007, 0), LOOP)
            self.assertIsNone(guard.refusal(HOST, 7008, 0))

    def test_rate(self) -> None:
        """One source is answered so often, another one is not concerned."""
        guard = Guard(RateTable(Rate(1, 2)))
        answers = [guard.refusal(HOST, CLIENT, 0) for _ in range(3)]
        self.assertEqual(answers, [None, None, RATE])
        self.assertIsNone(guard.refusal("192.0.2.2", CLIENT, 0))
        self.assertIsNone(guard.refusal(HOST, CLIENT, 1))

    def test_rate_of_a_network(self) -> None:
        """The addresses of one /64 are one source; an IPv4-mapped one is its IPv4
        address."""
        guard = Guard(RateTable(Rate(1, 1)))
        self.assertIsNone(guard.refusal("2001:db8::1", CLIENT, 0))
        self.assertEqual(guard.refusal("2001:db8::2", CLIENT, 0), RATE)
        self.assertIsNone(guard.refusal(HOST, CLIENT, 0))
        self.assertEqual(guard.refusal(f"::ffff:{HOST}", CLIENT, 0), RATE)

    def test_refused_costs_nothing(self) -> None:
        """What is refused for its port takes nothing from its host's rate."""
        guard = Guard(RateTable(Rate(1, 1)))
        for _ in range(5):
            guard.refusal(HOST, 7, 0)
        self.assertIsNone(guard.refusal(HOST, CLIENT, 0))

    def test_bounded(self) -> None:
        """A flood of forged sources is held in a bounded table."""
        table = RateTable(Rate(1, 1), max_sources=8)
        guard = Guard(table)
        for number in range(200):
            self.assertIsNone(guard.refusal(f"10.0.0.{number}", CLIENT, 0))
        self.assertLessEqual(len(table), 16)


class ModelTests(SynchronousTestCase):
    """L{Guard} beside the rules as they are told to people."""

    @given(
        st.sets(st.integers(1, 65535), max_size=3),
        st.booleans(),
        st.lists(st.tuples(hosts, ports, st.integers(0, 3)), max_size=30),
    )
    def test_model(
        self, own: set[int], privileged: bool, datagrams: list[tuple[str, int, int]]
    ) -> None:
        """A datagram is refused for the first rule that it breaks, and answered
        otherwise."""
        rate = Rate(1, 3)
        guard = Guard(RateTable(rate), answer_privileged_ports=privileged)
        guard.add_own_ports(own)
        model = RateTable(rate)
        now = 0.0
        for host, port, seconds in datagrams:
            now += seconds
            expected: str | None
            if port in own:
                expected = LOOP
            elif port == 0 or (port in REFLECTORS and not privileged):
                expected = REFLECTOR
            elif port < 1024 and not privileged:
                expected = PRIVILEGED_PORT
            else:
                expected = None if model.allow(source_key(host), now) else RATE
            self.assertEqual(guard.refusal(host, port, now), expected)
