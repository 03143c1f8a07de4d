"""Targets of C{netsvc chat}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.target import ClientSettings


class SettingsTests(SynchronousTestCase):
    """What the command line says."""

    def test_where(self) -> None:
        """Host and port are shown as they are written."""
        self.assertEqual(ClientSettings("a").where, "a:7070")
        self.assertEqual(ClientSettings("::1", 80).where, "[::1]:80")
        self.assertEqual(ClientSettings("a", 7075, udp=True).where, "udp:a:7075")
