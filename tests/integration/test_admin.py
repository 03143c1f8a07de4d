"""The admin pages of a running daemon, for curl, Prometheus and the shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.admin_process import (
    PATIENCE,
    AdminCase,
    AdminProcess,
    read_all,
    until,
)
from tests.integration.figures import figure

ROOT = Path(__file__).resolve().parent.parent.parent

TOKEN = "a-token-of-more-than-16-characters"


class PageTests(AdminCase):
    """Over the UNIX socket and over TCP."""

    def metrics(self) -> dict[str, float]:
        """Give all samples, by name and labels as they are written."""
        code, body = self.curl("/metrics", unix=False)
        self.assertEqual(code, 200)
        return {
            sample.name + str(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body + "\n")
            for sample in family.samples
        }

    def test_curl(self) -> None:
        """curl gets each page, the same over both."""
        for unix in (True, False):
            self.assertEqual(self.curl("/livez", unix=unix), (200, "ok\n"))
            self.assertEqual(self.curl("/readyz", unix=unix), (200, "ready\n"))
            code, body = self.curl("/status.json", unix=unix)
            self.assertEqual((code, json.loads(body)["state"]), (200, "ready"))
            code, body = self.curl("/", unix=unix)
            self.assertEqual(code, 200)
            self.assertIn("Backends of netsvc-balance", body)
            self.assertEqual(self.curl("-I", "/", unix=unix)[0], 200)
        self.assertEqual(self.curl("-H", "Host: evil.test", "/", unix=False)[0], 421)

    def test_metrics(self) -> None:
        """Prometheus's parser reads what clients have done; nobody is named."""
        echo = self.connect(self.admin.ports["netsvc-echo"][0])
        echo.sendall(b"12345")
        self.assertEqual(echo.recv(5, socket.MSG_WAITALL), b"12345")
        chat = self.connect(self.admin.ports["netsvc-chat"][1])
        chat.sendall(b"NICK secretive\r\nUSER a 0 * :a\r\nJOIN #hideout\r\n")
        answer = b""
        while b"#hideout" not in answer:
            answer += chat.recv(65536)
        service = "('service', 'netsvc-echo')"
        pool = "('pool', 'default'), ('service', 'netsvc-balance')"
        bad = f"netsvc_backend_up[('backend', 'bad'), {pool}]"

        def known() -> dict[str, float] | None:
            made = self.metrics()
            rooms = made.get("netsvc_chat_rooms[('service', 'netsvc-chat')]")
            return made if rooms and made.get(bad) == 0 else None

        found = until(known, "the room is counted, the backend found out")
        self.assertEqual(found[f"netsvc_connections[{service}]"], 1)
        self.assertEqual(
            found[f"netsvc_bytes_total[('direction', 'in'), {service}]"], 5
        )
        self.assertEqual(found["netsvc_ready[]"], 1)
        self.assertIn("netsvc_reactor_lag_seconds_count[]", found)
        self.assertEqual(found[f"netsvc_backend_up[('backend', 'good'), {pool}]"], 1)
        text = self.curl("/metrics")[1]
        for name in ("secretive", "hideout"):
            self.assertNotIn(name, text)

    def test_documented(self) -> None:
        """docs/monitoring.md names the metrics that there are, and no others."""
        text = (ROOT / "docs" / "monitoring.md").read_text()
        documented = re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE)
        found = re.findall(r"^# TYPE (\w+) (\w+)$", self.curl("/metrics")[1], re.M)
        self.assertEqual(sorted(documented), sorted(found))

    def test_connections(self) -> None:
        """A connection is in the status with what it did, and its filter finds it."""
        echo = self.connect(self.admin.ports["netsvc-echo"][0])
        echo.sendall(b"x" * 1000)
        echo.recv(1000, socket.MSG_WAITALL)
        peer = f"127.0.0.1:{echo.getsockname()[1]}"
        services = json.loads(self.curl("/status.json")[1])["services"]
        (shown,) = services[0]["connections"]
        self.assertEqual((shown["peer"], shown["received"]), (peer, 1000))
        body = self.curl(f"/?filter=peer:{peer}")[1]
        self.assertIn("1 of 1 fit the filter", body)

    def test_socket(self) -> None:
        """Only the owner can open the socket, and it goes with the daemon."""
        path = self.folder / "admin.sock"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(self.admin.end(), 0, self.admin.log())
        self.assertFalse(path.exists())

    def test_drain(self) -> None:
        """While it drains it is alive and not ready; a client finishes meanwhile."""
        balanced = self.connect(self.admin.ports["netsvc-balance"][0])
        balanced.sendall(b"hello")
        behind = self._behind(b"hello")
        self.admin.process.send_signal(signal.SIGTERM)
        until(lambda: self.curl("/readyz")[0] == 503, "it is not ready")
        self.assertEqual(self.curl("/livez")[0], 200)
        self.assertEqual(json.loads(self.curl("/status.json")[1])["state"], "draining")
        status = self.netsvc("status", "--admin", "./admin.sock", "--quiet")
        self.assertEqual(status.returncode, 3)
        balanced.close()
        behind.close()
        # With it those go that were accepted by the kernel alone.
        self.admin.backend.close()
        self.assertEqual(self.admin.end(), 0, self.admin.log())

    def _behind(self, said: bytes) -> socket.socket:
        """Give the connection on which a backend hears something: no check's."""
        self.admin.backend.settimeout(PATIENCE)
        while True:
            found, _ = self.admin.backend.accept()
            self.addCleanup(found.close)
            with contextlib.suppress(ConnectionError):
                if found.recv(len(said)) == said:
                    return found

    def test_stale_socket(self) -> None:
        """The socket of a daemon that was killed is replaced, a live one is not."""
        self.admin.process.kill()
        self.admin.process.wait()
        self.assertTrue((self.folder / "admin.sock").exists())
        second = AdminProcess(self.folder)
        self.addCleanup(second.end)
        self.assertEqual(self.curl("/livez"), (200, "ok\n"))
        third = self.netsvc("run", "netsvc", "--config", "netsvc.toml")
        self.assertEqual(third.returncode, 1)
        self.assertIn("cannot listen on unix:admin.sock: Address already", third.stderr)
        self.assertNotIn("Traceback", third.stderr)
        self.assertEqual(self.curl("/livez"), (200, "ok\n"))

    def test_hostile(self) -> None:
        """Slow, long and broken requests are ended; who asks meanwhile is answered."""
        slow = [self.connect() for _ in range(70)]
        for client in slow:
            with contextlib.suppress(ConnectionError):  # more than there may be
                client.send(b"GET / HTTP/1.1\r\nHost: lo")
        for data, answer in (
            (b"GET /" + b"x" * 100_000, b"HTTP/1.1 431 "),
            (
                b"POST /reload HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
                b"HTTP/1.1 413",
            ),
            (b"\x16\x03\x01" + bytes(300) + b"\r\n\r\n", b"HTTP/1.1 400 "),
        ):
            for client in slow[:2]:
                client.close()
            del slow[:2]
            client = self.connect()
            with contextlib.suppress(ConnectionError):  # those may not be gone yet
                client.sendall(data)
            self.assertIn(read_all(client)[: len(answer)], (answer, b""))
        for client in slow[:4]:
            client.close()
        start = time.monotonic()
        until(lambda: self.curl("/readyz")[0] == 200, "an answer")
        seconds = time.monotonic() - start
        # They themselves are waited for until 10 s after they have come.
        figure(self, "answer beside 60 slow requests", seconds, "s", most=5)

    def test_live_updates(self) -> None:
        """Updates come by themselves, over a connection that does not time out."""
        client = self.connect()
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        data = b""
        while data.count(b"data: {") < 2:
            data += client.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        self.assertIn(b"text/event-stream", head)
        self.assertIn(b'"state":"ready"', body)


class CommandTests(AdminCase):
    """C{netsvc status} and C{netsvc reload}."""

    def test_status(self) -> None:
        """The status shows services, backends and rooms; its exit status is 0."""
        run = self.netsvc("status", "--admin", "./admin.sock")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for text in ("ready", "netsvc-echo", "Backends of netsvc-balance", "good"):
            self.assertIn(text, run.stdout)
        run = self.netsvc("status", "--json", "--admin", f"tcp:{self.admin.port}")
        self.assertEqual(json.loads(run.stdout)["schema"], 1)

    def test_not_there(self) -> None:
        """Without a daemon there is one line, and the exit status is 1."""
        run = self.netsvc("status", "--admin", "./other.sock")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertIn("there is no such socket", run.stderr)

    def test_reload(self) -> None:
        """A reload says what is wrong with file and line, and then changes nothing."""
        run = self.netsvc("reload", "--admin", "./admin.sock")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.admin.write("nonsense = 1\n")
        run = self.netsvc("reload", "--admin", "./admin.sock")
        self.assertEqual(run.returncode, 1)
        lines = self.admin.configuration.read_text().count("\n")
        self.assertIn(f"netsvc.toml:{lines}:", run.stderr)
        self.assertIn("nothing was changed", run.stderr)
        code, body = self.curl("-X", "POST", "/reload")
        self.assertEqual((code, json.loads(body)["ok"]), (422, False))
        run = self.netsvc("reload", "--admin", f"tcp:{self.admin.port}")
        self.assertEqual(run.returncode, 1)
        self.assertIn("admin_token", run.stderr)


class DescriptorTests(AdminCase):
    """With few descriptors."""

    wrap = ("prlimit", "--nofile=100:100")

    def test_flood(self) -> None:
        """A flood of connections leaves those that there are, and the admin pages."""
        port = self.admin.ports["netsvc-echo"][0]
        first = self.connect(port)
        first.sendall(b"x")
        self.assertEqual(first.recv(1), b"x")
        for each in [self.connect(port) for _ in range(200)]:
            each.setblocking(False)
        self.assertEqual(self.curl("/readyz", unix=False), (200, "ready\n"))
        self.assertEqual(self.curl("/livez"), (200, "ok\n"))

        def refused() -> int:
            echo = json.loads(self.curl("/status.json")[1])["services"][0]
            return int(echo["counters"]["refused-max-connections"])

        until(lambda: refused() >= 100, "half of them are refused")
        what = "of 200 refused, with the admin pages alive"
        figure(self, what, refused(), least=100)
        first.sendall(b"y")
        self.assertEqual(first.recv(1), b"y")


class TokenTests(SynchronousTestCase):
    """With a token, and on addresses that others can reach."""

    def test_token(self) -> None:
        """A reload over TCP takes the token."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "token").write_text(TOKEN + "\n")
        admin = AdminProcess(folder, 'admin_token = "token"')
        self.addCleanup(admin.end)
        case = AdminCase("curl")
        case.folder, case.admin = folder, admin
        self.assertEqual(case.curl("-X", "POST", "/reload", unix=False)[0], 401)
        good = f"Authorization: Bearer {TOKEN}"
        self.assertEqual(
            case.curl("-X", "POST", "-H", good, "/reload", unix=False)[0], 200
        )
        place = ("--admin", f"tcp:{admin.port}", "--token", "token")
        self.assertEqual(case.netsvc("reload", *place).returncode, 0)

    def test_refused(self) -> None:
        """Without a token it does not start where others could connect."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        case = AdminCase("curl")
        case.folder = folder
        (folder / "netsvc.toml").write_text(
            '[daemon]\nadmin = ["tcp:0"]\n[echo]\nlisten = ["tcp:0"]\n'
        )
        run = case.netsvc("run", "netsvc", "--config", "netsvc.toml")
        self.assertEqual(run.returncode, 1)
        self.assertIn("can be reached by others", run.stderr)
        self.assertNotIn("Traceback", run.stderr)
        self.assertEqual(os.listdir(folder), ["netsvc.toml"])
