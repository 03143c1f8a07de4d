"""What is built and installed: wheel, sdist, and the commands after installing.

Everything works without a network: the temporary environments have no packages of
their own and see those of the running one through a C{.pth} line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = (
    "netsvc", "twisted", "tests", "docs", "setup.cfg", "pyproject.toml", "MANIFEST.in",
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
)  # fmt: skip
BUILD = (
    "import setuptools.build_meta as backend, sys;"
    "print(getattr(backend, 'build_' + sys.argv[1])(sys.argv[2]))"
)
PLUGIN = "twisted/plugins/netsvc_plugins.py"


def run(*command: object, cwd: Path, status: int = 0) -> str:
    """What a command prints on stdout and stderr.

    @param cwd: the folder to run it in.
    @param status: the exit status that it must have.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        # Of these, only the outer process and its own children are measured.
        if not name.startswith(("COVERAGE_", "PYTHON", "PIP_"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    if done.returncode != status:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def copy_sources(to: Path) -> Path:
    """Copy what a clone of the repository holds, as far as building goes."""
    to.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "dropin.cache", "_trial_temp*")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, to / name)
    return to


def build(kind: str, source: Path) -> Path:
    """Build a C{wheel} or an C{sdist} of a source tree, as pip does."""
    out = source.parent / f"{source.name}-dist"
    out.mkdir(exist_ok=True)
    printed = run(sys.executable, "-c", BUILD, kind, out, cwd=source)
    return out / printed.splitlines()[-1]


class Environment:
    """A virtual environment that borrows the running one's packages."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        libraries = sysconfig.get_path("purelib")
        variables = {"base": str(folder), "platbase": str(folder)}
        own = Path(sysconfig.get_path("purelib", "venv", vars=variables))
        # A path line only adds to sys.path: the .pth file of an editable netsvc in
        # there is not read, so the checkout does not show.
        (own / "borrowed.pth").write_text(libraries + "\n")
        self.packages = own
        self.twistd = Path(sys.executable).parent / "twistd"

    def pip_install(self, *arguments: object, cwd: Path) -> None:
        """Run C{pip install}; what is installed outside is left alone."""
        quiet = ("--quiet", "--no-index", "--no-deps", "--ignore-installed")
        pip = (self.python, "-m", "pip", "--disable-pip-version-check", "install")
        run(*pip, *quiet, "--no-build-isolation", *arguments, cwd=cwd)


class BuiltTests(SynchronousTestCase):
    """What the wheel and the sdist hold."""

    names: ClassVar[dict[str, list[str]]] = {}

    def _names(self, kind: str) -> list[str]:
        """The files in what C{kind} builds; each is built once."""
        if kind not in self.names:
            archive = build(kind, copy_sources(Path(self.mktemp()).absolute()))
            if kind == "wheel":
                with zipfile.ZipFile(archive) as opened:
                    found = opened.namelist()
            else:
                with tarfile.open(archive) as opened_tar:
                    found = [
                        name.partition("/")[2]
                        for name in opened_tar.getnames()
                        if "/" in name
                    ]
            self.names[kind] = found
        return self.names[kind]

    def test_wheel_has_all(self) -> None:
        """Every module, what belongs to it, and the plugin file are in the wheel."""
        wanted = [
            str(path.relative_to(ROOT))
            for path in [*(ROOT / "netsvc").rglob("*"), ROOT / PLUGIN]
            if path.is_file() and "__pycache__" not in path.parts
        ]
        self.assertEqual(sorted({*wanted} - {*self._names("wheel")}), [])

    def test_wheel_has_no_more(self) -> None:
        """The wheel holds netsvc, one plugin file and its metadata: nothing else.

        A C{twisted/__init__.py} in it would overwrite Twisted's own, and uninstalling
        netsvc would then delete that.
        """
        rest = [
            name
            for name in self._names("wheel")
            if not name.startswith("netsvc/") and ".dist-info/" not in name
        ]
        self.assertEqual(rest, [PLUGIN])

    def test_sdist_has_tests(self) -> None:
        """The sdist holds the tests, the documents and what the wheel is built from."""
        names = {*self._names("sdist")}
        wanted = {
            str(path.relative_to(ROOT))
            for folder in ("netsvc", "tests", "docs")
            for path in (ROOT / folder).rglob("*")
            if path.suffix in {".py", ".md"}
        }
        wanted |= {PLUGIN, "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
        self.assertEqual(sorted(wanted - names), [])
        self.assertEqual([name for name in names if name.endswith("dropin.cache")], [])


class InstalledTests(SynchronousTestCase):
    """twistd and netsvc know the services however netsvc was installed."""

    def setUp(self) -> None:
        """Make a folder with an environment and a copy of the sources."""
        self.folder = Path(self.mktemp()).absolute()
        self.source = copy_sources(self.folder / "source")
        self.environment = Environment(self.folder / "venv")
        self.elsewhere = self.folder / "elsewhere"
        self.elsewhere.mkdir()

    def _is_listed(self, home: Path) -> None:
        """Both commands list the service, from the sources' folder and from another."""
        python = self.environment.python
        where = "import netsvc; print(netsvc.__file__)"
        for cwd in (self.source, self.elsewhere):
            listed = run(python, self.environment.twistd, "--help", cwd=cwd)
            self.assertRegex(listed, r"(?m)^ +netsvc-echo +\S")
            self.assertIn("netsvc-echo", run(self._netsvc, "run", "--help", cwd=cwd))
        printed = run(python, "-P", "-c", where, cwd=self.elsewhere)
        self.assertEqual(Path(printed.strip()).parent, home / "netsvc")

    @property
    def _netsvc(self) -> Path:
        return self.environment.bin / "netsvc"

    def test_install(self) -> None:
        """After C{pip install .}"""
        self.environment.pip_install(".", cwd=self.source)
        self._is_listed(self.environment.packages)

    def test_editable_install(self) -> None:
        """After C{pip install -e .}, and it is the sources that run."""
        self.environment.pip_install("--editable", ".", cwd=self.source)
        self._is_listed(self.source)

    def test_wheel_and_stale_cache(self) -> None:
        """From the wheel; C{netsvc run} also where Twisted's plugin cache is stale.

        Tools that keep a file's old time when they replace it (uv does) leave the
        cache newer than a plugin file that it does not describe.
        """
        wheel = build("wheel", self.source)
        self.environment.pip_install(wheel, cwd=self.elsewhere)
        self._is_listed(self.environment.packages)
        plugin = self.environment.packages / PLUGIN
        cache = plugin.with_name("dropin.cache")
        self.assertTrue(cache.exists())

        text, before = plugin.read_text(), plugin.stat().st_mtime
        renamed = re.sub(r"(import .*)\becho\b", r"\1echo as old", text)
        renamed = renamed.replace('"echo"', '"old"')
        plugin.write_text(renamed)
        cache.unlink()
        command = (self.environment.python, self.environment.twistd, "--help")
        run(*command, cwd=self.elsewhere)
        plugin.write_text(text)
        os.utime(plugin, (before, before))
        broken = run(*command, cwd=self.elsewhere)
        self.assertNotRegex(broken, r"(?m)^ +netsvc-echo +\S")
        listed = run(self._netsvc, "run", "echo", "--help", cwd=self.elsewhere)
        self.assertIn("--listen", listed)
