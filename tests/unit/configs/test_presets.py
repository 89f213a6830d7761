"""The three tables of 1, 3 and 5 minutes are what their page says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import pytest

from tests.support.fixtures import REPOSITORY
from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs import cli
from xueliang_configs.loading import load_policies
from xueliang_configs.policies import Policy, PolicyTable
from xueliang_configs.values import AreaLevel, PlaceClass

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
EXAMPLES = REPOSITORY / "configs" / "examples"
NAMES = ("by_place_class", "by_responder_level", "by_phase")


def table(name: str) -> PolicyTable:
    return load_policies(EXAMPLES / f"policies_{name}.yaml")


def row(name: str, place: PlaceClass = PlaceClass.STREET, level: AreaLevel = AreaLevel.GRID) -> Policy:
    """Of a crowd of severity 2."""
    return table(name).policy_for(Hazard.CROWD, Severity.ORANGE, place, level, NOON)


def told_minutes(policy: Policy) -> list[tuple[str, float]]:
    """Whom a passed take limit tells, minutes after dispatch."""
    return [
        (level.value, (policy.take_s + step * policy.escalate_every_s) / 60)
        for step, level in enumerate(policy.escalate)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_good_as_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(EXAMPLES / f"policies_{name}.yaml")]) == 0
    assert capsys.readouterr().out.endswith(": good\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_hazard_but_a_faulty_camera_is_judged_in_a_minute(name: str) -> None:
    rows = table(name)
    for hazard, severity, place, level in product(Hazard, Severity, PlaceClass, AreaLevel):
        found = rows.policy_for(hazard, severity, place, level, NOON)
        assert (found.judge_s == 60) == (hazard is not Hazard.CAMERA_FAULT)
        assert not found.auto_dispatch


def test_by_place_class_it_is_the_way_there() -> None:
    minutes = {place: row("by_place_class", place).arrive_s / 60 for place in PlaceClass}
    assert {place for place, at in minutes.items() if at == 1} == {PlaceClass.SCHOOL, PlaceClass.HOSPITAL}
    assert {place for place, at in minutes.items() if at == 3} == {
        PlaceClass.MALL,
        PlaceClass.STREET,
        PlaceClass.SCENIC,
    }
    assert set(minutes.values()) == {1, 3, 5}


def test_by_responder_level_it_is_who_is_told() -> None:
    of_grid = told_minutes(row("by_responder_level"))
    assert of_grid == [("village", 1), ("township", 3), ("county", 5), ("city", 7)]
    assert told_minutes(row("by_responder_level", level=AreaLevel.VILLAGE))[0] == ("township", 3)
    assert told_minutes(row("by_responder_level", level=AreaLevel.TOWNSHIP))[0] == ("county", 5)


def test_by_phase_it_is_judge_take_arrive() -> None:
    for place, level in product(PlaceClass, AreaLevel):
        found = row("by_phase", place, level)
        assert (found.judge_s, found.take_s, found.arrive_s) == (60, 180, 300)


def test_the_working_hours_of_the_page_are_a_good_file(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "policies.md").read_text(encoding="utf-8")
    block = next(one for one in page.split("```yaml\n")[1:] if one.startswith("calendars:")).partition("```")[0]
    path = tmp_path / "policies.yaml"
    path.write_text(block, encoding="utf-8")
    found = load_policies(path)
    assert found.policies[0].limits_counted() == {
        "take_s": 7200,
        "arrive_s": 28800,
        "check_s": 600,
        "escalate_every_s": 60,
    }
    office = found.calendars["office"]
    assert [band.start // 60 for band in office.bands_on(date(2026, 10, 10))] == [8, 14]
    assert [office.bands_on(date(2026, 10, day)) for day in (1, 7, 11)] == [(), (), ()]
