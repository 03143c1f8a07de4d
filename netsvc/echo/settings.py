"""The settings of netsvc-echo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import ServiceSettings
from netsvc.daemon.settings import (
    Choice,
    Count,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    Size,
    Text,
    setting,
)

_UDP = "UDP"
_JOURNAL = "Journal"


@dataclass(frozen=True, kw_only=True)
class EchoSettings(ServiceSettings):
    """What a command line or a configuration file says about netsvc-echo."""

    listen: tuple[Listen, ...] = setting(
        Parsed("ENDPOINT", parse_listen),
        default=("tcp:7007", "udp:7007"),
        repeat=True,
        short="l",
        help="Where to listen: tcp:, ssl:, tls:, unix:, systemd: or udp:, with"
        " Twisted's endpoint syntax. May be repeated.",
    )
    greeting: str | None = setting(
        Text(1024),
        default=None,
        help="A line to send first, to clients that expect a hello.",
    )
    udp_rate: Rate | None = setting(
        RateLimit(),
        default="10000/s:20000",
        group=_UDP,
        help="Datagrams answered to one address (IPv6: to one /64).",
    )
    answer_privileged_ports: bool = setting(
        Flag(),
        default=False,
        group=_UDP,
        help="Answer also to source ports below 1024 and of known reflectors."
        " For closed networks: a forged datagram can start a loop.",
    )
    journal: Path | None = setting(
        FilePath(),
        default=None,
        group=_JOURNAL,
        help="Append everything that is echoed to this file, as JSON lines.",
    )
    journal_when_full: Literal["block", "drop"] = setting(
        Choice("block", "drop"),
        default="block",
        group=_JOURNAL,
        help="When the disk cannot keep up: block (stop reading from the peers)"
        " or drop (leave it out of the journal, and count).",
    )
    journal_buffer: int = setting(
        Size(64 * 1024, 2**32),
        default="8M",
        group=_JOURNAL,
        help="Memory for what is not on disk yet.",
    )
    journal_max_size: int = setting(
        Size(0, 2**50, zero_means="never"),
        default="64M",
        group=_JOURNAL,
        help="Rotate the file when it is as large as this.",
    )
    journal_keep: int = setting(
        Count(1, 1000),
        default=5,
        group=_JOURNAL,
        help="Rotated files to keep.",
    )
