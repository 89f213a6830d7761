"""What every test shares: who may run side by side, and a summary of what was left out, said plainly at the end.

`XUELIANG_FAILED_LIST` names a file: what failed is written there, a test a line, for `.ci/run`.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is; times belong into benchmarks.
settings.register_profile("plain", deadline=None)
settings.load_profile("plain")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `-n N`: the tests of a file stay together, at most two whole systems run at a time (tests/support)."""
    from tests.support.side_by_side import scheduler

    return scheduler(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each reason for which tests were skipped, with the number of tests; list what failed."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        longrepr = report.longrepr
        reasons[longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else str(longrepr)] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"LEFT OUT: {count} test(s): {reason}")
    if listed := os.environ.get("XUELIANG_FAILED_LIST"):
        failed = [report.nodeid for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])]
        Path(listed).write_text("".join(f"{name}\n" for name in dict.fromkeys(failed)), encoding="utf-8")
