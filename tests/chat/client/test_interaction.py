"""Between the user at the terminal and the session."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import interaction
from netsvc.chat.client.history import History
from netsvc.chat.client.interaction import Interaction
from tests.chat.client.fakes import FakeScreen, Stay


class InteractionTests(SynchronousTestCase):
    """A user who is in the lobby."""

    def setUp(self) -> None:
        """Enter."""
        self.path = Path(self.mktemp())
        self.now: datetime | None = None
        self.interaction = Interaction(History(self.path), lambda: self.now)
        self.stay = Stay(self.interaction)
        self.screen = FakeScreen()
        self.interaction.begin(self.stay.session, self.screen)
        self.stay.enter("jiwoo")
        self.screen.take()

    @property
    def prompt(self) -> str:
        return "".join(text for _, text in self.interaction.prompt)

    @property
    def sent(self) -> list[str]:
        return self.stay.link.take()

    def test_say(self) -> None:
        """What is entered is sent, shown and remembered."""
        self.assertTrue(self.interaction.may_remember("hi"))
        self.assertTrue(self.interaction.enter("hi"))
        self.assertEqual((self.sent, self.screen.take()), (["hi"], ["<jiwoo> hi"]))
        self.assertEqual(self.path.read_text(), "hi\n")
        self.assertEqual(self.prompt, "[#lobby] ")

    def test_hear(self) -> None:
        """What the server says is shown, with the time if that is wanted."""
        self.stay.hear("<minsu> hi")
        self.now = datetime(2026, 1, 2, 3, 4, 5)
        self.stay.hear("<minsu> ho")
        self.assertEqual(self.screen.take(), ["<minsu> hi", "03:04:05 <minsu> ho"])

    def test_paste(self) -> None:
        """Several lines at once are sent singly, up to a limit."""
        self.interaction.enter("a\n\nb\r\n")
        self.assertEqual(self.sent, ["a", "b"])
        self.screen.take()
        with mock.patch.object(interaction, "MAX_PASTE", 2):
            self.interaction.enter("a\nb\nc")
        self.assertEqual(self.sent, ["a", "b"])
        self.assertEqual(
            self.screen.take()[-1], "- only the first 2 of 3 lines were sent"
        )

    def test_controls(self) -> None:
        """What was typed is shown without what a terminal would obey."""
        self.interaction.enter("\x1b[2Ja")
        self.assertEqual(self.screen.take(), ["<jiwoo> ^[[2Ja"])

    def test_empty(self) -> None:
        """An empty line is nothing, but for an attempt to connect that is due."""
        self.assertTrue(self.interaction.enter(" "))
        self.assertEqual((self.sent, self.screen.take()), ([], []))
        self.stay.session.closed("lost", False)
        self.interaction.enter("")
        self.assertEqual(self.stay.link.opens, 2)

    def test_offline(self) -> None:
        """Without a connection the text stays, to be sent later."""
        self.stay.session.closed("lost", False)
        self.assertEqual(self.prompt, "[offline] ")
        self.screen.take()
        self.assertFalse(self.interaction.enter("hi"))
        self.assertEqual(self.screen.take(), ["- not connected: not sent"])
        self.assertFalse(self.path.exists())
        self.assertEqual(self.stay.link.opens, 2)

    def test_offline_quit(self) -> None:
        """Who types /quit without a connection leaves."""
        self.stay.session.closed("lost", False)
        self.assertTrue(self.interaction.enter("/quit"))
        self.assertTrue(self.screen.is_finished)

    def test_held(self) -> None:
        """While the server does not read nothing more is sent."""
        self.interaction.held(True)
        self.assertFalse(self.interaction.enter("hi"))
        self.assertEqual(self.screen.take(), ["- the server does not read: not sent"])
        self.interaction.held(False)
        self.assertTrue(self.interaction.enter("hi"))

    def test_login(self) -> None:
        """A password that was not typed with /login is asked for, hidden."""
        self.assertFalse(self.interaction.is_hidden)
        self.interaction.enter("/login")
        self.assertEqual(self.prompt, "Account (jiwoo): ")
        self.assertFalse(self.interaction.is_hidden)
        self.interaction.enter("")
        self.assertTrue(self.interaction.is_hidden)
        self.assertEqual(self.prompt, "Password: ")
        self.assertEqual(self.interaction.complete("mi", 1), "mi")
        self.assertFalse(self.interaction.may_remember("secret"))
        self.assertTrue(self.interaction.enter("secret word"))
        self.assertEqual(self.sent, ["/login jiwoo secret word"])
        self.assertEqual(self.screen.take(), [])
        self.assertFalse(self.interaction.is_hidden)
        self.assertFalse(self.path.exists())

    def test_register(self) -> None:
        """A new password is asked for twice, for the account that is named."""
        self.interaction.enter("/register")
        self.interaction.enter(" minji ")
        self.interaction.enter("secret")
        self.assertEqual(self.prompt, "Password again: ")
        self.interaction.enter("secret")
        self.assertEqual(self.sent, ["/register minji secret"])

    def test_differ(self) -> None:
        """Passwords that differ, and empty ones, are not sent."""
        for text in ("/passwd", "old", "secret", "other", "/login", "", ""):
            self.interaction.enter(text)
        self.assertEqual(self.sent, [])
        self.assertEqual(
            self.screen.take(),
            ["- the passwords differ, nothing sent", "- no password, nothing sent"],
        )

    def test_change(self) -> None:
        """A change of the password asks for both."""
        for text in ("/passwd", "old", "new", "new"):
            self.interaction.enter(text)
        self.assertEqual(self.sent, ["/passwd old new"])

    def test_warning(self) -> None:
        """Who is about to send a password in the open is told so."""
        self.interaction = Interaction(History(self.path), lambda: None, "in the open")
        self.stay = Stay(self.interaction)
        self.interaction.begin(self.stay.session, self.screen)
        self.stay.enter()
        self.screen.take()
        self.interaction.enter("/login")
        self.assertEqual(self.screen.take(), ["- in the open"])

    def test_password_offline(self) -> None:
        """A password that cannot be sent any more is forgotten."""
        self.interaction.enter("/login")
        self.interaction.enter("")
        self.stay.session.closed("lost", False)
        self.screen.take()
        self.interaction.enter("secret")
        self.assertEqual(self.screen.take(), ["- not connected: not sent"])
        self.assertFalse(self.interaction.is_hidden)

    def test_typed_password(self) -> None:
        """A password that was typed with the command is sent, not shown, not kept."""
        for text in ("/login secret", "/regster jiwoo secret"):
            self.assertFalse(self.interaction.may_remember(text))
            self.assertFalse(self.interaction.may_remember(f"hello\n{text}"))
            self.interaction.enter(text)
            self.assertEqual(self.sent, [text])
        self.assertEqual(self.screen.take(), ["/login ...", "/regster ..."])
        self.assertFalse(self.path.exists())

    def test_server_password(self) -> None:
        """The server's own password is asked for, hidden, and sent as it is."""
        self.stay = Stay(self.interaction)
        self.interaction.begin(self.stay.session, self.screen)
        self.stay.session.opened()
        self.stay.hear("* this server has a password: type it, and nothing else")
        self.assertTrue(self.interaction.is_hidden)
        self.interaction.enter("secret")
        self.assertEqual(self.sent, ["/pass secret"])
        self.interaction.enter("/pass")
        self.interaction.enter("secret")
        self.assertEqual(self.sent, ["/pass secret"])
        self.stay.hear("! that is not the password of this server: try again")
        self.interaction.interrupt()
        self.assertEqual(self.sent, ["/quit"])
        self.assertFalse(self.path.exists())

    def test_interrupt(self) -> None:
        """Ctrl-C forgets the question for a password; without one it leaves."""
        self.interaction.enter("/login")
        self.interaction.interrupt()
        self.assertEqual(self.prompt, "[#lobby] ")
        self.assertEqual(self.sent, [])
        self.interaction.interrupt()
        self.assertEqual(self.sent, ["/quit"])
        self.interaction.leave()
        self.assertTrue(self.screen.is_finished)
        self.assertEqual(self.interaction.trouble, "")

    def test_complete(self) -> None:
        """Completion knows who has spoken."""
        self.stay.hear("<minsu> hi")
        self.assertEqual(self.interaction.complete("mi", 1), "minsu: ")

    def test_end(self) -> None:
        """The reason of an end that nobody wanted is kept; a late goodbye is none."""
        self.interaction.ended("lost")
        self.assertEqual(self.interaction.trouble, "lost")
        self.stay.session.leave()
        self.interaction.ended("no answer to /quit")
        self.assertEqual(self.interaction.trouble, "")
        self.assertTrue(self.screen.is_finished)
