"""C{netsvc lookup} as a process: answers, failures, comparison, trace, bulk runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.dns.dnssec.case import anchors_for, forge
from tests.dns.dnssec.upstream import Upstream
from tests.dns.dnssec.zones import make_zone
from tests.integration.dns_servers import (
    GOOD,
    POISON,
    Query,
    ScriptedServer,
    Step,
    answer,
    error,
    good,
    silent,
    truncated,
)
from tests.integration.lookup_process import LookupCase
from tests.integration.test_dns_servers import closed_port

#: A time to live that is as in an answer of the kit.
RECORD = f"60  A  {GOOD}"


def missing(query: Query) -> Iterator[Step]:
    """Say that there is no such name."""
    yield error(query, dns.rcode.NXDOMAIN)


def servfail(query: Query) -> Iterator[Step]:
    """Fail."""
    yield error(query, dns.rcode.SERVFAIL)


class AnswerTests(LookupCase):
    """Questions of the command line."""

    async def test_answer(self) -> None:
        """Records, and who has answered, in what time."""
        ran = await self.lookup("www.example", *self.at(self.serve(good)))
        first, second = ran.out.splitlines()
        self.assertEqual(first, f"www.example  {RECORD}")
        self.assertRegex(second, r"^; NOERROR from 127.*\(udp\) in [\d.]+ ms, \d+ byt")
        self.assertEqual(ran.err, "")

    async def test_many(self) -> None:
        """Several names and types are all asked, in any order, in every script."""
        server = self.serve(good)
        ran = await self.lookup(*self.at(server), "MX", "한국어.kr", "A", "straße.de")
        self.assertEqual(ran.out.count("no such data"), 2)
        self.assertIn(f"한국어.kr  {RECORD}", ran.out)
        self.assertIn(f"straße.de  {RECORD}", ran.out)
        asked = {str(query.message.question[0].name).lower() for query in server.udp}
        self.assertEqual(asked, {"xn--3e0bk47br7k.kr.", "xn--strae-oqa.de."})

    async def test_reverse(self) -> None:
        """A bare address is looked up backwards."""
        server = self.serve(missing)
        ran = await self.lookup("8.8.4.4", *self.at(server))
        self.assertIn("; 8.8.4.4: NXDOMAIN", ran.out)
        (question,) = server.udp[0].message.question
        self.assertEqual(str(question.name).lower(), "4.4.8.8.in-addr.arpa.")

    async def test_short(self) -> None:
        """The short form is data only."""
        ran = await self.lookup("--short", "a.test", *self.at(self.serve(good)))
        self.assertEqual(ran.out, f"{GOOD}\n")

    async def test_objects(self) -> None:
        """JSON is an object on a line; YAML the same in blocks."""
        at = self.at(self.serve(servfail), self.serve(good))
        ran = await self.lookup("--json", "a.test", *at)
        found = json.loads(ran.out)
        self.assertEqual(found["records"][0]["data"], GOOD)
        self.assertEqual(found["errors"][0]["kind"], "SERVFAIL")
        ran = await self.lookup("--yaml", "a.test", *at)
        self.assertIn('records:\n  - name: "a.test"\n    ttl: 60\n', ran.out)

    async def test_failover(self) -> None:
        """A dead server does not cost the answer; what it has done is told."""
        dead = closed_port()
        at = [f"@127.0.0.1:{dead.port}", *self.at(self.serve(good))]
        ran = await self.lookup("a.test", *at)
        self.assertIn(RECORD, ran.out)
        self.assertIn("cannot be reached", ran.out)

    async def test_status(self) -> None:
        """All answered is 0, a part 2, none 9; a failure is a line for the operator."""

        def part(query: Query) -> Iterator[Step]:
            rcode = dns.rcode.REFUSED if b"bad" in query.data.lower() else 0
            yield error(query, dns.rcode.Rcode(rcode))

        server = self.serve(part)
        ran = await self.lookup("good.test", "bad.test", *self.at(server), status=2)
        self.assertRegex(ran.err, r"\Anetsvc lookup: bad\.test A: .* REFUSED\n\Z")
        ran = await self.lookup("bad.test", "--short", *self.at(server), status=9)
        self.assertEqual((ran.out, ran.err.count("\n")), ("", 1))
        ran = await self.lookup(
            "a.test", "--timeout", "0.3", *self.at(self.serve(silent)), status=9
        )
        self.assertIn("has not answered in time", ran.err)

    async def test_wrong_usage(self) -> None:
        """What is wrong is said in a line, and the status is 1."""
        wrong = (
            ("a..b",),
            ("a.test", "@"),
            ("a.test", "--nonsense"),
            ("a.test", "@tls://127.0.0.1", "--ca", "/nonexistent"),
            ("a.test", "@127.0.0.1", "--dnssec", "--anchors", "/nonexistent"),
            ("a.test", "@nosuch.invalid"),
            ("-f", "/nonexistent", "@127.0.0.1"),
            ("-f", "/", "@127.0.0.1"),
            ("-f", "-", "@127.0.0.1", "--resume", "/"),
            ("-f", "-", "@127.0.0.1", "--resume", "/nonexistent/file"),
            ("a.test", "@127.0.0.1", "--dnssec", "--anchors", os.devnull),
        )
        said = {}
        for arguments in wrong:
            ran = await self.lookup(*arguments, status=1)
            self.assertRegex(ran.err, r"\A(netsvc lookup: [^\n]+\n)+\Z")
            self.assertEqual(ran.out, "")
            said[arguments] = ran.err
        self.assertIn("lookup: /: ", said["-f", "/", "@127.0.0.1"])
        self.assertIn(f"lookup: {os.devnull}: no trust anchor", said[wrong[-1]])

    async def test_closed_output(self) -> None:
        """Where standard output is closed there is no traceback, but a line."""
        arguments = ("a.test", *self.at(self.serve(good)))
        ran = await self.lookup(*arguments, status=9, childFDs={0: "w", 2: "r"})
        self.assertEqual(ran.err, "netsvc lookup: standard output is closed\n")
        ran = await self.lookup(*arguments, status=9, childFDs={0: "w"})
        self.assertEqual(ran.err, "")

    async def test_options(self) -> None:
        """NSID and subnet are asked for, and what comes is shown; TCP if wanted."""

        def named(query: Query) -> Iterator[Step]:
            reply = dns.message.make_response(query.message)
            options: list[dns.edns.Option] = [
                dns.edns.GenericOption(dns.edns.OptionType.NSID, b"here"),
                dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "old"),
            ]
            reply.use_edns(0, options=options)
            yield reply.to_wire()

        server = self.serve(named)
        ran = await self.lookup(
            *("a.test", "--nsid", "--subnet", "192.0.2.0/24", "--tcp"),
            *("--no-recursion", *self.at(server)),
        )
        self.assertIn("; NSID here", ran.out)
        self.assertIn("; EDE 3 (Stale Answer): old", ran.out)
        query = server.tcp[0]
        codes = {int(option.otype) for option in query.message.options}
        self.assertLessEqual({3, 8}, codes)
        self.assertFalse(query.message.flags & dns.flags.RD)

    async def test_colours(self) -> None:
        """A terminal gets colours, unless NO_COLOR is set."""
        at = self.at(self.serve(good))
        for environment, coloured in (
            ({"TERM": "xterm", "NO_COLOR": ""}, True),
            ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ):
            command = self.begin(
                *("a.test", *at), stdin=None, usePTY=True, environment=environment
            )
            ran = await command.done
            self.assertEqual("\x1b[" in ran.out, coloured, ran)
            self.assertIn(GOOD, ran.out)

    async def test_interrupt(self) -> None:
        """Ctrl-C ends it with the answers that have come."""

        def some(query: Query) -> Iterator[Step]:
            if b"good" in query.data.lower():
                yield answer(query)

        server = self.serve(some)
        command = self.begin("good.test", "bad.test", *self.at(server))
        await command.wait_for(GOOD)
        command.interrupt()
        ran = await command.done
        self.assertEqual(ran.status, 2, ran)
        self.assertRegex(ran.err, r"\Anetsvc lookup: bad\.test A: interrupted\n\Z")


class ComparisonTests(LookupCase):
    """All servers at once."""

    async def test_table(self) -> None:
        """Each server has a row, and a verdict."""

        def poison(query: Query) -> Iterator[Step]:
            yield answer(query, POISON)

        servers = [self.serve(each) for each in (good, good, poison, servfail)]
        dead = closed_port()
        ran = await self.lookup(
            *("--compare", "a.test", *self.at(*servers), f"@127.0.0.1:{dead.port}"),
            "@nosuch.invalid",
            status=2,
        )
        rows = ran.out.splitlines()[2:8]
        for row, text in zip(
            rows,
            (
                rf"NOERROR .* 60 .* same +{GOOD}",
                rf"NOERROR .* same +{GOOD}",
                rf"NOERROR .* differs \(rotation or location\)\? +{POISON}",
                "SERVFAIL .* no answer",
                "UNREACHABLE .* unreachable",
                "nosuch.invalid .* unreachable",
            ),
            strict=True,
        ):
            self.assertRegex(row, text)

    async def test_interrupt(self) -> None:
        """Ctrl-C shows what the others have said, and asks nothing more."""
        honest, server = self.serve(good), self.serve(silent)
        at = self.at(honest, server)
        command = self.begin("--compare", "a.test", "b.test", "--tries", "20", *at)
        while not honest.udp:
            await self.pause()
        await self.pause()
        asked = len(server.udp)
        # When it asks again it has read what the other one has said.
        while len(server.udp) <= asked:
            await self.pause()
        command.interrupt()
        ran = await command.done
        self.assertEqual((ran.status, ran.err), (2, ""))
        self.assertRegex(ran.out, r"NOERROR .* same")
        self.assertIn("INTERRUPTED", ran.out)
        self.assertNotIn("b.test", ran.out)

    async def test_rewritten(self) -> None:
        """Who has an address for what cannot exist is found out."""

        def rewrite(query: Query) -> Iterator[Step]:
            yield answer(query, POISON)

        at = self.at(self.serve(missing), self.serve(rewrite))
        ran = await self.lookup("--compare", "--json", "nosuch.test", *at)
        honest, liar = json.loads(ran.out)["servers"]
        self.assertEqual(honest["verdict"], "same")
        self.assertEqual((liar["verdict"], liar["guess"]), ("NXDOMAIN rewritten", True))


class SignedTests(LookupCase):
    """Answers of signed zones."""

    def setUp(self) -> None:
        """Make a tree whose signatures hold for long."""
        super().setUp()
        dates = {"inception": 0, "expiration": 2**31 - 1}
        test = make_zone("test.", "www A 192.0.2.1", **dates)  # type: ignore[arg-type]
        root = make_zone(".", children=[test], **dates)  # type: ignore[arg-type]
        self.upstream = Upstream(root, test)
        anchors = anchors_for(root)
        self.anchors = Path(self.mktemp())
        lines = [f"{each.zone} DS {ds}\n" for each in anchors for ds in each.ds]
        self.anchors.write_text("".join(lines))

    def zone(self, *, lies: bool = False) -> ScriptedServer:
        """Serve the tree."""

        def script(query: Query) -> Iterator[Step]:
            (question,) = query.message.question
            name = dns.name.from_text(str(question.name).lower())
            message = self.upstream.answer(name, question.rdtype)
            if lies:
                forge(message)
            data = message.to_wire(max_size=65535)
            whole = (
                query.data[:2]
                + data[2:12]
                + query.question
                + data[12 + len(query.question) :]
            )
            too_long = len(whole) > 1232 and query.transport == "udp"
            yield truncated(query) if too_long else whole

        return self.serve(script)

    async def test_validated(self) -> None:
        """What is signed is secure; a server that forges is passed over."""
        arguments = ("www.test", "--dnssec", "--anchors", str(self.anchors))
        honest, liar = self.zone(), self.zone(lies=True)
        ran = await self.lookup(*arguments, *self.at(honest))
        self.assertIn("; DNSSEC: secure", ran.out)
        ran = await self.lookup(*arguments, *self.at(liar, honest))
        self.assertIn("192.0.2.1", ran.out)
        self.assertIn("has sent a bogus answer", ran.out)
        ran = await self.lookup(*arguments, *self.at(liar), status=9)
        self.assertIn("has sent a bogus answer", ran.err)

    async def test_compared(self) -> None:
        """The comparison calls bogus what is proven to be so."""
        ran = await self.lookup(
            *("--compare", "--json", "www.test", "--dnssec"),
            *("--anchors", str(self.anchors)),
            *self.at(self.zone(lies=True), self.zone(lies=True), self.zone()),
        )
        found = [each["verdict"] for each in json.loads(ran.out)["servers"]]
        self.assertEqual(found, ["bogus", "bogus", "same"])


class TraceTests(LookupCase):
    """From the root."""

    def serve_tree(self) -> ScriptedServer:
        """Be the root at first, and then the server of C{test.}."""

        def script(query: Query) -> Iterator[Step]:
            if query.number:
                yield answer(query, flags=dns.flags.AA)
                return
            reply = dns.message.make_response(query.message)
            reply.authority.append(
                dns.rrset.from_text("test.", 60, "IN", "NS", "ns.test.")
            )
            reply.additional.append(
                dns.rrset.from_text("ns.test.", 60, "IN", "A", "127.0.0.1")
            )
            yield reply.to_wire()

        return self.serve(script)

    async def test_trace(self) -> None:
        """Each referral is shown, then the answer."""
        server = self.serve_tree()
        ran = await self.lookup("--trace", "www.test", *self.at(server))
        self.assertRegex(ran.out, r"test  60  NS  ns\.test\.\n; \. refers to test\.: ")
        self.assertIn(f"www.test  {RECORD}", ran.out)
        flags = [query.message.flags & dns.flags.RD for query in server.udp]
        self.assertEqual((flags[:2], any(flags)), ([0, 0], False))

    async def test_object(self) -> None:
        """The object has the steps."""
        at = self.at(self.serve_tree())
        ran = await self.lookup("--trace", "--json", "www.test", *at)
        found = json.loads(ran.out)
        self.assertEqual([each["zone"] for each in found["steps"]], [".", "test."])
        self.assertEqual(found["records"][0]["data"], GOOD)

    async def test_dead_end(self) -> None:
        """A way that does not lead on is a failure; Ctrl-C ends one that is slow."""
        ran = await self.lookup(
            "--trace", "www.test", *self.at(self.serve(servfail)), status=9
        )
        self.assertIn("SERVFAIL", ran.err)
        server = self.serve(silent)
        command = self.begin("--trace", "--json", "www.test", *self.at(server))
        while not server.udp:
            await self.pause()
        command.interrupt()
        ran = await command.done
        self.assertEqual((ran.status, ran.err), (9, ""))
        self.assertIn("interrupted", ran.out)
