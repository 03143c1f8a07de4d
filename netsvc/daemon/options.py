"""The command line of a service, derived from its settings class.

A service's C{tap.py} says which class, and gets options that C{twistd}, C{twist}
and C{netsvc run} understand::

    class Options(SettingsOptions[EchoSettings]):
        settings_class = EchoSettings
        service = "netsvc-echo"

Whatever is wrong with a command line ends the process with exit status 1 and one
line on stderr: what was found, what is allowed, where to read more.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING
from difflib import get_close_matches
from getopt import GetoptError
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from twisted.python import usage

from netsvc import __version__
from netsvc.daemon.escape import escape
from netsvc.daemon.kinds import found
from netsvc.daemon.settings import Setting, Settings, SettingsError, settings_of

S = TypeVar("S", bound=Settings)

_HELP_COLUMN = 32
_NARROWEST, _WIDEST = 70, 100
_NAME_LENGTH = 60


class SettingsOptions(usage.Options, Generic[S]):
    """Options of one service; a subclass names the settings class.

    After L{parseOptions} the mapping holds every setting by its key, too.

    @cvar settings_class: the settings class.
    @cvar service: the name of the service's command, such as C{netsvc-echo}.
    @cvar longdesc: what the service does, for the help text.
    @ivar settings: what the command line asks for; set by L{parseOptions}.
    """

    settings_class: type[S]
    service: ClassVar[str]
    synopsis: ClassVar[str] = "[options]"
    longdesc: ClassVar[str] = ""

    settings: S

    def __init_subclass__(cls) -> None:
        """Give the class an option for each of its settings."""
        super().__init_subclass__()
        taken = {"help": "opt_help", "version": "opt_version"}
        for setting in settings_of(cls.settings_class):
            handler = _flag_handler(setting) if setting.is_flag else _handler(setting)
            for name in filter(None, (setting.option[2:], setting.short)):
                if name in taken:
                    raise TypeError(f"{cls.__name__}: two options are named {name}")
                taken[name] = setting.key
                setattr(cls, f"opt_{name.replace('-', '_')}", handler)

    def __init__(self) -> None:
        """Start with nothing given."""
        super().__init__()
        self._given: dict[str, Any] = {}

    def opt_version(self) -> NoReturn:
        """Show netsvc's version and exit."""
        print(f"netsvc {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read a command line into L{settings}.

        @raise SystemExit: if it is wrong, with the line for stderr, which makes
            the exit status 1; with status 0 after C{--help} and C{--version}.
        """
        # Raised as usage.UsageError, twistd would print the whole help text.
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            problem = str(error)
            if isinstance(error.__context__, GetoptError):
                problem = self._explain(error.__context__)
            line = f"{self.service}: {problem}; see {self.service} --help"
            raise SystemExit(escape(line)) from None

    def parseArgs(self, *arguments: str) -> None:
        """Refuse what is no option."""
        if arguments:
            raise usage.UsageError(
                f"{found(arguments[0])}: unexpected argument, only options are allowed"
            )

    def postOptions(self) -> None:
        """Make the settings of what was given."""
        declared = {one.key: one for one in settings_of(self.settings_class)}
        for key, setting in declared.items():
            if setting.default is MISSING and key not in self._given:
                raise usage.UsageError(f"{setting.option}: must be given")
        try:
            self.settings = self.settings_class(**self._given)
        except SettingsError as error:
            where = f"{declared[error.key].option}: " if error.key else ""
            raise usage.UsageError(where + error.problem) from None
        self.update((key, getattr(self.settings, key)) for key in declared)

    def getSynopsis(self) -> str:
        """Give the line that says how the command is used."""
        if self.parent is None:
            return f"Usage: {self.service} {self.synopsis}"
        return super().getSynopsis()

    def getUsage(self, width: int | None = None) -> str:
        """Give the help text: settings in the order of their class, by group."""
        if not width:
            columns = shutil.get_terminal_size().columns
            width = min(max(columns, _NARROWEST), _WIDEST)
        settings = list(settings_of(self.settings_class))
        lines = ["", *textwrap.wrap(self.longdesc, width)] if self.longdesc else []
        for group in dict.fromkeys(setting.group for setting in settings):
            lines += ["", f"{group or 'Options'}:"]
            for setting in settings:
                if setting.group == group:
                    lines += _entry(_left_column(setting), _description(setting), width)
        lines += ["", "Help:"]
        lines += _entry("      --help", "Show this text and exit.", width)
        lines += _entry("      --version", "Show netsvc's version and exit.", width)
        units = dict.fromkeys(setting.kind.units for setting in settings)
        lines += ["", *(text for text in units if text)]
        return "\n".join(lines).rstrip() + "\n"

    def _explain(self, error: GetoptError) -> str:
        """Say what getopt found wrong, in the words of the other errors."""
        name = error.opt or ""
        if f"--{name}" not in error.msg:
            known_letter = name in self.synonyms
            return f"-{name}: {'needs a value' if known_letter else 'unknown option'}"
        known = {option.rstrip("="): option for option in self.longOpt}
        matches = [one for one in known if one.startswith(name)] if name else []
        if name in matches:
            matches = [name]
        if not matches:
            close = get_close_matches(name.replace("_", "-"), known, 1)
            hint = f" (did you mean --{close[0]}?)" if close else ""
            return f"--{name[:_NAME_LENGTH]}: unknown option{hint}"
        if len(matches) > 1:
            return f"--{name}: could be {' or '.join(f'--{m}' for m in matches)}"
        takes_value = known[matches[0]].endswith("=")
        return f"--{matches[0]}: {'needs a' if takes_value else 'takes no'} value"


def _handler(setting: Setting) -> Callable[[SettingsOptions[Any], str], None]:
    """Make the C{opt_*} method of an option with a value."""

    def handle(self: SettingsOptions[Any], text: str) -> None:
        try:
            value = setting.kind.parse(text)
        except ValueError as error:
            raise usage.UsageError(f"{setting.option}: {error}") from None
        if setting.repeat:
            value = (*self._given.get(setting.key, ()), value)
        self._given[setting.key] = value

    handle.__doc__ = setting.help
    return handle


def _flag_handler(setting: Setting) -> Callable[[SettingsOptions[Any]], None]:
    """Make the C{opt_*} method of an option without a value."""

    def handle(self: SettingsOptions[Any]) -> None:
        self._given[setting.key] = not setting.default

    handle.__doc__ = setting.help
    return handle


def _left_column(setting: Setting) -> str:
    short = f"-{setting.short}, " if setting.short else "    "
    return f"  {short}{setting.option} {setting.kind.metavar}".rstrip()


def _description(setting: Setting) -> str:
    """Give the help of a setting with its bounds and default."""
    facts = [setting.kind.allowed()]
    if setting.repeat:
        facts.append("may be repeated")
    if setting.default is MISSING:
        facts.append("must be given")
    elif not setting.is_flag and setting.format(setting.default):
        facts.append(f"default: {setting.format(setting.default)}")
    shown = "; ".join(filter(None, facts))
    return f"{setting.help} [{shown}]" if shown else setting.help


def _entry(left: str, description: str, width: int) -> Iterable[str]:
    """Lay out one option: its name on the left, beside or above its help."""
    margin = " " * _HELP_COLUMN
    lines = textwrap.wrap(description, width - _HELP_COLUMN, break_on_hyphens=False)
    if len(left) + 2 > _HELP_COLUMN:
        return [left, *(margin + line for line in lines)]
    return [left.ljust(_HELP_COLUMN) + lines[0], *(margin + line for line in lines[1:])]
