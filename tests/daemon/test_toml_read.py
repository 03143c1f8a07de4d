"""TOML text with syntax errors in it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import toml_read
from netsvc.daemon.toml_read import MAX_DOTS, MAX_ERRORS, MAX_TEXT, read_toml


class ReadTests(SynchronousTestCase):
    """What L{read_toml} gives."""

    def errors(self, text: str) -> list[tuple[int, str]]:
        """Give the errors of a text."""
        return read_toml(text).errors

    def test_well(self) -> None:
        """Values and their lines are given for what is TOML."""
        document = read_toml("[a]\nb = 1\n")
        self.assertEqual(document.values, {"a": {"b": 1}})
        self.assertEqual(document.lines, {("a",): 1, ("a", "b"): 2})
        self.assertEqual(document.errors, [])

    def test_several(self) -> None:
        """Lines that are wrong are left out, and the rest is read."""
        document = read_toml("[a]\nb = \nc = 2\nd = 'x\ne = 3\n")
        self.assertEqual([line for line, _ in document.errors], [2, 4])
        self.assertIn("not TOML, column 5", document.errors[0][1])
        self.assertEqual(document.values, {"a": {"c": 2, "e": 3}})
        self.assertEqual(document.lines["a", "e"], 5)

    def test_header(self) -> None:
        """What follows a header that is wrong belongs to no other table."""
        document = read_toml("[a]\nb = 1\n[c d]\nb = 2\n[e]\nf = 3\n")
        self.assertEqual([line for line, _ in document.errors], [3])
        self.assertEqual(document.values, {"a": {"b": 1}, "e": {"f": 3}})

    def test_twice(self) -> None:
        """A table or a key that is there twice is told in words for operators."""
        errors = self.errors("[a]\nb = 1\nb = 2\n[a]\nb = 1\n")
        self.assertEqual(
            errors,
            [
                (3, "the key is there a second time"),
                (4, "[a] is there a second time; several are written [[a]]"),
            ],
        )

    def test_hanging_together(self) -> None:
        """After an error inside an array, nothing is guessed."""
        self.assertEqual(len(self.errors("[a]\nb = [\n 1 2\n 3 4\n]\nc =\n")), 1)

    def test_no_end(self) -> None:
        """What does not end is told where it begins, and left out."""
        for begin in ('"""', "'''", "'", "[", "[1, "):
            document = read_toml(f"[a]\n\nb = {begin}\n")
            ((line, problem),) = document.errors
            self.assertEqual(line, 3)
            self.assertIn("not TOML, ", problem)
            self.assertEqual(document.values, {"a": {}})

    def test_digits(self) -> None:
        """A number that is too long for Python is an error with its line."""
        errors = self.errors(f"[a]\nb = {'9' * 5000}\n")
        self.assertEqual(errors, [(2, "a number has too many digits")])

    def test_deep(self) -> None:
        """What is nested too deeply is an error."""
        errors = self.errors(f"b = {'[' * 20_000}\n")
        self.assertEqual(errors, [(1, "arrays or tables are nested too deeply")])
        errors = read_toml(f"[echo]\nlisten={'[' * 500}{']' * 500}\n").errors
        self.assertEqual(errors, [(1, "arrays or tables are nested too deeply")])

    def test_limits(self) -> None:
        """A text that is too long, or a key with too many dots, is not even read."""
        ((line, problem),) = self.errors("#" * (MAX_TEXT + 1))
        self.assertEqual(line, 1)
        self.assertIn(f"at most {MAX_TEXT}", problem)
        ((line, problem),) = self.errors(f"\na{'.a' * (MAX_DOTS + 1)} = 1")
        self.assertEqual(line, 2)
        self.assertIn("dots", problem)
        self.assertEqual(self.errors(f"a{'.a' * 100} = 1"), [])

    def test_many_errors(self) -> None:
        """So many errors are told and no more."""
        self.assertEqual(len(self.errors("a =\n" * 100)), MAX_ERRORS)

    def test_long(self) -> None:
        """In a long text the first error is told alone."""
        self.patch(toml_read, "_RESUME_BELOW", 20)
        self.assertEqual(len(self.errors("a =\n" * 4)), 4)
        self.assertEqual(len(self.errors("a =\n" * 5)), 1)
