"""Decisions become alerts: one id, revisions that count up, also when the node is killed in between."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from math import cos, pi, sin
from pathlib import Path

import pytest

from tests.unit.edge.observing import CAR, camera, judged, lane_rule, seen, times
from xueliang_alerts.contract import Alert, EvidenceKind, EvidenceRef, Phase, alert_id_of
from xueliang_edge import publishing
from xueliang_edge.errors import NotRepresentable
from xueliang_edge.publishing import Publisher
from xueliang_edge.rules.episodes import Decision
from xueliang_edge.rules.judge import CameraJudge

SPOOL_ID = uuid.UUID(int=7)


class MemorySpool:
    """Accepts, or fails like a full disk."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.is_full = False

    @property
    def spool_id(self) -> uuid.UUID:
        return SPOOL_ID

    def accept(self, body: Alert) -> object:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.alerts.append(body)
        return body


CAMERA = camera(lane_rule(drill=True, version=3, severity=2))
RULE = CAMERA.rules[0]


def decisions() -> list[Decision]:
    """raised, updated, cleared."""
    truck = ("truck", 0.7, (0.55, 0.4, 0.8, 0.85))
    looks = [seen(t, [CAR, truck] if t > 60 else [CAR]) for t in times(120)]
    return judged(CameraJudge(CAMERA), [*looks, *[seen(t) for t in times(130, 0.5, 120.5)]])


def test_one_episode_is_one_alert_with_revisions(tmp_path: Path) -> None:
    spool = MemorySpool()
    publisher = Publisher(spool, tmp_path / "open.json")
    for decision in decisions():
        publisher.publish("lane", RULE, decision)
    assert [(a.phase.value, a.revision) for a in spool.alerts] == [("raised", 1), ("updated", 2), ("cleared", 3)]
    first = spool.alerts[0]
    assert {a.alert_id for a in spool.alerts} == {alert_id_of(SPOOL_ID, "lane", "r0", first.began_at)}
    assert (first.rule_version, first.drill, int(first.severity), first.hazard.value) == (
        3,
        True,
        2,
        "fire_lane_obstruction",
    )
    assert first.measures["seconds"].unit == "s"
    assert first.frame_size_wh == (1280, 720)
    assert spool.alerts[-1].ended_at is not None
    assert publisher.open_alerts() == {}


def test_a_still_is_told_with_where_the_rule_looked(tmp_path: Path) -> None:
    spool = MemorySpool()
    publisher = Publisher(spool, tmp_path / "open.json")
    raised, updated, _ = decisions()
    still = EvidenceRef(sha256="0" * 64, kind=EvidenceKind.ONSET, bytes=900)
    publisher.publish("lane", RULE, raised)
    publisher.publish("lane", RULE, updated, [still])
    without, with_it = (alert.zone_xyn for alert in spool.alerts)
    assert without is None, "nothing to draw it on"
    assert with_it is not None
    assert [list(corner) for corner in with_it] == [[round(x, 4), round(y, 4)] for x, y in RULE.zone]


def test_a_zone_of_more_corners_than_the_contract_has_is_left_out(tmp_path: Path) -> None:
    spool = MemorySpool()
    round_one = tuple((0.5 + 0.4 * cos(step / 50 * pi), 0.5 + 0.4 * sin(step / 50 * pi)) for step in range(100))
    rule = RULE.model_copy(update={"zone": round_one})
    still = EvidenceRef(sha256="0" * 64, kind=EvidenceKind.ONSET, bytes=900)
    Publisher(spool, tmp_path / "open.json").publish("lane", rule, decisions()[0], [still])
    assert spool.alerts[0].zone_xyn is None


def test_revisions_go_on_after_a_restart(tmp_path: Path) -> None:
    spool = MemorySpool()
    raised, updated, cleared = decisions()
    Publisher(spool, tmp_path / "open.json").publish("lane", RULE, raised)
    after = Publisher(spool, tmp_path / "open.json")
    after.publish("lane", RULE, updated)
    after.publish("lane", RULE, cleared)
    assert [a.revision for a in spool.alerts] == [1, 2, 3]
    assert len({a.alert_id for a in spool.alerts}) == 1


def test_a_revision_that_the_disk_refused_is_left_out_and_never_used_again(tmp_path: Path) -> None:
    spool = MemorySpool()
    publisher = Publisher(spool, tmp_path / "open.json")
    raised, updated, _ = decisions()
    publisher.publish("lane", RULE, raised)
    spool.is_full = True
    with pytest.raises(OSError):
        publisher.publish("lane", RULE, updated)
    spool.is_full = False
    Publisher(spool, tmp_path / "open.json").publish("lane", RULE, updated)
    assert [a.revision for a in spool.alerts] == [1, 3]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1, "open": {"a": {"alert_id": "x"}}}'])
def test_without_its_book_the_end_of_an_episode_still_wins(tmp_path: Path, text: str) -> None:
    spool = MemorySpool()
    book = tmp_path / "open.json"
    raised, updated, cleared = decisions()
    publisher = Publisher(spool, book)
    publisher.publish("lane", RULE, raised)
    publisher.publish("lane", RULE, updated)
    book.write_text(text, encoding="utf-8")
    Publisher(spool, book).publish("lane", RULE, cleared)
    assert spool.alerts[-1].alert_id == spool.alerts[0].alert_id
    assert spool.alerts[-1].revision > 2


def test_an_end_that_the_spool_took_is_said_whatever_becomes_of_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "open.json"
    spool = MemorySpool()
    publisher = Publisher(spool, book)
    raised, _, cleared = decisions()
    publisher.publish("lane", RULE, raised)
    accept = spool.accept

    def last_before_full(body: Alert) -> object:
        monkeypatch.setattr(publishing.os, "fsync", full)
        return accept(body)

    monkeypatch.setattr(spool, "accept", last_before_full)
    assert publisher.publish("lane", RULE, cleared).phase is Phase.CLEARED
    assert [alert.phase for alert in spool.alerts] == [Phase.RAISED, Phase.CLEARED], "once"
    assert publisher.open_alerts() == {}
    monkeypatch.undo()
    after = Publisher(spool, book)
    assert set(after.open_alerts()) == {"lane/r0"}, "the entry has stayed"
    later = replace(raised.began, at=raised.began.at + timedelta(hours=1))
    again = after.publish("lane", RULE, replace(raised, began=later, raised=later, observed=later))
    assert again.revision == 1, "and harms nobody"
    assert again.alert_id != spool.alerts[0].alert_id


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_evidence_travels_with_its_revision(tmp_path: Path) -> None:
    spool = MemorySpool()
    still = EvidenceRef(sha256="b" * 64, kind=EvidenceKind.ONSET, bytes=1000)
    Publisher(spool, tmp_path / "open.json").publish("lane", RULE, decisions()[0], [still])
    assert spool.alerts[0].evidence == (still,)


@pytest.mark.parametrize(
    "broken",
    [
        {"confidence": float("nan")},
        {"measures": {"share": (float("inf"), "share")}},
        {"boxes_xyxyn": ((float("nan"), 0.0, 1.0, 1.0),)},
        {"boxes_xyxyn": ((0.9, 0.0, 0.1, 1.0),)},
        {"measures": {"Not A Name": (1.0, "s")}},
    ],
    ids=["confidence_nan", "measure_inf", "box_nan", "box_reversed", "measure_name"],
)
def test_what_the_contract_refuses_never_reaches_the_spool(tmp_path: Path, broken: dict[str, object]) -> None:
    spool = MemorySpool()
    publisher = Publisher(spool, tmp_path / "open.json")
    raised = decisions()[0]
    with pytest.raises(NotRepresentable):
        publisher.publish("lane", RULE, replace(raised, **broken))  # type: ignore[arg-type]
    assert spool.alerts == []
    assert publisher.open_alerts() == {}
    assert publisher.publish("lane", RULE, raised).revision == 1


def test_boxes_are_cut_at_the_edge_of_the_picture_and_counted_to_64(tmp_path: Path) -> None:
    raised = replace(decisions()[0], boxes_xyxyn=((-0.1, 0.2, 1.3, 0.50004),) * 100)
    alert = Publisher(MemorySpool(), tmp_path / "open.json").publish("lane", RULE, raised)
    assert alert.boxes_xyxyn == ((0.0, 0.2, 1.0, 0.5),) * 64


def test_the_book_is_small_and_readable(tmp_path: Path) -> None:
    book = tmp_path / "deep" / "open.json"
    Publisher(MemorySpool(), book).publish("lane", RULE, decisions()[0])
    saved = json.loads(book.read_text(encoding="utf-8"))
    assert list(saved["open"]) == ["lane/r0"]
    assert saved["open"]["lane/r0"]["revision"] == 1


def test_phases_of_a_new_episode_start_at_one_again(tmp_path: Path) -> None:
    spool = MemorySpool()
    publisher = Publisher(spool, tmp_path / "open.json")
    looks = [seen(t, [CAR] if t < 20 or t >= 30 else []) for t in times(60)]
    for decision in judged(CameraJudge(CAMERA), looks):
        publisher.publish("lane", RULE, decision)
    assert [(a.phase, a.revision) for a in spool.alerts] == [
        (Phase.RAISED, 1),
        (Phase.CLEARED, 2),
        (Phase.RAISED, 1),
    ]
    assert spool.alerts[0].alert_id != spool.alerts[2].alert_id


def test_book_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    book = tmp_path / "open.json"
    book.with_suffix(".new").touch(0o644)  # what a crash left
    Publisher(MemorySpool(), book).publish("lane", RULE, decisions()[0])
    assert book.stat().st_mode & 0o777 == 0o600
