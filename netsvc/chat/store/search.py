"""
Words of messages, so that a search finds them.

SQLite's FTS5 finds whole words. Korean joins particles to its words, and Japanese and
Chinese put no spaces between them, so their scripts are indexed as pairs of letters:
C{한글은} is kept as C{한글 글은 은}, and a search for C{한글} finds the first pair.
What is indexed is composed (NFC): some keyboards write Hangul as single letters.

What users search for is quoted: nothing in it is an operator of FTS5, but that a C{*}
at the end of L{MIN_PREFIX} letters or more stands for any ending.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from typing import Final

MAX_WORDS: Final = 8
"""Words of a search that count."""

MAX_WORD: Final = 64
"""Code points of a word that count."""

MIN_PREFIX: Final = 3
"""Letters before a C{*}: the beginnings of fewer are too many to look through."""

_PAIRED: Final = re.compile(
    "["
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Kana
    "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]+"
)

_INSERT: Final = "insert into search (rowid, room, text) values (?, ?, ?)"
_DELETE: Final = (
    "insert into search (search, rowid, room, text) values ('delete', ?, ?, ?)"
)


def indexed(text: str) -> str:
    """Give the words of a text as the index keeps them."""
    if text.isascii():
        return text
    return _PAIRED.sub(_pairs, unicodedata.normalize("NFC", text))


def _pairs(run: re.Match[str]) -> str:
    letters = run[0]
    pairs = (letters[at : at + 2] for at in range(len(letters)))
    return f" {' '.join(pairs)} "


def query(words: str, targets: Iterable[int]) -> str:
    """
    Give the FTS5 query for what a user searches.

    @param words: Words that all have to be there.
    @param targets: Where to search, at least one.
    @return: Empty when there is nothing to search for.
    """
    phrases = [
        phrase
        for phrase in map(_phrase, words.replace("\0", " ").split()[:MAX_WORDS])
        if phrase
    ]
    if not phrases:
        return ""
    rooms = " OR ".join(f"t{target}" for target in targets)
    return f"(room : ({rooms})) AND (text : ({' AND '.join(phrases)}))"


def _phrase(word: str) -> str:
    """Quote one word; empty when nothing in it is ever indexed."""
    word = unicodedata.normalize("NFC", word)
    bare = word.rstrip("*")
    prefix = len(word) > len(bare) >= MIN_PREFIX
    word = bare[:MAX_WORD]
    if not any(map(str.isalnum, word)):
        return ""
    runs = _PAIRED.findall(word)
    text = indexed(word)
    if runs and word.endswith(runs[-1]):
        if len(runs[-1]) > 1:
            # It may go on: without the single letter that ends a run.
            text = text.rstrip()[:-2]
        else:
            prefix = True
    text = text.strip().replace('"', '""')
    return f'"{text}"*' if prefix else f'"{text}"'


def index(connection: sqlite3.Connection, most: int) -> int:
    """
    Index the next messages, in a transaction of the caller's.

    @param most: How many at once.
    @return: How many it were; fewer than C{most} when that was all.
    """
    rows = connection.execute(
        "select seq, target, text from message where seq >"
        " (select value from counter where name = 'indexed') order by seq limit ?",
        (most,),
    ).fetchall()
    if rows:
        connection.executemany(
            _INSERT,
            [(seq, f"t{target}", indexed(text)) for seq, target, text in rows if text],
        )
        connection.execute(
            "update counter set value = ? where name = 'indexed'", (rows[-1][0],)
        )
    return len(rows)


def forget(connection: sqlite3.Connection, seqs: Iterable[int]) -> int:
    """
    Delete messages, and what the index has of them.

    @return: How many it were.
    """
    keys = [(seq,) for seq in seqs]
    if not keys:
        return 0
    unindex(connection, [seq for (seq,) in keys])
    connection.executemany("delete from message where seq = ?", keys)
    # The next message may get the number of a deleted one.
    connection.execute(
        "update counter set value ="
        " min(value, coalesce((select max(seq) from message), 0))"
        " where name = 'indexed'"
    )
    return len(keys)


def unindex(connection: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Take messages out of the index; those that are not in it stay out."""
    known = "select value from counter where name = 'indexed'"
    (last,) = connection.execute(known).fetchone()
    for seq in seqs:
        if seq <= last:
            row = connection.execute(
                "select target, text from message where seq = ?", (seq,)
            ).fetchone()
            if row is not None and row[1]:
                connection.execute(_DELETE, (seq, f"t{row[0]}", indexed(row[1])))
