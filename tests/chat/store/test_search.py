"""Tests of L{netsvc.chat.store.search}: what is found, and what is not."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.store import search
from netsvc.chat.store.history import History
from netsvc.chat.store.search import MAX_WORD, MAX_WORDS, indexed, query
from tests.chat.store.kit import StoreCase, ids, joined, said


class WordTests(SynchronousTestCase):
    """How texts are cut into words."""

    def test_indexed(self) -> None:
        """Korean, Chinese and Japanese are kept in pairs, all else as it is."""
        self.assertEqual(indexed("plain text"), "plain text")
        self.assertEqual(indexed("naïve"), "naïve")
        self.assertEqual(indexed("한글은").split(), ["한글", "글은", "은"])
        self.assertEqual(indexed("IRC는").split(), ["IRC", "는"])
        self.assertEqual(indexed("漢字かな").split(), ["漢字", "字か", "かな", "な"])

    def test_composed(self) -> None:
        """Hangul written as single letters is the same."""
        loose = unicodedata.normalize("NFD", "한글")
        self.assertNotEqual(loose, "한글")
        self.assertEqual(indexed(loose), indexed("한글"))

    def test_query(self) -> None:
        """Words become quoted phrases, all of which have to be there."""
        self.assertEqual(
            query('say "x', [1, 2]),
            '(room : (t1 OR t2)) AND (text : ("say" AND """x"))',
        )
        self.assertEqual(query("- ! \0 *", [1]), "")
        self.assertEqual(query("", [1]), "")

    def test_bounded(self) -> None:
        """Only so many words, and letters of a word, count."""
        self.assertEqual(query("x " * 99, [1]).count('"x"'), MAX_WORDS)
        self.assertIn(f'("{"x" * MAX_WORD}")', query("x" * 999, [1]))


class FindTests(StoreCase):
    """What a search finds in a store."""

    def setUp(self) -> None:
        """Start a store."""
        super().setUp()
        self.store = self.started()
        self.history = History(self.store)

    def keep(self, *texts: str) -> None:
        """Keep messages m0, m1, ..."""
        self.fill(self.store, *(said(n, text) for n, text in enumerate(texts)))

    def found(self, words: str, *rooms: str, limit: int = 50) -> list[str]:
        """Give the msgids of what a search finds."""
        return ids(self.result(self.history.search(rooms or ["#room 0"], words, limit)))

    def test_korean(self) -> None:
        """A word is found with its particle, inside a longer one, and alone."""
        self.keep("오늘 한글은 어렵다", "우리한글을 배우자", "한글", "한국 글", "글한")
        self.assertEqual(self.found("한글"), ["m0", "m1", "m2"])
        self.assertEqual(self.found("한글은"), ["m0"])
        self.assertEqual(self.found("한글 어렵다"), ["m0"])
        self.assertEqual(self.found("한"), ["m0", "m1", "m2", "m3", "m4"])
        self.assertEqual(self.found("은"), ["m0"])
        self.assertEqual(
            self.found(unicodedata.normalize("NFD", "한글")), ["m0", "m1", "m2"]
        )

    def test_laughter(self) -> None:
        """Single letters are found, too."""
        self.keep("ㅋㅋㅋㅋ", "ㅋ")
        self.assertEqual(self.found("ㅋㅋ"), ["m0"])

    def test_mixed(self) -> None:
        """A word of two scripts is found by either part, and as a whole."""
        self.keep("IRC는 좋다", "irc 서버", "한글IRC한글", "漢字を書く")
        self.assertEqual(self.found("irc"), ["m0", "m1", "m2"])
        self.assertEqual(self.found("IRC는"), ["m0"])
        self.assertEqual(self.found("한글irc"), ["m2"])
        self.assertEqual(self.found("글IRC한"), ["m2"])
        self.assertEqual(self.found("국IRC한"), [])
        self.assertEqual(self.found("漢字"), ["m3"])

    def test_latin(self) -> None:
        """Words are found whole, whatever their case and accents."""
        self.keep("Crème brûlée", "cream", "messages", "Ελλάδα")
        self.assertEqual(self.found("creme"), ["m0"])
        self.assertEqual(self.found("BRÛLÉE crème"), ["m0"])
        self.assertEqual(self.found("message"), [])
        self.assertEqual(self.found("ΕΛΛΆΔΑ"), ["m3"])

    def test_beginning(self) -> None:
        """A star at the end stands for any ending, from three letters on."""
        self.keep("messages", "mess")
        self.assertEqual(self.found("mess*"), ["m0", "m1"])
        self.assertEqual(self.found("me*"), [])

    def test_all_words(self) -> None:
        """All words have to be there, in any order."""
        self.keep("one two three", "two one", "one")
        self.assertEqual(self.found("one two"), ["m0", "m1"])

    def test_newest(self) -> None:
        """The newest are given, the oldest of them first."""
        self.keep("x", "x", "x")
        self.assertEqual(self.found("x", limit=2), ["m1", "m2"])

    def test_rooms(self) -> None:
        """Only the rooms that are named are searched."""
        self.fill(
            self.store,
            said(1, "word", "#a 0"),
            said(2, "word", "#b 0"),
            said(3, "word", "#c 0"),
            joined(4, "#a 0"),
        )
        self.assertEqual(self.found("word", "#a 0", "#b 0"), ["m1", "m2"])
        self.assertEqual(self.found("word", "#absent 0"), [])
        self.assertEqual(self.found("t1", "#a 0"), [])
        found = self.result(self.history.search(["#b 0"], "word", 9))
        self.assertEqual(found, [said(2, "word", "#b 0")])

    def test_redacted(self) -> None:
        """What was deleted is not found, whether it was indexed or not."""
        self.keep("한글은 word", "한글은 word")
        self.result(self.history.redact("#room 0", "m1"))
        self.assertEqual(self.found("한글"), ["m0"])
        self.result(self.history.redact("#room 0", "m0"))
        self.assertEqual(self.found("word"), [])
        # The numbers are used again.
        self.keep("new", "word")
        self.assertEqual(self.found("word"), ["m1"])
        self.stop(self.store)
        self.rows("insert into search (search) values ('integrity-check')")

    def test_index_in_background(self) -> None:
        """Messages are indexed when it is quiet, or too many wait."""
        indexed = "select value from counter where name = 'indexed'"
        self.stop(self.store)
        store = self.started(index_rows=2, index_backlog=6, batch=1)
        for number in range(4):
            store.append(said(number))
        for _ in range(4):
            self.workers[-3].turn()
        self.assertEqual(self.rows(indexed), [(0,)])
        store.append(said(4))
        self.workers[-3].turn()
        self.assertEqual(self.rows(indexed), [(2,)])
        self.turn()
        self.assertEqual(self.rows(indexed), [(5,)])

    def test_index_fails(self) -> None:
        """Chat is stored all the same when the index cannot be written."""
        self.connection.execute("drop table search")
        self.fill(self.store, said(1))
        self.assertEqual(self.store.counters.index_failures, 1)
        self.assertIsNone(self.store.degraded)
        self.assertEqual(self.rows("select count(*) from message"), [(1,)])

    @given(st.text(max_size=40))
    def test_any_words(self, words: str) -> None:
        """Nothing that users search for is an error."""
        asked = query(words, [1])
        if asked:
            try:
                asked.encode()
            except UnicodeEncodeError:
                return
            self.connection.execute(
                "select * from search where search match ?", (asked,)
            )

    @given(st.text(st.sampled_from("가나다한글a b"), max_size=12), st.data())
    def test_inside(self, text: str, data: st.DataObject) -> None:
        """Any piece of a Korean word finds it."""
        words = [word for word in text.split() if not word.isascii()]
        if not words:
            return
        word = data.draw(st.sampled_from(words))
        runs = search._PAIRED.findall(word)
        run = data.draw(st.sampled_from(runs))
        start = data.draw(st.integers(0, len(run) - 1))
        piece = run[start : data.draw(st.integers(start + 1, len(run)))]
        self.connection.execute("begin")
        self.connection.execute(
            "insert into search (rowid, room, text) values (1, 't1', ?)",
            (indexed(text),),
        )
        rows = self.connection.execute(
            "select rowid from search where search match ?", (query(piece, [1]),)
        ).fetchall()
        self.connection.execute("rollback")
        self.assertEqual(rows, [(1,)])
