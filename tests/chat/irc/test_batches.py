"""Tests of batches and of labelled answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.batches import (
    LabeledResponse,
    References,
    batch,
    end,
    inside,
    start,
)
from netsvc.chat.irc.message import lines_of, parse

SERVER = "s.x"


class BatchTests(SynchronousTestCase):
    """Lines that belong together."""

    def test_references(self) -> None:
        """No two batches of a connection have the same name."""
        references = References()
        names = [references.new() for _ in range(100)]
        self.assertEqual(len(set(names)), 100)
        self.assertTrue(all(name.isalnum() for name in names))

    def test_lines(self) -> None:
        """A batch has a start with its type, and an end."""
        self.assertEqual(
            start(SERVER, "1", "chathistory", "#c"),
            b":s.x BATCH +1 chathistory #c\r\n",
        )
        self.assertEqual(end(SERVER, "1"), b":s.x BATCH -1\r\n")

    def test_inside(self) -> None:
        """Each line is tagged, before the tags that it has."""
        self.assertEqual(
            inside(b"A\r\n@time=1 B :@batch=\r\n", "7"),
            b"@batch=7 A\r\n@batch=7;time=1 B :@batch=\r\n",
        )

    def test_empty(self) -> None:
        """A batch of nothing is opened and closed."""
        self.assertEqual(
            batch(SERVER, "1", [], "chathistory", "#c"),
            b":s.x BATCH +1 chathistory #c\r\n:s.x BATCH -1\r\n",
        )

    def test_nested(self) -> None:
        """An inner batch has the tag on start and end; its lines keep their own."""
        inner = batch(SERVER, "2", [b"@time=1 A\r\n"], "x")
        self.assertEqual(
            batch(SERVER, "1", [b"B\r\n", inner], "y"),
            b":s.x BATCH +1 y\r\n"
            b"@batch=1 B\r\n"
            b"@batch=1 :s.x BATCH +2 x\r\n"
            b"@batch=2;time=1 A\r\n"
            b"@batch=1 :s.x BATCH -2\r\n"
            b":s.x BATCH -1\r\n",
        )


class LabelTests(SynchronousTestCase):
    """The answer to a labelled command."""

    def _answer(self, *added: bytes, label: str = "L") -> bytes:
        response = LabeledResponse(SERVER, label, lambda: "9")
        data = b"".join(response.add(each) for each in added)
        return data + response.finish()

    def test_nothing(self) -> None:
        """A command without an answer is acknowledged."""
        self.assertEqual(self._answer(), b"@label=L :s.x ACK\r\n")
        self.assertEqual(self._answer(b"", b""), b"@label=L :s.x ACK\r\n")

    def test_one(self) -> None:
        """One line carries the label."""
        self.assertEqual(self._answer(b"@t=1 A\r\n"), b"@label=L;t=1 A\r\n")
        self.assertEqual(self._answer(b"A\r\n", label="a;b"), b"@label=a\\:b A\r\n")

    def test_several(self) -> None:
        """Several lines are a batch, however they came together."""
        whole = (
            b"@label=L :s.x BATCH +9 labeled-response\r\n"
            b"@batch=9 A\r\n@batch=9;t=1 B\r\n@batch=9 C\r\n"
            b":s.x BATCH -9\r\n"
        )
        for added in (
            (b"A\r\n", b"@t=1 B\r\n", b"C\r\n"),
            (b"A\r\n@t=1 B\r\n", b"C\r\n"),
            (b"A\r\n@t=1 B\r\nC\r\n",),
            (b"A\r\n", b"", b"@t=1 B\r\nC\r\n"),
        ):
            self.assertEqual(self._answer(*added), whole)

    def test_nested(self) -> None:
        """A batch in the answer is nested in its batch."""
        inner = batch(SERVER, "2", [b"A\r\n"], "x")
        self.assertEqual(
            self._answer(inner),
            b"@label=L :s.x BATCH +9 labeled-response\r\n"
            b"@batch=9 :s.x BATCH +2 x\r\n"
            b"@batch=2 A\r\n"
            b"@batch=9 :s.x BATCH -2\r\n"
            b":s.x BATCH -9\r\n",
        )

    def test_nothing_large_waits(self) -> None:
        """From the second line on nothing is held back."""
        response = LabeledResponse(SERVER, "L", lambda: "9")
        self.assertEqual(response.add(b"A\r\n"), b"")
        self.assertEqual(response.add(b"B\r\n").count(b"\n"), 3)
        self.assertEqual(response.add(b"C\r\n"), b"@batch=9 C\r\n")

    @given(st.lists(st.integers(0, 3)))
    def test_one_label(self, counts: list[int]) -> None:
        """Exactly one line has the label, and it is the first."""
        data = self._answer(*(b"A\r\n" * count for count in counts))
        labels = []
        for line in lines_of(data):
            message = parse(line[:-2])
            assert message is not None
            labels.append(message.tags.get("label"))
        self.assertEqual(labels, ["L"] + [None] * (len(labels) - 1))
        self.assertEqual(data.count(b"A\r\n"), sum(counts))
