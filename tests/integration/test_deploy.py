"""What C{deploy/} ships, run or looked at by the tools that it is for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.balance_peers import free_ports
from tests.integration.echo_process import (
    COMMANDS,
    PATIENCE,
    children,
    need_root,
    tool,
    until,
)
from tests.integration.streams import ANSWER

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NETSVC = str(COMMANDS / "netsvc")


class AnalyzeTests(SynchronousTestCase):
    """What C{systemd-analyze} says of the units."""

    def units(self, *drop_ins: str) -> Path:
        """Copy the units, with drop-ins, for a machine without /opt/netsvc."""
        folder = Path(self.mktemp()).absolute()
        added = folder / "netsvc.service.d"
        added.mkdir(parents=True)
        for path in (DEPLOY / "systemd").glob("netsvc*.*"):
            text = path.read_text().replace("/opt/netsvc/bin/netsvc", "/bin/true")
            (folder / path.name).write_text(text)
        for name in drop_ins:
            text = (DEPLOY / "systemd" / "drop-ins" / f"{name}.conf").read_text()
            (added / f"{name}.conf").write_text(
                text.replace("/opt/netsvc/bin/netsvc", "/bin/true")
            )
        return folder

    def analyze(self, *argv: str) -> tuple[int, str]:
        """Run it, and give its exit status and what it writes to stderr."""
        ran = subprocess.run(
            [tool("systemd-analyze"), *argv],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return ran.returncode, ran.stderr

    def test_exposure(self) -> None:
        """The score is 1.5 or less, with every drop-in, and more without the rest."""
        for drop_ins in ((), ("sockets",), ("low-ports",), ("credentials",)):
            service = self.units(*drop_ins) / "netsvc.service"
            score = ("security", "--offline=yes", "--threshold=15", str(service))
            self.assertEqual(self.analyze(*score)[0], 0, drop_ins)
        text = service.read_text()
        service.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=no"))
        service.write_text(service.read_text().replace("NoNewPrivileges=yes", ""))
        service.write_text(service.read_text().replace("SystemCallFilter=", "#"))
        self.assertEqual(self.analyze(*score)[0], 1)

    def test_verify(self) -> None:
        """systemd finds nothing to complain of: its exit status would not tell."""
        for drop_ins in ((), ("sockets", "credentials"), ("low-ports",)):
            folder = self.units(*drop_ins)
            paths = [str(path) for path in folder.glob("netsvc*.*[!d]")]
            self.assertEqual(len(paths), 3)
            complaints = [
                line
                for line in self.analyze("verify", "--man=no", *paths)[1].splitlines()
                if str(folder) in line or line.startswith("netsvc")
            ]
            self.assertEqual(complaints, [])

    def test_verify_sees(self) -> None:
        """A word that systemd does not know would be found."""
        service = self.units() / "netsvc.service"
        service.write_text(service.read_text().replace("RemoveIPC", "RemoveIPCs"))
        self.assertIn("RemoveIPCs", self.analyze("verify", "--man=no", str(service))[1])


class SocketActivationTests(SynchronousTestCase):
    """netsvc started by C{systemd-socket-activate}, with nothing else of systemd."""

    def activate(self, *options: str, listen: str) -> subprocess.Popen[bytes]:
        """Wait for a client as systemd does, then start netsvc with the socket."""
        Path(self.mktemp()).mkdir()
        file = Path(self.mktemp()).absolute()
        file.write_text(f'[daemon]\nadmin = "off"\n[echo]\nlisten = "{listen}"\n')
        argv = [tool("systemd-socket-activate"), *options, "-E", "PATH"]
        process = subprocess.Popen(
            [*argv, NETSVC, "run", "netsvc", "--config", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Stop it, and look at its exit status and what it wrote."""
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertNotIn("Traceback", out.decode())
        self.assertEqual(process.returncode, 0, out.decode())

    def answer(self, kind: socket.SocketKind, port: int) -> bytes:
        """Ask until the port is there, and give the answer."""

        def asked() -> bytes:
            with socket.socket(socket.AF_INET, kind) as client:
                client.settimeout(ANSWER)
                try:
                    client.connect(("127.0.0.1", port))
                    client.send(b"hello")
                    return client.recv(100)
                except ConnectionRefusedError:
                    return b""

        answer: bytes = until(asked, "an answer", PATIENCE)
        return answer

    def test_stream(self) -> None:
        """It serves a TCP socket by its name, and the client that was first."""
        (port,) = free_ports(1)
        listen = "systemd:domain=INET:name=echo"
        self.activate("-l", f"127.0.0.1:{port}", "--fdname=echo", listen=listen)
        for _ in range(2):
            self.assertEqual(self.answer(socket.SOCK_STREAM, port), b"hello")

    def test_datagram(self) -> None:
        """It serves a UDP socket by its name, and the datagram that was first."""
        (port,) = free_ports(1)
        listen = "systemd:domain=INET:name=echo"
        address = f"127.0.0.1:{port}"
        self.activate("-d", "-l", address, "--fdname=echo", listen=listen)
        for _ in range(2):
            self.assertEqual(self.answer(socket.SOCK_DGRAM, port), b"hello")


class NotifyTests(SynchronousTestCase):
    """What the daemon tells a service manager, heard at the socket."""

    def test_life(self) -> None:
        """It is ready when it listens, shows that it lives, reloads, and stops."""
        file = Path(self.mktemp()).absolute()
        listen = "tcp:0:interface=127.0.0.1"
        file.write_text(f'[daemon]\nadmin = "off"\n[echo]\nlisten = "{listen}"\n')
        name = f"\0netsvc-manager-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(name)
            manager.settimeout(PATIENCE)
            process = subprocess.Popen(
                [NETSVC, "run", "netsvc", "--config", str(file)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "NOTIFY_SOCKET": f"@{name[1:]}",
                    "WATCHDOG_USEC": "300000",
                },
            )
            try:
                heard = manager.recv(1000)
                self.assertTrue(heard.startswith(b"READY=1\nSTATUS="), heard)
                # Ready means that it listens: the log says so before.
                self.hear(manager, b"WATCHDOG=1")
                self.hear(manager, b"WATCHDOG=1")
                process.send_signal(signal.SIGHUP)
                self.hear(manager, b"RELOADING=1\nMONOTONIC_USEC=")
                self.hear(manager, b"READY=1")
                process.send_signal(signal.SIGTERM)
                self.hear(manager, b"STOPPING=1")
            finally:
                process.terminate()
                out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, out)
        self.assertIn("listens on", out.decode())

    def hear(self, manager: socket.socket, start: bytes) -> None:
        """Wait for a message that begins like this."""
        until(lambda: manager.recv(1000).startswith(start), start.decode(), PATIENCE)

    def test_never_ready(self) -> None:
        """A daemon that cannot listen has never said that it is ready."""
        file = Path(self.mktemp()).absolute()
        name = f"\0netsvc-refused-{os.getpid()}"
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
            socket.create_server(("127.0.0.1", 0)) as taken,
        ):
            manager.bind(name)
            listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            file.write_text(f'[daemon]\nadmin = "off"\n[echo]\nlisten = "{listen}"\n')
            ran = subprocess.run(
                [NETSVC, "run", "netsvc", "--config", str(file)],
                capture_output=True,
                timeout=PATIENCE,
                env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"@{name[1:]}"},
            )
            self.assertEqual(ran.returncode, 1)
            manager.setblocking(False)
            self.assertRaises(BlockingIOError, manager.recv, 1000)


class ContainerTests(SynchronousTestCase):
    """What the container runs, without the container."""

    def test_first_process(self) -> None:
        """As process 1, without rights, it serves, is healthy, and heeds SIGTERM."""
        need_root("namespaces")
        lines = (DEPLOY / "Containerfile").read_text().splitlines()
        words = dict(line.strip().partition(" ")[::2] for line in lines)
        entry = json.loads(words["ENTRYPOINT"])
        health = json.loads(
            next(line for line in lines if "status" in line).strip()[4:]
        )
        user = words["USER"].partition(":")[0]
        folder = Path("/run") / f"netsvc-test-{os.getpid()}"
        folder.mkdir()
        self.addCleanup(shutil.rmtree, folder)
        os.chown(folder, int(user), int(user))
        file = folder / "netsvc.toml"
        file.write_text('[echo]\nlisten = "tcp:0:interface=127.0.0.1"\n')
        environ = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(folder)}
        rights = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
        bounds = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
        within = [tool("setpriv"), *rights, *bounds, "--"]

        def healthy() -> bool:
            argv = [*within, sys.executable, "-m", *health]
            ran = subprocess.run(argv, env=environ, cwd="/", timeout=PATIENCE)
            return not ran.returncode

        log = Path(self.mktemp()).absolute()
        with open(log, "wb") as out:
            argv = [tool("unshare"), "--pid", "--fork", "--mount-proc", *within]
            argv += [sys.executable, "-m", *entry, "--config", str(file)]
            process = subprocess.Popen(
                argv, stdout=out, stderr=out, env=environ, cwd="/"
            )
        try:
            until(lambda: "echo listens" in log.read_text(), "it listens", PATIENCE)
            until(healthy, "it is healthy", PATIENCE)
            (daemon,) = children(process.pid)
            os.kill(daemon, signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE), 0, log.read_text())
        finally:
            if process.poll() is None:
                for pid in children(process.pid):
                    os.kill(pid, signal.SIGKILL)
                process.wait(PATIENCE)
        self.assertFalse(healthy())
        self.assertNotIn("Traceback", log.read_text())
