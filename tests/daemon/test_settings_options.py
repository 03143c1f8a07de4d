"""Tests of L{netsvc.daemon.options}."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from netsvc import __version__
from netsvc.daemon.options import SettingsOptions
from netsvc.daemon.settings import (
    Count,
    Duration,
    Flag,
    Rate,
    RateLimit,
    Settings,
    SettingsError,
    Text,
    setting,
)


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """A service with one setting of each sort."""

    listen: tuple[str, ...] = setting(
        Text(40), default=("tcp:7", "udp:7"), help="Where.", repeat=True, short="l"
    )
    idle_timeout: float = setting(
        Duration(1, 86400, zero_means="never"),
        default="10m",
        help="Close a connection on which nothing was sent for so long.",
        group="Limits",
    )
    answer_rate: Rate | None = setting(
        RateLimit(), default=None, help="Answers.", group="Limits"
    )
    max_connections: int = setting(
        Count(1), default=10, help="Connections.", group="Limits"
    )
    max_per_source: int = setting(
        Count(1), default=10, help="Connections of one source.", group="Limits"
    )
    answer_privileged_ports: bool = setting(Flag(), default=False, help="Risk it.")
    delay: bool = setting(Flag(), default=True, help="Wait.")
    greeting: str | None = setting(Text(20), default=None, help="Say hello.")

    def validate(self) -> None:
        """Check that one source has no more than all."""
        if self.max_per_source > self.max_connections:
            raise SettingsError("max_per_source", "is above --max-connections")
        if not self.delay and self.greeting:
            raise SettingsError("", "a greeting needs the delay")


class SampleOptions(SettingsOptions[SampleSettings]):
    """The options of the sample."""

    settings_class = SampleSettings
    service = "netsvc-sample"
    longdesc = "A sample service."


class ParentOptions(usage.Options):
    """A runner, as twistd is."""

    def __init__(self) -> None:
        """Offer the sample."""
        super().__init__()
        self.subCommands = [("netsvc-sample", None, SampleOptions, "A sample.")]


def parse(*arguments: str) -> SampleSettings:
    """Parse a command line."""
    options = SampleOptions()
    options.parseOptions(arguments)
    return options.settings


class ParseTests(SynchronousTestCase):
    """Command lines that are right."""

    def test_defaults(self) -> None:
        """An empty command line gives the defaults."""
        self.assertEqual(parse(), SampleSettings())

    def test_values(self) -> None:
        """Options set what they are named after, and the last one counts."""
        settings = parse("--idle-timeout=5m", "--answer-rate", "5/s")
        self.assertEqual(settings.idle_timeout, 300.0)
        self.assertEqual(settings.answer_rate, Rate(5.0, 5))
        self.assertEqual(parse("--greeting", "a", "--greeting=b").greeting, "b")

    def test_repeated(self) -> None:
        """The first use of a repeated option replaces its default."""
        self.assertEqual(parse("--listen", "tcp:1").listen, ("tcp:1",))
        self.assertEqual(
            parse("-l", "tcp:1", "-ltcp:2", "--listen=tcp:3").listen,
            ("tcp:1", "tcp:2", "tcp:3"),
        )

    def test_flags(self) -> None:
        """A flag alone changes its default."""
        settings = parse("--answer-privileged-ports", "--no-delay")
        self.assertTrue(settings.answer_privileged_ports)
        self.assertFalse(settings.delay)

    def test_mapping(self) -> None:
        """The options are a mapping of the settings, as others' options are."""
        options = SampleOptions()
        options.parseOptions(["--idle-timeout=1s"])
        self.assertEqual(options["idle_timeout"], 1.0)
        self.assertEqual(options["listen"], ("tcp:7", "udp:7"))

    def test_arguments_of_the_process(self) -> None:
        """Without a list, the command line is that of the process."""
        self.patch(sys, "argv", ["x", "--idle-timeout=1s"])
        options = SampleOptions()
        options.parseOptions()
        self.assertEqual(options.settings.idle_timeout, 1.0)

    def test_below_a_runner(self) -> None:
        """A runner such as twistd parses them as those of a subcommand."""
        runner = ParentOptions()
        runner.parseOptions(["netsvc-sample", "--idle-timeout=1s"])
        assert isinstance(runner.subOptions, SampleOptions)
        self.assertEqual(runner.subOptions.settings.idle_timeout, 1.0)


class ErrorTests(SynchronousTestCase):
    """Command lines that are wrong."""

    def assert_refused(self, arguments: list[str], problem: str) -> None:
        """A command line ends the process with one line on stderr."""
        for options in (SampleOptions(), ParentOptions()):
            first = [] if isinstance(options, SampleOptions) else ["netsvc-sample"]
            error = self.assertRaises(
                SystemExit, options.parseOptions, first + arguments
            )
            # A text as its code: Python prints it on stderr and exits with 1.
            self.assertEqual(
                error.code, f"netsvc-sample: {problem}; see netsvc-sample --help"
            )

    def test_bad_value(self) -> None:
        """A value of the wrong kind is named, with what is allowed."""
        self.assert_refused(
            ["--idle-timeout", "10x"],
            "--idle-timeout: '10x' is not a duration (such as 10s, 500ms, 5m)",
        )
        self.assert_refused(
            ["--idle-timeout", "2d"],
            "--idle-timeout: '2d' is out of range: 1s to 1d, or 0 for never",
        )

    def test_unknown_option(self) -> None:
        """An unknown option is named, with the one that may be meant."""
        for close in ("--idle-timout=5", "--idle_timeout"):
            name = close.partition("=")[0]
            self.assert_refused(
                [close], f"{name}: unknown option (did you mean --idle-timeout?)"
            )
        self.assert_refused(["--zzz"], "--zzz: unknown option")
        self.assert_refused(["--=5"], "--: unknown option")
        self.assert_refused(["-z"], "-z: unknown option")

    def test_ambiguous_option(self) -> None:
        """The start of an option is enough if it is the start of one only."""
        self.assertEqual(parse("--idle", "1s").idle_timeout, 1.0)
        self.assert_refused(
            ["--max=5"], "--max: could be --max-connections or --max-per-source"
        )

    def test_missing_value(self) -> None:
        """An option that needs a value is named if there is none."""
        self.assert_refused(["--idle-timeout"], "--idle-timeout: needs a value")
        self.assert_refused(["--idle"], "--idle-timeout: needs a value")
        self.assert_refused(["-l"], "-l: needs a value")

    def test_value_of_a_flag(self) -> None:
        """A flag takes no value."""
        self.assert_refused(["--no-delay=yes"], "--no-delay: takes no value")

    def test_stray_argument(self) -> None:
        """What is no option is refused."""
        self.assert_refused(
            ["7007", "x"], "'7007': unexpected argument, only options are allowed"
        )

    def test_between(self) -> None:
        """What does not hold between settings names the option to change."""
        self.assert_refused(
            ["--max-per-source=11"], "--max-per-source: is above --max-connections"
        )
        self.assert_refused(
            ["--no-delay", "--greeting=hi"], "a greeting needs the delay"
        )

    def test_must_be_given(self) -> None:
        """A setting without a default must be given."""

        @dataclass(frozen=True, kw_only=True)
        class RequiredSettings(Settings):
            config: str = setting(Text(20), help="The file.")

        class RequiredOptions(SettingsOptions[RequiredSettings]):
            settings_class = RequiredSettings
            service = "netsvc"

        error = self.assertRaises(SystemExit, RequiredOptions().parseOptions, [])
        self.assertEqual(
            error.code, "netsvc: --config: must be given; see netsvc --help"
        )
        options = RequiredOptions()
        options.parseOptions(["--config=x"])
        self.assertEqual(options.settings.config, "x")
        self.assertIn("[at most 20 bytes; must be given]", options.getUsage())

    @given(
        st.lists(
            st.one_of(
                st.text(),
                st.sampled_from(["--idle-timeout", "--l", "-l", "--", "--no-delay"]),
                st.text().map(lambda text: f"--{text}"),
                st.text().map(lambda text: f"-l{text}"),
            )
        )
    )
    def test_any_command_line(self, arguments: list[str]) -> None:
        """Any command line gives settings, one printable line, or the help that it
        asks for, perhaps by an abbreviation."""
        try:
            with redirect_stdout(StringIO()):
                parse(*arguments)
        except SystemExit as end:
            if end.code == 0:
                asked = ("--help".startswith, "--version".startswith)
                self.assertTrue(any(f(word) for f in asked for word in arguments))
                return
            self.assertIsInstance(end.code, str)
            assert isinstance(end.code, str)
            self.assertNotRegex(end.code, "[\x00-\x1f\x7f-\x9f\u202e]")

    def test_two_of_one_name(self) -> None:
        """Two options of one name are a mistake in the settings class."""

        @dataclass(frozen=True, kw_only=True)
        class ClashingSettings(Settings):
            version: int = setting(Count(1), default=1, help="A number.")

        with self.assertRaises(TypeError):

            class ClashingOptions(SettingsOptions[ClashingSettings]):
                settings_class = ClashingSettings
                service = "netsvc"


class HelpTests(SynchronousTestCase):
    """The help text and the version."""

    def shown_by(self, *arguments: str) -> str:
        """Give what a command line prints before it ends well."""
        self.patch(sys, "stdout", StringIO())
        error = self.assertRaises(SystemExit, parse, *arguments)
        self.assertEqual(error.code, 0)
        assert isinstance(sys.stdout, StringIO)
        return sys.stdout.getvalue()

    def test_help(self) -> None:
        """The help text lists each option with bounds, default and units."""
        self.patch(os, "environ", {"COLUMNS": "80"})
        self.assertEqual(
            self.shown_by("--help"),
            """\
Usage: netsvc-sample [options]

A sample service.

Options:
  -l, --listen TEXT             Where. [at most 40 bytes; may be repeated;
                                default: tcp:7, udp:7]
      --answer-privileged-ports
                                Risk it.
      --no-delay                Wait.
      --greeting TEXT           Say hello. [at most 20 bytes]

Limits:
      --idle-timeout DURATION   Close a connection on which nothing was sent for
                                so long. [1s to 1d, or 0 for never; default:
                                10m]
      --answer-rate RATE        Answers. [default: off]
      --max-connections NUMBER  Connections. [at least 1; default: 10]
      --max-per-source NUMBER   Connections of one source. [at least 1; default:
                                10]

Help:
      --help                    Show this text and exit.
      --version                 Show netsvc's version and exit.

DURATION is 500ms, 10s, 5m, 1h or 7d; a plain number is in seconds.
RATE is 100/s, 60/m or 100/s:2000 (the burst last), or off.

""",
        )

    def test_width(self) -> None:
        """The help text fits the terminal, within reason."""
        for columns, widest in (("20", 70), ("75", 75), ("500", 100)):
            self.patch(os, "environ", {"COLUMNS": columns})
            lines = SampleOptions().getUsage().split("\n")
            self.assertLessEqual(max(map(len, lines)), widest)
        self.assertLessEqual(
            max(map(len, SampleOptions().getUsage(72).split("\n"))), 72
        )

    def test_synopsis_below_a_runner(self) -> None:
        """Below a runner the usage line starts with the runner's."""
        runner = ParentOptions()
        runner.parseOptions(["netsvc-sample"])
        self.assertRegex(
            runner.subOptions.getSynopsis(),
            r"^Usage: .* \[options\] netsvc-sample \[options\]$",
        )

    def test_version(self) -> None:
        """The version is netsvc's."""
        self.assertEqual(self.shown_by("--version"), f"netsvc {__version__}\n")
