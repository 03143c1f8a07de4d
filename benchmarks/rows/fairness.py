"""How long an echo takes while the balancer of the same process has all it can do."""

from __future__ import annotations

import select
import socket
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from benchmarks.both_netsvc import ECHO_HOST
from benchmarks.errors import BenchError
from benchmarks.load import Load
from benchmarks.peers import NETSVC
from benchmarks.programs import (
    CLIENT,
    BackendKind,
    Kind,
    Ready,
    Server,
    Workshop,
    answers,
    python,
    transfers,
)
from benchmarks.row import Measure, Row, Sample, Target, figures

#: Seconds from one echo to the next.
INTERVAL = 0.002

MESSAGE = b"echo" * 16

CONNECTIONS = 50

#: So many that there is always something to do for the balancer.
CROWD = 500

#: Fewer echoes say too little.
LEAST = 100

#: Through a connection of the bulk load.
BYTES = 16 << 20


class Prober:
    """Sends an echo service a message every 2 ms, whether the last one is back or not.

    So a time without answers is seen by all the messages that fall into it.

    @ivar latencies: seconds from when a message was due until it was back.
    """

    def __init__(self, port: int) -> None:
        self.latencies: list[float] = []
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Prober:
        """Begin."""
        self._connection = socket.create_connection(
            (ECHO_HOST, self._port), timeout=1.0, source_address=(CLIENT, 0)
        )
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        """Send and receive until told to stop, or the service is gone."""
        waiting: deque[float] = deque()
        due, got = time.monotonic(), 0
        while not self._stop.is_set():
            pause = due - time.monotonic()
            try:
                if pause <= 0:
                    self._connection.sendall(MESSAGE)
                    waiting.append(due)
                    due += INTERVAL
                elif select.select([self._connection], [], [], pause)[0]:
                    data = self._connection.recv(65536)
                    if not data:
                        return
                    now = time.monotonic()
                    got += len(data)
                    for _ in range(got // len(MESSAGE)):
                        self.latencies.append(now - waiting.popleft())
                    got %= len(MESSAGE)
            except OSError:
                return


def spread(latencies: Sequence[float]) -> Sample:
    """Return the median, the 99th percentile and the worst of some seconds, in ms.

    @raise BenchError: if there are too few of them.
    """
    if len(latencies) < LEAST:
        raise BenchError(f"only {len(latencies)} echoes came back")
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {
        "p99": cuts[98] * 1000,
        "median": cuts[49] * 1000,
        "worst": max(latencies) * 1000,
    }


def sampler(mode: str, **options: float) -> Callable[[Workshop, Server], Sample]:
    """Return what saturates the balancer in a mode, and watches the echo meanwhile."""

    def sample(workshop: Workshop, server: Server) -> Sample:
        clocks: list[tuple[float, float]] = []
        load = Load(workshop, server, mode, {"connections": CONNECTIONS, **options})
        with Prober(server.port) as prober:

            def at_mark() -> None:
                if not clocks:
                    prober.latencies.clear()  # those of the warm-up
                clocks.append(server.clocks())

            result = load.run(at_mark)
        (cpu, behind), (cpu_after, behind_after) = clocks
        work = figures(result, cpu_after - cpu, behind_after - behind)
        return {**work, **spread(prober.latencies)}

    return sample


def both(ready: Ready) -> Ready:
    """Return what says whether the balancer works and the echo service, too."""

    def works(kind: Kind, host: str, port: int) -> bool:
        return ready(kind, host, port) and answers("tcp", ECHO_HOST, port)

    return works


def row(
    name: str,
    work: str,
    units: str,
    sample: Callable[[Workshop, Server], Sample],
    behind: BackendKind,
) -> Row:
    """Return the row in which the balancer does some work."""
    return Row(
        name=f"fairness-{name}",
        title=f"echo beside a balancer with {work}",
        peers={NETSVC: lambda _, port: python("benchmarks.both_netsvc", str(port))},
        sample=sample,
        measures=(
            Measure("p99", "ms, 99th percentile", 1),
            Measure("median", "ms, median", 1),
            Measure("worst", "ms, worst", 1),
            Measure("rate", f"{units} per second beside it", 0),
            Measure("busy", "server busy %", 0),
            Measure("load", "load busy %", 0),
        ),
        targets=(Target(20.0, measure="p99"),),
        ready=both(transfers if behind == "transfer" else answers),
        behind=behind,
        usual=2,
    )


ROWS = (
    row(
        "bulk",
        "50 long streams",
        "MiB",
        sampler("transfer", bytes=BYTES),
        "transfer",
    ),
    row(
        "pingpong",
        f"64 B ping-pong, {CROWD} connections",
        "messages",
        sampler("pingpong", size=64, connections=CROWD),
        "tcp",
    ),
    row(
        "churn",
        "50 clients that connect, ask once and close",
        "connections",
        sampler("churn", size=64),
        "tcp",
    ),
)
