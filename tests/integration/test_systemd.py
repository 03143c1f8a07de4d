"""netsvc under a real systemd, with the units and drop-ins that C{deploy/} has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.echo_process import until
from tests.integration.systemd_machine import DEPLOY, PATIENCE, Machine

ECHO = '[echo]\nlisten = ["tcp:7007", "udp:7007"]\n'
WITH_TLS = '[echo]\nlisten = ["tcp:7007", "tls:/var/lib/netsvc/tls:port=7443"]\n'
BY_SOCKETS = (
    '[echo]\nlisten = ["systemd:domain=INET:name=echo",'
    ' "systemd:domain=INET:name=echo-udp"]\n'
)

#: Connects over TLS, trusting one certificate, and echoes a line.
TLS_CLIENT = """
import socket, ssl
context = ssl.create_default_context(cafile="/etc/letsencrypt/live/localhost/cert.pem")
with socket.create_connection(("127.0.0.1", 7443), 30) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(b"hello")
        print(tls.recv(100).decode(), tls.version())
"""

#: Sends a line over TCP or a datagram over UDP, and prints what comes back.
CLIENT = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_{kind}) as client:
    client.settimeout(30)
    client.connect(("127.0.0.1", {port}))
    client.send(b"hello")
    print(client.recv(100).decode())
"""

#: Types lines into a chat, and prints what it shows.
CHAT = """
import socket
with socket.create_connection(("127.0.0.1", 7070), 30) as client:
    client.sendall({text!r})
    print(b"".join(iter(lambda: client.recv(1000), b"")).decode())
"""

#: What docs/operating.md says, with the library in the place of the program.
BACKUP = """
import sqlite3
path = "file:/var/lib/private/netsvc/chat.sqlite?mode=ro"
sqlite3.connect(path, uri=True).execute("VACUUM INTO '/run/chat.backup'")
"""
RESTORE = """
state=/var/lib/private/netsvc
rm $state/chat.sqlite*
install -m 0600 /run/chat.backup $state/chat.sqlite
chown --reference=$state $state/chat.sqlite
"""

#: What certbot leaves, self-signed.
CERTIFICATE = """
mkdir -p /etc/letsencrypt/live/localhost && cd /etc/letsencrypt/live/localhost
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \\
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \\
    -keyout privkey.pem -out cert.pem
cp cert.pem fullchain.pem
"""
HOOK = "cd /etc/letsencrypt/live/localhost && RENEWED_LINEAGE=$PWD sh "


class SystemdTests(SynchronousTestCase):
    """What the unit promises."""

    def setUp(self) -> None:
        """Start a systemd, which takes a moment."""
        self.machine = Machine()
        self.addCleanup(self.machine.stop)

    def client(self, kind: str = "STREAM", port: int = 7007) -> str:
        """Talk to the echo service in the machine."""
        return self.machine.python(CLIENT.format(kind=kind, port=port))

    def renew(self) -> None:
        """Make a certificate, and run the hook as certbot would."""
        hook = f"{HOOK} /opt/netsvc/source/deploy/certbot-hook"
        self.machine.run("sh", "-ec", CERTIFICATE + hook)

    def logs_again(self, action: Callable[[], object], message: str) -> None:
        """Do something, and wait until netsvc has logged a message once more."""
        before = self.machine.log().count(message)
        action()
        until(lambda: self.machine.log().count(message) > before, message)

    def test_life(self) -> None:
        """It is ready when it listens, runs without any right, and ends well."""
        machine = self.machine
        machine.configure(ECHO + "[chat]\n[dns]\n")
        machine.start()
        self.assertEqual((self.client(), self.client("DGRAM")), ("hello", "hello"))
        self.assertIn("netsvc-echo", machine.show("StatusText"))
        status = machine.run("cat", f"/proc/{machine.show('MainPID')}/status")
        held = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
        self.assertEqual(int(held["CapPrm"], 16), 0)
        self.assertEqual(int(held["CapBnd"], 16), 0)
        self.assertEqual((held["NoNewPrivs"], held["Seccomp"]), ("1", "2"))
        self.assertNotEqual(held["Uid"].split()[0], "0")
        machine.run("test", "-s", "/var/lib/netsvc/chat.sqlite")
        machine.run("systemctl", "stop", "netsvc")
        self.assertEqual(machine.show("Result"), "success")
        self.assertEqual(machine.show("ExecMainStatus"), "0")
        self.assertNotIn("Traceback", machine.log())

    def test_workers(self) -> None:
        """Workers run under the same directives, log to the same journal, and end."""
        machine = self.machine
        machine.configure(f"[daemon]\nworkers = 2\n{ECHO}")
        machine.start()
        self.assertEqual((self.client(), self.client("DGRAM")), ("hello", "hello"))
        until(lambda: "#info worker=1]" in machine.log(), "the second one logs")
        self.logs_again(
            partial(machine.run, "systemctl", "reload", "netsvc"), "reloaded"
        )
        self.assertEqual(self.client(), "hello")
        machine.run("systemctl", "stop", "netsvc")
        self.assertEqual(machine.show("Result"), "success")
        self.assertNotIn("Traceback", machine.log())

    def test_backup(self) -> None:
        """A copy made of the chat store in use brings back what was said before it."""
        machine = self.machine
        machine.configure('[chat]\nline = "tcp:7070"\nirc = "tcp:6667"\n')
        machine.start()
        self.chat("/nick anna", "before")
        machine.python(BACKUP)
        self.chat("/nick anna", "after")
        machine.run("systemctl", "stop", "netsvc")
        machine.run("sh", "-ec", RESTORE)
        machine.start()
        history = self.chat("/history")
        self.assertIn("<anna> before", history)
        self.assertNotIn("<anna> after", history)

    def chat(self, *lines: str) -> str:
        """Say something in the lobby, and give all that is shown."""
        said = "".join(f"{line}\n" for line in (*lines, "/quit"))
        return self.machine.python(CHAT.format(text=said.encode()))

    def test_refused(self) -> None:
        """What cannot run is not started: the reason is in the journal, as an error."""
        machine = self.machine
        machine.configure('[echo]\nlisten = ["tcp:7"]\n', Restart="no")
        refused = machine.run("systemctl", "start", "netsvc", check=False)
        self.assertIn("Job for netsvc.service failed", refused)
        self.assertIn(
            "cannot listen on tcp:7: Permission denied", machine.log("-p", "err")
        )

    def test_tls(self) -> None:
        """TLS works under all directives; a renewed certificate is in use at once."""
        machine = self.machine
        machine.configure(ECHO)
        machine.start()
        self.renew()
        machine.write("/etc/netsvc/netsvc.toml", WITH_TLS)
        for change in (
            partial(machine.run, "systemctl", "reload", "netsvc"),
            self.renew,
        ):
            self.logs_again(change, "reloaded")
            self.assertEqual(machine.python(TLS_CLIENT), "hello TLSv1.3")

    def test_why_memory_may_be_executed(self) -> None:
        """With C{MemoryDenyWriteExecute=} no TLS works: this is how it would show."""
        machine = self.machine
        machine.configure(ECHO)
        machine.start()
        self.renew()
        machine.configure(WITH_TLS, MemoryDenyWriteExecute="yes")
        machine.start()
        self.assertRaises(AssertionError, machine.python, TLS_CLIENT)
        self.assertEqual(self.client(), "hello")

    def test_reload_refused(self) -> None:
        """C{systemctl reload} fails if the file has a mistake, and nothing changes."""
        machine = self.machine
        machine.configure(ECHO)
        machine.start()
        pid = machine.show("MainPID")
        machine.write("/etc/netsvc/netsvc.toml", ECHO + "[ecko]\n")
        machine.run("sh", "-c", "! systemctl reload netsvc")
        self.assertIn("netsvc.toml:3: ecko: unknown table", machine.log())
        self.assertEqual((self.client(), machine.show("MainPID")), ("hello", pid))

    def test_watchdog(self) -> None:
        """A daemon that stands still is started again; one that works is not."""
        machine = self.machine
        for seconds in (1, 5, 25):
            machine.configure(ECHO, WatchdogSec=str(seconds), RestartSec="10ms")
            machine.start()
            pid = machine.show("MainPID")
            machine.run("sleep", str(1.5 * seconds))
            # Where the whole machine stood still for so long, it is given more.
            if machine.show("NRestarts") == "0":
                break
        self.assertEqual(
            (machine.show("MainPID"), machine.show("NRestarts")), (pid, "0")
        )
        machine.run("kill", "-STOP", pid)
        until(
            lambda: machine.show("MainPID") not in (pid, "0"),
            "another one runs",
            PATIENCE,
        )
        until(self.serves, "it serves", PATIENCE)

    def serves(self) -> bool:
        """Talk to the echo service, and tell whether it answers."""
        try:
            return self.client() == "hello"
        except AssertionError:
            return False

    def test_sockets(self) -> None:
        """systemd binds the ports, starts it for the first client, and keeps them."""
        machine = self.machine
        machine.configure(BY_SOCKETS, "sockets")
        machine.run(
            "systemctl", "start", "netsvc-echo.socket", "netsvc-echo-udp.socket"
        )
        self.assertEqual(machine.show("ActiveState"), "inactive")
        self.assertEqual(
            (self.client("STREAM", 7), self.client("DGRAM", 7)), ("hello",) * 2
        )
        machine.run("systemctl", "--no-block", "restart", "netsvc")
        self.assertEqual(self.client("STREAM", 7), "hello")

    def test_low_ports(self) -> None:
        """With the drop-in it binds a port below 1024, and has no other right."""
        machine = self.machine
        machine.configure('[echo]\nlisten = ["tcp:7", "udp:7"]\n', "low-ports")
        machine.start()
        self.assertEqual(self.client("STREAM", 7), "hello")

    def test_credentials(self) -> None:
        """A secret that only root can read reaches it as a credential."""
        machine = self.machine
        machine.configure(
            '[daemon]\nadmin = "tcp:9090:interface=127.0.0.1"\n'
            f'admin_token = "credential:admin-token"\n{ECHO}',
            "credentials",
        )
        machine.run(
            "sh", "-c", "umask 077; echo sesame-sesame-sesame >/etc/netsvc/admin-token"
        )
        machine.start()
        self.assertEqual(self.client(), "hello")

    def test_deploy_is_whole(self) -> None:
        """Each drop-in that is shipped is tried here, but the one for systemd 253."""
        names = {path.stem for path in (DEPLOY / "systemd" / "drop-ins").iterdir()}
        tried = {"sockets", "low-ports", "credentials"}
        self.assertEqual(names - tried, {"notify-reload"})
