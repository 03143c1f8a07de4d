"""A reader of the live updates that does not read, over a real connection."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet import reactor, task
from twisted.trial.unittest import TestCase

from netsvc.daemon.admin.access import AdminSettings, Door
from netsvc.daemon.admin.http import AdminFactory
from netsvc.daemon.admin.site import Site
from netsvc.multiplex import multiplexed, pending
from tests.daemon.admin.test_site import Source
from tests.daemon.report_samples import ECHO, SNAPSHOT
from tests.integration.figures import figure
from tests.integration.streams import ANSWER

#: KiB that may wait for one reader at the most.
MOST = 256


class SlowReaderTests(TestCase):
    """L{netsvc.daemon.admin.streams}."""

    async def test_cut(self) -> None:
        """Little waits for who does not read, and after a while they are cut."""
        source: Any = Source()
        many = replace(ECHO, connections=ECHO.connections * 100)
        source.shown = [replace(SNAPSHOT, services=(many,))]
        site = Site(source, AdminSettings(), reactor)
        site.streams._interval = 0.02
        live: dict[Any, None] = {}
        door = Door(is_unix=False, is_loopback=True)
        factory = AdminFactory(partial(site.answer, door), reactor, live, site.counts)
        port = multiplexed(reactor).listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(site.stop)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port.getHost().port))
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            waiting = 0
            deadline = time.monotonic() + ANSWER
            while not site.counts["slow-reader"] and time.monotonic() < deadline:
                for channel in live:
                    waiting = max(waiting, pending(channel.transport))
                await task.deferLater(reactor, 0.01, lambda: None)
        self.assertEqual(site.counts["slow-reader"], 1)
        what = "waiting for a reader that does not read"
        figure(self, what, waiting / 1024, "KiB", most=MOST)
        self.assertGreater(waiting, 0)
        while live:
            await task.deferLater(reactor, 0.01, lambda: None)
        self.assertFalse(site.streams.live)
