"""Options and services of C{twistd netsvc}: what a configuration file asks for."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from twisted.python import usage

from netsvc import tables
from netsvc.daemon.configuration import (
    Configuration,
    ConfigurationError,
    override,
)
from netsvc.daemon.daemon_settings import AUTO, DaemonSettings
from netsvc.daemon.options import SettingsOptions
from netsvc.daemon.settings import FilePath, SettingsError, setting


@dataclass(frozen=True, kw_only=True)
class CommandLine(DaemonSettings):
    """What the command line says: the file, and what it says otherwise."""

    config: Path = setting(
        FilePath(),
        short="c",
        help="The configuration file (TOML): a table for each service that runs, and"
        " [daemon] for the settings below, which the command line can override.",
    )

    def validate(self) -> None:
        """Nothing: it is checked with what the file says."""


class Options(SettingsOptions[CommandLine]):
    """
    Command line of C{netsvc}.

    @ivar configuration: What the file says, once the command line is parsed.
    @ivar wrong: Why it cannot be used; then there is no configuration.
    """

    settings_class = CommandLine
    service = "netsvc"
    longdesc = (
        "Runs the services that a configuration file asks for. 'netsvc check FILE'"
        " checks one, 'netsvc check --sample' prints one with all that there is."
    )

    configuration: Configuration
    wrong: ConfigurationError | None = None

    def postOptions(self) -> None:
        """
        Read the file.

        @raise SystemExit: It cannot be used at all; one line for each reason.
        """
        if "config" not in self._given:
            raise usage.UsageError("--config: must be given")
        # As it was named, and where that is: a runner may change the directory.
        self._file = str(self._given.pop("config"))
        self._path = Path(self._file).absolute()
        try:
            self.configuration = self.load(pipe=True)
        except ConfigurationError as error:
            if error.rest is None or not error.rest.entries:
                raise SystemExit(str(error)) from None
            # Told when the reactor is there, with what is wrong with the files that
            # the rest names.
            self.wrong = error

    def load(self, pipe: bool = False) -> Configuration:
        """
        Read the file, and let the command line override it.

        @param pipe: Whether it may come through a pipe: at the start, and not again.
        @raise ConfigurationError: It cannot be read, or not be used, or does not go
            together with the command line.
        """
        configuration = tables.load(self._path, self._file, pipe=pipe)
        try:
            return override(configuration, **self._given)
        except SettingsError as error:
            problem = f"with the command line, {error.problem}"
            found = configuration.problem(None, error.key, problem)
            raise ConfigurationError((found,)) from None


def makeService(options: Options, reactor: Any = None) -> Any:
    """
    Make the services that the file of C{options} asks for.

    @param options: The parsed command line.
    @param reactor: The reactor; by default the global one.
    @raise StartError: They cannot be made; one line for each reason.
    """
    from netsvc import one
    from netsvc.daemon import logs
    from netsvc.daemon.collecting import local_source
    from netsvc.daemon.lifecycle import Daemon, service_reactor
    from netsvc.daemon.measuring import Measuring
    from netsvc.daemon.refusing import refuse, refuse_all
    from netsvc.daemon.reloading import Reloader

    reactor = service_reactor(reactor)
    if options.wrong is not None:
        refuse_all(map(str, one.all_problems(options.wrong, reactor)))
    configuration = options.configuration
    _configure_logs(configuration)
    daemon = Daemon([], configuration.daemon.drain_timeout, reactor)
    try:
        daemon.log_observer = logs.for_twistd(options.parent)
    except OSError as error:
        refuse(f"netsvc: --logfile: {error}")

    def changed(configuration: Configuration) -> None:
        daemon.drain_timeout = configuration.daemon.drain_timeout
        _configure_logs(configuration)

    services: list[Any]
    source: Any
    if configuration.daemon.workers > 1:
        from netsvc.several import make_supervisor

        supervisor = make_supervisor(configuration, options.load, reactor, changed)
        services, source = [supervisor], supervisor.source
        daemon.reloader = supervisor
    else:
        measuring = Measuring(reactor)
        others = one.token_problems(configuration)
        running = one.make_services(configuration, reactor, others)
        daemon.explain = one.explain(configuration, running)
        services = [measuring, *(each.service for each in running)]
        source = local_source(daemon, measuring.lag)
        daemon.reloader = Reloader(
            daemon,
            configuration,
            running,
            options.load,
            partial(_make, reactor),
            one.reload_problems,
            changed,
        )
    # The admin server is the first to start and the last to stop.
    admin = _admin(configuration, source, options.parent, reactor)
    for service in [*admin, *services]:
        service.setServiceParent(daemon)
    return daemon


def _make(reactor: Any, entry: Any, running: Any) -> Any:
    """Make one more service."""
    from netsvc import one

    return one.make_service(entry, reactor, running)


def _configure_logs(configuration: Configuration) -> None:
    """Log as the file says."""
    from netsvc.daemon import logs

    settings = configuration.daemon
    logs.configure(
        format=settings.log_format, level=settings.log_level, rate=settings.log_rate
    )


def _admin(
    configuration: Configuration, source: Any, runner: Any, reactor: Any
) -> list[Any]:
    """
    Make the admin server, if there is to be one.

    @param runner: The options of who runs this; L{None}: nobody.
    @raise StartError: The file with its token cannot be read.
    """
    settings = configuration.daemon
    if not settings.wants_admin:
        return []
    from netsvc.daemon.admin.access import AdminSettings, read_token
    from netsvc.daemon.admin.service import AdminService, GivenDirectory
    from netsvc.daemon.admin.where import default_listen, default_path
    from netsvc.daemon.refusing import refuse

    token = None
    if settings.admin_token is not None:
        try:
            token = read_token(settings.admin_token)
        except ValueError as error:
            refuse(str(configuration.problem(None, "admin_token", str(error))))
    listens = settings.admin_listens(default_listen())
    access = AdminSettings(settings.admin_host, token)
    given = None
    uid = None if runner is None else runner.get("uid")
    if AUTO in settings.admin and uid and os.geteuid() == 0:
        gid = runner.get("gid")
        gid = pwd.getpwuid(uid).pw_gid if gid is None else gid
        given = GivenDirectory(default_path().parent, uid, gid)
    return [AdminService(listens, source, access, reactor, given)]
