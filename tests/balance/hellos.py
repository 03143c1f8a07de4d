"""The first message of a TLS client, as OpenSSL writes it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence


def client_hello(name: str | None, protocols: Sequence[str] = ()) -> bytes:
    """Make the record of a ClientHello.

    @param name: the name that it asks for.
    @param protocols: what it offers by ALPN.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")
