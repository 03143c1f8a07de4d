"""Tests of L{netsvc.balance.acl}."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.acl import MAX_RULES, Acl, Networks, parse_network, parse_rule

UNIX_PEERS = [None, "", b"", b"/run/x", "/run/x", "@abstract", "\0abstract"]

#: Addresses that lie near each other, so that networks often contain them.
addresses = st.one_of(
    st.integers(0, 7).map(lambda n: str(ip_address(0x0A000000 + n))),
    st.integers(0, 7).map(lambda n: str(ip_address((0x20010DB8 << 96) + n))),
)
networks = st.builds(
    lambda host, bits: str(
        ip_network((host, ip_address(host).max_prefixlen - bits), False)
    ),
    addresses,
    st.integers(0, 3),
)


class NetworkTests(SynchronousTestCase):
    """Tests of what a network contains."""

    def contains(self, network: str, host: str | bytes | None) -> bool:
        return Networks([parse_network(network)]).contains(host)

    def test_address(self) -> None:
        """An address alone is a network of one."""
        self.assertTrue(self.contains("192.0.2.1", "192.0.2.1"))
        self.assertFalse(self.contains("192.0.2.1", "192.0.2.2"))
        self.assertTrue(self.contains("2001:db8::1", "2001:0db8::0001"))

    def test_families(self) -> None:
        """A network of one family contains nothing of the other."""
        self.assertFalse(self.contains("0.0.0.0/0", "::1"))
        self.assertFalse(self.contains("::/0", "127.0.0.1"))

    def test_mapped(self) -> None:
        """An IPv4-mapped address is IPv4, in a peer and in a network."""
        self.assertTrue(self.contains("10.0.0.0/8", "::ffff:10.1.2.3"))
        self.assertTrue(self.contains("::ffff:10.0.0.0/104", "10.1.2.3"))
        self.assertFalse(self.contains("::ffff:10.0.0.0/104", "11.1.2.3"))
        self.assertTrue(self.contains("::/64", "::1"))

    def test_scope(self) -> None:
        """The scope of a peer's address does not count."""
        self.assertTrue(self.contains("fe80::/10", "fe80::1%eth0"))

    def test_words(self) -> None:
        """C{all} is everybody, C{unix} whoever comes through a UNIX socket."""
        for host in UNIX_PEERS:
            self.assertTrue(self.contains("unix", host))
            self.assertTrue(self.contains("all", host))
            self.assertFalse(self.contains("0.0.0.0/0", host))
        self.assertFalse(self.contains("unix", "127.0.0.1"))
        self.assertTrue(self.contains("all", "127.0.0.1"))

    def test_none(self) -> None:
        """An empty set contains nobody."""
        self.assertFalse(Networks().contains("127.0.0.1"))

    @given(st.text(max_size=20).filter(lambda text: text and text[0] not in "/@\0"))
    def test_other_text(self, host: str) -> None:
        """Text that is no address is in no network but C{all}."""
        try:
            ip_address(host.partition("%")[0] if ":" in host else host)
        except ValueError:
            self.assertFalse(self.contains("0.0.0.0/0", host))
            self.assertFalse(self.contains("::/0", host))
            self.assertFalse(self.contains("unix", host))
            self.assertTrue(self.contains("all", host))

    @given(networks, addresses)
    def test_library(self, network: str, host: str) -> None:
        """A network contains what the standard library says."""
        expected = ip_address(host) in ip_network(network)
        self.assertEqual(self.contains(network, host), expected)

    def test_text(self) -> None:
        """A network is shown as the text it was read from, and equal by it."""
        for text in ("10.0.0.0/8", "::1", "all", "unix"):
            self.assertEqual(str(parse_network(text)), text)
            self.assertEqual(parse_network(text), parse_network(text))
        self.assertNotEqual(parse_network("::1"), parse_network("::2"))

    def test_wrong(self) -> None:
        """What is no network is refused, with what was found."""
        for text in (
            *("", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/129", "/8"),
            *("10.0.0.0/255.0.0.0", "fe80::1%eth0", "10.0.0.0/8 ", "localhost", "ALL"),
        ):
            with self.assertRaises(ValueError) as caught:
                parse_network(text)
            self.assertIn(f"{text!r} is not a network", str(caught.exception))

    def test_bits_behind_prefix(self) -> None:
        """An address with bits behind the prefix is refused, for it is a slip."""
        with self.assertRaises(ValueError) as caught:
            parse_network("10.1.2.3/8")
        self.assertEqual(
            str(caught.exception),
            "'10.1.2.3/8' has bits set behind the prefix: 10.0.0.0/8?",
        )

    @given(st.text(max_size=20))
    def test_any_text(self, text: str) -> None:
        """Any text is a network or a C{ValueError} of one line."""
        try:
            parse_network(text)
        except ValueError as error:
            self.assertTrue(str(error).isprintable())


class AclTests(SynchronousTestCase):
    """Tests of L{Acl}."""

    def test_empty(self) -> None:
        """Without a rule everybody is let in."""
        acl = Acl()
        self.assertTrue(acl.allows("192.0.2.1"))
        self.assertTrue(acl.allows(None))

    def test_first_match(self) -> None:
        """The first rule that matches decides."""
        acl = Acl.parse(["deny:10.0.0.1", "allow:10.0.0.0/8", "deny:all"])
        self.assertFalse(acl.allows("10.0.0.1"))
        self.assertTrue(acl.allows("10.0.0.2"))
        self.assertFalse(acl.allows("11.0.0.1"))

    def test_allow_only(self) -> None:
        """Where some are allowed, the others are not."""
        acl = Acl.parse(["allow:2001:db8::/32"])
        self.assertTrue(acl.allows("2001:db8::1"))
        self.assertFalse(acl.allows("192.0.2.1"))
        self.assertFalse(acl.allows("what is this"))

    def test_deny_only(self) -> None:
        """Where some are only denied, the others are let in."""
        acl = Acl.parse(["deny:10.0.0.0/8", "deny:unix"])
        self.assertFalse(acl.allows("10.0.0.1"))
        self.assertFalse(acl.allows(b"/run/x"))
        self.assertTrue(acl.allows("192.0.2.1"))

    @given(st.lists(st.tuples(st.booleans(), networks), max_size=8), addresses)
    def test_model(self, rules: list[tuple[bool, str]], host: str) -> None:
        """A list decides as a plain walk through it does."""
        acl = Acl.parse(
            f"{'allow' if allow else 'deny'}:{network}" for allow, network in rules
        )
        expected = not any(allow for allow, _ in rules)
        for allow, network in rules:
            if ip_address(host) in ip_network(network):
                expected = allow
                break
        self.assertEqual(acl.allows(host), expected)

    def test_text(self) -> None:
        """A rule is shown as the text it was read from."""
        for text in ("allow:10.0.0.0/8", "deny:2001:db8::/32", "deny:all"):
            self.assertEqual(str(parse_rule(text)), text)
            self.assertEqual(parse_rule(text), parse_rule(text))

    def test_wrong(self) -> None:
        """What is no rule is refused, with an example."""
        for text in ("", "10.0.0.0/8", "allow", "permit:all", "Allow:all", ":all"):
            with self.assertRaises(ValueError) as caught:
                parse_rule(text)
            self.assertEqual(
                str(caught.exception),
                f"{text!r} is not a rule, such as allow:10.0.0.0/8 or deny:all",
            )
        self.assertRaises(ValueError, parse_rule, "allow:")

    def test_too_many(self) -> None:
        """A list has a greatest length."""
        rule = parse_rule("deny:all")
        Acl([rule] * MAX_RULES)
        Networks([rule.network] * MAX_RULES)
        with self.assertRaises(ValueError) as caught:
            Acl([rule] * (MAX_RULES + 1))
        self.assertEqual(
            str(caught.exception), "there are 1025 rules, at most 1024 are allowed"
        )
        with self.assertRaises(ValueError):
            Networks([rule.network] * (MAX_RULES + 1))
