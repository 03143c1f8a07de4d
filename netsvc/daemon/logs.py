"""Log observers for an operator: one event is one line, as text or as JSON.

L{text} and L{json} are factories for C{twistd --logger netsvc.daemon.logs.json}
and for C{netsvc run --log-format}; L{configured} does what L{configure} has said.
Their observers write to standard output::

    2026-11-20T22:53:44.123Z [netsvc.echo#info] listening on tcp:7007
    {"time": "2026-11-20T22:53:44.123Z", "level": "info", ...}

Where that is the journal of systemd, a line begins with its priority (C{<6>}, see
sd-daemon(3)), and text has no time, as the journal has it. A standard output that
fails or stalls costs lines, which L{write_errors} counts, and never the service.
The kinds of events are listed in L{netsvc.daemon.log_events}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TextIO
from weakref import WeakSet

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    globalLogBeginner,
)
from twisted.python.components import Componentized
from zope.interface import implementer

from netsvc.daemon.limits import Rate
from netsvc.daemon.log_lines import format_json, format_text
from netsvc.daemon.log_output import LogFile, is_journal, writer
from netsvc.daemon.log_repeats import OncePer, Repeats

__all__ = [
    "FORMATS",
    "LEVELS",
    "LineObserver",
    "LogFile",
    "OncePer",
    "attach",
    "begin",
    "configure",
    "configured",
    "current",
    "flush",
    "for_twistd",
    "json",
    "reopen",
    "text",
]

FORMATS: Final = ("text", "json")
"""The formats of the log."""

LEVELS: Final = ("debug", "info", "warn", "error", "critical")
"""The levels of events, from the least important one."""

# What they are to syslog and to the journal.
_PRIORITIES: Final = dict(zip(LEVELS, (7, 6, 4, 3, 2), strict=True))

DEFAULT_RATE: Final = Rate(per_second=10, burst=100)
"""How many lines of a kind may come."""

write_errors = 0
"""How many lines could not be written since the process started."""

suppressed = 0
"""How many lines were left out because there were too many of their kind."""


@dataclass(frozen=True)
class _Configuration:
    """How this process logs."""

    format: str = "text"
    level: str = "info"
    worker: int | None = None
    rate: Rate | None = DEFAULT_RATE


_configuration = _Configuration()

# How the observer was made that was made last: what a worker does likewise.
_made: dict[str, str | None] = {"file": None, "format": None, "level": None}
_files: WeakSet[LogFile] = WeakSet()
_observers: WeakSet[LineObserver] = WeakSet()
_log = Logger()


def configure(**changes: Any) -> None:
    """Change how this process logs, at once, also by observers that are at work.

    @keyword format: one of L{FORMATS}, for those of L{configured}.
    @keyword level: one of L{LEVELS}; events below it are left out.
    @keyword worker: the number of this process among several that write one log;
        each line names it. C{None}: it is alone.
    @keyword rate: how many lines of a kind may come (L{Rate}); C{None}: all.
    @raise ValueError: there is no such format or level.
    """
    global _configuration
    changed = replace(_configuration, **changes)
    if changed.format not in FORMATS or changed.level not in LEVELS:
        raise ValueError(f"no log format or level: {changed.format} {changed.level}")
    _configuration = changed


def text(
    target: TextIO | LogFile | None = None, level: str | None = None
) -> LineObserver:
    """Make an observer that writes lines for people.

    @param target: where to; standard output if C{None}.
    @param level: the name of a L{LogLevel}, below which events are left out; by
        default that of L{configure}.
    """
    return _observer(target, level, "text")


def json(
    target: TextIO | LogFile | None = None, level: str | None = None
) -> LineObserver:
    """Make an observer that writes JSON Lines: one object a line, in UTF-8.

    An object has C{time} (RFC 3339, UTC), C{level}, C{namespace}, C{message}, and
    the event's own fields, among them C{event}, the name of the kind of event,
    where there is one, and C{worker}, if there are several. A field named as one
    of these gets a C{_} at its end. A failure adds C{error} and C{traceback}.

    @param target: where to; standard output if C{None}.
    @param level: as for L{text}.
    """
    return _observer(target, level, "json")


def configured(
    target: TextIO | LogFile | None = None, level: str | None = None
) -> LineObserver:
    """Make an observer that writes in the format of L{configure}.

    @param target: where to; standard output if C{None}.
    @param level: as for L{text}.
    """
    return _observer(target, level, None)


def _observer(
    target: TextIO | LogFile | None, level: str | None, format: str | None
) -> LineObserver:
    global _made
    journal = is_journal(target)
    file = target.path if isinstance(target, LogFile) else None
    _made = {"file": file, "format": format, "level": level}

    def line(event: LogEvent) -> str:
        worker = _configuration.worker
        if (format or _configuration.format) == "json":
            return format_json(event, worker)
        return format_text(event, worker, with_time=not journal)

    observer = LineObserver(line, writer(target), level, journal)
    _observers.add(observer)
    if isinstance(target, LogFile):
        _files.add(target)
    return observer


def current() -> dict[str, Any]:
    """Tell how this process logs, as plain values, for L{begin} in another one."""
    rate = _configuration.rate
    configured = {
        "format": _configuration.format,
        "level": _configuration.level,
        "rate": None if rate is None else [rate.per_second, rate.burst],
    }
    return {**_made, "configured": configured}


def begin(settings: Mapping[str, Any], worker: int | None = None) -> LineObserver:
    """Begin to log as another process does.

    @param settings: what L{current} gave in that process.
    @param worker: the number of this process among several.
    @return: the observer. A file that cannot be opened is standard output.
    """
    configured = dict(settings["configured"])
    rate = configured.pop("rate")
    configure(worker=worker, rate=None if rate is None else Rate(*rate), **configured)
    try:
        file = None if settings["file"] is None else LogFile(settings["file"])
    except OSError:
        file = None
    observer = _observer(file, settings["level"], settings["format"])
    globalLogBeginner.beginLoggingTo([observer])
    return observer


def for_twistd(options: Mapping[str, Any] | None) -> LineObserver | None:
    """Make the observer of a process that twistd runs, if it asks for none itself.

    It goes to twistd's C{--logfile}, to C{twistd.log} if twistd detaches, and else
    to standard output. To be used with L{attach}.

    @param options: the options of the runner; C{None} if there is none.
    @return: the observer, or C{None} if C{--logger} or C{--syslog} was given or the
        runner is another, such as C{twist}.
    @raise OSError: the file cannot be opened.
    """
    if options is None or "nodaemon" not in options:
        return None
    if options.get("logger") or options.get("syslog"):
        return None
    name = options.get("logfile")
    if not name and not options["nodaemon"]:
        name = "twistd.log"
    return configured(LogFile(name) if name and name != "-" else None)


def attach(application: Any, observer: ILogObserver | None) -> None:
    """Have twistd log to an observer: it looks for one when the services are made.

    @param application: what a service of twistd's is put into; nothing happens if
        it is no application.
    @param observer: the observer; C{None} leaves it to twistd.
    """
    if observer is not None and isinstance(application, Componentized):
        application.setComponent(ILogObserver, observer)


def reopen() -> list[str]:
    """Open all log files again by their names: logrotate has moved them away.

    @return: what could not be opened, one line each; those go on where they were.
    """
    problems = []
    files = sorted(_files, key=lambda file: file.path)
    for file in files:
        try:
            file.reopen()
        except OSError as error:
            problems.append(f"{file.path}: {error.strerror}")
    for problem in problems:
        _log.error(
            "the log goes on where it was: {problem}",
            problem=problem,
            event="log-not-reopened",
        )
    if len(problems) < len(files):
        _log.info("the log was opened again", event="log-reopened")
    return problems


def flush(all: bool = False) -> None:
    """Write how many lines were left out, where that is due.

    @param all: also what is not due yet: the process ends.
    """
    for observer in list(_observers):
        observer.flush(all)


@implementer(ILogObserver)
class LineObserver:
    """Writes each event that is important enough as one line."""

    def __init__(
        self,
        format: Callable[[LogEvent], str],
        write: Callable[[bytes], bool],
        level: str | None = None,
        journal: bool = False,
    ) -> None:
        """Join what makes lines to what writes them.

        @param format: gives an event's line without its end, or nothing.
        @param write: takes a line with its end; gives whether it was written.
        @param level: the name of a L{LogLevel}; events below it are left out, and
            one without a level is as important as C{info}. By default that of
            L{configure}.
        @param journal: whether lines begin with their priority.
        """
        self._format = format
        self._write = write
        self._level = None if level is None else LogLevel.levelWithName(level)
        self._journal = journal
        self._repeats = Repeats(lambda: _configuration.rate)

    def __call__(self, event: LogEvent) -> None:
        """Write an event. Nothing is raised: what is lost is counted."""
        global write_errors, suppressed
        try:
            level = self._level or LogLevel.levelWithName(_configuration.level)
            if (event.get("log_level") or LogLevel.info) < level:
                return
            before = self._repeats.suppressed
            events = self._repeats(event)
            suppressed += self._repeats.suppressed - before
        except Exception:
            write_errors += 1
            return
        for each in events:
            self._line(each)

    def flush(self, all: bool = False) -> None:
        """Write how many lines were left out.

        @param all: also what is not due yet.
        """
        for event in self._repeats.report(all):
            self._line(event)

    def _line(self, event: LogEvent) -> None:
        """Write one line."""
        global write_errors
        try:
            line = self._format(event)
            if line and self._journal:
                name = getattr(event.get("log_level"), "name", "info")
                line = f"<{_PRIORITIES.get(name, 6)}>{line}"
            written = not line or self._write(line.encode() + b"\n")
        except Exception:
            written = False
        if not written:
            write_errors += 1
