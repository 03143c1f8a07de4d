"""The status as a table."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.balance.backend import Backend
from netsvc.balance.backends import parse_backend
from netsvc.balance.policy import make_policy
from netsvc.balance.pool import Pool
from netsvc.balance.status_table import format_age, format_bytes, format_status
from tests.balance.control_fakes import POOL, ROW


class FigureTests(SynchronousTestCase):
    """Figures for people."""

    def test_bytes(self) -> None:
        """Three digits or so, in the unit that fits."""
        for number, shown in (
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1023 * 1024, "1.0 MiB"),
            (10 * 1024**3, "10.0 GiB"),
            (10**20, "86.7 EiB"),
            (10**22, "-"),
            (None, "-"),
            (True, "-"),
            (float("nan"), "-"),
            (float("inf"), "-"),
            ("1", "-"),
        ):
            self.assertEqual(format_bytes(number), shown)

    def test_age(self) -> None:
        """Two units at most; a clock that was set back is now."""
        for seconds, shown in (
            (-1, "0.0s"),
            (0, "0.0s"),
            (9.94, "9.9s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (60, "1m"),
            (200, "3m20s"),
            (3600, "1h"),
            (7500, "2h5m"),
            (86400, "1d"),
            (100 * 86400 + 4 * 3600, "100d4h"),
            (None, "-"),
        ):
            self.assertEqual(format_age(seconds), shown)


class TableTests(SynchronousTestCase):
    """Lines and columns."""

    maxDiff = None

    def test_table(self) -> None:
        """A line for the pool, one for each backend, columns aligned."""
        expected = """\
POOL     BACKEND        ADDRESS           STATE  SINCE  LAST CHECK                      WEIGHT  NOW  MAX  TOTAL  RATE  QUEUE     IN      OUT  ERRORS
default  (leastconn)    1/2 available     -          -  -                                    -    3    -   1300   5/s      4  999 B  1.5 MiB  queue-full=7
default  web1           10.0.0.1:80       up     3m20s  ok in 1.2 ms, 0.4s ago               2    3  100   1234   5/s      -  999 B  1.5 MiB  refused=2 early-reset=1
default  web2 (backup)  [2001:db8::2]:80  down   1h6m   connection refused, 1m1s ago         2    3    -   1234   5/s      -  999 B  1.5 MiB  refused=2 early-reset=1"""  # noqa: E501 - a table is as wide as it is
        shown = format_status([POOL]).splitlines()
        self.assertEqual(
            [line.split() for line in shown],
            [line.split() for line in expected.splitlines()],
        )
        for heading in ("BACKEND", "ADDRESS", "STATE", "LAST CHECK", "ERRORS"):
            column = shown[0].index(heading)
            self.assertEqual({line[column - 1] for line in shown}, {" "})
            self.assertNotIn(" ", {line[column] for line in shown})
        for heading in (
            "SINCE",
            "WEIGHT",
            "NOW",
            "MAX",
            "TOTAL",
            "RATE",
            "QUEUE",
            "IN",
            "OUT",
        ):
            end = shown[0].index(f" {heading} ") + len(heading)
            self.assertNotIn(" ", {line[end] for line in shown}, heading)

    def test_slow_start(self) -> None:
        """While a backend warms up, what its weight counts for now is shown."""
        for state, effective, shown in (
            ("up", 0.5, "0.5/2"),
            ("up", 2.0, "2"),
            ("drain", 0.0, "2"),
        ):
            row = {**ROW, "state": state, "effective_weight": effective}
            line = format_status([{**POOL, "backends": [row]}]).splitlines()[-1]
            self.assertIn(shown, line.split())

    def test_checks(self) -> None:
        """The last check says when it was, and what came of it."""
        for check, shown in (
            (None, "-  "),
            ({"passed": True, "age": 1}, "ok, 1.0s ago"),
            ({"passed": False, "detail": "", "age": 1}, "failed, 1.0s ago"),
            ({"passed": True, "detail": "200", "age": 1}, "200, 1.0s ago"),
        ):
            pool = {**POOL, "backends": [{**ROW, "check": check}]}
            self.assertIn(f"  {shown}", format_status([pool]))

    def test_colours(self) -> None:
        """Colours mark states and move nothing."""
        states = ("up", "down", "ejected", "drain", "unchecked")
        rows = [{**ROW, "state": state} for state in states]
        pools = [{**POOL, "backends": rows}]
        plain, coloured = format_status(pools), format_status(pools, colours=True)
        for state, number in zip(states, (32, 31, 31, 33, 33), strict=True):
            self.assertIn(f"\x1b[{number}m{state:9}\x1b[0m", coloured)
        for code in (0, 1, 31, 32, 33):
            coloured = coloured.replace(f"\x1b[{code}m", "")
        self.assertEqual(coloured, plain)

    def test_nothing(self) -> None:
        """Without pools there are the headings; without a name there is a dash."""
        self.assertEqual(len(format_status([]).splitlines()), 1)
        lines = format_status([{**POOL, "name": "", "backends": []}]).splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[1].startswith("-  "))

    def test_strangers(self) -> None:
        """Control characters are made visible, and long text is cut."""
        check = {"passed": False, "detail": "\x1b]0;x\x07" + "y" * 100, "age": 0}
        text = format_status([{**POOL, "backends": [{**ROW, "check": check}]}])
        self.assertNotIn("\x1b", text)
        self.assertIn(r"\x1b]0;x\x07yyy", text)
        self.assertIn("y…", text)
        self.assertNotIn("y" * 60, text)

    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from([*POOL, *ROW]),
                st.recursive(
                    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
                    lambda inner: (
                        st.lists(inner, max_size=2)
                        | st.dictionaries(st.sampled_from([*ROW]), inner, max_size=3)
                    ),
                    max_leaves=5,
                ),
                max_size=4,
            ),
            max_size=3,
        )
    )
    def test_other_versions(self, pools: list[dict[str, Any]]) -> None:
        """Figures that are not there, or are no figures, do no harm."""
        text = format_status([*pools, {"backends": pools}])
        self.assertEqual(len({len(line) > 0 for line in text.splitlines()}), 1)

    def test_pool(self) -> None:
        """What a pool says fits the table."""
        spec = parse_backend("10.0.0.1:80,name=web1,weight=3")
        pool = Pool("www", make_policy("first", lambda: 0.5), [spec], now=0.0)
        backend: Backend = pool.backends[0]
        backend.check_passed(1.0, "200 OK", 0.002)
        lines = format_status([pool.status(4.0)]).splitlines()
        self.assertEqual(lines[1].split()[:4], ["www", "(first)", "1/1", "available"])
        self.assertIn("up", lines[2].split())
        self.assertIn("200 OK in 2.0 ms, 3.0s ago", lines[2])
