"""Documents against the schema of the standard, and what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, box

from tests.support.cap_schema import problems_of, texts, valid
from tests.support.city import GRID, city_tree
from tests.support.fixtures import REPOSITORY, require_fixture
from tests.unit.central.cap.test_deciding import FIRE, SHARING
from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.areas.tree import Area, Level
from xueliang_central.cap import words
from xueliang_central.cap.deciding import MessageType, Phase
from xueliang_central.cap.document import MOST_POINTS, Message, document_of, outlines_of

NOON = datetime(2026, 11, 23, 4, 0, 0, 250_000, tzinfo=UTC)
ALERT = Message(
    identifier="7f3c-1",
    number="20261123-0001",
    message_type=MessageType.ALERT,
    facts=FIRE,
    sent_at=NOON,
    began_at=NOON - timedelta(seconds=61),
    expires_at=NOON + timedelta(days=1),
    areas=city_tree().chain(GRID),
    web="https://centre.example/incidents/7f3c",
)


def test_the_schema_takes_the_example_of_the_standard_and_refuses_what_is_wrong() -> None:
    """Else the tests below would say nothing."""
    example = require_fixture("standards/cap_amber_alert_example.xml").read_text(encoding="utf-8")
    assert problems_of(example) == []
    assert problems_of(example.replace("<status>Actual</status>", "<status>Drill</status>"))
    assert problems_of(document_of(ALERT, SHARING).replace("-00:00</sent>", "Z</sent>"))


def test_an_alert_says_what_where_and_how_bad() -> None:
    root = valid(document_of(ALERT, SHARING))
    assert texts(root, "sent") == ["2026-11-23T04:00:00-00:00"]
    assert texts(root, "status") == ["Actual"]
    assert texts(root, "msgType") == ["Alert"]
    assert texts(root, "references") == []
    assert (texts(root, "scope"), texts(root, "restriction")) == (["Restricted"], ["authorised receivers only"])
    assert texts(root, "info/language") == ["zh-CN", "en-US"]
    assert texts(root, "info/event") == ["烟火", "Fire or smoke"]
    assert texts(root, "info/category") == ["Fire"] * 2
    assert texts(root, "info/urgency") == ["Immediate"] * 2
    assert texts(root, "info/severity") == ["Severe"] * 2
    assert texts(root, "info/certainty") == ["Observed"] * 2
    assert texts(root, "info/area/circle") == ["36.00500,117.00500 0.1"] * 2  # latitude first
    assert texts(root, "info/area/polygon") == []
    assert texts(root, "info/area/geocode/value") == [GRID[:6], GRID] * 2
    assert texts(root, "info/web") == ["https://centre.example/incidents/7f3c"] * 2
    assert texts(root, "info/onset") == ["2026-11-23T03:58:59-00:00"] * 2


def test_every_hazard_severity_phase_and_type_is_valid() -> None:
    for hazard, severity, phase, kind, drill in product(Hazard, Severity, Phase, MessageType, (False, True)):
        facts = replace(FIRE, hazard=hazard.value, severity=int(severity), phase=phase, drill=drill)
        references = () if kind is MessageType.ALERT else ("centre@city.example,7f3c-1,2026-11-23T04:00:00-00:00",)
        message = replace(ALERT, facts=facts, message_type=kind, references=references)
        root = valid(document_of(message, SHARING))
        assert texts(root, "status") == ["Exercise" if drill else "Actual"]
        assert len(texts(root, "references")) == (kind is not MessageType.ALERT)


def test_a_drill_is_an_exercise_also_on_trial_and_says_so_in_words() -> None:
    trial = SHARING.model_copy(update={"trial": True})
    root = valid(document_of(replace(ALERT, facts=replace(FIRE, drill=True)), trial))
    assert texts(root, "status") == ["Exercise"]
    assert texts(root, "note") == ["exercise 20261123-0001"]
    assert texts(root, "info/headline")[0].startswith("【演练】")
    assert texts(root, "info/headline")[1].startswith("EXERCISE: ")
    assert texts(valid(document_of(ALERT, trial)), "status") == ["Test"]


def test_scopes() -> None:
    public = valid(document_of(ALERT, SHARING.model_copy(update={"scope": "public"})))
    assert (texts(public, "scope"), texts(public, "restriction"), texts(public, "addresses")) == (["Public"], [], [])
    some = {"scope": "private", "addresses": ("fire@city", "water@city")}
    private = valid(document_of(ALERT, SHARING.model_copy(update=some)))
    assert (texts(private, "scope"), texts(private, "addresses")) == (["Private"], ["fire@city water@city"])


def test_without_a_place_the_outline_of_the_area_is_told() -> None:
    root = valid(document_of(replace(ALERT, facts=replace(FIRE, longitude=None, latitude=None)), SHARING))
    assert texts(root, "info/area/circle") == []
    corners = texts(root, "info/area/polygon")[0].split(" ")
    assert corners[0] == corners[-1]
    assert len(corners) == 5
    assert set(corners) == {"36.00000,117.00000", "36.00000,117.10000", "36.40000,117.10000", "36.40000,117.00000"}


def test_an_outline_has_few_points_and_every_part() -> None:
    ragged = Point(117, 36).buffer(0.5, quad_segs=5000)
    outlines = outlines_of(MultiPolygon([ragged, box(118, 36, 119, 37)]))
    assert len(outlines) == 2
    assert len(outlines[0].split(" ")) <= MOST_POINTS
    assert outlines_of(city_tree().get(GRID).polygon.difference(city_tree().get(GRID).polygon)) == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_hostile_names_of_areas_stay_text(name: str, name_en: str) -> None:
    area = Area("3701", name, name_en, Level.CITY, None, "3701", box(117, 36, 118, 37), None)
    root = valid(document_of(replace(ALERT, areas=(area,)), SHARING))
    assert len(texts(root, "info/event")) == 2


def test_nothing_of_a_camera_or_a_picture_leaves() -> None:
    """By construction: what a document is made of has no field for them."""
    fields = {*Message.__dataclass_fields__, *type(FIRE).__dataclass_fields__}
    assert not {name for name in fields if "camera" in name or "picture" in name or "evidence" in name}
    assert "<resource" not in document_of(ALERT, SHARING)


@pytest.mark.parametrize(
    ("words_of", "names"),
    [
        (lambda hazard: [words.CATEGORY_OF[hazard], *words.EVENT_OF[hazard].values()], list(Hazard)),
        (lambda severity: [words.SEVERITY_OF[severity]], list(Severity)),
    ],
    ids=["hazards", "severities"],
)
def test_the_page_tells_the_same_tables(words_of: Any, names: list[Any]) -> None:
    page = Path(REPOSITORY / "docs" / "cap.md").read_text(encoding="utf-8").splitlines()
    for name in names:
        if name is Hazard.CAMERA_FAULT:
            continue
        cells = next(line.split(" | ") for line in page if line.startswith(f"| {name.value} |"))
        assert [cell.strip(" |") for cell in cells[1:]][: len(words_of(name))] == words_of(name)
