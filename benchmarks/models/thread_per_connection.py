"""The threaded server: a thread for every client, all in one process.

Threads are lighter than processes and share all memory, which is convenient and
dangerous at once. In CPython only one thread runs Python code at a time (the global
interpreter lock); they take turns whenever one waits for its client.
"""

from __future__ import annotations

import socket
import sys
import threading


def serve(client: socket.socket) -> None:
    """Echo whatever the client sends, until it ends."""
    with client:
        try:
            while data := client.recv(65536):
                client.sendall(data)
        except ConnectionError:
            pass


def main() -> None:
    """Accept, and start a thread for each client."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    while True:
        client, _address = listener.accept()
        # A daemon thread does not keep the process alive when main() ends.
        threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
