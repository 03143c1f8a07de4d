"""Tests of L{netsvc.balance.settings} and L{netsvc.balance.tap}."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.check_text import parse_statuses, statuses, unescape
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tap import Options, makeService
from netsvc.daemon.settings import SettingsError

ONE = "10.0.0.1:80"


def make(**values: Any) -> BalanceSettings:
    """Make settings of text."""
    return BalanceSettings(**values)


class SettingsTests(SynchronousTestCase):
    """What the settings allow."""

    def refused(self, key: str, **values: Any) -> str:
        """See that settings are refused, for one of them; give why."""
        values.setdefault("backend", (ONE,))
        error = self.assertRaises(SettingsError, BalanceSettings, **values)
        self.assertEqual(error.key, key)
        return str(error.problem)

    def test_default(self) -> None:
        """A backend is all that must be given."""
        settings = make(backend=(ONE,))
        self.assertEqual(settings.effective_check, "tcp")
        self.assertTrue(settings.acl.allows("192.0.2.1"))
        self.assertIsNone(settings.trusted)

    def test_check(self) -> None:
        """Without a stream there is no check unless it is asked for."""
        settings = make(backend=(ONE,), listen=("udp:53",))
        self.assertEqual(settings.effective_check, "none")
        settings = make(backend=(ONE,), listen=("udp:53",), check="udp-echo")
        self.assertEqual(settings.effective_check, "udp-echo")

    def test_backends_together(self) -> None:
        """What holds for all backends is in each."""
        settings = make(
            backend=(ONE, "10.0.0.2:80,send-proxy=v1,tls,tls-name=two.test"),
            send_proxy="v2",
            backend_tls=True,
            backend_name="all.test",
            backend_verify=False,
        )
        one, two = settings.specs
        self.assertEqual((one.send_proxy, two.send_proxy), (2, 1))
        self.assertEqual(
            (one.tls, one.tls_name, one.tls_verify), (True, "all.test", False)
        )
        self.assertEqual(two.tls_name, "two.test")

    def test_acl(self) -> None:
        """Who is denied is denied even if allowed."""
        settings = make(backend=(ONE,), allow=("10.0.0.0/8",), deny=("10.0.0.9",))
        allows = settings.acl.allows
        self.assertEqual(
            [allows("10.0.0.1"), allows("10.0.0.9"), allows("192.0.2.1")],
            [True, False, False],
        )

    def test_trust(self) -> None:
        """Trust and accept-proxy belong together."""
        settings = make(backend=(ONE,), accept_proxy=True, trust=("10.0.0.0/8",))
        assert settings.trusted is not None
        self.assertTrue(settings.trusted.contains("10.0.0.1"))
        self.refused("trust", accept_proxy=True)
        self.refused("trust", trust=("10.0.0.0/8",))

    def test_refused(self) -> None:
        """What cannot stand together is refused."""
        self.assertIn("same", self.refused("backend", backend=(ONE, ONE)))
        self.refused("backend", backend=())
        self.refused("check", check="send-expect")
        self.refused("check_send", check_send="\\q")
        self.refused("check_expect", check_expect="\\")
        self.refused("send_proxy", listen=("udp:53",), send_proxy="v1")
        many = tuple(f"10.0.{n // 256}.{n % 256}" for n in range(2000))
        self.refused("deny", deny=many)
        self.refused("trust", trust=many, accept_proxy=True)

    def test_statuses(self) -> None:
        """Statuses are one or a range."""
        self.assertEqual(parse_statuses("200-399"), "200-399")
        self.assertEqual(statuses("200-399"), range(200, 400))
        self.assertEqual(statuses("204"), range(204, 205))
        for text in ("", "2000", "399-200", "200-", "-200", "099", "600"):
            self.assertRaises(ValueError, parse_statuses, text)

    def test_unescape(self) -> None:
        """Escapes are as in C; other text is UTF-8."""
        self.assertEqual(unescape(r"a\r\n\t\0\x7f\\é"), b"a\r\n\t\0\x7f\\\xc3\xa9")
        for text in ("\\", "\\x1", "\\q"):
            self.assertRaises(ValueError, unescape, text)


class TapTests(SynchronousTestCase):
    """The command line."""

    def parse(self, *words: str) -> Options:
        """Read a command line."""
        options = Options()
        options.parseOptions(list(words))
        return options

    def test_service(self) -> None:
        """The service is what the options ask for."""
        options = self.parse("--backend", ONE, "--drain-timeout", "7s")
        service = makeService(options, MemoryReactorClock())
        self.assertEqual(service.drain_timeout, 7)
        self.assertEqual(len(list(service)), 1)

    def test_allow_and_deny(self) -> None:
        """Networks are shown as they were given."""
        options = self.parse("--backend", ONE, "--deny", "10.0.0.0/8", "--allow", "all")
        self.assertEqual(str(options["deny"][0]), "deny:10.0.0.0/8")
        self.assertIn("--deny NETWORK", options.getUsage())

    def test_refused(self) -> None:
        """A mistake ends the process with one line."""
        error = self.assertRaises(SystemExit, self.parse)
        self.assertIn("--backend: must be given", str(error))
        error = self.assertRaises(SystemExit, self.parse, "--backend", "nonsense")
        self.assertIn("HOST:PORT", str(error))
