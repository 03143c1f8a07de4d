"""Fuzz targets of the frames, the channel, the notices and the direct paths."""

from __future__ import annotations

from collections.abc import Iterator

from netsvc.relay import frames, introductions
from netsvc.relay.channel import MAX_SEGMENT, NEVER, WINDOW, Channel
from netsvc.relay.client.association import Association
from netsvc.relay.direct import MAX_CANDIDATES, DirectPath
from netsvc.relay.introductions import Introduction
from netsvc.relay.replay import ReplayWindow
from netsvc.relay.sealing import Seal

_TOLD = Introduction(b"n" * 8, 0, b"k" * 32, "x", (("192.0.2.1", 4000),))


def _parts(data: bytes) -> Iterator[bytes]:
    """Give pieces of the bytes, each behind its length."""
    while data:
        size = data[0]
        yield data[1 : 1 + size]
        data = data[1 + size :]


def relay_frames(data: bytes) -> None:
    """
    Whatever comes, what is read is what is written, the channel holds no more than a
    window, time always goes on, and a session is never opened by what makes no sense.
    """
    frame = frames.decode(data)
    if frame is not None and not isinstance(frame, frames.Hello | frames.Refused):
        assert frames.encode(frame) == data, frame
    notice = introductions.decode(data)
    if notice is not None:
        assert introductions.decode(introductions.encode(notice)) == notice, notice
    channel, now = Channel(0.0), 0.0
    channel.write(b"x" * 40 * MAX_SEGMENT)
    association = Association(0.0, bytes)
    path = DirectPath(_TOLD, Seal(b"k" * 32, b"n" * 8, 0), 0.0, bytes)
    other, window = Seal(b"k" * 32, b"n" * 8, 1), ReplayWindow()
    for number, part in enumerate(_parts(data)):
        now += len(part) / 64
        channel.receive(part, now)
        list(channel.events())
        channel.packets(now)
        assert len(channel._arrived) <= WINDOW and len(channel._flying) <= WINDOW
        assert channel.next_at() > now or channel.next_at() == NEVER
        association.receive(part, now)
        association.datagrams(now)
        head = b"\x06" + _TOLD.name + number.to_bytes(8, "big")
        sealed = head + other.seal(number, head, part)
        for datagram in (part, sealed, sealed):
            path.receive(datagram, ("192.0.2.1", len(part)), now)
            path.datagrams(now)
        assert len(path._candidates) <= MAX_CANDIDATES
        count = int.from_bytes(part[:8], "big")
        if window.is_new(count):
            window.add(count)
        assert not window.is_new(count)
