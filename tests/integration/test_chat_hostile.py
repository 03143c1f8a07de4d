"""Strangers who mean harm, and operators who mistype."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from pathlib import Path

from tests.integration.chat_process import TCP, ChatCase, Talker, command
from tests.integration.echo_process import PATIENCE
from tests.integration.figures import figure
from tests.integration.streams import ANSWER, ended, receive_all

#: Connections of strangers, and how many of them are there at once.
STRANGERS = 300
AT_ONCE = 50

#: What strangers send to either port: the other protocol, none, or nonsense.
LINES = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"CAP LS 302\r\nCAP REQ :" + b"multi-prefix " * 60 + b"\r\n",
    b"NICK \xff\xfe\r\nUSER \xff 0 * :\xff\r\nCAP LS \xff\r\n",
    b"AUTHENTICATE PLAIN\r\nAUTHENTICATE " + b"A" * 400 + b"\r\nAUTHENTICATE *\r\n",
    b"CAP LS\r\nAUTHENTICATE SCRAM-SHA-256\r\nAUTHENTICATE =====\r\n",
    b"NICK x{}\r\nUSER u 0 * :r\r\nJOIN #a,#b,,,#c k,,\r\nMODE #a +bbbbbb\r\n"
    b"MODE #a +ovklbeI-ovklbeI * * * *\r\nWHO %%,\r\nLIST >>,<,C<,T>x\r\n"
    b"PRIVMSG #a,#a,@#a,@@#a :\x01\r\nTOPIC #a\r\nTOPIC\r\nKICK #a x{},x{} :\r\n",
    b"NICK y{}\r\nUSER u 0 * :r\r\nCHATHISTORY LATEST #a * 99999999999999999999\r\n"
    b"CHATHISTORY BETWEEN #a timestamp=x msgid=\r\nMONITOR + ,,,\r\nBATCH +\r\n"
    b"MARKREAD #a timestamp=9999-99-99T99:99:99.999Z\r\nREDACT\r\nSETNAME :\r\n",
    b"@" + b"a;" * 2047 + b" PING x\r\n@" + b"t=" + b"x" * 9000 + b" PING\r\n",
    b"@+x=\\:\\s\\\\\\r\\n\\;label=" + b"l" * 100 + b" TAGMSG #a\r\n:::: : :\r\n",
    b":src\r\n   \r\n001 x\r\n" + b"A" * 600 + b"\r\nPING " + b":" * 500 + b"\r\n",
    b"NICK z{}\r\nUSER u 0 * :r\r\nOPER root root\r\nKILL x\r\nREHASH\r\nDIE\r\n"
    b"KLINE * *\r\nWHOIS *,?,\0\r\nWHOWAS x -99999999\r\nMODE z{} +oiwB\r\n",
    b"WEBIRC a b c d\r\nPASS\r\nUSER\r\nNICK\r\nJOIN :\r\nQUIT :\r\n",
    b"/nick \xff\n/nick\n/join #\n/join " + b"#" * 300 + b"\n/part\n/me\n/msg\n/\n//\n",
    b"/history -1\n/history 99999999999999999999\n/search \"\n/search *\n/search '\n"
    b"/search NEAR(a b)\n/search a OR\n/login\n/login a\n/register\n/ban *\n/op x\n",
    b"/charset klingon\n/charset cp949\n\xb0\xa1\xff\n/topic \x1b]0;x\x07\n/kick x y\n",
    b"\xff\xfa" + b"\xff" * 600 + b"\xff\xf0\xff\xfb\xff\xfd\xff\xfe\xff\xf6\xff",
    b"\r\n" * 5000 + b"\0" * 5000,
    "가".encode()[:2] + b"\r" + "나".encode("cp949")[:1],
    b"/mute\n/away\n/away " + b"x" * 1500 + b"\n/list\n/who *\n/help nonsense\n/quit\n",
)


class StrangerTests(ChatCase):
    """Nothing that a stranger sends makes it fall over."""

    def test_strangers(self) -> None:
        """
        After hundreds of connections with random bytes, half lines and hostile lines,
        which end in every way, it serves as before, and has reported no mistake.
        """
        server = self.start(
            *("--max-connections-per-source", "0", "--send-queue", "64K"),
            *("--message-rate", "off", "--join-rate", "off", "--nick-rate", "off"),
        )
        ann = self.line(server, "ann")
        irc = self.irc(server, "irc", room="#lobby")
        chance = random.Random(3)
        ports = (server.line_port(), server.irc_port())
        for begin in range(0, STRANGERS, AT_ONCE):
            clients = []
            for number in range(begin, begin + AT_ONCE):
                client = self.connect(ports[number % 2])
                clients.append(client)
                client.sendall(self.nonsense(chance, number))
                if number % 5 == 0:
                    with contextlib.suppress(OSError):  # it may be cut by now
                        client.shutdown(socket.SHUT_WR)
            drained = [each for each in clients if chance.random() < 0.5]
            for client in drained:
                client.settimeout(0.01)
                with contextlib.suppress(OSError):
                    receive_all(client)
            for client in clients:
                client.close()  # what is not read makes it a reset
            for each in (ann, irc):
                while each.take(0):
                    pass
        ann.sync()
        irc.sync()
        ann.send("아직 있어요")
        irc.expect("PRIVMSG #lobby :아직 있어요")
        irc.send("PRIVMSG #lobby :나도")
        ann.expect("<irc> 나도")
        self.until(lambda: self.others(irc) == {"ann", "irc"}, "the strangers are gone")

    def others(self, irc: Talker) -> set[str]:
        """Give who is there."""
        irc.forget()
        irc.send("WHO *")
        irc.expect(" 315 ")
        return {line.split(" ")[7] for line in irc.seen if " 352 " in line}

    def nonsense(self, chance: random.Random, number: int) -> bytes:
        """Give what one stranger sends."""
        kind = number % 3
        if kind == 0:
            return chance.randbytes(chance.randrange(4000))
        data = b"".join(chance.sample(LINES, 3))
        data = data.replace(b"{}", str(number).encode())
        if kind == 1:
            return data
        # Half of it, with some bytes changed.
        spoiled = bytearray(data[: chance.randrange(1, len(data))])
        for _ in range(5):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        return bytes(spoiled)

    def test_empty_lines(self) -> None:
        """
        Millions of empty lines, or blank ones, keep nobody else waiting: the server
        works on little of them before it comes to somebody else's message.
        """
        server = self.start()
        times = []
        ann = self.line(server, "ann")
        irc = self.irc(server, "irc", room="#lobby")
        for port in (server.line_port(), server.irc_port()):
            for block in (b"\r\n" * (1 << 19), b" \n" * (1 << 18)):
                flood = self.connect(port)
                flood.setblocking(False)
                rest = memoryview(block)
                for number in range(20):
                    with contextlib.suppress(BlockingIOError):
                        rest = rest[flood.send(rest) :]
                    began = server.cpu()
                    ann.send(f"{len(block)} {number}")
                    irc.expect(f":{len(block)} {number}")
                    times.append(server.cpu() - began)
                flood.close()
        self.assertEqual(server.trouble(), [])
        slowest = 1000 * sorted(times)[int(0.99 * len(times))]
        what = "processor until a message meanwhile, 99th percentile"
        figure(self, what, slowest, "ms", most=500)

    def test_slow_registration(self) -> None:
        """Who sends a byte now and then is cut at the deadline for registration."""
        server = self.start("--registration-timeout", "1s")
        client = self.connect(server.irc_port())
        began = time.monotonic()
        client.settimeout(0.1)
        data = b""
        while b"ERROR" not in data:
            # If each byte counted as a sign of life it would never be cut.
            self.assertLess(time.monotonic() - began, ANSWER)
            client.sendall(b"x")
            try:
                data += client.recv(1000)
            except TimeoutError:
                continue
        took = time.monotonic() - began
        figure(self, "cut, with a deadline of 1 s", took, "s", most=ANSWER)
        self.assertIn(b"Registration timed out", data)
        self.assertTrue(ended(client))

    def test_one_source(self) -> None:
        """One address has no more connections than it may, on both ports together."""
        server = self.start("--max-connections-per-source", "3")
        clients: list[Talker] = [self.line(server), self.line(server)]
        clients.append(self.irc(server, "irc"))
        for port in (server.line_port(), server.irc_port()):
            with contextlib.suppress(ConnectionResetError):
                receive_all(self.connect(port))
        for each in clients:
            each.sync()
        self.assertEqual(server.stop()["refused-max-connections-per-source"], 2)

    def test_flood(self) -> None:
        """
        Who says more than they may is refused, with a line that says why; who sends
        faster than they may is slowed down; others are not.
        """
        server = self.start("--message-rate", "1/h:5", "--command-rate", "100/s:20")
        ann = self.line(server, "ann")
        ann.send(*(f"말 {number}" for number in range(10)))
        self.assertRegex(ann.expect("! "), "fast|slow|wait")
        irc = self.irc(server, "irc", room="#lobby")
        irc.send(*(f"PRIVMSG #lobby :{number}" for number in range(10)))
        irc.sync()
        self.assertTrue(irc.has(" 404 ") or irc.has(" 263 ") or irc.has("FAIL"))
        counters = server.stop()
        self.assertGreater(counters["limit-messages"], 10)


class MistakeTests(ChatCase):
    """What an operator gets wrong is one line, and a status that is not 0."""

    def test_options(self) -> None:
        """Each mistake is named in one line; nothing is left behind."""
        latin = self.folder / "latin"
        latin.write_bytes(b"\xff\n")
        empty = self.folder / "empty"
        empty.touch()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        missing = str(self.folder / "missing")
        junk = "bob:$argon2id$v=19$junk"
        cases: list[tuple[str, tuple[str, ...]]] = [
            ("'nodot'", ("--server-name", "nodot")),
            ("'a b.c'", ("--server-name", "a b.c")),
            ("hash-password", ("--oper", "bob:sesame")),
            ("hash-password", ("--oper", junk)),
            (missing, ("--motd", missing)),
            ("not UTF-8", ("--motd", str(latin))),
            ("is empty", ("--password", str(empty))),
            ("in use", ("--irc", port)),
            ("in use", ("--line", port)),
            ("--lobby", ("--lobby", "no room")),
            ("--store", ("--store", "/proc/self/chat.sqlite")),
            ("not a database", ("--store", self.no_database())),
            ("unknown option", ("--sever-name", "x.y")),
        ]
        processes = [self.begin(*options) for _, options in cases]
        for (text, options), process in zip(cases, processes, strict=True):
            self.assert_refused(process, text, options)

    def no_database(self) -> str:
        """Make a file that is no store."""
        path = self.folder / "other.txt"
        path.write_text("something else entirely\n" * 100)
        return str(path)

    def begin(
        self, *options: str, store: str | Path = ":memory:"
    ) -> subprocess.Popen[str]:
        """Start a chat that will not last."""
        process = subprocess.Popen(
            command(*options, store=store, line=(TCP,), irc=(TCP,)),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def assert_refused(
        self, process: subprocess.Popen[str], text: str, options: tuple[str, ...]
    ) -> None:
        """It has ended, with one line that has this text."""
        out, err = process.communicate(timeout=PATIENCE)
        self.assertNotEqual(process.returncode, 0, options)
        self.assertRegex(err, r"\Anetsvc-chat: [^\n]+\n\Z", options)
        self.assertIn(text, err)
        self.assertNotIn("Traceback", out)
        self.assertNotIn("listens on", out)

    def test_store_in_use(self) -> None:
        """A second process does not touch the store of the first, and says so."""
        server = self.start()
        ann = self.line(server, "ann")
        ann.send("하나")
        ann.sync()
        self.assert_refused(self.begin(store=self.store), "--store", ())
        ann.send("/history")
        ann.expect("<ann> 하나")

    def test_wrong_password(self) -> None:
        """Without the server's password nobody is in, by either door; with it, all."""
        password = self.folder / "password"
        password.write_text("열려라\n")
        server = self.start("--password", str(password))
        talker = Talker(self.connect(server.line_port()))
        talker.send("hello", "열려라")
        talker.expect(" in #lobby, and what you type")
        for given, numeric in (("PASS 참깨", " 464 "), ("PASS 열려라", " 001 ")):
            client = Talker(self.connect(server.irc_port()))
            client.send(given, "NICK a", "USER a 0 * :a")
            client.expect(numeric)
        nobody = Talker(self.connect(server.irc_port()))
        nobody.send("NICK b", "USER b 0 * :b", "JOIN #lobby")
        nobody.wait_end()
        self.assertFalse(nobody.has(" 001 ") or nobody.has("JOIN"))
        server.stop()
        self.assertNotIn("열려라", server.log())
        self.assertNotIn("참깨", server.log())
