"""Which tables there are, and how a file is read."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc import services, tables
from netsvc.daemon.configuration import DAEMON, NAME, ConfigurationError
from netsvc.daemon.service_settings import ServiceSettings
from netsvc.daemon.settings import settings_of
from netsvc.daemon.toml_read import MAX_TEXT


class TablesTests(SynchronousTestCase):
    """The list of the tables."""

    def test_services(self) -> None:
        """Each service that can be run alone has a table, and no other has."""
        names = {each.tapname.removeprefix("netsvc-") for each in services.ALL}
        self.assertEqual(set(tables.SERVICES), names - {"netsvc"})
        self.assertEqual(set(tables.TABLES), set(tables.SERVICES))
        self.assertNotIn(DAEMON, tables.TABLES)

    def test_classes(self) -> None:
        """The classes of each table are there, and no key is taken."""
        for table in tables.SERVICES:
            settings_class = tables.settings_class(table)
            self.assertTrue(issubclass(settings_class, ServiceSettings) or table)
            keys = [setting.key for setting in settings_of(settings_class)]
            self.assertNotIn(NAME, keys)
            self.assertIn("drain_timeout", keys)
            service = tables.service_class(table).service
            self.assertEqual(service, f"netsvc-{table}")

    def test_about(self) -> None:
        """What each is is said in a sentence."""
        for table in tables.TABLES.values():
            self.assertRegex(table.about, r"^[A-Z].*\.$")


class ParseTests(SynchronousTestCase):
    """What L{tables.parse} adds to reading a text."""

    def test_relay(self) -> None:
        """A relay that uses a chat's rooms has no settings of rooms of its own."""
        text = '[relay]\nlobby = "#a"\ndrain_timeout = 1\n'
        self.assertEqual(tables.parse(text, "f").entries[0].settings.lobby, "#a")
        error = self.assertRaises(
            ConfigurationError, tables.parse, f"{text}[chat]\n", "f"
        )
        problem = "f:2: relay.lobby: stands in [chat], whose rooms the relay uses"
        self.assertEqual(str(error), problem)

    def test_shared_files(self) -> None:
        """Two services do not write the same file."""
        text = "".join(
            f"[[echo]]\nname = '{name}'\nlisten = 'tcp:0'\njournal = '{file}'\n"
            for name, file in (("a", "/a"), ("b", "/b"), ("c", "/a"))
        )
        error = self.assertRaises(ConfigurationError, tables.parse, text, "f")
        problem = "f:12: echo.c.journal: '/a' is taken: echo.a.journal in line 4"
        self.assertEqual(str(error), f"{problem} writes it")
        tables.parse("[chat]\nstore=':memory:'\n[echo]\njournal=':memory:'", "f")


class LoadTests(SynchronousTestCase):
    """How L{tables.load} reads a file."""

    def setUp(self) -> None:
        """Name a file."""
        self.file = Path(self.mktemp())

    def refused(self, data: bytes | None = None) -> str:
        """See that a file is refused; give the line without its name."""
        if data is not None:
            self.file.write_bytes(data)
        error = self.assertRaises(ConfigurationError, tables.load, self.file)
        (problem,) = error.problems
        self.assertEqual(problem.file, str(self.file))
        return str(problem).removeprefix(str(self.file))

    def test_well(self) -> None:
        """A file is UTF-8, with or without a mark of that, and has its own name."""
        for mark in (b"", b"\xef\xbb\xbf"):
            self.file.write_bytes(mark + "[echo]\ngreeting = '가'\n".encode())
            configuration = tables.load(self.file)
            self.assertEqual(configuration.entries[0].settings.greeting, "가")
            self.assertEqual(configuration.file, str(self.file))
        self.assertEqual(tables.load(self.file, "shown").file, "shown")

    def test_unreadable(self) -> None:
        """A file that cannot be read is told in a line."""
        self.assertEqual(self.refused(), ": cannot be read: No such file or directory")
        self.file.mkdir()
        self.assertEqual(self.refused(), ": cannot be read: Is a directory")
        error = self.assertRaises(ConfigurationError, tables.load, "a\0b")
        self.assertIn("cannot be read: ", str(error))

    def test_encoding(self) -> None:
        """What is no UTF-8 is told with its line."""
        problem = self.refused(b"[echo]\n\ngreeting = '\xb0\xa1'\n")
        self.assertEqual(problem, ":3: byte 0xb0 is not UTF-8")

    def test_size(self) -> None:
        """A file that is too large is not read to its end."""
        self.assertIn("has more than", self.refused(b"#" * (tables.MAX_BYTES + 1)))
        self.assertIn("at most", self.refused(b"#" * (MAX_TEXT + 1)))
