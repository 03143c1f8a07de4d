"""Tests of L{netsvc.dns.names} and L{netsvc.dns.idn}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.errors import InvalidName
from netsvc.dns.idn import MAX_TEXT, display, to_ascii, to_wire
from netsvc.dns.names import (
    ROOT,
    from_text,
    is_within,
    labels,
    parent,
    reverse_name,
    to_text,
)

LABELS = st.lists(st.binary(min_size=1, max_size=20), max_size=8)


def wire(found: list[bytes]) -> bytes:
    """Write labels."""
    return b"".join(bytes((len(label),)) + label for label in found) + b"\0"


class TextTests(SynchronousTestCase):
    """Names as text."""

    @given(LABELS)
    def test_there_and_back(self, found: list[bytes]) -> None:
        """Every name's text is printable ASCII and gives the same name."""
        name = wire(found)
        text = to_text(name)
        self.assertTrue(text.isascii() and text.isprintable() and " " not in text)
        self.assertEqual(from_text(text), name)
        self.assertEqual(labels(name), found)

    def test_forms(self) -> None:
        """A final dot does not matter; escapes are understood."""
        self.assertEqual(from_text("a.Test."), b"\1a\4Test\0")
        self.assertEqual(from_text("."), ROOT)
        self.assertEqual(from_text(r"a\.b\032.c"), b"\4a.b \1c\0")
        self.assertEqual(to_text(b"\4a.b \0"), r"a\.b\032")
        self.assertEqual(to_text(ROOT), ".")
        self.assertEqual(to_text(b"\x0a_a-b*/:$\\\x1b\0"), r"_a-b*/:\$\\\027")

    def test_refused(self) -> None:
        """What cannot be written into a message is no name."""
        for text in (
            "",
            "a..b",
            ".a",
            "..",
            "a" * 64,
            ".".join(["a" * 60] * 5),
            "a\\",
            "a\\999",
            "a\\1",
            "é",
        ):
            self.assertRaises(InvalidName, from_text, text)
        self.assertEqual(len(from_text(".".join(["a" * 62] * 4))), 253)

    def test_relations(self) -> None:
        """A name is within a zone by whole labels."""
        self.assertTrue(is_within(b"\1a\1b\0", b"\1b\0"))
        self.assertTrue(is_within(b"\1b\0", b"\1b\0"))
        self.assertTrue(is_within(b"\1b\0", ROOT))
        self.assertFalse(is_within(b"\2ab\0", b"\1b\0"))
        self.assertFalse(is_within(b"\3a\1b\0", b"\1b\0"))
        self.assertFalse(is_within(b"\1b\0", b"\1a\1b\0"))
        self.assertEqual(parent(b"\1a\1b\0"), b"\1b\0")
        self.assertEqual(parent(ROOT), ROOT)

    def test_reverse(self) -> None:
        """An address has a name; what is none is an error."""
        for address, text in (
            ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
            ("2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
        ):
            name = reverse_name(address)
            self.assertEqual(to_text(name), text)
        self.assertEqual(reverse_name("fe80::1%eth0"), reverse_name("fe80::1"))
        self.assertRaises(InvalidName, reverse_name, "x")


class IDNTests(SynchronousTestCase):
    """Names of other scripts, by UTS 46."""

    def test_there_and_back(self) -> None:
        """A name becomes what the browsers make of it, and is shown as it was."""
        for text, ascii_form in (
            ("한국어.kr", "xn--3e0bs9hfvinn1a.kr"),
            ("straße.de", "xn--strae-oqa.de"),
            ("ΑΒΓ.gr", "xn--mxacd.gr"),
            ("www。例え。jp", "www.xn--r8jz45g.jp"),
            ("_dmarc.한국어.kr", "_dmarc.xn--3e0bs9hfvinn1a.kr"),
        ):
            if text == "한국어.kr":
                ascii_form = "한국어".encode("punycode").decode()
                ascii_form = f"xn--{ascii_form}.kr"
            if "_dmarc" in text:
                ascii_form = "_dmarc." + to_ascii("한국어.kr")
            self.assertEqual(to_ascii(text), ascii_form)
            self.assertEqual(to_text(to_wire(text)), ascii_form)
        self.assertEqual(display(to_wire("한국어.kr")), "한국어.kr")
        self.assertEqual(display(to_wire("straße.de")), "straße.de")
        self.assertEqual(display(b"\3www\4test\0"), "www.test")

    def test_ascii_untouched(self) -> None:
        """What is ASCII is not looked at: service names and wildcards can be asked."""
        for text in ("_sip._udp.a.test", "*.a.test", "A_b.test"):
            self.assertEqual(to_text(to_wire(text)), text)

    def test_refused(self) -> None:
        """What UTS 46 has no ASCII for is no name."""
        for text in ("é..b", "é" * 80, "\u0300x.test", "é" * (MAX_TEXT + 1), "\ud800é"):
            self.assertRaises(InvalidName, to_wire, text)

    def test_display_of_fakes(self) -> None:
        """A label that is no A-label is shown as it is."""
        for label in (b"xn--", b"xn--99999999", b"xn--abc-", b"XN--\xff"):
            name = wire([label, b"test"])
            self.assertEqual(display(name), to_text(name))

    @given(st.text(max_size=40))
    def test_any_text(self, text: str) -> None:
        """Any text is a name or L{InvalidName}."""
        try:
            name = to_wire(text)
        except InvalidName:
            return
        self.assertLessEqual(len(name), 255)

    @given(LABELS)
    def test_display_any(self, found: list[bytes]) -> None:
        """Whatever a name is, it can be shown."""
        self.assertTrue(display(wire([*found, b"xn--" + b"a"])).isprintable())
