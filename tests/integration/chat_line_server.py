"""A line server for tests of the client: what netsvc-chat's line frontend would say.

It is no hub: one thread for each connection, and only what a test asks for. It keeps
every line that it was sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

#: Seconds that a test waits for something at most.
PATIENCE = 60.0


class Peer:
    """One connection.

    @ivar nick: whose it is.
    @ivar rooms: where they are, the current one last.
    """

    def __init__(self, server: LineServer, connection: socket.socket, nick: str):
        self.server = server
        self.connection = connection
        self.nick = nick
        self.rooms: list[str] = []
        self.encoding = "utf-8"

    def write(self, *lines: str) -> None:
        """Send lines."""
        text = "".join(f"{line}\r\n" for line in lines)
        with contextlib.suppress(OSError):
            self.connection.sendall(text.encode(self.encoding, "replace"))

    def run(self) -> None:
        """Greet, and do what the lines say until there are no more."""
        with self.connection, contextlib.suppress(OSError):
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.do_handshake()
            self.write("* Welcome to the test server", "* type /help for help")
            self.join("#lobby")
            with self.connection.makefile("rb") as lines:
                for data in lines:
                    line = data.decode(self.encoding, "replace").rstrip("\r\n")
                    self.server.lines.append(line)
                    if self.take(line):
                        break
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.unwrap()
        self.server.gone(self)

    def join(self, room: str) -> None:
        """Come into a room."""
        if room not in self.rooms:
            self.rooms.append(room)
            self.server.tell(room, f"* {self.nick} has joined {room}")

    def take(self, line: str) -> bool:
        """Do what a line says; whether that was the last."""
        name, _, rest = line.partition(" ")
        if line.startswith("/"):
            command: Callable[[str], None] = getattr(self, f"do_{name[1:]}", self.what)
            command(rest)
            return name == "/quit"
        self.server.say(self, line)
        return False

    def what(self, rest: str) -> None:
        """Refuse."""
        self.write("! there is no such command")

    def do_nick(self, new: str) -> None:
        """Take a nick; some are taken."""
        if new == "taken":
            self.write("! taken: that nick is taken")
        elif new != "silence":
            old, self.nick = self.nick, new
            self.server.tell("", f"* {old} is now known as {new}")

    def do_join(self, room: str) -> None:
        """Come into a room; some are closed."""
        if room == "#closed":
            self.write("! #closed: you are banned from the room")
        else:
            self.join(room)

    def do_charset(self, name: str) -> None:
        """Change the character set."""
        self.encoding = name
        self.write(f"* character set: {name}")

    def do_login(self, rest: str) -> None:
        """Log in."""
        self.write(f"* logged in as {rest.partition(' ')[0]}")

    do_register = do_login

    def do_me(self, text: str) -> None:
        """Act."""
        self.server.tell(self.rooms[-1], f"* {self.nick} {text}", but=self)

    def do_msg(self, rest: str) -> None:
        """Whisper."""
        nick, _, text = rest.partition(" ")
        self.write(f"-> {nick}: {text}")
        for peer in self.server.peers:
            if peer.nick == nick:
                peer.write(f"-{self.nick}- {text}")

    def do_who(self, room: str) -> None:
        """Say who is there."""
        room = room or self.rooms[-1]
        names = [peer.nick for peer in self.server.peers if room in peer.rooms]
        self.write(f"* in {room}: @boss, {', '.join(names)}")

    def do_quit(self, reason: str) -> None:
        """Say goodbye."""
        self.write("* goodbye")


class LineServer:
    """The server, on a port of loopback that the system chooses.

    @ivar lines: all lines that it was sent, in order.
    @ivar peers: who is there.
    """

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.lines: list[str] = []
        self.peers: list[Peer] = []
        self._context = context
        self._count = 0
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def target(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._context is not None:
                connection = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            self._count += 1
            peer = Peer(self, connection, f"guest{self._count}")
            self.peers.append(peer)
            self._start(peer.run)

    def tell(self, room: str, line: str, but: Peer | None = None) -> None:
        """Send a line to who is in a room, or to everybody."""
        for peer in list(self.peers):
            if peer is not but and (not room or room in peer.rooms):
                peer.write(line)

    def say(self, speaker: Peer, text: str) -> None:
        """Relay what somebody says to the others in their room."""
        room = speaker.rooms[-1]
        for peer in list(self.peers):
            if peer is not speaker and room in peer.rooms:
                place = "" if peer.rooms[-1] == room else f"{room} "
                peer.write(f"{place}<{speaker.nick}> {text}")

    def gone(self, peer: Peer) -> None:
        """Take that a connection is over."""
        if peer in self.peers:
            self.peers.remove(peer)

    def drop(self) -> None:
        """Cut all connections."""
        for peer in list(self.peers):
            with contextlib.suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"never so; lines: {self.lines}")
            time.sleep(0.01)

    def close(self) -> None:
        """End, and wait for all threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(PATIENCE)
