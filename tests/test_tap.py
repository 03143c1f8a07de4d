"""The command line of C{twistd netsvc}, and what it makes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.testing import MemoryReactorClock
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from netsvc import services, several, tables
from netsvc.daemon import logs
from netsvc.daemon.admin import service
from netsvc.daemon.admin.service import AdminService
from netsvc.daemon.admin.where import default_path
from netsvc.daemon.configuration import ConfigurationError
from netsvc.daemon.lifecycle import Daemon
from netsvc.daemon.measuring import Measuring
from netsvc.daemon.refusing import StartError
from netsvc.daemon.reloading import Reloader
from netsvc.tap import Options, _admin, makeService

PLAIN = "[daemon]\nadmin = 'off'\n[echo]\nidle_timeout = 7\n"


class FakeService(Service):
    """A service that does nothing."""

    service = "netsvc-fake"

    def __init__(self, settings: Any, reactor: Any) -> None:
        self.settings = settings

    def prepare(self, settings: Any) -> NoChange:
        """Take any settings."""
        return NoChange()


class TapTestCase(SynchronousTestCase):
    """A test with a configuration file."""

    def setUp(self) -> None:
        """Make fakes of services, and keep the log of this process as it is."""
        self.file = Path(self.mktemp())
        self.patch(tables, "service_class", lambda table: FakeService)
        self.configured: list[dict[str, Any]] = []
        self.patch(logs, "configure", lambda **given: self.configured.append(given))

    def parse(self, text: str, *arguments: str) -> Options:
        """Read a command line that names a file with a text."""
        self.file.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(self.file), *arguments])
        return options


class OptionsTests(TapTestCase):
    """Tests of the command line."""

    def refused(self, *arguments: str) -> str:
        """See that a command line is refused; give why."""
        error = self.assertRaises(SystemExit, Options().parseOptions, arguments)
        assert isinstance(error.code, str)
        return error.code

    def test_file(self) -> None:
        """The file says what is to run."""
        options = self.parse(PLAIN)
        (entry,) = options.configuration.entries
        self.assertEqual((entry.label, entry.settings.idle_timeout), ("echo", 7))
        self.assertEqual(options.configuration.file, str(self.file))

    def test_override(self) -> None:
        """The command line overrides what the file says of the process."""
        configuration = self.parse(PLAIN, "--log-level", "warn").configuration
        self.assertEqual(configuration.daemon.log_level, "warn")
        self.assertFalse(configuration.daemon.wants_admin)

    def test_again(self) -> None:
        """The file is read again where it was, and overridden in the same way."""
        options = self.parse(PLAIN, "--workers", "2")
        self.file.write_text(PLAIN.replace("7", "8"))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir("/")
        configuration = options.load()
        self.assertEqual(configuration.daemon.workers, 2)
        self.assertEqual(configuration.entries[0].settings.idle_timeout, 8)

    def test_pipe(self) -> None:
        """A file may come through a pipe when the daemon starts; at a reload it is told
        what it is, and nobody waits for it."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.write(writing, PLAIN.encode())
        os.close(writing)
        options = Options()
        options.parseOptions(["--config", f"/dev/fd/{reading}"])
        self.assertEqual(len(options.configuration.entries), 1)
        error = self.assertRaises(ConfigurationError, options.load)
        self.assertEqual(
            str(error),
            f"/dev/fd/{reading}: cannot be read: A pipe, which is read at the start"
            " only, and not a regular file",
        )

    def test_no_file(self) -> None:
        """A file must be named, and be there."""
        self.assertIn("--config: must be given", self.refused())
        self.assertIn("--config: needs a value", self.refused("--config"))
        self.assertEqual(
            self.refused("--config", "nowhere"),
            "nowhere: cannot be read: No such file or directory",
        )

    def test_all_problems(self) -> None:
        """Everything that is wrong with the file is told, a line each."""
        error = self.assertRaises(
            SystemExit, self.parse, "[echo]\na = 1\nlisten = 2\n[ech]\n"
        )
        lines = str(error.code).splitlines()
        self.assertEqual(len(lines), 3)
        for number, line in zip((2, 3, 4), lines, strict=True):
            self.assertTrue(line.startswith(f"{self.file}:{number}: "), line)

    def test_together(self) -> None:
        """What the command line says is checked with what the file says."""
        arguments = ("--admin", "tcp:8007")
        error = self.assertRaises(SystemExit, self.parse, PLAIN, *arguments)
        start = f"{self.file}:2: daemon.admin: with the command line, 'tcp:8007' can"
        self.assertIn(start, str(error.code))
        token = f"{PLAIN.replace('admin', 'admin_token')}"
        self.assertTrue(self.parse(token, *arguments).configuration.daemon.admin_token)

    def test_help(self) -> None:
        """The help names the file and what overrides it."""
        text = Options().getUsage(80)
        for option in ("-c, --config FILE", "--workers", "--admin-token", "--log-rate"):
            self.assertIn(option, text)

    def test_plugin(self) -> None:
        """The service maker that the plugin offers leads here."""
        maker: Any = services.netsvc
        self.assertEqual(maker.tapname, Options.service)
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)


class MakeServiceTests(TapTestCase):
    """Tests of L{makeService}."""

    def make(self, text: str, *arguments: str) -> Daemon:
        """Make a daemon."""
        self.options = self.parse(text, *arguments)
        self.reactor = MemoryReactorClock()
        daemon: Daemon = makeService(self.options, self.reactor)
        return daemon

    def test_services(self) -> None:
        """It makes a daemon of the services that the file asks for."""
        daemon = self.make(PLAIN + "[dns]\n", "--drain-timeout", "9")
        self.assertEqual(daemon.drain_timeout, 9)
        measuring, *rest = daemon
        self.assertIsInstance(measuring, Measuring)
        self.assertEqual([each.name for each in rest], ["echo", "dns"])
        self.assertEqual(
            self.configured,
            [{"format": "text", "level": "info", "rate": logs.DEFAULT_RATE}],
        )

    def test_wrong(self) -> None:
        """What is wrong with the file is told together with what is wrong with the
        files that it names, and nothing is logged otherwise."""
        gone = Path(self.mktemp()).absolute()
        named = f"[daemon]\nadmin_token = '{gone}'\n[dns]\n"
        for text, count in ((named, 1), (f"{named}[echo]\nno = 1\n", 2)):
            error = self.assertRaises(StartError, self.make, text)
            lines = str(error).splitlines()
            self.assertEqual(len(lines), count)
            self.assertIn(f":2: daemon.admin_token: {gone}: No such file", lines[0])
        self.assertIn(":5: echo.no: unknown key", lines[1])
        self.assertLessEqual(len(self.configured), 1)

    def test_reload(self) -> None:
        """What a reload changes about the process is used."""
        daemon = self.make(PLAIN)
        reloader = daemon.reloader
        assert isinstance(reloader, Reloader)
        self.file.write_text(f"{PLAIN}[daemon]\n")
        self.assertEqual(len(self.successResultOf(reloader.reload())), 1)
        new = PLAIN.replace("'off'", "'off'\nlog_level = 'warn'\ndrain_timeout = 3")
        self.file.write_text(new + "[dns]\n")
        self.assertEqual(self.successResultOf(reloader.reload()), [])
        self.assertEqual(daemon.drain_timeout, 3)
        self.assertEqual(self.configured[-1]["level"], "warn")
        self.assertEqual([each.name for each in daemon][1:], ["echo", "dns"])
        self.file.write_text(f"{new}[dns]\n".replace("'off'", "'auto'"))
        (problem,) = self.successResultOf(reloader.reload())
        self.assertIn(":2: daemon.admin: is used at the start only", problem)

    def test_admin(self) -> None:
        """The admin server is the first service, so that it is the last to stop."""
        token = Path(self.mktemp())
        token.write_text("a-token-of-some-length-for-tests\n")
        text = f"[daemon]\nadmin = 'unix:x'\nadmin_token = '{token}'\n[echo]\n"
        first, *_ = self.make(text)
        self.assertIsInstance(first, AdminService)
        token.unlink()
        error = self.assertRaises(StartError, self.make, text)
        self.assertIn(f"{self.file}:3: daemon.admin_token: ", str(error))

    def test_admin_of_another_user(self) -> None:
        """If root starts it as another user, that user gets the socket's directory."""
        given: list[Any] = []
        self.patch(os, "geteuid", lambda: 0)
        self.patch(service, "AdminService", lambda *made: given.append(made[-1]))
        for runner in ({}, {"uid": 0, "gid": 0}, {"uid": 7, "gid": 8}):
            configuration = self.parse("[echo]\n").configuration
            _admin(configuration, None, runner, None)
        self.assertEqual(given[:2], [None, None])
        self.assertEqual((given[2].uid, given[2].gid), (7, 8))
        self.assertEqual(given[2].path, default_path().parent)

    def test_workers(self) -> None:
        """Several workers have a supervisor in the place of the services."""
        made: list[tuple[Any, ...]] = []

        class Supervisor(FakeService):
            source = None

        def make_supervisor(*given: Any) -> Supervisor:
            made.append(given)
            return Supervisor(None, None)

        self.patch(several, "make_supervisor", make_supervisor)
        daemon = self.make(PLAIN, "--workers", "2")
        (supervisor,) = daemon
        self.assertIs(daemon.reloader, supervisor)
        ((configuration, load, reactor, changed),) = made
        self.assertEqual(configuration.daemon.workers, 2)
        self.assertEqual(load(), configuration)
        self.assertIs(reactor, self.reactor)
        changed(self.parse(PLAIN, "--drain-timeout", "3").configuration)
        self.assertEqual(daemon.drain_timeout, 3)

    def test_log_file(self) -> None:
        """A log file that cannot be opened is told in a line."""
        options = self.parse(PLAIN)
        options.parent = usage.Options()
        options.parent.update({"nodaemon": True, "logfile": "/nowhere/log"})
        error = self.assertRaises(
            StartError, makeService, options, MemoryReactorClock()
        )
        self.assertIn("netsvc: --logfile: ", str(error))


class NoChange:
    """Settings that are the same."""

    def commit(self) -> None:
        """Nothing."""

    def abandon(self) -> None:
        """Nothing."""


class MeasuringTests(SynchronousTestCase):
    """Tests of L{Measuring}."""

    def test_life(self) -> None:
        """It measures while it runs, and has nothing to drain."""
        reactor = MemoryReactorClock()
        measuring = Measuring(reactor)
        measuring.startService()
        reactor.pump([0.1] * 5)
        self.assertEqual(self.successResultOf(measuring.drain(1)), None)
        measuring.stopService()
        self.assertEqual(reactor.getDelayedCalls(), [])
        self.assertGreaterEqual(sum(measuring.lag.histogram().counts), 4)
