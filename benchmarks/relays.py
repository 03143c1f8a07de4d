"""Which relays are compared, and how each is started.

Limits on how fast peers may come and send are off. netsvc-relay keeps nothing, as it
does by default; there is also one that keeps what is said in a file, where it goes out
when it is on the disk.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers import NETSVC, NETSVC_RAW, NETSVC_STORED, TWISTED, C
from benchmarks.programs import (
    CLIENT,
    HOST,
    Command,
    Kind,
    Workshop,
    probe,
    python,
    twistd,
)

_RATES = ("message", "join", "nick", "source", "room", "newcomer")


def knows(kind: Kind, host: str, port: int) -> bool:
    """Say whether a relay answers a peer's first command."""
    with probe(kind, CLIENT, 0) as client:
        client.settimeout(0.5)
        try:
            client.connect((host, port))
            client.send(b"/quit")
            return bool(client.recv(2048))
        except OSError:
            return False


def _netsvc(*options: str) -> Command:
    """C{twistd -n netsvc-relay} as an operator starts it, without its limits."""

    def command(workshop: Workshop, port: int) -> list[str]:
        path = workshop.folder / f"relay-{port}.sqlite"
        for left in workshop.folder.glob(f"{path.name}*"):
            left.unlink()
        return twistd(
            "netsvc-relay",
            f"--listen=udp:{port}:interface={HOST}",
            f"--store={path}",
            "--max-peers=20000",
            "--max-peers-per-source=0",
            "--newcomer-rate-per-source=off",
            *(f"--{name}-rate=off" for name in _RATES),
            *options,
        )

    return command


#: All of them, in the order of the table.
RELAYS: Mapping[str, Command] = {
    NETSVC: _netsvc(),
    NETSVC_STORED: _netsvc("--history"),
    NETSVC_RAW: _netsvc("--raw"),
    C: lambda workshop, port: [workshop.echo, "relay", str(port)],
    TWISTED: lambda _, port: python(
        "benchmarks.servers.twisted_server", "relay", str(port)
    ),
}
