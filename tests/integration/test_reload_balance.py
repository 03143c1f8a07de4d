"""SIGHUP of a balancer: other backends, and no session that fails for it."""

from __future__ import annotations

import time
from collections import Counter

from tests.integration.balance_certificates import Authority
from tests.integration.balance_load import Load, letter_backend
from tests.integration.balance_peers import free_ports
from tests.integration.balance_process import PATIENCE, Backend
from tests.integration.daemon_process import DaemonCase, shown_name
from tests.integration.echo_process import until
from tests.integration.figures import figure


class BackendTests(DaemonCase):
    """Backends come and go, and weigh more or less, while clients come all the time."""

    def backend(self, letter: str) -> Backend:
        """Start a backend that says its letter first."""
        backend = letter_backend(letter)
        self.addCleanup(backend.close)
        return backend

    def text(self, port: int, *backends: str, more: str = "") -> str:
        """Give a configuration."""
        listen = f"tcp:{port}:interface=127.0.0.1"
        return f'[balance]\nlisten = ["{listen}"]\nbackend = {list(backends)}\n{more}'

    def test_swap(self) -> None:
        """
        Backends are added, removed and all exchanged under load: no connection fails,
        sessions of those that stay and of those that go are untouched, and new
        clients go where the new configuration says.
        """
        specs = {}
        for letter in "abcd":
            backend = self.backend(letter)
            specs[letter] = f"127.0.0.1:{backend.port},name={letter}"
        (port,) = free_ports(1)
        a, b, c, d = specs.values()
        more = 'check_interval = "1s"\n'
        daemon = self.start(self.text(port, a, b, more=more), 1)
        load = Load(port, clients=2, held=4)
        self.addCleanup(load.stop)
        self.assertEqual({held.letter for held in load.held}, {"a", "b"})
        for round_, (backends, policy) in enumerate(
            (
                ((a, b, c), "roundrobin"),
                ((c, f"{d},weight=3"), "leastconn"),
                ((a, b), "roundrobin"),
                ((d,), "source"),
                ((a, b, c, d), "roundrobin"),
            )
        ):
            text = self.text(port, *backends, more=f'{more}policy = "{policy}"\n')
            self.assertEqual(daemon.reload(text), "reloaded")
            since = time.monotonic()

            def served(since: float = since) -> Counter[str]:
                return load.letters(since)

            until(lambda: served().total() >= 12, "they are served", PATIENCE)
            letters = {spec.partition("name=")[2][0] for spec in backends}
            self.assertLessEqual(set(served()), letters, round_)
        before = [(held, held.asked) for held in load.held]
        until(
            lambda: all(held.problem or held.asked > was for held, was in before),
            "the sessions go on",
            PATIENCE,
        )
        self.assertEqual([held.problem for held in load.held], [""] * 4)
        load.stop()
        figure(self, "failed connections", len(load.failed()), most=0)
        figure(self, "connections", len(load.tries), least=50)

    def test_limits(self) -> None:
        """Limits and access lists change for new clients alone."""
        backend = self.backend("a")
        (port,) = free_ports(1)
        spec = f"127.0.0.1:{backend.port}"
        daemon = self.start(self.text(port, spec), 1)
        stays = self.connect(port)
        self.assertEqual(stays.recv(1), b"a")
        more = 'deny = ["127.0.0.1"]\n'
        self.assertEqual(daemon.reload(self.text(port, spec, more=more)), "reloaded")
        self.assertEqual(self.connect(port).recv(1), b"")
        stays.sendall(b"still")
        self.assertEqual(stays.recv(5), b"still")
        self.assertEqual(daemon.reload(self.text(port, spec)), "reloaded")
        self.assertEqual(self.connect(port).recv(1), b"a")

    def test_certificates(self) -> None:
        """Certificates are read again, and a broken one changes nothing."""
        backend = Backend(lambda connection: connection.sendall(connection.recv(1)))
        self.addCleanup(backend.close)
        authority = Authority(self.folder)
        authority.issue("one.example", "new.pem")
        (port,) = free_ports(1)
        text = (
            f'[balance]\nlisten = ["ssl:{port}:interface=127.0.0.1:privateKey=new.pem"]'
            f'\nbackend = ["127.0.0.1:{backend.port}"]\n'
        )
        daemon = self.start(text, 1)
        self.assertEqual(shown_name(port), "one.example")
        authority.issue("two.example", "new.pem")
        self.assertEqual(daemon.reload(), "reloaded")
        self.assertEqual(shown_name(port), "two.example")
        (self.folder / "new.pem").write_text("broken")
        self.assertIn("1 to correct", daemon.reload())
        self.assertTrue(daemon.lines("netsvc.toml:2: balance.listen: cannot listen on"))
        self.assertEqual(shown_name(port), "two.example")
