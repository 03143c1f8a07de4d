"""The words of a command line, and questions from names."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.errors import InvalidName
from netsvc.dns.lookups.questions import make_items
from netsvc.dns.lookups.request import (
    MAX_QUESTIONS,
    check_count,
    over,
    with_system_options,
)
from netsvc.dns.lookups.words import sort_words
from netsvc.dns.names import from_text
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.resolver_settings import DEFAULT
from netsvc.dns.rrtypes import AAAA, CH, IN, MX, PTR, TXT, A
from netsvc.dns.servers import parse_server


class WordTests(SynchronousTestCase):
    """Names, types, classes and servers are told apart wherever they stand."""

    def test_any_order(self) -> None:
        """The order of words does not matter, as with dig."""
        words = ("www.example", "MX", "@192.0.2.1", "@kt")
        for each in itertools.permutations(words):
            found = sort_words(each)
            self.assertEqual(found.names, ("www.example",))
            self.assertEqual(found.types, (MX,))
            self.assertEqual(set(found.servers), {"192.0.2.1", "kt"})

    def test_types_and_classes(self) -> None:
        """Types and classes are known in any case, by number too, each once."""
        found = sort_words(["ch", "txt", "TYPE28", "aaaa", "version.bind"])
        self.assertEqual(found.rclass, CH)
        self.assertEqual(found.types, (TXT, AAAA))
        self.assertEqual(sort_words(["x.test"]).rclass, IN)

    def test_names_like_types(self) -> None:
        """A final dot makes a name of what would be a type or a class."""
        found = sort_words(["mx.", "in.", "classroom", "typewriter"])
        self.assertEqual(found.names, ("mx.", "in.", "classroom", "typewriter"))
        self.assertEqual(found.types, ())

    def test_wrong(self) -> None:
        """What makes no sense is refused in a sentence."""
        for words in (["@"], ["+short"], ["OPT"], ["IN", "CH"], ["tsig"]):
            with self.assertRaises(InvalidName):
                sort_words(words)

    @given(st.lists(st.text(max_size=8), max_size=6))
    def test_any_words(self, words: list[str]) -> None:
        """Any words are sorted or refused, and nothing else happens."""
        try:
            found = sort_words(words)
        except InvalidName:
            return
        self.assertLessEqual(len(found.names) + len(found.servers), len(words))


class ItemTests(SynchronousTestCase):
    """Names become questions."""

    def test_name(self) -> None:
        """A name is asked for with type A, or with each type that is named."""
        (item,) = make_items("www.example")
        self.assertEqual(item.candidates, (from_text("www.example"),))
        self.assertEqual((item.rtype, item.rclass), (A, IN))
        found = make_items("www.example", (MX, TXT))
        self.assertEqual([item.rtype for item in found], [MX, TXT])

    def test_address(self) -> None:
        """A bare address is its reverse name, and the type PTR."""
        for text, name in (
            ("8.8.4.4", "4.4.8.8.in-addr.arpa"),
            ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
        ):
            (item,) = make_items(text)
            self.assertEqual(item.candidates, (from_text(name),))
            self.assertEqual((item.name, item.rtype), (text, PTR))
        with self.assertRaises(InvalidName):
            make_items("www.example", reverse=True)

    def test_scripts(self) -> None:
        """Names of every script are asked for by UTS 46; the text stays as written."""
        for text, name in (
            ("한국어.kr", "xn--3e0bk47br7k.kr"),
            ("straße.de", "xn--strae-oqa.de"),
        ):
            (item,) = make_items(text)
            self.assertEqual((item.name, item.candidates), (text, (from_text(name),)))

    def test_search(self) -> None:
        """A search list completes short names, of every script."""
        (item,) = make_items("한국어", search=("kr", "example"), ndots=1)
        expected = ["xn--3e0bk47br7k.kr", "xn--3e0bk47br7k.example", "xn--3e0bk47br7k"]
        self.assertEqual(item.candidates, tuple(map(from_text, expected)))
        (item,) = make_items("www.", search=("kr",))
        self.assertEqual(item.candidates, (from_text("www"),))

    def test_count(self) -> None:
        """The questions of one command line have a limit."""
        check_count(MAX_QUESTIONS)
        with self.assertRaises(InvalidName):
            check_count(MAX_QUESTIONS + 1)


class ServerTests(SynchronousTestCase):
    """Servers over the transport that was asked for."""

    def test_over(self) -> None:
        """A server for which no transport is written gets that of the option."""
        for transport, text in (
            ("tcp", "tcp://192.0.2.1"),
            ("tls", "tls://192.0.2.1"),
            ("https", "https://192.0.2.1/dns-query"),
        ):
            plain = parse_server("192.0.2.1")
            self.assertEqual(over(plain, transport), parse_server(text))
            self.assertEqual(over(plain, "udp"), plain)
            odd = over(parse_server("192.0.2.1:5353"), transport)
            self.assertEqual(odd.port, 5353)
            other = parse_server("tls://192.0.2.2#dns.example")
            self.assertEqual(over(other, transport), other)

    def test_system_options(self) -> None:
        """What resolv.conf says of tries and times counts for its servers."""
        conf = ResolvConf(timeout=3.0, attempts=2)
        settings = with_system_options(DEFAULT, conf)
        self.assertEqual((settings.timeout, settings.tries), (3.0, 2))
        self.assertEqual(with_system_options(DEFAULT, ResolvConf()), DEFAULT)
