"""Who is compared: how each echo server is started. For proxies see L{proxies},
for chat servers L{chats}.

The order is the order of the tables. A peer is always as fast as we know how to write
it plainly; the server under test runs with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.programs import HOST, Command, python, twistd

NETSVC = "netsvc"
C = "C epoll"
UVLOOP = "uvloop"
ASYNCIO = "asyncio"
TWISTED = "stock Twisted"
HAPROXY = "HAProxy"
HAPROXY_SPLICE = "HAProxy, splice"
NGINX = "nginx"
PORTFORWARD = "twistd portforward"
NETSVC_MEMORY = "netsvc, nothing stored"
NETSVC_STORED = "netsvc, history kept"
NETSVC_RAW = "netsvc, raw"
NGIRCD = "ngIRCd"
INSPIRCD = "InspIRCd"
WORDS = "twisted.words"
UNBOUND = "unbound"
AIODNS = "aiodns"
TWISTED_NAMES = "twisted.names"
DNSPYTHON = "dnspython"

#: Short names for the command line.
NAMES = {
    "netsvc": NETSVC,
    "c": C,
    "uvloop": UVLOOP,
    "asyncio": ASYNCIO,
    "twisted": TWISTED,
    "haproxy": HAPROXY,
    "haproxy-splice": HAPROXY_SPLICE,
    "nginx": NGINX,
    "portforward": PORTFORWARD,
    "netsvc-memory": NETSVC_MEMORY,
    "netsvc-stored": NETSVC_STORED,
    "netsvc-raw": NETSVC_RAW,
    "ngircd": NGIRCD,
    "inspircd": INSPIRCD,
    "words": WORDS,
    "unbound": UNBOUND,
    "aiodns": AIODNS,
    "names": TWISTED_NAMES,
    "dnspython": DNSPYTHON,
}


def _peers(kind: str, netsvc: Command) -> Mapping[str, Command]:
    asyncio = "benchmarks.servers.asyncio_server"
    twisted = "benchmarks.servers.twisted_server"
    return {
        NETSVC: netsvc,
        C: lambda workshop, port: [workshop.echo, kind, str(port)],
        UVLOOP: lambda _, port: python(asyncio, kind, str(port), "uvloop"),
        ASYNCIO: lambda _, port: python(asyncio, kind, str(port)),
        TWISTED: lambda _, port: python(twisted, kind, str(port)),
    }


def _netsvc_echo(transport: str) -> Command:
    """C{twistd -n netsvc-echo} as an operator starts it, on a port of ours."""
    return lambda _, port: twistd(
        "netsvc-echo", "--listen", f"{transport}:{port}:interface={HOST}"
    )


TCP_ECHO = _peers("tcp", _netsvc_echo("tcp"))
UDP_ECHO = _peers("udp", _netsvc_echo("udp"))
FAN_OUT = _peers(
    "fanout", lambda _, port: python("benchmarks.fanout_netsvc", str(port))
)
