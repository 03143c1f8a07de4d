"""Tests of L{netsvc.dns.resolv_conf} and L{netsvc.dns.hosts}."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import hosts, resolv_conf
from netsvc.dns.names import from_text
from netsvc.dns.resolv_conf import LOCAL, MAX_SERVERS, ResolvConf, candidates
from netsvc.dns.servers import Server


class ResolvConfTests(SynchronousTestCase):
    """resolv.conf, as resolver(5) says."""

    def test_file(self) -> None:
        """Servers, search list and options are read."""
        conf = resolv_conf.parse(
            "# a comment\n"
            "; another\n"
            "domain old.test\n"
            "nameserver 192.0.2.1\n"
            "nameserver\t2001:db8::1\n"
            "nameserver 192.0.2.1\n"
            "search a.test b.test.\n"
            "sortlist 192.0.2.0\n"
            "options ndots:2 timeout:3 attempts:4 rotate trust-ad edns0 what:1\n"
        )
        self.assertEqual(
            conf,
            ResolvConf(
                (Server("udp", "192.0.2.1", 53), Server("udp", "2001:db8::1", 53)),
                ("a.test", "b.test"),
                2,
                3.0,
                4,
                True,
                True,
            ),
        )

    def test_mistakes(self) -> None:
        """A line that is wrong is left out, and said."""
        conf = resolv_conf.parse(
            "nameserver\n"
            "nameservers x\n"
            "nameserver 192.0.2.1;x\n"
            "search\n"
            "search a..b c.test\n"
            "options ndots:x timeout:0 attempts:0\n"
        )
        self.assertEqual(conf.servers, (LOCAL,))
        self.assertEqual(conf.search, ("c.test",))
        self.assertEqual((conf.ndots, conf.timeout, conf.attempts), (1, None, None))
        self.assertEqual(len(conf.problems), 5)

    def test_bounds(self) -> None:
        """What it may ask for has limits."""
        conf = resolv_conf.parse(
            "".join(f"nameserver 192.0.2.{number}\n" for number in range(20))
            + "options ndots:99 timeout:99 attempts:99 use-vc"
        )
        self.assertEqual(len(conf.servers), MAX_SERVERS)
        self.assertEqual((conf.ndots, conf.timeout, conf.attempts), (15, 30.0, 5))
        self.assertEqual(conf.servers[0].transport, "tcp")

    def test_environment(self) -> None:
        """The environment overrides it."""
        conf = resolv_conf.parse(
            "search a.test\noptions ndots:2", search="b.test c.test", options="ndots:3"
        )
        self.assertEqual((conf.search, conf.ndots), (("b.test", "c.test"), 3))

    @given(st.text(max_size=100))
    def test_any_text(self, text: str) -> None:
        """Any text can be read."""
        self.assertTrue(resolv_conf.parse(text, text, text).servers)
        self.assertIsInstance(hosts.parse(text), hosts.Hosts)

    def test_load(self) -> None:
        """A file that is not there says nothing."""
        self.assertEqual(resolv_conf.load(Path("missing")), ResolvConf())
        path = Path(self.mktemp())
        path.write_bytes(b"nameserver 192.0.2.1\n\xff\n")
        self.assertEqual(resolv_conf.load(path).servers[0].host, "192.0.2.1")

    def test_candidates(self) -> None:
        """Short names are completed first, others last, complete ones never."""
        search = ("a.test", "b.test")
        for name, ndots, expected in (
            ("x", 1, ("x.a.test", "x.b.test", "x")),
            ("x.y", 1, ("x.y", "x.y.a.test", "x.y.b.test")),
            ("x.y", 2, ("x.y.a.test", "x.y.b.test", "x.y")),
            ("x.", 1, ("x.",)),
        ):
            self.assertEqual(candidates(name, search, ndots), expected)


class HostsTests(SynchronousTestCase):
    """The hosts file."""

    def test_file(self) -> None:
        """Names and addresses are found in both directions."""
        found = hosts.parse(
            "192.0.2.1 A.test b.test # c.test\n"
            "2001:DB8::1 a.test\n"
            "192.0.2.300 bad.test\n"
            "192.0.2.2\n"
            "192.0.2.3 bad..name good.test\n"
        )
        self.assertEqual(
            found.lookup(from_text("a.TEST")), ("192.0.2.1", "2001:db8::1")
        )
        self.assertEqual(found.lookup(from_text("good.test")), ("192.0.2.3",))
        self.assertEqual(found.lookup(from_text("c.test")), ())
        self.assertEqual(found.reverse("192.0.2.1"), ("A.test", "b.test"))
        self.assertEqual(found.reverse("192.0.2.9"), ())

    def test_localhost(self) -> None:
        """localhost, and what is below it, is this host (RFC 6761 section 6.3)."""
        empty = hosts.load(Path("missing"))
        for name in ("localhost", "a.LOCALHOST."):
            self.assertEqual(empty.lookup(from_text(name)), ("127.0.0.1", "::1"))
        self.assertEqual(empty.lookup(from_text("alocalhost")), ())
        path = Path(self.mktemp())
        path.write_text("127.0.1.1 localhost")
        self.assertEqual(
            hosts.load(path).lookup(from_text("localhost")), ("127.0.1.1",)
        )
