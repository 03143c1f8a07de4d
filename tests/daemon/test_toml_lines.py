"""Where the keys of a TOML file stand."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.toml_lines import KeyPath, key_lines

TABLES = """\
# a comment = [
[echo]
listen = ["tcp:1", # ]
   "udp:2",
]
idle.timeout = 5

[[balance]]
name = "a"
[[balance]]
"name" = 'b'
  [balance.inner]
  deep = {x = 1, "y z" = [true, 2]}
[ "a.b" . 'c' ]
d = 1
"""

STRINGS = '''\
a = """
[not.a.table]
b = 1 \\"""
""""
c = \'\'\'
\'\' d = 1
\'\'\'\'
e = "\\"#"
f = 'g = "'
h = 1979-05-27 07:32:00
i = [ [1, 2], [ # , ]
  3 ], {}, {j = []} ]
'''


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Give the ways to all values."""
    found = {path} if path else set()
    if isinstance(value, dict):
        return found.union(
            *(paths(inner, (*path, key)) for key, inner in value.items())
        )
    if isinstance(value, list):
        return found.union(
            *(paths(inner, (*path, index)) for index, inner in enumerate(value))
        )
    return found


class KeyLinesTests(SynchronousTestCase):
    """What L{key_lines} finds."""

    def check(self, text: str, expected: dict[KeyPath, int]) -> None:
        """See that all values have lines, and some have these."""
        lines = key_lines(text)
        self.assertEqual(paths(tomllib.loads(text)) - lines.keys(), set())
        self.assertEqual({path: lines[path] for path in expected}, expected)

    def test_tables(self) -> None:
        """Tables, arrays of tables, dotted and quoted keys, and inline tables."""
        self.check(
            TABLES,
            {
                ("echo",): 2,
                ("echo", "listen"): 3,
                ("echo", "listen", 0): 3,
                ("echo", "listen", 1): 4,
                ("echo", "idle", "timeout"): 6,
                ("balance",): 8,
                ("balance", 0): 8,
                ("balance", 1): 10,
                ("balance", 1, "name"): 11,
                ("balance", 1, "inner"): 12,
                ("balance", 1, "inner", "deep", "y z", 1): 13,
                ("a.b", "c", "d"): 15,
            },
        )

    def test_strings(self) -> None:
        """What looks like a key inside a string or a comment is none."""
        self.check(
            STRINGS,
            {
                ("a",): 1,
                ("c",): 5,
                ("e",): 8,
                ("f",): 9,
                ("h",): 10,
                ("i", 0, 1): 11,
                ("i", 1, 0): 12,
                ("i", 3, "j"): 12,
            },
        )

    def test_array_of_tables_of_tables(self) -> None:
        """A table in an array of tables has arrays of tables of its own."""
        text = "[[a]]\n[[a.b]]\n[[a.b]]\nc=1\n[[a]]\n[[a.b]]\nc=2\n"
        self.check(text, {("a", 0, "b", 1, "c"): 4, ("a", 1, "b", 0, "c"): 7})

    def test_line_ends(self) -> None:
        """A line may end with CRLF; the last one need not end."""
        self.check("a = 1\r\n\r\nb = 2", {("a",): 1, ("b",): 3})

    def test_not_toml(self) -> None:
        """In what is not TOML, it finds what comes before."""
        for text in (
            *("]", "[a", "[[a]", "b", "b =", 'b = "', "b = [1", "b = [1 2]"),
            *("b = {c", "b.=1", '"\\x"=1', "[[a]]\n[a]", "b = {c = 1 d = 2}"),
        ):
            lines = key_lines(f"first = 1\n{text}")
            self.assertEqual(lines["first",], 1, text)
        self.assertLess(len(key_lines(f"a = {'[' * 100_000}")), 1000)

    @given(
        st.recursive(
            st.one_of(st.booleans(), st.integers(), st.text()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.text(), inner, max_size=3),
            ),
            max_leaves=12,
        )
    )
    def test_anything(self, value: Any) -> None:
        """Every value in any inline value has a line."""
        text = f"\n\nkey = {_inline(value)}\n"
        try:
            read = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return  # a surrogate
        lines = key_lines(text)
        self.assertEqual(lines, dict.fromkeys(paths(read), 3))


def _inline(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    if isinstance(value, list):
        return f"[{','.join(map(_inline, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_inline(key)} = {_inline(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return str(value)
