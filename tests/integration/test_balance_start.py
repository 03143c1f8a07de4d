"""netsvc-balance at its start: what is refused, and with real HTTP programs."""

from __future__ import annotations

import http.server
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from functools import partial
from unittest import SkipTest

from tests.integration.balance_peers import free_ports
from tests.integration.balance_process import PATIENCE, BalanceCase, late
from tests.integration.echo_process import COMMANDS, tool, until
from tests.integration.streams import receive


class RefusalTests(BalanceCase):
    """What cannot be is refused with one line."""

    def begin(self, options: Sequence[str]) -> subprocess.Popen[str]:
        """Run a balancer that must end by itself."""
        process = subprocess.Popen(
            [str(COMMANDS / "twistd"), "-n", "--pidfile=", "netsvc-balance", *options],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def refused(self, process: subprocess.Popen[str]) -> str:
        """See that it has been refused; give its line."""
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertNotIn("Traceback", out + err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        return err.strip()

    def test_refused(self) -> None:
        """Each mistake is named, with the option that it is in."""
        one = ("--backend", "127.0.0.1:1")
        cases: tuple[tuple[tuple[str, ...], str], ...] = (
            ((), "--backend: must be given"),
            ((*one, *one), "are the same backend"),
            (("--backend", "300.1.1.1:80"), "300.1.1.1"),
            (("--backend", "127.0.0.1:1,weight=257"), "weight"),
            (("--backend", "127.0.0.1"), "HOST:PORT"),
            ((*one, "--accept-proxy"), "--trust"),
            ((*one, "--trust", "10.0.0.1/8"), "--trust"),
            ((*one, "--check", "send-expect"), "--check-send"),
            ((*one, "--check-send", r"\q"), "--check-send"),
            ((*one, "--check-status", "2000"), "--check-status"),
            ((*one, "--listen", "udp:0", "--send-proxy", "v1"), "v1"),
            ((*one, "--resolver", "nonsense://x"), "--resolver: "),
            ((*one, "--backend-ca", "nowhere.pem", "--backend-tls"), "--backend-ca"),
            ((*one, "--listen", "ssl:0:privateKey=nowhere.pem"), "nowhere.pem"),
            ((*one, "--listen", "tls:nowhere:port=0"), "nowhere"),
            ((*one, "--listen", "tls:.:port=none"), "tls:.:port=none"),
            (("--backend", "127.0.0.1:1,sni=a.test", "--listen", "udp:0"), "udp:0"),
        )
        # A few at once: most of it is the start of Python.
        for some in range(0, len(cases), 4):
            begun = [
                (self.begin(options), words) for options, words in cases[some:][:4]
            ]
            for process, words in begun:
                line = self.refused(process)
                self.assertIn(words, line)
                self.assertTrue(line.startswith("netsvc-balance: "), line)

    def test_port_in_use(self) -> None:
        """A port that is in use is named."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            listen = f"tcp:{port}:interface=127.0.0.1"
            line = self.refused(
                self.begin(("--backend", "127.0.0.1:1", "--listen", listen))
            )
        self.assertIn(f"tcp:{port}", line)


class NameTests(BalanceCase):
    """Backends by name."""

    def test_localhost(self) -> None:
        """A name that only the hosts file knows is found."""
        backend = self.backend(late)
        balancer = self.start(backends=[f"localhost:{backend.port},name=here"])
        until(lambda: len(balancer.rows()) == 1, "the name is found", PATIENCE)
        name = f"here/127.0.0.1:{backend.port}"
        balancer.until_state(name, "up")
        self.assertEqual(self.ask(balancer, b"x"), b"late:x")
        balancer.ask("drain", backend="here")
        self.assertEqual(balancer.rows()[name]["state"], "drain")


class _Quiet(http.server.BaseHTTPRequestHandler):
    """Answers, and writes no log."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer: C{/bad} with 503, anything else with 200."""
        body = b"hello\n"
        self.send_response(503 if self.path == "/bad" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


class HTTPTests(BalanceCase):
    """HTTP through it, and as a check."""

    def http(self) -> str:
        """Start a web server; give its address."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"127.0.0.1:{server.server_address[1]}"

    def test_check(self) -> None:
        """A backend whose status is wrong is down."""
        here = self.http()
        balancer = self.start("--check", "http", backends=[here])
        self.assertEqual(balancer.rows()[here]["state"], "up")
        self.assertIn("200", balancer.rows()[here]["check"]["detail"])
        balancer = self.start(
            "--check", "http", "--check-path", "/bad", backends=[here]
        )
        self.assertEqual(balancer.rows()[here]["state"], "down")
        self.assertIn("503", balancer.rows()[here]["check"]["detail"])

    def test_wrk(self) -> None:
        """wrk gets all its answers."""
        wrk = tool("wrk")
        balancer = self.start("--check", "http", backends=[self.http(), self.http()])
        done = subprocess.run(
            [wrk, "-t1", "-c8", "-d1s", "--timeout", "1m",
             f"http://127.0.0.1:{balancer.port}/"],
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        self.assertRegex(done.stdout, r"[1-9]\d* requests in")
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)

    def test_nginx_reads_our_header(self) -> None:
        """nginx believes the address that our PROXY header gives."""
        nginx = tool("nginx")
        (port,) = free_ports(1)
        (self.folder / "logs").mkdir()
        (self.folder / "nginx.conf").write_text(
            "daemon off; pid nginx.pid; error_log stderr;\n"
            "events {}\n"
            "http { access_log off; server {"
            f" listen 127.0.0.1:{port} proxy_protocol;"
            " location / { return 200 $proxy_protocol_addr:$proxy_protocol_port; }"
            " } }\n"
        )
        server = subprocess.Popen(
            [nginx, "-p", str(self.folder), "-c", "nginx.conf"],
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(server.wait, PATIENCE)
        self.addCleanup(server.send_signal, signal.SIGTERM)
        until(partial(self._listens, port), "nginx listens", PATIENCE)
        for version in ("v1", "v2"):
            balancer = self.start(
                "--send-proxy", version, backends=[f"127.0.0.1:{port}"]
            )
            balancer.until_state(f"127.0.0.1:{port}", "up")
            client = self.connect(balancer)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            host, own = client.getsockname()
            self.assertIn(f"{host}:{own}".encode(), receive(client, 4096))

    def test_haproxy_before_us(self) -> None:
        """HAProxy's PROXY header is believed, both versions."""
        haproxy = shutil.which("haproxy")
        if haproxy is None:
            raise SkipTest("haproxy is not installed")
        for option in ("send-proxy", "send-proxy-v2"):
            seen: list[bytes] = []

            def behave(connection: socket.socket, seen: list[bytes] = seen) -> None:
                seen.append(connection.recv(200))
                connection.sendall(b"ok")

            balancer = self.start(
                "--check", "none", "--accept-proxy", "--trust", "127.0.0.1",
                "--send-proxy", "v1", backends=[self.backend(behave)],
            )  # fmt: skip
            (port,) = free_ports(1)
            config = self.folder / f"{option}.cfg"
            config.write_text(
                "defaults\n mode tcp\n timeout connect 1m\n timeout client 1m\n"
                f" timeout server 1m\nlisten a\n bind 127.0.0.1:{port}\n"
                f" server s 127.0.0.1:{balancer.port} {option}\n"
            )
            server = subprocess.Popen(
                [haproxy, "-f", str(config)], stderr=subprocess.DEVNULL
            )
            self.addCleanup(server.wait, PATIENCE)
            self.addCleanup(server.kill)
            until(partial(self._listens, port), "HAProxy listens", PATIENCE)
            client = self.connect(port)
            client.sendall(b"x")
            self.assertEqual(receive(client, 2), b"ok")
            own = str(client.getsockname()[1]).encode()
            # Who looked whether HAProxy listens is told of, too.
            line = rb"PROXY TCP4 127.0.0.1 [^ ]+ " + own
            self.assertTrue(any(re.match(line, one) for one in seen), seen)

    def _listens(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return False
        return True
