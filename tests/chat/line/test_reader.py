"""Tests of L{netsvc.chat.line.reader}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.charset import CP949, UTF8
from netsvc.chat.line.reader import LINE_LIMIT, TOO_LONG, LineReader

streams = st.lists(st.sampled_from(b"aabc\n\xea\xb0\x80")).map(bytes)


def run(*pieces: bytes, limit: int = 5) -> list[bytes | None]:
    """Feed a new reader; give all lines and what is left at the end."""
    reader = LineReader(limit)
    lines = [line for piece in pieces for line in reader.feed(piece)]
    return [*lines, reader.finish()]


class FeedTests(SynchronousTestCase):
    """Tests of L{LineReader.feed}."""

    def test_lines(self) -> None:
        """Each line comes when it has ended."""
        reader = LineReader()
        self.assertEqual(reader.feed(b"one\ntwo\nth"), [b"one", b"two"])
        self.assertEqual(reader.feed(b"ree"), [])
        self.assertEqual(reader.feed(b"\n"), [b"three"])
        self.assertFalse(reader.pending)

    def test_empty(self) -> None:
        """Empty lines are left out; those of spaces are not."""
        self.assertEqual(LineReader().feed(b"\n\na\n\n \n"), [b"a", b" "])
        self.assertEqual(LineReader().feed(b""), [])

    def test_ends_lines(self) -> None:
        """It is known whether the client ends its lines."""
        reader = LineReader()
        reader.feed(b"hi")
        self.assertFalse(reader.ends_lines)
        reader.feed(b"\n")
        self.assertTrue(reader.ends_lines)

    def test_limit(self) -> None:
        """A line of the limit is read; a longer one is dropped, and told once."""
        reader = LineReader()
        fits = b"x" * LINE_LIMIT
        self.assertEqual(reader.feed(fits + b"\n"), [fits])
        self.assertEqual(reader.feed(fits), [])
        self.assertEqual(reader.feed(b"x"), [TOO_LONG])
        self.assertTrue(reader.pending)
        self.assertEqual(reader.feed(fits), [])
        self.assertEqual(reader.feed(b"x\nnext\n"), [b"next"])
        self.assertEqual(reader.feed(fits + b"x\n\nnext\n"), [TOO_LONG, b"next"])
        self.assertEqual(reader.too_long, 2)

    def test_everywhere(self) -> None:
        """A stream split at any position, and one byte at a time, means the same."""
        stream = "one\n\n123456789\n안\n12345\n123456\nend".encode()
        whole = run(stream)
        self.assertEqual(
            whole,
            [b"one", TOO_LONG, "안".encode(), b"12345", TOO_LONG, b"end"],
        )
        for position in range(len(stream) + 1):
            self.assertEqual(run(stream[:position], stream[position:]), whole)
        self.assertEqual(run(*(bytes([byte]) for byte in stream)), whole)

    @given(streams, st.integers(1, 6), st.data())
    def test_anything(self, stream: bytes, limit: int, data: st.DataObject) -> None:
        """So does any stream in any pieces, and it is what splitting it gives."""
        expected: list[bytes | None] = []
        for line in stream.split(b"\n")[:-1]:
            if line:
                expected.append(line if len(line) <= limit else TOO_LONG)
        last = stream.split(b"\n")[-1]
        if len(last) > limit:
            expected += [TOO_LONG, None]
        else:
            expected.append(last or None)
        position = data.draw(st.integers(0, len(stream)))
        pieces = stream[:position], stream[position:]
        self.assertEqual(run(*pieces, limit=limit), expected)
        single = (bytes([byte]) for byte in stream)
        self.assertEqual(run(*single, limit=limit), expected)


class FlushTests(SynchronousTestCase):
    """Tests of L{LineReader.flush} and L{LineReader.finish}."""

    def setUp(self) -> None:
        """Make a reader."""
        self.reader = LineReader()

    def test_nothing(self) -> None:
        """Where nothing is, nothing is given."""
        self.assertIsNone(self.reader.flush())
        self.assertIsNone(self.reader.finish())
        self.assertFalse(self.reader.pending)

    def test_no_line_end(self) -> None:
        """What a client sent without an end is a line, in each encoding."""
        for line in (b"hi", "안녕".encode(), "안녕".encode("cp949"), b"\xff\xff"):
            for encoding in (UTF8, CP949):
                self.assertEqual(self.reader.feed(line), [])
                self.assertTrue(self.reader.pending)
                self.assertEqual(self.reader.flush(encoding), line)
                self.assertFalse(self.reader.pending)

    def test_line_end_later(self) -> None:
        """An LF that comes after all makes no other line."""
        self.reader.feed(b"hi")
        self.reader.flush()
        self.assertEqual(self.reader.feed(b"\nho\n"), [b"ho"])

    def test_split_character(self) -> None:
        """A character of which a part is missing is waited for."""
        for encoding in (UTF8, CP949):
            line = "a안녕".encode(encoding)
            for position in range(1, len(line)):
                whole = True
                try:
                    line[:position].decode(encoding)
                except UnicodeDecodeError:
                    whole = False
                self.reader.feed(line[:position])
                first = self.reader.flush(encoding)
                if whole:
                    self.assertEqual(first, line[:position])
                    continue
                self.assertIsNone(first)
                self.assertTrue(self.reader.pending)
                self.reader.feed(line[position:])
                self.assertEqual(self.reader.flush(encoding), line)

    def test_undecided(self) -> None:
        """Before the encoding is known, CP949 is waited for as well."""
        line = "안녕".encode("cp949")
        self.reader.feed(line[:3])
        self.assertIsNone(self.reader.flush(UTF8))
        self.reader.feed(line[3:])
        self.assertEqual(self.reader.flush(UTF8), line)

    def test_waits_once(self) -> None:
        """A character that is never completed is given the second time."""
        cut = "안녕".encode()[:-1]
        self.reader.feed(cut)
        self.assertIsNone(self.reader.flush())
        self.assertEqual(self.reader.flush(), cut)
        self.reader.feed(cut)
        self.assertIsNone(self.reader.flush())

    def test_waits_again(self) -> None:
        """What comes in between is waited for again."""
        self.reader.feed("안녕".encode()[:-2])
        self.assertIsNone(self.reader.flush())
        self.reader.feed("녕".encode()[1:2])
        self.assertIsNone(self.reader.flush())
        self.assertEqual(self.reader.flush(), "안녕".encode()[:-1])

    def test_after_too_long(self) -> None:
        """After a line that was too long and a pause, a new line begins."""
        self.assertEqual(self.reader.feed(b"x" * (LINE_LIMIT + 1)), [TOO_LONG])
        self.assertTrue(self.reader.pending)
        self.assertIsNone(self.reader.flush())
        self.assertFalse(self.reader.pending)
        self.reader.feed(b"hi")
        self.assertEqual(self.reader.flush(), b"hi")

    def test_finish(self) -> None:
        """At the end of the stream the last line counts, whole or not."""
        for line in (b"bye", "안녕".encode()[:-1]):
            self.reader.feed(b"one\n" + line)
            self.assertEqual(self.reader.finish(), line)
            self.assertIsNone(self.reader.finish())

    @given(st.lists(st.binary(max_size=9)), st.sampled_from([UTF8, CP949]))
    def test_anything(self, pieces: list[bytes], encoding: str) -> None:
        """Nothing is lost and nothing is made up, whenever it is flushed."""
        reader = LineReader(10_000)
        got = []
        for piece in pieces:
            got += reader.feed(piece)
            got.append(reader.flush(UTF8 if encoding == UTF8 else CP949))
        got.append(reader.finish())
        joined = b"".join(line for line in got if line)
        self.assertEqual(joined, b"".join(pieces).replace(b"\n", b""))
