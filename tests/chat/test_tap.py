"""Tests of L{netsvc.chat.tap}."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.service import ChatService
from netsvc.chat.tap import Options, makeService


class TapTests(SynchronousTestCase):
    """The command line."""

    def parse(self, *words: str) -> Options:
        """Read a command line."""
        options = Options()
        options.parseOptions(list(words))
        return options

    def test_service(self) -> None:
        """The service is what the options ask for; it is not started yet."""
        options = self.parse(
            "--store", ":memory:", "--drain-timeout", "7s", "--server-name", "a.test"
        )
        reactor = MemoryReactorClock()
        daemon = makeService(options, reactor)
        self.assertEqual(daemon.drain_timeout, 7)
        (service,) = daemon
        assert isinstance(service, ChatService)
        self.assertEqual(service.network.name, "a.test")
        self.assertEqual(reactor.tcpServers, [])

    def test_usage(self) -> None:
        """The options are told, by groups."""
        usage = self.parse().getUsage()
        for word in ("--line", "--irc ENDPOINT", "--history-days", "Flood"):
            self.assertIn(word, usage)

    def test_refused(self) -> None:
        """A mistake ends the process with one line."""
        error = self.assertRaises(SystemExit, self.parse, "--lobby", "lobby")
        self.assertIn("--lobby: 'lobby'", str(error))
        error = self.assertRaises(SystemExit, self.parse, "--oper", "root:secret")
        self.assertIn("hash-password", str(error))
