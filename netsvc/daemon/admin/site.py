"""What the admin pages answer to which request."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet import task
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString

from netsvc.daemon.admin.access import AdminSettings, Door, Refusal
from netsvc.daemon.admin.document import status_of, to_json
from netsvc.daemon.admin.filtering import MAX_LENGTH, parse_filter
from netsvc.daemon.admin.history import History, look_at
from netsvc.daemon.admin.http import Request
from netsvc.daemon.admin.streams import MAX_EVENT, Streams
from netsvc.daemon.admin.view import View, make_view
from netsvc.daemon.escape import escape_json
from netsvc.daemon.lag import BOUNDS
from netsvc.daemon.report import MAX_ROWS, Snapshot
from netsvc.daemon.snapshots import SnapshotSource

#: Seconds for which a snapshot is shown to all who ask.
FRESH: Final = 0.25

#: Seconds between two looks for the charts while nobody looks at them.
LOOK: Final = 10.0

#: Rows of each table in a live update; the next is tried where one is too long.
_EVENT_ROWS: Final = (MAX_ROWS, 20, 0)

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

STATIC: Final = {
    "/static/style.css": "text/css; charset=utf-8",
    "/static/page.js": "text/javascript; charset=utf-8",
    "/static/icon.svg": "image/svg+xml",
}

#: What every answer has.
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_HOST: Final = socket.gethostname()

_READING: Final = ("GET", "HEAD")


_T = TypeVar("_T")


class Site:
    """
    The pages of a daemon.

    @ivar counts: What was refused or cut, by reason: C{status-401}, ...
    @ivar streams: The live updates.
    """

    _log = Logger()

    def __init__(
        self, source: SnapshotSource, settings: AdminSettings, reactor: Any
    ) -> None:
        """
        @param source: What is shown, and reloads.
        @param settings: Who may see it.
        @param reactor: Gives the time.
        """
        self._source = source
        self._settings = settings
        self._reactor = reactor
        self._now: Callable[[], float] = reactor.seconds
        self.counts: Counter[str] = Counter()
        self.streams = Streams(self._event, reactor, self.counts)
        self._history = History(BOUNDS)
        self._looking = task.LoopingCall(self._look)
        self._looking.clock = reactor
        self._kept: Sequence[Snapshot] = ()
        self._kept_at = -FRESH
        self._reloading = False
        self._routes: dict[str, Callable[[Request], None]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/livez": partial(_send, code=200, kind=TEXT, body=b"ok\n"),
            "/readyz": self._ready,
            "/status.json": self._status,
            "/events": self._events,
        }
        for path, kind in STATIC.items():
            self._routes[path] = partial(_static, kind=kind)

    def start(self) -> None:
        """Look at the figures now and then, for the charts."""
        self._looking.start(LOOK, now=False)

    def stop(self) -> None:
        """Look no more; end the live updates."""
        if self._looking.running:
            self._looking.stop()
        self.streams.stop()

    # Requests.

    def answer(self, door: Door, request: Request) -> None:
        """
        Answer a request.

        @param door: The address that it came to.
        """
        path = request.path.decode("latin-1")
        refusal = door.refuses(
            self._settings,
            request.texts("Host"),
            request.texts("Authorization"),
            is_health=path in ("/livez", "/readyz"),
        )
        if refusal is not None:
            self._refuse(request, refusal)
            return
        method = request.method.decode("latin-1")
        if path == "/reload":
            if method == "POST":
                self._reload(door, request)
            else:
                _send(request, 405, TEXT, b"POST only\n", {"Allow": "POST"})
        elif path not in self._routes:
            _send(request, 404, TEXT, b"there is no such page\n")
        elif method not in _READING:
            _send(request, 405, TEXT, b"GET only\n", {"Allow": "GET, HEAD"})
        else:
            self._routes[path](request)

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        self.counts[f"status-{refusal.code}"] += 1
        others = {}
        if refusal.code == 401:
            others = {"WWW-Authenticate": 'Basic realm="netsvc", Bearer'}
        _send(request, refusal.code, TEXT, f"{refusal.text}\n".encode(), others)

    def _ready(self, request: Request) -> None:
        """Say whether clients are served."""
        if self._source.ready:
            _send(request, 200, TEXT, b"ready\n")
        else:
            _send(request, 503, TEXT, b"not ready: starting or draining\n")

    def _metrics(self, request: Request) -> None:
        # prometheus-client is loaded by those who are asked for it.
        from netsvc.daemon.metrics import CONTENT_TYPE, exposition

        snapshots = self._snapshots()
        if self._has(request, snapshots):
            _send(request, 200, CONTENT_TYPE, exposition(snapshots, self.counts))

    def _status(self, request: Request) -> None:
        snapshots = self._snapshots()
        if self._has(request, snapshots):
            status = status_of(snapshots, self._source.ready)
            _send(request, 200, JSON, to_json(status))

    def _page(self, request: Request) -> None:
        from netsvc.daemon.admin.page import render

        snapshots = self._snapshots()
        if self._has(request, snapshots):
            filter = request.argument("filter")[:MAX_LENGTH]
            view = self._view(snapshots, filter)
            self._finish(request, render(view, _HOST, filter, self._pause), self._shown)

    def _pause(self) -> Deferred[str]:
        """Let others have their turn."""
        return task.deferLater(self._reactor, 0, str)

    @staticmethod
    def _shown(page: bytes) -> tuple[int, str, bytes]:
        return 200, HTML, page

    def _finish(
        self,
        request: Request,
        making: Deferred[_T],
        show: Callable[[_T], tuple[int, str, bytes]],
    ) -> None:
        """Send an answer when it is made, if anybody waits for it then."""
        gone: list[Any] = []
        request.notifyFinish().addErrback(gone.append)

        def failed(failure: Failure) -> tuple[int, str, bytes]:
            self._log.failure("in an admin page", failure, event="internal-error")
            return 500, TEXT, b"netsvc has made a mistake: see its log\n"

        def send(answer: tuple[int, str, bytes]) -> None:
            if not gone:
                _send(request, *answer)

        making.addCallback(show).addErrback(failed).addCallback(send)

    def _events(self, request: Request) -> None:
        if not self._has(request, self._snapshots()):
            return
        if self.streams.full:
            self.counts["too-many-streams"] += 1
            _send(request, 503, TEXT, b"there are too many live pages\n")
            return
        _head(request, 200, EVENTS, {"X-Accel-Buffering": "no"})
        if request.method == b"HEAD":
            request.finish()
        else:
            self.streams.add(request, request.argument("filter")[:MAX_LENGTH])

    def _has(self, request: Request, snapshots: Sequence[Snapshot]) -> bool:
        """Tell whether there is something to show; else say so."""
        if not snapshots:
            _send(request, 503, TEXT, b"no process has reported yet\n")
        return bool(snapshots)

    # What is shown.

    def _snapshots(self) -> Sequence[Snapshot]:
        """Give the snapshots: new ones, unless somebody has asked just now."""
        now = self._now()
        if not self._kept or now - self._kept_at >= FRESH:
            self._kept = self._source.snapshots()
            self._kept_at = now
        return self._kept

    def _look(self) -> None:
        """Remember the figures, for the charts."""
        try:
            snapshots = self._snapshots()
            if snapshots:
                self._history.add(look_at(snapshots, self._kept_at))
        except Exception:
            self._log.failure("while looking at the figures", event="internal-error")

    def _view(self, snapshots: Sequence[Snapshot], filter: str) -> View:
        self._history.add(look_at(snapshots, self._kept_at))
        status = status_of(snapshots, self._source.ready)
        return make_view(status, self._history.charts(), parse_filter(filter))

    def _event(self, filter: str) -> bytes:
        """Make a live update, on one line."""
        snapshots = self._snapshots()
        if not snapshots:
            return b"{}"
        view = self._view(snapshots, filter)
        data = b"{}"
        for rows in _EVENT_ROWS:
            data = json.dumps(view.plain(rows), separators=(",", ":")).encode()
            if len(data) <= MAX_EVENT:
                break
        return data

    # What is done.

    def _reload(self, door: Door, request: Request) -> None:
        """Read the configuration again."""
        refusal = door.refuses_action(
            self._settings, request.texts("Authorization"), request.texts("Origin")
        )
        if refusal is None and self._reloading:
            refusal = Refusal(409, "a reload is under way")
        if refusal is not None:
            self._refuse(request, refusal)
            return
        self._reloading = True

        def over(result: Any) -> Any:
            self._reloading = False
            return result

        reloading: Deferred[list[str]] = maybeDeferred(self._source.reload)
        reloading.addBoth(over)
        self._finish(request, reloading, _told)


def _told(problems: list[str]) -> tuple[int, str, bytes]:
    """Answer what is wrong with a configuration."""
    made = json.dumps({"ok": not problems, "problems": problems})
    return 422 if problems else 200, JSON, escape_json(made).encode() + b"\n"


def _static(request: Request, *, kind: str) -> None:
    """Send a file of the page."""
    name = request.path.decode("latin-1").rpartition("/")[2]
    _send(request, 200, kind, _file(name))


@cache
def _file(name: str) -> bytes:
    return (Path(__file__).parent / "static" / name).read_bytes()


def _head(
    request: Request, code: int, kind: str, others: dict[str, str] | None = None
) -> None:
    """Set what stands before an answer's body."""
    request.setResponseCode(code, HTTPStatus(code).phrase.encode())
    headers = {"Date": datetimeToString().decode(), "Content-Type": kind}
    for name, value in {**headers, **HEADERS, **(others or {})}.items():
        request.setHeader(name.encode(), value.encode())


def _send(
    request: Request,
    code: int,
    kind: str,
    body: bytes,
    others: dict[str, str] | None = None,
) -> None:
    """Send an answer."""
    _head(request, code, kind, others)
    request.setHeader(b"Content-Length", str(len(body)).encode())
    request.write(body)
    request.finish()
