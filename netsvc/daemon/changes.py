"""
A change of settings that is made of steps, prepared together, committed together.

A service's C{prepare} makes one, adds the steps as it prepares them, and gives it
back; what raises on the way gives back all that was prepared before it::

    with Changes() as changes:
        with changes.part():
            changes.add(self.listeners.prepare(settings.listen))
        with changes.part():
            motd = read(settings.motd)  # may raise ReloadError
            changes.on_commit(lambda: self.use(motd))
    return changes

Every part is prepared, also after one that has failed, so that an operator learns
of all mistakes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class ReloadError(Exception):
    """
    New settings that a service cannot use.

    @ivar key: The setting, such as C{tls_certificate}; empty if it is about none.
    @ivar problem: What is wrong, in one line for operators.
    @ivar origin: Where it stands, C{file:line: key}; empty if that is not known.
    """

    def __init__(self, key: str, problem: str, origin: str = "") -> None:
        """Say what is wrong with which setting."""
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem
        self.origin = origin


class CombinedReloadError(Exception):
    """
    New settings that a service cannot use, for several reasons.

    @ivar errors: The reasons.
    """

    def __init__(self, errors: Sequence[ReloadError]) -> None:
        """@param errors: The reasons, at least one."""
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)


class Changes:
    """Steps; a L{Change<netsvc.daemon.service.Change>} itself."""

    def __init__(self) -> None:
        """Begin without steps."""
        self._commits: list[Callable[[], object]] = []
        self._abandons: list[Callable[[], object]] = []
        self._errors: list[ReloadError] = []

    def __enter__(self) -> Changes:
        """Begin to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Give everything back if preparing has failed.

        @raise CombinedReloadError: If parts of it have.
        """
        if error is not None or self._errors:
            self.abandon()
        if error is None and self._errors:
            raise CombinedReloadError(self._errors)

    @contextmanager
    def part(self) -> Iterator[None]:
        """Prepare a part; keep its L{ReloadError} until all parts are prepared."""
        try:
            yield
        except CombinedReloadError as several:
            self._errors += several.errors
        except ReloadError as error:
            self._errors.append(error)

    def refuse_changed(
        self, old: Any, new: Any, keys: Sequence[str], why: str = ""
    ) -> None:
        """
        Refuse that settings change for which there is no change at run time.

        @param old: The settings now.
        @param new: Those that are wanted.
        @param keys: The names of such settings.
        @param why: What else there is to say, after a comma.
        """
        for key in keys:
            if getattr(old, key) != getattr(new, key):
                problem = "cannot be changed while running: restart to change it"
                self._errors.append(ReloadError(key, problem + why))

    def add(self, change: Any) -> None:
        """Add a change that is prepared; steps are committed in the order added."""
        self._commits.append(change.commit)
        self._abandons.append(change.abandon)

    def on_commit(self, step: Callable[[], object]) -> None:
        """Add what is done at the commit; it must not fail."""
        self._commits.append(step)

    def on_abandon(self, step: Callable[[], object]) -> None:
        """Add what gives back what was taken."""
        self._abandons.append(step)

    def commit(self) -> None:
        """Do all steps, in order; one that fails does not keep the others."""
        _do_all(self._commits)

    def abandon(self) -> None:
        """Give back what was taken, the last first."""
        _do_all(self._abandons[::-1])


def _do_all(steps: list[Callable[[], object]]) -> None:
    """
    Do every step.

    @raise Exception: What the first one that failed has raised.
    """
    errors: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
