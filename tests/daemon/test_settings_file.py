"""Configuration files: what they mean, and what is said of their mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.configuration import (
    Configuration,
    ConfigurationError,
    Problem,
    Table,
    override,
)
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Settings,
    SettingsError,
    setting,
)
from netsvc.daemon.settings_file import MAX_PROBLEMS, MAX_SEVERAL, parse


@dataclass(frozen=True, kw_only=True)
class OneSettings(Settings):
    """Settings of a service that runs once."""

    listen: tuple[Listen, ...] = setting(
        Parsed("ENDPOINT", parse_listen), default=("tcp:1",), repeat=True, help="Where."
    )
    idle_timeout: float = setting(Duration(1), default="1m", help="How long.")
    size: int = setting(Count(1, 10), default=1, help="How many.")
    file: Path | None = setting(FilePath(), default=None, help="Which.")
    quick: bool = setting(Flag(), default=True, help="Be slow.")

    def validate(self) -> None:
        """Check what holds between the values."""
        if self.size > self.idle_timeout:
            raise SettingsError("size", "is more than --idle-timeout; see --no-quick")
        if self.size == 7:
            raise SettingsError("", "seven is unlucky")


@dataclass(frozen=True, kw_only=True)
class ManySettings(Settings):
    """Settings of a service that may run several times."""

    backend: tuple[str, ...] = setting(
        Parsed("BACKEND", str), repeat=True, help="Whom to ask."
    )
    entry: Listen | None = setting(
        Parsed("ENDPOINT", parse_listen), default=None, help="Where."
    )


TABLES = {
    "one": Table(lambda: OneSettings),
    "many": Table(lambda: ManySettings, several=True),
}


def read(text: str) -> Configuration:
    """Read a text."""
    return parse(text, "file.toml", TABLES)


class WellTests(SynchronousTestCase):
    """What files mean."""

    def test_tables(self) -> None:
        """A table makes its service run, with what stands in it."""
        text = "[one]\nidle_timeout = 5\nlisten = 'tcp:2'\n[daemon]\nworkers = 2\n"
        configuration = read(text)
        self.assertEqual((configuration.file, configuration.text), ("file.toml", text))
        self.assertEqual(configuration.daemon.workers, 2)
        (entry,) = configuration.entries
        expected = OneSettings(idle_timeout=5.0, listen=("tcp:2",))  # type: ignore[arg-type]  # text
        self.assertEqual(entry.settings, expected)
        self.assertEqual((entry.identity, entry.label), (("one", ""), "one"))
        self.assertEqual(entry.where, {"": 1, "idle_timeout": 2, "listen": 3})
        self.assertEqual(configuration.where, {"": 4, "workers": 5})

    def test_origin(self) -> None:
        """A listen string knows where it stands, for who cannot bind it."""
        configuration = read(
            "[one]\nlisten = ['tcp:2',\n 'tcp:3']\n[many]\nentry = 'tcp:4'\n"
            "backend = 'x'\n[daemon]\nadmin = ['auto', 'unix:x']\n"
        )
        one, many = (entry.settings for entry in configuration.entries)
        self.assertEqual(
            [each.blame("netsvc-one", "no") for each in one.listen],
            ["file.toml:2: one.listen: no", "file.toml:3: one.listen: no"],
        )
        self.assertEqual(many.entry.origin, "file.toml:5: many.entry")
        (admin,) = configuration.daemon.admin_listens()
        self.assertEqual(admin.origin, "file.toml:8: daemon.admin")
        self.assertEqual(
            parse_listen("tcp:1").blame("netsvc-one", "x"), "netsvc-one: x"
        )

    def test_empty_table(self) -> None:
        """A table that is empty runs its service with the defaults."""
        (entry,) = read("[one]\n").entries
        self.assertEqual(entry.settings, OneSettings())

    def test_several(self) -> None:
        """Several tables of a kind have names, and come in the order of the file."""
        configuration = read(
            '[[many]]\nname = "a"\nbackend = "x"\n[one]\n'
            '[[many]]\nname = "b-2"\nbackend = ["y", "z"]\n'
        )
        labels = [entry.label for entry in configuration.entries]
        self.assertEqual(labels, ["many.a", "one", "many.b-2"])
        self.assertEqual(configuration.entries[2].settings.backend, ("y", "z"))
        self.assertEqual(configuration.entries[2].identity, ("many", "b-2"))

    def test_one_of_several(self) -> None:
        """One table of an array needs no name, and a lone table may have one."""
        self.assertEqual(read("[[many]]\nbackend = 'x'\n").entries[0].label, "many")
        text = "[many]\nbackend = 'x'\nname = 'a'\n"
        self.assertEqual(read(text).entries[0].label, "many.a")
        self.assertEqual(read("[[one]]\n").entries[0].label, "one")

    def test_other_ways(self) -> None:
        """Dotted keys and inline tables mean the same."""
        (one, many) = read('one.size = 2\nmany = [{backend = "x"}]').entries
        self.assertEqual((one.settings.size, many.settings.backend), (2, ("x",)))
        self.assertEqual((one.line("size"), one.line("file"), many.line()), (1, 1, 2))

    def test_problem(self) -> None:
        """What is found wrong later has the line of its key, or of its table."""
        configuration = read("[daemon]\nworkers = 1\n[one]\n\nsize = 2\n")
        (entry,) = configuration.entries
        self.assertEqual(
            [
                str(configuration.problem(entry, "size", "no")),
                str(configuration.problem(entry, "file", "no")),
                str(configuration.problem(entry, "", "no")),
                str(configuration.problem(None, "workers", "no")),
                str(configuration.problem(None, "admin", "no")),
            ],
            [
                "file.toml:5: one.size: no",
                "file.toml:3: one.file: no",
                "file.toml:3: one: no",
                "file.toml:2: daemon.workers: no",
                "file.toml:1: daemon.admin: no",
            ],
        )

    def test_override(self) -> None:
        """A command line may override what is about the process."""
        configuration = override(read("[one]\n"), workers=3)
        self.assertEqual(configuration.daemon.workers, 3)
        self.assertRaises(SettingsError, override, configuration, workers=0)


class MistakeTests(SynchronousTestCase):
    """What is said of mistakes."""

    maxDiff = None

    def problems(self, text: str) -> list[str]:
        """See that a text is refused; give the lines without the file's name."""
        error = self.assertRaises(ConfigurationError, read, text)
        self.assertEqual(str(error), "\n".join(map(str, error.problems)))
        return [str(each).removeprefix("file.toml:") for each in error.problems]

    def test_nothing(self) -> None:
        """A file without a service is an error, in one line."""
        expected = ["1: there is nothing to run: no table of a service ([one], [many])"]
        self.assertEqual(self.problems(""), expected)
        self.assertEqual(self.problems("# nothing\n[daemon]\n"), expected)

    def test_all_at_once(self) -> None:
        """All mistakes are told, in the order of the lines."""
        text = """\
[one]
listen = ["tcp:1", 2,
  "x"]
idle-timeout = 3
size = 11
quick = "true"
file = ["a"]
zzz = 1
workers = 2
[[many]]
name = "a"
backends = "x"
[[many]]
backend = []
[daemon]
workers = 1.5
name = "x"
[mny]
"""
        self.assertEqual(
            self.problems(text),
            [
                "2: one.listen[1]: 2 is an integer, not a string: write it in quotes",
                "3: one.listen[2]: 'x' is not a listen string, such as tcp:7007",
                "4: one.idle-timeout: unknown key; did you mean idle_timeout?",
                "5: one.size: 11 is out of range: 1 to 10",
                "6: one.quick: 'true' is a string, not true or false (without quotes)",
                "7: one.file: an array stands where a string is meant",
                "8: one.zzz: unknown key; 'netsvc check --sample one' shows all of"
                " [one]",
                "9: one.workers: unknown key; workers stands in [daemon]",
                "12: many[0].backends: unknown key; did you mean backend?",
                "13: many[1].name: must be given where there are several tables",
                "14: many[1].backend: is empty; name one",
                "16: daemon.workers: 1.5 is not a whole number",
                "17: daemon.name: unknown key; 'netsvc check --sample daemon' shows"
                " all of [daemon]",
                "18: mny: unknown table; did you mean [many]?",
            ],
        )

    def test_required(self) -> None:
        """What must be given is asked for where its table stands."""
        expected = ["2: many.backend: must be given"]
        self.assertEqual(self.problems("\n[many]\nentry = 'tcp:1'\n"), expected)

    def test_between(self) -> None:
        """What holds between values is told by the names of the keys."""
        problems = self.problems("[one]\nidle_timeout = 2\nsize = 3\n")
        self.assertEqual(
            problems, ["3: one.size: is more than idle_timeout; see quick"]
        )
        self.assertEqual(self.problems("[one]\nsize=7"), ["1: one: seven is unlucky"])

    def test_empty(self) -> None:
        """An empty array stands for no default."""
        expected = ["2: one.listen: is empty; leave the key out for the default"]
        self.assertEqual(self.problems("[one]\nlisten = []\n"), expected)

    def test_no_table(self) -> None:
        """What is to be a table is one; what stands in none is told so."""
        there = "there are [one], [many], [daemon]"
        for text, expected in (
            ("one = true", "one: it must be a table: write [one]"),
            ("many = []", "many: it must be a table: write [many]"),
            ("many = [{}, 1]", "many: it must be a table: write [many]"),
            ("listen = 1", f"listen: it stands in no table; {there}"),
            ("[zzzzz]", f"zzzzz: unknown table; {there}"),
            ("[netsvc-one]", "netsvc-one: unknown table; did you mean [one]?"),
            ('["a b"]', f"'a b': unknown table; {there}"),
        ):
            self.assertEqual(self.problems(text), [f"1: {expected}"])

    def test_too_many(self) -> None:
        """What runs once is there once, and nothing is there without end."""
        expected = ["2: one: there are 2, but only one [one] is allowed"]
        self.assertEqual(self.problems("[[one]]\n[[one]]"), expected)
        expected = ["2: daemon: there are 2, but only one [daemon] is allowed"]
        self.assertEqual(self.problems("[[daemon]]\n[[daemon]]"), expected)
        (problem,) = self.problems("[[many]]\n" * (MAX_SEVERAL + 1))
        self.assertIn(f"at most {MAX_SEVERAL} are allowed", problem)

    def test_names(self) -> None:
        """A name is short, plain, and there once."""
        text = "".join(
            f'[[many]]\nname = {name}\nbackend = "x"\n'
            for name in ('"a"', '"a"', '"-a"', '"a b"', "1", f'"{"x" * 33}"', '""')
        )
        problems = self.problems(text)
        self.assertEqual(problems[0], "5: many[1].name: 'a' is the name in line 2, too")
        self.assertEqual(
            [each.partition(":")[0] for each in problems],
            ["5", "8", "11", "14", "17", "20"],
        )
        self.assertIn("'a b' is not a name: 1 to 32", problems[2])

    def test_clashes(self) -> None:
        """Two that would listen on one port are told, by default or not."""
        text = """\
[one]
listen = ["tcp:5", "tcp:5:interface=127.0.0.1"]
[[many]]
name = "a"
backend = "x"
entry = "tcp:5"
[[many]]
name = "b"
backend = "x"
entry = "udp:5"
[daemon]
admin = "tcp:6:interface=127.0.0.1"
"""
        self.assertEqual(
            self.problems(text),
            [
                "2: one.listen: 'tcp:5:interface=127.0.0.1' is taken: one.listen in"
                " line 2 listens on 'tcp:5'",
                "6: many[0].entry: 'tcp:5' is taken: one.listen in line 2 listens on"
                " 'tcp:5'",
            ],
        )
        self.assertEqual(
            self.problems("[many]\nbackend = 'x'\nentry = 'tcp:1'\n[one]\n"),
            [
                "4: one.listen: 'tcp:1' (the default) is taken: many.entry in line 3"
                " listens on 'tcp:1'"
            ],
        )

    def test_syntax(self) -> None:
        """Mistakes in TOML and in values are told together, and none that follows."""
        text = "[one]\nsize =\nidle_timeout = 'x'\nlisten = [\n[many]\nentry = 3\n"
        lines = [each.partition(":")[0] for each in self.problems(text)]
        self.assertEqual(lines[0], "2")
        problems = self.problems("[one]\nsize = x\nquick = 1\n[many]\n")
        self.assertEqual(len(problems), 2)
        self.assertIn("2: not TOML, column 8: ", problems[0])
        self.assertIn("3: one.quick: 1 is an integer", problems[1])

    def test_not_without_end(self) -> None:
        """So many problems are told, and the number of the others."""
        text = "[one]\n" + "".join(f"k{number} = 1\n" for number in range(500))
        problems = self.problems(text)
        self.assertEqual(len(problems), MAX_PROBLEMS + 1)
        self.assertEqual(problems[-1], " and 300 more")

    def test_harmless(self) -> None:
        """What was found is shown with nothing in it that harms a terminal."""
        text = '["\\u001b[2J\\u202e"]\n[one]\n"\\n\\u009b" = 1\nfile = "\\u0000"\n'
        for problem in self.problems(text):
            self.assertTrue(problem.isprintable(), problem)

    def test_no_line(self) -> None:
        """A problem with the file as a whole has no line."""
        self.assertEqual(str(Problem("f", 0, "", "gone")), "f: gone")
