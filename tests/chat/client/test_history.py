"""The file of typed lines."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client import history
from netsvc.chat.client.history import MAX_LENGTH, History, state_directory


class HistoryTests(SynchronousTestCase):
    """Lines from one run to the next."""

    def setUp(self) -> None:
        """Choose a place that is not there yet."""
        self.path = Path(self.mktemp()) / "state" / "chat_history"

    def test_keeps(self) -> None:
        """Lines are there the next time, in order."""
        self.assertEqual(History(self.path).load(), [])
        for line in ("hello", "안녕"):
            History(self.path).add(line)
        self.assertEqual(History(self.path).load(), ["hello", "안녕"])

    def test_private(self) -> None:
        """Nobody else can read the file, whatever its mode was before."""
        keeper = History(self.path)
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        keeper.add("a")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        self.path.chmod(0o644)
        keeper.add("b")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_bounded(self) -> None:
        """The file is shortened to the newest lines when it has twice as many."""
        with mock.patch.object(history, "MAX_LINES", 3):
            keeper = History(self.path)
            for number in range(6):
                keeper.add(str(number))
            self.assertEqual(len(self.path.read_text().split()), 6)
            keeper.add("6")
            self.assertEqual(self.path.read_text().split(), ["4", "5", "6"])
            self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
            self.assertEqual(len(list(self.path.parent.iterdir())), 1)
            self.assertEqual(keeper.load(), ["4", "5", "6"])

    def test_long_file(self) -> None:
        """Only the end of a file that somebody has blown up is read."""
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(b"x" * 100 + b"\nlast\n")
        with mock.patch.object(history, "MAX_FILE", 10):
            self.assertEqual(History(self.path).load(), ["xxxx", "last"])
        self.assertEqual(self.path.read_bytes(), b"xxxx\nlast\n")

    def test_not_kept(self) -> None:
        """Lines that are too long, and several lines at once, are not kept."""
        keeper = History(self.path)
        keeper.add("x" * MAX_LENGTH)
        keeper.add("a\nb")
        self.assertFalse(self.path.exists())

    def test_trouble(self) -> None:
        """Where lines cannot be kept the user is told why, and nothing else happens."""
        self.path.mkdir(parents=True)
        keeper = History(self.path)
        self.assertEqual(keeper.load(), [])
        self.assertIn("cannot keep history: Is a directory", keeper.trouble)
        keeper.add("a")
        other = History(self.path)
        other.add("a")
        self.assertIn("cannot keep history", other.trouble)

    def test_trouble_shortening(self) -> None:
        """A file that cannot be shortened stays as it is."""
        keeper = History(self.path)
        full = OSError(28, "full")
        with (
            mock.patch.object(history, "MAX_LINES", 1),
            mock.patch.object(Path, "replace", side_effect=full),
        ):
            for line in "abcd":
                keeper.add(line)
        self.assertEqual(keeper.trouble, "cannot keep history: full")
        self.assertEqual(self.path.read_text().split(), ["a", "b", "c"])
        self.assertEqual(len(list(self.path.parent.iterdir())), 1)

    def test_state_directory(self) -> None:
        """The place is the user's state directory, which has to be absolute."""
        found = state_directory({"XDG_STATE_HOME": "/x", "HOME": "/h"})
        self.assertEqual(found, Path("/x/netsvc"))
        found = state_directory({"XDG_STATE_HOME": "x", "HOME": "/h"})
        self.assertEqual(found, Path("/h/.local/state/netsvc"))
        self.assertTrue(state_directory({}).is_absolute())
