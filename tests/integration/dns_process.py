"""
Runs netsvc-dns as an operator does, with programs that others wrote as its clients.

L{DNSProcess} starts a process on free loopback ports. Whatever it writes must be free
of tracebacks and critical lines. All waits are bounded.
"""

from __future__ import annotations

import re
import signal
import subprocess
from functools import partial
from pathlib import Path

from netsvc.dns.servers import Server, parse_server
from tests.integration.balance_peers import Peer, free_ports
from tests.integration.dns_peers import on_free_ports, write_zone
from tests.integration.echo_process import COMMANDS, PATIENCE, cpu_seconds, tool, until

_LISTENS = re.compile(r"netsvc-dns listens on ", re.MULTILINE)
_STOPPED = re.compile(r"netsvc-dns has stopped: (.*)$", re.MULTILINE)
_TROUBLE = ("Traceback", "Unhandled", "#critical]", '"level": "critical"')

_SIGNED = """
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    notify no;
}};
controls {{ }};
zone "zone.test" {{ type primary; file "{zone}"; }};
"""


class DNSProcess:
    """
    A process that runs netsvc-dns.

    @ivar port: Its port for UDP and TCP.
    @ivar tls: Its port for DNS over TLS; 0 without a certificate.
    @ivar https: Its port for DNS over HTTPS; 0 without a certificate.
    @ivar line: Its port for people.
    @ivar pid: Its process id.
    """

    def __init__(self, folder: Path, *options: str, pem: Path | None = None) -> None:
        """
        Start it; L{wait} waits until it listens.

        @param folder: Where its log is written.
        @param options: More options. The zone C{zone.test} is asked for upstream.
        @param pem: A key with its certificate.
        """
        self.port, self.tls, self.https, self.line = free_ports(4)
        local = "interface=127.0.0.1"
        words = [
            "--dns",
            f"udp:{self.port}:{local}",
            "--dns",
            f"tcp:{self.port}:{local}",
        ]
        words += ["--line", f"tcp:{self.line}:{local}", "--forward", "zone.test"]
        if pem is None:
            self.tls = self.https = 0
        else:
            files = f"{local}:privateKey={pem}:certKey={pem}"
            words += ["--dns", f"ssl:{self.tls}:{files}"]
            words += ["--doh", f"ssl:{self.https}:{files}"]
        self._expected = 3 if pem is None else 5
        number = len(list(folder.glob("dns*.log")))
        self._log = folder / f"dns{number}.log"
        command = [str(COMMANDS / "twistd"), "-n", "--pidfile=", "netsvc-dns"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *words, *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    def wait(self) -> DNSProcess:
        """Wait until it listens on everything."""

        def listening() -> bool:
            assert self._process.poll() is None, self.log()
            return len(_LISTENS.findall(self.log())) == self._expected

        until(listening, "the service listens", PATIENCE)
        return self

    @property
    def found_port_in_use(self) -> bool:
        """Whether it has ended because somebody else had taken one of its ports."""
        return self._process.poll() is not None and "already in use" in self.log()

    @property
    def server(self) -> Server:
        """It, as a client of ours knows it."""
        return parse_server(f"127.0.0.1:{self.port}")

    def log(self) -> str:
        """Give what it has written so far."""
        return self._log.read_text("utf-8", "replace")

    def cpu(self) -> float:
        """Give the seconds of processor time it has used."""
        return cpu_seconds(self.pid)

    def status(self) -> int:
        """Wait for its end, and give its exit status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> dict[str, int]:
        """End it, and give what it has counted."""
        for _ in range(2):
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(2.0)
                break
            except subprocess.TimeoutExpired:
                continue
        log = self.log()
        assert self.status() == 0, log
        assert not [word for word in _TROUBLE if word in log], log
        found = _STOPPED.search(log)
        assert found, log
        pairs = (pair.partition("=") for pair in found[1].split(", "))
        return {name: int(number) for name, _, number in pairs}

    def kill(self) -> None:
        """End it for certain."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)


class SignedZone:
    """
    named with C{zone.test}, signed.

    @ivar port: Its port.
    @ivar anchor: A file with its trust anchor.
    """

    def __init__(self, folder: Path) -> None:
        """Sign the zone and start it."""
        folder = folder / "signed"
        folder.mkdir()
        zone = folder / "zone"
        write_zone(zone)

        def run(*words: str) -> str:
            return subprocess.run(
                [tool(words[0]), *words[1:]],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE,
            ).stdout

        key = run(
            "dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "zone.test"
        )
        key = key.strip()
        signed = folder / "signed"
        run(
            *("dnssec-signzone", "-q", "-S", "-z", "-P", "-o", "zone.test"),
            *("-f", str(signed), str(zone), key),
        )
        self.anchor = folder / "anchor"
        self.anchor.write_text(run("dnssec-dsfromkey", "-2", f"{key}.key"))
        self._peer = on_free_ports(1, partial(self._serve, folder, signed))

    def _serve(self, folder: Path, zone: Path, port: int) -> Peer:
        """Start named."""
        self.port = port
        conf = folder / "named.conf"
        conf.write_text(_SIGNED.format(folder=folder, port=port, zone=zone))
        return Peer(folder, ["named", "-f", "-c", str(conf)], [port])

    def close(self) -> None:
        """End it."""
        self._peer.close()
