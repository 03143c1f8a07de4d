"""Configurations as text: what is in force, samples, the reference."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc import tables
from netsvc.cli.check import SAMPLE_RUNS
from netsvc.daemon.options import SettingsOptions
from netsvc.daemon.settings import Settings, settings_of
from netsvc.daemon.settings_text import (
    all_tables,
    allowed,
    effective,
    help_of,
    reference,
    sample,
    with_reference,
)
from netsvc.daemon.toml_types import mismatch
from netsvc.daemon.toml_write import is_set

ROOT = Path(__file__).resolve().parent.parent.parent
ALL = {name: table.settings() for name, table in all_tables(tables.TABLES).items()}

IN_FORCE = """\
[daemon]
workers = 2
[echo]
greeting = "a\\u202e'\\"\\\\"
journal = "credential:journal"
[[balance]]
name = "a"
listen = 'tcp:8000:interface=\\:\\:1'
backend = ["10.0.0.1:80,weight=2", "10.0.0.2:80"]
allow = ["10.0.0.0/8", "unix"]
udp_rate = 5.0e0
[[balance]]
name = "b"
listen = "udp:53"
backend = "srv:_x._udp.example"
total_connection_rate = "3/m:7"
"""


def uncommented(text: str) -> str:
    """Make of every setting that is not in use one that is."""
    return re.sub(r"^#(?! |$)", "", text, flags=re.MULTILINE)


class EffectiveTests(SynchronousTestCase):
    """What L{effective} writes."""

    def test_same(self) -> None:
        """What is in force reads back as the same."""
        text = IN_FORCE.replace("udp_rate = 5.0e0\n", "")
        configuration = tables.parse(text, "a")
        shown = effective(configuration)
        again = tables.parse(shown, "b")
        self.assertEqual(again.daemon, configuration.daemon)
        self.assertEqual(again.entries, configuration.entries)
        self.assertEqual(effective(again), shown)

    def test_comments(self) -> None:
        """Each value has its default beside it."""
        shown = effective(tables.parse("[echo]\nidle_timeout=9\ngreeting='x'", "a"))
        for line in (
            'idle_timeout = "9s"  # default: "5m"',
            'close_timeout = "10s"  # default',
            'greeting = "x"  # default: not set',
            "# journal: not set (the default)",
            "# Timeouts",
        ):
            self.assertIn(f"\n{line}\n", shown)
        balance = effective(tables.parse("[balance]\nbackend='a:1'", "a"))
        self.assertIn('\nbackend = ["a:1"]\n', balance)


class SampleTests(SynchronousTestCase):
    """What L{sample} writes."""

    def test_runs(self) -> None:
        """A sample is a file that can be used as it is."""
        configuration = tables.parse(sample(tables.TABLES, run=SAMPLE_RUNS), "a")
        (entry,) = configuration.entries
        self.assertEqual(entry.settings, ALL[SAMPLE_RUNS]())
        self.assertEqual(configuration.daemon, ALL["daemon"]())

    def test_complete(self) -> None:
        """Each key of each table is there, with a value that it takes."""
        read = tomllib.loads(uncommented(sample(tables.TABLES)))
        self.assertEqual(set(read), set(ALL))
        for name, settings_class in ALL.items():
            self.check(name, settings_class, read[name])
            only = tomllib.loads(uncommented(sample(tables.TABLES, name)))
            self.assertEqual(only, {name: read[name]})

    def check(self, name: str, settings_class: type[Settings], table: Any) -> None:
        """Compare a table of the sample with the class of its settings."""
        values = dict(table[0] if isinstance(table, list) else table)
        if tables.TABLES.get(name) and tables.TABLES[name].several:
            self.assertEqual(values.pop("name"), name)
        declared = {each.key: each for each in settings_of(settings_class)}
        self.assertEqual(set(values), set(declared))
        for key, value in values.items():
            setting = declared[key]
            if setting.default is not MISSING and is_set(setting, setting.default):
                self.assertEqual(setting.check(value), setting.default, key)
            else:
                setting.check(value)
            for one in value if setting.repeat else [value]:
                self.assertEqual(mismatch(setting.kind, one), "")

    def test_short_lines(self) -> None:
        """No line is too long to be read."""
        for line in sample(tables.TABLES).splitlines():
            self.assertLessEqual(len(line), 100)


class ReferenceTests(SynchronousTestCase):
    """What L{reference} writes, and where it stands."""

    maxDiff = None

    def test_shipped(self) -> None:
        """The sample and the page that are shipped say what is so.

        When they do not, scripts/make-configuration makes them anew.
        """
        made = sample(tables.TABLES, run=SAMPLE_RUNS)
        self.assertEqual((ROOT / "deploy/netsvc.toml").read_text(), made)
        page = (ROOT / "docs/configuration.md").read_text()
        self.assertEqual(page, with_reference(page, tables.TABLES))

    def test_options(self) -> None:
        """Each key is an option of the command line, and each option a key."""
        shown = reference(tables.TABLES)
        for name, settings_class in ALL.items():
            section = shown.split(f"## `[{name}]`\n")[1].split("\n## ")[0]
            keys = re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE)
            options = type(
                "Options", (SettingsOptions,), {"settings_class": settings_class}
            )()
            expected = {each.option[2:] for each in settings_of(settings_class)}
            given = {each.rstrip("=") for each in options.longOpt}
            self.assertEqual(given - {"help", "version"}, expected)
            self.assertEqual(
                sorted(keys), sorted(each.key for each in settings_of(settings_class))
            )
            self.assertNotIn("name", keys)

    def test_place(self) -> None:
        """A page without a place for the reference is refused."""
        self.assertRaises(ValueError, with_reference, "# Page\n", tables.TABLES)

    def test_words(self) -> None:
        """Help speaks of keys, not of options, and of what turns things off."""
        for settings_class in ALL.values():
            for setting in settings_of(settings_class):
                self.assertNotIn("--", help_of(setting).replace("'--", ""), setting.key)
        found = {each.key: each for each in settings_of(ALL["chat"])}
        self.assertEqual(
            help_of(found["history"]), "If false: keep nothing of what is said."
        )
        self.assertEqual(allowed(found["history"]), "true or false")
        self.assertEqual(allowed(found["replay"]), "number, 0 to 500, or 0 for none")
        self.assertIn("; one or an array", allowed(found["line"]))
