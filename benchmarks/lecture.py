"""The models of server programs side by side, for people who learn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks import machine
from benchmarks.errors import BenchError
from benchmarks.load import Load
from benchmarks.peers import NETSVC, TCP_ECHO
from benchmarks.programs import Command, Server, Workshop, python
from benchmarks.report import markdown, number, others, template

#: How many clients are connected, and how many of them talk.
SCENES = ((1, 1), (50, 50), (1000, 1000), (1000, 1))

#: The scenes in which all talk.
CROWDS = tuple(scene for scene in SCENES if scene[0] == scene[1])

#: Clients that connect, ask once and close, at the same time.
VISITORS = 50

#: More clients than C{select()} can tell apart.
BEYOND_SELECT = 1100

#: Open files that one process needs.
DESCRIPTORS = 2048

SELECT = "select() loop"


def _model(module: str) -> Command:
    return lambda _, port: python(f"benchmarks.models.{module}", str(port))


MODELS: dict[str, Command] = {
    "iterative": _model("iterative"),
    "fork per connection": _model("fork_per_connection"),
    "thread per connection": _model("thread_per_connection"),
    SELECT: _model("select_loop"),
    NETSVC: TCP_ECHO[NETSVC],
}


@dataclass(frozen=True)
class Observation:
    """What one run against one model showed.

    @ivar rate: requests per CPU second.
    @ivar memory: MiB of all its processes, what they share counted once.
    @ivar served: clients that got an answer while the clock ran.
    """

    rate: float
    memory: float
    served: int


@dataclass
class Outcome:
    """All that was seen, one entry a round.

    @ivar staying: by model, clients that stay connected, and those of them who talk.
    @ivar visiting: by model, with clients that connect anew for every request.
    @ivar beyond: clients that C{select()} serves when there are more than it can.
    """

    staying: dict[tuple[str, int, int], list[Observation]] = field(default_factory=dict)
    visiting: dict[str, list[Observation]] = field(default_factory=dict)
    beyond: int = 0


def observe(
    workshop: Workshop, command: Command, mode: str, connections: int, active: int
) -> Observation:
    """Run a model under load once.

    @param mode: the load generator's.
    @param connections: clients.
    @param active: how many of them talk.
    """
    clock: list[float] = []
    memory: list[int] = []
    with Server(workshop, command, "tcp") as server:

        def at_mark() -> None:
            processes = server.processes()
            if not memory:
                memory.append(machine.proportional_kib(processes))
            used = machine.cpu_seconds(processes) + machine.reaped_seconds(server.pid)
            clock.append(used)

        options = {"connections": connections, "active": active, "size": 64}
        result = Load(workshop, server, mode, options).run(at_mark)
    cpu = clock[1] - clock[0]
    if not result.units or cpu <= 0:
        raise BenchError("the model answers nobody")
    return Observation(result.units / cpu, memory[0] / 1024, result.served)


def run(workshop: Workshop, rounds: int, progress: Callable[[str], None]) -> Outcome:
    """Observe every model at every size, turn by turn.

    @raise BenchError: if one of them cannot be run.
    """
    outcome = Outcome()
    for turn in range(rounds):
        for name, command in MODELS.items():
            for clients, active in SCENES:
                seen = observe(workshop, command, "pingpong", clients, active)
                outcome.staying.setdefault((name, clients, active), []).append(seen)
                progress(
                    f"round {turn + 1}/{rounds} {name:21} {clients:5} clients, "
                    f"{active:4} talk: {seen.rate:.0f} requests per CPU s, "
                    f"{seen.memory:.1f} MiB, {seen.served} served"
                )
            seen = observe(workshop, command, "churn", VISITORS, VISITORS)
            outcome.visiting.setdefault(name, []).append(seen)
            progress(
                f"round {turn + 1}/{rounds} {name:21} a new connection each time: "
                f"{seen.rate:.0f} requests per CPU s"
            )
    beyond = (BEYOND_SELECT, BEYOND_SELECT)
    seen = observe(workshop, MODELS[SELECT], "pingpong", *beyond)
    outcome.beyond = seen.served
    return outcome


def median(seen: Sequence[Observation], what: str) -> float:
    """Return the median of one figure."""
    return float(statistics.median(getattr(one, what) for one in seen))


def scene_title(clients: int, active: int) -> str:
    """Return the heading of a scene's column."""
    title = f"{clients:,} client{'s' if clients > 1 else ''}"
    return title if clients == active else f"{title}, {active:,} talks"


def cpu_table(outcome: Outcome) -> str:
    """Return the table of requests per CPU second."""
    header = ["model", *(scene_title(*scene) for scene in SCENES)]
    header.append("a new connection each time")
    lines = []
    for name in MODELS:
        line = [name]
        for clients, active in SCENES:
            seen = outcome.staying[name, clients, active]
            rate = number(median(seen, "rate"), 0)
            served = int(median(seen, "served"))
            line.append(rate if served == active else f"{rate} (serves {served:,})")
        line.append(number(median(outcome.visiting[name], "rate"), 0))
        lines.append(line)
    return markdown(header, lines)


def memory_table(outcome: Outcome) -> str:
    """Return the table of memory in MiB, and what a client adds to it in KiB."""
    header = ["model", *(scene_title(*scene) for scene in CROWDS), "KiB a client"]
    few, many = CROWDS[0][0], CROWDS[-1][0]
    lines = []
    for name in MODELS:
        memory = [median(outcome.staying[name, *scene], "memory") for scene in CROWDS]
        added = (memory[-1] - memory[0]) * 1024 / (many - few)
        served = median(outcome.staying[name, *CROWDS[-1]], "served")
        line = [name, *(number(value, 1) for value in memory)]
        # A model that lets clients wait in the kernel pays nothing for them.
        line.append(number(added, 1) if served == many else "-")
        lines.append(line)
    return markdown(header, lines)


def tables(outcome: Outcome) -> str:
    """Return both tables and the remark on C{select()}, for the terminal."""
    return (
        "# Requests per CPU second\n\n"
        f"{cpu_table(outcome)}\n\n"
        "# Memory, MiB\n\n"
        f"{memory_table(outcome)}\n\n"
        f"{beyond(outcome)}"
    )


def beyond(outcome: Outcome) -> str:
    """Return the sentence about more clients than C{select()} can serve."""
    return (
        f"Of {BEYOND_SELECT:,} clients the select() loop served {outcome.beyond:,}: "
        "no descriptor above 1,023 fits into its sets."
    )


def page(outcome: Outcome, where: str, share: float) -> str:
    """Return the whole page for C{docs/models.md}."""
    return template("models.md").format(
        machine=where,
        others=others(share),
        visitors=VISITORS,
        cpu=cpu_table(outcome),
        memory=memory_table(outcome),
        beyond=beyond(outcome),
    )
