"""What is answered to which request, within which limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.admin import site as site_module
from netsvc.daemon.admin.access import AdminSettings, Door
from netsvc.daemon.admin.http import (
    ANSWER_TIMEOUT,
    MAX_BODY,
    MAX_CONNECTIONS,
    MAX_HEADER,
    REQUEST_TIMEOUT,
    AdminFactory,
)
from netsvc.daemon.admin.site import FRESH, HEADERS, LOOK, STATIC, Site
from netsvc.daemon.admin.streams import (
    INTERVAL,
    MAX_EVENT,
    MAX_STREAMS,
    PATIENCE,
    event,
)
from netsvc.daemon.report import Snapshot
from tests.daemon.report_samples import BALANCE, ECHO, HOSTILE, SNAPSHOT
from tests.daemon.service_fakes import Wire

UNIX = Door(is_unix=True, is_loopback=True)
LOOPBACK = Door(is_unix=False, is_loopback=True)
OPEN = Door(is_unix=False, is_loopback=False)
TOKEN = "0123456789abcdef"
BEARER = f"Authorization: Bearer {TOKEN}"


class Source:
    """A daemon whose state the test plays."""

    def __init__(self) -> None:
        self.shown: Sequence[Snapshot] = [SNAPSHOT]
        self.ready = True
        self.asked = 0
        self.reloads = 0
        self.outcome: Any = succeed([])

    def snapshots(self) -> Sequence[Snapshot]:
        """Give what the test has set."""
        self.asked += 1
        return self.shown

    def reload(self) -> Deferred[list[str]]:
        """Give what the test has set."""
        self.reloads += 1
        outcome: Deferred[list[str]] = self.outcome
        return outcome


class Answer:
    """What a client has got, read from its bytes."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.code = int(first.split(" ")[1]) if data else 0
        self.reason = first.partition(" ")[2].partition(" ")[2]
        pairs = (line.partition(": ") for line in lines)
        self.headers = {name.lower(): value for name, _, value in pairs}


class Case(SynchronousTestCase):
    """A site, and clients that send bytes."""

    settings = AdminSettings()

    def setUp(self) -> None:
        """Start the site."""
        self.events = self.enterContext(capturedLogs())
        self.clock: Any = Clock()
        self.source = Source()
        self.site = Site(self.source, self.settings, self.clock)
        self.site.start()
        self.addCleanup(self.site.stop)
        self.live: dict[Any, None] = {}
        self.factories: dict[Door, AdminFactory] = {}

    def connect(self, door: Door = UNIX) -> Any:
        """Connect; L{None} if that is refused."""
        if door not in self.factories:
            answer = partial(self.site.answer, door)
            made = AdminFactory(answer, self.clock, self.live, self.site.counts)
            self.factories[door] = made
        protocol = self.factories[door].buildProtocol(None)
        if protocol is None:
            return None
        wire = Wire(self.clock)
        wire.serve(protocol)
        return wire

    def send(self, request: str, *headers: str, door: Door = UNIX) -> Any:
        """Connect and send a request."""
        wire = self.connect(door)
        lines = [f"{request} HTTP/1.1", *headers]
        if not any(each.startswith("Host:") for each in headers):
            lines.insert(1, "Host: localhost")
        wire.protocol.dataReceived("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return wire

    def ask(self, request: str, *headers: str, door: Door = UNIX) -> Answer:
        """Send a request and take the answer."""
        wire = self.send(request, *headers, door=door)
        self.clock.advance(0)
        self.clock.advance(0)
        return Answer(wire.value())

    def failures(self) -> list[Any]:
        """Give the tracebacks in the log so far, and forget them."""
        found = self.flushLoggedErrors()
        return list(found)


class PageTests(Case):
    """The pages."""

    def test_health(self) -> None:
        """A daemon that drains lives, and is not ready."""
        self.assertEqual(self.ask("GET /livez").code, 200)
        self.assertEqual(self.ask("GET /readyz").code, 200)
        self.source.ready = False
        self.assertEqual(self.ask("GET /livez").code, 200)
        self.assertEqual(self.ask("GET /readyz").code, 503)

    def test_metrics(self) -> None:
        """The metrics are in Prometheus's text format."""
        self.site.counts["status-401"] += 2
        answer = self.ask("GET /metrics")
        self.assertIn(b'netsvc_admin_refused_total{reason="status-401"} 2', answer.body)
        self.assertEqual(
            answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8"
        )
        self.assertIn(b"netsvc_ready 1.0\n", answer.body)

    def test_status(self) -> None:
        """The status is JSON."""
        answer = self.ask("GET /status.json")
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(json.loads(answer.body)["state"], "ready")

    def test_page(self) -> None:
        """The page is HTML, and its filter is in the address."""
        answer = self.ask("GET /?filter=state:closing")
        self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"1 of 3 fit the filter", answer.body)
        self.assertIn(b'value="state:closing"', answer.body)

    def test_static(self) -> None:
        """Style sheet, script and icon are served with their types."""
        for path, kind in STATIC.items():
            answer = self.ask(f"GET {path}")
            self.assertEqual((answer.code, answer.headers["content-type"]), (200, kind))
            self.assertTrue(answer.body)

    def test_headers(self) -> None:
        """Every answer forbids inline scripts, sniffing and caching."""
        for request in ("GET /", "GET /nothing", "POST /", "GET /static/page.js"):
            answer = self.ask(request)
            for name, value in HEADERS.items():
                self.assertEqual(answer.headers[name.lower()], value)
            self.assertEqual(answer.headers["connection"], "close")
            self.assertIn("date", answer.headers)
            self.assertNotIn("server", answer.headers)
        policy = HEADERS["Content-Security-Policy"]
        self.assertTrue(policy.startswith("default-src 'self';"))
        self.assertNotIn("unsafe", policy)

    def test_head(self) -> None:
        """HEAD gives the headers alone."""
        answer = self.ask("HEAD /status.json")
        self.assertEqual((answer.code, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["content-length"]), 100)
        self.assertEqual(self.ask("HEAD /events").body, b"")
        self.assertFalse(self.site.streams.live)

    def test_wrong(self) -> None:
        """What there is not, and what may not be done, is said."""
        for request, code in (
            ("GET /nothing", 404),
            ("GET /static/", 404),
            ("GET /static/../service.py", 404),
            ("GET //", 404),
            ("GET /%2e%2e/", 404),
            ("POST /", 405),
            ("DELETE /metrics", 405),
            ("GET /reload", 405),
            ("OPTIONS *", 404),
        ):
            self.assertEqual(self.ask(request).code, code, request)
        self.assertEqual(self.ask("GET /reload").headers["allow"], "POST")

    def test_nothing_yet(self) -> None:
        """Before a process has reported there is nothing to show."""
        self.source.shown = []
        for path in ("/", "/metrics", "/status.json", "/events"):
            self.assertEqual(self.ask(f"GET {path}").code, 503)
        self.clock.advance(LOOK)

    def test_one_snapshot(self) -> None:
        """Who asks at about the same time is shown the same snapshot."""
        for path in ("/", "/metrics", "/status.json"):
            self.ask(f"GET {path}")
        self.assertEqual(self.source.asked, 1)
        self.clock.advance(FRESH)
        self.ask("GET /metrics")
        self.assertEqual(self.source.asked, 2)

    def test_looks(self) -> None:
        """The figures are looked at while nobody asks, for the charts."""
        self.clock.pump([LOOK] * 3)
        self.assertEqual(self.source.asked, 3)
        self.assertIn(b'points="', self.ask("GET /").body)

    def test_look_fails(self) -> None:
        """A look that fails is in the log, and the next one is taken."""
        self.source.shown = [1]  # type: ignore[list-item]
        self.clock.advance(LOOK)
        self.assertEqual(len(self.failures()), 1)
        self.source.shown = [SNAPSHOT]
        self.clock.advance(LOOK)
        self.assertEqual(self.ask("GET /").code, 200)

    def test_mistake(self) -> None:
        """A mistake of ours is a 500 for the client, and in the log."""
        self.source.shown = [1]  # type: ignore[list-item]
        self.assertEqual(self.ask("GET /metrics").code, 500)
        self.assertEqual(len(self.failures()), 1)

    def test_mistake_in_page(self) -> None:
        """So is one in the middle of the page."""
        self.patch(self.site, "_pause", lambda: 1 / 0)
        many = replace(ECHO, connections=ECHO.connections * 50)
        self.source.shown = [replace(SNAPSHOT, services=(many,))]
        self.assertEqual(self.ask("GET /").code, 500)
        self.failures()

    def test_gone(self) -> None:
        """Who leaves before the page is made gets none, and no mistake is made."""
        many = replace(ECHO, connections=ECHO.connections * 50)
        self.source.shown = [replace(SNAPSHOT, services=(many,))]
        wire = self.send("GET /")
        wire.end()
        self.clock.pump([0.0] * 20)
        self.assertEqual(wire.value(), b"")

    def test_rebinding(self) -> None:
        """A name that an attacker can have is not served over TCP."""
        answer = self.ask("GET /", "Host: evil.test", door=LOOPBACK)
        self.assertEqual((answer.code, answer.reason), (421, "Misdirected Request"))
        self.assertEqual(
            self.ask("GET /", "Host: 127.0.0.1:1", door=LOOPBACK).code, 200
        )
        self.assertEqual(self.ask("GET /", "Host: evil.test").code, 200)
        self.assertEqual(self.site.counts["status-421"], 1)
        two = self.ask("GET /", "Host: localhost", "Host: evil.test", door=LOOPBACK)
        self.assertEqual(two.code, 421)


class TokenTests(Case):
    """With a token."""

    settings = AdminSettings(token=TOKEN)

    def test_reading(self) -> None:
        """Where others can connect a token is needed, but for health checks."""
        answer = self.ask("GET /metrics", door=OPEN)
        self.assertEqual(answer.code, 401)
        self.assertIn("Basic", answer.headers["www-authenticate"])
        self.assertEqual(self.ask("GET /readyz", door=OPEN).code, 200)
        self.assertEqual(self.ask("GET /metrics", BEARER, door=OPEN).code, 200)

    def test_reload(self) -> None:
        """A reload over TCP takes the token."""
        self.assertEqual(self.ask("POST /reload", door=LOOPBACK).code, 401)
        self.assertEqual(self.source.reloads, 0)
        self.assertEqual(self.ask("POST /reload", BEARER, door=LOOPBACK).code, 200)
        self.assertEqual(self.source.reloads, 1)


class ReloadTests(Case):
    """C{/reload} over the UNIX socket."""

    def test_done(self) -> None:
        """A reload that went well has no problems."""
        answer = self.ask("POST /reload", "Content-Length: 0")
        self.assertEqual(json.loads(answer.body), {"ok": True, "problems": []})

    def test_problems(self) -> None:
        """What is wrong with the configuration is listed, in safe characters."""
        self.source.outcome = succeed(["a.toml:3: chat.motd: no \x1b"])
        answer = self.ask("POST /reload")
        self.assertEqual(answer.code, 422)
        self.assertEqual(
            json.loads(answer.body),
            {"ok": False, "problems": ["a.toml:3: chat.motd: no \x1b"]},
        )
        self.assertNotIn(b"\x1b", answer.body)

    def test_one_at_a_time(self) -> None:
        """A second reload waits for nobody: it is refused."""
        waiting: Deferred[list[str]] = Deferred()
        self.source.outcome = waiting
        first = self.send("POST /reload")
        self.assertEqual(self.ask("POST /reload").code, 409)
        waiting.callback([])
        self.assertEqual(Answer(first.value()).code, 200)
        self.source.outcome = succeed([])
        self.assertEqual(self.ask("POST /reload").code, 200)

    def test_mistake(self) -> None:
        """A reload that fails by our mistake is a 500, and the next one is tried."""
        self.source.outcome = fail(ZeroDivisionError())
        self.assertEqual(self.ask("POST /reload").code, 500)
        self.assertEqual(len(self.failures()), 1)
        self.source.outcome = succeed([])
        self.assertEqual(self.ask("POST /reload").code, 200)

    def test_gone(self) -> None:
        """Who leaves during a reload does not stop it."""
        self.source.outcome = waiting = Deferred[list[str]]()
        wire = self.send("POST /reload")
        wire.end()
        waiting.callback([])
        self.assertEqual(wire.value(), b"")

    def test_browser(self) -> None:
        """A browser, before which a proxy may be, gets no reload without a token."""
        answer = self.ask("POST /reload", "Origin: http://evil.test")
        self.assertEqual((answer.code, self.source.reloads), (403, 0))


class LimitTests(Case):
    """What a client may use."""

    def test_slow_request(self) -> None:
        """A request that comes a byte now and then is cut at the deadline."""
        wire = self.connect()
        for byte in b"GET /livez HTTP/1.1\r\n"[: int(REQUEST_TIMEOUT)]:
            wire.protocol.dataReceived(bytes([byte]))
            self.assertEqual(wire.aborted, 0)
            self.clock.advance(1)
        self.assertEqual(wire.aborted, 1)
        self.assertEqual(self.site.counts["cut"], 1)

    def test_slow_body(self) -> None:
        """So is one whose body does not come."""
        wire = self.send("POST /reload", "Content-Length: 5")
        self.clock.advance(REQUEST_TIMEOUT)
        self.assertEqual((wire.aborted, self.source.reloads), (1, 0))

    def test_answer_not_taken(self) -> None:
        """Who does not take the answer is cut, too."""
        wire = self.connect()
        wire.fill(b"something that is not taken")
        wire.protocol.dataReceived(b"GET /livez HTTP/1.0\r\n\r\n")
        self.clock.advance(ANSWER_TIMEOUT - 0.1)
        self.assertEqual(wire.aborted, 0)
        self.clock.advance(0.1)
        self.assertEqual(wire.aborted, 1)

    def test_long_line(self) -> None:
        """A line that is too long is refused, and no more is read."""
        wire = self.connect()
        wire.protocol.dataReceived(b"GET /" + b"x" * (MAX_HEADER + 10))
        self.assertEqual(Answer(wire.value()).code, 431)
        wire.protocol.dataReceived(b"y" * MAX_HEADER + b"\r\n\r\n")
        self.assertEqual(wire.value().count(b"HTTP/1.1"), 1)
        self.assertTrue(wire.disconnecting)

    def test_many_headers(self) -> None:
        """So are headers that are too many, or too long together."""
        for lines in ([f"A{n}: x" for n in range(200)], ["A: " + "x" * 3000] * 4):
            self.assertEqual(self.ask("GET /livez", *lines).code, 400)

    def test_bodies(self) -> None:
        """A body of more than a little, or of unknown size, is refused."""
        for header in (f"Content-Length: {MAX_BODY + 1}", "Transfer-Encoding: chunked"):
            wire = self.send("POST /reload", header)
            wire.protocol.dataReceived(b"x" * 5000)
            self.assertEqual(Answer(wire.value()).code, 413)
        self.assertEqual(self.source.reloads, 0)
        wire = self.send("POST /reload", f"Content-Length: {MAX_BODY}")
        wire.protocol.dataReceived(b"x" * MAX_BODY)
        self.assertEqual(Answer(wire.value()).code, 200)

    def test_garbage(self) -> None:
        """Bytes that are no request get 400 or nothing, and make no traceback."""
        for data in (
            *(b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 50, b"GET\r\n\r\n"),
            *(b"GET / HTTP/1.1\r\nx\r\n\r\n", b"GET / HTTP/1.1\r\nHost\x00: a\r\n\r\n"),
            b"POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 6000 + b"\r\n\r\n",
            b"GET /\xff?filter=%ff%00&filter HTTP/1.1\r\nHost: \xff\r\n\r\n",
        ):
            wire = self.connect(LOOPBACK)
            wire.protocol.dataReceived(data)
            self.assertIn(Answer(wire.value()).code, (0, 400, 404, 421), data)
        self.assertEqual(self.failures(), [])

    def test_one_request(self) -> None:
        """There is one request a connection: what follows is not answered."""
        wire = self.connect()
        wire.protocol.dataReceived(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
        self.clock.advance(1)
        self.assertEqual(wire.value().count(b"HTTP/1.1"), 1)

    def test_connections(self) -> None:
        """An address has so many connections at a time, whoever has the others'."""
        wires = [self.connect(LOOPBACK) for _ in range(MAX_CONNECTIONS)]
        self.assertIsNone(self.connect(LOOPBACK))
        self.assertEqual(self.site.counts["full"], 1)
        self.assertEqual(self.ask("GET /livez", door=UNIX).code, 200)
        wires[0].end()
        self.assertIsNotNone(self.connect(LOOPBACK))

    def test_clean(self) -> None:
        """A connection that has ended leaves nothing behind."""
        self.site.stop()
        self.send("GET /livez").end()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.live, {})


class StreamTests(Case):
    """C{/events}: the live updates."""

    def updates(self, wire: Any) -> list[dict[str, Any]]:
        """Give the updates that a reader has got."""
        data = wire.value().decode().partition("\r\n\r\n")[2]
        lines = [
            line for line in data.split("\r\n") if line.startswith(("data:", "re"))
        ]
        texts = "".join(lines).split("data: ")[1:]
        return [json.loads(text.strip()) for text in texts]

    def test_updates(self) -> None:
        """A reader gets an update at once, and then one every few seconds."""
        wire = self.send("GET /events")
        head = Answer(wire.value())
        self.assertEqual(head.headers["content-type"], "text/event-stream")
        self.assertEqual(len(self.updates(wire)), 1)
        self.clock.advance(INTERVAL)
        first, second = self.updates(wire)
        self.assertEqual(first["state"], "ready")
        self.assertEqual(second["grids"]["services"]["rows"][0][0], "netsvc-echo")
        # It may last.
        self.clock.pump([INTERVAL] * 60)
        self.assertEqual(wire.aborted, 0)

    def test_filter(self) -> None:
        """Each reader has its own filter."""
        one = self.send("GET /events?filter=state:closing")
        two = self.send("GET /events")
        self.clock.advance(INTERVAL)
        for wire, number in ((one, 1), (two, 3)):
            for update in self.updates(wire):
                self.assertEqual(len(update["grids"]["connections"]["rows"]), number)

    def test_slow_reader(self) -> None:
        """For who does not read nothing is added, and after a while they are cut."""
        wire, good = self.send("GET /events"), self.send("GET /events")
        wire.fill(b"what is not taken")
        sent = len(wire.value())
        self.clock.pump([INTERVAL] * (PATIENCE - 1))
        self.assertEqual(wire.aborted, 0)
        self.clock.advance(INTERVAL)
        self.assertEqual((wire.aborted, good.aborted), (1, 0))
        self.assertEqual(len(wire.value()), sent)
        self.assertEqual(len(self.updates(good)), PATIENCE + 1)
        self.assertEqual(self.site.counts["slow-reader"], 1)

    def test_recovers(self) -> None:
        """Who reads again in time gets updates again."""
        wire = self.send("GET /events")
        wire.fill(b"x")
        self.clock.pump([INTERVAL] * (PATIENCE - 1))
        wire.take(1)
        self.clock.pump([INTERVAL])
        wire.fill(b"x")
        self.clock.pump([INTERVAL] * (PATIENCE - 1))
        self.assertEqual((wire.aborted, len(self.updates(wire))), (0, 2))

    def test_too_many(self) -> None:
        """There are so many readers at a time."""
        wires = [self.send("GET /events") for _ in range(MAX_STREAMS)]
        self.assertEqual(self.ask("GET /events").code, 503)
        wires[0].end()
        self.assertEqual(self.ask("GET /events").code, 200)

    def test_idle(self) -> None:
        """When the last reader has gone nothing is made any more."""
        self.site.stop()
        wire = self.send("GET /events")
        self.clock.advance(INTERVAL)
        wire.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """At the end all readers are cut."""
        wire = self.send("GET /events")
        self.site.stop()
        self.assertEqual(wire.aborted, 1)

    def test_too_long(self) -> None:
        """An update that would be too long has fewer rows, or is empty."""
        tables = tuple(
            replace(
                BALANCE.tables[0],
                title=f"Table {number}",
                rows=tuple((HOSTILE * 3, "up", 1, 1, 1, 1) for _ in range(100)),
            )
            for number in range(30)
        )
        service = replace(BALANCE, tables=tables)
        self.source.shown = [replace(SNAPSHOT, services=(service,))]
        wire = self.send("GET /events")
        (update,) = self.updates(wire)
        self.assertLess(len(json.dumps(update)), MAX_EVENT)
        self.assertEqual(len(update["grids"]["netsvc-balance-web-table-1"]["rows"]), 20)
        self.assertEqual(event(b"x" * (MAX_EVENT + 1)), b"data: {}\n\n")
        self.patch(site_module, "MAX_EVENT", 10)
        wire = self.send("GET /events")
        self.clock.advance(FRESH)
        (update,) = self.updates(wire)
        self.assertEqual(update["grids"]["netsvc-balance-web-table-1"]["rows"], [])

    def test_workers_gone(self) -> None:
        """While there is nothing to tell the updates are empty."""
        wire = self.send("GET /events")
        self.source.shown = []
        self.clock.advance(INTERVAL)
        self.assertEqual(self.updates(wire)[-1], {})

    def test_counts(self) -> None:
        """What was cut is counted where the site counts."""
        self.assertIs(self.site.streams.counts, self.site.counts)
        self.assertIsInstance(self.site.counts, Counter)
