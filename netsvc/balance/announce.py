"""What is said of a client: by those in front of us, and to those behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netsvc.balance.client_hello import ClientHello
from netsvc.balance.proxy_header import SSL, TLV, Command, Header, TLVType, Transport
from netsvc.balance.proxy_protocol import encode_v1, encode_v2

# Of SSL.client: over TLS; no certificate has been verified.
_OVER_TLS = 1
_NO_CERTIFICATE = 1


@dataclass(frozen=True)
class Announced:
    """
    What a PROXY header, a ClientHello or a TLS handshake has told of a client.

    @ivar source: Its address, if it is not the connection's.
    @ivar destination: The address that it wanted, likewise.
    @ivar name: The server name that it asked for.
    @ivar protocols: The application protocols, its favourite first.
    @ivar tlvs: What to say of it in a header of version 2.
    """

    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None
    name: str | None = None
    protocols: tuple[str, ...] = ()
    tlvs: tuple[TLV, ...] = ()

    @classmethod
    def by_header(cls, header: Header) -> Announced:
        """Take what a header says."""
        source, destination = header.source, header.destination
        if isinstance(source, tuple) and isinstance(destination, tuple):
            return cls(source, destination, tlvs=header.tlvs)
        return cls(tlvs=header.tlvs)

    @classmethod
    def by_hello(cls, hello: ClientHello, before: Announced | None) -> Announced:
        """Add what a ClientHello says; the rest of the stream stays as it is."""
        before = before or cls()
        tlvs = before.tlvs
        if hello.server_name is not None:
            tlvs = _with(tlvs, TLVType.AUTHORITY, hello.server_name.encode())
        protocols = tuple(each.decode("latin-1") for each in hello.alpn)
        return cls(
            before.source, before.destination, hello.server_name, protocols, tlvs
        )

    @classmethod
    def by_tls(cls, transport: Any, before: Announced | None) -> Announced:
        """Add what the handshake that we ourselves have made says."""
        before = before or cls()
        connection = transport.getHandle()
        name = connection.get_servername() or b""
        protocol = connection.get_alpn_proto_negotiated() or b""
        ssl = SSL(
            _OVER_TLS,
            _NO_CERTIFICATE,
            (
                TLV(
                    TLVType.SSL_VERSION, connection.get_protocol_version_name().encode()
                ),
                TLV(TLVType.SSL_CIPHER, (connection.get_cipher_name() or "").encode()),
            ),
        ).to_tlv()
        tlvs = _with(before.tlvs, TLVType.SSL, ssl.value)
        if name:
            tlvs = _with(tlvs, TLVType.AUTHORITY, name)
        if protocol:
            tlvs = _with(tlvs, TLVType.ALPN, protocol)
        return cls(
            before.source,
            before.destination,
            name.decode("latin-1").lower() or None,
            (protocol.decode("latin-1"),) if protocol else (),
            tlvs,
        )


def _with(tlvs: tuple[TLV, ...], kind: int, value: bytes) -> tuple[TLV, ...]:
    """Give the TLVs with one of a kind."""
    return (*(tlv for tlv in tlvs if tlv.type != kind), TLV(kind, value))


def _pair(address: Any) -> tuple[str, int] | None:
    """Give the host and the port of an IP address."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return None if host is None or port is None else (host, port)


def announce(transport: Any, announced: Announced | None, version: int) -> bytes:
    """
    Make the PROXY header for a client.

    @param transport: The client's connection.
    @param announced: What has been told of it.
    @param version: 1 or 2; 0 makes none.
    """
    if not version:
        return b""
    said = announced or Announced()
    tlvs = said.tlvs if version == 2 else ()
    source = said.source or _pair(transport.getPeer())
    destination = said.destination or _pair(transport.getHost())
    if source is None or destination is None:
        header = Header(version, Command.PROXY, Transport.UNSPEC, tlvs=tlvs)
    else:
        header = Header.between(source, destination, tlvs=tlvs)
    return encode_v1(header) if version == 1 else encode_v2(header)


def announce_datagram(source: tuple[str, int], destination: Any) -> bytes:
    """
    Make the header to put in front of a client's datagrams.

    @param source: The client's address and port.
    @param destination: The address that it has sent them to.
    """
    host, port = destination.host, destination.port
    header = Header.between(source, (host, port), datagram=True)
    return encode_v2(header)


def announce_self(version: int) -> bytes:
    """Make the header of a connection that we make for ourselves, a check's."""
    if version == 1:
        return encode_v1(Header(1, Command.PROXY))
    return encode_v2(Header(2, Command.LOCAL)) if version else b""
