"""What blocking clients of a stream do in tests."""

from __future__ import annotations

import select
import socket
import time

#: Seconds that a client waits for an answer that must come, on a busy machine.
ANSWER = 30.0


def receive(client: socket.socket, size: int) -> bytes:
    """Receive exactly so many bytes, or fewer if the stream ends before."""
    data = bytearray()
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return bytes(data)


def receive_all(client: socket.socket) -> bytes:
    """Receive until the stream ends."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def fill(client: socket.socket) -> int:
    """Send, without reading, until nothing is taken any more; give how much was."""
    client.setblocking(False)
    data = bytes(1 << 20)
    sent, refused = 0, 0
    while refused < 10:
        try:
            sent += client.send(data)
            refused = 0
        except BlockingIOError:
            refused += 1
            time.sleep(0.02)
    return sent


def reset(client: socket.socket) -> bool:
    """Tell whether a stream has been cut, without reading what it holds."""
    poll = select.poll()
    poll.register(client, 0)
    return bool(poll.poll(0))


def ended(client: socket.socket, seconds: float = ANSWER) -> bool:
    """Tell whether a stream ends, cleanly or not, within so many seconds."""
    client.settimeout(max(seconds, 0.001))
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
