"""A stay on a server."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.entry import GREETING_TIMEOUT, STEP_TIMEOUT, Wishes
from netsvc.chat.client.session import LEAVE_TIMEOUT, STABLE
from tests.chat.client.fakes import FakeView, Stay


class Case(SynchronousTestCase):
    """A session with nick and room."""

    wishes = Wishes("jiwoo", ("#seoul",))
    reconnect = True

    def setUp(self) -> None:
        """Prepare a session."""
        self.view = FakeView()
        self.stay = Stay(self.view, self.wishes, self.reconnect)
        self.session, self.link = self.stay.session, self.stay.link
        self.clock = self.stay.clock

    def settle(self) -> None:
        """Enter as wished, and forget how that went."""
        self.stay.enter()
        self.stay.hear("* guest1 is now known as jiwoo", "* jiwoo has joined #seoul")
        self.view.take()
        self.link.take()


class EntryTests(Case):
    """The first steps."""

    def test_steps(self) -> None:
        """Nick and room follow the greeting, each when the one before is so."""
        self.session.start()
        self.session.opened()
        self.stay.hear("* Welcome")
        self.assertEqual(self.link.take(), [])
        self.stay.hear("* guest1 has joined #lobby")
        self.assertEqual(self.link.take(), ["/nick jiwoo"])
        self.stay.hear("<a> x", "* a is now known as b")
        self.assertEqual(self.link.take(), [])
        self.stay.hear("* guest1 is now known as jiwoo")
        self.assertEqual(self.link.take(), ["/join #seoul"])
        self.assertNotIn("entered True", self.view.told)
        self.stay.hear("* jiwoo has joined #seoul")
        self.assertEqual(
            self.view.told[-2:], ["* jiwoo has joined #seoul", "entered True"]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forged(self) -> None:
        """Nobody else can pretend that this user has entered."""
        self.stay.enter()
        self.stay.hear("* guest1 is now known as jiwoo")
        self.stay.hear("* evil has joined #seoul", "* evil jiwoo has joined #seoul")
        self.assertNotIn("entered True", self.view.told)

    def test_refused(self) -> None:
        """After a refused step the next one follows, and not all is as wished."""
        self.stay.enter()
        self.stay.hear("! jiwoo: that nick is taken")
        self.assertEqual(self.link.take(), ["/nick jiwoo", "/join #seoul"])
        self.stay.hear("* guest1 has joined #seoul")
        self.assertEqual(self.view.told[-1], "entered False")

    def test_silent(self) -> None:
        """A server that does not answer is told of, and not waited for any longer."""
        self.session.start()
        self.session.opened()
        self.clock.advance(GREETING_TIMEOUT)
        self.assertEqual(self.link.take(), ["/nick jiwoo"])
        self.clock.advance(STEP_TIMEOUT)
        self.assertEqual(self.link.take(), ["/join #seoul"])
        self.clock.advance(STEP_TIMEOUT)
        self.assertEqual(
            self.view.told,
            [
                "note no answer to /nick jiwoo",
                "note no answer to /join #seoul",
                "entered False",
            ],
        )

    def test_other_messages_do_not_prolong(self) -> None:
        """What others say meanwhile does not make a step wait longer."""
        self.stay.enter()
        self.clock.advance(STEP_TIMEOUT - 1)
        self.stay.hear("<a> x")
        self.clock.advance(1)
        self.assertIn("note no answer to /nick jiwoo", self.view.told)


class NoWishesTests(Case):
    """Who has no wishes is in at once."""

    wishes = Wishes()

    def test_at_once(self) -> None:
        """Without wishes there is nothing to wait for but the greeting."""
        self.stay.enter()
        self.assertEqual((self.view.told[-1], self.link.sent), ("entered True", []))

    def test_no_greeting(self) -> None:
        """A server without a greeting is waited for a short while only."""
        self.session.start()
        self.session.opened()
        self.assertEqual(self.view.told, [])
        self.clock.advance(GREETING_TIMEOUT)
        self.assertEqual((self.view.told, self.link.sent), (["entered True"], []))


class LockedTests(Case):
    """A server with a password."""

    LOCK = "* this server has a password: type it, and nothing else"

    def test_asked(self) -> None:
        """The user is asked, and nothing else is sent until the password is right."""
        self.session.start()
        self.session.opened()
        self.stay.hear(self.LOCK)
        self.assertEqual(self.view.take(), [self.LOCK, "locked"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.session.unlock("wrong")
        self.stay.hear("! that is not the password of this server: try again")
        self.assertEqual(self.view.take()[1:], ["locked"])
        self.session.unlock("right")
        self.stay.hear("* Welcome", "* guest1 has joined #lobby")
        self.assertEqual(
            self.link.take(), ["/pass wrong", "/pass right", "/nick jiwoo"]
        )

    def test_known(self) -> None:
        """A password that is known is given by itself, also after a loss."""
        self.stay = Stay(self.view, password="right")
        for _ in range(2):
            self.stay.session.opened()
            self.stay.hear(self.LOCK)
            self.assertEqual(self.stay.link.take(), ["/pass right"])
            self.stay.hear("* guest1 has joined #lobby")
            self.assertEqual(self.view.take()[-1], "entered True")
            self.stay.session.closed("lost", False)
            self.stay.clock.advance(3)
            self.view.take()

    def test_known_wrong(self) -> None:
        """A known password that is wrong is not tried again."""
        self.stay = Stay(self.view, password="wrong")
        self.stay.session.opened()
        self.stay.hear(self.LOCK, "! that is not the password of this server")
        self.assertEqual(self.view.take()[-1], "locked")
        self.assertEqual(self.stay.link.take(), ["/pass wrong"])


class LobbyTests(Case):
    """What is so already needs no step."""

    wishes = Wishes("guest1", ("#Lobby",), "cp949")

    def test_nothing_to_do(self) -> None:
        """The character set is told at once; nick and room are as they should be."""
        self.stay.enter()
        self.assertEqual(self.link.sent, ["/charset cp949"])
        self.assertEqual(self.view.told[-1], "entered True")


class TalkTests(Case):
    """Lines in both directions."""

    def test_show(self) -> None:
        """Lines are shown without what a terminal would obey."""
        self.settle()
        self.stay.hear("<a> \x1b[31mred\u202e\x9b")
        self.assertEqual(self.view.take(), ["<a> ^[[31mred"])
        self.assertEqual(self.session.people.nicks, ["a"])

    def test_say(self) -> None:
        """What is said is sent while there is a connection."""
        self.assertFalse(self.session.say("early"))
        self.settle()
        self.assertTrue(self.session.say("hi"))
        self.assertEqual(self.link.take(), ["hi"])

    def test_held(self) -> None:
        """The view is told when the server does not read."""
        self.session.held(True)
        self.assertEqual(self.view.take(), ["held True"])


class LossTests(Case):
    """Connections that end."""

    def test_first(self) -> None:
        """When the first attempt fails, that is all."""
        self.session.start()
        self.session.closed("Connection refused", False)
        self.assertEqual(self.view.take(), ["ended Connection refused"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """After a loss it tries again, ever later, and enters as before."""
        self.settle()
        self.stay.hear("* jiwoo has joined #busan")
        self.session.say("/nick minji")
        self.stay.hear("* jiwoo is now known as minji")
        self.view.take()
        self.link.take()
        self.session.closed("the connection was lost", False)
        self.assertEqual(
            self.view.take(),
            ["note offline: the connection was lost; next attempt in 1 s"],
        )
        self.assertTrue(self.session.is_waiting)
        self.assertFalse(self.session.say("x"))
        self.clock.advance(1)
        self.assertEqual(self.link.opens, 2)
        self.session.closed("Connection refused", False)
        self.assertIn("next attempt in 2 s", self.view.take()[0])
        self.clock.advance(2)
        self.session.opened()
        self.assertEqual(self.view.take(), ["note connected again"])
        self.stay.hear("* guest7 has joined #lobby", "* guest7 is now known as minji")
        self.stay.hear("* minji has joined #seoul", "* minji has joined #busan")
        self.assertEqual(
            self.link.take(), ["/nick minji", "/join #seoul", "/join #busan"]
        )
        self.assertEqual(self.view.take()[-1], "entered True")

    def test_stable(self) -> None:
        """A connection that lasted begins with the short delay again."""
        self.settle()
        for delay in (1, 2):
            self.session.closed("lost", False)
            self.assertIn(f"in {delay} s", self.view.take()[0])
            self.clock.advance(delay)
            self.session.opened()
            self.view.take()
        self.clock.advance(STABLE)
        self.session.closed("lost", False)
        self.assertIn("in 1 s", self.view.take()[-1])

    def test_retry(self) -> None:
        """The user need not wait for the next attempt."""
        self.settle()
        self.session.closed("lost", False)
        self.session.retry()
        self.session.retry()
        self.assertEqual(self.link.opens, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost_early(self) -> None:
        """Who is lost before entering wishes for the same again."""
        self.session.start()
        self.session.opened()
        self.session.closed("lost", False)
        self.clock.advance(1)
        self.stay.enter()
        self.assertEqual(self.link.take(), ["/nick jiwoo"])


class OnceTests(Case):
    """A session that does not come back."""

    reconnect = False

    def test_lost(self) -> None:
        """A loss is the end."""
        self.settle()
        self.session.closed("lost", True)
        self.assertEqual(self.view.take(), ["ended lost"])


class LeaveTests(Case):
    """The end."""

    def test_answered(self) -> None:
        """All is well when the server ends the connection after /quit."""
        self.settle()
        self.session.leave()
        self.assertEqual(self.link.take(), ["/quit"])
        self.stay.hear("* goodbye")
        self.session.closed("closed", True)
        self.assertEqual(self.view.take(), ["* goodbye", "ended "])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.stay.hear("more")
        self.session.closed("closed", True)
        self.assertEqual(self.view.take(), [])

    def test_cut(self) -> None:
        """A connection that breaks after /quit is trouble."""
        self.settle()
        self.session.leave()
        self.session.closed("the connection was lost", False)
        (told,) = self.view.take()
        self.assertEqual(told, "ended the connection was lost before all was taken")

    def test_no_goodbye(self) -> None:
        """So is one that ends in order, but before the server came to /quit."""
        self.settle()
        self.stay.hear("* goodbye")
        self.session.leave()
        self.session.closed("closed", True)
        self.assertEqual(self.view.take()[-1], "ended closed before all was taken")

    def test_unanswered(self) -> None:
        """A server that does not end the connection is left all the same."""
        self.settle()
        self.session.leave()
        self.clock.advance(LEAVE_TIMEOUT)
        self.assertEqual(self.view.take(), ["ended no answer to /quit within 10 s"])
        self.assertEqual(self.link.closes, 1)
        self.session.closed("", False)
        self.assertEqual(self.view.take(), [])

    def test_typed(self) -> None:
        """A typed /quit is the same, with its reason."""
        self.settle()
        self.assertTrue(self.session.say("/quit good night"))
        self.assertTrue(self.session.is_leaving)
        self.assertEqual(self.link.take(), ["/quit good night"])

    def test_alias(self) -> None:
        """So are its other names."""
        self.settle()
        self.session.say("/BYE")
        self.assertTrue(self.session.is_leaving)

    def test_while_entering(self) -> None:
        """Who leaves while entering does not go on entering."""
        self.stay.enter()
        self.session.leave()
        self.stay.hear("* guest1 is now known as jiwoo")
        self.assertEqual(self.link.take(), ["/nick jiwoo", "/quit"])

    def test_twice(self) -> None:
        """Leaving again is leaving at once."""
        self.settle()
        self.session.leave()
        self.session.leave()
        self.assertEqual((self.view.take(), self.link.closes), (["ended "], 1))
        self.session.leave()
        self.assertEqual((self.view.take(), self.link.closes), ([], 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_offline(self) -> None:
        """Without a connection there is nobody to say goodbye to."""
        self.settle()
        self.session.closed("lost", False)
        self.view.take()
        self.session.leave()
        self.assertEqual((self.view.take(), self.link.sent), (["ended "], []))
        self.assertEqual(self.clock.getDelayedCalls(), [])
