"""L{netsvc.dns.dnssec} beside delv and unbound, on zones of every sort."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
from dns.exception import DNSException
from dns.message import Message
from dns.name import Name
from dns.name import from_text as name
from dns.rdatatype import RdataType
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.dnssec.anchors import parse_anchors
from netsvc.dns.dnssec.status import EDE, FetchError, Verdict
from netsvc.dns.dnssec.validator import Validator
from netsvc.dns.result import Security
from tests.integration.balance_peers import Peer, free_ports
from tests.integration.dnssec_zones import COVERED, KINDS, TOP, Zones
from tests.integration.echo_process import PATIENCE, tool

_NSD = """
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    database: ""
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
"""

_UNBOUND = """
server:
    interface: 127.0.0.1@{port}
    access-control: 127.0.0.0/8 allow
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    do-daemonize: no
    do-ip6: no
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor: "{anchor}"
    qname-minimisation: no
    ede: yes
remote-control:
    control-enable: no
"""

#: What delv writes, once for each RRset: the worst first.
_DELV_SAYS = {
    "resolution failed": "bogus",
    "unsigned answer": "insecure",
    "fully validated": "secure",
}


class OracleTests(SynchronousTestCase):
    """Verdicts on local zones: what we find, what is right, what the others find.

    NSD serves the zones, unbound resolves and validates; delv and netsvc validate
    themselves what unbound gives them with CD set.
    """

    maxDiff = None

    def setUp(self) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self._temporary.cleanup)
        folder = Path(self._temporary.name)
        for program in ("nsd", "unbound", "delv"):
            tool(program)
        zones = Zones(folder)
        authority, self.port = free_ports(2)
        text = _NSD.format(port=authority, folder=folder)
        stubs = _UNBOUND.format(port=self.port, folder=folder, anchor=zones.anchor)
        for origin, path in zones.files.items():
            text += f'zone:\n    name: "{origin}"\n    zonefile: "{path}"\n'
            stubs += f'stub-zone:\n    name: "{origin}"\n'
            stubs += f"    stub-addr: 127.0.0.1@{authority}\n"
        (folder / "nsd.conf").write_text(text)
        (folder / "unbound.conf").write_text(stubs)
        self._serve(folder, "nsd", authority)
        self._serve(folder, "unbound", self.port)
        tag, algorithm, digest, data = zones.anchor.split()[-4:]
        self._anchors = folder / "anchors"
        self._anchors.write_text(
            "trust-anchors { "
            f'{TOP} static-ds {tag} {algorithm} {digest} "{data}"; }};\n'
        )
        self.validator = Validator(self._fetch, parse_anchors(zones.anchor), time.time)

    def _serve(self, folder: Path, program: str, port: int) -> None:
        command = [program, "-d", "-c", str(folder / f"{program}.conf")]
        self.addCleanup(Peer(folder, command, [port]).close)

    def _ask(self, where: Name, rdtype: RdataType, flags: int) -> Message:
        query = dns.message.make_query(where, rdtype, want_dnssec=True)
        query.flags |= flags
        message, _ = dns.query.udp_with_fallback(
            query, "127.0.0.1", timeout=PATIENCE, port=self.port
        )
        return message

    async def _fetch(self, where: Name, rdtype: RdataType) -> Message:
        try:
            return self._ask(where, rdtype, dns.flags.CD)
        except (DNSException, OSError) as error:
            raise FetchError(str(error)) from error

    def ours(self, where: Name, rdtype: RdataType) -> Verdict:
        """Validate with netsvc."""
        message = self._ask(where, rdtype, dns.flags.CD)
        work = self.validator.validate(where, rdtype, message)
        return self.successResultOf(Deferred.fromCoroutine(work))

    def unbounds(self, where: Name, rdtype: RdataType) -> str:
        """Have unbound validate."""
        message = self._ask(where, rdtype, 0)
        if message.rcode() == dns.rcode.SERVFAIL:
            return "bogus"
        return "secure" if message.flags & dns.flags.AD else "insecure"

    def delvs(self, where: Name, rdtype: RdataType) -> str:
        """Have delv validate."""
        run = subprocess.run(
            [
                *(tool("delv"), "@127.0.0.1", "-p", str(self.port)),
                *("-a", str(self._anchors), f"+root={TOP}"),
                *(str(where), rdtype.name),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        # "ncache" is how it names a negative answer, which is no failure.
        said = (run.stdout + run.stderr).replace("resolution failed: ncache", "")
        for text, status in _DELV_SAYS.items():
            if text in said:
                return status
        return said

    def test_verdicts(self) -> None:
        """netsvc, unbound and delv find the same, and that is right."""
        wrong = []
        for label, kind in KINDS.items():
            for (owner, rdtype), expected in kind.expected().items():
                where = name(f"{owner}.{label}.{TOP}".lstrip("."))
                asked = (where, RdataType.make(rdtype))
                verdict = self.ours(*asked)
                found = [verdict.security.value, self.unbounds(*asked)]
                # delv calls a name in an opt-out span proven to be missing, which
                # RFC 5155 section 9.2 forbids.
                if label != "optout" or (owner, rdtype) not in COVERED:
                    found.append(self.delvs(*asked))
                if set(found) != {expected}:
                    wrong.append((f"{where} {rdtype}", expected, found, verdict))
        self.assertEqual(wrong, [])

    def test_reasons(self) -> None:
        """The reason for a verdict is the extended error that fits."""
        for label, ede in (
            ("expired", EDE.EXPIRED),
            ("future", EDE.NOT_YET_VALID),
            ("badkey", EDE.BOGUS),
            ("badsig", EDE.BOGUS),
            ("wrongds", EDE.DNSKEY_MISSING),
            ("unsigned", EDE.DNSKEY_MISSING),
        ):
            verdict = self.ours(name(f"www.{label}.{TOP}"), RdataType.A)
            self.assertIs(verdict.security, Security.BOGUS)
            self.assertEqual(verdict.ede, ede, verdict)
        verdict = self.ours(name(f"no.many.{TOP}"), RdataType.A)
        self.assertEqual(verdict.ede, EDE.NSEC3_ITERATIONS)
