"""Tests of L{netsvc.echo.settings}."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.limits import Rate
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.settings import SettingsError, settings_of
from netsvc.echo.settings import EchoSettings


class DefaultTests(SynchronousTestCase):
    """Tests of what holds if nothing is said."""

    def setUp(self) -> None:
        """Say nothing."""
        self.settings = EchoSettings()

    def test_listen(self) -> None:
        """It listens on port 7007, TCP and UDP."""
        self.assertEqual(
            self.settings.listen, (parse_listen("tcp:7007"), parse_listen("udp:7007"))
        )

    def test_timeouts(self) -> None:
        """A handshake and a close have 10 seconds, a drain 30, idling 5 minutes."""
        self.assertEqual(self.settings.handshake_timeout, 10)
        self.assertEqual(self.settings.close_timeout, 10)
        self.assertEqual(self.settings.drain_timeout, 30)
        self.assertEqual(self.settings.idle_timeout, 300)

    def test_limits(self) -> None:
        """Connections are limited in all and for each source, datagrams by rate."""
        self.assertEqual(self.settings.max_connections, 10_000)
        self.assertEqual(self.settings.max_connections_per_source, 256)
        self.assertIsNone(self.settings.connection_rate)
        self.assertEqual(self.settings.udp_rate, Rate(10_000, 20_000))
        self.assertFalse(self.settings.answer_privileged_ports)

    def test_journal(self) -> None:
        """There is no journal; if there is one, it blocks rather than drops."""
        self.assertIsNone(self.settings.journal)
        self.assertEqual(self.settings.journal_when_full, "block")
        self.assertEqual(self.settings.journal_buffer, 8 * 1024 * 1024)
        self.assertEqual(self.settings.journal_max_size, 64 * 1024 * 1024)
        self.assertEqual(self.settings.journal_keep, 5)

    def test_greeting(self) -> None:
        """There is no greeting."""
        self.assertIsNone(self.settings.greeting)


class ValueTests(SynchronousTestCase):
    """Tests of what may be said."""

    def test_text(self) -> None:
        """Values may be text, as in a configuration file."""
        settings = EchoSettings(
            listen=["unix:/run/echo.sock"],  # type: ignore[arg-type]
            idle_timeout="0",  # type: ignore[arg-type]
            drain_timeout="0",  # type: ignore[arg-type]
            udp_rate="off",  # type: ignore[arg-type]
            journal="journal.jsonl",  # type: ignore[arg-type]
            journal_buffer="1M",  # type: ignore[arg-type]
        )
        self.assertEqual(settings.listen, (parse_listen("unix:/run/echo.sock"),))
        self.assertEqual((settings.idle_timeout, settings.drain_timeout), (0, 0))
        self.assertIsNone(settings.udp_rate)
        self.assertEqual(settings.journal, Path("journal.jsonl"))
        self.assertEqual(settings.journal_buffer, 1024 * 1024)

    def test_bounds(self) -> None:
        """What is out of bounds is refused, and the setting is named."""
        for key, value in {
            "listen": "7007",
            "greeting": "two\nlines",
            "max_connections": 0,
            "max_connections_per_source": -1,
            "handshake_timeout": 0,
            "close_timeout": 0,
            "idle_timeout": 0.5,
            "drain_timeout": -1,
            "journal_when_full": "wait",
            "journal_buffer": 1,
            "journal_keep": 0,
        }.items():
            error = self.assertRaises(
                SettingsError,
                EchoSettings,
                **{key: value},
            )
            self.assertEqual(error.key, key)

    def test_round_trip(self) -> None:
        """Each default is shown as text that means the same."""
        for setting in settings_of(EchoSettings):
            if setting.default is not None and not setting.repeat:
                text = setting.format(setting.default)
                self.assertEqual(setting.kind.parse(text), setting.default, text)

    def test_help(self) -> None:
        """Each setting has its line of help, a sentence."""
        for setting in settings_of(EchoSettings):
            self.assertRegex(setting.help, r"^[A-Z].*\.$")
