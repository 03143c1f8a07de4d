"""What to probe and how: the target's text form and the probe's settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from netsvc.daemon.targets import TLSSettings
from netsvc.echo.probe.quantity import NANOSECONDS_PER_SECOND, parse_size

__all__ = [
    "DEFAULT_PORT",
    "MAX_DATAGRAM",
    "MAX_MESSAGE",
    "MAX_SWEEP_SIZES",
    "Address",
    "ProbeSettings",
    "Transport",
    "parse_sweep",
]

#: The port that C{netsvc-echo} listens on; RFC 862 gives port 7 to echo.
DEFAULT_PORT = 7007
#: The largest UDP payload that fits IPv4 (65,535 less 20 and 8 bytes of headers).
MAX_DATAGRAM = 65_507
#: The largest message sent over TCP and TLS, bytes.
MAX_MESSAGE = 1 << 20
#: The most sizes a sweep has.
MAX_SWEEP_SIZES = 1_024
#: Without a step each size of a sweep is this multiple of the one before.
DEFAULT_SWEEP_FACTOR = 2


class Address(NamedTuple):
    """One address of the target.

    @ivar sockaddr: what the socket functions want for it.
    @ivar text: the address for people, with the scope of a link-local one.
    """

    family: int
    sockaddr: tuple[Any, ...]
    text: str

    def where(self, protocol: str) -> str:
        """Name address and port, for error messages."""
        return f"{self.text} port {self.sockaddr[1]}/{protocol}"


class Transport(Enum):
    """How the probe reaches the echo service."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def is_stream(self) -> bool:
        """Whether answers come as a stream of bytes, not as datagrams."""
        return self is not Transport.UDP


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Everything a run of the probe is told. Times are in nanoseconds.

    @ivar host: a name or an address.
    @ivar port: 1 to 65535.
    @ivar sizes: payload sizes in bytes, used in turn; more than one is a sweep.
    @ivar count: how many packets to send; L{None} is no end.
    @ivar duration: how long to send; L{None} is no end.
    @ivar interval: time from one sending to the next.
    @ivar timeout: an answer after it is late; without one the packet is lost.
    @ivar family: 4, 6 or L{None} for either.
    @ivar source: the local address to send from, or L{None}.
    """

    host: str
    port: int = DEFAULT_PORT
    transport: Transport = Transport.UDP
    sizes: tuple[int, ...] = (64,)
    count: int | None = None
    duration: int | None = None
    interval: int = NANOSECONDS_PER_SECOND
    timeout: int = 2 * NANOSECONDS_PER_SECOND
    family: int | None = None
    source: str | None = None
    tls: TLSSettings = field(default_factory=TLSSettings)

    @property
    def is_sweep(self) -> bool:
        """Whether the payload's size changes from packet to packet."""
        return len(self.sizes) > 1


def parse_sweep(text: str) -> tuple[int, ...]:
    """Read C{FROM:TO[:STEP]}, where STEP is bytes or a factor such as C{x2}.

    Both ends are always among the sizes.

    @return: the sizes in bytes, rising.
    @raise ValueError: with a sentence for the user.
    """
    first, last, step = (*text.split(":", 2), "", "")[:3]
    low, high = parse_size(first), parse_size(last)
    if low >= high:
        raise ValueError(f"sweep {text!r} does not rise")
    factor = DEFAULT_SWEEP_FACTOR if not step else 0
    if step[:1] in ("x", "*"):
        factor = parse_size(step[1:])
        if factor < 2:
            raise ValueError(f"the factor of sweep {text!r} is below 2")
    increment = 0 if factor else parse_size(step)
    if not factor and not increment:
        raise ValueError(f"the step of sweep {text!r} is 0")
    sizes = []
    size = low
    while size < high:
        sizes.append(size)
        if len(sizes) == MAX_SWEEP_SIZES:
            raise ValueError(f"sweep {text!r} has more than {MAX_SWEEP_SIZES} sizes")
        size = max(size * factor, 1) if factor else size + increment
    return (*sizes, high)
