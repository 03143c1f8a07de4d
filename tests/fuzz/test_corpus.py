"""What fuzzers have found interesting is tried again."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.__main__ import LONGEST, changed
from tests.fuzz.targets import CORPUS, TARGETS

#: Inputs that are made of each corpus.
CHANGED = 30


class CorpusTests(SynchronousTestCase):
    """The corpora of all targets."""

    def test_complete(self) -> None:
        """Each target has a corpus, and each corpus a target."""
        folders = {folder.name: list(folder.iterdir()) for folder in CORPUS.iterdir()}
        self.assertEqual(folders.keys(), TARGETS.keys())
        for name, files in folders.items():
            self.assertGreaterEqual(len(files), 4, name)

    def test_replay(self) -> None:
        """No target fails on its own corpus, nor on any other."""
        inputs = [file.read_bytes() for file in sorted(CORPUS.glob("*/*"))]
        for name, target in TARGETS.items():
            for data in inputs:
                self.attempt(name, data)
            for data in (b"", b"\n", bytes(range(256)), b"\xff" * 999):
                target(data)

    def test_changed(self) -> None:
        """No target fails on inputs that are a little different."""
        chance = random.Random(14)
        for name in TARGETS:
            files = sorted((CORPUS / name).iterdir())
            inputs = [file.read_bytes() for file in files]
            for number in range(CHANGED):
                data = changed(inputs[number % len(inputs)], inputs, chance)
                self.assertLessEqual(len(data), LONGEST)
                self.attempt(name, data)

    def attempt(self, name: str, data: bytes) -> None:
        """Call a target."""
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name} fails on {data!r}: {error!r}") from error
