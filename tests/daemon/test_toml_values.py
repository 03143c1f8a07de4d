"""Values of settings as TOML, and what is said of values of other types."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.credentials import UNIT_DIRECTORY
from netsvc.daemon.kinds import Choice, FilePath, Flag, Kind, Parsed, Text
from netsvc.daemon.listen import parse_listen
from netsvc.daemon.quantities import Count, Duration, RateLimit, Size
from netsvc.daemon.settings import Setting
from netsvc.daemon.toml_types import mismatch, type_name
from netsvc.daemon.toml_write import is_set, quote, show

KINDS: tuple[Kind[Any], ...] = (
    *(Text(99), Choice("a", "b"), Flag(), FilePath(), Count(0), Size(0)),
    *(Duration(0), RateLimit(), Parsed("ENDPOINT", parse_listen)),
)


def declared(kind: Kind[Any], default: Any = None, repeat: bool = False) -> Setting:
    """Make a setting."""
    return Setting(key="key", kind=kind, default=default, help="", repeat=repeat)


class WriteTests(SynchronousTestCase):
    """What L{show} and L{quote} write."""

    def check(self, kind: Kind[Any], given: object, expected: str) -> None:
        """See how a value is written, and that it is read as the same."""
        value = kind.check(given)
        shown = show(declared(kind), value)
        self.assertEqual(shown, expected)
        read = tomllib.loads(f"key = {shown}")["key"]
        self.assertEqual(mismatch(kind, read), "")
        self.assertEqual(kind.check(read), value)

    def test_values(self) -> None:
        """Each kind is written in its own way, and reads back."""
        self.check(Flag(), True, "true")
        self.check(Flag(), False, "false")
        self.check(Count(1, zero_means="none"), "none", "0")
        self.check(Size(0), 65536, '"64k"')
        self.check(Duration(0, zero_means="never"), 0, '"never"')
        self.check(Duration(0), 300, '"5m"')
        self.check(RateLimit(), 0, '"off"')
        self.check(RateLimit(), "100/s:5", '"100/s:5"')
        self.check(Choice("a", "b"), "b", '"b"')
        self.check(FilePath(), "/a b", '"/a b"')
        self.check(FilePath(), "credential:key", '"credential:key"')
        listen = r"tcp:1:interface=\:\:1"
        self.check(Parsed("ENDPOINT", parse_listen), listen, f"'{listen}'")

    def test_arrays(self) -> None:
        """An array has a line, or one for each value where it would be too long."""
        several = declared(Text(99), (), repeat=True)
        self.assertEqual(show(several, ()), "[]")
        self.assertEqual(show(several, ("a", "b")), '["a", "b"]')
        values = ("x" * 40, "y" * 40)
        shown = show(several, values, "key")
        self.assertEqual(shown.count("\n"), 3)
        self.assertEqual(tomllib.loads(f"key = {shown}"), {"key": list(values)})

    def test_not_set(self) -> None:
        """Only what has no value at all is not set."""
        self.assertFalse(is_set(declared(Text(9)), None))
        self.assertTrue(is_set(declared(RateLimit()), None))
        self.assertTrue(is_set(declared(Text(9), (), repeat=True), ()))

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_any_text(self, text: str) -> None:
        """Any text reads back, and nothing in it can harm a terminal."""
        shown = quote(text)
        self.assertTrue(shown.isprintable())
        self.assertEqual(tomllib.loads(f"key = {shown}"), {"key": text})


class MismatchTests(SynchronousTestCase):
    """What is said of a value of the wrong type."""

    def test_tables(self) -> None:
        """No kind takes a table, an array or a date."""
        read = tomllib.loads("a = {}\nb = []\nc = 1979-05-27\nd = 07:32:00\n")
        for kind in KINDS:
            for value in read.values():
                self.assertIn(" stands where ", mismatch(kind, value))

    def test_flags(self) -> None:
        """A flag takes true and false, and nothing like it."""
        self.assertEqual(mismatch(Flag(), True), "")
        self.assertIn("not true or false", mismatch(Flag(), 1))
        self.assertIn("without quotes", mismatch(Flag(), "true"))
        self.assertNotIn("without quotes", mismatch(Flag(), "yes"))
        for kind in KINDS:
            if not isinstance(kind, Flag):
                self.assertIn("true is a truth value, not", mismatch(kind, True))

    def test_strings(self) -> None:
        """A number is no string."""
        for value in (7007, 1.5):
            self.assertIn("write it in quotes", mismatch(Text(9), value))
            self.assertEqual(mismatch(Duration(0), value), "")
        self.assertIn("7007 is an integer", mismatch(FilePath(), 7007))
        self.assertIn("1.5 is a float", mismatch(FilePath(), 1.5))

    def test_names(self) -> None:
        """Everything that there is in TOML has a name; other things, too."""
        self.assertEqual(type_name("x"), "a string")
        self.assertEqual(type_name(b"x"), "a bytes")


class CredentialTests(SynchronousTestCase):
    """Files by the name of a credential."""

    def test_directory(self) -> None:
        """A credential is a file in the directory that systemd gives."""
        self.patch_environment("/run/credentials/x.service")
        path = FilePath().parse("credential:key.pem")
        self.assertEqual(path, Path("/run/credentials/x.service/key.pem"))
        self.assertEqual(FilePath().format(path), "credential:key.pem")
        self.assertEqual(FilePath().format(Path("/etc/key.pem")), "/etc/key.pem")

    def test_outside(self) -> None:
        """Outside of a unit, it is where the unit would have it."""
        self.patch_environment("")
        path = FilePath().parse("credential:key")
        self.assertEqual(path, UNIT_DIRECTORY / "key")
        self.assertEqual(FilePath().format(path), "credential:key")

    def test_names(self) -> None:
        """A name cannot lead out of the directory."""
        for name in ("", "..", "../x", "a/b", ".hidden", "x" * 256, "a b"):
            error = self.assertRaises(
                ValueError, FilePath().parse, f"credential:{name}"
            )
            self.assertIn("is not credential:NAME", str(error))

    def patch_environment(self, directory: str) -> None:
        """Set the directory for the time of a test."""
        changed = {**os.environ, "CREDENTIALS_DIRECTORY": directory}
        self.patch(os, "environ", changed)
