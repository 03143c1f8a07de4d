"""A network of the benchmark's own: a loopback that nothing else uses or shapes.

The system's own may have a firewall in the way, and a congestion control that paces
every connection (BBR does, on loopback too): then a bulk transfer measures the timers
of the kernel and not the servers. A new network namespace has neither. It needs root,
or a system that lets anyone make a user namespace; without it the run goes on where it
is, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSIDE = "NETSVC_BENCH_NETWORK"

#: Every kernel has it, and every namespace may use it.
CONGESTION_CONTROL = "reno"

_SETTING = Path("/proc/sys/net/ipv4/tcp_congestion_control")

# Root makes a network only; others need to be root of a user namespace first.
_WAYS = (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"])

_SCRIPT = f'ip link set lo up && echo {CONGESTION_CONTROL} > {_SETTING} && exec "$@"'


def enter(arguments: Sequence[str]) -> None:
    """Start the program again in a network namespace, if the system allows it.

    Returns only if this is the new program, or if it cannot be done.

    @param arguments: the command line, without the program.
    """
    if INSIDE in os.environ or not (shutil.which("unshare") and shutil.which("ip")):
        return
    for way in _WAYS:
        start = [*way, "sh", "-c", _SCRIPT, "sh"]
        if subprocess.run([*start, "true"], capture_output=True).returncode == 0:
            environment = {**os.environ, INSIDE: "own"}
            again = [sys.executable, "-P", "-m", "benchmarks", *arguments]
            os.execvpe(start[0], [*start, *again], environment)


def describe() -> str:
    """Say which network this is."""
    where = "its own network namespace" if INSIDE in os.environ else "the system's"
    try:
        control = _SETTING.read_text(encoding="ascii").strip()
    except OSError:
        return where
    return f"{where}, TCP congestion control {control}"
