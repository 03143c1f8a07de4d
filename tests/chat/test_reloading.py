"""Tests of L{netsvc.chat.reloading}, and of REHASH."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.service import ChatService
from netsvc.chat.settings import ChatSettings
from netsvc.daemon import descriptors
from netsvc.daemon import listeners as listeners_module
from netsvc.daemon.changes import CombinedReloadError
from tests.daemon.service_fakes import FakeMultiplexer

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


class ReloadTests(SynchronousTestCase):
    """A chat that goes on to other settings; its store is never opened."""

    def setUp(self) -> None:
        """Put the fakes in place."""
        self.mux = FakeMultiplexer()
        self.patch(listeners_module, "multiplexed", lambda reactor: self.mux)
        self.patch(descriptors, "system_limit", lambda needed: needed)
        self.patch(sys, "stderr", StringIO())
        self.patch(sys, "__stderr__", sys.stderr)

    def settings(self, **values: Any) -> ChatSettings:
        """Make settings."""
        return ChatSettings(**{"store": ":memory:", **values})

    def make(self, **values: Any) -> ChatService:
        """Make a service that listens."""
        service = ChatService(self.settings(**values), MemoryReactorClock())
        service.privilegedStartService()
        return service

    def reload(self, service: ChatService, **values: Any) -> None:
        """Use other settings."""
        service.prepare(self.settings(**values)).commit()

    def wrong(self, service: ChatService, **values: Any) -> Sequence[str]:
        """Give what is wrong with other settings."""
        settings = self.settings(**values)
        error = self.assertRaises(CombinedReloadError, service.prepare, settings)
        return [str(each) for each in error.errors]

    def file(self, text: str) -> Path:
        """Write a file."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_texts(self) -> None:
        """Who the server is, its message of the day and its password can change."""
        service = self.make()
        motd, password = self.file("one\ntwo\n"), self.file("secret\n")
        network = service.network
        lines = network.motd
        self.reload(
            service,
            motd=motd,
            password=password,
            network_name="other",
            server_description="words",
            lobby="#hall",
            admin="ann",
            plain_login=False,
            oper=[f"root:{HASH}"],
        )
        self.assertIs(network.motd, lines)
        self.assertEqual((network.motd, network.password), (["one", "two"], "secret"))
        self.assertEqual(
            (network.network, network.description, network.lobby, network.admin[0]),
            ("other", "words", "#hall", "ann"),
        )
        self.assertEqual(network.operators, {"root": HASH})
        self.assertFalse(network.plain_login)
        self.assertEqual(service.irc.support["NETWORK"], "other")
        motd.write_text("three")
        self.reload(service, motd=motd)
        self.assertEqual((network.motd, network.password), (["three"], None))

    def test_limits(self) -> None:
        """Limits, rates and times of both frontends, the hub and the history."""
        service = self.make()
        tables = dict(service.network.hub._rates)
        self.reload(
            service,
            max_connections=7,
            max_rooms=8,
            message_rate="5/s",
            nick_rate="off",
            idle_timeout="8s",
            line_limit=999,
            history_days="2d",
            history_messages=50,
            min_password=9,
            close_timeout="3s",
        )
        hub = service.network.hub
        self.assertEqual((hub.limits.members, hub.limits.rooms), (7, 8))
        self.assertIs(hub._rates["messages"], tables["messages"])
        self.assertIsNone(hub._rates["nick-changes"])
        self.assertEqual(service.connections.limits.max_connections, 7)
        self.assertEqual(service.connections._timeouts.close, 3)
        self.assertEqual(service.irc.config.ping_timeout, 8)
        self.assertEqual(service.line.options.line_limit, 999)
        history, retention = service.network.history, service.host.retention
        assert history is not None
        self.assertEqual((history.days, history.messages), (2, 50))
        self.assertEqual((retention.keep_time, retention.keep_rows), (172800, 50))
        assert service.host.accounts is not None
        self.assertEqual(service.host.accounts.rules.min_password, 9)

    def test_without(self) -> None:
        """A chat without history and accounts goes on without them."""
        service = self.make(history=False, accounts=False)
        self.reload(service, history=False, accounts=False, max_rooms=3)
        self.assertEqual(service.network.hub.limits.rooms, 3)
        wrong = self.wrong(service, accounts=False)
        self.assertEqual([each.partition(":")[0] for each in wrong], ["history"])

    def test_same_tries(self) -> None:
        """A reload does not give strangers new tries of the password."""
        service = self.make()
        before = (service.irc._passwords, service.line._passwords)
        self.reload(service)
        self.assertEqual(before, (service.irc._passwords, service.line._passwords))
        self.reload(service, login_rate="off")
        self.assertEqual(
            (None, None), (service.irc._passwords, service.line._passwords)
        )

    def test_listeners(self) -> None:
        """Listeners of both frontends come and go."""
        service = self.make()
        self.reload(service, line=["off"], irc=["tcp:6667", "tcp:6668"])
        self.assertEqual([port.closed for port in self.mux.ports], [True, False, False])

    def test_refused(self) -> None:
        """All that is wrong is told with its setting, and nothing has changed."""
        service = self.make()
        self.mux.in_use = {99}
        wrong = self.wrong(
            service,
            irc=["tcp:99"],
            motd="/no/such",
            password=self.file(""),
            server_name="other.test",
            max_rooms=3,
        )
        self.assertEqual(
            [each.partition(":")[0] for each in wrong],
            ["irc", "server_name", "motd", "password"],
        )
        self.assertEqual(service.network.hub.limits.rooms, 10_000)
        self.assertEqual([port.closed for port in self.mux.ports], [False, False])

    def test_unreadable_texts(self) -> None:
        """A text that is too long, or no UTF-8, is told."""
        service = self.make()
        long, binary = self.file("x" * 600), self.file("")
        binary.write_bytes(b"\xff")
        wrong = self.wrong(service, password=long, motd=binary)
        self.assertIn("is not UTF-8", wrong[0])
        self.assertIn("has more than 512 bytes", wrong[1])

    def test_gateways(self) -> None:
        """A gateway's password is read again; one that cannot be read is refused."""
        service = self.make()
        path = self.file("secret\n")
        self.reload(service, webirc=[f"192.0.2.1,{path}"])
        self.assertEqual(service.irc.config.gateways[0].password, "secret")
        path.unlink()
        (wrong,) = self.wrong(service, webirc=[f"192.0.2.1,{path}"])
        self.assertIn("webirc: ", wrong)

    def test_rehash(self) -> None:
        """REHASH of an operator reloads the daemon, if that can be."""
        service = self.make()
        rehash: Any = service.network.rehash

        def asked() -> str:
            result: str = self.successResultOf(ensureDeferred(rehash()))
            return result

        self.assertIn("nothing to read", asked())

        problems: list[str] = []

        class Parent(MultiService):
            def reload(self) -> Deferred[list[str]]:
                return succeed(problems)

        service.setServiceParent(Parent())
        self.assertEqual(asked(), "")
        problems += ["a: b", "c"]
        self.assertEqual(asked(), "a: b; c")
