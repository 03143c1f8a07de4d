"""Tests of L{netsvc.balance.tap}: how backends by name are found."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backends import parse_backend
from netsvc.balance.resolving import Lookup
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tap import Options, make_lookup, makeService
from netsvc.dns import backend_lookup
from netsvc.dns.backend_lookup import BackendLookup


class LookupTests(SynchronousTestCase):
    """Our own DNS client finds them."""

    def settings(self, *resolver: str, backend: str = "a.test:80") -> BalanceSettings:
        """Make settings."""
        specs = (parse_backend(backend),)
        return BalanceSettings(backend=specs, resolver=resolver or ("system",))

    def test_made(self) -> None:
        """It asks whom the settings name."""
        lookup: Lookup | None = make_lookup(self.settings("192.0.2.1"), Clock())
        assert isinstance(lookup, BackendLookup)
        lookup.close()

    def test_no_resolv_conf(self) -> None:
        """Where the system has no servers, it has another way."""
        default = (Path("/nonexistent"),)
        self.patch(backend_lookup.make_lookup, "__defaults__", default)
        self.assertIsNone(make_lookup(self.settings(), Clock()))

    def test_refused(self) -> None:
        """What is no server is refused, with the name of the option."""
        self.patch(sys, "stderr", io.StringIO())
        self.patch(sys, "__stderr__", None)
        with self.assertRaises(SystemExit) as caught:
            make_lookup(self.settings("nonsense://x"), Clock())
        self.assertIn("netsvc-balance: --resolver: ", str(caught.exception))

    def test_looks_up(self) -> None:
        """It is needed for names, and where somebody is to be asked."""
        self.assertTrue(self.settings().looks_up)
        self.assertTrue(self.settings(backend="srv:_http._tcp.a.test").looks_up)
        self.assertFalse(self.settings(backend="10.0.0.1:80").looks_up)
        self.assertTrue(self.settings("kt", backend="10.0.0.1:80").looks_up)

    def test_service(self) -> None:
        """A command line becomes a service."""
        options = Options()
        options.parseOptions(["--backend", "10.0.0.1:80"])
        (service,) = makeService(options, MemoryReactorClock())
        self.assertEqual(service.service, "netsvc-balance")
