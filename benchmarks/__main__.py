"""The command line of the benchmarks: C{scripts/bench}."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks import chats, lecture, machine, names, network, proxies, report, suite
from benchmarks.errors import BenchError
from benchmarks.peers import NAMES
from benchmarks.programs import Workshop
from benchmarks.row import ROUNDS, Row
from benchmarks.rows import ALL

MODELS = "models"
ROOT = Path(__file__).parents[1]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    listing = "\n".join(f"  {row.name:16} {row.title}" for row in ALL)
    result = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compare netsvc with its peers: CPU time per unit of work.",
        epilog=f"rows:\n{listing}\n  {MODELS:16} the models of server programs, for "
        "people who learn (only by itself)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("rows", nargs="*", metavar="ROW", help="default: all rows")
    result.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"default {ROUNDS}, 2 or 3 of the balancer's rows, 3 of {MODELS}",
    )
    result.add_argument(
        "--seconds", type=float, default=2.0, metavar="T", help="of a sample; default 2"
    )
    result.add_argument(
        "--peers",
        metavar="NAME,...",
        default=",".join(NAMES),
        help="only these, of: %(default)s",
    )
    result.add_argument(
        "--write",
        action="store_true",
        help="write docs/performance.md, or docs/models.md",
    )
    return result


def chosen_peers(text: str) -> set[str]:
    """Return the peers that a comma-separated list of short names stands for.

    @raise BenchError: at an unknown name.
    """
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise BenchError(f"no peer {unknown[0]!r}; there are {', '.join(NAMES)}")
    return {NAMES[name] for name in names}


def chosen_rows(names: Sequence[str]) -> list[Row]:
    """Return the rows of some names in the order of the table; all if none is named.

    C{balance} stands for all rows whose names begin with C{balance-}.

    @raise BenchError: at an unknown name.
    """
    chosen = set()
    for name in names:
        found = {each.name for each in ALL if f"{each.name}-".startswith(f"{name}-")}
        if not found:
            known = ", ".join(row.name for row in ALL)
            raise BenchError(f"no row {name!r}; there are {known}")
        chosen |= found
    return [row for row in ALL if not names or row.name in chosen]


def say(line: str) -> None:
    """Show how far the run is."""
    print(line, file=sys.stderr, flush=True)


def write(name: str, text: str) -> None:
    """Write a page of the documentation."""
    path = ROOT / "docs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"written: docs/{name}")


def compare(workshop: Workshop, arguments: argparse.Namespace) -> int:
    """Run the rows that are asked for. Return the exit status."""
    rows, peers = chosen_rows(arguments.rows), chosen_peers(arguments.peers)
    if arguments.write and (len(rows) < len(ALL) or len(peers) < len(NAMES)):
        raise BenchError("--write needs a run of all rows and peers")
    for peer in sorted(peers & {peer for row in rows for peer in row.peers}):
        found = (each.missing(peer) for each in (proxies, chats, names))
        if (reason := next(filter(None, found), None)) is not None:
            if arguments.write:
                raise BenchError(f"--write needs {peer}: {reason}")
            say(f"bench: without {peer}: {reason}")
            peers.remove(peer)
    machine.raise_descriptor_limit(max(row.descriptors for row in rows))
    turns = suite.tasks(rows, {row.name: row for row in ALL}, peers)
    meter = machine.Others()
    results = suite.run(workshop, turns, arguments.rounds, say)
    share = meter.share()
    # A row that was run for the sake of another one's target is shown, too.
    shown = [row for row in ALL if any(task.row is row for task in turns)]
    print(report.targets_table(rows, results), end="\n\n")
    print(report.row_tables(shown, results, "#"))
    say(report.others(share))
    for (row, peer), reason in results.failures.items():
        say(f"bench: {row}, {peer}: {reason}")
    if results.failures:
        return 1
    if arguments.write:
        where = machine.describe()
        write(
            "performance.md",
            report.page(
                rows, results, where, share, arguments.rounds, arguments.seconds
            ),
        )
    return 0


def explain(workshop: Workshop, arguments: argparse.Namespace) -> int:
    """Run the models of server programs. Return the exit status."""
    if arguments.rows != [MODELS]:
        raise BenchError(f"{MODELS!r} is run by itself")
    machine.raise_descriptor_limit(lecture.DESCRIPTORS)
    meter = machine.Others()
    outcome = lecture.run(workshop, arguments.rounds or 3, say)
    share = meter.share()
    print(lecture.tables(outcome))
    say(report.others(share))
    if arguments.write:
        write("models.md", lecture.page(outcome, machine.describe(), share))
    return 0


def interrupted(number: int, frame: FrameType | None) -> None:
    """Leave through all C{with} blocks, which end what was started."""
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks.

    @return: 0 if all could be measured, whatever the ratios; 1 if something is broken.
    """
    parsed = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        if (
            parsed.rounds == 0
            or (parsed.rounds or 1) < 1
            or not 0.1 <= parsed.seconds <= 30
        ):
            raise BenchError("--rounds is at least 1, --seconds from 0.1 to 30")
        network.enter(sys.argv[1:] if arguments is None else arguments)
        say(f"bench: network: {network.describe()}")
        server_core, load_core = machine.choose_cores()
        if server_core == load_core:
            say("bench: only one core: server and load share it, the figures are poor")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            workshop = Workshop(Path(folder), server_core, load_core, parsed.seconds)
            workshop.compile()
            run = explain if MODELS in parsed.rows else compare
            return run(workshop, parsed)
    except BenchError as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
