"""HAProxy and nginx as processes: in front of netsvc-balance, behind it, beside it."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from unittest import SkipTest

from tests.integration.echo_process import PATIENCE, tool, until

#: The ports for servers that cannot be told to take any.
_PORTS = range(12_000, 32_000)

_chance = random.SystemRandom()

_STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

_HAPROXY = """
global
    maxconn 500
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 20s
    timeout server 20s
"""

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
}}
stream {{
    {stream}
}}
"""


def free_ports(number: int) -> list[int]:
    """
    Give ports of 127.0.0.1 on which nothing listens, over TCP or UDP.

    They are below those that the kernel gives to clients, so that no connection takes
    one before its server does; and not drawn by a seed that others have, too.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as reserved:
        while len(ports) < number:
            port = _chance.choice(_PORTS)
            kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                for kind in kinds:
                    taken = reserved.enter_context(socket.socket(type=kind))
                    taken.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


class Peer:
    """A program that serves until it is ended, as a process."""

    def __init__(
        self, folder: Path, command: Sequence[str], ports: Iterable[int]
    ) -> None:
        """Start it and wait until it listens.

        @param folder: where it writes its log.
        @param command: the program, which must be installed, and its arguments.
        @param ports: the TCP ports of 127.0.0.1 on which it will listen.
        """
        program = tool(command[0])
        self._log = folder / f"{command[0]}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *command[1:]],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            for port in ports:
                until(partial(self._listens, port), command[0], PATIENCE)
        except BaseException:
            self.close()
            raise

    def _listens(self, port: int) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait(PATIENCE)


def haproxy(folder: Path, sections: str, ports: Iterable[int]) -> Peer:
    """Start HAProxy with some sections of its configuration; see L{Peer}."""
    path = folder / "haproxy.cfg"
    path.write_text(_HAPROXY + sections)
    return Peer(folder, ["haproxy", "-db", "-f", str(path)], ports)


def nginx(folder: Path, ports: Iterable[int], http: str = "", stream: str = "") -> Peer:
    """Start nginx with the insides of its C{http} and C{stream} blocks.

    @raise SkipTest: if it, or its stream module, is not installed.
    """
    text = _NGINX.format(folder=folder, http=http, stream=stream)
    if _STREAM_MODULE.exists():
        text = f"load_module {_STREAM_MODULE};\n{text}"
    path = folder / "nginx.conf"
    path.write_text(text)
    options = ["-e", "stderr", "-p", str(folder), "-c", str(path)]
    tried = subprocess.run(
        [tool("nginx"), *options, "-t"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if 'unknown directive "stream"' in tried.stderr:
        raise SkipTest("nginx has no stream module (libnginx-mod-stream)")
    return Peer(folder, ["nginx", *options], ports)
