"""
The hostile servers of dns.md section 3: 22 behaviours over real sockets.

Row by row: what the server does, and what comes out.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode

from netsvc.dns.errors import (
    BadAliases,
    BadReply,
    BadVersion,
    ConnectionClosed,
    LookupFailed,
    Refused,
    ServerFailure,
    ServerTimeout,
    Truncated,
)
from netsvc.dns.result import Result
from netsvc.dns.servers import Server
from tests.integration.dns_servers import (
    CLOSE,
    GOOD,
    NAME,
    POISON,
    DNSTestCase,
    Query,
    ScriptedServer,
    Step,
    answer,
    error,
    good,
    other_question,
    silent,
    truncated,
)


def _bare(data: bytes) -> bytes:
    """Cut a message down to its header, without a question."""
    return data[:4] + bytes(8)


class HostileTests(DNSTestCase):
    """One server that misbehaves; nothing but the truth comes out."""

    async def ask(self, server: ScriptedServer, **changes: Any) -> Result:
        """Ask it the usual question."""
        self.resolver = self.resolve_by(server, **changes)
        self.memory = self.resolver.memory(server.server)
        return await self.resolver.query(NAME)

    async def expect_good(self, server: ScriptedServer, most: float = 1.9) -> Result:
        """Ask it, and get the good answer in time."""
        began = self.clock.seconds()
        result = await self.ask(server)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertLess(self.clock.seconds() - began, most)
        return result

    async def expect(
        self,
        kind: type[LookupFailed],
        server: ScriptedServer,
        most: float = 0.3,
        **changes: Any,
    ) -> LookupFailed:
        """Ask it, and get an error in time."""
        began = self.clock.seconds()
        try:
            result = await self.ask(server, **changes)
        except LookupFailed as error:
            self.assertIs(type(error), kind)
            self.assertLess(self.clock.seconds() - began, most)
            return error
        raise AssertionError(f"{result} is no {kind}")

    async def test_01_no_opt(self) -> None:
        """An answer without OPT is as good as any."""

        def script(query: Query) -> Iterator[Step]:
            yield answer(query, opt=False)

        await self.expect_good(self.serve(script))

    async def test_02_servfail(self) -> None:
        """SERVFAIL fails at once, and says so; another server is asked, if any."""

        def script(query: Query) -> Iterator[Step]:
            yield error(query, dns.rcode.SERVFAIL)

        bad = self.serve(script)
        failure = await self.expect(ServerFailure, bad)
        self.assertEqual(failure.rcode, 2)
        self.assertEqual(len(bad.udp), 1)
        result = await self.resolve_by(bad, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual([type(each) for each in result.errors], [ServerFailure])

    async def test_03_refused(self) -> None:
        """REFUSED, likewise."""

        def script(query: Query) -> Iterator[Step]:
            yield error(query, dns.rcode.REFUSED)

        bad = self.serve(script)
        await self.expect(Refused, bad)
        result = await self.resolve_by(bad, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))

    async def test_04_silent(self) -> None:
        """A server that never answers costs the total time, and not more."""
        began = self.clock.seconds()
        server = self.serve(silent)
        await self.expect(ServerTimeout, server, 1.2, total=1.0)
        self.assertGreater(self.clock.seconds() - began, 0.9)
        self.assertEqual(len(server.udp), 2)
        began = self.clock.seconds()
        result = await self.resolve_by(server, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertLess(self.clock.seconds() - began, 1.0)

    async def test_05_other_question(self) -> None:
        """What answers another question is dropped and counted."""

        def script(query: Query) -> Iterator[Step]:
            yield other_question(query)
            yield answer(query)

        await self.expect_good(self.serve(script))
        self.assertEqual(self.memory.counts["wrong-question"], 1)

    async def test_06_not_a_reply(self) -> None:
        """A query is no reply."""

        def script(query: Query) -> Iterator[Step]:
            poison = answer(query, POISON)
            yield poison[:2] + bytes((poison[2] & 0x7F,)) + poison[3:]
            yield answer(query)

        await self.expect_good(self.serve(script))
        self.assertEqual(self.memory.counts["not-a-reply"], 1)

    async def test_07_wrong_ids(self) -> None:
        """Wrong ids are counted, and nothing else becomes of them."""

        def script(query: Query) -> Iterator[Step]:
            poison = answer(query, POISON)
            right = int.from_bytes(poison[:2], "big")
            for more in range(1, 50):
                yield ((right + more) % 65536).to_bytes(2, "big") + poison[2:]
            yield answer(query)

        await self.expect_good(self.serve(script))
        self.assertEqual(self.memory.counts["unknown-id"], 49)

    async def test_08_truncated(self) -> None:
        """What is truncated is asked for once over TCP, of the same server."""

        def script(query: Query) -> Iterator[Step]:
            yield answer(query, POISON, flags=0x0200)

        server = self.serve(script, tcp=good)
        result = await self.expect_good(server)
        self.assertEqual((result.transport, len(server.tcp)), ("tcp", 1))

    async def test_09_truncated_without_question(self) -> None:
        """A truncated reply without a question leads to our own question over TCP."""

        def script(query: Query) -> Iterator[Step]:
            yield _bare(truncated(query))

        server = self.serve(script, tcp=good)
        await self.expect_good(server)
        self.assertEqual(server.tcp[0].question.lower(), server.udp[0].question.lower())

    async def test_10_truncated_for_ever(self) -> None:
        """Truncated over TCP, too: one query over TCP, then the next server."""

        def script(query: Query) -> Iterator[Step]:
            yield truncated(query)

        server = self.serve(script)
        await self.expect(Truncated, server)
        self.assertEqual((len(server.udp), len(server.tcp)), (1, 1))
        result = await self.resolve_by(server, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual(len(server.tcp), 2)

    async def test_11_closes(self) -> None:
        """A connection that is closed is an error at once."""

        def script(query: Query) -> Iterator[Step]:
            yield truncated(query)

        def close(query: Query) -> Iterator[Step]:
            yield CLOSE

        server = self.serve(script, tcp=close)
        await self.expect(ConnectionClosed, server)
        self.assertEqual(len(server.tcp), 1)

    async def test_12_formerr_to_edns(self) -> None:
        """FORMERR to EDNS: asked again without, and remembered."""

        def script(query: Query) -> Iterator[Step]:
            if query.has_opt:
                reply = dns.message.make_response(query.message)
                reply.use_edns(-1)
                reply.set_rcode(dns.rcode.FORMERR)
                yield reply.to_wire()
            else:
                yield answer(query)

        server = self.serve(script)
        await self.expect_good(server)
        result = await self.resolver.query("y.test")
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual([query.has_opt for query in server.udp], [True, False, False])

    async def test_12_formerr_without_question(self) -> None:
        """The same if the refusal has no question, as that of old servers."""

        def script(query: Query) -> Iterator[Step]:
            if query.has_opt:
                yield query.data[:2] + b"\x80\x01" + bytes(8)
            else:
                yield answer(query)

        await self.expect_good(self.serve(script))

    async def test_13_drops_edns(self) -> None:
        """The last try to a silent server goes without EDNS."""

        def script(query: Query) -> Iterator[Step]:
            if not query.has_opt:
                yield answer(query)

        await self.expect_good(self.serve(script))

    async def test_14_badvers(self) -> None:
        """BADVERS for everything is an error, and never an empty answer."""

        def script(query: Query) -> Iterator[Step]:
            reply = dns.message.make_response(query.message)
            reply.use_edns(0)
            reply.set_rcode(dns.rcode.BADVERS)
            yield reply.to_wire()

        server = self.serve(script)
        failure = await self.expect(BadVersion, server)
        self.assertEqual(failure.rcode, 16)
        self.assertEqual(len(server.udp), 2)

    async def test_15_folds_case(self) -> None:
        """A server that lowers the question is asked over TCP, and then known."""

        def script(query: Query) -> Iterator[Step]:
            reply = answer(query, opt=False)
            question = query.question
            yield reply[:12] + question.lower() + reply[12 + len(question) :]

        server = self.serve(script)
        name = "a-name-of-many-letters.test"
        self.resolver = self.resolve_by(server)
        result = await self.resolver.query(name)
        self.assertEqual((result.addresses, result.transport), ((GOOD,), "tcp"))
        result = await self.resolver.query("another-" + name)
        self.assertEqual((result.addresses, result.transport), ((GOOD,), "udp"))

    async def test_16_garbage(self) -> None:
        """Random bytes are dropped, with the right id, too."""
        chance = random.Random(16)

        def script(query: Query) -> Iterator[Step]:
            yield chance.randbytes(30)
            yield query.data[:2] + chance.randbytes(20)
            yield b""
            yield query.data[:2]
            yield answer(query)

        await self.expect_good(self.serve(script))

    async def test_17_pointers(self) -> None:
        """A name whose pointer does not point backwards makes a message malformed."""

        def script(query: Query) -> Iterator[Step]:
            head = query.data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query.question
            record = b"\0\1\0\1\0\0\0\x3c\0\4\6\6\6\6"
            at = len(head)
            forward, itself, ahead = (
                (0xC000 | at + more).to_bytes(2, "big") for more in (4, 0, 2)
            )
            yield head + forward + b"\0\0" + query.question[:-4] + record
            yield head + itself + record
            yield head + ahead + itself + record
            yield answer(query)

        await self.expect_good(self.serve(script))
        self.assertEqual(self.memory.counts["malformed"], 3)

    async def test_18_other_names(self) -> None:
        """What was not asked for is not returned."""

        def script(query: Query) -> Iterator[Step]:
            reply = dns.message.from_wire(answer(query))
            reply.answer.append(
                dns.rrset.from_text("bank.test.", 86400, "IN", "A", POISON)
            )
            yield reply.to_wire()

        result = await self.expect_good(self.serve(script))
        self.assertEqual([record.name for record in result.records], [NAME])

    async def test_19_endless_ttl(self) -> None:
        """A time to live of 136 years is an answer; it is never negative."""

        def script(query: Query) -> Iterator[Step]:
            reply = answer(query, ttl=60)
            yield reply.replace(b"\0\0\0\x3c\0\4", b"\xff\xff\xff\xff\0\4")

        result = await self.expect_good(self.serve(script))
        self.assertEqual(result.records[0].ttl, 0xFFFFFFFF)

    async def test_20_trailing_garbage(self) -> None:
        """Bytes after the end do not matter."""

        def script(query: Query) -> Iterator[Step]:
            yield answer(query) + b"\1\2\3\4\5"

        await self.expect_good(self.serve(script), 0.3)
        self.assertEqual(self.memory.counts["trailing-bytes"], 1)

    async def test_21_late(self) -> None:
        """An answer after 300 ms is right, and its copies do no harm."""

        def script(query: Query) -> Iterator[Step]:
            yield 0.3, answer(query)
            yield 0.31, answer(query)

        server = self.serve(script)
        self.resolver = self.resolve_by(server, timeout=0.2)
        result = await self.resolver.query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertLess(result.rtt, 0.35)
        self.assertEqual(len(server.udp), 2)
        await self.resolver.query("y.test")

    async def test_22_other_port(self) -> None:
        """What another port sends does not arrive."""
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(other.close)

        def script(query: Query) -> Iterator[Step]:
            other.sendto(answer(query, POISON), query.addr)  # type: ignore[attr-defined]
            yield 0.05, answer(query)

        await self.expect_good(self.serve(script))


class BeyondTests(DNSTestCase):
    """What the list does not have."""

    async def test_flood(self) -> None:
        """Forged replies that fill the socket's buffer: the answer comes over TCP."""

        def script(query: Query) -> Iterator[Step]:
            poison = answer(query, POISON)
            right = int.from_bytes(poison[:2], "big")
            for more in range(1, 4000):
                yield ((right + more) % 65536).to_bytes(2, "big") + poison[2:]
            yield answer(query)

        def other_questions(query: Query) -> Iterator[Step]:
            poison = other_question(query)
            for _ in range(4000):
                yield poison
            yield answer(query)

        for flood in (script, other_questions):
            server = self.serve(flood, tcp=good)
            resolver = self.resolve_by(server)
            began = self.clock.seconds()
            result = await resolver.query(NAME)
            self.assertEqual((result.addresses, result.transport), ((GOOD,), "tcp"))
            self.assertLess(self.clock.seconds() - began, 0.9)
            self.assertEqual(resolver.memory(server.server).counts["flooded"], 1)

    async def test_aliases(self) -> None:
        """Aliases in a circle are an error, and the next server is asked."""

        def script(query: Query) -> Iterator[Step]:
            reply = dns.message.make_response(query.message)
            name = query.message.question[0].name
            reply.answer += [
                dns.rrset.from_text(name, 60, "IN", "CNAME", "y.test."),
                dns.rrset.from_text("y.test.", 60, "IN", "CNAME", NAME + "."),
            ]
            yield reply.to_wire()

        server = self.serve(script)
        with self.assertRaises(BadAliases):
            await self.resolve_by(server).query(NAME)
        result = await self.resolve_by(server, self.serve(good)).query(NAME)
        self.assertEqual(result.addresses, (GOOD,))
        self.assertEqual([type(each) for each in result.errors], [BadAliases])


class StreamTests(DNSTestCase):
    """The same over TCP alone: a wrong answer ends the connection."""

    async def ask(self, *messages: bytes | None) -> Result:
        """Ask a TCP server that sends these; L{None} is the good answer."""

        def script(query: Query) -> Iterator[Step]:
            for message in messages:
                if message is None:
                    yield answer(query)
                elif message == b"other":
                    yield other_question(query)
                elif message == b"id":
                    poison = answer(query, POISON)
                    yield bytes((poison[0] ^ 1,)) + poison[1:]
                else:
                    yield query.data[:2] + message

        self.server = self.serve(script)
        server = Server("tcp", "127.0.0.1", self.server.port)
        return await self.resolve_by(server).query(NAME)

    async def test_wrong(self) -> None:
        """Another question, another id, garbage: an error at once, and no poison."""
        for first in (b"other", b"id", b"\x80\0garbage", b""):
            with self.assertRaises(BadReply):
                await self.ask(first, None)
            self.assertEqual(len(self.server.tcp), 1)

    async def test_folded(self) -> None:
        """The case of letters does not matter where nobody can forge."""
        result = await self.ask(None)
        self.assertEqual(result.addresses, (GOOD,))
