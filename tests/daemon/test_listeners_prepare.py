"""Tests of how L{netsvc.daemon.listeners} goes on to other listen strings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import formatEvent
from twisted.protocols.tls import TLSMemoryBIOFactory

from netsvc.daemon.changes import CombinedReloadError
from netsvc.daemon.listen import matched, parse_listen
from netsvc.daemon.listeners import Listeners, Relisten
from tests.daemon.service_fakes import FakePort, server_tls
from tests.daemon.test_listeners import ListenersCase, NamedFactory, QuietDatagrams


class PrepareCase(ListenersCase):
    """Listeners that listen already."""

    def listening(self, *texts: str) -> Listeners:
        """Start listeners on some strings."""
        listeners = self.make(*texts)
        listeners.startService()
        self.heard = len(self.events)
        return listeners

    def messages(self) -> list[str | None]:
        """Give what was logged since then."""
        return [formatEvent(event) for event in self.events[self.heard :]]

    def prepare(self, listeners: Listeners, *texts: str) -> Relisten:
        """Prepare other strings."""
        return listeners.prepare([parse_listen(text) for text in texts])

    def problems(self, listeners: Listeners, *texts: str) -> Sequence[str]:
        """Prepare what cannot be; give what is wrong."""
        error = self.assertRaises(CombinedReloadError, self.prepare, listeners, *texts)
        return [str(each) for each in error.errors]

    def certificate(self) -> str:
        """Write a certificate with its key; give the name."""
        options: Any = server_tls()
        key = options.privateKey
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = options.certificate
        path = Path(self.mktemp())
        path.mkdir()
        file = path / "new.pem"
        file.write_bytes(
            key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM)
        )
        return str(file)


class CommitTests(PrepareCase):
    """Tests of what is kept, added and removed."""

    def test_kept(self) -> None:
        """The same strings keep their ports, and what serves them, in any order."""
        listeners = self.listening("tcp:7007", "udp:7007", "unix:/run/x")
        before = {str(each.listen): each for each in listeners.bound}
        change = self.prepare(listeners, "unix:/run/x", "tcp:7007", "udp:7007")
        change.commit()
        self.assertEqual(len(self.mux.ports), 3)
        self.assertFalse(any(port.closed for port in self.mux.ports))
        self.assertEqual(
            [str(listen) for listen in listeners.listens],
            ["unix:/run/x", "tcp:7007", "udp:7007"],
        )
        for each in listeners.bound:
            self.assertIs(each.port, before[str(each.listen)].port)
            self.assertIs(each.served, before[str(each.listen)].served)
            self.assertTrue(listeners.serves(each.served))
        self.assertEqual(self.messages(), [])

    def test_added(self) -> None:
        """What is new is bound at once, and accepted from after the commit."""
        listeners = self.listening("tcp:7007")
        change = self.prepare(listeners, "tcp:7007", "tcp:7008", "udp:7009")
        added = self.mux.ports[1:]
        self.assertEqual([port.reading for port in added], [False, False])
        self.assertEqual(len(listeners.ports), 1)
        change.commit()
        self.assertEqual([port.reading for port in added], [True, True])
        self.assertEqual(listeners.ports, self.mux.ports)
        self.assertIsInstance(listeners.bound[2].served, DatagramProtocol)
        self.assertEqual(
            self.messages(),
            [
                "netsvc-sample listens on tcp:7008 (0.0.0.0:7008)",
                "netsvc-sample listens on udp:7009 (0.0.0.0:7009)",
            ],
        )

    def test_abandoned(self) -> None:
        """What was bound for nothing is closed again, and nothing has changed."""
        listeners = self.listening("tcp:7007")
        change = self.prepare(listeners, "tcp:7008")
        change.abandon()
        self.assertEqual([port.closed for port in self.mux.ports], [False, True])
        self.assertEqual([str(each) for each in listeners.listens], ["tcp:7007"])

    def test_removed(self) -> None:
        """What is gone is closed, after those who waited there were accepted; what its
        port has counted stays counted."""
        listeners = self.listening("tcp:7007", "tcp:7008")
        gone: Any = self.mux.ports[1]
        gone.refused = 3
        accepted: list[bool] = []
        gone.accept_waiting = lambda: accepted.append(gone.closed)
        served = listeners.bound[1].served
        self.prepare(listeners, "tcp:7007").commit()
        self.assertEqual(accepted, [False])
        self.assertTrue(gone.closed)
        self.assertEqual(listeners.turned_away, 3)
        self.assertFalse(listeners.serves(served))
        self.assertEqual(self.messages(), ["netsvc-sample listens no more on tcp:7008"])
        self.successResultOf(listeners.stopService())
        self.assertEqual(listeners.turned_away, 3)

    def test_twice_the_same(self) -> None:
        """The same string twice is two ports; one of them can go."""
        listeners = self.listening("tcp:0", "tcp:0")
        self.prepare(listeners, "tcp:0").commit()
        self.assertEqual([port.closed for port in self.mux.ports], [False, True])

    def test_restart(self) -> None:
        """After a stop it starts with the strings of the last commit."""
        listeners = self.listening("tcp:7007")
        self.prepare(listeners, "tcp:7008").commit()
        self.successResultOf(listeners.stopService())
        listeners.startService()
        self.assertEqual(self.mux.bound[-1][1], 7008)

    def test_kept_open(self) -> None:
        """Some ports can stay when the others are closed."""
        listeners = self.listening("tcp:7007", "udp:7007")
        listeners.stop_listening(keep=lambda listen: listen.kind == "udp")
        self.assertEqual([port.closed for port in self.mux.ports], [True, False])
        self.assertEqual(len(listeners.ports), 1)


class PlaceTests(PrepareCase):
    """Tests of sockets that go on under another string."""

    def test_place(self) -> None:
        """Strings with one place cannot be bound beside each other."""
        places = [
            [parse_listen(text).place for text in texts]
            for texts in (
                ("tcp:7", "tcp:port=7", "ssl:7:privateKey=a", "tcp:7:backlog=3"),
                (r"tcp:7:interface=\:\:", r"tls:pem:port=7", "tls:pem:7", "tcp6:7"),
                (r"tls:path=pem:port=9", "tls:path=pem:9"),
                ("tls:a", "tls:b:port=443"),
                ("udp:7",),
                ("udp:7:interface=127.0.0.1",),
                ("tcp:0",),
                ("tcp:00",),
                ("unix:/a",),
                ("systemd:domain=INET:index=0",),
            )
        ]
        for each in places:
            self.assertEqual(len(set(each)), 1, each)
        self.assertEqual(len({each[0] for each in places}), len(places))

    def test_matched(self) -> None:
        """The same string comes before the same place."""
        old = [parse_listen(text) for text in ("tcp:7:backlog=5", "tcp:7", "tcp:0")]
        new = [parse_listen(text) for text in ("tcp:0", "tcp:8", "tcp:7")]
        self.assertEqual(matched(old, new), {0: 2, 2: 1})
        self.assertEqual(matched(old[:1], new), {2: 0})

    def test_other_text(self) -> None:
        """The same port with another backlog goes on with the same factory."""
        listeners = self.listening("tcp:7007")
        served = listeners.bound[0].served
        self.prepare(listeners, "tcp:7007:backlog=7").commit()
        self.assertEqual(len(self.mux.ports), 1)
        self.assertIs(listeners.bound[0].served, served)
        self.assertIs(self.mux.ports[0].served, served)

    def test_certificate(self) -> None:
        """TLS is made again from its files, for the same port and the same factory."""
        text = f"ssl:7443:privateKey={self.certificate()}"
        listeners = self.listening(text)
        port = self.mux.ports[0]
        before, served = port.served, listeners.bound[0].served
        before.doStart()  # as ports do
        change = self.prepare(listeners, text)
        self.assertIs(port.served, before)
        change.commit()
        self.assertIsNot(port.served, before)
        self.assertIsInstance(port.served, TLSMemoryBIOFactory)
        self.assertIs(port.served.wrappedFactory, served)
        self.assertEqual(served.numPorts, 1)
        self.assertEqual(len(self.mux.ports), 1)

    def test_with_and_without_tls(self) -> None:
        """A port gets TLS, and loses it, with a factory of its own each time."""
        listeners = self.listening("tcp:7443")
        port = self.mux.ports[0]
        self.prepare(listeners, f"ssl:7443:privateKey={self.certificate()}").commit()
        self.assertEqual(port.served.wrappedFactory.transport, "tls")
        self.prepare(listeners, "tcp:7443").commit()
        self.assertIsInstance(port.served, NamedFactory)
        self.assertEqual(port.served.transport, "tcp")

    def test_renewed(self) -> None:
        """A service whose factories depend on its settings gets them anew."""

        class Renewing(Listeners):
            renews = True

        listeners = Renewing(
            "netsvc-sample",
            [parse_listen("tcp:7"), parse_listen("systemd:domain=INET:index=0")],
            NamedFactory,
            QuietDatagrams,
        )
        ports = [FakePort(None, NamedFactory("tcp")) for _ in range(2)]
        from netsvc.daemon.listeners import Bound

        listeners.bound = [
            Bound(listen, port, port.served)
            for listen, port in zip(listeners._listens, ports, strict=True)
        ]
        before = [port.served for port in ports]
        listeners.prepare(listeners.listens).commit()
        for port, old, bound in zip(ports, before, listeners.bound, strict=True):
            self.assertIsNot(port.served, old)
            self.assertIs(port.served, bound.served)


class RefuseTests(PrepareCase):
    """Tests of what cannot be listened on: it is told, and nothing has changed."""

    def test_in_use(self) -> None:
        """A port in use is told with its setting; what was bound is closed again."""
        listeners = self.listening("tcp:7007")
        self.mux.in_use = {7009}
        problems = self.problems(listeners, "tcp:7008", "tcp:7009", "tpc:1")
        self.assertEqual(
            problems,
            [
                "listen: cannot listen on tcp:7009: Address already in use",
                "listen: cannot listen on tpc:1: Unknown endpoint type: 'tpc'",
            ],
        )
        self.assertEqual([port.closed for port in self.mux.ports], [False, True])
        self.assertEqual(listeners.ports, self.mux.ports[:1])

    def test_broken_certificate(self) -> None:
        """A certificate that is broken keeps the old one."""
        file = self.certificate()
        folder = Path(file).parent
        texts = (f"ssl:7443:privateKey={file}", f"tls:{folder}:port=7444")
        listeners = self.listening(*texts)
        before = [port.served for port in self.mux.ports]
        Path(file).write_text("broken")
        problems = self.problems(listeners, *texts)
        self.assertIn("its key or certificate cannot be used", problems[0])
        Path(file).unlink()
        self.assertIn("there is no certificate", self.problems(listeners, *texts)[1])
        self.assertEqual([port.served for port in self.mux.ports], before)
        self.flushWarnings()  # of Twisted's tls:, about pyOpenSSL
