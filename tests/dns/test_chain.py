"""Tests of L{netsvc.dns.chain}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.dns.chain import MAX_CHAIN, on_chain
from netsvc.dns.errors import BadChain
from netsvc.dns.names import from_text
from netsvc.dns.result import Question, Record
from netsvc.dns.rrtypes import ANY, CNAME, DNAME, IN, RRSIG, A

RDATA = b"\x01\x02\x03\x04"


def a(owner: str, rclass: int = IN) -> Record:
    """An address."""
    return Record(from_text(owner), A, rclass, 60, RDATA)


def alias(owner: str, target: str, rtype: int = CNAME) -> Record:
    """An alias."""
    return Record(from_text(owner), rtype, IN, 60, from_text(target))


def signature(owner: str, covered: int) -> Record:
    """A signature, as far as it matters here."""
    return Record(from_text(owner), RRSIG, IN, 60, covered.to_bytes(2, "big") + b"...")


class ChainTests(SynchronousTestCase):
    """Only what is on the chain of aliases belongs to the answer."""

    def check(
        self,
        records: list[Record],
        expected: list[Record],
        name: str = "x.test",
        rtype: int = A,
    ) -> None:
        """Choose records, and compare."""
        found = on_chain(tuple(records), Question(from_text(name), rtype))
        self.assertEqual(found, tuple(expected))

    def test_plain(self) -> None:
        """Records of the name and the type asked for are the answer."""
        self.check([a("x.test"), a("x.test")], [a("x.test"), a("x.test")])
        self.check([], [])

    def test_others(self) -> None:
        """Others are not: another name, type or class."""
        self.check(
            [a("bank.test"), a("x.test"), a("x.test", 3), alias("bank.test", "x.test")],
            [a("x.test")],
        )

    def test_case(self) -> None:
        """The case of letters does not matter."""
        self.check([a("X.test"), a("bank.test")], [a("X.test")])

    def test_aliases(self) -> None:
        """Aliases come first, in the order of the chain."""
        one, two = alias("x.test", "Y.test"), alias("y.test", "z.test")
        self.check([a("z.test"), two, a("bank.test"), one], [one, two, a("z.test")])
        self.check([one], [one])

    def test_alias_asked_for(self) -> None:
        """Who asks for the alias gets that, and no chain."""
        one, two = alias("x.test", "y.test"), alias("y.test", "z.test")
        self.check([one, two], [one], rtype=CNAME)

    def test_any(self) -> None:
        """ANY is whatever there is at the name."""
        one = alias("x.test", "y.test")
        self.check([one, a("x.test"), a("y.test")], [one, a("x.test")], rtype=ANY)

    def test_signatures(self) -> None:
        """Signatures come with what they cover."""
        one, sig = alias("x.test", "y.test"), signature("x.test", CNAME)
        self.check(
            [sig, signature("x.test", A), one, a("y.test"), signature("y.test", A)],
            [one, sig, a("y.test"), signature("y.test", A)],
        )

    def test_loops(self) -> None:
        """Aliases that go round in a circle are no answer, and no "no data"."""
        for records in (
            [alias("x.test", "x.test")],
            [alias("x.test", "y.test"), alias("y.test", "X.test")],
            [
                alias("x.test", "y.test"),
                alias("y.test", "z.test"),
                alias("z.test", "y.test"),
            ],
            [alias("test", "a.test", DNAME), alias("a.test", "test", DNAME)],
        ):
            with self.assertRaises(BadChain):
                on_chain(tuple(records), Question(from_text("x.test"), A))
        # Who asks for the alias itself gets it.
        one = alias("x.test", "x.test")
        self.check([one], [one], rtype=CNAME)

    def test_long(self) -> None:
        """A chain as long as is allowed is an answer; a longer one is an error."""
        chain = [
            alias(f"n{number}.test", f"n{number + 1}.test")
            for number in range(MAX_CHAIN + 1)
        ]
        end = a(f"n{MAX_CHAIN}.test")
        long = [end, *reversed(chain[:-1])]
        self.check(long, [*chain[:-1], end], "n0.test")
        self.check(chain[:-1], chain[:-1], "n0.test")
        with self.assertRaises(BadChain) as caught:
            self.check(chain, [], "n0.test")
        self.assertEqual(str(caught.exception), "they are more than 16")

    def test_dname(self) -> None:
        """A DNAME makes aliases of all that is below it (RFC 6672)."""
        dname = alias("test", "other", DNAME)
        made = alias("x.test", "x.other")
        self.check([dname, made, a("x.other")], [dname, made, a("x.other")])
        self.check([dname, a("x.other")], [dname, a("x.other")])
        # What the DNAME does not make is not followed.
        with self.assertRaises(BadChain):
            self.check([dname, alias("x.test", "bank"), a("bank")], [])
        # It says nothing of its own name.
        self.check([dname, a("test"), a("other")], [a("test")], "test")
        long = alias("test", ".".join(["a" * 60] * 4), DNAME)
        self.check([long, a("x.other")], [long], "x" * 20 + ".test")
