"""
C{python -m tests.fuzz [SECONDS] [TARGET ...]}: look for bytes that a target fails on.

Each target has so many seconds: with atheris, where that is installed, which is guided
by the coverage of the code; else by changing what is in its corpus at random. Bytes on
which a target fails are put into its corpus, so that the tests fail until it is mended.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

#: What may be inserted: what means something to one of the parsers.
WORDS = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b" :", b":", b",", b"@", b";", b"=", b"\\"),
    *(b"\xff", b"\xff\xfb\x01", b"\xff\xfa", b"\xff\xf0", b"\xb0\xa1", b"\x8cc"),
    *(
        "가".encode(),
        "\u202e".encode(),
        b"\xc2\x9b",
        b"\x1b[2J",
        b"\x01ACTION ",
        b"\x03",
    ),
    *(b"#lobby", b"fuzz", b"witness", b"*", b"+ov", b"-", b"9" * 20, b"/", b'"'),
)

#: Bytes that an input may have, and may have added at once.
LONGEST = 4096
ADDED = 64

#: Characters of what a fuzzer has written that are shown when it has found something.
LAST = 6000


def corpus(target: str) -> Path:
    """Give the folder of a target's inputs."""
    return Path(__file__).resolve().parent / "corpus" / target


def changed(data: bytes, inputs: list[bytes], chance: random.Random) -> bytes:
    """Change an input at random, once or a few times."""
    value = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(value) + 1)
        to = min(len(value), at + chance.randrange(1, ADDED))
        match chance.randrange(6):
            case 0:
                value[at:at] = chance.choice(WORDS)
            case 1:
                value[at:to] = chance.choice(WORDS)
            case 2:
                value[at : at + 1] = chance.randbytes(1)
            case 3:
                del value[at:to]
            case 4:
                value[at:at] = value[at:to] * chance.randrange(1, 4)
            case _:
                other = chance.choice(inputs)
                begin = chance.randrange(len(other) + 1)
                value[at:] = other[begin:]
    return bytes(value[:LONGEST])


def mutate(target: str, call: Callable[[bytes], None], seconds: float) -> int:
    """Change inputs at random for so long; give the status to exit with."""
    chance = random.Random()
    inputs = [file.read_bytes() for file in sorted(corpus(target).iterdir())] or [b""]
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        data = changed(chance.choice(inputs), inputs, chance)
        runs += 1
        try:
            call(data)
        except Exception:
            traceback.print_exc()
            file = corpus(target) / f"crash-{hashlib.sha1(data).hexdigest()}"
            file.write_bytes(data)
            print(f"{target}: fails on {file}", file=sys.stderr)
            return 1
    print(f"{target}: {runs} inputs in {seconds:g} s, by chance: no failure")
    return 0


def guided(target: str, seconds: float) -> int:
    """Have atheris look; it ends the process itself."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["netsvc"]):
        from tests.fuzz.targets import TARGETS
    with tempfile.TemporaryDirectory() as found:
        options = (f"-max_total_time={seconds:.0f}", f"-max_len={LONGEST}")
        quiet = ("-print_final_stats=1", "-timeout=10")
        folder = corpus(target)
        crashes = f"-artifact_prefix={folder}/"
        words = [target, found, str(folder), crashes, *options, *quiet]
        atheris.Setup(words, TARGETS[target])
        atheris.Fuzz()
    return 0


def guide(target: str, seconds: float) -> int:
    """Run L{guided} in a process of its own; give the status to exit with."""
    words = ("-m", "tests.fuzz", "--guided", str(seconds), target)
    done = subprocess.run(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds + 60,
    )
    if done.returncode:
        print(done.stdout[-LAST:], file=sys.stderr)
        print(f"{target}: fails on what is in {corpus(target)} now", file=sys.stderr)
        return done.returncode
    found = re.search(r"executed_units: *(\d+)", done.stdout)
    runs = found[1] if found else "?"
    print(f"{target}: {runs} inputs in {seconds:g} s, by coverage: no failure")
    return 0


def main() -> int:
    """Fuzz the targets one after the other; give the status to exit with."""
    parser = argparse.ArgumentParser("scripts/test fuzz")
    parser.add_argument("seconds", type=float, nargs="?", default=30.0)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seconds, targets = arguments.seconds, arguments.targets
    if arguments.guided:  # in a process of its own, before anything is imported
        return guided(targets[0], seconds)
    from tests.fuzz.targets import TARGETS

    status = 0
    for target in targets or TARGETS:
        if target not in TARGETS:
            parser.error(f"there is no target {target}: {', '.join(TARGETS)}")
        if importlib.util.find_spec("atheris"):
            status = guide(target, seconds) or status
        else:
            status = mutate(target, TARGETS[target], seconds) or status
    return status


if __name__ == "__main__":
    sys.exit(main())
