"""The pure parts of the benchmarks: parsing, medians, verdicts, tables, the plan."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import __main__ as command
from benchmarks import (
    chats,
    figures,
    lecture,
    load,
    machine,
    peers,
    programs,
    proxies,
    report,
    row,
    rows,
)
from benchmarks.errors import BenchError
from benchmarks.row import Measure, Row, Sample, Target
from benchmarks.rows import fairness
from benchmarks.suite import Results, rotated, tasks

STATUS = "Name:\tpython3\nVmRSS:\t   29000 kB\nRssAnon:\t   12345 kB\nThreads:\t1\n"
STAT = "77 (a (b) c) S 1 77 70 0 -1 4194560 9 0 0 0 11 12 13 14 20 0 1 0 99"


def no_sample(workshop: programs.Workshop, server: programs.Server) -> Sample:
    """Stand in for work that no test here does."""
    raise AssertionError("not to be called")


def make_row(name: str, *targets: Target) -> Row:
    """Return a row with two measures and three peers."""
    return Row(
        name=name,
        title=f"work of {name}",
        peers={
            peer: peers.TCP_ECHO[peer] for peer in (peers.NETSVC, peers.C, peers.UVLOOP)
        },
        sample=no_sample,
        measures=(Measure("cpu", "CPU µs per unit", 2), Measure("rate", "units/s", 0)),
        targets=targets,
    )


def make_results(row: str, **values: list[float]) -> Results:
    """Return results in which each peer's CPU figures are given by its short name."""
    results = Results()
    for name, series in values.items():
        place = row, peers.NAMES[name]
        results.samples[place] = [{"cpu": each, "rate": 1234.0} for each in series]
    return results


class ParsingTests(SynchronousTestCase):
    """What the kernel and the load generator print is read as it is meant."""

    def test_memory(self) -> None:
        """A field of /proc/PID/status is found by its whole name."""
        self.assertEqual(machine.parse_kib(STATUS, "RssAnon"), 12345)

    def test_memory_missing(self) -> None:
        """A field that is not there is a KeyError."""
        self.assertRaises(KeyError, machine.parse_kib, STATUS, "Rss")

    def test_session(self) -> None:
        """The session is found behind a program's name with spaces and brackets."""
        self.assertEqual(machine.parse_session(STAT), 70)

    def test_reaped(self) -> None:
        """The CPU ticks of ended children are those of user and system together."""
        self.assertEqual(machine.parse_reaped(STAT), 13 + 14)

    def test_busy(self) -> None:
        """Idle, waiting and stolen ticks are no work; interrupts are."""
        line = "cpu  100 20 3 9999 888 4 5 777 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
        self.assertEqual(machine.parse_busy(line), 132)

    def test_result(self) -> None:
        """A line of the load generator becomes a result."""
        line = (
            '{"mode": "udp", "units": 8, "errors": 1, "resent": 2, "served": 3, '
            '"wall": 0.5, "cpu": 0.25, "median": 1.5, "p99": 2.5, "worst": 3.5, '
            '"cut": 1}'
        )
        self.assertEqual(
            load.parse_result(line),
            load.LoadResult(
                units=8,
                errors=1,
                resent=2,
                served=3,
                wall=0.5,
                cpu=0.25,
                median=1.5,
                p99=2.5,
                worst=3.5,
                cut=True,
            ),
        )

    def test_result_broken(self) -> None:
        """A line that is no result is one clear error."""
        for line in ("", "load: connection refused", "[]", '{"units": 1}'):
            self.assertRaises(BenchError, load.parse_result, line)

    def test_last_line(self) -> None:
        """The last word of a program is its last line that is not empty."""
        self.assertEqual(programs.last_line("a\n  b \n\n \n"), "b")
        self.assertEqual(programs.last_line("\n"), "no word")


class FiguresTests(SynchronousTestCase):
    """Counts become CPU time per unit, and samples become medians and verdicts."""

    def test_figures(self) -> None:
        """CPU time per unit is in microseconds, busy shares in percent."""
        result = load.LoadResult(2000, 0, 20, 50, wall=2.0, cpu=0.5)
        self.assertEqual(
            row.figures(result, cpu=1.0),
            {"cpu": 500.0, "rate": 1000.0, "busy": 50.0, "load": 25.0, "resent": 1.0},
        )

    def test_backend(self) -> None:
        """What a proxy's backend uses is a part of the load, not of the server."""
        result = load.LoadResult(2000, 0, 0, 50, wall=2.0, cpu=0.5)
        found = row.figures(result, cpu=1.0, behind=0.25)
        self.assertEqual((found["cpu"], found["load"]), (500.0, 37.5))

    def test_figures_of_nothing(self) -> None:
        """Where no work was done there is no figure."""
        result = load.LoadResult(0, 0, 0, 0, wall=2.0, cpu=0.5)
        self.assertRaises(BenchError, row.figures, result, 1.0)

    def test_figures_with_errors(self) -> None:
        """One failed unit spoils a sample: the others may have been cheaper for it."""
        bad = load.LoadResult(1000, 1, 0, 50, wall=1.0, cpu=0.5)
        error = self.assertRaises(BenchError, row.figures, bad, 1.0)
        self.assertEqual(str(error), "1 errors in 1000 units of work")

    def test_summary(self) -> None:
        """A summary is the median and both ends, in whatever order they come."""
        self.assertEqual(
            figures.summarize([5.0, 1.0, 2.0]), figures.Summary(2.0, 1.0, 5.0)
        )
        self.assertIsNone(figures.summarize([]))

    @given(st.lists(st.floats(0.001, 1e6), min_size=1), st.randoms())
    def test_summary_order(self, values: list[float], chance: random.Random) -> None:
        """The median lies between the ends and does not depend on the order."""
        summary = figures.summarize(values)
        assert summary is not None
        self.assertTrue(summary.low <= summary.median <= summary.high)
        chance.shuffle(values)
        self.assertEqual(figures.summarize(values), summary)

    def test_ratio(self) -> None:
        """A verdict compares the medians of netsvc and the peer."""
        work = make_row("work", Target(1.5, peers.C))
        results = make_results("work", netsvc=[3.0, 9.0, 1.0], c=[2.0, 2.0, 8.0])
        [verdict] = figures.verdicts([work], results)
        self.assertEqual(verdict.figure, 1.5)
        self.assertTrue(verdict.reached)
        self.assertEqual(verdict.wanted, "≤ 1.5 x C epoll")

    def test_missed(self) -> None:
        """A ratio above the limit is not reached."""
        work = make_row("work", Target(1.49, peers.C))
        results = make_results("work", netsvc=[3.0], c=[2.0])
        self.assertIs(figures.verdicts([work], results)[0].reached, False)

    def test_absolute(self) -> None:
        """A target without a peer holds for netsvc's own figure."""
        work = make_row("work", Target(2.0, measure="rate"))
        verdict = figures.judge(
            work, work.targets[0], make_results("work", netsvc=[1.0])
        )
        self.assertEqual((verdict.figure, verdict.reached), (1234.0, False))
        self.assertEqual(verdict.wanted, "≤ 2 units/s")

    def test_other_row(self) -> None:
        """A target may compare with netsvc itself in another row."""
        work = make_row("work", Target(1.2, peers.NETSVC, row="base"))
        results = make_results("work", netsvc=[6.0])
        results.samples.update(make_results("base", netsvc=[5.0]).samples)
        verdict = figures.judge(work, work.targets[0], results)
        self.assertEqual((verdict.figure, verdict.reached), (1.2, True))
        self.assertEqual(verdict.wanted, "≤ 1.2 x netsvc, base row")

    def test_unknown(self) -> None:
        """Without one side of the comparison there is no verdict."""
        work = make_row("work", Target(1.0, peers.C))
        for results in (
            Results(),
            make_results("work", netsvc=[1.0]),
            make_results("work", c=[1.0]),
            make_results("work", netsvc=[1.0], c=[0.0]),
        ):
            verdict = figures.judge(work, work.targets[0], results)
            self.assertIsNone(verdict.figure)
            self.assertIsNone(verdict.reached)


class TableTests(SynchronousTestCase):
    """Tables are Markdown that also reads as plain text."""

    def test_markdown(self) -> None:
        """Columns are as wide as their widest cell; numbers stand at the right."""
        self.assertEqual(
            report.markdown(["who", "figure"], [["C", "1.00"], ["uvloop", "12.00"]]),
            "| who    | figure |\n"
            "| ------ | -----: |\n"
            "| C      |   1.00 |\n"
            "| uvloop |  12.00 |",
        )

    def test_pipe(self) -> None:
        """A pipe in a cell does not end the cell."""
        self.assertIn("a\\|b", report.markdown(["x"], [["a|b"]]))

    def test_row_table(self) -> None:
        """A row's table has medians, spread and ratio; who failed stands there, too."""
        work = make_row("work")
        results = make_results("work", netsvc=[3.0], c=[1.0, 2.0, 4.0])
        results.failures["work", peers.UVLOOP] = "no uvloop"
        self.assertEqual(
            [
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in report.row_table(work, results).splitlines()[2:]
            ],
            [
                ["netsvc", "3.00", "3.00-3.00", "1.00", "1,234"],
                ["C epoll", "2.00", "1.00-4.00", "1.50", "1,234"],
                ["uvloop", "failed", "", "", ""],
            ],
        )

    def test_page(self) -> None:
        """The page says what was reached, missed and not measured."""
        work = make_row(
            "work", Target(1.5, peers.C), Target(1.4, peers.C), Target(1, peers.UVLOOP)
        )
        results = make_results("work", netsvc=[3.0], c=[2.0])
        page = report.page([work], results, "a machine", 0.123, rounds=5, seconds=2.0)
        for text in (
            "Machine: a machine. 5 rounds of 2 s each.",
            "Other programs used 12% of the machine",
            "|     1.50 |          yes |",
            "|     1.50 |       **no** |",
            "|        - | not measured |",
            "### work of work",
        ):
            self.assertIn(text, page)
        self.assertNotIn("{", page)


class PlanTests(SynchronousTestCase):
    """Rows and peers are chosen by name, and take turns."""

    def test_needed_row(self) -> None:
        """A target in another row brings that row's turn along, and only that."""
        base = make_row("base")
        work = make_row("work", Target(1.2, peers.NETSVC, row="base"))
        known = {"base": base, "work": work}
        turns = tasks([work], known, {peers.NETSVC, peers.C})
        self.assertEqual(
            [turn.place for turn in turns],
            [("base", peers.NETSVC), ("work", peers.NETSVC), ("work", peers.C)],
        )

    def test_rotation(self) -> None:
        """In every round another peer begins, and none is left out."""
        turns = tasks([make_row("work")], {"work": make_row("work")}, peers.TCP_ECHO)
        orders = [[turn.peer for turn in rotated(turns, n)] for n in range(3)]
        self.assertEqual({order[0] for order in orders}, set(orders[0]))
        for order in orders:
            self.assertEqual(sorted(order), sorted(orders[0]))

    def test_rows(self) -> None:
        """Rows come in the order of the table, all of them if none is named."""
        self.assertEqual(command.chosen_rows([]), list(rows.ALL))
        chosen = command.chosen_rows(["udp", "pingpong"])
        self.assertEqual([each.name for each in chosen], ["pingpong", "udp"])
        self.assertRaises(BenchError, command.chosen_rows, ["pingpong", "nothing"])

    def test_group(self) -> None:
        """The beginning of a name, up to a hyphen, stands for all such rows."""
        names = [each.name for each in command.chosen_rows(["balance"])]
        self.assertIn("balance-churn", names)
        self.assertTrue(all(name.startswith("balance-") for name in names))
        self.assertRaises(BenchError, command.chosen_rows, ["balan"])

    def test_repeated(self) -> None:
        """Work is repeated as asked, else as usual, and never above its limit."""
        often = make_row("often")
        seldom = replace(often, usual=3)
        once = replace(often, rounds=1)
        for work, asked, wanted in (
            (often, None, row.ROUNDS),
            (often, 2, 2),
            (seldom, None, 3),
            (seldom, 10, 10),
            (once, None, 1),
            (once, 10, 1),
        ):
            self.assertEqual(work.repeated(asked), wanted)
        self.assertEqual(report.repetition([often, seldom], None), "3 to 5 rounds")
        self.assertEqual(report.repetition([often, seldom], 4), "4 rounds")

    def test_peers(self) -> None:
        """Peers are chosen by their short names."""
        self.assertEqual(command.chosen_peers("c, twisted"), {peers.C, peers.TWISTED})
        self.assertRaises(BenchError, command.chosen_peers, "c,nobody")

    def test_targets(self) -> None:
        """Every target of every row names a row, a peer and a measure that exist."""
        known = {each.name: each for each in rows.ALL}
        self.assertEqual(len(known), len(rows.ALL))
        for each in rows.ALL:
            self.assertTrue(each.targets, each.name)
            for target in each.targets:
                other = known[target.row or each.name]
                figures.measure_of(each, target.measure)
                figures.measure_of(other, target.measure)
                self.assertIn(target.peer or peers.NETSVC, other.peers)


class ProxyTests(SynchronousTestCase):
    """The proxies are configured to do the same work."""

    def test_haproxy(self) -> None:
        """HAProxy gets all backends, and splices only when told to."""
        plain = proxies.haproxy_settings(8000, splice=False)
        forced = proxies.haproxy_settings(8000, splice=True)
        for backend in programs.BACKENDS:
            self.assertIn(f" {backend}:8000 check", plain)
        self.assertIn("bind 127.0.0.1:8000", plain)
        self.assertNotIn("splice", plain)
        self.assertIn("option splice-request\n", forced)
        self.assertIn("option splice-response\n", forced)
        self.assertIn("tune.pipesize 1048576\n", forced)

    def test_nginx(self) -> None:
        """nginx passes a half-close on over TCP, where there is such a thing."""
        stream = proxies.nginx_settings(8000, "tcp", Path("/x"), "load_module y;")
        datagrams = proxies.nginx_settings(8000, "udp", Path("/x"), "")
        for backend in programs.BACKENDS:
            self.assertIn(f"server {backend}:8000;", stream)
        self.assertTrue(stream.startswith("load_module y;\n"))
        self.assertIn("proxy_half_close on;", stream)
        self.assertIn("listen 127.0.0.1:8000 udp;", datagrams)
        self.assertNotIn("proxy_half_close", datagrams)
        self.assertEqual(stream.count("{"), stream.count("}"))

    def test_nginx_module(self) -> None:
        """The stream module is built in, or loaded from its folder, or missed."""
        folder = Path(self.mktemp())
        folder.mkdir()
        module = folder / "ngx_stream_module.so"
        built = (
            f"--modules-path={folder} --with-stream=dynamic --with-stream_ssl_module"
        )
        self.assertEqual(proxies.stream_module("a --with-stream\n"), "")
        self.assertRaises(BenchError, proxies.stream_module, built)
        module.touch()
        self.assertEqual(proxies.stream_module(built), f"load_module {module};")
        self.assertRaises(BenchError, proxies.stream_module, "--with-stream_ssl_module")

    def test_missing(self) -> None:
        """A peer whose program is not installed is known beforehand, with a reason."""
        self.patch(proxies, "program", lambda name: None)
        proxies.nginx_module.cache_clear()
        self.addCleanup(proxies.nginx_module.cache_clear)
        absent = {name for name in peers.NAMES.values() if proxies.missing(name)}
        self.assertEqual(absent, {peers.HAPROXY, peers.HAPROXY_SPLICE, peers.NGINX})
        for name in absent:
            self.assertIn("Debian: ", proxies.missing(name) or "")

    def test_descriptors(self) -> None:
        """There are as many connections as fit into the limit, two descriptors each."""
        for limit, wanted in ((1024, 412), (20_000, 9900), (1 << 20, 10_000)):
            self.patch(machine, "descriptor_limit", lambda limit=limit: limit)
            self.assertEqual(proxies.connections(), wanted)

    def test_spread(self) -> None:
        """Of many latencies the middle, the 99th percentile and the worst are told."""
        found = fairness.spread([each / 1000 for each in range(201)])
        self.assertAlmostEqual(found["median"], 100.0)
        self.assertAlmostEqual(found["p99"], 198.0)
        self.assertAlmostEqual(found["worst"], 200.0)
        self.assertRaises(BenchError, fairness.spread, [0.001] * 99)


class ChatTests(SynchronousTestCase):
    """The chat servers are configured to do the same work."""

    def workshop(self) -> programs.Workshop:
        """Return a workshop with a folder of its own."""
        folder = Path(self.mktemp())
        folder.mkdir()
        return programs.Workshop(folder, 0, 0, 1.0)

    def test_netsvc(self) -> None:
        """netsvc begins with an empty file each time, or with none; no rate limits."""
        workshop = self.workshop()
        left = workshop.folder / "chat-8000.sqlite-wal"
        left.touch()
        stored = chats.servers()[peers.NETSVC](workshop, 8000)
        self.assertFalse(left.exists())
        self.assertIn(f"--store={workshop.folder}/chat-8000.sqlite", stored)
        memory = chats.servers()[peers.NETSVC_MEMORY](workshop, 8000)
        self.assertIn("--store=:memory:", memory)
        for each in (stored, memory):
            self.assertIn("--irc=tcp:8000:interface=127.0.0.1", each)
            self.assertIn("--message-rate=off", each)

    def test_ngircd(self) -> None:
        """ngIRCd punishes nobody and looks up nothing."""
        settings = chats.ngircd_settings(8000, "somebody", "people")
        for line in ("Ports = 8000", "MaxPenaltyTime = 0", "MaxConnectionsIP = 0"):
            self.assertIn(f"{line}\n", settings)
        for line in ("DNS = no", "Ident = no", "ServerUID = somebody"):
            self.assertIn(f"{line}\n", settings)

    def test_inspircd(self) -> None:
        """InspIRCd holds nobody back, and writes into the folder of the run."""
        settings = chats.inspircd_settings(8000, Path("/x"))
        self.assertIn('address="127.0.0.1" port="8000"', settings)
        self.assertIn('fakelag="no"', settings)
        self.assertIn('target="/x/inspircd.log"', settings)

    def test_without(self) -> None:
        """A row may leave servers out; the others stay in their order."""
        self.assertEqual(
            list(chats.servers(peers.WORDS)),
            [peers.NETSVC, peers.NETSVC_MEMORY, peers.NGIRCD, peers.INSPIRCD],
        )

    def test_missing(self) -> None:
        """A server that is not installed is known beforehand, with a reason."""
        self.patch(chats, "program", lambda name: None)
        absent = {name for name in peers.NAMES.values() if chats.missing(name)}
        self.assertEqual(absent, {peers.NGIRCD, peers.INSPIRCD})
        self.assertEqual(chats.missing(peers.NGIRCD), "no ngircd here (Debian: ngircd)")


class LectureTests(SynchronousTestCase):
    """The page of the models shows what each can and cannot do."""

    def outcome(self) -> lecture.Outcome:
        """Return an outcome in which only the iterative model leaves clients out."""
        outcome = lecture.Outcome(beyond=1020)
        for name in lecture.MODELS:
            for clients, active in lecture.SCENES:
                served = 1 if name == "iterative" else active
                memory = 10.0 + clients / 1024 * 2
                seen = lecture.Observation(5000.0, memory, served)
                outcome.staying[name, clients, active] = [seen]
            outcome.visiting[name] = [lecture.Observation(700.0, 1.0, 50)]
        return outcome

    def test_served(self) -> None:
        """A model that leaves clients unanswered is shown with how many it serves."""
        table = lecture.cpu_table(self.outcome()).splitlines()
        self.assertIn("5,000 (serves 1)", table[2])
        self.assertEqual(sum("serves" in line for line in table), 1)

    def test_memory_of_a_client(self) -> None:
        """What a client adds is told only of models that serve all of them."""
        lines = lecture.memory_table(self.outcome()).splitlines()[2:]
        added = [line.strip("| ").split("|")[-1].strip() for line in lines]
        self.assertEqual(added, ["-", "2.0", "2.0", "2.0", "2.0"])

    def test_page(self) -> None:
        """The page holds both tables and the limit of select()."""
        page = lecture.page(self.outcome(), "a machine", 0.0)
        self.assertIn("Of 1,100 clients the select() loop served 1,020", page)
        self.assertIn("1,000 clients, 1 talks", page)
        self.assertNotIn("{", page)
