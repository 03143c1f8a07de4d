"""Tests of what WHO and LIST ask for, and of times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.listing import CONDITION_LIMIT, ROOMS_LIMIT, parse_list
from netsvc.chat.irc.times import format_time, parse_time
from netsvc.chat.irc.whox import FIELDS, WhoRow, parse_who, safe_host
from netsvc.chat.masks import glob

ROW = WhoRow("#c", "u", "h.x", "s.x", "ann", "H*@B", "Ann A", "acc", "::1", 17)
BARE = WhoRow("*", "u", "::2", "s.x", "ann", "G", "")
MINUTE = 60_000


class WhoTests(SynchronousTestCase):
    """WHO, and its extension WHOX."""

    def _reply(self, row: WhoRow, *params: str) -> bytes:
        request = parse_who(params)
        assert request is not None
        return request.reply("s.x", "bob", row)

    def test_ordinary(self) -> None:
        """Without fields, the answer is 352."""
        self.assertEqual(
            self._reply(ROW, "#c"),
            b":s.x 352 bob #c u h.x s.x ann H*@B :0 Ann A\r\n",
        )
        self.assertEqual(
            self._reply(BARE, "ann", "o"),
            b":s.x 352 bob * u 0::2 s.x ann G :0 \r\n",
        )

    def test_all_fields(self) -> None:
        """All fields are there, in the order of the specification."""
        line = b":s.x 354 bob 042 #c u 0::1 h.x s.x ann H*@B 0 17 acc n/a :Ann A\r\n"
        self.assertEqual(self._reply(ROW, "#c", f"%{FIELDS},042"), line)
        self.assertEqual(self._reply(ROW, "#c", f"o%{FIELDS[::-1]}zz,042"), line)

    def test_some_fields(self) -> None:
        """Exactly the fields that were asked for are there."""
        for fields, text in (
            ("%na", b"ann acc"),
            ("%an", b"ann acc"),
            ("%r", b":Ann A"),
            ("%nr", b"ann :Ann A"),
            ("%nn", b"ann"),
            ("%tn,7", b"7 ann"),
        ):
            self.assertEqual(
                self._reply(ROW, "#c", fields), b":s.x 354 bob " + text + b"\r\n"
            )

    def test_withheld(self) -> None:
        """What is withheld has its stand-in."""
        self.assertEqual(
            self._reply(BARE, "ann", "%cihalr"),
            b":s.x 354 bob * 255.255.255.255 0::2 0 0 :\r\n",
        )

    def test_tokens(self) -> None:
        """A token is of up to three digits; anything else is 0."""
        for token, shown in (
            ("999", b"999"),
            ("0", b"0"),
            ("1000", b"0"),
            ("a", b"0"),
            ("", b"0"),
            ("\u0661", b"0"),
            ("1,2", b"0"),
        ):
            self.assertEqual(
                self._reply(ROW, "#c", f"%t,{token}"), b":s.x 354 bob %b\r\n" % shown
            )
        self.assertEqual(self._reply(ROW, "#c", "%t"), b":s.x 354 bob 0\r\n")

    def test_request(self) -> None:
        """The mask stays as it was written; C{o} asks for operators."""
        request = parse_who(["#C*", "o%n"])
        assert request is not None
        self.assertEqual(request.mask, "#C*")
        self.assertTrue(request.operators)
        plain = parse_who(["x"])
        assert plain is not None
        self.assertFalse(plain.operators or plain.fields)
        self.assertIsNone(parse_who([]))
        self.assertIsNone(parse_who([""]))

    def test_host(self) -> None:
        """A host never begins with a colon."""
        self.assertEqual(safe_host("::1"), "0::1")
        self.assertEqual(safe_host("a::1"), "a::1")

    @given(st.text(), st.text())
    def test_any_fields(self, mask: str, fields: str) -> None:
        """Whatever is asked for, the answer is one line."""
        request = parse_who([mask, fields])
        if request is not None:
            self.assertEqual(request.reply("s.x", "bob", ROW).count(b"\n"), 1)


class ListTests(SynchronousTestCase):
    """LIST and its conditions."""

    def _matches(
        self,
        *params: str,
        name: str = "#Chan",
        users: int = 3,
        created: int = 60 * MINUTE,
        topic: int | None = 10 * MINUTE,
    ) -> bool:
        now = 1_000 * MINUTE
        topic = None if topic is None else now - topic
        request = parse_list(params)
        return request.matches(name, users, now - created, topic, now)

    def test_all(self) -> None:
        """Nothing said asks for all rooms."""
        for params in ((), ("",), (",",)):
            self.assertTrue(self._matches(*params))
        self.assertEqual(parse_list([]).rooms, ())

    def test_names(self) -> None:
        """Names ask for these rooms, whatever their case."""
        self.assertTrue(self._matches("#a,#CHAN"))
        self.assertFalse(self._matches("#a,#b"))
        self.assertEqual(parse_list(["#a,#B,#b"]).rooms, ("#a", "#b"))

    def test_users(self) -> None:
        """More or fewer people are asked for strictly."""
        for text, found in (
            (">2", True),
            (">3", False),
            ("<4", True),
            ("<3", False),
            ("U>2", True),
            ("u<3", False),
        ):
            self.assertEqual(self._matches(text), found)

    def test_times(self) -> None:
        """C and T are minutes ago: C{>} is longer ago, and both are strict."""
        for text, found in (
            ("C>59", True),
            ("C>60", False),
            ("C<60", False),
            ("C<61", True),
            ("c>59", True),
            ("T>9", True),
            ("T>10", False),
            ("T<10", False),
            ("t<11", True),
        ):
            self.assertEqual(self._matches(text), found)
        self.assertTrue(self._matches("C>60", created=60 * MINUTE + 1))
        self.assertTrue(self._matches("C<60", created=60 * MINUTE - 1))

    def test_no_topic(self) -> None:
        """A room without a topic matches no time of a topic."""
        self.assertFalse(self._matches("T>0", topic=None))
        self.assertFalse(self._matches("T<999", topic=None))

    def test_masks(self) -> None:
        """Masks and their opposites, folded."""
        for text, found in (
            ("#ch*", True),
            ("#CHA?", True),
            ("*x*", False),
            ("!#ch*", False),
            ("!*x*", True),
            ("!#chan", False),
            ("!#cha", True),
        ):
            self.assertEqual(self._matches(text), found)

    @given(
        st.text(st.sampled_from("ab?*.[\\"), min_size=1, max_size=9),
        st.text(st.sampled_from("ab.[\\"), max_size=9),
    )
    def test_any_mask(self, mask: str, name: str) -> None:
        """A mask matches what the masks of rooms match."""
        self.assertEqual(self._matches(f"!{mask}", name=name), not glob(mask, name))

    def test_slow_mask(self) -> None:
        """A mask of many stars is no more work than a short one."""
        mask = "!" + "*a" * 200 + "b"
        for _ in range(100):
            self.assertTrue(self._matches(mask, name="#" + "a" * 63))

    def test_together(self) -> None:
        """Several conditions, in one parameter or in two, all hold."""
        self.assertTrue(self._matches("#ch*,>2,C>5"))
        self.assertFalse(self._matches("#ch*,>2,C<5"))
        self.assertTrue(self._matches("#chan", ">2"))
        self.assertFalse(self._matches("#chan", ">3"))
        self.assertTrue(self._matches("*n,*c*"))
        self.assertFalse(self._matches("*n,*x*"))

    def test_nonsense(self) -> None:
        """A condition that says no number asks for nothing."""
        for text in (">", "<a", "C>", "C>-1", "T<1.5", "C>9999999999", ">\u0661", "!"):
            self.assertEqual(parse_list([text]).conditions, ())
        for text in (">", "C>", "<x"):
            self.assertEqual(parse_list([text]).rooms, ())

    def test_limits(self) -> None:
        """No more conditions and names are looked at than the limits say."""
        request = parse_list([",".join(["*a*"] * (CONDITION_LIMIT + 2))])
        self.assertEqual(len(request.conditions), CONDITION_LIMIT)
        self.assertEqual(request.dropped, 2)
        names = ",".join(f"#{n}" for n in range(ROOMS_LIMIT + 3))
        request = parse_list([names])
        self.assertEqual(len(request.rooms), ROOMS_LIMIT)
        self.assertEqual(request.dropped, 3)

    @given(st.lists(st.text()), st.text(), st.integers(), st.integers())
    def test_any(self, params: list[str], name: str, users: int, created: int) -> None:
        """Whatever is asked for, rooms match or they do not."""
        request = parse_list(params)
        self.assertIn(request.matches(name, users, created, None, 0), (True, False))


class TimeTests(SynchronousTestCase):
    """Times as IRCv3 writes them."""

    def test_forms(self) -> None:
        """A time is UTC with milliseconds; reading takes other fractions too."""
        self.assertEqual(format_time(1_777_550_400_007), "2026-04-30T12:00:00.007Z")
        for text, time in (
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:01Z", 1000),
            ("1970-01-01T00:00:01.5Z", 1500),
            ("1970-01-01T00:00:01.123456Z", 1123),
            ("2024-02-29T00:00:00.000Z", 1_709_164_800_000),
            ("2016-12-31T23:59:60.000Z", 1_483_228_800_000),
            ("9999-12-31T23:59:60.000Z", 253_402_300_800_000),
        ):
            self.assertEqual(parse_time(text), time)

    def test_nonsense(self) -> None:
        """What is no time is none."""
        for text in (
            "",
            "*",
            "2026-04-30",
            "2026-04-30T12:00:00.000",
            "2026-04-30T12:00:00.000+01:00",
            "2026-02-30T12:00:00.000Z",
            "2026-13-01T12:00:00.000Z",
            "2026-00-01T12:00:00.000Z",
            "2026-01-00T12:00:00.000Z",
            "2026-01-32T12:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-01-01T00:00:61.000Z",
            "1969-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00.000Z",
            "9999-02-30T00:00:00.000Z",
            "2026-04-30T12:00:00.1234567Z",
            "\uff12026-04-30T12:00:00.000Z",
            "2026-04-30T12:00:00.000Z\n",
        ):
            self.assertIsNone(parse_time(text))

    @given(st.integers(0, 253_402_300_799_999))
    def test_round_trip(self, time: int) -> None:
        """A time is read as it was written."""
        self.assertEqual(parse_time(format_time(time)), time)
