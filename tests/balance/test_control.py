"""The control socket's language and its connections."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import (
    EventLoggingObserver,
    MemoryReactorClock,
    StringTransportWithDisconnection,
)
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.control import MAX_CONNECTIONS, TIMEOUT, Control
from netsvc.balance.control_wire import (
    COMMANDS,
    MAX_REQUEST,
    ControlError,
    Request,
    format_answer,
    format_refusal,
    parse_answer,
    parse_request,
)
from netsvc.daemon.unix_sockets import remove_stale
from tests.balance.control_fakes import POOL, FakeBalancer


class WireTests(SynchronousTestCase):
    """Requests and answers as lines."""

    def test_requests(self) -> None:
        """Each command is read as it was written, on one line."""
        for request in (
            Request("status"),
            Request("drain", "web1"),
            Request("enable", "[::1]:80"),
            Request("maint", "bücher\n"),
            Request("weight", "web1", 0),
            Request("weight", "web1", 256),
            Request("check", "web1"),
        ):
            line = request.to_line()
            self.assertEqual((line.count(b"\n"), line[-1:]), (1, b"\n"))
            self.assertEqual(parse_request(line), request)

    def test_documented(self) -> None:
        """A request is what the module says it is."""
        self.assertEqual(
            json.loads(Request("weight", "web1", 5).to_line()),
            {"command": "weight", "backend": "web1", "weight": 5},
        )

    def test_malformed_requests(self) -> None:
        """What is no request is refused with what is wrong with it."""
        for line, problem in (
            (b"", "the request is not JSON"),
            (b"status", "the request is not JSON"),
            (b"\xff\xfe\x00", "the request is not JSON"),
            (b"[" * MAX_REQUEST, "the request is not JSON"),
            (b"1" * MAX_REQUEST, "the request is not a JSON object"),
            (b"[]", "the request is not a JSON object"),
            (b"{}", f"command must be one of {', '.join(COMMANDS)}"),
            (b'{"command": "reboot"}', f"command must be one of {', '.join(COMMANDS)}"),
            (b'{"command": ["status"]}', "command must be one of"),
            (b'{"command": "drain"}', "drain: backend must be text"),
            (b'{"command": "drain", "backend": 1}', "drain: backend must be text"),
            (
                b'{"command": "weight", "backend": "a"}',
                "weight: weight must be a whole number",
            ),
            (
                b'{"command": "weight", "backend": "a", "weight": true}',
                "weight: weight must be a whole number",
            ),
            (
                b'{"command": "weight", "backend": "a", "weight": 1.5}',
                "weight: weight must be a whole number",
            ),
            (b'{"command": "status", "x": 1}', "status takes nothing"),
            (b'{"command": "drain", "backend": "a", "x": 1}', "drain takes backend"),
        ):
            with self.assertRaises(ControlError) as caught:
                parse_request(line)
            self.assertIn(problem, str(caught.exception))

    def test_answers(self) -> None:
        """An answer gives the result, or raises the refusal's text, made safe."""
        self.assertEqual(parse_answer(format_answer([POOL])), [POOL])
        self.assertIsNone(parse_answer(format_answer(None)))
        with self.assertRaises(ControlError) as caught:
            parse_answer(format_refusal("no backend '\x1b[2J'\n"))
        self.assertEqual(str(caught.exception), r"no backend '\x1b[2J'\n")

    def test_malformed_answers(self) -> None:
        """What is no answer is refused."""
        for line in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"[]",
            b"{}",
            b'{"ok": true}',
            b'{"ok": 1, "result": 1}',
            b'{"ok": false}',
            b'{"ok": false, "error": 1}',
            b'{"error": "x"}',
        ):
            with self.assertRaisesRegex(ControlError, "answer"):
                parse_answer(line)

    @given(st.binary())
    def test_hostile(self, line: bytes) -> None:
        """Whatever comes, only a L{ControlError} can come of it."""
        for parse in (parse_request, parse_answer):
            try:
                parse(line)
            except ControlError:
                continue


class Transport(StringTransportWithDisconnection):
    """Ends when it is told to; one whose peer does not read ends only by abort."""

    stuck = False
    aborted = False

    def loseConnection(self) -> None:
        self.disconnecting = True
        if not self.stuck:
            super().loseConnection()

    def abortConnection(self) -> None:
        self.aborted = True
        self.protocol.connectionLost(Failure(ConnectionDone()))


class Case(SynchronousTestCase):
    """A control socket in memory."""

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.balancer = FakeBalancer()
        self.control = Control("balance.sock", self.balancer, self.reactor)
        self.factory = self.control.factory

    def connect(self, *, stuck: bool = False) -> Transport:
        transport = Transport()
        transport.stuck = stuck
        protocol = self.factory.buildProtocol(None)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def ask(self, line: bytes) -> Any:
        """Send a line; the answer, after which the connection is over."""
        transport = self.connect()
        transport.protocol.dataReceived(line)
        self.assertFalse(transport.connected)
        self.assertEqual(self.factory.live, set())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        return json.loads(transport.value())


class ConnectionTests(Case):
    """A connection asks once and is answered once."""

    def test_status(self) -> None:
        """C{status} gives what the pools say."""
        self.assertEqual(
            self.ask(Request("status").to_line()), {"ok": True, "result": [POOL]}
        )

    def test_commands(self) -> None:
        """Each command reaches the balancer, and the log."""
        logged = EventLoggingObserver()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)
        for command in ("drain", "enable", "maint", "check"):
            answer = self.ask(Request(command, "web1").to_line())
            self.assertEqual(answer, {"ok": True, "result": None})
        self.ask(Request("weight", "web2", 7).to_line())
        expected: list[tuple[object, ...]] = [
            ("drain", "web1"),
            ("enable", "web1"),
            ("maint", "web1"),
            ("check", "web1"),
            ("weight", "web2", 7),
        ]
        self.assertEqual(self.balancer.commands, expected)
        events = [event for event in logged if event.get("event") == "control"]
        self.assertEqual(
            [(event["command"], event["backend"]) for event in events],
            [command[:2] for command in expected],
        )

    def test_refused(self) -> None:
        """What cannot be done is answered with the reason."""
        for request, problem in (
            (Request("drain", "web9"), "no backend 'web9'"),
            (Request("weight", "web1", 257), "weight 257 is not a number from 0 to"),
        ):
            answer = self.ask(request.to_line())
            self.assertFalse(answer["ok"])
            self.assertIn(problem, answer["error"])
        self.assertIn("not JSON", self.ask(b"GET / HTTP/1.0\r\n")["error"])

    def test_own_mistake(self) -> None:
        """A mistake of ours is logged with its traceback, and answered."""
        answer = self.ask(Request("drain", "bug").to_line())
        self.assertEqual(
            answer["error"], "netsvc-balance has made a mistake: see its log"
        )
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_split(self) -> None:
        """A request may come in pieces."""
        transport = self.connect()
        for byte in Request("drain", "web1").to_line():
            self.assertEqual(transport.value(), b"")
            transport.protocol.dataReceived(bytes([byte]))
        self.assertEqual(json.loads(transport.value()), {"ok": True, "result": None})

    def test_second_request(self) -> None:
        """What follows the first line is not read."""
        transport = self.connect(stuck=True)
        line = Request("drain", "web1").to_line()
        transport.protocol.dataReceived(line * 2)
        transport.protocol.dataReceived(line)
        self.assertEqual(self.balancer.commands, [("drain", "web1")])
        self.assertEqual(transport.value().count(b"\n"), 1)

    def test_too_long(self) -> None:
        """A line over the limit is refused when it is over it, whole or not."""
        fits = b'{"command":"drain","backend":"web1"}'.ljust(MAX_REQUEST - 1) + b"\n"
        self.assertEqual(self.ask(fits), {"ok": True, "result": None})
        for line in (b" " + fits, b"[" * MAX_REQUEST):
            self.assertEqual(
                self.ask(line), {"ok": False, "error": "a request is up to 4096 bytes"}
            )

    def test_silent(self) -> None:
        """One that does not ask in time is cut, bytes or none."""
        transport = self.connect(stuck=True)
        self.reactor.advance(TIMEOUT - 1)
        transport.protocol.dataReceived(b"{")
        self.assertFalse(transport.aborted)
        self.reactor.advance(1)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.factory.live, set())

    def test_does_not_read(self) -> None:
        """One that does not take its answer in time is cut."""
        transport = self.connect(stuck=True)
        transport.protocol.dataReceived(Request("status").to_line())
        self.assertTrue(transport.disconnecting)
        self.reactor.advance(TIMEOUT)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_too_many(self) -> None:
        """There are so many connections at a time; one more is closed and counted."""
        connections = [self.connect() for _ in range(MAX_CONNECTIONS)]
        self.assertIsNone(self.factory.buildProtocol(None))
        self.assertEqual(self.factory.refused, 1)
        connections[0].abortConnection()
        self.connect()


class SocketTests(Case):
    """Opening and closing the socket."""

    def refusal(self) -> str:
        with self.assertRaises(SystemExit) as caught:
            self.control.open()
        return str(caught.exception.code)

    def test_open(self) -> None:
        """The socket is for its owner only."""
        self.control.open()
        ((path, factory, _, mode, _),) = self.reactor.unixServers
        self.assertEqual((path, mode), ("balance.sock", 0o600))
        self.assertIs(factory, self.factory)

    def test_close(self) -> None:
        """Closing cuts the connections; what is not open can be closed too."""
        self.successResultOf(self.control.close())
        self.control.open()
        transport = self.connect(stuck=True)
        self.successResultOf(self.control.close())
        self.assertTrue(transport.aborted)
        self.successResultOf(self.control.close())

    def test_cannot_listen(self) -> None:
        """What hinders it is one line for operators."""

        def listen(path: str, factory: object, mode: int) -> None:
            raise CannotListenError(
                None, path, PermissionError(errno.EACCES, "Permission denied")
            )

        self.patch(self.reactor, "listenUNIX", listen)
        self.assertEqual(
            self.refusal(),
            "netsvc-balance: --control: balance.sock: Permission denied",
        )

    def test_bad_path(self) -> None:
        """A path that no file can have is refused, and shown safely."""
        self.control = Control("a\0b", self.balancer, self.reactor)
        self.assertIn(r"a\x00b: embedded null", self.refusal())

    def test_other_file(self) -> None:
        """A file that is no socket is left alone."""
        path = Path(self.mktemp())
        path.write_text("mine")
        remove_stale(str(path))
        self.assertEqual(path.read_text(), "mine")
