"""Tests of L{netsvc.daemon.settings}."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Flag,
    Rate,
    RateLimit,
    Setting,
    Settings,
    SettingsError,
    Text,
    setting,
    settings_of,
)


@dataclass(frozen=True, kw_only=True)
class BaseSettings(Settings):
    """What several services share."""

    idle_timeout: float = setting(
        Duration(1, 86400), default="10m", help="How long.", group="Limits"
    )


@dataclass(frozen=True, kw_only=True)
class SampleSettings(BaseSettings):
    """A service of its own."""

    listen: tuple[str, ...] = setting(
        Text(40), default=("tcp:7007", "udp:7007"), help="Where.", repeat=True
    )
    answer_rate: Rate | None = setting(RateLimit(), default="10/s", help="How fast.")
    journal: Path | None = setting(FilePath(), default=None, help="Where to.")
    quiet: bool = setting(Flag(), default=False, help="Say less.")
    no_delay: bool = setting(Flag(), default=True, help="Send at once.")
    low: int = setting(Count(0), default=1, help="Low.")
    high: int = setting(Count(0), default=2, help="High.")

    def validate(self) -> None:
        """Check that low is not above high."""
        if self.low > self.high:
            raise SettingsError("low", f"{self.low} is above high ({self.high})")


class SettingsTests(SynchronousTestCase):
    """Tests of L{Settings}."""

    def test_defaults(self) -> None:
        """Without values, each setting has its default, as its kind reads it."""
        sample = SampleSettings()
        self.assertEqual(sample.idle_timeout, 600.0)
        self.assertEqual(sample.listen, ("tcp:7007", "udp:7007"))
        self.assertEqual(sample.answer_rate, Rate(10.0, 10))
        self.assertIsNone(sample.journal)

    def test_values(self) -> None:
        """Values are taken typed, as code and TOML give them, or as text."""
        sample = SampleSettings(
            idle_timeout=5, answer_rate=None, listen=("tcp:1",), quiet=True
        )
        self.assertEqual((sample.idle_timeout, sample.answer_rate), (5.0, None))
        # What a table of a TOML file gives: lists, single values, text.
        table = {"listen": ["tcp:1", "tcp:2"], "idle_timeout": "1h"}
        sample = SampleSettings(**table)  # type: ignore[arg-type]
        self.assertEqual(sample.listen, ("tcp:1", "tcp:2"))
        self.assertEqual(sample.idle_timeout, 3600.0)
        table = {"listen": "tcp:1"}
        sample = SampleSettings(**table)  # type: ignore[arg-type]
        self.assertEqual(sample.listen, ("tcp:1",))

    def test_frozen(self) -> None:
        """Settings do not change once they are made."""
        with self.assertRaises(FrozenInstanceError):
            SampleSettings().low = 5  # type: ignore[misc]

    def test_refused(self) -> None:
        """A value that its kind does not allow is an error that names the key."""
        error = self.assertRaises(SettingsError, SampleSettings, idle_timeout=0)
        self.assertEqual(error.key, "idle_timeout")
        self.assertEqual(error.problem, "0 is out of range: 1s to 1d")
        self.assertEqual(str(error), "idle_timeout: 0 is out of range: 1s to 1d")
        self.assertRaises(SettingsError, SampleSettings, listen=None)
        self.assertRaises(SettingsError, SampleSettings, listen=[5])
        self.assertRaises(SettingsError, SampleSettings, low=None)

    def test_between(self) -> None:
        """What does not hold between two values is an error, too."""
        error = self.assertRaises(SettingsError, SampleSettings, low=3)
        self.assertEqual((error.key, error.problem), ("low", "3 is above high (2)"))
        self.assertEqual(str(SettingsError("", "wrong")), "wrong")


class SettingsOfTests(SynchronousTestCase):
    """Tests of L{settings_of} and L{setting}."""

    def test_order(self) -> None:
        """Settings are given in order, those of the base class last."""
        keys = [declared.key for declared in settings_of(SampleSettings)]
        self.assertEqual(keys[:3], ["listen", "answer_rate", "journal"])
        self.assertEqual(keys[-1], "idle_timeout")

    def test_declared(self) -> None:
        """All that was declared about a field is there."""
        *_, last = settings_of(SampleSettings)
        self.assertEqual(last.default, 600.0)
        self.assertEqual(last.help, "How long.")
        self.assertEqual(last.group, "Limits")
        self.assertIsNone(last.short)

    def test_other_fields(self) -> None:
        """A field that was not declared as a setting is none."""

        @dataclass(frozen=True, kw_only=True)
        class Mixed(Settings):
            extra: int = 5

        self.assertEqual(list(settings_of(Mixed)), [])
        self.assertEqual(Mixed().extra, 5)

    def test_option(self) -> None:
        """The option has hyphens; that of a flag that is on switches it off."""
        options = {one.key: one.option for one in settings_of(SampleSettings)}
        self.assertEqual(options["idle_timeout"], "--idle-timeout")
        self.assertEqual(options["quiet"], "--quiet")
        self.assertEqual(options["no_delay"], "--no-no-delay")

    def test_wrong_default(self) -> None:
        """A default that the kind does not allow fails where it is declared."""
        self.assertRaises(ValueError, setting, Count(1), default=0, help="Wrong.")

    def test_required(self) -> None:
        """A setting without a default has to be given."""

        @dataclass(frozen=True, kw_only=True)
        class Required(Settings):
            key: int = setting(Count(1), help="A number.")

        self.assertIs(next(settings_of(Required)).default, MISSING)
        self.assertRaises(TypeError, Required)
        self.assertEqual(Required(key=5).key, 5)

    def test_format(self) -> None:
        """Values are shown as text: repeated ones joined, one not set as nothing."""
        shown = {
            one.key: one.format(one.default) for one in settings_of(SampleSettings)
        }
        self.assertEqual(shown["idle_timeout"], "10m")
        self.assertEqual(shown["listen"], "tcp:7007, udp:7007")
        self.assertEqual(shown["journal"], "")
        self.assertEqual(
            Setting(kind=RateLimit(), default=None, help="").format(None), "off"
        )
