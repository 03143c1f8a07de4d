"""DNS messages in HTTP requests (RFC 8484 section 4.1)."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from typing import Final
from urllib.parse import parse_qsl

from netsvc.dns.errors import FormatError
from netsvc.dns.forwarder.request import MAX_QUERY
from netsvc.dns.wire import parse

#: The path that answers.
PATH: Final = b"/dns-query"

#: The media type of messages (RFC 8484 section 6).
MEDIA_TYPE: Final = b"application/dns-message"

#: Variables in the query of a URL.
MAX_VARIABLES: Final = 16


class HTTPRefusal(Exception):  # noqa: N818 -- it is an answer, too
    """
    A request that is answered with a status other than 200.

    @ivar status: The status.
    """

    def __init__(self, status: int) -> None:
        """
        @param status: The status.
        """
        super().__init__(str(status))
        self.status = status


class HTTPRequest:
    """
    A request whose content may still be coming.

    @ivar has_content: Whether the message is in the content.
    """

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        """
        @param headers: Its header fields, names in lower case.
        @raise HTTPRefusal: It asks for nothing that is here.
        """
        path, _, query = headers.get(b":path", b"").partition(b"?")
        method = headers.get(b":method", b"")
        self._content: list[bytes] = []
        self._size = 0
        self._message = b""
        if path != PATH:
            raise HTTPRefusal(404)
        self.has_content = method == b"POST"
        if self.has_content:
            kind = headers.get(b"content-type", b"").partition(b";")[0]
            if kind.strip().lower() != MEDIA_TYPE:
                raise HTTPRefusal(415)
        elif method == b"GET":
            self._message = _variable(query)
        else:
            raise HTTPRefusal(405)

    def add(self, data: bytes) -> None:
        """
        Take a piece of its content.

        @raise HTTPRefusal: It is too long.
        """
        self._size += len(data)
        if self._size > MAX_QUERY:
            raise HTTPRefusal(413)
        if self.has_content:
            self._content.append(data)

    def message(self) -> bytes:
        """Give the message, once all of it has come."""
        return b"".join(self._content) if self.has_content else self._message


def _variable(query: bytes) -> bytes:
    """Read the message in a URL."""
    try:
        found = dict(
            parse_qsl(query.decode("ascii"), max_num_fields=MAX_VARIABLES)
        ).get("dns", "")
        message = urlsafe_b64decode(found + "=" * (-len(found) % 4))
    except (ValueError, binascii.Error):
        raise HTTPRefusal(400) from None
    if not message:
        raise HTTPRefusal(400)
    if len(message) > MAX_QUERY:
        raise HTTPRefusal(414)
    return message


def freshness(reply: bytes) -> int:
    """
    Say for how many seconds a reply may be kept: the least of its records' TTLs (RFC
    8484 section 5.1).
    """
    try:
        message = parse(reply)
    except FormatError:
        return 0
    ttls = [record.ttl for record in (*message.answer, *message.authority)]
    return min(ttls, default=0)
