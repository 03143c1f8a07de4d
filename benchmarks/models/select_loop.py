"""The multiplexing server: one thread asks select() which clients have something.

No socket ever makes it wait: it waits in one place, for all of them at once. Two
limits are built into select() itself. Each call hands all descriptors to the kernel,
which looks at every one, so a call takes longer with every client, busy or not. And
the set is a bit field of fixed size: descriptors from 1024 on do not fit (FD_SETSIZE).
epoll, which netsvc uses, has neither limit.
"""

from __future__ import annotations

import select
import socket
import sys

FD_SETSIZE = 1024


def main() -> None:
    """Serve all clients in turn, whoever is ready."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    listener.setblocking(False)
    readers = {listener}  # sockets from which we want to read
    unsent: dict[socket.socket, bytes] = {}  # what a slow client has not taken yet

    def forget(client: socket.socket) -> None:
        readers.discard(client)
        unsent.pop(client, None)
        client.close()

    def send(client: socket.socket, data: bytes) -> None:
        rest = data[client.send(data) :]
        if rest:
            # Do not read more from a client that does not take what it is sent.
            unsent[client] = rest
            readers.discard(client)
        else:
            unsent.pop(client, None)
            readers.add(client)

    def ready(client: socket.socket) -> None:
        if client in unsent:
            send(client, unsent[client])
        elif data := client.recv(65536):
            send(client, data)
        else:
            forget(client)  # An empty read: it has closed its side.

    while True:
        # The one place where the program waits.
        readable, writable, _ = select.select(readers, unsent, [])
        for client in readable + writable:
            if client is listener:
                newcomer, _address = listener.accept()
                newcomer.setblocking(False)
                if newcomer.fileno() < FD_SETSIZE:
                    readers.add(newcomer)
                else:
                    newcomer.close()  # select() could not wait for this one.
                continue
            try:
                ready(client)
            except BlockingIOError:
                pass  # Not ready after all; select() will tell.
            except ConnectionError:
                forget(client)


if __name__ == "__main__":
    main()
