"""Steps by hazard: what is shipped, and what a file puts in its place."""

from __future__ import annotations

from xueliang_alerts.contract import Hazard
from xueliang_configs.checklists import MOST_STEPS, SHIPPED
from xueliang_configs.policies import PolicyTable

TABLE = {"policies": [{"judge_s": 60, "take_s": 60, "arrive_s": 60}]}


def test_shipped_lists_are_short_and_in_both_languages() -> None:
    for hazard, steps in SHIPPED.items():
        ids = [step.step_id for step in steps]
        assert len(set(ids)) == len(ids) <= MOST_STEPS, hazard
        assert all(any("一" <= letter <= "鿿" for letter in step.zh) for step in steps), hazard
        assert all(step.en.isascii() for step in steps), hazard


def test_a_file_replaces_the_list_of_its_hazard_alone() -> None:
    step = {"step_id": "market", "zh": "集市？", "en": "A market?"}
    table = PolicyTable.model_validate(TABLE | {"checklists": {"crowd": [step], "intrusion": []}})
    assert [one.step_id for one in table.checklist_for(Hazard.CROWD)] == ["market"]
    assert table.checklist_for(Hazard.INTRUSION) == ()
    assert table.checklist_for(Hazard.FIRE_SMOKE) == SHIPPED[Hazard.FIRE_SMOKE]
    assert table.checklist_for(Hazard.WRONG_WAY) == ()  # none is shipped
