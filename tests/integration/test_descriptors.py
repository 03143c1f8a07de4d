"""A daemon in a process that may have few descriptors."""

from __future__ import annotations

import json
import subprocess

from tests.integration.daemon_process import DaemonCase
from tests.integration.echo_process import COMMANDS, PATIENCE, until

#: How many there may be, and what the daemon keeps for itself and for pipes.
ALLOWED = 2000
KEPT = 64 + 128

AT = "tcp:0:interface=127.0.0.1"

SERVICES = f"""
[daemon]
admin = "unix:admin.sock"
[[echo]]
name = "one"
listen = ["{AT}"]
[[echo]]
name = "two"
listen = ["{AT}"]
[[balance]]
name = "web"
listen = ["{AT}"]
backend = ["127.0.0.1:9"]
check = "none"
"""


class DescriptorTests(DaemonCase):
    """Several services in one process."""

    def limits(self) -> dict[str, int]:
        """Give how many connections each service takes."""
        done = subprocess.run(
            [COMMANDS / "netsvc", "status", "--admin", "unix:admin.sock", "--json"],
            cwd=self.folder,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        services = json.loads(done.stdout)["services"]
        return {each["name"]: each["max_connections"] for each in services}

    def become(self, **limits: int) -> None:
        """Wait until the status says that: it is not made anew for everybody."""
        until(lambda: self.limits() == limits, f"the limits are {limits}")

    def test_shared(self) -> None:
        """
        Defaults that do not fit are divided without a warning, and status shows what
        they are; a limit that is set comes first, and is told if it cannot be had.
        """
        run = (
            f"ulimit -n {ALLOWED} && exec '{COMMANDS}/netsvc' run --config netsvc.toml"
        )
        daemon = self.start(SERVICES, 3, command=["/bin/sh", "-c", run])
        # Of one connection the balancer has two.
        most = (ALLOWED - KEPT) // 4
        self.become(one=most, two=most, web=most)
        self.assertEqual(daemon.lines("#warn]"), [], daemon.log())
        text = f"{SERVICES}max_connections = 800\n"
        self.assertEqual(daemon.reload(text), "reloaded")
        # An eighth is left to the others.
        least = (ALLOWED - KEPT) // 8
        self.become(one=least // 2, two=least // 2, web=(ALLOWED - KEPT - least) // 2)
        self.assertEqual(len(daemon.lines("and not max_connections = 800")), 1)
        text = f"{SERVICES}max_connections = 500\n"
        self.assertEqual(daemon.reload(text), "reloaded")
        self.become(one=404, two=404, web=500)
        self.assertEqual(len(daemon.lines("#warn]")), 1, daemon.log())
