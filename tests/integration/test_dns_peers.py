"""The resolver beside servers that others wrote: named, NSD, unbound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IHostnameResolver, IResolver
from twisted.names import dns, error
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from netsvc.dns import codes, stream
from netsvc.dns.bootstrap import with_addresses
from netsvc.dns.errors import HTTPFailed, LookupFailed, NoServers, Refused, TLSFailed
from netsvc.dns.hostnames import HostLookup, HostnameResolver, NamesResolver
from netsvc.dns.options import QueryOptions
from netsvc.dns.resolver import Resolver
from netsvc.dns.resolver_settings import ResolverSettings
from netsvc.dns.result import Result
from netsvc.dns.servers import Server, parse_server
from netsvc.dns.text import rdata_text
from tests.integration.balance_certificates import Authority
from tests.integration.dns_peers import HOST, NAMES, DNSPeer
from tests.integration.dns_servers import reactor

#: What the servers call themselves (NSID).
ARTICLE = {"named": "a", "nsd": "an"}


class PeerTestCase(TestCase):
    """
    A test with the servers.

    @cvar programs: which of them it needs.
    @ivar peers: they.
    @ivar authority: who has signed their certificates.
    """

    timeout = 50
    programs: ClassVar[tuple[str, ...]] = ("named", "nsd", "unbound")

    def setUp(self) -> None:
        """Start the servers; they may take their time."""
        self.patch(stream, "HANDSHAKE", 30.0)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name)
        self.authority = Authority(path)
        self.peers: dict[str, DNSPeer] = {}
        for program in self.programs:
            upstream = self.peers["named"].plain if program == "unbound" else 0
            self.peers[program] = DNSPeer(program, path, self.authority, upstream)
            self.addCleanup(self.peers[program].close)

    def resolver(self, *texts: str, **settings: Any) -> Resolver:
        """Make a resolver that trusts the servers' authority."""
        made = Resolver(
            reactor,
            [parse_server(text) for text in texts],
            ResolverSettings(
                **{"authorities": self.authority.file, "total": 40.0, **settings}
            ),
        )
        self.addCleanup(made.close)
        return made

    def ways(self) -> Iterator[tuple[str, str, str]]:
        """Give all ways to ask: program, transport, server."""
        for program, peer in self.peers.items():
            yield program, "udp", f"127.0.0.1:{peer.plain}"
            yield program, "tcp", f"tcp://127.0.0.1:{peer.plain}"
            yield program, "tls", f"tls://127.0.0.1:{peer.tls}#{HOST}"
            if peer.https:
                url = f"https://{HOST}:{peer.https}/dns-query#127.0.0.1"
                yield program, "https", url


class TransportTests(PeerTestCase):
    """Every server over every transport."""

    async def test_answers(self) -> None:
        """Answers of every sort are right, and say how they came."""
        for program, transport, text in self.ways():
            resolver = self.resolver(text)
            result = await resolver.query("alias.zone.test")
            self.assertEqual(result.addresses, ("10.0.0.1",), text)
            self.assertEqual(result.transport, transport)
            self.assertEqual(result.canonical, b"\2h1\4zone\4test\0")
            self.assertEqual(str(result.server), text)
            result = await resolver.query("nope.zone.test", "AAAA")
            self.assertEqual((result.rcode, result.records), (codes.NXDOMAIN, ()))
            self.assertEqual([each.rtype for each in result.authority], [6])
            result = await resolver.query("big.zone.test", "TXT")
            self.assertEqual(len(result.records[0].rdata), 12 * 201)
            expected = "tcp" if transport == "udp" else transport
            self.assertEqual(result.transport, expected)
            result = await resolver.query("zone.test", "MX")
            self.assertEqual(rdata_text(result.records[0]), "10 h1.zone.test.")
            if program != "unbound":
                with self.assertRaises(Refused):
                    await resolver.query("elsewhere.test")
                options = QueryOptions(nsid=True)
                result = await resolver.query("h1.zone.test", options=options)
                self.assertEqual(result.nsid, f"{ARTICLE[program]} {program}".encode())

    async def test_many(self) -> None:
        """Several hundred questions at once are all answered rightly.

        NSD stalls over TLS when several come together (4.6.1).
        """
        for program, transport, text in self.ways():
            resolver = self.resolver(text)
            results: list[Result] = await gatherResults(
                [resolver.query(f"h{number}.zone.test") for number in range(300)]
            )
            for number, result in enumerate(results):
                self.assertEqual(
                    result.addresses,
                    (f"10.0.{number >> 8}.{number & 255}",),
                    (program, transport),
                )

    async def test_cookies(self) -> None:
        """named's cookies are taken and given back."""
        resolver = self.resolver(f"127.0.0.1:{self.peers['named'].plain}")
        for number in range(3):
            await resolver.query(f"h{number}.zone.test")
        memory = resolver.memory(resolver.servers[0])
        self.assertEqual(len(memory.server_cookie), 16)
        self.assertEqual(memory.counts["missing-cookie"], 0)

    async def test_sockets_are_rotated(self) -> None:
        """A socket serves a number of queries; few are open at any time."""
        resolver = self.resolver(f"127.0.0.1:{self.peers['nsd'].plain}")
        for start in range(0, NAMES, 100):
            names = range(start, start + 100)
            await gatherResults([resolver.query(f"h{n}.zone.test") for n in names])
        datagrams: Any = resolver._all[0].datagrams
        self.assertLessEqual(len(datagrams), 4)
        # More if one was late and asked again.
        counts = resolver.memory(resolver.servers[0]).counts
        self.assertGreaterEqual(counts["udp"], NAMES)


class TrustTests(PeerTestCase):
    """Who is trusted over TLS."""

    programs = ("named", "nsd")

    def server(self, kind: str = "tls", name: str = HOST, pin: str = "") -> str:
        """Give named as a server with another name, or a pin."""
        peer = self.peers["named"]
        query = f"?pin={pin}" if pin else ""
        if kind == "tls":
            return f"tls://127.0.0.1:{peer.tls}{query}#{name}"
        return f"https://{name}:{peer.https}/dns-query{query}#127.0.0.1"

    async def test_name(self) -> None:
        """A certificate for another name is refused."""
        for kind in ("tls", "https"):
            with self.assertRaises(TLSFailed):
                await self.resolver(self.server(kind, "evil.test")).query(
                    "h1.zone.test"
                )

    async def test_authority(self) -> None:
        """So is one of an authority that is not trusted."""
        for kind in ("tls", "https"):
            resolver = self.resolver(self.server(kind), authorities=None)
            with self.assertRaises(TLSFailed) as caught:
                await resolver.query("h1.zone.test")
            self.assertIn("verify failed", str(caught.exception))

    async def test_pins(self) -> None:
        """A pinned key is trusted, whoever has signed it and for whatever name."""
        right = self.peers["named"].pin
        wrong = self.peers["nsd"].pin
        for kind in ("tls", "https"):
            server = self.server(kind, "evil.test", right)
            result = await self.resolver(server, authorities=None).query("h1.zone.test")
            self.assertEqual(result.addresses, ("10.0.0.1",))
            with self.assertRaises(TLSFailed):
                await self.resolver(self.server(kind, HOST, wrong)).query(
                    "h1.zone.test"
                )

    async def test_no_doh(self) -> None:
        """A path at which there is no DNS is an error of HTTP."""
        peer = self.peers["named"]
        resolver = self.resolver(f"https://{HOST}:{peer.https}/nope#127.0.0.1")
        with self.assertRaises(HTTPFailed):
            await resolver.query("h1.zone.test")

    async def test_no_tls(self) -> None:
        """A port without TLS, or without HTTP/2, is an error soon."""
        peer = self.peers["named"]
        with self.assertRaises(HTTPFailed):
            resolver = self.resolver(f"https://127.0.0.1:{peer.tls}#{HOST}")
            await resolver.query("h1.zone.test")
        # named waits for more, and so it is the handshake that takes too long.
        self.patch(stream, "HANDSHAKE", 0.2)
        began = reactor.seconds()
        with self.assertRaises(LookupFailed):
            resolver = self.resolver(f"tls://127.0.0.1:{peer.plain}#{HOST}")
            await resolver.query("h1.zone.test")
        self.assertLess(reactor.seconds() - began, 20.0)


class ProgramTests(PeerTestCase):
    """The resolver as that of a Twisted program."""

    programs = ("named", "unbound")

    def setUp(self) -> None:
        """Have one."""
        super().setUp()
        self.asks = self.resolver(f"127.0.0.1:{self.peers['unbound'].plain}")
        self.lookup = HostLookup(self.asks)

    async def test_installed(self) -> None:
        """Installed, it serves every endpoint and client of the program."""
        made = HostnameResolver(self.lookup)
        verifyObject(IHostnameResolver, made)
        before = reactor.installNameResolver(made)
        self.addCleanup(reactor.installNameResolver, before)
        self.assertEqual(await reactor.resolve("h7.zone.test"), "10.0.0.7")

    async def test_names(self) -> None:
        """It is what L{twisted.names.client.Resolver} is."""
        made = NamesResolver(self.asks, self.lookup)
        verifyObject(IResolver, made)
        self.assertEqual(await made.getHostByName("h1.zone.test"), "10.0.0.1")
        answers, _, _ = await made.lookupMailExchange(b"zone.test")
        self.assertEqual(answers[0].payload.name.name, b"h1.zone.test")
        answers, _, _ = await made.query(dns.Query("svc.zone.test", dns.SRV), [20, 30])
        self.assertEqual((answers[0].payload.port, answers[0].ttl > 0), (3, True))
        with self.assertRaises(error.DNSNameError):
            await made.lookupAddress("nope.zone.test", timeout=30)

    async def test_bootstrap(self) -> None:
        """A server by name is looked up by the system's resolver."""
        made = HostnameResolver(self.lookup)
        servers = [Server("tls", "h1.zone.test", 853, "h1.zone.test")]
        found = await with_addresses(reactor, [*servers, parse_server("::1")], made)
        self.assertEqual(
            [str(server) for server in found],
            ["tls://[2001:db8::1]#h1.zone.test", "tls://10.0.0.1#h1.zone.test", "::1"],
        )
        with self.assertRaises(NoServers):
            await with_addresses(reactor, [parse_server("tls://nope.zone.test")], made)
