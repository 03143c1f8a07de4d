"""Tests of L{netsvc.dns.stored}."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netsvc.dns import codes, rrtypes
from netsvc.dns.cache import Cache
from netsvc.dns.names import from_text
from netsvc.dns.result import Question, Record
from netsvc.dns.wire import pack_opt
from tests.dns.cache_case import (
    WWW,
    A,
    CacheCase,
    a,
    cname,
    soa,
)


class FlagTests(CacheCase):
    """Header bits of a reply."""

    def test_echo(self) -> None:
        """RD and CD come from the query, other bits do not."""
        entry = self.put(a())
        flags = codes.CD | codes.AD | codes.TC | codes.AA
        reply = self.reply(entry, 0, flags=flags)
        self.assertEqual(reply.flags, codes.QR | codes.RA | codes.CD)

    def test_authentic(self) -> None:
        """AD says that an answer was validated, to who asks with AD."""
        entry = self.put(a(), authentic=True)
        assert entry is not None
        self.assertTrue(entry.is_authentic)
        self.assertFalse(self.reply(entry, 0, flags=0).flags & codes.AD)
        self.assertTrue(self.reply(entry, 0, flags=codes.AD).flags & codes.AD)

    def test_authentic_with_do(self) -> None:
        """AD says that an answer was validated, to who asks with DO."""
        entry = self.put(a(), authentic=True, dnssec=True)
        self.assertTrue(self.reply(entry, 0, flags=0).flags & codes.AD)

    def test_opt(self) -> None:
        """The OPT record that is given is counted and stands last."""
        reply = self.reply(self.put(a()), 0, opt=pack_opt(payload=4096))
        assert reply.edns is not None
        self.assertEqual(reply.edns.payload, 4096)


class CompressionTests(CacheCase):
    """Names in kept answers are compressed, rightly."""

    def test_owner(self) -> None:
        """Owners and targets are written as pointers to where they stand."""
        edge = from_text("edge.example.com")
        entry = self.put(cname(WWW, edge), a(edge))
        assert entry is not None
        # Pointer, fixed part, "edge" and a pointer; pointer, fixed part, address.
        self.assertEqual(entry.size, 2 + 10 + 7 + 2 + 10 + 4)
        self.assertEqual(self.reply(entry, 0).answer, (cname(WWW, edge), a(edge)))

    def test_data(self) -> None:
        """Data of the old types keeps its numbers, and names their values."""
        mail = Record(WWW, rrtypes.MX, 1, 300, b"\0\x0a" + WWW)
        new = Record(WWW, rrtypes.SRV, 1, 300, bytes(6) + WWW)
        for record in (mail, new):
            rtype = record.rtype
            reply = self.reply(self.put(record, rtype=rtype), 0, rtype=rtype)
            self.assertEqual(reply.answer, (record,))

    def test_root(self) -> None:
        """The root can be an owner and a target."""
        record = Record(b"\0", rrtypes.NS, 1, 300, from_text("a.root-servers.net"))
        entry = self.put(record, name=b"\0", rtype=rrtypes.NS)
        reply = self.reply(entry, 0, b"\0", rrtypes.NS)
        self.assertEqual(reply.answer, (record,))

    def test_far(self) -> None:
        """A name beyond a pointer's reach is written out."""
        edge = from_text("edge.example.net")
        text = Record(WWW, rrtypes.TXT, 1, 300, (b"\xff" + bytes(255)) * 70)
        records = (text, cname(WWW, edge), a(edge))
        question = Question(WWW, rrtypes.ANY)
        entry = self.cache.put(self.key(question), question, 0, records, (), 0.0)
        reply = self.reply(entry, 0, rtype=rrtypes.ANY)
        self.assertEqual(reply.answer, records[:2])
        mail = Record(WWW, rrtypes.MX, 1, 300, b"\0\x0a" + edge)
        other = Record(WWW, rrtypes.MX, 1, 300, b"\0\x0b" + edge)
        entry = self.put(text, mail, other, rtype=rrtypes.ANY)
        reply = self.reply(entry, 0, rtype=rrtypes.ANY)
        self.assertEqual(reply.answer, (text, mail, other))

    _names = st.lists(
        st.sampled_from([b"a", b"bb", b"WWW", b"www", b"example", b"com", b"x" * 63]),
        min_size=1,
        max_size=3,
    ).map(lambda parts: b"".join(bytes((len(p),)) + p for p in parts) + b"\0")

    @settings(deadline=None)
    @given(_names, st.lists(_names, min_size=1, max_size=6))
    def test_chain(self, name: bytes, targets: list[bytes]) -> None:
        """Whatever chain of aliases is kept is read back as it was."""
        records = []
        owner = name
        seen = {name.lower()}
        for target in targets:
            if target.lower() not in seen:
                seen.add(target.lower())
                records.append(cname(owner, target))
                owner = target
        records.append(a(owner))
        cache = Cache()
        question = Question(name, A)
        authority = (soa(b"\0"),)
        entry = cache.put(
            self.key(question), question, 0, tuple(records), authority, 0.0
        )
        reply = self.reply(entry, 0, name)

        def lower(all_records: tuple[Record, ...]) -> list[tuple[bytes, bytes]]:
            return [(each.owner.lower(), each.rdata.lower()) for each in all_records]

        self.assertEqual(lower(reply.answer), lower(tuple(records)))
