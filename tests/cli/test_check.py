"""C{netsvc check}."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netsvc import tables
from netsvc.cli import EXIT_USAGE, check
from netsvc.daemon import credentials

WELL = "[echo]\n[daemon]\nworkers = 2\n[[dns]]\nname = 'a'\n"
WRONG = "[echo]\nlisten = 1\nworkers = 2\n"


class CheckTests(SynchronousTestCase):
    """What the command prints, and its exit status."""

    def setUp(self) -> None:
        """Name a file."""
        self.file = Path(self.mktemp())

    def call(self, *argv: str, text: str = "") -> tuple[int, str, str]:
        """Run the command; give its status, and what it printed on either stream."""
        out, err = io.StringIO(), io.StringIO()
        if text:
            self.file.write_text(text)
            argv = (*argv, str(self.file))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = check.main(argv)
            except SystemExit as end:
                assert isinstance(end.code, int)
                status = end.code
        return status, out.getvalue(), err.getvalue()

    def test_well(self) -> None:
        """A file that is well is told in a line, with what it runs."""
        expected = f"{self.file}: well; it runs echo, dns.a in 2 workers\n"
        self.assertEqual(self.call(text=WELL), (0, expected, ""))
        expected = f"{self.file}: well; it runs echo\n"
        self.assertEqual(self.call(text="[echo]"), (0, expected, ""))

    def test_wrong(self) -> None:
        """Everything that is wrong is told on stderr, a line each."""
        status, out, err = self.call(text=WRONG)
        self.assertEqual((status, out), (1, ""))
        first, second = err.splitlines()
        self.assertTrue(first.startswith(f"{self.file}:2: echo.listen: "))
        self.assertTrue(second.startswith(f"{self.file}:3: echo.workers: "))

    def test_files(self) -> None:
        """Files that it names and that cannot be used are told, too."""
        gone = Path(self.mktemp()).absolute()
        text = (
            f"[echo]\n[chat]\nmotd = '{gone}'\n[daemon]\nadmin_token = '{gone}'\n"
            f"[dns]\nupstream = '192.0.2.1'\nupstream_ca = '{gone}'\n"
        )
        status, out, err = self.call(text=text)
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(
            [line.removeprefix(str(self.file)) for line in err.splitlines()],
            [
                f":3: chat.motd: cannot read {gone}: No such file or directory",
                f":5: daemon.admin_token: {gone}: No such file or directory",
                f":8: dns.upstream_ca: {gone}: No such file or directory",
            ],
        )

    def test_together(self) -> None:
        """Mistakes in the file and in those that its other tables name are told at
        once."""
        gone = Path(self.mktemp()).absolute()
        text = f"[echo]\nno = 1\n[chat]\nmotd = '{gone}'\n"
        status, out, err = self.call(text=text)
        self.assertEqual((status, out), (1, ""))
        first, second = err.splitlines()
        self.assertTrue(first.startswith(f"{self.file}:2: echo.no: "))
        self.assertTrue(second.startswith(f"{self.file}:4: chat.motd: "))

    def test_credentials(self) -> None:
        """
        A credential that is not there is wrong in the unit that should have it; by
        hand, while no such unit runs, it is none that could be there.
        """
        text = "[chat]\n[daemon]\nadmin_token = 'credential:token'\n"
        gone = Path(self.mktemp()).absolute()
        self.patch(credentials, "UNIT_DIRECTORY", gone)
        self.patch(os, "environ", {})
        self.assertEqual(self.call(text=text)[0], 0)
        self.patch(os, "environ", {"CREDENTIALS_DIRECTORY": str(gone)})
        self.assertEqual(self.call(text=text)[0], 1)
        gone.mkdir()
        self.patch(os, "environ", {})
        self.assertEqual(self.call(text=text)[0], 1)

    def test_hidden(self) -> None:
        """Credentials that this user may not look at are none that it could read."""

        def denied(*arguments: object, **named: object) -> None:
            raise PermissionError(13, "Permission denied")

        self.patch(os, "environ", {})
        self.patch(os, "stat", denied)
        self.assertTrue(credentials.credentials_come_later())

    def test_json(self) -> None:
        """Programs get an object, whatever is so."""
        status, out, err = self.call("--json", text=WRONG)
        self.assertEqual((status, err), (1, ""))
        found = json.loads(out)
        self.assertEqual((found["file"], found["ok"]), (str(self.file), False))
        self.assertEqual([each["line"] for each in found["problems"]], [2, 3])
        self.assertEqual(set(found["problems"][0]), {"file", "line", "key", "problem"})
        status, out, _ = self.call("--json", text=WELL)
        self.assertEqual(status, 0)
        self.assertEqual(
            json.loads(out), {"file": str(self.file), "ok": True, "problems": []}
        )

    def test_print(self) -> None:
        """What is in force is printed as a file that means the same."""
        for text in (WELL, "[chat]\n[relay]\npeer_timeout = 9\n"):
            status, out, err = self.call("--print", text=text)
            self.assertEqual((status, err), (0, ""))
            self.assertEqual(
                tables.parse(out, "a").entries, tables.parse(text, "b").entries
            )
        self.assertEqual(self.call("--print", text=WRONG)[:2], (1, ""))

    def test_secrets(self) -> None:
        """What stands in the files with secrets is not printed."""
        secret = Path(self.mktemp())
        secret.write_text("hunter2")
        text = f"[chat]\npassword = '{secret}'\nwebirc = '192.0.2.1,{secret}'\n"
        status, out, _ = self.call("--print", text=text)
        self.assertEqual(status, 0)
        self.assertEqual(out.count(str(secret)), 2)
        self.assertNotIn("hunter2", out)

    def test_sample(self) -> None:
        """A sample of everything can be used as it is, and one of a table too."""
        status, out, err = self.call("--sample")
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(len(tables.parse(out, "a").entries), 1)
        for table in ("daemon", *tables.TABLES):
            status, out, err = self.call("--sample", table)
            self.assertEqual((status, err), (0, ""))
            self.assertIn(f"[{table}]", out)

    def test_usage(self) -> None:
        """A command line that cannot be understood is a line and a status of 2."""
        for words in (
            (),
            ("a", "b"),
            ("--print", "--json", "a"),
            ("--sample", "echo", "a"),
            ("--sample", "--json"),
            ("--sample", "eko"),
            ("--no-such",),
        ):
            status, out, err = self.call(*words)
            self.assertEqual((status, out), (EXIT_USAGE, ""), words)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertTrue(err.startswith("netsvc check: "), err)

    def test_help(self) -> None:
        """C{--help} tells the exit statuses."""
        status, out, _ = self.call("--help")
        self.assertEqual(status, 0)
        self.assertIn("exit status:", out)
