"""Tests of which service runs where, and what has to be bound for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.configuration import Entry
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.workers.placement import added, alone, wishes
from netsvc.daemon.workers.ports import place_of
from netsvc.daemon.workers.sockets import key_of


@dataclass
class FakeSettings:
    """Settings of a service with two sorts of ports."""

    first: tuple[Listen, ...] = ()
    second: Listen | None = None
    journal: str = ""


def entry(*first: str, second: str = "", name: str = "", journal: str = "") -> Entry:
    """Make an entry."""
    made = FakeSettings(
        tuple(map(parse_listen, first)),
        parse_listen(second) if second else None,
        journal,
    )
    return Entry(table="echo", name=name, settings=made)


def texts(found: list[Any]) -> list[tuple[str, str]]:
    """Give what is wished for in short."""
    return [(each.key, each.listen.text) for each in found]


class AloneTests(SynchronousTestCase):
    """L{alone}."""

    def test_everywhere(self) -> None:
        """A service runs in all workers if its class says nothing."""
        self.assertEqual(alone(object, None), "")

    def test_shared_state(self) -> None:
        """One whose state is in memory runs in one."""
        kind = type("Chat", (), {"shared_state": True})
        self.assertIn("memory", alone(kind, None))

    def test_by_setting(self) -> None:
        """One with a file that only one process can write runs in one."""
        kind = type("Echo", (), {"alone_with": ("journal",)})
        self.assertEqual(alone(kind, FakeSettings()), "")
        why = alone(kind, FakeSettings(journal="x"))
        self.assertEqual(why, "its journal belongs to one process")

    def test_peers(self) -> None:
        """One that keeps UDP peers apart runs in one with a socket of systemd's."""
        kind = type("Balance", (), {"keeps_peers": True})
        self.assertEqual(alone(kind, entry("udp:7").settings), "")
        settings = entry("systemd:domain=INET:name=web").settings
        self.assertIn("systemd", alone(kind, settings))


class AddedTests(SynchronousTestCase):
    """L{wishes} and L{added}."""

    def test_wishes(self) -> None:
        """All listen strings are found, in order; equal ones are numbered."""
        found = wishes(entry("tcp:0", "tcp:0", "udp:7", second="tcp:0"))
        self.assertEqual(
            [(each.key, each.listen.text, each.number) for each in found],
            [
                ("first", "tcp:0", 0),
                ("first", "tcp:0", 1),
                ("first", "udp:7", 0),
                ("second", "tcp:0", 2),
            ],
        )

    def test_new(self) -> None:
        """Of a new entry everything is to be bound."""
        new = entry("tcp:7", second="udp:7")
        self.assertEqual(
            texts(added([], [new])), [("first", "tcp:7"), ("second", "udp:7")]
        )

    def test_kept(self) -> None:
        """What was listened on in the same setting is not bound again."""
        old = entry("tcp:7", "tcp:8", second="udp:7")
        new = entry("tcp:8", "tcp:9", second="udp:7")
        self.assertEqual(texts(added([old], [new])), [("first", "tcp:9")])

    def test_same_place(self) -> None:
        """A port that gets TLS keeps its socket."""
        old, new = entry("tcp:7"), entry("ssl:7:privateKey=k")
        self.assertEqual(added([old], [new]), [])

    def test_other_entry(self) -> None:
        """A port that goes to another service is bound for that one."""
        old, new = entry("tcp:7"), entry("tcp:7", name="b")
        self.assertEqual(texts(added([old], [new])), [("first", "tcp:7")])

    def test_once_more(self) -> None:
        """A second port of the system's choice is a second socket."""
        old, new = entry("tcp:0"), entry("tcp:0", "tcp:0")
        self.assertEqual(texts(added([old], [new])), [("first", "tcp:0")])


class KeyTests(SynchronousTestCase):
    """L{key_of} and L{place_of}."""

    def test_keys(self) -> None:
        """A key says how a multiplexer will be asked for a socket."""
        for text, key in {
            "tcp:7": ("tcp", "", 7),
            "tcp:port=7:interface=127.0.0.1": ("tcp", "127.0.0.1", 7),
            r"tcp:7:interface=\:\:1": ("tcp", "::1", 7),
            "tcp6:7": ("tcp", "::", 7),
            "ssl:7:privateKey=a:certKey=b": ("tcp", "", 7),
            "tls:/certificates": ("tcp", "::", 443),
            "tls:/certificates:port=8:interface=1.2.3.4": ("tcp", "1.2.3.4", 8),
            "mux:7:interface=1.2.3.4": ("tcp", "1.2.3.4", 7),
            "udp:7": ("udp", "", 7),
            "unix:/run/x": ("unix", "", "/run/x"),
            "unix:address=/run/x:mode=600": ("unix", "", "/run/x"),
            "systemd:domain=INET:name=echo": (
                "systemd",
                "",
                "systemd:domain=INET:name=echo",
            ),
        }.items():
            self.assertEqual(key_of(parse_listen(text)), key, text)

    def test_unknown(self) -> None:
        """A kind of another program's plugin cannot be passed on."""
        with self.assertRaisesRegex(ValueError, "onion:"):
            key_of(parse_listen("onion:80"))

    def test_places(self) -> None:
        """A port number is one place; ports of the system's choice are several."""
        one, two, three = wishes(entry("tcp:0", "tcp:0", "tcp:7"))
        self.assertNotEqual(place_of(one), place_of(two))
        (other,) = wishes(entry("tcp:7", name="b"))
        self.assertEqual(place_of(three), place_of(other))
