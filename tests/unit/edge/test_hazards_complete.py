"""Every hazard that can be judged has its settings, its rule and its page, and no page promises more."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from xueliang_alerts.contract import Hazard
from xueliang_configs.rules import Rule
from xueliang_edge.rules.registry import RULES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("hazard", list(RULES), ids=lambda hazard: hazard.value)
def test_a_judged_hazard_has_a_page_and_settings(hazard: Hazard) -> None:
    page = (ROOT / "docs" / "hazards" / f"{hazard.value}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# `{hazard.value}`")
    union = get_args(Rule)[0]
    assert any(hazard in get_args(rule.model_fields["hazard"].annotation) for rule in get_args(union))


def test_every_page_is_of_a_judged_hazard() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "hazards").glob("*.md")}
    assert pages == {hazard.value for hazard in RULES}
