"""The command line of C{netsvc lookup}."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.cli import lookup
from netsvc.cli.lookup import parse
from netsvc.dns import resolv_conf
from netsvc.dns.lookups import main as lookup_main
from netsvc.dns.lookups.outcome import FAILED, USAGE
from netsvc.dns.lookups.request import Bulk, Form, Mode, Request
from netsvc.dns.names import from_text
from netsvc.dns.resolv_conf import ResolvConf
from netsvc.dns.resolver_settings import Order
from netsvc.dns.rrtypes import CH, MX, PTR, TXT, A
from netsvc.dns.servers import parse_server


class CommandCase(SynchronousTestCase):
    """A system with one server of its own."""

    def setUp(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        conf = ResolvConf(
            (parse_server("192.0.2.99"),), ("kr",), timeout=2.0, attempts=1
        )
        self.patch(resolv_conf, "load", lambda **_: conf)

    def request(self, line: str) -> Request:
        return parse(line.split(), {})

    def refused(self, line: str) -> str:
        """Give the line that says what is wrong."""
        leaving = self.assertRaises(SystemExit, parse, line.split(), {})
        self.assertEqual(leaving.code, USAGE)
        text = self.err.getvalue()
        self.err.truncate(0)
        self.assertRegex(text, r"netsvc lookup: [^\n]+\(try [^\n]+\)\n\Z")
        return text


class ParseTests(CommandCase):
    """Words and options become a request."""

    def test_plain(self) -> None:
        """A name is enough: type A, the system's servers, asked as it wants."""
        request = self.request("www.example")
        (item,) = request.items
        self.assertEqual(
            (item.candidates, item.rtype), ((from_text("www.example"),), A)
        )
        self.assertEqual(request.servers, (parse_server("192.0.2.99"),))
        self.assertEqual((request.mode, request.form), (Mode.LOOKUP, Form.TEXT))
        settings = request.settings
        self.assertEqual((settings.timeout, settings.tries), (2.0, 1))
        self.assertIs(settings.order, Order.FIXED)

    def test_any_order(self) -> None:
        """Options may stand anywhere among the words."""
        request = self.request(
            "@kt mx --short a.test -t TXT b.test --tls @192.0.2.1:53"
        )
        self.assertEqual(
            [(item.name, item.rtype) for item in request.items],
            [("a.test", MX), ("a.test", TXT), ("b.test", MX), ("b.test", TXT)],
        )
        texts = ("tls://168.126.63.1", "tls://168.126.63.2", "tls://192.0.2.1")
        self.assertEqual(request.servers, tuple(map(parse_server, texts)))
        self.assertIs(request.form, Form.SHORT)
        # What resolv.conf says counts for its own servers only.
        self.assertEqual((request.settings.timeout, request.settings.tries), (1.0, 3))

    def test_options(self) -> None:
        """Each option has its place."""
        request = self.request(
            "-x 8.8.8.8 CH --nsid --subnet 192.0.2.0/24 --no-recursion --dnssec"
            " --anchors a --ca b --timeout 0.5 --tries 4 --compare --yaml @system"
        )
        (item,) = request.items
        self.assertEqual((item.rtype, item.rclass), (PTR, CH))
        options = request.options
        self.assertEqual(
            (options.nsid, options.subnet, options.recursion),
            (True, "192.0.2.0/24", False),
        )
        settings = request.settings
        self.assertEqual(
            (settings.total, settings.timeout, settings.tries, settings.authorities),
            (0.5, 0.5, 4, Path("b")),
        )
        self.assertEqual(
            (request.dnssec, request.anchors, request.mode, request.form),
            (True, Path("a"), Mode.COMPARE, Form.YAML),
        )

    def test_modes(self) -> None:
        """A trace begins at the root; AXFR is a mode however it is written."""
        self.assertEqual(self.request("a.test --trace").servers, ())
        self.assertEqual(len(self.request("a.test --trace @192.0.2.1").servers), 1)
        for line in ("a.test AXFR", "a.test --axfr"):
            self.assertIs(self.request(line).mode, Mode.TRANSFER)

    def test_search(self) -> None:
        """The search list counts if it is asked for."""
        (item,) = self.request("www --search").items
        self.assertEqual(item.candidates, (from_text("www.kr"), from_text("www")))

    def test_bulk(self) -> None:
        """A file has settings of its own."""
        request = self.request(
            "-f names MX CH --window 7 --rate 2.5 --resume state -x --json"
        )
        expected = Bulk("names", 7, 2.5, Path("state"), MX, CH, True)
        self.assertEqual((request.mode, request.bulk), (Mode.BULK, expected))
        self.assertIs(request.settings.order, Order.FASTEST)
        self.assertEqual(self.request("-f - --dnssec --anchors a").bulk, Bulk("-"))

    def test_refused(self) -> None:
        """What does not go together, or means nothing, is refused in a line."""
        for line in (
            "",
            "mx",
            "a..b",
            "a.test @",
            "a.test @ftp://x",
            "a.test +short",
            "a.test --subnet x",
            "a.test --timeout 0",
            "a.test --timeout x",
            "a.test --tries 1.5",
            "a.test --tries 99",
            "a.test -t NONE",
            "a.test IXFR",
            "a.test AXFR MX",
            "a.test AXFR --trace",
            "a.test --trace --dnssec",
            "a.test --axfr --dnssec",
            "a.test --compare --short",
            "a.test --anchors x",
            "a.test --window 3",
            "a.test --json --yaml",
            "a.test -x",
            "-f x a.test",
            "-f x --short",
            "-f x --trace",
            "-f x A MX",
            "-f x --anchors y",
            "-f x --window 0",
            "a.test \x1b[2J..",
        ):
            self.assertNotIn("\x1b", self.refused(line))

    def test_unreadable_conf(self) -> None:
        """A resolv.conf that cannot be read is said to be so."""

        def load(**_: str) -> ResolvConf:
            raise PermissionError(13, "Permission denied", "/etc/resolv.conf")

        self.patch(resolv_conf, "load", load)
        self.assertIn("/etc/resolv.conf: Permission denied", self.refused("a.test"))


class MainTests(CommandCase):
    """The exit status."""

    def test_run(self) -> None:
        """It is that of the run; Ctrl-C before the run has begun is a failure."""
        self.patch(lookup_main, "run_lookup", lambda request: 2)
        self.assertEqual(lookup.main(["a.test"]), 2)

        def interrupted(request: Request) -> int:
            raise KeyboardInterrupt

        self.patch(lookup_main, "run_lookup", interrupted)
        self.assertEqual(lookup.main(["a.test"]), FAILED)

    def test_help(self) -> None:
        """Help is 0, bad usage 1."""
        self.assertEqual(lookup.main(["--help"]), 0)
        self.assertIn("@kt", self.out.getvalue())
        self.assertEqual(lookup.main(["--nonsense"]), USAGE)
