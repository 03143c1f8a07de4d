"""Line clients that people have or write: telnet, nc, and scripts of a classroom."""

from __future__ import annotations

import base64
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.integration.chat_clients import Pipe
from tests.integration.chat_process import ChatCase, ChatProcess, IrcClient
from tests.integration.echo_process import PATIENCE, tool
from tests.integration.streams import receive_all

#: What a course on sockets ends with: no line ends, and one recv a message.
SPEAKER = """
import socket
s = socket.socket()
s.connect(("127.0.0.1", {port}))
s.recv(4096)
s.send("안녕하세요 여러분".encode())
while True:
    data = s.recv(1024).decode()
    if "반갑습니다" in data:
        print("heard:", data.strip())
        break
s.close()
"""
LISTENER = """
import socket
s = socket.socket()
s.connect(("127.0.0.1", {port}))
print("connected", flush=True)
while True:
    data = s.recv(1024).decode()
    if "안녕하세요" in data:
        break
s.send("반갑습니다\\n".encode())
print("heard:", data.strip())
s.close()
"""

#: What terminals must never be sent: C0 but TAB, CR and LF; DEL; C1; what changes the
#: direction; what is invisible.
HARMFUL = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029"
    "\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

#: All of those, and a little more.
HOSTILE = (
    "".join(map(chr, [*range(2, 10), 11, 12, *range(14, 32), *range(0x7F, 0xA0)]))
    + "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp\u202c\u2066\u200b\ufeff\U000e0041"
)


class ClassroomTests(ChatCase):
    """Programs that know nothing of chat."""

    def script(self, text: str, server: ChatProcess) -> subprocess.Popen[str]:
        """Start a program."""
        process = subprocess.Popen(
            [sys.executable, "-c", text.format(port=server.line_port())],
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_scripts(self) -> None:
        """
        Clients that only connect, send and recv talk with each other, even when their
        lines have no end.
        """
        server = self.start()
        listener = self.script(LISTENER, server)
        assert listener.stdout
        listener.stdout.readline()
        speaker = self.script(SPEAKER, server)
        heard, _ = listener.communicate(timeout=PATIENCE)
        self.assertIn("<guest2> 안녕하세요 여러분", heard)
        heard, _ = speaker.communicate(timeout=PATIENCE)
        self.assertIn("<guest1> 반갑습니다", heard)

    def test_nc_half_close(self) -> None:
        """C{nc -N} says what its pipe holds, sees the answers, and ends."""
        server = self.start()
        ann = self.line(server, "ann")
        done = subprocess.run(
            [tool("nc"), "-N", "127.0.0.1", str(server.line_port())],
            input="파이프에서\n/who\n/quit 끝\nnever\n".encode(),
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
        )
        self.assertEqual(done.returncode, 0)
        self.assertIn("* in #lobby: @ann, guest2\r\n", done.stdout.decode())
        self.assertTrue(done.stdout.decode().endswith("* goodbye\r\n"))
        ann.expect("<guest2> 파이프에서")
        ann.expect("* guest2 has quit (Quit: 끝)")
        # The end of input is as good as /quit.
        client = self.connect(server.line_port())
        client.sendall("마지막 말".encode())
        client.shutdown(socket.SHUT_WR)
        self.assertIn(b"welcome", receive_all(client))
        ann.expect("<guest3> 마지막 말")
        ann.expect("* guest3 has quit")
        ann.sync()
        self.assertFalse(ann.has("never"))

    def test_telnet_negotiation(self) -> None:
        """
        What a telnet client negotiates is answered or skipped, wherever it stands in a
        line, and nobody else sees it.
        """
        server = self.start()
        ann = self.line(server, "ann")
        client = self.connect(server.line_port())
        # WILL NAWS, WILL TERMINAL-TYPE, DO SUPPRESS-GO-AHEAD; then a window size with
        # an escaped 255 in it; Are You There in the middle of a letter.
        client.sendall(b"\xff\xfb\x1f\xff\xfb\x18\xff\xfd\x03/nick t")
        client.sendall(b"el\r\0\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0\r\n")
        data = "가나다".encode()
        client.sendall(data[:4] + b"\xff\xf6" + data[4:] + b"\r\0/quit\r\n")
        answer = receive_all(client)
        ann.expect("* guest2 is now known as tel")
        self.assertEqual(ann.expect("<tel>"), "<tel> 가나다")
        ann.expect("* tel has quit")
        self.assertIn(b"\xff\xfd\0\xff\xfb\0", answer)  # DO BINARY, WILL BINARY
        for option in (b"\x1f", b"\x18"):
            self.assertIn(b"\xff\xfe" + option, answer)  # DONT

    def test_telnet(self) -> None:
        """
        telnet on a terminal talks in UTF-8 and in CP949. By itself it takes bytes such
        as the last of each syllable here for keys; the first of them shows that it is
        telnet, and it is asked to send all bytes as they are.
        """
        text = "한국어 똠방각하"
        server = self.start("--replay", "0")  # who has typed nothing reads UTF-8
        port = str(server.line_port())
        ann = self.line(server, "ann")
        for nick, encoding in (("uni", "utf-8"), ("kor", "cp949")):
            words = ("telnet", "127.0.0.1", port)
            program = Pipe(
                self, self.folder / nick, *words, encoding=encoding, terminal=True
            )
            program.sees("welcome")
            program.type(f"/nick {nick}")
            program.sees(f"is now known as {nick}")
            program.type("한")
            ann.expect(f"<{nick}> ")
            program.type(text)
            ann.expect(f"<{nick}> {text}")
            ann.send(f"그래 {nick} 뷁")
            program.sees(f"<ann> 그래 {nick} 뷁")
            program.type("/quit")
            ann.expect(f"* {nick} has quit")


class TextTests(ChatCase):
    """What people read."""

    def test_two_character_sets(self) -> None:
        """
        Somebody whose first Korean line is CP949 reads and writes CP949 from then on;
        others read it in UTF-8, and IRC users' nicks and topics arrive in both.
        """
        server = self.start()
        uni = self.line(server, "uni")
        kor = self.line(server)
        kor.encoding = "cp949"
        kor.send("/nick kor", "뷁 ㅋㅋ 펲시콜라")
        kor.expect("* character set: cp949")
        uni.expect("<kor> 뷁 ㅋㅋ 펲시콜라")
        irc = self.irc(server, "irc", room="#lobby")
        uni.send("대답 ✓")
        self.assertEqual(kor.expect("<uni>"), "<uni> 대답 ?")  # CP949 has no tick
        irc.expect("PRIVMSG #lobby :대답 ✓")
        irc.send("PRIVMSG kor :귓속말", "PRIVMSG #lobby :\x02굵게\x02 \x0304빨강")
        kor.expect("-irc- 귓속말")
        kor.expect("<irc> 굵게 빨강")
        uni.send("/topic 주제")
        kor.expect("* uni set the topic of #lobby to: 주제")
        kor.send("/charset utf-8")
        kor.encoding = "utf-8"
        kor.expect("* character set: utf-8")
        uni.send("✓")
        kor.expect("<uni> ✓")

    def test_terminals(self) -> None:
        """
        Nothing that could change a terminal reaches another one, by whatever way it
        comes: messages, actions, topics, reasons, names, history, the log.
        """
        server = self.start()
        ann = self.line(server, "ann")
        kor = self.line(server, "kor", "cp949")
        bad = self.irc(server, "bad", room="#lobby")
        bad.send("QUIT")
        bad.wait_end()
        bad = IrcClient(self.connect(server.irc_port()))
        bad.send("NICK bad", f"USER bad 0 * :{HOSTILE}")
        bad.expect(" 422 ")
        bad.send(
            "JOIN #lobby,#own",
            f"PRIVMSG #lobby :{HOSTILE} 1",
            f"PRIVMSG #lobby :\x01ACTION {HOSTILE} 2\x01",
            f"NOTICE ann :{HOSTILE} 3",
            f"PRIVMSG kor :{HOSTILE} 4",
            f"TOPIC #own :{HOSTILE} 5",
            f"AWAY :{HOSTILE} 6",
            f"JOIN #x{HOSTILE}",
            f"NICK {HOSTILE}",
            f"OPER {HOSTILE} {HOSTILE}",
        )
        bad.sync()
        line = self.line(server, "other")
        line.send(f"{HOSTILE} 7", f"/me {HOSTILE} 8", f"/msg ann {HOSTILE} 9")
        line.send(f"/nick {HOSTILE}", f"/join #{HOSTILE}", f"/{HOSTILE}")
        line.sync()
        ann.send("/msg bad hi", "/who bad", "/join #own", "/history", "/who #own")
        ann.send("/topic #own", "/list", f"/search {HOSTILE}")
        bad.send(f"KICK #own ann :{HOSTILE} 10", f"PART #lobby :{HOSTILE} 11")
        bad.sync()
        line.send(f"/quit {HOSTILE} 12")
        line.wait_end()
        new = self.line(server, "new")  # is shown what was said before
        for each in (ann, kor, new):
            each.sync()
        for each in (ann, kor, line, new):
            for text in each.seen:
                self.assertNotRegex(text, HARMFUL)
        for number in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12):
            self.assertTrue(any(f" {number}" in text for text in ann.seen), number)
        self.assertTrue(any(text.endswith(" 4") for text in kor.seen))
        server.stop()
        self.assertNotRegex(server.log(), HARMFUL)

    def test_line_limit(self) -> None:
        """A line that is too long is refused by a line; what follows it is said."""
        server = self.start("--line-limit", "1024")
        ann, bob = self.line(server, "ann"), self.line(server, "bob")
        ann.send("가" * 1000, "after")
        ann.expect("! that line was not sent, it is longer than 1024 bytes")
        bob.expect("<ann> after")
        self.assertFalse(bob.has("가"))
        self.assertEqual(server.stop()["line-too-long"], 1)


class HistoryTests(ChatCase):
    """What was said before."""

    def test_replay_and_search(self) -> None:
        """
        Who comes later is told that what is said is kept, is shown the last of it, and
        finds the rest by words, in Korean, also after a restart.
        """
        server = self.start("--replay", "3")
        ann = self.line(server, "ann")
        ann.send("첫 번째 말", "사과를 먹었다", "배를 먹었다", "사과나무", "마지막")
        ann.sync()
        for again in (False, True):
            if again:
                server.stop()
                server = self.start("--replay", "3")
            bob = self.line(server, "bob")
            self.assertTrue(bob.has("kept for 30 days"))
            shown = [text for text in bob.seen if "] <ann>" in text]
            self.assertEqual(
                [text.partition("] ")[2] for text in shown],
                ["<ann> 배를 먹었다", "<ann> 사과나무", "<ann> 마지막"],
            )
            bob.send("/history 5", "/search 사과")
            bob.expect("<ann> 첫 번째 말")
            bob.expect("* found in #lobby:")
            bob.expect("<ann> 사과를 먹었다")
            bob.expect("<ann> 사과나무")
            bob.sync()
            self.assertFalse(bob.seen[-2].endswith("먹었다"))

    def test_irc_history(self) -> None:
        """An IRC client reads what was said on lines by CHATHISTORY, tags and all."""
        server = self.start()
        ann = self.line(server, "ann")
        ann.send("하나", "둘", "셋")
        ann.sync()
        caps = ("batch", "server-time", "message-tags", "draft/chathistory")
        irc = self.irc(server, "irc", *caps, room="#lobby")
        irc.send("CHATHISTORY LATEST #lobby * 2")
        irc.expect(" chathistory #lobby")
        for text in ("둘", "셋"):
            line = irc.expect(f"PRIVMSG #lobby :{text}")
            self.assertRegex(line, r"^@(?=.*batch=)(?=.*time=)(?=.*msgid=)")
        irc.expect("BATCH -")
        self.assertFalse(irc.has("하나"))


class AccountTests(ChatCase):
    """One account, by both doors."""

    def sasl(self, server: ChatProcess, nick: str, name: str, password: str) -> str:
        """Log in as an IRC client does; give the numeric that says how it went."""
        client = IrcClient(self.connect(server.irc_port()))
        client.send("CAP LS 302", f"NICK {nick}", f"USER {nick} 0 * :x")
        client.send("CAP REQ :sasl", "AUTHENTICATE PLAIN")
        client.expect("AUTHENTICATE +")
        plain = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        client.send(f"AUTHENTICATE {plain}", "CAP END")
        client.expect(" 001 ")
        found = [line.split()[1] for line in client.seen]
        client.send("QUIT")
        client.wait_end()
        return next(each for each in found if each in ("903", "904"))

    def test_both_doors(self) -> None:
        """
        What was registered on a line logs in by SASL, and the other way round; a wrong
        password does not; the password is changed for both; none is in the log or in
        plain in the store.
        """
        server = self.start()
        ann = self.line(server, "ann")
        ann.send("/register ann 비밀번호1234")
        ann.expect("* logged in as ann")
        self.assertEqual(self.sasl(server, "ann2", "ann", "비밀번호1234"), "903")
        self.assertEqual(self.sasl(server, "ann2", "ann", "wrong-pass"), "904")
        irc = self.irc(server, "bob", "draft/account-registration")
        irc.send("REGISTER * * other-pass-5678")
        irc.expect("REGISTER SUCCESS bob")
        line = self.line(server)
        line.send("/login bob wrong-pass")
        line.expect("! the account or the password is wrong")
        line.send("/login bob other-pass-5678")
        line.expect("* logged in as bob")
        ann.send("/passwd 비밀번호1234 new-pass-9012")
        ann.expect("another password now")
        self.assertEqual(self.sasl(server, "ann2", "ann", "비밀번호1234"), "904")
        self.assertEqual(self.sasl(server, "ann2", "ann", "new-pass-9012"), "903")
        server.stop()
        files = b"".join(file.read_bytes() for file in self.folder.glob("chat*"))
        for secret in ("비밀번호", "other-pass", "new-pass", "wrong-pass"):
            self.assertNotIn(secret.encode(), files)

    def test_reserved_nick(self) -> None:
        """
        The nick of an account is kept for it, by both doors, over a restart, also when
        something looks just like it; who logs in has it.
        """
        server = self.start()
        ann = self.line(server, "alice")
        ann.send("/register sesame")
        ann.expect("* logged in as alice")
        server.stop()
        server = self.start()
        line = self.line(server)
        for nick in ("alice", "ALICE", "аlice"):  # noqa: RUF001 (Cyrillic)
            line.send(f"/nick {nick}")
            line.expect(f"! {nick}")
        irc = self.irc(server, "other")
        irc.send("NICK Alice")
        irc.expect(" 433 ")
        line.send("/login alice sesame")
        line.expect("is now known as alice")

    def test_deleted(self) -> None:
        """
        A deleted account's nick is nobody's, nor is a word that forges the server's
        lines; what it said in a room stays, under no name that was anybody's.
        """
        server = self.start()
        caps = ("draft/account-registration", "standard-replies")
        irc = self.irc(server, "ann", *caps)
        irc.send("REGISTER * * sesame", "JOIN #lobby", "PRIVMSG #lobby :so long")
        irc.expect("REGISTER SUCCESS ann")
        irc.sync()
        irc.send("ACCOUNT DELETE sesame")
        irc.expect("ACCOUNT_DELETED")
        irc.send("QUIT")
        irc.wait_end()
        line = self.line(server)
        for nick in ("ann", "topic"):
            line.send(f"/nick {nick}")
            line.expect(f"! {nick}")
        server.stop()
        with closing(sqlite3.connect(self.store)) as store:
            (kept,) = store.execute(
                "select account, body from message where text <> ''"
            )
        self.assertIsNone(kept[0])
        self.assertIn('"(deleted)"', kept[1])
