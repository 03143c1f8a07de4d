"""The rules of the code that can be read from the code: who imports whom, and more.

scripts/lint runs this file too. A new module is pure until L{WITH_LIBRARIES} names it.
"""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent

#: Which package may import which others of netsvc. A package that is not named here
#: is a service: it may import what L{SERVICE} says.
ARROWS = {
    "multiplex": set[str](),
    "daemon": {"multiplex", "_version"},
    "cli": {"*"},
    "relay": {"daemon", "multiplex", "chat"},
}
SERVICE = {"daemon", "multiplex"}

#: Modules outside multiplex, cli and the C{tap} modules that use Twisted or another
#: library. All others are pure: they import the standard library and each other.
WITH_LIBRARIES = {
    "netsvc.balance.backend_tls",
    "netsvc.balance.certificates",
    "netsvc.balance.checker",
    "netsvc.balance.checking",
    "netsvc.balance.checks",
    "netsvc.balance.control",
    "netsvc.balance.controlled",
    "netsvc.balance.counted",
    "netsvc.balance.dialer",
    "netsvc.balance.entrance",
    "netsvc.balance.far_end",
    "netsvc.balance.listening",
    "netsvc.balance.pool_log",
    "netsvc.balance.preface",
    "netsvc.balance.reloading",
    "netsvc.balance.resolving",
    "netsvc.balance.service",
    "netsvc.balance.session",
    "netsvc.balance.sessions",
    "netsvc.balance.system_lookup",
    "netsvc.balance.tls",
    "netsvc.balance.tls_listen",
    "netsvc.balance.udp",
    "netsvc.balance.upstream",
    "netsvc.balance.watch",
    "netsvc.chat.accounts.passwords",
    "netsvc.chat.accounts.workers",
    "netsvc.chat.client.failures",
    "netsvc.chat.client.main",
    "netsvc.chat.client.pipe_process",
    "netsvc.chat.client.resolver",
    "netsvc.chat.client.tcp",
    "netsvc.chat.client.terminal",
    "netsvc.chat.hosting",
    "netsvc.chat.irc.server",
    "netsvc.chat.line.server",
    "netsvc.chat.line.works",
    "netsvc.chat.reloading",
    "netsvc.chat.reporting",
    "netsvc.chat.service",
    "netsvc.chat.store.retention",
    "netsvc.chat.store.store",
    "netsvc.daemon.admin.document",
    "netsvc.daemon.admin.http",
    "netsvc.daemon.admin.page",
    "netsvc.daemon.admin.service",
    "netsvc.daemon.admin.site",
    "netsvc.daemon.admin.streams",
    "netsvc.daemon.admin.view",
    "netsvc.daemon.binding",
    "netsvc.daemon.client_tls",
    "netsvc.daemon.collecting",
    "netsvc.daemon.connections",
    "netsvc.daemon.handover",
    "netsvc.daemon.lifecycle",
    "netsvc.daemon.listeners",
    "netsvc.daemon.log_lines",
    "netsvc.daemon.log_repeats",
    "netsvc.daemon.logs",
    "netsvc.daemon.measuring",
    "netsvc.daemon.metrics",
    "netsvc.daemon.notify",
    "netsvc.daemon.options",
    "netsvc.daemon.pem_files",
    "netsvc.daemon.reloading",
    "netsvc.daemon.reporting",
    "netsvc.daemon.room",
    "netsvc.daemon.service",
    "netsvc.daemon.snapshots",
    "netsvc.daemon.workers.channel",
    "netsvc.daemon.workers.child",
    "netsvc.daemon.workers.ports",
    "netsvc.daemon.workers.process",
    "netsvc.daemon.workers.reload",
    "netsvc.daemon.workers.slots",
    "netsvc.daemon.workers.sockets",
    "netsvc.daemon.workers.source",
    "netsvc.daemon.workers.supervisor",
    "netsvc.dns.asking",
    "netsvc.dns.backend_lookup",
    "netsvc.dns.bootstrap",
    "netsvc.dns.cached",
    "netsvc.dns.dnssec.algorithms",
    "netsvc.dns.dnssec.anchors",
    "netsvc.dns.dnssec.chain",
    "netsvc.dns.dnssec.denial",
    "netsvc.dns.dnssec.nsec",
    "netsvc.dns.dnssec.nsec3",
    "netsvc.dns.dnssec.replies",
    "netsvc.dns.dnssec.signatures",
    "netsvc.dns.dnssec.validator",
    "netsvc.dns.doh",
    "netsvc.dns.endings",
    "netsvc.dns.forwarder.datagrams",
    "netsvc.dns.forwarder.engine",
    "netsvc.dns.forwarder.https",
    "netsvc.dns.forwarder.streams",
    "netsvc.dns.hostnames",
    "netsvc.dns.idn",
    "netsvc.dns.line.request",
    "netsvc.dns.line.server",
    "netsvc.dns.line.text",
    "netsvc.dns.lookups.bulk",
    "netsvc.dns.lookups.bulk_mode",
    "netsvc.dns.lookups.comparing",
    "netsvc.dns.lookups.describe",
    "netsvc.dns.lookups.engine",
    "netsvc.dns.lookups.main",
    "netsvc.dns.lookups.modes",
    "netsvc.dns.lookups.output",
    "netsvc.dns.lookups.progress",
    "netsvc.dns.lookups.questions",
    "netsvc.dns.lookups.trace",
    "netsvc.dns.lookups.transfer",
    "netsvc.dns.lookups.validating",
    "netsvc.dns.lookups.view",
    "netsvc.dns.lookups.writer",
    "netsvc.dns.reloading",
    "netsvc.dns.reporting",
    "netsvc.dns.question",
    "netsvc.dns.resolver",
    "netsvc.dns.service",
    "netsvc.dns.stream",
    "netsvc.dns.tcp",
    "netsvc.dns.text",
    "netsvc.dns.tls",
    "netsvc.dns.udp",
    "netsvc.dns.upstream",
    "netsvc.dns.validated",
    "netsvc.dns.zones",
    "netsvc.echo.journal",
    "netsvc.echo.journal_process",
    "netsvc.echo.probe.datagram",
    "netsvc.echo.probe.errors",
    "netsvc.echo.probe.loop",
    "netsvc.echo.probe.main",
    "netsvc.echo.probe.probe",
    "netsvc.echo.probe.resolve",
    "netsvc.echo.probe.session",
    "netsvc.echo.probe.stream_link",
    "netsvc.echo.probe.terminal",
    "netsvc.echo.reloading",
    "netsvc.echo.server",
    "netsvc.echo.service",
    "netsvc.relay.client.link",
    "netsvc.relay.commands",
    "netsvc.relay.fan_out",
    "netsvc.relay.frame_peer",
    "netsvc.relay.frame_peers",
    "netsvc.relay.raw",
    "netsvc.relay.recipient",
    "netsvc.relay.relay",
    "netsvc.relay.reloading",
    "netsvc.relay.reporting",
    "netsvc.relay.routes",
    "netsvc.relay.sealing",
    "netsvc.relay.server",
    "netsvc.relay.service",
    "netsvc.relay.stun_door",
    "netsvc.relay.text_peer",
}

#: Methods of a logger whose first argument is the format, and the loggers' names.
LOG_CALLS = {"debug", "info", "warn", "error", "critical", "failure", "msg"}
LOGGERS = {"log", "_log", "logger", "_logger"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _files(folder: str = "netsvc") -> dict[str, Path]:
    """The file of each module below C{folder}, by the module's dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def _modules(folder: str = "netsvc") -> Iterator[tuple[str, ast.Module]]:
    """Each module below C{folder}, with its dotted name.

    One at a time: all together are some 100 MB, in which the garbage collector would
    look around during every other test.
    """
    for name, path in _files(folder).items():
        yield name, ast.parse(path.read_bytes(), str(path))


NAMES = frozenset(_files())


def imports(name: str, tree: ast.Module) -> set[str]:
    """What a module imports anywhere in it, as dotted names of modules.

    @param name: the module's own name, for its relative imports.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")[: -node.level]
                base = ".".join([*above, base]).rstrip(".")
            found.update(_target(base, alias.name) for alias in node.names)
    return found


def _target(base: str, name: str) -> str:
    """The module that C{from base import name} reads."""
    inner = f"{base}.{name}"
    if inner in NAMES or f"{inner}.__init__" in NAMES:
        return inner
    return base


def public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """The public classes, functions and methods of a module, with their names."""

    def below(prefix: str, body: list[ast.stmt]) -> Iterator[tuple[str, Documented]]:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield prefix + node.name, node
                yield from below(f"{prefix}{node.name}.", node.body)
            elif (
                isinstance(node, FUNCTIONS)
                and not node.name.startswith("_")
                and not _is_repeat(node)
            ):
                yield prefix + node.name, node

    return below("", tree.body)


@cache
def docstrings(folder: str) -> list[tuple[str, bool, str]]:
    """The docstrings of all modules and public names below a folder.

    @return: of each its dotted name, whether it is a function, and the text, stripped.
    """
    return [
        (
            f"{name}.{inner}" if inner else name,
            isinstance(node, FUNCTIONS),
            (ast.get_docstring(node, clean=False) or "").strip(),
        )
        for name, tree in _modules(folder)
        for inner, node in [("", tree), *public(tree)]
    ]


def _is_repeat(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Does the function only add to another of the same name: overload, setter?"""
    return any(
        ast.unparse(mark).endswith(("overload", ".setter", ".deleter"))
        for mark in node.decorator_list
    )


class ImportTests(SynchronousTestCase):
    """Imports point one way: cli, tap -> Twisted modules -> core."""

    maxDiff = None

    def test_packages(self) -> None:
        """A package imports only those that stand below it.

        A C{tap} module wires, so it may import all.
        """
        wrong = []
        for name, tree in _modules():
            _, package, *rest = name.split(".")
            if not rest or rest[-1] == "tap":
                continue
            allowed = ARROWS.get(package, SERVICE) | {package}
            for target in imports(name, tree):
                first, _, below = target.partition(".")
                inside = below.partition(".")[0]
                if first == "netsvc" and inside and not {inside, "*"} & allowed:
                    wrong.append(f"{name} imports {target}")
        self.assertEqual(wrong, [])

    def test_pure_core(self) -> None:
        """A pure module imports the standard library and pure modules, nothing else.

        L{WITH_LIBRARIES} is exact: it names no module that is pure.
        """
        standard = sys.stdlib_module_names
        used: dict[str, set[str]] = {}
        for name, tree in _modules():
            _, package, *rest = name.split(".")
            if rest and package not in ("multiplex", "cli") and rest[-1] != "tap":
                used[name.removesuffix(".__init__")] = {
                    target
                    for target in imports(name, tree)
                    if target.partition(".")[0] not in standard
                }
        impure: set[str] = set()
        while True:
            pure = used.keys() - impure | {"netsvc", "netsvc._version"}
            more = {name for name in used.keys() - impure if used[name] - pure}
            if not more:
                break
            impure |= more
        wrong = [
            f"{name} imports {', '.join(sorted(used[name] - pure))}"
            for name in sorted(impure - WITH_LIBRARIES)
        ]
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(WITH_LIBRARIES - impure), [])

    def test_plugin_file(self) -> None:
        """The plugin file names the service makers and the endpoint parsers only."""
        ((name, tree),) = _modules("twisted")
        self.assertEqual(name, "twisted.plugins.netsvc_plugins")
        self.assertEqual(
            imports(name, tree),
            {"__future__", "netsvc.parsers", "netsvc.services"},
        )

    def test_plugin_file_is_light(self) -> None:
        """Listing plugins loads no service, no transport and no reactor.

        Every C{twistd} on the machine pays for what a plugin file imports.
        """
        program = (
            "import sys; from twisted.plugins import netsvc_plugins;"
            "print(*sorted(name for name in sys.modules if name.startswith('netsvc.')"
            " or name in ('OpenSSL', 'rich', 'twisted.internet.reactor')))"
        )
        run = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(
            run.stdout.split(),
            ["netsvc._version", "netsvc.parsers", "netsvc.services"],
        )


class ShapeTests(SynchronousTestCase):
    """What every module has, or does not have."""

    maxDiff = None

    def test_log_format_is_literal(self) -> None:
        """The format of a log call is written in the code: user text is data.

        C{log.info(text)} would evaluate C{{x.__class__}} in a stranger's text.
        """
        wrong = []
        for name, tree in _modules():
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                method = node.func
                if not isinstance(method, ast.Attribute):
                    continue
                owner = ast.unparse(method.value).rpartition(".")[2]
                first = 1 if method.attr == "emit" else 0
                if owner not in LOGGERS or method.attr not in {*LOG_CALLS, "emit"}:
                    continue
                text = node.args[first] if len(node.args) > first else None
                if not isinstance(text, ast.Constant):
                    wrong.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
        self.assertEqual(wrong, [])

    def test_docstrings(self) -> None:
        """Every module, and every public name in it, says what it is.

        In the tests, every module, class and test.
        """
        without = []
        for name, is_function, text in chain(docstrings("netsvc"), docstrings("tests")):
            last = name.rpartition(".")[2]
            helper = name.startswith("tests.") and not last.startswith("test_")
            if not text and not (is_function and helper):
                without.append(name)
        self.assertEqual(without, [])

    def test_test_docstrings(self) -> None:
        """A test's docstring states the behaviour: it does not begin with "Test"."""
        wrong = [
            name
            for name, is_function, text in docstrings("tests")
            if is_function
            and name.rpartition(".")[2].startswith("test_")
            and text.startswith("Test")
        ]
        self.assertEqual(wrong, [])

    def test_packages_listed(self) -> None:
        """setup.cfg names every package, for what it does not name is not shipped."""
        config = configparser.ConfigParser()
        config.read(ROOT / "setup.cfg")
        folders = {path.parent for path in (ROOT / "netsvc").rglob("*.py")}
        names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
        self.assertEqual(
            sorted(config["options"]["packages"].split()),
            sorted({*names, "twisted.plugins"}),
        )

    def test_twisted_is_not_a_package(self) -> None:
        """No C{__init__.py} stands in twisted/: it would replace Twisted's own."""
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])


class SelfTests(SynchronousTestCase):
    """The readers above see what they are meant to see."""

    def test_imports(self) -> None:
        """Imports are found in functions too, and relative ones are resolved."""
        tree = ast.parse(
            "import os.path\n"
            "def f():\n"
            "    from netsvc import services\n"
            "    from . import journal_format\n"
            "    from ..daemon.limits import Limits\n"
        )
        self.assertEqual(
            imports("netsvc.echo.server", tree),
            {
                "os.path",
                "netsvc.services",
                "netsvc.echo.journal_format",
                "netsvc.daemon.limits",
            },
        )

    def test_public(self) -> None:
        """Private names, nested functions and setters are not public names."""
        tree = ast.parse(
            "class A:\n"
            "    def b(self):\n"
            "        def c(): pass\n"
            "    @x.setter\n"
            "    def x(self, value): pass\n"
            "    def _d(self): pass\n"
            "class _E:\n"
            "    def f(self): pass\n"
            "async def g(): pass\n"
        )
        self.assertEqual([name for name, _ in public(tree)], ["A", "A.b", "g"])
