"""The terminal: prompt_toolkit's line editor below, what is said above."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from netsvc.chat.client.history import MAX_LINES
from netsvc.chat.client.interaction import Interaction
from netsvc.chat.client.look import STYLES, Pieces

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end the client as Ctrl-C does."""


class _Output(Vt100_Output):
    """
    A terminal that is not asked where its cursor is.

    The answer would come as if it were typed, and stay behind on the shell's line
    when the client ends before it.
    """

    @property
    def responds_to_cpr(self) -> bool:
        return False


def make_output(stream: TextIO, environment: Mapping[str, str]) -> Output:
    """Open a terminal for output, with the colours that it and its user want."""
    depth = ColorDepth.MONOCHROME if environment.get("NO_COLOR") else None
    return _Output.from_pty(
        stream,
        term=environment.get("TERM"),
        default_color_depth=depth,
    )


class Terminal:
    """
    The screen of an interaction, and its keyboard.

    It is a L{netsvc.chat.client.interaction.Screen}.
    """

    def __init__(
        self, interaction: Interaction, history: list[str], output: Output, input: Input
    ) -> None:
        """
        Prepare.

        @param history: Lines that can be called back, the oldest first.
        """
        self._interaction = interaction
        self._output = output
        self._style = Style.from_dict(STYLES)
        self._early: list[Pieces] = []
        self._is_finished = False
        self._prompt: PromptSession[None] = PromptSession(
            lambda: FormattedText(interaction.prompt),
            is_password=Condition(lambda: interaction.is_hidden),
            style=self._style,
            history=InMemoryHistory(history),
            key_bindings=self._bindings(),
            complete_while_typing=False,
            enable_suspend=True,
            reserve_space_for_menu=0,
            erase_when_done=True,
            output=output,
            input=input,
        )

    async def run(self) -> None:
        """Read and show until L{finish}."""
        if self._is_finished:
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._interaction.leave)
        try:
            await self._prompt.app.run_async(
                pre_run=self._show_early, handle_sigint=False
            )
        except EOFError:
            # The terminal is gone.
            self._interaction.leave()
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def print(self, pieces: Pieces) -> None:
        """Show a line above the one that is being typed."""
        app = self._prompt.app
        if not app.is_running:
            self._early.append(pieces)
            return
        # As run_in_terminal does it, without giving the keyboard back meanwhile:
        # what is typed in that moment would be echoed into the text.
        app.renderer.erase()
        self._write(pieces)
        app.invalidate()

    def refresh(self) -> None:
        """Show the prompt anew."""
        self._prompt.app.invalidate()

    def finish(self) -> None:
        """End."""
        self._is_finished = True
        app = self._prompt.app
        if app.is_running and not app.is_done:
            app.exit()

    def _show_early(self) -> None:
        early, self._early = self._early, []
        for pieces in early:
            self._write(pieces)

    def _write(self, pieces: Pieces) -> None:
        text = FormattedText([*pieces, ("", "\n")])
        depth = self._output.get_default_color_depth()
        print_formatted_text(self._output, text, self._style, color_depth=depth)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        empty = typing & Condition(lambda: not self._prompt.app.current_buffer.text)

        @bindings.add("enter", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._enter(event.current_buffer)

        @bindings.add("tab", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._complete(event.current_buffer, 1)

        @bindings.add("s-tab", filter=typing)
        def _(event: KeyPressEvent) -> None:
            self._complete(event.current_buffer, -1)

        @bindings.add("c-c", filter=typing & ~empty)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.reset()

        @bindings.add("c-c", filter=empty)
        @bindings.add("c-d", filter=empty)
        def _(event: KeyPressEvent) -> None:
            self._interaction.interrupt()

        @bindings.add("c-l", filter=typing)
        def _(event: KeyPressEvent) -> None:
            event.app.renderer.clear()

        return bindings

    def _enter(self, buffer: Any) -> None:
        text = buffer.text
        remember = self._interaction.may_remember(text)
        if not self._interaction.enter(text):
            return
        buffer.reset(append_to_history=remember)
        known = buffer.history.get_strings()
        if len(known) > 2 * MAX_LINES:
            buffer.history = InMemoryHistory(known[-MAX_LINES:])

    def _complete(self, buffer: Any, direction: int) -> None:
        document: Document = buffer.document
        before = document.text_before_cursor
        completed = self._interaction.complete(before, direction)
        buffer.document = Document(
            completed + document.text_after_cursor, len(completed)
        )


def open_terminal(interaction: Interaction, history: list[str]) -> Terminal:
    """Open the terminal that is standard input and output."""
    output = make_output(sys.stdout, os.environ)
    return Terminal(interaction, history, output, create_input(sys.stdin))
