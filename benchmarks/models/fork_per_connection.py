"""The forking server: a process of its own for every client.

The parent only accepts; each child serves one client with the same simple loop as the
iterative server. The operating system switches between the children. A child that
crashes harms nobody else, and all cores are used. But a process is the heaviest thing
to give a client: starting one takes long, and each has memory of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from types import FrameType


def serve(client: socket.socket) -> None:
    """Echo whatever the client sends, until it ends."""
    with client:
        while data := client.recv(65536):
            client.sendall(data)


def reap(number: int, frame: FrameType | None) -> None:
    """Collect the children that have ended: without this they remain as zombies."""
    try:
        # One signal may stand for several children, hence the loop.
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # There is no child left at all.


def main() -> None:
    """Accept, fork, and let the child do the rest."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    signal.signal(signal.SIGCHLD, reap)
    while True:
        client, _address = listener.accept()
        if os.fork() == 0:
            # The child. It has copies of both sockets, and needs only one.
            listener.close()
            try:
                serve(client)
            except ConnectionError:
                pass
            finally:
                # Leaves at once: what else the parent had planned is not for us.
                os._exit(0)
        # The parent. Its copy must go, or the connection would never be closed.
        client.close()


if __name__ == "__main__":
    main()
