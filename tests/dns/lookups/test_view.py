"""Answers as lines, as JSON and as YAML; colours; statuses."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.codes import NXDOMAIN, SERVFAIL
from netsvc.dns.errors import InvalidName, LookupFailed, NoServers
from netsvc.dns.lookups.describe import (
    data_text,
    json_line,
    milliseconds,
    nsid_text,
    outcome_object,
    yaml_document,
)
from netsvc.dns.lookups.outcome import (
    ANSWERED,
    FAILED,
    PARTIAL,
    Outcome,
    error_word,
    exit_status,
    reply_of,
)
from netsvc.dns.lookups.output import Output, wants_colours
from netsvc.dns.lookups.spans import Span, align, plain, span, width
from netsvc.dns.lookups.view import (
    failure_text,
    outcome_lines,
    question_text,
    short_lines,
    zone_name,
)
from netsvc.dns.names import from_text
from netsvc.dns.result import ExtendedError, Question, Record, Result, Security
from netsvc.dns.rrtypes import AAAA, CH, CNAME, IN, MX, NS, SRV, TXT, A
from tests.dns.lookups.kit import (
    NAME,
    OTHER,
    address,
    alias,
    answer,
    ede,
    missing,
    refusal,
    timeout,
)

KOREAN = "xn--3e0bk47br7k.kr"


def outcome(result: Result | None = None, error: Any = None) -> Outcome:
    """Make the outcome of the usual question."""
    return Outcome(NAME, Question(from_text(NAME), A), result, error)


def text(found: Outcome) -> list[str]:
    """Give the lines of an outcome."""
    return [plain(line) for line in outcome_lines(found)]


class LineTests(SynchronousTestCase):
    """Answers for people."""

    def test_records(self) -> None:
        """Records stand below each other; then who has answered, and how."""
        records = (alias(NAME, "a.test"), address("a.test", "192.0.2.1", 5))
        self.assertEqual(
            text(outcome(answer(records=records))),
            [
                "www.example  300  CNAME  a.test.",
                "a.test       5    A      192.0.2.1",
                "; NOERROR from 192.0.2.53 (udp) in 12.3 ms, 60 bytes, flags rd ra",
            ],
        )

    def test_negative(self) -> None:
        """That there is nothing is said, with the zone's SOA record."""
        lines = text(outcome(missing()))
        self.assertEqual(lines[0], "; www.example: NXDOMAIN")
        self.assertIn("SOA", lines[1])
        self.assertEqual(text(outcome(answer()))[0], "; www.example A: no such data")
        # It is the alias's target that does not exist.
        found = answer(rcode=NXDOMAIN, records=(alias(NAME, KOREAN),))
        self.assertEqual(text(outcome(found))[1], "; 한국어.kr: NXDOMAIN")

    def test_notes(self) -> None:
        """Failures before it, extended errors, the validator, NSID: each has a line."""
        edns = ede((3, "old\x1b[2J"))
        edns = edns._replace(options=(*edns.options, (3, b"\xff\x01")))
        found = answer(
            "192.0.2.1",
            edns=edns,
            errors=(timeout(OTHER),),
            security=Security.INSECURE,
            reasons=(ExtendedError(27, "too many"),),
        )
        self.assertEqual(
            text(outcome(found))[1:5],
            [
                "; 192.0.2.54 (udp) has not answered in time",
                r"; EDE 3 (Stale Answer): old\x1b[2J",
                "; DNSSEC: insecure, EDE 27 (Unsupported NSEC3 Iterations Value): "
                "too many",
                "; NSID ff01",
            ],
        )
        secure = answer("192.0.2.1", security=Security.SECURE)
        self.assertIn("; DNSSEC: secure", text(outcome(secure)))
        self.assertEqual(nsid_text(b"here"), "here")

    def test_short(self) -> None:
        """The short form is the data of the type asked for; of a failure nothing."""
        records = (alias(NAME, "a.test"), address("a.test", "192.0.2.1"))
        lines = short_lines(outcome(answer(records=records)))
        self.assertEqual([plain(line) for line in lines], ["192.0.2.1"])
        self.assertEqual(short_lines(outcome(error=timeout())), [])
        self.assertEqual(outcome_lines(outcome(error=timeout())), [])

    def test_failure(self) -> None:
        """A failure is a line, with what the server says of its reason."""
        error = refusal(SERVFAIL, edns=ede((6, "bad signature")))
        says = "192.0.2.53 (udp) has answered SERVFAIL"
        expected = f"{says}, EDE 6 (DNSSEC Bogus): bad signature"
        self.assertEqual(failure_text(error), expected)

    def test_scripts(self) -> None:
        """Names are shown in their script, and aligned by how wide it is."""
        wire = from_text(KOREAN)
        self.assertEqual(question_text(Question(wire, TXT, CH)), "한국어.kr CH TXT")
        self.assertEqual(zone_name(wire), "한국어.kr.")
        self.assertEqual(zone_name(b"\0"), ".")
        for rtype, rdata, expected in (
            (NS, wire, "한국어.kr."),
            (CNAME, from_text("a.test"), "a.test."),
            (MX, b"\0\5" + wire, "5 한국어.kr."),
            (SRV, bytes(6) + wire, f"0 0 0 {KOREAN}."),
        ):
            self.assertEqual(data_text(Record(wire, rtype, IN, 1, rdata)), expected)
        rows = [
            [span("한국어.kr"), span("1")],
            [span("a.test"), span("22")],
            [span("x")],
        ]
        lines = [plain(line) for line in align(rows)]
        self.assertEqual(lines, ["한국어.kr  1", "a.test     22", "x"])
        self.assertEqual(width("e\u0301"), 1)
        self.assertEqual(align([]), [])

    def test_times(self) -> None:
        """A time has as many digits as mean something."""
        found = [milliseconds(each) for each in (0.00042, 0.0123, 1.234)]
        self.assertEqual(found, ["0.42 ms", "12.3 ms", "1234 ms"])


class ObjectTests(SynchronousTestCase):
    """Answers for programs."""

    def test_answer(self) -> None:
        """An object has the answer, who gave it, and all that went before."""
        edns = ede((3, "old"))
        edns = edns._replace(options=(*edns.options, (3, b"here")))
        result = answer(
            records=(Record(from_text(KOREAN), AAAA, IN, 7, bytes(16)),),
            question=Question(from_text(KOREAN), AAAA),
            edns=edns,
            errors=(timeout(OTHER),),
            security=Security.INSECURE,
        )
        asked = Outcome("한국어.kr", result.question, result)
        found = json.loads(json_line(outcome_object(asked)))
        self.assertEqual((found["name"], found["ascii"]), ("한국어.kr", KOREAN))
        self.assertEqual(
            found["records"],
            [
                {
                    "name": "한국어.kr",
                    "ascii": KOREAN,
                    "ttl": 7,
                    "class": "IN",
                    "type": "AAAA",
                    "data": "::",
                }
            ],
        )
        self.assertEqual(found["status"], "NOERROR")
        self.assertEqual(found["rtt_ms"], 12.3)
        self.assertEqual((found["security"], found["nsid"]), ("insecure", "here"))
        self.assertEqual(found["ede"][0]["name"], "Stale Answer")
        self.assertEqual(found["errors"][0]["server"], "192.0.2.54")

    def test_negative(self) -> None:
        """A negative answer has the authority section."""
        found = outcome_object(outcome(missing(server=None)))
        self.assertEqual((found["status"], found["server"]), ("NXDOMAIN", ""))
        self.assertEqual(found["authority"][0]["type"], "SOA")

    def test_failure(self) -> None:
        """A failure has its kind, and what the server has sent with it."""
        found = outcome_object(outcome(error=refusal(SERVFAIL, edns=ede((15, "")))))
        self.assertEqual((found["status"], found["error"]["kind"]), ("SERVFAIL",) * 2)
        self.assertEqual(found["error"]["ede"][0]["code"], 15)
        found = outcome_object(outcome(error=InvalidName("no name")))
        self.assertEqual(found["error"], {"kind": "FAILED", "text": "no name"})
        self.assertEqual(outcome_object(outcome())["status"], "FAILED")

    def test_json_is_safe(self) -> None:
        """JSON is one line, and nothing in it moves a terminal's cursor."""
        line = json_line({"text": "한\x1b\x9b\u202e\n"})
        self.assertEqual(line, r'{"text":"한\u001b\u009b\u202e\n"}')

    def test_yaml(self) -> None:
        """YAML is blocks of the same, each scalar as in JSON."""
        value = {
            "name": "no: 'yes'\n",
            "flags": ["rd"],
            "records": [{"ttl": 1, "more": {"a": None}}, {"ttl": 2}],
            "none": [],
            "error": {"kind": "TIMEOUT"},
        }
        self.assertEqual(
            yaml_document(value).splitlines(),
            [
                "---",
                "name: \"no: 'yes'\\n\"",
                'flags: ["rd"]',
                "records:",
                "  - ttl: 1",
                "    more:",
                "      a: null",
                "  - ttl: 2",
                "none: []",
                "error:",
                '  kind: "TIMEOUT"',
            ],
        )


class StatusTests(SynchronousTestCase):
    """What the exit status and the words say."""

    def test_status(self) -> None:
        """All, some or none of the questions were answered."""
        self.assertEqual(exit_status(2, 0), ANSWERED)
        self.assertEqual(exit_status(0, 0), ANSWERED)
        self.assertEqual(exit_status(2, 1), PARTIAL)
        self.assertEqual(exit_status(0, 1), FAILED)

    def test_words(self) -> None:
        """An error's word is its response code, or what has happened."""
        self.assertEqual(error_word(timeout()), "TIMEOUT")
        self.assertEqual(error_word(refusal(5)), "REFUSED")
        self.assertEqual(error_word(NoServers("none")), "FAILED")
        self.assertEqual(outcome(error=LookupFailed("x")).status, "FAILED")
        self.assertIsNone(reply_of(timeout()))
        self.assertEqual(outcome(error=InvalidName("x")).errors, ())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        """Say so."""
        return True


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        """Fail."""
        raise BrokenPipeError


class OutputTests(SynchronousTestCase):
    """Where lines go."""

    LINES = ((Span("a", "bold"), Span(" b", "red")), (Span("[red]c"),))

    def test_plain(self) -> None:
        """What is no terminal gets no colours."""
        stream = io.StringIO()
        Output(stream, {"TERM": "xterm"}, self.fail).lines(self.LINES)
        self.assertEqual(stream.getvalue(), "a b\n[red]c\n")

    def test_colours(self) -> None:
        """A terminal gets colours, unless its user or it does not want any."""
        stream = _Terminal()
        self.assertTrue(wants_colours(stream, {"TERM": "xterm"}))
        self.assertFalse(wants_colours(stream, {"TERM": "xterm", "NO_COLOR": "1"}))
        self.assertFalse(wants_colours(stream, {"TERM": "dumb"}))
        self.assertFalse(wants_colours(stream, {}))
        self.patch(os, "environ", {"TERM": "xterm"})
        Output(stream, {"TERM": "xterm"}, self.fail).lines(self.LINES)
        self.assertIn("\x1b[1ma\x1b[0m\x1b[31m b\x1b[0m\n[red]c\n", stream.getvalue())

    def test_reader_gone(self) -> None:
        """When nobody reads any more that is told once, and nothing more is written."""
        told: list[None] = []
        output = Output(_Broken(), {}, lambda: told.append(None))
        output.text("a")
        output.text("b")
        output.flush()
        self.assertIsInstance(output.failure, BrokenPipeError)
        self.assertEqual(len(told), 1)
