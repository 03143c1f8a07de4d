"""Which proxies are compared, and how each is started in front of the C backends.

netsvc-balance runs with its defaults, HAProxy with the same features on: checks of its
backends, round robin, time-outs. nginx and portforward have fewer. One process, one
thread does the work everywhere.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmarks import machine
from benchmarks.errors import BenchError
from benchmarks.peers import HAPROXY, HAPROXY_SPLICE, NETSVC, NGINX, PORTFORWARD
from benchmarks.programs import (
    BACKENDS,
    HOST,
    Command,
    Kind,
    Workshop,
    program,
    twistd,
)

#: Descriptors that a proxy needs for other things than connections.
SPARE = 200

#: Connections that a proxy has to take at once, if the system lets it.
CONNECTIONS = 10_000

_HAPROXY = """\
global
    nbthread 1
    maxconn {connections}
{splice_limits}
defaults
    mode tcp
    maxconn {connections}
    timeout connect 5s
    timeout client 5m
    timeout server 5m
    timeout check 2s
{splice_options}
frontend entrance
    bind {host}:{port}
    default_backend backends
backend backends
    balance roundrobin
{servers}
"""

_SPLICE_LIMITS = """\
    tune.pipesize 1048576
    maxpipes 32
"""

_SPLICE_OPTIONS = """\
    option splice-request
    option splice-response
"""

_NGINX = """\
{load_module}
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{
    worker_connections {descriptors};
}}
stream {{
    upstream backends {{
{servers}
    }}
    server {{
        listen {host}:{port}{options};
        proxy_pass backends;
        {half_close}
    }}
}}
"""


def connections() -> int:
    """Return how many connections a proxy can take: each needs two descriptors."""
    return min(CONNECTIONS, (machine.descriptor_limit() - SPARE) // 2)


@cache
def nginx_module() -> str:
    """Return the line by which nginx loads its stream module, if it needs one.

    @raise BenchError: if there is no nginx, or it has no such module.
    """
    nginx = program("nginx")
    if nginx is None:
        raise BenchError("no nginx here (Debian: nginx-light, libnginx-mod-stream)")
    done = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False)
    return stream_module(done.stderr)


def stream_module(built: str) -> str:
    """Return the line by which an nginx loads its stream module, empty if built in.

    @param built: what C{nginx -V} says.
    @raise BenchError: if it has none.
    """
    if re.search(r"--with-stream(\s|$)", built):
        return ""
    where = re.search(r"--modules-path=(\S+)", built)
    if "--with-stream=dynamic" in built and where is not None:
        module = Path(where[1]) / "ngx_stream_module.so"
        if module.exists():
            return f"load_module {module};"
    raise BenchError("nginx has no stream module (Debian: libnginx-mod-stream)")


def missing(peer: str) -> str | None:
    """Return why a peer cannot be run here, C{None} if it can."""
    if peer in (HAPROXY, HAPROXY_SPLICE) and program("haproxy") is None:
        return "no haproxy here (Debian: haproxy)"
    if peer == NGINX:
        try:
            nginx_module()
        except BenchError as error:
            return str(error)
    return None


def haproxy_settings(port: int, splice: bool) -> str:
    """Return the configuration of HAProxy.

    @param splice: whether bytes must move by splice, through pipes of 1 MiB; by
        default it copies.
    """
    servers = (
        f"    server b{number} {backend}:{port} check"
        for number, backend in enumerate(BACKENDS)
    )
    return _HAPROXY.format(
        connections=connections(),
        host=HOST,
        port=port,
        servers="\n".join(servers),
        splice_limits=_SPLICE_LIMITS if splice else "",
        splice_options=_SPLICE_OPTIONS if splice else "",
    )


def nginx_settings(port: int, kind: Kind, folder: Path, module: str) -> str:
    """Return the configuration of nginx.

    @param module: the line that loads its stream module.
    """
    return _NGINX.format(
        load_module=module,
        folder=folder,
        descriptors=2 * connections() + SPARE // 2,
        servers="\n".join(f"        server {backend}:{port};" for backend in BACKENDS),
        host=HOST,
        port=port,
        options=" udp" if kind == "udp" else " backlog=4096",
        half_close="" if kind == "udp" else "proxy_half_close on;",
    )


def _netsvc(kind: Kind) -> Command:
    """C{twistd -n netsvc-balance} as an operator starts it, on a port of ours."""
    return lambda _, port: twistd(
        "netsvc-balance",
        "--listen",
        f"{kind}:{port}:interface={HOST}",
        *(f"--backend={backend}:{port}" for backend in BACKENDS),
    )


def _haproxy(splice: bool) -> Command:
    def command(workshop: Workshop, port: int) -> list[str]:
        settings = workshop.folder / "haproxy.cfg"
        settings.write_text(haproxy_settings(port, splice), encoding="ascii")
        return [program("haproxy") or "haproxy", "-db", "-f", str(settings)]

    return command


def _nginx(kind: Kind) -> Command:
    def command(workshop: Workshop, port: int) -> list[str]:
        folder = workshop.folder
        settings = folder / "nginx.conf"
        text = nginx_settings(port, kind, folder, nginx_module())
        settings.write_text(text, encoding="utf-8")
        start = [program("nginx") or "nginx", "-e", "stderr", "-p", str(folder)]
        return [*start, "-c", str(settings)]

    return command


def _portforward(_: Workshop, port: int) -> list[str]:
    """It has one backend."""
    return twistd(
        "portforward",
        f"--port=tcp:{port}:interface={HOST}:backlog=4096",
        f"--host={BACKENDS[0]}",
        f"--dest_port={port}",
    )


_TCP: Mapping[str, Command] = {
    NETSVC: _netsvc("tcp"),
    HAPROXY: _haproxy(splice=False),
    HAPROXY_SPLICE: _haproxy(splice=True),
    NGINX: _nginx("tcp"),
    PORTFORWARD: _portforward,
}

UDP: Mapping[str, Command] = {NETSVC: _netsvc("udp"), NGINX: _nginx("udp")}


def tcp(*peers: str) -> Mapping[str, Command]:
    """Return some of the TCP proxies."""
    return {peer: _TCP[peer] for peer in peers}
