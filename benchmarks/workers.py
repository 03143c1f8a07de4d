"""
How much a second worker brings: C{python -m benchmarks.workers}.

Echo with one process and with two workers, by turns, under the load generator of the
other benchmarks. Nothing is bound to a core: on a machine with two, the load generator
and the workers share them, so what it takes itself (printed beside) is not there for
them. On a machine with more cores the second worker brings more.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.load import LoadResult, parse_result
from benchmarks.machine import cpu_seconds, describe
from benchmarks.programs import Workshop

#: Modes of the load generator, with their options.
MODES = {
    "pingpong": ("--connections=64", "--size=64"),
    "churn": ("--connections=64", "--size=64"),
    "udp": ("--connections=64", "--size=64"),
}

#: How many workers are compared, how often, and for how many seconds each time.
WORKERS = (1, 2)
ROUNDS = 5
SECONDS = 2.0

#: Seconds that a daemon may take to start.
PATIENCE = 20.0


@dataclass(frozen=True)
class Sample:
    """
    One run.

    @ivar rate: Units per second.
    @ivar server: CPU seconds of the daemon per second, of all its processes.
    @ivar load: Those of the load generator.
    @ivar shares: The part of the daemon's work that each process did.
    """

    rate: float
    server: float
    load: float
    shares: tuple[float, ...]


def free_port() -> int:
    """
    Give a port that no client has: echo answers nobody whose port is its own.
    """
    for port in range(20_000, 32_000):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as other:
            try:
                stream.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit("there is no free port")


def settings(workers: int, port: int) -> str:
    """Give the configuration file."""
    where = f"{port}:interface=127.0.0.1"
    return (
        f'[daemon]\nworkers = {workers}\nadmin = "off"\n'
        "[echo]\n"
        f'listen = ["tcp:{where}", "udp:{where}"]\n'
        'udp_rate = "off"\nmax_connections_per_source = 0\n'
    )


def children(pid: int) -> list[int]:
    """Give the processes that a process has started."""
    return [
        int(word)
        for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]


@contextmanager
def daemon(folder: Path, workers: int) -> Iterator[tuple[list[int], int]]:
    """Run a daemon; give the processes that serve, and the port."""
    port = free_port()
    file, log = folder / "netsvc.toml", folder / "netsvc.log"
    file.write_text(settings(workers, port))
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "netsvc", "run", "--config", file],
            stdout=stream,
            stderr=stream,
            cwd=folder,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("listens on udp:") < workers:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"netsvc does not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        time.sleep(0.3)
        yield children(process.pid) or [process.pid], port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def measure(workshop: Workshop, folder: Path, workers: int, mode: str) -> Sample:
    """Make one run."""
    with daemon(folder, workers) as (pids, port):
        command = [workshop.load, mode, f"--port={port}", f"--seconds={SECONDS}"]
        with subprocess.Popen(
            [*command, *MODES[mode]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdin is not None and load.stdout is not None
            marks: list[list[float]] = []
            for _ in ("start", "stop"):
                load.stdout.readline()
                marks.append([cpu_seconds([pid]) for pid in pids])
                load.stdin.write("go\n")
                load.stdin.flush()
            result: LoadResult = parse_result(load.stdout.readline())
    used = [after - before for before, after in zip(*marks, strict=True)]
    total = sum(used) or 1.0
    return Sample(
        result.units / result.wall,
        sum(used) / result.wall,
        result.cpu / result.wall,
        tuple(each / total for each in used),
    )


def main() -> int:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workshop = Workshop(folder, 0, 0, SECONDS)
        workshop.compile()
        print(f"{describe()}, {os.cpu_count()} cores; medians of {ROUNDS} runs")
        print("mode      workers  units/s   server CPU  load CPU  us/unit  shares")
        samples: dict[tuple[str, int], list[Sample]] = {}
        for mode in MODES:
            for _ in range(ROUNDS):
                for workers in WORKERS:
                    made = measure(workshop, folder, workers, mode)
                    samples.setdefault((mode, workers), []).append(made)
            for workers in WORKERS:
                runs = samples[mode, workers]
                rate = median(each.rate for each in runs)
                server = median(each.server for each in runs)
                load = median(each.load for each in runs)
                shares = json.dumps([round(each, 2) for each in runs[-1].shares])
                print(
                    f"{mode:9} {workers:7}  {rate:8.0f} {server:11.2f} {load:9.2f}"
                    f" {1e6 * server / rate:8.2f}  {shares}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
