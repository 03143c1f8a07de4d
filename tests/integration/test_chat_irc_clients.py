"""irssi and WeeChat, with people on nc and telnet: one room for all of them."""

from __future__ import annotations

import subprocess

from tests.integration.balance_certificates import Authority
from tests.integration.chat_clients import Irssi, Pipe, Program, WeeChat
from tests.integration.chat_process import TCP, ChatCase, IrcClient
from tests.integration.echo_process import PATIENCE, tool
from tests.integration.streams import ANSWER

#: What everybody says, and everybody else must read as it is.
TEXTS = {
    "nan": "안녕하세요, nc입니다: 뷁 ㅋㅋ",
    "tel": "텔넷입니다, 똠방각하 펲시콜라",
    "irs": "이르시 말하기를: 한글 <ok> & 100%",
    "wee": "위챗에서 쓰는 글 #태그 $x",
}


class RoomTests(ChatCase):
    """Four programs in one room, one of them on a terminal with CP949."""

    def test_conversation(self) -> None:
        """
        Everybody reads what everybody says, joins, nicks, topics and quits, in Korean,
        each in their own character set; pings are answered on both sides.
        """
        # irssi and WeeChat are asked every 2 s whether they are there.
        server = self.start("--idle-timeout", "4s")
        lines = str(server.line_port())
        people: dict[str, Program] = {}

        def others(*nicks: str) -> list[Program]:
            return [each for nick, each in people.items() if nick not in nicks]

        nc = Pipe(self, self.folder / "nc", "nc", "127.0.0.1", lines)
        nc.sees("* guest1 has joined #lobby")
        nc.type("/nick nan")
        words = ("telnet", "127.0.0.1", lines)
        telnet = Pipe(
            self, self.folder / "tel", *words, encoding="cp949", terminal=True
        )
        telnet.sees("* guest2 has joined #lobby")
        telnet.type("/charset cp949")
        telnet.type("/nick tel")
        irssi = Irssi(self, self.folder / "irssi", server.irc_port(), "irs")
        wee = WeeChat(self, self.folder / "wee", server.irc_port(), "wee", "#lobby")
        nc.sees("* wee has joined #lobby")
        irssi.wait()
        irssi.type("/join #lobby")
        people.update(nan=nc, tel=telnet, irs=irssi, wee=wee)
        for each in people.values():
            each.sees("irs", "has joined #lobby")

        for nick, text in TEXTS.items():
            people[nick].type(text)
        for nick, text in TEXTS.items():
            for each in others(nick):
                each.sees(each.said(nick, text))

        for nick in people:
            people[nick].type(f"/nick {nick}2")
        for nick in people:
            for each in others(nick):
                each.sees(f"{nick} is now known as {nick}2")

        nc.type("/topic 오늘의 주제")  # who came first may
        for each in others("nan"):
            each.sees("nan2", "#lobby", "오늘의 주제")
        wee.type("/me 춤을 춘다")
        for each in others("wee"):
            each.sees("wee2 춤을 춘다")
        irssi.type("/msg tel2 비밀")
        telnet.sees("-irs2- 비밀")
        telnet.type("/msg irs2 알았어")
        irssi.sees("알았어")
        self.assertNotIn("비밀", nc.shown() + wee.shown())

        wee.evaluate("lag=${irc_server[irc_servers].lag}")
        wee.sees("lag=")
        self.assertNotIn("lag=-", wee.shown())  # it has never had an answer

        irssi.type("/quit 안녕히")
        for each in others("irs"):
            each.sees("irs2", "quit", "안녕히")
        self.until(lambda: not irssi.running, "irssi ends")
        wee.type("/quit 잘 있어")
        for each in others("irs", "wee"):
            each.sees("wee2", "quit", "잘 있어")
        telnet.type("/quit 또 봐")
        nc.sees("* tel2 has quit (Quit: 또 봐)")
        self.assertEqual(wee.process.wait(PATIENCE), 0)
        self.assertNotIn("\ufffd", "".join(each.shown() for each in people.values()))
        self.assertFalse(nc.process.poll())

    def test_ping(self) -> None:
        """
        irssi, which leaves when its lag is too long, and a client that is asked for a
        sign of life stay; one that gives none is cut, and everybody is told why.
        """
        server = self.start("--idle-timeout", "2s")
        irssi = Irssi(self, self.folder / "irssi", server.irc_port(), "irs")
        irssi.wait()
        irssi.type("/join #lobby")
        client = self.irc(server, "ann", room="#lobby")
        self.irc(server, "dead", room="#lobby")
        line = client.expect(" QUIT ", PATIENCE)
        self.assertRegex(line, r"^:dead!\S+ QUIT :Ping timeout: ")
        irssi.sees("dead", "quit", "Ping timeout")
        self.assertTrue(client.has("PING "))
        client.send("PRIVMSG #lobby :여기 있어요")
        irssi.sees("ann> 여기 있어요")
        irssi.type("나도")
        client.expect("PRIVMSG #lobby :나도")
        self.assertNotIn("Lag", irssi.screen())


class StartTests(ChatCase):
    """How programs begin."""

    def test_irssi_order(self) -> None:
        """What irssi sends before it says who it is gets the answers it waits for."""
        client = IrcClient(self.connect(self.start().irc_port()))
        client.send("CAP LS 302", "JOIN :")
        self.assertRegex(client.expect("CAP * LS"), "multi-prefix")
        client.expect(" 451 * ")
        client.send("CAP REQ :multi-prefix", "CAP END")
        client.expect("CAP * ACK")
        client.send("NICK irs", "USER irs irs 127.0.0.1 :Irssi")
        self.assertIn(" 001 irs ", client.expect(" 001 "))
        client.expect(" 422 ")

    def test_no_capabilities(self) -> None:
        """A client of old comes in with NICK and USER, whatever ends its lines."""
        server = self.start()
        client = IrcClient(self.connect(server.irc_port()))
        client.end = "\n"
        client.register("old")
        client.send("join #lobby", "privmsg #lobby hello")
        client.expect(" 366 ")
        self.assertFalse(any(line.startswith("@") for line in client.seen))


class TlsTests(ChatCase):
    """IRC over TLS."""

    def setUp(self) -> None:
        """Start a chat with a certificate of an authority."""
        super().setUp()
        self.authority = Authority(self.folder)
        pem = self.authority.issue("localhost")
        endpoint = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
        self.server = self.start(irc=(TCP, endpoint))
        self.port = self.server.irc_port(1)

    def test_programs(self) -> None:
        """irssi and WeeChat talk over TLS with somebody on a line, in Korean."""
        nan = self.line(self.server, "nan")
        wee = WeeChat(self, self.folder / "wee", self.port, "wee", "#lobby", tls=True)
        irssi = Irssi(self, self.folder / "irssi", self.port, "irs", tls=True)
        nan.expect("wee has joined", PATIENCE)
        irssi.wait()
        irssi.type("/join #lobby")
        nan.expect("irs has joined")
        irssi.sees("irs", "has joined")
        irssi.type("암호화")
        nan.expect("<irs> 암호화")
        wee.sees(wee.said("irs", "암호화"))
        wee.type("/whois irs")
        wee.sees("[irs]", "secure connection")
        wee.type("그래")
        irssi.sees("wee> 그래")

    def test_openssl(self) -> None:
        """openssl s_client verifies the certificate, and its user is in."""
        done = subprocess.run(
            [
                *(tool("openssl"), "s_client", "-quiet", "-crlf"),
                *("-connect", f"127.0.0.1:{self.port}", "-servername", "localhost"),
                *("-CAfile", str(self.authority.file), "-verify_return_error"),
                *("-verify_hostname", "localhost"),
            ],
            input="NICK ssl\nUSER ssl 0 * :한글\nWHOIS ssl\nQUIT :끝\n".encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER,
        )
        text = done.stdout.decode()
        self.assertIn(" 001 ssl ", text)
        self.assertIn(":한글\r\n", text)
        self.assertIn(" 671 ssl ssl ", text)
        self.assertIn("ERROR :Closing Link", text)
