"""A service's settings: one frozen, typed class, from which the rest is derived.

Each field is declared with L{setting}, which gives it a kind
(L{netsvc.daemon.kinds}), a default and a line of help::

    @dataclass(frozen=True, kw_only=True)
    class EchoSettings(Settings):
        idle_timeout: float = setting(
            Duration(1, 86400, zero_means="never"),
            default="10m",
            help="Close a connection on which nothing was sent for so long.",
        )

The field C{idle_timeout} is the option C{--idle-timeout} of the command line
(L{netsvc.daemon.options}) and the key C{idle_timeout} of a configuration file. An
instance is always valid: making one checks every value, and then what holds
between them (L{Settings.validate}).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final

from netsvc.daemon.kinds import Choice, FilePath, Flag, Kind, Parsed, Text
from netsvc.daemon.limits import Rate
from netsvc.daemon.quantities import Count, Duration, RateLimit, Size

__all__ = [
    "Choice",
    "Count",
    "Duration",
    "FilePath",
    "Flag",
    "Kind",
    "Parsed",
    "Rate",
    "RateLimit",
    "Setting",
    "Settings",
    "SettingsError",
    "Size",
    "Text",
    "setting",
    "settings_of",
]

_METADATA_KEY: Final = "netsvc.setting"


class SettingsError(ValueError):
    """A value that a setting does not allow.

    @ivar key: the setting's key, such as C{idle_timeout}; empty if the error is
        about no single one.
    @ivar problem: what was found and what is allowed.
    """

    def __init__(self, key: str, problem: str) -> None:
        """Say what is wrong with which setting."""
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What L{setting} declared about one field.

    @ivar key: the field's name, which is the key in a configuration file.
    @ivar kind: which values are allowed.
    @ivar default: the value if none is given; C{MISSING} if one must be.
    @ivar help: what the setting does, in a sentence.
    @ivar repeat: if it holds a tuple of values, each given by one use.
    @ivar short: a letter for the command line, or C{None}.
    @ivar group: the heading under which the help text lists it.
    """

    key: str = ""
    kind: Kind[Any]
    default: Any
    help: str
    repeat: bool = False
    short: str | None = None
    group: str = ""

    @property
    def option(self) -> str:
        """The long option; with C{no-} for a flag that is on by default."""
        negation = "no-" if self.is_flag and self.default is True else ""
        return f"--{negation}{self.key.replace('_', '-')}"

    @property
    def is_flag(self) -> bool:
        """If the option takes no value."""
        return isinstance(self.kind, Flag)

    def check(self, value: Any) -> Any:
        """Check a typed value, or text; a repeated setting takes one or several.

        @raise ValueError: if it is not allowed; the message does not name the
            setting.
        """
        if value is None and self.default is None:
            return None
        if not self.repeat:
            return self.kind.check(value)
        several = value if isinstance(value, (list, tuple)) else [value]
        return tuple(self.kind.check(one) for one in several)

    def format(self, value: Any) -> str:
        """Show a value as text; nothing for one that is not set."""
        if isinstance(value, tuple) and self.repeat:
            return ", ".join(map(self.kind.format, value))
        if value is None and not isinstance(self.kind, RateLimit):
            return ""
        return self.kind.format(value)


def setting(
    kind: Kind[Any],
    *,
    default: Any = MISSING,
    help: str,
    repeat: bool = False,
    short: str | None = None,
    group: str = "",
) -> Any:
    """Declare a field of a settings class.

    @param kind: which values are allowed.
    @param default: a typed value or text that the kind reads; C{None} for a
        setting that may be left out. Without a default it must be given.
    @param help: what the setting does, in a sentence with its full stop.
    @param repeat: the field is a tuple of values. On the command line the first
        use replaces the default and further ones append.
    @param short: a letter for the command line.
    @param group: a heading for the help text.
    @raise ValueError: if the kind does not allow the default.
    """
    declared = Setting(
        kind=kind, default=default, help=help, repeat=repeat, short=short, group=group
    )
    if default is not MISSING:
        declared = replace(declared, default=declared.check(default))
    return field(default=declared.default, metadata={_METADATA_KEY: declared})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The base of settings classes, themselves frozen dataclasses."""

    def __post_init__(self) -> None:
        """Check each value and what holds between them.

        Values may be given as text, too: they end up as what the kind reads.

        @raise SettingsError: if one is not allowed.
        """
        for declared in settings_of(type(self)):
            try:
                value = declared.check(getattr(self, declared.key))
            except ValueError as error:
                raise SettingsError(declared.key, str(error)) from None
            object.__setattr__(self, declared.key, value)
        self.validate()

    def validate(self) -> None:
        """Check what holds between the values.

        @raise SettingsError: if it does not; its key is the setting to change.
        """


def settings_of(settings_class: type[Settings]) -> Iterator[Setting]:
    """Give what was declared about each field: the class's own first, in order."""
    own = list(inspect.get_annotations(settings_class))
    # Not as they stand in fields(): there, what is declared again keeps its old place.
    rank = {name: place for place, name in enumerate(own)}
    ordered = sorted(fields(settings_class), key=lambda f: rank.get(f.name, len(own)))
    for declared in ordered:
        if _METADATA_KEY in declared.metadata:
            yield replace(declared.metadata[_METADATA_KEY], key=declared.name)
