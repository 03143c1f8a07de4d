"""
The programs that people chat with: irssi on a screen of tmux, WeeChat without one, and
nc and telnet in pipes. A test types into them, and reads what their users saw.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from unittest import TestCase

from tests.integration.echo_process import PATIENCE, tool, until

#: irssi's settings: it logs all it shows, does not slow itself down, and asks for the
#: lag often; it leaves when it gets no answer.
_IRSSI = """\
servers = ({{
  address = "127.0.0.1"; port = "{port}"; autoconnect = "yes";
  use_tls = "{tls}"; tls_verify = "no";
}});
settings = {{
  "core" = {{ real_name = "Irssi User"; nick = "{nick}"; }};
  "irc/core" = {{
    cmd_queue_speed = "1msec"; cmds_max_at_once = "100";
    lag_check_time = "1s"; lag_max_before_disconnect = "40s";
  }};
  "fe-common/core" = {{
    autolog = "yes"; autolog_path = "{folder}/$0.log"; term_charset = "utf-8";
    autolog_level = "ALL";
  }};
}};
"""

_ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}


class Program:
    """
    A program that somebody chats with.

    @ivar folder: Its own folder.
    """

    def __init__(self, test: TestCase, folder: Path) -> None:
        """Make the folder."""
        self.folder = folder
        folder.mkdir()
        test.addCleanup(self.end)

    def type(self, line: str) -> None:
        """Type a line where the talk is."""
        raise NotImplementedError

    def shown(self) -> str:
        """Give all that its user has seen so far."""
        raise NotImplementedError

    def end(self) -> None:
        """End it for certain."""
        raise NotImplementedError

    def sees(self, *texts: str, seconds: float = PATIENCE) -> None:
        """Wait until its user has seen a line with all these texts."""

        def seen() -> bool:
            lines = self.shown().splitlines()
            return any(all(text in line for text in texts) for line in lines)

        try:
            until(seen, "it is shown", seconds)
        except AssertionError:
            raise AssertionError(
                f"{type(self).__name__} never saw {texts}:\n{self.shown()}"
            ) from None

    def said(self, nick: str, text: str) -> str:
        """Give how a message looks."""
        return f"<{nick}> {text}"


class Pipe(Program):
    """A program that sends what comes in, and shows what comes back: nc, telnet."""

    def __init__(
        self,
        test: TestCase,
        folder: Path,
        *words: str,
        encoding: str = "utf-8",
        terminal: bool = False,
    ) -> None:
        """
        Start it.

        @param words: The program and its arguments.
        @param encoding: Its character set.
        @param terminal: Whether what is typed comes from a terminal.
        """
        program = tool(words[0])
        super().__init__(test, folder)
        self._encoding = encoding
        self._file = folder / "shown"
        self._keys, reads = os.openpty() if terminal else os.pipe()[::-1]
        with self._file.open("wb") as out:
            self.process = subprocess.Popen(
                [program, *words[1:]], stdin=reads, stdout=out, stderr=out
            )
        os.close(reads)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._keys, f"{line}\n".encode(self._encoding))

    def shown(self) -> str:
        """Give what it has written, which must be in its character set."""
        return self._file.read_bytes().decode(self._encoding)

    def end(self) -> None:
        """End it for certain."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._keys)


class Irssi(Program):
    """irssi, on a terminal that tmux plays."""

    def __init__(
        self,
        test: TestCase,
        folder: Path,
        port: int,
        nick: str,
        *,
        tls: bool = False,
    ) -> None:
        """Start it, and let it connect."""
        self._tmux = (tool("tmux"), "-f", "/dev/null", "-S", str(folder / "tmux"))
        self._irssi = tool("irssi")
        super().__init__(test, folder)
        (folder / "config").write_text(
            _IRSSI.format(
                folder=folder, port=port, nick=nick, tls="yes" if tls else "no"
            )
        )
        words = (self._irssi, f"--home={folder}")
        self._run("new", "-d", "-x", "150", "-y", "50", *words)

    def _run(self, *words: str) -> str:
        """Tell tmux something; it has nothing to say when irssi has ended."""
        return subprocess.run(
            [*self._tmux, *words],
            env=_ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE,
        ).stdout

    def type(self, line: str) -> None:
        """Type a line into the window that is shown."""
        self._run("send-keys", "-l", line)
        self._run("send-keys", "Enter")

    def shown(self) -> str:
        """Give its logs."""
        return "\n".join(file.read_text() for file in self.folder.glob("*.log"))

    def wait(self, seconds: float = PATIENCE) -> None:
        """Wait until it is in."""
        until(lambda: "MOTD" in self.screen(), "irssi is in", seconds)

    def screen(self) -> str:
        """Give what stands on the screen."""
        return self._run("capture-pane", "-p")

    def said(self, nick: str, text: str) -> str:
        """Give how a message looks, behind what shows whether they are operators."""
        return f"{nick}> {text}"

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return bool(self._run("list-sessions"))

    def end(self) -> None:
        """End it for certain."""
        self._run("kill-server")


class WeeChat(Program):
    """WeeChat without a screen; it is told things through its fifo."""

    def __init__(
        self,
        test: TestCase,
        folder: Path,
        port: int,
        nick: str,
        room: str,
        *,
        tls: bool = False,
    ) -> None:
        """Start it, and let it connect and join a room."""
        weechat = tool("weechat-headless")
        super().__init__(test, folder)
        self._room = room
        version = subprocess.run(
            [weechat, "--version"], stdout=subprocess.PIPE, text=True, timeout=PATIENCE
        ).stdout
        word, floods = "ssl", ["anti_flood_prio_high", "anti_flood_prio_low"]
        if int(version.split(".")[0]) >= 4:
            word, floods = "tls", ["anti_flood"]
        commands = (
            *(f"/set irc.server_default.{flood} 0" for flood in floods),
            f"/server add t 127.0.0.1/{port} -{word if tls else f'no{word}'}"
            f" -nicks={nick}",
            f"/set irc.server.t.{word}_verify off",
            "/set irc.network.lag_check 1",
            f"/set irc.server.t.autojoin {room}",
            "/set logger.file.flush_delay 0",
            "/connect t",
        )
        words = [word for each in commands for word in ("-r", each)]
        with (folder / "output").open("wb") as out:
            self.process = subprocess.Popen(
                [weechat, "-d", str(folder), *words],
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def _tell(self, line: str) -> None:
        fifo = until(
            lambda: next(self.folder.glob("weechat_fifo_*"), None), "a fifo", PATIENCE
        )
        with open(fifo, "w") as stream:
            stream.write(f"{line}\n")

    def type(self, line: str) -> None:
        """Type a line in the room."""
        self._tell(f"irc.t.{self._room} *{line}")

    def evaluate(self, expression: str) -> None:
        """Have it show the value of an expression."""
        self._tell(f"core.weechat */eval /print {expression}")

    def shown(self) -> str:
        """Give its logs."""
        files = self.folder.glob("logs/*.weechatlog")
        return "\n".join(file.read_text() for file in files)

    def said(self, nick: str, text: str) -> str:
        """Give how a message looks, behind what shows whether they are operators."""
        return f"{nick}\t{text}"

    def end(self) -> None:
        """End it for certain."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
