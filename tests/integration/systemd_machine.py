"""A systemd of its own for tests, with the units that netsvc ships, as they are.

L{Machine} starts systemd as the first process of new namespaces (processes, mounts,
network, host name, cgroups), so that it changes nothing outside. C{/opt/netsvc} is the
environment under test; C{/etc} is a copy; C{/run} and C{/var/lib} are empty.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from unittest import SkipTest

from tests.integration.echo_process import children, need_root, tool, until

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = Path("/lib/systemd/systemd")

#: Seconds that a command may take inside, and that the machine may take to start.
PATIENCE = 60.0

#: What a unit needs around it; everything else of the distribution is left out.
_TARGETS = (
    *("sysinit", "basic", "sockets", "shutdown", "umount", "final", "exit"),
    *("network-online", "nss-lookup", "multi-user"),
)
_JOURNAL = ("systemd-journald.service", "systemd-journald.socket")

# The environment is put under /opt/netsvc, where the units have it, at names that no
# directive hides: it may be in a home directory or in /tmp.
_COMMAND = """\
#!/bin/sh
export PYTHONHOME=/opt/netsvc/base PYTHONPATH=/opt/netsvc/source:/opt/netsvc/site
export PYTHONDONTWRITEBYTECODE=1
exec /opt/netsvc/base/{python} -P -m netsvc "$@"
"""

_INSIDE = """\
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/opt/netsvc/bin /run/opt/netsvc/base /run/opt/netsvc/source \\
    /run/opt/netsvc/site /run/opt/units
cp -a /etc /run/etc
mkdir -p /run/etc/netsvc
mount --bind "$BASE" /run/opt/netsvc/base
mount --bind "$SOURCE" /run/opt/netsvc/source
mount --bind "$SITE" /run/opt/netsvc/site
cp "$FILES/netsvc" /run/opt/netsvc/bin/netsvc
cp -r "$FILES/units/." /run/opt/units
mount --rbind /run/opt /opt
mount --bind /run/etc /etc
mount -t tmpfs tmpfs /var/lib
umount -R -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
exec env -i container=other PATH="$PATH" SYSTEMD_UNIT_PATH=/opt/units \\
    SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=1 \\
    {systemd} --system --unit=multi-user.target --show-status=no --log-target=console
"""

_OUTSIDE = """\
set -eu
echo $$ > "$CGROUP/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child=KILL \\
    --mount-proc sh -c "$INSIDE"
"""


def _cgroups() -> Path:
    """Find where the cgroups of version 2 are."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise SkipTest("not applicable: there are no cgroups of version 2 here")


def _make_units(to: Path) -> None:
    """Write a distribution's units, as far as they are needed, and netsvc's own."""
    to.mkdir()
    for name in _TARGETS:
        (to / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (to / "multi-user.target").write_text(
        f"[Unit]\nRequires={_JOURNAL[1]}\nAfter={_JOURNAL[1]}\n"
    )
    for name in _JOURNAL:
        shutil.copy(SYSTEMD.parent / "system" / name, to)
    for unit in (DEPLOY / "systemd").glob("netsvc*.*"):
        shutil.copy(unit, to)
    (to / "netsvc.service.d").mkdir()


class Machine:
    """systemd, until L{stop}."""

    def __init__(self) -> None:
        """Start it.

        @raise SkipTest: something is missing.
        """
        need_root("a systemd of its own")
        for name in ("unshare", "nsenter", "systemctl", "journalctl"):
            tool(name)
        if not SYSTEMD.exists():
            raise SkipTest("systemd is not installed")
        self._cgroup = _cgroups() / f"netsvc-test-{os.getpid()}"
        try:
            self._cgroup.mkdir()
        except OSError as error:
            reason = f"not applicable: no cgroups can be made here: {error}"
            raise SkipTest(reason) from None
        self._files = Path(tempfile.mkdtemp(prefix="netsvc-machine-"))
        _make_units(self._files / "units")
        base = Path(sys.base_prefix)
        python = Path(sys.executable).resolve().relative_to(base.resolve())
        (self._files / "netsvc").write_text(_COMMAND.format(python=python))
        (self._files / "netsvc").chmod(0o755)
        self._log = open(self._files / "console", "w+b")  # noqa: SIM115 until stop
        self._process = subprocess.Popen(
            ["sh", "-c", _OUTSIDE],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "CGROUP": str(self._cgroup),
                "INSIDE": _INSIDE.format(systemd=SYSTEMD),
                "FILES": str(self._files),
                "BASE": str(base),
                "SOURCE": str(ROOT),
                "SITE": sysconfig.get_path("purelib"),
            },
        )
        try:
            until(self._is_up, "systemd runs", PATIENCE)
        except Exception as error:
            # No fault of ours: nothing of netsvc has run in it yet.
            console = self._console()
            self.stop()
            reason = f"systemd does not start here: {error}"
            raise SkipTest(f"not applicable: {reason}\n{console}") from None

    def _console(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _is_up(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError("it has ended")
        inside = children(self._process.pid)
        if not inside:
            return False
        self._pid = inside[0]
        return self.run("systemctl", "is-system-running", check=False) == "running"

    def stop(self) -> None:
        """End all that runs in it, and leave nothing."""
        for pid in children(self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(PATIENCE)
        self._log.close()
        until(self._remove_cgroup, "its cgroups are empty", PATIENCE)
        shutil.rmtree(self._files)

    def _remove_cgroup(self) -> bool:
        try:
            for path, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(path)
        except OSError:
            return False
        return True

    def run(self, *argv: str, check: bool = True, stdin: str = "") -> str:
        """Run a command in it, and give what it writes, without the last line's end.

        @param check: whether an exit status other than 0 fails the test.
        """
        namespaces = ("-m", "-p", "-u", "-i", "-n", "-C")
        ran = subprocess.run(
            ["nsenter", "-t", str(self._pid), *namespaces, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={"PATH": "/opt/netsvc/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        if check and ran.returncode:
            said = ran.stdout + ran.stderr
            raise AssertionError(f"{shlex.join(argv)}: {ran.returncode}: {said}")
        return (ran.stdout + ran.stderr).rstrip("\n")

    def python(self, program: str) -> str:
        """Run a Python program in it, and give what it prints."""
        return self.run(sys.executable, "-I", "-c", program)

    def write(self, path: str, text: str) -> None:
        """Write a file in it."""
        self.run("sh", "-c", f"cat >{shlex.quote(path)}", stdin=text)

    def log(self, *options: str) -> str:
        """Give what the journal has of netsvc."""
        self.run("journalctl", "--sync", check=False)
        return self.run(
            "journalctl", "-u", "netsvc", "--no-pager", "-o", "cat", *options
        )

    def show(self, name: str) -> str:
        """Give a property of netsvc's unit."""
        return self.run("systemctl", "show", "-P", name, "netsvc")

    def configure(self, toml: str, *drop_ins: str, **directives: str) -> None:
        """Stop netsvc, and give it a configuration.

        @param drop_ins: names of netsvc's drop-ins, such as C{low-ports}.
        @param directives: others of the C{[Service]} section.
        """
        units = "/opt/units/netsvc.service.d"
        self.run("systemctl", "stop", "netsvc", "netsvc-echo.socket")
        self.run("systemctl", "stop", "netsvc-echo-udp.socket")
        self.run("sh", "-c", f"rm -f {units}/*.conf")
        for name in drop_ins:
            text = (DEPLOY / "systemd" / "drop-ins" / f"{name}.conf").read_text()
            self.write(f"{units}/{name}.conf", text)
        if directives:
            lines = "".join(f"{key}={value}\n" for key, value in directives.items())
            self.write(f"{units}/zz-test.conf", f"[Service]\n{lines}")
        self.write("/etc/netsvc/netsvc.toml", toml)
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed", check=False)

    def start(self) -> float:
        """Start netsvc, and give how many seconds it took until it was ready."""
        began = time.monotonic()
        self.run("systemctl", "start", "netsvc")
        return time.monotonic() - began
