"""axe-core in a page: what people with a screen reader, a keyboard or weak eyes would stumble over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.support.browser import come_to_rest
from tests.support.fixtures import leave_out

AXE: Final = Path(__file__).resolve().parents[2] / "central/console/node_modules/axe-core/axe.min.js"
SERIOUS: Final = frozenset({"serious", "critical"})


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a page breaks. `impact`: minor, moderate, serious or critical; `where`: what it is broken by."""

    rule: str
    impact: str
    help: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.impact} {self.rule}: {self.help}: {'; '.join(self.where[:4])}"


def require_axe() -> None:
    """Missing: fails in CI, elsewhere skips."""
    if not AXE.is_file():
        leave_out("axe-core is not there: npm ci in central/console (python hatch_build.py does it)")


def violations(page: Page) -> list[Violation]:
    """Of the page when it has come to rest, worst first."""
    come_to_rest(page)
    # Put in by the browser's own door: the page's policy allows no inline script.
    page.evaluate(AXE.read_text())
    answer: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    ranks = ("critical", "serious", "moderate", "minor")
    found = [
        Violation(
            rule=one["id"],
            impact=one["impact"] or "minor",
            help=one["help"],
            where=tuple(f"{node['target'][-1]} {node['html'][:120]}" for node in one["nodes"]),
        )
        for one in answer["violations"]
    ]
    return sorted(found, key=lambda one: ranks.index(one.impact))


def serious(page: Page) -> list[str]:
    """What must not be, in words."""
    return [str(one) for one in violations(page) if one.impact in SERIOUS]
