"""
What a process tells about itself: the one source of the metrics, of the status page
and of C{netsvc status}, and what workers tell their parent.

Everything is bounded: names and labels come from the code or from the configuration,
never from peers, and lists of connections are cut at L{MAX_CONNECTIONS}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: How many connections a report lists; the others are only counted.
MAX_CONNECTIONS: Final = 1000

#: How many rows a table of a report has.
MAX_ROWS: Final = 500

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
#: A gauge that does not add up: of several processes' values the least counts.
STATE: Final = "state"


@dataclass(frozen=True, slots=True)
class Listening:
    """
    A bound port.

    @ivar listen: The listen string.
    @ivar address: What it is bound to, as it is usually written.
    @ivar transport: C{tcp}, C{tls}, C{unix} or C{udp}.
    """

    listen: str
    address: str
    transport: str


@dataclass(frozen=True, slots=True)
class Connected:
    """
    A live connection.

    @ivar transport: C{tcp}, C{tls}, C{unix} or C{udp}.
    @ivar local: Our address.
    @ivar peer: The peer's address; untrusted text nowhere.
    @ivar state: C{open}, C{handshake} or C{closing}.
    @ivar age: Seconds since it was made.
    @ivar quiet: Seconds since bytes were last seen to move.
    @ivar received: Bytes from the peer.
    @ivar queued: Bytes that the peer has not taken yet.
    @ivar what: What it is used for, in a few words: a backend, a nick. Such text may
        be a stranger's, and is escaped where it is shown.
    """

    transport: str
    local: str
    peer: str
    state: str
    age: float
    quiet: float
    received: int
    queued: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """
    One value of a metric.

    @ivar labels: Names and values, beside C{service}, which all have.
    @ivar value: The value.
    """

    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """
    A metric with all its values.

    @ivar name: Its name, without C{netsvc_} and without C{_total}.
    @ivar kind: L{COUNTER}, L{GAUGE} or L{STATE}.
    @ivar help: What it is, with its unit, in one sentence.
    @ivar samples: The values.
    """

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """
    Something to look at: backends, rooms, upstream servers.

    @ivar title: Its heading.
    @ivar columns: Headings of the columns. One that ends in C{(B)} has bytes, in C{(s)}
        seconds, in C{(ms)} milliseconds: such cells are numbers. C{State} has a word.
    @ivar rows: At most L{MAX_ROWS}; each cell is text or a number.
    @ivar total: How many rows there would be.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """
    What one service tells.

    @ivar service: Its name, such as C{netsvc-echo}.
    @ivar name: Which one it is where several of a kind run; else empty.
    @ivar listening: Its ports.
    @ivar live: How many connections there are.
    @ivar max_connections: How many there may be; 0 if nothing limits them.
    @ivar connections: At most L{MAX_CONNECTIONS} of them.
    @ivar counters: What was counted since the start, by name.
    @ivar families: Metrics of its own.
    @ivar tables: What there is to look at.
    """

    service: str
    name: str = ""
    listening: tuple[Listening, ...] = ()
    live: int = 0
    connections: tuple[Connected, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    families: tuple[Family, ...] = ()
    tables: tuple[Table, ...] = ()
    max_connections: int = 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """
    How often something took how long.

    @ivar bounds: Upper bounds of the buckets, in seconds, rising.
    @ivar counts: One more than the bounds: how often each, not cumulated.
    @ivar sum: All of it, in seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What one process tells.

    @ivar worker: Its number; 0 if there is only one.
    @ivar pid: Its process id.
    @ivar version: The version of netsvc.
    @ivar started: When it started, in seconds since the epoch.
    @ivar time: When this was so, in seconds since the epoch.
    @ivar state: C{starting}, C{ready} or C{draining}.
    @ivar services: What its services tell.
    @ivar lag: How late the reactor was.
    @ivar cpu: Seconds of CPU time used.
    @ivar memory: Bytes of memory of its own (RssAnon).
    @ivar descriptors: Open file descriptors.
    @ivar reloads: How often the configuration was read again, by result: C{ok},
        C{failed}.
    @ivar log_write_errors: Lines of the log that were lost.
    @ivar resident: Bytes of memory in all, shared ones too (VmRSS).
    @ivar max_descriptors: How many file descriptors it may have open.
    @ivar log_suppressed: Lines of the log that were left out because they repeat.
    """

    worker: int
    pid: int
    version: str
    started: float
    time: float
    state: str
    services: tuple[ServiceReport, ...]
    lag: Histogram
    cpu: float
    memory: int
    descriptors: int
    reloads: dict[str, int]
    log_write_errors: int
    resident: int = 0
    max_descriptors: int = 0
    log_suppressed: int = 0
