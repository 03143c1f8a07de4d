"""C{netsvc chat} on real terminals and in real pipes, with a line server of the kit."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.balance_certificates import Authority
from tests.integration.chat_line_server import PATIENCE, LineServer

#: The command; in a new session it makes its standard input its terminal.
PROGRAM = """
import fcntl, os, sys, termios
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from netsvc.cli.chat import main
sys.exit(main(sys.argv[1:]))
"""
COMMAND = (sys.executable, "-c", PROGRAM)

#: What is not text on a terminal.
PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Case(SynchronousTestCase):
    """A server, and a place for the user's state."""

    def setUp(self) -> None:
        """Start the server."""
        self.state = Path(self.mktemp()).absolute()
        self.extra: dict[str, str] = {}
        self.server = self.serve()

    def serve(self, context: ssl.SSLContext | None = None, port: int = 0) -> LineServer:
        server = LineServer(context, port)
        self.addCleanup(server.close)
        return server

    def environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in os.environ if name != "NO_COLOR"},
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "XDG_STATE_HOME": str(self.state),
            **self.extra,
        }

    def begin(self, *words: str, **streams: int) -> subprocess.Popen[bytes]:
        """Start the command with pipes, or what is given for its streams."""
        process = subprocess.Popen(
            [*COMMAND, *words],
            env=self.environment(),
            bufsize=0,
            start_new_session=True,
            stdin=streams.get("stdin", subprocess.PIPE),
            stdout=streams.get("stdout", subprocess.PIPE),
            stderr=streams.get("stderr", subprocess.PIPE),
        )
        self.addCleanup(self.end, process)
        return process

    def prints(self, process: subprocess.Popen[bytes], text: str) -> None:
        """Wait until it has printed a line with a text."""
        assert process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        seen = [b""]
        # Unbuffered: whatever was read is in these lines.
        while text.encode() not in seen[-1]:
            left = max(deadline - time.monotonic(), 0)
            self.assertTrue(select.select([process.stdout], [], [], left)[0], seen)
            seen.append(process.stdout.readline())
            self.assertTrue(seen[-1], seen)

    def closed_port(self) -> int:
        """Give a port on which nobody listens while the test runs."""
        held = socket.socket()
        self.addCleanup(held.close)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port

    def end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def chat(self, text: str, *words: str) -> tuple[int, str, str]:
        """Run with an input; gives status, output and errors."""
        process = self.begin(*words)
        out, err = process.communicate(text.encode(), PATIENCE)
        return process.returncode, out.decode(), err.decode()


class PipeTests(Case):
    """Pipes."""

    def test_says(self) -> None:
        """Lines of a pipe reach the room, and the status says so."""
        status, out, err = self.chat(
            "안녕\nhi", self.server.target, "--room", "x", "--nick", "bot"
        )
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(
            self.server.lines, ["/nick bot", "/join #x", "안녕", "hi", "/quit"]
        )
        self.assertTrue(out.endswith("* bot has joined #x\n* goodbye\n"), out)
        self.assertNotIn("\x1b", out)
        self.assertFalse(self.state.exists())

    def test_file(self) -> None:
        """Input from a file, and none at all, is fine too."""
        file = Path(self.mktemp())
        file.write_text("one\ntwo\n")
        for name, lines in ((str(file), ["one", "two"]), (os.devnull, [])):
            self.server.lines.clear()
            with open(name, "rb") as stream:
                process = self.begin(self.server.target, stdin=stream.fileno())
            process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(self.server.lines, [*lines, "/quit"])

    def test_no_input(self) -> None:
        """A closed standard input is an empty one."""
        command = ("sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, self.server.target)
        run = subprocess.run(
            command, env=self.environment(), capture_output=True, timeout=PATIENCE
        )
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(self.server.lines, ["/quit"])

    def test_refused(self) -> None:
        """What is meant for a closed room is said nowhere, and that is a failure."""
        status, _, err = self.chat("secret\n", self.server.target, "--room", "closed")
        self.assertEqual(status, 1)
        self.assertEqual(err, "netsvc chat: #closed: you are banned from the room\n")
        self.assertEqual(self.server.lines, ["/join #closed", "/quit"])
        status, _, err = self.chat("x\n", self.server.target, "--nick", "taken")
        self.assertEqual((status, err), (1, "netsvc chat: taken: that nick is taken\n"))

    def test_not_connected(self) -> None:
        """Where nobody listens it is one line and status 1."""
        port = self.closed_port()
        status, out, err = self.chat("hi\n", f"127.0.0.1:{port}")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, f"netsvc chat: 127.0.0.1:{port}: Connection refused\n")

    def test_no_such_host(self) -> None:
        """A name without an address is one line too."""
        status, _, err = self.chat("", "nosuch.invalid")
        self.assertEqual(
            (status, err), (1, "netsvc chat: nosuch.invalid:7070: no such host\n")
        )

    def test_lost(self) -> None:
        """A connection that is lost before the end is a failure."""
        process = self.begin(self.server.target)
        self.server.wait_for(lambda: self.server.peers)
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        self.server.wait_for(lambda: self.server.lines == ["one"])
        self.server.drop()
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(err.decode(), r"\Anetsvc chat: [^\n]*clos[^\n]*\n\Z")

    def test_interrupted(self) -> None:
        """A signal ends it with a goodbye, and the status tells of it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self.server.lines.clear()
            process = self.begin(self.server.target)
            self.server.wait_for(lambda: self.server.peers)
            self.prints(process, "#lobby")
            process.send_signal(number)
            self.assertEqual(process.wait(PATIENCE), 128 + number)
            self.assertEqual(self.server.lines, ["/quit"])

    def test_reader_goes_away(self) -> None:
        """When nobody reads what it prints it ends without a word."""
        process = self.begin(self.server.target)
        assert process.stdout is not None and process.stderr is not None
        self.prints(process, "#lobby")
        process.stdout.close()
        self.server.tell("", "* more")
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertEqual(process.stderr.read(), b"")

    def test_much(self) -> None:
        """A long input arrives whole and in order."""
        lines = [f"{number} {'가' * 50}" for number in range(150)]
        status, _, err = self.chat("\n".join(lines), self.server.target)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(self.server.lines, [*lines, "/quit"])

    def test_charset(self) -> None:
        """On a connection in CP949 everything is CP949."""
        words = (self.server.target, "--charset", "cp949", "--room", "서울")
        status, out, _ = self.chat("똠방각하\n", *words)
        self.assertEqual(status, 0)
        self.assertIn("has joined #서울", out)
        self.assertEqual(self.server.lines[1:3], ["/join #서울", "똠방각하"])


class TLSTests(Case):
    """TLS."""

    def setUp(self) -> None:
        """Start a server with a certificate for chat.example."""
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.authority = Authority(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.issue("chat.example"))
        self.secure = self.serve(context)

    def test_verified(self) -> None:
        """A certificate that is right is enough."""
        status, _, err = self.chat(
            *("hi\n", self.secure.target, "--tls", "--ca", str(self.authority.file)),
            *("--server-name", "chat.example"),
        )
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(self.secure.lines, ["hi", "/quit"])

    def test_not_verified(self) -> None:
        """Any other certificate is refused, unless nothing is to be checked."""
        ca = ("--ca", str(self.authority.file))
        name = ("--server-name", "chat.example")
        for words, text in ((name, "self-signed"), (ca, "not for this name")):
            status, out, err = self.chat("hi\n", self.secure.target, "--tls", *words)
            self.assertEqual((status, out, err.count("\n")), (1, "", 1))
            self.assertIn(text, err)
        self.assertEqual(self.secure.lines, [])
        status, _, err = self.chat("hi\n", self.secure.target, "--tls", "--no-verify")
        self.assertEqual((status, err), (0, ""))

    def test_no_tls(self) -> None:
        """A server without TLS, and a file that is none, are one line."""
        status, _, err = self.chat("hi\n", self.server.target, "--tls")
        self.assertEqual((status, err.count("\n")), (1, 1))
        self.assertIn("perhaps the service does not speak TLS", err)
        status, _, err = self.chat("hi\n", self.server.target, "--tls", "--ca", "none")
        self.assertEqual(
            (status, err),
            (1, "netsvc chat: none: No such file or directory\n"),
        )


class TerminalTests(Case):
    """A terminal of 60 columns."""

    def setUp(self) -> None:
        """Open the terminal."""
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)
        self.resize(60)
        self.raw = self.seen = ""

    def resize(self, columns: int) -> None:
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def start(self, *words: str, target: str = "") -> subprocess.Popen[bytes]:
        self.modes = termios.tcgetattr(self.slave)
        self.process = self.begin(
            target or self.server.target,
            *words,
            stdin=self.slave,
            stdout=self.slave,
        )
        return self.process

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read(self, patience: float) -> None:
        """Read what is shown within so many seconds."""
        if select.select([self.master], [], [], patience)[0]:
            data = os.read(self.master, 65_536).decode(errors="replace")
            self.raw += data
            self.seen = PLAIN.sub("", self.seen + data)

    def read_until(self, text: str) -> None:
        """Read what is shown until it has a text; that and all before is done with."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            self.assertLess(time.monotonic(), deadline, self.seen)
            self.read(0.1)
        self.seen = self.seen.partition(text)[2]

    def wait(self, status: int = 0) -> str:
        """Wait for the end; gives the errors, when the terminal is as it was."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self.assertLess(time.monotonic(), deadline, self.seen)
            self.read(0.05)
        self.assertEqual(self.process.returncode, status)
        self.assertEqual(termios.tcgetattr(self.slave), self.modes)
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def test_talk(self) -> None:
        """Somebody enters, talks, completes, and leaves."""
        self.start("--room", "seoul", "--nick", "jiwoo")
        self.read_until("* jiwoo has joined #seoul\n")
        self.server.tell("", "<minsu> \x1b]0;title\x07안녕 jiwoo")
        self.read_until("<minsu> ^[]0;title^G안녕 jiwoo\n")
        self.type("mi\t그래\x7f래\r")
        self.read_until("<jiwoo> minsu: 그래\n")
        self.type("/wh\t\r")
        self.read_until("* in #seoul: @boss, jiwoo\n")
        self.type("\x04")
        self.assertEqual(self.wait(), "")
        self.assertEqual(self.server.lines[2:], ["minsu: 그래", "/who ", "/quit"])

    def test_password(self) -> None:
        """A password is neither shown nor kept; what else was typed is."""
        self.start()
        self.read_until("has joined #lobby\n")
        self.type("/login\r")
        # Not "Account": of what has not changed on the screen nothing is drawn.
        self.read_until("(guest1):")
        self.type("jiwoo\r")
        self.read_until("Password:")
        self.type("secret\r")
        self.read_until("* logged in as jiwoo\n")
        self.type("hello\r")
        self.read_until("<guest1> hello\n")
        self.type("/quit\r")
        self.wait()
        self.assertEqual(self.server.lines, ["/login jiwoo secret", "hello", "/quit"])
        kept = self.state / "netsvc" / "chat_history"
        self.assertEqual(kept.read_text(), "hello\n/quit\n")
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.start()
        self.read_until("has joined #lobby\n")
        self.type("\x1b[A\x1b[A\r")
        self.read_until("<guest2> hello\n")
        self.type("\x03")
        self.wait()

    def test_reconnect(self) -> None:
        """After a loss it says so, comes back, and is who and where it was."""
        self.start("--nick", "jiwoo")
        self.read_until("is now known as jiwoo\n")
        self.type("/join #busan\r")
        self.read_until("has joined #busan\n")
        self.type("half")
        self.read_until("half")
        self.server.lines.clear()
        self.server.drop()
        self.read_until("- offline: ")
        self.read_until("- connected again\n")
        self.read_until("* jiwoo has joined #busan\n")
        self.type(" whole\r")
        self.read_until("<jiwoo> half whole\n")
        self.type("\x03")
        self.wait()
        self.assertEqual(
            self.server.lines,
            ["/nick jiwoo", "/join #busan", "half whole", "/quit"],
        )

    def test_no_reconnect(self) -> None:
        """Without coming back a loss is the end, and a failure."""
        self.start("--no-reconnect")
        self.read_until("has joined #lobby\n")
        self.server.drop()
        self.assertRegex(self.wait(1), r"\Anetsvc chat: 127[^\n]+\n\Z")

    def test_signals(self) -> None:
        """A signal ends it with a goodbye, and the terminal is as it was."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            self.server.lines.clear()
            self.start()
            self.read_until("has joined #lobby\n")
            self.process.send_signal(number)
            self.assertEqual(self.wait(), "")
            self.assertEqual(self.server.lines, ["/quit"])

    def test_resize(self) -> None:
        """A line that is longer than the terminal is wide stays whole."""
        self.start()
        self.read_until("has joined #lobby\n")
        text = "긴 줄 " * 20
        self.type(text)
        self.read_until("긴")
        self.resize(30)
        os.kill(self.process.pid, signal.SIGWINCH)
        self.read_until("[#lobby]")
        self.type("끝\r")
        self.server.wait_for(lambda: f"{text}끝" in self.server.lines)
        self.type("\x03")
        self.wait()

    def test_not_connected(self) -> None:
        """Where nobody listens a terminal gets one line too."""
        target = f"127.0.0.1:{self.closed_port()}"
        self.start(target=target)
        self.assertEqual(self.wait(1), f"netsvc chat: {target}: Connection refused\n")

    def test_no_colour(self) -> None:
        """There are colours on a terminal, and none where NO_COLOR is set."""
        for value, is_coloured in (("", True), ("1", False)):
            self.extra["NO_COLOR"] = value
            self.start()
            self.read_until("has joined #lobby\n")
            self.server.tell("", "! red")
            self.raw = ""
            self.read_until("! red\n")
            found = re.search("\x1b\\[[0-9;]*31[0-9;]*m! red", self.raw)
            self.assertEqual(bool(found), is_coloured, self.raw)
            self.type("\x03")
            self.wait()

    def test_output_is_a_pipe(self) -> None:
        """With a terminal for input only, what is printed is plain text."""
        process = self.begin(self.server.target, stdin=self.slave)
        self.server.wait_for(lambda: self.server.peers)
        self.type("hi\n")
        self.server.wait_for(lambda: self.server.lines == ["hi"])
        self.type("\x04")
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertNotIn(b"\x1b", out)
        self.assertIn(b"* goodbye\n", out)


class RealServerTests(Case):
    """The line frontend of netsvc-chat."""

    def listen(self, *options: str) -> str:
        """Start netsvc-chat; gives where it listens for lines."""
        listen = "tcp:0:interface=127.0.0.1"
        process = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("twistd"), "-n", "--pidfile="),
                *("netsvc-chat", "--line", listen, "--irc", listen),
                *("--store", ":memory:", *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(self.end, process)
        self.addCleanup(process.terminate)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line.decode())
            # The line frontend is listened for first.
            if found := re.search(r"listens on .*\((127\.0\.0\.1:\d+)\)", seen[-1]):
                return found[1]
        raise AssertionError("".join(seen))

    def test_talk(self) -> None:
        """What one says through a pipe another one reads, and a third one later."""
        target = self.listen()
        reader = self.begin(target, "--room", "서울", "--nick", "minsu")
        self.prints(reader, "* minsu has joined #서울")
        words = (target, "--room", "서울", "--nick", "jiwoo")
        status, out, err = self.chat("안녕\n/me 웃는다\n//slash\n", *words)
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.endswith("* goodbye\n"), out)
        out, err = (data.decode() for data in reader.communicate(timeout=PATIENCE))
        self.assertEqual((reader.returncode, err), (0, ""))
        for line in ("<jiwoo> 안녕\n", "* jiwoo 웃는다\n", "<jiwoo> /slash\n"):
            self.assertIn(line, out)
        status, out, _ = self.chat("", target, "--room", "서울", "--charset", "cp949")
        self.assertEqual(status, 0)
        self.assertIn("] <jiwoo> 안녕\n", out)

    def test_refused(self) -> None:
        """A nick that is taken is a failure, and nothing is said."""
        target = self.listen()
        holder = self.begin(target, "--nick", "minsu")
        self.prints(holder, "now known as minsu")
        status, _, err = self.chat("hi\n", target, "--nick", "minsu")
        self.assertEqual(status, 1)
        self.assertEqual(err, "netsvc chat: minsu is taken: choose another nick\n")
        holder.communicate(timeout=PATIENCE)

    def test_password(self) -> None:
        """The server's password comes from a file; without one that is said."""
        file = Path(self.mktemp())
        file.write_text("/open sesame\n")
        target = self.listen("--password", str(file))
        status, _, err = self.chat("hi\n", target, "--password-file", str(file))
        self.assertEqual((status, err), (0, ""))
        status, _, err = self.chat("hi\n", target)
        self.assertEqual(status, 1)
        self.assertIn("--password-file FILE gives it\n", err)
