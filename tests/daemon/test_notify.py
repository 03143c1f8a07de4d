"""Tests of L{netsvc.daemon.notify}."""

from __future__ import annotations

import os
import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.notify import MAX_STATUS, Notifier


class NotifierTests(SynchronousTestCase):
    """What the service manager hears."""

    def setUp(self) -> None:
        """Hear nothing yet."""
        self.heard: list[tuple[str, bytes]] = []

    def notifier(self, **environ: str) -> Notifier:
        """Make a notifier with an environment."""

        def send(address: str, message: bytes) -> None:
            self.heard.append((address, message))

        environ = {"NOTIFY_SOCKET": "/run/notify", **environ}
        return Notifier(environ, pid=77, send=send)

    def messages(self) -> list[str]:
        """Give what was heard."""
        return [message.decode() for _, message in self.heard]

    def test_messages(self) -> None:
        """Each step of the daemon's life is one message."""
        notifier = self.notifier()
        self.assertTrue(notifier.active)
        notifier.ready("netsvc-echo")
        notifier.status("2 connections")
        notifier.stopping()
        self.assertEqual(
            self.heard,
            [
                ("/run/notify", b"READY=1\nSTATUS=netsvc-echo"),
                ("/run/notify", b"STATUS=2 connections"),
                ("/run/notify", b"STOPPING=1\nSTATUS=stopping"),
            ],
        )
        notifier.ready()
        self.assertEqual(self.messages()[-1], "READY=1")

    def test_reloading(self) -> None:
        """A reload tells when it began, on the clock that the manager has."""
        self.notifier().reloading()
        reloading, when, status = self.messages()[0].split("\n")
        self.assertEqual((reloading, status), ("RELOADING=1", "STATUS=reloading"))
        self.assertRegex(when, "^MONOTONIC_USEC=[0-9]+$")

    def test_no_manager(self) -> None:
        """Without a manager, or with an address that is none, nothing is sent."""
        for address in ("", "@", "relative", "vsock:2:1234"):
            notifier = self.notifier(NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
            notifier.ready()
            notifier.start_watchdog(Clock())
            self.assertFalse(notifier.active)
            self.assertEqual(notifier.watchdog, 0)
        self.assertEqual(self.heard, [])

    def test_abstract(self) -> None:
        """An address with @ is an abstract one."""
        self.notifier(NOTIFY_SOCKET="@x").ready()
        self.assertEqual(self.heard[0][0], "\0x")

    def test_watchdog(self) -> None:
        """The watchdog hears three times within its time, until it is stopped."""
        notifier = self.notifier(WATCHDOG_USEC="3000000", WATCHDOG_PID="77")
        self.assertEqual(notifier.watchdog, 3.0)
        clock = Clock()
        notifier.start_watchdog(clock)
        notifier.start_watchdog(clock)
        clock.pump([1.0] * 3)
        self.assertEqual(self.messages(), ["WATCHDOG=1"] * 4)
        notifier.stop_watchdog()
        notifier.stop_watchdog()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_watchdog_of_another(self) -> None:
        """A watchdog for another process, or with a time that is none, is left."""
        for environ in (
            {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "78"},
            {"WATCHDOG_USEC": "-1"},
            {"WATCHDOG_USEC": "1_000"},
            {"WATCHDOG_USEC": ""},
            {"WATCHDOG_USEC": "9" * 30},
            {},
        ):
            notifier = self.notifier(**environ)
            clock = Clock()
            notifier.start_watchdog(clock)
            self.assertEqual((notifier.watchdog, clock.getDelayedCalls()), (0, []))

    @given(st.text())
    def test_status_is_one_line(self, status: str) -> None:
        """Whatever a status says, it cannot become another message."""
        self.heard.clear()
        self.notifier().ready(status)
        lines = self.messages()[0].split("\n")
        self.assertEqual(len(lines), 2 if status else 1)
        self.assertLessEqual(len(lines[-1]), 7 + 6 * MAX_STATUS)

    def test_errors(self) -> None:
        """A manager that does not listen is counted, and no error."""

        def send(address: str, message: bytes) -> None:
            raise ConnectionRefusedError

        notifier = Notifier({"NOTIFY_SOCKET": "/x"}, send=send)
        notifier.ready()
        notifier.stopping()
        self.assertEqual(notifier.errors, 2)

    def test_socket(self) -> None:
        """The message is a datagram to a UNIX socket, by path or abstract name."""
        path = os.path.abspath(self.mktemp())
        if len(path) > 100:
            path = f"/tmp/netsvc-notify-{os.getpid()}"
        self.addCleanup(os.unlink, path)
        abstract = f"@netsvc-test-{os.getpid()}"
        for address, bound in ((path, path), (abstract, f"\0{abstract[1:]}")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
                listening.bind(bound)
                listening.settimeout(1)
                notifier = Notifier({"NOTIFY_SOCKET": address})
                notifier.ready("up")
                self.assertEqual(listening.recv(100), b"READY=1\nSTATUS=up")
                self.assertEqual(notifier.errors, 0)

    def test_nobody_there(self) -> None:
        """A socket that is gone, or an address that is too long, is no error."""
        for address in ("/nonexistent/notify", "/" + "x" * 300):
            notifier = Notifier({"NOTIFY_SOCKET": address})
            notifier.ready()
            self.assertEqual(notifier.errors, 1)

    def test_manager_that_does_not_read(self) -> None:
        """A manager that does not read stops nothing."""
        name = f"\0netsvc-full-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(name)
            notifier = Notifier({"NOTIFY_SOCKET": f"@{name[1:]}"})
            for _ in range(2000):
                notifier.ready()
            self.assertGreater(notifier.errors, 0)
