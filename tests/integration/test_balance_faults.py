"""Backends that fail under load: what clients of netsvc-balance notice of it.

Clients come all the time, and others hold sessions, while backends are killed, frozen,
cut off, moved. With checks every 500 ms a fault is found out within L{DETECTED}
seconds, nothing fails any more after that, and no session of a backend that is well
ends.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tests.integration.attempts import best
from tests.integration.balance_load import (
    IMPATIENCE,
    Crowd,
    EchoPort,
    Load,
    Names,
    Network,
    ServerProcess,
    letter_backend,
)
from tests.integration.balance_process import (
    PATIENCE,
    BalanceCase,
    BalanceProcess,
    reset,
)
from tests.integration.echo_process import need_root, tool, until
from tests.integration.figures import figure
from tests.integration.streams import ended

#: Seconds within which a fault is found out, and costs nothing more.
DETECTED = 2.0

CHECKS = ("--check-interval", "500ms", "--fall", "2", "--rise", "2")

#: Checks that only a refusal fails: not a machine that is busy for a while.
PATIENT = (*CHECKS, "--check-timeout", "1m")

#: A check that needs a backend at work: a frozen one still accepts connections.
ASKING = (
    *CHECKS,
    "--check",
    "send-expect",
    "--check-send",
    "hi",
    "--check-expect",
    "hi",
)


class FaultCase(BalanceCase):
    """A test with load and with backends that are processes."""

    def server(self, letter: str, **how: Any) -> ServerProcess:
        """Start a backend."""
        server = ServerProcess(letter, **how)
        self.addCleanup(server.close)
        return server

    def load(self, balancer: BalanceProcess, **how: Any) -> Load:
        """Let clients come."""
        load = Load(balancer.port, **how)
        self.addCleanup(load.stop)
        return load

    def held_by(self, balancer: BalanceProcess, letter: str) -> Load:
        """Hold a session of a certain backend."""
        for _ in range(20):
            load = self.load(balancer, clients=0, held=1)
            if load.held[0].letter == letter:
                return load
        raise AssertionError(f"no session of {letter}")

    def assert_untouched(self, load: Load, letters: str) -> None:
        """See that the sessions with some backends are well, and go on."""
        mine = [each for each in load.held if each.letter in letters]
        self.assertEqual({each.letter for each in mine}, set(letters))
        before = [each.asked for each in mine]
        until(
            lambda: all(
                each.problem or each.asked > was
                for each, was in zip(mine, before, strict=True)
            ),
            "the sessions go on",
            PATIENCE,
        )
        self.assertEqual([each.problem for each in mine], [""] * len(mine))

    def find_out(
        self,
        balancer: BalanceProcess,
        names: Iterable[str],
        fault: Callable[[], None],
        heal: Callable[[], None],
    ) -> float:
        """
        Have a fault, which stays; see that it is found out, and give the seconds.

        A busy machine may be late: then it is healed, and tried again.
        """
        well = True

        def measure() -> float:
            nonlocal well
            if not well:
                heal()
                for name in names:
                    balancer.until_state(name, "up")
            well = False
            began = time.monotonic()
            fault()
            for name in names:
                balancer.until_state(name, "down")
            return time.monotonic() - began

        return best(measure, DETECTED)

    def assert_served_by(self, load: Load, letters: str) -> None:
        """See that these come to serve, and no other."""
        seen: set[str] = set()

        def all_seen() -> bool:
            seen.update(load.burst(4))
            return seen >= set(letters)

        until(all_seen, f"{letters} serve", PATIENCE)
        self.assertEqual(seen, set(letters))

    def enter_network(self) -> Network:
        """Enter a network of its own, where packets can be dropped."""
        need_root("a network namespace")
        tool("ip")
        tool("nft")
        network = Network()
        self.addCleanup(network.close)
        return network


class StreamFaultTests(FaultCase):
    """TCP backends that fail."""

    def test_killed_and_frozen(self) -> None:
        """One is killed, one frozen, one has never been there: the others serve all."""
        well, frozen = self.server("w"), self.server("f")
        killed = self.server("k", port=self.port())
        refusing = f"127.0.0.1:{self.port()},name=r"
        balancer = self.start(
            *ASKING, backends=[well.spec, killed.spec, frozen.spec, refusing]
        )
        load = self.load(balancer, held=6)
        load.run(0.3)
        self.assertEqual(load.failed(), [])

        def fault() -> None:
            killed.close()
            frozen.freeze()

        def heal() -> None:
            nonlocal killed
            frozen.signal(signal.SIGCONT)
            killed = self.server("k", port=killed.port)

        found = self.find_out(balancer, "kf", fault, heal)
        since = time.monotonic()
        figure(self, "killed and frozen found out", found, "s", most=DETECTED)
        self.assertEqual(load.burst(40), {"w": 40})
        self.assert_untouched(load, "w")
        # Who was with the killed one has learnt of it, though that waits for answers.
        lost = [each for each in load.held if each.letter == "k"]
        until(lambda: all(each.problem for each in lost), "they know", IMPATIENCE / 2)
        failed = load.failed(since)
        figure(self, "failed after that", len(failed), "connections", most=0)
        heal()
        balancer.until_state("f", "up")
        balancer.until_state("k", "up")
        back = time.monotonic()
        self.assert_served_by(load, "wkf")
        # A frozen backend's sessions stay: nobody knows that it will not wake up.
        self.assert_untouched(load, "wf")
        self.assertEqual(load.failed(back), [])

    def test_killed_costs_only_its_own_sessions(self) -> None:
        """Who comes after a backend was killed is served, before that is found out."""
        one, two = self.server("o", port=self.port()), self.server("t")
        balancer = self.start(
            "--check-interval", "10m", "--ejection-time", "10m",
            backends=[one.spec, two.spec],
        )  # fmt: skip
        load = self.load(balancer, held=4)
        load.run(0.2)
        one.close()
        self.assertEqual(load.burst(40), {"t": 40})
        self.assert_untouched(load, "t")
        # It was looked at as soon as a client could not reach it.
        balancer.until_state("o", "ejected")

    def test_resetting_and_flapping(self) -> None:
        """One that resets is ejected; one that comes and goes costs nobody anything."""
        well, flapping = letter_backend("w"), letter_backend("f", port=self.port())
        self.addCleanup(well.close)
        resetting = self.backend(reset)
        balancer = self.start(
            *PATIENT, "--eject-after", "3", "--ejection-time", "10m",
            backends=[
                f"{well.name},name=w", f"{flapping.name},name=f",
                f"{resetting.name},name=r",
            ],
        )  # fmt: skip
        load = self.load(balancer, held=0)
        fault = time.monotonic()
        balancer.until_state("r", "ejected")
        costs = len(load.failed())
        self.assertLessEqual(costs, 3 + 2)  # two more may have been on their way
        held = self.held_by(balancer, "w")
        for _ in range(4):
            flapping.close()
            load.run(0.25)
            flapping = letter_backend("f", port=flapping.port)
            self.addCleanup(flapping.close)
            load.run(0.25)
        # A connection that it had when it went is lost, but none is refused.
        after = [each for each in load.failed(fault) if "Refused" in each.problem]
        self.assertEqual(after, [])
        self.assertLessEqual(len(load.failed()), costs + 4 * 2)
        self.assert_untouched(held, "w")
        balancer.until_state("f", "up")
        until(lambda: "f" in load.burst(4), "it is used again", PATIENCE)
        self.assertEqual(balancer.rows()["r"]["state"], "ejected")

    def test_black_hole(self) -> None:
        """One that nothing gets to any more is found, and passed over meanwhile."""
        network = self.enter_network()
        well, lost = self.server("w"), self.server("l")
        balancer = self.start(
            *CHECKS, "--connect-timeout", "2s", backends=[well.spec, lost.spec]
        )
        load = self.load(balancer, held=4)
        load.run(0.2)
        fault = time.monotonic()
        found = self.find_out(
            balancer, "l", partial(network.drop, lost.port), network.heal
        )
        figure(self, "black hole found out", found, "s", most=DETECTED)
        self.assertEqual(load.burst(30), {"w": 30})
        self.assert_untouched(load, "w")
        since = [each for each in load.failed() if each.began > fault]
        self.assertEqual(since, [])
        network.heal()
        balancer.until_state("l", "up")
        self.assert_served_by(load, "wl")

    def test_changed_name(self) -> None:
        """A name gets another address: new clients go there, sessions stay."""
        network = self.enter_network()
        del network
        tool("unshare")
        old = self.server("o", host="127.0.0.2")
        new = self.server("n", host="127.0.0.3", port=old.port)
        names = Names({"app.test": ["127.0.0.2"]})
        self.addCleanup(names.close)
        resolv = self.folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        balancer = self.start(
            *PATIENT,
            backends=[f"app.test:{old.port}"],
            wrap=["unshare", "--mount", "sh", "-c", script, str(resolv)],
        )
        load = self.load(balancer, held=2)
        self.assertEqual(load.burst(4), {"o": 4})
        names.answers["app.test"] = ["127.0.0.3"]
        changed = time.monotonic()
        until(lambda: load.burst(1)["n"], "the new address is used", PATIENCE)
        self.assertEqual(load.burst(10), {"n": 10})
        self.assert_untouched(load, "o")
        # Nobody answers any more: what was known stays.
        names.close()
        load.run(1.5)
        self.assertEqual(load.burst(5), {"n": 5})
        self.assertEqual(load.failed(changed), [])
        del new

    def test_all_down(self) -> None:
        """With all down clients are closed at once; the port stays and works again."""
        one = self.server("o", port=self.port())
        two = self.server("t", port=self.port())
        balancer = self.start(
            *PATIENT, "--connect-timeout", "5m", "--queue-timeout", "5m",
            backends=[one.spec, two.spec],
        )  # fmt: skip
        one.close()
        two.close()
        balancer.until_state("o", "down")
        balancer.until_state("t", "down")
        began = time.monotonic()
        for _ in range(50):
            with self.connect(balancer) as client:
                self.assertTrue(ended(client, PATIENCE))
        lines = [
            line for line in balancer.log().splitlines() if "got no backend" in line
        ]
        # One a second.
        self.assertLess(len(lines), 5 + time.monotonic() - began)
        self.server("o", port=one.port)
        balancer.until_state("o", "up")
        self.assertEqual(self.load(balancer, clients=0).burst(10), {"o": 10})


class RecoveryTests(FaultCase):
    """Backends that come back."""

    def test_slow_start(self) -> None:
        """One that comes back gets a small share first, and its whole share later."""
        one, two = letter_backend("o", port=self.port()), letter_backend("t")
        self.addCleanup(two.close)
        slow, quick = (
            self.start(
                "--check-interval", "100ms", "--check-timeout", "1m",
                "--slow-start", how_long,
                backends=[f"{one.name},name=o", f"{two.name},name=t"],
            )
            for how_long in ("2m", "1s")
        )  # fmt: skip
        load = self.load(slow)
        one.close()
        for balancer in (slow, quick):
            balancer.until_state("o", "down")
        one = letter_backend("o", port=one.port)
        self.addCleanup(one.close)
        for balancer in (slow, quick):
            balancer.until_state("o", "up")
        up = time.monotonic()
        self.assertLess(load.burst(40)["o"] / 40, 0.35)
        whole = self.load(quick, clients=0)
        until(lambda: whole.burst(20)["o"] == 10, "it has its whole share", PATIENCE)
        self.assertEqual(load.failed(up), [])

    def test_no_stampede(self) -> None:
        """To the only backend, when it is back, many come a few at a time."""
        crowd = Crowd()
        first = self.backend(crowd.serve, port=self.port())
        balancer = self.start(
            "--check-interval", "100ms", "--check-timeout", "1m",
            "--fall", "1", "--rise", "1", "--queue-timeout", "5m",
            "--slow-start", "1m", backends=[f"{first.name},name=b,max=8"],
        )  # fmt: skip
        first.close()
        balancer.until_state("b", "down")
        self.backend(crowd.serve, port=first.port)
        balancer.until_state("b", "up")
        began = time.monotonic()
        answers: list[bytes] = []

        def come() -> None:
            with contextlib.suppress(OSError):
                answers.append(self.ask(balancer, b"question"))

        clients = [threading.Thread(target=come) for _ in range(40)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(PATIENCE)
        self.assertEqual(answers, [b"question"] * 40)
        self.assertLessEqual(max(number for _, number in crowd.seen), 8)
        # In the first quarter of the minute.
        early = [number for when, number in crowd.seen if when - began < 15]
        self.assertLessEqual(max(early, default=0), 3)


class DatagramFaultTests(FaultCase):
    """UDP backends that fail."""

    def test_sessions(self) -> None:
        """Clients of one that is cut off go on with another; the others stay put."""
        network = self.enter_network()
        ports = {"w": EchoPort(b"w"), "l": EchoPort(b"l")}
        for each in ports.values():
            self.addCleanup(each.close)
        balancer, forgetful = (
            self.start(
                *CHECKS, "--check", "udp-echo", "--udp-timeout", how_long,
                backends=[f"127.0.0.1:{each.port},name={n}"
                          for n, each in ports.items()],
                listen=["udp:0:interface=127.0.0.1"],
            )
            for how_long in ("10m", "1s")
        )  # fmt: skip
        clients = [self.client(balancer, number) for number in range(4)]
        self.assertEqual(sorted(was for _, was in clients), [b"l", b"l", b"w", b"w"])
        sources = {sender for data, sender in ports["w"].seen if data.isdigit()}
        others = [self.client(forgetful, number)[0] for number in range(4)]
        network.drop(ports["l"].port)
        balancer.until_state("l", "down")
        for client, _ in clients:
            client.send(b"9")
            self.assertEqual(client.recv(100), b"9w")
        # The sessions of the one that is well have kept their sockets.
        again = [sender for data, sender in ports["w"].seen if data == b"9"]
        self.assertEqual(len(sources & set(again)), 2)
        self.assertEqual(balancer.rows()["w"]["sessions"], 4)
        self.assertEqual(balancer.stop()["udp-sessions"], 6)
        # Those on which nothing moves any more are forgotten, on whichever backend.
        forgetful.until_state("l", "down")
        for client in others:
            client.send(b"8")

        def sessions() -> int:
            return sum(row["sessions"] for row in forgetful.rows().values())

        until(lambda: not sessions(), "they expire", PATIENCE)

    def client(self, balancer: BalanceProcess, number: int) -> tuple[Any, bytes]:
        """Begin a session; give it, and the letter of who has answered."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", balancer.port))
        client.send(b"%d" % number)
        return client, client.recv(100)[-1:]
