"""The pages about cameras, from plain values: everything is on them, in both languages, and nothing breaks out."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from xueliang_alerts.contract import Hazard
from xueliang_central.disclosure.facts import (
    AreaName,
    Assessment,
    CameraFact,
    RuleFact,
    rights_in_force,
    rules_of,
)
from xueliang_central.disclosure.pages import assessment_page, index_page, notice_page
from xueliang_central.disclosure.words import HAZARDS, WORDS, Language
from xueliang_central.rights.scope import Role
from xueliang_configs.centre import DisclosureConfig
from xueliang_configs.retention import RetentionConfig
from xueliang_configs.values import PlaceClass

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='x'>&{days}"

GATE = CameraFact(
    camera_id="gate-3",
    name="东门",
    area=AreaName("370102", "示例市历南区", "South, Example"),
    place_class="school",
    purpose="消防通道监看",
    legal_basis="条例第三条",
    signed_on=date(2026, 5, 1),
    approved_view="只看通道，窗户遮蔽",
    view_approved_on=date(2026, 5, 2),
    review_by=date(2027, 5, 1),
    rules=(
        RuleFact("lane", "fire_lane_obstruction", 2),
        RuleFact("many", "crowd", 3, ("mon 08:00–18:00",), shadow=True),
    ),
    rules_said="running",
    models=("a" * 64,),
    node_id="edge-01",
    node_area=AreaName("3701", "示例市", "Example"),
    seen_by={"operator": 4, "worker": 2, "security": 1},
    changed_at=datetime(2026, 11, 1, tzinfo=UTC),
)
CITY = AreaName("3701", "示例市", "Example")


def made(*cameras: CameraFact, **more: Any) -> Assessment:
    plain: dict[str, Any] = {
        "area": CITY,
        "centre": CITY,
        "cameras": cameras or (GATE,),
        "retention": RetentionConfig(),
        "disclosure": DisclosureConfig(responsible="市综治中心", responsible_en="City centre", contact="12345"),
        "rights": rights_in_force(),
        "made_at": AT,
    }
    return Assessment(**{**plain, **more})


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</style>")[1]))


def assessed(found: Assessment, language: Language = "zh") -> str:
    return "".join(assessment_page(found, language))


class _Reader(HTMLParser):
    """Every element that the page opens is closed; which there are; what they fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_the_assessment_says_all_of_a_camera_in_chinese() -> None:
    text = text_of(assessed(made()))
    for part in ("gate-3", "东门", "示例市历南区", "学校", "消防通道监看", "条例第三条", "2026-05-01", "2027-05-01"):
        assert part in text
    for part in ("只看通道，窗户遮蔽", "消防车通道占用", "人员聚集", "mon 08:00–18:00", "试运行，不告警", "a" * 64):
        assert part in text
    for part in ("事件办结后 90 天", "指挥中心操作员: 4 个账号", "边缘节点 edge-01（示例市）", "市综治中心", "12345"):
        assert part in text
    assert "安全管理员: 1" not in text, "whoever keeps accounts sees no stills"


def test_the_assessment_says_all_of_a_camera_in_english() -> None:
    text = text_of(assessed(made(), "en"))
    for part in ("South, Example", "Fire lane obstructed", "Dense crowd", "90 days after the incident was closed"):
        assert part in text
    for part in ("command-centre operator: 4 accounts", "edge node edge-01 (Example)", "City centre", "severity 2"):
        assert part in text


@pytest.mark.parametrize("field", ["purpose", "legal_basis", "signed_on", "approved_view", "view_approved_on"])
def test_what_is_not_stated_is_named_as_missing(field: str) -> None:
    lacking = replace(GATE, **{field: None})
    assert lacking.missing == (field,)
    assert GATE.missing == ()
    page = assessed(made(lacking), "en")
    assert page.count("not stated yet") == 1
    assert f"{WORDS['en'][field]}</span>" in page


def test_the_version_is_that_of_what_is_configured_not_of_the_day() -> None:
    first = made()
    assert made(made_at=AT.replace(year=2027)).version == first.version
    assert made(replace(GATE, changed_at=AT)).version == first.version
    changed = {
        made(replace(GATE, purpose="交通")).version,
        made(retention=RetentionConfig(evidence_days=60)).version,
        made(disclosure=DisclosureConfig()).version,
        made(rights={}).version,
        made(replace(GATE, rules=())).version,
    }
    assert len(changed | {first.version}) == 6
    assert first.version_of(replace(GATE, seen_by={})) == first.version_of(GATE)
    assert first.version_of(replace(GATE, name="西门")) != first.version_of(GATE)


def test_what_is_kept_differs_by_hazard() -> None:
    kept = RetentionConfig(evidence_by_hazard={Hazard.CROWD: 45})
    assert "人员聚集: 事件办结后 45 天" in text_of(assessed(made(retention=kept)))
    assert "长期保存" in text_of(assessed(made(retention=RetentionConfig(evidence_days=None))))


def test_a_notice_tells_the_public_less() -> None:
    page = notice_page(made(), GATE)
    text = text_of(page)
    for part in (
        "gate-3",
        "消防通道监看",
        "条例第三条",
        "2026-05-01",
        "消防车通道占用",
        "Fire lane obstructed",
        "12345",
    ):
        assert part in text
    for secret in ("edge-01", "a" * 64, "个账号：", "accounts", "lane", "mon 08:00"):
        assert secret not in text.replace("fire lane", "").replace("Fire lane", ""), secret


def test_nothing_that_was_typed_breaks_out_of_the_page() -> None:
    hostile = replace(
        GATE,
        name=HOSTILE,
        purpose=HOSTILE,
        legal_basis=HOSTILE,
        approved_view=HOSTILE,
        place_class=HOSTILE,
        area=AreaName("370102", HOSTILE, HOSTILE),
        node_area=AreaName("3701", HOSTILE, HOSTILE),
        rules=(RuleFact(HOSTILE, HOSTILE, 1, (HOSTILE,)),),
        models=(HOSTILE,),
        node_id=HOSTILE,
    )
    names = AreaName("3701", HOSTILE, HOSTILE)
    found = made(hostile, area=names, centre=names, disclosure=DisclosureConfig(responsible=HOSTILE, contact=HOSTILE))
    index = "".join(index_page(found, lambda camera: f"camera-{camera.camera_id}.html"))
    for page in (assessed(found), assessed(found, "en"), notice_page(found, hostile), index):
        reader = read(page)
        assert not reader.seen & {"script", "img", "link", "iframe", "object"}
        assert not reader.attributes & {"onerror", "src"}


def test_both_languages_have_every_word() -> None:
    assert set(WORDS["zh"]) == set(WORDS["en"])
    wanted = {role.value for role in Role} | {place.value for place in PlaceClass} | set(rights_in_force())
    assert wanted <= set(WORDS["zh"])
    assert set(HAZARDS["zh"]) == set(HAZARDS["en"]) == {hazard.value for hazard in Hazard}


def test_rules_are_told_as_they_are_judged_at_their_place() -> None:
    lane = {
        "hazard": "fire_lane_obstruction",
        "rule_id": "lane",
        "zone": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]],
        "severity": 3,
        "severity_by_place": {"school": 1},
        "schedule": {"bands": [{"days": ["sat", "sun"], "start": "22:00", "until": "06:00"}]},
    }
    settings = {"camera_id": "gate-3", "place_class": "school", "look_every_s": None, "rules": [lane]}
    assert rules_of(settings) == (RuleFact("lane", "fire_lane_obstruction", 1, ("sat sun 22:00–06:00",)),)
    later = {**settings, "rules": [{**lane, "what_a_later_release_has": 1}, "nonsense"]}
    assert rules_of(later) == (RuleFact("lane", "fire_lane_obstruction"),)


def test_live_view_is_said_where_it_is_on_and_that_it_is_off() -> None:
    off, on = made(), made(live_minutes=5)
    (camera,) = on.cameras[:1]
    assert "There is no live view." in "".join(assessment_page(off, "en"))
    assert "at most 5 minutes at a time" in "".join(assessment_page(on, "en"))
    assert "每次最长 5 分钟" in notice_page(on, camera)
    assert "live" not in text_of(notice_page(off, camera)).replace("deliver", "")
    assert on.version_of(camera) != off.version_of(camera)
