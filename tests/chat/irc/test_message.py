"""Tests of lines of IRC: cut out of a stream, read, and written."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.message import (
    BLANKS,
    BODY_LIMIT,
    LABEL_LIMIT,
    TAGS_LIMIT,
    InvalidUtf8Error,
    LineSplitter,
    LineTooLongError,
    Message,
    MessageError,
    TagsTooLongError,
    build,
    client_tags,
    cut,
    escape,
    fit,
    label_of,
    lines_of,
    parse,
    parse_tags,
    render_tags,
    tagged,
    unescape,
)

#: Text that can be any parameter: no character that ends a line.
_TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
_WORD = _TEXT.filter(lambda word: word and word[0] != ":" and " " not in word)
_TAG = st.from_regex(r"\A\+?([a-z0-9.]+/)?[A-Za-z0-9-]+\Z")


def _read(line: bytes | str) -> Message:
    """Read a line that says something."""
    message = parse(line)
    assert message is not None
    return message


def _feed(chunks: list[bytes]) -> list[bytes]:
    """Feed chunks to a new splitter."""
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)]


class SplitterTests(SynchronousTestCase):
    """Lines are cut out of a stream."""

    def test_ends(self) -> None:
        """LF ends a line, with or without CR; one CR is dropped; empty lines too."""
        self.assertEqual(
            _feed([b"a\r\nb\nc\r\r\n\r\n\n\r\nd\re\nrest"]),
            [b"a", b"b", b"c\r", b"d\re"],
        )

    def test_blanks(self) -> None:
        """Many empty lines at once are some lines, which say nothing."""
        for end in (b"\n", b"\r\n"):
            self.assertEqual(_feed([end * (BLANKS - 1)]), [])
            self.assertEqual(_feed([end * (3 * BLANKS)]), [b""] * 3)
        self.assertIsNone(parse(b""))

    def test_every_split(self) -> None:
        """Wherever a stream is split, its lines are the same."""
        limit = TAGS_LIMIT + BODY_LIMIT - 1
        stream = b"".join(
            (
                b"NICK a\r\n\nUSER a 0 * :\xff\r\r\n",
                b"@" + b"t" * limit + b"\r\n",
                b"x" * (limit - 1) + b"\r\nPING\n",
                b"y" * (limit + 9),
            )
        )
        whole = _feed([stream])
        self.assertEqual(
            [len(line) for line in whole],
            [6, 14, limit + 1, limit - 1, 4, limit + 1],
        )
        for at in range(len(stream) + 1):
            self.assertEqual(_feed([stream[:at], stream[at:]]), whole)
        self.assertEqual(_feed([bytes([byte]) for byte in stream]), whole)

    @given(
        st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"x" * 4600])),
        st.data(),
    )
    def test_any_split(self, parts: list[bytes], data: st.DataObject) -> None:
        """However a stream is split, its lines are the same."""
        stream = b"".join(parts)
        at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        edges = [0, *at, len(stream)]
        chunks = [stream[first:last] for first, last in pairwise(edges)]
        self.assertEqual(_feed(chunks), _feed([stream]))

    def test_endless_line(self) -> None:
        """A line without end is given once, and takes no memory after that."""
        splitter = LineSplitter()
        found = [line for _ in range(100) for line in splitter.feed(b"z" * 1000)]
        self.assertEqual(len(found), 1)
        self.assertRaises(LineTooLongError, parse, found[0])
        self.assertEqual(splitter.feed(b"zz\r\nPING a\r\n"), [b"PING a"])

    def test_endless_tags(self) -> None:
        """Tags without end are given as tags that are too long."""
        (line,) = _feed([b"@" + b"a" * 10_000])
        self.assertRaises(TagsTooLongError, parse, line)

    def test_longest(self) -> None:
        """The longest tags before the longest line make a line that is read."""
        text = b"@" + b"a" * (TAGS_LIMIT - 2) + b" " + b"b" * (BODY_LIMIT - 2) + b"\r\n"
        (line,) = _feed([text])
        self.assertEqual(_read(line).tags, {"a" * (TAGS_LIMIT - 2): ""})
        (line,) = _feed([text.replace(b"bb", b"bbb", 1)])
        self.assertRaises(LineTooLongError, parse, line)


class ParseTests(SynchronousTestCase):
    """Lines are read."""

    def test_forms(self) -> None:
        """All forms of a line give its verb, its parameters and its tags."""
        for line, verb, params in (
            (b"PRIVMSG #c :hello  you", "PRIVMSG", ["#c", "hello  you"]),
            (b"privmsg #c hello", "PRIVMSG", ["#c", "hello"]),
            (b"JOIN :", "JOIN", [""]),
            (b"TOPIC #c :", "TOPIC", ["#c", ""]),
            (b"TOPIC #c ::a :b", "TOPIC", ["#c", ":a :b"]),
            (b"  MODE   #c  +o   a  ", "MODE", ["#c", "+o", "a"]),
            (b"MODE #c   :+o", "MODE", ["#c", "+o"]),
            (b":me!x@y  QUIT  :bye", "QUIT", ["bye"]),
            (b"PING a:b c:", "PING", ["a:b", "c:"]),
            (b"@a=1;b  :src PING :x", "PING", ["x"]),
            ("PRIVMSG #방 :안녕".encode(), "PRIVMSG", ["#방", "안녕"]),
            (b"1 :x", "1", ["x"]),
            (b"\x01\x02", "\x01\x02", []),
        ):
            message = _read(line)
            self.assertEqual((message.verb, message.params), (verb, params))
            self.assertEqual(_read(line.decode()), message)

    def test_nothing(self) -> None:
        """Blank lines, lines with a source or tags alone, and numerics say nothing."""
        for line in (
            b"",
            b"   ",
            b":src",
            b":src  ",
            b"@a=b",
            b"@a :src",
            b"@ ",
            b"001 a :b",
            b":src 433 * a",
            b"\0",
        ):
            self.assertIsNone(parse(line))

    def test_dropped(self) -> None:
        """NUL and CR within a line are dropped, LF too in a text frame."""
        self.assertEqual(_read(b"PRIV\0MSG a :b\r\0c\r").params, ["a", "bc"])
        self.assertEqual(_read("PING :a\nb\r\n").params, ["ab"])

    def test_unicode_spaces(self) -> None:
        """Only the ASCII space parts parameters."""
        message = _read("A b\u3000c\u00a0d\te\x0bf g")
        self.assertEqual(message.params, ["b\u3000c\u00a0d\te\x0bf", "g"])

    def test_tags(self) -> None:
        """Tags are unescaped; the last of a name counts; empty is absent's value."""
        message = _read(b"@a=1;b;c=;a=2;+x.y/z=\\:\\s\\\\\\r\\n\\q\\;bad_name=1;=3;; X")
        self.assertEqual(
            message.tags, {"a": "2", "b": "", "c": "", "+x.y/z": "; \\\r\nq"}
        )
        self.assertEqual(client_tags(message.tags), (("+x.y/z", "; \\\r\nq"),))

    def test_hostile_tag_names(self) -> None:
        """A name that could break a line of tags is no name."""
        for name in ("+", "+a b"[:2] + "\x01", "a,b", "+ä", "a/b/c", "+@a", "a\x1f"):
            self.assertEqual(parse_tags(f"{name}=1"), {})

    def test_too_long(self) -> None:
        """A body of 510 bytes is read, and tags of 4,096; one more is not."""
        body = b"PRIVMSG #c :".ljust(BODY_LIMIT - 2, b"x")
        tags = b"@".ljust(TAGS_LIMIT - 1, b"t") + b" "
        for line in (body, tags + body):
            self.assertEqual(_read(line).verb, "PRIVMSG")
            self.assertEqual(_read(line.decode()).verb, "PRIVMSG")
            self.assertRaises(LineTooLongError, parse, line + b"x")
            self.assertRaises(LineTooLongError, parse, line.decode() + "x")
        self.assertRaises(TagsTooLongError, parse, b"@t" + tags[1:] + body)
        self.assertRaises(TagsTooLongError, parse, b"@" + b"t" * BODY_LIMIT * 9)

    def test_bytes_count(self) -> None:
        """A text frame is measured in bytes."""
        self.assertEqual(_read("가" * 170).params, [])
        self.assertRaises(LineTooLongError, parse, "가" * 171)

    def test_invalid_utf8(self) -> None:
        """A line that is no UTF-8 is refused, with its verb if that can be told."""
        for line, verb in (
            (b"PRIVMSG #c :\xb0\xa1", "PRIVMSG"),
            (b":x topic \xff :a", "TOPIC"),
            (b"@a=\xff PRIVMSG #c :a", "PRIVMSG"),
            (b"PRIV\xffMSG #c", "*"),
            (b"\xff", "*"),
            (b"@\xff", "*"),
            (b"PRIVMSG #c :\xed\xa0\x80", "PRIVMSG"),
            (b"PRIVMSG #c :\xc0\xaf", "PRIVMSG"),
        ):
            error = self.assertRaises(InvalidUtf8Error, parse, line)
            self.assertEqual(error.verb, verb)

    @given(st.binary(max_size=600))
    def test_any_bytes(self, line: bytes) -> None:
        """Any bytes are a message, nothing, or a mistake with a name."""
        try:
            message = parse(line)
        except MessageError:
            return
        if message is not None:
            for param in message.params:
                self.assertTrue({"\r", "\n", "\0"}.isdisjoint(param) or b"\n" in line)

    @given(
        _WORD.filter(lambda word: word[0] not in "@"),
        st.lists(_WORD, max_size=4),
        _TEXT,
        st.dictionaries(_TAG, _TEXT, max_size=3),
    )
    def test_round_trip(
        self, verb: str, middles: list[str], last: str, tags: dict[str, str]
    ) -> None:
        """What is written is read as it was, as far as a line has room."""
        line = build(verb, *middles, last, tags=tags)
        self.assertEqual(line.count(b"\n"), 1)
        self.assertTrue(line.endswith(b"\r\n"))
        if (
            len(line.partition(b" ")[2] if tags else line) < BODY_LIMIT
            and not (len(verb.upper()) == 3 and verb.isdigit())
            and len(render_tags(tags.items()).encode()) < TAGS_LIMIT - 2
        ):
            message = _read(line[:-2])
            self.assertEqual(message.verb, verb.upper())
            self.assertEqual(message.params, [*middles, last])
            self.assertEqual(message.tags, tags)


class LabelTests(SynchronousTestCase):
    """The label of a command."""

    def test_label(self) -> None:
        """A label of at most 64 bytes counts."""
        full = "x" * LABEL_LIMIT
        for label, counts in (
            (full, full),
            (full + "x", None),
            ("가" * 21, "가" * 21),
            ("가" * 22, None),
            ("", None),
        ):
            message = Message("PING", [], {"label": label})
            self.assertEqual(label_of(message), counts)
        self.assertIsNone(label_of(Message("PING", [], {})))


class BuildTests(SynchronousTestCase):
    """Lines are written."""

    def test_forms(self) -> None:
        """The last parameter has a colon if it needs one, and ends the line."""
        for line, text in (
            (build("PING", "a"), b"PING a\r\n"),
            (build("PING", ""), b"PING :\r\n"),
            (build("PING", "a b"), b"PING :a b\r\n"),
            (build("PING", ":a"), b"PING ::a\r\n"),
            (build("ACK", source="s.x"), b":s.x ACK\r\n"),
            (build("A", "b", trailing="c"), b"A b :c\r\n"),
            (build("A", "b", trailing=""), b"A b :\r\n"),
            (build("A", tags={"a": "b c", "d": ""}), b"@a=b\\sc;d A\r\n"),
            (build("A", "", ":b", "c d", "e"), b"A * * * e\r\n"),
        ):
            self.assertEqual(line, text)

    @given(st.text(), st.text(), st.text(), st.text())
    def test_hostile(self, verb: str, middle: str, last: str, tag: str) -> None:
        """Nothing that is written ends a line early or goes beyond its limit."""
        data = build("A" + verb, middle, last, source="s", tags={"t": tag})
        self.assertEqual(data.count(b"\n"), 1)
        self.assertEqual(data.count(b"\r"), 1)
        self.assertTrue(data.endswith(b"\r\n"))
        self.assertNotIn(b"\0", data)
        self.assertLessEqual(len(data.partition(b" ")[2]), BODY_LIMIT)
        self.assertEqual(lines_of(data), [data])

    def test_surrogates(self) -> None:
        """What is no text is written as a question mark."""
        self.assertEqual(build("A", "\udcff", tags={"t": "\ud800"}), b"@t=? A ?\r\n")

    def test_cut_at_code_point(self) -> None:
        """Too long a line is cut between two code points."""
        line = build("PRIVMSG", "#c", "가" * 300)
        self.assertLessEqual(len(line), BODY_LIMIT)
        self.assertGreater(len(line), BODY_LIMIT - 3)
        self.assertEqual(set(line[:-2].decode()[11:]), {"가"})

    @given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-3, 600))
    def test_fit(self, text: str, prefix: int) -> None:
        """A text is shortened to the room behind its prefix, and not more."""
        kept = fit(prefix, text)
        room = max(BODY_LIMIT - 2 - prefix, 0)
        self.assertTrue(text.startswith(kept))
        self.assertLessEqual(len(kept.encode()), room)
        if kept != text:
            self.assertGreater(len(text[: len(kept) + 1].encode()), room)

    def test_cut(self) -> None:
        """Bytes are cut before the code point that does not fit."""
        data = "a가".encode()
        self.assertEqual(
            [cut(data, limit) for limit in (-1, 0, 1, 2, 3, 4)],
            [b"", b"", b"a", b"a", b"a", data],
        )

    def test_tagged(self) -> None:
        """Tags are added before those that a line has."""
        self.assertEqual(tagged(b"A\r\n", ""), b"A\r\n")
        self.assertEqual(tagged(b"A\r\n", "b=c"), b"@b=c A\r\n")
        self.assertEqual(tagged(b"@x A\r\n", "b=c"), b"@b=c;x A\r\n")

    @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    def test_escape(self, value: str) -> None:
        """A value is read as it was written, and ends neither its tag nor the line."""
        self.assertEqual(unescape(escape(value)), value)
        self.assertTrue(set(escape(value)).isdisjoint("; \r\n\0"))
