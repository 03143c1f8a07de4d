"""
What happens between the user at the terminal and the session: no terminal in here.

What is typed is sent and shown; passwords are asked for where they are not seen; what
must not be remembered is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from netsvc.chat.client.commands import SECRET, command, keepable, masked
from netsvc.chat.client.completion import Completer
from netsvc.chat.client.history import History
from netsvc.chat.client.lines import Line
from netsvc.chat.client.look import (
    Pieces,
    line_pieces,
    note_pieces,
    own_pieces,
    prompt_pieces,
)
from netsvc.chat.client.session import Session
from netsvc.chat.text import clean

MAX_PASTE: Final = 20
"""Lines of one paste that are sent; the server would cut off who sends a book."""


class Screen(Protocol):
    """Where things are shown."""

    def print(self, pieces: Pieces) -> None:
        """Show a line above the one that is being typed."""

    def refresh(self) -> None:
        """Show the prompt anew: something about it may have changed."""

    def finish(self) -> None:
        """End; nothing is shown any more."""


@dataclass(slots=True)
class _Question:
    """
    Something that is being asked for, word by word: passwords above all.

    @ivar start: The command that it is for.
    @ivar steps: What is still asked for, and whether the answer is hidden.
    @ivar answers: What was answered so far.
    """

    start: str
    steps: list[tuple[str, bool]]
    answers: list[str] = field(default_factory=list)


_AGAIN: Final = "again"
_NEW: Final = [("Password", True), (f"Password {_AGAIN}", True)]
_CHANGE: Final = [
    ("Old password", True),
    ("New password", True),
    (f"New password {_AGAIN}", True),
]


class Interaction:
    """
    The user's side of a session: a L{netsvc.chat.client.session.View}.

    @ivar trouble: Why the session ended, if not as the user wanted.
    """

    def __init__(
        self,
        history: History,
        now: Callable[[], datetime | None],
        warning: str = "",
    ) -> None:
        """
        Prepare; L{begin} has to follow.

        @param now: Gives the time to show with a line, or nothing.
        @param warning: What to say before a password is asked for.
        """
        self._warning = warning
        self._history = history
        self._now = now
        self._question: _Question | None = None
        self._is_held = False
        self.trouble = ""

    def begin(self, session: Session, screen: Screen) -> None:
        """Take who is on both sides."""
        self._session = session
        self._screen = screen
        self._completer = Completer(session.people)

    @property
    def is_hidden(self) -> bool:
        """Whether what is typed now must not be seen."""
        return self._question is not None and self._question.steps[0][1]

    @property
    def prompt(self) -> Pieces:
        """What stands in front of the text that is being typed."""
        if self._question is not None:
            return [("class:prompt", f"{self._question.steps[0][0]}:"), ("", " ")]
        return prompt_pieces(self._session.people, self._session.is_open)

    def complete(self, before: str, direction: int) -> str:
        """Complete what is in front of the cursor, as L{Completer.step} does."""
        return before if self._question else self._completer.step(before, direction)

    def enter(self, text: str) -> bool:
        """
        Take what the user has typed.

        @return: whether it is done with; if not, it should stay to be sent later.
        """
        if self._question is not None:
            self._answer(self._question, text)
            return True
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            self._session.retry()
            return True
        if not self._session.is_open or self._is_held:
            return self._cannot_send(lines)
        if self.may_remember(text):
            self._history.add(text)
        for line in lines[:MAX_PASTE]:
            self._send(line)
        if len(lines) > MAX_PASTE:
            self.note(f"only the first {MAX_PASTE} of {len(lines)} lines were sent")
        return True

    def may_remember(self, text: str) -> bool:
        """Say whether what is about to be entered may be called back later."""
        if self._question or not text.strip():
            return False
        return all(map(keepable, text.splitlines()))

    def interrupt(self) -> None:
        """Take Ctrl-C or Ctrl-D on an empty line: forget a question, else leave."""
        if self._question is not None and self._question.start != "/pass":
            self._question = None
            self.note("nothing sent")
        else:
            self._question = None
            self.leave()

    def leave(self) -> None:
        """Say goodbye; if that is under way, without waiting for the server."""
        self._session.leave()

    def show(self, line: Line) -> None:
        """Show a line of the server."""
        self._screen.print(line_pieces(line, self._session.people, self._now()))
        self._screen.refresh()

    def note(self, text: str) -> None:
        """Show what the client has to say."""
        self._screen.print(note_pieces(clean(text), self._now()))
        self._screen.refresh()

    def locked(self) -> None:
        """Ask for the server's password."""
        self._ask("/pass", [("Password", True)])

    def entered(self, is_as_wished: bool) -> None:
        """Show the prompt of a new connection; what was refused has been shown."""
        self._screen.refresh()

    def held(self, is_held: bool) -> None:
        """Take that the server does not keep up, or does again."""
        self._is_held = is_held

    def ended(self, trouble: str) -> None:
        """End, and keep the reason for the command's last word."""
        # Who leaves does not mind that the server was not quick to say goodbye.
        self.trouble = "" if self._session.is_leaving else trouble
        self._screen.finish()

    def _cannot_send(self, lines: list[str]) -> bool:
        """Leave if that is what the lines want, else say why they are not sent."""
        if any(command(line) == "quit" for line in lines):
            self._session.leave()
            return True
        why = "the server does not read" if self._session.is_open else "not connected"
        self.note(f"{why}: not sent")
        self._session.retry()
        return False

    def _send(self, line: str) -> None:
        name = command(line)
        if name in SECRET and len(line.split()) == 1:
            account = (f"Account ({self._session.people.nick})", False)
            if name == "passwd":
                self._ask("/passwd", _CHANGE)
            elif name == "register":
                self._ask("/register", [account, *_NEW])
            elif name == "login":
                self._ask("/login", [account, ("Password", True)])
            else:
                self._ask("/pass", [("Password", True)])
            return
        self._screen.print(
            own_pieces(clean(masked(line)), self._session.people, self._now())
        )
        self._session.say(line)

    def _ask(self, start: str, steps: list[tuple[str, bool]]) -> None:
        if self._warning:
            self.note(self._warning)
        self._question = _Question(start, list(steps))
        self._screen.refresh()

    def _answer(self, question: _Question, text: str) -> None:
        label, is_hidden = question.steps.pop(0)
        if not is_hidden:
            text = "".join(text.split()[:1]) or self._session.people.nick
        self._screen.refresh()
        if label.endswith(_AGAIN) and text != question.answers[-1]:
            self._question = None
            self.note("the passwords differ, nothing sent")
        elif not text:
            self._question = None
            self.note("no password, nothing sent")
        elif label.endswith(_AGAIN):
            self._answered(question)
        else:
            question.answers.append(text)
            if not question.steps:
                self._answered(question)

    def _answered(self, question: _Question) -> None:
        """Send the command with what it was asked for."""
        self._question = None
        if not self._session.is_open:
            self.note("not connected: not sent")
        elif question.start == "/pass":
            self._session.unlock(question.answers[0])
        else:
            self._session.say(" ".join([question.start, *question.answers]))
