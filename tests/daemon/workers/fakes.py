"""A supervisor over workers that are no processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.configuration import Configuration, Entry
from netsvc.daemon.daemon_settings import DaemonSettings
from netsvc.daemon.report import Snapshot
from netsvc.daemon.snapshots import encode
from netsvc.daemon.workers.messages import Message
from netsvc.daemon.workers.supervisor import Supervisor


@dataclass(frozen=True)
class NoSettings:
    """Settings of a service that listens on nothing."""

    alone: bool = False


def entry(table: str, alone: bool = False) -> Entry:
    """Make an entry."""
    return Entry(table=table, settings=NoSettings(alone))


def configuration(*entries: Entry, workers: int = 2, text: str = "") -> Configuration:
    """Make a configuration."""
    daemon = DaemonSettings(workers=workers, admin=("off",))
    return Configuration(file="x.toml", text=text, daemon=daemon, entries=entries)


class FakeSlab:
    """What a worker has told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sequence = 0
        self.data: bytes | None = None

    def tell(self, snapshot: Snapshot) -> None:
        """Tell something."""
        self.sequence += 2
        self.data = encode(snapshot)

    def read(self) -> bytes | None:
        """Give it."""
        return self.data


class FakeProcess:
    """A worker that does nothing by itself."""

    def __init__(self, number: int, owner: Supervisor, reactor: Clock) -> None:
        """Be started."""
        self.number = number
        self.owner: Any = owner
        self.pid = 1000 + number
        self.started = reactor.seconds()
        self.slab = FakeSlab()
        self.slab_fd = 1
        self.entries: Sequence[Any] = ()
        self.ready = False
        self.sent: list[str] = []
        self.fields: dict[str, dict[str, Any]] = {}
        self.sockets: list[tuple[Any, Any]] = []
        self.killed = self.reaped = False

    def send(self, do: str, fds: Sequence[int] = (), **fields: Any) -> None:
        """Note what is said."""
        self.sent.append(do)
        self.fields[do] = fields

    def send_sockets(self, keys: Sequence[Any], fds: Sequence[int]) -> None:
        """Note what is passed."""
        self.sockets += zip(keys, fds, strict=True)

    def settled(self) -> None:
        """Nothing is to be closed."""

    def sources(self) -> list[Any]:
        """Nothing is to be read."""
        return []

    def kill(self) -> None:
        """Note it."""
        self.killed = True

    def reap(self) -> str:
        """Note it."""
        self.reaped = True
        return "SIGKILL"

    def say(self, do: str, **fields: Any) -> None:
        """Say something to the supervisor."""
        self.owner.worker_said(self, Message(do, fields))

    def end(self, how: str = "SIGKILL") -> None:
        """End."""
        self.owner.worker_ended(self, how)


class FakeDaemon:
    """The parent of a supervisor's service."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Count reloads."""
        self.reloads = {"ok": 7}
        self._supervisor = supervisor

    def reload(self) -> defer.Deferred[list[str]]:
        """Reload."""
        return self._supervisor.reload()


class SupervisorCase(SynchronousTestCase):
    """A supervisor with a clock, whose workers start at once."""

    workers = 2

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.made: list[FakeProcess] = []
        self.next = configuration(entry("echo"), workers=self.workers, text="next")
        self.committed: list[str] = []
        self.objections: list[str] = []
        self.load_error: Exception | None = None
        self.start_error: OSError | None = None
        self.starts = True
        first = configuration(
            entry("echo"), entry("chat", alone=True), workers=self.workers, text="first"
        )
        self.supervisor = Supervisor(
            first,
            load=self._load,
            alone=lambda each: "its state" if each.settings.alone else "",
            check=lambda old, new: self.objections,
            changed=lambda used: self.committed.append(used.text),
            reactor=self.clock,
            spawn=self._spawn,
        )
        self.supervisor.parent = FakeDaemon(self.supervisor)

    def _load(self) -> Configuration:
        if self.load_error is not None:
            raise self.load_error
        return self.next

    def _spawn(self, number: int, owner: Supervisor, reactor: Clock) -> Any:
        if self.start_error is not None:
            raise self.start_error
        process = FakeProcess(number, owner, reactor)
        process.ready = self.starts
        self.made.append(process)
        return process

    def start(self) -> None:
        """Start the service."""
        self.supervisor.startService()
        self.addCleanup(self._end)

    def _end(self) -> None:
        """Leave no calls."""
        stopped = self.supervisor.stopService()
        for process in self.living():
            process.end()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def living(self) -> list[Any]:
        """Give the workers that there are."""
        return list(self.supervisor.living)
