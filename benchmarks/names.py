"""What looks names up in the benchmarks, and the name server behind it: NSD.

The zone has C{h0.zone.test}, C{h1.zone.test} and so on, each with one address.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.peers import AIODNS, DNSPYTHON, NETSVC, TWISTED_NAMES, UNBOUND
from benchmarks.programs import (
    BACKENDS,
    CLIENT,
    HOST,
    Command,
    Kind,
    Program,
    Workshop,
    last_line,
    probe,
    program,
    python,
    twistd,
)

#: Where NSD listens, on the same port as the server under test.
UPSTREAM = BACKENDS[0]

#: Names in the zone.
NAMES = 100_000

ZONE = "zone.test"

#: Asks for C{localhost}, which each forwarder answers by itself.
_READY = b"\0\1\1\0\0\1\0\0\0\0\0\0\x09localhost\0\0\1\0\1"

_NSD = """\
server:
    ip-address: {host}@{port}
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    xfrdfile: ""
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: {zone}
    zonefile: "{zone}"
"""

_UNBOUND = """\
server:
    interface: {host}@{port}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-ip6: no
    num-threads: 1
    msg-cache-size: 64m
    rrset-cache-size: 64m
    do-not-query-localhost: no
    module-config: "iterator"
    local-zone: "test." nodefault
remote-control:
    control-enable: no
stub-zone:
    name: "{zone}"
    stub-addr: {upstream}@{port}
"""


def missing(peer: str) -> str | None:
    """Return why a peer cannot be run here, C{None} if it can."""
    if peer == UNBOUND and program("unbound") is None:
        return "no unbound here (Debian: unbound)"
    if peer == AIODNS and find_spec("aiodns") is None:
        return "no aiodns here (pip install aiodns)"
    return None


def resolves(kind: Kind, host: str, port: int) -> bool:
    """Say whether a DNS server answers."""
    with probe("udp", CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((host, port))
            client.send(_READY)
            return len(client.recv(512)) > len(_READY)
        except OSError:
            return False


def zone_text(names: int = NAMES) -> str:
    """Return the zone."""
    head = f"$ORIGIN {ZONE}.\n$TTL 86400\n@ SOA ns ns 1 3600 600 86400 300\n@ NS ns\n"
    return f"{head}ns A {UPSTREAM}\n" + "".join(
        f"h{number} A {address(number)}\n" for number in range(names)
    )


def address(number: int) -> str:
    """Return the address of a name of the zone."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def nsd(workshop: Workshop, port: int) -> Program:
    """Return NSD with the zone, to be started.

    @raise BenchError: if it is not installed.
    """
    if program("nsd") is None:
        raise BenchError("no nsd here (Debian: nsd)")
    zone = workshop.folder / ZONE
    if not zone.exists():
        zone.write_text(zone_text(), encoding="ascii")
    conf = workshop.folder / "nsd.conf"
    conf.write_text(
        _NSD.format(host=UPSTREAM, port=port, folder=workshop.folder, zone=ZONE),
        encoding="utf-8",
    )
    return Program(
        workshop,
        "nsd",
        [program("nsd") or "nsd", "-d", "-c", str(conf)],
        workshop.load_core,
        lambda: _serves(port),
    )


def _serves(port: int) -> bool:
    with probe("tcp", CLIENT, 0) as client:
        return client.connect_ex((UPSTREAM, port)) == 0


@dataclass(frozen=True)
class Answered:
    """What dnsperf says.

    @ivar queries: how many were answered.
    @ivar seconds: in which time.
    """

    queries: int
    seconds: float


def parse_dnsperf(text: str) -> Answered:
    """Read the statistics of dnsperf.

    @raise BenchError: if there are none, or queries were lost, or answered wrongly.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if colon:
            found[key] = value.strip()
    try:
        queries = int(found["Queries completed"].split()[0])
        lost = int(found["Queries lost"].split()[0])
        seconds = float(found["Run time (s)"])
        codes = found["Response codes"]
    except (KeyError, ValueError, IndexError):
        raise BenchError(f"dnsperf says: {last_line(text)}") from None
    if lost or not codes.startswith(f"NOERROR {queries} "):
        raise BenchError(f"{lost} of {queries} queries lost; {codes}")
    return Answered(queries, seconds)


def dnsperf(workshop: Workshop, port: int, names: int, *options: str) -> Answered:
    """Ask a server for names of the zone.

    @param names: how many different ones.
    @param options: how long, and how many at once.
    @raise BenchError: if dnsperf is not installed, or not all is answered.
    """
    path = program("dnsperf")
    if path is None:
        raise BenchError("no dnsperf here (Debian: dnsperf)")
    queries = workshop.folder / f"queries-{names}"
    if not queries.exists():
        text = "".join(f"h{number}.{ZONE} A\n" for number in range(names))
        queries.write_text(text, encoding="ascii")
    core = ("taskset", "-c", str(workshop.load_core))
    run = subprocess.run(
        [*core, path, "-s", HOST, "-p", str(port), "-d", str(queries), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return parse_dnsperf(run.stdout or run.stderr)


def _netsvc(workshop: Workshop, port: int) -> list[str]:
    """C{twistd -n netsvc-dns} as an operator starts it, without a rate limit."""
    return twistd(
        "netsvc-dns",
        f"--dns=udp:{port}:interface={HOST}",
        "--line=off",
        f"--upstream={UPSTREAM}:{port}",
        f"--forward={ZONE}",
        "--rate=off",
    )


def unbound_settings(port: int, folder: Path) -> str:
    """Return the configuration of unbound."""
    return _UNBOUND.format(
        host=HOST, port=port, folder=folder, zone=ZONE, upstream=UPSTREAM
    )


def _unbound(workshop: Workshop, port: int) -> list[str]:
    conf = workshop.folder / "unbound.conf"
    conf.write_text(unbound_settings(port, workshop.folder), encoding="utf-8")
    return [program("unbound") or "unbound", "-d", "-c", str(conf)]


#: Caching forwarders.
FORWARDERS: Mapping[str, Command] = {NETSVC: _netsvc, UNBOUND: _unbound}


def _client(library: str) -> Command:
    module = "benchmarks.servers.lookup_client"
    return lambda _, port: python(module, library, str(port))


#: Clients: each a program that looks names up when it is told to.
CLIENTS: Mapping[str, Command] = {
    NETSVC: _client("netsvc"),
    AIODNS: _client("aiodns"),
    TWISTED_NAMES: _client("twisted"),
    DNSPYTHON: _client("dnspython"),
}


def connect(port: int) -> socket.socket:
    """Connect to such a program.

    @raise OSError: if it is not there.
    """
    client = probe("tcp", CLIENT, 0)
    client.settimeout(60)
    client.connect((HOST, port))
    return client
