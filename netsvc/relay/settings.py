"""The settings of netsvc-relay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netsvc.chat.hub_settings import HISTORY, HubSettings
from netsvc.daemon.listen import Listen, parse_listen
from netsvc.daemon.service_settings import LIMITS, TIMEOUTS
from netsvc.daemon.settings import (
    Choice,
    Count,
    Duration,
    FilePath,
    Flag,
    Parsed,
    Rate,
    RateLimit,
    SettingsError,
    Text,
    setting,
)
from netsvc.relay.admission import AUTO, CHOICES

_STUN = "STUN"
_ABUSE = "Against abuse"


def parse_datagrams(text: str) -> Listen:
    """
    Read a listen string for datagrams.

    @raise ValueError: If it is none.
    """
    listen = parse_listen(text)
    if listen.kind not in ("udp", "systemd"):
        raise ValueError("it listens on datagrams only: udp:, systemd:")
    return listen


@dataclass(frozen=True, kw_only=True)
class RelaySettings(HubSettings):
    """What a command line or a configuration file says about netsvc-relay."""

    listen: tuple[Listen, ...] = setting(
        Parsed("udp:PORT[:interface=ADDRESS]", parse_datagrams),
        default=("udp:7075",),
        repeat=True,
        short="l",
        help="Where to listen.",
    )
    raw: bool = setting(
        Flag(),
        default=False,
        help="Relay datagrams byte for byte to the others in the room, for games and"
        " streams.",
    )
    admission: tuple[str, ...] = setting(
        Choice(*CHOICES),
        default=(AUTO,),
        repeat=True,
        group=_ABUSE,
        help="Who is sent what before they have shown that they read at their address:"
        " one for all listeners, or one for each of them, in their order. auto is open"
        " for peers in private networks and credit for others.",
    )
    history: bool = setting(
        Flag(),
        default=False,
        group=HISTORY,
        help="Keep what is said: it goes out when it is on the disk. Beside a chat,"
        " that decides.",
    )
    accounts: bool = setting(
        Flag(),
        default=False,
        group=HISTORY,
        help="Let people register and log in; passwords are not encrypted on the way.",
    )
    peer_timeout: float = setting(
        Duration(1, 7 * 86400),
        default="5m",
        group=TIMEOUTS,
        help="Forget a peer that has sent nothing for so long; an empty datagram is"
        " enough.",
    )
    drain_timeout: float = setting(
        Duration(0, 86400, zero_means="at once"),
        default="1s",
        group=TIMEOUTS,
        help="At SIGTERM or SIGINT, how long the last answers may take.",
    )
    max_peers: int = setting(
        Count(1, 1_000_000),
        default=10_000,
        group=LIMITS,
        help="Peers in all; whoever was heard of least recently goes first.",
    )
    max_peers_per_source: int = setting(
        Count(0, 1_000_000, zero_means="no limit"),
        default=256,
        group=LIMITS,
        help="Peers of one address (IPv6: of one /64).",
    )
    max_strangers: int = setting(
        Count(1, 1_000_000),
        default=1000,
        group=LIMITS,
        help="Of the peers in all, those that have not shown yet that they read at"
        " their address: each costs time with each line of its room.",
    )
    line_limit: int = setting(
        Count(512, 65507),
        default=2048,
        group=LIMITS,
        help="Bytes in a message.",
    )
    source_rate: Rate | None = setting(
        RateLimit(),
        default="2000/s:4000",
        group=_ABUSE,
        help="Datagrams of one address that are looked at, and lines in them.",
    )
    room_rate: Rate | None = setting(
        RateLimit(),
        default="1000/s:4000",
        group=_ABUSE,
        help="Datagrams that go to all in one room.",
    )
    command_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:200",
        group=_ABUSE,
        help="Commands of one peer that are carried out.",
    )
    newcomer_rate: Rate | None = setting(
        RateLimit(),
        default="50/s:1000",
        group=_ABUSE,
        help="New peers, from wherever they come.",
    )
    newcomer_rate_per_source: Rate | None = setting(
        RateLimit(),
        default="5/s:256",
        group=_ABUSE,
        help="New peers of one address.",
    )
    stranger_rate: Rate | None = setting(
        RateLimit(),
        default="1000/s:4000",
        group=_ABUSE,
        help="Answers to addresses that have shown nothing yet, STUN's too, in all.",
    )
    stranger_rate_per_source: Rate | None = setting(
        RateLimit(),
        default="50/s:512",
        group=_ABUSE,
        help="The same, to one address.",
    )
    guess_rate: Rate | None = setting(
        RateLimit(),
        default="10/m:20",
        group=_ABUSE,
        help="Codes of one address that are looked at.",
    )
    stun: bool = setting(
        Flag(),
        default=True,
        group=_STUN,
        help="Do not answer STUN.",
    )
    classic_stun: str = setting(
        Choice("private", "always", "never"),
        default="private",
        group=_STUN,
        help="Answer STUN clients of RFC 3489: in private networks only, all, none.",
    )
    stun_rate: Rate | None = setting(
        RateLimit(),
        default="20/s:100",
        group=_STUN,
        help="STUN answers to one address.",
    )
    stun_user: str = setting(
        Text(508),
        default="",
        group=_STUN,
        help="Answer only requests of this user (short-term credential).",
    )
    stun_password: Path | None = setting(
        FilePath(),
        default=None,
        group=_STUN,
        help="A file with that user's password.",
    )
    alternate: Listen | None = setting(
        Parsed("udp:PORT[:interface=ADDRESS]", parse_datagrams),
        default=None,
        group=_STUN,
        help="A second port for STUN, by which clients see what their NAT does.",
    )

    def validate(self) -> None:
        """
        Check what holds between the values.

        @raise SettingsError: If it does not.
        """
        super().validate()
        if len(self.admission) not in (1, len(self.listen)):
            raise SettingsError(
                "admission",
                f"there are {len(self.admission)} of them: give one, or one for each"
                f" of the {len(self.listen)} listeners",
            )
        if bool(self.stun_user) != (self.stun_password is not None):
            raise SettingsError(
                "stun_user", "it needs stun_password, and that one needs it"
            )
        if self.raw and self.history:
            raise SettingsError("history", "payloads (raw) are not kept")
