"""Which chat servers are compared, and how each is started.

Limits on how fast clients may speak, join or connect are off everywhere, and names of
hosts are not looked up. netsvc-chat keeps what is said in a file, as it does by
default: what is said is delivered when it is on the disk. The others keep nothing;
for the ratio to them there is also a netsvc that does not.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import INSPIRCD, NETSVC, NETSVC_MEMORY, NGIRCD, WORDS
from benchmarks.programs import (
    CLIENT,
    HOST,
    Command,
    Kind,
    Workshop,
    probe,
    program,
    python,
    twistd,
)

_NGIRCD = """\
[Global]
    Name = irc.bench.local
    Info = bench
    Listen = {host}
    Ports = {port}
    ServerUID = {user}
    ServerGID = {group}
[Limits]
    MaxConnections = 0
    MaxConnectionsIP = 0
    MaxJoins = 0
    MaxPenaltyTime = 0
    PingTimeout = 600
[Options]
    DNS = no
    Ident = no
    PAM = no
"""

_INSPIRCD = """\
<server name="irc.bench.local" description="bench" network="bench" id="00A">
<bind address="{host}" port="{port}" type="clients">
<connect name="main" allow="*" timeout="60" pingfreq="10m" hardsendq="1M"
    softsendq="1M" recvq="64K" localmax="0" globalmax="0" maxchans="100" limit="20000"
    maxconnwarn="no" fakelag="no" commandrate="1000000000" threshold="1000000"
    resolvehostnames="no" useident="no" useconnectflood="no">
<performance softlimit="20000" somaxconn="4096" clonesonconnect="no">
<log method="file" type="*" level="default" target="{folder}/inspircd.log">
<pid file="{folder}/inspircd.pid">
<security hidesplits="no">
<module name="cap">
"""


def missing(peer: str) -> str | None:
    """Return why a chat server cannot be run here, C{None} if it can."""
    for name, binary in ((NGIRCD, "ngircd"), (INSPIRCD, "inspircd")):
        if peer == name and program(binary) is None:
            return f"no {binary} here (Debian: {binary})"
    return None


def speaks(kind: Kind, host: str, port: int) -> bool:
    """Say whether an IRC server answers."""
    with probe(kind, CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((host, port))
            client.sendall(b"CAP LS 302\r\n")
            return bool(client.recv(64))
        except OSError:
            return False


def _netsvc(stored: bool) -> Command:
    """C{twistd -n netsvc-chat} as an operator starts it, without its flood limits."""

    def command(workshop: Workshop, port: int) -> list[str]:
        store = ":memory:"
        if stored:
            path = workshop.folder / f"chat-{port}.sqlite"
            for left in workshop.folder.glob(f"{path.name}*"):
                left.unlink()
            store = str(path)
        rates = ("command", "message", "join", "nick", "connection")
        return twistd(
            "netsvc-chat",
            "--line=off",
            f"--irc=tcp:{port}:interface={HOST}",
            f"--store={store}",
            *(f"--{name}-rate=off" for name in rates),
        )

    return command


def ngircd_settings(port: int, user: str, group: str) -> str:
    """Return the configuration of ngIRCd."""
    return _NGIRCD.format(host=HOST, port=port, user=user, group=group)


def _ngircd(workshop: Workshop, port: int) -> list[str]:
    settings = workshop.folder / "ngircd.conf"
    # Not what the environment says: we may be root of a user namespace.
    user = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    text = ngircd_settings(port, user, group)
    settings.write_text(text, encoding="utf-8")
    return [program("ngircd") or "ngircd", "-n", "-f", str(settings)]


def inspircd_settings(port: int, folder: Path) -> str:
    """Return the configuration of InspIRCd."""
    return _INSPIRCD.format(host=HOST, port=port, folder=folder)


def _inspircd(workshop: Workshop, port: int) -> list[str]:
    settings = workshop.folder / "inspircd.conf"
    settings.write_text(inspircd_settings(port, workshop.folder), encoding="utf-8")
    start = [program("inspircd") or "inspircd", "--nofork", "--runasroot"]
    return [*start, f"--config={settings}"]


_ALL: Mapping[str, Command] = {
    NETSVC: _netsvc(stored=True),
    NETSVC_MEMORY: _netsvc(stored=False),
    NGIRCD: _ngircd,
    INSPIRCD: _inspircd,
    WORDS: lambda _, port: python("benchmarks.servers.words_server", str(port)),
}


def servers(*without: str) -> Mapping[str, Command]:
    """Return the chat servers, without some."""
    return {name: each for name, each in _ALL.items() if name not in without}
