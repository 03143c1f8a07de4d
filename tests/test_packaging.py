"""What a release says of itself agrees with what it is."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc import __version__, services
from netsvc.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


class MetadataTests(SynchronousTestCase):
    """setup.cfg, pyproject.toml, the changelog and the version agree."""

    def setUp(self) -> None:
        """Read setup.cfg."""
        self.config = configparser.ConfigParser()
        self.config.read(ROOT / "setup.cfg")

    def test_version(self) -> None:
        """The version is a public PEP 440 version, without an epoch."""
        self.assertRegex(__version__, r"\A\d+(\.\d+)*((a|b|rc)\d+)?(\.dev\d+)?\Z")

    def test_changelog(self) -> None:
        """The changelog begins with the version that the code has."""
        text = (ROOT / "CHANGELOG.md").read_text()
        top = re.search(r"^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", text, re.M)
        self.assertEqual(top and top[1], __version__)

    def test_python_floor(self) -> None:
        """setup.cfg, ruff, the scripts and the README name the same oldest Python."""
        floor = self.config["options"]["python_requires"].removeprefix(">=").strip()
        ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
        self.assertEqual(ruff["target-version"], "py" + floor.replace(".", ""))
        script = (ROOT / "scripts" / "_venv.sh").read_text()
        self.assertIn(f"sys.version_info < ({floor.replace('.', ', ')})", script)
        self.assertIn(f"Python {floor}", (ROOT / "README.md").read_text())

    def test_editable_install_is_a_path(self) -> None:
        """The one key of package_dir is empty, so that twistd finds the plugins."""
        self.assertEqual(self.config["options"]["package_dir"].strip(), "= .")

    def test_service_names(self) -> None:
        """Each service is in the plugin file, by the name of its folder."""
        plugins = (ROOT / "twisted" / "plugins" / "netsvc_plugins.py").read_text()
        exported = re.findall(r'"(\w+)"', plugins[plugins.index("__all__") :])
        for service in services.ALL:
            name = service.tapname.removeprefix("netsvc-")
            where = "" if name == "netsvc" else f".{name}"  # it runs the others
            self.assertEqual(service.module, f"netsvc{where}.tap")
            self.assertIn(name, exported)

    def test_readme_links(self) -> None:
        """Every file that README.md and CONTRIBUTING.md link to exists."""
        for page in ("README.md", "CONTRIBUTING.md"):
            targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
            missing = [each for each in targets if not (ROOT / each).exists()]
            self.assertEqual(missing, [], page)

    def test_readme_names(self) -> None:
        """README.md names every service and every command that there is."""
        text = (ROOT / "README.md").read_text()
        for service in services.ALL:
            self.assertIn(f"`{service.tapname}`", text)
        for command in COMMANDS:
            self.assertIn(f"netsvc {command}", text)
