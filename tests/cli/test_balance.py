"""The command line of C{netsvc balance}."""

from __future__ import annotations

import errno
import io
import json
import socket
import subprocess
import sys
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from netsvc import cli
from netsvc.balance.control_wire import (
    COMMANDS,
    DEFAULT_SOCKET,
    MAX_ANSWER,
    format_answer,
    format_refusal,
)
from netsvc.cli import balance
from tests.balance.control_fakes import POOL, ROW


class FakeSocket:
    """A control socket that answers from a list, or fails."""

    answer: ClassVar[list[bytes]] = []
    error: ClassVar[BaseException | None] = None
    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def __init__(self, family: int, kind: int) -> None:
        self.path = ""

    def __enter__(self) -> FakeSocket:
        return self

    def __exit__(self, *exception: object) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def connect(self, path: str) -> None:
        self.path = path
        if self.error is not None:
            raise self.error

    def sendall(self, data: bytes) -> None:
        self.asked.append((self.path, json.loads(data)))

    def recv(self, size: int) -> bytes:
        return self.answer.pop(0) if self.answer else b""


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Bench(SynchronousTestCase):
    """Runs the command line against a socket in memory."""

    def setUp(self) -> None:
        FakeSocket.answer = [format_answer([POOL])]
        FakeSocket.error = None
        FakeSocket.asked = []
        self.patch(socket, "socket", FakeSocket)
        self.patch(balance.os, "environ", {"TERM": "xterm"})  # type: ignore[attr-defined]  # no export, but there

    def call(self, line: str, out: io.TextIOBase | None = None) -> tuple[int, str, str]:
        stdout, stderr = out or io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", stdout)
        self.patch(sys, "stderr", stderr)
        status = cli.main(["balance", *line.split()])
        shown = stdout.getvalue() if isinstance(stdout, io.StringIO) else ""
        return status, shown, stderr.getvalue()


class CommandTests(Bench):
    """Commands become requests, and answers text."""

    def test_status(self) -> None:
        """The table goes to stdout; the usual socket is asked."""
        status, out, err = self.call("status")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(len(out.splitlines()), 4)
        self.assertIn("web1", out)
        self.assertEqual(FakeSocket.asked, [(DEFAULT_SOCKET, {"command": "status"})])

    def test_status_of_one(self) -> None:
        """A name leaves that backend, and only the pools that have it."""
        other = {**POOL, "name": "other", "backends": []}
        FakeSocket.answer = [format_answer([POOL, other])]
        status, out, _ = self.call("status web1")
        self.assertEqual(status, 0)
        self.assertEqual(len(out.splitlines()), 3)
        self.assertNotIn("web2", out)
        FakeSocket.answer = [format_answer([POOL])]
        self.assertEqual(
            self.call("status web9"), (1, "", "netsvc balance: no backend 'web9'\n")
        )

    def test_json(self) -> None:
        """C{--json} gives what the balancer has said, on a line that is safe."""
        pool = {**POOL, "name": "a\x7f\u202eb"}
        FakeSocket.answer = [format_answer([pool])]
        status, out, _ = self.call("status --json")
        self.assertEqual((status, json.loads(out)), (0, [pool]))
        self.assertTrue(out.removesuffix("\n").isprintable())
        FakeSocket.answer = [format_answer([POOL])]
        _, out, _ = self.call("--json status web1")
        self.assertEqual(json.loads(out), [{**POOL, "backends": [ROW]}])

    def test_steering(self) -> None:
        """Each command asks for what it says, wherever the options stand."""
        for line, asked, out in (
            ("drain web1", {"backend": "web1"}, "web1: drain: done\n"),
            ("enable --json web1", {"backend": "web1"}, '{"ok": true}\n'),
            ("--socket a.sock maint web1", {"backend": "web1"}, "web1: maint: done\n"),
            ("check web1 --socket=a.sock", {"backend": "web1"}, "web1: check: done\n"),
            (
                "weight web1 --socket a.sock 0",
                {"backend": "web1", "weight": 0},
                "web1: weight 0: done\n",
            ),
        ):
            FakeSocket.answer = [format_answer(None)]
            self.assertEqual(self.call(line), (0, out, ""))
            path, request = FakeSocket.asked[-1]
            self.assertEqual(path, "a.sock" if "a.sock" in line else DEFAULT_SOCKET)
            self.assertIn(request.pop("command"), line.split())
            self.assertEqual(request, asked)

    def test_pieces(self) -> None:
        """An answer may come in pieces."""
        answer = format_answer([POOL])
        FakeSocket.answer = [answer[i : i + 1] for i in range(len(answer))]
        self.assertEqual(self.call("status")[0], 0)


class ColourTests(Bench):
    """Colours are for terminals."""

    def colours(self, out: io.StringIO, **environ: str) -> bool:
        FakeSocket.answer = [format_answer([POOL])]
        self.patch(balance.os, "environ", environ)  # type: ignore[attr-defined]  # no export, but there
        return "\x1b[32mup" in self.call("status", out)[1]

    def test_colours(self) -> None:
        """A terminal gets them, unless it is dumb or they are not wanted."""
        self.assertTrue(self.colours(Terminal(), TERM="xterm"))
        self.assertTrue(self.colours(Terminal(), NO_COLOR=""))
        self.assertFalse(self.colours(Terminal(), NO_COLOR="1"))
        self.assertFalse(self.colours(Terminal(), TERM="dumb"))
        self.assertFalse(self.colours(io.StringIO(), TERM="xterm"))


class ErrorTests(Bench):
    """What goes wrong is one line on stderr and a status that says so."""

    def fails(self, line: str = "status") -> str:
        status, out, err = self.call(line)
        self.assertEqual((status, out), (1, ""))
        self.assertEqual((err.count("\n"), err[-1:]), (1, "\n"))
        return err

    def test_no_balancer(self) -> None:
        """Why there is no conversation is said, and which socket it is about."""
        for error, problem in (
            (FileNotFoundError(errno.ENOENT, "x"), "is netsvc-balance running"),
            (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "nobody listens"),
            (PermissionError(errno.EACCES, "x"), "permission denied; only the user"),
            (TimeoutError("timed out"), "no answer within 5 s"),
            (OSError(errno.ENOTSOCK, "Not a socket"), "Not a socket"),
            (OSError("AF_UNIX path too long"), "AF_UNIX path too long"),
            (ValueError("embedded null byte"), "embedded null byte"),
        ):
            FakeSocket.error = error
            err = self.fails("status --socket a\x1b.sock")
            self.assertTrue(
                err.startswith(r"netsvc balance: control socket a\x1b.sock: "), err
            )
            self.assertIn(problem, err)

    def test_refused(self) -> None:
        """The balancer's own words are shown, made safe."""
        FakeSocket.answer = [format_refusal("no backend 'web9'")]
        self.assertEqual(
            self.fails("drain web9"), "netsvc balance: no backend 'web9'\n"
        )
        FakeSocket.answer = [b'{"ok":false,"error":"\\u001b[2J"}\n']
        self.assertEqual(self.fails(), "netsvc balance: \\x1b[2J\n")

    def test_not_a_balancer(self) -> None:
        """Something else at the socket does no harm."""
        for answer, problem in (
            ([], "closed without a whole answer"),
            ([b'{"ok":'], "closed without a whole answer"),
            ([b"HTTP/1.1 400 Bad Request\r\n"], "the answer is not JSON"),
            ([format_answer(None)], "the status is not of this protocol"),
            ([format_answer([1])], "the status is not of this protocol"),
            ([b"x" * (MAX_ANSWER + 1)], "the answer is too long"),
        ):
            FakeSocket.answer = answer
            self.assertIn(problem, self.fails())

    def test_closed_pipe(self) -> None:
        """Whoever reads may have seen enough; that is no failure."""
        program = (
            "import sys; from netsvc.cli import balance;"
            'balance.exchange = lambda path, line: b\'{"ok":true,"result":[]}\\n\';'
            "sys.stdin.read(); sys.exit(balance.main(['status']))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin and process.stdout
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(b"", timeout=60)
        self.assertEqual((process.returncode, err), (0, b""))

    def test_usage(self) -> None:
        """A bad command line is 2, and one line that says what is wrong."""
        for line, problem in (
            ("", "which command? There are: status, drain"),
            ("stats", "no command 'stats'; did you mean 'status'?"),
            ("status a b", "status takes [BACKEND]"),
            ("drain", "drain takes BACKEND"),
            ("drain a b", "drain takes BACKEND"),
            ("weight a", "weight takes BACKEND N"),
            ("weight a 1 2", "weight takes BACKEND N"),
            ("weight a -1", "weight '-1' is not a whole number"),
            ("weight a 1.5", "weight '1.5' is not a whole number"),
            ("weight a 1234567890", "is not a whole number"),
            ("status --frob", "--frob"),
            ("status --socket", "expected one argument"),
        ):
            status, out, err = self.call(line)
            self.assertEqual((status, out), (2, ""), line)
            self.assertTrue(err.startswith("netsvc balance: "), err)
            self.assertEqual(err.count("\n"), 1)
            self.assertIn(problem, err)
        self.assertEqual(FakeSocket.asked, [])

    def test_help(self) -> None:
        """C{--help} names each command and the socket."""
        status, out, _ = self.call("--help")
        self.assertEqual(status, 0)
        for text in (*(f"\n  {name} " for name in COMMANDS), DEFAULT_SOCKET):
            self.assertIn(text, out)


class ImportTests(SynchronousTestCase):
    """The command starts at once."""

    def test_light(self) -> None:
        """It does without Twisted."""
        program = (
            "import sys, netsvc.cli.balance;"
            "print([name for name in sys.modules if name.startswith('twisted')])"
        )
        run = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(run.stdout, "[]\n")
