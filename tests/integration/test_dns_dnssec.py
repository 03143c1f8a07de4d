"""L{netsvc.dns.dnssec} beside delv and unbound, on zones of every sort."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
from netsvc.dns.dnssec.status import FetchError, Verdict
from netsvc.dns.dnssec.validator import Validator
from tests.integration.balance_peers import Peer
from tests.integration.dns_peers import on_free_ports
from tests.integration.dnssec_zones import (
    ALGORITHMS,
    AT_ONCE,
    BROKEN,
    COVERED,
    DENIALS,
    TOP,
    UNSIGNED,
    Kind,
    Zones,
)
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
        self._folder = Path(self._temporary.name)
        for program in ("nsd", "unbound", "delv"):
            tool(program)

    def _serve_all(self, kinds: Mapping[str, Kind]) -> None:
        """Serve such zones, and trust the one above them."""
        zones = Zones(self._folder, kinds)
        authority = on_free_ports(1, partial(self._serve_zones, zones))
        self.port = on_free_ports(1, partial(self._resolve, zones, authority))
        tag, algorithm, digest, data = zones.anchor.split()[-4:]
        self._anchors = self._folder / "anchors"
        self._anchors.write_text(
            "trust-anchors { "
            f'{TOP} static-ds {tag} {algorithm} {digest} "{data}"; }};\n'
        )
        self.validator = Validator(self._fetch, parse_anchors(zones.anchor), time.time)

    def _serve_zones(self, zones: Zones, port: int) -> int:
        """Have NSD serve zones."""
        text = _NSD.format(port=port, folder=self._folder)
        for origin, path in zones.files.items():
            text += f'zone:\n    name: "{origin}"\n    zonefile: "{path}"\n'
        return self._start("nsd", text, port)

    def _resolve(self, zones: Zones, authority: int, port: int) -> int:
        """Have unbound resolve their names."""
        text = _UNBOUND.format(port=port, folder=self._folder, anchor=zones.anchor)
        for origin in zones.files:
            text += f'stub-zone:\n    name: "{origin}"\n'
            text += f"    stub-addr: 127.0.0.1@{authority}\n"
        return self._start("unbound", text, port)

    def _start(self, program: str, text: str, port: int) -> int:
        """Start a server; give its port."""
        conf = self._folder / f"{program}.conf"
        conf.write_text(text)
        command = [program, "-d", "-c", str(conf)]
        self.addCleanup(Peer(self._folder, command, [port]).close)
        return port

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

    def judge(self, kinds: Mapping[str, Kind]) -> None:
        """See that all find what is right of such zones, and netsvc why."""
        self._serve_all(kinds)
        right: dict[tuple[Name, RdataType], str] = {}
        delvs: list[tuple[Name, RdataType]] = []
        for label, kind in kinds.items():
            for (owner, rdtype), expected in kind.expected().items():
                where = name(f"{owner}.{label}.{TOP}".lstrip("."))
                asked = (where, RdataType.make(rdtype))
                right[asked] = expected
                # delv calls a name in an opt-out span proven to be missing, which
                # RFC 5155 section 9.2 forbids.
                if label != "optout" or (owner, rdtype) not in COVERED:
                    delvs.append(asked)
        verdicts = {asked: self.ours(*asked) for asked in right}
        ours = {asked: each.security.value for asked, each in verdicts.items()}
        self.assertEqual(ours, right)
        self.assertEqual({asked: self.unbounds(*asked) for asked in right}, right)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = pool.map(lambda asked: self.delvs(*asked), delvs)
            found = dict(zip(delvs, said, strict=True))
        self.assertEqual(found, {asked: right[asked] for asked in delvs})
        for label, kind in kinds.items():
            if kind.reason is not None:
                owner, ede = kind.reason
                verdict = verdicts[name(f"{owner}.{label}.{TOP}"), RdataType.A]
                self.assertEqual(verdict.ede, ede, verdict)

    def test_denials(self) -> None:
        """netsvc, unbound and delv find the same, however a zone denies."""
        self.judge(DENIALS)

    def test_algorithms(self) -> None:
        """So they do whatever it is signed with."""
        self.judge(ALGORITHMS)

    def test_unsigned(self) -> None:
        """What is not signed is insecure where its parent says so, and else bogus."""
        self.judge(UNSIGNED)

    def test_broken(self) -> None:
        """What is signed wrongly is bogus, and the extended error says why."""
        self.judge(BROKEN)
