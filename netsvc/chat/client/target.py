"""Where a server is, and what the user wants of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from netsvc.chat.charset import Encoding
from netsvc.chat.client.entry import Wishes
from netsvc.daemon.targets import TLSSettings

DEFAULT_PORT: Final = 7070
"""The port of the line frontend of C{netsvc-chat}."""

UDP_PORT: Final = 7075
"""The port of C{netsvc-relay}."""

UDP: Final = "udp:"
"""What a target over UDP begins with."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """
    Everything that the command line says.

    @ivar host: A name or an address.
    @ivar tls: C{None} for a plain connection.
    @ivar wishes: Nick, rooms, and what the server is told of the character set.
    @ivar encoding: The character set of the connection.
    @ivar reconnect: Come back after a loss.
    @ivar timestamps: Show when each line came.
    @ivar password: The server's, if it has one and it is known.
    @ivar commands: In a pipe, whether lines that begin with a slash are commands.
    @ivar udp: Whether it goes over UDP.
    """

    host: str
    port: int = DEFAULT_PORT
    tls: TLSSettings | None = None
    wishes: Wishes = field(default_factory=Wishes)
    encoding: Encoding = "utf-8"
    reconnect: bool = True
    timestamps: bool = False
    password: str = ""
    commands: bool = True
    udp: bool = False

    @property
    def where(self) -> str:
        """Host and port, as the user would write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{UDP * self.udp}{host}:{self.port}"
