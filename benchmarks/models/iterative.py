"""The iterative server: one client after the other.

The simplest of all. While it serves one client, all others wait in the kernel's queue
of connections that nobody has accepted yet: connected, but without an answer.
"""

from __future__ import annotations

import socket
import sys


def serve(client: socket.socket) -> None:
    """Echo whatever the client sends, until it ends."""
    with client:
        try:
            # recv() waits for data. It returns b"" when the client has closed its side.
            while data := client.recv(65536):
                client.sendall(data)
        except ConnectionError:
            pass  # The client went away in the middle.


def main() -> None:
    """Serve one client, then the next."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    while True:
        client, _address = listener.accept()
        serve(client)


if __name__ == "__main__":
    main()
