"""What happens when the process, the disk or a reader fails: nobody loses a message."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence

from tests.integration.chat_process import (
    SERVER,
    ChatCase,
    ChatProcess,
    IrcClient,
    LineClient,
    Talker,
    hash_of,
)
from tests.integration.echo_process import PATIENCE, tool, traced
from tests.integration.figures import figure

#: Seconds of processor time until it is ready again.
READY = 2.0

#: Messages that somebody sees before it is killed, at the least, and how they look.
LEAST = 20
MESSAGE = r"(?:line|irc)<\d+\.\d+>"

#: The most bytes of a file on the disk that is full.
SMALL = 512 * 1024

#: What may wait for one client.
SEND_QUEUE = 64 * 1024


def said(clients: Sequence[Talker], pattern: str) -> set[str]:
    """Give all that matches in what clients have seen."""
    return {
        text for each in clients for text in re.findall(pattern, "\n".join(each.seen))
    }


class HistoryCase(ChatCase):
    """Tests that look into what is kept."""

    def kept(self, server: ChatProcess, room: str) -> list[str]:
        """Give all the texts of a room, as an IRC client that pages through them."""
        caps = ("batch", "message-tags", "server-time", "draft/chathistory")
        client = self.irc(server, "reader", *caps, room=room)
        texts: list[str] = []
        where = "LATEST {} * 500"
        while True:
            client.forget()
            client.send(f"CHATHISTORY {where.format(room)}")
            client.expect("BATCH -")
            page = [line for line in client.seen if " PRIVMSG " in line]
            if not page:
                client.send("QUIT")
                client.wait_end()
                return texts
            texts[:0] = [line.partition(f" PRIVMSG {room} :")[2] for line in page]
            msgid = re.search(r"msgid=([^; ]+)", page[0])
            assert msgid, page[0]
            where = "BEFORE {} msgid=" + msgid[1] + " 500"

    def assert_intact(self) -> None:
        """The store is whole; nobody has it open."""
        connection = sqlite3.connect(self.store)
        try:
            (answer,) = connection.execute("pragma integrity_check").fetchone()
        finally:
            connection.close()
        self.assertEqual(answer, "ok")


class KillTests(HistoryCase):
    """The process is gone from one moment to the next."""

    def test_kill(self) -> None:
        """
        However often it is killed while people talk, what anybody has seen is kept, in
        order; the store is whole, and it is soon ready again.
        """
        seen: set[str] = set()
        times = []
        chance = random.Random(21)
        options = ("--message-rate", "off", "--command-rate", "off")
        for number in range(5):
            server = self.start(*options)
            if number and not traced():
                times.append(server.cpu())
            watcher = self.irc(server, "watcher", room="#lobby")
            typist = self.line(server, "typist")
            bot = self.irc(server, "bot", "echo-message", room="#lobby")
            readers = (watcher, typist, bot)
            end = time.monotonic() + chance.uniform(0.1, 0.4)
            count = 0
            while time.monotonic() < end or len(said((watcher,), MESSAGE)) < LEAST:
                self.assertLess(time.monotonic(), end + PATIENCE)
                some = chance.randint(1, 10)
                texts = [f"<{number}.{count + each}>" for each in range(some)]
                count += some
                typist.send(*(f"line{text}" for text in texts))
                bot.send(*(f"PRIVMSG #lobby :irc{text}" for text in texts))
                watcher.take(0.01)
            server.kill()
            for each in readers:
                each.wait_end()
            seen |= said(readers, MESSAGE)
        server = self.start(*options)
        kept = self.kept(server, "#lobby")
        self.assertGreaterEqual(len(seen), 5 * LEAST)
        lost = seen - set(kept)
        figure(self, f"messages lost, of {len(seen)} seen", len(lost), most=0)
        # The best of four: how much is done in a second depends on the machine.
        best = min(times, default=0.0)
        figure(self, "processor until ready again", best, "s", most=READY)
        self.assertEqual(len(kept), len(set(kept)))
        for who in ("line", "irc"):
            order = [
                tuple(map(int, text[len(who) + 1 : -1].split(".")))
                for text in kept
                if text.startswith(who)
            ]
            self.assertEqual(order, sorted(order))
        server.stop()
        self.assert_intact()


class DiskTests(HistoryCase):
    """The disk takes nothing more."""

    def test_full(self) -> None:
        """
        When the disk is full people talk on, operators are told, and what is not kept
        is counted; when there is room again what is said is kept again.
        """
        prlimit = tool("prlimit")
        server = self.start(
            *("--oper", f"root:{hash_of('sesame')}", "--message-rate", "off"),
            *("--command-rate", "off"),
            wrap=(prlimit, f"--fsize={SMALL}:unlimited"),
        )
        oper = self.irc(server, "oper", room="#lobby")
        oper.send("OPER root sesame")
        oper.expect(" 381 ")
        ann, bob = self.line(server, "ann"), self.line(server, "bob")
        last = 0
        while not oper.has("is not stored"):
            self.assertLess(last, 20_000)
            for _ in range(20):
                last += 1
                ann.send(f"{last} {'x' * 400}")
            bob.expect(f"<ann> {last} ")
            oper.take(0)
        self.assertIn(f":{SERVER} ", oper.expect("is not stored"))
        ann.send("still here")
        bob.expect("<ann> still here")
        ann.send("/history 5", "/search hello")  # is answered, whatever it says
        ann.sync()
        subprocess.run(
            [prlimit, "--pid", str(server.pid), "--fsize=unlimited"], check=True
        )
        oper.expect("is stored again", PATIENCE)
        ann.send("after")
        bob.expect("<ann> after")
        counters = server.stop()
        self.assertGreater(counters["store-unstored"], 0)
        self.assertEqual(counters["store-degraded"], 1)
        self.assertIn("does not store what is said", server.log())
        self.assertNotIn("sesame", server.log())
        self.assert_intact()
        numbers = [text.split(" ")[0] for text in self.kept(self.start(), "#lobby")]
        self.assertEqual(numbers[0], "1")
        self.assertEqual(numbers[-1], "after")
        texts = [int(number) for number in numbers if number.isdigit()]
        self.assertEqual(texts, sorted(set(texts)))


class StopTests(HistoryCase):
    """An operator stops it."""

    def test_sigterm(self) -> None:
        """
        At SIGTERM everybody is told, also who is not registered; all that was said
        before is delivered in whole lines and kept, and the status is 0.
        """
        server = self.start("--message-rate", "off")
        ann, bob = self.line(server, "ann"), self.line(server, "bob")
        irc = self.irc(server, "irc", room="#lobby")
        new = IrcClient(self.connect(server.irc_port()))
        new.send("CAP LS 302")
        new.expect("CAP * LS")
        texts = [f"말 {number}" for number in range(150)]
        ann.send(*texts)
        irc.expect(f"PRIVMSG #lobby :{texts[20]}")
        server.signal(signal.SIGTERM)
        everybody = (ann, bob, irc, new)
        for each in everybody:
            each.wait_end()
            self.assertEqual(each.rest, b"")
            self.assertIn("The server is stopping", each.seen[-1])
        self.assertEqual(server.status(), 0)
        self.assertRegex(irc.seen[-1], "^ERROR :")
        self.assertRegex(new.seen[-1], "^ERROR :")
        heard = [line.partition("> ")[2] for line in bob.seen if "<ann>" in line]
        self.assertGreater(len(heard), 20)
        self.assertEqual(heard, texts[: len(heard)])
        self.assert_intact()
        again = self.start()
        kept = self.kept(again, "#lobby")
        self.assertEqual(kept, texts[: len(kept)])
        self.assertGreaterEqual(len(kept), len(heard))


class SlowReaderTests(ChatCase):
    """Somebody does not read."""

    def test_cut(self) -> None:
        """
        Two of 22 who do not read are cut at the cap, and the others, who lose nothing,
        are told why; what waited for the two is not kept for long.
        """
        server = self.start(
            *("--send-queue", str(SEND_QUEUE), "--message-rate", "off"),
            *("--command-rate", "off", "--no-history"),
            store=":memory:",
        )
        slow: list[Talker] = [
            IrcClient(self.connect(server.irc_port(), 4096)).register("slow1"),
            LineClient(self.connect(server.line_port(), 4096)),
        ]
        slow[0].send("JOIN #lobby")
        slow[1].expect(" in #lobby, and what you type")
        slow[1].send("/nick slow2")
        slow[1].expect("is now known as slow2")
        readers: list[Talker] = []
        for number in range(10):
            readers.append(self.irc(server, f"irc{number}", room="#lobby"))
            readers.append(self.line(server, f"line{number}"))
        speaker = self.irc(server, "speaker", room="#lobby")
        text = "x" * 400
        sent = 0
        while not all(speaker.has(f":slow{number}") for number in (1, 2)):
            self.assertLess(sent, 40_000)
            for _ in range(50):
                sent += 1
                speaker.send(f"PRIVMSG #lobby :{text} {sent}")
            for each in readers:
                each.expect(f"{text} {sent}")
            speaker.take(0)
        lost = 0
        for number, each in enumerate(readers):
            each.take(0)
            numbers = [line.rpartition(" ")[2] for line in each.seen if text in line]
            self.assertEqual(numbers, [str(n) for n in range(1, sent + 1)], number)
            lost += sent - len(numbers)
            self.assertTrue(each.has("slow1"))
        figure(self, f"lost by the others, of {sent} each", lost, most=0)
        self.assertTrue(readers[1].has("* slow1 has quit (SendQ exceeded)"))
        self.assertTrue(readers[1].has("* slow2 has quit (SendQ exceeded)"))
        for client in slow:
            client.wait_end()
        counters = server.stop()
        self.assertEqual(counters["line-send-queue"], 1)
        self.assertEqual(counters["irc-send-queue"], 1)


class KLineTests(ChatCase):
    """Who may not come."""

    def test_kept(self) -> None:
        """
        A K-line puts people out, keeps them out, also after a restart, and ends when it
        is taken back; operators' passwords are in no log.
        """
        options = ("--oper", f"root:{hash_of('여는말')}")
        server = self.start(*options)

        def operator() -> IrcClient:
            client = self.irc(server, "oper")
            client.send("OPER root wrong-word")
            client.expect(" 464 ")
            client.send("OPER root 여는말")
            client.expect(" 381 ")
            return client

        def evil() -> IrcClient:
            client = IrcClient(self.connect(server.irc_port()))
            client.send("NICK evil", "USER evilman 0 * :x")
            return client

        oper, victim = operator(), evil()
        victim.expect(" 001 ")
        oper.send("KLINE 60 *evilman*@* 나가")
        victim.wait_end()
        self.assertIn("나가", victim.seen[-1])
        for again in (False, True):
            if again:
                server.stop()
                server = self.start(*options)
            late = evil()
            late.wait_end()
            self.assertTrue(late.has(" 465 "))
            self.assertFalse(late.has(" 001 "))
            self.irc(server, "good")
        oper = operator()
        oper.send("STATS k")
        oper.expect("evilman")
        oper.send("UNKLINE *evilman*@*")
        oper.sync()
        evil().expect(" 001 ")
        server.stop()
        logs = "".join(file.read_text() for file in self.folder.glob("*.log"))
        self.assertNotIn("여는말", logs)
        self.assertNotIn("wrong-word", logs)
        self.assertIn("root", logs)
