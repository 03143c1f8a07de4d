"""Connections, attempts and pools that the test plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from netsvc.balance.acl import Acl
from netsvc.balance.backend import HealthRules
from netsvc.balance.backends import BackendSpec, parse_backend
from netsvc.balance.dialer import Dialer
from netsvc.balance.entrance import Door
from netsvc.balance.policy import make_policy
from netsvc.balance.pool import Pool
from netsvc.balance.preface import Prefaces
from netsvc.balance.routes import Routes
from netsvc.balance.sessions import Sessions, SessionTimeouts
from netsvc.balance.upstream import Upstream
from netsvc.daemon.limits import ConnectionLimits

CLIENT = IPv4Address("TCP", "192.0.2.1", 4711)
SERVER = IPv4Address("TCP", "192.0.2.9", 80)

UNCHECKED = HealthRules(checked=False)


class Wire:
    """
    A connection whose peer is the test.

    @ivar written: what was written.
    @ivar events: what was done to it, in order.
    @ivar dataBuffer: what the peer has not taken.
    """

    producerPaused = False

    def __init__(self, protocol: Any, peer: Any = CLIENT) -> None:
        """Be connected."""
        self.protocol = protocol
        self.written = b""
        self.events: list[str] = []
        self.dataBuffer = b""
        self.reading = True
        self.producer: Any = None
        self.connected = True
        self._peer = peer
        protocol.makeConnection(self)

    def getPeer(self) -> Any:
        """Give the peer's address."""
        return self._peer

    def getHost(self) -> Any:
        """Give the own address."""
        return SERVER

    def write(self, data: bytes) -> None:
        """Take data."""
        self.written += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take a producer."""
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Let it go."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Do not read."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Read."""
        self.reading = True

    def loseWriteConnection(self) -> None:
        """Close the writing half."""
        self.events.append("half-close")

    def loseConnection(self) -> None:
        """Close."""
        self.events.append("close")

    def abortConnection(self) -> None:
        """Abort; once, as with real ones."""
        if "abort" not in self.events:
            self.events.append("abort")

    def end(self, error: type[Exception] = ConnectionDone) -> None:
        """Be gone."""
        if self.connected:
            self.connected = False
            self.protocol.connectionLost(Failure(error()))

    def reset(self) -> None:
        """Be broken by the peer."""
        self.end(ConnectionLost)


class Attempt:
    """
    An attempt to connect.

    @ivar cancelled: whether it was given up.
    """

    def __init__(self, host: str, port: int, protocol: Any, failed: Any) -> None:
        """Begin."""
        self.address = host, port
        self.protocol = protocol
        self.failed = failed
        self.cancelled = False

    def cancel(self) -> None:
        """Give up."""
        self.cancelled = True

    def succeed(self) -> Wire:
        """Be connected; give the backend's end."""
        return Wire(self.protocol, IPv4Address("TCP", *self.address))


class Network:
    """
    Where connections are made.

    @ivar attempts: all that were made, in order.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.attempts: list[Attempt] = []

    def __call__(
        self, reactor: Any, host: str, port: int, protocol: Any, failed: Any
    ) -> Attempt:
        """Stand in for L{netsvc.multiplex.dial.dial}."""
        self.attempts.append(Attempt(host, port, protocol, failed))
        return self.attempts[-1]


class Table:
    """
    A balancer's parts around its entrances, with a clock that the test turns.

    @ivar clock: the clock.
    @ivar name: what the balancer is called.
    @ivar network: where connections are made.
    @ivar upstream: the default pool.
    @ivar door: what entrances take.
    """

    def __init__(
        self,
        *backends: str,
        policy: str = "first",
        retries: int = 2,
        rules: HealthRules = UNCHECKED,
        acl: Sequence[str] = (),
        tls: Any = None,
        **pool: Any,
    ) -> None:
        """Make the parts; C{pool} is for L{Pool}."""
        self.clock = Clock()
        self.name = "netsvc-balance"
        self.network = Network()
        specs = [parse_backend(text) for text in backends or ("10.0.0.1:80",)]
        self.specs: list[BackendSpec] = specs
        self.pools: dict[tuple[str, str], Upstream] = {}
        for route in dict.fromkeys(spec.route for spec in specs):
            members = [spec for spec in specs if spec.route == route]
            made = Pool(
                "+".join(route), make_policy(policy, lambda: 0.5), members, rules=rules,
                **pool,
            )  # fmt: skip
            self.pools[route] = Upstream(made, lambda: self.name, self.clock)
        self.routes = Routes(self.pools)
        timeouts = SessionTimeouts(idle=10, tunnel=20, handshake=5, close=3)
        self.sessions = Sessions(
            "netsvc-balance", ConnectionLimits(100), timeouts, self.clock
        )
        self.sessions.start()
        self.dialer = Dialer(
            self.clock, service=lambda: self.name, retries=retries, connect_timeout=4,
            tls=tls, connect=self.network,
        )  # fmt: skip
        self.door = Door(
            sessions=self.sessions,
            routes=self.routes,
            dialer=self.dialer,
            prefaces=Prefaces(5, self.clock),
            acl=Acl.parse(acl),
        )

    @property
    def upstream(self) -> Upstream:
        """The default pool at work."""
        return self.pools["", ""]

    @property
    def pool(self) -> Pool:
        """The default pool."""
        return self.upstream.pool

    def row(self, number: int = 0) -> dict[str, Any]:
        """Describe a backend of the default pool."""
        return self.pool.table(self.clock.seconds())[number]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in steps of half a second."""
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
