"""named, NSD and unbound as processes, with one zone, over UDP, TCP, TLS and HTTPS."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import dns.message
import dns.query
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dns.exception import DNSException

from tests.integration.balance_certificates import Authority
from tests.integration.balance_peers import Peer, free_ports
from tests.integration.echo_process import PATIENCE, until

#: The name in the servers' certificates.
HOST = "dns.test"

#: How many names C{h0} and so on the zone has.
NAMES = 1000

_NAMED = """
tls local {{ key-file "{pem}"; cert-file "{pem}"; }};
http local {{ endpoints {{ "/dns-query"; }}; }};
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    listen-on port {plain} {{ 127.0.0.1; }};
    listen-on port {tls} tls local {{ 127.0.0.1; }};
    listen-on port {https} tls local http local {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    server-id "a named";
    recursion no;
    dnssec-validation no;
    notify no;
}};
controls {{ }};
zone "zone.test" {{ type primary; file "{zone}"; }};
"""

_NSD = """
server:
    ip-address: 127.0.0.1@{plain}
    ip-address: 127.0.0.1@{tls}
    tls-port: {tls}
    tls-service-key: "{pem}"
    tls-service-pem: "{pem}"
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    xfrdfile: ""
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
    rrl-ratelimit: 0
    nsid: "ascii_an nsd"
remote-control:
    control-enable: no
zone:
    name: zone.test
    zonefile: "{zone}"
"""

_UNBOUND = """
server:
    interface: 127.0.0.1@{plain}
    interface: 127.0.0.1@{tls}
    interface: 127.0.0.1@{https}
    tls-port: {tls}
    https-port: {https}
    tls-service-key: "{pem}"
    tls-service-pem: "{pem}"
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
    module-config: "iterator"
    local-zone: "test." nodefault
remote-control:
    control-enable: no
stub-zone:
    name: "zone.test"
    stub-addr: 127.0.0.1@{upstream}
"""


Started = TypeVar("Started")


def on_free_ports(number: int, start: Callable[..., Started]) -> Started:
    """
    Start something on so many ports that are free.

    @param start: given the ports; somebody else may have taken one meanwhile, and then
        it fails, and is called again with others.
    """
    for _ in range(2):
        try:
            return start(*free_ports(number))
        except AssertionError:
            continue
    return start(*free_ports(number))


def write_zone(path: Path) -> None:
    """Write the zone C{zone.test}."""
    text = " ".join(f'"{"x" * 200}"' for _ in range(12))
    lines = [
        "$ORIGIN zone.test.",
        "$TTL 300",
        "@ SOA ns h 1 3600 600 86400 300",
        "@ NS ns",
        "@ MX 10 h1",
        "ns A 127.0.0.1",
        f"big TXT {text}",
        "alias CNAME h1",
        "h1 AAAA 2001:db8::1",
        "svc SRV 1 2 3 h1",
        "*.wild A 192.0.2.7",
    ]
    lines += [f"h{n} A 10.0.{n >> 8}.{n & 255}" for n in range(NAMES)]
    path.write_text("\n".join(lines) + "\n")


class DNSPeer:
    """
    A name server.

    @ivar plain: its port for UDP and TCP.
    @ivar tls: its port for TLS.
    @ivar https: its port for HTTPS; 0 if it has none.
    @ivar pin: its public key as a pin.
    """

    def __init__(
        self, program: str, folder: Path, authority: Authority, upstream: int = 0
    ) -> None:
        """
        Start it.

        @param program: C{named}, C{nsd} or C{unbound}.
        @param upstream: whom C{unbound} asks.
        """
        folder = folder / program
        folder.mkdir()
        pem = authority.issue(HOST, f"{program}.pem")
        self.pin = pin_of(pem)
        write_zone(folder / "zone.test.zone")
        on_free_ports(3, partial(self._start, program, folder, pem, upstream))

    def _start(
        self, program: str, folder: Path, pem: Path, upstream: int, *ports: int
    ) -> None:
        """Start it on these ports."""
        self.plain, self.tls, self.https = ports
        template = {"named": _NAMED, "nsd": _NSD, "unbound": _UNBOUND}[program]
        conf = folder / f"{program}.conf"
        conf.write_text(
            template.format(
                folder=folder,
                pem=pem,
                zone=folder / "zone.test.zone",
                plain=self.plain,
                tls=self.tls,
                https=self.https,
                upstream=upstream,
            )
        )
        foreground = {"named": "-f", "nsd": "-d", "unbound": "-d"}[program]
        if program == "nsd":
            self.https = 0
            ports = ports[:2]
        self._peer = Peer(folder, [program, foreground, "-c", str(conf)], ports)
        try:
            # They listen before they have read the zone.
            until(self._answers, f"{program} answers", PATIENCE)
        except AssertionError:
            self.close()
            raise

    def _answers(self) -> bool:
        query = dns.message.make_query("h1.zone.test", "A")
        try:
            reply = dns.query.udp(query, "127.0.0.1", 0.5, self.plain)
        except (OSError, DNSException):
            return False
        return bool(reply.answer)

    def close(self) -> None:
        """End it."""
        self._peer.close()


def pin_of(pem: Path) -> str:
    """Give the public key of a certificate as a pin (RFC 7858 appendix A)."""
    found = pem.read_bytes()
    start = found.index(b"-----BEGIN CERTIFICATE")
    key = x509.load_pem_x509_certificate(found[start:]).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(sha256(spki).digest()).decode()
