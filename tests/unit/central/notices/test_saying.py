"""What a notice says: words for every kind, hazard and severity in both languages, a link to exactly its case."""

from __future__ import annotations

from typing import Any

import pytest

from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.notices.saying import say
from xueliang_configs.notices import PLACEHOLDERS, NoticeKind

ORIGIN = "https://centre.example"


def notice(**more: Any) -> dict[str, Any]:
    params = {"number": "20261123-0001", "hazard": "crowd", "drill": False, **more.pop("params", {})}
    told = {"notice_id": "n", "kind": "task_offered", "severity": 2, "task_id": "t", "incident_id": "i"}
    return {**told, "params": params, **more}


def text_of(row: dict[str, Any], language: str = "zh") -> str:
    return say(row, 0, "1", is_worker=True, origin=ORIGIN, language=language).text


def test_a_worker_is_told_in_one_line() -> None:
    assert text_of(notice()) == "新任务，请接单：20261123-0001，人员聚集，二级（橙）"
    assert text_of(notice(), "en") == "New task, please take it: 20261123-0001, crowd, severity 2 (orange)"


def test_a_drill_says_so_first() -> None:
    assert text_of(notice(params={"drill": True})).startswith("【演练】")
    assert text_of(notice(params={"drill": True}), "en").startswith("[DRILL] ")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_told_by_a_code(language: str) -> None:
    """A kind, hazard or severity that the program gains needs words here."""
    for kind in NoticeKind:
        assert kind.value not in text_of(notice(kind=kind.value), language)
    for hazard in Hazard:
        text = text_of(notice(params={"hazard": hazard.value}), language)
        assert "_" not in text
        assert language == "en" or hazard.value.replace("_", " ") not in text
    for severity in Severity:
        assert text_of(notice(severity=severity.value), language)


@pytest.mark.parametrize(
    ("is_worker", "row", "link"),
    [
        (True, notice(), f"{ORIGIN}/phone/tasks/t"),
        (False, notice(), f"{ORIGIN}/incidents/i"),
        (False, notice(kind="escalated", task_id=None), f"{ORIGIN}/incidents/i"),
    ],
    ids=["phone", "desk", "escalated"],
)
def test_the_link_opens_exactly_its_case(is_worker: bool, row: dict[str, Any], link: str) -> None:
    assert say(row, 0, "1", is_worker=is_worker, origin=ORIGIN, language="zh").link == link


def test_every_placeholder_but_the_address_has_a_value() -> None:
    said = say(notice(), 3, "1", is_worker=True, origin=ORIGIN, language="zh")
    assert {*said.values, "address"} == set(PLACEHOLDERS)
    assert said.values["key"] == said.key == "n-3"
