"""Tests of L{netsvc.dns.line.text}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns import rrtypes
from netsvc.dns.codes import NXDOMAIN
from netsvc.dns.errors import ServerTimeout
from netsvc.dns.line.request import parse_line
from netsvc.dns.line.text import MAX_RECORDS, MAX_TEXT, answer_lines
from netsvc.dns.names import from_text
from netsvc.dns.result import Edns, ExtendedError, Question, Record, Result, Security
from tests.dns.forwarder.case import SERVER, WWW, address, text

REQUEST = parse_line("www.example.com")
A, AAAA = (Question(WWW, rtype) for rtype in (rrtypes.A, rrtypes.AAAA))


class TextTests(SynchronousTestCase):
    """Answers as lines that people read."""

    def test_addresses(self) -> None:
        """Records stand in columns, aliases once."""
        alias = Record(WWW, rrtypes.CNAME, 1, 7, from_text("h.example.com"))
        six = Record(from_text("h.example.com"), rrtypes.AAAA, 1, 60, bytes(15) + b"\1")
        found = answer_lines(
            REQUEST,
            [
                Result(A, 0, (alias, address(from_text("h.example.com")))),
                Result(AAAA, 0, (alias, six)),
            ],
        )
        self.assertEqual(
            found,
            [
                "www.example.com  CNAME    7  h.example.com.",
                "h.example.com    A      300  192.0.2.1",
                "h.example.com    AAAA    60  ::1",
            ],
        )

    def test_none(self) -> None:
        """What is not there is told apart."""
        found = answer_lines(REQUEST, [Result(A, NXDOMAIN), Result(AAAA, NXDOMAIN)])
        self.assertEqual(found, ["www.example.com: there is no such name (NXDOMAIN)"])
        found = answer_lines(REQUEST, [Result(A, 0), Result(AAAA, 0)])
        self.assertEqual(
            found,
            ["www.example.com: the name exists, but it has no A or AAAA record"],
        )

    def test_no_answer(self) -> None:
        """Why there is no answer is said once."""
        error = ServerTimeout(SERVER, "udp")
        found = answer_lines(REQUEST, [error, error])
        self.assertEqual(
            found,
            [
                "www.example.com: no answer: 192.0.2.53 (udp) has not answered in time",
            ],
        )

    def test_notes(self) -> None:
        """What else there is to know is said."""
        edns = Edns(0, 0, False, 1232, ((15, b"\0\x11"),))
        for result, note in (
            (Result(A, 0, (address(),), security=Security.SECURE), "secure"),
            (Result(A, 0, (address(),), security=Security.INSECURE), "not signed"),
            (Result(A, 0, (address(),), stale=True), "an old answer"),
            (Result(A, 0, (address(),), edns=edns), "Filtered"),
        ):
            found = answer_lines(REQUEST, [result])
            self.assertIn(note, found[-1])
        self.assertEqual(ExtendedError(17).name, "Filtered")

    def test_bounded(self) -> None:
        """Long answers are cut, and nothing in them reaches a terminal raw."""
        many = tuple(address(data=number.to_bytes(4, "big")) for number in range(300))
        found = answer_lines(REQUEST, [Result(A, 0, many)])
        self.assertEqual(found[-1], f"and {300 - MAX_RECORDS} more records")
        long = text(count=20)
        (line,) = answer_lines(
            REQUEST, [Result(Question(WWW, rrtypes.TXT), 0, (long,))]
        )
        self.assertLess(len(line), MAX_TEXT + 100)
        evil = Record(b"\3\x1b[m\0", rrtypes.TXT, 1, 1, b"\4\x1b[2J")
        (line,) = answer_lines(
            REQUEST, [Result(Question(evil.owner, rrtypes.TXT), 0, (evil,))]
        )
        self.assertNotIn("\x1b", line)
