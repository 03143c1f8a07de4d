"""netsvc-dns beside programs that others wrote: dig, kdig, curl; named, unbound."""

from __future__ import annotations

import itertools
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.rcode
from twisted.internet import threads
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from netsvc.dns import stream
from netsvc.dns.result import Result
from netsvc.dns.servers import parse_server
from tests.integration.balance_certificates import Authority
from tests.integration.balance_peers import free_ports
from tests.integration.dns_peers import HOST, DNSPeer
from tests.integration.dns_process import DNSProcess, SignedZone
from tests.integration.dns_servers import (
    POISON,
    DNSTestCase,
    Query,
    Step,
    answer,
    error,
    other_question,
    reactor,
    silent,
    truncated,
)
from tests.integration.echo_process import tool
from tests.integration.streams import ANSWER

#: RFC 8906 section 8: options of dig, what the reply must have, what it must not.
CHECKS = (
    ("+noedns +noad SOA", ("NOERROR", "ANSWER: 1"), ("EDNS:",)),
    ("+noedns +noad TYPE1000", ("NOERROR", "ANSWER: 0"), ("EDNS:",)),
    ("+noedns +noad +cd SOA", ("NOERROR", "qr rd ra cd;"), ("EDNS:",)),
    ("+noedns +ad SOA", ("NOERROR", "ANSWER: 1"), ("EDNS:",)),
    ("+noedns +noad +zflag SOA", ("NOERROR", "qr rd ra;"), ("EDNS:", "MBZ")),
    ("+noedns +noad +opcode=15 SOA", ("NOTIMP", "RESERVED15", "QUERY: 0"), ()),
    ("+noedns +noad +tcp SOA", ("NOERROR", "ANSWER: 1", "(TCP)"), ()),
    ("+edns=0 +nocookie +noad SOA", ("NOERROR", "EDNS: version: 0"), ()),
    (
        "+edns=100 +noednsneg +nocookie +noad SOA",
        ("BADVERS", "version: 0"),
        ("IN SOA",),
    ),
    ("+ednsopt=100 +nocookie +noad SOA", ("NOERROR", "version: 0"), ("OPT=100",)),
    ("+ednsflags=0x80 +nocookie +noad SOA", ("NOERROR", "flags:;"), ("MBZ",)),
    (
        "+edns=100 +noednsneg +ednsopt=100 +nocookie SOA",
        ("BADVERS", "version: 0", "ANSWER: 0"),
        ("OPT=100",),
    ),
    ("+dnssec +nocookie +noad SOA", ("NOERROR", "flags: do;"), ()),
    ("+bufsize=512 +nocookie +ignore big TXT", ("NOERROR", "qr tc rd ra", "EDNS"), ()),
    ("+noedns +ignore big TXT", ("NOERROR", "qr tc rd ra", "ANSWER: 0"), ("EDNS:",)),
    ("+cookie SOA", ("NOERROR", "(good)"), ()),
    ("+header-only +nocookie", ("FORMERR", "QUERY: 0"), ()),
    ("+header-only +cookie", ("NOERROR", "QUERY: 0", "(good)"), ()),
    ("+norec no.such", ("REFUSED", "EDE: 20"), ()),
)

#: For dig and kdig: how long they wait.
PATIENT = "+time=25"

#: A query for C{localhost}, as it stands in a URL.
LOCALHOST = "AAABAAABAAAAAAAACWxvY2FsaG9zdAAAAQAB"


class ForwarderCase(DNSTestCase):
    """
    A test with the service as a process.

    @ivar folder: Where all that belongs to the test is.
    @ivar authority: Signs certificates.
    """

    def setUp(self) -> None:
        """Have a folder, and time for handshakes with processes that others delay."""
        self.patch(stream, "HANDSHAKE", 30.0)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.authority = Authority(self.folder)

    def peer(self, program: str = "named", upstream: int = 0) -> DNSPeer:
        """Start a server that somebody else wrote."""
        peer = DNSPeer(program, self.folder, self.authority, upstream)
        self.addCleanup(peer.close)
        return peer

    def start(self, *options: str, **how: Any) -> DNSProcess:
        """Start the service and wait until it listens."""
        return self.started(self.begin(*options, **how), *options, **how)

    def begin(self, *options: str, **how: Any) -> DNSProcess:
        """Start the service."""
        process = DNSProcess(self.folder, *options, **how)
        self.addCleanup(process.kill)
        return process

    def started(self, process: DNSProcess, *options: str, **how: Any) -> DNSProcess:
        """Wait until it listens; start it anew if one of its ports was taken."""
        for _ in range(2):
            try:
                return process.wait()
            except AssertionError:
                if not process.found_port_in_use:
                    raise
                process = self.begin(*options, **how)
        return process.wait()

    def run_tool(self, *words: str) -> str:
        """Run a program to its end, and give what it writes."""
        run = subprocess.run(
            [tool(words[0]), *words[1:]],
            capture_output=True,
            text=True,
            timeout=ANSWER,
        )
        return run.stdout + run.stderr

    def dig(self, process: DNSProcess, *words: str, port: int = 0) -> str:
        """Ask the service by dig."""
        where = ("@127.0.0.1", "-p", str(port or process.port), PATIENT, "+tries=1")
        return self.run_tool("dig", *where, *words)


class ClientTests(ForwarderCase):
    """Programs that speak DNS, as clients."""

    def setUp(self) -> None:
        """Start the service, with named behind it."""
        super().setUp()
        self.named = self.peer()
        self.process = self.start(
            *("--upstream", f"127.0.0.1:{self.named.plain}"),
            pem=self.authority.issue(HOST, "service.pem"),
        )

    def test_rfc_8906(self) -> None:
        """dig finds that each sort of query is answered as RFC 8906 section 8 asks."""
        for options, wanted, unwanted in CHECKS:
            *flags, last = options.split()
            name = "zone.test"
            if last in ("big", "no.such") or flags[-1:] in (["big"], ["no.such"]):
                name = "big.zone.test" if "big" in options else "none.zone.test"
            words = [word for word in options.split() if word not in ("big", "no.such")]
            found = self.dig(self.process, name, *words)
            for text in wanted:
                self.assertIn(text, found, options)
            for text in unwanted:
                self.assertNotIn(text, found, options)

    def test_transports(self) -> None:
        """dig and kdig get the same answer over each transport."""
        cafile = str(self.authority.file)
        ways: tuple[tuple[int, tuple[str, ...]], ...] = (
            (self.process.port, ()),
            (self.process.port, ("+tcp",)),
            (self.process.tls, ("+tls", f"+tls-ca={cafile}", f"+tls-hostname={HOST}")),
            (self.process.https, ("+https",)),
            (self.process.https, ("+https-get",)),
        )
        for port, words in ways:
            for program in ("dig", "kdig"):
                if program == "kdig" and words[:1] and words[0].startswith("+https"):
                    continue
                for name, expected in (
                    ("h7.zone.test", "10.0.0.7"),
                    ("alias.zone.test", "10.0.0.1"),
                ):
                    found = self.run_tool(
                        *(program, "@127.0.0.1", "-p", str(port), "+short"),
                        *(PATIENT, name, "A", *words),
                    )
                    self.assertEqual(found.split()[-1:], [expected], (program, words))

    def test_dnsperf_https(self) -> None:
        """dnsperf, with many requests under way, gets a reply to each."""
        names = self.folder / "names"
        names.write_text("".join(f"h{n}.zone.test A\n" for n in range(50)))
        found = self.run_tool(
            *("dnsperf", "-m", "doh", "-p", str(self.process.https), "-d", str(names)),
            *("-n", "4", "-q", "20", "-c", "2", "-t", "25"),
            *("-O", "doh-uri=https://127.0.0.1/dns-query"),
        )
        self.assertIn("Queries completed:    200 (100.00%)", found)

    def test_kdig_https(self) -> None:
        """kdig speaks HTTPS with it, too."""
        port = str(self.process.https)
        for words in (("+https",), ("+https", "+https-get")):
            found = self.run_tool(
                *("kdig", "@127.0.0.1", "-p", port, "+short", PATIENT),
                *("h9.zone.test", *words),
            )
            self.assertEqual(found.strip(), "10.0.0.9")

    async def test_many_at_once(self) -> None:
        """Hundreds of queries at once over one connection all get their answers."""
        for text in (
            f"tcp://127.0.0.1:{self.process.port}",
            f"tls://127.0.0.1:{self.process.tls}#{HOST}",
            f"https://{HOST}:{self.process.https}/dns-query#127.0.0.1",
        ):
            resolver = self.resolve_by(
                parse_server(text), total=40.0, authorities=self.authority.file
            )
            results: list[Result] = await gatherResults(
                [resolver.query(f"h{number}.zone.test") for number in range(300)]
            )
            for number, result in enumerate(results):
                expected = (f"10.0.{number >> 8}.{number & 255}",)
                self.assertEqual(result.addresses, expected, text)

    def test_parallel_streams(self) -> None:
        """curl has many requests answered over one HTTP/2 connection."""
        url = f"https://{HOST}:{self.process.https}/dns-query?dns={LOCALHOST}"
        config = self.folder / "curl"
        config.write_text(f'url = "{url}"\noutput = "/dev/null"\n' * 50)
        found = self.run_tool(
            *("curl", "-sZ", "--http2", "--cacert", str(self.authority.file)),
            *("--resolve", f"{HOST}:{self.process.https}:127.0.0.1"),
            *("-w", "%{http_code} %{content_type}\n", "-K", str(config)),
        )
        # Among them it says how far it is.
        self.assertEqual(found.count("200 application/dns-message\n"), 50)

    def test_truncation(self) -> None:
        """An answer that does not fit comes over TCP, whole."""
        for words in ((), ("+noedns",)):
            found = self.dig(self.process, "big.zone.test", "TXT", *words)
            self.assertIn("Truncated, retrying in TCP mode", found)
            self.assertEqual(found.count('"' + "x" * 200 + '"'), 12)
        counters = self.process.stop()
        self.assertEqual(counters["truncated"], 2)
        self.assertEqual(counters["upstream-lookups"], 1)

    def test_special_names(self) -> None:
        """Special names do not reach the upstream server."""
        found = self.dig(self.process, "localhost", "A", "+short")
        self.assertEqual(found.strip(), "127.0.0.1")
        self.assertIn("NXDOMAIN", self.dig(self.process, "-x", "192.168.7.7"))
        self.assertIn("NXDOMAIN", self.dig(self.process, "printer.local"))
        self.assertNotIn("upstream-lookups", self.process.stop())

    def test_pipelined_tcp(self) -> None:
        """kdig sends several queries over one connection and gets all answers."""
        names = [f"h{number}.zone.test" for number in range(20)]
        port = str(self.process.port)
        words = ("@127.0.0.1", "-p", port, "+tcp", "+keepopen", "+short", PATIENT)
        found = self.run_tool("kdig", *words, *names)
        self.assertEqual(found.split(), [f"10.0.0.{number}" for number in range(20)])

    def test_lines(self) -> None:
        """People type names, and get readable answers."""
        with socket.create_connection(
            ("127.0.0.1", self.process.line), ANSWER
        ) as client:
            client.sendall(
                b"h7.zone.test\r\nMX zone.test\nzone.test mx\n-x 127.0.0.1\n"
                b"none.zone.test\n..\n"
            )
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: client.recv(65536), b""))
        lines = received.decode().splitlines()
        self.assertIn("help", lines[0])
        self.assertEqual(lines[1], "h7.zone.test  A  300  10.0.0.7")
        self.assertEqual(lines[2], lines[3])
        self.assertEqual(lines[2], "zone.test  MX  300  10 h1.zone.test.")
        self.assertEqual(lines[4], "1.0.0.127.in-addr.arpa  PTR  10800  localhost.")
        self.assertIn("there is no such name", lines[5])
        self.assertIn("do not understand", lines[6])

    def test_garbage(self) -> None:
        """Whatever strangers send, the service answers the next query."""
        noise = random.Random(5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(2000):
                data = noise.randbytes(noise.randrange(60))
                client.sendto(data, ("127.0.0.1", self.process.port))
        ports = (self.process.port, self.process.tls, self.process.https)
        for port in (*ports, self.process.line):
            with socket.create_connection(("127.0.0.1", port), ANSWER) as client:
                client.sendall(noise.randbytes(500))
        found = self.dig(self.process, "h8.zone.test", "+short")
        self.assertEqual(found.strip(), "10.0.0.8")
        self.process.stop()


class AccessTests(ForwarderCase):
    """Whom it serves, and how it starts."""

    def test_closed_resolver(self) -> None:
        """Whom it does not serve is refused over every transport."""
        process = self.start("--upstream", "127.0.0.1:9", "--allow", "192.0.2.1")
        for words in ((), ("+tcp",)):
            found = self.dig(process, "localhost", *words)
            self.assertIn("status: REFUSED", found)
            self.assertIn("EDE: 18 (Prohibited)", found)
        with socket.create_connection(("127.0.0.1", process.line), ANSWER) as client:
            self.assertIn(b"does not serve", client.recv(1000))
        self.assertEqual(process.stop()["prohibited"], 3)

    def test_rate(self) -> None:
        """Who asks too much is told to use TCP, and refused there."""
        process = self.start("--upstream", "127.0.0.1:9", "--rate", "1/h:2")
        for _ in range(2):
            self.assertIn("NOERROR", self.dig(process, "localhost", "+nocookie"))
        found = self.dig(process, "localhost")
        self.assertIn("retrying in TCP mode", found)
        self.assertIn("REFUSED", found)
        self.assertEqual(process.stop()["rate-limited"], 2)

    def test_start_errors(self) -> None:
        """What cannot be done is one line and an exit status that is not 0."""
        missing = str(self.folder / "missing")
        begun = []
        for options, text in (
            (("--upstream", "nonsense://x"), "--upstream"),
            (
                ("--upstream", "tls://192.0.2.1", "--upstream-ca", missing),
                "No such file",
            ),
            (("--dnssec", "--trust-anchor", missing), "--trust-anchor"),
            (("--allow", "everybody"), "--allow"),
            (("--doh", "udp:1"), "--doh"),
        ):
            process = self.begin(*options)
            begun.append((process, text))
        for process, text in begun:
            self.assertNotEqual(process.status(), 0)
            last = process.log().strip().splitlines()[-1]
            self.assertIn(text, last)
            self.assertNotIn("Traceback", process.log())

    def test_itself(self) -> None:
        """It does not ask itself."""
        (port,) = free_ports(1)
        options = ("--dns", f"udp:{port}", "--upstream", f"127.0.0.1:{port}")
        process = self.begin(*options)
        self.assertEqual(process.status(), 1)
        self.assertIn("is this service itself", process.log())


class UpstreamTests(ForwarderCase):
    """Servers that others wrote, as upstream."""

    async def ask_all(self, process: DNSProcess, count: int, window: int = 20) -> int:
        """Ask for so many names; give how many answers are right."""
        resolver = self.resolve_by(process.server, tries=1, total=40.0)
        right = 0
        for start in range(0, count, window):
            numbers = range(start, start + window)
            asked = [resolver.query(f"h{number}.zone.test") for number in numbers]
            results: list[Result] = await gatherResults(asked)
            right += sum(
                result.addresses == (f"10.0.{number >> 8}.{number & 255}",)
                for number, result in zip(numbers, results, strict=True)
            )
        return right

    async def test_transports(self) -> None:
        """named and unbound are asked over UDP, TCP, TLS and HTTPS."""
        named = self.peer()
        unbound = self.peer("unbound", named.plain)
        trusted = ("--upstream-ca", str(self.authority.file))
        for peer in (named, unbound):
            options = [
                ("--upstream", server, *trusted)
                for server in (
                    f"127.0.0.1:{peer.plain}",
                    f"tcp://127.0.0.1:{peer.plain}",
                    f"tls://127.0.0.1:{peer.tls}#{HOST}",
                    f"https://{HOST}:{peer.https}/dns-query#127.0.0.1",
                )
            ]
            begun = [self.begin(*each) for each in options]
            for process, each in zip(begun, options, strict=True):
                listening = self.started(process, *each)
                self.assertEqual(await self.ask_all(listening, 40), 40, each)
                listening.stop()

    async def test_dead_and_misbehaving(self) -> None:
        """With one server dead and one misbehaving all names are answered rightly."""
        turns = itertools.count()

        def misbehave(query: Query) -> Iterator[Step]:
            turn = next(turns) % 4
            if turn == 0:
                yield other_question(query)
            elif turn == 1:
                yield query.data[:2] + b"garbage that is no message at all"
            elif turn == 2:
                yield truncated(query)
            else:
                yield error(query, dns.rcode.SERVFAIL)

        named = self.peer()
        dead, bad = self.serve(silent), self.serve(misbehave)
        process = self.start(
            *("--upstream", str(dead.server), "--upstream", str(bad.server)),
            *("--upstream", f"127.0.0.1:{named.plain}", "--upstream-timeout", "20s"),
        )
        self.assertEqual(await self.ask_all(process, 500), 500)
        self.assertGreater(len(bad.udp), 0)
        self.assertGreater(len(dead.udp), 0)
        process.stop()

    async def test_upstream_dies(self) -> None:
        """When all servers die, old answers go on being given."""
        named = self.peer()
        process = self.start(
            *("--upstream", f"127.0.0.1:{named.plain}", "--max-ttl", "1s"),
            *("--upstream-timeout", "20s"),
        )
        self.assertEqual(await self.ask_all(process, 20), 20)
        named.close()
        await deferLater(reactor, 1.1)
        found = await threads.deferToThread(self.dig, process, "h3.zone.test")
        self.assertIn("EDE: 3 (Stale Answer)", found)
        self.assertIn("10.0.0.3", found)
        self.assertEqual(await self.ask_all(process, 20), 20)
        found = await threads.deferToThread(self.dig, process, "h30.zone.test")
        self.assertIn("SERVFAIL", found)
        process.stop()

    async def test_forger(self) -> None:
        """A server that forges answers in a signed zone is passed over."""
        signed = SignedZone(self.folder)
        self.addCleanup(signed.close)

        def forge(query: Query) -> Iterator[Step]:
            yield answer(query, POISON, flags=dns.flags.AD)

        forger = self.serve(forge)
        process = self.start(
            *("--upstream", str(forger.server)),
            *("--upstream", f"127.0.0.1:{signed.port}"),
            *("--dnssec", "--trust-anchor", str(signed.anchor)),
        )
        self.assertEqual(await self.ask_all(process, 60, 5), 60)
        self.assertGreater(len(forger.udp), 0)
        found = await threads.deferToThread(
            self.dig, process, "h1.zone.test", "+dnssec"
        )
        self.assertIn("qr rd ra ad;", found)
        self.assertIn("RRSIG", found)
        counters = process.stop()
        self.assertGreaterEqual(counters["dnssec-passed-over"], 1)

    async def test_only_a_forger(self) -> None:
        """Where there is no other, there is no answer, and EDE says why."""
        signed = SignedZone(self.folder)
        self.addCleanup(signed.close)

        def forge(query: Query) -> Iterator[Step]:
            yield answer(query, POISON)

        process = self.start(
            *("--upstream", str(self.serve(forge).server)),
            *("--dnssec", "--trust-anchor", str(signed.anchor)),
        )
        found = await threads.deferToThread(self.dig, process, "h1.zone.test")
        self.assertIn("SERVFAIL", found)
        self.assertIn("EDE: 6 (DNSSEC Bogus)", found)
        self.assertNotIn(POISON, found)
        found = await threads.deferToThread(self.dig, process, "h1.zone.test", "+cd")
        self.assertIn(POISON, found)
        process.stop()
