"""
Other settings for the services that run: all of them are used, or none.

A L{Reloader} loads the configuration, finds which services come, go and stay,
prepares every one of them, and only then commits. Whatever is wrong, in the file or
in what it names, is told at once with its line, and the old settings stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet import defer
from twisted.logger import Logger

from netsvc.daemon.changes import Changes, CombinedReloadError, ReloadError
from netsvc.daemon.escape import escape
from netsvc.daemon.handover import Handover
from netsvc.daemon.listeners import listeners_of
from netsvc.daemon.settings import SettingsError

#: The state of a daemon that is about to end, and what a reload is told then.
DRAINING: Final = "draining"
STOPPING: Final = "the daemon is stopping"


#: Why a service that is new accepts nobody yet.
UNCOMMITTED: Final = "uncommitted"

#: What a service says when it refuses to start: netsvc-chat: --store: why.
_REFUSED: Final = re.compile(r"netsvc-[a-z]+: --(?:no-)?([a-z-]+):? (.*)", re.DOTALL)


class Wanted(Protocol):
    """
    What L{Reloader} asks of a configuration's entry: one service.

    @ivar identity: What it is known by over reloads.
    @ivar settings: Its settings.
    @ivar where: The line of each setting; the first, with an empty key, is the table's.
    """

    @property
    def identity(self) -> Any:
        """What it is known by."""

    @property
    def settings(self) -> Any:
        """Its settings."""

    @property
    def where(self) -> Mapping[str, int]:
        """The lines."""


class Loaded(Protocol):
    """
    What L{Reloader} asks of a configuration.

    @ivar file: Its file's name; empty if there is none.
    @ivar entries: Its services.
    """

    @property
    def file(self) -> str:
        """Its file."""

    @property
    def entries(self) -> Sequence[Any]:
        """Its services."""


@dataclass(frozen=True)
class Running:
    """
    A service that runs, and the entry that it goes by.

    @ivar entry: The entry (L{Wanted}).
    @ivar service: The service (L{netsvc.daemon.service.NetService}).
    """

    entry: Any
    service: Any


class ReloadRefusedError(Exception):
    """
    A configuration cannot be used.

    @ivar problems: What is wrong, a line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """@param problems: What is wrong."""
        super().__init__("; ".join(problems))
        self.problems = list(problems)


#: Makes a service for an entry that is new, beside those that run.
Make = Callable[[Any, Sequence[Running]], Any]

#: Says what of a new configuration needs a restart; each has a text.
Check = Callable[[Any, Any], Iterable[Any]]


class Reloader:
    """
    Brings a daemon to another configuration.

    @ivar running: The services that run.
    @ivar configuration: What they go by.
    """

    _log = Logger()

    def __init__(
        self,
        daemon: Any,
        configuration: Loaded,
        running: Sequence[Running],
        load: Callable[[], Loaded],
        make: Make,
        check: Check = lambda old, new: (),
        changed: Callable[[Any], object] = lambda configuration: None,
    ) -> None:
        """
        @param daemon: The parent of the services (L{netsvc.daemon.lifecycle.Daemon}).
        @param configuration: What they go by.
        @param running: They.
        @param load: Reads the configuration again; raises an exception with
            C{problems}, or any other whose text says what is wrong.
        @param make: Makes a service, with what it raises likewise.
        @param check: Compares the old and the new configuration.
        @param changed: Called with each configuration that is committed.
        """
        self._daemon = daemon
        self.configuration = configuration
        self.running = list(running)
        self._load = load
        self._make = make
        self._check = check
        self._changed = changed

    def reload(self) -> defer.Deferred[list[str]]:
        """
        Read the configuration again and use it.

        @return: Fires with what is wrong, a line each; with nothing if it is used.
        """
        return defer.ensureDeferred(self._reload())

    async def _reload(self) -> list[str]:
        try:
            change = await self.prepare(self._loaded())
        except ReloadRefusedError as refused:
            return refused.problems
        if self._daemon.state == DRAINING:
            change.abandon()
            return [STOPPING]
        change.commit()
        return []

    def _loaded(self) -> Loaded:
        """
        Load the configuration.

        @raise ReloadRefusedError: It cannot be read, or is wrong.
        """
        try:
            return self._load()
        except Exception as error:
            raise ReloadRefusedError(self._told(error)) from None

    def prepare(self, configuration: Loaded) -> defer.Deferred[Changes]:
        """
        Prepare a configuration, of which nothing is used before the commit.

        @return: Fires with the change, or fails with L{ReloadRefusedError}.
        """
        return defer.ensureDeferred(self._prepare(configuration))

    async def _prepare(self, configuration: Loaded) -> Changes:
        changes = Changes()
        after: list[Running] = []
        added: list[Running] = []
        before = [each.entry for each in self.running]
        with Handover(self._daemon, before, configuration.entries) as handover:
            changes.on_commit(handover.commit)
            problems = await self._bring(configuration, changes, after)
            if not problems:
                problems = self._add(configuration, after, added)
        for each in added:
            for listeners in listeners_of(each.service):
                changes.on_commit(partial(listeners.wake, UNCOMMITTED))
        # Also if it is refused later, by another process for instance.
        changes.on_abandon(lambda: self._drop(added))
        if problems:
            self._abandon(changes)
            raise ReloadRefusedError(problems)
        order = {entry.identity: n for n, entry in enumerate(configuration.entries)}
        after.sort(key=lambda each: order[each.entry.identity])
        changes.on_commit(lambda: self._use(configuration, after))
        for gone in self.running:
            if gone.entry.identity not in order:
                changes.on_commit(partial(self._retire, gone.service))
        return _Logged(changes, self._log)

    async def _bring(
        self, configuration: Loaded, changes: Changes, after: list[Running]
    ) -> list[str]:
        """Prepare the services that stay; give what is wrong."""
        problems = [
            str(each) for each in self._check(self.configuration, configuration)
        ]
        running = {each.entry.identity: each.service for each in self.running}
        for entry in configuration.entries:
            service = running.get(entry.identity)
            if service is None:
                continue
            after.append(Running(entry, service))
            try:
                change = await defer.maybeDeferred(service.prepare, entry.settings)
            except Exception as error:
                problems += self._told(error, configuration.file, entry)
            else:
                changes.add(change)
        return problems

    def _add(
        self, configuration: Loaded, after: list[Running], added: list[Running]
    ) -> list[str]:
        """Start the services that are new; give what is wrong with them."""
        known = {each.entry.identity for each in after}
        problems: list[str] = []
        for entry in configuration.entries:
            if entry.identity in known:
                continue
            try:
                service = self._make(entry, after)
                added.append(Running(entry, service))
                for listeners in listeners_of(service):
                    listeners.rest(UNCOMMITTED)
                service.privilegedStartService()
                service.setServiceParent(self._daemon)
            except (Exception, SystemExit) as error:
                problems += self._told(error, configuration.file, entry)
            else:
                after.append(added[-1])
        return problems

    def _use(self, configuration: Loaded, after: list[Running]) -> None:
        """Go by a configuration."""
        self.configuration = configuration
        self.running = after
        self._changed(configuration)

    def _retire(self, service: Any) -> None:
        """Let a service finish that is no longer wanted."""
        timeout = self._daemon.drain_timeout_of(service)
        drained = defer.maybeDeferred(service.drain, timeout)
        drained.addErrback(self._mistaken)
        drained.addCallback(lambda _: self._remove(service))

    def _drop(self, added: Sequence[Running]) -> None:
        """Stop services that were started and are not wanted after all."""
        for each in added:
            self._remove(each.service)

    def _remove(self, service: Any) -> Any:
        """Stop a service and forget it, unless the daemon itself has stopped."""
        if service.parent is not None:
            stopped = defer.maybeDeferred(service.disownServiceParent)
        else:
            stopped = defer.maybeDeferred(service.stopService)
        return stopped.addErrback(self._mistaken)

    def _abandon(self, changes: Changes) -> None:
        """Give back what was prepared; a mistake in that is ours."""
        try:
            changes.abandon()
        except Exception:
            self._log.failure("while giving up a reload", event="internal-error")

    def _mistaken(self, failure: Any) -> None:
        """The mistake is ours: say so."""
        self._log.failure("while reloading", failure, event="internal-error")

    def _told(
        self, error: BaseException, file: str = "", entry: Wanted | None = None
    ) -> list[str]:
        """Say what is wrong, a line for each mistake."""
        if hasattr(error, "problems"):
            return [str(each) for each in error.problems]
        if isinstance(error, CombinedReloadError):
            return [self._line(each, file, entry) for each in error.errors]
        if isinstance(error, ReloadError):
            return [self._line(error, file, entry)]
        if isinstance(error, (SystemExit, OSError, SettingsError)):
            # What is meant for operators; some know where it stands (Listen.blame).
            return [
                escape(line)
                if file and line.startswith(f"{file}:")
                else self._line(_refusal(line, entry), file, entry)
                for line in str(error).splitlines() or [""]
            ]
        self._log.failure("while preparing a reload", event="internal-error")
        return [f"internal error: {escape(str(error)) or type(error).__name__}"]

    def _line(self, error: ReloadError, file: str, entry: Wanted | None) -> str:
        """Say what is wrong with a setting, and in which line it is."""
        if error.origin:
            return escape(f"{error.origin}: {error.problem}")
        if entry is None:
            return escape(str(error))
        label = getattr(entry, "label", entry.identity[0])
        if not file and not error.key:
            return escape(error.problem)
        if not file:
            option = error.key.replace("_", "-")
            return escape(f"{label}: --{option}: {error.problem}")
        line = entry.where.get(error.key, entry.where.get("", 0))
        where = f"{file}:{line}" if line else file
        key = f"{label}.{error.key}" if error.key else label
        return escape(f"{where}: {key}: {error.problem}")


def _refusal(text: str, entry: Any) -> ReloadError:
    """Find out which setting it was that a service has refused at its start."""
    match = _REFUSED.fullmatch(text)
    key = "" if match is None else match[1].replace("-", "_")
    if match is None or entry is None or not hasattr(entry.settings, key):
        return ReloadError("", text)
    return ReloadError(key, match[2])


class _Logged(Changes):
    """A change whose commit does not fail: what goes wrong in it is logged."""

    def __init__(self, changes: Changes, log: Logger) -> None:
        super().__init__()
        self._log = log
        self.add(changes)

    def commit(self) -> None:
        """Do all steps."""
        try:
            super().commit()
        except Exception:
            self._log.failure("while committing a reload", event="internal-error")


@dataclass(frozen=True)
class _Unnamed:
    """The entry of a service that no file names."""

    identity: tuple[str, int]
    settings: Any
    where: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Unwritten:
    """What services go by that were given their settings on the command line."""

    entries: Sequence[_Unnamed]
    file: str = ""


def _refuse_to_make(entry: Any, running: Sequence[Running]) -> Any:
    raise AssertionError("no service comes without a configuration file")


def same_again(daemon: Any) -> Reloader:
    """
    Make what reloads services without a configuration file.

    The settings stay, and the files that they name are read again.

    @param daemon: The parent of the services.
    """

    def now() -> _Unwritten:
        services = [each for each in daemon if hasattr(each, "prepare")]
        return _Unwritten(
            [
                _Unnamed((getattr(each, "service", ""), number), each.settings)
                for number, each in enumerate(services)
            ]
        )

    services = [each for each in daemon if hasattr(each, "prepare")]
    running = [
        Running(entry, service)
        for entry, service in zip(now().entries, services, strict=True)
    ]
    return Reloader(daemon, now(), running, now, _refuse_to_make)
