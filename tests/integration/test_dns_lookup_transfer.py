"""Zone transfers of C{netsvc lookup} as a process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.integration.balance_peers import Peer
from tests.integration.dns_peers import on_free_ports
from tests.integration.dns_servers import (
    GOOD,
    Query,
    Step,
    error,
    silent,
)
from tests.integration.echo_process import tool
from tests.integration.lookup_process import LookupCase
from tests.integration.ping_servers import make_certificate
from tests.integration.test_dns_servers import closed_port


def servfail(query: Query) -> Iterator[Step]:
    """Fail."""
    yield error(query, dns.rcode.SERVFAIL)


class TransferTests(LookupCase):
    """Zone transfers."""

    def script(self, query: Query) -> Iterator[Step]:
        """Give a small zone, in two messages."""
        soa = "ns.x.test. admin.x.test. 1 2 3 4 5"
        for records in ([("SOA", soa), ("A", GOOD)], [("SOA", soa)]):
            reply = dns.message.make_response(query.message)
            for rtype, data in records:
                rrset = dns.rrset.from_text("x.test.", 60, "IN", rtype, data)
                reply.answer.append(rrset)
            yield reply.to_wire()

    async def test_transfer(self) -> None:
        """A zone comes from the first server that gives it."""
        at = self.at(self.serve(servfail), self.serve(self.script))
        ran = await self.lookup("x.test", "AXFR", *at)
        self.assertRegex(ran.out, rf"x\.test  60  A +{GOOD}\n")
        self.assertIn("; 3 records, ", ran.out)
        self.assertIn("SERVFAIL", ran.err)
        ran = await self.lookup("--json", "--axfr", "x.test", *at)
        types = [json.loads(line)["type"] for line in ran.out.splitlines()]
        self.assertEqual(types, ["SOA", "A", "SOA"])
        soa = "ns.x.test. admin.x.test. 1 2 3 4 5\n"
        ran = await self.lookup("--short", "--axfr", "x.test", *at)
        self.assertEqual(ran.out, f"{soa}{GOOD}\n{soa}")

    async def test_no_authorities(self) -> None:
        """A file of authorities has to be there, though nobody needs it."""
        at = self.at(self.serve(self.script))
        for line in (["x.test"], ["x.test", "--axfr"], ["x.test", "--compare"]):
            ran = await self.lookup(*line, *at, "--ca", "/no/such.pem", status=1)
            self.assertEqual(
                (ran.out, ran.err),
                ("", "netsvc lookup: /no/such.pem: No such file or directory\n"),
            )

    async def test_refused(self) -> None:
        """A zone that nobody gives is a failure."""
        at = self.at(self.serve(servfail))
        ran = await self.lookup("x.test", "AXFR", *at, status=9)
        self.assertRegex(ran.err, r"\Anetsvc lookup: x.test AXFR: .* SERVFAIL\n\Z")
        ran = await self.lookup("x.test", "--axfr", "--json", *at, status=9)
        self.assertEqual(json.loads(ran.out)["error"]["kind"], "SERVFAIL")
        ran = await self.lookup("x.test", "--axfr", "@https://127.0.0.1", status=1)
        self.assertIn("not HTTPS", ran.err)
        command = self.begin("x.test", "--axfr", *self.at(self.serve(silent)))
        dead = closed_port()
        ran = await self.lookup("x.test", "--axfr", f"@127.0.0.1:{dead.port}", status=9)
        self.assertIn("cannot be reached", ran.err)
        command.interrupt()
        self.assertIn((await command.done).status, (9, -2))


class PeerTests(LookupCase):
    """NSD, over TCP and TLS."""

    async def test_nsd(self) -> None:
        """A zone is transferred, and a name looked up, over TCP and verified TLS."""
        tool("nsd")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        certificate, _ = make_certificate(folder)
        records = "".join(f"host{n} A 192.0.2.{n}\n" for n in range(200))
        (folder / "zone").write_text(
            "$ORIGIN x.test.\n$TTL 300\n@ SOA ns admin 1 2 3 4 5\n@ NS ns\n" + records
        )
        port, tls_port = on_free_ports(2, partial(self.serve_zone, folder, certificate))
        ca = ("--ca", str(certificate))
        for at in ((f"@127.0.0.1:{port}",), (f"@tls://127.0.0.1:{tls_port}", *ca)):
            ran = await self.lookup("x.test", "AXFR", *at)
            self.assertIn("; 203 records", ran.out)
            ran = await self.lookup("host7.x.test", "--short", *at)
            self.assertEqual(ran.out, "192.0.2.7\n")
        # Not verified is not asked.
        ran = await self.lookup(
            "x.test", "AXFR", f"@tls://127.0.0.1:{tls_port}", status=9
        )
        self.assertIn("TLS has failed", ran.err)

    def serve_zone(
        self, folder: Path, certificate: Path, port: int, tls_port: int
    ) -> tuple[int, int]:
        """Start NSD; give its ports."""
        (folder / "nsd.conf").write_text(
            f"""
server:
    ip-address: 127.0.0.1@{port}
    ip-address: 127.0.0.1@{tls_port}
    tls-port: {tls_port}
    tls-service-key: "{folder}/key.pem"
    tls-service-pem: "{certificate}"
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: ""
    database: ""
    xfrdfile: ""
    zonelistfile: "{folder}/zone.list"
    server-count: 1
remote-control:
    control-enable: no
zone:
    name: x.test
    zonefile: zone
    provide-xfr: 127.0.0.1 NOKEY
"""
        )
        command = ["nsd", "-d", "-c", str(folder / "nsd.conf")]
        self.addCleanup(Peer(folder, command, [port, tls_port]).close)
        return port, tls_port
