"""The settings of the daemon: what is not about one service, C{[daemon]}."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.settings import (
    Choice,
    Count,
    Duration,
    FilePath,
    Parsed,
    Rate,
    RateLimit,
    Settings,
    SettingsError,
    Text,
    setting,
)
from netsvc.daemon.targets import is_loopback

_ADMIN: Final = "Watching"
_LOG: Final = "Log"

#: The most workers that one can ask for.
MAX_WORKERS: Final = 64

#: Where to listen when nobody has said it, and a listen string that listens nowhere.
AUTO: Final = "auto"
OFF: Final = "off"


def parse_admin(text: str) -> Listen | str:
    """
    Read a listen string of the admin server, C{auto} or C{off}.

    @raise ValueError: It is none of them.
    """
    if text in (AUTO, OFF):
        return text
    listen = parse_listen(text)
    if listen.kind not in ("unix", "tcp", "tcp6"):
        raise ValueError(f"'{text}' is not unix:PATH, tcp:PORT, auto or off")
    return listen


def on_loopback(listen: Listen) -> bool:
    """Tell whether only this computer can reach what listens there."""
    if listen.kind == "unix":
        return True
    return is_loopback(listen.named.get("interface", ""))


@dataclass(frozen=True, kw_only=True)
class DaemonSettings(Settings):
    """What C{[daemon]} says: how the process runs, is watched, and logs."""

    workers: int = setting(
        Count(1, MAX_WORKERS),
        default=1,
        help="Processes that serve. chat and relay, whose people must meet, run in"
        " the first one alone.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="30s",
        help="At SIGTERM or SIGINT, how long any service may let connections finish;"
        " each has a drain_timeout of its own, and the shorter one counts.",
    )
    admin: tuple[Listen | str, ...] = setting(
        Parsed("ENDPOINT", parse_admin),
        default=(AUTO,),
        repeat=True,
        group=_ADMIN,
        help="Where to listen for metrics, the status page and 'netsvc status': unix:"
        " or tcp:; auto for a socket in the runtime directory, off for nowhere.",
    )
    admin_host: tuple[str, ...] = setting(
        Text(253, 1),
        default=(),
        repeat=True,
        group=_ADMIN,
        help="A name by which browsers may ask for the status page, beside localhost"
        " and addresses.",
    )
    admin_token: Path | None = setting(
        FilePath(),
        default=None,
        group=_ADMIN,
        help="A file with the token that actions need over tcp:, and everything if"
        " others can reach it.",
    )
    log_format: Literal["text", "json"] = setting(
        Choice("text", "json"),
        default="text",
        group=_LOG,
        help="Lines for people, or one JSON object a line.",
    )
    log_level: Literal["debug", "info", "warn", "error"] = setting(
        Choice("debug", "info", "warn", "error"),
        default="info",
        group=_LOG,
        help="Leave out what matters less than this.",
    )
    log_rate: Rate | None = setting(
        RateLimit(),
        default="10/s:100",
        group=_LOG,
        help="Lines of one kind; what is more is counted, and the count is logged.",
    )

    def validate(self) -> None:
        """
        Check what holds between the values.

        @raise SettingsError: If it does not.
        """
        if OFF in self.admin and len(self.admin) > 1:
            raise SettingsError("admin", "'off' cannot stand beside others")
        for listen in self.admin_listens():
            if self.admin_token is None and not on_loopback(listen):
                raise SettingsError(
                    "admin",
                    f"'{listen}' can be reached by others: add"
                    ":interface=127.0.0.1, or give --admin-token",
                )

    @property
    def wants_admin(self) -> bool:
        """Whether there is to be an admin server."""
        return OFF not in self.admin

    def admin_listens(self, automatic: Listen | None = None) -> tuple[Listen, ...]:
        """
        Give the listen strings of the admin server.

        @param automatic: What C{auto} stands for; without it C{auto} is left out.
        """
        chosen = (automatic if each == AUTO else each for each in self.admin)
        return tuple(each for each in chosen if isinstance(each, Listen))
