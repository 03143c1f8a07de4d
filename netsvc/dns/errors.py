"""
What can go wrong with a lookup: each thing a class of its own.

    - L{InvalidName}: the question itself cannot be asked; L{TransferRequested} if it
      is for a zone.
    - L{FormatError}: a message is malformed. It ends no lookup: a datagram is
      dropped, a stream is closed.
    - L{BadChain}: the aliases of an answer lead nowhere. It makes that answer a
      L{BadAliases} of its server.
    - L{LookupFailed}: there is no answer. What a lookup fails with is the most
      telling L{ServerError} of all that its servers have done, and its C{errors}
      are all of them.

NXDOMAIN and "no such data" are answers and no errors.
"""

# ruff: noqa: N818 -- the names say what has happened, as the field says it

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netsvc.dns.codes import RCODE, rcode_name

if TYPE_CHECKING:
    from netsvc.dns.result import Message
    from netsvc.dns.servers import Server


class DNSError(Exception):
    """The root of all errors here."""


class InvalidName(DNSError, ValueError):
    """A text is no domain name, or no type, class or server of ours."""


class TransferRequested(InvalidName):
    """
    AXFR or IXFR is no question with one answer: a zone comes in many messages.

    L{TransfersZones<netsvc.dns.asking.TransfersZones>} transfers zones.
    """


class FormatError(DNSError, ValueError):
    """A message, or a part of one, is malformed (RFC 1035 section 4)."""


class BadChain(DNSError, ValueError):
    """The aliases of an answer go round in a circle, or are too many."""


class LookupFailed(DNSError):
    """
    There is no answer.

    @ivar errors: What each server has done, in the order in which it happened.
    """

    def __init__(self, message: str, errors: tuple[ServerError, ...] = ()) -> None:
        """
        @param message: One line for people.
        @param errors: What the servers have done.
        """
        super().__init__(message)
        self.errors = errors

    @property
    def rcode(self) -> int | None:
        """The response code that says why, if a server has sent one."""
        return None


class NoServers(LookupFailed):
    """There is no server to ask."""


class TooManyQueries(LookupFailed):
    """So many lookups are under way that there is no room for another."""


class DeadlineExceeded(LookupFailed):
    """The total time is up, and no server has done anything at all."""


class ResolverClosed(LookupFailed):
    """The resolver was closed."""


class ServerError(LookupFailed):
    """
    What one server has done instead of answering.

    @cvar weight: The greater, the more it tells about why a lookup has failed.
    @ivar server: Which server.
    @ivar transport: Over what: C{"udp"}, C{"tcp"}, C{"tls"} or C{"https"}.
    @ivar detail: What else there is to say; may be empty.
    """

    weight: ClassVar[int] = 5
    says: ClassVar[str] = "has failed"

    def __init__(self, server: Server, transport: str, detail: str = "") -> None:
        """
        @param server: Which server.
        @param transport: Over what.
        @param detail: What else there is to say.
        """
        more = f": {detail}" if detail else ""
        super().__init__(f"{server} ({transport}) {self.says}{more}")
        self.server = server
        self.transport = transport
        self.detail = detail


class ServerTimeout(ServerError):
    """It has not answered in time."""

    weight = 1
    says = "has not answered in time"


class Unreachable(ServerError):
    """Its host or its port cannot be reached (ICMP, or a refused connection)."""

    weight = 2
    says = "cannot be reached"


class ConnectionClosed(ServerError):
    """It has closed the connection before it answered."""

    weight = 3
    says = "has closed the connection"


class BadReply(ServerError):
    """It has sent over a stream what is no answer to what was asked."""

    weight = 4
    says = "has sent a wrong answer"


class Truncated(ServerError):
    """Its answer is truncated over TCP, too."""

    weight = 6
    says = "has sent a truncated answer over a stream"


class BadAliases(ServerError):
    """Its answer is a chain of aliases that leads nowhere (see L{BadChain})."""

    weight = 6
    says = "has sent aliases that lead nowhere"


class TLSFailed(ServerError):
    """TLS has failed: no handshake, or a certificate that is not to be trusted."""

    weight = 6
    says = "TLS has failed"


class HTTPFailed(ServerError):
    """It has answered with an HTTP status other than 200, or with no DNS message."""

    weight = 6
    says = "HTTP has failed"


class Unvalidated(ServerError):
    """
    Its answer can be neither proven nor refuted by DNSSEC: it has not sent the keys.
    """

    weight = 8
    says = "has sent an answer that cannot be validated"


class Bogus(ServerError):
    """DNSSEC proves that its answer is forged or broken."""

    weight = 9
    says = "has sent a bogus answer"


class ResponseCode(ServerError):
    """
    It has answered with an error code (RFC 1035 section 4.1.1, RFC 6891).

    The common codes have classes of their own; see L{response_error}.

    @ivar reply: What it has answered, where that was read as a message.
    """

    weight = 7
    reply: Message | None = None

    def __init__(
        self, server: Server, transport: str, code: int, detail: str = ""
    ) -> None:
        """
        @param server: Which server.
        @param transport: Over what.
        @param code: The extended response code, 0 to 4095.
        @param detail: What else there is to say.
        """
        self._code = code
        self.says = f"has answered {rcode_name(code)}"  # type: ignore[misc]
        super().__init__(server, transport, detail)

    @property
    def rcode(self) -> int:
        """The code."""
        return self._code


class ServerFailure(ResponseCode):
    """SERVFAIL: it could not find the answer."""

    weight = 8


class Refused(ResponseCode):
    """REFUSED: it does not answer us."""


class NotImplementedByServer(ResponseCode):
    """NOTIMP: it does not know this kind of query."""


class FormatRefused(ResponseCode):
    """FORMERR: it says that our query is malformed."""


class BadVersion(ResponseCode):
    """BADVERS: it does not know our version of EDNS, which is 0."""


class BadCookie(ResponseCode):
    """BADCOOKIE: it does not take our cookie, not even its own."""


_BY_CODE: dict[int, type[ResponseCode]] = {
    RCODE["FORMERR"]: FormatRefused,
    RCODE["SERVFAIL"]: ServerFailure,
    RCODE["NOTIMP"]: NotImplementedByServer,
    RCODE["REFUSED"]: Refused,
    RCODE["BADVERS"]: BadVersion,
    RCODE["BADCOOKIE"]: BadCookie,
}


def response_error(
    server: Server, transport: str, code: int, detail: str = ""
) -> ResponseCode:
    """Make the error for a response code, of the class that it has."""
    return _BY_CODE.get(code, ResponseCode)(server, transport, code, detail)


def most_telling(errors: tuple[ServerError, ...]) -> ServerError:
    """
    Choose the error that tells most about why a lookup has failed.

    @param errors: At least one; the last of the weightiest is chosen, and gets all
        of them as its C{errors}.
    """
    chosen = max(reversed(errors), key=lambda error: error.weight)
    chosen.errors = errors
    return chosen
