"""Tests of L{netsvc.daemon.log_events}: the code and the page are held to the list."""

from __future__ import annotations

import ast
import contextlib
import io
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import netsvc
from netsvc.daemon import log_events
from netsvc.daemon.log_events import EVENTS, document

PACKAGE = Path(netsvc.__file__).parent
PAGE = PACKAGE.parent / "docs" / "logs.md"

#: What Twisted's Logger has, with the level of each.
METHODS = {name: name for name in ("debug", "info", "warn", "error", "critical")}
METHODS["failure"] = "critical"


@dataclass(frozen=True)
class LogCall:
    """A place in the code that logs."""

    where: str
    level: str
    events: frozenset[str]
    fields: frozenset[str]


def _literals(node: ast.expr | None) -> frozenset[str]:
    """Give the texts that an expression may stand for; none if it is no literal."""
    if isinstance(node, ast.IfExp):
        return _literals(node.body) | _literals(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return frozenset({node.value})
    return frozenset()


def _is_logger(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name.lstrip("_") in ("log", "logger")


def log_calls(where: str, source: str) -> Iterator[LogCall]:
    """Find what a module logs."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in METHODS or not _is_logger(node.func.value):
            continue
        given = {each.arg: each.value for each in node.keywords}
        yield LogCall(
            f"{where}:{node.lineno}",
            METHODS[node.func.attr],
            _literals(given.pop("event", None)),
            frozenset(str(name) for name in given),
        )


def all_log_calls() -> list[LogCall]:
    """Find what netsvc logs."""
    return [
        call
        for path in sorted(PACKAGE.rglob("*.py"))
        for call in log_calls(
            str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")
        )
    ]


class ListTests(SynchronousTestCase):
    """The list is about what the code logs."""

    def test_code(self) -> None:
        """Each call names an event of the list, with its level and its fields."""
        problems = []
        for call in all_log_calls():
            if not call.events:
                problems.append(f"{call.where}: no event=")
            for name in call.events:
                event = EVENTS.get(name)
                if event is None:
                    problems.append(f"{call.where}: {name!r} is not in the list")
                elif event.level != call.level:
                    problems.append(f"{call.where}: {name} has level {event.level}")
                elif set(event.fields) != call.fields:
                    problems.append(f"{call.where}: {name} has {set(event.fields)}")
        self.assertEqual(problems, [])

    def test_list(self) -> None:
        """Each event of the list is logged somewhere."""
        used = {name for call in all_log_calls() for name in call.events}
        # This one is made by the observer itself.
        self.assertEqual(set(EVENTS) - used, {"suppressed"})

    def test_finder(self) -> None:
        """The finder sees literals, choices between them, and what is neither."""
        source = (
            'self._log.info("{a}", a=1, event="x" if b else "y")\n'
            "log.failure(text)\n"
            'other.info("no")\n'
        )
        self.assertEqual(
            list(log_calls("m.py", source)),
            [
                LogCall(
                    "m.py:1",
                    "info",
                    frozenset("xy"),
                    frozenset("a"),
                ),
                LogCall("m.py:2", "critical", frozenset(), frozenset()),
            ],
        )

    def test_by(self) -> None:
        """What tells kinds apart is a field of the event."""
        for event in EVENTS.values():
            self.assertLessEqual(set(event.by), set(event.fields), event.name)


class PageTests(SynchronousTestCase):
    """Tests of C{docs/logs.md}."""

    def test_page(self) -> None:
        """The page is what the list makes of itself."""
        self.assertEqual(PAGE.read_text(encoding="utf-8"), document())

    def test_made_by(self) -> None:
        """Running the module makes the page."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            runpy.run_path(log_events.__file__, run_name="__main__")
        self.assertEqual(out.getvalue(), document())
