"""Iteration from the root, over servers that the test plays."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.targets import is_address
from netsvc.dns.codes import AA, NXDOMAIN, QR
from netsvc.dns.errors import LookupFailed
from netsvc.dns.lookups.roots import ADDRESSES, root_servers
from netsvc.dns.lookups.trace import MAX_ALIASES, MAX_QUERIES, Step, Tracer
from netsvc.dns.names import from_text, to_text
from netsvc.dns.result import Question, Record, Result
from netsvc.dns.rrtypes import CNAME, A, type_name
from netsvc.dns.servers import Server, parse_server
from tests.dns.lookups.kit import address, alias, name_server, soa, timeout

ROOT = parse_server("192.0.2.1:5353")


def referral(zone: str, *hosts: str, glue: tuple[Record, ...] = ()) -> Result:
    """Refer to the servers of a zone."""
    return Result(
        Question(b"\0", A),
        0,
        authority=tuple(name_server(zone, host) for host in hosts),
        additional=glue,
        flags=QR,
    )


def final(*records: Record, rcode: int = 0) -> Result:
    """Answer with authority."""
    return Result(Question(b"\0", A), rcode, records, flags=QR | AA)


class World:
    """
    Servers by address, each with its answers by name.

    @ivar asked: Address, name and type of each question.
    """

    def __init__(self, servers: dict[str, dict[str, Result]]) -> None:
        self.servers = servers
        self.asked: list[tuple[str, str, str]] = []
        self.ports: set[tuple[str, int]] = set()
        self.steps: list[Step] = []

    async def ask(
        self, servers: tuple[Server, ...], name: bytes, rtype: int, rclass: int
    ) -> Result:
        """Let the first server that is there answer."""
        text = to_text(name)
        for server in servers:
            self.ports.add((server.transport, server.port))
            self.asked.append((server.host, text, type_name(rtype)))
            answers = self.servers.get(server.host, {})
            best = [known for known in answers if text.endswith(known)]
            if best:
                found = answers[max(best, key=len)]
                return found._replace(
                    question=Question(name, rtype, rclass), server=server
                )
        raise timeout(servers[0])

    def trace(self, name: str, rtype: int = A) -> Any:
        """Trace, and give the Deferred."""
        tracer = Tracer(self.ask, [ROOT], self.steps.append)
        return Deferred.fromCoroutine(tracer.trace(from_text(name), rtype))


KR = referral("kr", "ns.kr", glue=(address("ns.kr", "192.0.2.2"),))
EXAMPLE = referral("example.kr", "ns.example.kr", "ns.other.test")
GLUED = EXAMPLE._replace(additional=(address("ns.example.kr", "192.0.2.3"),))


class TraceTests(SynchronousTestCase):
    """From referral to referral."""

    def test_answer(self) -> None:
        """Each referral leads to the servers of the zone below, at the same port."""
        world = World(
            {
                "192.0.2.1": {"kr": KR},
                "192.0.2.2": {"example.kr": GLUED},
                "192.0.2.3": {
                    "www.example.kr": final(address("www.example.kr", "192.0.2.9"))
                },
            }
        )
        result = self.successResultOf(world.trace("www.example.kr"))
        self.assertEqual(result.addresses, ("192.0.2.9",))
        self.assertEqual(world.ports, {("udp", 5353)})
        self.assertEqual(
            [(to_text(step.zone), len(step.referral)) for step in world.steps],
            [(".", 1), ("kr", 2), ("example.kr", 0)],
        )

    def test_negative(self) -> None:
        """That there is no such name, or data, ends the trace too."""
        for answer in (final(rcode=NXDOMAIN), final()):
            answer = answer._replace(authority=(soa("kr"),))
            result = self.successResultOf(World({"192.0.2.1": {"": answer}}).trace("x"))
            self.assertFalse(result.exists)

    def test_alias(self) -> None:
        """An alias is followed, from the nearest zone that is known."""
        world = World(
            {
                "192.0.2.1": {"kr": KR},
                "192.0.2.2": {
                    "www.kr": final(alias("www.kr", "web.kr")),
                    "web.kr": final(address("web.kr", "192.0.2.9")),
                },
            }
        )
        result = self.successResultOf(world.trace("www.kr"))
        self.assertEqual(result.addresses, ("192.0.2.9",))
        self.assertEqual(result.question.name, from_text("www.kr"))
        self.assertEqual(len(result.records), 2)
        self.assertEqual(len(world.asked), 3)
        result = self.successResultOf(world.trace("www.kr", CNAME))
        self.assertEqual(len(result.records), 1)

    def test_without_glue(self) -> None:
        """Servers without an address in the referral are looked up from the root."""
        test = referral("test", "ns.kr")
        world = World(
            {
                "192.0.2.1": {"kr": KR, "test": test},
                "192.0.2.2": {
                    "ns.kr": final(address("ns.kr", "192.0.2.2")),
                    "www.test": final(address("www.test", "192.0.2.9")),
                },
            }
        )
        result = self.successResultOf(world.trace("www.test"))
        self.assertEqual(result.addresses, ("192.0.2.9",))
        self.assertEqual([to_text(step.zone) for step in world.steps], [".", "test"])

    def test_glue_out_of_zone(self) -> None:
        """An address outside the zone that refers is not believed."""
        poison = (address("ns.other.test", "6.6.6.6"),)
        world = World(
            {
                "192.0.2.1": {"kr": KR, "test": final(rcode=NXDOMAIN)},
                "192.0.2.2": {
                    "example.kr": referral("example.kr", "ns.other.test", glue=poison)
                },
            }
        )
        failure = self.failureResultOf(world.trace("www.example.kr"), LookupFailed)
        self.assertIn("no server of example.kr has an address", str(failure.value))
        self.assertNotIn("6.6.6.6", [host for host, _, _ in world.asked])

    def test_lame(self) -> None:
        """Who neither answers nor refers further down ends the trace."""
        for lame in (
            final()._replace(flags=QR),
            referral("kr", "ns.kr"),  # sideways: it was asked as the server of kr
            referral("com", "ns.com"),
        ):
            world = World({"192.0.2.1": {"kr": KR}, "192.0.2.2": {"": lame}})
            failure = self.failureResultOf(world.trace("www.kr"), LookupFailed)
            self.assertIn("refers to nobody", str(failure.value))

    def test_dead(self) -> None:
        """Servers that do not answer end it with their error."""
        world = World({"192.0.2.1": {"kr": KR}})
        failure = self.failureResultOf(world.trace("www.kr"), LookupFailed)
        self.assertIn("not answered in time", str(failure.value))

    def test_alias_loop(self) -> None:
        """Aliases that lead in a circle end after a number of steps."""
        loop = final(alias("a.kr", "b.kr"))
        back = final(alias("b.kr", "a.kr"))
        world = World({"192.0.2.1": {"a.kr": loop, "b.kr": back}})
        failure = self.failureResultOf(world.trace("a.kr"), LookupFailed)
        self.assertIn(str(MAX_ALIASES), str(failure.value))

    def test_endless(self) -> None:
        """Zones whose servers' names lead to each other end it, too."""
        answers = {
            f"{letter}.kr": referral(
                f"{letter}.kr", *(f"ns{n}.{other}.kr" for n in range(4))
            )
            for letter, other in zip("abcdef", "bcdefa", strict=True)
        }
        world = World({"192.0.2.1": answers})
        failure = self.failureResultOf(world.trace("www.a.kr"), LookupFailed)
        self.assertLessEqual(len(world.asked), MAX_QUERIES + 1)
        self.assertTrue(str(failure.value))

    def test_roots(self) -> None:
        """There are thirteen root servers, each with two addresses."""
        self.assertEqual(len(ADDRESSES), 13)
        servers = root_servers()
        self.assertEqual(len(set(servers)), 26)
        self.assertTrue(all(is_address(server.host) for server in servers))
        self.assertEqual({server.port for server in servers}, {53})
