"""irssi and WeeChat, with people on nc and telnet: one room for all of them."""

from __future__ import annotations

import subprocess
import time

from tests.integration.balance_certificates import Authority
from tests.integration.chat_clients import Irssi, Pipe, Program, WeeChat
from tests.integration.chat_process import TCP, ChatCase, IrcClient
from tests.integration.echo_process import PATIENCE, tool
from tests.integration.streams import ANSWER

#: Seconds after which a client that gives no sign of life is cut, one try each.
TIMEOUTS = (2, 8, 30)

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
        each in their own character set; WeeChat's pings are answered.
        """
        server = self.start()
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

        self.see_lag(wee)

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

    def see_lag(self, wee: WeeChat) -> None:
        """Wait until WeeChat knows its lag: a ping of its own was answered."""
        for number in range(100):
            wee.evaluate(f"lag{number}=${{irc_server[irc_servers].lag}}")
            wee.sees(f"lag{number}=")
            if f"lag{number}=-" not in wee.shown():
                return
            time.sleep(0.2)
        self.fail("no ping of WeeChat's was ever answered")

    def test_ping(self) -> None:
        """
        irssi, WeeChat and a client that is asked for a sign of life stay; one that
        gives none is cut, and everybody is told why.
        """
        for seconds in TIMEOUTS:
            try:
                self.ping(seconds)
            except AssertionError:
                # On a busy machine a program may answer too late.
                if seconds == TIMEOUTS[-1]:
                    raise
            else:
                return

    def ping(self, seconds: int) -> None:
        """Look at pings where clients are asked after half of so many seconds."""
        server = self.start("--idle-timeout", f"{seconds}s", store=":memory:")
        port = server.irc_port()
        patience = 2.0 * seconds  # who is cut sees nothing any more
        irssi = Irssi(self, self.folder / f"irssi{seconds}", port, "irs")
        wee = WeeChat(self, self.folder / f"wee{seconds}", port, "wee", "#lobby")
        irssi.wait()
        irssi.type("/join #lobby")
        irssi.sees("irs", "has joined #lobby", seconds=patience)
        wee.sees("wee", "has joined #lobby", seconds=patience)
        client = self.irc(server, "ann", room="#lobby")
        self.irc(server, "dead", room="#lobby")
        line = client.expect(" QUIT ", PATIENCE)
        self.assertRegex(line, r"^:dead!\S+ QUIT :Ping timeout: ")
        self.assertTrue(client.has("PING "))
        client.send("ISON irs wee")
        self.assertIn(":irs wee", client.expect(" 303 "))
        for program in (irssi, wee):
            program.sees("dead", "quit", "Ping timeout", seconds=patience)
        client.send("PRIVMSG #lobby :여기 있어요")
        irssi.sees("ann> 여기 있어요", seconds=patience)
        irssi.type("나도")
        client.expect("PRIVMSG #lobby :나도")
        # irssi asks every second, and shows how long it has had no answer.
        self.until(lambda: "Lag" not in irssi.screen(), "irssi is answered")


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
