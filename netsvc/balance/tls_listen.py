"""Listen strings of TLS, bound as TCP: TLS begins above it, after what comes first."""

from __future__ import annotations

from twisted.internet.endpoints import quoteStringArgument

from netsvc.daemon.listen import BACKLOG, Listen


class TLSListen(Listen):
    """An C{ssl:} or C{tls:} string."""

    @classmethod
    def of(cls, listen: Listen) -> TLSListen:
        """
        Take one.

        @raise ValueError: Its port is no number.
        """
        given = (listen.text, listen.kind, listen.arguments, listen.named)
        return cls(*given, listen.origin)

    @property
    def port(self) -> int:
        """
        The port number.

        @raise ValueError: It is none.
        """
        # The path comes first in tls:.
        place = 0 if self.kind == "ssl" else 1
        if len(self.arguments) > place:
            return int(self.arguments[place])
        return int(self.named.get("port", "443"))

    @property
    def endpoint(self) -> str:
        """The endpoint string of the TCP port."""
        interface = self.named.get("interface", "::" if self.kind == "tls" else "")
        backlog = self.named.get("backlog", str(BACKLOG))
        where = quoteStringArgument(interface)
        return f"tcp:{self.port}:interface={where}:backlog={backlog}"
