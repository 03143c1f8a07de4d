"""SIGHUP: other settings for a daemon that goes on, or the old ones where they fail."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import threading
from contextlib import closing
from functools import partial

from argon2 import PasswordHasher

from tests.integration.balance_certificates import Authority
from tests.integration.balance_peers import free_ports
from tests.integration.daemon_process import (
    DaemonCase,
    DaemonProcess,
    echoes,
    shown_name,
)
from tests.integration.echo_process import COMMANDS, PATIENCE, TCP, UDP, EchoCase, until
from tests.integration.figures import figure
from tests.integration.streams import ANSWER, fill, receive_all

ECHO = '[echo]\nlisten = ["tcp:0:interface=127.0.0.1"]\n'

CHAT = """
[chat]
line = ["tcp:0:interface=127.0.0.1"]
irc = ["unix:irc.sock"]
store = ":memory:"
"""

#: Reloads under load, connections a second, and how many come between two reloads.
RELOADS = 20
RATE = 200
BETWEEN = 10


#: Runs the command; SIGTERM comes when the reactor has just taken the signals.
SIGNALLED = """
import os, signal, sys
from twisted.internet import reactor
from netsvc.cli import main
term = (os.kill, os.getpid(), signal.SIGTERM)
reactor.addSystemEventTrigger("during", "startup", *term)
sys.exit(main())
"""


class Listener:
    """A person in the chat's lobby who writes down all that is shown."""

    def __init__(self, port: int, nick: str) -> None:
        """Come in."""
        self.shown = b""
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.say(f"/nick {nick}")

    def _listen(self) -> None:
        while data := self._socket.recv(65536):
            self.shown += data

    def say(self, line: str) -> None:
        """Type a line."""
        self._socket.sendall(f"{line}\n".encode())

    def sees(self, text: bytes) -> None:
        """Wait until something is shown."""
        until(lambda: text in self.shown, "they talk")

    def close(self) -> None:
        """Go."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


class LoadTests(DaemonCase):
    """Nobody notices a reload who is not meant to."""

    def test_nobody_notices(self) -> None:
        """
        Of 200 new connections a second, during 20 reloads, none is refused and none
        is dropped; connections that were there go on, and no chat member notices.
        """
        daemon = self.start(ECHO + CHAT, 3)
        port = daemon.port("tcp:0", "echo")
        there = [self.connect(port) for _ in range(10)]
        lobby = daemon.port("tcp:0", "chat")
        people = [Listener(lobby, nick) for nick in ("ann", "bo")]
        for each in people:
            self.addCleanup(each.close)
        # What each says comes after all that it has done: nothing else is to come.
        for speaker, listener in (people, reversed(people)):
            speaker.say("first words")
            listener.sees(b"first words")
        quiet = [len(each.shown) for each in people]
        coming = self.newcomers(port, RATE, echoes)
        for _ in range(RELOADS):
            self.assertEqual(daemon.reload(), "reloaded")
            for client in there:
                echoes(client)
            coming.wait(BETWEEN)
        coming.stop()
        self.assertEqual([len(each.shown) for each in people], quiet)
        people[1].say("last words")
        people[0].sees(b"last words")
        figure(self, "reloads", len(daemon.reloads()), least=RELOADS)
        figure(self, "refused or dropped", len(coming.problems), most=0)
        figure(self, "new connections served", coming.served, least=RELOADS * BETWEEN)

    def test_listeners_come_and_go(self) -> None:
        """
        Listeners are added and removed under load: those who come to one that stays
        notice nothing, who is connected to one that goes can stay, and what is new
        serves at once.
        """
        first, second, third = free_ports(3)

        def text(*ports: int) -> str:
            listens = [f"tcp:{port}:interface=127.0.0.1" for port in ports]
            return f"[echo]\nlisten = {listens}\n"

        daemon = self.start(text(first, second), 2)
        stays = self.connect(second)
        echoes(stays)
        coming = self.newcomers(first, RATE, echoes)
        for _ in range(3):
            self.assertEqual(daemon.reload(text(first, third)), "reloaded")
            echoes(self.connect(third))
            self.assert_closed(second)
            self.assertEqual(daemon.reload(text(second, first)), "reloaded")
            echoes(self.connect(second))
            self.assert_closed(third)
            echoes(stays)
        coming.stop()
        self.assertEqual(coming.problems, [])
        self.assertTrue(coming.served)

    def assert_closed(self, port: int) -> None:
        """See that nothing listens there."""

        def refused() -> bool:
            with socket.socket() as late:
                return late.connect_ex(("127.0.0.1", port)) != 0

        until(refused, "it is closed")

    def test_storm(self) -> None:
        """Of a storm of signals a few reloads come, one after the other, and all is
        well after it."""
        daemon = self.start(ECHO, 1)
        port = daemon.port("tcp:0")
        client = self.connect(port)
        coming = self.newcomers(port, RATE, echoes)
        for _ in range(500):
            daemon.signal(signal.SIGHUP)
        echoes(client)
        coming.stop()
        self.assertEqual(coming.problems, [])
        self.assertEqual(daemon.reload(), "reloaded")
        self.assertEqual(set(daemon.reloads()), {"reloaded"})


class RefuseTests(DaemonCase):
    """What is wrong is told, and changes nothing."""

    def test_every_mistake(self) -> None:
        """All mistakes in the file are told with file and line, and the old
        configuration stays."""
        daemon = self.start(ECHO, 1)
        port = daemon.port("tcp:0")
        client = self.connect(port)
        bad = ECHO + 'greetnig = "x"\nidle_timeout = "soon"\n'
        self.assertIn("the old configuration stays", daemon.reload(bad))
        for line in ("netsvc.toml:3: ", "netsvc.toml:4: "):
            self.assertEqual(len(daemon.lines(line)), 1, daemon.log())
        echoes(client)
        echoes(self.connect(port))
        # The second time it says so again, and a good one is taken.
        self.assertIn("2 to correct", daemon.reload())
        self.assertEqual(daemon.reload(ECHO + 'greeting = "hi"\n'), "reloaded")
        self.assertEqual(self.connect(port).recv(10), b"hi\r\n")

    def test_of_a_service(self) -> None:
        """What a service finds is told with file and line, of all services at once;
        nothing of a configuration that is refused is used."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        busy = taken.getsockname()[1]
        motd = self.folder / "motd"
        motd.write_text("hello")
        daemon = self.start(ECHO + CHAT + f'motd = "{motd}"\n', 3)
        port = daemon.port("tcp:0", "echo")
        motd.unlink()
        bad = (
            f'[echo]\ngreeting = "no"\nlisten = ["tcp:{busy}:interface=127.0.0.1",'
            f' "tcp:0:interface=127.0.0.1"]\n{CHAT}motd = "{motd}"\nserver_name ="a.b"'
        )
        self.assertIn("3 to correct", daemon.reload(bad))
        (line,) = daemon.lines("Address already in use")
        self.assertIn("netsvc.toml:3: echo.listen: cannot listen on tcp:", line)
        (line,) = daemon.lines("No such file")
        self.assertIn("netsvc.toml:9: chat.motd: ", line)
        (line,) = daemon.lines("restart")
        self.assertIn("netsvc.toml:10: chat.server_name: cannot be changed", line)
        echoes(self.connect(port))

    def test_no_file(self) -> None:
        """A file that is gone is told, and changes nothing."""
        daemon = self.start(ECHO, 1)
        daemon.file.unlink()
        self.assertIn("not reloaded", daemon.reload())
        echoes(self.connect(daemon.port("tcp:0")))


class OperatorTests(DaemonCase):
    """An IRC operator may reload, too."""

    def test_rehash(self) -> None:
        """REHASH reads the configuration again, and tells what is wrong with it."""
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("pass")
        chat = f"{CHAT}oper = ['root:{hashed}']\n"
        text = ECHO + chat.replace("unix:irc.sock", "tcp:0:interface=127.0.0.1")
        daemon = self.start(text, 3)
        client = self.connect(daemon.port("tcp:0", "chat"))
        stream = client.makefile("rw", encoding="utf-8", newline="\r\n")
        self.addCleanup(stream.close)

        def says(line: str, answer: str) -> None:
            stream.write(f"{line}\n")
            stream.flush()
            for heard in stream:
                if answer in heard:
                    return
            self.fail(f"no {answer}")

        says("NICK root\nUSER root 0 * :Root", " 001 ")
        says("OPER root pass", " 381 ")
        says("REHASH", "has been read again")
        daemon.write(f"[ecko]\n{text}")
        says("REHASH", "stays as it was: ")
        self.assertEqual(len(daemon.reloads()), 2)
        daemon.write(text + '[[balance]]\nname = "x"\n')
        says("REHASH", "backend")


class ServicesTests(DaemonCase):
    """Services come and go."""

    def test_come_and_go(self) -> None:
        """A new table is a new service; one that goes lets its connections finish."""
        daemon = self.start(ECHO, 1)
        echo = self.connect(daemon.port("tcp:0", "echo"))
        sent = fill(echo)  # until all of that is read, it is in use
        self.assertEqual(daemon.reload(ECHO + CHAT), "reloaded")
        chat = self.connect(daemon.wait(3).port("tcp:0", "chat"))
        self.assertTrue(chat.recv(100))
        self.assertEqual(daemon.reload(CHAT), "reloaded")
        echo.settimeout(ANSWER)
        self.assertEqual(len(receive_all(echo)), sent)
        until(lambda: daemon.lines("netsvc-echo has stopped"), "echo has gone")
        chat.sendall(b"/who\n")
        self.assertTrue(chat.recv(100))
        self.assertEqual(daemon.reload(ECHO), "reloaded")
        until(lambda: daemon.lines("netsvc-chat has stopped"), "chat has gone")

    def test_new_one_fails(self) -> None:
        """A new service that cannot start is told, and none of the others changes."""
        daemon = self.start(ECHO, 1)
        port = daemon.port("tcp:0", "echo")
        bad = f'{ECHO}greeting="no"\n{CHAT}'.replace(":memory:", "/proc/no/such")
        self.assertIn("1 to correct", daemon.reload(bad))
        (line,) = daemon.lines("/proc/no/such")
        self.assertIn("netsvc.toml:8: chat.store: ", line)
        echoes(self.connect(port))
        self.assertEqual(daemon.reload(ECHO + CHAT), "reloaded")


class CertificateTests(DaemonCase):
    """Certificates are read again."""

    def test_swap(self) -> None:
        """New clients see the new certificate, old ones go on, and a broken one
        changes nothing; ssl: and tls: alike."""
        authority = Authority(self.folder)
        folder = self.folder / "pem"
        folder.mkdir()

        def issue(name: str) -> None:
            new = authority.issue(name, "new.pem").read_bytes()
            (self.folder / "one.pem").write_bytes(new)
            (folder / "all.pem").write_bytes(new)

        issue("one.example")
        ssl_listen = "ssl:0:interface=127.0.0.1:privateKey=one.pem:certKey=one.pem"
        tls_listen = f"tls:{folder}:port=0:interface=127.0.0.1"
        text = f'[echo]\nlisten = ["{ssl_listen}", "{tls_listen}"]\n'
        daemon = self.start(text, 2)
        ports = [daemon.port("ssl:0"), daemon.port("tls:")]
        self.assertEqual([shown_name(port) for port in ports], ["one.example"] * 2)
        issue("two.example")
        self.assertEqual(daemon.reload(), "reloaded")
        self.assertEqual([shown_name(port) for port in ports], ["two.example"] * 2)
        (self.folder / "one.pem").write_text("broken")
        (folder / "all.pem").write_text(
            "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"
        )
        self.assertIn("2 to correct", daemon.reload())
        self.assertEqual([shown_name(port) for port in ports], ["two.example"] * 2)
        self.assertEqual(len(daemon.lines("netsvc.toml:2: echo.listen: ")), 2)

    def test_other_file(self) -> None:
        """A port goes on with another certificate's file, and without TLS at all."""
        authority = Authority(self.folder)
        for name in ("one", "two"):
            authority.issue(f"{name}.example", f"{name}.pem")
        (port,) = free_ports(1)

        def text(name: str) -> str:
            files = f"privateKey={name}.pem:certKey={name}.pem"
            return f'[echo]\nlisten = ["ssl:{port}:interface=127.0.0.1:{files}"]\n'

        daemon = self.start(text("one"), 1)
        self.assertEqual(shown_name(port), "one.example")
        self.assertEqual(daemon.reload(text("two")), "reloaded")
        self.assertEqual(shown_name(port), "two.example")
        plain = f'[echo]\nlisten = ["tcp:{port}:interface=127.0.0.1"]\n'
        self.assertEqual(daemon.reload(plain), "reloaded")
        echoes(self.connect(port))


class LifeTests(DaemonCase):
    """Signals at other times, and other signals."""

    def test_while_draining(self) -> None:
        """A daemon that drains is not reloaded, and ends in order."""
        text = '[daemon]\nadmin = "off"\ndrain_timeout = "50s"\n' + ECHO
        daemon = self.start(text, 1)
        client = self.connect(daemon.port("tcp:0"))
        sent = fill(client)  # until all of that is read, it drains
        daemon.signal(signal.SIGTERM)
        until(lambda: daemon.lines("draining"), "it drains")
        self.assertIn("not reloaded", daemon.reload(text + 'greeting = "hi"\n'))
        self.assertTrue(daemon.lines("the daemon is stopping"))
        client.settimeout(ANSWER)
        self.assertEqual(len(receive_all(client)), sent)
        self.assertEqual(daemon.status(), 0)

    def test_before_ready(self) -> None:
        """Signals that come while it starts do not end it: they are done after."""
        daemon = DaemonProcess(self.folder, ECHO)
        self.addCleanup(self._end, daemon)
        mask = f"/proc/{daemon.pid}/status"

        def caught() -> bool:
            with open(mask) as file:
                text = file.read()
            word = text.partition("SigCgt:")[2].split()[0]
            return bool(int(word, 16) >> (signal.SIGHUP - 1) & 1)

        until(caught, "it handles SIGHUP", PATIENCE)
        daemon.signal(signal.SIGHUP)
        daemon.wait(1)
        until(daemon.reloads, "it has reloaded")
        self.assertEqual(daemon.reloads(), ["reloaded"])

    def test_while_starting(self) -> None:
        """SIGTERM between the reactor's first steps is no other than later ones."""
        daemon = DaemonProcess(
            self.folder,
            ECHO,
            command=[
                *("python", "-c", SIGNALLED, "run", "netsvc", "--config"),
                str(self.folder / "netsvc.toml"),
            ],
        )
        self.addCleanup(self._end, daemon)
        self.assertEqual(daemon.status(), 0, daemon.log())
        self.assertTrue(daemon.lines("SIGTERM: draining"), daemon.log())

    def test_summary(self) -> None:
        """SIGUSR2 logs a line for each service."""
        daemon = self.start(ECHO, 1)
        echoes(self.connect(daemon.port("tcp:0")))
        daemon.signal(signal.SIGUSR2)
        until(lambda: daemon.lines("netsvc-echo: connections=1"), "it is logged")
        self.assertTrue(daemon.lines("ready, 0 reloads"))

    def test_reopen(self) -> None:
        """SIGUSR1 opens the log file again, which was moved away."""
        log = self.folder / "echo.log"
        command = ("netsvc", "run", "--logfile", str(log), "netsvc")
        daemon = DaemonProcess(
            self.folder,
            ECHO,
            command=[*command, "--config", str(self.folder / "netsvc.toml")],
        )
        self.addCleanup(self._end, daemon)
        until(
            lambda: log.exists() and "listens on" in log.read_text(),
            "it listens",
            PATIENCE,
        )
        log.rename(self.folder / "echo.log.1")
        daemon.signal(signal.SIGUSR1)
        until(log.exists, "there is a new one")
        daemon.signal(signal.SIGUSR2)
        until(lambda: "netsvc-echo: " in log.read_text(), "it is written to")

    def test_terminal(self) -> None:
        """Whoever closes the terminal that it runs in ends it; it drains."""
        ours, theirs = pty.openpty()
        with closing(os.fdopen(ours, "rb", 0)), closing(os.fdopen(theirs, "rb", 0)):
            log = self.folder / "log"
            terminal = ("setsid", "--ctty", "--wait", str(COMMANDS / "netsvc"))
            process = subprocess.Popen(
                [*terminal, "run", "--logfile", str(log), "echo", "-l", TCP],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            until(
                lambda: log.exists() and "listens on" in log.read_text(),
                "it listens",
                PATIENCE,
            )
        # The terminal is closed with the last descriptor of this process.
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertIn("SIGHUP, the terminal is closed: draining", log.read_text())


class WithoutFileTests(EchoCase):
    """A service that was given its settings on the command line."""

    def test_echo(self) -> None:
        """SIGHUP reads the files again and keeps the settings, under each runner."""
        files = "privateKey=one.pem:certKey=one.pem"
        listen = (TCP, UDP, f"ssl:0:interface=127.0.0.1:{files}")
        for runner in ("twistd", "netsvc", "twist"):
            Authority(self.folder).issue("one.example", "one.pem")
            server = self.start(listen=listen, runner=runner)
            client = self.connect(server)
            Authority(self.folder).issue(f"{runner}.example", "one.pem")
            server.signal(signal.SIGHUP)
            until(partial(server.lines, "reloaded"), "it has reloaded")
            self.assertEqual(shown_name(server.port("ssl")), f"{runner}.example")
            self.assert_echo(client)
            self.assert_echo(self.connect(server))
            datagrams = self.datagrams(server)
            datagrams.send(b"udp")
            self.assertEqual(datagrams.recv(10), b"udp")
            (self.folder / "one.pem").write_text("broken")
            server.signal(signal.SIGHUP)
            until(partial(server.lines, "not reloaded"), "it refuses")
            (line,) = server.lines("cannot reload: ")
            self.assertIn("netsvc-echo: --listen: cannot listen on ssl:", line)
            self.assert_echo(self.connect(server))
            server.stop()
