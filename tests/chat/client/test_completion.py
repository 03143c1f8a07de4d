"""Completion of commands, nicks and rooms."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.completion import Completer, candidates
from netsvc.chat.client.lines import parse
from netsvc.chat.client.people import People


class CompletionTests(SynchronousTestCase):
    """What a word may become."""

    def setUp(self) -> None:
        """Know some people and rooms."""
        self.people = People()
        for line in (
            "* me has joined #lobby",
            "* me has joined #seoul",
            "<minsu> x",
            "<Mina> x",
            "<지우> x",
        ):
            self.people.learn(parse(line))

    def find(self, before: str) -> list[str]:
        return candidates(before, self.people)[1]

    def test_commands(self) -> None:
        """A slash at the beginning begins a command."""
        self.assertEqual(self.find("/m"), ["/me ", "/motd ", "/msg ", "/mute "])
        self.assertEqual(self.find(" /WH"), ["/who "])
        self.assertEqual(self.find("a /wh"), [])

    def test_nicks(self) -> None:
        """Nicks come by who spoke last, with a colon where they begin the line."""
        self.assertEqual(self.find("mi"), ["Mina: ", "minsu: "])
        self.assertEqual(self.find("hello mi"), ["Mina ", "minsu "])
        self.assertEqual(self.find("지"), ["지우: "])
        self.assertEqual(candidates("hello MIN", self.people)[0], 6)

    def test_nothing(self) -> None:
        """Without a beginning, or without anything that fits, there is nothing."""
        for before in ("", "hello ", "xyz", "/xyz", "/me ", "/away m", "/msg a "):
            self.assertEqual(self.find(before), [], before)

    def test_arguments(self) -> None:
        """A command's argument is what the command is about."""
        self.assertEqual(self.find("/msg m"), ["Mina ", "minsu "])
        self.assertEqual(self.find("/kick "), ["지우 ", "Mina ", "minsu "])
        self.assertEqual(self.find("/w m"), ["Mina ", "minsu "])
        self.assertEqual(self.find("/JOIN #s"), ["#seoul "])
        self.assertEqual(self.find("/part "), ["#seoul ", "#lobby "])
        self.assertEqual(self.find("/help mu"), ["mute "])
        self.assertEqual(self.find("/charset c"), ["cp949 "])
        self.assertEqual(self.find("/other mi"), ["Mina ", "minsu "])
        self.assertEqual(self.find("come to #l"), ["#lobby "])

    def test_steps(self) -> None:
        """Each step gives the next one, around, and backwards too."""
        completer = Completer(self.people)
        first = completer.step("mi")
        second = completer.step(first)
        self.assertEqual([first, second], ["Mina: ", "minsu: "])
        self.assertEqual(completer.step(second), "Mina: ")
        self.assertEqual(completer.step("Mina: ", -1), "minsu: ")

    def test_backwards(self) -> None:
        """The first step backwards gives the last one."""
        self.assertEqual(Completer(self.people).step("mi", -1), "minsu: ")

    def test_begin_again(self) -> None:
        """What is typed between begins a new completion."""
        completer = Completer(self.people)
        completer.step("mi")
        self.assertEqual(completer.step("hi #"), "hi #seoul ")
        self.assertEqual(completer.step("zz"), "zz")
        self.assertEqual(completer.step("zz"), "zz")
