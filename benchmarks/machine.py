"""What the benchmarks ask of the system: cores, limits, clocks, memory."""

from __future__ import annotations

import datetime
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from benchmarks import network
from benchmarks.errors import BenchError

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def choose_cores() -> tuple[int, int]:
    """Return the core of the server and the core of the load generator.

    They are the same one on a machine that has only one; the figures are poor then.
    """
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def raise_descriptor_limit(needed: int) -> None:
    """Raise the soft limit on open files to the hard one, which children inherit.

    @param needed: how many descriptors one process will need.
    @raise BenchError: if the hard limit is lower than that.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(
            f"needs {needed} open files per process, but the hard limit is {hard} "
            "(ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptor_limit() -> int:
    """Return how many open files a process that we start may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that living processes have used, all their threads together.

    The kernel keeps it in nanoseconds; C{/proc/PID/stat} has ticks of 10 ms only.

    @raise BenchError: if one of them is gone.
    """
    total = 0.0
    for pid in pids:
        # How Linux names the CPU clock of another process: see clock_getcpuclockid(3).
        clock = (~pid << 3) | 2
        try:
            total += time.clock_gettime(clock)
        except OSError as error:
            raise BenchError(f"the server (process {pid}) ended by itself") from error
    return total


def parse_reaped(stat: str) -> int:
    """Return the CPU ticks of a process's ended children, from C{/proc/PID/stat}."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[13]) + int(fields[14])


def reaped_seconds(pid: int) -> float:
    """Return the CPU time of the children that a process had and has collected."""
    return parse_reaped(Path(f"/proc/{pid}/stat").read_text()) / CLOCK_TICKS


def parse_kib(text: str, field: str) -> int:
    """Return a C{Field:   123 kB} entry of a C{/proc/PID} file.

    @raise KeyError: if the field is not there.
    """
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise KeyError(field)


def anonymous_kib(pid: int) -> int:
    """Return the anonymous resident memory of a process in KiB.

    Not the whole resident set: file pages come and go as the kernel likes.
    """
    return parse_kib(Path(f"/proc/{pid}/status").read_text(), "RssAnon")


def proportional_kib(pids: Iterable[int]) -> int:
    """Return the memory of processes in KiB, with what they share counted once."""
    return sum(
        parse_kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss") for pid in pids
    )


def parse_session(stat: str) -> int:
    """Return the session of a C{/proc/PID/stat} line.

    The name of the program, which comes before, may itself hold spaces and brackets.
    """
    return int(stat.rpartition(")")[2].split()[3])


def session_processes(session: int) -> list[int]:
    """Return the processes of a session, the leader first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            if parse_session(stat) == session:
                found.append(int(entry.name))
    return sorted(found, key=lambda pid: (pid != session, pid))


def parse_busy(stat: str) -> int:
    """Return the ticks that all programs have used, from C{/proc/stat}.

    With them those of interrupts: on loopback they do the work of whoever sends.
    """
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.split()[1:8])
    return user + nice + system + irq + softirq


class Others:
    """How much of the machine other programs use, from the start of this object on."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._busy = self._all_but_ours()

    @staticmethod
    def _all_but_ours() -> float:
        ours = sum(os.times()[:4])  # including children that have ended
        return parse_busy(Path("/proc/stat").read_text()) / CLOCK_TICKS - ours

    def share(self) -> float:
        """Return their part of all cores' time, from 0 to 1."""
        wall = (time.monotonic() - self._wall) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, (self._all_but_ours() - self._busy) / wall))


def processor_name() -> str:
    """Return what the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def describe() -> str:
    """Return in one line what was measured on, and with which programs."""
    compiler = subprocess.run(
        ["cc", "--version"], capture_output=True, text=True, check=False
    ).stdout.partition("\n")[0]
    return (
        f"{datetime.date.today().isoformat()}: {processor_name()}, "
        f"{len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Twisted {metadata.version('Twisted')}, "
        f"uvloop {metadata.version('uvloop')}, {compiler}; network: "
        f"{network.describe()}"
    )
