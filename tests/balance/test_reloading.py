"""Tests of L{netsvc.balance.reloading}, on ports that are played."""

from __future__ import annotations

from typing import Any

from netsvc.balance.reloading import forget_closed
from netsvc.balance.settings import BalanceSettings
from netsvc.daemon.changes import CombinedReloadError
from tests.balance.session_fakes import CLIENT, Wire
from tests.balance.test_service import ONE, ServiceCase

TWO = "10.0.0.2:80,name=two"


class ReloadTests(ServiceCase):
    """A balancer that goes on to other settings."""

    def settings(self, *backends: str, **values: Any) -> BalanceSettings:
        """Make settings."""
        values.setdefault("check", "none")
        values["backend"] = backends or (ONE,)
        return BalanceSettings(**values)

    def reload(self, *backends: str, **values: Any) -> None:
        """Use other settings."""
        self.service.prepare(self.settings(*backends, **values)).commit()

    def refused(self, *backends: str, **values: Any) -> list[str]:
        """Give what is wrong with other settings."""
        settings = self.settings(*backends, **values)
        error = self.assertRaises(CombinedReloadError, self.service.prepare, settings)
        return [each.key for each in error.errors]

    def names(self) -> list[str]:
        """Give the backends of the default pool."""
        upstream = self.service.door.routes.default
        assert upstream is not None
        return [backend.name for backend in upstream.pool.backends]

    def test_backends(self) -> None:
        """Sessions stay with a backend that goes; new ones get the others."""
        self.make()
        self.start()
        near, far = self.session()
        self.reload(TWO)
        self.assertEqual(self.names(), ["two"])
        near.protocol.dataReceived(b"more")
        self.assertEqual(bytes(far.written), b"more")
        self.session()
        self.assertEqual(self.network.attempts[-1].address[0], "10.0.0.2")
        self.assertEqual(self.service.counters()["sessions"], 2)
        self.stop()

    def test_routes(self) -> None:
        """Pools come and go; one that goes is forgotten with its last session, but for
        what it has counted."""
        self.make(ONE, "10.0.0.3:80,sni=a.example,name=a")
        self.start()
        service = self.service
        self.reload(ONE, "10.0.0.4:80,sni=b.example,name=b")
        self.assertTrue(service.door.routes.need_hello)
        names = [watch.upstream.pool.name for watch in service.watches]
        self.assertEqual(names, ["default", "b.example"])
        self.assertEqual(service.retired, [])
        self.reload(ONE)
        self.assertFalse(service.door.routes.need_hello)
        self.stop()

    def test_retired(self) -> None:
        """A pool with sessions stays until they have ended."""
        self.make()
        self.start()
        near, far = self.session()
        self.reload("10.0.0.4:80,sni=b.example,name=b")
        service = self.service
        self.assertIsNone(service.door.routes.default)
        self.assertEqual(len(service.retired), 1)
        near.end()
        far.end()
        forget_closed(service)
        self.assertEqual(service.retired, [])
        self.assertEqual(service.counters()["sessions"], 1)
        self.stop()

    def test_policy(self) -> None:
        """Another policy is a new one, the same one remembers."""
        self.make(ONE, TWO)
        self.start()
        pool = self.service.door.routes.pools[0].pool
        policy = pool.policy
        self.reload(ONE, TWO)
        self.assertIs(pool.policy, policy)
        self.reload(ONE, TWO, policy="first")
        self.assertEqual(pool.policy.name, "first")
        self.stop()

    def test_door(self) -> None:
        """Limits, access lists, retries and timeouts hold from the commit on."""
        self.make()
        self.start()
        self.reload(
            deny=["192.0.2.0/24"],
            retries=7,
            connect_timeout="9s",
            client_timeout="8s",
            total_connection_rate="1/s:1",
        )
        door = self.service.door
        self.assertFalse(door.lets_in("192.0.2.1"))
        self.assertTrue(door.lets_in("198.51.100.1"))
        self.assertFalse(door.lets_in("198.51.100.1"))
        self.assertEqual(door.dialer.tries, 8)
        self.assertEqual(door.dialer.connecting._seconds, 9)
        self.assertEqual(door.prefaces.live._seconds, 8)
        self.stop()

    def test_udp(self) -> None:
        """UDP ports come, change and go."""
        self.make(listen=["tcp:7"])
        self.start()
        self.reload(listen=["tcp:7", "udp:7"])
        (entrance,) = self.service.datagrams
        self.reload(listen=["tcp:7", "udp:7"], udp_timeout="3s", udp_rate="1/s")
        self.assertEqual(self.service.datagrams, [entrance])
        self.assertEqual(entrance._idle, 3)
        self.assertIsNotNone(entrance._rate)
        entrance.received = 5
        entrance.dropped["rate"] = 2
        self.reload(listen=["tcp:7"])
        self.assertEqual(self.service.datagrams, [])
        counted = self.service.counters()
        self.assertEqual((counted["datagrams"], counted["dropped-rate"]), (5, 2))
        self.stop()

    def test_checks(self) -> None:
        """Checks begin, and end, when the settings say so."""
        self.make()
        self.start()
        check = self.service.check
        self.assertIsNone(check)
        self.reload(check="tcp")
        self.assertIsNotNone(self.service.check)
        check = self.service.check
        self.reload(check="tcp")
        self.assertIs(self.service.check, check)
        self.reload(check="tls")
        self.assertIsNot(self.service.check, check)
        self.reload(TWO, check="tls")
        self.reload()
        self.assertIsNone(self.service.check)
        self.stop()

    def test_refused(self) -> None:
        """What cannot be used is told with its setting, and nothing has changed."""
        self.make()
        self.start()
        self.mux.in_use = {9}
        self.assertEqual(self.refused(listen=["tcp:9"]), ["listen"])
        self.assertEqual(
            self.refused(backend_ca="/no/such", listen=["tcp:9"]),
            ["listen", "backend_ca"],
        )
        only = "10.0.0.4:80,sni=b.example"
        self.assertEqual(self.refused(only, listen=["udp:8"]), ["backend"])
        self.assertEqual(self.refused("a_b.test:80,tls"), ["backend"])
        self.assertEqual(self.refused(control="control.sock"), ["control"])
        self.assertEqual(self.refused(listen=["ssl:9:privateKey=none"]), ["listen"])
        self.assertEqual(self.names(), ["one"])
        near = Wire(self.mux.ports[0].served.buildProtocol(CLIENT))
        self.assertIsNotNone(near)
        near.end()
        self.stop()
