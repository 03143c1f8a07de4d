"""What the status page shows: filter, figures, charts, tables, HTML."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.admin.document import from_json, status_of, to_json
from netsvc.daemon.admin.filtering import MAX_LENGTH, MAX_WORDS, fits, parse_filter
from netsvc.daemon.admin.history import (
    HEIGHT,
    MAX_LOOKS,
    SPACING,
    SPAN,
    History,
    Look,
    look_at,
)
from netsvc.daemon.admin.page import PIECE, render
from netsvc.daemon.admin.view import SHOWN, Grid, View, is_bite, make_view
from netsvc.daemon.report import Snapshot
from tests.daemon.report_samples import BALANCE, ECHO, HOSTILE, SNAPSHOT, second

ROW = {
    "service": "netsvc-chat",
    "transport": "tcp",
    "peer": "192.0.2.1:5000",
    "local": "127.0.0.1:6667",
    "state": "open",
    "about": "irc Ann",
}


def view(filter: str = "", *snapshots: Snapshot) -> View:
    """Make a view."""
    words = parse_filter(filter)
    return make_view(status_of(snapshots or [SNAPSHOT], True), (), words)


def grid(made: View, id: str) -> Grid:
    """Find a table."""
    return next(each for each in made.grids if each.id == id)


class FilterTests(SynchronousTestCase):
    """L{parse_filter} and L{fits}."""

    def test_words(self) -> None:
        """All words fit, in any column or in the one that is named."""
        for text, wanted in (
            ("", True),
            ("ANN", True),
            ("ann 192.0.2", True),
            ("ann nobody", False),
            ("peer:192.0.2.1", True),
            ("local:192.0.2.1", False),
            ("-state:closing", True),
            ("-state:open", False),
            ("-ann", False),
            ("127.0.0.1:6667", True),
            ("about:", False),
            ("-", True),
        ):
            self.assertIs(fits(parse_filter(text), ROW), wanted, text)

    def test_bounded(self) -> None:
        """Only so many characters and words are looked at."""
        self.assertEqual(len(parse_filter("a " * 1000)), MAX_WORDS)
        (word,) = parse_filter("x" * 1000)
        self.assertEqual(len(word.text), MAX_LENGTH)

    @given(st.text(max_size=60))
    def test_any(self, text: str) -> None:
        """No filter is wrong."""
        self.assertIn(fits(parse_filter(text), ROW), (True, False))


class HistoryTests(SynchronousTestCase):
    """L{History}."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.history = History((0.001, 0.01))

    def add(self, time: float, live: int = 0, accepted: int = 0, **others: Any) -> None:
        """Take a look."""
        look = Look(time, live, accepted, 0, 0.0, (0, 0, 0))
        self.history.add(replace(look, **others))

    def chart(self, id: str) -> Any:
        """Give a chart."""
        return next(each for each in self.history.charts() if each.id == id)

    def test_empty(self) -> None:
        """Without a look the charts are empty."""
        self.assertEqual({each.points for each in self.history.charts()}, {""})

    def test_rates(self) -> None:
        """A rate is what came between two looks; a counter that fell has none."""
        self.add(0, accepted=10, moved=0, cpu=1.0)
        self.add(2, accepted=30, moved=4096, cpu=1.5)
        self.assertEqual(self.chart("accepted").now, "10")
        self.assertEqual(self.chart("moved").now, "2.0 KiB")
        self.assertEqual(self.chart("cpu").now, "25.0 %")
        self.add(3, accepted=0)
        self.assertEqual(self.chart("accepted").now, "0")
        self.assertEqual(self.chart("accepted").top, "10")

    def test_crowded(self) -> None:
        """
        A look just after another one, as a second reader takes it, changes nothing:
        the last rate is not that between two looks at the same figures.
        """
        self.add(0, accepted=1)
        self.add(2, accepted=9)
        self.add(2, accepted=9)
        self.add(2.9, accepted=9)
        self.assertEqual((self.chart("accepted").now, len(self.history)), ("4", 2))
        self.add(3, accepted=12)
        self.assertEqual(self.chart("accepted").now, "3")

    def test_lag(self) -> None:
        """The chart of the lag has the worst bucket that has grown."""
        self.add(0, late=(5, 0, 0))
        self.add(1, late=(9, 1, 0))
        self.assertEqual(self.chart("late").now, "≤ 10 ms")
        self.add(2, late=(9, 1, 1))
        self.assertEqual(self.chart("late").now, "≤ 20 ms")
        self.add(3, late=(9, 1, 1))
        self.assertEqual(self.chart("late").now, "-")
        self.add(4, late=(1,))
        self.assertEqual(self.chart("late").now, "-")

    def test_points(self) -> None:
        """The line ends at the right edge, and stays within the chart."""
        for second_ in range(10):
            self.add(float(second_), live=second_)
        points = [
            tuple(map(float, point.split(",")))
            for point in self.chart("live").points.split()
        ]
        self.assertEqual(points[-1][0], 240)
        self.assertEqual(points, sorted(points, key=lambda point: point[0]))
        self.assertTrue(all(0 <= y <= HEIGHT for _, y in points))

    def test_bounded(self) -> None:
        """Old looks are forgotten, and no more than so many are kept."""
        self.add(0)
        self.add(SPAN + 1)
        self.assertEqual(len(self.history), 1)
        for number in range(MAX_LOOKS + 5):
            self.add(SPAN + number * SPACING)
        self.assertEqual(len(self.history), MAX_LOOKS)

    def test_look(self) -> None:
        """A look adds up all services of all processes."""
        look = look_at([SNAPSHOT, second()], 5.0)
        found = (look.time, look.live, look.accepted, look.moved, look.cpu)
        self.assertEqual(found, (5.0, 6, 14, 8000, 3.0))
        self.assertEqual(look.late, (10, 2, 4))


class DocumentTests(SynchronousTestCase):
    """C{/status.json}."""

    def test_there_and_back(self) -> None:
        """What a program reads is what was written."""
        status = status_of([SNAPSHOT, second()], True)
        data = to_json(status)
        found = from_json(data)
        self.assertEqual(found.services, status.services)
        self.assertEqual(found.workers, status.workers)
        self.assertEqual(data.count(b"\n"), 1)
        self.assertNotIn(b"\x1b", data)

    def test_fields(self) -> None:
        """The fields are those that are documented."""
        found = json.loads(to_json(status_of([SNAPSHOT, second()], False)))
        self.assertEqual((found["schema"], found["ready"]), (1, False))
        self.assertEqual((found["started"], found["time"]), (1000.0, 1100.0))
        self.assertEqual(found["workers"][1]["connections"], 3)
        echo = found["services"][0]
        self.assertEqual((echo["service"], echo["live"]), ("netsvc-echo", 6))
        self.assertEqual(echo["connections"][0]["peer"], "192.0.2.1:5000")

    def test_refused(self) -> None:
        """Another schema, and what is no status, is refused."""
        for data in (b"", b"[]", b"{}", b'{"schema": 2}', b'{"schema": 1}', b"\xff"):
            self.assertRaises(ValueError, from_json, data)


class ViewTests(SynchronousTestCase):
    """L{make_view}."""

    def test_figures(self) -> None:
        """The head has the figures of all processes."""
        found = {each.id: each.text for each in view("", SNAPSHOT, second()).figures}
        self.assertEqual(
            found,
            {
                "uptime": "1m40s",
                "connections": "6",
                "cpu-time": "3.0s",
                "memory": "2.0 MiB",
                "descriptors": "40",
                "reloads": "2, 4 failed",
                "log-errors": "8",
            },
        )

    def test_services(self) -> None:
        """A service's traffic stands in its row; what is not counted is a dash."""
        echo, balance = grid(view(), "services").rows
        self.assertEqual(echo[:4], ("netsvc-echo", "3 of 10,000", "7", "2"))
        self.assertEqual(echo[4:], ("2.9 KiB", "1.0 KiB", "30 B", "-"))
        self.assertEqual(balance[:5], ("netsvc-balance/web", "0", "-", "-", "-"))

    def test_own_table(self) -> None:
        """A service's table is shown with the units that its headings name."""
        backends = grid(view(), "netsvc-balance-web-backends")
        self.assertEqual(backends.title, "Backends of netsvc-balance/web")
        self.assertEqual(
            [(each.title, each.kind) for each in backends.columns],
            [
                ("Backend", "text"),
                ("State", "state"),
                ("For", "number"),
                ("In", "number"),
                ("RTT", "number"),
                ("Sessions", "number"),
            ],
        )
        self.assertEqual(
            backends.rows[0], ("a", "up", "1m15s", "2.0 KiB", "1.2 ms", "4")
        )
        self.assertEqual(backends.rows[1][4], "-")

    def test_empty_table(self) -> None:
        """A table without rows says so."""
        empty = replace(BALANCE.tables[0], rows=(), total=0)
        only = replace(SNAPSHOT, services=(replace(BALANCE, tables=(empty,)),))
        made = grid(view("", only), "netsvc-balance-web-backends")
        self.assertEqual((made.rows, made.note), ((), "None."))

    def test_bites(self) -> None:
        """Limits that bit are listed, those that did not are not."""
        rows = grid(view(), "limits").rows
        self.assertEqual(rows, (("netsvc-echo", "refused-max-connections", "2"),))
        only = replace(SNAPSHOT, services=(BALANCE,))
        self.assertEqual(grid(view("", only), "limits").note, "None so far.")
        self.assertFalse(is_bite("connections"))
        self.assertTrue(is_bite("store-queue-full"))

    def test_connections(self) -> None:
        """Connections are listed by the filter; the note says how many there are."""
        self.assertEqual(len(grid(view(), "connections").rows), 3)
        closing = grid(view("state:closing"), "connections")
        self.assertEqual(closing.rows[0][2], "[2001:db8::1]:5001")
        self.assertEqual(closing.note, "1 of 3 fit the filter, 1 shown.")

    def test_many_connections(self) -> None:
        """Only so many are shown, and what is said of the others is true."""
        many = replace(ECHO, connections=ECHO.connections * 100, live=500)
        made = grid(view("", replace(SNAPSHOT, services=(many,))), "connections")
        self.assertEqual(len(made.rows), SHOWN)
        self.assertEqual(
            made.note, "200 of 500 shown. Only the newest 300 can be listed."
        )

    def test_strangers_text(self) -> None:
        """No control or bidirectional character of a stranger is in a cell."""
        made = grid(view("state:closing"), "connections").rows[0][-1]
        self.assertIn("\\x1b[2J\\u202e", made)
        self.assertTrue(made.isprintable())

    def test_long_cell(self) -> None:
        """A long text is cut."""
        connection = replace(ECHO.connections[0], what="x" * 500)
        only = replace(SNAPSHOT, services=(replace(ECHO, connections=(connection,)),))
        cell = grid(view("", only), "connections").rows[0][-1]
        self.assertEqual(len(cell), 80)
        self.assertTrue(cell.endswith("…"))

    def test_plain(self) -> None:
        """The live update has the same texts, and no more rows than asked for."""
        made = view()
        found = made.plain()
        self.assertEqual(
            found["grids"]["services"]["rows"], grid(made, "services").rows
        )
        self.assertEqual(made.plain(0)["grids"]["services"]["rows"], ())
        json.dumps(found)


class Reader(HTMLParser):
    """Reads a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Take an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text += data + " "


class PageTests(SynchronousTestCase):
    """L{render}."""

    def page(self, made: View | None = None, filter: str = "") -> str:
        """Render a page at once."""
        pause = lambda: succeed("")  # noqa: E731
        rendering = render(made or view(), "host", filter, pause)
        return self.successResultOf(rendering).decode()

    def read(self, *arguments: Any) -> Reader:
        """Render and read a page."""
        reader = Reader()
        reader.feed(self.page(*arguments))
        return reader

    def test_without_script(self) -> None:
        """Everything is in the page itself; the script only keeps it up to date."""
        reader = self.read()
        for text in ("ready", "netsvc-echo", "192.0.2.1:5000", "Backends of", "1m40s"):
            self.assertIn(text, reader.text)
        self.assertNotIn("refresh", self.page())

    def test_nothing_inline(self) -> None:
        """There is no inline script, style or handler, and nothing from elsewhere."""
        page = self.page()
        self.assertNotRegex(page, r"<style| style=| on[a-z]+=|https?://")
        self.assertEqual(re.findall(r"<script[^>]*>([^<]*)</script>", page), [""])

    def test_escaped(self) -> None:
        """What a stranger says, or types as a filter, is text and no HTML."""
        page = self.page(view(), HOSTILE)
        self.assertNotIn("<script>alert", page)
        self.assertIn("&lt;script&gt;alert", page)

    def test_accessible(self) -> None:
        """Tables have headings with a scope and names, ids are there once."""
        reader = self.read()
        headings = [each for tag, each in reader.elements if tag == "th"]
        self.assertTrue(all(each.get("scope") == "col" for each in headings))
        ids = [each["id"] for _, each in reader.elements if "id" in each]
        self.assertEqual(sorted(ids), sorted(set(ids)))
        named = [
            each["aria-labelledby"] for tag, each in reader.elements if tag == "table"
        ]
        self.assertTrue(named)
        self.assertTrue(set(named) <= set(ids))
        (document,) = (each for tag, each in reader.elements if tag == "html")
        self.assertEqual(document["lang"], "en")

    def test_states(self) -> None:
        """A state is in the text, and for the style sheet."""
        states = {
            each["data-state"]
            for _, each in self.read().elements
            if "data-state" in each
        }
        self.assertEqual(states, {"ready", "up", "down", "open", "closing"})

    def test_pauses(self) -> None:
        """Between pieces of a long table others have their turn."""
        many = replace(ECHO, connections=ECHO.connections * 50)
        made = view("", replace(SNAPSHOT, services=(many,)))
        waiting: list[Deferred[str]] = []

        def pause() -> Deferred[str]:
            waiting.append(Deferred())
            return waiting[-1]

        rendering = render(made, "host", "", pause)
        for place in range(150 // PIECE):
            self.assertNoResult(rendering)
            self.assertEqual(len(waiting), place + 1)
            waiting[-1].callback("")
        self.assertIn(b"</html>", self.successResultOf(rendering))
