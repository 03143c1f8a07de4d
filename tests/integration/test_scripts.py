"""scripts/run and its kin: what they make, keep and say. Nothing is installed here.

Each test has a copy of the scripts beside a C{python3} that only pretends, and writes
down what it was asked for; so no test needs a network, and the state of an
interrupted installation can be made exactly.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent.parent

#: A Python that says it is $version, makes environments that hold only itself, and
#: whose pip does what the file C{pip} beside the log says. The rest is real.
PYTHON = """\
#!/bin/sh
case "$*" in
    *'"%d.%d.%d"'*) echo {version} ;;
    *'sys.version_info < '*) {new_enough} ;;
    *ensurepip*) {has_venv} ;;
    *base_prefix*) for last; do :; done; echo "{version} /usr $last" ;;
    "-m venv"*)
        echo "venv" >>{log}
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg"
        printf '#!/bin/sh\\necho "$0" "$@"\\n' >"$3/bin/twistd"
        chmod +x "$3/bin/twistd" ;;
    "-m pip "*)
        for last; do :; done
        echo "pip ${{last#{checkout}}}" >>{log}
        sh {pip} ;;
    *) exec {python} "$@" ;;
esac
"""


class ScriptTestCase(SynchronousTestCase):
    """A test with a checkout that holds only what the scripts read."""

    def setUp(self) -> None:
        """Copy the scripts and the metadata, and make the pretended Python."""
        folder = Path(self.mktemp()).absolute()
        self.checkout = folder / "a checkout"
        (self.checkout / "netsvc").mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        metadata = ("setup.cfg", "pyproject.toml", "netsvc/_version.py")
        for name in (*metadata, "netsvc/services.py"):
            shutil.copy(ROOT / name, self.checkout / name)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.touch()
        self.pip = folder / "pip"
        self.pip.touch()
        self.folder = folder
        self.venv = self.checkout / ".venv"
        self.make_python("python3")

    def make_python(
        self, name: str, version: str = "3 13", usable: bool = True, venv: bool = True
    ) -> Path:
        """Put a pretended Python on the PATH of the scripts."""
        path = self.bin / name
        path.write_text(
            PYTHON.format(
                version=version,
                new_enough="true" if usable else "exit 1",
                has_venv="true" if venv else "exit 1",
                log=self.log,
                pip=self.pip,
                checkout=f'"{self.checkout}"',
                python=sys.executable,
            )
        )
        path.chmod(0o755)
        return path

    def start(self, script: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a script, with C{more} in its environment."""
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", **more}
        return subprocess.Popen(
            [str(self.checkout / "scripts" / script), *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run_script(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """The exit status of a script, and what it printed on stdout and stderr."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def done(self) -> list[str]:
        """What the pretended Python was asked for since the last call."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return lines

    def refused(self, *arguments: str, **more: str) -> str:
        """The one line by which a script says that it cannot."""
        status, out, err = self.run_script(*arguments, **more)
        self.assertEqual((status, out, err.count("\n")), (1, "", 1), err)
        return err.rstrip("\n")


class EnvironmentTests(ScriptTestCase):
    """The environment is made once, and remade when it would be wrong."""

    def test_first_and_second(self) -> None:
        """The first run makes and installs, and says so; the second only runs."""
        status, out, err = self.run_script("run", "--listen", "tcp:1")
        twistd = self.venv / "bin" / "twistd"
        command = f"{twistd} -n --pidfile= netsvc-echo --listen tcp:1\n"
        self.assertEqual((status, out), (0, command))
        self.assertEqual(
            err,
            "scripts/run: making .venv with Python 3 13 (once)\n"
            "scripts/run: installing netsvc into .venv\n",
        )
        self.assertEqual(self.done(), ["venv", "pip "])
        self.assertEqual(self.run_script("run", "--listen", "tcp:1"), (0, command, ""))
        self.assertEqual(self.done(), [])

    def test_hint(self) -> None:
        """Without options one line says what to try."""
        _, out, _ = self.run_script("run")
        self.assertEqual(
            out.splitlines()[0],
            "netsvc-echo: TCP and UDP port 7007; try: nc 127.0.0.1 7007",
        )

    def test_extras(self) -> None:
        """Each script installs its extra, and one that holds another does for it."""
        self.run_script("run")
        self.run_script("test", "-h")
        self.assertEqual(self.done(), ["venv", "pip "])
        self.run_script("test", "-k", "nothing")
        self.assertEqual(self.done(), ["pip [test]"])
        self.run_script("lint")
        self.assertEqual(self.done()[0], "pip [lint]")
        self.run_script("test", "-k", "nothing")
        self.assertEqual(self.done(), [])

    def test_metadata_changed(self) -> None:
        """A new dependency is installed into the environment that is there."""
        self.run_script("run")
        with (self.checkout / "setup.cfg").open("a") as file:
            file.write("\n")
        self.done()
        self.run_script("run")
        self.assertEqual(self.done(), ["pip "])

    def test_moved(self) -> None:
        """In a checkout that was moved, all is made anew: scripts name their folder."""
        self.run_script("run")
        self.checkout = self.checkout.rename(self.folder / "moved")
        self.done()
        self.run_script("run")
        self.assertEqual(self.done()[0], "venv")

    def test_other_python(self) -> None:
        """C{PYTHON} names another Python, and then stays without being named."""
        self.run_script("run")
        other = self.make_python("other", "3 14")
        self.done()
        self.run_script("run", PYTHON=str(other))
        self.assertEqual(self.done(), ["venv", "pip "])
        self.run_script("run", PYTHON=str(other))
        self.run_script("run")
        self.assertEqual(self.done(), [])

    def test_python_is_gone(self) -> None:
        """An environment whose Python was removed is made anew."""
        self.run_script("run")
        (self.venv / "bin" / "python").unlink()
        self.done()
        self.assertEqual(self.run_script("run")[0], 0)
        self.assertEqual(self.done(), ["venv", "pip "])

    def test_failed(self) -> None:
        """When pip fails its output is shown, and the next run tries again."""
        self.pip.write_text("echo 'no such thing as twisted'; exit 1")
        status, out, err = self.run_script("run")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(
            err.splitlines()[-2:],
            [
                "no such thing as twisted",
                "scripts/run: installing netsvc failed; the reason stands above",
            ],
        )
        self.pip.write_text("echo noise")
        self.done()
        status, out, err = self.run_script("run")
        self.assertEqual((status, "noise" in out + err), (0, False))
        self.assertIn("pip ", self.done())

    def test_interrupted(self) -> None:
        """An environment whose installation was killed is not taken for good."""
        self.pip.write_text(f"touch {self.folder}/reached; sleep 300")
        process = self.start("run")
        try:
            self._wait_for(self.folder / "reached")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self.pip.write_text("")
        self.done()
        self.assertEqual(self.run_script("run")[0], 0)
        self.assertEqual(self.done(), ["venv", "pip "])

    def test_two_at_once(self) -> None:
        """Of two scripts that start together one installs, and the other waits."""
        self.pip.write_text(
            f"touch {self.folder}/reached; while [ ! -e {self.folder}/go ]; "
            "do sleep 0.02; done"
        )
        self.addCleanup((self.folder / "go").touch)
        first = self.start("run")
        self._wait_for(self.folder / "reached")
        second = self.start("run")
        assert second.stderr is not None
        self.assertEqual(
            second.stderr.readline(), "scripts/run: waiting for another installation\n"
        )
        (self.folder / "go").touch()
        outcomes = [each.communicate(timeout=60) for each in (first, second)]
        self.assertEqual([first.returncode, second.returncode], [0, 0], outcomes)
        self.assertEqual(self.done(), ["venv", "pip "])

    def test_not_ours(self) -> None:
        """A .venv that somebody else made is neither used nor removed."""
        self.venv.mkdir()
        (self.venv / "pyvenv.cfg").touch()
        self.assertIn("is not of these scripts' making", self.refused("run"))
        self.assertTrue((self.venv / "pyvenv.cfg").exists())

    def _wait_for(self, path: Path) -> None:
        """Wait until a file is there, at most a minute."""
        end = time.monotonic() + 60
        while not path.exists():
            self.assertLess(time.monotonic(), end, f"{path} did not appear")
            time.sleep(0.02)


class RefusalTests(ScriptTestCase):
    """What cannot be done is said in one line, and the exit status is 1."""

    def only(self, **pythons: Any) -> None:
        """Leave the scripts no Python but these, and the few tools they call."""
        for path in self.bin.iterdir():
            path.unlink()
        for tool in ("sh", "dirname", "basename", "sed", "tr", "cat", "cksum"):
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        for name, options in pythons.items():
            self.make_python(name, **options)

    def refused(self, *arguments: str, **more: str) -> str:
        """As in the base class, with nothing on the PATH but what L{only} left."""
        return super().refused(*arguments, **{"PATH": str(self.bin), **more})

    def test_too_old(self) -> None:
        """The message names the Python that was found."""
        self.only(python3={"version": "3.9.2", "usable": False})
        self.assertEqual(
            self.refused("run"),
            "scripts/run: netsvc needs Python 3.11 or newer, found 3.9.2 (python3); "
            "name one with PYTHON=/path/to/python3",
        )

    def test_newer_beside_older(self) -> None:
        """A newer one by another name is taken without a word."""
        self.make_python("python3", "3.9.2", usable=False)
        self.make_python("python3.14", "3.14.0")
        _, _, err = self.run_script("run")
        self.assertIn("making .venv with Python 3.14.0", err)

    def test_no_python(self) -> None:
        """So it is said when there is none at all."""
        self.only()
        self.assertEqual(
            self.refused("run"),
            "scripts/run: netsvc needs Python 3.11 or newer; "
            "name one with PYTHON=/path/to/python3",
        )

    def test_python_that_does_not_run(self) -> None:
        """So it is said when C{PYTHON} names none."""
        self.assertIn("PYTHON=/nowhere does not run", self.refused_with("/nowhere"))

    def refused_with(self, python: str) -> str:
        """The refusal of a C{PYTHON}."""
        return super().refused("run", PYTHON=python)

    def test_no_venv(self) -> None:
        """Debian's Python without python3-venv: the message names the package."""
        self.only(python3={"venv": False})
        self.assertEqual(
            self.refused("run"),
            "scripts/run: Python 3 13 (python3) has no venv; "
            "on Debian: apt install python3-venv",
        )

    def test_unknown_service(self) -> None:
        """A service that does not exist is refused before anything is installed."""
        self.assertRegex(
            super().refused("run", "ech"),
            r"\Ascripts/run: no service 'ech'; there are: echo",
        )
        self.assertEqual(self.done(), [])


class HelpTests(ScriptTestCase):
    """C{--help} needs no environment."""

    def test_help(self) -> None:
        """Each script that has options says which."""
        for script in ("run", "test"):
            status, out, _ = self.run_script(script, "--help")
            self.assertEqual(status, 0)
            self.assertTrue(out.startswith(f"Usage: scripts/{script} "), out)
        self.assertEqual(self.done(), [])


class SyntaxTests(SynchronousTestCase):
    """The scripts are POSIX shell."""

    def test_posix(self) -> None:
        """Each names C{/bin/sh}, or is sourced, and that shell can parse it."""
        for path in filter(Path.is_file, (ROOT / "scripts").iterdir()):
            first = path.read_text().partition("\n")[0]
            if path.suffix == ".sh":
                self.assertEqual(first, "# shellcheck shell=sh")
            else:
                self.assertEqual(first, "#!/bin/sh", path.name)
                self.assertTrue(os.access(path, os.X_OK), path.name)
            checked = subprocess.run(["sh", "-n", str(path)], check=False)
            self.assertEqual(checked.returncode, 0, path.name)
