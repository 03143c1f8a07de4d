"""Tests of L{netsvc.echo.tap}."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc import services
from netsvc.daemon import descriptors
from netsvc.daemon.lifecycle import Daemon
from netsvc.daemon.listen import parse_listen
from netsvc.echo import service as service_module
from netsvc.echo.service import EchoService
from netsvc.echo.settings import EchoSettings
from netsvc.echo.tap import Options, makeService


def parse(*arguments: str) -> Options:
    """Read a command line."""
    options = Options()
    options.parseOptions(list(arguments))
    return options


class OptionsTests(SynchronousTestCase):
    """Tests of the command line."""

    def test_defaults(self) -> None:
        """An empty command line asks for the defaults."""
        self.assertEqual(parse().settings, EchoSettings())

    def test_listen(self) -> None:
        """C{--listen} replaces the defaults, and may be repeated."""
        options = parse("--listen", "tcp:1", "-l", "udp:2", "--listen=unix:/x")
        self.assertEqual(
            options.settings.listen,
            tuple(parse_listen(text) for text in ("tcp:1", "udp:2", "unix:/x")),
        )

    def test_each_option(self) -> None:
        """Each setting is an option."""
        settings = parse(
            *("--greeting", "Hello.", "--max-connections", "5"),
            *("--max-connections-per-source", "2", "--connection-rate", "10/s"),
            *("--idle-timeout", "1m", "--handshake-timeout", "1s"),
            *("--close-timeout", "2s", "--drain-timeout", "0", "--udp-rate", "off"),
            *("--answer-privileged-ports", "--journal", "j", "--journal-when-full"),
            *("drop", "--journal-buffer", "64K", "--journal-max-size", "0"),
            *("--journal-keep", "1"),
        ).settings
        defaults = EchoSettings()
        same = [
            name
            for name in EchoSettings.__dataclass_fields__
            if getattr(settings, name) == getattr(defaults, name)
        ]
        self.assertEqual(same, ["listen"])

    def test_errors(self) -> None:
        """Whatever is wrong ends the process with status 1 and one line, which
        names the option."""
        for arguments in (
            ("--listen", "7007"),
            ("--listen", "tcp:x"),
            ("--listen", "tcp:7\n\x1b[31m"),
            ("--listen",),
            ("--max-connections", "many"),
            ("--idle-timeout", "-1"),
            ("--journal-when-full", "wait"),
            ("--journal", ""),
            ("--no-such-option",),
        ):
            code = self.assertRaises(SystemExit, parse, *arguments).code
            assert isinstance(code, str)
            self.assertTrue(code.isprintable(), code)
            self.assertTrue(code.startswith(f"netsvc-echo: {arguments[0]}: "), code)

    def test_help(self) -> None:
        """The help names each option and the defaults."""
        text = Options().getUsage(80)
        for name in EchoSettings.__dataclass_fields__:
            self.assertIn(f"--{name.replace('_', '-')}", text)
        self.assertIn("tcp:7007, udp:7007", text)


class MakeServiceTests(SynchronousTestCase):
    """Tests of L{makeService}."""

    def setUp(self) -> None:
        """Leave this process's limits as they are."""
        self.patch(descriptors, "system_limit", lambda needed: needed)
        self.patch(service_module, "pipe_limit", lambda wanted: wanted)

    def test_service(self) -> None:
        """It makes a daemon of the one service, with the options' settings."""
        reactor = MemoryReactorClock()
        daemon = makeService(parse("--drain-timeout", "7s"), reactor)
        self.assertIsInstance(daemon, Daemon)
        self.assertEqual(daemon.drain_timeout, 7)
        (service,) = daemon
        self.assertIsInstance(service, EchoService)

    def test_global_reactor(self) -> None:
        """Without a reactor it is the global one's."""
        from twisted.internet import reactor

        self.patch(reactor, "seconds", reactor.seconds)
        self.assertIs(makeService(parse())._reactor, reactor)

    def test_plugin(self) -> None:
        """The service maker that the plugin offers leads here."""
        maker: Any = services.echo
        self.assertEqual(maker.tapname, Options.service)
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)
