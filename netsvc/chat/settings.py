"""The settings of netsvc-chat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netsvc.chat.hub_settings import FLOOD, OPERATORS, HubSettings
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import LIMITS, TIMEOUTS, ServiceSettings
from netsvc.daemon.settings import (
    Count,
    Duration,
    FilePath,
    Parsed,
    Rate,
    RateLimit,
    SettingsError,
    Size,
    Text,
    setting,
)

_IRC = "IRC"

#: A listen string that listens nowhere.
OFF = "off"


def parse_listen_or_off(text: str) -> Listen | None:
    """
    Read a stream's listen string, or C{off}.

    @raise ValueError: If it is neither.
    """
    if text == OFF:
        return None
    listen = parse_listen(text)
    if listen.kind == "udp":
        raise ValueError(
            "it listens on streams only: tcp:, ssl:, tls:, unix:, systemd:"
        )
    return listen


def _show_listen(listen: Listen | None) -> str:
    return OFF if listen is None else str(listen)


_FILE = FilePath()


@dataclass(frozen=True, slots=True)
class Gateway:
    """
    A web gateway that may say for whom it connects (WEBIRC).

    @ivar address: From where it connects.
    @ivar file: The file with the password that it says.
    """

    address: str
    file: Path

    def __str__(self) -> str:
        """Show it as it was given."""
        return f"{self.address},{_FILE.format(self.file)}"


def parse_gateway(text: str) -> Gateway:
    """
    Read C{ADDRESS,FILE}.

    @raise ValueError: If it is something else.
    """
    address, comma, file = text.partition(",")
    if not comma or not address or not file:
        raise ValueError("it must be ADDRESS,FILE, and the file has the password")
    return Gateway(address, _FILE.parse(file))


@dataclass(frozen=True, kw_only=True)
class ChatSettings(HubSettings, ServiceSettings):
    """What a command line or a configuration file says about netsvc-chat."""

    line: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_listen_or_off, _show_listen),
        default=("tcp:7070",),
        repeat=True,
        short="l",
        help="Where to listen for telnet, nc and programs that send lines: tcp:,"
        " ssl:, tls:, unix: or systemd:, with Twisted's endpoint syntax; off for"
        " nowhere.",
    )
    irc: tuple[Listen | None, ...] = setting(
        Parsed("ENDPOINT", parse_listen_or_off, _show_listen),
        default=("tcp:6667",),
        repeat=True,
        short="i",
        help="Where to listen for IRC clients; off for nowhere.",
    )
    webirc: tuple[Gateway, ...] = setting(
        Parsed("ADDRESS,FILE", parse_gateway),
        default=(),
        repeat=True,
        group=OPERATORS,
        help="A web gateway that may say for whom it connects, and a file with its"
        " password.",
    )
    sts_port: int = setting(
        Count(0, 65535, zero_means="off"),
        default=0,
        group=_IRC,
        help="Tell clients to use TLS on this port from now on (STS).",
    )
    sts_name: tuple[str, ...] = setting(
        Text(253, 1),
        default=(),
        repeat=True,
        group=_IRC,
        help="A name by which clients reach this server with TLS, under which they"
        " may note that (STS).",
    )
    sts_duration: float = setting(
        Duration(0, 3650 * 86400, zero_means="no more"),
        default="30d",
        group=_IRC,
        help="For how long they keep to it.",
    )
    registration_timeout: float = setting(
        Duration(1, 3600),
        default="30s",
        group=TIMEOUTS,
        help="Cut an IRC client that has not registered by then.",
    )
    idle_timeout: float = setting(
        Duration(1, 7 * 86400, zero_means="never"),
        default="4m",
        group=TIMEOUTS,
        help="Cut a client that has not answered a ping by then; it is asked at half"
        " that time. Clients on lines are asked nothing visible.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="5s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long what is written may take to go out.",
    )
    send_queue: int = setting(
        Size(16 * 1024, 2**30),
        default="1M",
        group=LIMITS,
        help="What may wait for one client to read it; one that is slower is cut.",
    )
    line_limit: int = setting(
        Count(512, 65536),
        default=2048,
        group=LIMITS,
        help="Bytes in a line of a client on lines.",
    )
    command_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:200",
        group=FLOOD,
        help="What one client may send; what is faster waits.",
    )
    flood_patience: float = setting(
        Duration(1, 86400, zero_means="for ever"),
        default="60s",
        group=FLOOD,
        help="How long a client may go on sending faster than that before it is cut.",
    )

    def validate(self) -> None:
        """
        Check what holds between the values.

        @raise SettingsError: If it does not.
        """
        super().validate()
        if not any(self.line + self.irc):
            raise SettingsError("irc", "there is nothing to listen on")
