"""What every test shares: who may run side by side, and a summary of what was left out, said plainly at the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
WHOLE_SYSTEMS = ("browser", "e2e")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n N --dist loadgroup`: the tests of a file stay together, whole systems run one after another."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = "whole systems" if path.parts[0] in WHOLE_SYSTEMS else path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each reason for which tests were skipped, with the number of tests."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        longrepr = report.longrepr
        reasons[longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else str(longrepr)] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"LEFT OUT: {count} test(s): {reason}")
