"""The terminal, with keys from a pipe and a screen of text."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast
from unittest import mock

from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.output.vt100 import Vt100_Output
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import terminal
from netsvc.chat.client.history import History
from netsvc.chat.client.interaction import Interaction
from netsvc.chat.client.terminal import Terminal, make_output
from tests.chat.client.fakes import Stay

#: Seconds that a test waits at most.
PATIENCE = 60.0


def run_in_own_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """
    Run a coroutine.

    Not by C{asyncio.run}: that leaves the thread without a current loop, which
    Twisted's own tests of its asyncio reactor want to find.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(coroutine)


class TerminalTests(SynchronousTestCase):
    """Keys, and what becomes of them."""

    def setUp(self) -> None:
        """Be in the lobby, with a screen of 40 columns."""
        # The reactor of the tests takes signals itself.
        self.patch(terminal, "SIGNALS", ())
        self.written = io.StringIO()
        self.output: Output = Vt100_Output(
            self.written, lambda: Size(rows=10, columns=40), enable_cpr=False
        )
        self.interaction = Interaction(History(Path(self.mktemp())), lambda: None)
        self.stay = Stay(self.interaction)
        self.history: list[str] = []

    @property
    def shown(self) -> str:
        """What was written, without escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.written.getvalue())

    def use(self, *steps: str | Callable[[], object]) -> None:
        """Run the terminal, and type or do one step after the other."""
        with create_pipe_input() as keyboard:
            run_in_own_loop(self.run_steps(keyboard, steps))

    async def run_steps(
        self, keyboard: PipeInput, steps: tuple[str | Callable[[], object], ...]
    ) -> None:
        screen = Terminal(self.interaction, self.history, self.output, keyboard)
        self.screen = screen
        self.interaction.begin(self.stay.session, screen)
        self.stay.enter("jiwoo")
        running = asyncio.ensure_future(screen.run())
        for step in steps:
            await self.settle()
            if isinstance(step, str):
                keyboard.send_text(step)
            else:
                step()
        await asyncio.wait_for(running, PATIENCE)

    async def settle(self) -> None:
        """Let all that was typed be taken."""
        for _ in range(5):
            await asyncio.sleep(0.001)

    def sent(self) -> list[str]:
        return self.stay.link.take()

    def quit(self) -> None:
        self.interaction.ended("")

    def test_talk(self) -> None:
        """What is typed is sent and shown, and the line is empty again."""
        self.use("안녕\r", "x\x7fy\r", self.quit)
        self.assertEqual(self.sent(), ["안녕", "y"])
        self.assertIn("<jiwoo> 안녕\r\n", self.shown)
        self.assertIn("* jiwoo has joined #lobby\r\n", self.shown)

    def test_hear(self) -> None:
        """What the server says comes above what is being typed."""
        self.use("hal", lambda: self.stay.hear("<a> hi"), "f\r", self.quit)
        self.assertIn("<a> hi\r\n[#lobby] hal", self.shown)
        self.assertEqual(self.sent(), ["half"])

    def test_history(self) -> None:
        """Lines of the past come back, also those of this run, but no passwords."""
        self.history = ["past"]
        up = "\x1b[A"
        self.use(
            *(f"{up}\r", "/login\r", "\r", "secret", "\r", "/login a pw\r", "new\r"),
            *(f"{up}\r", f"{up}{up}\r", self.quit),
        )
        self.assertEqual(
            self.sent(),
            ["past", "/login jiwoo secret", "/login a pw", "new", "new", "past"],
        )
        self.assertNotIn("secret", self.shown)
        self.assertIn("Password:******", self.shown)

    def test_history_limit(self) -> None:
        """What can be called back is bounded."""
        with mock.patch.object(terminal, "MAX_LINES", 2):
            self.use(
                *(f"{number}\r" for number in range(5)), "\x1b[A" * 9 + "\r", self.quit
            )
        self.assertEqual(self.sent()[-1], "3")

    def test_complete(self) -> None:
        """Tab completes, Tab again and Shift-Tab step, in the middle of a line too."""
        self.use(
            lambda: self.stay.hear("<minsu> hi", "<mina> hi"),
            *("mi\t\t\x1b[Zok\r", "ok mi\x02\x02\x06\x06\t\r", "/wh\t\r", self.quit),
        )
        self.assertEqual(self.sent(), ["mina: ok", "ok mina ", "/who "])

    def test_kept(self) -> None:
        """What cannot be sent stays, and can be sent later."""
        self.use(
            lambda: self.stay.session.closed("lost", False),
            "hi\r",
            self.stay.session.opened,
            "\r",
            self.quit,
        )
        self.assertIn("[offline]", self.shown)
        self.assertIn("- not connected: not sent", self.shown)
        self.assertEqual(self.sent(), ["hi"])

    def test_interrupt(self) -> None:
        """Ctrl-C empties the line; on an empty one it leaves, twice at once."""
        self.use("half\x03", "whole\r", "\x03", "\x03")
        self.assertEqual(self.sent(), ["whole", "/quit"])
        self.assertEqual(self.stay.link.closes, 1)

    def test_end(self) -> None:
        """Ctrl-D leaves on an empty line only."""
        self.use("ab\x01\x04\r", "\x04", "\x04")
        self.assertEqual(self.sent(), ["b", "/quit"])

    def test_clear(self) -> None:
        """Ctrl-L clears the screen and keeps the line."""
        self.use("a\x0cb\r", self.quit)
        self.assertIn("\x1b[2J", self.written.getvalue())
        self.assertEqual(self.sent(), ["ab"])

    def test_paste(self) -> None:
        """A paste of several lines waits for Enter, and is sent line by line."""
        self.use("\x1b[200~a\rb\x1b[201~", "\r", self.quit)
        self.assertEqual(self.sent(), ["a", "b"])

    def test_terminal_gone(self) -> None:
        """When the terminal goes away the client leaves."""

        with create_pipe_input() as keyboard:

            async def run() -> None:
                screen = Terminal(self.interaction, [], self.output, keyboard)
                self.interaction.begin(self.stay.session, screen)
                self.stay.enter("jiwoo")
                running = asyncio.ensure_future(screen.run())
                await self.settle()
                keyboard.close()
                await asyncio.wait_for(running, PATIENCE)

            run_in_own_loop(run())
        self.assertEqual(self.sent(), ["/quit"])

    def test_ended_before(self) -> None:
        """A session that has ended before the terminal was ready shows nothing."""
        with create_pipe_input() as keyboard:
            screen = Terminal(self.interaction, [], self.output, keyboard)
            screen.finish()
            run_in_own_loop(screen.run())
        self.assertEqual(self.shown, "")


class OutputTests(SynchronousTestCase):
    """The terminal for output."""

    def test_colours(self) -> None:
        """There are no colours where NO_COLOR is set; the cursor is not asked for."""
        stream = mock.Mock(spec=io.TextIOWrapper)
        stream.isatty.return_value = True
        stream.fileno.return_value = 1
        for environment, depth in (
            ({"TERM": "xterm-256color"}, ColorDepth.DEPTH_8_BIT),
            ({"TERM": "xterm", "NO_COLOR": ""}, ColorDepth.DEPTH_8_BIT),
            ({"TERM": "xterm", "NO_COLOR": "1"}, ColorDepth.MONOCHROME),
        ):
            output = make_output(cast(io.TextIOWrapper, stream), environment)
            self.assertIs(output.get_default_color_depth(), depth)
            self.assertFalse(output.responds_to_cpr)
