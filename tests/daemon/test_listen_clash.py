"""Whether two listen strings mean the same port."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.listen import parse_listen
from netsvc.daemon.listen_clash import clash, clash_key


class ClashTests(SynchronousTestCase):
    """What L{clash} says of two listen strings."""

    def check(self, expected: bool, *pairs: tuple[str, str]) -> None:
        """See what is said of each pair, both ways round."""
        for one, other in pairs:
            first, second = parse_listen(one), parse_listen(other)
            self.assertEqual(clash(first, second), expected, f"{one} {other}")
            self.assertEqual(clash(second, first), expected, f"{other} {one}")

    def test_same(self) -> None:
        """The same port of the same address is the same, however it is written."""
        self.check(
            True,
            ("tcp:7", "tcp:7"),
            ("tcp:7", "tcp:port=7"),
            ("tcp:7", "ssl:7:privateKey=a:certKey=b"),
            ("tls:/a:443", "tls:/b"),
            ("tls:/a:port=7", "tcp:7"),
            ("tls:path=/a:7", "tcp:7"),
            ("tcp:7:interface=127.0.0.1", "tcp:7:backlog=5:interface=127.0.0.1"),
            ("udp:7:interface=0.0.0.0", "udp:7"),
            ("unix:/a", "unix:/a:mode=600"),
            ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a"),
            (r"tcp:7:interface=\:\:1", r"tcp6:7:interface=0\:0\:0\:0\:0\:0\:0\:1"),
            ("tcp:7:interface=eth0", "tcp:7:interface=eth0:backlog=1"),
        )

    def test_wide(self) -> None:
        """All addresses include one of them; those of IPv6 those of IPv4."""
        self.check(
            True,
            ("tcp:7", "tcp:7:interface=127.0.0.1"),
            (r"tcp:7:interface=\:\:", "tcp:7:interface=127.0.0.1"),
            (r"tcp:7:interface=\:\:", "tcp:7"),
            ("tcp6:7", r"tcp:7:interface=\:\:1"),
        )

    def test_other(self) -> None:
        """Other ports, protocols and addresses do not clash."""
        self.check(
            False,
            ("tcp:7", "udp:7"),
            ("tcp:7", "tcp:8"),
            ("tcp:0", "tcp:0"),
            ("tcp:7", r"tcp:7:interface=\:\:1"),
            ("tcp:7:interface=127.0.0.1", "tcp:7:interface=127.0.0.2"),
            ("tcp:7:interface=eth0", "tcp:7:interface=127.0.0.1"),
            ("unix:/a", "unix:/b"),
            ("unix:/a", "tcp:7"),
            ("tls:/a:port=x", "tcp:7"),
            ("systemd:domain=INET:name=a", "systemd:domain=INET:name=b"),
            ("other:a", "other:b"),
        )

    def test_key(self) -> None:
        """What clashes has the same key."""
        for one, other in (
            ("tcp:7", "ssl:7:privateKey=a:certKey=b"),
            ("tcp:7", r"tcp:port=7:interface=\:\:"),
            ("unix:/a", "unix:/a:mode=600"),
            ("systemd:domain=INET:name=a", "systemd:domain=INET:name=a"),
        ):
            keys = {clash_key(parse_listen(text)) for text in (one, other)}
            self.assertEqual(len(keys), 1, keys)
        keys = {clash_key(parse_listen(f"tcp:{port}")) for port in (7, 8)}
        self.assertEqual(len(keys), 2)
