"""C{netsvc chat} over UDP, on loopback: pipes, terminals, people's own programs."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import sys
import time

from twisted.trial.unittest import SkipTest

from tests.integration.echo_process import COMMANDS, PATIENCE
from tests.integration.relay_programs import ROOT, Program, ProgramCase

_PORT = re.compile(r"netsvc-relay listens on [^\n]*\(\[?[0-9a-f.:]+?\]?:(\d+)\)")


class Case(ProgramCase):
    """A relay on loopback."""

    interface = "127.0.0.1"

    def setUp(self) -> None:
        """Start the relay."""
        super().setUp()
        listen = f"udp:0:interface={self.interface}"
        self.server = self.relay("--listen", listen)
        found = _PORT.search(self.server.shown)
        assert found, self.server.shown
        self.port = int(found[1])

    def pipe(self, text: str, *words: str) -> tuple[int, str, str]:
        """Run C{netsvc chat} with an input; gives status, output and errors."""
        done = subprocess.run(
            [str(COMMANDS / "netsvc"), "chat", *words],
            input=text.encode(),
            capture_output=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class SeveralAddressesTests(Case):
    """A relay whose host has several addresses."""

    interface = "0.0.0.0"

    def test_asked(self) -> None:
        """All answers come from the address that was asked, whatever the route is."""
        target = f"udp:127.0.0.2:{self.port}"
        status, out, err = self.pipe("".join(f"line {n}\n" for n in range(60)), target)
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.endswith("* goodbye\n"), out)


class PipeTests(Case):
    """Pipes."""

    def test_says(self) -> None:
        """Lines of a pipe reach the room, by name too, and the status says so."""
        bob = self.chat(f"udp:localhost:{self.port}", "--room", "x", "--nick", "bob")
        bob.sees("* bob has joined #x")
        target = f"udp:127.0.0.1:{self.port}"
        lines = "".join(f"line {number}\n" for number in range(60))
        status, out, err = self.pipe(
            f"{lines}안녕", target, "--room", "x", "--nick", "a"
        )
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.endswith("* goodbye\n"), out)
        bob.sees("<a> 안녕", "* a has quit")
        said = re.findall(r"<a> line (\d+)", bob.shown)
        self.assertEqual(said, [str(number) for number in range(60)])
        self.assertEqual(bob.finish(), 0)
        counts = self.stop_relay(self.server)
        self.assertEqual((counts["frames-sessions"], counts.get("silent", 0)), (2, 0))

    def test_refused(self) -> None:
        """What is refused is one line on standard error, and the status is 1."""
        target = f"udp:127.0.0.1:{self.port}"
        status, _, err = self.pipe(
            "/msg nobody hi\n", target, "--direct", "force", "--nick", "x"
        )
        self.assertEqual(status, 1)
        self.assertIn("netsvc chat: not sent: there is no direct path to nobody", err)
        status, _, err = self.pipe("", "udp:nowhere.invalid")
        self.assertEqual(
            (status, err), (1, "netsvc chat: udp:nowhere.invalid:7075: no such host\n")
        )

    def test_stopped(self) -> None:
        """When the relay stops, the client is told and ends."""
        bob = self.chat(f"udp:127.0.0.1:{self.port}", "--nick", "bob")
        bob.sees("* guest1 is now known as bob")
        self.stop_relay(self.server)
        self.assertEqual(bob.process.wait(PATIENCE), 1)
        bob.sees("The server is stopping")

    def test_own_program(self) -> None:
        """The program of the documentation has a direct path to C{netsvc chat}."""
        text = (ROOT / "docs" / "relay.md").read_text("utf-8")
        (program,) = re.findall(r"```python\n(import os.*?)```", text, re.DOTALL)
        file = self.folder / "own.py"
        file.write_text(program)
        bob = self.chat(f"udp:127.0.0.1:{self.port}", "--nick", "bob")
        bob.sees("* guest1 is now known as bob")
        own = Program(
            self, sys.executable, file, "127.0.0.1", str(self.port), "own", "bob"
        )
        bob.sees("* direct: own asks for a direct path: /direct own agrees")
        bob.type("/direct own")
        bob.sees("* direct path to own: 127.0.0.1:")
        bob.type("/msg own 안녕")
        own.sees("directly: 안녕")
        bob.sees("(direct) -> own: 안녕", "(direct) -own- I hear you")
        self.assertEqual(own.process.wait(PATIENCE), 0, own.shown)
        bob.sees("* direct path to own is over: the other side has ended it")
        self.assertEqual(bob.finish(), 0)
        self.stop_relay(self.server)


class V6Tests(Case):
    """IPv6."""

    interface = "\\:\\:1"

    def setUp(self) -> None:
        """Start the relay, where there is IPv6."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                raise SkipTest("this host has no IPv6") from None
        super().setUp()

    def test_v6(self) -> None:
        """The relay is reached over IPv6, and so are peers."""
        a = self.chat(f"udp:[::1]:{self.port}", "--nick", "a")
        b = self.chat(f"udp:[::1]:{self.port}", "--nick", "b")
        a.sees("is now known as a")
        b.sees("is now known as b")
        a.type("/msg b one")
        b.sees("-a- one")
        b.type("/msg a two")
        a.sees("-b- two")
        a.gets("* direct path to b: [::1]:", "/direct b")
        b.sees("* direct path to a: [::1]:")
        self.assertEqual((a.finish(), b.finish()), (0, 0))
        self.stop_relay(self.server)


class TerminalTests(Case):
    """Terminals."""

    def test_path(self) -> None:
        """Somebody at a terminal sees which way everything goes."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [str(COMMANDS / "netsvc"), "chat", f"udp:127.0.0.1:{self.port}"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={
                **os.environ,
                "TERM": "xterm",
                "XDG_STATE_HOME": str(self.folder / "state"),
            },
        )
        os.close(slave)
        self.addCleanup(os.close, master)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        shown = b""

        def sees(text: str) -> None:
            nonlocal shown
            until = time.monotonic() + PATIENCE
            while text.encode() not in shown:
                left = until - time.monotonic()
                assert left > 0, (text, shown)
                if select.select([master], [], [], left)[0]:
                    shown += os.read(master, 4096)

        sees("#lobby")
        os.write(master, b"/path\r")
        sees("all goes by the relay, no direct path was tried")
        os.write(master, b"/direct guest1\r")
        sees("! that is you")
        os.write(master, b"\x04")
        self.assertEqual(process.wait(PATIENCE), 0)


class SilentTests(ProgramCase):
    """Where no relay is."""

    def test_nobody(self) -> None:
        """Where nobody answers it says hello, and a signal ends it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            silent.settimeout(PATIENCE)
            port = silent.getsockname()[1]
            chat = self.chat(f"udp:127.0.0.1:{port}")
            hello, _ = silent.recvfrom(2048)
            self.assertEqual((hello[:2], len(hello)), (b"\x05\x01", 128))
            chat.process.terminate()
            self.assertEqual(chat.process.wait(PATIENCE), 128 + 15)
