"""C{netsvc run SERVICE}: twistd with netsvc's own services and no plugin search.

The services come from L{netsvc.services}, so it works where only this command is on
the PATH, and where Twisted's plugin cache is stale or missing. It differs from
C{twistd} in four ways: it stays in the foreground unless C{--daemonize} is given, it
writes no pid file unless C{--pidfile} names one, it logs through
L{netsvc.daemon.logs}, and its own long options may also follow the service's name::

    netsvc run --reactor poll echo --listen tcp:7007
    netsvc run echo --listen tcp:7007 --log-format json

C{netsvc run --config FILE} is short for C{netsvc run netsvc --config FILE}.
"""

from __future__ import annotations

import getopt
import pwd
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.application.service import ServiceMaker
from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions as TwistdOptions
from twisted.scripts.twistd import runApp

from netsvc import cli, services
from netsvc._version import __version__
from netsvc.daemon import logs

__all__ = ["RunOptions", "main"]

#: The log formats of C{--log-format}; without it a configuration file may say.
LOG_FORMATS: dict[str | None, Callable[..., object]] = {
    None: logs.configured,
    "text": logs.text,
    "json": logs.json,
}

# twistd's options for .tac files, for debugging twistd itself, and those that
# netsvc run makes needless. They still work; --help leaves them out.
_UNLISTED = {
    "debug", "encrypted", "euid", "file", "logger", "no_save",
    "nodaemon", "originalname", "prefix", "profile", "profiler", "python",
    "savestats", "source", "spew",
}  # fmt: skip


class RunOptions(TwistdOptions):
    """twistd's options over a fixed list of services."""

    longdesc = (
        "'netsvc run SERVICE --help' lists a service's own options. 'netsvc run"
        " --config FILE' runs what a configuration file asks for."
    )

    def __init__(self) -> None:
        """Begin with what differs from twistd."""
        super().__init__()
        self["pidfile"], self.defaults["pidfile"] = "", None
        self["nodaemon"] = True
        self["log-format"] = None
        self["log-level"] = None

    @staticmethod
    def _getPlugins(interface: object, package: object = None) -> Iterable[Any]:
        return services.ALL

    def opt_daemonize(self) -> None:
        """Detach from the terminal; needs --logfile or --syslog."""
        self["nodaemon"] = False

    def opt_log_format(self, name: str) -> None:
        """Format of the log: text (the default) or json, one object a line."""
        if name not in LOG_FORMATS:
            raise usage.UsageError(f"--log-format: {name!r} is neither text nor json")
        self["log-format"] = name

    def opt_log_level(self, name: str) -> None:
        """What to log: debug, info (the default), warn, error or critical."""
        if name not in logs.LEVELS:
            levels = ", ".join(logs.LEVELS)
            raise usage.UsageError(f"--log-level: {name!r} is none of {levels}")
        self["log-level"] = name

    def opt_version(self) -> None:
        """Print netsvc's version and exit."""
        print(f"netsvc {__version__}")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse C{options}, netsvc run's own on either side of the service's name.

        @raise usage.UsageError: one of them is wrong, or no known service is named.
        """
        words = self._with_service(list(options or ()))
        try:
            _, rest = getopt.getopt(words, self.shortOpt, self.longOpt)
        except getopt.error as error:
            raise usage.UsageError(str(error)) from None
        before = words[: len(words) - len(rest)]
        known = {each.tapname.removeprefix("netsvc-"): each for each in services.ALL}
        if not rest:
            # Here --help and --version do what they say.
            super().parseOptions(before)
            names = ", ".join(known)
            raise usage.UsageError(f"name a service to run; there are: {names}")
        service = known.get(rest[0].removeprefix("netsvc-"))
        if service is None:
            raise usage.UsageError(cli.unknown("service", rest[0], known))
        try:
            super().parseOptions(before + self._own_first(service, rest[1:]))
            if self["uid"] is not None and self["gid"] is None:
                # twistd takes this user's group, when it has already begun to start.
                pwd.getpwuid(self["uid"])
        except KeyError as error:
            # What pwd and grp raise for --uid and --gid, and twistd lets through.
            raise usage.UsageError(f"no such user or group: {error.args[0]}") from None

    def _with_service(self, words: list[str]) -> list[str]:
        """Name the service that takes C{--config}, where no service is named."""
        for place, word in enumerate(words):
            if word.partition("=")[0] == "--config":
                try:
                    _, rest = getopt.getopt(words[:place], self.shortOpt, self.longOpt)
                except getopt.error:
                    return words  # it will be seen again
                return words if rest else [*words[:place], "netsvc", *words[place:]]
        return words

    def _own_first(self, service: ServiceMaker, after: list[str]) -> list[str]:
        """Move the options of this class in C{after} in front of the service's name.

        An option that the service has too stays the service's.
        """
        ours = _long_options(self)
        if ours.keys().isdisjoint(word.partition("=")[0] for word in after):
            return [service.tapname, *after]
        theirs = _long_options(service.options())
        moved: list[str] = []
        kept: list[str] = []
        words = iter(after)
        for word in words:
            name, separator, _ = word.partition("=")
            if word == "--":
                kept += [word, *words]
                break
            is_ours = name in ours and name not in theirs
            pair = [word]
            if {**ours, **theirs}.get(name) and not separator:
                pair += [value for value in [next(words, None)] if value is not None]
                if is_ours and len(pair) == 1:
                    raise usage.UsageError(f"option {name} requires argument")
            (moved if is_ours else kept).extend(pair)
        return [*moved, service.tapname, *kept]

    def postOptions(self) -> None:
        """Check what belongs together, and choose the log observer.

        @raise usage.UsageError: two options contradict each other, or the log file
            cannot be opened.
        """
        file = None if self["logfile"] == "-" else self["logfile"]
        other = self["syslog"] or self["logger"]
        for ours in ("log-format", "log-level"):
            if self[ours] and other:
                raise usage.UsageError(f"--{ours} cannot go with --syslog or --logger")
        if not (self["nodaemon"] or file or other):
            raise usage.UsageError("--daemonize needs --logfile or --syslog")
        super().postOptions()
        if not other:
            make = LOG_FORMATS[self["log-format"]]
            self["logger"] = partial(make, file and _append(file), self["log-level"])

    def getSynopsis(self) -> str:
        """The first line of the help text, to which a service adds its own name."""
        rest = "" if self.subCommand else " SERVICE [service options]"
        return "Usage: netsvc run [options]" + rest

    def getUsage(self, width: int | None = None) -> str:
        """The help text, without the options of twistd that have no use here."""
        listed = self.longOpt
        self.longOpt = [o for o in listed if o.rstrip("=") not in _UNLISTED]
        try:
            text: str = super().getUsage(width)
        finally:
            self.longOpt = listed
        return text


def _append(name: str) -> logs.LogFile:
    """Open a log file; it stays open as long as the process lives."""
    try:
        return logs.LogFile(name)
    except OSError as error:
        raise usage.UsageError(f"--logfile {name}: {error.strerror}") from None


def _long_options(options: usage.Options) -> dict[str, bool]:
    """The long options, each with whether it takes a value."""
    return {"--" + name.rstrip("="): name.endswith("=") for name in options.longOpt}


def main(argv: Sequence[str]) -> int:
    """Run the service that C{argv} names until it is stopped.

    @param argv: the arguments after C{netsvc run}.
    @return: the exit status; a mistake in C{argv} is one line on stderr and 2.
    """
    options = RunOptions()
    try:
        options.parseOptions(argv)
        runApp(options)
    except usage.UsageError as error:
        print(f"netsvc run: {' '.join(str(error).split())}", file=sys.stderr)
        return cli.EXIT_USAGE
    return 0
