"""The settings of the daemon."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.daemon_settings import DaemonSettings, on_loopback
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.settings import SettingsError


def make(**values: Any) -> DaemonSettings:
    """Make settings of text."""
    return DaemonSettings(**values)


class DaemonSettingsTests(SynchronousTestCase):
    """What C{[daemon]} allows."""

    def refused(self, **values: Any) -> str:
        """See that settings are refused; give why."""
        return str(self.assertRaises(SettingsError, make, **values))

    def test_default(self) -> None:
        """By default there is one process, with an admin server."""
        settings = make()
        self.assertEqual((settings.workers, settings.log_level), (1, "info"))
        self.assertTrue(settings.wants_admin)
        self.assertEqual(settings.admin_listens(), ())
        chosen = parse_listen("unix:/run/netsvc/admin.sock")
        self.assertEqual(settings.admin_listens(chosen), (chosen,))

    def test_off(self) -> None:
        """The admin server can be left out, by a word that stands alone."""
        settings = make(admin="off")
        self.assertFalse(settings.wants_admin)
        self.assertEqual(settings.admin_listens(parse_listen("unix:/a")), ())
        self.assertIn("cannot stand", self.refused(admin=("off", "unix:/a")))

    def test_several(self) -> None:
        """The admin server may listen in several places."""
        settings = make(admin=("auto", "tcp:8007:interface=127.0.0.1"))
        shown = [str(each) for each in settings.admin_listens(parse_listen("unix:/a"))]
        self.assertEqual(shown, ["unix:/a", "tcp:8007:interface=127.0.0.1"])

    def test_reachable(self) -> None:
        """Where others can reach it, it needs a token."""
        self.assertIn("admin_token", self.refused(admin="tcp:8007").replace("-", "_"))
        self.refused(admin="tcp:8007:interface=192.0.2.1")
        self.assertTrue(make(admin="tcp:8007", admin_token="/t").admin_listens())

    def test_kinds(self) -> None:
        """It listens on unix: and tcp: only."""
        for text in ("udp:1", "systemd:domain=INET:index=0", "tcp", "ssl:1"):
            self.refused(admin=text)

    def test_loopback(self) -> None:
        """Loopback is what only this computer can reach."""
        for text, expected in (
            ("unix:/a", True),
            ("tcp:1:interface=127.9.9.9", True),
            (r"tcp:1:interface=\:\:1", True),
            ("tcp:1", False),
            ("tcp:1:interface=lo", False),
            ("tcp:1:interface=10.0.0.1", False),
        ):
            self.assertEqual(on_loopback(parse_listen(text)), expected, text)
