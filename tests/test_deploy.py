"""What the files of C{deploy/} must say; tests/integration runs them."""

from __future__ import annotations

import configparser
import json
import os
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon.credentials import UNIT_DIRECTORY

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SYSTEMD = DEPLOY / "systemd"

#: What an operator's other daemons do not get either; beside it are the paths.
HARDENING = {
    "DevicePolicy": "closed",
    "DynamicUser": "yes",
    "KeyringMode": "private",
    "LimitNOFILE": "65536",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateMounts": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProcSubset": "pid",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service\n~@privileged @resources",
    "UMask": "0077",
}


class _Repeated(dict[str, str]):
    """Joins what a unit says twice, as systemd does for lists."""

    def __setitem__(self, key: str, value: str | list[str]) -> None:
        if isinstance(value, list) and isinstance(self.get(key), list):
            value = [*self[key], *value]
        super().__setitem__(key, value)  # type: ignore[assignment] # configparser's way


def unit(path: Path) -> configparser.ConfigParser:
    """Read a unit."""
    parser = configparser.ConfigParser(
        dict_type=_Repeated,
        strict=False,
        interpolation=None,
        delimiters=("=",),
        comment_prefixes=("#",),
    )
    parser.optionxform = str  # type: ignore[assignment] # names keep their case
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


class UnitTests(SynchronousTestCase):
    """Tests of the systemd units."""

    def setUp(self) -> None:
        """Read the service."""
        self.service = unit(SYSTEMD / "netsvc.service")["Service"]

    def test_hardening(self) -> None:
        """The service has no right, sees little, and cannot ask for more."""
        self.assertEqual({key: self.service.get(key) for key in HARDENING}, HARDENING)
        self.assertEqual(self.service["CapabilityBoundingSet"], "")

    def test_memory_may_be_executed(self) -> None:
        """No file has the directive under which no TLS connection works."""
        for path in (*SYSTEMD.glob("*.*"), *SYSTEMD.glob("*/*")):
            for section in unit(path).values():
                self.assertNotIn("MemoryDenyWriteExecute", section, path)

    def test_life(self) -> None:
        """The manager waits for what the daemon tells, and for its drain."""
        self.assertEqual(self.service["Type"], "notify")
        self.assertEqual(self.service["WatchdogSec"], "30")
        self.assertEqual(self.service["TimeoutStopSec"], "35")
        self.assertEqual(self.service["KillMode"], "mixed")
        self.assertTrue(self.service["ExecReload"].endswith("/bin/kill -HUP $MAINPID"))

    def test_directories(self) -> None:
        """Its directories are its own, by the name that the daemon expects."""
        for kind in ("Configuration", "State", "Runtime"):
            self.assertEqual(self.service[f"{kind}Directory"], "netsvc")
        self.assertEqual(UNIT_DIRECTORY.name, "netsvc.service")

    def test_sockets(self) -> None:
        """Each socket unit has a name, belongs to the service and can be installed."""
        units = sorted(SYSTEMD.glob("*.socket"))
        self.assertEqual(len(units), 2)
        for path in units:
            parsed = unit(path)
            self.assertEqual(parsed["Socket"]["Service"], "netsvc.service")
            self.assertIn(
                f"name={parsed['Socket']['FileDescriptorName']}", path.read_text()
            )
            self.assertEqual(parsed["Install"]["WantedBy"], "sockets.target")
        sockets = unit(SYSTEMD / "drop-ins" / "sockets.conf")["Service"]["Sockets"]
        self.assertEqual(sockets.split(), sorted((p.name for p in units), reverse=True))

    def test_low_ports(self) -> None:
        """The drop-in gives one right and no other."""
        drop_in = unit(SYSTEMD / "drop-ins" / "low-ports.conf")["Service"]
        self.assertEqual(
            dict(drop_in),
            {
                "AmbientCapabilities": "CAP_NET_BIND_SERVICE",
                "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
                "PrivateUsers": "no",
            },
        )


class ContainerTests(SynchronousTestCase):
    """Tests of the container's files."""

    def setUp(self) -> None:
        """Read the instructions of the last stage, with their lines joined."""
        text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
        joined = re.sub(r"\\\n\s*", "", text)
        lines = [line.partition(" ") for line in joined.splitlines() if line[:1] != "#"]
        self.all = [(word, rest) for word, _, rest in lines if word]
        last = max(n for n, (word, _) in enumerate(self.all) if word == "FROM")
        self.image = dict(self.all[last:])

    def test_user(self) -> None:
        """It does not run as root, which whoever runs it can tell from the number."""
        user, _, group = self.image["USER"].partition(":")
        self.assertGreater(int(user), 0)
        self.assertGreater(int(group), 0)
        self.assertIn(f"--uid {user} ", self.image["RUN"])

    def test_processes(self) -> None:
        """No shell stands between the daemon and its signals."""
        self.assertEqual(
            json.loads(self.image["ENTRYPOINT"]), ["netsvc", "run", "netsvc"]
        )
        self.assertEqual(json.loads(self.image["CMD"])[0], "--config")
        self.assertEqual(self.image["STOPSIGNAL"], "SIGTERM")

    def test_health(self) -> None:
        """Its health is what the daemon's own command says."""
        _, _, command = self.image["HEALTHCHECK"].partition("CMD ")
        self.assertEqual(json.loads(command), ["netsvc", "status", "--quiet"])

    def test_copied(self) -> None:
        """What is copied from the repository is there, and is not ignored."""
        ignored = (DEPLOY.parent / ".containerignore").read_text().splitlines()
        for word, rest in self.all:
            if word == "COPY" and not rest.startswith("--from"):
                source = rest.split()[0]
                self.assertTrue((DEPLOY.parent / source).exists(), source)
                self.assertNotIn(source, ignored)
        for needed in ("setup.cfg", "README.md", "LICENSE", "netsvc", "twisted"):
            self.assertNotIn(needed, ignored)

    def test_ignored_alike(self) -> None:
        """Docker and Podman leave out the same files."""
        self.assertEqual(
            os.readlink(DEPLOY / "Containerfile.dockerignore"), "../.containerignore"
        )

    def test_compose(self) -> None:
        """The sample gives the container no right, and time to drain."""
        text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
        for line in (
            "    read_only: true",
            "    cap_drop: [ALL]",
            '    security_opt: ["no-new-privileges:true"]',
            "    stop_grace_period: 35s",
            "      - ./netsvc.toml:/etc/netsvc/netsvc.toml:ro",
        ):
            self.assertIn(f"{line}\n", text)
        uid = self.image["USER"].partition(":")[0]
        self.assertIn(f"/run/netsvc:uid={uid},gid={uid},", text)
