"""pytest only; trial does not read this file."""

from __future__ import annotations

import os
import unittest
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put trial test cases before test functions.

    pytest-twisted starts the reactor at the first test function and keeps it
    running; a L{twisted.trial.unittest.TestCase} has to start it itself. Last,
    so that a random order keeps it too.
    """

    def is_function(item: pytest.Item) -> bool:
        cls = getattr(item, "cls", None)
        return cls is None or not issubclass(cls, unittest.TestCase)

    items.sort(key=is_function)


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in its own folder, as trial runs them in C{_trial_temp}."""
    monkeypatch.chdir(tmp_path)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Fail what skipped itself, where C{NETSVC_NO_SKIP} is set.

    With every tool installed, a skip hides a test. A reason that begins with "not
    applicable" says that the test can never run on this platform, and stays a skip.
    """
    if not os.environ.get("NETSVC_NO_SKIP") or not report.skipped:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    reason = reason.removeprefix("Skipped: ")
    if not hasattr(report, "wasxfail") and not reason.startswith("not applicable"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NETSVC_NO_SKIP is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Refuse tests that skip themselves."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[
    None, pytest.CollectReport, pytest.CollectReport
]:
    """Refuse modules that skip themselves."""
    report = yield
    _refuse_skip(report)
    return report
