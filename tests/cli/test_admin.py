"""The command lines of C{netsvc status} and C{netsvc reload}."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc import cli
from netsvc.cli import admin, status
from netsvc.cli.admin import AdminError, ask, place_of, token_of
from netsvc.cli.reload import problems_of
from netsvc.daemon.admin.document import status_of, to_json
from netsvc.daemon.admin.where import Place
from tests.daemon.report_samples import SNAPSHOT, second

READY = to_json(status_of([SNAPSHOT, second()], True))
DRAINING = to_json(status_of([second(state="draining")], False))
TOKEN = "0123456789abcdef"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Case(SynchronousTestCase):
    """Runs commands against answers that the test sets."""

    def setUp(self) -> None:
        """Answer nothing yet."""
        self.asked: list[tuple[Any, ...]] = []
        self.answers: list[tuple[int, bytes] | AdminError] = []
        for module in (status, sys.modules["netsvc.cli.reload"]):
            self.patch(module, "ask", self._ask)

    def _ask(self, *arguments: Any) -> tuple[int, bytes]:
        self.asked.append(arguments)
        answer = self.answers.pop(0)
        if isinstance(answer, AdminError):
            raise answer
        return answer

    def run_command(
        self, *words: str, out: io.StringIO | None = None
    ) -> tuple[int, str, str]:
        """Run C{netsvc}; give the exit status, stdout and stderr."""
        out, error = out or io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", error)
        code = cli.main(words)
        return code, out.getvalue(), error.getvalue()


class StatusTests(Case):
    """C{netsvc status}."""

    def test_tables(self) -> None:
        """It shows what the status page shows, but for the connections."""
        self.answers = [(200, READY)]
        code, out, _ = self.run_command("status", "--admin", "/x")
        self.assertEqual(code, 0)
        for text in ("ready", "netsvc-balance/web", "Backends of", "1m40s", "Limits"):
            self.assertIn(text, out)
        self.assertNotIn("192.0.2.1", out)
        self.assertEqual(self.asked[0][1:3], ("GET", "/status.json"))

    def test_connections(self) -> None:
        """Connections are listed if asked for; what strangers say is escaped."""
        self.answers = [(200, READY), (200, READY)]
        _, out, _ = self.run_command("status", "--admin", "/x", "--connections")
        self.assertIn("192.0.2.1:5000", out)
        self.assertIn("irc ann", out)
        self.assertNotIn("\x1b", out)
        _, out, _ = self.run_command(
            "status", "--admin", "/x", "--filter", "state:closing"
        )
        self.assertNotIn("192.0.2.1:5000", out)
        self.assertIn("2 of 6 fit", out)

    def test_draining(self) -> None:
        """A daemon that drains gives another exit status."""
        self.answers = [(200, DRAINING), (503, b""), (503, b""), (200, b"")]
        self.assertEqual(self.run_command("status", "--admin", "/x")[0], 3)
        code, out, _ = self.run_command("status", "--admin", "/x")
        self.assertEqual((code, out), (3, "netsvc: starting\n"))
        for expected in (3, 0):
            code, out, error = self.run_command("status", "--admin", "/x", "--quiet")
            self.assertEqual((code, out, error), (expected, "", ""))

    def test_json(self) -> None:
        """As JSON it is what the daemon has said, on one line."""
        self.answers = [(200, READY)]
        code, out, _ = self.run_command("status", "--json", "--admin", "/x")
        self.assertEqual((code, out), (0, READY.decode()))

    def test_failures(self) -> None:
        """What goes wrong is one line and exit status 1."""
        self.answers = [AdminError("nobody \x1b"), (404, b""), (200, b"{}")]
        for text in ("nobody \\x1b", "the answer is 404", "no status"):
            code, out, error = self.run_command("status", "--admin", "/x")
            self.assertEqual((code, out, error.count("\n")), (1, "", 1))
            self.assertIn(text, error)

    def test_usage(self) -> None:
        """A bad command line is one line and exit status 2."""
        for words in (
            *(("--watch", "x"), ("--watch", "0"), ("--nonsense",), ("extra",)),
            ("--w",),
        ):
            code, _, error = self.run_command("status", *words)
            self.assertEqual((code, error.count("\n")), (2, 1), words)
        code, out, _ = self.run_command("status", "--help")
        self.assertEqual(code, 0)
        self.assertIn("exit status", out)
        code, _, error = self.run_command("status", "--admin", "nowhere")
        self.assertEqual(code, 1)
        self.assertIn("--admin: 'nowhere' is no place", error)

    def stop_after(self, looks: int) -> None:
        """Press C{^C} after so many looks."""
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == looks:
                raise KeyboardInterrupt

        self.patch(time, "sleep", sleep)
        self.slept = slept

    def test_watch_pipe(self) -> None:
        """Into a pipe it is written again and again."""
        self.stop_after(3)
        self.answers = [(200, READY), (503, b""), (200, READY)]
        code, out, _ = self.run_command("status", "--admin", "/x", "--watch", "0.5")
        self.assertEqual((code, self.slept), (0, [0.5] * 3))
        self.assertEqual(out.count("netsvc 1.2.3"), 2)

    def test_watch_json(self) -> None:
        """So is JSON, a line for each look."""
        self.stop_after(2)
        self.answers = [(200, READY), (200, READY)]
        _, out, _ = self.run_command("status", "--admin", "/x", "--watch", "--json")
        self.assertEqual((out, self.slept), (READY.decode() * 2, [2.0, 2.0]))

    def test_watch_terminal(self) -> None:
        """On a terminal the screen follows, also while there is no daemon."""
        self.stop_after(3)
        self.patch(os, "environ", {"TERM": "xterm", "COLUMNS": "150", "LINES": "60"})
        self.answers = [(200, READY), AdminError("gone away"), (503, b"")]
        code, out, _ = self.run_command(
            "status", "--admin", "/x", "--watch", out=Terminal()
        )
        self.assertEqual(code, 0)
        for text in ("netsvc-echo", "gone away", "netsvc: starting"):
            self.assertIn(text, out)


class ReloadTests(Case):
    """C{netsvc reload}."""

    def test_done(self) -> None:
        """A reload that went well is said in a line."""
        self.answers = [(200, b'{"ok": true, "problems": []}')]
        code, out, error = self.run_command("reload", "--admin", "/x")
        self.assertEqual((code, error), (0, ""))
        self.assertIn("read again", out)
        self.assertEqual(self.asked[0][1:3], ("POST", "/reload"))

    def test_problems(self) -> None:
        """What is wrong is listed, and that nothing was changed."""
        problems = ["a.toml:3: chat.motd: \x1b", "a.toml:9: b"]
        answer = json.dumps({"ok": False, "problems": problems}).encode()
        self.answers = [(422, answer)]
        code, out, error = self.run_command("reload", "--admin", "/x")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(
            error,
            "a.toml:3: chat.motd: \\x1b\na.toml:9: b\n"
            "netsvc reload: nothing was changed\n",
        )

    def test_failures(self) -> None:
        """So is what is no answer to a reload."""
        self.answers = [(500, b"a mistake\n"), AdminError("nobody")]
        for text in ("the answer is 500: a mistake", "nobody"):
            code, _, error = self.run_command("reload", "--admin", "/x")
            self.assertEqual((code, error.count("\n")), (1, 1))
            self.assertIn(text, error)
        self.assertEqual(self.run_command("reload", "x")[0], 2)

    def test_answers(self) -> None:
        """An answer that contradicts itself is none."""
        for body in (b"[]", b"1", b'{"ok": true, "problems": ["x"]}', b'{"ok": false}'):
            self.assertRaises(AdminError, problems_of, 200, body)


class AskTests(SynchronousTestCase):
    """L{ask}, over a real socket."""

    def serve(self, talk: Callable[[socket.socket], object]) -> Place:
        """Serve one client in a thread, on a UNIX socket, after its request."""
        self.requests: list[bytes] = []
        folder = Path(self.mktemp())
        folder.mkdir()
        # Its path is short: a socket's may not be long.
        here = os.open(folder, os.O_RDONLY)
        self.addCleanup(os.close, here)
        path = f"/proc/self/fd/{here}/s"
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(path)
        listening.listen()

        def run() -> None:
            client, _ = listening.accept()
            with client:
                self.requests.append(client.recv(65536))
                talk(client)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return Place(path=path)

    def test_token(self) -> None:
        """The token is sent as Bearer, and the answer's status and body come back."""
        answer = b"HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\nno"
        place = self.serve(lambda client: client.sendall(answer))
        self.assertEqual(ask(place, "GET", "/readyz", TOKEN), (503, b"no"))
        self.assertIn(f"Authorization: Bearer {TOKEN}".encode(), self.requests[0])

    def fails(self, place: Place, **others: Any) -> str:
        """Give what is said when it fails."""
        return str(self.assertRaises(AdminError, ask, place, "GET", "/", **others))

    def test_refused(self) -> None:
        """Why a request is refused is said by who refuses it."""
        place = self.serve(
            lambda client: client.sendall(
                b"HTTP/1.1 401 x\r\nContent-Length: 7\r\n\r\na token"
            )
        )
        self.assertTrue(self.fails(place).endswith(": a token"))

    def test_no_answer(self) -> None:
        """No answer, half of one and one in another language are errors."""
        for data in (
            b"",
            b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nhalf",
            b"SSH\r\n",
        ):
            place = self.serve(lambda client, data=data: client.sendall(data))  # type: ignore[misc]
            self.fails(place)

    def test_too_long(self) -> None:
        """An answer that is too long is not taken."""
        self.patch(admin, "MAX_ANSWER", 3)
        answer = b"HTTP/1.1 200 x\r\nContent-Length: 4\r\n\r\nlong"
        place = self.serve(lambda client: client.sendall(answer))
        self.assertIn("too long", self.fails(place))

    def test_silence(self) -> None:
        """Nobody is waited for longer than is said."""
        place = self.serve(lambda client: client.recv(65536))
        self.assertIn("no answer within 0 s", self.fails(place, timeout=0.2))

    def test_nobody(self) -> None:
        """Nobody there is said with what may be done."""
        self.assertIn("no such socket", self.fails(Place(path="none")))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = Place(host="127.0.0.1", port=free.getsockname()[1])
            self.assertIn("nobody listens", self.fails(place))

    def test_permission(self) -> None:
        """A socket of another user is said to be one."""

        def refuse(connection: Any) -> None:
            raise PermissionError(13, "Permission denied")

        self.patch(http.client.HTTPConnection, "connect", refuse)
        self.assertIn("only the user", self.fails(Place(host="127.0.0.1", port=1)))


class PlaceTests(SynchronousTestCase):
    """L{place_of} and L{token_of}."""

    def test_default(self) -> None:
        """The first usual place that there is, else the first of all."""
        places = [Place(path="/none/a"), Place(path="/")]

        def usual(*_: Any) -> Sequence[Place]:
            return places

        self.patch(admin, "usual_places", usual)
        self.assertEqual(place_of(None), places[1])
        places.pop()
        self.assertEqual(place_of(None), places[0])

    def test_token(self) -> None:
        """A token comes from its file, or is an error."""
        self.assertIsNone(token_of(None))
        path = Path(self.mktemp())
        path.write_text(TOKEN)
        self.assertEqual(token_of(str(path)), TOKEN)
        self.assertRaises(AdminError, token_of, "none")
