"""Character sets, and how sessions end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.chat.line.kit import LineChat


class CharsetTests(SynchronousTestCase):
    """Character sets."""

    def test_cp949_and_utf8(self) -> None:
        """A CP949 and a UTF-8 client in one room read each other."""
        chat = LineChat()
        alice, bob = chat.clients("alice", "bob")
        bob.encoding = "cp949"
        bob.type("\uc548\ub155 \ub620")
        self.assertEqual(alice.read(), ["<bob> \uc548\ub155 \ub620"])
        self.assertEqual(
            bob.read(),
            [
                "* character set: cp949, as that line can be read in no other;"
                " /charset chooses one, and /history shows in it what was said before"
            ],
        )
        alice.type("\ubc18\uac11\uc2b5\ub2c8\ub2e4 \U0001f600")
        self.assertEqual(bob.read(), ["<alice> \ubc18\uac11\uc2b5\ub2c8\ub2e4 ?"])
        self.assertEqual(chat.counters["line-charset-switched"], 1)

    def test_what_could_not_be_read(self) -> None:
        """Only the first switch points at /history, which is readable then."""
        chat = LineChat()
        alice, bob = chat.clients("alice", "bob")
        alice.type("\ubc18\uac11\uc2b5\ub2c8\ub2e4")
        bob.read()
        bob.encoding = "cp949"
        self.assertIn("/history", bob.ask("\uc548\ub155")[0])
        self.assertIn("<alice> \ubc18\uac11\uc2b5\ub2c8\ub2e4", bob.ask("/history")[1])
        bob.encoding = "utf-8"
        self.assertNotIn("/history", bob.ask("\ubc18\uac11\uc2b5\ub2c8\ub2e4")[0])
        chat = LineChat(history=False)
        (bob,) = chat.clients("bob")
        bob.encoding = "cp949"
        self.assertNotIn("/history", bob.ask("\uc548\ub155")[0])

    def test_switch_behind_what_is_pending(self) -> None:
        """A line that switches the set waits for what was said before it."""
        chat = LineChat()
        alice, bob = chat.clients("alice", "bob")
        chat.memory.holding = True
        bob.feed(b"one\n" + "\uc548\ub155".encode("cp949") + b"\nthree\n")
        self.assertTrue(bob.session.busy and bob.held)
        for _ in range(4):
            chat.commit()
        bob.encoding = "cp949"
        self.assertEqual(
            alice.read(), ["<bob> one", "<bob> \uc548\ub155", "<bob> three"]
        )
        self.assertEqual(len(bob.read()), 1)
        self.assertFalse(bob.session.busy or bob.held)

    def test_choice(self) -> None:
        """/charset pins a set, or lets what comes decide."""
        chat = LineChat()
        alice, bob = chat.clients("alice", "bob")
        self.assertEqual(bob.ask("/charset EUC-KR"), ["* character set: cp949"])
        bob.type("\ud55c")
        alice.read()
        self.assertIn("changes by itself", bob.ask("/charset auto")[0])
        self.assertEqual(bob.ask("/charset utf8"), ["* character set: utf-8"])
        self.assertIn("not known", bob.ask("/charset latin1")[0])

    def test_unreadable(self) -> None:
        """What neither can read is said as it can be; its sender is told once."""
        chat = LineChat()
        alice, bob = chat.clients("alice", "bob")
        bob.feed(b"\x80\x81 one\n\x80\x81 two\n")
        self.assertEqual(len(bob.read()), 1)
        self.assertIn("\ufffd", alice.read()[0])
        self.assertEqual(chat.counters["line-unreadable"], 2)


class LeavingTests(SynchronousTestCase):
    """Going."""

    def setUp(self) -> None:
        """Let two in."""
        self.chat = LineChat()
        self.alice, self.bob = self.chat.clients("alice", "bob")

    def test_quit(self) -> None:
        """Who quits gets a good-bye; the others are told why, once."""
        self.assertEqual(self.bob.ask("/quit tired"), ["* goodbye"])
        self.assertTrue(self.bob.closed)
        self.bob.feed(b"more\n")
        self.bob.lose()
        self.assertEqual(self.alice.read(), ["* bob has quit (Quit: tired)"])
        self.assertNotIn(self.bob.session, self.chat.frontend.sessions)

    def test_quit_behind_what_is_pending(self) -> None:
        """What was said before /quit is delivered, and the good-bye comes last."""
        self.chat.memory.holding = True
        self.bob.feed(b"one\n/join #x\n/quit\nignored\n")
        for _ in range(4):
            self.chat.commit()
        self.assertEqual(self.alice.read(), ["<bob> one", "* bob has quit (Quit)"])
        self.assertEqual(self.bob.read()[-1], "* goodbye")
        self.assertTrue(self.bob.closed)

    def test_gone_before_the_good_bye(self) -> None:
        """Who has gone while their last words wait for the disk is not closed again."""
        self.chat.memory.holding = True
        self.bob.feed(b"one\n/quit\n")
        self.bob.lose()
        self.chat.commit()
        self.chat.commit()
        self.assertEqual(self.alice.read(), ["<bob> one", "* bob has quit (Quit)"])
        self.assertEqual(self.bob.read(), [])
        self.assertFalse(self.bob.closed)

    def test_killed(self) -> None:
        """Who is put out by the server is told why."""
        self.chat.network.kill(self.bob.session.me, "enough")
        self.assertEqual(self.bob.read(), ["! enough"])
        self.assertEqual(self.alice.read(), ["* bob has quit (enough)"])
        self.chat.network.kill(self.alice.session.me, "\x1b[2J\x9b\u202eno")
        self.assertEqual(self.alice.read(), ["! ^[[2Jno"])
        self.bob.session.close("twice")
        self.assertEqual(self.bob.read(), [])

    def test_stopped(self) -> None:
        """All are told when the server stops."""
        self.chat.frontend.stop("the server is stopping")
        self.assertEqual(self.bob.read()[-1:], ["! the server is stopping"])
        self.assertTrue(self.alice.closed and self.bob.closed)
        self.assertEqual(self.chat.hub.state.members, {})

    def test_slow_reader(self) -> None:
        """Who does not read is cut at the cap; nobody else loses anything."""
        carol = self.chat.client("carol", "192.0.2.3")
        self.alice.read()
        self.bob.session.pause()
        self.bob.unsent = 2**20
        carol.type("one")
        self.assertFalse(self.bob.was_cut)
        self.bob.unsent += 1
        carol.type("two")
        self.assertTrue(self.bob.was_cut)
        carol.type("three")
        self.chat.advance(0)
        self.assertEqual(
            self.alice.read(),
            [
                "<carol> one",
                "<carol> two",
                "<carol> three",
                "* bob has quit (SendQ exceeded)",
            ],
        )
        self.assertEqual(self.chat.counters["line-send-queue"], 1)
        self.assertEqual(self.chat.frontend.paused, set())

    def test_slow_reader_of_answers(self) -> None:
        """Answers count for the cap as well; who reads again is not cut."""
        self.bob.session.pause()
        self.bob.unsent = 2**21
        self.bob.session.resume()
        self.bob.type("/help")
        self.assertFalse(self.bob.was_cut)
        self.bob.session.pause()
        self.bob.type("/help", "/help")
        self.assertTrue(self.bob.was_cut)
