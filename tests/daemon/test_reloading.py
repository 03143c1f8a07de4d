"""Tests of L{netsvc.daemon.reloading}."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.changes import Changes, CombinedReloadError, ReloadError
from netsvc.daemon.refusing import StartError
from netsvc.daemon.reloading import (
    Reloader,
    ReloadRefusedError,
    Running,
    same_again,
)
from netsvc.daemon.settings import SettingsError


@dataclass(frozen=True)
class FakeSettings:
    """Settings of a fake."""

    value: str = ""
    drain_timeout: float = 5.0


@dataclass(frozen=True)
class FakeEntry:
    """An entry of a configuration."""

    table: str
    settings: FakeSettings = FakeSettings()
    where: dict[str, int] = field(default_factory=lambda: {"": 1, "value": 2})

    @property
    def identity(self) -> tuple[str, str]:
        """What it is known by."""
        return self.table, ""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.table


@dataclass(frozen=True)
class FakeConfiguration:
    """A configuration."""

    entries: Sequence[FakeEntry]
    file: str = "netsvc.toml"


class FakeService(Service):
    """
    A service.

    @ivar wrong: What prepare raises.
    @ivar done: What was asked of it.
    """

    def __init__(self, settings: Any, done: list[str] | None = None) -> None:
        """Begin."""
        self.settings = settings
        self.service = "netsvc-fake"
        self.wrong: BaseException | None = None
        self.start_wrong: BaseException | None = None
        self.later: Deferred[None] | None = None
        self.drained: Deferred[None] = succeed(None)
        self.timeouts: list[float] = []
        self.done: list[str] = [] if done is None else done

    def prepare(self, settings: Any) -> Any:
        """Prepare."""
        if self.wrong is not None:
            raise self.wrong
        changes = Changes()
        changes.on_commit(lambda: self.done.append(f"commit {settings.value}"))
        changes.on_commit(lambda: setattr(self, "settings", settings))
        changes.on_abandon(lambda: self.done.append(f"abandon {settings.value}"))
        if self.later is not None:
            return self.later.addCallback(lambda _: changes)
        return changes

    def startService(self) -> None:
        """Start."""
        if self.start_wrong is not None:
            raise self.start_wrong
        super().startService()

    def drain(self, timeout: float) -> Deferred[None]:
        """Drain."""
        self.timeouts.append(timeout)
        return self.drained


class FakeDaemon(MultiService):
    """The parent of the services."""

    state = "ready"

    def drain_timeout_of(self, service: Any) -> float:
        """Give how long a service may drain."""
        return float(service.settings.drain_timeout)


class ReloaderCase(SynchronousTestCase):
    """A reloader of two services."""

    def setUp(self) -> None:
        """Start them."""
        self.daemon = FakeDaemon()
        self.done: list[str] = []
        self.entries = [FakeEntry("echo"), FakeEntry("chat")]
        self.services = [FakeService(each.settings, self.done) for each in self.entries]
        for service in self.services:
            service.setServiceParent(self.daemon)
        self.daemon.startService()
        self.next: Any = FakeConfiguration(self.entries)
        self.made: list[FakeService] = []
        self.make_wrong: BaseException | None = None
        self.start_wrong: BaseException | None = None
        self.checks: list[str] = []
        self.changed: list[Any] = []
        self.reloader = Reloader(
            self.daemon,
            self.next,
            [
                Running(entry, service)
                for entry, service in zip(self.entries, self.services, strict=True)
            ],
            self.load,
            self.make,
            lambda old, new: self.checks,
            self.changed.append,
        )

    def load(self) -> Any:
        """Load the configuration."""
        if isinstance(self.next, BaseException):
            raise self.next
        return self.next

    def make(self, entry: Any, running: Sequence[Running]) -> FakeService:
        """Make a service."""
        if self.make_wrong is not None:
            raise self.make_wrong
        self.made.append(FakeService(entry.settings, self.done))
        self.made[-1].start_wrong = self.start_wrong
        return self.made[-1]

    def want(self, *entries: FakeEntry) -> None:
        """Have another configuration."""
        self.next = FakeConfiguration(entries)

    def reload(self) -> list[str]:
        """Reload; give what is wrong."""
        return self.successResultOf(self.reloader.reload())


class CommitTests(ReloaderCase):
    """What comes, goes and stays."""

    def test_changed(self) -> None:
        """All are prepared, then all committed; the daemon is told."""
        self.want(*(FakeEntry(each, FakeSettings("new")) for each in ("chat", "echo")))
        self.assertEqual(self.reload(), [])
        self.assertEqual(self.done, ["commit new", "commit new"])
        self.assertEqual(self.changed, [self.next])
        self.assertIs(self.reloader.configuration, self.next)
        self.assertEqual(
            [each.service for each in self.reloader.running], self.services[::-1]
        )

    def test_added(self) -> None:
        """A new entry is a new service, which is started before the commit."""
        self.want(*self.entries, FakeEntry("dns"))
        self.assertEqual(self.reload(), [])
        (made,) = self.made
        self.assertTrue(made.running)
        self.assertIn(made, self.daemon.services)
        self.assertEqual(len(self.reloader.running), 3)

    def test_removed(self) -> None:
        """What is gone is drained, for its time, and then stopped and forgotten."""
        self.want(self.entries[1])
        gone = self.services[0]
        gone.drained = Deferred()
        self.assertEqual(self.reload(), [])
        self.assertEqual(gone.timeouts, [5.0])
        self.assertTrue(gone.running)
        gone.drained.callback(None)
        self.assertFalse(gone.running)
        self.assertEqual(self.daemon.services, self.services[1:])

    def test_removed_while_stopping(self) -> None:
        """What ends its drain when the daemon has let it go is only stopped."""
        self.want(self.entries[1])
        gone = self.services[0]
        gone.drained = Deferred()
        self.reload()
        gone.disownServiceParent()
        gone.drained.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertFalse(gone.running)

    def test_later(self) -> None:
        """A service may take its time to prepare."""
        later = self.services[1].later = Deferred()
        done = self.reloader.reload()
        self.assertNoResult(done)
        self.assertEqual(self.done, [])
        later.callback(None)
        self.assertEqual(self.successResultOf(done), [])
        self.assertEqual(self.done, ["commit ", "commit "])

    def test_stopping_meanwhile(self) -> None:
        """A reload that was prepared when the daemon began to stop is given up."""
        later = self.services[1].later = Deferred()
        done = self.reloader.reload()
        self.daemon.state = "draining"
        later.callback(None)
        self.assertEqual(self.successResultOf(done), ["the daemon is stopping"])
        self.assertEqual(self.done, ["abandon ", "abandon "])

    def test_failing_commit(self) -> None:
        """A mistake of ours in a commit is logged, and the rest is committed."""
        change = self.successResultOf(self.reloader.prepare(self.next))
        change.on_commit(lambda: 1 // 0)
        change.commit()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.done, ["commit ", "commit "])

    def test_two_steps(self) -> None:
        """What is prepared can be abandoned later, services that are new as well."""
        self.want(*self.entries, FakeEntry("dns"))
        change = self.successResultOf(self.reloader.prepare(self.next))
        change.abandon()
        self.assertEqual(self.done, ["abandon ", "abandon "])
        self.assertEqual(self.daemon.services, self.services)
        self.assertFalse(self.made[0].running)


class RefuseTests(ReloaderCase):
    """What is wrong is told with its line, and nothing changes."""

    def refused(self) -> list[str]:
        """Reload; nothing may have changed."""
        problems = self.reload()
        self.assertNotIn("commit", " ".join(self.done))
        self.assertEqual(self.daemon.services, self.services)
        self.assertEqual(self.changed, [])
        return problems

    def test_file(self) -> None:
        """All problems of the file are told."""
        self.next = ReloadRefusedError(["netsvc.toml:1: a", "netsvc.toml:2: b"])
        self.assertEqual(self.refused(), self.next.problems)

    def test_unreadable(self) -> None:
        """What the system or the settings say is told as it is."""
        for error in (OSError(2, "No such file", "x"), SettingsError("workers", "no")):
            self.next = error
            self.assertEqual(self.refused(), [str(error)])

    def test_services(self) -> None:
        """What services find is told for all of them, with file and line."""
        self.services[0].wrong = CombinedReloadError(
            [ReloadError("value", "bad"), ReloadError("other", "worse")]
        )
        self.services[1].wrong = ReloadError("", "no\nway")
        self.assertEqual(
            self.refused(),
            [
                "netsvc.toml:2: echo.value: bad",
                "netsvc.toml:1: echo.other: worse",
                r"netsvc.toml:1: chat: no\nway",
            ],
        )

    def test_rest_is_abandoned(self) -> None:
        """What was prepared by others is given back, and no new service is made."""
        self.services[1].wrong = ReloadError("value", "bad")
        self.want(*self.entries, FakeEntry("dns"))
        self.refused()
        self.assertEqual(self.done, ["abandon "])
        self.assertEqual(self.made, [])

    def test_checks(self) -> None:
        """What needs a restart is told."""
        self.checks = ["netsvc.toml:9: daemon.workers: restart"]
        self.assertEqual(self.refused(), self.checks)

    def test_not_made(self) -> None:
        """A new service that cannot be made is told, with the line of the setting if it
        names one."""
        self.want(*self.entries, FakeEntry("dns"))
        for said, told in (
            ("netsvc-dns: --value: no", "netsvc.toml:2: dns.value: no"),
            ("netsvc-dns: --none: no", "netsvc.toml:1: dns: netsvc-dns: --none: no"),
            ("no", "netsvc.toml:1: dns: no"),
            ("netsvc.toml:3: dns.listen: no", "netsvc.toml:3: dns.listen: no"),
        ):
            self.make_wrong = StartError(said)
            self.assertEqual(self.refused(), [told])
        self.make_wrong = StartError("netsvc.toml:3: dns.listen: no\nnor this")
        told = "netsvc.toml:1: dns: nor this"
        self.assertEqual(self.refused(), ["netsvc.toml:3: dns.listen: no", told])

    def test_not_started(self) -> None:
        """A new service that cannot start is told, and those that have are stopped."""
        self.want(*self.entries, FakeEntry("dns"), FakeEntry("relay"))
        self.start_wrong = StartError("netsvc-dns: --value: in use")
        self.assertEqual(
            self.refused(),
            [f"netsvc.toml:2: {name}.value: in use" for name in ("dns", "relay")],
        )

    def test_mistake(self) -> None:
        """A mistake of ours is told, and logged with its traceback."""
        self.services[0].wrong = ZeroDivisionError("oh")
        self.assertEqual(self.refused(), ["internal error: oh"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_mistake_in_abandoning(self) -> None:
        """So is one in giving things back."""
        self.services[1].wrong = ReloadError("value", "bad")
        prepare = self.services[0].prepare

        def bad(settings: Any) -> Any:
            change = prepare(settings)
            change.on_abandon(lambda: 1 // 0)
            return change

        self.services[0].prepare = bad  # type: ignore[method-assign]
        self.assertEqual(self.refused(), ["netsvc.toml:2: chat.value: bad"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class SameAgainTests(SynchronousTestCase):
    """Services without a configuration file."""

    def test_same_settings(self) -> None:
        """Their settings are prepared again; others have none, and are left out."""
        daemon = FakeDaemon()
        service = FakeService(FakeSettings("same"))
        service.setServiceParent(daemon)
        Service().setServiceParent(daemon)
        reloader = same_again(daemon)
        self.assertEqual(self.successResultOf(reloader.reload()), [])
        self.assertEqual(service.done, ["commit same"])

    def test_problems(self) -> None:
        """What is wrong is told with the option."""
        daemon = FakeDaemon()
        service = FakeService(FakeSettings())
        service.setServiceParent(daemon)
        reloader = same_again(daemon)
        service.wrong = CombinedReloadError(
            [ReloadError("tls_key", "no"), ReloadError("", "x")]
        )
        self.assertEqual(
            self.successResultOf(reloader.reload()), ["netsvc-fake: --tls-key: no", "x"]
        )
