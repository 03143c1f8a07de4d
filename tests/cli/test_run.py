"""C{netsvc run}: its options, and how they reach twistd and the service."""

from __future__ import annotations

import contextlib
import io
import json
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from twisted import plugin
from twisted.application.service import ServiceMaker
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions as TwistdOptions
from twisted.trial.unittest import SynchronousTestCase

from netsvc import __version__, services
from netsvc.cli import run


class Options(usage.Options):
    """Options of a service that exists in these tests only."""

    optFlags: ClassVar[list[list[str | None]]] = [["loud", None, "Be loud."]]
    optParameters: ClassVar[list[list[str]]] = [
        ["greeting", "g", "", "What to say first."],
        ["umask", "", "", "A name that twistd's options have too."],
        ["config", "", "", "A file."],
    ]

    def parseArgs(self, *words: str) -> None:
        """Keep the words that are no options."""
        self["words"] = words


class RunTestCase(SynchronousTestCase):
    """A test of L{run} with one service, C{netsvc-demo}."""

    def setUp(self) -> None:
        """Make the demo service the only one."""
        demo = ServiceMaker("demo", __name__, "A demo.", "netsvc-demo")
        self.patch(services, "ALL", (demo,))

    def parse(self, *argv: str) -> run.RunOptions:
        """What the options are after C{netsvc run ARGV}."""
        options = run.RunOptions()
        options.parseOptions(argv)
        return options

    def refused(self, *argv: str) -> str:
        """The message about a command line that cannot be understood."""
        message: str = str(self.assertRaises(usage.UsageError, self.parse, *argv))
        return message


class ServiceTests(RunTestCase):
    """Which service is run."""

    def test_names(self) -> None:
        """A service goes by its plugin name, with or without C{netsvc-}."""
        for name in ("demo", "netsvc-demo"):
            options = self.parse(name)
            self.assertEqual(options.subCommand, "netsvc-demo")
            self.assertIsInstance(options.subOptions, Options)
            self.assertIn("netsvc-demo", options.loadedPlugins)

    def test_no_plugin_search(self) -> None:
        """Twisted's plugins, and so its cache, are not looked at.

        C{_getPlugins} is private to Twisted: if this fails, look how
        L{twisted.application.app.ServerOptions} finds its subcommands now.
        """
        self.assertIs(TwistdOptions._getPlugins, plugin.getPlugins)

        def search(*_: object) -> Iterator[object]:
            raise AssertionError("searched for plugins")

        self.patch(TwistdOptions, "_getPlugins", staticmethod(search))
        names = [name for name, *_ in run.RunOptions().subCommands]
        self.assertEqual(names, ["netsvc-demo"])

    def test_no_service(self) -> None:
        """Without a service the message lists those that there are."""
        self.assertEqual(self.refused(), "name a service to run; there are: demo")
        self.assertIn("there are: demo", self.refused("--pidfile", "x"))

    def test_unknown_service(self) -> None:
        """A name that is near a service's gets that one as an answer."""
        self.assertEqual(
            self.refused("demon"), "no service 'demon'; did you mean 'demo'?"
        )

    def test_real_services(self) -> None:
        """The services are those of L{services}, whose plugin names are all ours."""
        for service in services.ALL:
            self.assertTrue(service.tapname.startswith("netsvc"), service.tapname)


class ConfigTests(RunTestCase):
    """C{--config} where no service is named."""

    def setUp(self) -> None:
        """Make a service of the name that takes it."""
        super().setUp()
        both = ServiceMaker("both", __name__, "Both.", "netsvc")
        self.patch(services, "ALL", (*services.ALL, both))

    def test_short(self) -> None:
        """It is for the service that runs what a configuration file asks for."""
        for argv in (
            ("--config", "f", "--loud", "--rundir", "/"),
            ("--rundir", "/", "--config=f", "--loud"),
            ("netsvc", "--config", "f", "--loud", "--rundir=/"),
        ):
            options = self.parse(*argv)
            self.assertEqual(options.subCommand, "netsvc")
            self.assertEqual(options["rundir"], "/")
            self.assertEqual(options.subOptions["config"], "f")
            self.assertEqual(options.subOptions["loud"], 1)

    def test_other(self) -> None:
        """A service that is named gets it itself."""
        options = self.parse("demo", "--config", "f")
        self.assertEqual(options.subCommand, "netsvc-demo")
        self.assertEqual(options.subOptions["config"], "f")

    def test_mistakes(self) -> None:
        """What is wrong before it is told as ever."""
        self.assertIn("--nowhere", self.refused("--nowhere", "--config", "f"))


class OptionTests(RunTestCase):
    """Where options may stand, and which there are."""

    def test_before_and_after(self) -> None:
        """netsvc run's long options may stand on either side of the service's name."""
        for argv in (
            ("--pidfile", "p", "--rundir=/", "demo", "--loud", "-g", "hi", "word"),
            ("demo", "--loud", "--pidfile", "p", "--rundir=/", "-g", "hi", "word"),
            ("--pidfile=p", "demo", "--rundir", "/", "--loud", "--greeting=hi", "word"),
        ):
            options = self.parse(*argv)
            self.assertEqual(options["rundir"], "/")
            self.assertEqual(Path(options["pidfile"]).name, "p")
            self.assertEqual(options.subOptions["loud"], 1)
            self.assertEqual(options.subOptions["greeting"], "hi")
            self.assertEqual(options.subOptions["words"], ("word",))

    def test_value_that_looks_like_an_option(self) -> None:
        """The value of a service's option stays its value, whatever it looks like."""
        options = self.parse("demo", "--greeting", "--rundir", "--logfile", "-")
        self.assertEqual(options.subOptions["greeting"], "--rundir")
        self.assertEqual(options["rundir"], ".")

    def test_both_have_it(self) -> None:
        """An option that both have is the service's after the service's name."""
        options = self.parse("--umask=077", "demo", "--umask", "x", "--rundir", "/")
        self.assertEqual(options["umask"], 0o77)
        self.assertEqual(options.subOptions["umask"], "x")
        self.assertEqual(options["rundir"], "/")

    def test_double_dash(self) -> None:
        """After C{--} nothing is an option; nor is a word without dashes."""
        options = self.parse("demo", "--rundir", "/", "--", "--pidfile", "p")
        self.assertEqual(options["rundir"], "/")
        self.assertEqual(options["pidfile"], "")
        self.assertEqual(options.subOptions["words"], ("--pidfile", "p"))
        options = self.parse("demo", "--rundir=/", "greeting", "pidfile")
        self.assertEqual(options.subOptions["words"], ("greeting", "pidfile"))

    def test_missing_value(self) -> None:
        """An option without its value is a mistake on either side."""
        for argv in (("--pidfile",), ("demo", "--pidfile"), ("demo", "--greeting")):
            self.assertIn("requires argument", self.refused(*argv))

    def test_foreground(self) -> None:
        """By default nothing is detached and no pid file is written."""
        options = self.parse("demo")
        self.assertTrue(options["nodaemon"])
        self.assertEqual(options["pidfile"], "")

    def test_daemonize(self) -> None:
        """A detached process needs another place than stdout for its log."""
        needs = "--daemonize needs --logfile or --syslog"
        self.assertEqual(self.refused("--daemonize", "demo"), needs)
        self.assertEqual(self.refused("--daemonize", "--logfile=-", "demo"), needs)
        self.assertFalse(self.parse("--daemonize", "--syslog", "demo")["nodaemon"])

    def test_help(self) -> None:
        """C{--help} lists what is of use with netsvc's services, and only that."""
        text = str(run.RunOptions())
        for name in ("--log-format=", "--daemonize", "--reactor=", "netsvc-demo"):
            self.assertIn(name, text)
        for name in ("--python=", "--encrypted", "--nodaemon", "--spew"):
            self.assertNotIn(name, text)

    def test_usage(self) -> None:
        """The usage line has the service's name once it is known."""
        first = str(run.RunOptions()).partition("\n")[0]
        self.assertEqual(first, "Usage: netsvc run [options] SERVICE [service options]")
        synopsis = self.parse("demo").subOptions.getSynopsis()
        self.assertEqual(synopsis, "Usage: netsvc run [options] netsvc-demo [options]")

    def test_version(self) -> None:
        """C{--version} is netsvc's."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertRaises(SystemExit, self.parse, "--version")
        self.assertEqual(out.getvalue(), f"netsvc {__version__}\n")


class LogTests(RunTestCase):
    """Where the log goes, and in which form."""

    def observed(self, *argv: str) -> str:
        """What is on stdout after an event was logged under these options."""
        out = io.StringIO()
        options = self.parse(*argv, "demo")
        self.patch(sys, "__stdout__", out)
        observer: ILogObserver = options["logger"]()
        observer({"log_format": "hello {name}", "name": "a\x1b", "log_time": 0.0})
        return out.getvalue()

    def test_text(self) -> None:
        """The log is text on stdout, with control characters escaped."""
        for argv in ((), ("--log-format", "text"), ("--logfile", "-")):
            line = self.observed(*argv)
            self.assertIn("hello a", line)
            self.assertNotIn("\x1b", line)

    def test_json(self) -> None:
        """C{--log-format json} makes each event a line that is a JSON object."""
        record = json.loads(self.observed("--log-format", "json"))
        self.assertEqual(record["name"], "a\x1b")

    def test_file(self) -> None:
        """A log file is appended to, in the format that was asked for."""
        file = Path(self.mktemp())
        file.write_text("before\n")
        options = self.parse("--logfile", str(file), "--log-format", "json", "demo")
        target, _level = options["logger"].args
        self.addCleanup(target.close)
        options["logger"]()({"log_format": "hello", "log_time": 0.0})
        before, line = file.read_text().splitlines()
        self.assertEqual((before, json.loads(line)["message"]), ("before", "hello"))

    def test_file_that_cannot_be(self) -> None:
        """A log file that cannot be opened is a mistake in the command line."""
        name = str(Path(self.mktemp()) / "log")
        self.assertEqual(
            self.refused("--logfile", name, "demo"),
            f"--logfile {name}: No such file or directory",
        )

    def test_level(self) -> None:
        """C{--log-level} says from which level on events are logged."""
        self.assertIn("hello", self.observed("--log-level", "info"))
        self.assertEqual(self.observed("--log-level", "warn"), "")
        self.assertEqual(
            self.refused("--log-level", "loud", "demo"),
            "--log-level: 'loud' is none of debug, info, warn, error, critical",
        )

    def test_other_format(self) -> None:
        """There are two formats."""
        self.assertEqual(
            self.refused("--log-format", "xml", "demo"),
            "--log-format: 'xml' is neither text nor json",
        )

    def test_format_without_effect(self) -> None:
        """A format is refused where it would have no effect."""
        self.assertIn("--syslog", self.refused("--syslog", "--log-format=json", "demo"))

    def test_logger(self) -> None:
        """C{--logger} names another observer factory, as under twistd."""
        options = self.parse("--logger", "netsvc.daemon.logs.json", "demo")
        self.assertEqual(options["logger"].__name__, "json")


class MainTests(RunTestCase):
    """L{run.main}: the exit status, and one line for a mistake."""

    def main(self, *argv: str) -> tuple[int, str]:
        """The exit status and stderr of C{netsvc run ARGV}."""
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            status = run.main(argv)
        return status, err.getvalue()

    def test_mistake(self) -> None:
        """A mistake in the options is one line on stderr, and status 2."""
        status, err = self.main("demo", "--frob")
        self.assertEqual(status, 2)
        self.assertEqual(err, "netsvc run: option --frob not recognized\n")

    def test_no_such_user(self) -> None:
        """A user or group that does not exist is one line, and status 2."""
        for option in ("--uid", "--gid"):
            for argv in (
                (option, "nosuchuser", "demo"),
                ("demo", option, "nosuchuser"),
            ):
                status, err = self.main(*argv)
                self.assertEqual(status, 2)
                self.assertTrue(err.startswith("netsvc run: no such user or group: "))
                self.assertIn("nosuchuser", err)
                self.assertEqual(err.count("\n"), 1)

    def test_user_without_group(self) -> None:
        """A user that is a number needs a group, one of its own or C{--gid}."""
        self.patch(pwd, "getpwuid", {}.__getitem__)
        status, err = self.main("--uid", "54321", "demo")
        self.assertEqual(
            (status, err), (2, "netsvc run: no such user or group: 54321\n")
        )
        options = self.parse("--uid", "54321", "--gid", "54321", "demo")
        self.assertEqual((options["uid"], options["gid"]), (54321, 54321))

    def test_long_message(self) -> None:
        """A message of several lines becomes one."""
        status, err = self.main("--reactor", "steam", "demo")
        self.assertEqual(status, 2)
        self.assertEqual(err.count("\n"), 1)
        self.assertIn("'steam'", err)

    def test_run(self) -> None:
        """What was parsed is run as twistd would run it."""
        ran: list[run.RunOptions] = []
        self.patch(run, "runApp", ran.append)
        self.assertEqual(self.main("demo", "--loud"), (0, ""))
        self.assertEqual([options.subCommand for options in ran], ["netsvc-demo"])

    def test_refusal_by_the_service(self) -> None:
        """A service that refuses its options while it is made is one line, too."""

        def refuse(options: run.RunOptions) -> None:
            raise usage.UsageError("the port is a word")

        self.patch(run, "runApp", refuse)
        self.assertEqual(self.main("demo"), (2, "netsvc run: the port is a word\n"))
