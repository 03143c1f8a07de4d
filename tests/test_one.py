"""How the services of one process are put together."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc import one, tables
from netsvc.balance import tap as balance_tap
from netsvc.daemon.configuration import ConfigurationError
from netsvc.daemon.refusing import StartError, refuse
from netsvc.daemon.reloading import Running

CHAT = "[chat]\n"
RELAY = "[relay]\n"
BALANCE = "[[balance]]\nname = 'web'\nbackend = 'a.example:80'\n"


class FakeService(Service):
    """A service that notes what it was made of."""

    refusal = ""

    def __init__(self, settings: Any, reactor: Any, **needs: Any) -> None:
        self.settings = settings
        self.reactor = reactor
        self.needs = needs
        self.host = object()
        if self.refusal:
            refuse(self.refusal)


class OneTests(SynchronousTestCase):
    """What L{one} makes of configurations."""

    def setUp(self) -> None:
        """Have all services made of fakes."""
        self.classes: dict[str, type[FakeService]] = {
            table: type(f"{table}Fake", (FakeService,), {}) for table in tables.TABLES
        }
        self.patch(tables, "service_class", lambda table: self.classes[table])
        self.looked_up: list[Any] = []

        def make_lookup(settings: Any, reactor: Any) -> str:
            self.looked_up.append(settings)
            return "lookup"

        self.patch(balance_tap, "make_lookup", make_lookup)
        self.reactor = MemoryReactorClock()

    def make(self, text: str) -> dict[str, FakeService]:
        """Make services; give them by their names."""
        made = one.make_services(tables.parse(text, "file"), self.reactor)
        self.assertTrue(all(each.service.name == each.entry.label for each in made))
        return {each.entry.label: each.service for each in made}

    def test_settings(self) -> None:
        """Each service has its settings, the reactor, and the name of its table."""
        made = self.make("[echo]\nidle_timeout = 7\n[dns]\nname = 'a'\n")
        self.assertEqual(list(made), ["echo", "dns.a"])
        self.assertEqual(made["echo"].settings.idle_timeout, 7)
        self.assertIs(made["echo"].reactor, self.reactor)
        self.assertEqual(made["echo"].needs, {})

    def test_relay(self) -> None:
        """The relay uses the rooms of a chat that is there, and comes after it."""
        made = self.make(RELAY + CHAT)
        self.assertEqual(list(made), ["chat", "relay"])
        self.assertEqual(made["relay"].needs, {"host": made["chat"].host})
        self.assertEqual(self.make(RELAY)["relay"].needs, {})

    def test_balance(self) -> None:
        """The balancer finds its backends by our own DNS client."""
        made = self.make(BALANCE)
        self.assertEqual(made["balance.web"].needs, {"lookup": "lookup"})
        self.assertEqual(self.looked_up, [made["balance.web"].settings])

    def test_one_more(self) -> None:
        """A service that a reload adds gets what it needs of those that run."""
        (chat,) = one.make_services(tables.parse(CHAT, "file"), self.reactor)
        entry = tables.parse(RELAY, "file").entries[0]
        running = [Running(chat.entry, chat.service)]
        relay = one.make_service(entry, self.reactor, running)
        self.assertEqual(relay.needs, {"host": chat.service.host})

    def test_refused(self) -> None:
        """What services refuse is told at once, with the lines of the file."""
        self.classes["chat"].refusal = "netsvc-chat: --motd: cannot read x"
        self.classes["balance"].refusal = "netsvc-balance: --no-such: why"
        self.classes["echo"].refusal = "out of luck"
        text = f"[echo]\n[dns]\n{CHAT}lobby = '#a'\nmotd = 'x'\n{BALANCE}"
        error = self.assertRaises(StartError, self.make, text)
        self.assertEqual(
            str(error).splitlines(),
            [
                "file:1: echo: out of luck",
                "file:5: chat.motd: cannot read x",
                "file:6: balance.web: --no-such: why",
            ],
        )

    def problems(self, text: str) -> list[str]:
        """Look at the files of a configuration."""
        found = one.problems(tables.parse(text, "file"), self.reactor)
        return [str(each) for each in found]

    def test_files(self) -> None:
        """
        What is wrong with certificates, with the token, and with what services read
        is told in the order of the lines.
        """
        gone = os.path.abspath(self.mktemp())
        tls = f"ssl:7443:privateKey={gone}:certKey={gone}"
        self.classes["chat"].refusal = "netsvc-chat: --motd: cannot read x"
        text = (
            f"[echo]\nlisten = ['tcp:7007', '{tls}']\n{CHAT}motd = 'x'\n"
            f"[daemon]\nadmin_token = '{gone}'\n"
        )
        self.assertEqual(
            self.problems(text),
            [
                f"file:2: echo.listen: {tls}: No such file or directory: {gone}",
                "file:4: chat.motd: cannot read x",
                f"file:6: daemon.admin_token: {gone}: No such file or directory",
            ],
        )
        self.assertEqual(self.problems("[echo]\n[daemon]\nadmin = 'off'\n"), [])
        error = self.assertRaises(StartError, self.make, text)
        self.assertEqual(len(str(error).splitlines()), 2)

    def test_all(self) -> None:
        """
        What is wrong with the file itself is told together with what is wrong with
        the files that its other tables name; of a file without any, it is all.
        """
        gone = os.path.abspath(self.mktemp())
        self.classes["chat"].refusal = "netsvc-chat: --motd: cannot read x"
        self.classes["echo"].refusal = "not asked for"
        text = (
            f"[daemon]\nadmin_token = '{gone}'\n{CHAT}motd = 'x'\n"
            "[echo]\nno = 1\n[ecko]\n"
        )
        for given, lines in (
            (text, ["2: daemon.admin_token", "4: chat.motd", "6: echo.no", "7: ecko"]),
            ("[echo]\nno = 1\n", ["2: echo.no"]),
            ("[chat\n", ["1"]),
        ):
            error = self.assertRaises(ConfigurationError, tables.parse, given, "file")
            found = one.all_problems(error, self.reactor)
            self.assertEqual(len(found), len(lines))
            for each, line in zip(found, lines, strict=True):
                self.assertTrue(str(each).startswith(f"file:{line}: "), each)

    def test_explained(self) -> None:
        """Why a service does not start is told with the line of the file."""
        configuration = tables.parse("[echo]\njournal = 'x'\n", "file")
        (echo,) = one.make_services(configuration, self.reactor)
        explained = one.explain(configuration, [echo])
        self.assertEqual(
            explained(echo.service, "netsvc-echo: --journal: why"),
            "file:2: echo.journal: why",
        )
        self.assertEqual(explained(echo.service, "file:9: why"), "file:9: why")
        configuration = tables.parse("[[echo]]\nname = 'two'\n", "file")
        (echo,) = one.make_services(configuration, self.reactor)
        explained = one.explain(configuration, [echo])
        self.assertEqual(
            explained(echo.service, "netsvc-echo/two: why"), "file:1: echo.two: why"
        )
        self.assertEqual(explained(object(), "why"), "why")


class ReloadTests(SynchronousTestCase):
    """What L{one.reload_problems} says."""

    def problems(self, old: str, new: str) -> list[str]:
        """Compare two configurations."""
        before, after = (tables.parse(text, "file") for text in (old, new))
        return [str(each) for each in one.reload_problems(before, after)]

    def test_well(self) -> None:
        """Services may come and go, and what the process does may change."""
        daemon = "[daemon]\nlog_level = 'warn'\ndrain_timeout = 1\n"
        self.assertEqual(self.problems(f"[echo]\n{CHAT}", f"[dns]\n{daemon}"), [])
        self.assertEqual(self.problems(f"{CHAT}[echo]\n", CHAT + RELAY), [])

    def test_at_start(self) -> None:
        """What is used at the start only is told with its line."""
        daemon = "[echo]\n[daemon]\nworkers = 2\nadmin = 'off'\n"
        why = "is used at the start only: restart netsvc to change it"
        self.assertEqual(
            self.problems("[echo]\n", daemon),
            [f"file:3: daemon.workers: {why}", f"file:4: daemon.admin: {why}"],
        )
        self.assertEqual(
            self.problems(daemon, "[echo]\n"),
            [f"file: daemon.workers: {why}", f"file: daemon.admin: {why}"],
        )

    def test_rooms(self) -> None:
        """A relay cannot go to other rooms while it runs."""
        self.assertIn("[chat] comes", self.problems(RELAY, RELAY + CHAT)[0])
        (problem,) = self.problems(RELAY + CHAT, RELAY)
        self.assertIn("file:1: relay: [chat] goes, whose rooms it uses", problem)
